//! `gaps`: what is known to be missing.

use std::borrow::Cow;

use super::spec::table;
use crate::time::UtcMicros;

table! {
    /// Things known to be missing from a day, each with its reason.
    GAPS / GapRow / Gaps = "gaps" {
        row: "thing known to be missing from a day",
        partition: "event_date",
        key: ["tenant_id", "gap_id"],
        replaced_by: "gap_id",
        order: ["gap_id"],
    }
    tenant_id: Cow<'a, str> = content, ours, "GUID of the tenant";
    gap_id: Cow<'a, str> = content, ours, "hash of day, stage, organizer, session, report and record position; of what a whole list lacks, of its scope too";
    source: Cow<'a, str> = content, ours, "`online_meeting`, `webinar` or `town_hall`";
    stage: Cow<'a, str> = content, ours, "`discover`, `list_reports`, `fetch_records` or `read_record`";
    organizer_id: Option<Cow<'a, str>> = content, ours, "whose calendar or event";
    session_id: Option<Cow<'a, str>> = content, ours, "whose reports";
    report_id: Option<Cow<'a, str>> = content, ours, "whose records";
    record_index: Option<i32> = content, ours, "which record, as Graph listed them from 0";
    reason: Cow<'a, str> = content, ours, "`forbidden`, `gone`, `over_cap`, `call_records_expired`, `no_join_url`, `throttled`, `server_error`, …";
    http_status: Option<i32> = content, ours, "status of the last answer";
    graph_code: Option<Cow<'a, str>> = content, graph "error.code", "code of the last answer";
    attempts: i32 = bookkeeping, ours, "runs that tried";
    first_seen_at: UtcMicros = bookkeeping, ours, "start of the run that first met it";
    last_tried_at: UtcMicros = bookkeeping, ours, "start of the run that last tried";
    closed_at: Option<UtcMicros> = content, ours, "when it was filled; null while open";
    closed_by_run_id: Option<Cow<'a, str>> = content, ours, "the run that filled it";
    _run_id: Cow<'a, str> = bookkeeping, ours, "the run that wrote this row";
    is_final: Option<bool> = content, ours, "whether it will never be filled; such a gap does not change the exit code. Null in rows of earlier versions, where `gone`, `over_cap` and `call_records_expired` were";
    same_answer_since: Option<UtcMicros> = bookkeeping, ours, "start of the run that first met the present answer; null where asking again proves nothing";
    same_answer_days: Option<i32> = content, ours, "on how many different days (UTC) that answer was met; it is believed from three days on";
    missing_from: Option<UtcMicros> = content, ours, "the first instant of the day that was not read; null: from its midnight";
    missing_until: Option<UtcMicros> = content, ours, "the first instant after that; null: up to the next midnight";
    scope: Option<Cow<'a, str>> = content, ours, "whose reading can fill it, where the organizer does not tell: `all`, `me:…`, `group:…`, `users:…` and the ways of discovery";
}
