//! Whether everything of a day is there: which runs cover it, and what is still open.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::job::interval::DataInterval;
use crate::time::{EventDate, WarehouseTimezone};

/// Whether everything of a day is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wholeness {
    /// One scope covers it from midnight to midnight, every session is final, and no gap is open.
    Complete,
    /// The same but for gaps that nothing can fill any more: expired, deleted, or beyond what Graph lists.
    CompleteExceptExpired,
    /// Something may still come or change.
    Incomplete,
}

/// What of a day may still come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pending {
    /// Sessions that are not final.
    pub(super) sessions: u64,
    /// Open gaps.
    pub(super) gaps: u64,
    /// Those of them that nothing can fill any more.
    pub(super) final_gaps: u64,
}

impl Wholeness {
    pub(super) fn of(is_covered: bool, pending: Pending) -> Self {
        let is_settled = pending.sessions == 0 && pending.gaps <= pending.final_gaps;
        match (is_covered && is_settled, pending.gaps) {
            (false, _) => Self::Incomplete,
            (true, 0) => Self::Complete,
            (true, _) => Self::CompleteExceptExpired,
        }
    }
}

/// The intervals that finished chunks read, by scope: what two scopes read of a day are halves of different things.
#[derive(Debug, Default)]
pub(super) struct Coverage(BTreeMap<String, (BTreeSet<String>, Vec<DataInterval>)>);

impl Coverage {
    /// A chunk of that scope and job read the interval.
    pub(super) fn add(&mut self, scope: &str, job: &str, interval: Option<DataInterval>) {
        let (jobs, intervals) = self.0.entry(scope.to_owned()).or_default();
        jobs.insert(job.to_owned());
        intervals.extend(interval);
    }

    /// Every day of which something was read, with the jobs of the scopes that read it from midnight to midnight.
    pub(super) fn days(
        self,
        timezone: &WarehouseTimezone,
    ) -> BTreeMap<EventDate, BTreeSet<String>> {
        let mut days: BTreeMap<EventDate, BTreeSet<String>> = BTreeMap::new();
        for (jobs, intervals) in self.0.into_values() {
            for interval in union(intervals) {
                for day in interval.days(timezone) {
                    let (start, end) =
                        (timezone.midnight(day), timezone.midnight(day.plus_days(1)));
                    let covered_by = days.entry(day).or_default();
                    if interval.start() <= start && end <= interval.end() {
                        covered_by.extend(jobs.iter().cloned());
                    }
                }
            }
        }
        days
    }
}

/// What the intervals cover together, oldest first, without overlap or seam.
fn union(mut intervals: Vec<DataInterval>) -> Vec<DataInterval> {
    intervals.sort_unstable_by_key(|interval| (interval.start(), interval.end()));
    let mut union: Vec<DataInterval> = Vec::new();
    for next in intervals {
        let joined = union
            .last()
            .filter(|last| next.start() <= last.end())
            .and_then(|last| DataInterval::new(last.start(), last.end().max(next.end())));
        if let Some(joined) = joined {
            union.pop();
            union.push(joined);
        } else {
            union.push(next);
        }
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::interval::parse_bound;

    /// Who covers the day of the summer time change in Berlin, which has 23 hours.
    fn covered_by(chunks: &[(&str, &str, &str, &str)]) -> Option<String> {
        let timezone = WarehouseTimezone::named("Europe/Berlin").unwrap();
        let mut coverage = Coverage::default();
        for (scope, job, start, end) in chunks {
            let at = |time: &str| parse_bound(time, &timezone).unwrap();
            coverage.add(scope, job, DataInterval::new(at(start), at(end)));
        }
        let days = coverage.days(&timezone);
        let jobs = days.get(&"2026-03-29".parse().unwrap())?;
        Some(jobs.iter().cloned().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_day_is_covered_where_runs_of_one_scope_read_all_of_its_hours() {
        let noon = "2026-03-29T10:00:00Z";
        let (day, next) = ("2026-03-29", "2026-03-30");
        for (what, chunks, wanted) in [
            ("nothing read", vec![], None),
            ("another day", vec![("s", "a", "2026-03-28", day)], None),
            ("the day", vec![("s", "a", day, next)], Some("a")),
            ("until noon", vec![("s", "a", day, noon)], Some("")),
            ("from noon", vec![("s", "a", noon, next)], Some("")),
            (
                "until noon, then on",
                vec![("s", "a", noon, "2026-04-01"), ("s", "a", day, noon)],
                Some("a"),
            ),
            (
                "with a hole",
                vec![
                    ("s", "a", day, noon),
                    ("s", "a", "2026-03-29T10:00:01Z", next),
                ],
                Some(""),
            ),
            (
                "a second short",
                vec![("s", "a", day, "2026-03-29T21:59:59Z")],
                Some(""),
            ),
            (
                "22 hours later",
                vec![("s", "a", day, "2026-03-29T22:00:00Z")],
                Some("a"),
            ),
            (
                "two scopes, half each",
                vec![("s", "a", day, noon), ("t", "b", noon, next)],
                Some(""),
            ),
            (
                "two scopes, one whole",
                vec![("s", "a", day, next), ("t", "b", noon, next)],
                Some("a"),
            ),
            (
                "two jobs of one scope",
                vec![("s", "a", day, noon), ("s", "b", noon, next)],
                Some("a b"),
            ),
        ] {
            assert_eq!(covered_by(&chunks).as_deref(), wanted, "{what}");
        }
    }

    #[test]
    fn whole_has_three_answers() {
        use Wholeness::{Complete, CompleteExceptExpired, Incomplete};
        for (is_covered, sessions, gaps, final_gaps, wanted) in [
            (true, 0, 0, 0, Complete),
            (false, 0, 0, 0, Incomplete),
            (true, 1, 0, 0, Incomplete),
            (true, 0, 1, 0, Incomplete),
            (true, 0, 2, 1, Incomplete),
            (true, 0, 2, 2, CompleteExceptExpired),
            (false, 0, 2, 2, Incomplete),
            (true, 1, 2, 2, Incomplete),
        ] {
            let pending = Pending {
                sessions,
                gaps,
                final_gaps,
            };
            assert_eq!(
                Wholeness::of(is_covered, pending),
                wanted,
                "{is_covered} {pending:?}"
            );
        }
    }
}
