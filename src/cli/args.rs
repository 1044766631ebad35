//! The flags as they are typed. What they mean is decided in [`resolve`](crate::job::resolve::resolve).
//!
//! No flag takes a secret: what stands on a command line is readable by every process of the machine.

mod import;
mod init;
mod job;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::import::IMPORT_EXAMPLES;
pub use self::import::{DateFormatChoice, ImportArguments};
pub use self::init::{AuthChoice, CloudChoice, InitArguments, SourceChoice};
pub use self::job::JobArguments;
use self::job::{CHECK_EXAMPLES, LOGIN_EXAMPLES};
use super::exit::EXIT_STATUS_HELP;
use crate::job::plan::{Reprocess, Verb};
use crate::job::rate::parse_duration;
use crate::job::resolve::Overrides;

/// Which commit and which features: `src/build.rs` says it.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("TEAMSHEET_BUILD"),
    ")"
);

const TOP_EXAMPLES: &str = "\
Examples:
  teamsheet demo                                   no account needed
  teamsheet init                                   asks, and writes a job file
  teamsheet run --job jobs/nightly.toml            what the scheduler calls
  teamsheet backfill --job jobs/backfill.toml --from 2026-01-01 --to 2026-02-01";

const RUN_EXAMPLES: &str = "\
Examples:
  teamsheet run --job jobs/nightly.toml
  teamsheet run --job jobs/nightly.toml \\
      --interval-start 2026-01-31T00:00:00Z --interval-end 2026-02-01T00:00:00Z";

const BACKFILL_EXAMPLES: &str = "\
Examples:
  teamsheet backfill --job jobs/backfill.toml --from 2026-01-01 --to 2026-02-01
  teamsheet backfill --job jobs/backfill.toml --from 2026-01-31 --to 2026-02-01 \\
      --reprocess failed";

const PLAN_EXAMPLES: &str = "\
Examples:
  teamsheet plan --job jobs/nightly.toml
  teamsheet plan --job jobs/backfill.toml --from 2026-01-01 --to 2026-02-01";

#[cfg(feature = "demo")]
const DEMO_EXAMPLES: &str = "\
Examples:
  teamsheet demo
  teamsheet demo --out /tmp/teams --users 200 --days 60 --seed 7";

const INIT_EXAMPLES: &str = "\
Examples:
  teamsheet init
  teamsheet init --tenant contoso.onmicrosoft.com \\
      --client-id 00000000-0000-0000-0000-000000000000 --out nightly.toml
  teamsheet init --tenant contoso.onmicrosoft.com --source webinars,town-halls \\
      --auth workload-identity --timezone Europe/Berlin";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  teamsheet completions bash > /etc/bash_completion.d/teamsheet
  teamsheet completions fish > ~/.config/fish/completions/teamsheet.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  teamsheet man > /usr/local/share/man/man1/teamsheet.1
  teamsheet man run > /usr/local/share/man/man1/teamsheet-run.1";

const STATUS_EXAMPLES: &str = "\
Examples:
  teamsheet status
  teamsheet status --warehouse /srv/teamsheet/warehouse --format json
  teamsheet status --job jobs/nightly.toml";

const VERIFY_EXAMPLES: &str = "\
Examples:
  teamsheet verify
  teamsheet verify --warehouse /srv/teamsheet/warehouse --format json
  teamsheet verify --job jobs/nightly.toml";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  teamsheet schema
  teamsheet schema attendance_records --as duckdb";

/// Microsoft Teams attendance, from Microsoft Graph into partitioned Parquet.
#[derive(Debug, Parser)]
#[command(
    name = "teamsheet",
    version = VERSION,
    after_help = TOP_EXAMPLES,
    after_long_help = format!("{TOP_EXAMPLES}\n\n{EXIT_STATUS_HELP}"),
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of every verb.
    #[command(flatten)]
    pub global: GlobalFlags,
}

/// A verb with its flags.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the real pipeline against a simulated tenant; no account, no network
    #[cfg(feature = "demo")]
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArguments),
    /// Write a commented job file, and print how to register the app
    ///
    /// Asks for what no flag says where it has a terminal to ask at. It never overwrites a file, and no secret is asked for: a job
    /// file only names where it is kept.
    #[command(after_help = INIT_EXAMPLES)]
    Init(InitArguments),
    /// See whether a job can do what it is to do: one line each, with the remedy
    ///
    /// Sign-in, permissions, one request a source, the access policy, and the warehouse. It fetches no attendance and leaves nothing in
    /// the warehouse. Exit status: 0 where all is well, 4 where something is not allowed, 5 where the warehouse is in the way, 1 where a host is not trusted, 75 where one is not reached.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(JobArguments),
    /// Sign a user in, for jobs with `method = "device-code"`; later runs renew it
    ///
    /// Prints an address and a code, and waits until the code was entered in a browser. The sign-in is kept in a file that only its
    /// owner can read.
    #[command(after_help = LOGIN_EXAMPLES)]
    Login(JobArguments),
    /// Tell what a run would do, without writing anything
    ///
    /// With an interval it is a backfill of it, without one the scheduled run. It discovers as a run does, and makes the requests for that.
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanArguments),
    /// The scheduled run: land what is new since the last one
    ///
    /// Without an interval: from the job's watermark to the end of yesterday (first run: yesterday). It always asks again what is
    /// not final yet. The last line of standard output is one line of JSON.
    #[command(after_help = RUN_EXAMPLES, after_long_help = format!("{RUN_EXAMPLES}\n\n{EXIT_STATUS_HELP}"))]
    Run(RunArguments),
    /// Land exactly one range of dates, oldest first
    ///
    /// It works in chunks that publish one by one; interrupted, the same command goes on after the last finished chunk. The last
    /// line of standard output is one line of JSON.
    #[command(after_help = BACKFILL_EXAMPLES, after_long_help = format!("{BACKFILL_EXAMPLES}\n\n{EXIT_STATUS_HELP}"))]
    Backfill(BackfillArguments),
    /// Import attendance CSVs that Teams saved, into the same tables; nothing is asked of Graph
    ///
    /// Every file is read and checked before anything is published; where one is bad, all that are bad are listed and nothing is published.
    /// A report that Graph gave already is left out, and one that Graph gives later takes the place of the imported one. Imported sessions have
    /// `imported` in `discovered_by`, imported reports and records in `quality_flags`. The last line of standard output is one line of JSON.
    #[command(after_help = IMPORT_EXAMPLES, after_long_help = format!("{IMPORT_EXAMPLES}\n\n{EXIT_STATUS_HELP}"))]
    Import(ImportArguments),
    /// Runs, freshness of each source, coverage by day and state, and open gaps with what to do about them
    ///
    /// It takes no lock and writes nothing. A day is whole where runs cover it, every session is final and no gap is open: then its
    /// zeros are zeros.
    #[command(after_help = STATUS_EXAMPLES)]
    Status(WarehouseArguments),
    /// Read the whole warehouse and hold it against the contract; exit status 1 on a finding
    ///
    /// Keys unique, children complete, counts right, every row in its partition and in order, every file as it was written, nothing
    /// else below a table. It changes nothing, and waits for a run that is publishing.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(WarehouseArguments),
    /// Print the contract of the tables
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArguments),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArguments),
    /// Print the manual page of the program, or of one verb
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArguments),
}

/// Flags of every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalFlags {
    /// How the summary is printed
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub format: OutputFormat,
    /// How logs are printed, on standard error
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub log_format: OutputFormat,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say less: warnings and errors only; twice for errors only
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub quiet: u8,
    /// How long to wait while another run publishes into the warehouse [default: 10m]
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    pub wait_lock: Option<Duration>,
}

/// Text or JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    Text,
    /// For programs: one line of JSON
    Json,
}

/// Flags of `demo`.
#[cfg(feature = "demo")]
#[derive(Debug, Clone, Args)]
pub struct DemoArguments {
    /// The warehouse to write; a folder that holds another tenant is refused
    #[arg(long, value_name = "FOLDER", default_value = "./demo-warehouse")]
    pub out: PathBuf,
    /// Another seed is another tenant; the same seed is the same tenant
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Days of meetings, up to yesterday
    #[arg(long, value_name = "NUMBER", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub days: u32,
    /// Users in the tenant
    #[arg(long, value_name = "NUMBER", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub users: u32,
}

/// Flags of `plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArguments {
    /// The job file
    #[arg(long, value_name = "FILE")]
    pub job: PathBuf,
    /// First day of a backfill: a date (midnight in the warehouse's time zone) or RFC 3339
    #[arg(long, value_name = "TIME", requires = "to")]
    pub from: Option<String>,
    /// The day after the last
    #[arg(long, value_name = "TIME", requires = "from")]
    pub to: Option<String>,
}

/// Flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// The job file
    #[arg(long, value_name = "FILE")]
    pub job: PathBuf,
    /// Start of the data interval: a date (midnight in the warehouse's time zone) or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub interval_start: Option<String>,
    /// End of the data interval, itself not included
    ///
    /// An end in the future means now: a day that is not over is never counted as covered.
    #[arg(long, value_name = "TIME")]
    pub interval_end: Option<String>,
}

/// Flags of `backfill`.
#[derive(Debug, Clone, Args)]
pub struct BackfillArguments {
    /// The job file
    #[arg(long, value_name = "FILE")]
    pub job: PathBuf,
    /// First day: a date (midnight in the warehouse's time zone) or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// The day after the last: `--from 2026-01-01 --to 2026-02-01` is January
    ///
    /// An end in the future means now: a day that is not over is never counted as covered.
    #[arg(long, value_name = "TIME")]
    pub to: String,
    /// What to fetch again of what is already published [default: missing]
    #[arg(long, value_enum, value_name = "WHICH")]
    pub reprocess: Option<ReprocessChoice>,
}

/// `--reprocess`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReprocessChoice {
    /// Sessions absent or not final, reports not published or changed
    Missing,
    /// Those with open gaps, or in the state failed or forbidden
    Failed,
    /// Everything
    All,
}

/// Flags of `verify` and `status`.
#[derive(Debug, Clone, Args)]
pub struct WarehouseArguments {
    /// The folder that holds the tables, or the URI of an object store [default: ./warehouse]
    #[arg(long, value_name = "URI", conflicts_with = "job")]
    pub warehouse: Option<String>,
    /// The job file whose warehouse it is
    #[arg(long, value_name = "FILE")]
    pub job: Option<PathBuf>,
}

/// Flags of `schema`.
#[derive(Debug, Clone, Args)]
pub struct SchemaArguments {
    /// One table; without it, all
    #[arg(value_name = "TABLE")]
    pub table: Option<String>,
    /// The form of the contract
    #[arg(long = "as", value_enum, value_name = "FORM", default_value = "json")]
    pub form: SchemaForm,
}

/// Flags of `completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Flags of `man`.
#[derive(Debug, Clone, Args)]
pub struct ManArguments {
    /// One verb; without it, the program as a whole
    #[arg(value_name = "VERB")]
    pub page: Option<String>,
}

/// `schema --as`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaForm {
    /// The contract itself
    Json,
    /// A view over the files
    Duckdb,
    /// Spark DDL
    Spark,
}

impl PlanArguments {
    /// The flags as the resolver takes them.
    pub fn overrides(&self, global: &GlobalFlags) -> Overrides {
        Overrides {
            verb: if self.from.is_some() {
                Verb::Backfill
            } else {
                Verb::Run
            },
            start: self.from.clone(),
            end: self.to.clone(),
            reprocess: None,
            wait_lock: global.wait_lock,
        }
    }
}

impl RunArguments {
    /// The flags as the resolver takes them.
    pub fn overrides(&self, global: &GlobalFlags) -> Overrides {
        Overrides {
            verb: Verb::Run,
            start: self.interval_start.clone(),
            end: self.interval_end.clone(),
            reprocess: None,
            wait_lock: global.wait_lock,
        }
    }
}

impl BackfillArguments {
    /// The flags as the resolver takes them.
    pub fn overrides(&self, global: &GlobalFlags) -> Overrides {
        Overrides {
            verb: Verb::Backfill,
            start: Some(self.from.clone()),
            end: Some(self.to.clone()),
            reprocess: self.reprocess.map(|choice| match choice {
                ReprocessChoice::Missing => Reprocess::Missing,
                ReprocessChoice::Failed => Reprocess::Failed,
                ReprocessChoice::All => Reprocess::All,
            }),
            wait_lock: global.wait_lock,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_flags_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_example_parses() {
        for examples in [
            TOP_EXAMPLES,
            PLAN_EXAMPLES,
            RUN_EXAMPLES,
            BACKFILL_EXAMPLES,
            IMPORT_EXAMPLES,
            DEMO_EXAMPLES,
            STATUS_EXAMPLES,
            VERIFY_EXAMPLES,
            SCHEMA_EXAMPLES,
            INIT_EXAMPLES,
            CHECK_EXAMPLES,
            LOGIN_EXAMPLES,
            COMPLETIONS_EXAMPLES,
            MAN_EXAMPLES,
        ] {
            let lines = examples.replace("\\\n      ", "");
            for line in lines.lines().skip(1) {
                // two blanks end the command and begin its explanation; a `>` sends it to a file
                let command = line.trim().split("  ").next().unwrap();
                let command = command.split(" > ").next().unwrap();
                parse(command).unwrap_or_else(|error| panic!("{command}: {error}"));
            }
        }
    }

    #[test]
    fn global_flags_work_before_and_behind_the_verb() {
        for line in [
            "teamsheet --format json -vv --wait-lock 30s run --job a.toml",
            "teamsheet run --job a.toml -v --verbose --wait-lock 30s --format json",
        ] {
            let arguments = parse(line).unwrap();
            assert_eq!(arguments.global.format, OutputFormat::Json);
            assert_eq!(arguments.global.verbose, 2);
            assert_eq!(arguments.global.wait_lock, Some(Duration::from_secs(30)));
        }
    }

    #[test]
    fn what_is_typed_reaches_the_resolver() {
        let arguments = parse(
            "teamsheet backfill --job a.toml --from 2026-01-01 --to 2026-02-01 --reprocess failed",
        )
        .unwrap();
        let Command::Backfill(backfill) = &arguments.command else {
            panic!("{arguments:?}")
        };
        let overrides = backfill.overrides(&arguments.global);
        assert_eq!(overrides.verb, Verb::Backfill);
        assert_eq!(
            (overrides.start.as_deref(), overrides.end.as_deref()),
            (Some("2026-01-01"), Some("2026-02-01"))
        );
        assert_eq!(
            (overrides.reprocess, overrides.wait_lock),
            (Some(Reprocess::Failed), None)
        );
    }

    #[test]
    fn fault_89_there_is_no_flag_for_a_secret_and_its_value_is_not_repeated() {
        for line in [
            "teamsheet run --job a.toml --client-secret=hunter2",
            "teamsheet --client-secret=hunter2 run --job a.toml",
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn unusable_flags_end_with_2() {
        for line in [
            "teamsheet",
            "teamsheet run",
            "teamsheet backfill --job a.toml --from 2026-01-01",
            "teamsheet run --job a.toml -v -q",
            "teamsheet run --job a.toml --wait-lock 10",
            "teamsheet demo --days 0",
            "teamsheet sync",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn the_long_help_ends_with_the_exit_status() {
        for line in [
            "teamsheet --help",
            "teamsheet run --help",
            "teamsheet backfill --help",
        ] {
            let help = parse(line).unwrap_err().to_string();
            assert!(help.trim_end().ends_with(EXIT_STATUS_HELP), "{help}");
        }
    }
}
