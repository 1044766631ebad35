//! `runs`: the run ledger.

use std::borrow::Cow;

use super::cell::NameCount;
use super::spec::table;
use crate::time::UtcMicros;

table! {
    /// Finished chunks of runs and backfills; a chunk without its row did not finish.
    RUNS / RunRow / Runs = "runs" {
        row: "finished chunk of a run or backfill",
        partition: "run_date",
        key: ["run_id"],
        replaced_by: "run_id",
        order: ["started_at", "run_id"],
    }
    run_id: Cow<'a, str> = content, ours, "id of the chunk";
    invocation_id: Cow<'a, str> = content, ours, "the execution of the program; its chunks share it";
    tenant_id: Cow<'a, str> = content, ours, "GUID of the tenant";
    verb: Cow<'a, str> = content, ours, "`run`, `backfill` or `import`";
    job_name: Cow<'a, str> = content, ours, "name of the job";
    scope_hash: Cow<'a, str> = content, ours, "hash of tenant, sources and users: what the job covers";
    sources: Vec<Cow<'a, str>> = content, ours, "what was discovered and how: `online_meetings:calendar`, `online_meetings:call-records`, `online_meetings:listed`, `webinars:tenant_list`, `webinars:organizers`, `town_halls:…`; empty where only what had failed before was asked again, so that the interval does not count as covered";
    program_version: Cow<'a, str> = content, ours, "version of teamsheet";
    interval_start: UtcMicros = content, ours, "first instant of the chunk; of an import, which covers no day, the start of its earliest report";
    interval_end: UtcMicros = content, ours, "first instant after the chunk; of an import the same as the start";
    started_at: UtcMicros = content, ours, "when the chunk started";
    finished_at: UtcMicros = content, ours, "when its tables were published";
    exit_code: i32 = content, ours, "0 or 3, as far as this chunk decides it; 75 where its time was over before everything was asked, so that its interval does not count as covered";
    sessions_by_state: Vec<NameCount<'a>> = content, ours, "sessions of this chunk by `attendance_state`";
    reports: i64 = content, ours, "reports fetched or imported";
    records: i64 = content, ours, "records fetched";
    intervals: i64 = content, ours, "intervals fetched";
    gaps_opened: i64 = content, ours, "gaps that were not open before";
    gaps_closed: i64 = content, ours, "gaps that were filled";
    requests: i64 = content, ours, "HTTP requests, repeated ones included";
    requests_by_kind: Vec<NameCount<'a>> = content, ours, "the same by kind";
    throttled_responses: i64 = content, ours, "answers 429, and 503 with Retry-After";
    throttled_seconds: i64 = content, ours, "seconds held by them";
    bytes_received: i64 = content, ours, "body bytes after decompression";
    unknown_properties: i64 = content, ours, "properties that went to `_extra`";
    partitions_published: i64 = content, ours, "partitions that got a new generation";
    partitions_unchanged: i64 = content, ours, "partitions whose content was the same";
    peak_memory_bytes: i64 = content, ours, "largest resident set of the process so far";
}
