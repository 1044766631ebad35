//! Filled by the next commits.

pub mod summary;
pub mod tally;
