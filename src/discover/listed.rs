//! Online meetings that the job lists, each asked once a run for its schedule.
//!
//! Sees what the list names and nothing else. What it finds has the schedule of the whole meeting: the occurrences of a series are not
//! told apart unless a calendar or call records are read as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt as _, stream};

use super::AskedOnce;
use super::look_up::{FoundMeeting, LookUp, is_not_there};
use super::users::{self, FoundUser};
use crate::flatten::{JoinLink, NotPlaceable, Occurrence, Organizer, occurrence_of_meeting};
use crate::graph::{FailureReason, GraphClient, GraphError};
use crate::ids::{OrganizerId, SessionId, TenantId, stable_hash};
use crate::job::Source;
use crate::job::plan::{ListedMeeting, MeetingReference, OnlineMeetingsPlan, UsersPlan};
use crate::ledger::Tally;
use crate::model::{self, OnlineMeeting};

/// A meeting of the job's list, and what asking about it came to.
#[derive(Debug, Clone)]
pub struct ListedFind {
    /// Our hash of organizer and reference: what a gap says is missing where the meeting cannot be read.
    pub key: SessionId,
    /// Who organizes it, as far as it is known.
    pub organizer_id: OrganizerId,
    /// The meeting with its schedule.
    pub found: Result<ListedOccurrence, ListedFailure>,
}

/// A listed meeting that was found.
#[derive(Debug, Clone)]
pub struct ListedOccurrence {
    /// The meeting as one session, with the schedule that Graph keeps for all of it.
    pub occurrence: Occurrence,
    /// Whether it is a series or has no schedule of its own: then its reports lie anywhere.
    pub is_recurring: bool,
}

/// Why a listed meeting is missing.
#[derive(Debug, Clone)]
pub enum ListedFailure {
    /// A request failed.
    Request(Arc<GraphError>),
    /// Its answer has no schedule that can be read.
    Unreadable,
}

/// Asks about every listed meeting; an organizer that several of them name is looked up once.
pub async fn find_listed(
    graph: &GraphClient,
    asked_once: &AskedOnce,
    plan: &OnlineMeetingsPlan,
    tenant: &TenantId,
    concurrency: usize,
    tally: &Tally,
) -> Vec<ListedFind> {
    let concurrency = concurrency.max(1);
    let organizers = organizers(graph, asked_once, plan, concurrency).await;
    let asking = plan.listed.iter().map(|listed| async {
        let organizer = organizers.get(&listed.organizer.to_lowercase())?;
        Some(match organizer {
            Ok(organizer) => find(graph, plan, tenant, listed, organizer, tally).await,
            Err((id, error)) => ListedFind {
                key: key(tenant, listed),
                organizer_id: id.clone(),
                found: Err(ListedFailure::Request(Arc::clone(error))),
            },
        })
    });
    stream::iter(asking)
        .buffered(concurrency)
        .filter_map(|find| async { find })
        .collect()
        .await
}

type Resolved = Result<Organizer, (OrganizerId, Arc<GraphError>)>;

/// The organizers that the list names, by the name in small letters.
async fn organizers(
    graph: &GraphClient,
    asked_once: &AskedOnce,
    plan: &OnlineMeetingsPlan,
    concurrency: usize,
) -> BTreeMap<String, Resolved> {
    let shared = |found: FoundUser| found.map_err(|(id, error)| (id, Arc::new(error)));
    let own = match plan.users {
        UsersPlan::Me => {
            let me = users::me(graph, asked_once).await;
            Some(shared(me.map_err(|error| (OrganizerId::new("me"), error))))
        }
        UsersPlan::All | UsersPlan::Listed(_) | UsersPlan::Group(_) => None,
    };
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for listed in &plan.listed {
        names.insert(listed.organizer.to_lowercase(), &listed.organizer);
    }
    stream::iter(names)
        .map(|(key, name)| {
            let own = own.clone();
            async move {
                let organizer = match own {
                    Some(own) => own,
                    None => shared(users::named(graph, asked_once, name).await),
                };
                (key, organizer)
            }
        })
        .buffer_unordered(concurrency)
        .collect()
        .await
}

async fn find(
    graph: &GraphClient,
    plan: &OnlineMeetingsPlan,
    tenant: &TenantId,
    listed: &ListedMeeting,
    organizer: &Organizer,
    tally: &Tally,
) -> ListedFind {
    let look_up = LookUp {
        graph,
        user_path: plan.users.path(),
        organizer: &organizer.id,
    };
    let found = match &listed.meeting {
        MeetingReference::Id(id) => look_up.by_id(id).await,
        MeetingReference::Number(digits) => look_up.by_number(digits).await,
        MeetingReference::JoinUrl(link) => by_link(&look_up, link, plan.derive_ids, tally).await,
    };
    let found = match found {
        Ok(found) => {
            read(&found, organizer, listed).map_err(|NotPlaceable| ListedFailure::Unreadable)
        }
        Err(error) => Err(ListedFailure::Request(Arc::new(error))),
    };
    ListedFind {
        key: key(tenant, listed),
        organizer_id: organizer.id.clone(),
        found,
    }
}

/// By the id that the link most likely stands for, where the job allows that guess, else by the link.
async fn by_link(
    look_up: &LookUp<'_>,
    link: &str,
    derive_ids: bool,
    tally: &Tally,
) -> Result<FoundMeeting, GraphError> {
    let likely = JoinLink::read(link)
        .likely_meeting_id(look_up.organizer)
        .filter(|_| derive_ids);
    if let Some(id) = likely {
        match look_up.by_id(id.as_str()).await {
            Err(error) if is_not_there(&error) || error.reason() == FailureReason::IdMismatch => {
                tally.ids_refused.add(1);
            }
            answered => {
                tally.ids_derived.add(1);
                tracing::debug!(
                    route = "derived",
                    "the meeting's id was taken from its join link"
                );
                return answered;
            }
        }
    }
    tally.ids_looked_up.add(1);
    tracing::debug!(
        route = "looked_up",
        "the meeting is looked up by its join link"
    );
    look_up.by_link(link).await
}

fn read(
    found: &FoundMeeting,
    organizer: &Organizer,
    listed: &ListedMeeting,
) -> Result<ListedOccurrence, NotPlaceable> {
    let read = |meeting: &OnlineMeeting<'_>| {
        let kind = meeting.meeting_type.as_ref().map(AsRef::as_ref);
        occurrence_of_meeting(meeting, organizer).map(|mut occurrence| {
            if let (None, MeetingReference::JoinUrl(link)) =
                (&occurrence.join_web_url, &listed.meeting)
            {
                occurrence.join_web_url = Some(link.clone());
            }
            ListedOccurrence {
                occurrence,
                is_recurring: kind != Some("scheduled"),
            }
        })
    };
    match model::parse_page::<OnlineMeeting<'_>>(&found.body) {
        Ok(page) => {
            let is_it = |meeting: &&OnlineMeeting<'_>| {
                let id = meeting.id.as_ref();
                id.is_some_and(|id| id.as_ref() == found.id.as_str())
            };
            let mut meetings = page.items.iter();
            meetings.find(is_it).map_or(Err(NotPlaceable), read)
        }
        Err(_) => {
            model::parse_entity(&found.body).map_or(Err(NotPlaceable), |meeting| read(&meeting))
        }
    }
}

/// The same however organizer and reference are written.
fn key(tenant: &TenantId, listed: &ListedMeeting) -> SessionId {
    let reference = match &listed.meeting {
        MeetingReference::Id(id) => id.clone(),
        MeetingReference::Number(digits) => digits.clone(),
        MeetingReference::JoinUrl(link) => JoinLink::key(link),
    };
    SessionId::new(stable_hash([
        tenant.as_str(),
        Source::OnlineMeeting.as_str(),
        "listed",
        &listed.organizer.to_lowercase(),
        &reference,
    ]))
}
