//! The summary of a run: as text for people, as JSON for programs, and the last line of standard output for schedulers.

use std::collections::BTreeMap;
use std::io::{self, Write};

use indicatif::{HumanBytes, HumanCount};
use serde_json::json;

use super::Failure;
use super::render::escape;
use crate::job::plan::{PublishBy, RunPlan};
use crate::ledger::Tally;
use crate::ledger::summary::RunSummary;

/// Lines end here where their words allow it.
const WIDTH: usize = 80;
/// `  partitions` and the number behind it.
const LABEL_WIDTH: usize = 12;
const NUMBER_WIDTH: usize = 13;
/// Of a job: `backfill of job` and quotes stand around it.
const NAME_WIDTH: usize = 60;

/// Writes the summary as aligned text.
///
/// # Errors
/// Those of the writer.
pub fn text(out: &mut impl Write, summary: &RunSummary) -> io::Result<()> {
    let (start, end) = (summary.counted_from, summary.interval_end);
    let title = format!(
        "{} of job `{}`,",
        escape(&summary.verb),
        shortened(&summary.job_name)
    );
    let interval = format!("{start} to {end}");
    let fits = title.chars().count() + 1 + interval.len() <= WIDTH;
    let separator = if fits { ' ' } else { '\n' };
    writeln!(out, "{title}{separator}{interval}")?;
    if summary.chunks_done_before > 0 {
        let (chunks, were, are) = match summary.chunks_done_before {
            1 => ("chunk", "was", "is"),
            _ => ("chunks", "were", "are"),
        };
        writeln!(
            out,
            "the rest of {} to {end}:\n{} {chunks} before it {were} published already, and {are} not counted again",
            summary.interval_start,
            HumanCount(summary.chunks_done_before)
        )?;
    }
    writeln!(out, "into {}", escape(&summary.warehouse))?;
    if summary.publish == PublishBy::TwoRenames.as_str() {
        writeln!(
            out,
            "by two renames: a partition is away for a moment while it is replaced"
        )?;
    }
    writeln!(out)?;
    row(
        out,
        "sessions",
        summary.sessions(),
        &listed(&summary.sessions_by_state),
    )?;
    row(out, "reports", summary.reports, &[])?;
    row(out, "records", summary.records, &[])?;
    row(out, "intervals", summary.intervals, &[])?;
    let mut gaps = listed(&summary.gaps_by_reason);
    if summary.gaps_opened + summary.gaps_closed > 0 {
        gaps.push(format!("{} new", HumanCount(summary.gaps_opened)));
        gaps.push(format!("{} closed", HumanCount(summary.gaps_closed)));
    }
    row(out, "open gaps", summary.open_gaps(), &gaps)?;
    if !summary.skipped.is_empty() {
        row(
            out,
            "skipped",
            summary.skipped.values().sum(),
            &listed(&summary.skipped),
        )?;
    }
    let ids = summary.meeting_ids.values().sum();
    if summary.meeting_ids.keys().any(|how| how != "looked_up") {
        row(out, "meeting ids", ids, &listed(&summary.meeting_ids))?;
    }
    row(
        out,
        "requests",
        summary.requests,
        &listed(&summary.requests_by_kind),
    )?;
    if summary.throttled_responses > 0 {
        let held = format!("held for {}", duration(summary.throttled_seconds));
        row(out, "throttled", summary.throttled_responses, &[held])?;
    }
    if summary.unknown_properties > 0 {
        let kept = "properties not in the contract, kept in _extra".to_owned();
        row(out, "unknown", summary.unknown_properties, &[kept])?;
    }
    let unchanged = format!("{} unchanged", HumanCount(summary.partitions_unchanged));
    row(
        out,
        "partitions",
        summary.partitions_published,
        &["published".to_owned(), unchanged],
    )?;
    let received = HumanBytes(summary.bytes_received).to_string();
    cells(out, "received", &received, &[])?;
    let memory = format!("peak memory {}", HumanBytes(summary.peak_memory_bytes));
    cells(out, "took", &duration(summary.seconds), &[memory])?;
    if summary.partitions_published == 0 && summary.partitions_unchanged > 0 {
        writeln!(
            out,
            "\nNothing new: every partition already held this content"
        )?;
    }
    Ok(())
}

/// A name that fits a line with what stands before it; programs read all of it.
fn shortened(name: &str) -> String {
    let name = escape(name);
    if name.chars().count() <= NAME_WIDTH {
        return name.into_owned();
    }
    let begin: String = name.chars().take(NAME_WIDTH - 1).collect();
    begin + "…"
}

/// Writes the whole summary as one line of JSON.
///
/// # Errors
/// Those of the writer.
pub fn json(out: &mut impl Write, summary: &RunSummary) -> io::Result<()> {
    serde_json::to_writer(&mut *out, summary)?;
    writeln!(out)
}

/// Writes the last line of standard output: one short line of JSON, which Airflow hands on as `XCom`.
///
/// # Errors
/// Those of the writer.
pub fn final_line(out: &mut impl Write, summary: &RunSummary) -> io::Result<()> {
    let line = json!({
        "verb": summary.verb,
        "job": summary.job_name,
        "invocation_id": summary.invocation_id,
        "run_ids": summary.run_ids,
        "interval_start": summary.interval_start.to_string(),
        "interval_end": summary.interval_end.to_string(),
        "counted_from": summary.counted_from.to_string(),
        "chunks_done_before": summary.chunks_done_before,
        "sessions": summary.sessions(),
        "sessions_by_state": summary.sessions_by_state,
        "reports": summary.reports,
        "records": summary.records,
        "intervals": summary.intervals,
        "open_gaps": summary.open_gaps(),
        "gaps_by_reason": summary.gaps_by_reason,
        "partitions_published": summary.partitions_published,
        "partitions_unchanged": summary.partitions_unchanged,
        "exit_code": summary.exit_code,
        "warehouse": summary.warehouse,
        "publish": summary.publish,
    });
    writeln!(out, "{line}")
}

/// Writes the last line of standard output for a run that failed: how it ended, and how far it came by then.
///
/// What its finished chunks published is in their rows of `runs`.
///
/// # Errors
/// Those of the writer.
pub fn failed_line(
    out: &mut impl Write,
    plan: &RunPlan,
    tally: &Tally,
    failure: &Failure,
) -> io::Result<()> {
    let line = json!({
        "verb": plan.verb.as_str(),
        "job": plan.job_name,
        "invocation_id": plan.invocation_id.as_str(),
        "chunks_finished": tally.chunks_done.get(),
        "requests": tally.requests().requests,
        "error": failure.error.to_string(),
        "exit_code": failure.status.code(),
    });
    writeln!(out, "{line}")
}

pub(super) fn listed<K: AsRef<str>>(counts: &BTreeMap<K, u64>) -> Vec<String> {
    let mut counts: Vec<_> = counts.iter().filter(|(_, count)| **count > 0).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    counts
        .into_iter()
        .map(|(name, count)| format!("{} {}", escape(name.as_ref()), HumanCount(*count)))
        .collect()
}

pub(super) fn row(
    out: &mut impl Write,
    label: &str,
    number: u64,
    details: &[String],
) -> io::Result<()> {
    cells(out, label, &HumanCount(number).to_string(), details)
}

/// One row; details that do not fit go on under themselves.
pub(super) fn cells(
    out: &mut impl Write,
    label: &str,
    value: &str,
    details: &[String],
) -> io::Result<()> {
    let mut line = format!("  {label:<LABEL_WIDTH$}{value:>NUMBER_WIDTH$}");
    let indent = line.chars().count() + 2;
    let mut is_first = true;
    for detail in details {
        let separator = if is_first { "  " } else { ", " };
        if !is_first && line.chars().count() + separator.len() + detail.chars().count() >= WIDTH {
            writeln!(out, "{line},")?;
            line = format!("{:indent$}{detail}", "");
        } else {
            line.push_str(separator);
            line.push_str(detail);
        }
        is_first = false;
    }
    writeln!(out, "{line}")
}

pub(super) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 60, and a float saturates"
    )]
    let whole = seconds as u64;
    let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
    if hours == 0 {
        format!("{minutes} min {seconds} s")
    } else {
        format!("{hours} h {minutes} min")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::time::{DAY, UtcMicros};

    fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    }

    pub(in crate::cli) fn busy() -> RunSummary {
        RunSummary {
            verb: "backfill".into(),
            job_name: "nightly".into(),
            invocation_id: "20260210T120000Z-0001020304050607".into(),
            run_ids: vec!["a".into(), "b".into()],
            warehouse: "./warehouse".into(),
            publish: "exchange".into(),
            interval_start: UtcMicros(20_000 * DAY),
            interval_end: UtcMicros(20_007 * DAY),
            counted_from: UtcMicros(20_000 * DAY),
            chunks_done_before: 0,
            covered_until: Some(UtcMicros(20_007 * DAY)),
            chunks_finished: 2,
            sessions_by_state: counts(&[
                ("reported", 12_300),
                ("empty", 210),
                ("not_ready", 40),
                ("forbidden", 3),
                ("gone", 1),
                ("failed", 0),
                ("unsupported", 17),
            ]),
            reports: 12_450,
            records: 1_234_567,
            intervals: 2_345_678,
            gaps_by_reason: counts(&[("forbidden", 3), ("server_error", 1)]),
            gaps_opened: 2,
            gaps_closed: 5,
            skipped: counts(&[("no_mailbox", 12)]),
            meeting_ids: counts(&[("looked_up", 5)]),
            requests: 40_000,
            requests_by_kind: counts(&[
                ("calendar_view", 10_000),
                ("attendance_records", 12_450),
                ("attendance_reports", 12_500),
            ]),
            throttled_responses: 12,
            throttled_seconds: 34.56,
            bytes_received: 123_456_789,
            unknown_properties: 4,
            partitions_published: 40,
            partitions_unchanged: 2,
            seconds: 3_723.4,
            peak_memory_bytes: 88_000_000,
            notices: Vec::new(),
            exit_code: 3,
        }
    }

    fn rendered(
        write: fn(&mut Vec<u8>, &RunSummary) -> io::Result<()>,
        summary: &RunSummary,
    ) -> String {
        let mut out = Vec::new();
        write(&mut out, summary).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_text_is_aligned_and_at_most_80_columns_wide() {
        let text = rendered(text, &busy());
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        insta::assert_snapshot!(text, @"
        backfill of job `nightly`, 2024-10-04T00:00:00Z to 2024-10-11T00:00:00Z
        into ./warehouse

          sessions           12,571  reported 12,300, empty 210, not_ready 40,
                                     unsupported 17, forbidden 3, gone 1
          reports            12,450
          records         1,234,567
          intervals       2,345,678
          open gaps               4  forbidden 3, server_error 1, 2 new, 5 closed
          skipped                12  no_mailbox 12
          requests           40,000  attendance_reports 12,500,
                                     attendance_records 12,450, calendar_view 10,000
          throttled              12  held for 34.6 s
          unknown                 4  properties not in the contract, kept in _extra
          partitions             40  published, 2 unchanged
          received       117.74 MiB
          took            1 h 2 min  peak memory 83.92 MiB
        ");
    }

    #[test]
    fn a_long_name_of_a_job_does_not_break_its_line() {
        for length in [20, 40, 60, 61, 500] {
            let summary = RunSummary {
                job_name: "ä".repeat(length),
                ..busy()
            };
            let text = rendered(text, &summary);
            assert!(
                text.lines().all(|line| line.chars().count() <= WIDTH),
                "{text}"
            );
            assert_eq!(text.contains("ä…`"), length > NAME_WIDTH);
            assert!(text.contains("2024-10-04T00:00:00Z to 2024-10-11T00:00:00Z\ninto"));
            assert_eq!(rendered(json, &summary).matches('ä').count(), length);
        }
    }

    #[test]
    fn a_quiet_night_is_short_and_says_that_nothing_is_new() {
        let quiet = RunSummary {
            sessions_by_state: BTreeMap::new(),
            reports: 0,
            records: 0,
            intervals: 0,
            gaps_by_reason: BTreeMap::new(),
            gaps_opened: 0,
            gaps_closed: 0,
            skipped: BTreeMap::new(),
            requests: 1,
            requests_by_kind: BTreeMap::new(),
            throttled_responses: 0,
            unknown_properties: 0,
            partitions_published: 0,
            partitions_unchanged: 5,
            seconds: 0.25,
            exit_code: 0,
            ..busy()
        };
        insta::assert_snapshot!(rendered(text, &quiet), @"
        backfill of job `nightly`, 2024-10-04T00:00:00Z to 2024-10-11T00:00:00Z
        into ./warehouse

          sessions                0
          reports                 0
          records                 0
          intervals               0
          open gaps               0
          requests                1
          partitions              0  published, 5 unchanged
          received       117.74 MiB
          took                0.2 s  peak memory 83.92 MiB

        Nothing new: every partition already held this content
        ");
    }

    #[test]
    fn a_backfill_that_goes_on_is_titled_with_what_it_counts() {
        let rest = RunSummary {
            counted_from: UtcMicros(20_002 * DAY),
            chunks_done_before: 2,
            ..busy()
        };
        let text = rendered(text, &rest);
        insta::assert_snapshot!(text.lines().take(4).collect::<Vec<_>>().join("\n"), @"
        backfill of job `nightly`, 2024-10-06T00:00:00Z to 2024-10-11T00:00:00Z
        the rest of 2024-10-04T00:00:00Z to 2024-10-11T00:00:00Z:
        2 chunks before it were published already, and are not counted again
        into ./warehouse
        ");
        for form in [json, final_line] {
            let line: serde_json::Value = serde_json::from_str(&rendered(form, &rest)).unwrap();
            assert_eq!(line["interval_start"], "2024-10-04T00:00:00Z");
            assert_eq!(line["counted_from"], "2024-10-06T00:00:00Z");
            assert_eq!(line["chunks_done_before"], 2);
        }
    }

    #[test]
    fn two_renames_are_stated_in_every_summary() {
        let summary = RunSummary {
            publish: "two-renames".into(),
            ..busy()
        };
        assert!(rendered(text, &summary).contains("into ./warehouse\nby two renames: "));
        assert!(!rendered(text, &busy()).contains("renames"));
        for form in [json, final_line] {
            let line: serde_json::Value = serde_json::from_str(&rendered(form, &summary)).unwrap();
            assert_eq!(line["publish"], "two-renames");
        }
    }

    #[test]
    fn the_final_line_is_one_line_of_json() {
        let line = rendered(final_line, &busy());
        assert_eq!(line.matches('\n').count(), 1);
        insta::assert_snapshot!(line, @r#"{"chunks_done_before":0,"counted_from":"2024-10-04T00:00:00Z","exit_code":3,"gaps_by_reason":{"forbidden":3,"server_error":1},"interval_end":"2024-10-11T00:00:00Z","interval_start":"2024-10-04T00:00:00Z","intervals":2345678,"invocation_id":"20260210T120000Z-0001020304050607","job":"nightly","open_gaps":4,"partitions_published":40,"partitions_unchanged":2,"publish":"exchange","records":1234567,"reports":12450,"run_ids":["a","b"],"sessions":12571,"sessions_by_state":{"empty":210,"failed":0,"forbidden":3,"gone":1,"not_ready":40,"reported":12300,"unsupported":17},"verb":"backfill","warehouse":"./warehouse"}"#);
    }

    #[test]
    fn the_json_summary_is_one_line_with_times_as_rfc_3339() {
        let line = rendered(json, &busy());
        assert_eq!(line.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["interval_start"], "2024-10-04T00:00:00Z");
        assert_eq!(value["sessions_by_state"]["reported"], 12_300);
        assert_eq!(value["exit_code"], 3);
    }

    #[test]
    fn fault_86_a_job_name_cannot_move_the_cursor() {
        let summary = RunSummary {
            job_name: "a\u{1b}[2J".into(),
            ..busy()
        };
        assert!(!rendered(text, &summary).contains('\u{1b}'));
        assert!(!rendered(final_line, &summary).contains('\u{1b}'));
    }
}
