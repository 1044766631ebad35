//! Calendar entries, and the online meetings behind them.

use super::object::graph_object;
use super::scalars::{Text, ZonedTime};

graph_object! {
    /// An `event` of a calendar view: an occurrence, never a series master.
    ///
    /// Source: <https://learn.microsoft.com/graph/api/resources/event>.
    Event {
        /// The mailbox's own id; it changes when the entry moves, so `iCalUId` is the one that is kept.
        id: Option<Text<'a>> = "id",
        /// The same in every mailbox; one of its own for each occurrence.
        i_cal_u_id: Option<Text<'a>> = "iCalUId",
        /// Id of the recurring series.
        series_master_id: Option<Text<'a>> = "seriesMasterId",
        /// `singleInstance`, `occurrence`, `exception`, `seriesMaster`.
        event_type: Option<Text<'a>> = "type",
        /// Title.
        subject: Option<Text<'a>> = "subject",
        /// Scheduled start.
        start: Option<ZonedTime<'a>> = "start",
        /// Scheduled end.
        end: Option<ZonedTime<'a>> = "end",
        /// Whether it is of whole days: then start and end are midnights of a day of no zone, whatever zone stands beside them.
        is_all_day: Option<bool> = "isAllDay",
        /// Whether it was cancelled.
        is_cancelled: Option<bool> = "isCancelled",
        /// Whether the mailbox's user organizes it.
        is_organizer: Option<bool> = "isOrganizer",
        /// Whether it has a join link.
        is_online_meeting: Option<bool> = "isOnlineMeeting",
        /// `teamsForBusiness`, `skypeForBusiness`, `skypeForConsumer`, `unknown`.
        online_meeting_provider: Option<Text<'a>> = "onlineMeetingProvider",
        /// Holds the join link.
        online_meeting: Option<OnlineMeetingInfo<'a>> = "onlineMeeting",
        /// The join link of older entries.
        online_meeting_url: Option<Text<'a>> = "onlineMeetingUrl",
        /// Who organizes it.
        organizer: Option<Recipient<'a>> = "organizer",
    }
}

graph_object! {
    /// An `onlineMeetingInfo`: the join link of a calendar entry (its dial-in data goes to `extra`).
    OnlineMeetingInfo {
        /// The join link.
        join_url: Option<Text<'a>> = "joinUrl",
    }
}

graph_object! {
    /// A `recipient`.
    Recipient {
        /// Address and name.
        email_address: Option<EmailAddress<'a>> = "emailAddress",
    }
}

graph_object! {
    /// An `emailAddress`.
    EmailAddress {
        /// The address.
        address: Option<Text<'a>> = "address",
        /// The name.
        name: Option<Text<'a>> = "name",
    }
}
