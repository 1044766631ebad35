//! One real request a source, and the access policy: asked of Graph itself, since only Graph knows.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::CheckLine;
use crate::graph::{Cause, FailureReason, GraphClient, GraphError, GraphRequest, RequestKind};
use crate::job::plan::{
    ActsAs, DiscoverBy, OnlineMeetingsPlan, OrganizersPlan, RunPlan, UsersPlan, VirtualEventsPlan,
};
use crate::model::{self, Event, GroupMember, OnlineMeeting, User};
use crate::time::{DAY, UtcMicros};

/// So many organizers are asked; one may have no mailbox, and a policy may not cover all.
const ORGANIZERS: usize = 5;
/// How far back a meeting is looked for that the policy can be tried on.
const DAYS_BACK: i64 = 14;
/// Where an organizer has had no meeting: nobody's, so that no meeting is found, but the policy is looked at.
const NOBODYS_LINK: &str =
    "https://teams.microsoft.com/l/meetup-join/19%3ameeting_dGVhbXNoZWV0LWNoZWNr%40thread.v2/0";
const POLICY: &str = "access policy";

/// An organizer whose calendar was read, with the join link of a meeting of the own.
struct Organizer {
    id: String,
    join_url: Option<String>,
}

/// The lines that [`lines`] would give, by name.
pub(super) fn names(plan: &RunPlan) -> Vec<&'static str> {
    let mut names = Vec::new();
    if let Some(meetings) = &plan.sources.online_meetings {
        names.extend(meetings.discover.iter().map(|way| name_of(*way)));
        names.push(POLICY);
    }
    names.extend(virtual_events(plan).map(|(what, ..)| what));
    names
}

pub(super) async fn lines(plan: &RunPlan, graph: &GraphClient, now: UtcMicros) -> Vec<CheckLine> {
    let mut lines = Vec::new();
    if let Some(meetings) = &plan.sources.online_meetings {
        let mut organizers = Vec::new();
        for way in &meetings.discover {
            let what = name_of(*way);
            let asked = match way {
                DiscoverBy::Calendar => calendars(graph, meetings, now, &mut organizers).await,
                DiscoverBy::CallRecords => call_records(graph, now).await,
                DiscoverBy::Listed => listed(graph, meetings, &mut organizers).await,
            };
            lines.push(asked.unwrap_or_else(|error| CheckLine::failed(what, &error)));
        }
        lines.push(policy(graph, plan, meetings, &organizers).await);
    }
    for (what, kind, collection, plan) in virtual_events(plan) {
        let asked = events(graph, what, kind, collection, plan).await;
        lines.push(asked.unwrap_or_else(|error| CheckLine::failed(what, &error)));
    }
    lines
}

fn name_of(way: DiscoverBy) -> &'static str {
    match way {
        DiscoverBy::Calendar => "online meetings, calendar",
        DiscoverBy::CallRecords => "online meetings, call-records",
        DiscoverBy::Listed => "online meetings, listed",
    }
}

fn virtual_events(
    plan: &RunPlan,
) -> impl Iterator<Item = (&'static str, RequestKind, &'static str, &VirtualEventsPlan)> {
    let webinars = plan.sources.webinars.as_ref();
    let town_halls = plan.sources.town_halls.as_ref();
    let webinars = webinars.map(|plan| ("webinars", RequestKind::ListWebinars, "webinars", plan));
    let town_halls =
        town_halls.map(|plan| ("town halls", RequestKind::ListTownHalls, "townhalls", plan));
    webinars.into_iter().chain(town_halls)
}

/// A path below the owner of a calendar and its meetings.
fn path<'a>(users: &UsersPlan, id: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let mut path = users.path().segments(id);
    path.extend(rest);
    path
}

/// Reads the calendar of the first organizers that have one.
async fn calendars(
    graph: &GraphClient,
    plan: &OnlineMeetingsPlan,
    now: UtcMicros,
    organizers: &mut Vec<Organizer>,
) -> Result<CheckLine, GraphError> {
    let what = name_of(DiscoverBy::Calendar);
    let (mut refused, mut without) = (None, 0);
    for id in first_users(graph, &plan.users).await? {
        match own_meeting(graph, &plan.users, &id, now).await {
            Ok(join_url) => organizers.push(Organizer { id, join_url }),
            Err(error)
                if matches!(
                    error.cause(),
                    Cause::MailboxNotEnabled | Cause::UserNotFound
                ) =>
            {
                without += 1;
            }
            Err(error) => refused = Some(error),
        }
    }
    if let Some(error) = refused {
        return Err(error);
    }
    if organizers.is_empty() {
        return Ok(CheckLine::skip(
            what,
            format!("none of the first {without} users has a calendar"),
        ));
    }
    let read = organizers.len();
    Ok(CheckLine::pass(
        what,
        format!("{read} of the first {} calendars read", read + without),
    ))
}

/// The first few of the users whose calendars a run reads.
async fn first_users(graph: &GraphClient, users: &UsersPlan) -> Result<Vec<String>, GraphError> {
    let select = ("$select", "id,accountEnabled,userType");
    let top = ("$top", "20");
    let (kind, url) = match users {
        UsersPlan::Me => return Ok(vec!["me".to_owned()]),
        UsersPlan::Listed(names) => {
            let mut ids = Vec::new();
            for name in names.iter().take(ORGANIZERS) {
                ids.push(object_id(graph, name).await?);
            }
            return Ok(ids);
        }
        UsersPlan::All => {
            let filter = ("$filter", "accountEnabled eq true and userType eq 'Member'");
            let url = graph.url_with_query(&["users"], &[filter, select, top]);
            (RequestKind::Users, url)
        }
        UsersPlan::Group(id) => {
            let url = graph.url_with_query(&["groups", id, "members"], &[select, top]);
            (RequestKind::GroupMembers, url)
        }
    };
    let request = graph.request(kind, url);
    graph
        .get_with(&request, |body| {
            let ids: Vec<String> = if kind == RequestKind::Users {
                let page = model::parse_page::<User<'_>>(body)?;
                let users = page.items.iter().filter_map(|user| user.id.as_ref());
                users.map(|id| id.as_ref().to_owned()).collect()
            } else {
                let page = model::parse_page::<GroupMember<'_>>(body)?;
                let is_user = |member: &&GroupMember<'_>| {
                    member
                        .odata_type
                        .as_ref()
                        .is_none_or(|kind| kind.as_ref() == "#microsoft.graph.user")
                };
                let members = page.items.iter().filter(is_user);
                let ids = members.filter_map(|member| member.id.as_ref());
                ids.map(|id| id.as_ref().to_owned()).collect()
            };
            Ok(ids.into_iter().take(ORGANIZERS).collect())
        })
        .await
}

/// Meetings and events are asked for by object id; a user principal name is looked up.
async fn object_id(graph: &GraphClient, name: &str) -> Result<String, GraphError> {
    if name.split('-').map(str::len).eq([8, 4, 4, 4, 12]) {
        return Ok(name.to_owned());
    }
    let url = graph.url_with_query(&["users", name], &[("$select", "id")]);
    let request = graph.request(RequestKind::Users, url);
    graph
        .get_with(&request, |body| {
            let user: User<'_> = model::parse_entity(body)?;
            Ok(user.id.as_ref().map_or(name, AsRef::as_ref).to_owned())
        })
        .await
}

/// The join link of a meeting that the user organized lately; `None` where there was none.
async fn own_meeting(
    graph: &GraphClient,
    users: &UsersPlan,
    id: &str,
    now: UtcMicros,
) -> Result<Option<String>, GraphError> {
    let (start, end) = (now.plus(-DAYS_BACK * DAY).to_string(), now.to_string());
    let url = graph.url_with_query(
        &path(users, id, &["calendarView"]),
        &[
            ("startDateTime", &start),
            ("endDateTime", &end),
            (
                "$select",
                "isOrganizer,isOnlineMeeting,onlineMeetingProvider,onlineMeeting",
            ),
            ("$top", "100"),
        ],
    );
    let request = graph.request(RequestKind::CalendarView, url).mailbox(id);
    graph
        .get_with(&request, |body| {
            let page = model::parse_page::<Event<'_>>(body)?;
            let own = page.items.iter().filter(|event| {
                event.is_organizer == Some(true) && event.is_online_meeting == Some(true)
            });
            let links = own.filter_map(|event| event.online_meeting.as_ref()?.join_url.as_ref());
            // a channel's meeting says nothing about the policy
            let mut links = links.filter(|link| !link.as_ref().contains("thread.tacv2"));
            Ok(links.next().map(|link| link.as_ref().to_owned()))
        })
        .await
}

async fn call_records(graph: &GraphClient, now: UtcMicros) -> Result<CheckLine, GraphError> {
    let since = format!("startDateTime ge {}", now.plus(-DAY));
    let query = [("$filter", since.as_str()), ("$select", "id,startDateTime")];
    let url = graph.url_with_query(&["communications", "callRecords"], &query);
    let request = graph.request(RequestKind::ListCallRecords, url);
    let what = name_of(DiscoverBy::CallRecords);
    let count = count(graph, &request).await?;
    Ok(CheckLine::pass(
        what,
        format!("{count} calls on the first page of the last day"),
    ))
}

/// How many items the first page holds.
async fn count(graph: &GraphClient, request: &GraphRequest) -> Result<usize, GraphError> {
    let read = |body: &Bytes| Ok(model::parse_page::<IgnoredAny>(body)?.items.len());
    graph.get_with(request, read).await
}

/// The organizers of a list are those that the access policy is tried on.
async fn listed(
    graph: &GraphClient,
    plan: &OnlineMeetingsPlan,
    organizers: &mut Vec<Organizer>,
) -> Result<CheckLine, GraphError> {
    let names: BTreeSet<&String> = plan.listed.iter().map(|listed| &listed.organizer).collect();
    let count = names.len();
    for name in names.into_iter().take(ORGANIZERS) {
        // whoever signed in is asked for as such, also where the list has a name
        let id = match plan.users {
            UsersPlan::Me => "me".to_owned(),
            UsersPlan::All | UsersPlan::Listed(_) | UsersPlan::Group(_) => {
                object_id(graph, name).await?
            }
        };
        if organizers.iter().all(|known| known.id != id) {
            organizers.push(Organizer { id, join_url: None });
        }
    }
    Ok(CheckLine::pass(
        name_of(DiscoverBy::Listed),
        format!("{} meetings of {count} organizers", plan.listed.len()),
    ))
}

/// Looks a meeting up under each organizer, and its reports where there is one.
async fn policy(
    graph: &GraphClient,
    plan: &RunPlan,
    meetings: &OnlineMeetingsPlan,
    organizers: &[Organizer],
) -> CheckLine {
    if plan.auth.acts_as() == Some(ActsAs::User) {
        return match organizers.first() {
            Some(own) => match look_up(graph, meetings, own).await {
                Ok(_) => CheckLine::pass(POLICY, "not needed: these are the user's own meetings"),
                Err(error) => CheckLine::failed(POLICY, &error),
            },
            None => CheckLine::skip(POLICY, "not needed: these are the user's own meetings"),
        };
    }
    if organizers.is_empty() {
        return CheckLine::skip(POLICY, "no organizer is known to try it on");
    }
    let (mut covered, mut reports, mut uncovered) = (0, 0, None);
    for organizer in organizers {
        match look_up(graph, meetings, organizer).await {
            Ok(has_reports) => {
                covered += 1;
                reports += usize::from(has_reports);
            }
            Err(error)
                if matches!(
                    error.cause(),
                    Cause::NoApplicationAccessPolicy | Cause::NotOrganizer
                ) =>
            {
                uncovered = Some(error);
            }
            Err(error) => return CheckLine::failed(POLICY, &error),
        }
    }
    let asked = organizers.len();
    match uncovered {
        Some(error) if covered == 0 => CheckLine::failed(POLICY, &error),
        _ => CheckLine::pass(
            POLICY,
            format!(
                "covers {covered} of {asked} organizers that were asked; reports of {reports} read"
            ),
        ),
    }
}

/// Whether reports could be read too; no meeting to look up is no error.
async fn look_up(
    graph: &GraphClient,
    plan: &OnlineMeetingsPlan,
    organizer: &Organizer,
) -> Result<bool, GraphError> {
    let link = organizer.join_url.as_deref().unwrap_or(NOBODYS_LINK);
    let filter = format!("JoinWebUrl eq '{}'", link.replace('\'', "''"));
    let meetings = path(&plan.users, &organizer.id, &["onlineMeetings"]);
    let url = graph.url_with_query(&meetings, &[("$filter", &filter)]);
    let request = graph.request(RequestKind::FindMeeting, url);
    let found = graph
        .get_with(&request, |body| {
            let page = model::parse_page::<OnlineMeeting<'_>>(body)?;
            let id = page.items.first().and_then(|meeting| meeting.id.as_ref());
            Ok(id.map(|id| id.as_ref().to_owned()))
        })
        .await;
    let id = match found {
        Ok(Some(id)) => id,
        Ok(None) => return Ok(false),
        // it was looked for, so it may be looked for
        Err(error) if is_only_not_found(&error, organizer) => return Ok(false),
        Err(error) => return Err(error),
    };
    let path = path(
        &plan.users,
        &organizer.id,
        &["onlineMeetings", &id, "attendanceReports"],
    );
    let request = graph.request(RequestKind::ListReports, graph.url(&path));
    graph.get(&request).await.map(|_| true)
}

fn is_only_not_found(error: &GraphError, organizer: &Organizer) -> bool {
    let is_nobodys = organizer.join_url.is_none();
    let (reason, cause) = (error.reason(), error.cause());
    reason == FailureReason::Gone
        || (reason == FailureReason::BadRequest && (cause == Cause::JoinUrlUnusable || is_nobodys))
        // the same words for a policy that does not cover the organizer and for a meeting of nobody
        || (cause == Cause::NotOrganizer && is_nobodys)
}

/// Lists webinars or town halls as a run does.
async fn events(
    graph: &GraphClient,
    what: &'static str,
    kind: RequestKind,
    collection: &'static str,
    plan: &VirtualEventsPlan,
) -> Result<CheckLine, GraphError> {
    let function = match &plan.organizers {
        OrganizersPlan::All => None,
        OrganizersPlan::Me => Some("getByUserRole(role='organizer')".to_owned()),
        OrganizersPlan::Listed(names) => match names.first() {
            Some(name) => {
                let id = object_id(graph, name).await?;
                Some(format!(
                    "getByUserIdAndRole(userId='{id}',role='organizer')"
                ))
            }
            None => None,
        },
    };
    let mut path = vec!["solutions", "virtualEvents", collection];
    path.extend(function.as_deref());
    let request = graph.request(kind, graph.url(&path));
    let count = count(graph, &request).await?;
    let left_out = if count == 0 && plan.organizers == OrganizersPlan::All {
        "; Graph leaves those out whose organizer has no access policy"
    } else {
        ""
    };
    Ok(CheckLine::pass(
        what,
        format!("{count} on the first page{left_out}"),
    ))
}
