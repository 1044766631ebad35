//! Which gaps are open, each counted once however many chunks of a run met it.
//!
//! A session near the edge of a chunk belongs to the days of two; both meet its gap. The last word counts: a gap that a later chunk
//! filled is open no longer, and one that it met for another reason has that one. Held is a hash of each id, nothing of its row.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::ids::GapId;

/// A gap among those of one run.
pub(super) type GapHash = u64;

/// Open gaps by reason.
#[derive(Debug, Default)]
pub struct OpenGaps {
    open: BTreeMap<Reason, HashSet<GapHash>>,
    closed: HashSet<GapHash>,
}

/// Why gaps are open, and whether they will never be filled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reason {
    name: Cow<'static, str>,
    is_final: bool,
}

/// What tells a gap from others of the run.
pub(super) fn gap_hash(id: &GapId) -> GapHash {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

impl OpenGaps {
    /// Notes an open gap, in place of what was noted of it before.
    pub fn note(&mut self, id: &GapId, reason: impl Into<Cow<'static, str>>, is_final: bool) {
        let gap = gap_hash(id);
        self.forget(gap);
        self.closed.remove(&gap);
        let name = reason.into();
        let reason = Reason { name, is_final };
        self.open.entry(reason).or_default().insert(gap);
    }

    /// Notes that a gap is filled.
    pub fn close(&mut self, id: &GapId) {
        let gap = gap_hash(id);
        self.forget(gap);
        self.closed.insert(gap);
    }

    /// Adds what a later chunk noted.
    pub fn merge(&mut self, later: Self) {
        for gap in later.open.values().flatten().chain(&later.closed) {
            self.forget(*gap);
            self.closed.remove(gap);
        }
        for (reason, gaps) in later.open {
            self.open.entry(reason).or_default().extend(gaps);
        }
        self.closed.extend(later.closed);
    }

    /// How many are open, by reason.
    pub fn by_reason(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for (reason, gaps) in &self.open {
            *counts.entry(reason.name.clone().into_owned()).or_default() += gaps.len() as u64;
        }
        counts
    }

    /// Whether one is open for which the condition holds, asked with its reason and whether it will never be filled.
    pub fn any(&self, mut counts: impl FnMut(&str, bool) -> bool) -> bool {
        let mut reasons = self.open.keys();
        reasons.any(|reason| counts(&reason.name, reason.is_final))
    }

    /// Those that were filled.
    pub(super) fn closed(&self) -> impl Iterator<Item = GapHash> + '_ {
        self.closed.iter().copied()
    }

    fn forget(&mut self, gap: GapHash) {
        self.open.retain(|_, gaps| {
            gaps.remove(&gap);
            !gaps.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(open: &[(&str, &'static str)], closed: &[&str]) -> OpenGaps {
        let mut gaps = OpenGaps::default();
        for (id, reason) in open {
            gaps.note(&GapId::new(*id), *reason, *reason == "gone");
        }
        for id in closed {
            gaps.close(&GapId::new(*id));
        }
        gaps
    }

    #[test]
    fn a_gap_counts_once_and_its_last_chunk_has_the_last_word() {
        for (what, chunks, wanted) in [
            ("nothing", vec![], vec![]),
            (
                "one gap in two chunks",
                vec![
                    chunk(&[("a", "forbidden")], &[]),
                    chunk(&[("a", "forbidden"), ("b", "gone")], &[]),
                ],
                vec![("forbidden", 1), ("gone", 1)],
            ),
            (
                "for another reason later",
                vec![
                    chunk(&[("a", "timeout")], &[]),
                    chunk(&[("a", "gone")], &[]),
                ],
                vec![("gone", 1)],
            ),
            (
                "filled later",
                vec![
                    chunk(&[("a", "timeout"), ("b", "timeout")], &[]),
                    chunk(&[], &["a"]),
                ],
                vec![("timeout", 1)],
            ),
            (
                "open again",
                vec![chunk(&[], &["a"]), chunk(&[("a", "timeout")], &[])],
                vec![("timeout", 1)],
            ),
            (
                "within one chunk",
                vec![chunk(&[("a", "timeout"), ("a", "gone")], &[])],
                vec![("gone", 1)],
            ),
        ] {
            let mut all = OpenGaps::default();
            for chunk in chunks {
                all.merge(chunk);
            }
            let wanted: BTreeMap<_, _> = wanted
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect();
            assert_eq!(all.by_reason(), wanted, "{what}");
        }
    }

    #[test]
    fn a_reason_counts_as_final_only_where_its_gaps_are() {
        let mut gaps = OpenGaps::default();
        gaps.note(&GapId::new("a"), "gone", true);
        assert!(!gaps.any(|_, is_final| !is_final));
        gaps.note(&GapId::new("b"), "gone", false);
        assert!(gaps.any(|reason, is_final| reason == "gone" && !is_final));
        assert_eq!(gaps.by_reason(), BTreeMap::from([("gone".to_owned(), 2)]));
    }
}
