//! On which days sessions of virtual events are published: their ids do not name their time, so one that was moved may lie on any day.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use arrow::array::AsArray as _;

use super::LedgerError;
use super::known::{Known, KnownSession};
use crate::ids::SessionId;
use crate::job::Source;
use crate::tables::SESSIONS;
use crate::time::EventDate;
use crate::warehouse::Warehouse;

/// Days around a session on which it may have been before; Graph keeps the reports of a year.
const REACH: i32 = 366;

/// The days of the sessions of virtual events; read once a run, and only where one is met that may have been moved.
#[derive(Debug, Default)]
pub struct VirtualSessionDays(Mutex<HashMap<EventDate, Vec<SessionId>>>);

impl VirtualSessionDays {
    /// What is published of a session on other days than its own.
    ///
    /// # Errors
    /// [`LedgerError`] where a partition cannot be read; terminal.
    pub fn elsewhere(
        &self,
        warehouse: &Warehouse,
        id: &SessionId,
        own: EventDate,
    ) -> Result<Vec<KnownSession>, LedgerError> {
        let mut days = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut elsewhere = Vec::new();
        for day in warehouse
            .partitions(&SESSIONS)
            .map_err(LedgerError::warehouse)?
        {
            if day == own || day.0.abs_diff(own.0) > REACH.unsigned_abs() {
                continue;
            }
            let ids = match days.entry(day) {
                std::collections::hash_map::Entry::Occupied(read) => read.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => {
                    new.insert(virtual_sessions(warehouse, day)?)
                }
            };
            if ids.contains(id) {
                let known = Known::load(warehouse, [day])?;
                elsewhere.extend(known.session(id).cloned());
            }
        }
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
