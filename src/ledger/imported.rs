//! What was imported from files, beside what Graph gave: when two reports are of one meeting, and what is published of a day.
//!
//! | the file's report and Graph's | the same |
//! |---|---|
//! | one title, or none in the file; no two organizers; start and end within a minute | yes |
//! | one title, one organizer; start within five minutes | yes: one was saved before the end |
//! | one title; start within five minutes; half of the addresses | yes |
//! | no address in common | no |
//! | two titles, or two organizers | no |

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use arrow::array::{Array as _, AsArray as _};

use super::LedgerError;
use super::rows::rows;
use crate::ids::{ReportId, SessionId};
use crate::tables::{
    ATTENDANCE_RECORDS, ATTENDANCE_REPORTS, AttendanceReportRow, GAPS, GapRow, SESSIONS, SessionRow,
};
use crate::time::{EventDate, SECOND, UtcMicros};
use crate::warehouse::Warehouse;

/// The value in `discovered_by` of a session that a file brought.
pub const IMPORTED: &str = "imported";
/// The verb in `runs` of an import.
pub const IMPORT_VERB: &str = "import";
/// Teams writes seconds or only minutes, and Graph milliseconds.
const SAME_TIME: i64 = 60 * SECOND;
/// The first join and the start of a meeting are so near.
const SAME_START: i64 = 5 * 60 * SECOND;

/// A report that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedReport {
    /// Its partition.
    pub event_date: EventDate,
    /// Its id.
    pub report_id: ReportId,
    /// The session it was given to.
    pub session: Option<SessionId>,
    /// Title.
    pub subject: Option<String>,
    /// When it was held.
    pub start: Option<UtcMicros>,
    /// When it ended.
    pub end: Option<UtcMicros>,
}

/// A session that only files brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedSession {
    /// Its partition.
    pub event_date: EventDate,
    /// Address of who held it.
    pub organizer_email: Option<String>,
}

/// A meeting as it was held, as far as a report tells.
#[derive(Debug, Clone, Default)]
pub struct HeldMeeting<'a> {
    /// Title.
    pub subject: Option<&'a str>,
    /// Addresses of the organizer; empty where they are not known.
    pub organizers: Vec<&'a str>,
    /// When it was held.
    pub start: Option<UtcMicros>,
    /// When it ended.
    pub end: Option<UtcMicros>,
}

impl ImportedReport {
    /// The meeting that it is of.
    pub fn held<'a>(
        &'a self,
        sessions: &'a HashMap<SessionId, ImportedSession>,
    ) -> HeldMeeting<'a> {
        let session = self.session.as_ref().and_then(|id| sessions.get(id));
        HeldMeeting {
            subject: self.subject.as_deref(),
            organizers: session
                .and_then(|session| session.organizer_email.as_deref())
                .into_iter()
                .collect(),
            start: self.start,
            end: self.end,
        }
    }
}

impl HeldMeeting<'_> {
    /// Whether both are of one time one meeting was held, by what the reports say of the meeting.
    pub fn is_same(&self, other: &Self) -> bool {
        if !self.may_be_same(other) {
            return false;
        }
        let is_named = self.subject.is_some() && other.subject.is_some();
        let has_organizer = !self.organizers.is_empty() && !other.organizers.is_empty();
        let near = |one: Option<UtcMicros>, two: Option<UtcMicros>| {
            one.zip(two)
                .is_some_and(|(one, two)| (one.0 - two.0).abs() <= SAME_TIME)
        };
        (near(self.start, other.start) && near(self.end, other.end)) || (is_named && has_organizer)
    }

    /// The same by who came, where both sides name addresses.
    pub fn is_same_by(
        &self,
        ours: &BTreeSet<String>,
        other: &Self,
        theirs: &BTreeSet<String>,
    ) -> bool {
        let shared = ours.intersection(theirs).count();
        let fewest = ours.len().min(theirs.len());
        if fewest > 0 && shared == 0 {
            return false;
        }
        let is_named = self.subject.is_some() && other.subject.is_some();
        self.is_same(other)
            || (fewest > 0 && is_named && shared * 2 >= fewest && self.may_be_same(other))
    }

    /// Whether nothing says that they are two: titles and organizers that are known agree, and they begin together.
    pub fn may_be_same(&self, other: &Self) -> bool {
        self.is_called_like(other) && self.begins_with(other)
    }

    /// Whether titles and organizers agree, as far as both sides know them.
    pub fn is_called_like(&self, other: &Self) -> bool {
        let subjects = self.subject.zip(other.subject);
        let is_one_title = subjects.is_none_or(|(one, two)| title(one) == title(two));
        let both = !self.organizers.is_empty() && !other.organizers.is_empty();
        let shares = |one: &&str| {
            other
                .organizers
                .iter()
                .any(|two| one.eq_ignore_ascii_case(two))
        };
        is_one_title && (!both || self.organizers.iter().any(shares))
    }

    /// Whether both begin within minutes.
    pub fn begins_with(&self, other: &Self) -> bool {
        let starts = self.start.zip(other.start);
        starts.is_some_and(|(one, two)| (one.0 - two.0).abs() <= SAME_START)
    }
}

/// A title without what a copy of it may change.
fn title(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Whether nothing but files showed the session.
pub fn is_imported_only(discovered_by: &[Cow<'_, str>]) -> bool {
    matches!(discovered_by, [way] if way == IMPORTED)
}

/// What is published of a day, children aside.
#[derive(Debug, Default)]
pub struct PublishedDay {
    /// Its sessions.
    pub sessions: Vec<SessionRow<'static>>,
    /// Its reports.
    pub reports: Vec<AttendanceReportRow<'static>>,
    /// Its gaps.
    pub gaps: Vec<GapRow<'static>>,
}

/// Reads a day; one without partitions holds nothing.
///
/// # Errors
/// [`LedgerError`] where a partition cannot be read; terminal.
pub fn read_published_day(
    warehouse: &Warehouse,
    day: EventDate,
) -> Result<PublishedDay, LedgerError> {
    Ok(PublishedDay {
        sessions: rows(warehouse, &SESSIONS, day, SessionRow::read_all)?,
        reports: rows(
            warehouse,
            &ATTENDANCE_REPORTS,
            day,
            AttendanceReportRow::read_all,
        )?,
        gaps: rows(warehouse, &GAPS, day, GapRow::read_all)?,
    })
}

/// The addresses in a report's records, in lower case.
///
/// # Errors
/// [`LedgerError`] where the partition cannot be read; terminal.
pub fn read_addresses(
    warehouse: &Warehouse,
    day: EventDate,
    report_id: &str,
) -> Result<BTreeSet<String>, LedgerError> {
    let columns = ["report_id", "email_address"];
    let batches = warehouse.read_columns(&ATTENDANCE_RECORDS, day, &columns);
    let mut addresses = BTreeSet::new();
    for batch in batches.map_err(LedgerError::warehouse)? {
        let batch = batch.map_err(LedgerError::warehouse)?;
        let text = |name| {
            batch
                .column_by_name(name)
                .and_then(|column| column.as_string_opt::<i32>())
        };
        let (Some(reports), Some(emails)) = (text("report_id"), text("email_address")) else {
            continue;
        };
        for row in 0..batch.num_rows() {
            if reports.value(row) == report_id
                && emails.is_valid(row)
                && emails.value(row).contains('@')
            {
                addresses.insert(emails.value(row).to_lowercase());
            }
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60 * SECOND;

    fn held<'a>(subject: &'a str, organizer: &'a str, start: i64, end: i64) -> HeldMeeting<'a> {
        HeldMeeting {
            subject: Some(subject).filter(|text| !text.is_empty()),
            organizers: Some(organizer)
                .filter(|text| !text.is_empty())
                .into_iter()
                .collect(),
            start: Some(UtcMicros(start)),
            end: Some(UtcMicros(end)),
        }
    }

    #[test]
    fn one_meeting_is_told_from_two() {
        let graph = held("Weekly", "ann@contoso.example", 0, 60 * MINUTE);
        for (name, file, expected) in [
            (
                "all the same",
                held("Weekly", "ann@contoso.example", 0, 60 * MINUTE),
                true,
            ),
            (
                "in other letters",
                held(" weekly", "Ann@Contoso.example", SECOND, 60 * MINUTE),
                true,
            ),
            (
                "saved before the end",
                held("Weekly", "ann@contoso.example", MINUTE, 20 * MINUTE),
                true,
            ),
            (
                "no organizer, by both times",
                held("Weekly", "", 30 * SECOND, 60 * MINUTE),
                true,
            ),
            (
                "no organizer, other end",
                held("Weekly", "", 0, 40 * MINUTE),
                false,
            ),
            ("the oldest layout", held("", "", 0, 60 * MINUTE), true),
            (
                "another organizer",
                held("Weekly", "bo@contoso.example", 0, 60 * MINUTE),
                false,
            ),
            (
                "another title",
                held("Monthly", "ann@contoso.example", 0, 60 * MINUTE),
                false,
            ),
            (
                "held again",
                held("Weekly", "ann@contoso.example", 10 * MINUTE, 60 * MINUTE),
                false,
            ),
        ] {
            assert_eq!(file.is_same(&graph), expected, "{name}");
        }
        let nothing = HeldMeeting::default();
        assert!(!nothing.is_same(&nothing), "without times nothing is known");
    }

    #[test]
    fn who_came_tells_what_times_leave_open() {
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let graph = held("Weekly", "", 0, 60 * MINUTE);
        let early = held("Weekly", "", MINUTE, 20 * MINUTE);
        let exact = held("Weekly", "", 0, 60 * MINUTE);
        for (name, file, ours, theirs, expected) in [
            (
                "half of them",
                &early,
                set(&["a@x", "b@x"]),
                set(&["a@x", "c@x", "d@x"]),
                true,
            ),
            (
                "fewer than half",
                &early,
                set(&["a@x", "b@x", "e@x"]),
                set(&["a@x", "c@x", "d@x"]),
                false,
            ),
            (
                "nobody, at the same time",
                &exact,
                set(&["b@x"]),
                set(&["a@x"]),
                false,
            ),
            ("no addresses", &early, set(&[]), set(&["a@x"]), false),
            (
                "no addresses, at the same time",
                &exact,
                set(&[]),
                set(&["a@x"]),
                true,
            ),
        ] {
            assert_eq!(file.is_same_by(&ours, &graph, &theirs), expected, "{name}");
        }
    }
}
