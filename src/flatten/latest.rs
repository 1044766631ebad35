//! The newest report of a meeting by the deprecated path: no id, no times of its own.
//!
//! Its id is `latest:` and a hash of the meeting's id and the first join, so that a later answer about the same report has the same one.
//! Source: <https://learn.microsoft.com/graph/api/meetingattendancereport-get>, beta, example 2.

use bytes::Bytes;

use super::listing::{ReportEntry, count, external_events, instant};
use crate::ids::{EventId, ReportId, stable_hash};
use crate::model::{self, AttendanceRecord, ParseError};
use crate::time::UtcMicros;

/// What the ids of these reports begin with; Graph's own never do.
const LATEST: &str = "latest:";

impl ReportEntry {
    /// Whether the report came by the deprecated path: its id is ours, and its times are those of its intervals.
    pub fn is_latest(&self) -> bool {
        self.report_id.as_str().starts_with(LATEST)
    }
}

/// None of the report's intervals has a time that could stand for the report's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no interval of the report has a usable time")]
pub struct NoUsableTime;

/// Reads the report as an entry of a list; `Ok(Ok(None))` where nobody attended.
///
/// # Errors
/// [`NoUsableTime`] where attendees came without a join time; terminal, it becomes a gap. [`ParseError`], the outer one, where a body is
/// not what was asked for.
pub fn read_latest_report(
    event_id: &EventId,
    report: &[u8],
    record_pages: &[Bytes],
) -> Result<Result<Option<ReportEntry>, NoUsableTime>, ParseError> {
    let (report, unreadable) = model::parse_report(report)?;
    let mut times = Times {
        records: unreadable.len(),
        ..Times::default()
    };
    for record in report.attendance_records.iter().flatten() {
        times.add(record);
    }
    for body in record_pages {
        let page = model::parse_page::<AttendanceRecord<'_>>(body)?;
        times.records += page.unreadable.len();
        page.items.iter().for_each(|record| times.add(record));
    }
    let total = count(report.total_participant_count);
    let Some(start) = times.first_join else {
        let nobody = times.records == 0 && total.unwrap_or_default() == 0;
        return Ok(if nobody { Ok(None) } else { Err(NoUsableTime) });
    };
    let hash = stable_hash([event_id.as_str(), start.to_string().as_str()]);
    Ok(Ok(Some(ReportEntry {
        report_id: ReportId::new(format!("{LATEST}{hash}")),
        start: Some(start),
        end: times.last_leave.filter(|end| *end >= start),
        total_participant_count: total,
        external_events: external_events(&report),
    })))
}

#[derive(Debug, Default)]
struct Times {
    records: usize,
    first_join: Option<UtcMicros>,
    last_leave: Option<UtcMicros>,
}

impl Times {
    fn add(&mut self, record: &AttendanceRecord<'_>) {
        self.records += 1;
        for interval in record.attendance_intervals.iter().flatten() {
            let join = instant(interval.join_date_time.as_ref());
            let leave = instant(interval.leave_date_time.as_ref());
            self.first_join = self.first_join.into_iter().chain(join).min();
            self.last_leave = self.last_leave.into_iter().chain(leave).max();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latest(body: &str) -> Result<Option<ReportEntry>, NoUsableTime> {
        read_latest_report(&EventId::new("meeting"), body.as_bytes(), &[]).unwrap()
    }

    #[test]
    fn it_takes_its_times_from_its_intervals_and_its_id_from_the_first_join() {
        let report = |first: &str| {
            let body = format!(
                r#"{{"totalParticipantCount":2,"attendanceRecords":[
                {{"attendanceIntervals":[{{"joinDateTime":"2021-03-16T18:59:52.2Z","leaveDateTime":null,"durationInSeconds":0}}]}},
                {{"attendanceIntervals":[{{"joinDateTime":"{first}","leaveDateTime":"2021-03-16T19:25:45.4473057Z","durationInSeconds":1}}]}}]}}"#
            );
            latest(&body).unwrap().unwrap()
        };
        let entry = report("2021-03-16T18:59:46.598956Z");
        assert_eq!(
            entry.start.unwrap().to_string(),
            "2021-03-16T18:59:46.598956Z"
        );
        assert_eq!(
            entry.end.unwrap().to_string(),
            "2021-03-16T19:25:45.447305Z"
        );
        assert!(entry.is_latest() && entry.total_participant_count == Some(2));
        assert_eq!(
            entry.report_id,
            report("2021-03-16T18:59:46.598956Z").report_id
        );
        assert_ne!(entry.report_id, report("2021-03-16T18:00:00Z").report_id);
    }

    #[test]
    fn without_times_is_told_from_without_attendees() {
        let stripped = r#"{"totalParticipantCount":1,"attendanceRecords":[{"emailAddress":"a@b","attendanceIntervals":[]}]}"#;
        assert_eq!(latest(stripped), Err(NoUsableTime));
        assert_eq!(latest(r#"{"totalParticipantCount":3}"#), Err(NoUsableTime));
        assert_eq!(
            latest(r#"{"totalParticipantCount":0,"attendanceRecords":[]}"#),
            Ok(None)
        );
    }
}
