-- External tables over the warehouse; first: SET warehouse=/path/to/warehouse;
-- Run the MSCK statements again after each run, so that Spark sees new days.

-- one row per join/leave pair
CREATE TABLE IF NOT EXISTS attendance_intervals (
    tenant_id STRING COMMENT 'GUID of the tenant',
    report_id STRING COMMENT 'the report',
    record_index INT COMMENT 'the record within the report',
    interval_index INT COMMENT '0, 1, 2 … in Graph\'s order',
    join_date_time TIMESTAMP COMMENT 'null where Graph has none',
    leave_date_time TIMESTAMP COMMENT 'null where Graph has none',
    duration_in_seconds INT COMMENT 'Graph\'s number, 0 where it lacks the times',
    event_date DATE
)
USING parquet
PARTITIONED BY (event_date)
LOCATION '${warehouse}/attendance_intervals';
MSCK REPAIR TABLE attendance_intervals;

-- one row per attendee in a report
CREATE TABLE IF NOT EXISTS attendance_records (
    tenant_id STRING COMMENT 'GUID of the tenant',
    report_id STRING COMMENT 'the report',
    record_index INT COMMENT '0, 1, 2 … in canonical order: `record_id`, `identity_id`, `email_address`, first join, rest',
    source STRING COMMENT '`online_meeting`, `webinar` or `town_hall`',
    event_id STRING COMMENT 'id of the online meeting, webinar or town hall',
    meeting_start_date_time TIMESTAMP COMMENT 'the report\'s start',
    record_id STRING COMMENT 'id of the record; often missing, never a key by itself',
    email_address STRING COMMENT 'as Graph sent it: null and empty are both possible',
    identity_type STRING COMMENT 'kind of identity without `#microsoft.graph.`, or the member of an identity set',
    identity_id STRING COMMENT 'object id, `8:acs:…`, phone number, or null',
    identity_display_name STRING COMMENT 'name',
    identity_tenant_id STRING COMMENT 'the attendee\'s own tenant',
    is_external BOOLEAN COMMENT 'whether the tenant id that Graph gives of the attendee is another one than ours; null where it gives none. A guest has an account in our tenant, so that of a guest is false or null: `attendee_type` tells guests',
    role STRING COMMENT 'free text; documented: None, Attendee, Presenter, Organizer',
    total_attendance_in_seconds INT COMMENT 'Graph\'s total',
    registration_id STRING COMMENT 'id of the webinar registration',
    external_registration_referrer STRING COMMENT 'partner that registered the attendee',
    external_registration_id STRING COMMENT 'that partner\'s registration id',
    interval_count INT COMMENT 'rows in `attendance_intervals`',
    first_join_date_time TIMESTAMP COMMENT 'earliest join',
    last_leave_date_time TIMESTAMP COMMENT 'latest leave',
    present_seconds BIGINT COMMENT 'length of the union of the intervals that have both ends: overlaps count once; truncated to seconds. Where an interval lacks an end (`open_interval`) it is too short, and 0 where none has both: leave those out of averages. Where a file has no single joins and leaves, its total',
    quality_flags ARRAY<STRING> COMMENT 'what is odd about the record; sorted, empty where nothing is. `imported`: it is from a file that somebody saved from Teams',
    _extra STRING COMMENT 'JSON object, keyed by path, of properties the contract does not know; null where there are none',
    attendee_type STRING COMMENT '`member` (of our tenant), `guest` (a guest identity or account), `external` (of another tenant), `anonymous` (no account), `phone` or `application`; null where the report does not tell, as for an account of our tenant whose address is not of the organizer\'s domain',
    email_domain STRING COMMENT 'domain of `email_address` in lower case; of a guest\'s `…#EXT#@…`, that of the guest\'s own address; null without an address',
    event_date DATE
)
USING parquet
PARTITIONED BY (event_date)
LOCATION '${warehouse}/attendance_records';
MSCK REPAIR TABLE attendance_records;

-- one row per report: one time a meeting or session was actually held
CREATE TABLE IF NOT EXISTS attendance_reports (
    tenant_id STRING COMMENT 'GUID of the tenant',
    report_id STRING COMMENT 'id of the report; `imported-…`, made of title, minute of the start and who held it, where it was imported from a file',
    source STRING COMMENT '`online_meeting`, `webinar` or `town_hall`',
    event_id STRING COMMENT 'id of the online meeting, webinar or town hall',
    session_id STRING COMMENT 'the session it belongs to: most overlap, else nearest start; once set it stays',
    session_event_date DATE COMMENT 'partition of that session',
    organizer_id STRING COMMENT 'object id of the organizer',
    subject STRING COMMENT 'title of the session',
    meeting_start_date_time TIMESTAMP COMMENT 'when it was actually held, not the schedule',
    meeting_end_date_time TIMESTAMP COMMENT 'when it actually ended',
    total_participant_count INT COMMENT 'Graph\'s number of participants',
    record_count INT COMMENT 'records that were fetched and published',
    external_event_information ARRAY<STRUCT<application_id: STRING, external_event_id: STRING>> COMMENT 'partners\' ids of the event',
    quality_flags ARRAY<STRING> COMMENT 'what is odd about the report; sorted, empty where nothing is. `imported`: it is not Graph\'s but from a file that somebody saved from Teams, and what that lacks is null',
    _content_hash STRING COMMENT 'hash of the report with all its records and intervals',
    _run_id STRING COMMENT 'the run that wrote this row',
    _fetched_at TIMESTAMP COMMENT 'start of the run that fetched it',
    _extra STRING COMMENT 'JSON object, keyed by path, of properties the contract does not know; null where there are none',
    event_date DATE
)
USING parquet
PARTITIONED BY (event_date)
LOCATION '${warehouse}/attendance_reports';
MSCK REPAIR TABLE attendance_reports;

-- one row per thing that could have attendance: an occurrence of an online meeting, a session of a webinar or town hall
CREATE TABLE IF NOT EXISTS sessions (
    tenant_id STRING COMMENT 'GUID of the tenant (the token\'s `tid`)',
    session_id STRING COMMENT 'hash of tenant, source, organizer, iCalUId and scheduled start; for a virtual event, of event and session id; for a call without an occurrence, of organizer, join link and call record; for one that was imported, of title, minute of the start and who held it',
    source STRING COMMENT '`online_meeting`, `webinar` or `town_hall`',
    event_id STRING COMMENT 'id of the online meeting, webinar or town hall; null while not resolved',
    occurrence_id STRING COMMENT 'what tells this occurrence from its siblings',
    series_id STRING COMMENT 'the recurring series it belongs to',
    subject STRING COMMENT 'the title',
    organizer_id STRING COMMENT 'object id of the organizer',
    organizer_email STRING COMMENT 'e-mail address of the organizer',
    organizer_display_name STRING COMMENT 'name of the organizer',
    scheduled_start TIMESTAMP COMMENT 'scheduled start; `event_date` is its day in the warehouse\'s time zone',
    scheduled_end TIMESTAMP COMMENT 'scheduled end',
    join_web_url STRING COMMENT 'the join link',
    is_cancelled BOOLEAN COMMENT 'whether it was cancelled',
    status STRING COMMENT '`draft`, `published`, `canceled` of a virtual event; null for online meetings',
    discovered_by ARRAY<STRING> COMMENT 'the routes that found it: `calendar`, `call-records`, `listed`, `webinars`, `town_halls`; `imported` where only a file that somebody saved from Teams shows it',
    attendance_state STRING COMMENT '`reported`, `empty` (nobody came to what was not cancelled), `cancelled` (cancelled, and no report), `not_ready`, `forbidden`, `gone`, `over_cap`, `unsupported` or `failed`',
    attendance_state_reason STRING COMMENT 'which of the causes, where a state has several',
    is_final BOOLEAN COMMENT 'whether no later answer is expected: settled, given up, or for ever',
    report_count INT COMMENT 'reports that Graph listed for this session, or that were imported for it',
    removed_at TIMESTAMP COMMENT 'when a later complete reading no longer showed it',
    checked_at TIMESTAMP COMMENT 'start of the run that last asked about it',
    _run_id STRING COMMENT 'the run that wrote this row',
    _extra STRING COMMENT 'JSON object, keyed by path, of properties the contract does not know; null where there are none',
    event_date DATE
)
USING parquet
PARTITIONED BY (event_date)
LOCATION '${warehouse}/sessions';
MSCK REPAIR TABLE sessions;

-- one row per thing known to be missing from a day
CREATE TABLE IF NOT EXISTS gaps (
    tenant_id STRING COMMENT 'GUID of the tenant',
    gap_id STRING COMMENT 'hash of day, stage, organizer, session, report and record position; of what a whole list lacks, of its scope too',
    source STRING COMMENT '`online_meeting`, `webinar` or `town_hall`',
    stage STRING COMMENT '`discover`, `list_reports`, `fetch_records` or `read_record`',
    organizer_id STRING COMMENT 'whose calendar or event',
    session_id STRING COMMENT 'whose reports',
    report_id STRING COMMENT 'whose records',
    record_index INT COMMENT 'which record, as Graph listed them from 0',
    reason STRING COMMENT '`forbidden`, `gone`, `over_cap`, `call_records_expired`, `no_join_url`, `throttled`, `server_error`, …',
    http_status INT COMMENT 'status of the last answer',
    graph_code STRING COMMENT 'code of the last answer',
    attempts INT COMMENT 'runs that tried',
    first_seen_at TIMESTAMP COMMENT 'start of the run that first met it',
    last_tried_at TIMESTAMP COMMENT 'start of the run that last tried',
    closed_at TIMESTAMP COMMENT 'when it was filled; null while open',
    closed_by_run_id STRING COMMENT 'the run that filled it',
    _run_id STRING COMMENT 'the run that wrote this row',
    is_final BOOLEAN COMMENT 'whether it will never be filled; such a gap does not change the exit code. Null in rows of earlier versions, where `gone`, `over_cap` and `call_records_expired` were',
    same_answer_since TIMESTAMP COMMENT 'start of the run that first met the present answer; null where asking again proves nothing',
    same_answer_days INT COMMENT 'on how many different days (UTC) that answer was met; it is believed from three days on',
    missing_from TIMESTAMP COMMENT 'the first instant of the day that was not read; null: from its midnight',
    missing_until TIMESTAMP COMMENT 'the first instant after that; null: up to the next midnight',
    scope STRING COMMENT 'whose reading can fill it, where the organizer does not tell: `all`, `me:…`, `group:…`, `users:…` and the ways of discovery',
    event_date DATE
)
USING parquet
PARTITIONED BY (event_date)
LOCATION '${warehouse}/gaps';
MSCK REPAIR TABLE gaps;

-- one row per finished chunk of a run or backfill
CREATE TABLE IF NOT EXISTS runs (
    run_id STRING COMMENT 'id of the chunk',
    invocation_id STRING COMMENT 'the execution of the program; its chunks share it',
    tenant_id STRING COMMENT 'GUID of the tenant',
    verb STRING COMMENT '`run`, `backfill` or `import`',
    job_name STRING COMMENT 'name of the job',
    scope_hash STRING COMMENT 'hash of tenant, sources and users: what the job covers',
    sources ARRAY<STRING> COMMENT 'what was discovered and how: `online_meetings:calendar`, `online_meetings:call-records`, `online_meetings:listed`, `webinars:tenant_list`, `webinars:organizers`, `town_halls:…`; empty where only what had failed before was asked again, so that the interval does not count as covered',
    program_version STRING COMMENT 'version of teamsheet',
    interval_start TIMESTAMP COMMENT 'first instant of the chunk; of an import, which covers no day, the start of its earliest report',
    interval_end TIMESTAMP COMMENT 'first instant after the chunk; of an import the same as the start',
    started_at TIMESTAMP COMMENT 'when the chunk started',
    finished_at TIMESTAMP COMMENT 'when its tables were published',
    exit_code INT COMMENT '0 or 3, as far as this chunk decides it; 75 where its time was over before everything was asked, so that its interval does not count as covered',
    sessions_by_state ARRAY<STRUCT<name: STRING, count: BIGINT>> COMMENT 'sessions of this chunk by `attendance_state`',
    reports BIGINT COMMENT 'reports fetched or imported',
    records BIGINT COMMENT 'records fetched',
    intervals BIGINT COMMENT 'intervals fetched',
    gaps_opened BIGINT COMMENT 'gaps that were not open before',
    gaps_closed BIGINT COMMENT 'gaps that were filled',
    requests BIGINT COMMENT 'HTTP requests, repeated ones included',
    requests_by_kind ARRAY<STRUCT<name: STRING, count: BIGINT>> COMMENT 'the same by kind',
    throttled_responses BIGINT COMMENT 'answers 429, and 503 with Retry-After',
    throttled_seconds BIGINT COMMENT 'seconds held by them',
    bytes_received BIGINT COMMENT 'body bytes after decompression',
    unknown_properties BIGINT COMMENT 'properties that went to `_extra`',
    partitions_published BIGINT COMMENT 'partitions that got a new generation',
    partitions_unchanged BIGINT COMMENT 'partitions whose content was the same',
    peak_memory_bytes BIGINT COMMENT 'largest resident set of the process so far',
    run_date DATE
)
USING parquet
PARTITIONED BY (run_date)
LOCATION '${warehouse}/runs';
MSCK REPAIR TABLE runs;
