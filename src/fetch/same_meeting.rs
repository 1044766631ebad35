//! One meeting behind several join links, and one report behind several meetings: each is asked, published and counted once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use futures::stream;

use super::FetchContext;
use super::candidates::Candidates;
use super::reports;
use crate::discover::{Asking, Meeting};
use crate::graph::GraphError;
use crate::ids::{EventId, ReportId};

/// Which meeting the wanted reports of a chunk were listed under first.
#[derive(Debug, Default)]
pub struct ReportOwners(Mutex<HashMap<ReportId, EventId>>);

impl ReportOwners {
    /// Whether the report is that meeting's; one that is nobody's yet is from now on.
    pub(super) fn has(&self, meeting: &EventId, report: &ReportId) -> bool {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owners
            .entry(report.folded().into_owned())
            .or_insert_with(|| meeting.clone())
            == meeting
    }
}

/// A meeting on its way to be asked, and what asking for its id came to.
#[derive(Debug)]
pub struct Resolved {
    /// With its id, where it was looked up.
    pub meeting: Meeting,
    /// Why its id cannot be had.
    pub refused: Option<Arc<GraphError>>,
    /// Its id, or what it most likely is where the job trusts its link.
    id: Option<EventId>,
}

/// Joins those of an organizer's meetings that are one, by their ids; each keeps its own sessions.
///
/// Shape: in the order given, a meeting that is another one in the place of the first. One that cannot be resolved stays by itself.
pub async fn join_by_id(context: &FetchContext, meetings: Vec<Meeting>) -> Vec<Resolved> {
    let resolving = stream::iter(meetings).map(|meeting| resolve(context, meeting));
    // the client bounds what is in flight
    let resolved: Vec<Resolved> = resolving
        .buffered(context.slots.available_permits().max(1))
        .collect()
        .await;
    let mut joined: Vec<Resolved> = Vec::with_capacity(resolved.len());
    let mut places: HashMap<EventId, usize> = HashMap::new();
    for one in resolved {
        let place = one.id.as_ref().and_then(|id| places.get(id));
        if let Some(first) = place.and_then(|place| joined.get_mut(*place)) {
            let first = &mut first.meeting;
            first.occurrences.extend(one.meeting.occurrences);
            first.event_id = first.event_id.take().or(one.meeting.event_id);
            if one.meeting.asking == Asking::Always {
                first.asking = Asking::Always;
            }
            continue;
        }
        if let Some(id) = &one.id {
            places.insert(id.clone(), joined.len());
        }
        joined.push(one);
    }
    joined
}

/// The meeting with its id, where it is known or can be had.
async fn resolve(context: &FetchContext, mut meeting: Meeting) -> Resolved {
    let candidates = Candidates::of(context, &meeting);
    let known_id = candidates.known_event_id(context);
    let organizer = meeting.organizer.as_ref().map(|organizer| &organizer.id);
    let is_refused = context.access.refusal(meeting.source, organizer).is_some();
    let key = meeting
        .door
        .key()
        .filter(|_| known_id.is_none() && !is_refused && candidates.is_to_be_asked(context));
    let (mut id, mut refused) = (known_id, None);
    if let Some(key) = key {
        if let Some(likely) = reports::likely_path(context, &key) {
            id = Some(likely.event_id);
        } else {
            let turn = context.access.turn(meeting.source, organizer).await;
            if let Some(error) = context.access.refusal(meeting.source, organizer) {
                refused = Some(error);
            } else {
                match reports::resolve(context, &key, None).await {
                    // that its reports may be read too is not known yet
                    Ok(path) => {
                        meeting.event_id = Some(path.event_id.clone());
                        id = Some(path.event_id);
                    }
                    Err(error) => {
                        let error = Arc::new(error);
                        context.note_failure(&meeting, &error);
                        refused = Some(error);
                    }
                }
            }
            drop(turn);
        }
    }
    Resolved {
        meeting,
        refused,
        id,
    }
}
