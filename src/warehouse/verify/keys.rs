//! Keys across all partitions of a table, in passes of a bounded number of keys.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{Array as _, AsArray as _, StringArray};
use arrow::datatypes::{Date32Type, Int32Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;

use super::ledger::Ledger;
use super::{Check, FindingKind};
use crate::tables::{ATTENDANCE_REPORTS, GAPS, RUNS, SESSIONS, TableSpec};
use crate::time::EventDate;
use crate::warehouse::error::WarehouseError;

/// Keys that are held at once.
const KEYS_IN_MEMORY: u64 = 250_000;

/// A key as it is held: what is left of its hash, where a collision of two among billions does not happen.
type KeyHash = u128;

/// What is known of a session.
struct Session {
    date: EventDate,
    says: i32,
    published: i32,
    is_final: bool,
    has_open_gap: bool,
}

/// Looks for keys that are there twice, and for sessions with another number of reports than they say.
pub(super) fn check(check: &mut Check<'_>, ledger: &Ledger) -> Result<(), WarehouseError> {
    for (table, column) in [
        (&ATTENDANCE_REPORTS, "report_id"),
        (&GAPS, "gap_id"),
        (&RUNS, "run_id"),
    ] {
        let passes = passes(check.rows_of(table));
        for pass in 0..passes {
            let mut seen = HashSet::new();
            let mut twice = Vec::new();
            each(check, table, &[column], |batch, date| {
                for (_, key, hash) in keys(batch, column, pass, passes) {
                    if !seen.insert(hash) {
                        twice.push((date, key.to_owned()));
                    }
                }
            })?;
            for (date, key) in twice {
                check
                    .findings
                    .add(FindingKind::DuplicateKey, Some(table), Some(date), &key);
            }
        }
    }
    let passes = passes(check.rows_of(&SESSIONS));
    for pass in 0..passes {
        check_sessions(check, ledger, pass, passes)?;
    }
    Ok(())
}

fn check_sessions(
    check: &mut Check<'_>,
    ledger: &Ledger,
    pass: u64,
    passes: u64,
) -> Result<(), WarehouseError> {
    let mut sessions: HashMap<KeyHash, Session> = HashMap::new();
    let mut twice = Vec::new();
    let columns = ["session_id", "report_count", "is_final"];
    each(check, &SESSIONS, &columns, |batch, date| {
        let (Some(says), Some(is_final)) = (
            batch
                .column_by_name("report_count")
                .and_then(|column| column.as_primitive_opt::<Int32Type>()),
            batch
                .column_by_name("is_final")
                .and_then(|column| column.as_boolean_opt()),
        ) else {
            return;
        };
        for (row, key, hash) in keys(batch, "session_id", pass, passes) {
            let session = Session {
                date,
                says: says.value(row),
                published: 0,
                is_final: is_final.value(row),
                has_open_gap: false,
            };
            if sessions.insert(hash, session).is_some() {
                twice.push((date, key.to_owned()));
            }
        }
    })?;
    let mut astray = Astray::default();
    let columns = ["report_id", "session_id", "session_event_date", "_run_id"];
    // a session whose file cannot be read is not missing
    let knows_all = !check.findings.has_set_aside(&[&SESSIONS]);
    each(check, &ATTENDANCE_REPORTS, &columns, |batch, date| {
        for (row, _, hash) in keys(batch, "session_id", pass, passes) {
            let names = NamedSession::read(batch, row);
            match (sessions.get_mut(&hash), names) {
                (Some(session), names) => {
                    session.published += 1;
                    if let Some(names) = names.filter(|names| names.day != session.date) {
                        let example = format!(
                            "report {} names {}, its session is on {}",
                            names.report_id, names.day, session.date
                        );
                        astray.note(FindingKind::SessionDay, date, example);
                    }
                }
                (None, Some(names))
                    if knows_all && ledger.promises_session(names.run_id, date, names.day) =>
                {
                    let example = format!("report {} names {}", names.report_id, names.day);
                    astray.note(FindingKind::ReportWithoutSession, date, example);
                }
                (None, _) => {}
            }
        }
    })?;
    for ((kind, date), (count, example)) in astray.0 {
        let found = (count, example.as_str());
        check
            .findings
            .add_many(kind, Some(&ATTENDANCE_REPORTS), Some(date), found);
    }
    each(check, &GAPS, &["session_id", "closed_at"], |batch, _| {
        let closed = batch
            .column_by_name("closed_at")
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        for (row, _, hash) in keys(batch, "session_id", pass, passes) {
            let is_open = closed.is_some_and(|closed| closed.is_null(row));
            if let Some(session) = sessions.get_mut(&hash).filter(|_| is_open) {
                session.has_open_gap = true;
            }
        }
    })?;
    for (date, key) in twice {
        check
            .findings
            .add(FindingKind::DuplicateKey, Some(&SESSIONS), Some(date), &key);
    }
    // reports of a day whose file cannot be read are not missing from their session
    let is_whole = !check.findings.has_set_aside(&[&ATTENDANCE_REPORTS, &GAPS]);
    let mut wrong: Vec<_> = sessions
        .values()
        .filter(|session| {
            let lacks = session.published < session.says
                && session.is_final
                && !session.has_open_gap
                && is_whole;
            session.published > session.says || lacks
        })
        .map(|session| (session.date, session.says, session.published))
        .collect();
    wrong.sort_unstable();
    for (date, says, published) in wrong {
        let example = format!("one says {says} and has {published}");
        check.findings.add(
            FindingKind::ReportCount,
            Some(&SESSIONS),
            Some(date),
            &example,
        );
    }
    Ok(())
}

/// What a report says of its session.
struct NamedSession<'a> {
    report_id: &'a str,
    run_id: &'a str,
    day: EventDate,
}

impl<'a> NamedSession<'a> {
    /// `None` where it names no day.
    fn read(batch: &'a RecordBatch, row: usize) -> Option<Self> {
        let text = |column: &str| {
            let column = batch.column_by_name(column)?.as_string_opt::<i32>()?;
            column.is_valid(row).then(|| column.value(row))
        };
        let days = batch.column_by_name("session_event_date")?;
        let days = days.as_primitive_opt::<Date32Type>()?;
        Some(Self {
            report_id: text("report_id")?,
            run_id: text("_run_id")?,
            day: days.is_valid(row).then(|| EventDate(days.value(row)))?,
        })
    }
}

/// Reports without the session that they name, by kind and day, each with the first: as much as there are days.
#[derive(Default)]
struct Astray(BTreeMap<(FindingKind, EventDate), (u64, String)>);

impl Astray {
    fn note(&mut self, kind: FindingKind, date: EventDate, example: String) {
        let (count, _) = self.0.entry((kind, date)).or_insert((0, example));
        *count += 1;
    }
}

/// How often a table is read so that its keys fit.
fn passes(rows: u64) -> u64 {
    rows.div_ceil(KEYS_IN_MEMORY).max(1)
}

/// Every batch of a table's sound files, with a few of its columns.
fn each(
    check: &Check<'_>,
    table: &'static TableSpec,
    columns: &[&str],
    mut see: impl FnMut(&RecordBatch, EventDate),
) -> Result<(), WarehouseError> {
    for date in check.dates(table) {
        if let Some(reader) = check.open(table, date)? {
            for batch in reader.rows_of(columns)? {
                see(&batch?, date);
            }
        }
    }
    Ok(())
}

/// The keys of this pass, with their rows.
fn keys<'a>(
    batch: &'a RecordBatch,
    column: &str,
    pass: u64,
    passes: u64,
) -> impl Iterator<Item = (usize, &'a str, KeyHash)> {
    let column: Option<&StringArray> = batch
        .column_by_name(column)
        .and_then(|column| column.as_string_opt::<i32>());
    let keys = column.into_iter().flatten().enumerate();
    keys.filter_map(move |(row, key)| {
        let key = key?;
        let hash = hash(key);
        (hash % KeyHash::from(passes) == KeyHash::from(pass)).then_some((row, key, hash))
    })
}

fn hash(key: &str) -> KeyHash {
    let bytes = *blake3::hash(key.as_bytes()).as_bytes();
    let half = bytes.first_chunk::<16>().copied().unwrap_or_default();
    KeyHash::from_le_bytes(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_often_as_its_keys_need() {
        assert_eq!([0, 1, 250_000, 250_001].map(passes), [1, 1, 1, 2]);
        let in_some_pass = (0..3).filter(|pass| hash("a") % 3 == *pass).count();
        assert_eq!(in_some_pass, 1);
    }
}
