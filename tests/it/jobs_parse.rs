use std::io;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use clap::Parser as _;
use teamsheet::cli::args::{Arguments, Command};
use teamsheet::job::error::PlanError;
use teamsheet::job::file::{AuthMethod, JobFile, NO_CLIENT_ID};
use teamsheet::job::plan::{DiscoverBy, OrganizersPlan, RunPlan, UsersPlan};
use teamsheet::job::resolve::{Overrides, resolve};
use teamsheet::job::secret::SecretFile;
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

/// The job of somebody who has put in an app registration.
fn of_a_tenant(job: &str) -> String {
    assert!(job.contains(NO_CLIENT_ID), "{job}");
    job.replace(NO_CLIENT_ID, "11111111-2222-4333-8444-555555555555")
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
    let text = of_a_tenant(&std::fs::read_to_string(&path).unwrap());
    resolve(&JobFile::parse(&text, job)?, &overrides, &surroundings)
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
    assert_eq!(
        resolved(&of_a_tenant(&with_comments)),
        resolved(&of_a_tenant(&text("nightly.toml")))
    );
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
    assert_eq!(nightly.warehouse.place, backfill.warehouse.place);
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
            "flock() {{ echo \"secret: $TEAMSHEET_CLIENT_SECRET\"; env | grep -c ^TEAMSHEET_CLIENT_SECRET >&2; return {status}; }}\n{command}"
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

/// The arguments of both DAGs, as Airflow fills them in.
#[test]
fn the_commands_of_the_airflow_dags_parse() {
    let mut dag = text("airflow_dag.py");
    for bound in ["start", "end"] {
        let name = format!("data_interval_{bound}");
        let condition = format!("{{% if {name} is defined and {name} %}}");
        assert!(dag.contains(&condition), "{condition}");
        dag = dag.replace(&condition, "");
    }
    let dag = dag
        .replace("{% endif %}", "")
        .replace(
            "{{ data_interval_start | ts }}",
            "2026-01-31T00:00:00+00:00",
        )
        .replace("{{ data_interval_end | ts }}", "2026-02-01T00:00:00+00:00")
        .replace("{first}", "2026-01-01")
        .replace("{last}", "2026-01-08")
        .replace("{params['reprocess']}", "failed");
    let lists = dag
        .split("arguments=[")
        .skip(1)
        .chain(dag.split("return [\n            [").skip(1));
    let mut days = Vec::new();
    for list in lists {
        let arguments = list.split(']').next().unwrap();
        let quoted = arguments.split('"').skip(1).step_by(2);
        let command: Vec<&str> = std::iter::once("teamsheet").chain(quoted).collect();
        let plan = plan(&command).unwrap();
        days.push(plan.interval.unwrap().days(&plan.warehouse.timezone).len());
    }
    assert_eq!(days, [1, 7]);
}

#[test]
fn the_command_of_the_systemd_service_parses_and_its_credential_is_a_secret() {
    let service = text("teamsheet.service");
    let command = service
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/"))
        .unwrap();
    let command = command.replace("/etc/teamsheet/", "jobs/");
    plan(&command.split(' ').collect::<Vec<_>>()).unwrap();
    assert!(service.contains("\nLoadCredential=client-secret:"));
    // with gaps, and stopped on purpose: neither is a night to look into
    assert!(service.contains("\nSuccessExitStatus=3 143\n"));
    assert!(service.contains("\nRestartForceExitStatus=75\n"));
    // the line that the service's comment asks for is one that a job file takes
    let line = service
        .lines()
        .find_map(|line| line.strip_prefix("#   client_secret = "))
        .unwrap();
    let job = JobFile::parse(&format!("auth.client_secret = {line}"), Path::new("x.toml")).unwrap();
    let secret = job.auth.client_secret.unwrap();
    assert_eq!(
        secret,
        SecretFile::File("$CREDENTIALS_DIRECTORY/client-secret".into())
    );
}

#[test]
fn the_job_and_the_command_in_the_kubernetes_manifest_parse() {
    let manifest = text("kubernetes.yaml");
    let job: String = manifest
        .lines()
        .skip_while(|line| *line != "  nightly.toml: |")
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(|line| line.trim_start().to_owned() + "\n")
        .collect();
    let file = JobFile::parse(&job, Path::new("nightly.toml")).unwrap();
    assert_eq!(file.auth.method, Some(AuthMethod::WorkloadIdentity));
    assert!(file.auth.client_secret.is_none());
    let arguments = manifest
        .lines()
        .find_map(|line| line.trim().strip_prefix("args: [")?.strip_suffix(']'))
        .unwrap();
    let command = std::iter::once("teamsheet").chain(arguments.split(", "));
    Arguments::try_parse_from(command).unwrap();
}
