//! What an organizer's calendar shows around a report that lies far from every occurrence that is known.
//!
//! Copies of an entry share a link, series are moved after they were held, and a link is opened days before its meeting: whose such a
//! report is, only the calendar between tells. It is asked once for an organizer and run, where it is needed at all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::calendar::{self, Asked};
use crate::flatten::{JoinLink, Occurrence, Organizer};
use crate::graph::{GraphClient, GraphError};
use crate::job::interval::DataInterval;
use crate::job::plan::UserPath;
use crate::time::WarehouseTimezone;

/// Entries that are kept of all calendars together: some 16 MiB.
const KEPT_ENTRIES: usize = 20_000;

/// Calendars that are asked on demand, each once a run.
#[derive(Debug)]
pub struct Calendars {
    graph: GraphClient,
    user_path: UserPath,
    timezone: WarehouseTimezone,
    /// By organizer in small letters; meetings of one wait for each other's answer.
    read: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Read>>>>,
}

/// What was read of a calendar.
#[derive(Debug, Default)]
struct Read {
    window: Option<DataInterval>,
    entries: Vec<Occurrence>,
    failed: Option<Arc<GraphError>>,
}

impl Calendars {
    /// None is read yet.
    pub fn new(graph: GraphClient, user_path: UserPath, timezone: WarehouseTimezone) -> Self {
        Self {
            graph,
            user_path,
            timezone,
            read: Mutex::default(),
        }
    }

    /// The entries of the link that touch the window.
    ///
    /// # Errors
    /// [`GraphError`] where the calendar cannot be read, once for the run.
    pub async fn entries(
        &self,
        organizer: &Organizer,
        link: &str,
        window: DataInterval,
    ) -> Result<Vec<Occurrence>, Arc<GraphError>> {
        let cell = self.cell(organizer);
        let mut read = cell.lock().await;
        if let Some(error) = &read.failed {
            return Err(Arc::clone(error));
        }
        let covers =
            |had: &DataInterval| had.start() <= window.start() && window.end() <= had.end();
        if !read.window.as_ref().is_some_and(covers) {
            let window = read.window.map_or(window, |had| hull(had, window));
            let asked = Asked {
                graph: &self.graph,
                timezone: &self.timezone,
                user_path: self.user_path,
                window,
            };
            match calendar::read_between(asked, organizer).await {
                Ok(entries) => {
                    *read = Read {
                        window: Some(window),
                        entries,
                        failed: None,
                    };
                }
                Err(error) => {
                    let error = Arc::new(error);
                    read.failed = Some(Arc::clone(&error));
                    return Err(error);
                }
            }
        }
        let key = JoinLink::key(link);
        let of_link = read.entries.iter().filter(|entry| {
            let link = entry.join_web_url.as_deref();
            entry.unsupported.is_none() && link.is_some_and(|link| JoinLink::key(link) == key)
        });
        Ok(of_link.cloned().collect())
    }

    fn cell(&self, organizer: &Organizer) -> Arc<tokio::sync::Mutex<Read>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        // one that is being asked counts nothing yet
        let kept = read.values().filter_map(|cell| cell.try_lock().ok());
        if kept.map(|read| read.entries.len()).sum::<usize>() > KEPT_ENTRIES {
            read.clear();
        }
        let key = organizer.id.as_str().to_ascii_lowercase();
        Arc::clone(read.entry(key).or_default())
    }
}

/// From the earlier start to the later end.
pub(crate) fn hull(a: DataInterval, b: DataInterval) -> DataInterval {
    DataInterval::new(a.start().min(b.start()), a.end().max(b.end())).unwrap_or(a)
}
