mod clouds;
mod methods;
mod refusals;

use std::path::Path;

use secrecy::ExposeSecret as _;

use super::*;
use crate::job::plan::{ApiVersion, Credentials, PublishBy, UsersPlan};
use crate::job::surroundings::FileContents;

const NOW: &str = "2026-02-10T12:00:00Z";
/// The least that a job file can say.
const LEAST: &str = "
tenant.id = 'Contoso.onmicrosoft.com'
auth.client_id = 'app'
auth.client_secret = { env = 'SECRET' }
sources.webinars = {}
";

fn run() -> Overrides {
    Overrides {
        verb: Verb::Run,
        start: None,
        end: None,
        reprocess: None,
        wait_lock: None,
    }
}

fn interval_flags(verb: Verb, start: Option<&str>, end: Option<&str>) -> Overrides {
    Overrides {
        verb,
        start: start.map(str::to_owned),
        end: end.map(str::to_owned),
        ..run()
    }
}

fn plan_with(text: &str, overrides: &Overrides) -> Result<RunPlan, PlanError> {
    plan_in(&[("SECRET", "hunter2")], text, overrides)
}

fn plan_in(
    environment: &[(&str, &str)],
    text: &str,
    overrides: &Overrides,
) -> Result<RunPlan, PlanError> {
    let surroundings = Surroundings {
        started_at: NOW.parse::<jiff::Timestamp>().unwrap().into(),
        random: *b"\x00\x01\x02\x03\x04\x05\x06\x07\x00\x00\x00\x00\x00\x00\x00\x2a",
        variable: &|name| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        },
        read_file: &|path| match path.to_str() {
            Some("users.csv") => Ok(FileContents {
                bytes: b"upn\nGrace@contoso.com\nada@contoso.com\n".to_vec(),
                is_readable_by_others: true,
            }),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
        job_stem: "stem",
    };
    resolve(
        &JobFile::parse(text, Path::new("job.toml"))?,
        overrides,
        &surroundings,
    )
}

fn plan(text: &str) -> RunPlan {
    plan_with(text, &run()).unwrap()
}

/// The refusal of the least job file with these lines added, as a user reads it.
fn refusal(lines: &str) -> String {
    told(plan_with(&format!("{LEAST}{lines}"), &run()))
}

fn told(result: Result<RunPlan, PlanError>) -> String {
    let error = result.unwrap_err();
    format!("error: {error}\nhint: {}", error.hint())
}

#[test]
fn the_least_job_file_gets_every_documented_default() {
    let plan = plan(LEAST);
    assert_eq!(plan.job_name, "stem");
    assert_eq!(plan.interval, None);
    assert_eq!(plan.reprocess, Reprocess::Missing);
    assert_eq!(plan.auth.tenant, "contoso.onmicrosoft.com");
    let Credentials::ClientSecret {
        client_id,
        client_secret,
    } = &plan.auth.credentials
    else {
        panic!("{:?}", plan.auth)
    };
    assert_eq!(
        (client_id.as_str(), client_secret.expose_secret()),
        ("app", "hunter2")
    );
    assert_eq!(plan.auth.scope, "https://graph.microsoft.com/.default");
    assert_eq!(
        plan.auth.authority.as_str(),
        "https://login.microsoftonline.com/"
    );
    assert_eq!(plan.graph.endpoint.as_str(), "https://graph.microsoft.com/");
    assert_eq!(plan.graph.version, ApiVersion::V1);
    assert_eq!(
        (plan.graph.concurrency, plan.graph.deadline.as_secs()),
        (16, 21_600)
    );
    assert_eq!(plan.graph.jitter_seed, 42);
    assert_eq!(
        plan.invocation_id.as_str(),
        "20260210T120000Z-0001020304050607"
    );
    assert_eq!(plan.warehouse.place.to_string(), "./warehouse");
    assert_eq!(plan.warehouse.holder, plan.invocation_id);
    assert_eq!(plan.warehouse.timezone.name(), "UTC");
    assert_eq!(plan.warehouse.publish, PublishBy::Exchange);
    assert_eq!(plan.warehouse.staging, None);
    assert_eq!(plan.warehouse.wait_lock, Duration::from_secs(600));
    let rules = plan.rules;
    assert_eq!(
        [
            rules.lookback_days,
            rules.settle_hours,
            rules.give_up_days,
            rules.max_catch_up_days,
            rules.chunk_days
        ],
        [7, 24, 30, 31, 7]
    );
    assert!(rules.tolerate.is_empty());
    let limits = plan.graph.limits;
    let rates = [
        limits.attendance,
        limits.calendar,
        limits.call_records,
        limits.call_records_list,
        limits.virtual_events,
        limits.directory,
    ];
    assert_eq!(
        rates.map(|rate| rate.map(|rate| (rate.requests, rate.per.as_secs()))),
        [
            Some((30, 1)),
            Some((10_000, 600)),
            Some((1_500, 20)),
            Some((40, 20)),
            Some((750, 30)),
            Some((300, 1))
        ]
    );
}

#[test]
fn the_job_file_wins_over_the_default() {
    let plan = plan(
        "
        name = 'weekly'
        [tenant]
        id = '11111111-2222-3333-4444-555555555555'
        [auth]
        method = 'client-secret'
        client_id = 'app'
        client_secret = { env = 'SECRET' }
        [sources.online_meetings]
        discover = ['calendar']
        users = { file = 'users.csv' }
        derive_ids = false
        reports = 'all'
        [warehouse]
        uri = '/data/teams'
        timezone = 'Europe/Berlin'
        publish = 'two-renames'
        [run]
        concurrency = 4
        lookback_days = 0
        settle_hours = 48
        give_up_days = 10
        max_catch_up_days = 5
        chunk_days = 1
        deadline = '1h30m'
        staging = '/scratch'
        tolerate = ['forbidden']
        [graph]
        endpoint = 'http://127.0.0.1:8080'
        authority = 'http://[::1]:8080'
        version = 'beta'
        [limits]
        attendance = '20/1s'
        calendar = 'none'
        share = 0.5
        ",
    );
    assert_eq!(plan.job_name, "weekly");
    let users = vec!["Grace@contoso.com".to_owned(), "ada@contoso.com".to_owned()];
    let online_meetings = plan.sources.online_meetings.unwrap();
    assert_eq!(online_meetings.users, UsersPlan::Listed(users));
    assert_eq!(
        (plan.sources.webinars, plan.sources.town_halls),
        (None, None)
    );
    assert_eq!(plan.warehouse.place.to_string(), "/data/teams");
    assert_eq!(plan.warehouse.timezone.name(), "Europe/Berlin");
    assert_eq!(plan.warehouse.publish, PublishBy::TwoRenames);
    assert_eq!(
        plan.warehouse.staging.as_deref(),
        Some(Path::new("/scratch"))
    );
    assert_eq!(plan.graph.endpoint.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(plan.auth.authority.as_str(), "http://[::1]:8080/");
    assert_eq!(
        plan.auth.scope, "https://graph.microsoft.com/.default",
        "the token is for the cloud's Graph, wherever it is asked"
    );
    assert_eq!(plan.graph.version, ApiVersion::Beta);
    assert_eq!(
        (plan.graph.concurrency, plan.graph.deadline.as_secs()),
        (4, 5_400)
    );
    assert_eq!(plan.graph.limits.attendance.unwrap().requests, 10);
    assert_eq!(plan.graph.limits.calendar, None);
    assert_eq!(plan.graph.limits.directory.unwrap().requests, 150);
    assert_eq!(plan.rules.lookback_days, 0);
    assert!(plan.rules.tolerate.contains("forbidden"));
}

#[test]
fn a_flag_wins_over_the_default() {
    let overrides = Overrides {
        reprocess: Some(Reprocess::All),
        wait_lock: Some(Duration::ZERO),
        ..interval_flags(Verb::Backfill, Some("2026-01-01"), Some("2026-02-01"))
    };
    let plan = plan_with(
        &format!("{LEAST}warehouse.timezone = 'Europe/Berlin'"),
        &overrides,
    )
    .unwrap();
    assert_eq!(plan.reprocess, Reprocess::All);
    assert_eq!(plan.warehouse.wait_lock, Duration::ZERO);
    let interval = plan.interval.unwrap();
    assert_eq!(
        (interval.start().to_string(), interval.end().to_string()),
        (
            "2025-12-31T23:00:00Z".to_owned(),
            "2026-01-31T23:00:00Z".to_owned()
        )
    );
}

#[test]
fn an_interval_ends_now_at_the_latest() {
    let overrides = interval_flags(Verb::Run, Some("2026-02-10"), Some("2026-02-11"));
    let interval = plan_with(LEAST, &overrides).unwrap().interval.unwrap();
    assert_eq!(interval.end().to_string(), NOW);
}

#[test]
fn a_time_zone_has_one_spelling() {
    for (written, name) in [
        ("europe/berlin", "Europe/Berlin"),
        ("utc", "UTC"),
        ("America/New_York", "America/New_York"),
    ] {
        let plan = plan(&format!("{LEAST}warehouse.timezone = '{written}'"));
        assert_eq!(plan.warehouse.timezone.name(), name);
    }
    for unknown in ["", "Etc/Unknown", "Local", "CEST-2", "+02:00", "../UTC"] {
        let refusal = refusal(&format!("warehouse.timezone = '{unknown}'"));
        assert!(refusal.contains("is no time zone"), "{unknown}: {refusal}");
    }
}

#[test]
fn the_scope_is_the_same_however_it_is_written() {
    let scope = |lines: &str| plan(&format!("{LEAST}{lines}")).rules.scope_hash;
    let users = |value: &str| scope(&format!("sources.online_meetings.users = {value}"));
    let listed = users("['ada@contoso.com', 'grace@contoso.com']");
    for same in [
        "['Grace@contoso.com', 'ADA@contoso.com', 'ada@contoso.com']",
        "{ file = 'users.csv' }",
    ] {
        assert_eq!(users(same), listed, "{same}");
    }
    assert_eq!(scope("name = 'x'"), scope("warehouse.uri = 'y'"));
    let different = [
        scope(""),
        listed,
        users("['ada@contoso.com']"),
        users("['all']"),
        users("'all'"),
        users("{ group = 'all' }"),
        scope("sources.town_halls = {}"),
        plan(&LEAST.replace("webinars", "town_halls"))
            .rules
            .scope_hash,
        plan(&LEAST.replace("Contoso", "fabrikam")).rules.scope_hash,
    ];
    let distinct: std::collections::BTreeSet<_> = different.iter().collect();
    assert_eq!(distinct.len(), different.len());
}

#[test]
fn fault_91_a_printed_plan_holds_no_secret() {
    assert!(!format!("{:?}", plan(LEAST)).contains("hunter2"));
}
