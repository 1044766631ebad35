use super::*;
use crate::tables::{AttendanceIntervalRow, AttendanceRecordRow};

pub(super) struct Flat {
    pub(super) report: FlatReport,
    pub(super) records: Vec<AttendanceRecordRow<'static>>,
    pub(super) intervals: Vec<AttendanceIntervalRow<'static>>,
}

pub(super) fn flatten_with(
    report: &str,
    pages: &[&str],
    change: impl FnOnce(&mut ReportContext<'_>),
) -> Flat {
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

pub(super) fn flatten(report: &str) -> Flat {
    flatten_with(report, &[], |_| ())
}

/// A report from 10:00 to 11:00 with the given records.
pub(super) fn with_records(records: &str) -> String {
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
