//! What fails becomes a gap with its reason; the rest is published; the next run fills it.

use serde_json::{Value, json};
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, Occurrences};

use crate::support::{Published, Stand, assert_same_rows};

const DAYS: u32 = 3;

fn stand() -> Stand {
    Stand::lifelike(25, DAYS)
}

/// What a run without the fault publishes.
fn without_fault(stand: &Stand) -> Published {
    let clean = Stand::new(stand.tenant.world());
    clean.backfill(0, DAYS, "", &[]);
    clean.published().content()
}

fn open_gaps<'a>(
    published: &'a Published,
    reason: &str,
) -> Vec<&'a teamsheet::tables::GapRow<'static>> {
    let gaps = published.gaps.iter().map(|(_, gap)| gap);
    gaps.filter(|gap| gap.reason == reason && gap.closed_at.is_none())
        .collect()
}

/// A report that the world lists, of an online meeting with at least three records.
fn some_report(stand: &Stand) -> teamsheet::simulated_tenant::TrueReport {
    let world = stand.tenant.world();
    let days = world.settings.midnight(0)..world.settings.midnight(DAYS);
    let mut reports = world.truth().reports.into_iter();
    let found = reports.find(|report| {
        report.source == "online_meeting"
            && days.contains(&report.start.at)
            && report.records.len() > 2
    });
    found.expect("the world has such a report")
}

#[test]
fn fault_35_a_report_that_always_fails_is_a_gap_and_the_next_run_fills_it() {
    let stand = stand();
    let wanted = without_fault(&stand);
    let report = some_report(&stand);
    let answer = FaultAnswer::graph_error(
        400,
        "BadRequest",
        "Value cannot be null. Parameter name: String",
    );
    stand.tenant.script(Fault {
        matching: report.report_id.clone(),
        occurrences: Occurrences::First(1),
        effect: FaultEffect::Answer(answer),
    });
    stand.backfill(0, DAYS, "", &[]).expect_code(3);
    let first = stand.published();
    let gaps = open_gaps(&first, "bad_request");
    let [gap] = gaps.as_slice() else {
        panic!("{gaps:?}")
    };
    assert_eq!(
        (gap.stage.as_ref(), gap.report_id.as_deref()),
        ("fetch_records", Some(report.report_id.as_str()))
    );
    assert_eq!(
        (gap.http_status, gap.graph_code.as_deref()),
        (Some(400), Some("BadRequest"))
    );
    assert_eq!(
        first.reports.len(),
        wanted.reports.len() - 1,
        "everything else is published"
    );

    stand.backfill(0, DAYS, "", &[]);
    let second = stand.published();
    let closed: Vec<_> = second
        .gaps
        .iter()
        .filter(|(_, gap)| gap.closed_at.is_some())
        .collect();
    assert_eq!(closed.len(), 1);
    assert_eq!(
        closed[0].1.closed_by_run_id.as_deref(),
        Some(second.runs.last().unwrap().1.run_id.as_ref())
    );
    let mut content = second.content();
    content.gaps.retain(|(_, gap)| gap.closed_at.is_none());
    assert_same_rows(&content, &wanted);
}

#[test]
fn an_organizer_whose_calendar_fails_is_a_gap_on_every_day() {
    let stand = stand();
    let report = some_report(&stand);
    let matching = format!("/users/{}/calendarView", report.organizer_id);
    stand.tenant.script(Fault::first(
        1,
        &matching,
        FaultEffect::Answer(FaultAnswer::graph_error(
            403,
            "ErrorAccessDenied",
            "Access is denied.",
        )),
    ));
    stand.backfill(0, DAYS, "", &[]).expect_code(3);
    let published = stand.published();
    let gaps: Vec<_> = published
        .gaps
        .iter()
        .filter(|(_, gap)| gap.stage == "discover")
        .collect();
    assert_eq!(gaps.len(), usize::try_from(DAYS).unwrap());
    assert!(
        gaps.iter()
            .all(|(_, gap)| gap.organizer_id.as_deref() == Some(report.organizer_id.as_str()))
    );
    assert!(
        published
            .sessions
            .iter()
            .all(|(_, row)| row.source != "online_meeting"
                || row.organizer_id.as_deref() != Some(report.organizer_id.as_str()))
    );
    stand.backfill(0, DAYS, "", &[]);
    let healed = stand.published();
    assert!(
        healed
            .gaps
            .iter()
            .filter(|(_, gap)| gap.stage == "discover")
            .all(|(_, gap)| gap.closed_at.is_some())
    );
    assert!(
        healed
            .reports
            .iter()
            .any(|(_, row)| row.report_id == report.report_id)
    );
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn spoil_second_record(body: Vec<u8>) -> Vec<u8> {
    let mut report: Value = serde_json::from_slice(&body).unwrap();
    if let Some(record) = report
        .get_mut("attendanceRecords")
        .and_then(|records| records.get_mut(1))
    {
        record["emailAddress"] = json!({"unexpected": "object"});
    }
    serde_json::to_vec(&report).unwrap()
}

#[test]
fn a_record_that_cannot_be_read_is_a_gap_and_the_rest_is_published() {
    let stand = stand();
    let report = some_report(&stand);
    stand.tenant.script(Fault::always(
        format!("{}?", report.report_id),
        FaultEffect::Rewrite(spoil_second_record),
    ));
    stand.backfill(0, DAYS, "", &[]).expect_code(3);
    let published = stand.published();
    let gaps = open_gaps(&published, "unreadable");
    let [gap] = gaps.as_slice() else {
        panic!("{gaps:?}")
    };
    assert_eq!(
        (gap.stage.as_ref(), gap.record_index),
        ("read_record", Some(1))
    );
    let (_, row) = published
        .reports
        .iter()
        .find(|(_, row)| row.report_id == report.report_id)
        .unwrap();
    assert_eq!(
        usize::try_from(row.record_count).unwrap(),
        report.records.len() - 1
    );
    assert!(
        row.quality_flags
            .iter()
            .any(|flag| flag == "unreadable_record")
    );
    assert!(row.quality_flags.iter().any(|flag| flag == "count_differs"));
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn without_ids(body: Vec<u8>) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(&body).unwrap();
    for report in page["value"].as_array_mut().unwrap() {
        report.as_object_mut().unwrap().remove("id");
    }
    serde_json::to_vec(&page).unwrap()
}

#[test]
fn fault_68_a_report_without_an_id_is_a_gap() {
    let stand = stand();
    let report = some_report(&stand);
    let list = format!("{}/attendanceReports", path_of(&stand, &report));
    stand
        .tenant
        .script(Fault::always(list, FaultEffect::Rewrite(without_ids)));
    stand.backfill(0, DAYS, "", &[]).expect_code(3);
    let published = stand.published();
    assert_eq!(open_gaps(&published, "report_without_id").len(), 1);
    assert!(
        published
            .reports
            .iter()
            .all(|(_, row)| row.report_id != report.report_id)
    );
}

/// The path of a report's meeting as it goes over the wire.
fn path_of(stand: &Stand, report: &teamsheet::simulated_tenant::TrueReport) -> String {
    let probe = Stand::new(stand.tenant.world());
    probe.backfill(0, DAYS, "", &[]);
    let requests = probe.tenant.requests();
    let request = requests
        .iter()
        .find(|request| request.path_and_query.contains(&report.report_id))
        .unwrap();
    request
        .path_and_query
        .split("/attendanceReports")
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn fault_39_a_meeting_whose_list_is_refused_has_its_id_all_the_same() {
    let stand = stand();
    let report = some_report(&stand);
    let list = format!("{}/attendanceReports", path_of(&stand, &report));
    let refusal = FaultAnswer::graph_error(
        403,
        "Forbidden",
        "3003: User does not have access to lookup meeting",
    );
    stand
        .tenant
        .script(Fault::always(&list, FaultEffect::Answer(refusal)));
    let look_ups = || {
        let matching = format!("/users/{}/onlineMeetings?", report.organizer_id);
        let mut requests = stand.tenant.requests();
        requests.retain(|request| request.path_and_query.contains(&matching));
        requests.len()
    };
    stand.backfill(0, DAYS, "", &[]).expect_code(3);
    let published = stand.published();
    let mut sessions = published.sessions.iter().map(|(_, session)| session);
    let refused = sessions
        .find(|session| session.occurrence_id.as_deref() == report.occurrence_id.as_deref())
        .unwrap();
    assert_eq!(
        (
            refused.attendance_state.as_ref(),
            refused.attendance_state_reason.as_deref()
        ),
        ("forbidden", Some("not_organizer"))
    );
    assert_eq!(refused.event_id.as_deref(), Some(report.event_id.as_str()));
    let before = look_ups();
    stand
        .backfill(0, DAYS, "", &["--reprocess", "failed"])
        .expect_code(3);
    assert_eq!(look_ups(), before, "its id is known");
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn another_id(body: Vec<u8>) -> Vec<u8> {
    let mut report: Value = serde_json::from_slice(&body).unwrap();
    report["id"] = json!("00000000-0000-4000-8000-0000000000ff");
    serde_json::to_vec(&report).unwrap()
}

#[test]
fn fault_64_an_answer_about_another_report_is_rejected() {
    let stand = stand();
    let report = some_report(&stand);
    stand.tenant.script(Fault::always(
        format!("{}?", report.report_id),
        FaultEffect::Rewrite(another_id),
    ));
    stand.backfill(0, DAYS, "", &[]).expect_code(3);
    let published = stand.published();
    assert_eq!(open_gaps(&published, "id_mismatch").len(), 1);
    assert!(
        published
            .records
            .iter()
            .all(|(_, row)| row.report_id != report.report_id)
    );
}

#[test]
fn what_was_published_stays_when_graph_forgets_or_forbids_it() {
    let stand = stand();
    stand.backfill(0, DAYS, "", &[]);
    let before = stand.published().content();
    stand.tenant.edit(|world| {
        for meeting in &mut world.meetings {
            meeting.reports.clear();
        }
    });
    stand.backfill(0, DAYS, "", &["--reprocess", "all"]);
    let after = stand.published().content();
    // a session with a published report stays reported
    assert_same_rows(&after, &before);
}

#[test]
fn nothing_is_published_when_no_source_can_be_read() {
    let stand = stand();
    let refuse = || {
        FaultEffect::Answer(FaultAnswer::graph_error(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges",
        ))
    };
    for list in [
        "/v1.0/users?",
        "/virtualEvents/webinars",
        "/virtualEvents/townhalls",
    ] {
        stand.tenant.script(Fault::always(list, refuse()));
    }
    let outcome = stand.backfill(0, DAYS, "", &[]).expect_code(4);
    assert!(
        outcome.stderr.contains("OnlineMeetingArtifact.Read.All"),
        "{}",
        outcome.stderr
    );
    assert!(stand.published().runs.is_empty());
}

/// Backfills once more from a tenant that is calm: then all is there.
fn assert_made_up_for(stand: &Stand, calm: &Stand, wanted: &Published) {
    let job = calm.job(&stand.warehouse(), "");
    calm.backfill_job(&job, 0, DAYS, &[]).expect_code(3);
    let mut filled = stand.published().content();
    filled.gaps.retain(|(_, gap)| gap.closed_at.is_none());
    assert_same_rows(&filled, wanted);
}

#[test]
fn fault_33_a_storm_without_retry_after_ends_with_75_at_the_deadline_and_loses_nothing() {
    let calm = stand();
    calm.backfill(0, DAYS, "", &[]).expect_code(3);
    let wanted = calm.published().content();
    for what in ["GET /v1.0/", "attendanceReports"] {
        let stand = stand();
        let refused = FaultAnswer::graph_error(429, "TooManyRequests", "Please retry again later.");
        let storm = FaultEffect::Answer(refused);
        stand.tenant.script(Fault::always(what, storm));
        let deadline = "[run]\ndeadline = \"5s\"\n";
        let ended = stand.backfill(0, DAYS, deadline, &[]).expect_code(75);
        assert!(
            ended.stderr.contains("run the same command again"),
            "{}",
            ended.stderr
        );
        // sixteen in flight for five seconds, each once a second in the mean: without waiting they are thousands
        let requests = stand.tenant.requests();
        let refused = requests.iter().filter(|asked| asked.status == Some(429));
        let refused = refused.count();
        assert!((2..80).contains(&refused), "{what}: {refused}");

        // the same warehouse, once it is over
        assert_made_up_for(&stand, &calm, &wanted);
    }
}

#[test]
fn fault_31_a_wait_past_the_deadline_ends_with_75_at_once_and_is_resumed() {
    let calm = stand();
    calm.backfill(0, DAYS, "", &[]).expect_code(3);
    let wanted = calm.published().content();
    let stand = stand();
    let busy = FaultAnswer::graph_error(429, "TooManyRequests", "Please retry again later.")
        .with_header("retry-after", "1000000000");
    let busy = FaultEffect::Answer(busy);
    stand
        .tenant
        .script(Fault::always("attendanceReports", busy));
    let began = std::time::Instant::now();
    stand.backfill(0, DAYS, "", &[]).expect_code(75);
    assert!(
        began.elapsed() < std::time::Duration::from_secs(30),
        "not the deadline of 6 hours"
    );
    let requests = stand.tenant.requests();
    let refused = requests.iter().filter(|asked| asked.status == Some(429));
    // one for each that was in flight when the first was told
    assert!((1..=32).contains(&refused.count()));
    assert_made_up_for(&stand, &calm, &wanted);
}

#[test]
fn fault_29_throttling_slows_the_run_down_and_loses_nothing() {
    let stand = stand();
    let wanted = without_fault(&stand);
    let throttle = FaultAnswer::graph_error(429, "TooManyRequests", "Please retry again later.")
        .with_header("Retry-After", "1");
    stand.tenant.script(Fault::first(
        3,
        "attendanceReports",
        FaultEffect::Answer(throttle),
    ));
    let outcome = stand.backfill(0, DAYS, "", &["--format", "json"]);
    assert_same_rows(&stand.published().content(), &wanted);
    let summary: Value = serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(summary["throttled_responses"], 3);
    assert!(summary["throttled_seconds"].as_f64().unwrap() >= 1.0);
}

#[test]
fn fault_37_a_token_that_is_refused_once_is_renewed_and_nothing_is_lost() {
    let stand = stand();
    let wanted = without_fault(&stand);
    let refuse = FaultAnswer::graph_error(
        401,
        "InvalidAuthenticationToken",
        "Access token has expired or is not yet valid.",
    );
    stand
        .tenant
        .script(Fault::first(1, "calendarView", FaultEffect::Answer(refuse)));
    stand.backfill(0, DAYS, "", &[]);
    assert_same_rows(&stand.published().content(), &wanted);
    let tokens = stand
        .tenant
        .requests()
        .iter()
        .filter(|request| request.path_and_query.contains("oauth2"))
        .count();
    assert_eq!(tokens, 2);
}

#[test]
fn fault_61_records_that_do_not_come_with_the_report_are_asked_by_themselves() {
    use teamsheet::simulated_tenant::world::ExpandAnswer;
    let stand = stand();
    let wanted = without_fault(&stand);
    for answer in [
        ExpandAnswer::Ignored,
        ExpandAnswer::Null,
        ExpandAnswer::Empty,
        ExpandAnswer::Partial,
    ] {
        let mut world = stand.tenant.world();
        world.answers.expand = answer;
        world.answers.records_page_size = 7;
        let other = Stand::new(world);
        other.backfill(0, DAYS, "", &[]);
        assert_same_rows(&other.published().content(), &wanted);
    }
}
