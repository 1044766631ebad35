//! Stage 1: which sessions a data interval holds. One module a source; the unit of work is one meeting with its occurrences.
//!
//! Each route reads a day more than the interval on each side, since people join early and links are used again. What is found
//! goes to a channel as it comes, so the whole tenant is never in memory. A route that fails says so ([`Found::Failed`]) and the
//! others go on.

mod calendar;
mod users;
mod virtual_events;

pub(crate) use virtual_events::collection;

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::flatten::{Occurrence, Organizer};
use crate::graph::{GraphClient, GraphError};
use crate::ids::{EventId, OrganizerId};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::job::plan::SourcesPlan;
use crate::ledger::{MeetingKey, Tally};
use crate::time::DAY;

/// How much more than the interval is read on each side, in microseconds.
pub const MARGIN: i64 = DAY;

/// One meeting and those of its occurrences that lie in or near the interval: they share a join link, so it is asked once.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// Where it was found.
    pub source: Source,
    /// Who owns it.
    pub organizer: Option<Organizer>,
    /// What to ask by.
    pub door: Door,
    /// At least one.
    pub occurrences: Vec<Occurrence>,
}

/// What a meeting is asked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// The join link of an online meeting, under its organizer.
    JoinUrl(OrganizerId, String),
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
    NoMailbox,
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

/// Reads every source of the plan; returns when all of them are read or have said why not.
pub async fn discover(context: &DiscoverContext, sources: &SourcesPlan) {
    let online_meetings = async {
        if let Some(plan) = &sources.online_meetings {
            calendar::discover(context, &plan.users).await;
        }
    };
    let webinars = async {
        if sources.webinars.is_some() {
            virtual_events::discover(context, Source::Webinar).await;
        }
    };
    let town_halls = async {
        if sources.town_halls.is_some() {
            virtual_events::discover(context, Source::TownHall).await;
        }
    };
    tokio::join!(online_meetings, webinars, town_halls);
}
