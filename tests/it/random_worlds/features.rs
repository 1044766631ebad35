//! What of the worlds the program is held to; what it does not know yet is left out here, by name, and nowhere else.

use teamsheet::simulated_tenant::Trouble;
use teamsheet::simulated_tenant::world::NoMailbox;

use super::drawing::Ways;
use super::stories::Story;

/// The stories that worlds are made of.
pub(crate) const STORIES: &[Story] = &[
    Story::Single,
    Story::Series,
    Story::Restart,
    Story::EarlyJoin,
    Story::AfterMidnight,
    Story::SpansDays,
    Story::AllDay,
    Story::Copy,
    Story::CopyOfSeries,
    Story::Webinar,
    Story::WebinarInCalendar,
    Story::TownHall,
    Story::Delegate,
    Story::AdHoc,
    Story::Forbidden,
    Story::Closed,
    Story::UserTypeUnsaid,
    Story::NoMailbox,
    Story::HoursLate,
    Story::DaysLate,
    Story::Short,
];

/// How they are read.
pub(crate) const WAYS: &[Ways] = &[
    Ways::Calendar,
    Ways::CalendarAndCalls,
    Ways::Calls,
    Ways::Groups,
];

/// Stories that the program does not tell rightly yet where they are read in these ways.
pub(crate) const NOT_YET: &[(Ways, Story)] = &[];

/// The zones of warehouses.
pub(crate) const TIMEZONES: &[&str] = &["UTC", "UTC", "America/New_York", "Asia/Kolkata"];

/// Of entries that were not held, so many of a hundred were cancelled.
pub(crate) const CANCELLED_PERCENT: u32 = 40;

/// The state of a cancelled session without a report.
pub(crate) const CANCELLED: &str = "cancelled";

/// In whose words accounts have no mailbox.
pub(crate) const NO_MAILBOX: &[NoMailbox] = &[
    NoMailbox::NotEnabledForRest,
    NoMailbox::NotSupportedForRest,
    NoMailbox::InvalidUser,
    NoMailbox::NonExistent,
    NoMailbox::ResourceNotFound,
];

/// What comes by chance between the steps of a cut.
pub(crate) const TROUBLES: &[Trouble] = &[Trouble::NotNow];

/// Those that a variable names, to look at one thing alone; all where it is not set.
pub(crate) fn only<T: Copy + std::fmt::Debug>(all: &[T], variable: &str) -> Vec<T> {
    let Ok(named) = std::env::var(variable) else {
        return all.to_vec();
    };
    let is_named = |one: &&T| named.split(',').any(|name| format!("{one:?}") == name);
    all.iter().filter(is_named).copied().collect()
}
