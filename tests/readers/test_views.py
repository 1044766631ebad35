"""The view over several tables in schemas/duckdb.sql: people by session, whoever they are."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TEAMSHEET", ROOT / "target/debug/teamsheet")).resolve()


def opened(warehouse):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET VARIABLE warehouse = '{warehouse}'")
    connection.execute((ROOT / "schemas/duckdb.sql").read_text())
    return connection


class Attendees(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.warehouse = pathlib.Path(cls.folder.name) / "warehouse"
        flags = ["demo", "--out", cls.warehouse, "--users", "60", "--days", "8"]
        subprocess.run([BINARY, "--quiet", *flags], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.duckdb = opened(cls.warehouse)

    @classmethod
    def tearDownClass(cls):
        cls.duckdb.close()
        cls.folder.cleanup()

    def ask(self, sql):
        return self.duckdb.execute(sql).fetchall()

    def test_a_person_is_one_row_a_session_and_no_record_is_left_out(self):
        [(rows, records)] = self.ask("SELECT count(*), sum(records) FROM attendees")
        self.assertEqual(records, self.ask("SELECT count(*) FROM attendance_records")[0][0])
        self.assertLess(rows, records, "somebody came to two reports of one session")
        twice = "SELECT session_id, person_key FROM attendees WHERE person_key IS NOT NULL GROUP BY ALL HAVING count(*) > 1"
        self.assertEqual(self.ask(twice), [])

    def test_presence_is_the_union_of_all_intervals_of_a_person_in_a_session(self):
        stays = self.ask(
            """SELECT r.session_id, coalesce(nullif(a.identity_id, ''), a.record_id), epoch_us(i.join_date_time), epoch_us(i.leave_date_time)
               FROM attendance_intervals AS i JOIN attendance_records AS a USING (report_id, record_index)
               JOIN attendance_reports AS r USING (report_id)
               WHERE i.leave_date_time IS NOT NULL AND i.join_date_time IS NOT NULL AND a.identity_type = 'communicationsUserIdentity'
               ORDER BY 3, 4"""
        )
        wanted, until = {}, {}
        for session, person, join, leave in stays:
            key = (session, f"id:{person.lower()}")
            wanted[key] = wanted.get(key, 0) + max(0, leave - max(join, until.get(key, 0)))
            until[key] = max(until.get(key, 0), leave)
        seen = self.ask("SELECT session_id, person_key, present_seconds FROM attendees WHERE person_key IS NOT NULL")
        seen = {(session, person): seconds for session, person, seconds in seen}
        for key, micros in wanted.items():
            self.assertGreaterEqual(seen[key], micros // 1_000_000, key)
        exact = sum(seen[key] == micros // 1_000_000 for key, micros in wanted.items())
        self.assertGreater(exact, len(wanted) * 0.9, "the rest has records of other kinds, too")
        open_only = "SELECT count(*) FROM attendees WHERE present_seconds IS NULL AND NOT has_open_interval"
        self.assertEqual(self.ask(open_only), [(0,)])

    def test_foreign_addresses_under_our_tenant_are_guests(self):
        foreign = self.ask(
            """SELECT DISTINCT p.attendee_type FROM attendance_records AS a JOIN attendees AS p
               ON p.person_key = 'id:' || lower(a.identity_id)
               WHERE a.is_external = false AND a.email_domain <> 'contoso.example'"""
        )
        self.assertEqual(foreign, [("guest",)])
        ours = "SELECT DISTINCT attendee_type FROM attendees WHERE email_domain = 'contoso.example'"
        self.assertEqual(self.ask(ours), [("member",)])

    def test_files_of_before_are_read(self):
        older = pathlib.Path(self.folder.name) / "older"
        for file in self.warehouse.rglob("*.parquet"):
            copy = older / file.relative_to(self.warehouse)
            copy.parent.mkdir(parents=True)
            without = "EXCLUDE (attendee_type, email_domain)" if "attendance_records" in str(file) else ""
            self.ask(f"COPY (SELECT * {without} FROM read_parquet('{file}', hive_partitioning = false)) TO '{copy}' (FORMAT parquet)")
        query = "SELECT event_date, session_id, person_key, email_domain, present_seconds FROM attendees ORDER BY ALL"
        with opened(older) as connection:
            self.assertEqual(connection.execute(query).fetchall(), self.ask(query))
            kinds = connection.execute("SELECT DISTINCT attendee_type FROM attendees WHERE email_domain = 'contoso.example'").fetchall()
            self.assertEqual(kinds, [("member",)])


if __name__ == "__main__":
    unittest.main()
