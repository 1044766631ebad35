//! Behaviour from the outside; one module a behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests assert by panicking"
)]

/// What lies in `jobs/` is what the program takes.
mod jobs_parse;
