//! Flags of the verbs that only need a job file.

use std::path::PathBuf;

use clap::Args;

pub(super) const LOGIN_EXAMPLES: &str = "\
Examples:
  teamsheet login --job jobs/mine.toml";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  teamsheet check --job jobs/nightly.toml
  teamsheet check --job jobs/nightly.toml --format json";

/// Flags of the verbs that only need a job file.
#[derive(Debug, Clone, Args)]
pub struct JobArguments {
    /// The job file
    #[arg(long, value_name = "FILE")]
    pub job: PathBuf,
}
