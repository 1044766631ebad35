//! Webinars and town halls.

use super::{ExternalEvent, Report};
use crate::time::UtcMicros;

/// A webinar or town hall.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualEvent {
    /// Which of the two.
    pub kind: VirtualEventKind,
    /// `{guid}@{tenant}`.
    pub id: String,
    /// Object id of who organizes it.
    pub organizer: String,
    /// Object ids of those who help.
    pub co_organizers: Vec<String>,
    /// Title.
    pub display_name: String,
    /// `draft`, `published`, `canceled`.
    pub status: String,
    /// Ids that partner software keeps with the event.
    pub external_event_information: Vec<ExternalEvent>,
    /// When it takes place; most have one.
    pub sessions: Vec<VirtualSession>,
}

/// Webinar or town hall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VirtualEventKind {
    /// `virtualEventWebinar`.
    Webinar,
    /// `virtualEventTownhall`.
    TownHall,
}

/// One session of a virtual event.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualSession {
    /// A GUID.
    pub id: String,
    /// Title.
    pub subject: String,
    /// Scheduled start.
    pub start: UtcMicros,
    /// Scheduled end.
    pub end: UtcMicros,
    /// The join link.
    pub join_web_url: String,
    /// The entry that Teams puts into its organizer's calendar for it.
    pub calendar_entry: Option<CalendarEntry>,
    /// Its reports, in any order.
    pub reports: Vec<Report>,
}

/// A session of a virtual event as an entry of a calendar: the same link, and an online meeting that shows the same reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarEntry {
    /// `iCalUId`.
    pub i_cal_uid: String,
    /// `onlineMeeting.id`.
    pub online_meeting_id: String,
}
