//! Online meetings, and the records of the calls that were held in them.

use super::object::graph_object;
use super::scalars::Text;
use super::virtual_events::IdentitySet;

graph_object! {
    /// An `onlineMeeting`.
    ///
    /// Source: <https://learn.microsoft.com/graph/api/resources/onlinemeeting>.
    OnlineMeeting {
        /// Opaque; all occurrences of a series share it.
        id: Option<Text<'a>> = "id",
        /// Title.
        subject: Option<Text<'a>> = "subject",
        /// Scheduled start.
        start_date_time: Option<Text<'a>> = "startDateTime",
        /// Scheduled end.
        end_date_time: Option<Text<'a>> = "endDateTime",
        /// The join link as Graph stores it.
        join_web_url: Option<Text<'a>> = "joinWebUrl",
        /// `adhoc`, `scheduled`, `recurring`, `broadcast`, `meetnow`.
        meeting_type: Option<Text<'a>> = "meetingType",
        /// Its chat.
        chat_info: Option<ChatInfo<'a>> = "chatInfo",
    }
}

graph_object! {
    /// A `chatInfo`.
    ChatInfo {
        /// `19:meeting_…@thread.v2`, or a channel's thread.
        thread_id: Option<Text<'a>> = "threadId",
    }
}

graph_object! {
    /// A `callRecord`: one call that was held.
    ///
    /// Source: <https://learn.microsoft.com/graph/api/resources/callrecords-callrecord>.
    CallRecord {
        /// A GUID.
        id: Option<Text<'a>> = "id",
        /// Grows; a higher one of the same id replaces the lower.
        version: Option<i64> = "version",
        /// `groupCall`, `peerToPeer`, `unknown`.
        call_type: Option<Text<'a>> = "type",
        /// When the first one joined.
        start_date_time: Option<Text<'a>> = "startDateTime",
        /// When the last one left.
        end_date_time: Option<Text<'a>> = "endDateTime",
        /// The join link; calls between two people have none.
        join_web_url: Option<Text<'a>> = "joinWebUrl",
        /// The organizer.
        organizer_v2: Option<CallOrganizer<'a>> = "organizer_v2",
        /// The organizer, as it was called before.
        organizer: Option<IdentitySet<'a>> = "organizer",
    }
}

graph_object! {
    /// An `organizer` of a call record.
    CallOrganizer {
        /// Object id, or a phone number.
        id: Option<Text<'a>> = "id",
        /// Who it is.
        identity: Option<IdentitySet<'a>> = "identity",
    }
}
