//! What was asked: the job file, the data interval, and the plan that both resolve to.
//!
//! [`plan`] holds what the rest of the program reads. Nothing below it sees a flag, the environment or a clock.

pub mod interval;
pub mod plan;
mod source;

pub use source::Source;
