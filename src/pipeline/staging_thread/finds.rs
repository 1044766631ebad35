//! What discovery tells beside meetings: what it read to the end, and what is missing, as gaps.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::gap_book::judged;
use super::StagingThread;
use crate::attendance::finality::{Answer, Patience};
use crate::attendance::{MissingHours, gap};
use crate::discover::Found;
use crate::flatten::{Occurrence, Way};
use crate::graph::{FailureReason, GraphError};
use crate::ids::{OrganizerId, SessionId, hashed};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::ledger::{Gap, GapReason, GapStage};
use crate::time::EventDate;

impl StagingThread {
    pub(super) fn note_find(&mut self, found: Found) {
        match found {
            Found::Meeting(_) | Found::MayBeOne(_) => {}
            Found::NoMailbox(organizer) => self.note_no_mailbox(organizer),
            Found::Removed(session) => {
                self.removed.insert(session);
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
                    why(reason, error.as_ref()),
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
                    Why {
                        patience: Patience::Proof,
                        ..why(reason, None)
                    },
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
                let why = why(GapReason::Unreadable, None);
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
                    why_of_organizer(organizer_id.as_ref(), &error),
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
        why: Why<'_>,
    ) {
        for event_date in interval.days(&self.context.timezone) {
            let gap = self.discover_gap((&interval, event_date), source, organizer_id, &why);
            let gap = Gap {
                session_id: listed.cloned(),
                ..gap
            };
            let gap = judged(&self.context, gap, why.answer, why.patience);
            self.outcome.gaps.open(&self.context, gap, why.error);
        }
    }

    /// An account without a mailbox: skipped, unless it had one before. Then the mailbox may be on the move, or without its licence for
    /// a while, and what is on its calendar is missing until the same was answered for long enough.
    fn note_no_mailbox(&mut self, organizer: OrganizerId) {
        let source = Source::OnlineMeeting;
        let known = Arc::clone(&self.context.known);
        let had_sessions = self
            .organizers()
            .contains(&organizer.as_str().to_ascii_lowercase());
        let had_one = had_sessions || { known.gaps_on_organizer(source, &organizer) }
            .any(|row| !gap::is_final(row));
        let why = Why {
            answer: Answer {
                reason: GapReason::Request(FailureReason::Gone),
                status: Some(404),
                code: None,
            },
            error: None,
            patience: Patience::Days(7),
        };
        let interval = self.context.interval;
        let mut is_suspected = false;
        if had_one {
            for event_date in interval.days(&self.context.timezone) {
                let gap =
                    self.discover_gap((&interval, event_date), source, Some(&organizer), &why);
                let gap = judged(&self.context, gap, why.answer, why.patience);
                // once it is believed, days that lack nothing yet need no gap
                if !gap.is_final || known.open_gaps().contains_key(&gap.gap_id()) {
                    is_suspected |= !gap.is_final;
                    self.outcome.gaps.open(&self.context, gap, None);
                }
            }
        }
        if !is_suspected {
            if !had_one {
                self.read_through.without_mailbox(organizer);
            }
            let skipped = self.outcome.skipped.entry("accounts_without_mailbox");
            *skipped.or_default() += 1;
        }
    }

    /// Organizers whose calendar showed a published session, in small letters: their calls alone would prove no mailbox.
    fn organizers(&mut self) -> &HashSet<String> {
        self.organizers.get_or_insert_with(|| {
            let in_calendar = |occurrence: &Occurrence| {
                let mut ways = occurrence.discovered_by.iter();
                ways.any(|way| way == Way::Calendar.as_str())
            };
            let owners = self.context.known.sessions();
            let owners = owners.filter(|(_, session)| in_calendar(&session.occurrence));
            let owners = owners.filter_map(|(_, session)| session.occurrence.organizer.as_ref());
            let ids = owners.map(|owner| owner.id.as_str().to_ascii_lowercase());
            ids.collect()
        })
    }

    fn discover_gap(
        &self,
        (interval, event_date): (&DataInterval, EventDate),
        source: Source,
        organizer_id: Option<&OrganizerId>,
        why: &Why<'_>,
    ) -> Gap {
        Gap {
            event_date,
            stage: GapStage::Discover,
            source,
            organizer_id: organizer_id.cloned(),
            session_id: None,
            report_id: None,
            record_index: None,
            reason: why.answer.reason,
            http_status: None,
            graph_code: None,
            is_final: false,
            evidence: None,
            missing: MissingHours::of(interval, event_date, &self.context.timezone),
            scope: self.read_through.scope(source),
        }
    }
}

/// Why something could not be discovered, and how far that is believed.
#[derive(Clone, Copy)]
struct Why<'a> {
    answer: Answer<'a>,
    error: Option<&'a Arc<GraphError>>,
    patience: Patience,
}

fn why(reason: GapReason, error: Option<&Arc<GraphError>>) -> Why<'_> {
    Why {
        answer: match error {
            Some(error) => Answer {
                reason,
                ..Answer::of(error)
            },
            None => Answer::plain(reason),
        },
        error,
        patience: error.map_or(Patience::Never, |error| Patience::of(error)),
    }
}

/// A name of the job's list that finds nobody is for the job's owner to mend, however often it is looked up.
fn why_of_organizer<'a>(organizer_id: Option<&OrganizerId>, error: &'a Arc<GraphError>) -> Why<'a> {
    let is_named = organizer_id.is_none_or(|id| id.as_str().contains('@'));
    let own = why(GapReason::Request(error.reason()), Some(error));
    Why {
        patience: if is_named {
            Patience::Never
        } else {
            own.patience
        },
        ..own
    }
}
