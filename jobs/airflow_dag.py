"""The nightly run as an Airflow 3 DAG (3.2 or newer, with apache-airflow-providers-standard).

One DAG run lands one day. Airflow hands over the day as a data interval, so a retry, a cleared run and
`airflow backfill create` all ask for exactly the same day again, and teamsheet lands the same rows again.
The last line of standard output is JSON; it becomes the task's XCom: `reports`, `open_gaps`, `exit_code`, ...
"""

import json
from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, CronDataIntervalTimetable

# Exit status 3 is "published, with open gaps that are listed": the data is usable, so the task succeeds and
# the XCom says `"exit_code": 3`. Every other status fails the task, and Airflow tries it again; 75 (throttled
# or down past the deadline) is the one for which that helps. Nothing is printed behind teamsheet's last line.
RUN = """
teamsheet run --job jobs/nightly.toml --log-format json \
  --interval-start {{ data_interval_start | ts }} --interval-end {{ data_interval_end | ts }}
status=$?
if [ "$status" -eq 3 ]; then exit 0; fi
exit "$status"
"""

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
    default_args={
        "retries": 4,
        "retry_delay": timedelta(minutes=30),
        # above the job's own deadline, which ends a run in good order
        "execution_timeout": timedelta(hours=7),
    },
    tags=["teams", "attendance"],
) as dag:
    BashOperator(
        task_id="run",
        bash_command=RUN,
        # The folder with jobs/ and the warehouse. The worker's environment holds TEAMSHEET_CLIENT_SECRET.
        cwd="/srv/teamsheet",
        output_processor=json.loads,
        do_xcom_push=True,
    )
