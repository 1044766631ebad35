//! What goes into a journal comes out of it, and only for whom it was kept.

use tempfile::TempDir;

use super::*;

fn kept_for(scope: &str, start: i64, end: i64) -> KeptFor {
    KeptFor {
        scope: scope.to_owned(),
        interval: DataInterval::new(UtcMicros(start), UtcMicros(end)).unwrap(),
    }
}

fn report(report: &'static str, pages: &[&'static str]) -> KeptReport {
    KeptReport {
        report: Bytes::from_static(report.as_bytes()),
        inline_records: pages.is_empty(),
        record_pages: pages
            .iter()
            .map(|page| Bytes::from_static(page.as_bytes()))
            .collect(),
    }
}

/// A dead run's folder.
fn leave(
    parent: &TempDir,
    run: &str,
    kept_for: &KeptFor,
    reports: &[(&str, KeptReport)],
) -> PathBuf {
    let folder = parent.path().join(run);
    fs::create_dir(&folder).unwrap();
    let mut journal = Journal::create(&folder, kept_for).unwrap();
    for (key, report) in reports {
        journal.append(key, report).unwrap();
    }
    folder
}

fn take_over(parent: &TempDir, kept_for: &KeptFor) -> Adopted {
    Adopted::take_over(parent.path(), kept_for, None).unwrap()
}

#[test]
fn reports_come_out_byte_for_byte() {
    let parent = TempDir::new().unwrap();
    let reports = [
        ("a", report("", &[])),
        ("b", report("{\"id\":\"b\"}\n\u{0}", &["[1]\n", "", "[2]"])),
        ("c", report("c", &[""])),
    ];
    leave(&parent, "1", &kept_for("scope", 0, 10), &reports);
    let adopted = take_over(&parent, &kept_for("scope", 0, 10));
    assert_eq!(adopted.len(), reports.len());
    for (key, report) in reports {
        assert_eq!(adopted.report(key), Some(report), "{key}");
    }
    assert_eq!(adopted.report("d"), None);
}

#[test]
fn of_two_journals_the_younger_wins() {
    let parent = TempDir::new().unwrap();
    let mine = kept_for("scope", 0, 10);
    leave(&parent, "2", &mine, &[("a", report("new", &[]))]);
    leave(
        &parent,
        "1",
        &mine,
        &[("a", report("old", &[])), ("b", report("b", &[]))],
    );
    let adopted = take_over(&parent, &mine);
    assert_eq!(adopted.report("a"), Some(report("new", &[])));
    assert_eq!(adopted.report("b"), Some(report("b", &[])));
}

#[test]
fn what_is_kept_for_others_is_neither_read_nor_removed() {
    let parent = TempDir::new().unwrap();
    let others = [
        ("1", kept_for("other scope", 0, 10)),
        ("2", kept_for("scope", 10, 20)),
    ];
    for (run, other) in &others {
        leave(&parent, run, other, &[("a", report("a", &[]))]);
    }
    let adopted = take_over(&parent, &kept_for("scope", 0, 10));
    assert!(adopted.is_empty());
    adopted.remove_up_to(UtcMicros(100));
    for (run, other) in &others {
        assert_eq!(take_over(&parent, other).len(), 1, "{run}");
    }
}

#[test]
fn a_journal_goes_once_all_of_its_days_are_published_and_not_before() {
    let parent = TempDir::new().unwrap();
    let (within, beyond) = (kept_for("scope", 0, 10), kept_for("scope", 5, 20));
    let within = leave(&parent, "1", &within, &[("a", report("a", &[]))]);
    let beyond = leave(&parent, "2", &beyond, &[("b", report("b", &[]))]);
    let earlier = leave(&parent, "3", &kept_for("scope", -5, 5), &[]);
    let adopted = take_over(&parent, &kept_for("scope", 0, 12));
    adopted.remove_up_to(UtcMicros(9));
    assert!(within.exists());
    adopted.remove_up_to(UtcMicros(12));
    assert!(!within.exists());
    assert!(beyond.exists() && earlier.exists());
    assert_eq!(adopted.report("a"), Some(report("a", &[])), "still held");
}

#[test]
fn a_living_runs_journal_is_left_alone() {
    let parent = TempDir::new().unwrap();
    let mine = kept_for("scope", 0, 10);
    let folder = leave(&parent, "1", &mine, &[("a", report("a", &[]))]);
    let alive = WarehouseLock::try_acquire(&folder.join(ALIVE)).unwrap();
    assert!(take_over(&parent, &mine).is_empty());
    drop(alive);
    let first = take_over(&parent, &mine);
    assert_eq!(first.len(), 1);
    assert!(take_over(&parent, &mine).is_empty(), "taken over already");
}

#[test]
fn no_damage_is_taken_for_a_report() {
    let parent = TempDir::new().unwrap();
    let mine = kept_for("scope", 0, 10);
    let reports = [
        ("a", report("first", &["page"])),
        ("b", report("second", &[])),
    ];
    let folder = leave(&parent, "1", &mine, &reports);
    let path = folder.join(JOURNAL);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x41;
        let cut = whole[..at].to_vec();
        for bytes in [flipped, cut] {
            fs::write(&path, &bytes).unwrap();
            let adopted = take_over(&parent, &mine);
            for (key, report) in &reports {
                let found = adopted.report(key);
                assert!(found.is_none() || found.as_ref() == Some(report), "{at}");
            }
        }
    }
}
