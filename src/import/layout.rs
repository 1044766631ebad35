//! Lines into the tables that a file holds: its summary, its people, their stays.
//!
//! ```text
//! 1. Summary            Meeting Summary                     Full Name  User Action  Timestamp
//! Meeting title  …      Total Number of Participants  2     Ann        Joined       1/5/2021, 9:00:12 AM
//! 2. Participants       Meeting Title  …                    Ann        Left         …
//! Name  First Join …    Full Name  Join Time  Leave Time …
//! 3. In-Meeting …       Ann        …
//! Name  Join Time  …
//! ```
//!
//! The newer layout has sections, the older one a table of visits, the oldest one a row for each joining and leaving.

use std::io::BufRead;

use super::duration::parse_duration;
use super::lines::{Line, Lines, cells};
use super::refusal::Refusal;
use super::words::{self, Action, Column, SummaryKey};
use super::written::Written;

/// Rows of a file; the largest events have fewer.
const MOST_ROWS: usize = 300_000;
/// Lines before the first table.
const LONGEST_HEAD: usize = 200;
const DELIMITERS: [char; 3] = ['\t', ';', ','];
/// The columns of the newer layout's people, whatever its language.
const PEOPLE: [Column; 7] = [
    Column::Name,
    Column::Join,
    Column::Leave,
    Column::Duration,
    Column::Email,
    Column::ParticipantId,
    Column::Role,
];
/// The last columns of its stays; a breakout room's name may stand between them and the person's.
const STAYS: [Column; 5] = [
    Column::Join,
    Column::Leave,
    Column::Duration,
    Column::Email,
    Column::Role,
];

/// Everything of a file, not understood yet.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) layout: Layout,
    pub(super) title: Option<String>,
    pub(super) meeting_id: Option<String>,
    pub(super) count: Option<i32>,
    /// Start and end, where the summary has them.
    pub(super) times: Vec<(u64, Written)>,
    /// What else the summary says.
    pub(super) summary: Vec<(String, String)>,
    pub(super) people: Vec<Row>,
    /// Joins and leaves beside the people.
    pub(super) stays: Vec<Row>,
    /// Whether there is a table of them, were it empty.
    pub(super) has_stays: bool,
    /// Whether somebody had to register.
    pub(super) has_registration: bool,
}

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Layout {
    /// Numbered sections.
    #[default]
    Sections,
    /// One row a visit.
    Visits,
    /// One row a joining or leaving.
    Actions,
}

/// A row of a table.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) participant_id: String,
    pub(super) role: String,
    pub(super) join: Option<Written>,
    pub(super) leave: Option<Written>,
    pub(super) seconds: Option<i32>,
    /// Columns that are none of these.
    pub(super) other: Vec<(String, String)>,
}

/// Where in the file a line is.
enum Place {
    Summary,
    /// Behind the title of a section, before its header.
    Title(u8),
    Table(Header),
    /// A section that is not needed.
    Elsewhere,
}

struct Header {
    kind: Kind,
    columns: Vec<Option<Column>>,
    names: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    People,
    Stays,
    Visits,
    Actions,
}

/// Reads a file.
pub(super) fn read_tables(reader: impl BufRead) -> Result<Tables, Refusal> {
    let mut lines = Lines::new(reader)?;
    let (head, delimiter) = head(&mut lines)?;
    let mut tables = Tables::default();
    let mut place = Place::Summary;
    let mut section = None;
    for line in head {
        place = tables.take(&line, delimiter, place, &mut section)?;
    }
    while let Some(line) = lines.next()? {
        place = tables.take(&line, delimiter, place, &mut section)?;
    }
    if let (Place::Title(2 | 3), _) = (&place, &section) {
        return Err(Refusal::NoTable);
    }
    let announced = tables.count.and_then(|count| usize::try_from(count).ok());
    let is_short = announced.is_some_and(|announced| tables.people.len() < announced);
    if tables.layout == Layout::Sections && !tables.has_stays && is_short {
        return Err(Refusal::CutOff {
            announced: tables.count.unwrap_or_default(),
            found: tables.people.len(),
        });
    }
    if tables.people.is_empty() && tables.stays.is_empty() && announced != Some(0) {
        return Err(Refusal::Empty);
    }
    Ok(tables)
}

/// The lines up to the first header, and what divides their cells.
fn head(lines: &mut Lines<impl BufRead>) -> Result<(Vec<Line>, char), Refusal> {
    let mut head = Vec::new();
    while let Some(line) = lines.next()? {
        let delimiter = DELIMITERS.into_iter().find(|delimiter| {
            let cells = cells(&line, *delimiter).unwrap_or_default();
            header(&cells, None).is_some()
        });
        head.push(line);
        if let Some(delimiter) = delimiter {
            return Ok((head, delimiter));
        }
        if head.len() > LONGEST_HEAD {
            break;
        }
    }
    if head.iter().all(|line| line.text.trim().is_empty()) {
        return Err(Refusal::Empty);
    }
    Err(Refusal::NoTable)
}

/// The table that a line begins; `section` is the number of the section it stands in.
fn header(cells: &[String], section: Option<u8>) -> Option<Header> {
    let mut columns: Vec<_> = cells.iter().map(|cell| words::column(cell)).collect();
    let has = |columns: &[Option<Column>], column| columns.contains(&Some(column));
    let kind = match section {
        Some(3..) => Kind::Stays,
        Some(_) => Kind::People,
        None => Kind::Visits,
    };
    let header = |kind, columns| {
        Some(Header {
            kind,
            columns,
            names: cells.to_vec(),
        })
    };
    if has(&columns, Column::Name)
        && has(&columns, Column::Action)
        && has(&columns, Column::Timestamp)
    {
        return header(Kind::Actions, columns);
    }
    if has(&columns, Column::Join) && has(&columns, Column::Leave) {
        if !has(&columns, Column::Name) {
            // the name stands first in every language
            *columns.first_mut().filter(|first| first.is_none())? = Some(Column::Name);
        }
        return header(kind, columns);
    }
    // a language that is not known, told by the places
    let is_upn = cells
        .get(5)
        .is_some_and(|cell| words::column(cell) == Some(Column::ParticipantId));
    if !is_upn || cells.len() < PEOPLE.len() {
        return None;
    }
    let mut columns = vec![None; cells.len()];
    for (place, column) in columns.iter_mut().zip(PEOPLE) {
        *place = Some(column);
    }
    header(kind, columns)
}

/// The table of stays that the first line of its section begins, in a language that is not known.
fn header_of_stays(cells: &[String]) -> Option<Header> {
    let begin = cells.len().checked_sub(STAYS.len())?;
    let mut columns = vec![None; cells.len()];
    for (place, column) in columns.iter_mut().skip(begin).zip(STAYS) {
        *place = Some(column);
    }
    *columns.first_mut().filter(|first| first.is_none())? = Some(Column::Name);
    Some(Header {
        kind: Kind::Stays,
        columns,
        names: cells.to_vec(),
    })
}

impl Tables {
    /// Takes a line in; returns where the next one is.
    fn take(
        &mut self,
        line: &Line,
        delimiter: char,
        place: Place,
        section: &mut Option<u8>,
    ) -> Result<Place, Refusal> {
        let cells = cells(line, delimiter)?;
        if cells.iter().all(String::is_empty) {
            return Ok(place);
        }
        if let Some(number) = words::section(&cells) {
            *section = Some(number);
            return Ok(match number {
                1 => Place::Summary,
                2 | 3 => Place::Title(number),
                _ => Place::Elsewhere,
            });
        }
        let header = match place {
            Place::Elsewhere => None,
            Place::Title(3) => header(&cells, *section).or_else(|| header_of_stays(&cells)),
            Place::Summary | Place::Title(_) | Place::Table(_) => header(&cells, *section),
        };
        if let Some(header) = header {
            self.begin(&header, section.is_some());
            return Ok(Place::Table(header));
        }
        match &place {
            Place::Summary => self.take_summary(line.number, &cells),
            // each section begins with its header
            Place::Title(_) => return Err(Refusal::NoTable),
            Place::Table(header) => self.take_row(line, cells, header)?,
            Place::Elsewhere => {}
        }
        Ok(place)
    }

    fn begin(&mut self, header: &Header, has_sections: bool) {
        self.layout = match header.kind {
            Kind::Actions => Layout::Actions,
            Kind::People | Kind::Stays | Kind::Visits if has_sections => Layout::Sections,
            Kind::People | Kind::Stays | Kind::Visits => Layout::Visits,
        };
        self.has_stays |= header.kind == Kind::Stays;
        self.has_registration |= header
            .names
            .iter()
            .any(|name| words::plain(name).starts_with("registration"));
    }

    fn take_summary(&mut self, number: u64, cells: &[String]) {
        let (Some(key), Some(value)) = (cells.first(), cells.get(1)) else {
            return;
        };
        if value.is_empty() {
            return;
        }
        let count = value.parse::<i32>().ok().filter(|count| *count >= 0);
        match words::summary_key(key) {
            Some(SummaryKey::Title) => self.title = Some(value.clone()),
            Some(SummaryKey::MeetingId) => self.meeting_id = Some(value.clone()),
            // the first number of the summary, whatever the language
            _ if count.is_some() && self.count.is_none() => self.count = count,
            _ => match Written::parse(value) {
                Some(written) if self.times.len() < 2 => self.times.push((number, written)),
                // and its first line is the title
                None if self.title.is_none() && self.count.is_none() && self.times.is_empty() => {
                    self.title = Some(value.clone());
                }
                _ => self.summary.push((key.clone(), value.clone())),
            },
        }
    }

    fn take_row(
        &mut self,
        line: &Line,
        cells: Vec<String>,
        header: &Header,
    ) -> Result<(), Refusal> {
        let number = line.number;
        if (!line.is_ended && cells.len() < header.columns.len()) || cells.len() == 1 {
            return Err(Refusal::CutOffLine { line: number });
        }
        if self.people.len() + self.stays.len() >= MOST_ROWS {
            return Err(Refusal::TooManyRows);
        }
        let mut row = Row {
            line: number,
            ..Row::default()
        };
        let mut action = None;
        for (index, cell) in cells.into_iter().enumerate() {
            let column = index + 1;
            let not_a_time = || Refusal::NotATime {
                line: number,
                column,
            };
            if cell.is_empty() || matches!(cell.as_str(), "-" | "–" | "--") {
                continue;
            }
            let time = |cell: &str| Written::parse(cell).ok_or_else(not_a_time).map(Some);
            match header.columns.get(index) {
                None => return Err(Refusal::TooManyColumns { line: number }),
                Some(Some(Column::Name)) => row.name = cell,
                Some(Some(Column::Email)) => row.email = cell,
                Some(Some(Column::ParticipantId)) => row.participant_id = cell,
                Some(Some(Column::Role)) => row.role = words::role(&cell),
                Some(Some(Column::Join | Column::Timestamp)) => row.join = time(&cell)?,
                Some(Some(Column::Leave)) => row.leave = time(&cell)?,
                Some(Some(Column::Duration)) => {
                    let seconds = parse_duration(&cell);
                    row.seconds = Some(seconds.ok_or(Refusal::NotADuration {
                        line: number,
                        column,
                    })?);
                }
                Some(Some(Column::Action)) => {
                    let word = words::action(&cell);
                    action = Some(word.ok_or(Refusal::NotAnAction {
                        line: number,
                        column,
                    })?);
                }
                Some(None) => {
                    let name = header.names.get(index).cloned().unwrap_or_default();
                    row.other.push((name, cell));
                }
            }
        }
        if row.name.is_empty() && row.email.is_empty() && row.participant_id.is_empty() {
            return Err(Refusal::Nobody { line: number });
        }
        if header.kind == Kind::Actions {
            let column = |wanted| {
                let mut columns = header.columns.iter();
                columns
                    .position(|column| *column == Some(wanted))
                    .unwrap_or_default()
                    + 1
            };
            if row.join.is_none() {
                let column = column(Column::Timestamp);
                return Err(Refusal::NotATime {
                    line: number,
                    column,
                });
            }
            match action {
                Some(Action::Joined) => {}
                Some(Action::Left) => row.leave = row.join.take(),
                None => {
                    let column = column(Column::Action);
                    return Err(Refusal::NotAnAction {
                        line: number,
                        column,
                    });
                }
            }
        }
        if header.kind == Kind::Stays {
            self.stays.push(row);
        } else {
            self.people.push(row);
        }
        Ok(())
    }
}
