//! A large tenant that takes no memory: every answer is written from the numbers in its path, as it is asked for.
//!
//! People organize meetings on 30 days; each meeting has one report, and each of its attendees came twice. It answers the five
//! requests of a run by calendar, over plain HTTP on loopback.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use teamsheet::time::{DAY, HOUR, SECOND, UtcMicros};

const TENANT: &str = "5f0c7a3e-2f0b-4f56-8a2e-6a1d5f3f9b10";
/// Days with meetings.
pub(crate) const DAYS: i64 = 30;

/// How large the tenant is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) organizers: usize,
    pub(crate) meetings_each: usize,
    pub(crate) attendees: usize,
    /// Midnight of the first day.
    pub(crate) first_day: UtcMicros,
}

impl Size {
    pub(crate) fn records(&self) -> usize {
        self.organizers * self.meetings_each * self.attendees
    }

    fn start(&self, meeting: usize) -> UtcMicros {
        let day = i64::try_from(meeting).unwrap_or_default() % DAYS;
        let turn = i64::try_from(meeting).unwrap_or_default() / DAYS;
        self.first_day
            .plus(day * DAY + 8 * HOUR + turn * 45 * 60 * SECOND)
    }
}

/// Answers until the process ends; where.
pub(crate) fn serve(size: Size) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let origin = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // a client that goes away ends its thread
            thread::spawn(move || answer_all(connection, size).ok());
        }
    });
    Ok(origin)
}

fn answer_all(connection: TcpStream, size: Size) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut writer = connection.try_clone()?;
    let mut reader = BufReader::new(connection);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or_default();
            }
        }
        io::copy(&mut io::Read::take(&mut reader, length), &mut io::sink())?;
        let path = first.split(' ').nth(1).unwrap_or_default();
        let body = answer(path, size);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        writer.write_all(head.as_bytes())?;
        writer.write_all(body.as_bytes())?;
    }
}

fn answer(path: &str, size: Size) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        [.., "token"] => token(),
        [_, "users"] => {
            let people = (0..size.organizers)
                .map(|number| format!(r#"{{"id":"u{number}","displayName":"Organizer {number}","mail":"u{number}@contoso.example"}}"#));
            page(people)
        }
        [_, "users", user, "calendarView"] => calendar(number(user), query, size),
        [_, "users", _, "onlineMeetings"] => {
            let id = query.rsplit("meeting-").next().unwrap_or_default();
            let id = id.split('%').next().unwrap_or_default();
            page(std::iter::once(format!(r#"{{"id":"m-{id}"}}"#)))
        }
        [
            _,
            "users",
            _,
            "onlineMeetings",
            meeting,
            "attendanceReports",
        ] => page(std::iter::once(format!(
            "{{{}}}",
            report_head(meeting, size)
        ))),
        [
            _,
            "users",
            _,
            "onlineMeetings",
            meeting,
            "attendanceReports",
            _,
        ] => report(meeting, size),
        _ => r#"{"value":[]}"#.to_owned(),
    }
}

fn token() -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = format!(
        r#"{{"tid":"{TENANT}","aud":"https://graph.microsoft.com","exp":4102444800,"roles":[]}}"#
    );
    let token = format!(
        "{}.{}.{}",
        part(r#"{"alg":"none"}"#),
        part(&claims),
        part("none")
    );
    format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{token}"}}"#)
}

fn page(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    format!(r#"{{"value":[{}]}}"#, items.join(","))
}

/// The number in `u17` or `m-17`.
fn number(name: &str) -> usize {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

fn calendar(user: usize, query: &str, size: Size) -> String {
    let bound = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name));
        value.unwrap_or_default().replace("%3A", ":")
    };
    let (from, to) = (bound("startDateTime="), bound("endDateTime="));
    let meetings = (0..size.meetings_each).filter_map(|meeting| {
        let start = size.start(meeting);
        let (start, end) = (start.to_string(), start.plus(HOUR / 2).to_string());
        // instants of one form compare as text
        (start < to && end > from).then(|| {
            let number = user * size.meetings_each + meeting;
            let plain = |at: &str| at.trim_end_matches('Z').to_owned();
            format!(
                r#"{{"id":"e{number}","iCalUId":"uid-{number}","subject":"Meeting {number}","isOnlineMeeting":true,"isOrganizer":true,"onlineMeetingProvider":"teamsForBusiness","type":"singleInstance","start":{{"dateTime":"{}","timeZone":"UTC"}},"end":{{"dateTime":"{}","timeZone":"UTC"}},"onlineMeeting":{{"joinUrl":"https://teams.microsoft.com/l/meetup-join/meeting-{number}"}}}}"#,
                plain(&start),
                plain(&end)
            )
        })
    });
    page(meetings)
}

fn report_head(meeting: &str, size: Size) -> String {
    let number = number(meeting);
    let start = size.start(number % size.meetings_each);
    format!(
        r#""id":"report-{number}","totalParticipantCount":{},"meetingStartDateTime":"{start}","meetingEndDateTime":"{}""#,
        size.attendees,
        start.plus(HOUR / 2)
    )
}

fn report(meeting: &str, size: Size) -> String {
    let number = number(meeting);
    let start = size.start(number % size.meetings_each);
    let [left, back, end] = [10, 15, 30].map(|minutes| start.plus(minutes * 60 * SECOND));
    let mut body = format!("{{{},\"attendanceRecords\":[", report_head(meeting, size));
    for attendee in 0..size.attendees {
        let person = (number * 131 + attendee * 7_919) % 20_000;
        if attendee > 0 {
            body.push(',');
        }
        // writing to a string does not fail
        write!(
            body,
            r##"{{"id":"{number}-{attendee}","emailAddress":"person{person}@contoso.example","totalAttendanceInSeconds":1500,"role":"Attendee","identity":{{"@odata.type":"#microsoft.graph.communicationsUserIdentity","id":"person-{person}-4f56-8a2e","displayName":"Person Number {person}","tenantId":"{TENANT}"}},"attendanceIntervals":[{{"joinDateTime":"{start}","leaveDateTime":"{left}","durationInSeconds":600}},{{"joinDateTime":"{back}","leaveDateTime":"{end}","durationInSeconds":900}}]}}"##
        )
        .ok();
    }
    body.push_str("]}");
    body
}
