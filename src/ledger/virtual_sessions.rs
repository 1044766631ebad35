//! On which days sessions of virtual events are published: their ids do not name their time, so one that was moved may lie on any day.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use arrow::array::AsArray as _;

use super::LedgerError;
use super::known::{Known, KnownSession};
use crate::ids::{GapId, SessionId};
use crate::job::Source;
use crate::tables::{GapRow, SESSIONS};
use crate::time::EventDate;
use crate::warehouse::Warehouse;

/// Days around a session on which it may have been before; Graph keeps the reports of a year.
const REACH: i32 = 366;

/// The days of the sessions of virtual events; read once a run, and only where one is met that may have been moved.
#[derive(Debug, Default)]
pub struct VirtualSessionDays(Mutex<Option<HashMap<SessionId, Vec<EventDate>>>>);

/// A session as it is published on another day than its own.
#[derive(Debug)]
pub struct BeforeMoved {
    /// Its row.
    pub session: KnownSession,
    /// What is missing of it there.
    pub open_gaps: Vec<OpenGap>,
}

/// An open gap with its day.
pub type OpenGap = (GapId, (EventDate, GapRow<'static>));

impl VirtualSessionDays {
    /// What is published of a session on other days than its own; nothing once `is_stopped`.
    ///
    /// # Errors
    /// [`LedgerError`] where a partition cannot be read; terminal.
    pub fn elsewhere(
        &self,
        warehouse: &Warehouse,
        (id, own): (&SessionId, EventDate),
        is_stopped: impl Fn() -> bool,
    ) -> Result<Vec<BeforeMoved>, LedgerError> {
        let mut days = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let days = match &mut *days {
            Some(days) => days,
            none => {
                let mut days: HashMap<SessionId, Vec<EventDate>> = HashMap::new();
                for day in warehouse
                    .partitions(&SESSIONS)
                    .map_err(LedgerError::warehouse)?
                {
                    if is_stopped() {
                        return Ok(Vec::new());
                    }
                    // far enough for the other sessions of a year's backfill
                    if day.0.abs_diff(own.0) <= 2 * REACH.unsigned_abs() {
                        for id in virtual_sessions(warehouse, day)? {
                            days.entry(id).or_default().push(day);
                        }
                    }
                }
                none.insert(days)
            }
        };
        let mut elsewhere = Vec::new();
        for day in days.get(id).into_iter().flatten() {
            if *day != own && day.0.abs_diff(own.0) <= REACH.unsigned_abs() {
                let known = Known::load(warehouse, [*day])?;
                let Some(session) = known.session(id).cloned() else {
                    continue;
                };
                let open_gaps = known.open_gaps_of(id);
                let open_gaps = open_gaps.map(|(gap, row)| (gap.clone(), (*day, row.clone())));
                elsewhere.push(BeforeMoved {
                    session,
                    open_gaps: open_gaps.collect(),
                });
            }
        }
        // where it lies once what is staged is published
        days.insert(id.clone(), vec![own]);
        Ok(elsewhere)
    }
}

/// The sessions of virtual events of one day.
fn virtual_sessions(warehouse: &Warehouse, day: EventDate) -> Result<Vec<SessionId>, LedgerError> {
    let batches = warehouse
        .read_columns(&SESSIONS, day, &["session_id", "source"])
        .map_err(LedgerError::warehouse)?;
    let mut found = Vec::new();
    for batch in batches {
        let batch = batch.map_err(LedgerError::warehouse)?;
        let [Some(ids), Some(sources)] = ["session_id", "source"]
            .map(|column| batch.column_by_name(column)?.as_string_opt::<i32>())
        else {
            continue;
        };
        let rows = ids.iter().flatten().zip(sources.iter().flatten());
        found.extend(
            rows.filter(|(_, source)| *source != Source::OnlineMeeting.as_str())
                .map(|(id, _)| SessionId::new(id)),
        );
    }
    Ok(found)
}
