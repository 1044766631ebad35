//! `sessions`: everything that could have attendance, and the state of it.

use std::borrow::Cow;

use super::spec::table;
use crate::time::UtcMicros;

table! {
    /// Things that could have attendance: occurrences of online meetings, sessions of webinars and town halls.
    SESSIONS / SessionRow / Sessions = "sessions" {
        row: "thing that could have attendance: an occurrence of an online meeting, a session of a webinar or town hall",
        partition: "event_date",
        key: ["tenant_id", "session_id"],
        replaced_by: "session_id",
        order: ["scheduled_start", "session_id"],
    }
    tenant_id: Cow<'a, str> = content, ours, "GUID of the tenant (the token's `tid`)";
    session_id: Cow<'a, str> = content, ours, "hash of tenant, source, organizer, iCalUId and scheduled start; for a virtual event, of event and session id; for a call without an occurrence, of organizer, join link and call record; for one that was imported, of title, minute of the start and who held it";
    source: Cow<'a, str> = content, ours, "`online_meeting`, `webinar` or `town_hall`";
    event_id: Option<Cow<'a, str>> = content, graph "onlineMeeting.id, virtualEvent.id", "id of the online meeting, webinar or town hall; null while not resolved";
    occurrence_id: Option<Cow<'a, str>> = content, graph "event.iCalUId, virtualEventSession.id, callRecord.id", "what tells this occurrence from its siblings";
    series_id: Option<Cow<'a, str>> = content, graph "event.seriesMasterId", "the recurring series it belongs to";
    subject: Option<Cow<'a, str>> = content, graph "event.subject, virtualEventSession.subject", "the title";
    organizer_id: Option<Cow<'a, str>> = content, graph "user.id, virtualEvent.createdBy.user.id", "object id of the organizer";
    organizer_email: Option<Cow<'a, str>> = content, graph "event.organizer.emailAddress.address, user.mail", "e-mail address of the organizer";
    organizer_display_name: Option<Cow<'a, str>> = content, graph "event.organizer.emailAddress.name, virtualEvent.createdBy.user.displayName", "name of the organizer";
    scheduled_start: UtcMicros = content, graph "event.start, virtualEventSession.startDateTime", "scheduled start; `event_date` is its day in the warehouse's time zone";
    scheduled_end: Option<UtcMicros> = content, graph "event.end, virtualEventSession.endDateTime", "scheduled end";
    join_web_url: Option<Cow<'a, str>> = content, graph "event.onlineMeeting.joinUrl, virtualEventSession.joinWebUrl", "the join link";
    is_cancelled: Option<bool> = content, graph "event.isCancelled, virtualEvent.status", "whether it was cancelled";
    status: Option<Cow<'a, str>> = content, graph "virtualEvent.status", "`draft`, `published`, `canceled` of a virtual event; null for online meetings";
    discovered_by: Vec<Cow<'a, str>> = content, ours, "the routes that found it: `calendar`, `call-records`, `listed`, `webinars`, `town_halls`; `imported` where only a file that somebody saved from Teams shows it";
    attendance_state: Cow<'a, str> = content, ours, "`reported`, `empty` (nobody came to what was not cancelled), `cancelled` (cancelled, and no report), `not_ready`, `forbidden`, `gone`, `over_cap`, `unsupported` or `failed`";
    attendance_state_reason: Option<Cow<'a, str>> = content, ours, "which of the causes, where a state has several";
    is_final: bool = content, ours, "whether no later answer is expected: settled, given up, or for ever";
    report_count: i32 = content, ours, "reports that Graph listed for this session, or that were imported for it";
    removed_at: Option<UtcMicros> = content, ours, "when a later complete reading no longer showed it";
    checked_at: UtcMicros = bookkeeping, ours, "start of the run that last asked about it";
    _run_id: Cow<'a, str> = bookkeeping, ours, "the run that wrote this row";
    _extra: Option<Cow<'a, str>> = content, ours, "JSON object, keyed by path, of properties the contract does not know; null where there are none";
}
