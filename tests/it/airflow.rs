//! The DAGs of `jobs/airflow_dag.py` in a real Airflow, against the simulated tenant.
//!
//! Needs Airflow, which `.ci/test` installs, so it runs only when asked for:
//! `AIRFLOW=target/airflow/bin/airflow cargo test --locked --test it -- --ignored airflow`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use teamsheet::simulated_tenant::{CLIENT_SECRET, Fault, FaultAnswer, FaultEffect};
use teamsheet::time::DAY;

use crate::support::{Published, Stand, utc_date};

/// An Airflow of its own, with `SQLite` and the DAGs of `jobs/`.
struct Airflow<'a> {
    program: PathBuf,
    stand: &'a Stand,
}

impl<'a> Airflow<'a> {
    fn new(stand: &'a Stand) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = std::env::var("AIRFLOW").map_or_else(
            |_| root.join("target/airflow/bin/airflow"),
            |path| root.join(path),
        );
        let folder = stand.folder.path();
        std::fs::create_dir_all(folder.join("dags")).unwrap();
        std::fs::create_dir_all(folder.join("jobs")).unwrap();
        std::fs::copy(
            root.join("jobs/airflow_dag.py"),
            folder.join("dags/teamsheet.py"),
        )
        .unwrap();
        // the jobs as they are, for the simulated tenant
        for name in ["nightly", "backfill"] {
            let job = std::fs::read_to_string(stand.job(&stand.warehouse(), "")).unwrap();
            let job = format!("name = \"{name}\"\n{job}");
            std::fs::write(folder.join(format!("jobs/{name}.toml")), job).unwrap();
        }
        let airflow = Self { program, stand };
        airflow.expect(&["db", "migrate"]);
        airflow.expect(&["dags", "reserialize"]);
        airflow
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let folder = self.stand.folder.path();
        let binaries = Path::new(env!("CARGO_BIN_EXE_teamsheet")).parent().unwrap();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
        Command::new(&self.program)
            .args(arguments)
            .current_dir(folder)
            .env("AIRFLOW_HOME", folder.join("airflow"))
            .env("AIRFLOW__CORE__DAGS_FOLDER", folder.join("dags"))
            .env("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
            .env("TEAMSHEET_FOLDER", folder)
            .env("SECRET", CLIENT_SECRET)
            .env("PATH", path)
            .output()
            .unwrap_or_else(|error| {
                panic!(
                    "{}: {error}; see this file's first lines",
                    self.program.display()
                )
            })
    }

    #[track_caller]
    fn expect(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let printed = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{arguments:?}\n{printed}");
        printed
    }

    /// What the database answers, a JSON value a row.
    fn ask(&self, query: &str) -> Vec<Value> {
        let script = "import json, sqlite3, sys\n\
                      for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(json.dumps(row))";
        let output = Command::new(self.program.with_file_name("python"))
            .args(["-c", script])
            .arg(self.stand.folder.path().join("airflow/airflow.db"))
            .arg(query)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let rows = String::from_utf8(output.stdout).unwrap();
        rows.lines()
            .map(|row| serde_json::from_str(row).unwrap())
            .collect()
    }
}

/// Beside the day's own sessions there are those whose reports the look-back took.
#[track_caller]
fn assert_sessions_are_of(published: &Published, day: &str) {
    let has_report = |session: &str| {
        let mut reports = published.reports.iter();
        reports.any(|(_, report)| report.session_id.as_deref() == Some(session))
    };
    let mut sessions = published.sessions.iter();
    assert!(sessions.all(|(date, row)| date == day || has_report(&row.session_id)));
}

#[test]
#[ignore = "needs Airflow: see the module's first lines"]
fn airflow_lands_one_day_of_24_hours_and_maps_a_backfill_over_chunks() {
    let stand = Stand::lifelike(12, 5);
    let settings = stand.tenant.world().settings;
    let airflow = Airflow::new(&stand);
    let refused = FaultAnswer::graph_error(403, "ErrorAccessDenied", "Access is denied.");
    stand.tenant.script(Fault::first(
        1,
        "calendarView",
        FaultEffect::Answer(refused),
    ));
    let day = settings.midnight(2);

    // the logical date of a day's run is its end: from then on the whole day can be read
    let printed = airflow.expect(&[
        "dags",
        "test",
        "teamsheet_nightly",
        &utc_date(settings.midnight(3)),
    ]);
    let published = stand.published();
    let [(_, run)] = published.runs.as_slice() else {
        panic!("{:?}\n{printed}", published.runs)
    };
    assert_eq!(
        (run.interval_start, run.interval_end),
        (day, day.plus(DAY)),
        "24 hours"
    );
    assert_eq!(
        (run.verb.as_ref(), run.job_name.as_ref()),
        ("run", "nightly")
    );
    assert!(!published.reports.is_empty());
    assert_sessions_are_of(&published, &utc_date(day));

    // a calendar that cannot be read: exit 3 is a warning, and the task has succeeded
    assert_eq!(run.exit_code, 3);
    assert!(printed.contains("published, with"), "{printed}");
    let states = airflow.ask("SELECT task_id, state, try_number FROM task_instance");
    assert_eq!(
        states,
        [serde_json::json!(["run", "success", 1])],
        "{printed}"
    );
    let xcoms =
        airflow.ask("SELECT value FROM xcom WHERE task_id = 'run' AND key = 'return_value'");
    let xcom = parsed(&xcoms[0][0]);
    assert_eq!(xcom["exit_code"], 3);
    assert_eq!(xcom["reports"], published.reports.len());
    assert_eq!(xcom["interval_start"], day.to_string());
    let events =
        airflow.ask("SELECT a.name, e.extra FROM asset_event e JOIN asset a ON a.id = e.asset_id");
    assert_eq!(events.len(), 1, "{printed}");
    assert_eq!(events[0][0], "teams_attendance");
    assert_eq!(parsed(&events[0][1])["reports"], published.reports.len());

    // the same day again fills the gap, and ends with 0
    airflow.expect(&[
        "dags",
        "test",
        "teamsheet_nightly",
        &utc_date(settings.midnight(3)),
    ]);
    let filled = stand.published();
    assert!(
        filled.gaps.iter().all(|(_, gap)| gap.closed_at.is_some()),
        "{:?}",
        filled.gaps
    );
    assert!(filled.reports.len() >= published.reports.len());

    // five days in chunks of two: three mapped tasks, and every report of the whole range
    let (from, to) = (
        utc_date(settings.midnight(0)),
        utc_date(settings.midnight(5)),
    );
    let conf = format!(r#"{{"from": "{from}", "to": "{to}", "chunk_days": 2}}"#);
    let printed = airflow.expect(&["dags", "test", "teamsheet_backfill", "--conf", &conf]);
    let after = stand.published();
    let mut chunks: Vec<_> = after
        .runs
        .iter()
        .filter(|(_, run)| run.verb == "backfill")
        .map(|(_, run)| (utc_date(run.interval_start), utc_date(run.interval_end)))
        .collect();
    // `dags test` takes mapped tasks in any order; the scheduler goes by their index
    chunks.sort();
    let date = |day| utc_date(settings.midnight(day));
    let expected = [(0, 2), (2, 4), (4, 5)].map(|(from, to)| (date(from), date(to)));
    assert_eq!(chunks, expected, "{printed}");
    let found: BTreeSet<_> = after
        .reports
        .iter()
        .map(|(_, report)| report.report_id.to_string())
        .collect();
    let interval = settings.midnight(0)..settings.midnight(5);
    let truth = stand.tenant.world().truth();
    let truth: BTreeSet<_> = truth
        .reports
        .into_iter()
        .filter(|report| interval.contains(&report.start.at))
        .map(|report| report.report_id)
        .collect();
    assert_eq!(found, truth);
}

/// A JSON column, which may hold JSON as text.
fn parsed(value: &Value) -> Value {
    match value.as_str() {
        Some(text) => parsed(&serde_json::from_str(text).unwrap()),
        None => value.clone(),
    }
}
