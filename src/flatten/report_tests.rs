use super::*;
use crate::tables::{AttendanceIntervalRow, AttendanceRecordRow};

struct Flat {
    report: FlatReport,
    records: Vec<AttendanceRecordRow<'static>>,
    intervals: Vec<AttendanceIntervalRow<'static>>,
}

fn flatten_with(report: &str, pages: &[&str], change: impl FnOnce(&mut ReportContext<'_>)) -> Flat {
    let pages: Vec<&[u8]> = pages.iter().map(|page| page.as_bytes()).collect();
    flatten_documents(report.as_bytes(), &pages, change).unwrap()
}

fn flatten_documents(
    report: &[u8],
    pages: &[&[u8]],
    change: impl FnOnce(&mut ReportContext<'_>),
) -> Result<Flat, ParseError> {
    let tenant = TenantId::new("0a000000-0000-4000-8000-000000000001");
    let entry = ReportEntry {
        report_id: ReportId::new("r"),
        start: None,
        end: None,
        total_participant_count: None,
        external_events: Vec::new(),
    };
    let (run, timezone) = (RunId::new("run"), WarehouseTimezone::utc());
    let mut context = ReportContext {
        tenant_id: &tenant,
        source: Source::OnlineMeeting,
        event_id: None,
        organizer_id: None,
        entry: &entry,
        session: None,
        subject: None,
        scheduled_start: None,
        published_event_date: None,
        published_records: None,
        timezone: &timezone,
        run_id: &run,
        fetched_at: UtcMicros(0),
    };
    change(&mut context);
    let documents = ReportDocuments {
        report,
        inline_records: pages.is_empty(),
        record_pages: pages,
    };
    let mut rows = RowsByDay::default();
    let report = flatten_report(&documents, &context, &mut rows)?;
    let (records, intervals) = rows.days.get_mut(&report.event_date).unwrap();
    Ok(Flat {
        records: AttendanceRecordRow::read_all(&records.finish().unwrap()).unwrap(),
        intervals: AttendanceIntervalRow::read_all(&intervals.finish().unwrap()).unwrap(),
        report,
    })
}

fn flatten(report: &str) -> Flat {
    flatten_with(report, &[], |_| ())
}

/// A report from 10:00 to 11:00 with the given records.
fn with_records(records: &str) -> String {
    format!(
        r#"{{"id":"r","meetingStartDateTime":"2026-01-05T10:00:00Z","meetingEndDateTime":"2026-01-05T11:00:00.77Z",
            "attendanceRecords":[{records}]}}"#
    )
}

fn flags_of(intervals: &str, total: i32) -> Vec<String> {
    let record =
        format!(r#"{{"totalAttendanceInSeconds":{total},"attendanceIntervals":[{intervals}]}}"#);
    let flat = flatten(&with_records(&record));
    flat.records[0]
        .quality_flags
        .iter()
        .map(|flag| flag.clone().into_owned())
        .collect()
}

#[test]
fn fault_73_and_74_and_76_each_oddity_of_an_interval_has_its_flag() {
    let interval = |join: &str, leave: &str, seconds: i32| {
        format!(
            r#"{{"joinDateTime":{join},"leaveDateTime":{leave},"durationInSeconds":{seconds}}}"#
        )
    };
    let at = |time: &str| format!(r#""2026-01-05T{time}Z""#);
    for (what, intervals, total, flags) in [
        (
            "nothing odd",
            interval(&at("10:00:00"), &at("10:10:00"), 600),
            600,
            vec![],
        ),
        (
            "leave before join",
            interval(&at("10:10:00"), &at("10:00:00"), 0),
            0,
            vec!["leave_before_join"],
        ),
        (
            "zero length",
            interval(&at("10:10:00"), &at("10:10:00"), 0),
            0,
            vec!["zero_length"],
        ),
        (
            "open",
            interval(&at("10:10:00"), "null", 0),
            0,
            vec!["open_interval"],
        ),
        (
            "sentinel",
            interval(&at("10:10:00"), r#""0001-01-01T00:00:00Z""#, 0),
            0,
            vec!["open_interval", "sentinel_time"],
        ),
        (
            "outside",
            interval(&at("09:59:58"), &at("10:10:00"), 602),
            602,
            vec!["outside_meeting"],
        ),
        (
            "a rounding outside",
            interval(&at("10:10:00"), &at("11:00:00.7702391"), 3000),
            3000,
            vec![],
        ),
        (
            "total differs",
            interval(&at("10:00:00"), &at("10:10:00"), 600),
            601,
            vec!["total_differs"],
        ),
        (
            "two devices",
            interval(&at("10:00:00"), &at("10:10:00"), 600)
                + ","
                + &interval(&at("10:05:00"), &at("10:20:00"), 900),
            1500,
            vec!["overlapping_intervals"],
        ),
    ] {
        assert_eq!(flags_of(&intervals, total), flags, "{what}");
    }
    let number = r#"{"totalAttendanceInSeconds":"many"}"#;
    assert_eq!(
        flatten(&with_records(number)).records[0].quality_flags,
        ["unreadable_number"]
    );
}

#[test]
fn overlaps_count_once_and_out_of_order_intervals_keep_graphs_order() {
    let record = r#"{"attendanceIntervals":[
        {"joinDateTime":"2026-01-05T10:30:00Z","leaveDateTime":"2026-01-05T10:40:00.9Z","durationInSeconds":600},
        {"joinDateTime":"2026-01-05T10:00:00Z","leaveDateTime":"2026-01-05T10:20:00Z","durationInSeconds":1200},
        {"joinDateTime":"2026-01-05T10:10:00Z","leaveDateTime":"2026-01-05T10:15:00Z","durationInSeconds":300}]}"#;
    let flat = flatten(&with_records(record));
    assert_eq!(flat.records[0].present_seconds, 1800);
    assert_eq!(flat.records[0].interval_count, 3);
    assert_eq!(
        flat.records[0].first_join_date_time.unwrap().to_string(),
        "2026-01-05T10:00:00Z"
    );
    assert_eq!(
        flat.records[0].last_leave_date_time.unwrap().to_string(),
        "2026-01-05T10:40:00.9Z"
    );
    assert_eq!(
        flat.intervals
            .iter()
            .map(|row| row.duration_in_seconds.unwrap())
            .collect::<Vec<_>>(),
        [600, 1200, 300]
    );
    assert_eq!(
        flat.intervals
            .iter()
            .map(|row| row.interval_index)
            .collect::<Vec<_>>(),
        [0, 1, 2]
    );
}

#[test]
fn fault_66_and_84_and_86_text_is_kept_as_graph_sent_it() {
    let long = "=cmd|' /C calc'!A0 \u{1f468}\u{200d}\u{1f469}".to_owned() + &"x".repeat(10_000);
    for (role, email, name) in [
        ("unknownFutureValue", "Ada@Contoso.Example ", "Ada"),
        ("ATTENDEE", "ada@b\u{fc}cher.example", long.as_str()),
        ("producer", "", "\u{202e}txt"),
    ] {
        let record = serde_json::json!({"role": role, "emailAddress": email, "identity": {"displayName": name}});
        let flat = flatten(&with_records(&record.to_string()));
        let row = &flat.records[0];
        assert_eq!(row.role.as_deref(), Some(role));
        assert_eq!(row.email_address.as_deref(), Some(email));
        assert_eq!(row.identity_display_name.as_deref(), Some(name));
    }
}

#[test]
fn fault_70_who_comes_twice_or_without_an_address_is_two_records() {
    let record = |join: &str, leave: &str| {
        format!(
            r#"{{"identity":{{"id":"ada"}},"totalAttendanceInSeconds":600,"attendanceIntervals":[
                {{"joinDateTime":"2026-01-05T{join}Z","leaveDateTime":"2026-01-05T{leave}Z","durationInSeconds":600}}]}}"#
        )
    };
    let records = record("10:00:00", "10:10:00") + "," + &record("10:05:00", "10:15:00");
    let flat = flatten(&with_records(&records));
    assert_eq!(flat.records.len(), 2);
    assert_eq!(flat.intervals.len(), 2);
    for row in &flat.records {
        assert_eq!((row.interval_count, row.present_seconds), (1, 600));
        assert_eq!(row.email_address, None);
    }
}

#[test]
fn the_order_of_arrival_changes_nothing() {
    let records = [
        r#"{"id":"b","emailAddress":"x"}"#,
        r#"{"id":"a","role":"Attendee"}"#,
        r#"{"emailAddress":"z"}"#,
        r#"{"id":"a","role":"Presenter"}"#,
    ];
    let forward = flatten(&with_records(&records.join(",")));
    let backward = flatten(&with_records(
        &records.iter().rev().copied().collect::<Vec<_>>().join(","),
    ));
    assert_eq!(forward.records, backward.records);
    assert_eq!(
        forward.report.row._content_hash,
        backward.report.row._content_hash
    );
    assert_eq!(
        forward
            .records
            .iter()
            .map(|row| row.record_index)
            .collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
}

#[test]
fn fault_69_equal_records_are_one_row_and_unequal_ones_of_an_id_are_flagged() {
    let flat = flatten(&with_records(
        r#"{"id":"a","role":"x"},{"id":"a","role":"x"},{"id":"a","role":"y"},{"id":"b"}"#,
    ));
    let rows: Vec<_> = flat
        .records
        .iter()
        .map(|row| {
            (
                row.record_id.as_deref(),
                row.role.as_deref(),
                row.quality_flags.len(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (Some("a"), Some("x"), 1),
            (Some("a"), Some("y"), 1),
            (Some("b"), None, 0)
        ]
    );
    assert_eq!(flat.report.row.record_count, 3);
}

/// A report that counts so many, with the same record so often.
fn alike(record: &str, sent: usize, counted: Option<i32>) -> Flat {
    let records = vec![record; sent].join(",");
    let counted = counted.map_or_else(|| "null".to_owned(), |count| count.to_string());
    let report = with_records(&records);
    flatten(&report.replacen('{', &format!(r#"{{"totalParticipantCount":{counted},"#), 1))
}

#[test]
fn people_who_look_alike_are_a_row_each_as_far_as_the_report_counts_them() {
    const TIMES: &str = r#""attendanceIntervals":[{"joinDateTime":"2026-01-05T10:00:00Z","leaveDateTime":"2026-01-05T10:10:00Z","durationInSeconds":600}]"#;
    let masked = r#"{"emailAddress":"","role":"Attendee","identity":{"id":null,"displayName":null},"attendanceIntervals":[]}"#.to_owned();
    let zeros = r#"{"id":"00000000-0000-0000-0000-000000000000","identity":{"id":"00000000-0000-0000-0000-000000000000"}}"#.to_owned();
    for (what, record, sent, counted, rows, flags) in [
        (
            "masked",
            masked.clone(),
            30,
            Some(30),
            30,
            vec!["look_alike"],
        ),
        (
            "masked, sent twice",
            masked.clone(),
            60,
            Some(30),
            30,
            vec!["look_alike"],
        ),
        (
            "masked, more counted",
            masked.clone(),
            20,
            Some(30),
            20,
            vec!["look_alike"],
        ),
        (
            "masked, not counted",
            masked,
            3,
            None,
            3,
            vec!["look_alike"],
        ),
        (
            "masked, with times",
            format!("{{{TIMES}}}"),
            2,
            Some(2),
            2,
            vec!["look_alike"],
        ),
        (
            "no record at all",
            "{}".to_owned(),
            2,
            Some(2),
            2,
            vec!["look_alike"],
        ),
        (
            "an empty id",
            r#"{"id":""}"#.to_owned(),
            3,
            Some(3),
            3,
            vec!["look_alike"],
        ),
        ("a GUID of zeros", zeros, 3, Some(3), 3, vec!["look_alike"]),
        (
            "a name is no id",
            r#"{"identity":{"displayName":"Ada"}}"#.to_owned(),
            2,
            Some(2),
            2,
            vec!["look_alike"],
        ),
        (
            "an id, times",
            format!(r#"{{"id":"a",{TIMES}}}"#),
            2,
            Some(2),
            1,
            vec![],
        ),
        (
            "an identity's id, times",
            format!(r#"{{"identity":{{"id":"a"}},{TIMES}}}"#),
            2,
            Some(2),
            1,
            vec![],
        ),
        (
            "an id without times",
            r#"{"id":"a"}"#.to_owned(),
            2,
            Some(2),
            2,
            vec!["duplicate_record_id", "look_alike"],
        ),
        (
            "an id without times, sent twice",
            r#"{"id":"a"}"#.to_owned(),
            2,
            Some(1),
            1,
            vec![],
        ),
        (
            "an id without times, not counted",
            r#"{"id":"a"}"#.to_owned(),
            2,
            None,
            1,
            vec![],
        ),
        (
            "an empty record counts",
            "{}".to_owned(),
            1,
            Some(1),
            1,
            vec![],
        ),
    ] {
        let flat = alike(&record, sent, counted);
        assert_eq!(flat.records.len(), rows, "{what}");
        assert_eq!(
            flat.report.row.record_count,
            i32::try_from(rows).unwrap(),
            "{what}"
        );
        let is_other = counted.is_some_and(|counted| usize::try_from(counted).unwrap() != rows);
        let of_report: &[&str] = if is_other { &["count_differs"] } else { &[] };
        assert_eq!(flat.report.row.quality_flags, of_report, "{what}");
        for row in &flat.records {
            let without_totals = row
                .quality_flags
                .iter()
                .filter(|flag| *flag != "total_differs");
            assert_eq!(without_totals.collect::<Vec<_>>(), flags, "{what}");
        }
        let indices: Vec<_> = flat.records.iter().map(|row| row.record_index).collect();
        assert_eq!(
            indices,
            (0..i32::try_from(rows).unwrap()).collect::<Vec<_>>(),
            "{what}"
        );
    }
}

#[test]
fn a_record_that_cannot_be_read_is_one_of_those_that_the_report_counts() {
    let pages = [r#"{"value":[{"emailAddress":7},{},{},{}]}"#];
    let counted = |count: &str| {
        let report = format!(
            r#"{{"id":"r","totalParticipantCount":{count},"meetingStartDateTime":"2026-01-05T10:00:00Z"}}"#
        );
        flatten_with(&report, &pages, |_| ()).records.len()
    };
    assert_eq!(["4", "3", "2"].map(counted), [3, 2, 1]);
}

#[test]
fn every_property_of_a_record_tells_it_from_another() {
    let one = serde_json::json!({
        "id": "a", "emailAddress": "e", "role": "r", "totalAttendanceInSeconds": 600, "registrationId": "g",
        "externalRegistrationInformation": {"referrer": "f", "registrationId": "h"},
        "identity": {"@odata.type": "#microsoft.graph.identity", "id": "i", "displayName": "d", "tenantId": "t"},
        "attendanceIntervals": [{"joinDateTime": "2026-01-05T10:00:00Z", "leaveDateTime": "2026-01-05T10:10:00Z", "durationInSeconds": 600}],
        "unknown": "u"
    });
    let both = |other: &serde_json::Value| flatten(&with_records(&format!("{one},{other}")));
    let same = both(&one);
    assert_eq!(same.records.len(), 1);
    for (path, value) in [
        ("/id", "b".into()),
        ("/emailAddress", "b".into()),
        ("/role", "b".into()),
        ("/totalAttendanceInSeconds", 601.into()),
        ("/registrationId", "b".into()),
        ("/externalRegistrationInformation/referrer", "b".into()),
        (
            "/externalRegistrationInformation/registrationId",
            "b".into(),
        ),
        ("/identity/@odata.type", "#microsoft.graph.b".into()),
        ("/identity/id", "b".into()),
        ("/identity/displayName", "b".into()),
        ("/identity/tenantId", "b".into()),
        (
            "/attendanceIntervals/0/joinDateTime",
            "2026-01-05T10:00:00.1Z".into(),
        ),
        (
            "/attendanceIntervals/0/leaveDateTime",
            "2026-01-05T10:10:00.1Z".into(),
        ),
        ("/attendanceIntervals/0/durationInSeconds", 601.into()),
        ("/attendanceIntervals", serde_json::json!([])),
        ("/unknown", "b".into()),
    ] {
        let mut other = one.clone();
        *other.pointer_mut(path).unwrap() = value;
        let flat = both(&other);
        assert_eq!(flat.records.len(), 2, "{path}");
        let alone = |record: &serde_json::Value| {
            let flat = flatten(&with_records(&record.to_string()));
            flat.report.row._content_hash.into_owned()
        };
        assert_ne!(alone(&one), alone(&other), "{path}");
    }
    // what could not be read is not what is missing
    let unreadable = flatten(&with_records(
        r#"{"id":"a","totalAttendanceInSeconds":"many"},{"id":"a"}"#,
    ));
    assert_eq!(unreadable.records.len(), 2);
}

#[test]
fn fewer_records_than_were_published_are_flagged_until_all_are_back() {
    let flags = |sent: usize, count: i32, were_more: bool| {
        let records: Vec<_> = (0..sent).map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
        let report =
            with_records(&records.join(",")).replacen('{', r#"{"totalParticipantCount":3,"#, 1);
        let published = PublishedRecords { count, were_more };
        let flat = flatten_with(&report, &[], |context| {
            context.published_records = Some(published);
        });
        let row = &flat.report.row;
        let mut names = row.quality_flags.iter();
        let is_fewer = names.any(|flag| flag == "fewer_than_before");
        assert_eq!(PublishedRecords::of(row).were_more, is_fewer);
        is_fewer
    };
    for (what, sent, count, were_more, wanted) in [
        ("as many", 2, 2, false, false),
        ("more", 2, 1, false, false),
        ("fewer", 1, 2, false, true),
        ("fewer, and the same again", 1, 1, true, true),
        ("some are back", 2, 1, true, true),
        ("all are back", 3, 1, true, false),
        ("none", 0, 3, false, true),
    ] {
        assert_eq!(flags(sent, count, were_more), wanted, "{what}");
    }
}

#[test]
fn fault_65_every_kind_of_identity_keeps_its_row() {
    let kind = |identity: &str| {
        let flat = flatten(&with_records(&format!(r#"{{"identity":{identity}}}"#)));
        let row = &flat.records[0];
        let column = |value: &Option<Cow<'_, str>>| value.as_deref().unwrap_or("-").to_owned();
        [
            column(&row.identity_type),
            column(&row.identity_id),
            column(&row.identity_display_name),
            column(&row._extra),
        ]
        .join(" ")
    };
    assert_eq!(kind("null"), "- - - -");
    assert_eq!(
        kind(r#"{"id":"x","displayName":"N","tenantId":null}"#),
        "- x N -"
    );
    assert_eq!(
        kind(
            r##"{"@odata.type":"#microsoft.graph.communicationsGuestIdentity","id":null,"displayName":"N","email":"g@x"}"##
        ),
        r#"communicationsGuestIdentity - N {"identity.email":"g@x"}"#
    );
    assert_eq!(
        kind(r#"{"@odata.type":"microsoft.graph.brandNew","colour":[1]}"#),
        r#"brandNew - - {"identity.colour":[1]}"#
    );
    assert_eq!(
        kind(r#"{"phone":{"id":"+1"}}"#),
        r#"phone - - {"identity.phone":{"id":"+1"}}"#
    );
    assert_eq!(
        kind(r#"{"user":{"id":"u","displayName":"N"}}"#),
        "user u N -"
    );
}

#[test]
fn fault_67_unknown_properties_are_kept_with_their_path() {
    let flat = flatten(
        r#"{"id":"r","meetingStartDateTime":"2026-01-05T10:00:00Z","mood":"good","externalEventInformation":[{"applicationId":"a","kind":1}],
            "attendanceRecords":[{"engagements":[],"registrantId":null,"attendanceIntervals":[{"device":"phone"}]}]}"#,
    );
    assert_eq!(
        flat.report.row._extra.as_deref(),
        Some(r#"{"externalEventInformation[0].kind":1,"mood":"good"}"#)
    );
    assert_eq!(
        flat.records[0]._extra.as_deref(),
        Some(r#"{"attendanceIntervals[0].device":"phone","engagements":[]}"#)
    );
    assert_eq!(flat.report.unknown_properties, 4);
}

#[test]
fn a_record_that_cannot_be_read_is_told_by_its_place_and_the_rest_stays() {
    let pages = [
        r#"{"value":[{"id":"a"},{"emailAddress":7},{"id":"b","attendanceIntervals":[{"joinDateTime":"soon"}]}]}"#,
        r#"{"value":["x",{"id":"c"}]}"#,
    ];
    let flat = flatten_with(
        r#"{"id":"r","meetingStartDateTime":"2026-01-05T10:00:00Z"}"#,
        &pages,
        |_| (),
    );
    assert_eq!(
        flat.report
            .problems
            .iter()
            .map(|problem| problem.position)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(
        flat.records
            .iter()
            .map(|row| row.record_id.as_deref().unwrap())
            .collect::<Vec<_>>(),
        ["a", "c"]
    );
    assert_eq!(flat.report.row.quality_flags, ["unreadable_record"]);
}

#[test]
fn a_report_without_a_start_takes_the_earliest_join_then_the_schedule() {
    let join = r#"{"id":"r","attendanceRecords":[{"attendanceIntervals":[{"joinDateTime":"2026-01-05T10:00:00Z"}]}]}"#;
    let flat = flatten(join);
    assert_eq!(flat.report.event_date.to_string(), "2026-01-05");
    assert_eq!(flat.report.row.quality_flags, ["derived_event_date"]);
    let scheduled = flatten_with(
        r#"{"id":"r","meetingStartDateTime":"0001-01-01T00:00:00Z"}"#,
        &[],
        |context| {
            context.scheduled_start = Some(UtcMicros(86_400_000_000));
        },
    );
    assert_eq!(scheduled.report.event_date.to_string(), "1970-01-02");
    assert_eq!(
        scheduled.report.row.quality_flags,
        ["derived_event_date", "sentinel_time"]
    );
}

#[test]
fn a_published_report_stays_in_its_partition() {
    let published = "2026-01-04".parse().unwrap();
    let flat = flatten_with(&with_records(""), &[], |context| {
        context.published_event_date = Some(published);
    });
    assert_eq!(flat.report.event_date, published);
}

#[test]
fn fault_75_a_count_that_differs_is_kept_and_flagged() {
    let flat = flatten(
        r#"{"id":"r","totalParticipantCount":3,"meetingStartDateTime":"2026-01-05T10:00:00Z","attendanceRecords":[{}]}"#,
    );
    assert_eq!(
        (
            flat.report.row.total_participant_count,
            flat.report.row.record_count
        ),
        (Some(3), 1)
    );
    assert_eq!(flat.report.row.quality_flags, ["count_differs"]);
}

#[test]
fn external_means_another_known_tenant() {
    let external = |tenant: &str| {
        let flat = flatten(&with_records(&format!(
            r#"{{"identity":{{"id":"x","tenantId":{tenant}}}}}"#
        )));
        flat.records[0].is_external
    };
    assert_eq!(external("null"), None);
    assert_eq!(external(r#""""#), None);
    assert_eq!(
        external(r#""0A000000-0000-4000-8000-000000000001""#),
        Some(false)
    );
    assert_eq!(
        external(r#""0b000000-0000-4000-8000-000000000002""#),
        Some(true)
    );
}

#[test]
fn an_attendee_is_what_the_report_proves_of_them() {
    const OURS: &str = "0a000000-0000-4000-8000-000000000001";
    const OTHER: &str = "0b000000-0000-4000-8000-000000000002";
    const OBJECT: &str = "0c000000-0000-4000-8000-000000000003";
    const ZEROS: &str = "00000000-0000-0000-0000-000000000000";
    // type, id, name, tenant, address, role
    for (what, [kind, id, name, tenant, address, role], wanted, is_external) in [
        (
            "a colleague",
            [
                "communicationsUserIdentity",
                OBJECT,
                "Ada",
                OURS,
                "ada@contoso.example",
                "",
            ],
            "member",
            Some(false),
        ),
        (
            "in other case",
            [
                "communicationsUserIdentity",
                OBJECT,
                "Ada",
                &OURS.to_uppercase(),
                "ADA@Contoso.example",
                "",
            ],
            "member",
            Some(false),
        ),
        (
            "without type and tenant",
            ["", OBJECT, "Ada", "", "ada@contoso.example", ""],
            "member",
            None,
        ),
        (
            "the organizer without an address",
            ["", OBJECT, "Ada", OURS, "", "organizer"],
            "member",
            Some(false),
        ),
        (
            "a guest account by its principal name",
            [
                "communicationsUserIdentity",
                OBJECT,
                "Ada",
                OURS,
                "ada_fabrikam.example#EXT#@contoso.onmicrosoft.com",
                "",
            ],
            "guest",
            Some(false),
        ),
        (
            "a guest, or a member of another domain of ours",
            [
                "communicationsUserIdentity",
                OBJECT,
                "Ada",
                OURS,
                "ada@fabrikam.example",
                "",
            ],
            "-",
            Some(false),
        ),
        (
            "a colleague without an address",
            ["communicationsUserIdentity", OBJECT, "Ada", OURS, "", ""],
            "-",
            Some(false),
        ),
        (
            "a guest identity",
            [
                "communicationsGuestIdentity",
                OBJECT,
                "Ada",
                "",
                "ada@fabrikam.example",
                "",
            ],
            "guest",
            None,
        ),
        (
            "a guest identity of our domain",
            [
                "communicationsGuestIdentity",
                "",
                "Ada",
                "",
                "ada@contoso.example",
                "",
            ],
            "guest",
            None,
        ),
        (
            "of another tenant",
            [
                "communicationsUserIdentity",
                OBJECT,
                "Ada",
                OTHER,
                "ada@fabrikam.example",
                "",
            ],
            "external",
            Some(true),
        ),
        (
            "of another tenant, address of ours",
            [
                "communicationsUserIdentity",
                OBJECT,
                "Ada",
                OTHER,
                "ada@contoso.example",
                "",
            ],
            "external",
            Some(true),
        ),
        (
            "of no tenant",
            [
                "communicationsUserIdentity",
                OBJECT,
                "Ada",
                ZEROS,
                "ada@fabrikam.example",
                "",
            ],
            "-",
            None,
        ),
        (
            "a caller",
            [
                "communicationsPhoneIdentity",
                "+15550100",
                "+1 555-****",
                "",
                "",
                "",
            ],
            "phone",
            None,
        ),
        (
            "a caller by the number",
            ["", "4:+15550100", "", "", "", ""],
            "phone",
            None,
        ),
        (
            "a bot",
            [
                "communicationsApplicationIdentity",
                OBJECT,
                "Notes",
                "",
                "",
                "",
            ],
            "application",
            None,
        ),
        (
            "a bot by its id",
            ["", "28:notes", "Notes", "", "", ""],
            "application",
            None,
        ),
        (
            "of communication services",
            [
                "azureCommunicationServicesUserIdentity",
                "8:acs:x_y",
                "Ada",
                "",
                "",
                "",
            ],
            "anonymous",
            None,
        ),
        (
            "who typed a name",
            ["", "anonymous:1", "Visitor", "", "", ""],
            "anonymous",
            None,
        ),
        (
            "who typed a name, without an id",
            ["communicationsUserIdentity", "", "Visitor", "", "", ""],
            "anonymous",
            None,
        ),
        (
            "an account without anything",
            ["", OBJECT, "Ada", "", "", ""],
            "-",
            None,
        ),
        ("masked", ["", "", "", "", "", ""], "-", None),
        (
            "masked with zeros",
            ["", ZEROS, "", ZEROS, "", ""],
            "-",
            None,
        ),
        (
            "of a type that is new",
            ["brandNew", OBJECT, "Ada", "", "ada@contoso.example", ""],
            "-",
            None,
        ),
        (
            "of a type that is new, another tenant",
            ["brandNew", OBJECT, "Ada", OTHER, "", ""],
            "external",
            Some(true),
        ),
    ] {
        let value = |text: &str| {
            Some(text)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let mut record = serde_json::json!({"emailAddress": address, "role": role,
            "identity": {"id": value(id), "displayName": value(name), "tenantId": value(tenant)}});
        if !kind.is_empty() {
            record["identity"]["@odata.type"] = format!("#microsoft.graph.{kind}").into();
        }
        let organizer = format!(
            r#"{{"id":"zz","emailAddress":"grace@contoso.example","role":"Organizer","identity":{{"tenantId":"{OURS}"}}}}"#
        );
        let flat = flatten(&with_records(&format!("{record},{organizer}")));
        let row = flat
            .records
            .iter()
            .find(|row| row.record_id.is_none())
            .unwrap();
        assert_eq!(
            row.attendee_type.as_deref().unwrap_or("-"),
            wanted,
            "{what}"
        );
        assert_eq!(row.is_external, is_external, "{what}");
        let organizer = flat
            .records
            .iter()
            .find(|row| row.record_id.is_some())
            .unwrap();
        assert_eq!(organizer.attendee_type.as_deref(), Some("member"));
        assert_eq!(organizer.email_domain.as_deref(), Some("contoso.example"));
    }
}

#[test]
fn whose_domain_is_ours_is_told_by_the_organizer_alone() {
    let kind = |organizer: &str| {
        let records = format!(
            r#"{{"id":"a","emailAddress":"ada@contoso.example","identity":{{"id":"x"}}}},{organizer}"#
        );
        let flat = flatten(&with_records(&records));
        flat.records[0].attendee_type.as_deref().map(str::to_owned)
    };
    let organizer = |address: &str, tenant: &str| {
        kind(&format!(
            r#"{{"id":"b","role":"Organizer","emailAddress":"{address}","identity":{{"tenantId":{tenant}}}}}"#
        ))
    };
    assert_eq!(
        organizer("grace@contoso.example", "null").as_deref(),
        Some("member")
    );
    let foreign = r#""0b000000-0000-4000-8000-000000000002""#;
    assert_eq!(organizer("grace@contoso.example", foreign), None);
    assert_eq!(organizer("", "null"), None);
    assert_eq!(
        organizer("g_contoso.example#EXT#@x.onmicrosoft.com", "null"),
        None
    );
    assert_eq!(
        kind(r#"{"id":"b","role":"Presenter","emailAddress":"grace@contoso.example"}"#),
        None
    );
}

#[test]
fn fault_100_fuzz_flattening() {
    const ADA_RECORD: &str = r##"{"id":"a","emailAddress":"ada@contoso.example","totalAttendanceInSeconds":60,"role":"Attendee",
        "identity":{"@odata.type":"#microsoft.graph.communicationsUserIdentity","id":"u","displayName":"Ada","tenantId":"t"},
        "attendanceIntervals":[{"joinDateTime":"2026-01-05T10:00:00Z","leaveDateTime":"2026-01-05T10:01:00.1234567Z","durationInSeconds":60}]}"##;
    let page = format!(r#"{{"value":[{ADA_RECORD},{ADA_RECORD}],"@odata.nextLink":"x"}}"#);
    let report = with_records(ADA_RECORD);
    let corpus: [&[u8]; 2] = [report.as_bytes(), page.as_bytes()];
    let words = [
        "null",
        "[]",
        "{}",
        "\"id\":\"r\",",
        "\"attendanceIntervals\":[",
        "\"joinDateTime\":\"9999-12-31T23:59:59.9999999Z\"",
        "2147483648",
        "-9223372036854775808",
        "1e18",
        "\"identity\":{\"@odata.type\":\"#x\"},",
        "\\u0000",
        "2026-01-05T10:00:00+14:00",
    ];
    crate::fuzz::fuzz(&corpus, &words, |body| {
        flatten_documents(body, &[page.as_bytes()], |_| ()).ok();
        flatten_documents(report.as_bytes(), &[body], |_| ()).ok();
        if let Ok(flat) = flatten_documents(body, &[], |_| ()) {
            assert_eq!(
                usize::try_from(flat.report.row.record_count).unwrap(),
                flat.records.len()
            );
            assert_eq!(flat.report.interval_count, flat.intervals.len());
        }
    });
}
