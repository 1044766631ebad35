//! Whatever a server sends, reading it ends with a value or an error.

use super::*;
use crate::fuzz::fuzz;

const REPORT: &str = r##"{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#x","id":"c9b6db1c-d5eb-427d-a5c0-20088d9b22d7",
"totalParticipantCount":1,"meetingStartDateTime":"2021-10-05T04:38:23.9453062Z","meetingEndDateTime":"2021-10-05T04:43:49.77Z",
"externalEventInformation":[{"applicationId":"a","externalEventId":"b"}],"attendanceRecords":[{"id":"dc5be4f2","emailAddress":"a@b.example",
"totalAttendanceInSeconds":322,"role":"Presenter","registrationId":null,"identity":{"@odata.type":"#microsoft.graph.communicationsUserIdentity",
"id":"dc5be4f2","displayName":"\u00e9\ud83d\ude80","tenantId":"db97"},"attendanceIntervals":[{"joinDateTime":"2021-10-05T04:38:27.6027062Z",
"leaveDateTime":"2021-10-05T04:43:49+02:00","durationInSeconds":-1e3}]}],"attendanceRecords@odata.nextLink":"https://graph.microsoft.com/v1.0/x"}"##;
const WORDS: &[&str] = &[
    "null",
    "true",
    "[]",
    "{}",
    "[[",
    "{\"a\":",
    "\\u0000",
    "\\ud83d",
    "\"@odata.nextLink\":",
    "\"@odata.type\":\"#microsoft.graph.identity\",",
    "\"value\":[",
    "\"id\":",
    "\"attendanceRecords\":null,",
    "\"joinDateTime\":\"0001-01-01T00:00:00Z\",",
    "9999-12-31T23:59:60.9999999Z",
    "-0",
    "1e400",
    "\u{feff}",
];

#[test]
fn fault_100_fuzz_the_response_parser() {
    let page = format!(
        "{{\"value\":[{REPORT}],\"@odata.nextLink\":\"https://graph.microsoft.com/v1.0/x?$skiptoken=y\"}}"
    );
    let event = r#"{"value":[{"iCalUId":"040","seriesMasterId":null,"type":"occurrence","subject":"a","start":{"dateTime":"2026-01-05T09:00:00.0000000",
        "timeZone":"UTC"},"end":{"dateTime":"2026-01-05T10:00:00","timeZone":"W. Europe Standard Time"},"isCancelled":false,"isOrganizer":true,
        "isOnlineMeeting":true,"onlineMeetingProvider":"teamsForBusiness","onlineMeeting":{"joinUrl":"https://teams.microsoft.com/l/x"},
        "organizer":{"emailAddress":{"name":"a","address":"b"}}}]}"#;
    let corpus: [&[u8]; 5] = [
        REPORT.as_bytes(),
        page.as_bytes(),
        event.as_bytes(),
        br#"{"error":{"code":"Forbidden","message":"m","innerError":{"request-id":"r"}}}"#,
        b"\xef\xbb\xbf{\"value\":[]}",
    ];
    fuzz(&corpus, WORDS, |body| {
        check_json(body).ok();
        let page = parse_page::<MeetingAttendanceReport<'_, AttendanceRecord<'_>>>(body);
        // what was cut short is never a page, however good its beginning
        assert!(page.is_err() || body.trim_ascii_end().ends_with(b"}"));
        if let (Ok(page), Ok(shape)) = (&page, scan_page(body)) {
            assert!(page.items.len() + page.unreadable.len() >= shape.items);
        }
        parse_page::<Event<'_>>(body).ok();
        parse_page::<VirtualEvent<'_>>(body).ok();
        parse_page::<VirtualEventSession<'_>>(body).ok();
        parse_page::<User<'_>>(body).ok();
        parse_entity::<OnlineMeeting<'_>>(body).ok();
        scan_report(body).ok();
        parse_report(body).ok();
    });
}
