//! People in a report: who looks alike, and who is what to the tenant.

use super::tests::{Flat, flatten, flatten_with, with_records};
use super::*;

/// A report that counts so many, with the same record so often.
fn alike(record: &str, sent: usize, counted: Option<i32>) -> Flat {
    let records = vec![record; sent].join(",");
    let counted = counted.map_or_else(|| "null".to_owned(), |count| count.to_string());
    let report = with_records(&records);
    flatten(&report.replacen('{', &format!(r#"{{"totalParticipantCount":{counted},"#), 1))
}

/// Record, how often it is sent, what the report counts, the rows that it makes, and their flags.
const ALIKE: &str = r#"
    masked                        | MASKED                                | 30 | 30   | 30 | look_alike
    masked, sent twice            | MASKED                                | 60 | 30   | 30 | look_alike
    masked, more counted          | MASKED                                | 20 | 30   | 20 | look_alike
    masked, not counted           | MASKED                                | 3  | null | 3  | look_alike
    masked, with times            | {TIMES}                               | 2  | 2    | 2  | look_alike
    nothing at all                | {}                                    | 2  | 2    | 2  | look_alike
    an empty id                   | {"id":""}                             | 3  | 3    | 3  | look_alike
    a GUID of zeros               | {"id":"ZEROS","identity":{"id":"ZEROS"}} | 3 | 3  | 3  | look_alike
    a name is no id               | {"identity":{"displayName":"Ada"}}    | 2  | 2    | 2  | look_alike
    an id, times                  | {"id":"a",TIMES}                      | 2  | 2    | 1  |
    an identity's id, times       | {"identity":{"id":"a"},TIMES}         | 2  | 2    | 1  |
    an id without times           | {"id":"a"}                            | 2  | 2    | 2  | duplicate_record_id look_alike
    an id without times, twice    | {"id":"a"}                            | 2  | 1    | 1  |
    an id without times, no count | {"id":"a"}                            | 2  | null | 1  |
    an empty record counts        | {}                                    | 1  | 1    | 1  |
"#;

#[test]
fn people_who_look_alike_are_a_row_each_as_far_as_the_report_counts_them() {
    const MASKED: &str = r#"{"emailAddress":"","role":"Attendee","identity":{"id":null,"displayName":null},"attendanceIntervals":[]}"#;
    const TIMES: &str = r#""attendanceIntervals":[{"joinDateTime":"2026-01-05T10:00:00Z","leaveDateTime":"2026-01-05T10:10:00Z","durationInSeconds":600}]"#;
    const ZEROS: &str = "00000000-0000-0000-0000-000000000000";
    for line in ALIKE.trim().lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [what, record, sent, counted, rows, flags] = cells[..] else {
            panic!("{line}")
        };
        let record =
            { record.replace("MASKED", MASKED).replace("TIMES", TIMES) }.replace("ZEROS", ZEROS);
        let counted: Option<i32> = counted.parse().ok();
        let rows: i32 = rows.parse().unwrap();
        let flat = alike(&record, sent.parse().unwrap(), counted);
        assert_eq!(flat.report.row.record_count, rows, "{what}");
        let is_other = counted.is_some_and(|counted| counted != rows);
        let of_report: &[&str] = if is_other { &["count_differs"] } else { &[] };
        assert_eq!(flat.report.row.quality_flags, of_report, "{what}");
        for row in &flat.records {
            let own = row
                .quality_flags
                .iter()
                .filter(|flag| *flag != "total_differs");
            assert_eq!(own.cloned().collect::<Vec<_>>().join(" "), flags, "{what}");
        }
        let indices: Vec<_> = flat.records.iter().map(|row| row.record_index).collect();
        assert_eq!(indices, (0..rows).collect::<Vec<_>>(), "{what}");
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

/// Type of the identity, its id, name and tenant, address and role; the type of the attendee, and whether it is external.
const ATTENDEES: &str = "
    a colleague                   | communicationsUserIdentity | OBJECT | Ada | OURS | ada@contoso.example | | member | false
    in other case                 | communicationsUserIdentity | OBJECT | Ada | 0A000000-0000-4000-8000-000000000001 | ADA@Contoso.example | | member | false
    without type and tenant       | | OBJECT | Ada | | ada@contoso.example | | member |
    the organizer, no address     | | OBJECT | Ada | OURS | | organizer | member | false
    a guest by principal name     | communicationsUserIdentity | OBJECT | Ada | OURS | ada_fabrikam.example#EXT#@contoso.onmicrosoft.com | | guest | false
    guest or of another domain    | communicationsUserIdentity | OBJECT | Ada | OURS | ada@fabrikam.example | | | false
    ours without an address       | communicationsUserIdentity | OBJECT | Ada | OURS | | | | false
    a guest identity              | communicationsGuestIdentity | OBJECT | Ada | | ada@fabrikam.example | | guest |
    a guest identity, our domain  | communicationsGuestIdentity | | Ada | | ada@contoso.example | | guest |
    of another tenant             | communicationsUserIdentity | OBJECT | Ada | OTHER | ada@fabrikam.example | | external | true
    another tenant, our domain    | communicationsUserIdentity | OBJECT | Ada | OTHER | ada@contoso.example | | external | true
    of no tenant                  | communicationsUserIdentity | OBJECT | Ada | ZEROS | ada@fabrikam.example | | |
    a caller                      | communicationsPhoneIdentity | +15550100 | +1 555-**** | | | | phone |
    a caller by the number        | | 4:+15550100 | | | | | phone |
    a bot                         | communicationsApplicationIdentity | OBJECT | Notes | | | | application |
    a bot by its id               | | 28:notes | Notes | | | | application |
    of communication services     | azureCommunicationServicesUserIdentity | 8:acs:x_y | Ada | | | | anonymous |
    who typed a name              | | anonymous:1 | Visitor | | | | anonymous |
    who typed a name, no id       | communicationsUserIdentity | | Visitor | | | | anonymous |
    an account, nothing else      | | OBJECT | Ada | | | | |
    masked                        | | | | | | | |
    masked with zeros             | | ZEROS | | ZEROS | | | |
    a new type                    | brandNew | OBJECT | Ada | | ada@contoso.example | | |
    a new type, another tenant    | brandNew | OBJECT | Ada | OTHER | | | external | true
";

#[test]
fn an_attendee_is_what_the_report_proves_of_them() {
    const OURS: &str = "0a000000-0000-4000-8000-000000000001";
    for line in ATTENDEES.trim().lines() {
        let line = line
            .replace("OURS", OURS)
            .replace("OTHER", "0b000000-0000-4000-8000-000000000002")
            .replace("OBJECT", "0c000000-0000-4000-8000-000000000003")
            .replace("ZEROS", "00000000-0000-0000-0000-000000000000");
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [
            what,
            kind,
            id,
            name,
            tenant,
            address,
            role,
            wanted,
            is_external,
        ] = cells[..]
        else {
            panic!("{line}")
        };
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
        let of = |has_id| {
            { flat.records.iter() }
                .find(|row| row.record_id.is_some() == has_id)
                .unwrap()
        };
        assert_eq!(
            of(false).attendee_type.as_deref().unwrap_or_default(),
            wanted,
            "{what}"
        );
        assert_eq!(of(false).is_external, is_external.parse().ok(), "{what}");
        assert_eq!(of(true).attendee_type.as_deref(), Some("member"));
        assert_eq!(of(true).email_domain.as_deref(), Some("contoso.example"));
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
