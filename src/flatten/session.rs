//! The row of a session: what discovery found, and what asking about its attendance came to.

use std::borrow::Cow;

use super::occurrence::Occurrence;
use crate::ids::{EventId, RunId, TenantId};
use crate::tables::SessionRow;
use crate::time::{DAY, UtcMicros};

/// What is known of a session's attendance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttendanceState {
    /// Graph listed at least one report.
    Reported,
    /// Asked after it settled, there was none.
    Empty,
    /// Too early to tell.
    NotReady,
    /// Not allowed.
    Forbidden,
    /// Expired or deleted.
    Gone,
    /// Graph lists its 50 newest reports and this session is older than those.
    OverCap,
    /// Graph has no reports for this kind of meeting.
    Unsupported,
    /// Cancelled, and there is no report.
    Cancelled,
    /// Transient, tries spent.
    Failed,
}

impl AttendanceState {
    /// The value of `attendance_state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Empty => "empty",
            Self::NotReady => "not_ready",
            Self::Forbidden => "forbidden",
            Self::Gone => "gone",
            Self::OverCap => "over_cap",
            Self::Unsupported => "unsupported",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// The state of an `attendance_state` column's value.
    pub fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Reported,
            Self::Empty,
            Self::NotReady,
            Self::Forbidden,
            Self::Gone,
            Self::OverCap,
            Self::Unsupported,
            Self::Cancelled,
            Self::Failed,
        ];
        all.into_iter().find(|state| state.as_str() == name)
    }
}

/// What asking about a session came to.
#[derive(Debug, Clone)]
pub struct SessionFacts<'a> {
    /// The id of the online meeting, once it is resolved.
    pub event_id: Option<&'a EventId>,
    /// The state.
    pub state: AttendanceState,
    /// Which of the state's causes.
    pub reason: Option<Cow<'a, str>>,
    /// Whether no later answer is expected.
    pub is_final: bool,
    /// Reports listed for it.
    pub report_count: i32,
    /// Start of the run.
    pub checked_at: UtcMicros,
    /// The run.
    pub run_id: &'a RunId,
}

/// The row of a session.
pub fn session_row<'a>(
    tenant: &'a TenantId,
    occurrence: &'a Occurrence,
    facts: SessionFacts<'a>,
) -> SessionRow<'a> {
    let organizer = occurrence.organizer.as_ref();
    SessionRow {
        tenant_id: tenant.as_str().into(),
        session_id: occurrence.session_id(tenant).into_string().into(),
        source: occurrence.source.as_str().into(),
        event_id: facts
            .event_id
            .or(occurrence.event_id.as_ref())
            .map(|id| id.as_str().into()),
        occurrence_id: occurrence.occurrence_id.as_deref().map(Cow::from),
        series_id: occurrence.series_id.as_deref().map(Cow::from),
        subject: occurrence.subject.as_deref().map(Cow::from),
        organizer_id: organizer.map(|organizer| organizer.id.as_str().into()),
        organizer_email: organizer
            .and_then(|organizer| organizer.email.as_deref())
            .map(Cow::from),
        organizer_display_name: organizer
            .and_then(|organizer| organizer.display_name.as_deref())
            .map(Cow::from),
        scheduled_start: occurrence.scheduled_start,
        scheduled_end: occurrence.scheduled_end,
        join_web_url: occurrence.join_web_url.as_deref().map(Cow::from),
        is_cancelled: occurrence.is_cancelled,
        status: occurrence.status.as_deref().map(Cow::from),
        discovered_by: occurrence.discovered_by.clone(),
        attendance_state: facts.state.as_str().into(),
        attendance_state_reason: facts.reason,
        is_final: facts.is_final,
        report_count: facts.report_count,
        removed_at: occurrence.removed_at,
        checked_at: facts.checked_at,
        _run_id: facts.run_id.as_str().into(),
        _extra: occurrence.extra.as_deref().map(Cow::from),
    }
}

/// The occurrence that a report belongs to: most overlap, else the nearest start; `None` where there are none.
///
/// Occurrences more than a day from the report count only where no other is nearer, so that the answer does not depend on how
/// much of the calendar was read. Ties go to the earlier start, then to the smaller occurrence id.
pub fn attribute(
    start: Option<UtcMicros>,
    end: Option<UtcMicros>,
    occurrences: &[Occurrence],
) -> Option<usize> {
    let Some(start) = start else {
        return (0..occurrences.len()).min_by_key(|index| occurrences.get(*index).map(tie_break));
    };
    let end = end.unwrap_or(start).max(start);
    let rank = |occurrence: &Occurrence| {
        let near = is_near(Some(start), occurrence);
        let overlap = occurrence.ends_at().0.min(end.0) - occurrence.scheduled_start.0.max(start.0);
        (
            !near,
            -overlap.max(0),
            (occurrence.scheduled_start.0 - start.0).abs(),
        )
    };
    occurrences
        .iter()
        .enumerate()
        .min_by_key(|(_, occurrence)| (rank(occurrence), tie_break(occurrence)))
        .map(|(index, _)| index)
}

/// Whether a report of that start lies within a day of the occurrence; one without a start does.
pub fn is_near(start: Option<UtcMicros>, occurrence: &Occurrence) -> bool {
    start.is_none_or(|start| {
        occurrence.scheduled_start.0 <= start.0 + DAY && occurrence.ends_at().0 >= start.0 - DAY
    })
}

fn tie_break(occurrence: &Occurrence) -> (UtcMicros, Option<String>) {
    (occurrence.scheduled_start, occurrence.occurrence_id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Source;
    use crate::time::HOUR;

    fn occurrence(start: i64, end: i64) -> Occurrence {
        Occurrence {
            source: Source::OnlineMeeting,
            organizer: None,
            event_id: None,
            published_as: None,
            occurrence_id: Some(start.to_string()),
            series_id: None,
            subject: None,
            scheduled_start: UtcMicros(start * HOUR),
            scheduled_end: Some(UtcMicros(end * HOUR)),
            join_web_url: None,
            is_cancelled: None,
            status: None,
            discovered_by: vec!["calendar".into()],
            unsupported: None,
            extra: None,
            unknown_properties: 0,
            removed_at: None,
        }
    }

    #[test]
    fn a_report_goes_to_the_occurrence_it_overlaps_most() {
        let series = [occurrence(0, 1), occurrence(24, 25), occurrence(48, 49)];
        let at = |start: i64, end: i64| {
            attribute(
                Some(UtcMicros(start * HOUR)),
                Some(UtcMicros(end * HOUR)),
                &series,
            )
        };
        assert_eq!(at(24, 25), Some(1), "on time");
        assert_eq!(at(23, 25), Some(1), "joined before");
        assert_eq!(
            at(27, 28),
            Some(1),
            "restarted after the end: the nearest start"
        );
        assert_eq!(at(40, 41), Some(2), "no overlap: the nearest start");
        assert_eq!(
            at(0, 30),
            Some(0),
            "a tie of overlaps goes to the nearest start"
        );
        assert_eq!(attribute(None, None, &series), Some(0), "no time at all");
        assert_eq!(attribute(Some(UtcMicros(0)), None, &[]), None);
    }
}
