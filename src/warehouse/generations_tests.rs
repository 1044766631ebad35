//! Any sequence of generations comes to what a plain map would hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use proptest::prelude::*;

use super::tests::{DAY, Interval, Place, stage_intervals};
use crate::tables::{ATTENDANCE_INTERVALS, DAILY_TABLES};

/// What one generation does to one report: rows that it has from now on, or none.
type Generation = Vec<(u8, Option<Vec<(u8, u8, u8)>>)>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn generations_come_to_what_a_map_says(
        generations in proptest::collection::vec(
            proptest::collection::vec(
                (0u8..5, proptest::option::of(proptest::collection::vec((0u8..4, 0u8..3, 0u8..3), 1..12))),
                0..6,
            ),
            1..5,
        ),
        budget in prop_oneof![Just(0), Just(3_000), Just(usize::MAX)],
    ) {
        let generations: Vec<Generation> = generations;
        let mut place = Place::new();
        place.warehouse.memory_budget = budget;
        let mut published: BTreeMap<(String, i32, i32), i32> = BTreeMap::new();
        for (number, generation) in generations.iter().enumerate() {
            let mut replaced = BTreeSet::new();
            let mut staged = BTreeMap::new();
            let before = published.clone();
            let outcome = place.publish(&number.to_string(), |staging| {
                for (report, rows) in generation {
                    let report = format!("r{report}");
                    staging.replace(&ATTENDANCE_INTERVALS, DAY, &report);
                    for (record, interval, seconds) in rows.iter().flatten() {
                        let (record, interval) = (i32::from(*record), i32::from(*interval));
                        let seconds = i32::from(*seconds);
                        stage_intervals(staging, &[(&report, record, interval, seconds)]);
                        staged.insert((report.clone(), record, interval), seconds);
                    }
                    replaced.insert(report);
                }
            });
            published.retain(|(report, _, _), _| !replaced.contains(report));
            published.extend(staged);
            let expected: Vec<Interval> = published
                .iter()
                .map(|((report, record, interval), seconds)| (report.clone(), *record, *interval, *seconds))
                .collect();
            prop_assert_eq!(place.intervals(), expected);
            let changed = u64::from(number == 0 || before != published);
            let others = if number == 0 { 4 } else { 0 };
            prop_assert_eq!(outcome.published, changed + others);
        }
        prop_assert_eq!(place.files().len(), DAILY_TABLES.len());
        prop_assert_eq!(fs::read_dir(place.root().join("_teamsheet/staging")).unwrap().count(), 1);
    }
}
