//! What is known to be missing from a day.

use std::borrow::Cow;

use crate::graph::FailureReason;
use crate::ids::{GapId, OrganizerId, ReportId, RunId, SessionId, TenantId, stable_hash};
use crate::job::Source;
use crate::tables::GapRow;
use crate::time::{EventDate, UtcMicros};

/// Where on its way something got lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapStage {
    /// An organizer whose calendar, or a source whose list, could not be read.
    Discover,
    /// A session whose reports could not be listed.
    ListReports,
    /// A report whose records could not be fetched.
    FetchRecords,
    /// A record that could not be read.
    ReadRecord,
}

impl GapStage {
    /// The value of `gaps.stage`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::ListReports => "list_reports",
            Self::FetchRecords => "fetch_records",
            Self::ReadRecord => "read_record",
        }
    }
}

/// Why something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapReason {
    /// A request failed.
    Request(FailureReason),
    /// Graph lists its 50 newest reports and the session is older than those.
    OverCap,
    /// A record, session or calendar entry is not as documented.
    Unreadable,
    /// A report was listed without an id, so nothing can be asked about it.
    ReportWithoutId,
    /// Graph keeps no call records of that day any more, so calls that are on no calendar are not known.
    CallRecordsExpired,
    /// The newest report of a meeting came by the deprecated path, and none of its attendees has a time: it cannot be told from others.
    NoUsableTime,
}

impl GapReason {
    /// The value of `gaps.reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request(reason) => reason.as_str(),
            Self::OverCap => "over_cap",
            Self::Unreadable => "unreadable",
            Self::ReportWithoutId => "report_without_id",
            Self::CallRecordsExpired => "call_records_expired",
            Self::NoUsableTime => "no_usable_time",
        }
    }

    /// What to do about it, where it is no failed request.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::OverCap => Some(
                "Graph lists a meeting's 50 newest reports only: a run every night reads each of them before newer ones hide it",
            ),
            Self::CallRecordsExpired => Some(
                "Graph keeps call records for 30 days: calls of these days that are on no calendar cannot be found any more",
            ),
            Self::NoUsableTime => Some(
                "a policy of the tenant may keep join and leave times out of reports; `reports = \"all\"` does not need them",
            ),
            Self::Request(_) | Self::Unreadable | Self::ReportWithoutId => None,
        }
    }

    /// Those that will never be filled: expired, deleted, or beyond what Graph lists. Such gaps do not change the exit code.
    const FOR_EVER: [Self; 3] = [
        Self::OverCap,
        Self::CallRecordsExpired,
        Self::Request(FailureReason::Gone),
    ];

    /// Whether it will never be filled.
    pub fn is_for_ever(self) -> bool {
        Self::FOR_EVER.contains(&self)
    }

    /// The same of a `gaps.reason` column's value.
    pub fn is_for_ever_named(name: &str) -> bool {
        Self::FOR_EVER.iter().any(|reason| reason.as_str() == name)
    }
}

/// Something missing from a day.
#[derive(Debug, Clone)]
pub struct Gap {
    /// The day it is missing from.
    pub event_date: EventDate,
    /// Where it got lost.
    pub stage: GapStage,
    /// Which source.
    pub source: Source,
    /// Whose calendar or event.
    pub organizer_id: Option<OrganizerId>,
    /// Whose reports.
    pub session_id: Option<SessionId>,
    /// Whose records.
    pub report_id: Option<ReportId>,
    /// Which record, as Graph listed them from 0.
    pub record_index: Option<i32>,
    /// Why.
    pub reason: GapReason,
    /// Status of the last answer.
    pub http_status: Option<u16>,
    /// Code of the last answer.
    pub graph_code: Option<String>,
}

impl Gap {
    /// The same for the same missing thing, whatever the reason and however often it is met.
    pub fn gap_id(&self) -> GapId {
        let record = self.record_index.map(|index| index.to_string());
        GapId::new(stable_hash([
            self.event_date.to_string().as_str(),
            self.stage.as_str(),
            self.source.as_str(),
            self.organizer_id.as_ref().map_or("", OrganizerId::as_str),
            self.session_id.as_ref().map_or("", SessionId::as_str),
            self.report_id.as_ref().map_or("", ReportId::as_str),
            record.as_deref().unwrap_or_default(),
        ]))
    }

    /// Its row, counting on from the one that is open in the warehouse.
    pub fn row(
        &self,
        tenant: &TenantId,
        open: Option<&GapRow<'_>>,
        run_id: &RunId,
        tried_at: UtcMicros,
    ) -> GapRow<'static> {
        let owned = |text: &str| Cow::Owned(text.to_owned());
        GapRow {
            tenant_id: owned(tenant.as_str()),
            gap_id: Cow::Owned(self.gap_id().into_string()),
            source: Cow::Borrowed(self.source.as_str()),
            stage: Cow::Borrowed(self.stage.as_str()),
            organizer_id: self.organizer_id.as_ref().map(|id| owned(id.as_str())),
            session_id: self.session_id.as_ref().map(|id| owned(id.as_str())),
            report_id: self.report_id.as_ref().map(|id| owned(id.as_str())),
            record_index: self.record_index,
            reason: Cow::Borrowed(self.reason.as_str()),
            http_status: self.http_status.map(i32::from),
            graph_code: self.graph_code.as_deref().map(owned),
            attempts: open.map_or(1, |gap| gap.attempts.saturating_add(1)),
            first_seen_at: open.map_or(tried_at, |gap| gap.first_seen_at),
            last_tried_at: tried_at,
            closed_at: None,
            closed_by_run_id: None,
            _run_id: owned(run_id.as_str()),
        }
    }
}
