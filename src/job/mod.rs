//! What was asked: the job file, the data interval, and the plan that both resolve to.
//!
//! ```text
//! job file ──────────────────► file ─────────┐
//! flags ─────────────────────► Overrides ────┼──► resolve ──► plan
//! environment, clock, files ─► surroundings ─┘
//! ```
//!
//! [`file`](mod@file) holds what was written, [`plan`] what the rest of the program reads; [`resolve`](mod@resolve) is the only
//! place where a default is decided. Nothing below it sees a flag, the environment or a clock.

pub mod auth;
pub mod certificate;
pub mod claims;
pub mod cloud;
pub mod command;
mod csv_file;
mod encoding;
pub mod error;
pub mod file;
pub mod interval;
mod meetings;
pub mod place;
pub mod plan;
pub mod rate;
pub mod resolve;
pub mod secret;
mod source;
pub mod spelling;
pub mod surroundings;
pub mod users;

pub use source::Source;
