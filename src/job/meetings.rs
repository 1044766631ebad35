//! The list of meetings that a job names: a CSV of organizer, and meeting id, meeting number or join URL.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::error::PlanError;
use super::plan::{ListedMeeting, MeetingReference};
use super::surroundings::Surroundings;
use super::users::{is_user, line_of};

/// Reads a list; `-` is standard input. Order as written, a second mention left out.
///
/// # Errors
/// [`PlanError::MeetingsUnreadable`], [`PlanError::MeetingsLine`] with the line and never its text, [`PlanError::NoMeeting`]; terminal.
pub(super) fn read(
    path: &Path,
    surroundings: &Surroundings<'_>,
) -> Result<Vec<ListedMeeting>, PlanError> {
    let unreadable = |source| PlanError::MeetingsUnreadable {
        path: path.to_owned(),
        source,
    };
    let contents = (surroundings.read_file)(path).map_err(unreadable)?;
    let meetings = parse(&contents.bytes).map_err(|problem| match problem {
        Problem::Line(line) => PlanError::MeetingsLine {
            path: path.to_owned(),
            line,
        },
        Problem::NotCsv(source) => unreadable(io::Error::new(io::ErrorKind::InvalidData, source)),
    })?;
    if meetings.is_empty() {
        return Err(PlanError::NoMeeting {
            path: path.to_owned(),
        });
    }
    Ok(meetings)
}

#[derive(Debug)]
enum Problem {
    Line(u64),
    NotCsv(csv::Error),
}

/// Two columns; a header, blank lines and lines that begin with `#` are passed over, further columns are not looked at.
fn parse(bytes: &[u8]) -> Result<Vec<ListedMeeting>, Problem> {
    // Excel begins its UTF-8 files with a byte order mark
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let mut seen = BTreeSet::new();
    let mut meetings = Vec::new();
    for (number, record) in reader.records().enumerate() {
        let record = record.map_err(Problem::NotCsv)?;
        let organizer = record.get(0).unwrap_or_default();
        let meeting = record.get(1).unwrap_or_default();
        if record.iter().all(str::is_empty) || (number == 0 && is_header(organizer)) {
            continue;
        }
        let listed = is_user(organizer)
            .then(|| reference(meeting))
            .flatten()
            .map(|meeting| ListedMeeting {
                organizer: organizer.to_owned(),
                meeting,
            });
        let Some(listed) = listed else {
            let line = record.position().map_or(0, |before| line_of(bytes, before));
            return Err(Problem::Line(line));
        };
        let key = (listed.organizer.to_lowercase(), listed.meeting.clone());
        if seen.insert(key) {
            meetings.push(listed);
        }
    }
    Ok(meetings)
}

fn is_header(first: &str) -> bool {
    ["organizer", "organizer_id", "user", "id", "upn", "mail"]
        .iter()
        .any(|name| first.eq_ignore_ascii_case(name))
}

/// A link by its scheme, a number by its digits, else an id; ids of Graph's are opaque.
fn reference(text: &str) -> Option<MeetingReference> {
    let digits: String = text.split_whitespace().collect();
    let is_number =
        (6..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        return Some(MeetingReference::Number(digits));
    }
    let is_plain = !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"');
    if text.is_empty() || !is_plain {
        return None;
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let is_link = scheme.eq_ignore_ascii_case("https") && !rest.is_empty();
        return is_link.then(|| MeetingReference::JoinUrl(text.to_owned()));
    }
    let is_id = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-:@.*".contains(&byte));
    is_id.then(|| MeetingReference::Id(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> u64 {
        match parse(text.as_bytes()) {
            Err(Problem::Line(line)) => line,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn ids_numbers_and_links_are_told_apart() {
        let text = "\u{feff}Organizer,Meeting,Title\n\n# trainings\n\
            ada@contoso.com,MSoxYzkx+/==,x\n\
            00000000-0000-4000-8000-00000000000a, 234 567 890 123 ,\n\
            ada@contoso.com,\"https://teams.microsoft.com/l/meetup-join/19%3ax/0?context={\"\"Tid\"\":1}\"\n";
        assert!(parse(text.as_bytes()).is_err(), "a link holds no quotes");
        let text = text.replace("{\"\"Tid\"\":1}", "%7b%7d");
        let meetings = parse(text.as_bytes()).unwrap();
        let references: Vec<_> = meetings.iter().map(|listed| &listed.meeting).collect();
        assert_eq!(
            references,
            [
                &MeetingReference::Id("MSoxYzkx+/==".to_owned()),
                &MeetingReference::Number("234567890123".to_owned()),
                &MeetingReference::JoinUrl(
                    "https://teams.microsoft.com/l/meetup-join/19%3ax/0?context=%7b%7d".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn a_list_without_a_header_loses_nothing_and_a_second_mention_counts_once() {
        let meetings = parse(b"ada@contoso.com,MSox\nADA@contoso.com,MSox\n").unwrap();
        assert_eq!(meetings.len(), 1);
    }

    #[test]
    fn a_bad_line_is_told_by_its_number() {
        assert_eq!(line("organizer,meeting\nada@contoso.com\n"), 2);
        assert_eq!(line("ada@contoso.com,MSox\n\n# c\nAda Lovelace,MSox\n"), 4);
        assert_eq!(line("ada@contoso.com;MSox\n"), 1);
        for reference in ["http://teams.microsoft.com/x", "javascript:x()", "a b", ""] {
            assert_eq!(
                line(&format!("ada@contoso.com,{reference}\n")),
                1,
                "{reference}"
            );
        }
        assert!(matches!(parse(b"\xff,\xff"), Err(Problem::NotCsv(_))));
    }

    proptest::proptest! {
        #[test]
        fn fault_100_no_bytes_make_the_reader_panic(bytes: Vec<u8>, text in "[a-z@,;\"# \n\r]{0,60}") {
            parse(&bytes).ok();
            parse(text.as_bytes()).ok();
        }
    }
}
