"""The nightly run and the backfill as DAGs for Airflow 3 (3.2 or newer, with apache-airflow-providers-standard).

`teamsheet_nightly`: one DAG run lands one day. Airflow hands over the day as a data interval, so a retry, a cleared run and
`airflow backfill create` all ask for exactly the same day again, and teamsheet lands the same rows again. A run by hand or by an asset
that has no date, and so no data interval, lands what a night without Airflow would: from where the job was last complete to yesterday.

`teamsheet_backfill`: started by hand with two dates; one mapped task a chunk of days, oldest first.

The last line of teamsheet's standard output is JSON; it becomes the task's XCom (`reports`, `open_gaps`, `exit_code`, ...) and the extra
of the asset event that tells other DAGs that the warehouse has something new.
"""

import json
import os
from datetime import date, datetime, timedelta, timezone
from functools import cached_property

from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, Asset, BaseOperator, CronDataIntervalTimetable, Param, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

# The folder with jobs/ and the warehouse. The worker's environment holds TEAMSHEET_CLIENT_SECRET.
FOLDER = os.environ.get("TEAMSHEET_FOLDER", "/srv/teamsheet")
ATTENDANCE = Asset(name="teams_attendance", uri=f"file://{FOLDER}/warehouse")

PUBLISHED, WITH_GAPS, TRY_AGAIN = 0, 3, 75


class TeamsheetOperator(BaseOperator):
    """Runs teamsheet, and tells Airflow what its exit status means.

    0 is success. 3 is "published, with open gaps that are listed": the data is usable, so the task succeeds with a warning in its log.
    75 is "throttled or down past the deadline": Airflow tries again. Every other status is one that another try does not mend.
    """

    template_fields = ("arguments",)

    def __init__(self, *, arguments, **kwargs):
        super().__init__(**kwargs)
        self.arguments = arguments

    @cached_property
    def hook(self):
        return SubprocessHook()

    def execute(self, context):
        # without a data interval its bounds are empty
        arguments = [argument for argument in self.arguments if argument]
        ended = self.hook.run_command(["teamsheet", *arguments], cwd=FOLDER)
        if ended.exit_code == TRY_AGAIN:
            raise AirflowException("throttled or down past the deadline; nothing is lost, the next try goes on from here")
        if ended.exit_code not in (PUBLISHED, WITH_GAPS):
            raise AirflowFailException(f"teamsheet ended with {ended.exit_code}; its last lines are above")
        summary = json.loads(ended.output)
        if ended.exit_code == WITH_GAPS:
            self.log.warning("published, with %s open gaps: %s", summary["open_gaps"], summary["gaps_by_reason"])
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = summary
        return summary

    def on_kill(self):
        # teamsheet stops within 5 seconds, and nothing is half-published
        self.hook.send_sigterm()


DEFAULTS = {
    "retries": 4,
    "retry_delay": timedelta(minutes=30),
    # above the job's own deadline, which ends a run in good order
    "execution_timeout": timedelta(hours=7),
}

with DAG(
    dag_id="teamsheet_nightly",
    description="Microsoft Teams attendance of one day, into Parquet",
    # Not a bare cron string: Airflow 3 would give it a data interval without length.
    # The time zone is that of the warehouse, so that a data interval is one of its days.
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    # A day that was missed while Airflow was down is landed later; one day at a time.
    catchup=True,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["teams", "attendance"],
) as nightly:
    TeamsheetOperator(
        task_id="run",
        arguments=[
            "run",
            "--job=jobs/nightly.toml",
            "--log-format=json",
            "{% if data_interval_start is defined and data_interval_start %}--interval-start={{ data_interval_start | ts }}{% endif %}",
            "{% if data_interval_end is defined and data_interval_end %}--interval-end={{ data_interval_end | ts }}{% endif %}",
        ],
        outlets=[ATTENDANCE],
    )

with DAG(
    dag_id="teamsheet_backfill",
    description="Microsoft Teams attendance of a range of days, in chunks",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    max_active_runs=1,
    params={
        "from": Param("2026-01-01", type="string", format="date", description="The first day"),
        "to": Param("2026-02-01", type="string", format="date", description="The day after the last"),
        "chunk_days": Param(7, type="integer", minimum=1, maximum=31, description="Days a task"),
        "reprocess": Param("missing", enum=["missing", "failed", "all"], description="What to fetch again of what is published"),
    },
    default_args=DEFAULTS,
    tags=["teams", "attendance"],
) as backfill:

    @task
    def chunks(params):
        """The arguments of one teamsheet a chunk, oldest first: Graph keeps attendance for one year."""
        start, end = date.fromisoformat(params["from"]), date.fromisoformat(params["to"])
        if start >= end:
            raise AirflowFailException("`from` must lie before `to`, and `to` is not part of the range")
        days = range(0, (end - start).days, params["chunk_days"])
        bounds = [start + timedelta(days=day) for day in days] + [end]
        return [
            [
                "backfill",
                "--job=jobs/backfill.toml",
                "--log-format=json",
                f"--from={first}",
                f"--to={last}",
                f"--reprocess={params['reprocess']}",
            ]
            for first, last in zip(bounds, bounds[1:])
        ]

    # One chunk at a time: Graph's quota belongs to the app and the tenant, so two at once are not faster.
    TeamsheetOperator.partial(
        task_id="backfill",
        max_active_tis_per_dagrun=1,
        map_index_template="{{ task.arguments[3] }}",
        outlets=[ATTENDANCE],
    ).expand(arguments=chunks())
