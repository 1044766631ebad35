use std::io;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use clap::Parser as _;
use teamsheet::cli::args::{Arguments, Command};
use teamsheet::job::error::PlanError;
use teamsheet::job::file::JobFile;
use teamsheet::job::plan::{DiscoverBy, OrganizersPlan, RunPlan, UsersPlan};
use teamsheet::job::resolve::{Overrides, resolve};
use teamsheet::job::surroundings::Surroundings;

const NOW: &str = "2026-02-10T12:00:00Z";

fn jobs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("jobs")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(jobs(name)).unwrap()
}

/// The plan of a job in `jobs/` under this command line, with only the documented variable set and no file but the job.
fn plan(command_line: &[&str]) -> Result<RunPlan, PlanError> {
    let arguments = Arguments::try_parse_from(command_line).unwrap();
    let (job, overrides): (&Path, Overrides) = if let Command::Run(flags) = &arguments.command {
        (&flags.job, flags.overrides(&arguments.global))
    } else if let Command::Backfill(flags) = &arguments.command {
        (&flags.job, flags.overrides(&arguments.global))
    } else {
        panic!("{command_line:?} has no job")
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(job);
    let surroundings = Surroundings {
        started_at: NOW.parse::<jiff::Timestamp>().unwrap().into(),
        random: [0; 16],
        variable: &|name| (name == "TEAMSHEET_CLIENT_SECRET").then(|| "secret".to_owned()),
        read_file: &|_| Err(io::ErrorKind::NotFound.into()),
        job_stem: job.file_stem().unwrap().to_str().unwrap(),
    };
    let file = JobFile::parse(&std::fs::read_to_string(&path).unwrap(), job)?;
    resolve(&file, &overrides, &surroundings)
}

#[test]
fn every_job_file_resolves_with_all_three_sources() {
    let mut seen = 0;
    for entry in std::fs::read_dir(jobs("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let job = format!("jobs/{name}");
        let plan = plan(&["teamsheet", "run", "--job", &job]).unwrap();
        let online_meetings = plan.sources.online_meetings.unwrap();
        assert_eq!(online_meetings.users, UsersPlan::All, "{name}");
        assert_eq!(online_meetings.discover, [DiscoverBy::Calendar].into());
        for events in [plan.sources.webinars, plan.sources.town_halls] {
            assert_eq!(events.unwrap().organizers, OrganizersPlan::All, "{name}");
        }
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn the_comments_of_the_nightly_job_show_the_real_defaults() {
    let with_comments = text("nightly.toml")
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| is_setting(rest))
                .unwrap_or(line)
                .to_owned()
                + "\n"
        })
        .collect::<String>();
    assert!(
        with_comments.contains("\n[limits]\n") && with_comments.contains("\nlookback_days = 7 ")
    );
    let resolved = |text: &str| {
        let surroundings = Surroundings {
            started_at: NOW.parse::<jiff::Timestamp>().unwrap().into(),
            random: [0; 16],
            variable: &|_| Some("secret".to_owned()),
            read_file: &|_| Err(io::ErrorKind::NotFound.into()),
            job_stem: "nightly",
        };
        let Command::Run(flags) = Arguments::parse_from(["teamsheet", "run", "--job", "x"]).command
        else {
            unreachable!()
        };
        let global = Arguments::parse_from(["teamsheet", "run", "--job", "x"]).global;
        let file = JobFile::parse(text, Path::new("nightly.toml")).unwrap();
        format!(
            "{:?}",
            resolve(&file, &flags.overrides(&global), &surroundings).unwrap()
        )
    };
    assert_eq!(resolved(&with_comments), resolved(&text("nightly.toml")));
}

fn is_setting(line: &str) -> bool {
    let is_key = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    line.split_once(" = ").is_some_and(|(key, _)| is_key(key)) || line.starts_with('[')
}

#[test]
fn nightly_and_backfill_cover_the_same_scope_of_the_same_warehouse() {
    let nightly = plan(&["teamsheet", "run", "--job", "jobs/nightly.toml"]).unwrap();
    let backfill = plan(&[
        "teamsheet",
        "backfill",
        "--job",
        "jobs/backfill.toml",
        "--from",
        "2026-01-01",
        "--to",
        "2026-02-01",
    ])
    .unwrap();
    assert_eq!(nightly.rules.scope_hash, backfill.rules.scope_hash);
    assert_eq!(nightly.warehouse.root, backfill.warehouse.root);
    assert_eq!(
        nightly.warehouse.timezone.name(),
        backfill.warehouse.timezone.name()
    );
    assert_ne!(nightly.job_name, backfill.job_name);
    let interval = backfill.interval.unwrap();
    assert_eq!(interval.days(&backfill.warehouse.timezone).len(), 31);
}

#[test]
fn the_crontab_has_five_fields_and_a_command_that_parses() {
    let crontab = text("crontab");
    let mut entries = 0;
    for line in crontab.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split_whitespace();
        let first = fields.next().unwrap();
        if let Some((name, _)) = first.split_once('=') {
            assert!(name.bytes().all(|byte| byte.is_ascii_uppercase()), "{line}");
            continue;
        }
        let schedule: Vec<&str> = std::iter::once(first)
            .chain(fields.by_ref().take(4))
            .collect();
        for (field, range) in schedule.iter().zip([0..=59, 0..=23, 1..=31, 1..=12, 0..=7]) {
            let is_fine = *field == "*"
                || field
                    .parse()
                    .is_ok_and(|number: u32| range.contains(&number));
            assert!(is_fine, "{field} in {line}");
        }
        // cron turns a bare % into a newline
        assert!(!line.contains('%'), "{line}");
        let command: Vec<&str> = fields
            .skip_while(|word| *word != "teamsheet")
            .take_while(|word| *word != ">>")
            .collect();
        plan(&command).unwrap();
        entries += 1;
    }
    assert_eq!(entries, 1);
    assert!(crontab.contains("\nMAILTO="));
}

/// The command line of an entry, run by a real shell with stand-ins for flock, teamsheet and the paths.
#[test]
fn the_crontab_mails_only_when_a_run_did_not_end_with_0() {
    let crontab = text("crontab");
    let entry = crontab
        .lines()
        .find(|line| !line.starts_with('#') && line.contains("flock"))
        .unwrap();
    let command = entry.splitn(6, ' ').nth(5).unwrap();
    for (status, printed) in [(0, ""), (3, "teamsheet run ended with 3; see ")] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_str().unwrap().to_owned();
        std::fs::write(
            format!("{folder}/environment"),
            "TEAMSHEET_CLIENT_SECRET=secret\n",
        )
        .unwrap();
        let command = command
            .replace("/srv/teamsheet", &folder)
            .replace("/etc/teamsheet", &folder);
        let stand_in = format!(
            "flock() {{ echo \"secret: $TEAMSHEET_CLIENT_SECRET\"; env | grep -c TEAMSHEET >&2; return {status}; }}\n{command}"
        );
        let output = Process::new("/bin/sh")
            .arg("-c")
            .arg(stand_in)
            .env_remove("TEAMSHEET_CLIENT_SECRET")
            .output()
            .unwrap();
        let mail = String::from_utf8(output.stdout).unwrap();
        assert!(
            mail.starts_with(printed) && mail.is_empty() == printed.is_empty(),
            "{mail}"
        );
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let log = std::fs::read_to_string(format!("{folder}/nightly.log")).unwrap();
        assert_eq!(
            log, "secret: secret\n1\n",
            "the secret is exported to the command"
        );
    }
}

#[test]
fn the_airflow_dag_is_python_and_its_command_parses() {
    let folder = tempfile::tempdir().unwrap();
    let compiled = Process::new("python3")
        .args(["-m", "py_compile"])
        .arg(jobs("airflow_dag.py"))
        .env("PYTHONPYCACHEPREFIX", folder.path())
        .output()
        .unwrap();
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let script = airflow_script();
    let line = script
        .lines()
        .find(|line| line.starts_with("teamsheet run"))
        .unwrap();
    let plan = plan(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
    let interval = plan.interval.unwrap();
    assert_eq!(interval.days(&plan.warehouse.timezone).len(), 1);
}

/// The DAG's script, run by a real shell with a stand-in for teamsheet.
#[test]
fn the_airflow_task_succeeds_with_open_gaps_and_fails_otherwise() {
    let script = airflow_script();
    for (status, expected) in [(0, 0), (3, 0), (1, 1), (2, 2), (75, 75), (143, 143)] {
        let stand_in =
            format!("teamsheet() {{ echo summary; echo '{{}}'; return {status}; }}\n{script}");
        let output = Process::new("bash")
            .arg("-c")
            .arg(stand_in)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(expected));
        // Airflow reads both streams as one: the JSON must be the last line of them
        assert_eq!(output.stdout, b"summary\n{}\n");
        assert_eq!(output.stderr, b"");
    }
}

/// The script as Python reads it and as Jinja's filter `ts` completes it.
fn airflow_script() -> String {
    let dag = text("airflow_dag.py");
    let script = dag.split("RUN = \"\"\"").nth(1).unwrap();
    let script = script.split("\"\"\"").next().unwrap();
    script
        .replace("\\\n", "")
        .replace(
            "{{ data_interval_start | ts }}",
            "2026-01-31T00:00:00+00:00",
        )
        .replace("{{ data_interval_end | ts }}", "2026-02-01T00:00:00+00:00")
}
