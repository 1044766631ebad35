//! What a warehouse holds of a world, in words of the world: the same for what is true and for what is published.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use teamsheet::time::UtcMicros;

use super::drawing::Drawn;
use crate::support::Published;

/// Sessions, reports, records, intervals and open gaps of the days that are read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rows {
    /// By source and `iCalUId`, session id or call id.
    pub(crate) sessions: BTreeMap<String, Session>,
    /// By id in small letters.
    pub(crate) reports: BTreeMap<String, Report>,
    pub(crate) records: Vec<String>,
    pub(crate) intervals: Vec<String>,
    /// Stage, reason, day and session.
    pub(crate) gaps: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Session {
    pub(crate) day: String,
    pub(crate) state: String,
    pub(crate) is_final: bool,
    pub(crate) reports: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) session: String,
    pub(crate) day: String,
    pub(crate) records: usize,
}

/// One record in words.
pub(crate) fn record(
    report: &str,
    id: Option<&str>,
    email: Option<&str>,
    role: Option<&str>,
    seconds: Option<i32>,
) -> String {
    format!("{report} {id:?} {email:?} {role:?} {seconds:?}")
}

/// One interval in words.
pub(crate) fn interval(
    report: &str,
    record: Option<&str>,
    join: Option<UtcMicros>,
    leave: Option<UtcMicros>,
) -> String {
    format!("{report} {record:?} {join:?} {leave:?}")
}

impl Rows {
    /// What is published of the sessions of these days, and of their reports.
    pub(crate) fn read(drawn: &Drawn, published: &Published) -> Self {
        let days: BTreeSet<String> = (0..drawn.days).map(|day| drawn.date(day)).collect();
        let mut rows = Self::default();
        let mut keys: HashMap<&str, (String, bool)> = HashMap::new();
        for (day, row) in &published.sessions {
            let id = row.occurrence_id.as_deref().unwrap_or("none");
            let mut key = format!("{} {id}", row.source);
            let is_read = days.contains(day);
            // two rows of one thing are one too many
            while is_read && rows.sessions.contains_key(&key) {
                key.push_str(", again");
            }
            keys.insert(&row.session_id, (key.clone(), is_read));
            // an entry that was there before its virtual event stands for nothing; which job's night came first is chance
            let reason = row.attendance_state_reason.as_deref();
            let is_of_event = reason == Some("virtual_event") && row.report_count == 0;
            if is_read && row.removed_at.is_none() && !is_of_event {
                rows.sessions.insert(
                    key,
                    Session {
                        day: day.clone(),
                        state: row.attendance_state.to_string(),
                        is_final: row.is_final,
                        reports: row.report_count,
                    },
                );
            }
        }
        let no_session = (String::from("no session"), true);
        for (day, row) in &published.reports {
            let session = row.session_id.as_deref().and_then(|id| keys.get(id));
            let (session, is_read) = session.unwrap_or(&no_session);
            if *is_read {
                let report = Report {
                    session: session.clone(),
                    day: day.clone(),
                    records: usize::try_from(row.record_count).unwrap(),
                };
                let id = row.report_id.to_ascii_lowercase();
                assert!(
                    rows.reports.insert(id.clone(), report).is_none(),
                    "{id} twice"
                );
            }
        }
        let mut ids: HashMap<(&str, i32), Option<&str>> = HashMap::new();
        for (_, row) in &published.records {
            let id = row.report_id.to_ascii_lowercase();
            ids.insert((&row.report_id, row.record_index), row.record_id.as_deref());
            if rows.reports.contains_key(&id) {
                let (record_id, email) = (row.record_id.as_deref(), row.email_address.as_deref());
                let seconds = row.total_attendance_in_seconds;
                let words = record(&id, record_id, email, row.role.as_deref(), seconds);
                rows.records.push(words);
            }
        }
        for (_, row) in &published.intervals {
            let id = row.report_id.to_ascii_lowercase();
            let of = ids
                .get(&(row.report_id.as_ref(), row.record_index))
                .copied()
                .flatten();
            if rows.reports.contains_key(&id) {
                let (join, leave) = (row.join_date_time, row.leave_date_time);
                rows.intervals.push(interval(&id, of, join, leave));
            }
        }
        for (day, row) in &published.gaps {
            let session = row.session_id.as_deref().and_then(|id| keys.get(id));
            if row.closed_at.is_none() && days.contains(day) {
                let session = session.map_or("", |(key, _)| key);
                rows.gaps
                    .insert(format!("{} {} {day} {session}", row.stage, row.reason));
            }
        }
        rows.sort()
    }

    pub(crate) fn sort(mut self) -> Self {
        self.records.sort();
        self.intervals.sort();
        self
    }

    /// What is published and not true, and what is true and not published; empty where they are the same.
    pub(crate) fn differences(&self, truth: &Self) -> Vec<String> {
        let mut found = Vec::new();
        differing("session", &self.sessions, &truth.sessions, &mut found);
        differing("report", &self.reports, &truth.reports, &mut found);
        let set = |rows: &[String]| -> BTreeMap<String, usize> {
            let mut set = BTreeMap::new();
            for row in rows {
                *set.entry(row.clone()).or_default() += 1;
            }
            set
        };
        differing(
            "record",
            &set(&self.records),
            &set(&truth.records),
            &mut found,
        );
        differing(
            "interval",
            &set(&self.intervals),
            &set(&truth.intervals),
            &mut found,
        );
        let gaps = |rows: &BTreeSet<String>| -> BTreeMap<String, usize> {
            rows.iter().map(|row| (row.clone(), 1)).collect()
        };
        differing("gap", &gaps(&self.gaps), &gaps(&truth.gaps), &mut found);
        found
    }
}

fn differing<T: PartialEq + std::fmt::Debug>(
    what: &str,
    got: &BTreeMap<String, T>,
    wanted: &BTreeMap<String, T>,
    found: &mut Vec<String>,
) {
    let keys: BTreeSet<&String> = got.keys().chain(wanted.keys()).collect();
    for key in keys {
        let (got, wanted) = (got.get(key), wanted.get(key));
        if got != wanted {
            found.push(format!(
                "{what} {key}\n      is     {got:?}\n      wanted {wanted:?}"
            ));
        }
    }
}
