//! The job file as it was written: every key, nothing decided.
//!
//! A key that is not there is `None`; [`resolve`](super::resolve::resolve) decides what that means. Keys that nobody knows are
//! refused by name. Errors give the line and never quote it: a secret could stand in it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::cloud::Cloud;
use super::error::PlanError;
use super::secret::SecretFile;
use super::users::{OrganizersFile, UsersFile};

/// What stands for a client id in the examples and in what `init` writes where none is known; nobody's app has it.
pub const NO_CLIENT_ID: &str = "00000000-0000-0000-0000-000000000000";

/// A whole job file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobFile {
    /// The job's name.
    pub name: Option<String>,
    /// `[tenant]`
    pub tenant: TenantFile,
    /// `[auth]`
    pub auth: AuthFile,
    /// `[sources.…]`
    pub sources: SourcesFile,
    /// `[warehouse]`
    pub warehouse: WarehouseFile,
    /// `[run]`
    pub run: RunFile,
    /// `[graph]`
    pub graph: GraphFile,
    /// `[limits]`
    pub limits: LimitsFile,
    /// `[metrics]`
    pub metrics: MetricsFile,
}

impl JobFile {
    /// Reads the text of a job file; `path` names it in errors.
    ///
    /// # Errors
    /// [`PlanError::UnknownKey`] and [`PlanError::JobFileSyntax`]; terminal.
    pub fn parse(text: &str, path: &Path) -> Result<Self, PlanError> {
        toml::from_str(text).map_err(|error| not_a_job_file(&error, text, path))
    }
}

/// `[tenant]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantFile {
    /// GUID or domain.
    pub id: Option<String>,
    /// Which cloud the tenant is in.
    pub cloud: Option<Cloud>,
}

/// `[auth]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthFile {
    /// How to sign in.
    pub method: Option<AuthMethod>,
    /// The application id.
    pub client_id: Option<String>,
    /// Where the secret is kept.
    pub client_secret: Option<SecretFile>,
    /// Where certificate and key are kept.
    pub certificate: Option<SecretFile>,
    /// Workload identity: the token's file.
    pub token_file: Option<PathBuf>,
    /// Where a ready token is kept.
    pub access_token: Option<SecretFile>,
}

/// A way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the value in the job file")]
pub enum AuthMethod {
    ClientSecret,
    Certificate,
    ManagedIdentity,
    WorkloadIdentity,
    DeviceCode,
    AccessToken,
}

impl AuthMethod {
    /// The value in the job file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecret => "client-secret",
            Self::Certificate => "certificate",
            Self::ManagedIdentity => "managed-identity",
            Self::WorkloadIdentity => "workload-identity",
            Self::DeviceCode => "device-code",
            Self::AccessToken => "access-token",
        }
    }
}

/// `[sources.…]`; a table that is not there leaves its source out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is its table")]
pub struct SourcesFile {
    pub online_meetings: Option<OnlineMeetingsFile>,
    pub webinars: Option<VirtualEventsFile>,
    pub town_halls: Option<VirtualEventsFile>,
}

/// `[sources.online_meetings]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnlineMeetingsFile {
    /// The ways of discovery.
    pub discover: Option<Vec<DiscoverBy>>,
    /// Whose meetings.
    pub users: Option<UsersFile>,
    /// For `listed`: which meetings.
    pub meetings: Option<MeetingsFile>,
    /// Meeting ids from long join URLs, without a request.
    pub derive_ids: Option<bool>,
    /// Which reports of a meeting.
    pub reports: Option<ReportsChoice>,
}

/// A way to discover online meetings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each variant is the value in the job file")]
pub enum DiscoverBy {
    Calendar,
    CallRecords,
    Listed,
}

impl DiscoverBy {
    /// The value in the job file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::CallRecords => "call-records",
            Self::Listed => "listed",
        }
    }
}

/// `meetings = { file = "…" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeetingsFile {
    /// A CSV file, or `-` for standard input.
    pub file: PathBuf,
}

/// Which reports of a meeting are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportsChoice {
    /// Every report.
    All,
    /// Only the newest, by the deprecated path.
    Latest,
}

impl ReportsChoice {
    /// The value in the job file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Latest => "latest",
        }
    }
}

/// `[sources.webinars]` and `[sources.town_halls]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VirtualEventsFile {
    /// Whose events.
    pub organizers: Option<OrganizersFile>,
}

/// `[warehouse]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WarehouseFile {
    /// A path or the URL of an object store.
    pub uri: Option<String>,
    /// An IANA time zone.
    pub timezone: Option<String>,
    /// How a partition becomes visible.
    pub publish: Option<PublishBy>,
}

/// How a partition on a local disk becomes visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublishBy {
    /// One atomic exchange.
    Exchange,
    /// Two renames, with a short absence between them.
    TwoRenames,
}

impl PublishBy {
    /// As the job file has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::TwoRenames => "two-renames",
        }
    }
}

/// `[run]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the plan's fields of the same names say it")]
pub struct RunFile {
    pub concurrency: Option<u32>,
    pub lookback_days: Option<u32>,
    pub settle_hours: Option<u32>,
    pub give_up_days: Option<u32>,
    pub max_catch_up_days: Option<u32>,
    pub chunk_days: Option<u32>,
    pub deadline: Option<String>,
    pub staging: Option<PathBuf>,
    pub tolerate: Option<Vec<String>>,
}

/// `[graph]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GraphFile {
    /// Overrides the cloud's Graph host.
    pub endpoint: Option<String>,
    /// Overrides the cloud's sign-in host.
    pub authority: Option<String>,
    /// The version segment of every path.
    pub version: Option<VersionFile>,
}

/// `version`, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum VersionFile {
    /// `v1.0`
    #[serde(rename = "v1.0")]
    V1,
    /// `beta`
    #[serde(rename = "beta")]
    Beta,
}

/// `[limits]`: rates as text.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the plan's fields of the same names say it")]
pub struct LimitsFile {
    pub attendance: Option<String>,
    pub calendar: Option<String>,
    pub call_records: Option<String>,
    pub call_records_list: Option<String>,
    pub virtual_events: Option<String>,
    pub directory: Option<String>,
    pub share: Option<f64>,
}

/// `[metrics]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsFile {
    /// Where the numbers of the last run go, for `node_exporter`'s textfile collector.
    pub file: Option<PathBuf>,
}

fn not_a_job_file(error: &toml::de::Error, text: &str, path: &Path) -> PlanError {
    let offset = error.span().map_or(0, |span| span.start);
    let line = 1 + text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count();
    let message = error.message();
    // serde's sentence: unknown field `x`, expected one of `a`, `b`
    let unknown = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split_once("`, expected "));
    if let Some((key, known)) = unknown {
        let known = known.strip_prefix("one of ").unwrap_or(known);
        return PlanError::UnknownKey {
            path: path.to_owned(),
            line,
            key: key.to_owned(),
            known: known.to_owned(),
        };
    }
    let problem = message
        .replace('\n', ", ")
        .replace("unknown variant", "unknown value")
        .replace("expected u32", "expected a whole number");
    // only what is TOML has a key at that place
    let is_of_value = ["invalid ", "unknown variant", "missing field"]
        .iter()
        .any(|begin| message.starts_with(begin))
        && text.parse::<toml::Table>().is_ok();
    let key = is_of_value.then(|| key_at(text, offset)).flatten();
    PlanError::JobFileSyntax {
        path: path.to_owned(),
        line,
        problem: key.map_or_else(|| problem.clone(), |key| format!("`{key}`: {problem}")),
    }
}

/// The key whose value stands at that place, with its table: a name that is known, so that it holds no secret.
fn key_at(text: &str, offset: usize) -> Option<String> {
    let before = text.get(..offset)?;
    let is_key = |name: &&str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b"_.".contains(&b))
    };
    // a value may begin lines above, as a list does
    let key = before.lines().rev().find_map(|line| {
        let line = line.trim_start();
        let (name, _) = line.split_once('=')?;
        Some(name.trim()).filter(is_key)
    })?;
    let table = before.lines().rev().find_map(|line| {
        let name = line.trim().strip_prefix('[')?.split(']').next()?;
        Some(name.trim()).filter(is_key)
    });
    Some(match table {
        Some(table) => format!("{table}.{key}"),
        None => key.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::fuzz;
    use crate::job::plan::{RunPlan, Verb};
    use crate::job::resolve::{Overrides, resolve};
    use crate::job::surroundings::Surroundings;
    use crate::time::UtcMicros;

    fn refusal(text: &str) -> String {
        let error = JobFile::parse(text, Path::new("job.toml")).unwrap_err();
        format!("{error}\nhint: {}", error.hint())
    }

    #[test]
    fn fault_93_an_unknown_key_is_named_with_its_line() {
        insta::assert_snapshot!(refusal("name = 'x'\n\n[graph]\nurl = 'https://x'\n"), @"
        unknown key `url` in line 4 of `job.toml`
        hint: Keys known there: `endpoint`, `authority`, `version`
        ");
        insta::assert_snapshot!(refusal("[source.webinars]\n"), @"
        unknown key `source` in line 1 of `job.toml`
        hint: Keys known there: `name`, `tenant`, `auth`, `sources`, `warehouse`, `run`, `graph`, `limits`, `metrics`
        ");
        insta::assert_snapshot!(refusal("[sources.webinar]\n"), @"
        unknown key `webinar` in line 1 of `job.toml`
        hint: Keys known there: `online_meetings`, `webinars`, `town_halls`
        ");
    }

    #[test]
    fn a_line_is_never_quoted() {
        for text in [
            "[auth]\nclient_secrt = 'hunter2'\n",
            "[auth]\nclient_secret = hunter2\n",
            "[auth]\nclient_secret = 'hunter2\n",
            "[auth]\nclient_secret = { key = 'hunter2' }\n",
        ] {
            let refusal = refusal(text);
            assert!(!refusal.contains("hunter2"), "{refusal}");
            assert!(refusal.contains("line 2"), "{refusal}");
        }
    }

    #[test]
    fn fault_100_fuzz_the_job_file() {
        let nightly = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/nightly.toml"));
        let corpus: [&[u8]; 2] = [
            nightly,
            b"tenant = {id = 'contoso.com'}\nauth.client_id = 'a'\nauth.client_secret = { env = 'S' }\n\
              [sources.online_meetings]\nusers = ['a']\ndiscover = ['calendar']\n[sources.webinars]\norganizers = 'all'\n\
              [limits]\nattendance = '30/1s'\nshare = 0.5\n[run]\ndeadline = '1h30m'\ntolerate = ['forbidden']\n",
        ];
        let words = [
            "[",
            "]]",
            "= ",
            "\"\"\"",
            "'''",
            "{ file = ",
            "none",
            "0/0s",
            "99999999999/1s",
            "1e999",
            "nan",
            "-1",
            "\\u0000",
            "\u{e9}",
            "1979-05-27T07:32:00Z",
            "Europe/Berlin",
            "~/x",
            "s3://b/x",
            "\"latest\"",
            "h",
            "4294967296",
        ];
        fuzz(&corpus, &words, |text| {
            let Ok(text) = std::str::from_utf8(text) else {
                return;
            };
            match JobFile::parse(text, Path::new("job.toml")) {
                Err(error) => assert!(!error.hint().is_empty()),
                Ok(file) => {
                    resolve_anything(&file).ok();
                }
            }
        });
    }

    fn resolve_anything(file: &JobFile) -> Result<RunPlan, PlanError> {
        let surroundings = Surroundings {
            started_at: UtcMicros(1_790_000_000_000_000),
            random: [0; 16],
            variable: &|_| Some("secret".to_owned()),
            read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
            job_stem: "job",
        };
        let overrides = Overrides {
            verb: Verb::Backfill,
            start: Some("2026-01-01".to_owned()),
            end: Some("2026-02-01".to_owned()),
            reprocess: None,
            wait_lock: None,
        };
        resolve(file, &overrides, &surroundings)
    }

    #[test]
    fn wrong_types_and_values_are_refused_with_their_line() {
        insta::assert_snapshot!(refusal("[run]\nconcurrency = -1\n"), @"
        job file `job.toml` has an error in line 2: `run.concurrency`: invalid value: integer `-1`, expected a whole number
        hint: Job files are TOML; `jobs/nightly.toml` is a commented example
        ");
        insta::assert_snapshot!(refusal("[tenant]\ncloud = 'mars'\n"), @"
        job file `job.toml` has an error in line 2: `tenant.cloud`: unknown value `mars`, expected one of `global`, `us-gov`, `us-gov-dod`, `china`
        hint: Job files are TOML; `jobs/nightly.toml` is a commented example
        ");
        insta::assert_snapshot!(refusal("[sources.online_meetings]\nusers = 'ada@contoso.com'\n"), @r#"
        job file `job.toml` has an error in line 2: `sources.online_meetings.users`: invalid value: text, expected `"all"`, `"me"`, a list of users, `{ group = "id" }` or `{ file = "users.csv" }`
        hint: Job files are TOML; `jobs/nightly.toml` is a commented example
        "#);
        insta::assert_snapshot!(refusal("[sources.online_meetings]\nusers = { group = 'a', file = 'b' }\n"), @r#"
        job file `job.toml` has an error in line 2: `sources.online_meetings.users`: invalid length 2, expected `"all"`, `"me"`, a list of users, `{ group = "id" }` or `{ file = "users.csv" }`
        hint: Job files are TOML; `jobs/nightly.toml` is a commented example
        "#);
        insta::assert_snapshot!(refusal("[auth]\nmethod = 'password'\n"), @"
        job file `job.toml` has an error in line 2: `auth.method`: unknown value `password`, expected one of `client-secret`, `certificate`, `managed-identity`, `workload-identity`, `device-code`, `access-token`
        hint: Job files are TOML; `jobs/nightly.toml` is a commented example
        ");
        // beginning lines above, and in a table within a line
        for (text, key) in [
            (
                "[run]\ntolerate = [\n  'forbidden',\n  3,\n]\n",
                "`run.tolerate`",
            ),
            ("run = { concurrency = 'many' }\n", "`run`"),
            ("run.concurrency = 'many'\n", "`run.concurrency`"),
            ("name = 3\n", "`name`"),
        ] {
            assert!(refusal(text).contains(key), "{}", refusal(text));
        }
        insta::assert_snapshot!(refusal("[run\n"), @"
        job file `job.toml` has an error in line 1: unclosed table, expected `]`
        hint: Job files are TOML; `jobs/nightly.toml` is a commented example
        ");
    }
}
