//! Webinars, town halls and their sessions.

use super::object::graph_object;
use super::reports::Identity;
use super::scalars::{Text, ZonedTime};

graph_object! {
    /// A `virtualEventWebinar` or `virtualEventTownhall`.
    ///
    /// Source: <https://learn.microsoft.com/graph/api/resources/virtualevent>.
    VirtualEvent {
        /// `{guid}@{tenant}`.
        id: Option<Text<'a>> = "id",
        /// Title.
        display_name: Option<Text<'a>> = "displayName",
        /// `draft`, `published`, `canceled`.
        status: Option<Text<'a>> = "status",
        /// Scheduled start of the whole event.
        start_date_time: Option<ZonedTime<'a>> = "startDateTime",
        /// Scheduled end of the whole event.
        end_date_time: Option<ZonedTime<'a>> = "endDateTime",
        /// The organizer.
        created_by: Option<IdentitySet<'a>> = "createdBy",
    }
}

graph_object! {
    /// A `communicationsIdentitySet`, as far as organizers use it.
    IdentitySet {
        /// A user.
        user: Option<Identity<'a>> = "user",
    }
}

graph_object! {
    /// A `virtualEventSession`; in lists a summary, with nulls in all but these properties.
    VirtualEventSession {
        /// A GUID.
        id: Option<Text<'a>> = "id",
        /// Title.
        subject: Option<Text<'a>> = "subject",
        /// Scheduled start.
        start_date_time: Option<ZonedTime<'a>> = "startDateTime",
        /// Scheduled end.
        end_date_time: Option<ZonedTime<'a>> = "endDateTime",
        /// The join link.
        join_web_url: Option<Text<'a>> = "joinWebUrl",
    }
}
