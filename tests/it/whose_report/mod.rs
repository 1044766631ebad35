//! Whose a report is, whatever days are read at once, in which order and how often: one report has one session, one thing has one.

mod cuts;
mod nights;
mod webinars;

use teamsheet::time::UtcMicros;

use crate::support::nights::{Nights, at};

pub(super) fn night(day: &str) -> UtcMicros {
    at(&format!("{day}T03:30:00Z"))
}

/// Source, subject, day, state, whether it is final, count of reports and whether it was removed, of each session; in order of its start.
pub(super) fn sessions(nights: &Nights) -> Vec<String> {
    let mut sessions = nights.stand.published().sessions;
    sessions.sort_by_key(|(_, row)| (row.scheduled_start, row.source.clone().into_owned()));
    let line = |(day, row): (String, teamsheet::tables::SessionRow<'static>)| {
        format!(
            "{} {} {day} {}{} {}{}",
            row.source,
            row.subject.as_deref().unwrap_or_default(),
            row.attendance_state,
            if row.is_final { "" } else { ", open" },
            row.report_count,
            if row.removed_at.is_some() {
                ", removed"
            } else {
                ""
            },
        )
    };
    sessions.into_iter().map(line).collect()
}

/// Day of each report, then source, day and subject of its session, which is where the report says; in order of its start.
pub(super) fn reports(nights: &Nights) -> Vec<String> {
    let published = nights.stand.published();
    let mut reports = published.reports;
    reports.sort_by_key(|(_, row)| {
        (
            row.meeting_start_date_time,
            row.report_id.clone().into_owned(),
        )
    });
    let line = |(day, row): (String, teamsheet::tables::AttendanceReportRow<'static>)| {
        let id = row.session_id.as_deref().unwrap_or_default();
        let mut own = published
            .sessions
            .iter()
            .filter(|(_, session)| session.session_id == id);
        let (Some((session_day, session)), None) = (own.next(), own.next()) else {
            panic!("the report of {day} has not one session")
        };
        let named = row.session_event_date.map(|day| day.to_string());
        assert_eq!(named.as_ref(), Some(session_day), "the report of {day}");
        assert_eq!(row.source, session.source, "the report of {day}");
        format!(
            "{day}: {} {session_day} {}",
            session.source,
            session.subject.as_deref().unwrap_or_default()
        )
    };
    reports.into_iter().map(line).collect()
}
