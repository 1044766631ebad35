//! Microsoft Teams attendance, from Microsoft Graph into partitioned Parquet, every night.
//!
//! ```text
//! job file + flags ─► plan ─► discover ─► fetch ─► flatten ─► stage ─► publish ─► run ledger, summary
//!                     pure    Graph       Graph    pure       disk     warehouse
//! ```
//!
//! The modules are floors, lowest first. A module names only modules below it; siblings on one floor never name each other.
//!
//! | floor | module | what it is |
//! |---|---|---|
//! | 1 | [`ids`], [`time`] | newtypes for every id; UTC microseconds and how Graph writes time |
//! | 1 | [`pasted_link`] | join links as people paste them, in Graph's own spelling |
//! | 2 | [`job`] | what was asked: job file, data interval, `RunPlan`; the only place where a default is decided |
//! | 2 | [`model`] | what Graph sends: Graph's nouns, `Deserialize` only |
//! | 2 | [`tables`] | what we publish: table specs, rows to `RecordBatch` |
//! | 3 | [`flatten`] | the only bridge between `model` and `tables`; pure |
//! | 3 | [`graph`] | how we ask: client, sign-in, limiter, retry, paging, errors |
//! | 3 | [`import`] | attendance reports that people saved as CSV, into the form that Graph sends; pure |
//! | 3 | [`warehouse`] | staging, merge, publish, lock |
//! | 4 | [`attendance`] | the rules: whose a report is, when attendance is final, what a gap is, who can know what; pure |
//! | 5 | [`ledger`] | what the warehouse already knows: run rows, gaps, watermark, what to try again |
//! | 6 | [`discover`] | stage 1: which sessions a data interval holds, one module a source |
//! | 7 | [`fetch`] | stage 2: reports and records of a session, and its attendance state |
//! | 8 | [`pipeline`] | the run; the only file that knows all stages |
//! | 8 | [`check`] | whether a job can do what it is to do, without doing it |
//! | 9 | [`cli`] | flags, rendering, exit status, logging, progress |
//!
//! [`simulated_tenant`] is an offline tenant that speaks Graph's HTTP; `teamsheet demo` and the tests run against it.
//!
//! `fuzz` is for tests only: inputs that are almost right.
//!
//! Start reading at [`pipeline`], then follow the stages.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests assert by panicking"
    )
)]

pub mod attendance;
pub mod check;
pub mod cli;
pub mod discover;
pub mod fetch;
pub mod flatten;
#[cfg(test)]
mod fuzz;
pub mod graph;
pub mod ids;
pub mod import;
pub mod job;
pub mod ledger;
pub mod model;
pub mod pasted_link;
pub mod pipeline;
#[cfg(feature = "demo")]
pub mod simulated_tenant;
pub mod tables;
pub mod time;
pub mod warehouse;
