//! Attendance reports, records and intervals.

use super::object::graph_object;
use super::scalars::{Number, Text};

graph_object! {
    /// A `meetingAttendanceReport`, from a list (without records) or by itself (`R` is how its records are read).
    ///
    /// Source: <https://learn.microsoft.com/graph/api/resources/meetingattendancereport>.
    MeetingAttendanceReport<R> {
        /// A GUID in every example.
        id: Option<Text<'a>> = "id",
        /// Number of participants.
        total_participant_count: Option<Number> = "totalParticipantCount",
        /// When it was actually held.
        meeting_start_date_time: Option<Text<'a>> = "meetingStartDateTime",
        /// When it actually ended.
        meeting_end_date_time: Option<Text<'a>> = "meetingEndDateTime",
        /// Partners' ids; only for organizers of virtual events.
        external_event_information: Option<Vec<ExternalEventInformation<'a>>> = "externalEventInformation",
        /// Only with `$expand`, and not always then.
        attendance_records: Option<Vec<R>> = "attendanceRecords",
        /// Where the rest of the expanded records is.
        attendance_records_next_link: Option<Text<'a>> = "attendanceRecords@odata.nextLink",
    }
}

graph_object! {
    /// An `attendanceRecord`: one attendee.
    ///
    /// Source: <https://learn.microsoft.com/graph/api/resources/attendancerecord>.
    AttendanceRecord {
        /// Missing in several documented examples.
        id: Option<Text<'a>> = "id",
        /// May be null or empty.
        email_address: Option<Text<'a>> = "emailAddress",
        /// May be null, and of any derived type.
        identity: Option<Identity<'a>> = "identity",
        /// Free text.
        role: Option<Text<'a>> = "role",
        /// Seconds.
        total_attendance_in_seconds: Option<Number> = "totalAttendanceInSeconds",
        /// May be null or empty.
        attendance_intervals: Option<Vec<AttendanceInterval<'a>>> = "attendanceIntervals",
        /// Id of a webinar registration.
        registration_id: Option<Text<'a>> = "registrationId",
        /// A partner's registration.
        external_registration_information: Option<ExternalRegistrationInformation<'a>> = "externalRegistrationInformation",
    }
}

graph_object! {
    /// An `attendanceInterval`: one join and leave.
    AttendanceInterval {
        /// Null where data is lacking.
        join_date_time: Option<Text<'a>> = "joinDateTime",
        /// Null where data is lacking.
        leave_date_time: Option<Text<'a>> = "leaveDateTime",
        /// Seconds, truncated; 0 where data is lacking.
        duration_in_seconds: Option<Number> = "durationInSeconds",
    }
}

graph_object! {
    /// An `identity` of any derived type, or an identity set in its place (its members are then in `extra`).
    Identity {
        /// `#microsoft.graph.communicationsUserIdentity`, …; often missing.
        odata_type: Option<Text<'a>> = "@odata.type",
        /// Object id, `8:acs:…`, phone number.
        id: Option<Text<'a>> = "id",
        /// Name.
        display_name: Option<Text<'a>> = "displayName",
        /// The tenant of a `communicationsUserIdentity`.
        tenant_id: Option<Text<'a>> = "tenantId",
    }
}

graph_object! {
    /// A `virtualEventExternalRegistrationInformation`.
    ExternalRegistrationInformation {
        /// The partner.
        referrer: Option<Text<'a>> = "referrer",
        /// The partner's id of the registration.
        registration_id: Option<Text<'a>> = "registrationId",
    }
}

graph_object! {
    /// A `virtualEventExternalInformation`.
    ExternalEventInformation {
        /// The partner's application.
        application_id: Option<Text<'a>> = "applicationId",
        /// The partner's id of the event.
        external_event_id: Option<Text<'a>> = "externalEventId",
    }
}
