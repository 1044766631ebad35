//! One message per cause and run, not one per meeting.

use std::collections::{BTreeMap, HashSet};

use super::open_gaps::{GapHash, OpenGaps, gap_hash};
use super::summary::Notice;
use crate::attendance::GapReason;
use crate::graph::{Cause, GraphError};
use crate::ids::GapId;
use crate::job::Source;

/// What to tell the user about gaps, by source, reason and cause; a gap counts once, for what it was met last.
#[derive(Debug, Default)]
pub struct Notices(BTreeMap<(Source, GapReason, Cause), Noticed>);

#[derive(Debug, Default)]
struct Noticed {
    gaps: HashSet<GapHash>,
    hint: Option<String>,
}

impl Notices {
    /// Counts a gap; the remedy comes from the first failed request of its kind.
    pub fn add(
        &mut self,
        id: &GapId,
        reason: GapReason,
        source: Source,
        error: Option<&GraphError>,
    ) {
        let gap = gap_hash(id);
        self.forget(gap);
        let cause = error.map_or(Cause::Other, GraphError::cause);
        let noticed = self.0.entry((source, reason, cause)).or_default();
        noticed.gaps.insert(gap);
        if noticed.hint.is_none() {
            noticed.hint = match error {
                Some(error) => error.hint(),
                None => reason.hint().map(str::to_owned),
            };
        }
    }

    /// Adds what a later chunk noted; gaps that it filled are none any longer.
    pub fn merge(&mut self, later: Self, gaps: &OpenGaps) {
        let met = later.0.values().flat_map(|noticed| &noticed.gaps).copied();
        for gap in met.chain(gaps.closed()) {
            self.forget(gap);
        }
        for (key, noticed) in later.0 {
            let all = self.0.entry(key).or_default();
            all.gaps.extend(noticed.gaps);
            if all.hint.is_none() {
                all.hint = noticed.hint;
            }
        }
    }

    /// The messages, one a cause.
    pub fn into_vec(self) -> Vec<Notice> {
        let message =
            |((source, reason, cause), noticed): ((Source, GapReason, Cause), Noticed)| {
                let count = noticed.gaps.len();
                let gaps = if count == 1 { "gap" } else { "gaps" };
                let why = if cause == Cause::Other {
                    reason.as_str().to_owned()
                } else {
                    format!("{} ({})", reason.as_str(), cause.as_str())
                };
                Notice {
                    message: format!("{count} {gaps} in `{}`: {why}", source.as_str()),
                    hint: noticed.hint,
                }
            };
        self.0.into_iter().map(message).collect()
    }

    fn forget(&mut self, gap: GapHash) {
        self.0.retain(|_, noticed| {
            noticed.gaps.remove(&gap);
            !noticed.gaps.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::FailureReason;

    #[test]
    fn a_gap_that_two_chunks_met_is_told_once_and_one_that_was_filled_is_not() {
        let chunk = |ids: &[&str], reason| {
            let mut notices = Notices::default();
            for id in ids {
                notices.add(&GapId::new(*id), reason, Source::OnlineMeeting, None);
            }
            notices
        };
        let (open, mut filled) = (OpenGaps::default(), OpenGaps::default());
        filled.close(&GapId::new("c"));
        let unreadable = GapReason::Unreadable;
        let mut all = chunk(&["a", "b", "c"], unreadable);
        all.merge(chunk(&["b"], unreadable), &open);
        all.merge(chunk(&["b"], GapReason::OverCap), &filled);
        let gone = GapReason::Request(FailureReason::Gone);
        all.merge(chunk(&["d", "d"], gone), &open);
        let messages: Vec<_> = all
            .into_vec()
            .into_iter()
            .map(|notice| notice.message)
            .collect();
        assert_eq!(
            messages,
            [
                "1 gap in `online_meeting`: gone",
                "1 gap in `online_meeting`: over_cap",
                "1 gap in `online_meeting`: unreadable"
            ]
        );
    }
}
