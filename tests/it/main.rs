//! Behaviour from the outside; one module a behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests assert by panicking"
)]

/// The DAGs in a real Airflow.
mod airflow;
/// Ranges in chunks: where they go on, what they ask again, and what they equal.
mod backfill;
/// `teamsheet check`: one line each, with the remedy.
mod check;
/// Bad input and signals: exit codes and messages.
mod cli_messages;
/// Connections that break, servers that nobody trusts, and proxies.
mod connections;
/// What a summary counts is what the tables hold.
mod counting;
/// Every session ends in one state with its reason.
mod coverage;
/// Killed or stopped, and started again.
mod crash_recovery;
/// Ids like paths, and huge reports.
mod extremes;
/// Lists that fail half-way, and what later nights make of it.
mod failed_discovery;
/// What one answer proves, and what only several nights do.
mod finality;
/// `teamsheet demo` and `init`.
mod first_steps;
/// `teamsheet plan`: what a run would ask.
mod forecast;
/// What Graph's documentation prints goes through with nothing lost.
mod graph_examples;
/// Holds a JSON object against the types of the Graph metadata document.
mod graph_types;
/// `teamsheet import`: CSVs that people saved, beside what Graph gave.
mod import;
/// Lists, links, secrets and accounts as people have them.
mod input;
/// What lies in `jobs/` is what the program takes.
mod jobs_parse;
/// Several nights in a row.
mod late_reports;
/// The newest report by the deprecated path.
mod latest_reports;
/// A module names only lower floors.
mod layering;
/// Attendees that cannot be told apart.
mod look_alikes;
/// Sessions of virtual events that change their day.
mod moved_sessions;
/// A data interval from end to end.
mod nightly_run;
/// Many nights in a row, with a clock that moves.
mod nights;
/// Warehouses in object stores.
#[cfg(feature = "object-store")]
mod object_stores;
/// Logs as JSON and numbers for Prometheus.
mod observability;
mod older_days;
/// What fails becomes a gap; the rest is published.
mod partial_failure;
/// However the days of a random tenant are cut, the rows are the same, and true.
mod random_worlds;
/// Refusals beside something else.
mod refusals;
/// The same interval again, in pieces, in another order.
mod rerun_is_idempotent;
/// The rows of `runs` add up to what was asked.
mod run_ledger;
/// One meeting behind a long and a short link.
mod same_meeting;
/// `schemas/` is what the code says, and files are what `schemas/` says.
mod schema_contract;
/// Data files of older and newer versions.
mod schema_versions;
/// Several jobs on one warehouse, each with what it can know.
mod several_jobs;
/// Runs over one warehouse at the same time.
mod side_by_side;
/// Each way to sign in, and what is kept of it.
mod sign_in;
/// Nothing that is printed or kept names a person or holds a secret.
mod silence;
/// The simulated tenant answers as Graph does: every answer against the metadata.
mod simulated_tenant;
/// Its scripted faults.
mod simulated_tenant_faults;
/// What was seen of real tenants beside what is documented.
mod simulated_tenant_oddities;
/// Its other doors: call records, delegated sign-in, groups.
mod simulated_tenant_reach;
/// What it refuses, and how.
mod simulated_tenant_refusals;
/// Its world and the truth about it.
mod simulated_tenant_world;
/// `teamsheet status`: what it says is what the rows say.
mod status;
/// A tenant, a job, the real binary, and what it published.
mod support;
/// A plain HTTP client of the simulated tenant.
mod tenant_client;
/// Days of 23 and 25 hours.
mod time_zones;
/// Entries and pages that cannot be read.
mod unreadable_entries;
/// Refusals by what they mean, in whatever words.
mod verdicts;
/// `teamsheet verify`: sound warehouses pass, and each damage is one line.
mod verify;
/// Nights that were missed or failed, and where the next one begins.
mod watermark;
/// Calendars, call records, lists and organizers: what each way finds, and that they fold.
mod ways_of_discovery;
mod whose_report;
