//! Behaviour from the outside; one module a behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests assert by panicking"
)]

/// Holds a JSON object against the types of the Graph metadata document.
mod graph_types;
/// What lies in `jobs/` is what the program takes.
mod jobs_parse;
/// The simulated tenant answers as Graph does.
mod simulated_tenant;
