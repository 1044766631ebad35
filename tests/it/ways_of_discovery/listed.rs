//! Meetings that the job lists, and how a meeting's id is had.

use super::*;

#[test]
fn listed_meetings_are_found_by_id_number_and_link() {
    let mut world = world();
    let by_id = held(&world, "by id", 1, 9);
    let mut by_number = held(&world, "by number", 2, 9);
    by_number.join_meeting_id = Some("234567890123".to_owned());
    let by_link = held(&world, "by link", 3, 9);
    let mut short = held(&world, "by short link", 3, 12);
    short.join_meeting_id = Some("345678901234".to_owned());
    short.join_web_url = Some(links::short_join_url("345678901234", "x"));
    let not_listed = held(&world, "not listed", 3, 15);
    let list = format!(
        "organizer,meeting\n{},{}\n{},234 567 890 123\n# a comment\n{},{}\n{},{}\n",
        ada().user_principal_name,
        by_id.online_meeting_id,
        ada().id,
        ada().id,
        by_link.join_web_url.clone().unwrap(),
        ada().id,
        short.join_web_url.clone().unwrap(),
    );
    let wanted = by_id.reports[0].clone();
    world.meetings = vec![by_id, by_number, by_link, short, not_listed];
    let stand = Stand::new(world);
    let sources = write_list(&stand, &list);
    let outcome = backfill(&stand, &sources, 0, DAYS).expect_code(0);
    let row = |subject: &str| {
        (
            Some(subject.to_owned()),
            "listed".to_owned(),
            "reported".to_owned(),
            1,
        )
    };
    assert_eq!(
        seen(&stand),
        ["by id", "by number", "by link", "by short link"].map(row)
    );
    let published = stand.published();
    let (day, report) = &published.reports[0];
    assert_eq!(
        (report.report_id.as_ref(), day),
        (wanted.id.as_str(), &utc_date(wanted.start.at))
    );
    assert_eq!(published.records.len(), 8);
    assert_reports_have_sessions(&published);
    assert_eq!(
        summary(&outcome)["requests_by_kind"],
        json!({"token": 1, "users": 1, "get_meeting": 1, "find_meeting": 3, "list_reports": 4, "get_report": 4})
    );
    assert_eq!(asked(&stand, "calendarView"), Vec::<String>::new());
    let again = backfill(&stand, &sources, 0, DAYS).expect_code(0);
    assert_eq!(summary(&again)["partitions_published"], 0);
}

#[test]
fn a_list_comes_from_standard_input_too() {
    let mut world = world();
    let meeting = held(&world, "piped", 1, 9);
    let line = format!("{},{}\n", ada().id, meeting.online_meeting_id);
    world.meetings.push(meeting);
    let stand = Stand::new(world);
    let sources =
        "[sources.online_meetings]\ndiscover = [\"listed\"]\nmeetings = { file = \"-\" }\n";
    let job = stand.job_of(&stand.warehouse(), sources, "");
    let settings = stand.tenant.world().settings;
    let (from, to) = (
        settings.midnight(0).to_string(),
        settings.midnight(DAYS).to_string(),
    );
    let run = |input: &str| {
        let mut child = binary()
            .args([
                "backfill",
                "--job",
                job.to_str().unwrap(),
                "--from",
                &from,
                "--to",
                &to,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        outcome(child.wait_with_output().unwrap())
    };
    run(&line).expect_code(0);
    assert_eq!(seen(&stand).len(), 1);
    let refused = run(&format!("{line}Ada Lovelace,secret-meeting\n")).expect_code(2);
    assert!(
        refused.stderr.contains("standard input, line 2"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("secret-meeting") && !refused.stderr.contains("Lovelace"));
}

#[test]
fn a_listed_meeting_that_is_held_again_later_has_its_reports_of_the_interval_taken() {
    let mut world = world();
    let mut meeting = held(&world, "reused", 0, 9);
    meeting.hold(0, &[&ada()]);
    let later = at(&world, 4, 9);
    let report = &mut meeting.reports[1];
    let shift = later.0 - report.start.at.0;
    report.start.at = later;
    report.end.at = report.end.at.plus(shift);
    let wanted = report.id.clone();
    let list = format!("{},{}\n", ada().id, meeting.online_meeting_id);
    world.meetings.push(meeting);
    let stand = Stand::new(world);
    let sources = write_list(&stand, &list);
    backfill(&stand, &sources, 4, 5).expect_code(0);
    let published = stand.published();
    let reports: Vec<_> = published
        .reports
        .iter()
        .map(|(_, row)| row.report_id.as_ref())
        .collect();
    assert_eq!(reports, [wanted.as_str()]);
    assert_reports_have_sessions(&published);
    assert_eq!(
        published.sessions[0].0,
        utc_date(at(&stand.tenant.world(), 0, 9))
    );
    // in pieces, or whole, and again: the same rows
    backfill(&stand, &sources, 0, 4).expect_code(0);
    let pieces = stand.published().content();
    assert_eq!(pieces.reports.len(), 2);
    let again = backfill(&stand, &sources, 0, DAYS).expect_code(0);
    assert_eq!(summary(&again)["partitions_published"], 0);
    let whole = Stand::new(stand.tenant.world());
    let sources = write_list(&whole, &list);
    backfill(&whole, &sources, 0, DAYS).expect_code(0);
    assert_same_rows(&whole.published().content(), &pieces);
}

#[test]
fn fault_40_a_listed_meeting_that_is_gone_is_a_gap_and_the_others_are_published() {
    let mut world = world();
    let there = held(&world, "there", 1, 9);
    let list = format!(
        "{0},{1}\n{0},MSoxOm5vdCB0aGVyZQ==\n",
        ada().id,
        there.online_meeting_id
    );
    world.meetings.push(there);
    let stand = Stand::new(world);
    let sources = write_list(&stand, &list);
    backfill(&stand, &sources, 1, 2).expect_code(3);
    let published = stand.published();
    assert_eq!(published.reports.len(), 1);
    let gaps = open_gaps(&published);
    let [gap] = gaps.as_slice() else {
        panic!("{gaps:?}")
    };
    assert_eq!(
        (
            gap.stage.as_ref(),
            gap.reason.as_ref(),
            gap.http_status,
            gap.organizer_id.as_deref()
        ),
        ("discover", "gone", Some(404), Some(ada().id.as_str()))
    );
    // it exists after all: the gap is closed by the run that reads it
    stand.tenant.edit(|world| {
        let mut meeting =
            Meeting::teams(&ada(), "back", &[world.settings.midnight(1).plus(HOUR)], 60);
        meeting.online_meeting_id = "MSoxOm5vdCB0aGVyZQ==".to_owned();
        world.meetings.push(meeting);
    });
    backfill(&stand, &sources, 1, 2).expect_code(0);
    assert_eq!(open_gaps(&stand.published()).len(), 0);
    assert_eq!(seen(&stand).len(), 2);
}

#[test]
fn ids_are_taken_from_long_links_and_looked_up_where_graph_does_not_know_them() {
    let mut world = world();
    let mut other_id = held(&world, "another id", 2, 9);
    other_id.online_meeting_id = "MSoxOmFub3RoZXI=".to_owned();
    let mut short = held(&world, "short", 3, 9);
    short.join_meeting_id = Some("345678901234".to_owned());
    short.join_web_url = Some(links::short_join_url("345678901234", "x"));
    world.meetings = vec![held(&world, "usual", 1, 9), other_id, short];
    let stand = Stand::new(world);
    let wanted = Stand::new(stand.tenant.world());
    backfill(&wanted, CALENDAR, 0, DAYS).expect_code(0);
    let sources = "[sources.online_meetings]\nderive_ids = true\n";
    let job = stand.job_of(&stand.warehouse(), sources, "");
    let outcome = stand
        .backfill_job(&job, 0, DAYS, &["--format", "json", "-vv"])
        .expect_code(0);
    assert_same_rows(&stand.published().content(), &wanted.published().content());
    let kinds = &summary(&outcome)["requests_by_kind"];
    assert_eq!(
        (&kinds["find_meeting"], &kinds["list_reports"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(
        summary(&outcome)["meeting_ids"],
        json!({"derived": 1, "refused": 1, "looked_up": 2})
    );
    let log = &outcome.stderr;
    assert!(
        log.contains("route=\"derived\"") && log.contains("route=\"looked_up\""),
        "{log}"
    );
    assert_eq!(
        asked(
            &stand,
            "joinMeetingIdSettings/joinMeetingId eq '345678901234'"
        )
        .len(),
        1
    );
}

#[test]
fn a_listed_meeting_of_a_channel_is_unsupported_whatever_it_is_listed_by() {
    let mut world = world();
    let thread = links::channel_thread("0b8f0d5a-1c2d-4e3f-8a9b-0c1d2e3f4a5b");
    let mut meeting = held(&world, "in a channel", 1, 9);
    meeting.kind = teamsheet::simulated_tenant::world::MeetingKind::Channel;
    meeting.online_meeting_id = links::online_meeting_id(&ada().id, &thread, "1600000000000");
    meeting.join_web_url = Some(links::long_join_url(
        teamsheet::simulated_tenant::TENANT_ID,
        &ada().id,
        &thread,
        "1600000000000",
    ));
    meeting.thread_id = thread;
    let list = format!("{},{}\n", ada().id, meeting.online_meeting_id);
    world.meetings.push(meeting);
    let stand = Stand::new(world);
    let sources = write_list(&stand, &list);
    backfill(&stand, &sources, 0, DAYS).expect_code(0);
    let rows = sessions(&stand);
    let [row] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(
        (
            row.attendance_state.as_ref(),
            row.attendance_state_reason.as_deref()
        ),
        ("unsupported", Some("channel_meeting"))
    );
    assert_eq!(asked(&stand, "attendanceReports").len(), 0);
}
