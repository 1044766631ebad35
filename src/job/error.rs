//! Why a job file and its flags do not make a plan. All of it is the user's to fix, so all of it ends with exit status 2.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::certificate::BadCertificate;
use super::plan::GAP_REASONS;

/// A job file, a flag or something that they name is not usable; terminal.
///
/// No variant holds a secret: what a job file says is quoted only where the key cannot hold one.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's sentence is its message")]
pub enum PlanError {
    #[error("job file `{}` cannot be read", path.display())]
    JobFileUnreadable { path: PathBuf, source: io::Error },
    #[error("job file `{}` has an error in line {line}: {problem}", path.display())]
    JobFileSyntax {
        path: PathBuf,
        line: usize,
        problem: String,
    },
    #[error("unknown key `{key}` in line {line} of `{}`", path.display())]
    UnknownKey {
        path: PathBuf,
        line: usize,
        key: String,
        known: String,
    },
    #[error("the job file has no `{key}`")]
    MissingKey {
        key: &'static str,
        example: &'static str,
    },
    #[error("`{key}` still holds the placeholder `{value}`")]
    Placeholder {
        key: &'static str,
        value: &'static str,
        instead: &'static str,
    },
    #[error("`{key}` has an unusable value: {value}")]
    InvalidValue {
        key: &'static str,
        value: String,
        expected: &'static str,
    },
    #[error("`run.tolerate` names `{value}`, which is no reason of a gap")]
    UnknownReason {
        value: String,
        meant: Option<&'static str>,
    },
    #[error("`{key} = {value}` is out of range")]
    OutOfRange {
        key: &'static str,
        value: u32,
        range: RangeInclusive<u32>,
    },
    #[error("`{key} = {value}` is not supported yet")]
    NotYet {
        key: &'static str,
        value: String,
        instead: &'static str,
    },
    #[error("`{key}` is not available in the cloud `{cloud}`")]
    NotInCloud {
        key: &'static str,
        cloud: &'static str,
    },
    #[error("`tenant.cloud = \"china\"` cannot work: Graph offers no attendance there")]
    ChinaCloud,
    #[error("`{key}` does not belong to `auth.method = \"{method}\"`")]
    NotOfMethod {
        key: &'static str,
        method: &'static str,
        instead: &'static str,
    },
    #[error("`{key}` names no usable certificate")]
    BadCertificate {
        key: &'static str,
        source: BadCertificate,
    },
    #[error("`teamsheet login` is for users, and `auth.method = \"{method}\"` signs in by itself")]
    NothingToLogInTo { method: &'static str },
    #[error("`{key} = {value}` does not go with `auth.method = \"{method}\"`")]
    NotOfSignIn {
        key: &'static str,
        value: &'static str,
        method: &'static str,
        instead: &'static str,
    },
    #[error(
        "there is no place to keep a user's sign-in: neither `XDG_STATE_HOME` nor `HOME` is set"
    )]
    NoStateFolder,
    #[error("the environment variable `{variable}` has an unusable value")]
    BadVariable {
        variable: &'static str,
        expected: &'static str,
    },
    #[error("the job file names no source")]
    NoSource,
    #[error("`{key}` is written in the job file")]
    SecretInJobFile { key: &'static str },
    #[error("`{key}` is to come from the environment variable `{variable}`, which is not set")]
    SecretNotSet { key: &'static str, variable: String },
    #[error("`{key}` is to come from `{}`, which cannot be read", path.display())]
    SecretUnreadable {
        key: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("`{key}` is to come from `{}`, which every user of this machine can read", path.display())]
    SecretReadableByOthers { key: &'static str, path: PathBuf },
    #[error("`{key}` is to come from {place}, which is empty")]
    SecretEmpty { key: &'static str, place: String },
    #[error("`{key}` is to come from {place}, which has a blank or line end within")]
    SecretWithBlank { key: &'static str, place: String },
    #[error("`{key}` is to come from {place}, which has quotes around it")]
    SecretInQuotes { key: &'static str, place: String },
    #[error("users file `{}` cannot be read", path.display())]
    UsersFileUnreadable { path: PathBuf, source: io::Error },
    #[error("users file `{}`, {lines}: this is no user", path.display())]
    UsersFileLine { path: PathBuf, lines: Lines },
    #[error("{} cannot be read", list_name(path))]
    MeetingsUnreadable { path: PathBuf, source: io::Error },
    #[error("{}, {problems}", list_name(path))]
    MeetingsLines {
        path: PathBuf,
        problems: LineProblems,
    },
    #[error("{} names no meeting", list_name(path))]
    NoMeeting { path: PathBuf },
    #[error("`{}` names no user", origin)]
    NoUser { origin: String },
    #[error("`warehouse.timezone = \"{name}\"` is no time zone")]
    UnknownTimezone { name: String },
    #[error("`{given}` is there without `{missing}`")]
    HalfAnInterval {
        given: &'static str,
        missing: &'static str,
    },
    #[error("a backfill has no data interval")]
    NoInterval,
    #[error("`{flag} {value}` is no point in time")]
    NotAPointInTime { flag: &'static str, value: String },
    #[error(
        "the data interval from `{start}` to `{end}` is empty (a date is a midnight of {timezone})"
    )]
    EmptyInterval {
        start: String,
        end: String,
        timezone: String,
    },
    #[error(
        "the data interval starts at `{start}`, which is in the future (a date is a midnight of {timezone})"
    )]
    FutureInterval { start: String, timezone: String },
}

/// Lines of a file: `line 3`, `lines 3, 5 and 9`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines(pub Vec<u64>);

/// More lines than these are counted.
const LINES_NAMED: usize = 20;

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.0.iter().take(LINES_NAMED);
        let mut named: Vec<String> = named.map(u64::to_string).collect();
        let more = self.0.len().saturating_sub(LINES_NAMED);
        if more > 0 {
            named.push(format!("{more} more"));
        }
        match named.as_slice() {
            [] => f.write_str("no line"),
            [one] => write!(f, "line {one}"),
            [before @ .., last] => write!(f, "lines {} and {last}", before.join(", ")),
        }
    }
}

/// What is wrong with which lines of a list, and never their text: it may be somebody's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LineProblems(Vec<(&'static str, Lines)>);

impl LineProblems {
    /// Notes that a line is `what`, such as "no user".
    pub(super) fn add(&mut self, what: &'static str, line: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == what) {
            Some((_, lines)) => lines.0.push(line),
            None => self.0.push((what, Lines(vec![line]))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for LineProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (what, lines)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{lines}: this is {what}")?;
        }
        Ok(())
    }
}

/// A list of meetings, as messages name it.
fn list_name(path: &Path) -> String {
    if path == Path::new("-") {
        return "the list of meetings on standard input".to_owned();
    }
    format!("the list of meetings `{}`", path.display())
}

impl PlanError {
    /// What to do about it, in one or more sentences; lines are separated by `\n`.
    pub fn hint(&self) -> String {
        match self {
            Self::JobFileUnreadable { .. } => {
                "Check the path after `--job`; a relative one starts at the current directory".into()
            }
            Self::JobFileSyntax { .. } => {
                "Job files are TOML; `jobs/nightly.toml` is a commented example".into()
            }
            Self::UnknownKey { known, .. } => format!("Keys known there: {known}"),
            Self::MissingKey { key, example } => {
                let table = key.rsplit_once('.').map_or("", |(table, _)| table);
                format!("Add it under `[{table}]`, like this: `{example}`")
            }
            Self::InvalidValue { expected, .. } | Self::BadVariable { expected, .. } => {
                format!("Use {expected}")
            }
            Self::UnknownReason { meant, .. } => {
                let meant = meant.map_or_else(String::new, |meant| format!("Most likely `{meant}` is meant; "));
                format!("{meant}reasons are those of the table `gaps`: {}", GAP_REASONS.join(", "))
            }
            Self::OutOfRange { range, .. } => {
                format!("Use a whole number from {} to {}", range.start(), range.end())
            }
            Self::NotYet { instead, .. }
            | Self::NotOfMethod { instead, .. }
            | Self::NotOfSignIn { instead, .. }
            | Self::Placeholder { instead, .. } => (*instead).to_owned(),
            Self::NotInCloud { .. } => "Leave it out of this job, or use `tenant.cloud = \"global\"`".into(),
            Self::ChinaCloud => "Clouds that work: global, us-gov, us-gov-dod".into(),
            Self::BadCertificate { .. } => {
                "The file holds the certificate and its private key as PEM, the key (RSA, 2048 bits or more) without a password: \
                 `cat app.crt app.key > app.pem`"
                    .into()
            }
            Self::NothingToLogInTo { .. } => {
                "Run the job; or use `method = \"device-code\"` for a job that reads only what is one user's own".into()
            }
            Self::NoStateFolder => {
                "Set `XDG_STATE_HOME` to a folder of this user, from the root on, in the environment of this process".into()
            }
            Self::NoSource => {
                "Add one or more of `[sources.online_meetings]`, `[sources.webinars]`, `[sources.town_halls]`".into()
            }
            Self::SecretInJobFile { .. } => {
                "Name where it is kept instead: `{ env = \"VARIABLE\" }` or `{ file = \"path\" }`\n\
                 Whoever could read the job file may know this secret: replace it in the app registration"
                    .into()
            }
            Self::SecretNotSet { variable, .. } => {
                format!("Set `{variable}` in the environment of this process; cron and systemd start with an almost empty one")
            }
            Self::SecretUnreadable { .. } => {
                "Check that the file exists and that the user of this process may read it".into()
            }
            Self::SecretReadableByOthers { path, .. } => format!(
                "Run `chmod o-rwx {}`; in Kubernetes set `defaultMode: 0440` on the volume\n\
                 Where the mode cannot be set: Docker and compose mount secrets below `/run/secrets`, where a mode of 0444 is taken, \
                 or hand it over with `{{ env = \"VARIABLE\" }}`",
                path.display()
            ),
            Self::SecretInQuotes { .. } => {
                "Take them off: a shell does that by itself, `docker run --env-file` and systemd's credentials do not".into()
            }
            Self::SecretWithBlank { .. } => {
                "Put the secret's value there by itself, on one line; what lies around it, a line end say, is taken off".into()
            }
            Self::SecretEmpty { .. } => "Put the secret's value there, not its id".into(),
            Self::UsersFileUnreadable { .. } => {
                "A relative path starts at the current directory; the file is a CSV: text, not a workbook of Excel's".into()
            }
            Self::UsersFileLine { .. } => {
                "A line holds one object id or user principal name: in its first column, or in the one that a header calls `id` or `userPrincipalName`".into()
            }
            Self::MeetingsUnreadable { .. } => {
                "A relative path starts at the current directory, and `-` is standard input; the list is a CSV: text, not a workbook of Excel's".into()
            }
            Self::MeetingsLines { .. } | Self::NoMeeting { .. } => {
                "Each line is an organizer (object id or user principal name), a comma, and a meeting id, meeting number or join URL (https), \
                 copied whole from the invitation"
                    .into()
            }
            Self::NoUser { .. } => "Name at least one object id or user principal name, or use `users = \"all\"`".into(),
            Self::UnknownTimezone { .. } => "Use an IANA name such as `UTC` or `Europe/Berlin`".into(),
            Self::HalfAnInterval { missing, .. } => format!("Add `{missing}`, or leave both out"),
            Self::NoInterval => "Add `--from` and `--to`".into(),
            Self::NotAPointInTime { .. } => "Use a date of the calendar (`2026-01-31`: midnight in the warehouse's time zone) or RFC 3339 \
                                             (`2026-01-31T06:00:00Z`), between 2000 and 2100"
                .into(),
            Self::EmptyInterval { .. } => {
                "The start must lie before the end, and the end is not part of it: one day is `2026-01-01` to `2026-01-02`".into()
            }
            Self::FutureInterval { .. } => "Attendance exists only after a meeting: choose a start in the past".into(),
        }
    }
}
