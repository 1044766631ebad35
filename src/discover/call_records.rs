//! Online meetings by the tenant's call records: every call that was held under a join link, whoever organizes it.
//!
//! Sees Meet-now and ad-hoc calls too, and meetings that are on no calendar. Cannot see meetings that were not held, and nothing that is
//! older than the thirty days for which Graph keeps call records. A record appears up to 150 minutes after its call.
//! Source: <https://learn.microsoft.com/graph/api/callrecords-cloudcommunications-list-callrecords>.

use std::collections::HashMap;

use futures::{StreamExt as _, stream};

use super::{CALL_RECORDS_KEPT, DiscoverContext};
use crate::flatten::{JoinLink, Occurrence, Organizer, occurrence_of_call, user_of_call};
use crate::graph::{FailureReason, GraphError, RequestKind};
use crate::ids::{OrganizerId, TenantId};
use crate::job::interval::DataInterval;
use crate::model::{self, CallRecord, Text};
use crate::time::DAY;

/// The largest page that is asked for; by default Graph sends 60, and it may always send fewer.
const PAGE: &str = "odata.maxpagesize=1000";

/// What the call records of a window hold.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Each call as a session of its own, by organizer in small letters.
    pub(super) by_organizer: HashMap<String, Vec<Occurrence>>,
    /// What was left out on purpose, by reason.
    pub(super) skipped: HashMap<&'static str, u64>,
    /// Records that could not be read.
    pub(super) unreadable: u64,
    /// Days and records that could not be had: it is not known which calls are missing.
    pub(super) failed: Vec<GraphError>,
}

/// A call record as far as it is needed.
#[derive(Debug)]
struct Listed {
    version: i64,
    call: Call,
}

#[derive(Debug)]
enum Call {
    /// A session.
    Held(Box<Occurrence>),
    /// No session, and why.
    Skipped(&'static str),
    /// The list lacks what a session needs.
    Incomplete,
    /// Not as documented.
    Unreadable,
}

/// Reads the calls of the window, each day by itself, since days can be read side by side and pages cannot.
///
/// A day or a record that cannot be read is in `failed`, and takes nothing else with it.
pub(super) async fn gather(context: &DiscoverContext) -> Calls {
    // what is older is not listed, so it need not be asked
    let window = context.window();
    let oldest = window.start().max(context.now.plus(-CALL_RECORDS_KEPT));
    let days = DataInterval::new(oldest, window.end()).map_or_else(Vec::new, |kept| days_of(&kept));
    let concurrency = context.concurrency.max(1);
    let mut calls = Calls::default();
    // the same call may come on two pages or in two versions
    let mut newest: HashMap<String, Listed> = HashMap::new();
    let mut lists = stream::iter(days)
        .map(|day| list(context, day))
        .buffer_unordered(concurrency);
    while let Some((listed, failed)) = lists.next().await {
        for (id, listed) in listed {
            keep_newest(&mut newest, id, listed);
        }
        calls.failed.extend(failed);
    }
    let asking = newest.into_iter().map(|(id, listed)| async move {
        match listed.call {
            Call::Incomplete => get(context, &id).await,
            call @ (Call::Held(_) | Call::Skipped(_) | Call::Unreadable) => Ok(call),
        }
    });
    let mut asked = stream::iter(asking).buffer_unordered(concurrency);
    while let Some(call) = asked.next().await {
        match call {
            Ok(Call::Held(occurrence)) => {
                let organizer = occurrence.organizer.as_ref();
                let organizer = organizer.map_or("", |organizer| organizer.id.as_str());
                let key = organizer.to_ascii_lowercase();
                calls.by_organizer.entry(key).or_default().push(*occurrence);
            }
            Ok(Call::Skipped(why)) => *calls.skipped.entry(why).or_default() += 1,
            Ok(Call::Incomplete | Call::Unreadable) => calls.unreadable += 1,
            Err(error) => calls.failed.push(error),
        }
    }
    for of_organizer in calls.by_organizer.values_mut() {
        of_organizer.sort_by(|a, b| {
            (a.scheduled_start, &a.occurrence_id).cmp(&(b.scheduled_start, &b.occurrence_id))
        });
    }
    calls
}

fn keep_newest(newest: &mut HashMap<String, Listed>, id: String, listed: Listed) {
    match newest.entry(id) {
        std::collections::hash_map::Entry::Occupied(mut known) => {
            if known.get().version < listed.version {
                known.insert(listed);
            }
        }
        std::collections::hash_map::Entry::Vacant(vacant) => {
            vacant.insert(listed);
        }
    }
}

/// The window cut at each day after its start.
fn days_of(window: &DataInterval) -> Vec<DataInterval> {
    let mut days = Vec::new();
    let mut start = window.start();
    while start < window.end() {
        let end = start.plus(DAY).min(window.end());
        days.extend(DataInterval::new(start, end));
        start = end;
    }
    days
}

/// The records of calls that began in a day, by id; where a page cannot be had, those of the pages before it, and why.
async fn list(
    context: &DiscoverContext,
    day: DataInterval,
) -> (HashMap<String, Listed>, Option<GraphError>) {
    let mut listed = HashMap::new();
    let read = list_pages(context, day, &mut listed).await;
    (listed, read.err())
}

async fn list_pages(
    context: &DiscoverContext,
    day: DataInterval,
    listed: &mut HashMap<String, Listed>,
) -> Result<(), GraphError> {
    // nothing is selected: whether the organizer, a navigation property, survives that is not documented
    let filter = format!(
        "startDateTime ge {} and startDateTime lt {}",
        day.start(),
        day.end()
    );
    let path = ["communications", "callRecords"];
    let url = context.graph.url_with_query(&path, &[("$filter", &filter)]);
    let request = context
        .graph
        .request(RequestKind::ListCallRecords, url)
        .prefer(PAGE);
    let mut pager = context.graph.pager(request);
    let mut nameless = 0_u64;
    let mut unreadable = |listed: &mut HashMap<String, Listed>| {
        nameless += 1;
        let unreadable = Listed {
            version: 0,
            call: Call::Unreadable,
        };
        listed.insert(format!("{} {nameless}", day.start()), unreadable);
    };
    while let Some(body) = pager.next_page().await? {
        if pager.begins_anew() {
            listed.clear();
        }
        let page = model::parse_page::<CallRecord<'_>>(&body)
            .map_err(|source| pager.bad_response(source))?;
        for _ in &page.unreadable {
            unreadable(listed);
        }
        for record in &page.items {
            let Some(id) = record.id.as_ref() else {
                unreadable(listed);
                continue;
            };
            let one = Listed {
                version: record.version.unwrap_or_default(),
                call: read(context, record, Detail::MayBeElsewhere),
            };
            keep_newest(listed, id.as_ref().to_owned(), one);
        }
        pager.follow(page.next_link.as_ref().map(AsRef::as_ref))?;
    }
    Ok(())
}

/// One record, for what the list left out.
async fn get(context: &DiscoverContext, id: &str) -> Result<Call, GraphError> {
    let url = context.graph.url(&["communications", "callRecords", id]);
    let request = context.graph.request(RequestKind::GetCallRecord, url);
    let answer = context
        .graph
        .get_with(&request, |body| {
            let record: CallRecord<'_> = model::parse_entity(body)?;
            let answered = record.id.as_ref().map_or(id, AsRef::as_ref);
            let is_it = answered.eq_ignore_ascii_case(id);
            Ok(is_it.then(|| read(context, &record, Detail::Whole)))
        })
        .await
        .and_then(|call| call.ok_or_else(|| GraphError::id_mismatch(&request)));
    match answer {
        // it expired since it was listed
        Err(error) if error.reason() == FailureReason::Gone => Ok(Call::Skipped("calls_expired")),
        answer => answer,
    }
}

/// Whether what a record lacks may still be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    MayBeElsewhere,
    Whole,
}

fn read(context: &DiscoverContext, record: &CallRecord<'_>, detail: Detail) -> Call {
    let lacking = |otherwise| match detail {
        Detail::MayBeElsewhere => Call::Incomplete,
        Detail::Whole => otherwise,
    };
    let kind = record.call_type.as_ref().map_or("", AsRef::as_ref);
    let link = record.join_web_url.as_ref().map(AsRef::as_ref);
    let Some(link) = link.filter(|link| !link.is_empty()) else {
        // most calls of a tenant are between two people: they are no meetings, and are not asked for one by one
        if kind.eq_ignore_ascii_case("peerToPeer") {
            return Call::Skipped("calls_without_meeting");
        }
        return lacking(Call::Skipped("calls_without_meeting"));
    };
    let Some((organizer, tenant)) = organizer(record, link, detail) else {
        return lacking(Call::Skipped("calls_without_organizer"));
    };
    let is_ours = tenant.is_none_or(|tenant| tenant.eq_ignore_ascii_case(context.tenant.as_str()));
    if !is_ours {
        return Call::Skipped("calls_of_other_tenants");
    }
    match occurrence_of_call(record, organizer, link.to_owned()) {
        Ok(occurrence) => Call::Held(Box::new(occurrence)),
        Err(_) => Call::Unreadable,
    }
}

/// Who organizes the call, and in which tenant where that is said; a link names both where the record itself does not.
fn organizer(
    record: &CallRecord<'_>,
    link: &str,
    detail: Detail,
) -> Option<(Organizer, Option<String>)> {
    let owned = |text: Option<&Text<'_>>| text.map(|text| text.as_ref().to_owned());
    if let Some(user) = user_of_call(record) {
        let id = user.id.as_ref()?.as_ref().to_ascii_lowercase();
        let organizer = Organizer {
            id: OrganizerId::new(id),
            email: None,
            display_name: owned(user.display_name.as_ref()),
        };
        let tenant = owned(user.tenant_id.as_ref()).or_else(|| match JoinLink::read(link) {
            JoinLink::Long { tenant, .. } => tenant.map(TenantId::into_string),
            JoinLink::Short(_) | JoinLink::Other => None,
        });
        return Some((organizer, tenant));
    }
    match (JoinLink::read(link), detail) {
        (
            JoinLink::Long {
                organizer: Some(id),
                tenant,
                ..
            },
            Detail::Whole,
        ) => {
            let organizer = Organizer {
                id,
                email: None,
                display_name: None,
            };
            Some((organizer, tenant.map(TenantId::into_string)))
        }
        _ => None,
    }
}
