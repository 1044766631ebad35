//! Call records, alone and beside calendars.

use super::*;

#[test]
fn call_records_find_what_no_calendar_shows() {
    let mut world = world();
    world.meetings = vec![
        held(&world, "planned", 1, 9),
        ad_hoc(&world, "ad hoc", 2, 14),
    ];
    let stand = Stand::new(world);
    backfill(&stand, CALENDAR, 0, DAYS).expect_code(0);
    assert_eq!(seen(&stand).len(), 1, "calendars miss it");

    let other = Stand::new(stand.tenant.world());
    let outcome = backfill(&other, CALLS, 0, DAYS).expect_code(0);
    let rows = sessions(&other);
    assert_eq!(rows.len(), 2);
    let call = &rows[1];
    let report = other.tenant.world().meetings[1].reports[0].clone();
    assert_eq!(
        (call.scheduled_start, call.scheduled_end, call.report_count),
        (report.start.at, Some(report.end.at), 1)
    );
    assert_eq!(call.organizer_id.as_deref(), Some(ada().id.as_str()));
    assert_eq!(call.discovered_by, ["call-records"]);
    assert_eq!(call.attendance_state, "reported");
    assert!(call.occurrence_id.is_some() && call.event_id.is_some());
    assert_eq!(other.published().records.len(), 4);
    assert_eq!(
        asked(&other, "/users?").len() + asked(&other, "calendarView").len(),
        0
    );
    // each day's list by itself, margins included, nothing by id
    assert_eq!(
        summary(&outcome)["requests_by_kind"]["list_call_records"],
        DAYS + 2
    );
    assert_eq!(asked(&other, "/communications/callRecords/").len(), 0);
    let again = backfill(&other, CALLS, 0, DAYS).expect_code(0);
    assert_eq!(summary(&again)["partitions_published"], 0);
}

#[test]
fn what_several_ways_find_is_one_session_and_each_meeting_is_asked_once() {
    let mut world = world();
    let mut series = Meeting::teams(&ada(), "series", &[at(&world, 1, 9), at(&world, 2, 9)], 30);
    series.hold(0, &[&ada()]);
    series.hold(1, &[&ada(), &grace()]);
    // nobody came to this one
    let quiet = Meeting::teams(&grace(), "quiet", &[at(&world, 3, 9)], 30);
    let list = format!("{},{}\n", ada().id, series.join_web_url.clone().unwrap());
    world.meetings = vec![series, quiet, ad_hoc(&world, "ad hoc", 2, 14)];
    let stand = Stand::new(world);
    let sources = write_list(&stand, &list).replace(
        "[\"listed\"]",
        "[\"listed\", \"call-records\", \"calendar\"]",
    );
    let first = backfill(&stand, &sources, 0, DAYS).expect_code(0);
    let row = |subject: Option<&str>, ways: &str, state: &str, reports| {
        (
            subject.map(str::to_owned),
            ways.to_owned(),
            state.to_owned(),
            reports,
        )
    };
    let wanted = [
        row(
            Some("series"),
            "calendar call-records listed",
            "reported",
            1,
        ),
        row(
            Some("series"),
            "calendar call-records listed",
            "reported",
            1,
        ),
        row(None, "call-records", "reported", 1),
        row(Some("quiet"), "calendar", "empty", 0),
    ];
    assert_eq!(seen(&stand), wanted);
    let kinds = &summary(&first)["requests_by_kind"];
    assert_eq!(
        (&kinds["list_reports"], &kinds["get_report"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(
        kinds["find_meeting"], 3,
        "the listed one is not looked up a second time"
    );
    let published = stand.published();
    assert_eq!(
        published.runs[0].1.sources,
        [
            "online_meetings:calendar",
            "online_meetings:call-records",
            "online_meetings:listed"
        ]
    );
    // fewer ways, later and elsewhere: the ways that found a session stay
    for fewer in [CALENDAR, BOTH, CALLS] {
        let again = backfill(&stand, fewer, 0, DAYS).expect_code(0);
        assert_eq!(summary(&again)["partitions_published"], 0, "{fewer}");
    }
    assert_eq!(seen(&stand), wanted);
}

#[test]
fn a_call_keeps_its_session_when_a_calendar_shows_it_later_and_when_its_record_expires() {
    let mut world = world();
    world.meetings.push(held(&world, "planned", 1, 9));
    let stand = Stand::new(world);
    backfill(&stand, CALLS, 0, DAYS).expect_code(0);
    let alone = sessions(&stand)[0].clone();
    assert_eq!((alone.subject.as_deref(), alone.report_count), (None, 1));
    let check = |sources: &str| {
        backfill(&stand, sources, 0, DAYS).expect_code(0);
        let rows = sessions(&stand);
        let [row] = rows.as_slice() else {
            panic!("{rows:?}")
        };
        assert_eq!(row.session_id, alone.session_id);
        (
            row.discovered_by.join(" "),
            row.attendance_state.clone().into_owned(),
            row.removed_at,
        )
    };
    let both = (
        "calendar call-records".to_owned(),
        "reported".to_owned(),
        None,
    );
    let job = stand.job_of(&stand.warehouse(), BOTH, "");
    stand
        .backfill_job(&job, 0, DAYS, &["--reprocess", "all"])
        .expect_code(0);
    assert_eq!(check(BOTH), both);
    assert_eq!(check(CALENDAR), both);
    // thirty days later no call record is left
    stand.tenant.script(Fault::always(
        "/communications/callRecords",
        FaultEffect::Rewrite(|_| br#"{"value":[]}"#.to_vec()),
    ));
    assert_eq!(check(BOTH), both);
    assert_eq!(check(CALLS), both);
    assert_reports_have_sessions(&stand.published());
}

fn spoil_calls(body: Vec<u8>) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(&body).unwrap();
    let Some(calls) = page["value"]
        .as_array_mut()
        .filter(|calls| !calls.is_empty())
    else {
        return body;
    };
    let good = calls[0].clone();
    let variant = |id: &str, change: &dyn Fn(&mut Value)| {
        let mut call = good.clone();
        call["id"] = json!(id);
        change(&mut call);
        call
    };
    let mut newer = good.clone();
    newer["version"] = json!(2);
    newer["endDateTime"] = json!("2100-01-01T00:00:00Z");
    calls.insert(0, newer);
    calls.extend([
        variant("of-another-tenant", &|call| {
            call["organizer_v2"]["identity"]["user"]["tenantId"] = json!("another");
        }),
        variant("between-two-people", &|call| {
            call["type"] = json!("peerToPeer");
            call["joinWebUrl"] = Value::Null;
        }),
        variant("by-phone", &|call| {
            call["organizer_v2"] = json!({"id": "+5564981205182", "identity": {"user": null, "phone": {"id": "+5564981205182"}}});
            call["joinWebUrl"] = json!("https://teams.microsoft.com/meet/2345678901234?p=x");
        }),
    ]);
    serde_json::to_vec(&page).unwrap()
}

#[test]
fn calls_that_are_no_meetings_of_ours_are_skipped_and_counted_and_the_newest_version_counts() {
    let mut world = world();
    world.meetings.push(ad_hoc(&world, "ad hoc", 2, 14));
    let stand = Stand::new(world);
    stand.tenant.script(Fault::always(
        "/communications/callRecords?",
        FaultEffect::Rewrite(spoil_calls),
    ));
    let outcome = backfill(&stand, CALLS, 0, DAYS).expect_code(0);
    let rows = sessions(&stand);
    let [row] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(
        row.scheduled_end.unwrap().to_string(),
        "2100-01-01T00:00:00Z"
    );
    assert_eq!(
        summary(&outcome)["skipped"],
        json!({"calls_expired": 1, "calls_of_other_tenants": 1, "calls_without_meeting": 1})
    );
    // only the one whose organizer is no user was asked for by itself, and it has expired
    assert_eq!(summary(&outcome)["requests_by_kind"]["get_call_record"], 1);
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
pub(super) fn summaries_only(body: Vec<u8>) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(&body).unwrap();
    for call in page["value"].as_array_mut().unwrap() {
        let call = call.as_object_mut().unwrap();
        call.remove("joinWebUrl");
        call.remove("organizer_v2");
    }
    serde_json::to_vec(&page).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn deprecated_organizer(body: Vec<u8>) -> Vec<u8> {
    let mut call: Value = serde_json::from_slice(&body).unwrap();
    call["organizer"] = call["organizer_v2"]["identity"].take();
    call.as_object_mut().unwrap().remove("organizer_v2");
    serde_json::to_vec(&call).unwrap()
}

#[test]
fn what_the_list_of_calls_lacks_is_asked_of_each_call() {
    let mut world = world();
    world.meetings.push(ad_hoc(&world, "ad hoc", 2, 14));
    let stand = Stand::new(world);
    stand.tenant.script(Fault::always(
        "/communications/callRecords?",
        FaultEffect::Rewrite(summaries_only),
    ));
    stand.tenant.script(Fault::always(
        "/communications/callRecords/",
        FaultEffect::Rewrite(deprecated_organizer),
    ));
    let outcome = backfill(&stand, CALLS, 0, DAYS).expect_code(0);
    assert_eq!(summary(&outcome)["requests_by_kind"]["get_call_record"], 1);
    let row = &sessions(&stand)[0];
    assert_eq!(row.organizer_id.as_deref(), Some(ada().id.as_str()));
    assert_eq!(row.attendance_state, "reported");
}

#[test]
fn days_older_than_graph_keeps_call_records_are_announced_and_never_just_empty() {
    let mut world = world();
    world.settings.days = 40;
    world.meetings.push(ad_hoc(&world, "ad hoc", 2, 14));
    let stand = Stand::new(world);
    let outcome = backfill(&stand, CALLS, 1, 4).expect_code(0);
    let published = stand.published();
    let gaps = open_gaps(&published);
    assert_eq!(gaps.len(), 3);
    assert!(
        gaps.iter()
            .all(|gap| gap.reason == "call_records_expired" && gap.stage == "discover")
    );
    let notices = summary(&outcome)["notices"].to_string();
    assert!(notices.contains("call_records_expired"), "{notices}");
    assert_eq!(
        asked(&stand, "/communications/").len(),
        0,
        "there is nothing to ask for"
    );
    // and reading calendars does not find them either
    backfill(&stand, CALENDAR, 1, 4).expect_code(0);
    assert_eq!(open_gaps(&stand.published()).len(), 3);

    // a range that was read in time stays complete when it is run again later
    let recent = Stand::new({
        let mut world = stand.tenant.world();
        world.meetings.clear();
        world
    });
    backfill(&recent, CALLS, 36, 39).expect_code(0);
    assert_eq!(recent.published().gaps.len(), 0);
}

#[test]
fn fault_60_a_call_that_comes_on_two_pages_and_one_that_vanishes_are_no_matter() {
    let mut world = world();
    for hour in 0..20 {
        let subject = format!("call {hour}");
        world.meetings.push(ad_hoc(&world, &subject, 2, hour));
    }
    let stand = Stand::new(world);
    stand.tenant.script(Fault::always(
        "/communications/callRecords?",
        FaultEffect::Rewrite(|body| {
            let mut page: Value = serde_json::from_slice(&body).unwrap();
            let calls = page["value"].as_array_mut().unwrap();
            if let Some(last) = calls.last().cloned() {
                calls.insert(0, last);
            }
            serde_json::to_vec(&page).unwrap()
        }),
    ));
    backfill(&stand, CALLS, 0, DAYS).expect_code(0);
    assert_eq!(sessions(&stand).len(), 20);
    assert_eq!(stand.published().reports.len(), 20);
}

#[test]
fn a_call_whose_record_came_after_the_nightly_run_is_taken_by_the_next() {
    let mut world = world();
    let (yesterday, before) = (DAYS - 1, DAYS - 2);
    let late = ad_hoc(&world, "late", before, 23);
    world.meetings.push(late.clone());
    let stand = Stand::new(world);
    let job = stand.job_of(&stand.warehouse(), CALLS, "[run]\nlookback_days = 7\n");
    let interval = |day: u32| {
        let settings = stand.tenant.world().settings;
        (
            settings.midnight(day).to_string(),
            settings.midnight(day + 1).to_string(),
        )
    };
    let run = |day: u32| {
        let (start, end) = interval(day);
        let arguments = [
            "run",
            "--job",
            job.to_str().unwrap(),
            "--interval-start",
            &start,
            "--interval-end",
            &end,
        ];
        stand.run(&arguments).expect_code(0);
    };
    stand.tenant.edit(|world| world.meetings.clear());
    run(before);
    assert_eq!(sessions(&stand).len(), 0);
    stand.tenant.edit(|world| world.meetings.push(late.clone()));
    run(yesterday);
    let rows = stand.published().sessions;
    let [(day, row)] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(
        (day, row.report_count),
        (&utc_date(at(&stand.tenant.world(), before, 23)), 1)
    );
    assert_reports_have_sessions(&stand.published());
}

#[test]
fn a_calendar_that_fails_does_not_turn_its_calls_into_sessions_of_their_own() {
    let mut world = world();
    world.meetings.push(held(&world, "planned", 1, 9));
    let stand = Stand::new(world);
    let broken = FaultAnswer::graph_error(500, "InternalServerError", "x");
    stand.tenant.script(Fault::first(
        4,
        format!("/users/{}/calendarView", ada().id),
        FaultEffect::Answer(broken),
    ));
    backfill(&stand, BOTH, 0, DAYS).expect_code(3);
    assert_eq!(sessions(&stand).len(), 0);
    backfill(&stand, BOTH, 0, DAYS).expect_code(0);
    assert_eq!(
        seen(&stand),
        [(
            Some("planned".to_owned()),
            "calendar call-records".to_owned(),
            "reported".to_owned(),
            1
        )]
    );
    assert_eq!(open_gaps(&stand.published()).len(), 0);
}

#[test]
fn calls_of_webinars_are_not_online_meetings_as_well() {
    let mut world = world();
    let starts = [at(&world, 2, 9)];
    let mut webinar =
        VirtualEvent::published(VirtualEventKind::Webinar, &ada(), "talk", &starts, 60);
    webinar.sessions[0].hold(&[&ada(), &grace()]);
    world.virtual_events.push(webinar);
    let stand = Stand::new(world);
    let outcome = backfill(&stand, &format!("{BOTH}[sources.webinars]\n"), 0, DAYS).expect_code(0);
    let rows = sessions(&stand);
    let [row] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!((row.source.as_ref(), row.report_count), ("webinar", 1));
    assert_eq!(
        summary(&outcome)["skipped"],
        json!({"calls_of_virtual_events": 1})
    );
}

#[test]
fn calls_of_people_the_job_is_not_about_are_left_alone() {
    let mut world = world();
    let mut hers = Meeting::teams(&grace(), "hers", &[at(&world, 1, 9)], 60);
    hers.hold(0, &[&grace()]);
    hers.occurrences.clear();
    world.meetings = vec![hers, ad_hoc(&world, "ad hoc", 2, 14)];
    let stand = Stand::new(world);
    for ways in ["[\"call-records\"]", "[\"calendar\", \"call-records\"]"] {
        let sources = format!(
            "[sources.online_meetings]\ndiscover = {ways}\nusers = [\"{}\"]\n",
            ada().user_principal_name
        );
        backfill(&stand, &sources, 0, DAYS).expect_code(0);
        let rows = sessions(&stand);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].organizer_id.as_deref(), Some(ada().id.as_str()));
    }
    assert_eq!(DAY, 24 * HOUR);
}

#[test]
fn a_day_of_calls_that_cannot_be_listed_is_a_gap_and_the_other_days_are_published() {
    let mut world = world();
    world.meetings = vec![
        ad_hoc(&world, "there", 1, 9),
        ad_hoc(&world, "missing", 3, 9),
    ];
    let day = at(&world, 3, 0).to_string().replace(':', "%3A");
    let stand = Stand::new(world);
    let answer = FaultAnswer::graph_error(400, "BadRequest", "x");
    stand.tenant.script(Fault::first(
        1,
        format!("startDateTime%20ge%20{day}"),
        FaultEffect::Answer(answer),
    ));
    backfill(&stand, CALLS, 0, DAYS).expect_code(3);
    assert_eq!(sessions(&stand).len(), 1);
    let published = stand.published();
    let gaps = open_gaps(&published);
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| gap.stage == "discover"));
    backfill(&stand, CALLS, 0, DAYS).expect_code(0);
    assert_eq!(sessions(&stand).len(), 2);
    assert_eq!(open_gaps(&stand.published()).len(), 0);
}
