//! What listing a meeting's reports says of each of its sessions. Pure.

use std::borrow::Cow;

use super::RETENTION;
use crate::flatten::AttendanceState;
use crate::graph::{Cause, FailureReason, GraphError};
use crate::ledger::KnownSession;
use crate::time::{DAY, HOUR, UtcMicros};

/// Reason of a session whose reports Graph has deleted by now, were there any.
const EXPIRED: &str = "reports_expired";

/// When attendance is final.
#[derive(Debug, Clone, Copy)]
pub struct SettleRules {
    /// This long after the scheduled end and the newest report's end.
    pub settle_hours: u32,
    /// What never settled, after this many days.
    pub give_up_days: u32,
    /// Whether what never settled is given up: by a scheduled run, of what an earlier run has tried already.
    pub gives_up: bool,
}

/// A session's attendance, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionVerdict {
    /// Which of the outcome's occurrences.
    pub occurrence: usize,
    /// The state.
    pub state: AttendanceState,
    /// Which of the state's causes.
    pub reason: Option<Cow<'static, str>>,
    /// Whether no later answer is expected.
    pub is_final: bool,
    /// Reports listed or published for it.
    pub report_count: i32,
}

impl SessionVerdict {
    /// The same, where its session is published on another day: states only move forward.
    #[must_use]
    pub fn not_behind(self, published: &KnownSession) -> Self {
        let was_reported = is_reported(published);
        Self {
            state: if was_reported {
                AttendanceState::Reported
            } else {
                self.state
            },
            reason: self.reason.filter(|_| !was_reported),
            report_count: self.report_count.max(published.report_count),
            ..self
        }
    }
}

/// What was seen of one session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting<'a> {
    /// Its scheduled end.
    pub(super) ends_at: UtcMicros,
    /// Reports that were listed or are published for it.
    pub(super) reports: usize,
    /// End of the newest of them.
    pub(super) newest_end: Option<UtcMicros>,
    /// Whether one of them is not published, by this run either.
    pub(super) has_unpublished: bool,
    /// Whether Graph's list is full and begins after the session.
    pub(super) is_beyond_list: bool,
    /// What is published.
    pub(super) known: Option<&'a KnownSession>,
}

impl Sighting<'_> {
    /// Whether it was final already, and has not been moved since.
    fn was_final(self) -> bool {
        self.known
            .is_some_and(|known| known.is_final && known.occurrence.ends_at() == self.ends_at)
    }
}

impl SettleRules {
    /// The verdict on a session whose meeting's reports were listed.
    pub(super) fn listed(
        self,
        occurrence: usize,
        sighting: Sighting<'_>,
        now: UtcMicros,
    ) -> SessionVerdict {
        let is_settled = self.is_settled(sighting.ends_at, sighting.newest_end, now);
        let is_given_up = self.is_given_up(sighting, now);
        let was_reported = sighting.known.is_some_and(is_reported);
        let was_final = sighting.was_final()
            && sighting
                .known
                .is_some_and(|known| count(sighting) == known.report_count);
        // its reports may have been there
        let is_expired = now >= sighting.ends_at.plus(RETENTION);
        let state = if sighting.reports > 0 || was_reported {
            AttendanceState::Reported
        } else if sighting.was_final() && sighting.known.is_some_and(is_empty) {
            // nobody came; that newer reports fill the list by now says nothing about it
            AttendanceState::Empty
        } else if sighting.is_beyond_list {
            AttendanceState::OverCap
        } else if is_expired && !sighting.has_unpublished {
            AttendanceState::Gone
        } else if sighting.has_unpublished && is_given_up {
            AttendanceState::Failed
        } else if is_given_up || (is_settled && !sighting.has_unpublished) {
            AttendanceState::Empty
        } else {
            AttendanceState::NotReady
        };
        let is_gone = state == AttendanceState::Gone;
        SessionVerdict {
            occurrence,
            state,
            reason: is_gone.then_some(Cow::Borrowed(EXPIRED)),
            is_final: is_given_up || was_final || (is_settled && !sighting.has_unpublished),
            report_count: count(sighting),
        }
    }

    /// The same where the list ends before its last page: what it showed counts, and more is expected.
    pub(super) fn listed_in_part(
        self,
        occurrence: usize,
        sighting: Sighting<'_>,
        now: UtcMicros,
    ) -> SessionVerdict {
        let seen = Sighting {
            has_unpublished: true,
            ..sighting
        };
        self.listed(occurrence, seen, now)
    }

    /// The verdict on a session whose meeting could not be asked.
    pub(super) fn refused(
        self,
        occurrence: usize,
        sighting: Sighting<'_>,
        error: &GraphError,
        now: UtcMicros,
    ) -> SessionVerdict {
        let (state, is_for_ever) = match (error.reason(), error.cause()) {
            (FailureReason::Forbidden, _) => (AttendanceState::Forbidden, false),
            (_, Cause::ChannelThread) => (AttendanceState::Unsupported, true),
            (FailureReason::Gone, _) | (_, Cause::MeetingNotFound | Cause::JoinUrlUnusable) => {
                (AttendanceState::Gone, true)
            }
            _ => (AttendanceState::Failed, false),
        };
        // states only move forward: what was settled stays, whatever Graph forgets or forbids later
        let settled = sighting.known.and_then(|known| {
            if is_reported(known) {
                Some(AttendanceState::Reported)
            } else {
                (sighting.was_final() && is_empty(known)).then_some(AttendanceState::Empty)
            }
        });
        let cause = error.cause();
        let reason = if cause == Cause::Other {
            error.reason().as_str()
        } else {
            cause.as_str()
        };
        SessionVerdict {
            occurrence,
            state: settled.unwrap_or(state),
            reason: settled.is_none().then_some(Cow::Borrowed(reason)),
            is_final: is_for_ever
                // refused once more is nothing new; a failure is worth another try
                || (sighting.was_final() && (settled.is_some() || state != AttendanceState::Failed))
                || self.is_given_up(sighting, now),
            report_count: count(sighting),
        }
    }

    fn is_settled(self, ends_at: UtcMicros, newest_end: Option<UtcMicros>, now: UtcMicros) -> bool {
        let last = newest_end.map_or(ends_at, |end| end.max(ends_at));
        now >= last.plus(i64::from(self.settle_hours) * HOUR)
    }

    fn is_given_up(self, sighting: Sighting<'_>, now: UtcMicros) -> bool {
        let is_old = now >= sighting.ends_at.plus(i64::from(self.give_up_days) * DAY);
        self.gives_up && sighting.known.is_some() && is_old
    }
}

/// The verdict on a session of a kind that Graph has no attendance for.
pub(super) fn unsupported(occurrence: usize, reason: &'static str) -> SessionVerdict {
    SessionVerdict {
        occurrence,
        state: AttendanceState::Unsupported,
        reason: Some(Cow::Borrowed(reason)),
        is_final: true,
        report_count: 0,
    }
}

/// The verdict on a session that was final already: what is published.
pub(super) fn unchanged(occurrence: usize, known: &KnownSession) -> Option<SessionVerdict> {
    Some(SessionVerdict {
        occurrence,
        state: AttendanceState::named(&known.attendance_state)?,
        reason: known.attendance_state_reason.clone().map(Cow::Owned),
        is_final: known.is_final,
        report_count: known.report_count,
    })
}

fn is_reported(known: &KnownSession) -> bool {
    known.attendance_state == AttendanceState::Reported.as_str()
}

fn is_empty(known: &KnownSession) -> bool {
    known.attendance_state == AttendanceState::Empty.as_str()
}

/// Never less than what is published: Graph forgets, the warehouse does not.
fn count(sighting: Sighting<'_>) -> i32 {
    let seen = i32::try_from(sighting.reports).unwrap_or(i32::MAX);
    seen.max(sighting.known.map_or(0, |known| known.report_count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flatten::Occurrence;
    use crate::job::Source;
    use crate::time::EventDate;

    const RULES: SettleRules = SettleRules {
        settle_hours: 24,
        give_up_days: 30,
        gives_up: true,
    };

    fn sighting(reports: usize) -> Sighting<'static> {
        Sighting {
            ends_at: UtcMicros(0),
            reports,
            newest_end: (reports > 0).then_some(UtcMicros(2 * HOUR)),
            has_unpublished: false,
            is_beyond_list: false,
            known: None,
        }
    }

    #[test]
    fn nobody_came_is_only_said_after_it_settled() {
        let at = |hours: i64| {
            let verdict = RULES.listed(0, sighting(0), UtcMicros(hours * HOUR));
            (verdict.state, verdict.is_final)
        };
        assert_eq!(at(1), (AttendanceState::NotReady, false));
        assert_eq!(at(23), (AttendanceState::NotReady, false));
        assert_eq!(at(24), (AttendanceState::Empty, true));
    }

    #[test]
    fn a_reported_session_is_final_a_while_after_its_newest_report() {
        let is_final = |hours: i64, has_unpublished| {
            let seen = Sighting {
                has_unpublished,
                ..sighting(1)
            };
            RULES.listed(0, seen, UtcMicros(hours * HOUR)).is_final
        };
        assert!(!is_final(25, false), "the report ended at 2:00");
        assert!(is_final(26, false));
        assert!(
            !is_final(26, true),
            "one of its reports belongs to a day that was not read yet"
        );
    }

    /// What an earlier run published of a session that ends at 0.
    fn known(state: AttendanceState, is_final: bool) -> KnownSession {
        KnownSession {
            event_date: EventDate(0),
            occurrence: Occurrence {
                source: Source::Webinar,
                organizer: None,
                event_id: None,
                occurrence_id: None,
                series_id: None,
                subject: None,
                scheduled_start: UtcMicros(-HOUR),
                scheduled_end: Some(UtcMicros(0)),
                join_web_url: None,
                is_cancelled: None,
                status: None,
                discovered_by: Vec::new(),
                unsupported: None,
                extra: None,
                unknown_properties: 0,
                removed_at: None,
                published_as: None,
            },
            event_id: None,
            attendance_state: state.as_str().to_owned(),
            attendance_state_reason: None,
            is_final,
            report_count: 0,
            removed_at: None,
        }
    }

    #[test]
    fn only_a_scheduled_run_gives_up_and_only_what_was_tried_before() {
        let known = known(AttendanceState::Failed, false);
        let lost = Sighting {
            has_unpublished: true,
            ..sighting(0)
        };
        let tried_before = Sighting {
            known: Some(&known),
            ..lost
        };
        let backfill = SettleRules {
            gives_up: false,
            ..RULES
        };
        let old = UtcMicros(31 * DAY);
        let verdict = |rules: SettleRules, seen| {
            let verdict = rules.listed(0, seen, old);
            (verdict.state, verdict.is_final)
        };
        assert_eq!(
            verdict(RULES, lost),
            (AttendanceState::NotReady, false),
            "the first look at an old day gives up nothing"
        );
        assert_eq!(
            verdict(backfill, tried_before),
            (AttendanceState::NotReady, false)
        );
        assert_eq!(
            verdict(RULES, tried_before),
            (AttendanceState::Failed, true),
            "what is final is never `not_ready`"
        );
        let error = GraphError::out_of_time();
        let refused = RULES.refused(0, lost, &error, old);
        assert_eq!(
            (refused.state, refused.is_final),
            (AttendanceState::Failed, false)
        );
    }

    #[test]
    fn a_session_that_was_moved_is_not_final_any_longer() {
        let known = known(AttendanceState::Empty, true);
        let moved = Sighting {
            ends_at: UtcMicros(3 * DAY),
            known: Some(&known),
            ..sighting(0)
        };
        let verdict = |hours: i64| {
            let verdict = RULES.listed(0, moved, UtcMicros(3 * DAY + hours * HOUR));
            (verdict.state, verdict.is_final)
        };
        assert_eq!(verdict(1), (AttendanceState::NotReady, false));
        assert_eq!(verdict(25), (AttendanceState::Empty, true));
    }

    #[test]
    fn fault_40_a_session_older_than_what_graph_keeps_is_not_empty() {
        let at = |days: i64| {
            let verdict = RULES.listed(0, sighting(0), UtcMicros(days * DAY));
            (verdict.state, verdict.reason, verdict.is_final)
        };
        assert_eq!(at(364), (AttendanceState::Empty, None, true));
        let expired = Some(Cow::Borrowed("reports_expired"));
        assert_eq!(at(365), (AttendanceState::Gone, expired, true));
        let known = known(AttendanceState::Empty, true);
        let seen_in_time = Sighting {
            known: Some(&known),
            ..sighting(0)
        };
        let verdict = RULES.listed(0, seen_in_time, UtcMicros(400 * DAY));
        assert_eq!(verdict.state, AttendanceState::Empty);
    }

    #[test]
    fn a_session_older_than_the_list_is_not_empty() {
        let seen = Sighting {
            is_beyond_list: true,
            ..sighting(0)
        };
        assert_eq!(
            RULES.listed(0, seen, UtcMicros(48 * HOUR)).state,
            AttendanceState::OverCap
        );
    }
}
