//! What asking about a meeting would cost and bring, from what is found and known; nothing is asked.

use std::collections::BTreeSet;

use super::candidates::Candidates;
use super::{FetchContext, RETENTION};
use crate::discover::{Door, Meeting};
use crate::ledger::KnownSession;
use crate::time::{DAY, EventDate};

/// How long before that a report counts as near its expiry.
const NEAR_EXPIRY: i64 = 30 * DAY;

/// What one meeting would cost and bring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeetingForecast {
    /// Sessions that would be published, unchanged ones included.
    pub sessions: u64,
    /// Whether its reports would be listed.
    pub is_listed: bool,
    /// Whether its id would be looked up by its join link first.
    pub is_looked_up: bool,
    /// Reports to be expected: one for each session that has ended, is not final and has none yet.
    pub reports: u64,
    /// Those of them that Graph deletes within 30 days.
    pub reports_near_expiry: u64,
    /// Sessions without a report whose report, if there was one, Graph has deleted.
    pub sessions_past_retention: u64,
    /// Days of the sessions that would be asked about.
    pub days: BTreeSet<EventDate>,
}

/// What a run would do about the meeting.
pub fn forecast_meeting(context: &FetchContext, meeting: &Meeting) -> MeetingForecast {
    let candidates = Candidates::of(context, meeting);
    let published: Vec<usize> = candidates.to_publish(context).collect();
    let mut forecast = MeetingForecast {
        sessions: published.len() as u64,
        ..MeetingForecast::default()
    };
    if matches!(meeting.door, Door::Closed(_)) || !candidates.is_to_be_asked(context) {
        return forecast;
    }
    forecast.is_listed = true;
    forecast.is_looked_up =
        matches!(meeting.door, Door::JoinUrl(..)) && candidates.known_event_id(context).is_none();
    for index in published {
        let Some((id, occurrence)) = candidates.session_at(index) else {
            continue;
        };
        let known: Option<&KnownSession> = context.known.session(id);
        let is_final = known.is_some_and(|known| known.is_final);
        if is_final || occurrence.ends_at() > context.now {
            continue;
        }
        forecast
            .days
            .insert(context.timezone.event_date(occurrence.scheduled_start));
        if context.known.reports_of(id).is_empty() {
            let age = context.now.0 - occurrence.scheduled_start.0;
            if age >= RETENTION {
                forecast.sessions_past_retention += 1;
            } else {
                forecast.reports += 1;
                forecast.reports_near_expiry += u64::from(age >= RETENTION - NEAR_EXPIRY);
            }
        }
    }
    forecast
}
