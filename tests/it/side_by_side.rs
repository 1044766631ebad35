//! Runs over one warehouse at the same time: what is published is what one after the other would have published.

use std::thread;
use std::time::Duration;

use teamsheet::simulated_tenant::world::{Meeting, Person, VirtualEvent, VirtualEventKind};
use teamsheet::simulated_tenant::{Fault, FaultEffect};
use teamsheet::time::{SECOND, UtcMicros};

use crate::coverage::world;
use crate::support::{Published, Stand};

const LIST: &str = "/attendanceReports";
const REPORT: &str = "$expand=attendanceRecords";

/// A meeting ten minutes past midnight of day 2, whose only report began before that midnight.
fn stand() -> Stand {
    let mut world = world();
    let ada = Person::member("Ada");
    let start = world.settings.midnight(2).plus(600 * SECOND);
    let mut meeting = Meeting::teams(&ada, "early", &[start], 30);
    meeting.hold(0, &[&ada]).unwrap().start.at = start.plus(-1200 * SECOND);
    world.people.push(ada);
    world.meetings.push(meeting);
    Stand::new(world)
}

fn backfill(stand: &Stand, from: u32, to: u32) {
    let job = stand.folder.path().join("test.toml");
    stand.backfill_job(&job, from, to, &[]).expect_code(0);
}

fn requests(stand: &Stand, what: &str) -> usize {
    let requests = stand.tenant.requests().into_iter();
    requests
        .filter(|request| request.path_and_query.contains(what))
        .count()
}

/// Backfills the slow days and, once these are being asked about, the quick ones; both of a new warehouse each time, until the quick
/// ones were published first.
fn overtaken(stand: impl Fn() -> Stand, slow: (u32, u32), quick: (u32, u32)) -> (Stand, Published) {
    for seconds in [2, 8, 32] {
        let stand = stand();
        stand.job(&stand.warehouse(), "");
        let before = requests(&stand, LIST);
        let late = FaultEffect::Delay(Duration::from_secs(seconds));
        stand.tenant.script(Fault::first(1, LIST, late));
        thread::scope(|scope| {
            let slow = scope.spawn(|| backfill(&stand, slow.0, slow.1));
            while requests(&stand, LIST) == before && !slow.is_finished() {
                thread::sleep(Duration::from_millis(5));
            }
            backfill(&stand, quick.0, quick.1);
        });
        let published = stand.published();
        let mut finished: Vec<(UtcMicros, UtcMicros)> = published
            .runs
            .iter()
            .map(|(_, run)| (run.finished_at, run.started_at))
            .collect();
        finished.sort_unstable();
        // of the last two, the first to finish began later
        let [.., first, last] = finished[..] else {
            panic!("{finished:?}")
        };
        if first.1 > last.1 {
            return (stand, published);
        }
    }
    panic!("the late one always was the first to publish");
}

fn session(published: &Published) -> (&str, i32) {
    let [(_, session)] = published.sessions.as_slice() else {
        panic!("{:?}", published.sessions)
    };
    (session.attendance_state.as_ref(), session.report_count)
}

#[test]
fn fault_96_a_run_that_is_overtaken_by_its_neighbour_decides_by_what_that_published() {
    let (stand, published) = overtaken(stand, (2, 3), (1, 2));
    assert_eq!(session(&published), ("reported", 1));
    assert_eq!(published.reports.len(), 1);
    // it is of the one's session and of the other's day: both had it before either was published
    assert_eq!(requests(&stand, REPORT), 2);
}

#[test]
fn fault_96_the_same_days_twice_at_once_are_published_once() {
    let (stand, published) = overtaken(stand, (1, 3), (1, 3));
    assert_eq!(session(&published), ("reported", 1));
    assert_eq!(published.reports.len(), 1);
    let changed = published
        .runs
        .iter()
        .map(|(_, run)| run.partitions_published);
    let mut changed: Vec<_> = changed.collect();
    changed.sort_unstable();
    assert_eq!(changed[0], 0, "{changed:?}");
    // both had it before either was published, and neither asked twice
    assert_eq!(requests(&stand, REPORT), 2);
}

#[test]
fn fault_96_a_session_that_was_moved_keeps_one_row_where_its_run_is_overtaken() {
    let moved = || {
        let stand = stand();
        // a month, so that a run of its end does not look at its beginning; what was day 2 is day 27
        stand.tenant.edit(|world| world.settings.days += 25);
        let settings = stand.tenant.world().settings;
        let [old, new] = [0, 29].map(|day| settings.midnight(day).plus(10 * 3600 * SECOND));
        stand.tenant.edit(|world| {
            let ada = world.people[0].clone();
            let kind = VirtualEventKind::Webinar;
            let mut webinar = VirtualEvent::published(kind, &ada, "course", &[old], 60);
            webinar.sessions[0].hold(&[&ada]).unwrap();
            world.virtual_events.push(webinar);
        });
        stand.job(&stand.warehouse(), "");
        backfill(&stand, 0, 1);
        assert_eq!(stand.published().sessions.len(), 1);
        stand.tenant.edit(|world| {
            let session = &mut world.virtual_events[0].sessions[0];
            (session.start, session.end) = (new, new.plus(3600 * SECOND));
        });
        stand
    };
    let (_, published) = overtaken(moved, (27, 30), (26, 27));
    let mut sessions: Vec<_> = { published.sessions.iter() }
        .map(|(_, row)| (row.source.as_ref(), row.attendance_state.as_ref()))
        .collect();
    sessions.sort_unstable();
    let expected = [("online_meeting", "reported"), ("webinar", "reported")];
    assert_eq!(sessions, expected);
}
