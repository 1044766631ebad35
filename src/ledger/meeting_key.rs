//! What occurrences of one meeting share.

use crate::flatten::{JoinLink, Occurrence};
use crate::ids::{EventId, OrganizerId, fold_guid};
use crate::job::Source;

/// What occurrences of one meeting share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeetingKey {
    /// Organizer and join link of an online meeting.
    JoinUrl(OrganizerId, String),
    /// Organizer and id of an online meeting that has no join link.
    OnlineMeeting(OrganizerId, EventId),
    /// Event and session id of a webinar or town hall.
    VirtualSession(Source, EventId, String),
}

impl MeetingKey {
    /// The same for all spellings of a meeting: ways of discovery need not write a link alike, nor the letters of a GUID.
    #[must_use]
    pub fn folded(&self) -> Self {
        match self {
            Self::JoinUrl(organizer, link) => {
                Self::JoinUrl(organizer.folded().into_owned(), JoinLink::key(link))
            }
            Self::OnlineMeeting(organizer, id) => {
                Self::OnlineMeeting(organizer.folded().into_owned(), id.clone())
            }
            Self::VirtualSession(source, event, session) => Self::VirtualSession(
                *source,
                event.folded().into_owned(),
                fold_guid(session).into_owned(),
            ),
        }
    }

    /// The meeting of an occurrence; `None` where it has nothing to ask by.
    pub fn of(occurrence: &Occurrence) -> Option<Self> {
        match occurrence.source {
            Source::OnlineMeeting => {
                let organizer = occurrence.organizer.as_ref()?.id.clone();
                match (&occurrence.join_web_url, &occurrence.event_id) {
                    (Some(link), _) => Some(Self::JoinUrl(organizer, link.clone())),
                    (None, Some(id)) => Some(Self::OnlineMeeting(organizer, id.clone())),
                    (None, None) => None,
                }
            }
            source @ (Source::Webinar | Source::TownHall) => Some(Self::VirtualSession(
                source,
                occurrence.event_id.clone()?,
                occurrence.occurrence_id.clone()?,
            )),
        }
    }
}
