//! `[metrics] file`: the numbers of the last run for Prometheus, in the form that `node_exporter`'s textfile collector reads.
//!
//! Written whole beside the file and renamed over it, also for a run that failed. A run never depends on it: what cannot be written is
//! a warning. All series are gauges with the labels `job_name` and `verb` (Prometheus keeps `job` for itself). How the last run went is
//! of the last run, whatever became of it; what it published is of the last run that published a chunk, so that an open gap does not
//! vanish from an alert on the night on which nobody could look after it.
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>, <https://prometheus.io/docs/practices/naming/>,
//! <https://github.com/prometheus/node_exporter#textfile-collector>.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::job::plan::RunPlan;
use crate::ledger::{RunSummary, Tally};
use crate::time::UtcMicros;

/// The collector runs as another user, and there is nothing personal in it.
const MODE: u32 = 0o644;
/// No file of ours is larger; what is there may be anything.
const LARGEST_FILE: u64 = 1024 * 1024;
/// How long a file system may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The series that [`published`] writes.
const PUBLISHED: [&str; 11] = [
    COVERED,
    "teamsheet_run_reports",
    "teamsheet_run_records",
    "teamsheet_run_intervals",
    "teamsheet_run_gaps_opened",
    "teamsheet_run_gaps_closed",
    "teamsheet_run_unknown_properties",
    "teamsheet_run_partitions_published",
    "teamsheet_run_partitions_unchanged",
    "teamsheet_run_sessions",
    "teamsheet_run_open_gaps",
];
const COVERED: &str = "teamsheet_run_interval_end_timestamp_seconds";
const SUCCEEDED: &str = "teamsheet_run_success_timestamp_seconds";

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the metrics file `{}` cannot be written; the run itself is not affected", path.display())]
pub struct MetricsError {
    path: PathBuf,
    source: io::Error,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended<'a> {
    /// What was asked.
    pub plan: &'a RunPlan,
    /// What it did, or had done by the time it failed; `None` where it failed before its first chunk was published.
    pub summary: Option<&'a RunSummary>,
    /// How far it came.
    pub tally: &'a Tally,
    /// What the process ends with.
    pub exit_code: u8,
    /// When it ended.
    pub at: UtcMicros,
    /// The most memory that the process held, in bytes.
    pub peak_memory_bytes: u64,
}

/// Writes the file of the job, where it has one.
///
/// # Errors
/// [`MetricsError`]; what was there before stays.
pub async fn write(ended: &Ended<'_>) -> Result<(), MetricsError> {
    let Some(path) = ended.plan.metrics.clone() else {
        return Ok(());
    };
    let there = path.clone();
    let before = patiently(move || read(&there)).await.unwrap_or_default();
    let text = text(ended, &before);
    let target = path.clone();
    patiently(move || replace(&target, &text))
        .await
        .map_err(|source| MetricsError { path, source })
}

/// File work that may be given up: a share that does not answer must not keep a run that is done.
async fn patiently<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match timeout(PATIENCE, spawn_blocking(work)).await {
        Ok(done) => done.map_err(io::Error::other)?,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// The whole file; `before` is the one that it replaces, whose last success still counts where this run failed.
fn text(ended: &Ended<'_>, before: &str) -> String {
    let mut metrics = Metrics {
        text: String::new(),
        labels: format!(
            "job_name=\"{}\",verb=\"{}\"",
            escaped(&ended.plan.job_name),
            ended.plan.verb.as_str()
        ),
    };
    let at = |time: UtcMicros| UtcMicros(0).seconds_until(time);
    metrics.one(
        "teamsheet_run_start_timestamp_seconds",
        "When the last run started.",
        at(ended.plan.started_at),
    );
    metrics.one(
        "teamsheet_run_end_timestamp_seconds",
        "When the last run ended.",
        at(ended.at),
    );
    // 0 and 3 are the two that published everything they could
    let success = if matches!(ended.exit_code, 0 | 3) {
        Some(at(ended.at))
    } else {
        earlier(SUCCEEDED, before, &metrics.labels)
    };
    if let Some(success) = success {
        metrics.one(
            SUCCEEDED,
            "When the last run that published ended (exit code 0 or 3).",
            success,
        );
    }
    metrics.one(
        "teamsheet_run_exit_code",
        "Exit code of the last run: 0 published, 3 published with open gaps, 75 try again.",
        f64::from(ended.exit_code),
    );
    metrics.one(
        "teamsheet_run_duration_seconds",
        "Wall-clock time of the last run.",
        ended.plan.started_at.seconds_until(ended.at),
    );
    requests(&mut metrics, ended.tally);
    metrics.one(
        "teamsheet_run_peak_memory_bytes",
        "The most memory that the last run held.",
        number(ended.peak_memory_bytes),
    );
    metrics.one(
        "teamsheet_run_chunks_finished",
        "Chunks that the last run published; 0 where it failed before, and the series below are of an earlier run.",
        number(ended.tally.chunks_done.get()),
    );
    let of_earlier = match ended.summary {
        Some(summary) if summary.chunks_finished > 0 => String::new(),
        _ => earlier_published(before, &metrics.labels),
    };
    match ended.summary {
        Some(summary) if of_earlier.is_empty() => published(&mut metrics, summary, before),
        _ => metrics.text += &of_earlier,
    }
    metrics.text
}

fn requests(metrics: &mut Metrics, tally: &Tally) {
    let meter = tally.requests();
    let by_kind = meter.by_kind.iter().map(|(kind, count)| (*kind, *count));
    metrics.by(
        "teamsheet_run_requests",
        "Requests of the last run, every try counted.",
        "kind",
        by_kind,
    );
    metrics.one(
        "teamsheet_run_throttled_responses",
        "Answers of the last run that said: not so fast (429, 503 with Retry-After).",
        number(meter.throttled_responses),
    );
    metrics.one(
        "teamsheet_run_throttled_seconds",
        "Time that requests of the last run were held because of them.",
        meter.throttled.as_secs_f64(),
    );
    metrics.one(
        "teamsheet_run_received_bytes",
        "Bytes of answers of the last run.",
        number(meter.bytes_received),
    );
}

fn published(metrics: &mut Metrics, summary: &RunSummary, before: &str) {
    let covered = summary.covered_until.map_or_else(
        // what only read old days again leaves the data as fresh as it was
        || earlier(COVERED, before, &metrics.labels),
        |end| Some(UtcMicros(0).seconds_until(end)),
    );
    if let Some(covered) = covered {
        metrics.one(
            COVERED,
            "End of the last days that were covered: the data is this fresh.",
            covered,
        );
    }
    for (name, help, count) in [
        (
            "teamsheet_run_reports",
            "Reports that were fetched.",
            summary.reports,
        ),
        (
            "teamsheet_run_records",
            "Records that were fetched.",
            summary.records,
        ),
        (
            "teamsheet_run_intervals",
            "Attendance intervals that were fetched.",
            summary.intervals,
        ),
        (
            "teamsheet_run_gaps_opened",
            "Gaps that were found first.",
            summary.gaps_opened,
        ),
        (
            "teamsheet_run_gaps_closed",
            "Gaps that were filled.",
            summary.gaps_closed,
        ),
        (
            "teamsheet_run_unknown_properties",
            "Properties of Graph's that the contract does not know.",
            summary.unknown_properties,
        ),
        (
            "teamsheet_run_partitions_published",
            "Partitions that got a new generation.",
            summary.partitions_published,
        ),
        (
            "teamsheet_run_partitions_unchanged",
            "Partitions whose content was there already.",
            summary.partitions_unchanged,
        ),
    ] {
        metrics.one(name, help, number(count));
    }
    metrics.by(
        "teamsheet_run_sessions",
        "Sessions of the data interval by attendance state.",
        "state",
        counts(&summary.sessions_by_state),
    );
    metrics.by(
        "teamsheet_run_open_gaps",
        "Open gaps of the data interval by reason.",
        "reason",
        counts(&summary.gaps_by_reason),
    );
}

fn counts(counts: &BTreeMap<String, u64>) -> impl Iterator<Item = (&str, u64)> {
    counts.iter().map(|(name, count)| (name.as_str(), *count))
}

/// The text in the making.
struct Metrics {
    text: String,
    labels: String,
}

impl Metrics {
    fn head(&mut self, name: &str, help: &str) {
        self.text += &["# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n"].concat();
    }

    fn one(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, help);
        // writing to a String cannot fail
        writeln!(self.text, "{name}{{{}}} {value}", self.labels).ok();
    }

    /// Nothing where there is nothing to count: a name without a series is no metric.
    fn by<'n>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counts: impl Iterator<Item = (&'n str, u64)>,
    ) {
        let mut is_first = true;
        for (value, count) in counts {
            if std::mem::take(&mut is_first) {
                self.head(name, help);
            }
            let value = escaped(value);
            writeln!(
                self.text,
                "{name}{{{},{label}=\"{value}\"}} {count}",
                self.labels
            )
            .ok();
        }
    }
}

/// As the exposition format has label values.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus has no other numbers"
)]
fn number(count: u64) -> f64 {
    count as f64
}

/// What [`published`] wrote into a file of ours, of the same job and verb.
fn earlier_published(before: &str, labels: &str) -> String {
    let mut kept = String::new();
    let mut head: Vec<&str> = Vec::new();
    for line in before.lines() {
        if line.starts_with('#') {
            if line.starts_with("# HELP ") {
                head.clear();
            }
            head.push(line);
            continue;
        }
        let is_kept = PUBLISHED.iter().any(|name| {
            let of_job = line
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('{')?.strip_prefix(labels));
            of_job.is_some_and(|rest| rest.starts_with(['}', ',']))
        });
        let value = line
            .rsplit_once(' ')
            .and_then(|(_, value)| value.parse().ok());
        if is_kept && value.is_some_and(f64::is_finite) {
            for line in head.drain(..).chain([line]) {
                kept += line;
                kept.push('\n');
            }
        }
    }
    kept
}

/// The value of a series in a file of ours, of the same job and verb.
fn earlier(name: &str, before: &str, labels: &str) -> Option<f64> {
    let start = format!("{name}{{{labels}}} ");
    let value = before.lines().find_map(|line| line.strip_prefix(&start))?;
    value.parse().ok().filter(|value: &f64| value.is_finite())
}

fn read(path: &Path) -> io::Result<String> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > LARGEST_FILE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    fs::read_to_string(path)
}

/// A temporary file beside it, then one rename: the collector never sees half a file. It reads names in `.prom` only.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.tmp", rand::random::<u64>()));
    let temporary = path.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // it may not be there at all
        fs::remove_file(&temporary).ok();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::plan_of;
    use crate::cli::summary::tests::busy;
    use crate::job::plan::Verb;
    use crate::job::resolve::Overrides;

    fn plan(metrics: &Path) -> RunPlan {
        let job = format!(
            "name = 'say \"hi\"'\ntenant.id = 'contoso.com'\nsources.webinars = {{}}\n\
             auth = {{ client_id = 'app', client_secret = {{ env = 'SECRET' }} }}\nmetrics.file = '{}'\n",
            metrics.display()
        );
        let overrides = Overrides {
            verb: Verb::Run,
            start: None,
            end: None,
            reprocess: None,
            wait_lock: None,
        };
        let secret = |_: &str| Some("secret".to_owned());
        let mut plan = plan_of(&job, Path::new("x.toml"), &overrides, &secret).unwrap();
        plan.started_at = UtcMicros(1_790_000_000_000_000);
        plan
    }

    fn ended<'a>(
        plan: &'a RunPlan,
        tally: &'a Tally,
        summary: Option<&'a RunSummary>,
        exit_code: u8,
    ) -> Ended<'a> {
        Ended {
            plan,
            summary,
            tally,
            exit_code,
            at: UtcMicros(1_790_000_012_500_000),
            peak_memory_bytes: 88_000_000,
        }
    }

    #[test]
    fn every_series_has_its_unit_in_its_name_and_its_labels_escaped() {
        let (plan, tally, summary) = (plan(Path::new("x.prom")), Tally::default(), busy());
        insta::assert_snapshot!(text(&ended(&plan, &tally, Some(&summary), 3), ""), @r#"
        # HELP teamsheet_run_start_timestamp_seconds When the last run started.
        # TYPE teamsheet_run_start_timestamp_seconds gauge
        teamsheet_run_start_timestamp_seconds{job_name="say \"hi\"",verb="run"} 1790000000
        # HELP teamsheet_run_end_timestamp_seconds When the last run ended.
        # TYPE teamsheet_run_end_timestamp_seconds gauge
        teamsheet_run_end_timestamp_seconds{job_name="say \"hi\"",verb="run"} 1790000012.5
        # HELP teamsheet_run_success_timestamp_seconds When the last run that published ended (exit code 0 or 3).
        # TYPE teamsheet_run_success_timestamp_seconds gauge
        teamsheet_run_success_timestamp_seconds{job_name="say \"hi\"",verb="run"} 1790000012.5
        # HELP teamsheet_run_exit_code Exit code of the last run: 0 published, 3 published with open gaps, 75 try again.
        # TYPE teamsheet_run_exit_code gauge
        teamsheet_run_exit_code{job_name="say \"hi\"",verb="run"} 3
        # HELP teamsheet_run_duration_seconds Wall-clock time of the last run.
        # TYPE teamsheet_run_duration_seconds gauge
        teamsheet_run_duration_seconds{job_name="say \"hi\"",verb="run"} 12.5
        # HELP teamsheet_run_throttled_responses Answers of the last run that said: not so fast (429, 503 with Retry-After).
        # TYPE teamsheet_run_throttled_responses gauge
        teamsheet_run_throttled_responses{job_name="say \"hi\"",verb="run"} 0
        # HELP teamsheet_run_throttled_seconds Time that requests of the last run were held because of them.
        # TYPE teamsheet_run_throttled_seconds gauge
        teamsheet_run_throttled_seconds{job_name="say \"hi\"",verb="run"} 0
        # HELP teamsheet_run_received_bytes Bytes of answers of the last run.
        # TYPE teamsheet_run_received_bytes gauge
        teamsheet_run_received_bytes{job_name="say \"hi\"",verb="run"} 0
        # HELP teamsheet_run_peak_memory_bytes The most memory that the last run held.
        # TYPE teamsheet_run_peak_memory_bytes gauge
        teamsheet_run_peak_memory_bytes{job_name="say \"hi\"",verb="run"} 88000000
        # HELP teamsheet_run_chunks_finished Chunks that the last run published; 0 where it failed before, and the series below are of an earlier run.
        # TYPE teamsheet_run_chunks_finished gauge
        teamsheet_run_chunks_finished{job_name="say \"hi\"",verb="run"} 0
        # HELP teamsheet_run_interval_end_timestamp_seconds End of the last days that were covered: the data is this fresh.
        # TYPE teamsheet_run_interval_end_timestamp_seconds gauge
        teamsheet_run_interval_end_timestamp_seconds{job_name="say \"hi\"",verb="run"} 1728604800
        # HELP teamsheet_run_reports Reports that were fetched.
        # TYPE teamsheet_run_reports gauge
        teamsheet_run_reports{job_name="say \"hi\"",verb="run"} 12450
        # HELP teamsheet_run_records Records that were fetched.
        # TYPE teamsheet_run_records gauge
        teamsheet_run_records{job_name="say \"hi\"",verb="run"} 1234567
        # HELP teamsheet_run_intervals Attendance intervals that were fetched.
        # TYPE teamsheet_run_intervals gauge
        teamsheet_run_intervals{job_name="say \"hi\"",verb="run"} 2345678
        # HELP teamsheet_run_gaps_opened Gaps that were found first.
        # TYPE teamsheet_run_gaps_opened gauge
        teamsheet_run_gaps_opened{job_name="say \"hi\"",verb="run"} 2
        # HELP teamsheet_run_gaps_closed Gaps that were filled.
        # TYPE teamsheet_run_gaps_closed gauge
        teamsheet_run_gaps_closed{job_name="say \"hi\"",verb="run"} 5
        # HELP teamsheet_run_unknown_properties Properties of Graph's that the contract does not know.
        # TYPE teamsheet_run_unknown_properties gauge
        teamsheet_run_unknown_properties{job_name="say \"hi\"",verb="run"} 4
        # HELP teamsheet_run_partitions_published Partitions that got a new generation.
        # TYPE teamsheet_run_partitions_published gauge
        teamsheet_run_partitions_published{job_name="say \"hi\"",verb="run"} 40
        # HELP teamsheet_run_partitions_unchanged Partitions whose content was there already.
        # TYPE teamsheet_run_partitions_unchanged gauge
        teamsheet_run_partitions_unchanged{job_name="say \"hi\"",verb="run"} 2
        # HELP teamsheet_run_sessions Sessions of the data interval by attendance state.
        # TYPE teamsheet_run_sessions gauge
        teamsheet_run_sessions{job_name="say \"hi\"",verb="run",state="empty"} 210
        teamsheet_run_sessions{job_name="say \"hi\"",verb="run",state="failed"} 0
        teamsheet_run_sessions{job_name="say \"hi\"",verb="run",state="forbidden"} 3
        teamsheet_run_sessions{job_name="say \"hi\"",verb="run",state="gone"} 1
        teamsheet_run_sessions{job_name="say \"hi\"",verb="run",state="not_ready"} 40
        teamsheet_run_sessions{job_name="say \"hi\"",verb="run",state="reported"} 12300
        teamsheet_run_sessions{job_name="say \"hi\"",verb="run",state="unsupported"} 17
        # HELP teamsheet_run_open_gaps Open gaps of the data interval by reason.
        # TYPE teamsheet_run_open_gaps gauge
        teamsheet_run_open_gaps{job_name="say \"hi\"",verb="run",reason="forbidden"} 3
        teamsheet_run_open_gaps{job_name="say \"hi\"",verb="run",reason="server_error"} 1
        "#);
    }

    #[tokio::test]
    async fn a_failed_run_keeps_the_last_success_of_its_own_job() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("teamsheet.prom");
        let (plan, tally, summary) = (plan(&path), Tally::default(), busy());
        write(&ended(&plan, &tally, None, 75)).await.unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains(SUCCEEDED));
        write(&ended(&plan, &tally, Some(&summary), 0))
            .await
            .unwrap();
        let mut later = ended(&plan, &tally, None, 4);
        later.at = later.at.plus(crate::time::DAY);
        write(&later).await.unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let line = |name: &str| {
            let found = text.lines().find(|line| line.starts_with(name)).unwrap();
            found.rsplit(' ').next().unwrap().to_owned()
        };
        assert_eq!(line(SUCCEEDED), "1790000012.5");
        assert_eq!(line("teamsheet_run_end_timestamp_seconds"), "1790086412.5");
        assert_eq!(line("teamsheet_run_exit_code"), "4");
        assert_eq!(line("teamsheet_run_reports"), "12450");
        assert_eq!(text.matches("\nteamsheet_run_sessions{").count(), 7);
        assert_eq!(text.matches("# TYPE teamsheet_run_sessions ").count(), 1);
        assert_eq!(
            earlier_published(&text, &text_labels("other")),
            "",
            "of another job"
        );
        assert_eq!(earlier(SUCCEEDED, &text, &text_labels("other")), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    fn text_labels(job: &str) -> String {
        format!("job_name=\"{job}\",verb=\"run\"")
    }

    #[test]
    fn what_is_carried_over_is_exactly_what_a_publish_wrote() {
        let labels = text_labels("a");
        let mut metrics = Metrics {
            text: String::new(),
            labels: labels.clone(),
        };
        published(&mut metrics, &busy(), "");
        assert_eq!(earlier_published(&metrics.text, &labels), metrics.text);
        let others = "# HELP x y\nx{job_name=\"a\",verb=\"run\"} 1\nteamsheet_run_reports{job_name=\"a\",verb=\"run\"} NaN\n\u{0}";
        assert_eq!(earlier_published(others, &labels), "");
    }

    #[tokio::test]
    async fn fault_95_what_cannot_be_written_leaves_what_was_there_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let (tally, path) = (Tally::default(), folder.path().join("a.prom"));
        fs::create_dir(&path).unwrap();
        let plan = plan(&path);
        let error = write(&ended(&plan, &tally, None, 1)).await.unwrap_err();
        assert!(error.to_string().contains("a.prom"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        for other in ["/dev/null/a.prom", "/nowhere/a.prom"] {
            let plan = self::plan(Path::new(other));
            assert!(
                write(&ended(&plan, &tally, None, 1)).await.is_err(),
                "{other}"
            );
        }
    }
}
