//! What is odd about a report or record, as `quality_flags` names it.

use std::borrow::Cow;

/// A set of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct QualityFlags(u32);

/// One oddity.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(super) enum Flag {
    /// `totalParticipantCount` is not the number of records.
    CountDiffers = 1,
    /// The report has no start; its day is that of the earliest join, else of the scheduled start.
    DerivedEventDate = 1 << 1,
    /// Another record of the report has the same id.
    DuplicateRecordId = 1 << 2,
    /// The report ends before it starts.
    EndBeforeStart = 1 << 3,
    /// An interval's leave is before its join.
    LeaveBeforeJoin = 1 << 4,
    /// An interval lacks a join or a leave.
    OpenInterval = 1 << 5,
    /// An interval begins before the report or ends after it, by more than a second.
    OutsideMeeting = 1 << 6,
    /// Two intervals overlap, as with two devices.
    OverlappingIntervals = 1 << 7,
    /// A time was a date that stands for "none".
    SentinelTime = 1 << 8,
    /// `totalAttendanceInSeconds` is not the sum of the intervals' durations.
    TotalDiffers = 1 << 9,
    /// A number did not fit 32 bits or was no integer.
    UnreadableNumber = 1 << 10,
    /// A record could not be read; a gap says which.
    UnreadableRecord = 1 << 11,
    /// The report's start or end could not be read.
    UnreadableTime = 1 << 12,
    /// An interval's join is its leave.
    ZeroLength = 1 << 13,
    /// The report's start is on another day than when it was first published; it stays in its partition.
    KeptEventDate = 1 << 14,
    /// The report came without times; start and end are its first join and last leave.
    DerivedTimes = 1 << 15,
    /// The report is published with more records than Graph sent now; those are gone from the table.
    FewerThanBefore = 1 << 16,
    /// Another record of the report is equal in every property, and the report counts both.
    LookAlike = 1 << 17,
    /// It is not Graph's: it was imported from a file that somebody saved from Teams.
    Imported = 1 << 18,
}

/// By name, so that the column is sorted.
const NAMES: [(Flag, &str); 19] = [
    (Flag::CountDiffers, "count_differs"),
    (Flag::DerivedEventDate, "derived_event_date"),
    (Flag::DerivedTimes, "derived_times"),
    (Flag::DuplicateRecordId, "duplicate_record_id"),
    (Flag::EndBeforeStart, "end_before_start"),
    (Flag::FewerThanBefore, "fewer_than_before"),
    (Flag::Imported, "imported"),
    (Flag::KeptEventDate, "kept_event_date"),
    (Flag::LeaveBeforeJoin, "leave_before_join"),
    (Flag::LookAlike, "look_alike"),
    (Flag::OpenInterval, "open_interval"),
    (Flag::OutsideMeeting, "outside_meeting"),
    (Flag::OverlappingIntervals, "overlapping_intervals"),
    (Flag::SentinelTime, "sentinel_time"),
    (Flag::TotalDiffers, "total_differs"),
    (Flag::UnreadableNumber, "unreadable_number"),
    (Flag::UnreadableRecord, "unreadable_record"),
    (Flag::UnreadableTime, "unreadable_time"),
    (Flag::ZeroLength, "zero_length"),
];

impl Flag {
    /// As the column names it.
    pub(super) fn name(self) -> &'static str {
        let mut names = NAMES.iter();
        let own = names.find(|(flag, _)| *flag as u32 == self as u32);
        own.map(|(_, name)| *name).unwrap_or_default()
    }
}

impl QualityFlags {
    /// Raises the flag where the condition holds.
    pub(super) fn raise_if(&mut self, condition: bool, flag: Flag) {
        if condition {
            self.0 |= flag as u32;
        }
    }

    /// The value of the column.
    pub(super) fn names(self) -> Vec<Cow<'static, str>> {
        if self.0 == 0 {
            return Vec::new();
        }
        NAMES
            .iter()
            .filter(|(flag, _)| self.0 & *flag as u32 != 0)
            .map(|(_, name)| Cow::Borrowed(*name))
            .collect()
    }
}
