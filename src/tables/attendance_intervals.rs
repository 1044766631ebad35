//! `attendance_intervals`: one row a join/leave pair.

use std::borrow::Cow;

use super::spec::table;
use crate::time::UtcMicros;

table! {
    /// Attendance intervals: each join and leave.
    ATTENDANCE_INTERVALS / AttendanceIntervalRow / AttendanceIntervals = "attendance_intervals" {
        row: "join/leave pair",
        partition: "event_date",
        key: ["tenant_id", "report_id", "record_index", "interval_index"],
        replaced_by: "report_id",
        order: ["report_id", "record_index", "interval_index"],
    }
    tenant_id: Cow<'a, str> = content, ours, "GUID of the tenant";
    report_id: Cow<'a, str> = content, graph "meetingAttendanceReport.id", "the report";
    record_index: i32 = content, ours, "the record within the report";
    interval_index: i32 = content, ours, "0, 1, 2 … in Graph's order";
    join_date_time: Option<UtcMicros> = content, graph "attendanceInterval.joinDateTime", "null where Graph has none";
    leave_date_time: Option<UtcMicros> = content, graph "attendanceInterval.leaveDateTime", "null where Graph has none";
    duration_in_seconds: Option<i32> = content, graph "attendanceInterval.durationInSeconds", "Graph's number, 0 where it lacks the times";
}
