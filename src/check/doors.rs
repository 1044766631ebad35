//! One real request a source, and the access policy: asked of Graph itself, since only Graph knows.
//!
//! What is refused of one organizer is said in a line that passes, as a run goes on too; what is refused of all of them fails.

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::policy::{self, Organizer, POLICY, Tried};
use super::{CheckLine, is_object_id, with_causes};
use crate::discover::{ENABLED, is_guest};
use crate::flatten::user_of_call;
use crate::graph::{Cause, FailureReason, GraphClient, GraphError, RequestKind};
use crate::ids::TenantId;
use crate::job::plan::{
    DiscoverBy, ListedMeeting, MeetingReference, OnlineMeetingsPlan, OrganizersPlan, RunPlan,
    UsersPlan, VirtualEventsPlan,
};
use crate::model::{self, CallRecord, Event, GroupMember, User};
use crate::time::{DAY, UtcMicros};

/// So many organizers are asked; one may have no mailbox, and a policy may not cover all.
const ORGANIZERS: usize = 5;
/// How far back a meeting is looked for that the policy can be tried on.
const DAYS_BACK: i64 = 14;

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

/// One line a door. Where Graph cannot be reached at one, the others are not tried: each would take as long to say the same.
pub(super) async fn lines(
    plan: &RunPlan,
    graph: &GraphClient,
    tenant: &TenantId,
    now: UtcMicros,
) -> Vec<CheckLine> {
    let mut lines = Vec::new();
    // what is left stands behind the line that failed
    if !try_doors(plan, graph, (tenant, now), &mut lines).await {
        let untried = names(plan).into_iter().skip(lines.len());
        let why = "not asked: Graph could not be reached";
        lines.extend(untried.map(|what| CheckLine::skip(what, why)));
    }
    lines
}

/// Whether Graph could be reached at all doors.
async fn try_doors(
    plan: &RunPlan,
    graph: &GraphClient,
    (tenant, now): (&TenantId, UtcMicros),
    lines: &mut Vec<CheckLine>,
) -> bool {
    if let Some(meetings) = &plan.sources.online_meetings {
        let mut organizers = Vec::new();
        for way in &meetings.discover {
            let asked = match way {
                DiscoverBy::Calendar => calendars(graph, meetings, now, &mut organizers).await,
                DiscoverBy::CallRecords => call_records(graph, tenant, now, &mut organizers).await,
                DiscoverBy::Listed => listed(graph, meetings, &mut organizers).await,
            };
            if !add(lines, name_of(*way), asked) {
                return false;
            }
        }
        lines.push(policy::line(graph, plan, meetings, organizers).await);
    }
    for (what, kind, collection, plan) in virtual_events(plan) {
        let asked = events(graph, what, kind, collection, plan).await;
        if !add(lines, what, asked) {
            return false;
        }
    }
    true
}

/// Adds the line, and says whether Graph could be reached.
fn add(lines: &mut Vec<CheckLine>, what: &str, asked: Result<CheckLine, GraphError>) -> bool {
    let reason = asked.as_ref().err().map(GraphError::reason);
    lines.push(asked.unwrap_or_else(|error| CheckLine::failed(what, &error)));
    !matches!(
        reason,
        Some(
            FailureReason::Transport
                | FailureReason::Timeout
                | FailureReason::Tls
                | FailureReason::Deadline
        )
    )
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

/// What is refused of single organizers, while others are read.
#[derive(Default)]
struct Refused {
    count: usize,
    last: Option<GraphError>,
}

impl Refused {
    /// Takes a refusal of one organizer.
    ///
    /// # Errors
    /// Any other [`GraphError`]: it says something about all of them.
    fn take(&mut self, error: GraphError) -> Result<(), GraphError> {
        let is_of_one = matches!(
            error.reason(),
            FailureReason::Forbidden | FailureReason::Gone
        ) && error.cause() != Cause::MissingRole;
        if !is_of_one {
            return Err(error);
        }
        self.count += 1;
        self.last = Some(error);
        Ok(())
    }

    /// The line of those that were read, which passes where there are any, with what was refused beside them.
    ///
    /// # Errors
    /// The last refusal, where nothing was read.
    fn beside(self, read: usize, line: CheckLine) -> Result<CheckLine, GraphError> {
        let Some(error) = self.last else {
            return Ok(line);
        };
        if read == 0 {
            return Err(error);
        }
        let why = with_causes(&error);
        Ok(CheckLine {
            detail: format!("{}; {} refused, the last: {why}", line.detail, self.count),
            remedy: error.hint(),
            ..line
        })
    }
}

/// Reads the calendar of the first organizers that have one.
async fn calendars(
    graph: &GraphClient,
    plan: &OnlineMeetingsPlan,
    now: UtcMicros,
    organizers: &mut Vec<Organizer>,
) -> Result<CheckLine, GraphError> {
    let what = name_of(DiscoverBy::Calendar);
    let (mut refused, mut without) = (Refused::default(), 0);
    let users = first_users(graph, &plan.users).await?;
    let asked = users.len();
    for user in users {
        let read = match user {
            Ok(id) => own_meeting(graph, &plan.users, &id, now)
                .await
                .map(|meeting| Organizer::new(id, meeting)),
            Err(error) => Err(error),
        };
        match read {
            Ok(organizer) => organizers.push(organizer),
            Err(error) if error.cause() == Cause::MailboxNotEnabled => without += 1,
            // of an account of the directory that is no user who is not there
            Err(error)
                if error.cause() == Cause::NoUserOrMailbox
                    && matches!(plan.users, UsersPlan::All | UsersPlan::Group(_)) =>
            {
                without += 1;
            }
            Err(error) => refused.take(error)?,
        }
    }
    if asked == 0 {
        return Ok(CheckLine::skip(
            what,
            "there is no user to ask on the first page",
        ));
    }
    if without == asked {
        return Ok(CheckLine::skip(
            what,
            format!("none of the first {asked} users has a calendar"),
        ));
    }
    let read = organizers.len();
    let line = CheckLine::pass(
        what,
        format!("{read} of the first {asked} default calendars read"),
    );
    refused.beside(read, line)
}

/// The first few of the users whose calendars a run reads; of names, each by itself.
async fn first_users(
    graph: &GraphClient,
    users: &UsersPlan,
) -> Result<Vec<Result<String, GraphError>>, GraphError> {
    let select = ("$select", "id,accountEnabled,userType");
    let top = ("$top", "20");
    let (kind, url) = match users {
        UsersPlan::Me => return Ok(vec![Ok("me".to_owned())]),
        UsersPlan::Listed(names) => {
            let mut ids = Vec::new();
            for name in names.iter().take(ORGANIZERS) {
                ids.push(object_id(graph, name).await);
            }
            return Ok(ids);
        }
        UsersPlan::All => {
            let url = graph.url_with_query(&["users"], &[ENABLED, select, top]);
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
                let users = page.items.iter();
                let users = users.filter(|user| !is_guest(user.user_type.as_ref()));
                let users = users.filter_map(|user| user.id.as_ref());
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
            Ok(ids.into_iter().take(ORGANIZERS).map(Ok).collect())
        })
        .await
}

/// Meetings and events are asked for by object id; a user principal name is looked up.
async fn object_id(graph: &GraphClient, name: &str) -> Result<String, GraphError> {
    if is_object_id(name) {
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

/// A meeting that the user organized lately; `None` where there was none.
async fn own_meeting(
    graph: &GraphClient,
    users: &UsersPlan,
    id: &str,
    now: UtcMicros,
) -> Result<Option<MeetingReference>, GraphError> {
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
            let link = links.next().map(|link| link.as_ref().to_owned());
            Ok(link.map(MeetingReference::JoinUrl))
        })
        .await
}

/// Lists the calls of a day; where no calendar told of organizers, those of the calls are who the policy is tried on.
async fn call_records(
    graph: &GraphClient,
    tenant: &TenantId,
    now: UtcMicros,
    organizers: &mut Vec<Organizer>,
) -> Result<CheckLine, GraphError> {
    let since = format!("startDateTime ge {}", now.plus(-DAY));
    let path = ["communications", "callRecords"];
    let url = graph.url_with_query(&path, &[("$filter", since.as_str())]);
    let request = graph.request(RequestKind::ListCallRecords, url);
    let (count, found) = graph
        .get_with(&request, |body| {
            let page = model::parse_page::<CallRecord<'_>>(body)?;
            let mut found: Vec<Organizer> = Vec::new();
            for organizer in page.items.iter().filter_map(|call| of_call(call, tenant)) {
                if found.iter().all(|known| known.id != organizer.id) {
                    found.push(organizer);
                }
            }
            found.truncate(ORGANIZERS);
            Ok((page.items.len() + page.unreadable.len(), found))
        })
        .await?;
    if organizers.is_empty() {
        organizers.extend(found);
    }
    Ok(CheckLine::pass(
        name_of(DiscoverBy::CallRecords),
        format!("{count} calls on the first page of the last day"),
    ))
}

/// The organizer of a call of this tenant, with the meeting that it was held in.
fn of_call(call: &CallRecord<'_>, tenant: &TenantId) -> Option<Organizer> {
    let link = call.join_web_url.as_ref()?.as_ref();
    let user = user_of_call(call)?;
    let is_ours = user
        .tenant_id
        .as_ref()
        .is_none_or(|own| own.as_ref().eq_ignore_ascii_case(tenant.as_str()));
    let id = user.id.as_ref()?.as_ref().to_ascii_lowercase();
    let meeting = MeetingReference::JoinUrl(link.to_owned());
    (is_ours && !link.is_empty()).then(|| Organizer::new(id, Some(meeting)))
}

/// Asks for a listed meeting of each of the first organizers.
async fn listed(
    graph: &GraphClient,
    plan: &OnlineMeetingsPlan,
    organizers: &mut Vec<Organizer>,
) -> Result<CheckLine, GraphError> {
    let what = name_of(DiscoverBy::Listed);
    let mut first: Vec<&ListedMeeting> = Vec::new();
    for listed in &plan.listed {
        if first
            .iter()
            .all(|known| known.organizer != listed.organizer)
        {
            first.push(listed);
        }
    }
    let count = first.len();
    let (mut found, mut asked) = (0, 0);
    let (mut unknown, mut uncovered) = (Refused::default(), false);
    for listed in first.into_iter().take(ORGANIZERS) {
        // whoever signed in is asked for as such, also where the list has a name
        let id = match plan.users {
            UsersPlan::Me => Ok("me".to_owned()),
            UsersPlan::All | UsersPlan::Listed(_) | UsersPlan::Group(_) => {
                object_id(graph, &listed.organizer).await
            }
        };
        let id = match id {
            Ok(id) => id,
            Err(error) => {
                unknown.take(error)?;
                continue;
            }
        };
        let mut organizer = Organizer::new(id, Some(listed.meeting.clone()));
        let tried = policy::look_up(graph, plan, &organizer).await;
        asked += 1;
        match &tried {
            Ok(Tried::NotFound) => {}
            Ok(Tried::Found | Tried::Reports) => found += 1,
            Err(error) => uncovered |= policy::is_uncovered(error),
        }
        organizer.tried = Some(tried);
        organizers.retain(|known| known.id != organizer.id);
        organizers.push(organizer);
    }
    if uncovered && found == 0 {
        return Ok(CheckLine::skip(
            what,
            "not covered by the access policy, see there",
        ));
    }
    let line = CheckLine::pass(
        what,
        format!(
            "{} meetings of {count} organizers; {found} of {asked} that were asked for exist",
            plan.listed.len()
        ),
    );
    unknown.beside(asked, line)
}

/// Lists webinars or town halls as a run does; of listed organizers, the first few.
async fn events(
    graph: &GraphClient,
    what: &'static str,
    kind: RequestKind,
    collection: &'static str,
    plan: &VirtualEventsPlan,
) -> Result<CheckLine, GraphError> {
    let list = |function: Option<String>| async move {
        let mut path = vec!["solutions", "virtualEvents", collection];
        path.extend(function.as_deref());
        let request = graph.request(kind, graph.url(&path));
        let read = |body: &Bytes| Ok(model::parse_page::<IgnoredAny>(body)?.items.len());
        graph.get_with(&request, read).await
    };
    let names = match &plan.organizers {
        OrganizersPlan::All => {
            let count = list(None).await?;
            let left_out = if count == 0 {
                "; Graph leaves those out whose organizer has no access policy"
            } else {
                ""
            };
            let detail = format!("{count} on the first page{left_out}");
            return Ok(CheckLine::pass(what, detail));
        }
        OrganizersPlan::Me => {
            let count = list(Some("getByUserRole(role='organizer')".to_owned())).await?;
            return Ok(CheckLine::pass(what, format!("{count} on the first page")));
        }
        OrganizersPlan::Listed(names) => names,
    };
    let (mut count, mut read, mut refused) = (0, 0, Refused::default());
    for name in names.iter().take(ORGANIZERS) {
        let asked = match object_id(graph, name).await {
            Ok(id) => {
                let function = format!("getByUserIdAndRole(userId='{id}',role='organizer')");
                list(Some(function)).await
            }
            Err(error) => Err(error),
        };
        match asked {
            Ok(events) => (count, read) = (count + events, read + 1),
            Err(error) => refused.take(error)?,
        }
    }
    let detail = format!("{count} on the first pages of {read} organizers");
    refused.beside(read, CheckLine::pass(what, detail))
}
