//! Calendar entries and the online meeting behind them.

use super::Report;
use crate::time::UtcMicros;

/// One calendar series or single entry, and the online meeting behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Meeting {
    /// Object id of who organizes it: of the online meeting, whom the join link names.
    pub organizer: String,
    /// In whose calendar it lies as that person's own, where a delegate made it or it was made in a shared mailbox.
    pub calendar_owner: Option<String>,
    /// Object ids of the people who have it in their calendars too.
    pub invited: Vec<String>,
    /// Title.
    pub subject: String,
    /// What it takes place on.
    pub kind: MeetingKind,
    /// `onlineMeeting.id`; empty where there is none.
    pub online_meeting_id: String,
    /// The chat thread; empty where there is none.
    pub thread_id: String,
    /// The join link as Graph stores it; `None` for entries that are no online meeting.
    pub join_web_url: Option<String>,
    /// The digits of `joinMeetingIdSettings.joinMeetingId`; old meetings have none.
    pub join_meeting_id: Option<String>,
    /// `seriesMasterId` of its occurrences; `None` for a single entry.
    pub series_master_id: Option<String>,
    /// Whether the online meeting object expired: its lookup answers 404 `3004`.
    pub is_expired: bool,
    /// When it takes place; a single entry has one.
    pub occurrences: Vec<Occurrence>,
    /// Reports of all occurrences, in any order.
    ///
    /// An entry that was copied shares its online meeting with the copy: two of these with one `online_meeting_id`, whose reports
    /// Graph lists together.
    pub reports: Vec<Report>,
}

impl Meeting {
    /// In whose calendar it lies as that person's own.
    pub fn owner(&self) -> &str {
        self.calendar_owner.as_deref().unwrap_or(&self.organizer)
    }
}

/// What a calendar entry takes place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeetingKind {
    /// Teams, with a meeting of its own.
    Teams,
    /// Teams, posted to a channel: its reports are those of the whole channel.
    Channel,
    /// Online with Skype for Business: no reports.
    Skype,
    /// Not online.
    InPerson,
}

/// One calendar entry of a meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// `iCalUId`: one of its own for each occurrence.
    pub i_cal_uid: String,
    /// Scheduled start; of an all-day entry the midnight that Graph prints, as if the day were one of UTC.
    pub start: UtcMicros,
    /// Scheduled end.
    pub end: UtcMicros,
    /// Whether it was cancelled.
    pub is_cancelled: bool,
    /// Whether it is an entry of whole days.
    pub is_all_day: bool,
    /// A title of its own, which makes it an exception of its series.
    pub subject: Option<String>,
    /// Where the series had it, which makes it an exception too.
    pub original_start: Option<UtcMicros>,
    /// When calendars show it: an entry that is moved is one until then, and another from then on.
    pub shown: Shown,
}

impl Occurrence {
    /// An entry that was not changed.
    pub fn new(i_cal_uid: String, start: UtcMicros, end: UtcMicros) -> Self {
        Self {
            i_cal_uid,
            start,
            end,
            is_cancelled: false,
            is_all_day: false,
            subject: None,
            original_start: None,
            shown: Shown::default(),
        }
    }
}

/// The time in which calendars show an entry; half-open, without bounds where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shown {
    /// When it was put there.
    pub from: Option<UtcMicros>,
    /// When it was moved away or deleted.
    pub until: Option<UtcMicros>,
}

impl Shown {
    /// Whether it is shown at that time.
    pub fn at(self, now: UtcMicros) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}
