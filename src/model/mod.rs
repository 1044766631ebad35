//! What Graph sends: Graph's nouns with Graph's property names, `Deserialize` only.
//!
//! Lenient where Graph's documentation contradicts itself, strict nowhere: each property is optional, and one that is not named here
//! is kept as [`Extra`] with its JSON text. Everything borrows from the body it was read from.
//! Source: the v1.0 metadata document and <https://learn.microsoft.com/graph/api/resources/meetingattendancereport>.

mod calendar;
mod directory;
#[cfg(test)]
mod fuzz_tests;
mod object;
mod online_meetings;
mod page;
mod reports;
mod scalars;
mod virtual_events;

pub use calendar::{EmailAddress, Event, OnlineMeetingInfo, Recipient};
pub use directory::{GroupMember, User};
pub use object::Extra;
pub use online_meetings::{CallOrganizer, CallRecord, ChatInfo, OnlineMeeting};
pub use page::{
    Page, PageShape, ParseError, RecordsShape, Unreadable, check_json, keys_of_items, parse_entity,
    parse_page, parse_report, scan_page, scan_report,
};
pub use reports::{
    AttendanceInterval, AttendanceRecord, ExternalEventInformation,
    ExternalRegistrationInformation, Identity, MeetingAttendanceReport,
};
pub use scalars::{Number, Text, ZonedTime};
pub use virtual_events::{IdentitySet, VirtualEvent, VirtualEventSession};
