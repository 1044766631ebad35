"""What an exit status of teamsheet means to Airflow, and what the DAGs ask for.

Run by .ci/test in an environment of its own, or by hand: target/airflow/bin/python -m unittest discover -s tests/readers/airflow -v
The DAGs as a whole run against the simulated tenant in tests/it/airflow.rs.
"""

import copy
import importlib.util
import os
import pathlib
import tempfile
import unittest
from datetime import timedelta
from types import SimpleNamespace

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = tempfile.TemporaryDirectory()
os.environ |= {"AIRFLOW_HOME": FOLDER.name, "TEAMSHEET_FOLDER": FOLDER.name, "PATH": f"{FOLDER.name}:{os.environ['PATH']}"}

import pendulum  # noqa: E402
from airflow.sdk.exceptions import AirflowException, AirflowFailException  # noqa: E402
from airflow.serialization.encoders import coerce_to_core_timetable  # noqa: E402

spec = importlib.util.spec_from_file_location("airflow_dag", ROOT / "jobs/airflow_dag.py")
dags = importlib.util.module_from_spec(spec)
spec.loader.exec_module(dags)


def tearDownModule():
    FOLDER.cleanup()


class Dags(unittest.TestCase):
    def ended(self, status, last_line='{"open_gaps": 2, "gaps_by_reason": {"forbidden": 2}}'):
        """The operator's result where teamsheet, a stand-in here, ends like this; and the asset event's extra."""
        program = pathlib.Path(FOLDER.name, "teamsheet")
        program.write_text(f"#!/bin/sh\necho \"$@\" > {FOLDER.name}/arguments\necho summary\necho log >&2\necho '{last_line}'\nexit {status}\n")
        program.chmod(0o700)
        operator = dags.nightly.get_task("run")
        event = SimpleNamespace(extra=None)
        return operator.execute({"outlet_events": {dags.ATTENDANCE: event}}), event.extra

    def test_the_last_line_is_the_xcom_and_the_events_extra(self):
        result, extra = self.ended(0)
        self.assertEqual(result["open_gaps"], 2)
        self.assertEqual(extra, result)

    def test_gaps_do_not_fail_the_task(self):
        result, _ = self.ended(3)
        self.assertEqual(result["open_gaps"], 2)

    def test_only_75_is_tried_again(self):
        with self.assertRaises(AirflowException) as failed:
            self.ended(75)
        self.assertNotIsInstance(failed.exception, AirflowFailException)
        for status in (1, 2, 4, 5, 130, 143):
            with self.assertRaises(AirflowFailException, msg=status):
                self.ended(status)

    def test_a_nightly_run_is_a_day_of_24_hours(self):
        timetable = coerce_to_core_timetable(dags.nightly.timetable)
        interval = timetable.infer_manual_data_interval(run_after=pendulum.datetime(2026, 2, 1))
        self.assertEqual(interval.end - interval.start, timedelta(hours=24))
        self.assertEqual(interval.start.isoformat(), "2026-01-31T00:00:00+00:00")

    def asked(self, context):
        """The arguments that teamsheet gets in a run with this template context."""
        operator = copy.copy(dags.nightly.get_task("run"))
        operator.render_template_fields(context)
        program = pathlib.Path(FOLDER.name, "teamsheet")
        program.write_text(f"#!/bin/sh\necho \"$#: $@\" > {FOLDER.name}/arguments\necho '{{}}'\n")
        program.chmod(0o700)
        operator.execute({"outlet_events": {dags.ATTENDANCE: SimpleNamespace(extra=None)}})
        return pathlib.Path(FOLDER.name, "arguments").read_text().strip()

    def test_a_run_with_a_data_interval_asks_for_it(self):
        days = {"data_interval_start": pendulum.datetime(2026, 1, 31), "data_interval_end": pendulum.datetime(2026, 2, 1)}
        self.assertEqual(
            self.asked(days),
            "5: run --job=jobs/nightly.toml --log-format=json --interval-start=2026-01-31T00:00:00+00:00 --interval-end=2026-02-01T00:00:00+00:00",
        )

    def test_a_run_without_a_date_lands_what_is_due(self):
        # Airflow leaves the keys out; a run by an asset has them as None
        for context in ({}, {"data_interval_start": None, "data_interval_end": None}):
            self.assertEqual(self.asked(context), "3: run --job=jobs/nightly.toml --log-format=json")

    def test_a_backfill_is_mapped_over_chunks_one_at_a_time_oldest_first(self):
        chunks = dags.backfill.get_task("chunks").python_callable
        params = {"from": "2026-01-01", "to": "2026-01-18", "chunk_days": 7, "reprocess": "failed"}
        bounds = [(arguments[3], arguments[4]) for arguments in chunks(params)]
        self.assertEqual(
            bounds,
            [
                ("--from=2026-01-01", "--to=2026-01-08"),
                ("--from=2026-01-08", "--to=2026-01-15"),
                ("--from=2026-01-15", "--to=2026-01-18"),
            ],
        )
        self.assertTrue(all("--reprocess=failed" in arguments for arguments in chunks(params)))
        mapped = dags.backfill.get_task("backfill")
        self.assertEqual(mapped.partial_kwargs["max_active_tis_per_dagrun"], 1)
        with self.assertRaises(AirflowFailException):
            chunks(params | {"to": "2026-01-01"})


if __name__ == "__main__":
    unittest.main()
