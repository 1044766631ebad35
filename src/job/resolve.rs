//! Job file, flags and surroundings to a plan: the only place where a default is decided.
//!
//! A flag wins over the job file, the job file over the default. What the job file asks for and this version cannot do is refused
//! with the value that works today, never passed over. Nothing here reads a clock, the environment or a file by itself.

mod asking;
mod importing;
mod reach;
mod signing_in;
mod sources;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::error::PlanError;
use super::file::{JobFile, PublishBy, RunFile};
use super::interval::{DataInterval, parse_bound};
use super::place::WarehousePlace;
use super::plan::{
    AuthPlan, GAP_REASONS, GraphPlan, Reprocess, RunPlan, RunRules, Verb, WarehousePlan,
};
use super::spelling::nearest;
use super::surroundings::Surroundings;
use crate::ids::{InvocationId, stable_hash};
use crate::time::{UtcMicros, WarehouseTimezone};

pub use importing::{ImportPlan, resolve_import};

/// How long a run waits for another run's lock where no flag says it.
pub const DEFAULT_WAIT_LOCK: Duration = Duration::from_secs(600);

/// Where tables are where neither job file nor flag says it.
pub const DEFAULT_WAREHOUSE: &str = "./warehouse";

/// What the flags of `run` and `backfill` say, as typed.
#[derive(Debug, Clone)]
pub struct Overrides {
    /// Which of the two.
    pub verb: Verb,
    /// `--interval-start` or `--from`.
    pub start: Option<String>,
    /// `--interval-end` or `--to`.
    pub end: Option<String>,
    /// `--reprocess`; a scheduled run has none.
    pub reprocess: Option<Reprocess>,
    /// `--wait-lock`.
    pub wait_lock: Option<Duration>,
}

/// Decides everything that a run needs to know.
///
/// An interval that reaches past `started_at` ends there: a day that is not over must never count as covered.
///
/// # Errors
/// [`PlanError`]; terminal.
pub fn resolve(
    file: &JobFile,
    overrides: &Overrides,
    surroundings: &Surroundings<'_>,
) -> Result<RunPlan, PlanError> {
    let cloud = file.tenant.cloud.unwrap_or_default();
    cloud.hosts().ok_or(PlanError::ChinaCloud)?;
    let tenant = asking::tenant(file.tenant.id.as_deref())?;
    let sources = sources::sources(&file.sources, cloud, surroundings)?;
    let rules = rules(&file.run, sources::scope_hash(&tenant, &sources))?;
    let (auth, graph) = resolve_sign_in(file, surroundings)?;
    reach::check(&sources, &auth)?;
    let [id, _] = halves(surroundings.random);
    sources::check_version(&sources, graph.version)?;
    let timezone = timezone(file.warehouse.timezone.as_deref().unwrap_or("UTC"))?;
    let request = request(overrides, &timezone, rules.chunk_days)?;
    let invocation_id = invocation_id(surroundings.started_at, id, request.as_deref());
    let warehouse = warehouse(file, timezone, overrides, surroundings, &invocation_id)?;
    Ok(RunPlan {
        verb: overrides.verb,
        job_name: job_name(file.name.as_deref(), surroundings.job_stem)?,
        job_file: None,
        invocation_id,
        started_at: surroundings.started_at,
        interval: interval(overrides, &warehouse.timezone, surroundings.started_at)?,
        future_end: bounds(overrides, &warehouse.timezone)?
            .filter(|(_, end)| *end > surroundings.started_at)
            .and(overrides.end.clone()),
        auth,
        graph,
        sources,
        warehouse,
        reprocess: overrides.reprocess.unwrap_or(Reprocess::Missing),
        rules,
        metrics: metrics(file.metrics.file.as_deref())?,
    })
}

/// The collector reads names that end in `.prom` only.
fn metrics(file: Option<&Path>) -> Result<Option<PathBuf>, PlanError> {
    let Some(path) = file else {
        return Ok(None);
    };
    if path.extension().is_none_or(|extension| extension != "prom") {
        return Err(invalid(
            "metrics.file",
            path.display(),
            "a file whose name ends in `.prom`: node_exporter reads no other",
        ));
    }
    Ok(Some(path.to_owned()))
}

/// Where a job's warehouse lies and where private files go, for verbs that only read it: nothing else of the job file needs to be usable.
///
/// # Errors
/// [`PlanError`] where `[warehouse]` is not usable; terminal.
pub fn place(
    file: &JobFile,
    surroundings: &Surroundings<'_>,
) -> Result<(WarehousePlace, Option<PathBuf>), PlanError> {
    let place = WarehousePlace::parse(file.warehouse.uri.as_deref().unwrap_or(DEFAULT_WAREHOUSE))?;
    let staging = staging(&place, file.run.staging.as_deref(), surroundings)?;
    Ok((place, staging))
}

/// The folder for private files of a place; [`WarehousePlace::staging`] says which.
///
/// # Errors
/// [`PlanError::MissingKey`] where an object store has none.
pub fn staging(
    place: &WarehousePlace,
    asked: Option<&Path>,
    surroundings: &Surroundings<'_>,
) -> Result<Option<PathBuf>, PlanError> {
    let staging = place.staging(asked, state_folder(surroundings));
    if staging.is_none() && matches!(place, WarehousePlace::Store(_)) {
        return Err(PlanError::MissingKey {
            key: "run.staging",
            example: "staging = \"/var/lib/teamsheet\"",
        });
    }
    Ok(staging)
}

/// Where programs of this user keep state, as the XDG base directory specification has it.
fn state_folder(surroundings: &Surroundings<'_>) -> Option<PathBuf> {
    let folder = |name| {
        let value = (surroundings.variable)(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local").join("state")))
}

/// How to sign in and whom to ask, whatever the job reads: all that `teamsheet login` needs.
///
/// # Errors
/// [`PlanError`]; terminal.
pub fn resolve_sign_in(
    file: &JobFile,
    surroundings: &Surroundings<'_>,
) -> Result<(AuthPlan, GraphPlan), PlanError> {
    let cloud = file.tenant.cloud.unwrap_or_default();
    let hosts = cloud.hosts().ok_or(PlanError::ChinaCloud)?;
    let tenant = asking::tenant(file.tenant.id.as_deref())?;
    let [_, jitter] = halves(surroundings.random);
    Ok((
        signing_in::auth(file, tenant, cloud, hosts, surroundings)?,
        asking::graph(file, cloud, hosts, jitter)?,
    ))
}

fn job_name(name: Option<&str>, stem: &str) -> Result<String, PlanError> {
    let name = name.unwrap_or(stem).trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(invalid("name", name, "a short name such as `nightly`"));
    }
    Ok(name.to_owned())
}

fn warehouse(
    file: &JobFile,
    timezone: WarehouseTimezone,
    overrides: &Overrides,
    surroundings: &Surroundings<'_>,
    invocation_id: &InvocationId,
) -> Result<WarehousePlan, PlanError> {
    let (place, staging) = place(file, surroundings)?;
    let warehouse = &file.warehouse;
    Ok(WarehousePlan {
        place,
        timezone,
        publish: warehouse.publish.unwrap_or(PublishBy::Exchange),
        staging,
        holder: invocation_id.clone(),
        wait_lock: overrides.wait_lock.unwrap_or(DEFAULT_WAIT_LOCK),
    })
}

/// The zone under the one spelling of its name: a warehouse compares names, and `europe/berlin` is no other zone.
fn timezone(name: &str) -> Result<WarehouseTimezone, PlanError> {
    TimeZone::get(name)
        .ok()
        .filter(|zone| !zone.is_unknown())
        .and_then(|zone| WarehouseTimezone::named(zone.iana_name()?))
        .ok_or_else(|| PlanError::UnknownTimezone {
            name: name.to_owned(),
        })
}

/// Days end at 365: Graph keeps reports for one year.
fn rules(file: &RunFile, scope_hash: String) -> Result<RunRules, PlanError> {
    let tolerate = file.tolerate.clone().unwrap_or_default();
    let mut unknown = tolerate.iter();
    if let Some(value) = unknown.find(|reason| !GAP_REASONS.contains(&reason.as_str())) {
        return Err(PlanError::UnknownReason {
            value: value.clone(),
            meant: nearest(value, GAP_REASONS),
        });
    }
    Ok(RunRules {
        lookback_days: number("run.lookback_days", file.lookback_days, 7, 0..=365)?,
        settle_hours: number("run.settle_hours", file.settle_hours, 24, 0..=365 * 24)?,
        give_up_days: number("run.give_up_days", file.give_up_days, 30, 1..=365)?,
        max_catch_up_days: number("run.max_catch_up_days", file.max_catch_up_days, 31, 1..=365)?,
        chunk_days: number("run.chunk_days", file.chunk_days, 7, 1..=365)?,
        tolerate: tolerate.into_iter().collect(),
        scope_hash,
    })
}

fn interval(
    overrides: &Overrides,
    timezone: &WarehouseTimezone,
    now: UtcMicros,
) -> Result<Option<DataInterval>, PlanError> {
    let Some((start, end)) = bounds(overrides, timezone)? else {
        return Ok(None);
    };
    DataInterval::new(start, end.min(now))
        .map(Some)
        .ok_or_else(|| PlanError::FutureInterval {
            start: overrides.start.clone().unwrap_or_default(),
            timezone: timezone.name().to_owned(),
        })
}

/// What was typed; `None` for a scheduled run without an interval.
fn bounds(
    overrides: &Overrides,
    timezone: &WarehouseTimezone,
) -> Result<Option<(UtcMicros, UtcMicros)>, PlanError> {
    let [start_flag, end_flag] = match overrides.verb {
        Verb::Run => ["--interval-start", "--interval-end"],
        Verb::Backfill => ["--from", "--to"],
    };
    let half = |given, missing| Err(PlanError::HalfAnInterval { given, missing });
    let (start, end) = match (&overrides.start, &overrides.end) {
        (Some(start), Some(end)) => (start, end),
        (Some(_), None) => return half(start_flag, end_flag),
        (None, Some(_)) => return half(end_flag, start_flag),
        (None, None) => {
            return match overrides.verb {
                Verb::Run => Ok(None),
                Verb::Backfill => Err(PlanError::NoInterval),
            };
        }
    };
    let bound = |flag, text: &String| {
        parse_bound(text, timezone).ok_or_else(|| PlanError::NotAPointInTime {
            flag,
            value: text.clone(),
        })
    };
    let (from, to) = (bound(start_flag, start)?, bound(end_flag, end)?);
    if from >= to {
        // as it was typed: an instant in UTC would be another day than the one that was meant
        return Err(PlanError::EmptyInterval {
            start: start.clone(),
            end: end.clone(),
            timezone: timezone.name().to_owned(),
        });
    }
    Ok(Some((from, to)))
}

/// Sorts by time and is safe in file names: `20260102T030405Z-0011223344556677`. A backfill's ends with a hash of what was asked for,
/// so that the same command finds what it has done already.
fn invocation_id(started_at: UtcMicros, random: u64, request: Option<&str>) -> InvocationId {
    let second = started_at.to_timestamp().unwrap_or_default();
    let mut name = format!("{}-{random:016x}", second.strftime("%Y%m%dT%H%M%SZ"));
    if let Some(request) = request {
        name.truncate(name.len() - request.len());
        name.push_str(request);
    }
    InvocationId::new(name)
}

/// Eight digits that stand for the range, what is fetched again and the size of a chunk; `None` for a scheduled run.
///
/// The range is the one that was typed: an end in the future means the same command tomorrow.
fn request(
    overrides: &Overrides,
    timezone: &WarehouseTimezone,
    chunk_days: u32,
) -> Result<Option<String>, PlanError> {
    if overrides.verb == Verb::Run {
        return Ok(None);
    }
    let Some((start, end)) = bounds(overrides, timezone)? else {
        return Ok(None);
    };
    let reprocess = match overrides.reprocess.unwrap_or(Reprocess::Missing) {
        Reprocess::Missing => "missing",
        Reprocess::Failed => "failed",
        Reprocess::All => "all",
    };
    let parts = [
        &start.to_string(),
        &end.to_string(),
        &chunk_days.to_string(),
    ];
    let parts = parts.map(String::as_str).into_iter().chain([reprocess]);
    Ok(Some(stable_hash(parts).chars().take(8).collect()))
}

fn halves(random: [u8; 16]) -> [u64; 2] {
    let both = u128::from_be_bytes(random);
    [both >> 64, both & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or_default())
}

fn number(
    key: &'static str,
    written: Option<u32>,
    default: u32,
    range: RangeInclusive<u32>,
) -> Result<u32, PlanError> {
    let value = written.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    Err(PlanError::OutOfRange { key, value, range })
}

fn invalid(key: &'static str, value: impl fmt::Display, expected: &'static str) -> PlanError {
    PlanError::InvalidValue {
        key,
        value: value.to_string(),
        expected,
    }
}

#[cfg(test)]
mod tests;
