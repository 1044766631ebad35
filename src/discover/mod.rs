//! Stage 1: which sessions a data interval holds. One module a source; the unit of work is one meeting with its occurrences.
//!
//! Each route reads a day more than the interval on each side, since people join early and links are used again. What is found
//! goes to a channel as it comes, so the whole tenant is never in memory. A route that fails says so ([`Found::Failed`]) and the
//! others go on.

mod around;
mod asked_once;
mod calendar;
mod call_records;
mod fold;
mod left_out;
mod listed;
mod look_up;
mod online_meetings;
mod users;
mod virtual_events;

pub use around::Calendars;
pub(crate) use around::hull;
pub use asked_once::AskedOnce;
pub use listed::{ListedFailure, ListedFind, ListedOccurrence, find_listed};
pub use look_up::{FoundMeeting, LookUp, is_not_there};
pub(crate) use users::{ENABLED, is_guest};
pub(crate) use virtual_events::collection;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::attendance::Readable;
use crate::flatten::{JoinLink, Occurrence, Organizer};
use crate::graph::{GraphClient, GraphError};
use crate::ids::{EventId, OrganizerId, SessionId, TenantId};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::job::plan::{DiscoverBy, SourcesPlan};
use crate::ledger::{Known, MeetingKey, Tally};
use crate::time::{DAY, UtcMicros, WarehouseTimezone};

/// How much more than the interval is read on each side, in microseconds.
pub const MARGIN: i64 = DAY;
/// How long Graph keeps call records, in microseconds: what is older is neither listed nor found by its id.
///
/// Source: <https://learn.microsoft.com/graph/api/cloudcommunications-list-callrecords>.
pub const CALL_RECORDS_KEPT: i64 = 30 * DAY;

/// One meeting and those of its occurrences that lie in or near the interval: they share a join link, so it is asked once.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// Where it was found.
    pub source: Source,
    /// Who owns it.
    pub organizer: Option<Organizer>,
    /// What to ask by.
    pub door: Door,
    /// Its id, where the way that found it told.
    pub event_id: Option<EventId>,
    /// Whether it is asked also where nothing of it seems to be missing.
    pub asking: Asking,
    /// At least one.
    pub occurrences: Vec<Occurrence>,
}

/// The reason of a calendar entry that turned out to be a virtual event's, which has its reports.
pub const VIRTUAL_EVENT: &str = "virtual_event";

/// When a meeting is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asking {
    /// Where a session of it is not known or not final.
    #[default]
    WhereMissing,
    /// Because an earlier run left it unsettled, whoever's job that was: what Graph refuses then says nothing of this job's access.
    CarriedOver,
    /// Always: its schedule does not tell when it is held, so what lies in the interval is taken, whatever session it belongs to.
    Always,
}

/// What a meeting is asked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// The join link of an online meeting, under its organizer.
    JoinUrl(OrganizerId, String),
    /// The id of an online meeting that has no join link, under its organizer.
    OnlineMeeting(OrganizerId, EventId),
    /// Webinar or town hall, and the session.
    VirtualSession(Source, EventId, String),
    /// Graph has no attendance for it; the reason.
    Closed(&'static str),
}

impl Door {
    /// The key under which the ledger knows the meeting.
    pub fn key(&self) -> Option<MeetingKey> {
        match self {
            Self::JoinUrl(organizer, url) => {
                Some(MeetingKey::JoinUrl(organizer.clone(), url.clone()))
            }
            Self::OnlineMeeting(organizer, id) => {
                Some(MeetingKey::OnlineMeeting(organizer.clone(), id.clone()))
            }
            Self::VirtualSession(source, event, session) => Some(MeetingKey::VirtualSession(
                *source,
                event.clone(),
                session.clone(),
            )),
            Self::Closed(_) => None,
        }
    }
}

impl From<MeetingKey> for Door {
    fn from(key: MeetingKey) -> Self {
        match key {
            MeetingKey::JoinUrl(organizer, url) => Self::JoinUrl(organizer, url),
            MeetingKey::OnlineMeeting(organizer, id) => Self::OnlineMeeting(organizer, id),
            MeetingKey::VirtualSession(source, event, session) => {
                Self::VirtualSession(source, event, session)
            }
        }
    }
}

/// What discovery came upon.
#[derive(Debug)]
pub enum Found {
    /// A meeting to ask about.
    Meeting(Meeting),
    /// Meetings of one organizer under long and short links: two of them may be one, which only their ids tell.
    MayBeOne(Vec<Meeting>),
    /// A calendar, a list or an event that could not be read: whatever it held is missing.
    Failed {
        /// Which source.
        source: Source,
        /// Whose, where it was one organizer's.
        organizer_id: Option<OrganizerId>,
        /// Why.
        error: Arc<GraphError>,
    },
    /// An entry that could not be read, or has no day to be filed under.
    Unreadable {
        /// Which source.
        source: Source,
        /// Whose.
        organizer_id: Option<OrganizerId>,
    },
    /// An account without a mailbox: skipped, no gap.
    NoMailbox(OrganizerId),
    /// A meeting of the job's list that cannot be read; which day it belongs to is not known.
    ListedFailed {
        /// Who should organize it.
        organizer_id: OrganizerId,
        /// What stands for it.
        missing: SessionId,
        /// Why; without one, its schedule cannot be read.
        error: Option<Arc<GraphError>>,
    },
    /// A meeting of the job's list was read.
    ListedRead(SessionId),
    /// A user whom the job does not name by object id was looked up: what is missing of the user now is missing under that id.
    LookedUp {
        /// Of which source.
        source: Source,
        /// What the job calls the user.
        name: OrganizerId,
    },
    /// Left out on purpose.
    Skipped {
        /// Why.
        reason: &'static str,
        /// How many.
        count: u64,
    },
    /// Days for which Graph keeps no call records any more: whatever calls alone would show of them is missing for ever.
    Expired {
        /// Of the chunk.
        interval: DataInterval,
    },
    /// A published session of a webinar or town hall that its list leaves out and that is not found by its id either.
    Removed(SessionId),
    /// A route was read to its end for one organizer, or for all of them: what it no longer shows is gone.
    ReadToTheEnd {
        /// Which source.
        source: Source,
        /// Whose; `None` for a source that is read for the whole tenant.
        organizer_id: Option<OrganizerId>,
    },
}

/// Whom to ask, and for when.
#[derive(Debug, Clone)]
pub struct DiscoverContext {
    /// The client.
    pub graph: GraphClient,
    /// The chunk; a [`MARGIN`] more is read on each side.
    pub interval: DataInterval,
    /// The tenant, for session ids, and to tell its organizers from others'.
    pub tenant: TenantId,
    /// Whose midnights entries of whole days begin and end at.
    pub timezone: WarehouseTimezone,
    /// What is published of the days around.
    pub known: Arc<Known>,
    /// The meetings that the job lists.
    pub listed: Arc<[ListedFind]>,
    /// What the run has asked already.
    pub asked_once: Arc<AskedOnce>,
    /// Whose sessions are the job's, as they become known.
    pub readable: Arc<Readable>,
    /// Whether only some organizers of the job's online meetings are read: that says nothing about the others.
    pub is_narrowed: bool,
    /// Whether calls of the day before the interval are taken that were not found by then, as a scheduled run does.
    pub takes_late_calls: bool,
    /// Days of the chunk whose call records Graph no longer keeps, and that no earlier run read in time.
    pub calls_expired: Vec<DataInterval>,
    /// The run's time.
    pub now: UtcMicros,
    /// How many organizers or events are read at once.
    pub concurrency: usize,
    /// Where finds go.
    pub found: mpsc::Sender<Found>,
    /// How many organizers and events there are and are done.
    pub tally: Arc<Tally>,
}

impl DiscoverContext {
    /// What is read: the interval and its margins.
    fn window(&self) -> DataInterval {
        self.interval.widened(MARGIN)
    }

    /// Hands on a find. A closed channel means that the run has stopped, so there is nobody to tell.
    async fn tell(&self, found: Found) {
        self.found.send(found).await.ok();
    }

    async fn tell_failed(
        &self,
        source: Source,
        organizer_id: Option<OrganizerId>,
        error: GraphError,
    ) {
        self.tell(Found::Failed {
            source,
            organizer_id,
            error: Arc::new(error),
        })
        .await;
    }
}

/// What virtual events say about calendar entries and calls: those under their links are their sessions.
#[derive(Debug, Default)]
struct VirtualLinks(Mutex<FoundLinks>);

#[derive(Debug, Default)]
struct FoundLinks {
    /// The join links of the sessions that were found, which are asked for their reports now.
    links: HashSet<String>,
    /// Those of sessions that are published.
    published: HashSet<String>,
    /// Why there may be others, which a later run may find.
    missing: Option<Arc<GraphError>>,
    /// The sessions that were found.
    sessions: HashSet<SessionId>,
    /// The same of one organizer's events.
    missing_of: HashMap<OrganizerId, Arc<GraphError>>,
}

impl VirtualLinks {
    fn add(&self, link: &str) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.links.insert(JoinLink::key(link));
    }

    fn saw(&self, session: SessionId) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.sessions.insert(session);
    }

    fn has_seen(&self, session: &SessionId) -> bool {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.sessions.contains(session)
    }

    /// Events that could not be read may have links too; where they never can be, nothing is gained by waiting for them.
    fn are_missing(&self, organizer: Option<&OrganizerId>, error: &Arc<GraphError>) {
        if !error.is_transient() {
            return;
        }
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match organizer {
            Some(organizer) => {
                let of_organizer = found.missing_of.entry(organizer.folded().into_owned());
                of_organizer.or_insert_with(|| Arc::clone(error));
            }
            None => {
                found.missing.get_or_insert_with(|| Arc::clone(error));
            }
        }
    }

    /// With the links of what is published, whoever read it.
    fn into_found(self, known: &Known) -> FoundLinks {
        let mut found = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.published.extend(known.virtual_links());
        found
    }
}

impl FoundLinks {
    fn has(&self, link: Option<&str>) -> bool {
        link.is_some_and(|link| {
            let key = JoinLink::key(link);
            self.links.contains(&key) || self.published.contains(&key)
        })
    }

    /// Whether a session under the link was found now, so that its reports are asked for.
    fn found_now(&self, link: Option<&str>) -> bool {
        link.is_some_and(|link| self.links.contains(&JoinLink::key(link)))
    }

    /// Why an organizer's meeting may be of a virtual event that was not read this time.
    fn missing(&self, organizer: &OrganizerId) -> Option<&Arc<GraphError>> {
        let of_organizer = self.missing_of.get(organizer.folded().as_ref());
        of_organizer.or(self.missing.as_ref())
    }
}

/// Finds out whose sessions are the job's, where that is not known yet and nothing is discovered that would tell.
pub async fn resolve_organizers(context: &DiscoverContext, sources: &SourcesPlan) {
    if let Some(plan) = &sources.online_meetings
        && context.readable.is_unresolved(Source::OnlineMeeting)
    {
        let (sender, mut users) = mpsc::channel(1);
        let listing = users::list(context, &plan.users, sender);
        let adding = async {
            while let Some(user) = users.recv().await {
                if let Ok(organizer) = user {
                    context.readable.add(Source::OnlineMeeting, &organizer.id);
                }
            }
        };
        // whoever cannot be listed now is asked about by a later run
        let (_, ()) = tokio::join!(listing, adding);
    }
    for (source, plan) in [
        (Source::Webinar, &sources.webinars),
        (Source::TownHall, &sources.town_halls),
    ] {
        if let Some(plan) = plan
            && context.readable.is_unresolved(source)
        {
            virtual_events::resolve_organizers(context, source, plan).await;
        }
    }
}

/// Reads every source of the plan; returns when all of them are read or have said why not.
///
/// Virtual events come first: their sessions are in calendars and are calls too, and are not online meetings as well.
pub async fn discover(context: &DiscoverContext, sources: &SourcesPlan) {
    let links = VirtualLinks::default();
    let virtual_events = async {
        let webinars =
            virtual_events::discover(context, Source::Webinar, sources.webinars.as_ref(), &links);
        let town_halls = virtual_events::discover(
            context,
            Source::TownHall,
            sources.town_halls.as_ref(),
            &links,
        );
        tokio::join!(webinars, town_halls);
    };
    let virtual_events = Box::pin(virtual_events);
    let Some(plan) = &sources.online_meetings else {
        return virtual_events.await;
    };
    let calls = async {
        if plan.discover.contains(&DiscoverBy::CallRecords) {
            Some(call_records::gather(context).await)
        } else {
            None
        }
    };
    let (calls, ()) = tokio::join!(calls, virtual_events);
    let links = links.into_found(&context.known);
    online_meetings::discover(context, plan, calls, &links).await;
}
