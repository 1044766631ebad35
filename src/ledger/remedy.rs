//! What to do about open gaps, by reason.

use super::GapReason;
use crate::graph::FailureReason;
use crate::time::EventDate;

const NOT_AS_DOCUMENTED: &str = "Graph's answer was not as documented";

/// What to do about gaps of a reason that are missing from the days of a range; one sentence without a capital.
pub fn remedy(reason: &str, (first, last): (EventDate, EventDate)) -> String {
    let again = format!(
        "`teamsheet backfill --job <job file> --from {first} --to {} --reprocess failed`",
        last.plus_days(1)
    );
    let reason = GapReason::named(reason).unwrap_or(GapReason::Unreadable);
    match reason {
        GapReason::Request(reason) => match reason {
            FailureReason::Forbidden => format!(
                "let the app read these organizers (permissions and application access policy), then run {again}"
            ),
            FailureReason::Unauthorized => {
                format!("see to the app registration's credentials, then run {again}")
            }
            FailureReason::Gone => {
                "nothing can be done: Graph has deleted it, or it is older than a year".to_owned()
            }
            FailureReason::Throttled
            | FailureReason::ServerError
            | FailureReason::Timeout
            | FailureReason::Transport
            | FailureReason::Deadline => {
                format!("it may pass by itself: run {again}")
            }
            FailureReason::Tls => {
                format!("see to the certificates that this machine trusts, then run {again}")
            }
            FailureReason::IdMismatch => format!("{NOT_AS_DOCUMENTED}: run {again}; where it stays, the rest of the day is complete"),
            FailureReason::BadResponse
            | FailureReason::RefusedLink
            | FailureReason::PagingLoop
            | FailureReason::BadRequest
            | FailureReason::TooLarge => {
                format!("run {again}; where it stays, run it with `-v` and look at the log")
            }
        },
        GapReason::OverCap => {
            "nothing can be done: Graph lists a meeting's 50 newest reports, and this one is older"
                .to_owned()
        }
        GapReason::CallRecordsExpired => {
            "nothing can be done: Graph keeps call records for 30 days, so calls that are on no calendar cannot be found any more"
                .to_owned()
        }
        GapReason::NoJoinUrl => format!(
            "Exchange may add the link later: the next nights read the calendar again; else run {again}"
        ),
        GapReason::NoUsableTime => format!(
            "a policy of the tenant may keep join and leave times out of reports: where that has changed, run {again}"
        ),
        GapReason::Unreadable | GapReason::ReportWithoutId => format!(
            "{NOT_AS_DOCUMENTED}: run {again}; where it stays, the rest of the day is complete"
        ),
    }
}

/// What to do about gaps of a reason that looks as if they were never to be filled, while that is only suspected of one of them.
pub(super) fn remedy_of_suspected(reason: &str, days: (EventDate, EventDate)) -> String {
    match GapReason::named(reason) {
        Some(GapReason::Request(FailureReason::Gone)) => format!(
            "not found, which may pass: the nights ask again for three days and more; a user or group of the job file that was renamed is \
             to be mended there; of days that the nights no longer ask about, run `teamsheet backfill --job <job file> --from {} --to {}` \
             on three days",
            days.0,
            days.1.plus_days(1)
        ),
        Some(GapReason::OverCap) => {
            "newer reports may hide older ones: the nights look again, and believe it after three days".to_owned()
        }
        _ => remedy(reason, days),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::plan::GAP_REASONS;

    #[test]
    fn a_job_may_tolerate_every_reason_and_nothing_else() {
        let reasons = GapReason::ALL.map(|reason| reason.as_str().to_owned());
        assert_eq!(reasons, GAP_REASONS);
    }

    #[test]
    fn every_reason_has_a_remedy_and_what_can_be_had_has_its_command() {
        let days = (EventDate(20_454), EventDate(20_455));
        for reason in GapReason::ALL {
            let text = remedy(reason.as_str(), days);
            assert_eq!(
                text.contains("--from 2026-01-01 --to 2026-01-03 --reprocess failed"),
                !reason.is_for_ever(),
                "{text}"
            );
        }
    }
}
