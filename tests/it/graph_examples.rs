//! The JSON that Graph's documentation prints goes through parse and flatten with nothing lost.
//!
//! The documents are not part of this project; the test runs where they lie beside it, in `../shared/graph/examples`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use teamsheet::flatten::{
    Organizer, ReportContext, ReportDocuments, ReportEntry, RowsByDay, flatten_report,
    occurrence_of_event, occurrence_of_session, read_report_list,
};
use teamsheet::ids::{OrganizerId, ReportId, RunId, TenantId};
use teamsheet::job::Source;
use teamsheet::model::{self, Event, OnlineMeeting, VirtualEvent, VirtualEventSession};
use teamsheet::tables::{AttendanceIntervalRow, AttendanceRecordRow};
use teamsheet::time::{GraphTime, UtcMicros, WarehouseTimezone, parse_graph_time};

fn examples() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/graph/examples");
    folder.is_dir().then_some(folder)
}

fn example(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap_or_else(|_| panic!("{name}"))
}

/// Every text, number and time of a document that is data: no nulls, no OData control information.
fn leaves(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Null => {}
        Value::Object(object) => {
            for (_, value) in object.iter().filter(|(name, _)| !name.contains("@odata.")) {
                leaves(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::String(text) => {
            // times are compared as instants, since the tables keep them to the microsecond
            let looks_like_time =
                text.len() >= 19 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T';
            match parse_graph_time(text) {
                Ok(GraphTime::At(at)) if looks_like_time => found.insert(format!("at {}", at.0)),
                _ => found.insert(text.clone()),
            };
        }
        other @ (Value::Bool(_) | Value::Number(_)) => {
            found.insert(other.to_string());
        }
    }
}

/// Everything that the debug text of rows holds, times as instants.
fn assert_all_there(name: &str, document: &[u8], rows: &str) {
    let mut wanted = BTreeSet::new();
    leaves(&serde_json::from_slice(document).unwrap(), &mut wanted);
    for leaf in wanted {
        let shown = match leaf.strip_prefix("at ") {
            Some(micros) => format!("UtcMicros({micros})"),
            None => format!("{leaf:?}").trim_matches('"').to_owned(),
        };
        let escaped = shown.replace('\\', "\\\\");
        assert!(
            rows.contains(&shown) || rows.contains(&escaped),
            "{name}: {leaf} is lost in\n{rows}"
        );
    }
}

fn flatten(report: &[u8], pages: &[&[u8]], listed: Option<&[u8]>) -> String {
    let tenant = TenantId::new("tenant");
    let list = listed.map(|body| read_report_list(body).unwrap());
    let entry = list
        .and_then(|list| list.entries.into_iter().next())
        .unwrap_or(ReportEntry {
            report_id: ReportId::new(
                serde_json::from_slice::<Value>(report).unwrap()["id"]
                    .as_str()
                    .unwrap_or("by itself")
                    .to_owned(),
            ),
            start: None,
            end: None,
            total_participant_count: None,
            external_events: Vec::new(),
        });
    let (run, timezone) = (RunId::new("run"), WarehouseTimezone::utc());
    let context = ReportContext {
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
    let mut rows = RowsByDay::default();
    let documents = ReportDocuments {
        report,
        inline_records: pages.is_empty(),
        record_pages: pages,
    };
    let flat = flatten_report(&documents, &context, &mut rows).unwrap();
    assert!(flat.problems.is_empty(), "{:?}", flat.problems);
    let (records, intervals) = rows.days.get_mut(&flat.event_date).unwrap();
    let records = AttendanceRecordRow::read_all(&records.finish().unwrap()).unwrap();
    let intervals = AttendanceIntervalRow::read_all(&intervals.finish().unwrap()).unwrap();
    format!("{:?}\n{records:?}\n{intervals:?}", flat.row)
}

#[test]
fn nothing_of_the_documented_reports_and_records_is_lost() {
    let Some(folder) = examples() else { return };
    for name in [
        "attendanceReport-get-expanded.onlineMeeting.v1.json",
        "attendanceReport-get.townhallSession.beta.json",
        "attendanceReport-get.webinarSession.beta.json",
        "attendanceReport-get.webinarSession.v1.json",
        "meetingAttendanceReport-latest-deprecated.beta.json",
    ] {
        let document = example(&folder, name);
        assert_all_there(name, &document, &flatten(&document, &[], None));
    }
    for name in [
        "attendanceRecords-list.acsUser.beta.json",
        "attendanceRecords-list.onlineMeeting.v1.json",
        "attendanceRecords-list.townhallSession.v1.json",
        "attendanceRecords-list.webinarSession.v1.json",
    ] {
        let document = example(&folder, name);
        assert_all_there(name, &document, &flatten(b"{}", &[&document], None));
    }
    for name in [
        "attendanceReports-list.onlineMeeting.v1.json",
        "attendanceReports-list.webinarSession.beta.json",
    ] {
        let document = example(&folder, name);
        let list = read_report_list(&document).unwrap();
        assert_eq!((list.entries.len(), list.unusable), (2, 0));
        assert_all_there(name, &document, &format!("{:?} 1 2", list.entries));
    }
}

#[test]
fn documented_events_sessions_and_meetings_are_read() {
    let Some(folder) = examples() else { return };
    let session_names = ["sessions-list.v1.json", "session-get.v1.json"];
    let event = br#"{"id":"event"}"#;
    let event: VirtualEvent<'_> = serde_json::from_slice(event).unwrap();
    for name in session_names {
        let document = example(&folder, name);
        let sessions: Vec<VirtualEventSession<'_>> = if name.contains("list") {
            model::parse_page(&document).unwrap().items
        } else {
            vec![model::parse_entity(&document).unwrap()]
        };
        let found = occurrence_of_session(Source::Webinar, &event, &sessions[0]).unwrap();
        assert_eq!(found.scheduled_start.to_string(), "2023-08-08T12:30:00Z");
        assert_eq!(found.subject.as_deref(), Some("Session one"));
    }
    let session: VirtualEventSession<'_> = serde_json::from_slice(br#"{"id":"session"}"#).unwrap();
    for (name, start) in [
        ("webinars-list.v1.json", Some("2023-03-30T17:00:00Z")),
        ("townhalls-list.v1.json", Some("2023-11-30T21:30:00Z")),
        // these print the time zone `PacificSt`
        (
            "webinars-getByUserIdAndRole.v1.json",
            Some("2023-03-30T17:00:00Z"),
        ),
        (
            "townhalls-getByUserRole.v1.json",
            Some("2023-03-30T17:00:00Z"),
        ),
    ] {
        let document = example(&folder, name);
        let page = model::parse_page::<VirtualEvent<'_>>(&document).unwrap();
        assert!(page.unreadable.is_empty(), "{name}: {:?}", page.unreadable);
        let found = occurrence_of_session(Source::Webinar, &page.items[0], &session);
        assert_eq!(
            found
                .ok()
                .map(|found| found.scheduled_start.to_string())
                .as_deref(),
            start,
            "{name}"
        );
    }
    for name in ["webinar-get.v1.json", "townhall-get.v1.json"] {
        let document = example(&folder, name);
        let event: VirtualEvent<'_> = model::parse_entity(&document).unwrap();
        let organizer = event
            .created_by
            .unwrap()
            .user
            .unwrap()
            .id
            .unwrap()
            .into_string();
        assert_eq!(organizer, "b7ef013a-c73c-4ec7-8ccb-e56290f45f68", "{name}");
    }
    for name in [
        "onlineMeeting-filter-joinWebUrl.v1.json",
        "onlineMeeting-filter-joinMeetingId.v1.json",
    ] {
        let document = example(&folder, name);
        let page = model::parse_page::<OnlineMeeting<'_>>(&document).unwrap();
        assert!(page.items[0].id.is_some(), "{name}");
    }
    let document = example(&folder, "calendarView-list.v1.json");
    let page = model::parse_page::<Event<'_>>(&document).unwrap();
    let owner = Organizer {
        id: OrganizerId::new("oid"),
        email: None,
        display_name: None,
    };
    assert_eq!(
        occurrence_of_event(&page.items[0], &owner, &WarehouseTimezone::utc()),
        Ok(None),
        "the printed entry is no online meeting"
    );
}
