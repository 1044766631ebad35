//! File systems and folders as they are: what lies beside ours, what cannot be done there, and what is said of it.

use std::path::Path;

use super::tests::{Place, plan, stage_report};
use super::*;
use crate::job::plan::PublishBy;
use crate::tables::ATTENDANCE_REPORTS;

#[test]
fn what_readers_skip_is_left_alone_and_moves_along_with_its_partition() {
    for publish in [PublishBy::Exchange, PublishBy::TwoRenames] {
        let mut place = Place::new();
        let layout = place.warehouse.layout().clone();
        place.warehouse.place = super::Place::Disk(layout, Visibility(publish));
        place.publish("1", |staging| stage_report(staging, "a", 1, "1"));
        let partition = place.partition(&ATTENDANCE_REPORTS);
        for name in [".DS_Store", "._part-0.parquet", "_SUCCESS"] {
            fs::write(partition.join(name), name).unwrap();
        }
        fs::create_dir(partition.join(".ipynb_checkpoints")).unwrap();
        fs::write(partition.join(".ipynb_checkpoints/note"), "mine").unwrap();
        place.publish("2", |staging| stage_report(staging, "a", 2, "2"));
        let mut names: Vec<_> = fs::read_dir(&partition)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let expected = [
            "._part-0.parquet",
            ".DS_Store",
            ".ipynb_checkpoints",
            "2.parquet",
            "_SUCCESS",
        ];
        names.retain(|name| !expected.contains(&name.as_str()));
        assert!(names.is_empty(), "{publish:?}: {names:?}");
        for name in [".DS_Store", "._part-0.parquet", "_SUCCESS"] {
            assert_eq!(fs::read_to_string(partition.join(name)).unwrap(), name);
        }
        let note = partition.join(".ipynb_checkpoints/note");
        assert_eq!(fs::read_to_string(note).unwrap(), "mine");
        assert_eq!(place.reports(), [("a".to_owned(), Some(2), "2".to_owned())]);
    }
}

#[test]
fn staging_clears_away_nothing_but_folders_of_runs() {
    let place = Place::new();
    let shared = place.root().join("shared");
    let theirs = ["lost+found", "somebody's", "20260102"];
    let dead = ["20260102T030405Z-0011223344556677-0001", "early"];
    for name in theirs.into_iter().chain(dead) {
        fs::create_dir_all(shared.join(name)).unwrap();
    }
    fs::write(shared.join("early/alive"), "").unwrap();
    Warehouse::open(&WarehousePlan {
        staging: Some(shared.clone()),
        ..plan(place.root())
    })
    .unwrap();
    for name in theirs {
        assert!(shared.join(name).exists(), "{name}");
    }
    for name in dead {
        assert!(!shared.join(name).exists(), "{name}");
    }
}

#[test]
fn what_a_file_system_cannot_do_is_told_apart_from_what_it_refuses() {
    use rustix::io::Errno;
    let path = Path::new("w");
    let kind = |errno| {
        let error = file_system::unmovable(errno, path, "publish");
        if matches!(error, WarehouseError::NoExchange { .. }) {
            "no exchange"
        } else if matches!(error, WarehouseError::Unmovable { .. }) {
            "unmovable"
        } else {
            assert!(matches!(error, WarehouseError::Io { .. }), "{error:?}");
            "io"
        }
    };
    for (errno, expected) in [
        (Errno::INVAL, "no exchange"),
        (Errno::NOSYS, "no exchange"),
        (Errno::NOTSUP, "no exchange"),
        (Errno::XDEV, "unmovable"),
        (Errno::BUSY, "unmovable"),
        (Errno::ACCESS, "io"),
        (Errno::ROFS, "io"),
        (Errno::NOSPC, "io"),
    ] {
        assert_eq!(kind(errno), expected, "{errno:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_synced_is_told_apart_from_one_that_failed() {
    use rustix::io::Errno;
    for (errno, is_never) in [
        (Errno::INVAL, true),
        (Errno::BADF, true),
        (Errno::NOTSUP, true),
        (Errno::NOSYS, true),
        (Errno::ISDIR, true),
        (Errno::IO, false),
        (Errno::NOSPC, false),
        (Errno::DQUOT, false),
        (Errno::ROFS, false),
        (Errno::ACCESS, false),
    ] {
        assert_eq!(
            layout::takes_no_folder(&errno.into()),
            is_never,
            "{errno:?}"
        );
    }
}

#[test]
fn trying_to_move_what_is_published_leaves_it_where_it_is() {
    let place = Place::new();
    for publish in [PublishBy::Exchange, PublishBy::TwoRenames] {
        place.publish("1", |staging| stage_report(staging, "a", 1, "1"));
        let before = place.files();
        let plan = WarehousePlan {
            publish,
            ..plan(place.root())
        };
        for _ in 0..2 {
            Warehouse::open(&plan).unwrap();
        }
        assert!(place.files() == before);
        let mut left: Vec<_> = fs::read_dir(place.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with('.'))
            .collect();
        assert_eq!(left.pop(), None);
    }
}

#[test]
fn a_new_disk_with_its_own_folder_is_an_empty_warehouse() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["lost+found", ".Trash-1000", "_teamsheet"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    assert!(Layout::new(folder.path(), None).is_empty().unwrap());
    fs::create_dir(folder.path().join("sessions")).unwrap();
    assert!(!Layout::new(folder.path(), None).is_empty().unwrap());
}
