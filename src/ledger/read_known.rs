//! What is read of the warehouse to know it: whole days, and of older ones what is not settled.

use std::collections::{BTreeMap, HashSet};

use arrow::record_batch::RecordBatch;

use super::LedgerError;
use super::known::{Known, MeetingKey, digest, occurrence};
use crate::ids::{EventId, ReportId, SessionId};
use crate::tables::{
    ATTENDANCE_INTERVALS, ATTENDANCE_RECORDS, ATTENDANCE_REPORTS, AttendanceReportRow, GAPS,
    GapRow, SESSIONS, SessionRow, TableError, TableSpec,
};
use crate::time::EventDate;
use crate::warehouse::{GenerationId, Warehouse};

/// The days that something is decided by.
#[derive(Debug, Default)]
pub struct DaysToKnow {
    /// Read whole.
    pub whole: Vec<EventDate>,
    /// Of these sessions matter that are not final, and what hangs on them; they are many, so that memory holds only those.
    pub older: Vec<EventDate>,
}

impl DaysToKnow {
    /// These, whole.
    pub fn whole(days: impl IntoIterator<Item = EventDate>) -> Self {
        Self {
            whole: days.into_iter().collect(),
            older: Vec::new(),
        }
    }
}

/// The days on which each table has a partition.
struct Partitions {
    sessions: Vec<EventDate>,
    reports: Vec<EventDate>,
    records: Vec<EventDate>,
    intervals: Vec<EventDate>,
}

impl Partitions {
    fn list(warehouse: &Warehouse) -> Result<Self, LedgerError> {
        let of = |table| {
            let days = warehouse.partitions(table);
            days.map_err(LedgerError::warehouse)
        };
        Ok(Self {
            sessions: of(&SESSIONS)?,
            reports: of(&ATTENDANCE_REPORTS)?,
            records: of(&ATTENDANCE_RECORDS)?,
            intervals: of(&ATTENDANCE_INTERVALS)?,
        })
    }

    /// Whether the day's reports lack their rows: every day that a run covers has a file in each table.
    fn is_torn(&self, day: EventDate) -> bool {
        let has = |days: &[EventDate]| days.binary_search(&day).is_ok();
        has(&self.reports) && !(has(&self.records) && has(&self.intervals))
    }
}

impl Known {
    /// Reads the days from the warehouse; days without partitions hold nothing.
    ///
    /// Where the rows of a report may be half old and half new, every day is read whole: such reports are rare and may be anybody's.
    ///
    /// # Errors
    /// [`LedgerError`] where a partition cannot be read; terminal.
    pub fn load(warehouse: &Warehouse, days: DaysToKnow) -> Result<Self, LedgerError> {
        let DaysToKnow {
            mut whole,
            mut older,
        } = days;
        let partitions = Partitions::list(warehouse)?;
        let mut known = Self::empty(warehouse.fetch_again().map_err(LedgerError::warehouse)?);
        let is_covered = |day: &&EventDate| partitions.sessions.binary_search(day).is_ok();
        known.covered = { whole.iter().chain(&older) }
            .filter(is_covered)
            .copied()
            .collect();
        let is_torn = |day: &EventDate| partitions.is_torn(*day);
        if !known.fetch_again.is_empty() || whole.iter().chain(&older).any(is_torn) {
            whole.append(&mut older);
        }
        older.sort_unstable();

        for day in &older {
            known.keep_sessions(warehouse, *day, |row| !row.is_final)?;
        }
        let open = OpenMeetings::of(&known);
        for day in &whole {
            known.keep_sessions(warehouse, *day, |_| true)?;
            known.keep_reports(warehouse, *day, partitions.is_torn(*day), |_, _| true)?;
        }
        let named = known.named_elsewhere();
        for day in &older {
            let named = named.get(day);
            if !open.is_empty() || named.is_some() {
                known.keep_sessions(warehouse, *day, |row| {
                    let is_named = |named: &HashSet<SessionId>| {
                        named.contains(&SessionId::new(row.session_id.as_ref()))
                    };
                    row.is_final && (open.has(row) || named.is_some_and(is_named))
                })?;
            }
        }
        for day in &older {
            known.keep_reports(warehouse, *day, false, |known, row| {
                let session = row.session_id.as_deref().map(SessionId::new);
                let is_of_older_day =
                    { row.session_event_date }.is_some_and(|day| older.binary_search(&day).is_ok());
                session.is_none_or(|id| known.sessions.contains_key(&id)) || !is_of_older_day
            })?;
        }
        for day in whole.iter().chain(&older) {
            let generation = each_row(warehouse, &GAPS, *day, GapRow::read_all, |gap| {
                if gap.closed_at.is_none() {
                    known.add_open_gap(*day, gap);
                }
            })?;
            known.generations.insert((GAPS.name, *day), generation);
        }
        known.ask_torn_again();
        Ok(known)
    }

    fn keep_sessions(
        &mut self,
        warehouse: &Warehouse,
        day: EventDate,
        is_kept: impl Fn(&SessionRow<'static>) -> bool,
    ) -> Result<(), LedgerError> {
        let generation = each_row(warehouse, &SESSIONS, day, SessionRow::read_all, |row| {
            if is_kept(&row) {
                self.add_session(day, row);
            } else {
                self.remember_series(&row);
            }
        })?;
        // what is read twice is as old as the first reading
        let first = self.generations.entry((SESSIONS.name, day));
        first.or_insert(generation);
        Ok(())
    }

    fn keep_reports(
        &mut self,
        warehouse: &Warehouse,
        day: EventDate,
        is_torn: bool,
        is_kept: impl Fn(&Self, &AttendanceReportRow<'static>) -> bool,
    ) -> Result<(), LedgerError> {
        let (table, read_all) = (&ATTENDANCE_REPORTS, AttendanceReportRow::read_all);
        let generation = each_row(warehouse, table, day, read_all, |row| {
            if is_kept(self, &row) {
                self.add_report(day, row, is_torn);
            } else {
                let id = ReportId::new(row.report_id.as_ref());
                self.settled_reports.insert(digest(&id));
            }
        })?;
        self.generations.insert((table.name, day), generation);
        Ok(())
    }

    /// The online meeting's id of a series, which its next session needs.
    fn remember_series(&mut self, row: &SessionRow<'static>) {
        if let (Some(_), Some(id)) = (&row.series_id, &row.event_id) {
            let key = occurrence(row).and_then(|occurrence| MeetingKey::of(&occurrence));
            if let Some(key) = key.filter(|key| matches!(key, MeetingKey::JoinUrl(..))) {
                self.series.insert(key.digest(), EventId::new(id.as_ref()));
            }
        }
    }

    /// Sessions that reports name and that were not read, by their days.
    fn named_elsewhere(&self) -> BTreeMap<EventDate, HashSet<SessionId>> {
        let mut named: BTreeMap<EventDate, HashSet<SessionId>> = BTreeMap::new();
        let sessions = self.reports.values();
        for (id, day) in sessions.filter_map(|report| report.session.as_ref()) {
            if !self.sessions.contains_key(id) {
                named.entry(*day).or_default().insert(id.clone());
            }
        }
        named
    }
}

/// The meetings of sessions that are not final: their other sessions may be those of a report that comes.
struct OpenMeetings {
    keys: HashSet<MeetingKey>,
    event_ids: HashSet<EventId>,
}

impl OpenMeetings {
    fn of(known: &Known) -> Self {
        Self {
            keys: known.by_meeting.keys().cloned().collect(),
            event_ids: known.by_online_meeting.keys().cloned().collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.event_ids.is_empty()
    }

    fn has(&self, row: &SessionRow<'static>) -> bool {
        let event_id = row.event_id.as_deref().map(EventId::new);
        let key = occurrence(row).and_then(|occurrence| MeetingKey::of(&occurrence));
        event_id.is_some_and(|id| self.event_ids.contains(&id))
            || key.is_some_and(|key| self.keys.contains(&key))
    }
}

/// The gaps that are open on some days.
///
/// # Errors
/// [`LedgerError`] where a partition cannot be read; terminal.
pub fn read_open_gaps(
    warehouse: &Warehouse,
    days: &[EventDate],
) -> Result<Vec<(EventDate, GapRow<'static>)>, LedgerError> {
    let mut open = Vec::new();
    for day in days {
        each_row(warehouse, &GAPS, *day, GapRow::read_all, |gap| {
            if gap.closed_at.is_none() {
                open.push((*day, gap));
            }
        })?;
    }
    Ok(open)
}

/// The rows of one partition.
pub(super) fn rows<T>(
    warehouse: &Warehouse,
    table: &'static TableSpec,
    day: EventDate,
    read_all: impl Fn(&RecordBatch) -> Result<Vec<T>, TableError>,
) -> Result<Vec<T>, LedgerError> {
    let mut rows = Vec::new();
    each_row(warehouse, table, day, read_all, |row| rows.push(row))?;
    Ok(rows)
}

/// Hands on the rows of one partition; the generation that they are of.
fn each_row<T>(
    warehouse: &Warehouse,
    table: &'static TableSpec,
    day: EventDate,
    read_all: impl Fn(&RecordBatch) -> Result<Vec<T>, TableError>,
    mut hand_on: impl FnMut(T),
) -> Result<Option<GenerationId>, LedgerError> {
    let (generation, batches) = warehouse.read(table, day).map_err(LedgerError::warehouse)?;
    for batch in batches {
        let rows = read_all(&batch.map_err(LedgerError::warehouse)?)
            .map_err(|source| LedgerError::Rows { day, source })?;
        rows.into_iter().for_each(&mut hand_on);
    }
    Ok(generation)
}
