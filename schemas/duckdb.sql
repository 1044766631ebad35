-- Views over the warehouse in ./warehouse; elsewhere: SET VARIABLE warehouse = '/path/to/warehouse';

-- one row per join/leave pair
CREATE OR REPLACE VIEW attendance_intervals AS
SELECT * FROM read_parquet(
    coalesce(getvariable('warehouse'), './warehouse') || '/attendance_intervals/event_date=*/*.parquet',
    hive_partitioning = true, hive_types = {'event_date': DATE}, union_by_name = true);

-- one row per attendee in a report
CREATE OR REPLACE VIEW attendance_records AS
SELECT * FROM read_parquet(
    coalesce(getvariable('warehouse'), './warehouse') || '/attendance_records/event_date=*/*.parquet',
    hive_partitioning = true, hive_types = {'event_date': DATE}, union_by_name = true);

-- one row per report: one time a meeting or session was actually held
CREATE OR REPLACE VIEW attendance_reports AS
SELECT * FROM read_parquet(
    coalesce(getvariable('warehouse'), './warehouse') || '/attendance_reports/event_date=*/*.parquet',
    hive_partitioning = true, hive_types = {'event_date': DATE}, union_by_name = true);

-- one row per thing that could have attendance: an occurrence of an online meeting, a session of a webinar or town hall
CREATE OR REPLACE VIEW sessions AS
SELECT * FROM read_parquet(
    coalesce(getvariable('warehouse'), './warehouse') || '/sessions/event_date=*/*.parquet',
    hive_partitioning = true, hive_types = {'event_date': DATE}, union_by_name = true);

-- one row per thing known to be missing from a day
CREATE OR REPLACE VIEW gaps AS
SELECT * FROM read_parquet(
    coalesce(getvariable('warehouse'), './warehouse') || '/gaps/event_date=*/*.parquet',
    hive_partitioning = true, hive_types = {'event_date': DATE}, union_by_name = true);

-- one row per finished chunk of a run or backfill
CREATE OR REPLACE VIEW runs AS
SELECT * FROM read_parquet(
    coalesce(getvariable('warehouse'), './warehouse') || '/runs/run_date=*/*.parquet',
    hive_partitioning = true, hive_types = {'run_date': DATE}, union_by_name = true);

-- one row per person and session: the reports of a session and the records of a person together, overlaps counted once
-- person_key: the same person in every session; null where nothing tells who it was, and then each record is a row of its own
-- attendee_type: as in attendance_records; what a report alone does not tell is told by the domains of all organizers
-- scheduled_start and _end are the calendar's, held_from and _until are when it was really held; event_date is the session's
-- present_seconds: null where no interval has both ends, so that averages leave it out
CREATE OR REPLACE VIEW attendees AS
WITH records AS (
    SELECT * FROM attendance_records
    UNION ALL BY NAME SELECT NULL::VARCHAR AS attendee_type, NULL::VARCHAR AS email_domain WHERE false
), own_domains AS (
    SELECT lower(split_part(organizer_email, '@', -1)) AS domain FROM sessions
    WHERE source = 'online_meeting' AND organizer_email LIKE '%_@_%'
    UNION SELECT email_domain FROM records WHERE attendee_type = 'member' AND email_domain IS NOT NULL
), people AS (
    SELECT a.*, r.session_id, r.session_event_date, r.subject, r.meeting_end_date_time,
        coalesce(r.session_id, r.report_id) AS held_as,
        CASE
            WHEN regexp_matches(a.identity_id, '[^-0]') AND coalesce(a.identity_type, '') NOT IN ('communicationsGuestIdentity', 'guest')
                THEN 'id:' || lower(a.identity_id)
            WHEN a.email_address LIKE '%_@_%' THEN 'mail:' || lower(trim(a.email_address))
            WHEN regexp_matches(coalesce(nullif(a.identity_id, ''), a.record_id), '[^-0]')
                THEN 'id:' || lower(coalesce(nullif(a.identity_id, ''), a.record_id))
        END AS person_key,
        coalesce(person_key, a.report_id || '/' || a.record_index) AS person_or_record,
        coalesce(a.email_domain, CASE WHEN a.email_address LIKE '%_@_%' THEN lower(split_part(trim(a.email_address), '@', -1)) END) AS domain,
        CASE
            WHEN a.attendee_type IS NOT NULL THEN a.attendee_type
            WHEN a.is_external THEN 'external'
            WHEN domain IN (SELECT o.domain FROM own_domains AS o) THEN 'member'
            WHEN NOT a.is_external AND domain IS NOT NULL THEN 'guest'
        END AS kind
    FROM records AS a JOIN attendance_reports AS r USING (tenant_id, report_id)
), kinds AS (
    SELECT tenant_id, person_key, min(kind) AS kind FROM people WHERE person_key IS NOT NULL GROUP BY ALL
), stays AS (
    SELECT p.tenant_id, p.held_as, p.person_or_record, i.join_date_time, i.leave_date_time,
        max(i.leave_date_time) OVER (
            PARTITION BY p.tenant_id, p.held_as, p.person_or_record ORDER BY i.join_date_time, i.leave_date_time
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS counted_until
    FROM people AS p JOIN attendance_intervals AS i USING (tenant_id, report_id, record_index)
    WHERE i.leave_date_time >= i.join_date_time
), presence AS (
    SELECT tenant_id, held_as, person_or_record,
        sum(greatest(0, epoch_us(leave_date_time) - greatest(epoch_us(join_date_time), coalesce(epoch_us(counted_until), 0))))::BIGINT // 1000000 AS present_seconds
    FROM stays GROUP BY ALL
), attended AS (
    SELECT tenant_id, held_as, person_or_record, any_value(session_id) AS session_id, any_value(session_event_date) AS session_event_date,
        min(event_date) AS held_date, any_value(source) AS source, any_value(subject) AS subject, any_value(person_key) AS person_key,
        any_value(identity_display_name) AS display_name, any_value(nullif(trim(email_address), '')) AS email_address,
        any_value(domain) AS email_domain, min(kind) AS attendee_type, list_sort(list_distinct(list(role))) AS roles,
        count(DISTINCT report_id) AS reports, count(*) AS records,
        min(meeting_start_date_time) AS held_from, max(meeting_end_date_time) AS held_until,
        min(first_join_date_time) AS first_join_date_time, max(last_leave_date_time) AS last_leave_date_time,
        bool_or(list_contains(quality_flags, 'open_interval')) AS has_open_interval
    FROM people GROUP BY ALL
)
SELECT coalesce(t.session_event_date, t.held_date) AS event_date, t.tenant_id, t.session_id, t.source, t.subject, s.organizer_id,
    s.scheduled_start, s.scheduled_end, t.held_from, t.held_until, t.person_key, t.display_name, t.email_address, t.email_domain,
    coalesce(t.attendee_type, k.kind) AS attendee_type, t.roles, t.reports, t.records, t.first_join_date_time, t.last_leave_date_time, p.present_seconds, t.has_open_interval
FROM attended AS t
LEFT JOIN presence AS p USING (tenant_id, held_as, person_or_record)
LEFT JOIN kinds AS k USING (tenant_id, person_key)
LEFT JOIN sessions AS s USING (tenant_id, session_id);
