//! The row of a session: what discovery found, and what asking about its attendance came to.

use std::borrow::Cow;

use super::occurrence::Occurrence;
use crate::ids::{EventId, RunId, TenantId};
use crate::tables::SessionRow;
use crate::time::UtcMicros;

/// What is known of a session's attendance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttendanceState {
    /// Graph listed at least one report.
    Reported,
    /// Asked after it settled, there was none.
    Empty,
    /// Cancelled, and asked after it settled there was none.
    Cancelled,
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
    /// Transient, tries spent.
    Failed,
}

impl AttendanceState {
    /// The value of `attendance_state`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Empty => "empty",
            Self::Cancelled => "cancelled",
            Self::NotReady => "not_ready",
            Self::Forbidden => "forbidden",
            Self::Gone => "gone",
            Self::OverCap => "over_cap",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
        }
    }

    /// The state of an `attendance_state` column's value.
    pub fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Reported,
            Self::Empty,
            Self::Cancelled,
            Self::NotReady,
            Self::Forbidden,
            Self::Gone,
            Self::OverCap,
            Self::Unsupported,
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
