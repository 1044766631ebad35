//! What one answer proves, and what only the same answer on several days does.

use super::gap::GapReason;
use crate::graph::{Cause, FailureReason, GraphError};
use crate::tables::GapRow;
use crate::time::{DAY, UtcMicros};

/// The same answer counts from so many different days on.
const DAYS: i32 = 3;
/// For how long an answer is known to be given although it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// What was answered is plain by itself.
    Proof,
    /// So many days.
    Days(i64),
    /// As long as nobody mends it.
    Never,
}

impl Patience {
    /// What is known of an answer.
    ///
    /// Application access policies take 30 minutes by their documentation and many hours by reports, a directory's replicas minutes to
    /// hours, an access policy's replacement the same: three days are more than each of these. A mailbox on the move or without its
    /// licence comes back within days. A deleted user can be restored for 30 days.
    ///
    /// Source: <https://learn.microsoft.com/graph/cloud-communication-online-meeting-application-access-policy>,
    /// <https://learn.microsoft.com/entra/fundamentals/users-restore>.
    pub fn with(reason: FailureReason, cause: Cause, status: Option<u16>) -> Self {
        match (reason, cause) {
            (FailureReason::Forbidden, _) => Self::Never,
            // the meeting itself told its thread
            (_, Cause::ChannelThread) if status.is_none() => Self::Proof,
            (_, Cause::UserNotFound) => Self::Days(30),
            (_, Cause::MailboxNotEnabled) => Self::Days(7),
            (FailureReason::Gone, _)
            | (_, Cause::ChannelThread | Cause::MeetingNotFound | Cause::JoinUrlUnusable) => {
                Self::Days(3)
            }
            _ => Self::Never,
        }
    }

    /// Of an answer that failed.
    pub fn of(error: &GraphError) -> Self {
        Self::with(error.reason(), error.cause(), error.status())
    }
}

/// An answer, as far as two of them are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// What it stands for.
    pub reason: GapReason,
    /// Its status.
    pub status: Option<u16>,
    /// Its code.
    pub code: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// Something that no failed request said.
    pub fn plain(reason: GapReason) -> Self {
        Self {
            reason,
            status: None,
            code: None,
        }
    }

    /// What a failed request said.
    pub fn of(error: &'a GraphError) -> Self {
        Self {
            reason: GapReason::Request(error.reason()),
            status: error.status(),
            code: error.graph_code(),
        }
    }

    fn is_that_of(self, row: &GapRow<'_>) -> bool {
        row.reason == self.reason.as_str()
            && row.http_status == self.status.map(i32::from)
            && row.graph_code.as_deref() == self.code
    }
}

/// Since when the same answer was met, and on how many days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// The first time.
    pub since: UtcMicros,
    /// Different days (UTC).
    pub days: i32,
}

impl Evidence {
    /// One answer.
    pub fn first(now: UtcMicros) -> Self {
        Self {
            since: now,
            days: 1,
        }
    }

    /// An answer, with what a published gap knows of earlier ones.
    pub fn weigh(before: Option<&GapRow<'_>>, answer: Answer<'_>, now: UtcMicros) -> Self {
        let same = before.filter(|row| answer.is_that_of(row));
        let Some((row, since, days)) =
            same.and_then(|row| Some((row, row.same_answer_since?, row.same_answer_days?)))
        else {
            return Self::first(now);
        };
        // a row is written anew when its days change, so this was the last day that counted
        let is_another_day = day_of(row.last_tried_at) < day_of(now);
        Self {
            since,
            days: days.saturating_add(i32::from(is_another_day)),
        }
    }

    /// Whether it was the same for long enough.
    pub fn is_enough(self, patience: Patience, now: UtcMicros) -> bool {
        match patience {
            Patience::Proof => true,
            Patience::Days(days) => self.days >= DAYS && now >= self.since.plus(days * DAY),
            Patience::Never => false,
        }
    }
}

fn day_of(at: UtcMicros) -> i64 {
    at.0.div_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::super::finality::tests::{answer, gap};
    use super::*;
    use crate::flatten::AttendanceState;
    use crate::time::HOUR;

    #[test]
    fn evidence_is_the_same_answer_on_different_days_over_days() {
        let same = answer(AttendanceState::Gone);
        let other_code = Answer {
            code: Some("Request_ResourceNotFound"),
            ..same
        };
        for (what, row, answer, now, days, is_enough) in [
            ("the first", None, same, 0, 1, false),
            (
                "again that day",
                Some(gap(same, 1, (0, 0))),
                same,
                HOUR,
                1,
                false,
            ),
            (
                "the next day",
                Some(gap(same, 1, (0, 0))),
                same,
                DAY,
                2,
                false,
            ),
            (
                "three days, too near",
                Some(gap(same, 2, (0, DAY))),
                same,
                2 * DAY,
                3,
                false,
            ),
            (
                "two days, far apart",
                Some(gap(same, 1, (0, 0))),
                same,
                9 * DAY,
                2,
                false,
            ),
            (
                "three days, three apart",
                Some(gap(same, 2, (0, DAY))),
                same,
                3 * DAY,
                3,
                true,
            ),
            (
                "another code",
                Some(gap(same, 9, (0, DAY))),
                other_code,
                9 * DAY,
                1,
                false,
            ),
        ] {
            let evidence = Evidence::weigh(row.as_ref(), answer, UtcMicros(now));
            assert_eq!(evidence.days, days, "{what}");
            let enough = evidence.is_enough(Patience::Days(3), UtcMicros(now));
            assert_eq!(enough, is_enough, "{what}");
            assert!(
                !evidence.is_enough(Patience::Never, UtcMicros(now)),
                "{what}"
            );
        }
        let of_earlier_version = GapRow {
            same_answer_since: None,
            same_answer_days: None,
            ..gap(same, 9, (0, 0))
        };
        let evidence = Evidence::weigh(Some(&of_earlier_version), same, UtcMicros(9 * DAY));
        assert_eq!(evidence, Evidence::first(UtcMicros(9 * DAY)));
    }

    #[test]
    fn how_long_each_cause_is_known_to_pass() {
        let gone = FailureReason::Gone;
        for (reason, cause, status, wanted) in [
            (gone, Cause::MeetingNotFound, Some(404), Patience::Days(3)),
            (gone, Cause::MeetingNotFound, None, Patience::Days(3)),
            (gone, Cause::Other, Some(410), Patience::Days(3)),
            (gone, Cause::UserNotFound, Some(404), Patience::Days(30)),
            (gone, Cause::MailboxNotEnabled, Some(404), Patience::Days(7)),
            (
                FailureReason::BadRequest,
                Cause::JoinUrlUnusable,
                Some(400),
                Patience::Days(3),
            ),
            (
                FailureReason::BadRequest,
                Cause::ChannelThread,
                Some(400),
                Patience::Days(3),
            ),
            (
                FailureReason::BadRequest,
                Cause::ChannelThread,
                None,
                Patience::Proof,
            ),
            (
                FailureReason::Forbidden,
                Cause::NotOrganizer,
                Some(403),
                Patience::Never,
            ),
            (
                FailureReason::Forbidden,
                Cause::NoApplicationAccessPolicy,
                Some(403),
                Patience::Never,
            ),
            (
                FailureReason::ServerError,
                Cause::Other,
                Some(503),
                Patience::Never,
            ),
            (
                FailureReason::BadResponse,
                Cause::Other,
                Some(404),
                Patience::Never,
            ),
        ] {
            assert_eq!(Patience::with(reason, cause, status), wanted, "{cause:?}");
        }
    }
}
