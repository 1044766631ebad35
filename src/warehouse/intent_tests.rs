//! A publisher dies between any two steps; the next one completes what it began, or has it fetched again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use super::tests::{DAY, Place, plan, stage_intervals, stage_report};
use super::*;
use crate::ids::ReportId;
use crate::job::plan::PublishBy;
use crate::tables::{ATTENDANCE_INTERVALS, ATTENDANCE_REPORTS, DAILY_TABLES};
use std::path::Path;

/// What the second generation of every test holds.
const NEW_INTERVALS: [(&str, i32, i32, i32); 2] = [("a", 0, 0, 2), ("b", 0, 0, 2)];

impl Place {
    /// A first generation of report `a`, and a second one of `a` and `b`, built but not visible.
    fn with_two_generations(publish: PublishBy) -> (Self, Generations) {
        let mut place = Self::new();
        let layout = place.warehouse.layout().clone();
        place.warehouse.place = super::Place::Disk(layout, Visibility(publish));
        place.publish("1", |staging| {
            stage_intervals(staging, &[("a", 0, 0, 1)]);
            stage_report(staging, "a", 1, "1");
        });
        let built = place.build("2", |staging| {
            stage_intervals(staging, &NEW_INTERVALS);
            for report in ["a", "b"] {
                stage_report(staging, report, 2, "2");
            }
        });
        (place, built)
    }

    fn build(&self, run: &str, stage: impl FnOnce(&mut Staging)) -> Generations {
        let mut staging = self.warehouse.staging(&RunId::new(run)).unwrap();
        stage(&mut staging);
        let lock = self.warehouse.try_lock().unwrap().unwrap();
        // a day of its own, so that some partitions are new
        let days = [DAY, DAY.plus_days(1)];
        self.warehouse.build(&lock, staging, &days).unwrap()
    }

    /// The publisher writes its intent, makes the first `shown` partitions visible, and dies.
    fn die_after(&self, mut built: Generations, shown: usize) {
        Intent::of(&self.warehouse.layout().root, &built)
            .write(self.warehouse.layout())
            .unwrap();
        built.staging.keep();
        for generation in built.partitions.values().take(shown) {
            self.visibility()
                .show(
                    self.warehouse.layout(),
                    &built.staging.folder,
                    generation.table,
                    generation.date,
                )
                .unwrap();
        }
    }

    fn visibility(&self) -> Visibility {
        self.warehouse.visibility()
    }

    fn staged(&self, table: &TableSpec) -> PathBuf {
        let folder = self.root().join("_teamsheet/staging/2/new");
        let day = format!("event_date={DAY}");
        folder.join(table.name).join(day).join("2.parquet")
    }

    /// The next run starts: opens the warehouse and completes what it finds.
    fn recover(&self) -> Recovery {
        let mut plan = plan(self.root());
        plan.publish = self.warehouse.visibility().0;
        let next = Warehouse::open(&plan).unwrap();
        let lock = next.try_lock().unwrap().unwrap();
        let recovery = next.recover(&lock).unwrap();
        assert_eq!(next.recover(&lock).unwrap(), Recovery::NothingToDo);
        drop(lock);
        Warehouse::open(&plan).unwrap();
        assert_eq!(self.private_files(), ["gate"], "leftovers");
        recovery
    }

    /// What lies in the staging folder, and whether an intent is left.
    fn private_files(&self) -> Vec<String> {
        let staging = fs::read_dir(self.root().join("_teamsheet/staging")).unwrap();
        let mut names: Vec<_> = staging
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        if self.warehouse.layout().intent().exists() {
            names.push("intent".to_owned());
        }
        names.sort();
        names
    }

    fn assert_new(&self, what: &str) {
        let expected = NEW_INTERVALS.map(|(report, a, b, c)| (report.to_owned(), a, b, c));
        assert_eq!(self.intervals(), expected, "{what}");
        let row = |report: &str| (report.to_owned(), Some(2), "2".to_owned());
        assert_eq!(self.reports(), [row("a"), row("b")], "{what}");
        assert_eq!(self.files().len(), 2 * DAILY_TABLES.len(), "{what}");
    }
}

#[test]
fn fault_02_a_publish_that_is_cut_short_is_completed_by_the_next_run() {
    for publish in [PublishBy::Exchange, PublishBy::TwoRenames] {
        let (_place, built) = Place::with_two_generations(publish);
        let partitions = built.partitions.len();
        assert_eq!(partitions, 2 + DAILY_TABLES.len());
        for shown in 0..=partitions {
            let (place, built) = Place::with_two_generations(publish);
            place.die_after(built, shown);
            assert_eq!(place.recover(), Recovery::RolledForward { partitions });
            place.assert_new(&format!("{publish:?}, {shown} shown"));
        }
    }
}

#[test]
fn fault_03_a_publish_that_dies_before_its_intent_goes_is_not_published_twice() {
    let (place, built) = Place::with_two_generations(PublishBy::Exchange);
    let partitions = built.partitions.len();
    place.die_after(built, partitions);
    fs::remove_dir_all(place.root().join("_teamsheet/staging/2/new")).unwrap();
    let files = place.files();
    assert_eq!(place.recover(), Recovery::RolledForward { partitions });
    assert_eq!(place.files(), files);
    place.assert_new("old generations removed");
}

#[test]
fn a_publish_whose_staged_files_are_not_whole_is_fetched_again() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 4] = [
        ("gone", |path| fs::remove_file(path).unwrap()),
        ("empty", |path| fs::write(path, "").unwrap()),
        ("cut", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("another generation", |path| {
            let other = Place::new();
            other.publish("2", |staging| stage_report(staging, "a", 9, "2"));
            fs::copy(other.data_file(&ATTENDANCE_REPORTS), path)
                .map(drop)
                .unwrap();
        }),
    ];
    for (what, harm) in harms {
        let (place, built) = Place::with_two_generations(PublishBy::Exchange);
        // the intervals of both days are visible, the reports are not
        place.die_after(built, 2);
        harm(&place.staged(&ATTENDANCE_REPORTS));
        assert_eq!(
            place.recover(),
            Recovery::Dropped {
                sessions: 0,
                reports: 2
            },
            "{what}"
        );
        assert_eq!(place.reports()[0].1, Some(1), "{what}");
        let again = place.warehouse.fetch_again().unwrap();
        let days = BTreeSet::from([DAY]);
        let expected: BTreeMap<_, _> = ["a", "b"]
            .map(|id| (ReportId::new(id), days.clone()))
            .into();
        assert_eq!(again.reports, expected, "{what}");

        // one of the two is fetched again, then the other
        place.publish("3", |staging| {
            stage_intervals(staging, &[("a", 0, 0, 2)]);
            stage_report(staging, "a", 2, "2");
        });
        let again = place.warehouse.fetch_again().unwrap();
        assert_eq!(
            again.reports.keys().collect::<Vec<_>>(),
            [&ReportId::new("b")]
        );
        place.publish("4", |staging| {
            stage_intervals(staging, &[("b", 0, 0, 2)]);
            stage_report(staging, "b", 2, "2");
        });
        assert_eq!(
            place.warehouse.fetch_again().unwrap(),
            FetchAgain::default()
        );
        assert!(!place.warehouse.layout().fetch_again().exists());
        let expected = NEW_INTERVALS.map(|(report, a, b, c)| (report.to_owned(), a, b, c));
        assert_eq!(place.intervals(), expected, "{what}");
    }
}

#[test]
fn death_between_two_renames_leaves_no_partition_away() {
    for is_whole in [true, false] {
        let (place, built) = Place::with_two_generations(PublishBy::TwoRenames);
        let partitions = built.partitions.len();
        place.die_after(built, 0);
        // the first of the two renames
        let old = place
            .root()
            .join("_teamsheet/staging/2/old/attendance_intervals");
        fs::create_dir_all(&old).unwrap();
        let away = old.join(format!("event_date={DAY}"));
        fs::rename(place.partition(&ATTENDANCE_INTERVALS), away).unwrap();
        assert_eq!(place.intervals(), []);
        if is_whole {
            assert_eq!(place.recover(), Recovery::RolledForward { partitions });
            place.assert_new("rolled forward");
        } else {
            fs::remove_file(place.staged(&ATTENDANCE_INTERVALS)).unwrap();
            assert!(matches!(place.recover(), Recovery::Dropped { .. }));
            assert_eq!(place.intervals(), [("a".to_owned(), 0, 0, 1)]);
        }
    }
}

#[test]
fn what_an_intent_needs_is_not_taken_for_leftovers() {
    let (place, built) = Place::with_two_generations(PublishBy::Exchange);
    place.die_after(built, 1);
    // other runs open the warehouse and stage while nobody has completed it
    let other = Warehouse::open(&plan(place.root())).unwrap();
    drop(other.staging(&RunId::new("3")).unwrap());
    assert!(place.staged(&ATTENDANCE_REPORTS).exists());
    // the next publisher completes it first
    assert!(matches!(place.recover(), Recovery::RolledForward { .. }));
    place.publish("3", |staging| stage_report(staging, "c", 3, "3"));
    let reports: Vec<_> = place
        .reports()
        .into_iter()
        .map(|row| (row.0, row.1))
        .collect();
    let row = |report: &str, participants| (report.to_owned(), Some(participants));
    assert_eq!(reports, [row("a", 2), row("b", 2), row("c", 3)]);
}

#[test]
fn a_publish_that_fails_half_way_is_completed_once_the_disk_works() {
    let (place, built) = Place::with_two_generations(PublishBy::Exchange);
    let blocked = place.root().join("attendance_reports");
    let away = place.root().join("away");
    fs::rename(&blocked, &away).unwrap();
    fs::write(&blocked, "in the way").unwrap();
    let lock = place.warehouse.try_lock().unwrap().unwrap();
    let error = place.warehouse.publish(&lock, built).unwrap_err();
    assert!(matches!(error, WarehouseError::Io { .. }), "{error:?}");
    drop(lock);
    fs::remove_file(&blocked).unwrap();
    fs::rename(&away, &blocked).unwrap();
    assert!(matches!(place.recover(), Recovery::RolledForward { .. }));
    place.assert_new("completed");
}

#[test]
fn an_intent_that_cannot_be_read_is_named_and_left() {
    let place = Place::new();
    place.publish("1", |staging| stage_report(staging, "a", 1, "1"));
    let path = place.warehouse.layout().intent();
    fs::write(&path, "{").unwrap();
    let error = Warehouse::open(&plan(place.root())).unwrap_err();
    assert!(
        matches!(error, WarehouseError::BadPrivateFile { .. }),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("--reprocess all"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "{");
}
