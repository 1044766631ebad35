//! Whether Graph lets the app read anything at all, and whom it is kept from.
//!
//! An application access policy is of an organizer: who was refused once for lack of one is not asked again in the same run. While it is in
//! doubt whether anybody may be read, one meeting of each organizer goes first. Where all that was asked is refused, nothing more is
//! asked, and the run ends with the remedy instead of thousands of the same answer.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use crate::graph::{Cause, FailureReason, GraphError};
use crate::ids::OrganizerId;
use crate::job::Source;

/// So many organizers refused, and nobody's meetings read: it is no matter of single organizers.
const ORGANIZERS: usize = 50;
/// So many meetings refused for lack of a role, which is the app's and no organizer's.
const WITHOUT_ROLE: usize = 5;

/// From so many organizers on it is said that nothing may be read, also where it could be read before.
const SEVERAL: usize = 3;

/// That everything was refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The first answer that said so.
    pub first: Arc<GraphError>,
    /// Whether it is about the app, and not about one or two organizers.
    pub is_general: bool,
}

/// What one run knows of its access; shared by reference.
#[derive(Debug, Default)]
pub struct AccessWatch {
    state: Mutex<State>,
    /// Cancelled once nothing more is to be asked.
    closed: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// Whether anything but 403 was answered about any meeting.
    was_answered: bool,
    /// Whether nothing could be learnt of a meeting: of that one it is not known whether it may be read.
    is_unsure: bool,
    /// Organizers without an access policy.
    organizers: HashMap<OrganizerId, Arc<GraphError>>,
    /// Organizers of whom a meeting was refused, for whatever cause.
    refused: HashSet<OrganizerId>,
    /// Organizers that may be read, and those whose first meeting is being asked; kept only while there is doubt.
    readable: HashSet<OrganizerId>,
    turns: HashMap<OrganizerId, Arc<tokio::sync::Mutex<()>>>,
    without_role: usize,
    first: Option<Arc<GraphError>>,
}

impl AccessWatch {
    /// The refusal that stands for every meeting of the organizer, where one does.
    pub(super) fn refusal(
        &self,
        source: Source,
        organizer: Option<&OrganizerId>,
    ) -> Option<Arc<GraphError>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if source != Source::OnlineMeeting {
            return None;
        }
        if self.closed.is_cancelled() {
            return state.first.clone();
        }
        state.organizers.get(organizer?).cloned()
    }

    /// The right to ask about a meeting while it is in doubt whether its organizer may be read: one meeting of such an organizer goes
    /// first, and the others wait for what it tells. `None` where there is no doubt.
    pub(super) async fn turn(
        &self,
        source: Source,
        organizer: Option<&OrganizerId>,
    ) -> Option<OwnedMutexGuard<()>> {
        let organizer = organizer.filter(|_| source == Source::OnlineMeeting)?;
        let turn = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let is_doubtful = !state.was_answered || !state.organizers.is_empty();
            if !is_doubtful || state.readable.contains(organizer) {
                return None;
            }
            Arc::clone(state.turns.entry(organizer.clone()).or_default())
        };
        Some(turn.lock_owned().await)
    }

    /// Something else than a refusal was answered.
    pub(super) fn answered(&self, organizer: Option<&OrganizerId>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.was_answered = true;
        if let Some(organizer) = organizer
            && state.turns.remove(organizer).is_some()
        {
            state.readable.insert(organizer.clone());
        }
    }

    /// A meeting could not be listed.
    pub(super) fn failed(
        &self,
        source: Source,
        organizer: Option<&OrganizerId>,
        error: &Arc<GraphError>,
    ) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if error.reason() != FailureReason::Forbidden {
            // an expired meeting and an unusable link are answers too; what failed on the way is none
            let is_answer = matches!(
                error.reason(),
                FailureReason::Gone | FailureReason::BadRequest
            );
            state.was_answered |= is_answer;
            state.is_unsure |= !is_answer;
            return;
        }
        state.first.get_or_insert_with(|| Arc::clone(error));
        if source != Source::OnlineMeeting {
            return;
        }
        if error.cause() == Cause::MissingRole {
            state.without_role += 1;
        }
        if let Some(organizer) = organizer {
            state.refused.insert(organizer.clone());
            if error.cause() == Cause::NoApplicationAccessPolicy {
                let error = Arc::clone(error);
                state.organizers.insert(organizer.clone(), error);
            }
        }
        let is_hopeless = state.without_role >= WITHOUT_ROLE || state.refused.len() >= ORGANIZERS;
        if is_hopeless && !state.was_answered && !state.is_unsure {
            self.closed.cancel();
        }
    }

    /// A meeting that another run left could not be listed: who has no policy is not asked again, and nothing follows for this job.
    pub(super) fn failed_for_another(
        &self,
        source: Source,
        organizer: Option<&OrganizerId>,
        error: &Arc<GraphError>,
    ) {
        let is_of_organizer =
            source == Source::OnlineMeeting && error.cause() == Cause::NoApplicationAccessPolicy;
        if let Some(organizer) = organizer.filter(|_| is_of_organizer) {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let error = Arc::clone(error);
            state.organizers.insert(organizer.clone(), error);
        }
    }

    /// Resolves once nothing more is to be asked of online meetings.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Whether nothing more is to be asked of online meetings.
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// What Graph said, where it refused every meeting that was asked about; or where the asking was cut short by refusals, whatever
    /// was answered at the same moment.
    pub fn everything_refused(&self, was_cut_short: bool) -> Option<Refusal> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if (state.was_answered || state.is_unsure) && !was_cut_short {
            return None;
        }
        Some(Refusal {
            first: state.first.clone()?,
            is_general: was_cut_short || state.without_role > 0 || state.refused.len() >= SEVERAL,
        })
    }
}
