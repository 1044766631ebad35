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
