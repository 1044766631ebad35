//! `attendance_records`: one row an attendee in a report.

use std::borrow::Cow;

use super::spec::table;
use crate::time::UtcMicros;

table! {
    /// Attendance records: who came, in what role, for how long.
    ATTENDANCE_RECORDS / AttendanceRecordRow / AttendanceRecords = "attendance_records" {
        row: "attendee in a report",
        partition: "event_date",
        key: ["tenant_id", "report_id", "record_index"],
        replaced_by: "report_id",
        order: ["report_id", "record_index"],
    }
    tenant_id: Cow<'a, str> = content, ours, "GUID of the tenant";
    report_id: Cow<'a, str> = content, graph "meetingAttendanceReport.id", "the report";
    record_index: i32 = content, ours, "0, 1, 2 … in canonical order: `record_id`, `identity_id`, `email_address`, first join, rest";
    source: Cow<'a, str> = content, ours, "`online_meeting`, `webinar` or `town_hall`";
    event_id: Option<Cow<'a, str>> = content, graph "onlineMeeting.id, virtualEvent.id", "id of the online meeting, webinar or town hall";
    meeting_start_date_time: Option<UtcMicros> = content, graph "meetingAttendanceReport.meetingStartDateTime", "the report's start";
    record_id: Option<Cow<'a, str>> = content, graph "attendanceRecord.id", "id of the record; often missing, never a key by itself";
    email_address: Option<Cow<'a, str>> = content, graph "attendanceRecord.emailAddress", "as Graph sent it: null and empty are both possible";
    identity_type: Option<Cow<'a, str>> = content, graph "attendanceRecord.identity.@odata.type", "kind of identity without `#microsoft.graph.`, or the member of an identity set";
    identity_id: Option<Cow<'a, str>> = content, graph "attendanceRecord.identity.id", "object id, `8:acs:…`, phone number, or null";
    identity_display_name: Option<Cow<'a, str>> = content, graph "attendanceRecord.identity.displayName", "name";
    identity_tenant_id: Option<Cow<'a, str>> = content, graph "communicationsUserIdentity.tenantId", "the attendee's own tenant";
    is_external: Option<bool> = content, ours, "whether the tenant id that Graph gives of the attendee is another one than ours; null where it gives none. A guest has an account in our tenant, so that of a guest is false or null: `attendee_type` tells guests";
    role: Option<Cow<'a, str>> = content, graph "attendanceRecord.role", "free text; documented: None, Attendee, Presenter, Organizer";
    total_attendance_in_seconds: Option<i32> = content, graph "attendanceRecord.totalAttendanceInSeconds", "Graph's total";
    registration_id: Option<Cow<'a, str>> = content, graph "attendanceRecord.registrationId", "id of the webinar registration";
    external_registration_referrer: Option<Cow<'a, str>> = content, graph "virtualEventExternalRegistrationInformation.referrer", "partner that registered the attendee";
    external_registration_id: Option<Cow<'a, str>> = content, graph "virtualEventExternalRegistrationInformation.registrationId", "that partner's registration id";
    interval_count: i32 = content, ours, "rows in `attendance_intervals`";
    first_join_date_time: Option<UtcMicros> = content, ours, "earliest join";
    last_leave_date_time: Option<UtcMicros> = content, ours, "latest leave";
    present_seconds: i64 = content, ours, "length of the union of the intervals that have both ends: overlaps count once; truncated to seconds. Where an interval lacks an end (`open_interval`) it is too short, and 0 where none has both: leave those out of averages. Where a file has no single joins and leaves, its total";
    quality_flags: Vec<Cow<'a, str>> = content, ours, "what is odd about the record; sorted, empty where nothing is. `imported`: it is from a file that somebody saved from Teams";
    _extra: Option<Cow<'a, str>> = content, ours, "JSON object, keyed by path, of properties the contract does not know; null where there are none";
    attendee_type: Option<Cow<'a, str>> = content, ours, "`member` (of our tenant), `guest` (a guest identity or account), `external` (of another tenant), `anonymous` (no account), `phone` or `application`; null where the report does not tell, as for an account of our tenant whose address is not of the organizer's domain";
    email_domain: Option<Cow<'a, str>> = content, ours, "domain of `email_address` in lower case; of a guest's `…#EXT#@…`, that of the guest's own address; null without an address";
}
