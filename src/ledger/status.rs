//! How a warehouse stands: its runs, how fresh each source is, what is covered, and what is missing with its remedy.
//!
//! Read without locks and without writing. Only the columns that are counted are read, a batch at a time; what is held grows with
//! days and kinds of gaps, not with sessions. A partition that is replaced while it is read is read again.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;

use arrow::array::{Array as _, AsArray as _, StringArray};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::record_batch::RecordBatch;
use serde::{Serialize, Serializer};

use super::remedy::remedy_of_suspected;
use super::watermark::{self, watermark};
pub use super::wholeness::Wholeness;
use super::wholeness::{Coverage, Pending};
use super::{GapReason, LedgerError, remedy};
use crate::job::interval::DataInterval;
use crate::job::plan::Verb;
use crate::tables::{ATTENDANCE_REPORTS, GAPS, RUNS, RunRow, SESSIONS, TableSpec};
use crate::time::{EventDate, UtcMicros, WarehouseTimezone};
use crate::warehouse::{Warehouse, WarehouseError};

/// How often a partition is opened that another run replaces meanwhile.
const TRIES: u32 = 5;

/// How a warehouse stands.
#[derive(Debug, Default, Serialize)]
pub struct Status {
    /// Every job and scope that has run, the last one first.
    pub jobs: Vec<JobStatus>,
    /// Finished chunks, the last one first.
    pub runs: Vec<RunStatus>,
    /// Every source that was read or has rows.
    pub sources: Vec<SourceStatus>,
    /// Every day that is covered or has sessions or open gaps, oldest first.
    pub days: Vec<DayStatus>,
    /// Open gaps by reason, stage and source, the most first.
    pub open_gaps: Vec<GapStatus>,
}

/// A job within one scope: tenant, sources and users.
#[derive(Debug, Clone, Serialize)]
pub struct JobStatus {
    /// The job's name.
    pub job_name: String,
    /// What it covers.
    pub scope_hash: String,
    /// What is discovered and how.
    pub sources: Vec<String>,
    /// How far its scheduled runs are complete; `None` for a job that only backfills.
    #[serde(serialize_with = "as_rfc3339")]
    pub watermark: Option<UtcMicros>,
    /// When its last chunk was published.
    #[serde(serialize_with = "as_rfc3339")]
    pub last_finished_at: Option<UtcMicros>,
    /// 0 or 3.
    pub last_exit_code: i32,
}

/// A finished chunk; names as in the table `runs`.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the columns of `runs`, where each is documented"
)]
pub struct RunStatus {
    pub run_id: String,
    pub invocation_id: String,
    pub verb: String,
    pub job_name: String,
    #[serde(serialize_with = "as_rfc3339")]
    pub interval_start: Option<UtcMicros>,
    #[serde(serialize_with = "as_rfc3339")]
    pub interval_end: Option<UtcMicros>,
    #[serde(serialize_with = "as_rfc3339")]
    pub started_at: Option<UtcMicros>,
    #[serde(serialize_with = "as_rfc3339")]
    pub finished_at: Option<UtcMicros>,
    pub exit_code: i32,
    pub reports: i64,
    pub records: i64,
    pub requests: i64,
    pub gaps_opened: i64,
    pub gaps_closed: i64,
    pub partitions_published: i64,
}

/// How fresh a source is.
#[derive(Debug, Clone, Serialize)]
pub struct SourceStatus {
    /// `online_meeting`, `webinar` or `town_hall`.
    pub source: String,
    /// End of the last interval for which it was read.
    #[serde(serialize_with = "as_rfc3339")]
    pub covered_until: Option<UtcMicros>,
    /// When that was published.
    #[serde(serialize_with = "as_rfc3339")]
    pub last_read_at: Option<UtcMicros>,
    /// Start of its newest session.
    #[serde(serialize_with = "as_rfc3339")]
    pub newest_session: Option<UtcMicros>,
    /// Start of its newest report.
    #[serde(serialize_with = "as_rfc3339")]
    pub newest_report: Option<UtcMicros>,
}

/// A day.
#[derive(Debug, Clone, Serialize)]
pub struct DayStatus {
    /// In the warehouse's time zone.
    #[serde(serialize_with = "as_text")]
    pub day: EventDate,
    /// Whether runs of one scope cover it from midnight to midnight.
    pub is_covered: bool,
    /// The jobs whose runs, each job's within one scope, cover it from midnight to midnight.
    pub covered_by: Vec<String>,
    /// Whether its zeros are zeros.
    pub whole: Wholeness,
    /// Whether it is `complete`.
    pub is_complete: bool,
    /// Sessions by `attendance_state`.
    pub sessions_by_state: BTreeMap<String, u64>,
    /// Sessions that may still change.
    pub not_final: u64,
    /// Reports.
    pub reports: u64,
    /// Open gaps.
    pub open_gaps: u64,
    /// Those of them that nothing can fill any more.
    pub final_gaps: u64,
}

impl DayStatus {
    /// Sessions of every state.
    pub fn sessions(&self) -> u64 {
        self.sessions_by_state.values().sum()
    }
}

/// Open gaps of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct GapStatus {
    /// Why.
    pub reason: String,
    /// Where on its way it got lost.
    pub stage: String,
    /// Which source.
    pub source: String,
    /// How many.
    pub count: u64,
    /// The first day that something is missing from.
    #[serde(serialize_with = "as_text")]
    pub first_day: EventDate,
    /// The last one.
    #[serde(serialize_with = "as_text")]
    pub last_day: EventDate,
    /// When the first of them was met.
    #[serde(serialize_with = "as_rfc3339")]
    pub first_seen_at: Option<UtcMicros>,
    /// What to do about it.
    pub remedy: String,
    /// Whether one of them may still be filled.
    #[serde(skip)]
    is_suspected: bool,
}

/// Reads how the warehouse stands.
///
/// # Errors
/// [`LedgerError`] where a partition cannot be read; terminal.
pub fn read_status(warehouse: &Warehouse) -> Result<Status, LedgerError> {
    let timezone = WarehouseTimezone::named(warehouse.timezone()).ok_or_else(|| {
        LedgerError::warehouse(WarehouseError::UnknownTimezone {
            name: warehouse.timezone().to_owned(),
        })
    })?;
    let mut status = Reading::default();
    status.runs(warehouse)?;
    each(warehouse, &SESSIONS, |batch, day| {
        status.sessions(batch, day);
    })?;
    each(warehouse, &ATTENDANCE_REPORTS, |batch, day| {
        status.reports(batch, day);
    })?;
    each(warehouse, &GAPS, |batch, day| status.gaps(batch, day))?;
    Ok(status.finish(&timezone))
}

/// A status in the making.
#[derive(Debug, Default)]
struct Reading {
    status: Status,
    coverage: Coverage,
    scheduled: BTreeMap<(String, String), Vec<(UtcMicros, UtcMicros)>>,
    jobs: BTreeMap<(String, String), JobStatus>,
    sources: BTreeMap<String, SourceStatus>,
    days: BTreeMap<EventDate, DayStatus>,
    gaps: BTreeMap<(String, String, String), GapStatus>,
}

impl Reading {
    fn runs(&mut self, warehouse: &Warehouse) -> Result<(), LedgerError> {
        for day in warehouse
            .partitions(&RUNS)
            .map_err(LedgerError::warehouse)?
        {
            for run in super::rows::rows(warehouse, &RUNS, day, RunRow::read_all)? {
                self.run(&run);
            }
        }
        self.status.runs.sort_by_key(|run| Reverse(run.started_at));
        Ok(())
    }

    fn run(&mut self, run: &RunRow<'_>) {
        let key = (run.job_name.to_string(), run.scope_hash.to_string());
        let is_covering = watermark::covers(run);
        if is_covering {
            let interval = DataInterval::new(run.interval_start, run.interval_end);
            self.coverage.add(&run.scope_hash, &run.job_name, interval);
            if run.verb == Verb::Run.as_str() {
                self.scheduled
                    .entry(key.clone())
                    .or_default()
                    .push((run.interval_start, run.interval_end));
            }
        }
        let sources: Vec<String> = run.sources.iter().map(ToString::to_string).collect();
        for source in sources.iter().filter(|_| is_covering) {
            // `online_meetings:calendar` is a way to `online_meeting`
            let name = source.split(':').next().unwrap_or(source);
            let source = self.source(name.strip_suffix('s').unwrap_or(name));
            source.covered_until = source.covered_until.max(Some(run.interval_end));
            source.last_read_at = source.last_read_at.max(Some(run.finished_at));
        }
        let job = self.jobs.entry(key).or_insert_with(|| JobStatus {
            job_name: run.job_name.to_string(),
            scope_hash: run.scope_hash.to_string(),
            sources: Vec::new(),
            watermark: None,
            last_finished_at: None,
            last_exit_code: 0,
        });
        if Some(run.finished_at) >= job.last_finished_at {
            job.last_finished_at = Some(run.finished_at);
            job.last_exit_code = run.exit_code;
            if !sources.is_empty() {
                job.sources = sources;
            }
        }
        self.status.runs.push(RunStatus {
            run_id: run.run_id.to_string(),
            invocation_id: run.invocation_id.to_string(),
            verb: run.verb.to_string(),
            job_name: run.job_name.to_string(),
            interval_start: Some(run.interval_start),
            interval_end: Some(run.interval_end),
            started_at: Some(run.started_at),
            finished_at: Some(run.finished_at),
            exit_code: run.exit_code,
            reports: run.reports,
            records: run.records,
            requests: run.requests,
            gaps_opened: run.gaps_opened,
            gaps_closed: run.gaps_closed,
            partitions_published: run.partitions_published,
        });
    }

    fn sessions(&mut self, batch: &RecordBatch, day: EventDate) {
        let (Some(states), Some(sources)) =
            (text(batch, "attendance_state"), text(batch, "source"))
        else {
            return;
        };
        let is_final = batch
            .column_by_name("is_final")
            .and_then(|column| column.as_boolean_opt());
        for row in 0..batch.num_rows() {
            let counts = self.day(day);
            *counts
                .sessions_by_state
                .entry(states.value(row).to_owned())
                .or_default() += 1;
            let is_final = is_final.is_some_and(|is_final| is_final.value(row));
            counts.not_final += u64::from(!is_final);
            let start = time(batch, "scheduled_start", row);
            let source = self.source(sources.value(row));
            source.newest_session = source.newest_session.max(start);
        }
    }

    fn reports(&mut self, batch: &RecordBatch, day: EventDate) {
        let Some(sources) = text(batch, "source") else {
            return;
        };
        for row in 0..batch.num_rows() {
            self.day(day).reports += 1;
            let start = time(batch, "meeting_start_date_time", row);
            let source = self.source(sources.value(row));
            source.newest_report = source.newest_report.max(start);
        }
    }

    fn gaps(&mut self, batch: &RecordBatch, day: EventDate) {
        let (Some(reasons), Some(stages), Some(sources)) = (
            text(batch, "reason"),
            text(batch, "stage"),
            text(batch, "source"),
        ) else {
            return;
        };
        let finals = batch
            .column_by_name("is_final")
            .and_then(|column| column.as_boolean_opt());
        for row in 0..batch.num_rows() {
            if time(batch, "closed_at", row).is_some() {
                continue;
            }
            // files of before say nothing of it
            let is_final = finals.filter(|finals| finals.is_valid(row)).map_or_else(
                || GapReason::named(reasons.value(row)).is_some_and(GapReason::is_for_ever),
                |finals| finals.value(row),
            );
            let status = self.day(day);
            status.open_gaps += 1;
            status.final_gaps += u64::from(is_final);
            let names = [reasons, stages, sources].map(|column| column.value(row).to_owned());
            let [reason, stage, source] = names.clone();
            let gap = self.gaps.entry((reason, stage, source)).or_insert_with(|| {
                let [reason, stage, source] = names;
                GapStatus {
                    reason,
                    stage,
                    source,
                    count: 0,
                    first_day: day,
                    last_day: day,
                    first_seen_at: None,
                    remedy: String::new(),
                    is_suspected: false,
                }
            });
            gap.count += 1;
            gap.is_suspected |= !is_final;
            gap.first_day = gap.first_day.min(day);
            gap.last_day = gap.last_day.max(day);
            let seen = time(batch, "first_seen_at", row);
            gap.first_seen_at = gap.first_seen_at.map_or(seen, |first| {
                Some(seen.map_or(first, |seen| first.min(seen)))
            });
        }
    }

    fn finish(mut self, timezone: &WarehouseTimezone) -> Status {
        for (day, jobs) in std::mem::take(&mut self.coverage).days(timezone) {
            let status = self.day(day);
            status.is_covered = !jobs.is_empty();
            status.covered_by = jobs.into_iter().collect();
        }
        for status in self.days.values_mut() {
            let pending = Pending {
                sessions: status.not_final,
                gaps: status.open_gaps,
                final_gaps: status.final_gaps,
            };
            status.whole = Wholeness::of(status.is_covered, pending);
            status.is_complete = status.whole == Wholeness::Complete;
        }
        for (key, chunks) in self.scheduled {
            if let Some(job) = self.jobs.get_mut(&key) {
                job.watermark = watermark(chunks);
            }
        }
        let mut jobs: Vec<_> = self.jobs.into_values().collect();
        jobs.sort_by_key(|job| Reverse(job.last_finished_at));
        let mut open_gaps: Vec<_> = self.gaps.into_values().collect();
        open_gaps.sort_by_key(|gap| Reverse(gap.count));
        for gap in &mut open_gaps {
            let days = (gap.first_day, gap.last_day);
            gap.remedy = if gap.is_suspected {
                remedy_of_suspected(&gap.reason, days)
            } else {
                remedy(&gap.reason, days)
            };
        }
        Status {
            jobs,
            sources: self.sources.into_values().collect(),
            days: self.days.into_values().collect(),
            open_gaps,
            ..self.status
        }
    }

    fn day(&mut self, day: EventDate) -> &mut DayStatus {
        self.days.entry(day).or_insert_with(|| DayStatus {
            day,
            is_covered: false,
            covered_by: Vec::new(),
            whole: Wholeness::Incomplete,
            is_complete: false,
            sessions_by_state: BTreeMap::new(),
            not_final: 0,
            reports: 0,
            open_gaps: 0,
            final_gaps: 0,
        })
    }

    fn source(&mut self, name: &str) -> &mut SourceStatus {
        let new = || SourceStatus {
            source: name.to_owned(),
            covered_until: None,
            last_read_at: None,
            newest_session: None,
            newest_report: None,
        };
        self.sources.entry(name.to_owned()).or_insert_with(new)
    }
}

/// Every batch of a table, with the columns that are counted.
fn each(
    warehouse: &Warehouse,
    table: &'static TableSpec,
    mut see: impl FnMut(&RecordBatch, EventDate),
) -> Result<(), LedgerError> {
    const COLUMNS: [&str; 9] = [
        "source",
        "stage",
        "reason",
        "first_seen_at",
        "closed_at",
        "attendance_state",
        "is_final",
        "scheduled_start",
        "meeting_start_date_time",
    ];
    for day in warehouse
        .partitions(table)
        .map_err(LedgerError::warehouse)?
    {
        let mut tries = 0;
        let batches = loop {
            tries += 1;
            let batches = warehouse
                .read_columns(table, day, &COLUMNS)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>);
            match batches {
                Err(WarehouseError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
                batches => break batches.map_err(LedgerError::warehouse)?,
            }
        };
        for batch in &batches {
            see(batch, day);
        }
    }
    Ok(())
}

fn text<'a>(batch: &'a RecordBatch, column: &str) -> Option<&'a StringArray> {
    batch.column_by_name(column)?.as_string_opt::<i32>()
}

fn time(batch: &RecordBatch, column: &str, row: usize) -> Option<UtcMicros> {
    let times = batch
        .column_by_name(column)?
        .as_primitive_opt::<TimestampMicrosecondType>()?;
    times.is_valid(row).then(|| UtcMicros(times.value(row)))
}

#[expect(clippy::ref_option, reason = "serde passes a reference")]
fn as_rfc3339<S: Serializer>(at: &Option<UtcMicros>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn as_text<S: Serializer>(day: &EventDate, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}
