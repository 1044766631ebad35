//! The words of the files: headers, actions and roles, in the languages for which files or readers of such files are public.
//!
//! | language | seen in |
//! |---|---|
//! | English | files in `github.com/dvaneynde/teams-attendance`; readers of all three layouts in many repositories |
//! | German | a reader's test with a whole file (`Erster Beitritt`, `Letztes Verlassen`, `Dauer der Besprechung`, `59 Min. 0 Sek.`) |
//! | Spanish | a reader of the file (`Primera entrada`, `Última salida`, `Duración de la reunión`, `1 h 48 min 58 s`) |
//! | French | a file of the oldest layout (`Nom complet`, `Action de l’utilisateur`, `19/01/2021 à 09:58:51`); two readers of the newer one by position |
//! | Polish | a reader's list of columns (`Pierwsze dołączenie`, `Ostatnie wyjście`, `Identyfikator uczestnika (UPN)`, `1 godz. 5 min 3 s`) |
//! | Portuguese | a reader's list of columns (`Primeira entrada`, `Última saída`, `Duração da reunião`, `Função`) |
//!
//! In every one of them the columns of the newer layout stand in the same places, and the sixth header ends in `(UPN)`. So a file in a
//! language that is not here is read by these places, as long as its dates and durations are understood.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// The display name.
    Name,
    /// Join, or first join.
    Join,
    /// Leave, or last leave.
    Leave,
    /// How long.
    Duration,
    /// E-mail address.
    Email,
    /// User principal name.
    ParticipantId,
    /// Role.
    Role,
    /// Joined or left.
    Action,
    /// When.
    Timestamp,
}

/// One language's headers of a column a line.
const COLUMNS: [(Column, &[&str]); 9] = [
    (
        Column::Name,
        &[
            "name",
            "full name",
            "nombre",
            "nom complet",
            "nom",
            "nome",
            "nome completo",
            "imię i nazwisko",
        ],
    ),
    (
        Column::Join,
        &[
            "first join",
            "join time",
            "first join time",
            "erster beitritt",
            "beitreten",
            "primera entrada",
            "pierwsze dołączenie",
            "primeira entrada",
            "hora de entrada",
        ],
    ),
    (
        Column::Leave,
        &[
            "last leave",
            "leave time",
            "last leave time",
            "letztes verlassen",
            "verlassen",
            "última salida",
            "ostatnie wyjście",
            "última saída",
            "hora de saída",
        ],
    ),
    (
        Column::Duration,
        &[
            "in-meeting duration",
            "duration",
            "dauer der besprechung",
            "dauer",
            "duración de la reunión",
            "duración",
            "czas udziału w spotkaniu",
            "duração da reunião",
            "duração",
        ],
    ),
    (
        Column::Email,
        &[
            "email",
            "e-mail",
            "email address",
            "correo electrónico",
            "adres e-mail",
        ],
    ),
    (Column::ParticipantId, &["participant id (upn)"]),
    (Column::Role, &["role", "rolle", "rol", "rola", "função"]),
    (Column::Action, &["user action", "action de l'utilisateur"]),
    (Column::Timestamp, &["timestamp", "date et heure"]),
];

/// Titles of a meeting in the summary.
const TITLES: [&str; 3] = ["meeting title", "besprechungstitel", "title"];
/// Ids of a meeting in the summary.
const MEETING_IDS: [&str; 1] = ["meeting id"];
/// Numbers of participants in the summary.
const COUNTS: [&str; 5] = [
    "attended participants",
    "total number of participants",
    "total participants",
    "participants",
    "teilnehmer",
];
const JOINED: [&str; 3] = ["joined", "joined before", "rejoint"];
const LEFT: [&str; 2] = ["left", "a quitté l'appel"];

/// What a line of the summary tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SummaryKey {
    /// The meeting's title.
    Title,
    /// The meeting's id.
    MeetingId,
    /// How many took part.
    Count,
}

/// Whether somebody came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Came.
    Joined,
    /// Went.
    Left,
}

/// The column of a header.
pub(super) fn column(header: &str) -> Option<Column> {
    let header = plain(header);
    if header.ends_with("(upn)") {
        return Some(Column::ParticipantId);
    }
    let mut known = COLUMNS.iter();
    let found = known.find(|(_, words)| words.contains(&header.as_str()));
    found.map(|(column, _)| *column)
}

/// What the first cell of a summary line announces.
pub(super) fn summary_key(cell: &str) -> Option<SummaryKey> {
    let cell = plain(cell);
    let is_in = |words: &[&str]| words.contains(&cell.as_str());
    if is_in(&TITLES) {
        Some(SummaryKey::Title)
    } else if is_in(&MEETING_IDS) {
        Some(SummaryKey::MeetingId)
    } else if is_in(&COUNTS) {
        Some(SummaryKey::Count)
    } else {
        None
    }
}

/// Whether the word says that somebody came or went.
pub(super) fn action(cell: &str) -> Option<Action> {
    let cell = plain(cell);
    if JOINED.contains(&cell.as_str()) {
        Some(Action::Joined)
    } else if LEFT.contains(&cell.as_str()) {
        Some(Action::Left)
    } else {
        None
    }
}

/// A role as Graph writes it; what is not known stays as it is.
pub(super) fn role(cell: &str) -> String {
    // Organizer, Organiser, Organisator, Organisateur, Organizador, Organizator
    let plain = plain(cell);
    if plain.starts_with("organi") {
        return "Organizer".to_owned();
    }
    match plain.as_str() {
        "teilnehmer" => "Attendee".to_owned(),
        _ => cell.to_owned(),
    }
}

/// `2. Participants`: the title of a section, in whatever language.
pub(super) fn section(cells: &[String]) -> Option<u8> {
    let (first, rest) = cells.split_first()?;
    let (number, title) = first.split_once('.')?;
    let is_title = title.starts_with([' ', '\u{a0}']) && rest.iter().all(String::is_empty);
    number
        .parse()
        .ok()
        .filter(|number| is_title && (1..=9).contains(number))
}

/// Lower case, with one kind of blank and of apostrophe.
pub(super) fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ").to_lowercase().replace('\u{2019}', "'");
    text.trim_end_matches(':').trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_stands_for_two_columns() {
        let mut all: Vec<&str> = COLUMNS
            .iter()
            .flat_map(|(_, words)| *words)
            .copied()
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(all.iter().all(|word| plain(word) == *word));
    }

    #[test]
    fn headers_are_known_in_any_case_and_language() {
        for (header, expected) in [
            ("First Join", Some(Column::Join)),
            ("first join", Some(Column::Join)),
            ("In-meeting\u{a0}duration", Some(Column::Duration)),
            (
                "Identyfikator uczestnika (UPN)",
                Some(Column::ParticipantId),
            ),
            ("Action de l\u{2019}utilisateur", Some(Column::Action)),
            ("Última salida", Some(Column::Leave)),
            ("Engagement: Camera On", None),
            ("", None),
        ] {
            assert_eq!(column(header), expected, "{header}");
        }
    }

    #[test]
    fn sections_are_told_from_people() {
        let of = |cells: &[&str]| {
            let cells: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
            section(&cells)
        };
        assert_eq!(of(&["1. Summary"]), Some(1));
        assert_eq!(of(&["2. Teilnehmer", "", ""]), Some(2));
        assert_eq!(of(&["3. Person", "1/5/26, 9:00"]), None);
        assert_eq!(of(&["2.Name"]), None);
        assert_eq!(of(&["Dr. Who"]), None);
    }
}
