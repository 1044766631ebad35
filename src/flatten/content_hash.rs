//! A hash of a report with all its records, which tells whether Graph says something else of it than before.

use super::record::{FlatIdentity, FlatInterval, FlatRecord, Intervals};
use crate::tables::AttendanceReportRow;

/// Hash of everything Graph said of the report, its records and their intervals; of nothing that is ours.
///
/// What is ours, or derived, is passed over by name, so that a new column cannot be forgotten here.
pub(super) fn content_hash(
    report: &AttendanceReportRow<'_>,
    records: &[FlatRecord<'_>],
    intervals: &Intervals,
) -> String {
    let AttendanceReportRow {
        tenant_id: _,
        report_id,
        source: _,
        event_id: _,
        session_id: _,
        session_event_date: _,
        organizer_id: _,
        subject: _,
        meeting_start_date_time,
        meeting_end_date_time,
        total_participant_count,
        record_count: _,
        external_event_information,
        quality_flags: _,
        _content_hash: _,
        _run_id: _,
        _fetched_at: _,
        _extra: extra,
    } = report;
    let mut bytes = Vec::with_capacity(64 + records.len() * 256);
    text(&mut bytes, Some(report_id));
    integer(&mut bytes, meeting_start_date_time.map(|at| at.0));
    integer(&mut bytes, meeting_end_date_time.map(|at| at.0));
    integer(&mut bytes, total_participant_count.map(i64::from));
    for event in external_event_information {
        text(&mut bytes, event.application_id.as_deref());
        text(&mut bytes, event.external_event_id.as_deref());
    }
    text(&mut bytes, extra.as_deref());
    for record in records {
        hash_record(&mut bytes, record, intervals);
    }
    let mut digits = blake3::hash(&bytes).to_hex().to_string();
    digits.truncate(32);
    digits
}

fn hash_record(bytes: &mut Vec<u8>, record: &FlatRecord<'_>, intervals: &Intervals) {
    let FlatRecord {
        record_id,
        email_address,
        identity:
            FlatIdentity {
                id,
                kind,
                display_name,
                tenant_id,
            },
        role,
        total_attendance_in_seconds,
        registration_id,
        external_registration_referrer,
        external_registration_id,
        intervals: own,
        presence: _,
        flags: _,
        extra,
        unknown_properties: _,
    } = record;
    for column in [
        *record_id,
        id.as_deref(),
        *email_address,
        kind.as_deref(),
        display_name.as_deref(),
        tenant_id.as_deref(),
        *role,
        *registration_id,
        *external_registration_referrer,
        *external_registration_id,
        extra.as_deref(),
    ] {
        text(bytes, column);
    }
    integer(bytes, total_attendance_in_seconds.map(i64::from));
    integer(bytes, i64::try_from(own.len()).ok());
    for interval in intervals.get(own.clone()).unwrap_or_default() {
        let FlatInterval {
            join,
            leave,
            duration_in_seconds,
        } = interval;
        integer(bytes, join.map(|at| at.0));
        integer(bytes, leave.map(|at| at.0));
        integer(bytes, duration_in_seconds.map(i64::from));
    }
}

/// Length first, so that neighbours cannot run together; a null differs from every text.
fn text(bytes: &mut Vec<u8>, text: Option<&str>) {
    bytes.extend(
        text.map_or(u32::MAX, |text| {
            u32::try_from(text.len()).unwrap_or(u32::MAX - 1)
        })
        .to_le_bytes(),
    );
    bytes.extend(text.unwrap_or_default().as_bytes());
}

fn integer(bytes: &mut Vec<u8>, number: Option<i64>) {
    bytes.push(u8::from(number.is_some()));
    bytes.extend(number.unwrap_or_default().to_le_bytes());
}
