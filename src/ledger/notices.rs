//! One message per cause and run, not one per meeting.

use std::collections::BTreeMap;

use super::summary::Notice;
use crate::attendance::GapReason;
use crate::graph::{Cause, GraphError};
use crate::job::Source;

/// What to tell the user about gaps, counted by source, reason and cause.
#[derive(Debug, Default)]
pub struct Notices(BTreeMap<(Source, GapReason, Cause), (u64, Option<String>)>);

impl Notices {
    /// Counts a gap; the remedy comes from the first failed request of its kind.
    pub fn add(&mut self, reason: GapReason, source: Source, error: Option<&GraphError>) {
        let cause = error.map_or(Cause::Other, GraphError::cause);
        let (count, hint) = self.0.entry((source, reason, cause)).or_default();
        *count += 1;
        if hint.is_none() {
            *hint = match error {
                Some(error) => error.hint(),
                None => reason.hint().map(str::to_owned),
            };
        }
    }

    /// Adds what another chunk noted.
    pub fn merge(&mut self, other: Self) {
        for (key, (count, hint)) in other.0 {
            let (total, remedy) = self.0.entry(key).or_default();
            *total += count;
            if remedy.is_none() {
                *remedy = hint;
            }
        }
    }

    /// The messages, one a cause.
    pub fn into_vec(self) -> Vec<Notice> {
        let message = |((source, reason, cause), (count, hint)): (
            (Source, GapReason, Cause),
            (u64, Option<String>),
        )| {
            let gaps = if count == 1 { "gap" } else { "gaps" };
            let why = if cause == Cause::Other {
                reason.as_str().to_owned()
            } else {
                format!("{} ({})", reason.as_str(), cause.as_str())
            };
            Notice {
                message: format!("{count} {gaps} in `{}`: {why}", source.as_str()),
                hint,
            }
        };
        self.0.into_iter().map(message).collect()
    }
}
