//! Stage 2: the reports of a meeting with all their records, and what that says of its sessions' attendance.
//!
//! One meeting is one unit: it is resolved, its reports are listed, and those that are wanted are fetched side by side. Each whole report
//! goes to the channel as soon as it is there; last comes the meeting's outcome. A failure is a value in that outcome, never an
//! abort. Bodies are looked at only as far as completeness needs; reading them is flattening's business.

mod access;
mod candidates;
mod forecast;
mod goes_over;
mod meeting;
mod reports;
mod same_meeting;
mod whose;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::discover::{Asking, Calendars, Found, Meeting};
use crate::flatten::{AttendanceState, Occurrence, ReportEntry};
use crate::graph::{GraphClient, GraphError};
use crate::ids::{EventId, GapId, SessionId, TenantId};
use crate::job::interval::DataInterval;
use crate::job::plan::{ReportsChoice, Reprocess, UserPath};
use crate::ledger::{Elsewhere, GapReason, Known, KnownSession, LedgerError, OpenGap, Tally};
use crate::time::{EventDate, UtcMicros, WarehouseTimezone};
use crate::warehouse::{Adopted, KeptReport, Warehouse};

pub use crate::attendance::finality::RETENTION;
pub use crate::attendance::{SessionVerdict, SettleRules};
pub use access::{AccessWatch, Refusal};
pub use forecast::{MeetingForecast, forecast_meeting};
pub use meeting::{fetch_meeting, fetch_resolved};
pub use same_meeting::{ReportOwners, Resolved, join_by_id};

/// Graph lists this many reports of a meeting, the newest ones.
///
/// Source: <https://learn.microsoft.com/graph/api/meetingattendancereport-list>.
pub const LISTED_REPORTS: usize = 50;

/// Where more is known than what the chunk has read of its days.
#[derive(Debug, Clone)]
pub struct Beyond {
    /// What is published of other days.
    pub warehouse: Arc<Warehouse>,
    /// How it is found there.
    pub elsewhere: Arc<Elsewhere>,
    /// The calendars that the job reads, around far reports.
    pub calendars: Option<Arc<Calendars>>,
}

/// What fetching needs to know.
#[derive(Debug, Clone)]
pub struct FetchContext {
    /// The client.
    pub graph: GraphClient,
    /// The tenant, for session ids.
    pub tenant: TenantId,
    /// The chunk: sessions that are scheduled in it are published.
    pub interval: DataInterval,
    /// Reports that started in it are published: the chunk, and for a scheduled run its lookback.
    pub accepts: DataInterval,
    /// Whether meetings of the chunk's days were looked for, so that those of its margins are known.
    pub discovers: bool,
    /// Whether sessions of earlier days that are not final are asked again, as a scheduled run does.
    pub asks_again: bool,
    /// Which published things are fetched again.
    pub reprocess: Reprocess,
    /// How organizers of online meetings are named in paths.
    pub user_path: UserPath,
    /// Which reports of an online meeting are taken.
    pub reports: ReportsChoice,
    /// What is known of the app's access.
    pub access: Arc<AccessWatch>,
    /// Whether a meeting's id is first taken from its join link, without a request.
    pub derive_ids: bool,
    /// What is published.
    pub known: Arc<Known>,
    /// What is known of other days; without it, nothing is.
    pub beyond: Option<Beyond>,
    /// What runs that ended early had fetched.
    pub adopted: Arc<Adopted>,
    /// When attendance is final.
    pub settle: SettleRules,
    /// Whose days.
    pub timezone: WarehouseTimezone,
    /// The run's time.
    pub now: UtcMicros,
    /// How many reports may be in memory at once; a report keeps its slot until it is staged.
    pub slots: Arc<Semaphore>,
    /// Which meeting each report of the chunk belongs to.
    pub owners: Arc<ReportOwners>,
    /// Where results go.
    pub fetched: mpsc::Sender<Fetched>,
    /// How many reports there are to fetch.
    pub tally: Arc<Tally>,
}

impl FetchContext {
    /// Whether a refusal says something of this job's access: not of what another run found on other days, which may be another app's.
    fn is_own(&self, meeting: &Meeting) -> bool {
        let mut occurrences = meeting.occurrences.iter();
        match meeting.asking {
            Asking::Always => true,
            Asking::CarriedOver => false,
            Asking::WhereMissing => {
                occurrences.any(|of| self.interval.contains(of.scheduled_start))
            }
        }
    }

    /// Notes what a meeting that could not be asked says of the app's access.
    fn note_failure(&self, meeting: &Meeting, error: &Arc<GraphError>) {
        let organizer = meeting.organizer.as_ref().map(|organizer| &organizer.id);
        if self.is_own(meeting) {
            self.access.failed(meeting.source, organizer, error);
        } else {
            self.access
                .failed_for_another(meeting.source, organizer, error);
        }
    }

    /// Whether a scheduled run looks once more at a session to which nobody came: reports come days late, and of a single meeting no
    /// later occurrence would find them.
    pub fn is_looked_at_again(&self, session: &KnownSession) -> bool {
        self.asks_again
            && session.attendance_state == AttendanceState::Empty
            && session.occurrence.series_id.is_none()
            && self.accepts.contains(session.occurrence.scheduled_start)
    }
}

/// A result of fetching.
#[derive(Debug)]
pub enum Fetched {
    /// A whole report.
    Report(Box<FetchedReport>),
    /// What discovery could not read, or has read to the end; handed on as it came.
    NotAMeeting(Found),
    /// A meeting is done.
    Meeting(Box<MeetingOutcome>),
    /// What is published of other days cannot be read: nothing of this chunk may be.
    Broken(LedgerError),
}

/// A report with all its records, as bodies.
#[derive(Debug)]
pub struct FetchedReport {
    /// Its meeting.
    pub meeting: Arc<Meeting>,
    /// Online meeting, webinar or town hall.
    pub event_id: EventId,
    /// What the list said of it.
    pub entry: ReportEntry,
    /// The session it belongs to.
    pub session: AttributedSession,
    /// The day under which it was first published.
    pub published_event_date: Option<EventDate>,
    /// Its bodies.
    pub bodies: KeptReport,
    /// Whether it was fetched by this run, not by one that ended early.
    pub is_new: bool,
    /// Held until the report is staged.
    pub slot: OwnedSemaphorePermit,
}

/// The session that a report was given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributedSession {
    /// The session.
    pub session_id: SessionId,
    /// Its day.
    pub event_date: EventDate,
    /// Its scheduled start.
    pub scheduled_start: UtcMicros,
    /// Its title.
    pub subject: Option<String>,
}

/// What asking about a meeting came to.
#[derive(Debug)]
pub struct MeetingOutcome {
    /// The meeting.
    pub meeting: Arc<Meeting>,
    /// Its occurrences that were found, then those that are published and were not found now.
    pub occurrences: Vec<Occurrence>,
    /// Its id, once resolved.
    pub event_id: Option<EventId>,
    /// Its sessions that are to be published.
    pub sessions: Vec<SessionVerdict>,
    /// Whether its reports were listed to the end in this run.
    pub is_listed: bool,
    /// Why they were not.
    pub refused: Option<Arc<GraphError>>,
    /// Listed reports that could not be fetched whole.
    pub lost_reports: Vec<LostReport>,
    /// Reports that were missing before and that Graph does not list any more.
    pub vanished_reports: Vec<Vanished>,
    /// What was missing of the meeting on days that the chunk does not know otherwise.
    pub gaps_elsewhere: Vec<OpenGap>,
    /// Listed reports that nothing can be asked about.
    pub unusable_reports: usize,
    /// Why not.
    pub unusable_as: GapReason,
}

/// An open gap on a report that Graph does not list any more, and why it will not be filled.
#[derive(Debug)]
pub struct Vanished {
    /// Its gap.
    pub gap_id: GapId,
    /// Why.
    pub reason: GapReason,
}

/// A listed report that could not be fetched whole.
#[derive(Debug)]
pub struct LostReport {
    /// What the list said of it.
    pub entry: ReportEntry,
    /// The session it belongs to.
    pub session: AttributedSession,
    /// The day it is missing from.
    pub event_date: EventDate,
    /// Why.
    pub error: Arc<GraphError>,
}
