//! Attendees that cannot be told apart, in a tenant that masks identities or keeps times out of its reports.

use teamsheet::simulated_tenant::world::{AccessPolicy, Record, Report};

use crate::coverage::{backfill, held, person, world};
use crate::support::{Stand, assert_same_rows};

/// A meeting whose only report is made by hand.
fn stand(make: impl FnOnce(&mut Report)) -> Stand {
    let mut world = world();
    let ada = person("Ada", AccessPolicy::Granted);
    let mut meeting = held(&world, &ada, "masked", 9);
    make(&mut meeting.reports[0]);
    world.meetings.push(meeting);
    world.people = vec![ada];
    Stand::new(world)
}

fn masked(record: &Record) -> Record {
    Record {
        id: None,
        email_address: Some(String::new()),
        identity: None,
        total_attendance_in_seconds: 0,
        intervals: Vec::new(),
        ..record.clone()
    }
}

fn of_masked(people: usize, sent: usize) -> Stand {
    stand(|report| {
        report.total_participant_count = i32::try_from(people).unwrap();
        report.records = vec![masked(&report.records[0]); sent];
    })
}

#[test]
fn thirty_masked_people_are_thirty_rows_also_where_a_page_was_sent_twice() {
    for sent in [30, 60] {
        let stand = of_masked(30, sent);
        backfill(&stand, "", &[]).expect_code(0);
        let published = stand.published();
        assert_eq!(published.records.len(), 30, "{sent} sent");
        let (_, report) = &published.reports[0];
        assert_eq!(
            (report.record_count, report.total_participant_count),
            (30, Some(30))
        );
        assert!(
            report.quality_flags.is_empty(),
            "{:?}",
            report.quality_flags
        );
        for (index, (_, row)) in (0..).zip(&published.records) {
            assert_eq!(
                (row.record_index, &*row.quality_flags),
                (index, &["look_alike".into()][..])
            );
        }
        let again = backfill(&stand, "", &["--reprocess", "all"]).expect_code(0);
        assert_eq!(again.final_line()["partitions_published"], 0);
        assert_same_rows(&stand.published().content(), &published.content());
        let warehouse = stand.warehouse();
        stand
            .run(&["verify", "--warehouse", warehouse.to_str().unwrap()])
            .expect_code(0);
    }
}

#[test]
fn a_report_that_shrinks_says_so_until_all_are_back() {
    let stand = of_masked(30, 30);
    backfill(&stand, "", &[]).expect_code(0);
    let with = |sent: usize| {
        stand.tenant.edit(|world| {
            let records = &mut world.meetings[0].reports[0].records;
            *records = vec![records[0].clone(); sent];
        });
        backfill(&stand, "", &["--reprocess", "all"]);
        let published = stand.published();
        let (_, report) = published.reports[0].clone();
        assert_eq!(usize::try_from(report.record_count).unwrap(), sent);
        assert_eq!(published.records.len(), sent);
        report.quality_flags
    };
    assert_eq!(with(20), ["count_differs", "fewer_than_before"]);
    assert_eq!(
        with(20),
        ["count_differs", "fewer_than_before"],
        "the same again"
    );
    assert_eq!(with(25), ["count_differs", "fewer_than_before"]);
    assert!(with(30).is_empty());
}
