//! The flags of `import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use crate::import::DateOrder;

pub(super) const IMPORT_EXAMPLES: &str = "\
Examples:
  teamsheet import --job jobs/nightly.toml report.csv
  teamsheet import --job jobs/nightly.toml --timezone Europe/Berlin --date-format dmy a.csv b.csv";

/// Flags of `import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArguments {
    /// The job file: whose warehouse it is and where
    #[arg(long, value_name = "FILE")]
    pub job: PathBuf,
    /// The zone of the times in the files: an IANA name [default: the warehouse's]
    ///
    /// Teams writes the clock of whoever saved the report, and no zone.
    #[arg(long, value_name = "ZONE", value_parser = parse_zone)]
    pub timezone: Option<TimeZone>,
    /// How dates such as 1/5/26 are read where the file itself does not tell
    ///
    /// A file tells it by one date that can be read in one way only, or by two that would be weeks apart in the other. Where it does not,
    /// it is refused without this flag.
    #[arg(long, value_enum, value_name = "ORDER")]
    pub date_format: Option<DateFormatChoice>,
    /// Attendance reports as Teams saved them
    #[arg(value_name = "CSV", required = true)]
    pub files: Vec<PathBuf>,
}

/// `--date-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DateFormatChoice {
    /// 1/5/26 is the 5th of January
    Mdy,
    /// 1/5/26 is the 1st of May
    Dmy,
    /// 26/01/05 is the 5th of January
    Ymd,
}

impl From<DateFormatChoice> for DateOrder {
    fn from(choice: DateFormatChoice) -> Self {
        match choice {
            DateFormatChoice::Mdy => Self::MonthDayYear,
            DateFormatChoice::Dmy => Self::DayMonthYear,
            DateFormatChoice::Ymd => Self::YearMonthDay,
        }
    }
}

fn parse_zone(text: &str) -> Result<TimeZone, String> {
    let zone = TimeZone::get(text).ok().filter(|zone| !zone.is_unknown());
    zone.ok_or_else(|| "no time zone; give an IANA name such as Europe/Berlin or UTC".to_owned())
}
