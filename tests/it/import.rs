//! `teamsheet import`: attendance CSVs that people saved from Teams, beside what Graph gives.

use std::fs;
use std::path::{Path, PathBuf};

use teamsheet::simulated_tenant::TENANT_ID;
use teamsheet::simulated_tenant::world::AccessPolicy;
use teamsheet::tables::SessionRow;
use teamsheet::time::{SECOND, UtcMicros};

use crate::coverage::{backfill, held, person, world};
use crate::support::{Outcome, Published, Stand, assert_same_rows, binary, outcome};

const MINUTE: i64 = 60 * SECOND;
const REPORT: &str = "1. Summary\r\nMeeting title\tWeekly\r\nAttended participants\t2\r\nStart time\t11/27/24, 9:00:02 AM\r\n\
    End time\t11/27/24, 10:01:12 AM\r\nMeeting duration\t1h 1m 10s\r\nAverage attendance time\t40m 5s\r\n\r\n2. Participants\r\n\
    Name\tFirst Join\tLast Leave\tIn-Meeting Duration\tEmail\tParticipant ID (UPN)\tRole\r\n\
    Ann A\t11/27/24, 9:00:02 AM\t11/27/24, 10:01:12 AM\t1h 1m 10s\tann@contoso.example\tann@contoso.example\tOrganizer\r\n\
    P One (Guest)\t11/27/24, 9:05:00 AM\t11/27/24, 9:30:00 AM\t19m\t\t\tAttendee\r\n\r\n3. In-Meeting Activities\r\n\
    Name\tJoin Time\tLeave Time\tDuration\tEmail\tRole\r\n\
    Ann A\t11/27/24, 9:00:02 AM\t11/27/24, 10:01:12 AM\t1h 1m 10s\tann@contoso.example\tOrganizer\r\n\
    P One (Guest)\t11/27/24, 9:05:00 AM\t11/27/24, 9:14:00 AM\t9m\t\tAttendee\r\n\
    P One (Guest)\t11/27/24, 9:20:00 AM\t11/27/24, 9:30:00 AM\t10m\t\tAttendee";

/// A folder with a job file and no tenant to ask.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new(tenant: &str, zone: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let job = format!(
            "[tenant]\nid = \"{tenant}\"\n[warehouse]\nuri = \"{}\"\ntimezone = \"{zone}\"\n",
            folder.path().join("warehouse").display()
        );
        fs::write(folder.path().join("job.toml"), job).unwrap();
        Self { folder }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn import(&self, files: &[&Path], flags: &[&str]) -> Outcome {
        let mut command = binary();
        command
            .args(["import", "--job", "job.toml"])
            .args(flags)
            .args(files);
        outcome(command.current_dir(self.folder.path()).output().unwrap())
    }

    fn published(&self) -> Published {
        Published::read(&self.folder.path().join("warehouse"))
    }

    fn verify(&self) {
        let mut command = binary();
        command.args(["verify", "--warehouse", "warehouse"]);
        outcome(command.current_dir(self.folder.path()).output().unwrap()).expect_code(0);
    }
}

fn utf16(text: &str) -> Vec<u8> {
    let text = format!("\u{feff}{text}");
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn at(text: &str) -> UtcMicros {
    text.parse::<jiff::Timestamp>().unwrap().into()
}

#[test]
fn a_saved_report_becomes_rows_and_importing_it_again_publishes_nothing() {
    let desk = Desk::new(TENANT_ID, "Europe/Berlin");
    let file = desk.file("Weekly - Attendance report.csv", &utf16(REPORT));
    let summary = desk
        .import(&[&file], &["--timezone", "America/New_York"])
        .expect_code(0)
        .final_line();
    for (name, count) in [
        ("files", 1),
        ("reports", 1),
        ("records", 2),
        ("intervals", 3),
        ("own_sessions", 1),
    ] {
        assert_eq!(summary[name], count, "{summary}");
    }
    desk.verify();
    let published = desk.published();
    let [(day, session)] = published.sessions.as_slice() else {
        panic!("{:?}", published.sessions)
    };
    assert_eq!(
        (day.as_str(), session.discovered_by.as_slice()),
        ("2024-11-27", &["imported".into()][..])
    );
    assert_eq!(
        (
            session.attendance_state.as_ref(),
            session.is_final,
            session.report_count
        ),
        ("reported", true, 1)
    );
    assert_eq!(session.subject.as_deref(), Some("Weekly"));
    assert_eq!(
        session.organizer_email.as_deref(),
        Some("ann@contoso.example")
    );
    assert_eq!(
        (
            session.organizer_id.as_deref(),
            session.join_web_url.as_deref()
        ),
        (None, None)
    );
    let [(_, report)] = published.reports.as_slice() else {
        panic!("{:?}", published.reports)
    };
    assert_eq!(
        report.meeting_start_date_time,
        Some(at("2024-11-27T14:00:02Z"))
    );
    assert_eq!(
        report.meeting_end_date_time,
        Some(at("2024-11-27T15:01:12Z"))
    );
    assert_eq!(
        (report.total_participant_count, report.record_count),
        (Some(2), 2)
    );
    assert_eq!(report.quality_flags, ["imported"]);
    assert_eq!(
        (report.event_id.as_deref(), report.session_id.as_deref()),
        (None, Some(session.session_id.as_ref()))
    );
    let guest = published
        .records
        .iter()
        .map(|(_, row)| row)
        .find(|row| row.email_address.is_none())
        .unwrap();
    assert_eq!(
        guest.identity_display_name.as_deref(),
        Some("P One (Guest)")
    );
    assert_eq!(
        (
            guest.identity_id.as_deref(),
            guest.is_external,
            guest.record_id.as_deref()
        ),
        (None, None, None)
    );
    assert_eq!(
        (
            guest.interval_count,
            guest.present_seconds,
            guest.total_attendance_in_seconds
        ),
        (2, 1_140, Some(1_140))
    );
    assert_eq!(guest.quality_flags, ["imported"]);
    let run = &published.runs[0].1;
    assert_eq!(
        (run.verb.as_ref(), run.sources.len(), run.requests),
        ("import", 0, 0)
    );

    assert_again(&desk, &file, &published);
}

/// The same under another name, in another encoding, and a copy from before the end, beside what is published.
fn assert_again(desk: &Desk, file: &Path, published: &Published) {
    let again = desk.file("b.csv", REPORT.as_bytes());
    let shorter = REPORT.replace("10:01:12 AM", "9:40:00 AM");
    let earlier = desk.file("c.csv", shorter.as_bytes());
    let zone = ["--timezone", "America/New_York"];
    let summary = desk
        .import(&[&earlier, &again, file], &zone)
        .expect_code(0)
        .final_line();
    assert_eq!(
        (&summary["same_report"], &summary["imported_before"]),
        (&2.into(), &1.into()),
        "{summary}"
    );
    assert_eq!(summary["partitions_published"], 0);
    assert_eq!(
        desk.import(&[&earlier], &zone).final_line()["imported_before"],
        1,
        "what is whole stays"
    );
    assert_eq!(desk.published(), *published);
}

#[test]
fn a_report_that_was_saved_early_is_replaced_by_the_whole_one() {
    let desk = Desk::new(TENANT_ID, "UTC");
    let early: String = REPORT
        .lines()
        .filter(|line| !line.starts_with("P One"))
        .map(|line| {
            line.replace("10:01:12 AM", "9:03:00 AM")
                .replace("participants\t2", "participants\t1")
                + "\n"
        })
        .collect();
    let (early, whole) = (
        desk.file("early.csv", early.as_bytes()),
        desk.file("whole.csv", REPORT.as_bytes()),
    );
    desk.import(&[&early], &[]).expect_code(0);
    assert_eq!(desk.published().records.len(), 1);
    desk.import(&[&whole], &[]).expect_code(0);
    let published = desk.published();
    assert_eq!(
        (
            published.reports.len(),
            published.records.len(),
            published.sessions.len()
        ),
        (1, 2, 1)
    );
    desk.verify();
}

#[test]
fn one_bad_file_publishes_nothing_and_every_bad_file_is_named_without_its_content() {
    let desk = Desk::new(TENANT_ID, "UTC");
    let good = desk.file("good.csv", REPORT.as_bytes());
    let other = desk.file("other.csv", b"id,name\n1,Ann A\n");
    let torn = desk.file(
        "torn.csv",
        REPORT.replace("11/27/24, 9:05:00 AM", "then").as_bytes(),
    );
    let open = desk.file("open.csv", REPORT.replace("11/27/24", "1/5/24").as_bytes());
    let missing = desk.folder.path().join("missing.csv");
    let ended = desk
        .import(
            &[&good, &other, &torn, &open, &missing, desk.folder.path()],
            &["-vv"],
        )
        .expect_code(2);
    for said in [
        "other.csv`: it has no table of participants",
        "torn.csv`: line 12, column 2: this is no date with a time",
        "open.csv`: line 4: day and month of its dates cannot be told apart",
        "--date-format mdy",
        "missing.csv`: it cannot be read: No such file",
        "5 of 6 files cannot be imported; nothing was published",
    ] {
        assert!(ended.stderr.contains(said), "{said}\n{}", ended.stderr);
    }
    for content in ["Ann", "P One", "contoso.example", "then", "Weekly"] {
        assert!(
            !ended.stderr.contains(content) && !ended.stdout.contains(content),
            "{content}\n{}",
            ended.stderr
        );
    }
    let line = ended.final_line();
    assert_eq!(
        (
            line["exit_code"].as_u64(),
            line["bad_files"].as_array().unwrap().len()
        ),
        (Some(2), 5)
    );
    assert!(!desk.folder.path().join("warehouse").exists());
    desk.import(&[&open], &["--date-format", "dmy"])
        .expect_code(0);
    assert_eq!(
        desk.published().reports[0].1.meeting_start_date_time,
        Some(at("2024-05-01T09:00:02Z"))
    );
    desk.import(&[&good], &["--timezone", "Mars/Olympus"])
        .expect_code(2);
}

#[test]
fn logs_are_silent_about_people_and_a_domain_is_no_tenant_id() {
    let desk = Desk::new(TENANT_ID, "UTC");
    let file = desk.file("a.csv", REPORT.as_bytes());
    let ended = desk
        .import(&[&file], &["-vv", "--log-format", "json"])
        .expect_code(0);
    for content in ["Ann", "P One", "contoso.example", "Weekly"] {
        assert!(
            !ended.stderr.contains(content) && !ended.stdout.contains(content),
            "{content}"
        );
    }
    let domain = fs::read_to_string(desk.folder.path().join("job.toml")).unwrap();
    let domain = domain.replace(TENANT_ID, "contoso.example");
    desk.file("job.toml", domain.as_bytes());
    let ended = desk.import(&[&file], &[]).expect_code(0);
    assert_eq!(
        ended.final_line()["imported_before"],
        1,
        "the warehouse knows the GUID"
    );
    desk.file("job.toml", domain.replace("/warehouse", "/new").as_bytes());
    let ended = desk.import(&[&file], &[]).expect_code(2);
    assert!(
        ended.stderr.contains("give the tenant's GUID")
            || ended.stderr.contains("Give the tenant's GUID"),
        "{}",
        ended.stderr
    );
    assert!(!desk.folder.path().join("new").exists());
    desk.file(
        "job.toml",
        domain
            .replace("contoso.example", "00000000-0000-4000-8000-00000000000f")
            .as_bytes(),
    );
    desk.import(&[&file], &[]).expect_code(2);
}

/// A report of Graph's as Teams would have saved it.
fn saved(published: &Published, report: usize) -> String {
    let (_, row) = &published.reports[report];
    let written = |at: Option<UtcMicros>| {
        at.unwrap()
            .to_timestamp()
            .unwrap()
            .strftime("%Y-%m-%d, %H:%M:%S")
            .to_string()
    };
    let mut text = format!(
        "1. Summary\nMeeting title\t{}\nAttended participants\t{}\nStart time\t{}\nEnd time\t{}\n\n2. Participants\n\
         Name\tFirst Join\tLast Leave\tIn-Meeting Duration\tEmail\tParticipant ID (UPN)\tRole\n",
        row.subject.as_deref().unwrap_or_default(),
        row.record_count,
        written(row.meeting_start_date_time),
        written(row.meeting_end_date_time),
    );
    let records = published.records.iter().map(|(_, record)| record);
    for record in records.filter(|record| record.report_id == row.report_id) {
        let line = format!(
            "{}\t{}\t{}\t{}s\t{}\t\t{}\n",
            record
                .identity_display_name
                .as_deref()
                .unwrap_or("Somebody"),
            written(record.first_join_date_time),
            written(record.last_leave_date_time),
            record.present_seconds,
            record.email_address.as_deref().unwrap_or_default(),
            record.role.as_deref().unwrap_or_default(),
        );
        text.push_str(&line);
    }
    text + "\n3. In-Meeting Activities\nName\tJoin Time\tLeave Time\tDuration\tEmail\tRole\n"
}

fn import(stand: &Stand, files: &[String]) -> Outcome {
    let job = stand.job_of(&stand.warehouse(), "[sources.online_meetings]\n", "");
    let mut arguments = vec![
        "import".to_owned(),
        "--job".to_owned(),
        job.to_str().unwrap().to_owned(),
    ];
    for (number, text) in files.iter().enumerate() {
        let path = stand.folder.path().join(format!("{number}.csv"));
        fs::write(&path, utf16(text)).unwrap();
        arguments.push(path.to_str().unwrap().to_owned());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    stand.run(&arguments)
}

/// Two organizers with meetings of one name at one time, and what Graph gives of them.
fn two_of_one_name() -> (Stand, Published, Vec<String>) {
    let mut world = world();
    let (ada, grace) = (
        person("Ada", AccessPolicy::Granted),
        person("Grace", AccessPolicy::Granted),
    );
    for organizer in [&ada, &grace] {
        world.meetings.push(held(&world, organizer, "Weekly", 9));
        world.meetings.push(held(&world, organizer, "Weekly", 14));
    }
    world.people = vec![ada, grace];
    let stand = Stand::new(world);
    backfill(&stand, "", &[]).expect_code(0);
    let fetched = stand.published();
    assert_eq!(fetched.reports.len(), 4);
    let files = (0..4).map(|report| saved(&fetched, report)).collect();
    (stand, fetched, files)
}

#[test]
fn what_graph_gave_is_not_added_again() {
    let (stand, fetched, files) = two_of_one_name();
    let before = stand.tenant.requests().len();
    let summary = import(&stand, &files).expect_code(0).final_line();
    assert_eq!(
        (&summary["from_graph"], &summary["reports"]),
        (&4.into(), &0.into()),
        "{summary}"
    );
    assert_eq!(
        (
            &summary["partitions_published"],
            summary["run_ids"].as_array().unwrap().len()
        ),
        (&0.into(), 0)
    );
    assert_eq!(stand.published(), fetched);
    assert_eq!(stand.tenant.requests().len(), before, "nothing was asked");
}

#[test]
fn what_graph_gives_later_takes_the_place_of_what_was_imported() {
    let (stand, fetched, mut files) = two_of_one_name();
    fs::remove_dir_all(stand.warehouse()).unwrap();
    // one more, of a meeting that Graph does not know
    files.push(REPORT.to_owned());
    let summary = import(&stand, &files).expect_code(0).final_line();
    assert_eq!(
        (&summary["reports"], &summary["own_sessions"]),
        (&5.into(), &5.into()),
        "{summary}"
    );
    assert_eq!(stand.published().sessions.len(), 5);
    backfill(&stand, "", &[]).expect_code(0);
    let published = stand.published();
    let is_imported = |id: &str| id.starts_with("imported-");
    let rest: Vec<_> = published
        .reports
        .iter()
        .filter(|(_, row)| is_imported(&row.report_id))
        .collect();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0].0, "2024-11-27");
    let mut without = published.content();
    without.sessions.retain(|(day, _)| day != "2024-11-27");
    without.reports.retain(|(day, _)| day != "2024-11-27");
    without.records.retain(|(day, _)| day != "2024-11-27");
    without.intervals.retain(|(day, _)| day != "2024-11-27");
    assert_same_rows(&without, &fetched.content());
    let summary = import(&stand, &files).expect_code(0).final_line();
    assert_eq!(
        (&summary["from_graph"], &summary["imported_before"]),
        (&4.into(), &1.into()),
        "{summary}"
    );
    assert_eq!(summary["partitions_published"], 0);
}

fn session(published: &Published, subject: &str) -> SessionRow<'static> {
    let mut rows = published
        .sessions
        .iter()
        .filter(|(_, row)| row.subject.as_deref() == Some(subject));
    let found = rows.next().unwrap().1.clone();
    assert!(rows.next().is_none(), "one session each");
    found
}

#[test]
fn a_session_that_graph_refuses_is_reported_by_the_file_until_graph_gives_its_own() {
    let mut world = world();
    let (ada, grace) = (
        person("Ada", AccessPolicy::Granted),
        person("Grace", AccessPolicy::Missing),
    );
    world.meetings.push(held(&world, &ada, "allowed", 9));
    world.meetings.push(held(&world, &grace, "refused", 9));
    world.people = vec![ada, grace];
    let stand = Stand::new(world);
    backfill(&stand, "", &[]).expect_code(3);
    let before = session(&stand.published(), "refused");
    let start = before.scheduled_start.plus(MINUTE).to_timestamp().unwrap();
    let file = REPORT
        .replace("\tWeekly", "\tRefused")
        .replace(
            "ann@contoso.example",
            before.organizer_email.as_deref().unwrap(),
        )
        .replace(
            "11/27/24, 9:00:02 AM",
            &start.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        )
        .replace(
            "11/27/24, 10:01:12 AM",
            &start.strftime("%Y-%m-%d 10:01:12").to_string(),
        );
    let lines = file.lines().filter(|line| !line.starts_with("P One"));
    let file = lines.collect::<Vec<_>>().join("\n") + "\n";
    let file = file.replace("participants\t2", "participants\t1");
    let summary = import(&stand, std::slice::from_ref(&file))
        .expect_code(0)
        .final_line();
    assert_eq!(
        (&summary["matched_sessions"], &summary["own_sessions"]),
        (&1.into(), &0.into()),
        "{summary}"
    );
    let published = stand.published();
    let row = session(&published, "refused");
    assert_eq!(
        (row.attendance_state.as_ref(), row.report_count),
        ("reported", 1)
    );
    assert_eq!(row.is_final, before.is_final, "Graph is asked again");
    let report = published
        .reports
        .iter()
        .map(|(_, row)| row)
        .find(|report| report.session_id == Some(row.session_id.clone()));
    let report = report.unwrap();
    assert_eq!(
        (&report.quality_flags, &report.organizer_id),
        (&vec!["imported".into()], &before.organizer_id)
    );
    assert_eq!(
        import(&stand, std::slice::from_ref(&file)).final_line()["partitions_published"],
        0
    );
    backfill(&stand, "", &[]).expect_code(3);
    assert_eq!(
        session(&stand.published(), "refused").attendance_state,
        "reported",
        "still refused, still reported"
    );
    // once Graph gives its own, the imported one of that session goes
    stand
        .tenant
        .edit(|world| world.people[1].access_policy = AccessPolicy::Granted);
    backfill(&stand, "", &[]).expect_code(0);
    let published = stand.published();
    let row = session(&published, "refused");
    let of_session = published
        .reports
        .iter()
        .filter(|(_, report)| report.session_id == Some(row.session_id.clone()));
    let reports: Vec<_> = of_session
        .map(|(_, report)| report.quality_flags.clone())
        .collect();
    assert_eq!(reports, [Vec::<&str>::new()], "Graph's own alone");
    assert_eq!((row.report_count, row.is_final), (1, true));
}

#[test]
fn a_final_session_without_a_report_gets_the_files_and_its_gap_is_closed() {
    let mut world = world();
    let ada = person("Ada", AccessPolicy::Granted);
    let mut gone = held(&world, &ada, "gone", 9);
    gone.is_expired = true;
    world.meetings.push(gone);
    world.meetings.push(held(&world, &ada, "here", 12));
    world.people = vec![ada];
    let stand = Stand::new(world);
    backfill(&stand, "", &[]);
    let before = session(&stand.published(), "gone");
    assert_ne!(before.attendance_state, "reported");
    let start = before.scheduled_start.to_timestamp().unwrap();
    let file = format!(
        "Meeting Summary\nTotal Number of Participants\t1\nMeeting Title\tgone\nMeeting Start Time\t{0}\nMeeting End Time\t{0}\n\n\
         Full Name\tJoin Time\tLeave Time\tDuration\tEmail\tRole\tParticipant ID (UPN)\nBo\t{0}\t{0}\t0s\t\tAttendee\t\n",
        start.strftime("%Y-%m-%d %H:%M")
    );
    import(&stand, &[file]).expect_code(0);
    let published = stand.published();
    let row = session(&published, "gone");
    assert_eq!(
        (row.attendance_state.as_ref(), row.is_final),
        ("reported", before.is_final)
    );
    let gaps = published.gaps.iter().map(|(_, gap)| gap);
    let mut gaps = gaps.filter(|gap| gap.session_id == Some(row.session_id.clone()));
    assert!(gaps.all(|gap| gap.closed_at.is_some() == before.is_final));
}
