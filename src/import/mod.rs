//! Attendance reports that people saved from Teams as CSV: text in, one report with its attendees out.
//!
//! ```text
//! bytes ─► lines ─► cells ─► tables ─► order of day and month, time zone ─► SavedReport ─► the JSON that Graph would send
//! ```
//!
//! Pure but for the reader that it is given. It ends in Graph's form, so that a saved report becomes rows by the same rules as one that
//! was fetched ([`flatten_report`](crate::flatten::flatten_report)). What a file lacks is left out there, and so null in the tables.

mod document;
mod duration;
mod layout;
mod lines;
mod refusal;
mod report;
mod words;
mod written;

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod layout_tests;

pub use refusal::Refusal;
pub use report::{Attendee, ReadSettings, SavedReport, Stay, read_saved_report};
pub use written::DateOrder;
