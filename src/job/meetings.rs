//! The list of meetings that a job names: a CSV of organizer, and meeting id, meeting number or join URL.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::csv_file::CsvFile;
use super::error::{LineProblems, PlanError};
use super::plan::{ListedMeeting, MeetingReference};
use super::surroundings::Surroundings;
use super::users::{has_column, is_user, is_user_in_file};
use crate::pasted_link::{NoJoinLink, in_graphs_spelling, is_meant_as_link, is_meeting_number};

/// Reads a list; `-` is standard input. Order as written, a second mention left out.
///
/// # Errors
/// [`PlanError::MeetingsUnreadable`], [`PlanError::MeetingsLines`] with every wrong line and never its text, [`PlanError::NoMeeting`]; terminal.
pub(super) fn read(
    path: &Path,
    surroundings: &Surroundings<'_>,
) -> Result<Vec<ListedMeeting>, PlanError> {
    let unreadable = |source| PlanError::MeetingsUnreadable {
        path: path.to_owned(),
        source,
    };
    let contents = (surroundings.read_file)(path).map_err(unreadable)?;
    let meetings = parse(&contents.bytes)
        .map_err(unreadable)?
        .map_err(|problems| PlanError::MeetingsLines {
            path: path.to_owned(),
            problems,
        })?;
    if meetings.is_empty() {
        return Err(PlanError::NoMeeting {
            path: path.to_owned(),
        });
    }
    Ok(meetings)
}

/// Columns that hold an organizer, the surest first.
const ORGANIZER_COLUMNS: [&str; 16] = [
    "organizerid",
    "organizerobjectid",
    "organizeruserid",
    "organizer",
    "organizerupn",
    "organizeruserprincipalname",
    "organizermail",
    "organizeremail",
    "organizeremailaddress",
    "user",
    "userid",
    "upn",
    "userprincipalname",
    "mail",
    "email",
    "id",
];
/// Columns that hold a meeting.
const MEETING_COLUMNS: [&str; 15] = [
    "joinweburl",
    "joinurl",
    "joinlink",
    "meetinglink",
    "meetingurl",
    "teamslink",
    "link",
    "url",
    "meeting",
    "onlinemeetingid",
    "meetingid",
    "joinmeetingid",
    "meetingnumber",
    "number",
    "id",
];

/// Organizer and meeting of each line, by the columns that a header names, else the first two; further columns are not looked at. Either
/// all of them, or what is wrong with which lines: a list that is read in part would be taken for the whole.
///
/// # Errors
/// Of the kind `InvalidData` where it is no text.
fn parse(bytes: &[u8]) -> Result<Result<Vec<ListedMeeting>, LineProblems>, io::Error> {
    let file = CsvFile::read(bytes, is_header)?;
    let organizers = file.places(&ORGANIZER_COLUMNS);
    let organizer = organizers.first().copied();
    let mut meetings_at = file.places(&MEETING_COLUMNS);
    meetings_at.retain(|place| Some(*place) != organizer);
    let organizer = organizer.unwrap_or_else(|| usize::from(meetings_at.first() == Some(&0)));
    if meetings_at.is_empty() {
        meetings_at.push(usize::from(organizer == 0));
    }
    let mut seen = BTreeSet::new();
    let (mut meetings, mut problems) = (Vec::new(), LineProblems::default());
    for row in &file.rows {
        let organizers = organizers
            .iter()
            .filter(|place| !meetings_at.contains(place));
        let mut organizers = organizers.map(|place| row.cell(*place));
        let organizer = organizers
            .find(|cell| is_user_in_file(cell))
            .unwrap_or_else(|| row.cell(organizer));
        let mut cells = meetings_at.iter().map(|place| row.cell(*place));
        let meeting = cells.find(|cell| !cell.is_empty()).unwrap_or_default();
        if !is_user(organizer) {
            problems.add("no organizer with a meeting", row.line);
            continue;
        }
        match reference(meeting) {
            Ok(meeting) => {
                if seen.insert((organizer.to_lowercase(), meeting.clone())) {
                    meetings.push(ListedMeeting {
                        organizer: organizer.to_owned(),
                        meeting,
                    });
                }
            }
            Err(problem) => problems.add(problem, row.line),
        }
    }
    Ok(if problems.is_empty() {
        Ok(meetings)
    } else {
        Err(problems)
    })
}

/// A first line that names a column of the list.
fn is_header(cells: &[String]) -> bool {
    has_column(cells, &ORGANIZER_COLUMNS) || has_column(cells, &MEETING_COLUMNS)
}

/// A link in Graph's spelling, a number by its digits, else an id; ids of Graph's are opaque.
///
/// # Errors
/// What it is instead.
fn reference(text: &str) -> Result<MeetingReference, &'static str> {
    let digits: String = text.split_whitespace().collect();
    if is_meeting_number(&digits) {
        return Ok(MeetingReference::Number(digits));
    }
    if is_meant_as_link(text) {
        return match in_graphs_spelling(text) {
            Ok(found) if found.is_cut => {
                Err("no whole join link: it ends before it names its organizer")
            }
            Ok(found) => Ok(MeetingReference::JoinUrl(found.link)),
            Err(NoJoinLink::NotOfTeams) => Err("no join link of Teams"),
            Err(NoJoinLink::Private) => {
                Err("a meeting of a private account, whose attendance Graph does not have")
            }
        };
    }
    let is_id = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-:@.*".contains(&byte));
    if is_id {
        return Ok(MeetingReference::Id(text.to_owned()));
    }
    Err("no organizer with a meeting")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%22Tid%22%3a%22t%22%2c%22Oid%22%3a%22o%22%7d";

    fn problems(text: &str) -> String {
        match parse(text.as_bytes()) {
            Ok(Err(problems)) => problems.to_string(),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn references(text: &str) -> Vec<MeetingReference> {
        let meetings = parse(text.as_bytes()).unwrap().unwrap();
        meetings.into_iter().map(|listed| listed.meeting).collect()
    }

    #[test]
    fn ids_numbers_and_links_are_told_apart() {
        let decoded = percent_encoding::percent_decode_str(LINK).decode_utf8_lossy();
        let text = format!(
            "\u{feff}Organizer,Meeting,Title\n\n# trainings\n\
             ada@contoso.com,MSoxYzkx+/==,x\n\
             00000000-0000-4000-8000-00000000000a, 234 567 890 123 ,\n\
             ada@contoso.com,\"{}\"\n\
             ada@contoso.com,{LINK}&anon=true\n",
            decoded.replace('"', "\"\"")
        );
        assert_eq!(
            references(&text),
            [
                MeetingReference::Id("MSoxYzkx+/==".to_owned()),
                MeetingReference::Number("234567890123".to_owned()),
                MeetingReference::JoinUrl(LINK.to_owned()),
            ],
            "two spellings of one link are one meeting"
        );
    }

    #[test]
    fn columns_may_stand_in_any_order_and_between_others() {
        for text in [
            format!("Subject;Join URL;Organizer email\nTraining;{LINK};ada@contoso.com\n"),
            format!("joinWebUrl\torganizerId\n{LINK}\t00000000-0000-4000-8000-00000000000a\n"),
            format!("id,link\nada@contoso.com,{LINK}\n"),
            format!("#TYPE x\n\"Organizer\",\"Meeting\"\n\"ada@contoso.com\",\"{LINK}\"\n"),
            format!("meeting,upn\n{LINK},ada@contoso.com\n"),
            format!("ada@contoso.com;{LINK}\n"),
        ] {
            assert_eq!(
                references(&text),
                [MeetingReference::JoinUrl(LINK.to_owned())],
                "{text}"
            );
        }
    }

    #[test]
    fn a_list_without_a_header_loses_nothing_and_a_second_mention_counts_once() {
        let meetings = parse(b"ada@contoso.com,MSox\nADA@contoso.com,MSox\n")
            .unwrap()
            .unwrap();
        assert_eq!(meetings.len(), 1);
    }

    #[test]
    fn every_bad_line_is_told_by_its_number_and_never_its_text() {
        let cut = LINK.split_once("%22Oid").unwrap().0;
        for (text, told) in [
            ("organizer,meeting\nada@contoso.com\n".to_owned(), "line 2: this is no organizer with a meeting"),
            ("ada@contoso.com,MSox\n\n# c\nAda Lovelace,MSox\n".to_owned(), "line 4: this is no organizer with a meeting"),
            ("ada@contoso.com,http://teams.microsoft.com/x\n".to_owned(), "line 1: this is no join link of Teams"),
            ("ada@contoso.com,javascript:x()\n".to_owned(), "line 1: this is no organizer with a meeting"),
            ("ada@contoso.com,https://meetings.contoso.example/j/1\n".to_owned(), "line 1: this is no join link of Teams"),
            (format!("ada@contoso.com,{cut}\n"), "line 1: this is no whole join link: it ends before it names its organizer"),
            (
                "organizer,m\na@x,https://teams.live.com/meet/2345678901234\na@x,a b\na@x,https://a.example/\na@x,MSox\na@x,https://b.example\n".to_owned(),
                "line 2: this is a meeting of a private account, whose attendance Graph does not have; \
                 line 3: this is no organizer with a meeting; lines 4 and 6: this is no join link of Teams",
            ),
        ] {
            assert_eq!(problems(&text), told, "{text}");
        }
        assert!(parse(b"PK\x03\x04").is_err());
    }

    proptest::proptest! {
        #[test]
        fn fault_100_no_bytes_make_the_reader_panic(bytes: Vec<u8>, text in "[a-z@,;\"# \n\r]{0,60}") {
            parse(&bytes).ok();
            parse(text.as_bytes()).ok();
        }
    }
}
