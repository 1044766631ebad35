//! Layouts, languages and broken files, as tables.

use jiff::tz::TimeZone;

use super::{DateOrder, ReadSettings, Refusal, SavedReport, Stay, read_saved_report};
use crate::ids::TenantId;
use crate::time::UtcMicros;

pub(super) const SECTIONS: &str = "1. Summary\r\nMeeting title\tWeekly\r\nAttended participants\t3\r\nStart time\t11/27/26, 9:00:02 AM\r\n\
    End time\t11/27/26, 10:01:12 AM\r\nMeeting duration\t1h 1m 10s\r\nAverage attendance time\t40m 5s\r\n\r\n2. Participants\r\n\
    Name\tFirst Join\tLast Leave\tIn-Meeting Duration\tEmail\tParticipant ID (UPN)\tRole\tEngagement: Camera On\r\n\
    Ann A\t11/27/26, 9:00:02 AM\t11/27/26, 10:01:12 AM\t1h 1m 10s\tann@contoso.example\tAnn@contoso.example\tOrganizer\t1\r\n\
    P One (Guest)\t11/27/26, 9:05:00 AM\t11/27/26, 9:30:00 AM\t19m\t\t\tAttendee\t\r\n\
    P One (Guest)\t11/27/26, 9:40:00 AM\t11/27/26, 9:50:00 AM\t10m\t\t\tAttendee\t\r\n\r\n\
    3. In-Meeting Activities\r\nName\tJoin Time\tLeave Time\tDuration\tEmail\tRole\r\n\
    Ann A\t11/27/26, 9:00:02 AM\t11/27/26, 10:01:12 AM\t1h 1m 10s\tann@contoso.example\tOrganizer\r\n\
    P One (Guest)\t11/27/26, 9:40:00 AM\t11/27/26, 9:50:00 AM\t10m\t\tAttendee\r\n\
    P One (Guest)\t11/27/26, 9:05:00 AM\t11/27/26, 9:14:00 AM\t9m\t\tAttendee\r\n\
    P One (Guest)\t11/27/26, 9:20:00 AM\t11/27/26, 9:30:00 AM\t10m\t\tAttendee";

pub(super) const VISITS: &str = "Meeting Summary\nTotal Number of Participants\t2\nMeeting Title\tProject\n\
    Meeting Start Time\t12/20/2021, 7:37:51 PM\nMeeting End Time\t12/20/2021, 8:07:14 PM\n\
    Meeting Id\t453adbad-3672-4bde-92d0-6be3049eb379\n\n\
    Full Name\tJoin Time\tLeave Time\tDuration\tEmail\tRole\tParticipant ID (UPN)\n\
    Ann\t12/20/2021, 7:37:51 PM\t12/20/2021, 7:47:51 PM\t10m\tann@contoso.example\tOrganiser\tann@contoso.example\n\
    Bo\t12/20/2021, 7:38:13 PM\t12/20/2021, 8:07:13 PM\t29m\t\tPresenter\tbo@contoso.example\n\
    Ann\t12/20/2021, 7:57:14 PM\t12/20/2021, 8:07:14 PM\t10m\tann@contoso.example\tOrganiser\tann@contoso.example\n";

pub(super) const ACTIONS: &str = "Full Name\tUser Action\tTimestamp\nAnn\tJoined before\t3/18/2021, 9:58:51 AM\n\
    Bo\tJoined\t3/18/2021, 10:00:39 AM\nBo\tLeft\t3/18/2021, 10:30:39 AM\nBo\tJoined\t3/18/2021, 10:40:39 AM\n";

pub(super) const WEBINAR: &str = "1. Summary\nMeeting title\tLaunch\nAttended participants\t1\nStart time\t2026-01-05, 09:00:00\n\
    End time\t2026-01-05, 10:00:00\n\n2. Participants\n\
    Name\tFirst Join\tLast Leave\tIn-Meeting Duration\tEmail\tParticipant ID (UPN)\tRole\tRegistration Time\tRegistration Status\n\
    Cy\t2026-01-05, 09:00:00\t2026-01-05, 10:00:00\t30m\tcy@fabrikam.example\t\tAttendee\t2025-12-01, 10:00:00\tRegistered\n\
    Di\t\t\t\tdi@fabrikam.example\t\tAttendee\t2025-12-02, 10:00:00\tRegistered\n";

const GERMAN: &str = "1. Zusammenfassung\nBesprechungstitel\tWeekly\nTeilnehmer\t2\nStartzeit\t06.10.26, 18:00:00\nEndzeit\t06.10.26, 19:00:00\n\n\
    2. Teilnehmer\nName\tErster Beitritt\tLetztes Verlassen\tDauer der Besprechung\tE-Mail\tTeilnehmer-ID (UPN)\tRolle\n\
    Ann\t06.10.26, 18:01:00\t06.10.26, 19:00:00\t59 Min. 0 Sek.\tann@contoso.example\tann@contoso.example\tOrganisator\n\
    Gast\t06.10.26, 18:05:00\t06.10.26, 18:20:00\t15 Min.\t\t\tTeilnehmer\n\n\
    3. Aktivitäten in der Besprechung\nName\tBeitreten\tVerlassen\tDauer\tE-Mail\tRolle\n\
    Ann\t06.10.26, 18:01:00\t06.10.26, 19:00:00\t59 Min.\tann@contoso.example\tOrganisator\n\
    Gast\t06.10.26, 18:05:00\t06.10.26, 18:20:00\t15 Min.\t\tTeilnehmer\n";

const SPANISH: &str = "1. Resumen\nTítulo de la reunión\tWeekly\nParticipantes que asistieron\t1\nHora de inicio\t6/17/26, 10:00:00 AM\n\
    Hora de finalización\t6/17/26, 11:00:00 AM\nDuración\t1 h\n\n2. Participantes\n\
    Nombre\tPrimera entrada\tÚltima salida\tDuración de la reunión\tCorreo electrónico\tId. de participante (UPN)\tRol\n\
    Ann\t6/17/26, 10:00:00 AM\t6/17/26, 10:58:00 AM\t58 min\tann@contoso.example\tann@contoso.example\tOrganizador\n\n\
    3. Actividades de la reunión\nNombre\tHora de entrada\tHora de salida\tDuración\tCorreo electrónico\tRol\n\
    Ann\t6/17/26, 10:00:00 AM\t6/17/26, 10:58:00 AM\t58\u{a0}min\tann@contoso.example\tOrganizador\n";

const POLISH: &str = "1. Podsumowanie\nTytuł spotkania\tWeekly\nUczestnicy\t1\nPoczątek\t17.06.2026, 10:00:00\nKoniec\t17.06.2026, 11:10:00\n\n\
    2. Uczestnicy\nNazwa\tPierwsze dołączenie\tOstatnie wyjście\tCzas udziału w spotkaniu\tAdres e-mail\tIdentyfikator uczestnika (UPN)\tRola\n\
    Ann\t17.06.2026, 10:00:00\t17.06.2026, 11:05:03\t1 godz. 5 min 3 s\tann@contoso.example\tann@contoso.example\tOrganizator\n\n\
    3. Działania\nNazwa\tGodzina\tGodzina\tCzas\tAdres e-mail\tRola\n\
    Ann\t17.06.2026, 10:00:00\t17.06.2026, 11:05:03\t1 godz. 5 min 3 s\tann@contoso.example\tOrganizator\n";

/// Only the places tell what the columns are; a breakout room's stand among the stays.
const BY_PLACE: &str = "1. Résumé\nTitre\tWeekly\nParticipants\t1\nHeure\t4/18/24, 8:00:00 AM\nHeure\t4/18/24, 9:00:00 AM\n\n2. Participants\n\
    A\tB\tC\tD\tE\tF (UPN)\tG\nAnn\t4/18/24, 8:00:00 AM\t4/18/24, 9:00:00 AM\t1 h\tann@contoso.example\tann@contoso.example\tOrganisateur\n\n\
    3. Activités en réunion\nA\tB\tC\tD\tE\tF\tG\tH\n\
    Ann\tSalle\tUn\t4/18/24, 8:10:00 AM\t4/18/24, 9:00:00 AM\t50 min\tann@contoso.example\tOrganisateur\n";

const FRENCH_ACTIONS: &str = "Nom complet\tAction de l\u{2019}utilisateur\tDate et heure\nAnn\tRejoint\t19/01/2021 à 09:58:51\n\
    Ann\tA quitté l'appel\t19/01/2021 à 11:54:58\n";

fn settings() -> ReadSettings {
    ReadSettings {
        timezone: TimeZone::UTC,
        date_order: None,
        now: "2026-12-31T00:00:00Z"
            .parse::<jiff::Timestamp>()
            .unwrap()
            .into(),
    }
}

fn read(text: &str) -> Result<SavedReport, Refusal> {
    read_saved_report(text.as_bytes(), &settings())
}

fn stay(join: &str, leave: &str, seconds: Option<i32>) -> Stay {
    let at = |text: &str| {
        (!text.is_empty()).then(|| UtcMicros::from(text.parse::<jiff::Timestamp>().unwrap()))
    };
    Stay {
        join: at(join),
        leave: at(leave),
        seconds,
    }
}

#[test]
fn the_newer_layout_in_every_encoding_and_with_every_delimiter() {
    let report = read(SECTIONS).unwrap();
    assert_eq!(
        (report.layout, report.title.as_deref()),
        ("sections", Some("Weekly"))
    );
    assert_eq!(report.start.to_string(), "2026-11-27T09:00:02Z");
    assert_eq!(report.end.unwrap().to_string(), "2026-11-27T10:01:12Z");
    assert_eq!(report.participants, Some(3));
    assert_eq!(report.summary.len(), 2, "{:?}", report.summary);
    let [ann, early, late] = report.attendees.as_slice() else {
        panic!("{:?}", report.attendees)
    };
    assert_eq!(
        ann.other,
        [("Engagement: Camera On".to_owned(), "1".to_owned())]
    );
    assert_eq!((ann.seconds, ann.role.as_str()), (Some(3_670), "Organizer"));
    assert_eq!(
        early.stays,
        [
            stay("2026-11-27T09:05:00Z", "2026-11-27T09:14:00Z", Some(540)),
            stay("2026-11-27T09:20:00Z", "2026-11-27T09:30:00Z", Some(600)),
        ],
        "two guests of one name share the stays out"
    );
    assert_eq!(
        late.stays,
        [stay(
            "2026-11-27T09:40:00Z",
            "2026-11-27T09:50:00Z",
            Some(600)
        )]
    );
    // a spreadsheet that saved it anew quotes what holds the delimiter, and fills short rows up
    let saved_as = |delimiter: char| {
        let row = |line: &str| {
            let cells = line.split('\t').map(|cell| format!("\"{cell}\""));
            cells
                .chain(std::iter::repeat_n(String::new(), 3))
                .collect::<Vec<_>>()
                .join(&delimiter.to_string())
        };
        SECTIONS.lines().map(row).collect::<Vec<_>>().join("\n")
    };
    for delimiter in [',', ';'] {
        assert_eq!(read(&saved_as(delimiter)).unwrap(), report, "{delimiter}");
    }
    let with_mark: Vec<u8> = format!("\u{feff}{SECTIONS}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        read_saved_report(with_mark.as_slice(), &settings()).unwrap(),
        report
    );
}

#[test]
fn the_older_layouts() {
    let report = read(VISITS).unwrap();
    assert_eq!(
        report.meeting_id.as_deref(),
        Some("453adbad-3672-4bde-92d0-6be3049eb379")
    );
    let [ann, bo] = report.attendees.as_slice() else {
        panic!("{:?}", report.attendees)
    };
    assert_eq!(
        (ann.stays.len(), ann.seconds, ann.role.as_str()),
        (2, Some(1_200), "Organizer")
    );
    assert_eq!(
        (bo.email.as_str(), bo.participant_id.as_str()),
        ("", "bo@contoso.example")
    );

    let report = read(ACTIONS).unwrap();
    assert_eq!((report.title.as_deref(), report.participants), (None, None));
    assert_eq!(report.start.to_string(), "2021-03-18T09:58:51Z");
    let [ann, bo] = report.attendees.as_slice() else {
        panic!("{:?}", report.attendees)
    };
    assert_eq!(ann.stays, [stay("2021-03-18T09:58:51Z", "", None)]);
    assert_eq!(
        bo.stays,
        [
            stay("2021-03-18T10:00:39Z", "2021-03-18T10:30:39Z", None),
            stay("2021-03-18T10:40:39Z", "", None)
        ]
    );
    assert_eq!(bo.seconds, None);
}

#[test]
fn every_language_gives_title_organizer_and_stays() {
    for (name, text, title, start, seconds, people) in [
        (
            "German",
            GERMAN,
            Some("Weekly"),
            "2026-10-06T18:00:00Z",
            Some(3_540),
            2,
        ),
        (
            "Spanish",
            SPANISH,
            Some("Weekly"),
            "2026-06-17T10:00:00Z",
            Some(3_480),
            1,
        ),
        (
            "Polish",
            POLISH,
            Some("Weekly"),
            "2026-06-17T10:00:00Z",
            Some(3_903),
            1,
        ),
        (
            "by place",
            BY_PLACE,
            Some("Weekly"),
            "2024-04-18T08:00:00Z",
            Some(3_600),
            1,
        ),
        (
            "French, oldest",
            FRENCH_ACTIONS,
            None,
            "2021-01-19T09:58:51Z",
            None,
            1,
        ),
    ] {
        let report = read(text).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(report.title.as_deref(), title, "{name}");
        assert_eq!(report.start.to_string(), start, "{name}");
        assert_eq!(report.attendees.len(), people, "{name}");
        let held_by = report.held_by().unwrap();
        assert_eq!(
            (held_by.name.as_str(), held_by.seconds),
            ("Ann", seconds),
            "{name}"
        );
        assert_eq!(held_by.stays.len(), 1, "{name}");
        assert!(
            title.is_none() || held_by.stays[0].seconds.is_some(),
            "{name}"
        );
        if title.is_some() {
            assert_eq!(report.organizer().unwrap().role, "Organizer", "{name}");
            assert_eq!(
                report.participants,
                Some(i32::try_from(people).unwrap()),
                "{name}"
            );
        }
    }
}

#[test]
fn a_table_of_stays_counts_before_first_join_and_last_leave() {
    let report = read(BY_PLACE).unwrap();
    assert_eq!(
        report.attendees[0].stays,
        [stay(
            "2024-04-18T08:10:00Z",
            "2024-04-18T09:00:00Z",
            Some(3_000)
        )]
    );
}

#[test]
fn who_registered_and_did_not_come_is_no_attendee() {
    let report = read(WEBINAR).unwrap();
    assert_eq!((report.attendees.len(), report.absent), (1, 1));
    assert!(report.has_registration);
    let [cy] = report.attendees.as_slice() else {
        panic!()
    };
    assert_eq!(
        cy.stays,
        [stay(
            "2026-01-05T09:00:00Z",
            "2026-01-05T10:00:00Z",
            Some(1_800)
        )],
        "without a table of stays there is one, with the total that the file gives"
    );
    assert_eq!(cy.other.len(), 2);
    // a tenant may keep times out of its reports: then everybody who is listed came
    let timeless = SECTIONS
        .split("3. In")
        .next()
        .unwrap()
        .replace("Attended participants\t3", "Attended participants\t1");
    let timeless: String = timeless
        .lines()
        .filter(|line| !line.starts_with("P One"))
        .map(|line| {
            if line.starts_with("Ann") {
                "Ann A\t\t\t\tann@contoso.example\t\tOrganizer\t\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    let report = read(&timeless).unwrap();
    assert_eq!(
        (report.attendees.len(), report.attendees[0].stays.len()),
        (1, 0)
    );
}

#[test]
fn times_are_those_of_the_zone() {
    let at = |zone: &str, text: &str| {
        let settings = ReadSettings {
            timezone: TimeZone::get(zone).unwrap(),
            ..settings()
        };
        read_saved_report(text.as_bytes(), &settings)
            .unwrap()
            .start
            .to_string()
    };
    assert_eq!(at("Europe/Berlin", SECTIONS), "2026-11-27T08:00:02Z");
    assert_eq!(at("America/New_York", SECTIONS), "2026-11-27T14:00:02Z");
    let summer = SECTIONS.replace("11/27/26", "7/27/26");
    assert_eq!(at("Europe/Berlin", &summer), "2026-07-27T07:00:02Z");
}

#[test]
fn the_same_report_has_one_id_and_another_meeting_another() {
    let tenant = TenantId::new("7f1e5d40-6c2b-4a57-9d1c-0d0e5a3b2c11");
    let id = |text: &str| read(text).unwrap().report_id(&tenant);
    let first = id(SECTIONS);
    assert!(first.is_imported());
    for (name, same) in [
        (
            "saved while it went on",
            SECTIONS.replace(
                "End time\t11/27/26, 10:01:12 AM",
                "End time\t11/27/26, 9:50:00 AM",
            ),
        ),
        (
            "in other letters",
            SECTIONS.replace("\tWeekly", "\t weekly "),
        ),
        ("without seconds", SECTIONS.replace("9:00:02 AM", "9:00 AM")),
        (
            "without the engagement",
            SECTIONS
                .replace("\tEngagement: Camera On", "\t")
                .replace("Organizer\t1", "Organizer\t"),
        ),
    ] {
        assert_eq!(id(&same), first, "{name}");
    }
    for (name, other) in [
        ("another title", SECTIONS.replace("\tWeekly", "\tMonthly")),
        (
            "another start",
            SECTIONS.replace("9:00:02 AM", "9:01:02 AM"),
        ),
        (
            "another organizer",
            SECTIONS
                .replace("ann@contoso", "bo@contoso")
                .replace("Ann@", "bo@"),
        ),
    ] {
        assert_ne!(id(&other), first, "{name}");
    }
    assert_ne!(
        read(SECTIONS).unwrap().report_id(&TenantId::new("other")),
        first
    );
}

/// Name, text and refusal of what is no report, or is not whole.
fn broken() -> Vec<(&'static str, String, &'static str)> {
    let cut = |bytes: usize| SECTIONS.get(..SECTIONS.len() - bytes).unwrap().to_owned();
    let without_stays = SECTIONS.split("3. In").next().unwrap();
    vec![
        ("blank lines", "\n\n  \n".to_owned(), "it is empty"),
        (
            "another CSV",
            "id,name\n1,Ann\n".to_owned(),
            "it has no table of participants with headers that teamsheet knows",
        ),
        (
            "Zoom's",
            "Name (Original Name),User Email,Join Time,Duration\nAnn,a@b.example,1,2\n".to_owned(),
            "it has no table of participants with headers that teamsheet knows",
        ),
        (
            "a page",
            "<!DOCTYPE html>\n<html></html>\n".to_owned(),
            "it has no table of participants with headers that teamsheet knows",
        ),
        (
            "only the summary",
            SECTIONS.split("2. Part").next().unwrap().to_owned(),
            "it has no table of participants with headers that teamsheet knows",
        ),
        (
            "a header and nothing",
            ACTIONS.lines().next().unwrap().to_owned(),
            "it is empty",
        ),
        ("cut within the last line", cut(12), "line 20 is cut off"),
        (
            "cut before the last people",
            without_stays.split("P One").next().unwrap().to_owned(),
            "its list of participants ends early: it announces 3 and has 1",
        ),
        (
            "cut behind a title",
            format!("{without_stays}3. In-Meeting Activities\r\n"),
            "it has no table of participants with headers that teamsheet knows",
        ),
        (
            "no time",
            SECTIONS.replace("11/27/26, 9:05:00 AM", "five past"),
            "line 12, column 2: this is no date with a time",
        ),
        (
            "a day that is not",
            SECTIONS.replace("11/27/26, 9:05:00 AM", "11/31/26, 9:05:00 AM"),
            "line 12: with either order of day and month, its dates contradict the rest of the file",
        ),
        (
            "another year",
            SECTIONS.replace("11/27/26, 9:05:00 AM", "11/27/25, 9:05:00 AM"),
            "line 12: with either order of day and month, its dates contradict the rest of the file",
        ),
        (
            "no duration",
            SECTIONS.replace("\t19m\t", "\tlong\t"),
            "line 12, column 4: this is no duration",
        ),
        (
            "nobody",
            SECTIONS.replace(
                "P One (Guest)\t11/27/26, 9:40:00 AM\t11/27/26, 9:50:00 AM\t10m\t\t\t",
                "\t11/27/26, 9:40:00 AM\t11/27/26, 9:50:00 AM\t10m\t\t\t",
            ),
            "line 13 names nobody",
        ),
        (
            "one cell too many",
            SECTIONS.replace("Organizer\t1\r", "Organizer\t1\t2\t3\r"),
            "line 11 has more columns than the header",
        ),
        (
            "no action",
            ACTIONS.replace("Left", "Waved"),
            "line 4, column 2: this is neither joined nor left",
        ),
        (
            "no action at all",
            ACTIONS.replace("Left", ""),
            "line 4, column 2: this is neither joined nor left",
        ),
        (
            "an action without a time",
            ACTIONS.replace("3/18/2021, 10:30:39 AM", ""),
            "line 4, column 3: this is no date with a time",
        ),
        (
            "day or month",
            SECTIONS.replace("11/27/26", "1/5/26"),
            "line 4: day and month of its dates cannot be told apart",
        ),
        (
            "not held yet",
            SECTIONS.replace("11/27/26", "11/27/27"),
            "it was held after now: 2027-11-27T09:00:02Z",
        ),
    ]
}

#[test]
fn what_is_no_report_is_refused_with_line_and_remedy() {
    let nothing = ("nothing", String::new(), "it is empty");
    for (name, text, expected) in broken().into_iter().chain([nothing]) {
        let refusal = read(&text).map(|report| report.attendees.len());
        let refusal = refusal.expect_err(name);
        assert_eq!(refusal.to_string(), expected, "{name}");
        assert!(!refusal.remedy().is_empty());
        let said = format!("{refusal} {}", refusal.remedy());
        assert!(
            !said.contains("P One") && !said.contains("five past"),
            "{said}"
        );
    }
    let told = ReadSettings {
        date_order: Some(DateOrder::DayMonthYear),
        ..settings()
    };
    let open = SECTIONS.replace("11/27/26", "1/5/26");
    let report = read_saved_report(open.as_bytes(), &told).unwrap();
    assert_eq!(report.start.to_string(), "2026-05-01T09:00:02Z");
}
