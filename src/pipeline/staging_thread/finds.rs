//! What discovery tells beside meetings: what it read to the end, and what is missing, as gaps.

use std::sync::Arc;

use super::StagingThread;
use crate::discover::Found;
use crate::graph::{FailureReason, GraphError};
use crate::ids::{OrganizerId, SessionId, hashed};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::ledger::{Gap, GapReason, GapStage};

impl StagingThread {
    pub(super) fn note_find(&mut self, found: Found) {
        match found {
            Found::Meeting(_) | Found::MayBeOne(_) => {}
            Found::NoMailbox(organizer) => {
                self.read_through.without_mailbox(organizer);
                *self
                    .outcome
                    .skipped
                    .entry("accounts_without_mailbox")
                    .or_default() += 1;
            }
            Found::Skipped { reason, count } => {
                *self.outcome.skipped.entry(reason).or_default() += count;
            }
            Found::ListedRead(listed) => {
                self.outcome.sources_read += 1;
                self.read_through.listed(listed);
            }
            Found::LookedUp { source, name } => {
                self.read_through.route(source, Some(name));
            }
            Found::ListedFailed {
                organizer_id,
                missing,
                error,
            } => {
                let reason = error.as_ref().map_or(GapReason::Unreadable, |error| {
                    GapReason::Request(error.reason())
                });
                self.open_discover_gaps(
                    self.context.interval,
                    Source::OnlineMeeting,
                    Some(&organizer_id),
                    Some(&missing),
                    (reason, error.as_ref()),
                );
                self.outcome.discover_failures.extend(error);
            }
            Found::Expired { interval } => {
                let reason = GapReason::CallRecordsExpired;
                self.open_discover_gaps(
                    interval,
                    Source::OnlineMeeting,
                    None,
                    None,
                    (reason, None),
                );
            }
            Found::ReadToTheEnd {
                source,
                organizer_id,
            } => {
                tracing::debug!(
                    source = source.as_str(),
                    organizer = organizer_id.as_ref().map(|id| hashed(id.as_str())),
                    "read to the end"
                );
                self.outcome.sources_read += 1;
                self.read_through.route(source, organizer_id);
            }
            Found::Unreadable {
                source,
                organizer_id,
            } => {
                // which day it belongs to is not known, so it is missing from each
                let interval = self.context.interval;
                let why = (GapReason::Unreadable, None);
                self.open_discover_gaps(interval, source, organizer_id.as_ref(), None, why);
            }
            Found::Failed {
                source,
                organizer_id,
                error,
            } => {
                self.open_discover_gaps(
                    self.context.interval,
                    source,
                    organizer_id.as_ref(),
                    None,
                    (GapReason::Request(error.reason()), Some(&error)),
                );
                // what came before a link that is not followed was read, were it nothing
                let is_of_link = matches!(
                    error.reason(),
                    FailureReason::RefusedLink | FailureReason::PagingLoop
                );
                if !is_of_link {
                    self.outcome.discover_failures.push(error);
                }
            }
        }
    }

    fn open_discover_gaps(
        &mut self,
        interval: DataInterval,
        source: Source,
        organizer_id: Option<&OrganizerId>,
        listed: Option<&SessionId>,
        (reason, error): (GapReason, Option<&Arc<GraphError>>),
    ) {
        for event_date in interval.days(&self.context.timezone) {
            let gap = Gap {
                event_date,
                stage: GapStage::Discover,
                source,
                organizer_id: organizer_id.cloned(),
                session_id: listed.cloned(),
                report_id: None,
                record_index: None,
                reason,
                http_status: None,
                graph_code: None,
            };
            self.outcome.gaps.open(&self.context, gap, error);
        }
    }
}
