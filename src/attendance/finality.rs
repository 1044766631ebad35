//! When a session's attendance is final: what one answer proves, and what only many of them do.
//!
//! | answer | proves | else |
//! |---|---|---|
//! | reports, whole by their own counts | `reported`, final after `settle_hours` | a short one: asked again, final by the same answer |
//! | a list without any | `empty` (or `cancelled`), final after it settled | of what is older than its oldest report: nothing |
//! | not found, no such user, unusable link, no link, gone | nothing | suspected: final by the same answer on several days |
//! | forbidden | nothing | asked again until it is given up |
//!
//! What never settles is given up by scheduled runs after `give_up_days`.

use std::borrow::Cow;

pub use super::evidence::{Answer, Evidence, Patience};
use super::gap::GapReason;
use crate::flatten::AttendanceState;
use crate::graph::{Cause, FailureReason, GraphError};
use crate::tables::GapRow;
use crate::time::{DAY, HOUR, UtcMicros};

/// Graph keeps reports for a year: <https://learn.microsoft.com/graph/api/resources/meetingattendancereport>.
pub const RETENTION: i64 = 365 * DAY;

/// Reason of a session whose reports Graph has deleted by now, were there any.
const EXPIRED: &str = "reports_expired";
/// Reason of an online meeting whose calendar entry has no join link.
const NO_JOIN_URL: &str = "no_join_url";

/// Tenants were seen whose lists ended after so many reports, where 50 are documented. Within a session a shorter list is believed.
///
/// Source: <https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/506>.
const SHORTEST_CAP: usize = 10;

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
    /// What is missing by it.
    pub gap: Option<GapFinding>,
    /// Whether the list reached back to the session's start, so that no older report of it is hidden.
    pub reaches_start: bool,
}

/// A gap on a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapFinding {
    /// Why.
    pub reason: GapReason,
    /// Whether it will never be filled.
    pub is_final: bool,
    /// Of an answer that counts as evidence.
    pub evidence: Option<Evidence>,
}

impl GapFinding {
    fn final_of(reason: GapReason) -> Self {
        Self {
            reason,
            is_final: true,
            evidence: None,
        }
    }
}

impl SessionVerdict {
    /// The same, where its session is published on another day: states only move forward.
    #[must_use]
    pub fn not_behind(self, published: Published<'_>) -> Self {
        let was_reported = published.state == AttendanceState::Reported;
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

    /// What is published, once more.
    pub fn unchanged(occurrence: usize, published: Published<'_>) -> Self {
        Self {
            occurrence,
            state: published.state,
            reason: published.reason.map(|reason| Cow::Owned(reason.to_owned())),
            is_final: published.is_final,
            report_count: published.report_count,
            gap: None,
            reaches_start: false,
        }
    }
}

/// What an earlier run published of a session.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    /// The state.
    pub state: AttendanceState,
    /// Which of its causes.
    pub reason: Option<&'a str>,
    /// Whether no later answer was expected.
    pub is_final: bool,
    /// Reports that were listed for it.
    pub report_count: i32,
    /// Its scheduled end at that time.
    pub ends_at: UtcMicros,
}

/// What a list can tell of a session, by where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Everything.
    #[default]
    Whole,
    /// Its oldest report came after the session, and it may have been cut there.
    Behind(Cut),
    /// Its oldest report begins within the session, older ones of the session may be hidden.
    Within(Cut),
}

/// How sure it is that a list was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It holds as many reports as Graph lists.
    Full,
    /// It is shorter: nobody knows at how many reports a tenant's lists end.
    Unknown,
}

/// A list of reports, seen from one session.
#[derive(Debug, Clone, Copy)]
pub struct ListSeen {
    /// How many reports it holds.
    pub reports: usize,
    /// How many Graph lists at most.
    pub cap: usize,
    /// Start of its oldest report.
    pub oldest: Option<UtcMicros>,
    /// How many of them are the session's.
    pub of_session: usize,
    /// Whether an earlier listing had the oldest of them, so that nothing was lost since; not where it found it cut then.
    pub had_oldest_before: bool,
}

impl ListSeen {
    /// Whether no report of a session that starts then is hidden behind newer ones.
    pub fn reaches(self, starts_at: UtcMicros) -> bool {
        let is_long = self.reports >= self.cap.min(SHORTEST_CAP);
        !is_long || self.oldest.is_none_or(|oldest| oldest < starts_at)
    }
}

impl Reach {
    /// What the list tells of a session of that time.
    pub fn of(list: ListSeen, starts_at: UtcMicros, ends_at: UtcMicros) -> Self {
        let cut = if list.reports >= list.cap {
            Cut::Full
        } else {
            Cut::Unknown
        };
        let Some(oldest) = list.oldest else {
            return Self::Whole;
        };
        if ends_at < oldest {
            return Self::Behind(cut);
        }
        let is_within = starts_at < oldest
            && !list.had_oldest_before
            && list.reports >= SHORTEST_CAP
            // a series that has reports of other sessions too is not cut at ten
            && (cut == Cut::Full || list.of_session == list.reports);
        if is_within {
            Self::Within(cut)
        } else {
            Self::Whole
        }
    }
}

/// What was seen of one session.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent observations, each named where it is made"
)]
pub struct Sighting<'a> {
    /// Its scheduled end.
    pub ends_at: UtcMicros,
    /// Whether it was cancelled.
    pub is_cancelled: bool,
    /// Reports that were listed or are published for it.
    pub reports: usize,
    /// End of the newest of them.
    pub newest_end: Option<UtcMicros>,
    /// Whether one of them is not published, by this run either.
    pub has_unpublished: bool,
    /// Whether one of them has fewer records than it counts, and may still grow.
    pub has_short: bool,
    /// How far the list reaches.
    pub reach: Reach,
    /// Whether it reaches back to the session's start.
    pub reaches_start: bool,
    /// What is published.
    pub published: Option<Published<'a>>,
    /// The open gap on the session.
    pub gap: Option<&'a GapRow<'a>>,
}

impl Sighting<'_> {
    /// Whether it was final already, and has not been moved since.
    fn was_final(&self) -> bool {
        self.unmoved().is_some_and(|published| published.is_final)
    }

    fn unmoved(&self) -> Option<Published<'_>> {
        self.published
            .filter(|published| published.ends_at == self.ends_at)
    }

    fn was(&self, state: AttendanceState) -> bool {
        self.published
            .is_some_and(|published| published.state == state)
    }

    /// Whether an earlier list, in which it would have been, had none of it.
    fn had_none_before(&self) -> bool {
        self.unmoved()
            .is_some_and(|published| published.state == AttendanceState::Empty)
    }

    /// Whether an earlier list had none of it yet, and the present one is not so long that it would hide a report that came since.
    fn had_none_yet(&self) -> bool {
        self.reach == Reach::Behind(Cut::Unknown)
            && self
                .unmoved()
                .is_some_and(|published| published.state == AttendanceState::NotReady)
    }

    /// Never less than what is published: Graph forgets, the warehouse does not.
    fn count(&self) -> i32 {
        let seen = i32::try_from(self.reports).unwrap_or(i32::MAX);
        seen.max(self.published.map_or(0, |published| published.report_count))
    }
}

impl SettleRules {
    /// The verdict on a session whose meeting's reports were listed.
    pub fn listed(
        self,
        occurrence: usize,
        sighting: &Sighting<'_>,
        now: UtcMicros,
    ) -> SessionVerdict {
        let is_settled = self.is_settled(sighting.ends_at, sighting.newest_end, now);
        let is_given_up = self.is_given_up(sighting, now);
        let was_final = sighting.was_final()
            && sighting
                .published
                .is_some_and(|published| sighting.count() == published.report_count);
        // its reports may have been there
        let is_expired = now >= sighting.ends_at.plus(RETENTION);
        let is_behind = matches!(sighting.reach, Reach::Behind(_)) && !sighting.had_none_yet();
        let nobody_came = if sighting.is_cancelled {
            AttendanceState::Cancelled
        } else {
            AttendanceState::Empty
        };
        let state = if sighting.reports > 0 || sighting.was(AttendanceState::Reported) {
            AttendanceState::Reported
        } else if sighting.had_none_before() {
            // that newer reports fill the list by now says nothing about it
            nobody_came
        } else if is_behind {
            AttendanceState::OverCap
        } else if is_expired && !sighting.has_unpublished {
            AttendanceState::Gone
        } else if sighting.has_unpublished && is_given_up {
            AttendanceState::Failed
        } else if is_given_up || (is_settled && !sighting.has_unpublished) {
            nobody_came
        } else {
            AttendanceState::NotReady
        };
        let cut = match (state, sighting.reach) {
            (AttendanceState::OverCap, Reach::Behind(cut))
            | (AttendanceState::Reported, Reach::Within(cut)) => Some(cut),
            _ => None,
        };
        let hidden = cut.map(|cut| {
            let was_final = sighting.gap.is_some_and(|row| {
                row.reason == GapReason::OverCap.as_str() && super::gap::is_final(row)
            });
            let evidence = Evidence::weigh(sighting.gap, Answer::plain(GapReason::OverCap), now);
            GapFinding {
                reason: GapReason::OverCap,
                is_final: cut == Cut::Full
                    || was_final
                    || evidence.is_enough(Self::or_given_up(Patience::Days(3), is_given_up), now),
                evidence: (cut == Cut::Unknown).then_some(evidence),
            }
        });
        let is_gone = state == AttendanceState::Gone;
        let is_whole = !sighting.has_unpublished
            && !sighting.has_short
            && hidden.is_none_or(|hidden| hidden.is_final);
        let gives_up = is_given_up && hidden.is_none_or(|hidden| hidden.is_final);
        SessionVerdict {
            occurrence,
            state,
            reason: is_gone.then_some(Cow::Borrowed(EXPIRED)),
            is_final: gives_up || was_final || (is_settled && is_whole),
            report_count: sighting.count(),
            gap: if is_gone {
                Some(GapFinding::final_of(GapReason::Request(
                    FailureReason::Gone,
                )))
            } else {
                hidden
            },
            reaches_start: sighting.reaches_start,
        }
    }

    /// The same where the list ends before its last page: what it showed counts, and more is expected.
    pub fn listed_in_part(
        self,
        occurrence: usize,
        sighting: &Sighting<'_>,
        error: &GraphError,
        now: UtcMicros,
    ) -> SessionVerdict {
        let seen = Sighting {
            has_unpublished: true,
            ..*sighting
        };
        let verdict = self.listed(occurrence, &seen, now);
        let is_complete = verdict.is_final
            && matches!(
                verdict.state,
                AttendanceState::Reported | AttendanceState::Empty | AttendanceState::Cancelled
            );
        SessionVerdict {
            gap: (!is_complete).then_some(GapFinding {
                reason: GapReason::Request(error.reason()),
                is_final: false,
                evidence: None,
            }),
            reaches_start: false,
            ..verdict
        }
    }

    /// The verdict on a session whose meeting could not be asked.
    pub fn refused(
        self,
        occurrence: usize,
        sighting: &Sighting<'_>,
        error: &GraphError,
        now: UtcMicros,
    ) -> SessionVerdict {
        let (cause, patience) = (error.cause(), Patience::of(error));
        let state = match (error.reason(), cause) {
            (FailureReason::Forbidden, _) => AttendanceState::Forbidden,
            (_, Cause::ChannelThread) => AttendanceState::Unsupported,
            (FailureReason::Gone, _) | (_, Cause::MeetingNotFound | Cause::JoinUrlUnusable) => {
                AttendanceState::Gone
            }
            _ => AttendanceState::Failed,
        };
        let reason = if cause == Cause::Other {
            error.reason().as_str()
        } else {
            cause.as_str()
        };
        let gap = if state == AttendanceState::Gone {
            GapReason::Request(FailureReason::Gone)
        } else {
            GapReason::Request(error.reason())
        };
        let answer = Answer {
            reason: gap,
            ..Answer::of(error)
        };
        self.not_listed(occurrence, sighting, (state, reason, answer, patience), now)
    }

    /// The verdict on a session that cannot be asked about by what was found of it.
    ///
    /// A channel's meeting and another provider's are plain. A link that lacks may come, or may have been left out by mistake.
    pub fn closed(
        self,
        occurrence: usize,
        sighting: &Sighting<'_>,
        reason: &'static str,
        now: UtcMicros,
    ) -> SessionVerdict {
        let state = AttendanceState::Unsupported;
        if reason != NO_JOIN_URL {
            return SessionVerdict {
                occurrence,
                state,
                reason: Some(Cow::Borrowed(reason)),
                is_final: true,
                report_count: 0,
                gap: None,
                reaches_start: false,
            };
        }
        let answer = Answer::plain(GapReason::NoJoinUrl);
        let answered = (state, reason, answer, Patience::Days(3));
        self.not_listed(occurrence, sighting, answered, now)
    }

    fn not_listed(
        self,
        occurrence: usize,
        sighting: &Sighting<'_>,
        (state, reason, answer, patience): (AttendanceState, &'static str, Answer<'_>, Patience),
        now: UtcMicros,
    ) -> SessionVerdict {
        // states only move forward: what was settled stays, whatever Graph forgets or forbids later
        let settled = sighting.published.and_then(|published| {
            let is_settled = matches!(
                published.state,
                AttendanceState::Empty | AttendanceState::Cancelled
            ) && sighting.was_final();
            (published.state == AttendanceState::Reported || is_settled).then_some(published.state)
        });
        let is_given_up = self.is_given_up(sighting, now);
        let is_suspected = patience != Patience::Never;
        let evidence = Evidence::weigh(sighting.gap, answer, now);
        // nothing can be there any more, so there is nothing to wait for
        let is_expired = is_suspected && now >= sighting.ends_at.plus(RETENTION);
        let was_so = sighting.was_final() && (sighting.was(state) || settled.is_some());
        let is_believed = is_expired
            || was_so
            || evidence.is_enough(Self::or_given_up(patience, is_given_up), now);
        let is_final = if is_suspected {
            is_believed
        } else {
            // refused once more is nothing new; a failure is worth another try
            is_given_up
                || (sighting.was_final() && (settled.is_some() || state != AttendanceState::Failed))
        };
        let is_of_cancelled = sighting.is_cancelled && state == AttendanceState::Gone && is_final;
        let state = match settled {
            Some(settled) => settled,
            None if is_of_cancelled => AttendanceState::Cancelled,
            None => state,
        };
        // what was complete and final before stays that; what is plainly of no kind that has reports lacks none
        let is_complete = (settled.is_some() && sighting.was_final())
            || (state == AttendanceState::Unsupported && patience == Patience::Proof);
        SessionVerdict {
            occurrence,
            state,
            reason: settled.is_none().then_some(Cow::Borrowed(reason)),
            is_final,
            report_count: sighting.count(),
            gap: (!is_complete).then_some(GapFinding {
                reason: answer.reason,
                is_final: is_suspected && is_believed,
                evidence: (is_suspected && patience != Patience::Proof).then_some(evidence),
            }),
            reaches_start: false,
        }
    }

    /// Whether everybody has left for so long that nothing new is expected.
    fn is_settled(self, ends_at: UtcMicros, newest_end: Option<UtcMicros>, now: UtcMicros) -> bool {
        let last = newest_end.map_or(ends_at, |end| end.max(ends_at));
        now >= last.plus(i64::from(self.settle_hours) * HOUR)
    }

    fn is_given_up(self, sighting: &Sighting<'_>, now: UtcMicros) -> bool {
        let is_old = now >= sighting.ends_at.plus(i64::from(self.give_up_days) * DAY);
        self.gives_up && sighting.published.is_some() && is_old
    }

    /// What is to be given up is not waited for any longer than evidence needs at least.
    fn or_given_up(patience: Patience, is_given_up: bool) -> Patience {
        match patience {
            Patience::Days(days) if is_given_up => Patience::Days(days.min(3)),
            Patience::Days(_) | Patience::Proof | Patience::Never => patience,
        }
    }
}

/// Whether a report with fewer records than it counts is as whole as it gets.
///
/// It was the same three days before, or is so old that a second look is enough. `before` is how many records are published of it, and since when.
pub fn is_short_for_good(
    records: i32,
    before: Option<(i32, UtcMicros)>,
    (ends_at, give_up_days): (UtcMicros, u32),
    now: UtcMicros,
) -> bool {
    let is_old = now >= ends_at.plus(i64::from(give_up_days) * DAY);
    before.is_some_and(|(published, since)| {
        let is_later = now >= since.plus(if is_old { 1 } else { 3 * DAY });
        published == records && is_later
    })
}

#[cfg(test)]
#[path = "finality_tests.rs"]
pub(super) mod tests;
