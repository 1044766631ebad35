//! Entries of lists that cannot be read, and lists of reports that end early: what can be read is published, and nothing is concluded
//! from what is missing.

use serde_json::{Value, json};
use teamsheet::simulated_tenant::World;
use teamsheet::simulated_tenant::world::Meeting;
use teamsheet::simulated_tenant::{Fault, FaultEffect};

use crate::failed_discovery::{
    TRIES, ada, down, gap, goes_on, held, meeting, night, open_gaps, sessions, world,
};
use crate::support::nights::{Nights, at};

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn last_is_unreadable(body: Vec<u8>) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(&body).unwrap();
    if let Some(last) = page["value"].as_array_mut().unwrap().last_mut() {
        last["displayName"] = json!({"not": "a name"});
    }
    serde_json::to_vec(&page).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn last_is_nobody(body: Vec<u8>) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(&body).unwrap();
    if let Some(last) = page["value"].as_array_mut().unwrap().last_mut() {
        last["id"] = Value::Null;
    }
    serde_json::to_vec(&page).unwrap()
}

#[test]
fn a_user_who_cannot_be_read_is_a_gap() {
    let rewrites: [fn(Vec<u8>) -> Vec<u8>; 2] = [last_is_unreadable, last_is_nobody];
    for rewrite in rewrites {
        let nights = Nights::new(world());
        let effect = FaultEffect::Rewrite(rewrite);
        nights
            .stand
            .tenant
            .script(Fault::first(1, "/users?", effect));
        assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
        assert_eq!(sessions(&nights), [meeting("hers")]);
        assert_eq!(
            open_gaps(&nights),
            [gap("online_meeting", "unreadable", None)]
        );
        let days = ("2026-03-02", "2026-03-03");
        let filled = nights.backfill(night("2026-03-04"), days, None);
        assert_eq!((filled.exit_code, filled.gaps_closed), (0, 1));
        assert_eq!(sessions(&nights), [meeting("hers"), meeting("his")]);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn without_start(body: Vec<u8>) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(&body).unwrap();
    for event in page["value"].as_array_mut().unwrap() {
        event["start"] = Value::Null;
    }
    serde_json::to_vec(&page).unwrap()
}

#[test]
fn a_calendar_entry_that_cannot_be_read_is_not_gone() {
    let nights = Nights::new(world());
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 0);
    let calendar = format!("/users/{}/calendarView", ada().id);
    let effect = FaultEffect::Rewrite(without_start);
    let fault = Fault::always(calendar, effect);
    nights.stand.tenant.script(fault);
    let days = ("2026-03-02", "2026-03-03");
    let again = nights.backfill(night("2026-03-04"), days, None);
    assert_eq!(again.exit_code, 3);
    assert_eq!(
        open_gaps(&nights),
        [gap("online_meeting", "unreadable", Some(&ada().id))]
    );
    let removed = nights.stand.published().sessions.into_iter();
    let removed: Vec<_> = removed.map(|(_, row)| row.removed_at).collect();
    assert_eq!(removed, [None, None]);
}

#[test]
fn fault_35_reports_of_the_pages_before_one_that_fails_are_published() {
    let nights = Nights::new(world());
    let list = "/attendanceReports";
    let effect = FaultEffect::Rewrite(goes_on);
    nights.stand.tenant.script(Fault::first(1, list, effect));
    let next = Fault::first(TRIES, "/v1.0/next-page", down());
    nights.stand.tenant.script(next);
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    assert_eq!(sessions(&nights), [meeting("hers"), meeting("his")]);
    let published = nights.stand.published();
    assert_eq!(published.reports.len(), 2);
    let [(_, gap)] = published.gaps.as_slice() else {
        panic!("{:?}", published.gaps)
    };
    assert_eq!(
        (gap.stage.as_ref(), gap.reason.as_ref()),
        ("list_reports", "server_error")
    );
    let is_final = |row: &teamsheet::tables::SessionRow<'_>| row.is_final;
    let is_open = |row| !is_final(row);
    assert!(published.sessions.iter().all(|(_, row)| is_open(row)));
    let next = nights.run(night("2026-03-05"));
    assert_eq!((next.exit_code, next.gaps_closed), (0, 1));
    let published = nights.stand.published();
    assert!(published.sessions.iter().all(|(_, row)| is_final(row)));
}

#[test]
fn fault_55_a_list_of_reports_that_leads_away_is_read_up_to_there() {
    let mut world = world();
    world.meetings.truncate(1);
    world
        .meetings
        .push(held(&ada(), "later", "2026-03-02T15:00:00Z"));
    let nights = Nights::new(world);
    let effect = FaultEffect::Rewrite(leads_away);
    let list = Fault::first(1, "/attendanceReports", effect);
    nights.stand.tenant.script(list);
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    assert_eq!(sessions(&nights), [meeting("hers"), meeting("later")]);
    let gaps = nights.stand.published().gaps;
    let reasons: Vec<_> = gaps.iter().map(|(_, gap)| gap.reason.as_ref()).collect();
    assert_eq!(reasons, ["refused_link"]);
}

#[test]
fn fault_40_a_missing_report_that_graph_no_longer_lists_is_gone() {
    let mut world = world();
    world.meetings.truncate(1);
    let mut nights = Nights::new(world);
    let report = Fault::first(TRIES, "expand=attendanceRecords", down());
    nights.stand.tenant.script(report);
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    nights.world.meetings[0].reports.clear();
    // one list without it may be an odd one
    for (day, code) in [("04", 3), ("05", 3), ("06", 3), ("07", 0)] {
        let run = nights.run(night(&format!("2026-03-{day}")));
        assert_eq!(run.exit_code, code, "{day}");
    }
    let gaps = nights.stand.published().gaps;
    let open: Vec<_> = gaps
        .iter()
        .filter(|(_, gap)| gap.closed_at.is_none())
        .map(|(_, gap)| (gap.stage.as_ref(), gap.reason.as_ref(), gap.is_final))
        .collect();
    assert_eq!(open, [("fetch_records", "gone", Some(true))]);
    assert_eq!(nights.run(night("2026-03-08")).exit_code, 0);
    assert!(nights.stand.published().sessions[0].1.is_final);
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn leads_away(body: Vec<u8>) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(&body).unwrap();
    page["@odata.nextLink"] = json!("https://graph.example/v1.0/next-page");
    serde_json::to_vec(&page).unwrap()
}

/// Lists and reports without their times, as Graph gives them where it knows none.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn undated(body: Vec<u8>) -> Vec<u8> {
    let mut answer: Value = serde_json::from_slice(&body).unwrap();
    let strip = |report: &mut Value| {
        report["meetingStartDateTime"] = Value::Null;
        report["meetingEndDateTime"] = Value::Null;
    };
    match answer["value"].as_array_mut() {
        Some(list) => list.iter_mut().for_each(strip),
        None => strip(&mut answer),
    }
    serde_json::to_vec(&answer).unwrap()
}

#[test]
fn a_report_without_a_start_goes_to_the_occurrence_of_its_first_join() {
    let starts = [2, 3, 4].map(|day| at(&format!("2026-03-0{day}T10:00:00Z")));
    let mut daily = Meeting::teams(&ada(), "daily", &starts, 30);
    daily.hold(1, &[&ada()]).unwrap();
    let mut world = World::empty(at("2026-03-20"));
    world.people = vec![ada()];
    world.meetings.push(daily);
    let nights = Nights::new(world);
    let effect = FaultEffect::Rewrite(undated);
    let reports = Fault::always("/attendanceReports", effect);
    nights.stand.tenant.script(reports);
    let filed = |nights: &Nights| {
        let published = nights.stand.published();
        let counts = published.sessions.into_iter();
        let counts: Vec<_> = counts.map(|(day, row)| (day, row.report_count)).collect();
        let reports = published.reports.into_iter();
        let days: Vec<_> = reports
            .map(|(day, row)| (day, row.session_event_date.unwrap().to_string()))
            .collect();
        (counts, days)
    };
    let of_third = ("2026-03-03".to_owned(), "2026-03-03".to_owned());
    // the night before it sees it in the future of its interval only
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 0);
    nights.run(night("2026-03-04"));
    let (counts, days) = filed(&nights);
    let counted = |day: &str, count| (format!("2026-03-0{day}"), count);
    assert_eq!(counts, [counted("2", 0), counted("3", 1)]);
    assert_eq!(days.as_slice(), std::slice::from_ref(&of_third));
    let again = nights.run(night("2026-03-05"));
    assert_eq!(filed(&nights).1, [of_third]);
    assert_eq!(again.requests_by_kind.get("get_report"), None);
}
