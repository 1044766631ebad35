//! Ids that a path could trip over, and reports far larger than any other.

use std::fs;
use std::path::{Path, PathBuf};

use teamsheet::simulated_tenant::World;
use teamsheet::simulated_tenant::world::{Meeting, Person, Stamp};
use teamsheet::time::{HOUR, SECOND};

use crate::support::{Stand, now};

fn world() -> World {
    let mut world = World::empty(now());
    world.settings.days = 2;
    world
}

/// A meeting of day 0 that was held, with one attendee.
fn held(world: &World, organizer: &Person) -> Meeting {
    let start = world.settings.midnight(0).plus(9 * HOUR);
    let mut meeting = Meeting::teams(organizer, "extreme", &[start], 60);
    meeting.hold(0, &[organizer]).unwrap();
    meeting
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn fault_81_no_id_that_graph_sends_becomes_part_of_a_path() {
    let mut world = world();
    let ada = Person::member("Ada");
    let ids = [
        "../../../../outside",
        "/absolute",
        "a b=c%2Fd%00",
        "event_date=2026-01-01",
        "名前\u{202e}é",
        "?query#fragment",
        ".",
    ];
    for (hour, id) in (0..).zip(ids) {
        let mut meeting = held(&world, &ada);
        let start = world.settings.midnight(0).plus(hour * HOUR);
        meeting = Meeting::teams(&ada, &meeting.subject, &[start], 60);
        id.clone_into(&mut meeting.occurrences[0].i_cal_uid);
        let report = meeting.hold(0, &[&ada]).unwrap();
        // a segment that is a dot alone means no other place in any URL
        if id != "." {
            id.clone_into(&mut report.id);
        }
        world.meetings.push(meeting);
    }
    world.people.push(ada);
    let stand = Stand::new(world);
    stand.backfill(0, 2, "", &[]).expect_code(0);
    let published = stand.published();
    let occurrences = published.sessions.iter();
    let mut occurrences: Vec<_> = occurrences
        .filter_map(|(_, row)| row.occurrence_id.as_deref())
        .collect();
    occurrences.sort_unstable();
    let mut wanted = ids;
    wanted.sort_unstable();
    assert_eq!(occurrences, wanted);
    let reports = published.reports.iter();
    let found = reports.filter(|(_, row)| ids.contains(&row.report_id.as_ref()));
    assert_eq!(found.count(), ids.len() - 1);
    let warehouse = stand.warehouse();
    for file in files(stand.folder.path()) {
        let Ok(inside) = file.strip_prefix(&warehouse) else {
            assert_eq!(file.file_name().unwrap(), "test.toml");
            continue;
        };
        let text = inside.to_str().unwrap();
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./".contains(letter);
        assert!(text.chars().all(is_plain), "{text}");
        assert!(!text.contains("..") && !text.contains("outside"), "{text}");
    }
}

#[test]
fn fault_82_a_report_of_50_000_records_is_published_whole_in_bounded_memory() {
    const RECORDS: usize = 50_000;
    let mut world = world();
    let ada = Person::member("Ada");
    let mut meeting = held(&world, &ada);
    let report = &mut meeting.reports[0];
    let record = report.records[0].clone();
    let start = report.start.at;
    report.records = (0..RECORDS)
        .map(|number| {
            let mut record = record.clone();
            record.id = Some(format!("{number:08}"));
            let interval = record.intervals[0];
            record.intervals = (0..3)
                .map(|third| {
                    let join = start.plus(third * 1_000 * SECOND);
                    let mut interval = interval;
                    interval.join = Some(Stamp::new(join, 7));
                    interval.leave = Some(Stamp::new(join.plus(600 * SECOND), 7));
                    interval.duration_in_seconds = 600;
                    interval
                })
                .collect();
            record.total_attendance_in_seconds = 1_800;
            record
        })
        .collect();
    report.total_participant_count = i32::try_from(RECORDS).unwrap();
    world.answers.records_page_size = 1_000;
    world.people.push(ada);
    world.meetings.push(meeting);
    let stand = Stand::new(world);
    let outcome = stand.backfill(0, 1, "", &["--format", "json"]);
    let outcome = outcome.expect_code(0);
    let summary: serde_json::Value =
        serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(summary["records"], RECORDS);
    // its bodies are 40 MB, and are held once
    let peak = summary["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < 300 * 1024 * 1024, "{peak}");
    let published = stand.published();
    assert_eq!(published.records.len(), RECORDS);
    assert_eq!(published.intervals.len(), 3 * RECORDS);
    let attended: i64 = published
        .records
        .iter()
        .map(|(_, row)| row.present_seconds)
        .sum();
    assert_eq!(attended, 1_800 * 50_000);
    let of_day = |name: &str| crate::support::partitions(&stand.warehouse(), name).len();
    assert_eq!(
        (of_day("attendance_records"), of_day("attendance_intervals")),
        (1, 1)
    );
}
