//! `attendance_reports`: one row a report.

use std::borrow::Cow;

use super::cell::ExternalEvent;
use super::spec::table;
use crate::time::{EventDate, UtcMicros};

table! {
    /// Attendance reports: what was held, and when.
    ATTENDANCE_REPORTS / AttendanceReportRow / AttendanceReports = "attendance_reports" {
        row: "report: one time a meeting or session was actually held",
        partition: "event_date",
        key: ["tenant_id", "report_id"],
        replaced_by: "report_id",
        order: ["report_id"],
    }
    tenant_id: Cow<'a, str> = content, ours, "GUID of the tenant";
    report_id: Cow<'a, str> = content, graph "meetingAttendanceReport.id", "id of the report; `imported-…`, made of title, minute of the start and who held it, where it was imported from a file";
    source: Cow<'a, str> = content, ours, "`online_meeting`, `webinar` or `town_hall`";
    event_id: Option<Cow<'a, str>> = content, graph "onlineMeeting.id, virtualEvent.id", "id of the online meeting, webinar or town hall";
    session_id: Option<Cow<'a, str>> = content, ours, "the session it belongs to: most overlap, else nearest start; once set it stays";
    session_event_date: Option<EventDate> = content, ours, "partition of that session";
    organizer_id: Option<Cow<'a, str>> = content, graph "user.id", "object id of the organizer";
    subject: Option<Cow<'a, str>> = content, graph "event.subject, virtualEventSession.subject", "title of the session";
    meeting_start_date_time: Option<UtcMicros> = content, graph "meetingAttendanceReport.meetingStartDateTime", "when it was actually held, not the schedule";
    meeting_end_date_time: Option<UtcMicros> = content, graph "meetingAttendanceReport.meetingEndDateTime", "when it actually ended";
    total_participant_count: Option<i32> = content, graph "meetingAttendanceReport.totalParticipantCount", "Graph's number of participants";
    record_count: i32 = content, ours, "records that were fetched and published";
    external_event_information: Vec<ExternalEvent<'a>> = content, graph "meetingAttendanceReport.externalEventInformation", "partners' ids of the event";
    quality_flags: Vec<Cow<'a, str>> = content, ours, "what is odd about the report; sorted, empty where nothing is. `imported`: it is not Graph's but from a file that somebody saved from Teams, and what that lacks is null";
    _content_hash: Cow<'a, str> = content, ours, "hash of the report with all its records and intervals";
    _run_id: Cow<'a, str> = bookkeeping, ours, "the run that wrote this row";
    _fetched_at: UtcMicros = bookkeeping, ours, "start of the run that fetched it";
    _extra: Option<Cow<'a, str>> = content, ours, "JSON object, keyed by path, of properties the contract does not know; null where there are none";
}
