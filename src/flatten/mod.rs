//! Stage 3: the only bridge between what Graph sends and what is published. Pure: it sees no HTTP, no files and no clock.
//!
//! ```text
//! Event, OnlineMeeting, CallRecord, VirtualEvent + session ─► Occurrence ─► SessionRow
//! list of reports               ─► ReportEntry
//! report + pages of records     ─► FlatReport ─► rows of attendance_reports, _records, _intervals
//! ```

mod attendee;
mod content_hash;
mod extra;
mod held;
mod join_link;
mod latest;
mod listing;
mod look_alikes;
mod occurrence;
mod quality;
mod record;
mod report;
mod session;

pub use crate::pasted_link::is_meeting_number;
pub(crate) use held::{is_channel_meeting, user_of_call};
pub use held::{occurrence_of_call, occurrence_of_meeting};
pub use join_link::{JoinLink, is_channel_meeting_id, is_of_channel, is_same_meeting_id};
pub use latest::{NoUsableTime, read_latest_report};
pub use listing::{ReportEntry, ReportList, read_report_list};
pub use occurrence::{
    NotPlaceable, Occurrence, Organizer, Way, occurrence_of_event, occurrence_of_session,
};
pub use report::{
    FlatReport, PublishedRecords, RecordProblem, ReportContext, ReportDocuments, RowsByDay,
    flatten_report,
};
pub use session::{AttendanceState, SessionFacts, session_row};
