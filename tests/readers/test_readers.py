"""DuckDB and Spark read what the demo published: the contract's types, the same values, and rows that reconcile.

Run by .ci/test, or by hand: TEAMSHEET=target/debug/teamsheet python -m unittest discover -s tests/readers -v
"""

import datetime
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import duckdb
from pyspark.sql import SparkSession

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TEAMSHEET", ROOT / "target/debug/teamsheet")).resolve()
TABLES = ["sessions", "attendance_reports", "attendance_records", "attendance_intervals", "gaps", "runs"]
DAYS = 5
DUCKDB_TYPES = {
    "UTF8": "VARCHAR",
    "INT32": "INTEGER",
    "INT64": "BIGINT",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP(MICROS, UTC)": "TIMESTAMP WITH TIME ZONE",
    "LIST<UTF8>": "VARCHAR[]",
    "LIST<STRUCT<name: UTF8, count: INT64>>": 'STRUCT("name" VARCHAR, count BIGINT)[]',
    "LIST<STRUCT<application_id: UTF8, external_event_id: UTF8>>": "STRUCT(application_id VARCHAR, external_event_id VARCHAR)[]",
}


def demo(folder, users=40):
    subprocess.run(
        [BINARY, "--quiet", "demo", "--out", folder, "--users", str(users), "--days", str(DAYS)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def contract(table):
    return json.loads((ROOT / "schemas" / f"{table}.json").read_text())


def plain(value):
    """A value as both readers can have it: times as UTC, structs as tuples."""
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return value
    if isinstance(value, dict):
        return tuple(plain(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    return value


def rows(cursor):
    return sorted((tuple(plain(value) for value in row) for row in cursor), key=repr)


class Readers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.warehouse = pathlib.Path(cls.folder.name) / "warehouse"
        demo(cls.warehouse)
        cls.duckdb = duckdb.connect()
        cls.duckdb.execute("SET TimeZone = 'UTC'")
        cls.duckdb.execute(f"SET VARIABLE warehouse = '{cls.warehouse}'")
        cls.duckdb.execute((ROOT / "schemas/duckdb.sql").read_text())
        cls.spark = (
            SparkSession.builder.master("local[2]")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.warehouse.dir", f"{cls.folder.name}/spark")
            .config("spark.sql.shuffle.partitions", "2")
            .config("warehouse", str(cls.warehouse))
            .getOrCreate()
        )
        cls.spark.sparkContext.setLogLevel("ERROR")
        ddl = "\n".join(line for line in (ROOT / "schemas/spark.sql").read_text().splitlines() if not line.startswith("--"))
        for statement in filter(str.strip, ddl.split(";\n")):
            cls.spark.sql(statement.rstrip().rstrip(";"))

    @classmethod
    def tearDownClass(cls):
        cls.spark.stop()
        cls.duckdb.close()
        cls.folder.cleanup()

    def ask(self, sql):
        return self.duckdb.execute(sql).fetchall()

    def assert_none(self, sql):
        self.assertEqual(self.ask(sql), [], sql)

    def test_duckdb_has_the_types_of_the_contract(self):
        for table in TABLES:
            described = {name: kind for name, kind, *_ in self.ask(f"DESCRIBE {table}")}
            for column in contract(table)["columns"]:
                self.assertEqual(described.pop(column["name"]), DUCKDB_TYPES[column["type"]], (table, column["name"]))
            self.assertEqual(described, {contract(table)["partition_column"]["name"]: "DATE"})

    def test_spark_reads_the_same_values_as_duckdb(self):
        for table in TABLES:
            columns = [column["name"] for column in contract(table)["columns"]]
            names = ", ".join([*columns, contract(table)["partition_column"]["name"]])
            by_duckdb = rows(self.ask(f"SELECT {names} FROM {table}"))
            by_spark = rows(map(tuple, self.spark.sql(f"SELECT {names} FROM {table}").collect()))
            self.assertGreater(len(by_duckdb), 0, table)
            for left, right in zip(by_duckdb, by_spark):
                self.assertEqual(left, right, table)
            self.assertEqual(len(by_duckdb), len(by_spark), table)

    def test_spark_without_ddl_infers_the_same_columns(self):
        for table in TABLES:
            partition = contract(table)["partition_column"]["name"]
            frame = self.spark.read.parquet(f"{self.warehouse}/{table}")
            names = [column["name"] for column in contract(table)["columns"]]
            self.assertEqual(frame.columns, [*names, partition])
            self.assertEqual(dict(frame.dtypes)[partition], "date")

    def test_a_file_without_the_newest_column_is_read_beside_the_others(self):
        older = pathlib.Path(self.folder.name) / "older"
        shutil.copytree(self.warehouse, older)
        table = "attendance_records"
        file = max((older / table).glob("event_date=*/*.parquet"), key=lambda path: path.stat().st_size)
        names = [column["name"] for column in contract(table)["columns"]]
        self.assertEqual(names[-2:], ["attendee_type", "email_domain"])
        kept = ", ".join(names[:-1])
        self.ask(f"COPY (SELECT {kept} FROM read_parquet('{file}', hive_partitioning = false)) TO '{file}.new' (FORMAT parquet)")
        os.replace(f"{file}.new", file)
        view = f"read_parquet('{older}/{table}/event_date=*/*.parquet', union_by_name = true)"
        expected = rows(self.ask(f"SELECT {kept} FROM {table}"))
        self.assertEqual(rows(self.ask(f"SELECT {kept} FROM {view}")), expected)
        schema = self.spark.table(table).schema
        frame = self.spark.read.schema(schema).parquet(f"{older}/{table}").select(*names[:-1])
        self.assertEqual(rows(map(tuple, frame.collect())), expected)

    def test_keys_are_unique(self):
        for table in TABLES:
            key = ", ".join(contract(table)["key"])
            self.assert_none(f"SELECT {key} FROM {table} GROUP BY {key} HAVING count(*) > 1")

    def test_every_child_has_its_parent_and_every_parent_its_children(self):
        self.assert_none("SELECT * FROM attendance_records ANTI JOIN attendance_reports USING (tenant_id, report_id, event_date)")
        self.assert_none("SELECT * FROM attendance_intervals ANTI JOIN attendance_records USING (tenant_id, report_id, record_index, event_date)")
        self.assert_none(
            """SELECT report_id FROM attendance_reports AS r
               LEFT JOIN sessions AS s ON s.session_id = r.session_id AND s.event_date = r.session_event_date
               WHERE s.session_id IS NULL"""
        )
        self.assert_none(
            """SELECT report_id, record_count FROM attendance_reports
               WHERE record_count <> (SELECT count(*) FROM attendance_records AS a WHERE a.report_id = attendance_reports.report_id)"""
        )
        self.assert_none(
            """SELECT report_id, record_index FROM attendance_records AS a
               WHERE interval_count <> (SELECT count(*) FROM attendance_intervals AS i
                                        WHERE i.report_id = a.report_id AND i.record_index = a.record_index)"""
        )
        self.assert_none(
            """SELECT session_id FROM sessions WHERE attendance_state = 'reported' AND report_count <>
               (SELECT count(*) FROM attendance_reports AS r WHERE r.session_id = sessions.session_id)"""
        )

    def test_derived_columns_follow_from_the_intervals(self):
        # the union of intervals by the usual gaps-and-islands query, written without a look at the program
        self.assert_none(
            """WITH closed AS (
                 SELECT report_id, record_index, join_date_time AS start, leave_date_time AS stop
                 FROM attendance_intervals WHERE leave_date_time > join_date_time),
               marked AS (
                 SELECT *, start > max(stop) OVER before AS is_new FROM closed
                 WINDOW before AS (PARTITION BY report_id, record_index ORDER BY start, stop
                                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)),
               islands AS (
                 SELECT *, count(*) FILTER (is_new) OVER (PARTITION BY report_id, record_index ORDER BY start, stop) AS island FROM marked),
               lengths AS (
                 SELECT report_id, record_index, epoch_us(max(stop)) - epoch_us(min(start)) AS micros
                 FROM islands GROUP BY report_id, record_index, island)
               SELECT a.report_id, a.record_index, a.present_seconds
               FROM attendance_records AS a LEFT JOIN lengths AS l USING (report_id, record_index)
               GROUP BY ALL HAVING a.present_seconds <> coalesce(sum(l.micros) // 1000000, 0)"""
        )
        self.assert_none(
            """SELECT report_id, record_index FROM attendance_records AS a WHERE
               (first_join_date_time, last_leave_date_time) IS DISTINCT FROM
               (SELECT (min(join_date_time), max(leave_date_time)) FROM attendance_intervals AS i
                WHERE i.report_id = a.report_id AND i.record_index = a.record_index)"""
        )
        self.assertGreater(self.ask("SELECT count(*) FROM attendance_records WHERE list_contains(quality_flags, 'overlapping_intervals')")[0][0], 0)

    def test_every_row_lies_in_the_partition_of_its_day(self):
        self.assert_none("SELECT report_id FROM attendance_reports WHERE event_date <> CAST(meeting_start_date_time AS DATE)")
        self.assert_none("SELECT session_id FROM sessions WHERE event_date <> CAST(scheduled_start AS DATE)")
        self.assert_none("SELECT run_id FROM runs WHERE run_date <> CAST(started_at AS DATE)")

    def test_days_without_rows_have_readable_typed_files(self):
        for table in TABLES[:-1]:
            folders = sorted(path.name for path in (self.warehouse / table).iterdir())
            self.assertEqual(len(folders), DAYS, table)
            self.assertTrue(all(folder.startswith("event_date=") for folder in folders))
        with tempfile.TemporaryDirectory() as folder:
            # a tenant of two users has days without gaps, reports or even sessions
            demo(folder + "/small", users=2)
            empty = 0
            for table in TABLES[:-1]:
                names = [column["name"] for column in contract(table)["columns"]]
                for path in pathlib.Path(folder, "small", table).glob("event_date=*/*.parquet"):
                    described = [name for name, *_ in self.ask(f"DESCRIBE SELECT * FROM read_parquet('{path}', hive_partitioning = false)")]
                    self.assertEqual(described, names)
                    empty += self.ask(f"SELECT count(*) FROM '{path}'")[0][0] == 0
                self.assertEqual(self.spark.read.parquet(f"{folder}/small/{table}").columns[:-1], names)
            self.assertGreater(empty, 0)

    def test_running_it_again_touches_nothing_but_the_run_ledger(self):
        def files():
            paths = self.warehouse.glob("*/*/*.parquet")
            return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in paths if path.parts[-3] != "runs"}

        before, runs = files(), self.ask("SELECT count(*) FROM runs")[0][0]
        demo(self.warehouse)
        self.assertEqual(files(), before)
        self.assertGreater(self.ask("SELECT count(*) FROM runs")[0][0], runs)


if __name__ == "__main__":
    unittest.main()
