//! What is refused, word for word as a user reads it.

use super::*;

#[test]
fn an_unusable_interval_is_refused() {
    let told = |verb, start, end| told(plan_with(LEAST, &interval_flags(verb, start, end)));
    insta::assert_snapshot!(told(Verb::Run, Some("2026-01-01"), None), @"
        error: `--interval-start` is there without `--interval-end`
        hint: Add `--interval-end`, or leave both out
        ");
    insta::assert_snapshot!(told(Verb::Backfill, None, Some("2026-01-01")), @"
        error: `--to` is there without `--from`
        hint: Add `--from`, or leave both out
        ");
    insta::assert_snapshot!(told(Verb::Backfill, None, None), @"
        error: a backfill has no data interval
        hint: Add `--from` and `--to`
        ");
    insta::assert_snapshot!(told(Verb::Backfill, Some("2026-02-30"), Some("2026-03-01")), @"
        error: `--from 2026-02-30` is no point in time
        hint: Use a date of the calendar (`2026-01-31`: midnight in the warehouse's time zone) or RFC 3339 (`2026-01-31T06:00:00Z`), between 2000 and 2100
        ");
    insta::assert_snapshot!(told(Verb::Backfill, Some("2026-02-01"), Some("2026-02-01")), @"
        error: the data interval from `2026-02-01` to `2026-02-01` is empty (a date is a midnight of UTC)
        hint: The start must lie before the end, and the end is not part of it: one day is `2026-01-01` to `2026-01-02`
        ");
    insta::assert_snapshot!(told(Verb::Backfill, Some("2026-02-02"), Some("2026-02-01")), @"
        error: the data interval from `2026-02-02` to `2026-02-01` is empty (a date is a midnight of UTC)
        hint: The start must lie before the end, and the end is not part of it: one day is `2026-01-01` to `2026-01-02`
        ");
    insta::assert_snapshot!(told(Verb::Run, Some("2026-03-01"), Some("2026-03-02")), @"
        error: the data interval starts at `2026-03-01`, which is in the future (a date is a midnight of UTC)
        hint: Attendance exists only after a meeting: choose a start in the past
        ");
}

#[test]
fn what_a_cloud_does_not_have_is_refused_by_name() {
    let meetings_only = LEAST.replace("sources.webinars", "sources.online_meetings");
    insta::assert_snapshot!(refusal("tenant.cloud = 'china'"), @r#"
        error: `tenant.cloud = "china"` cannot work: Graph offers no attendance there
        hint: Clouds that work: global, us-gov, us-gov-dod
        "#);
    insta::assert_snapshot!(refusal("tenant.cloud = 'us-gov'"), @r#"
        error: `sources.webinars` is not available in the cloud `us-gov`
        hint: Leave it out of this job, or use `tenant.cloud = "global"`
        "#);
    insta::assert_snapshot!(
        told(plan_with(&format!("{meetings_only}sources.town_halls = {{}}\ntenant.cloud = 'us-gov-dod'"), &run())), @r#"
        error: `sources.town_halls` is not available in the cloud `us-gov-dod`
        hint: Leave it out of this job, or use `tenant.cloud = "global"`
        "#);
    insta::assert_snapshot!(
        told(plan_with(&format!("{meetings_only}graph.version = 'beta'\ntenant.cloud = 'us-gov'"), &run())), @r#"
        error: `graph.version = "beta"` is not available in the cloud `us-gov`
        hint: Leave it out of this job, or use `tenant.cloud = "global"`
        "#);
}

#[test]
fn what_only_beta_has_is_refused_where_there_is_no_beta() {
    for cloud in ["us-gov", "us-gov-dod"] {
        let meetings = LEAST.replace("sources.webinars", "sources.online_meetings");
        let latest = meetings.replace("online_meetings = {}", "online_meetings.reports = 'latest'");
        let refusal = told(plan_with(
            &format!("{latest}tenant.cloud = '{cloud}'"),
            &run(),
        ));
        assert_eq!(
            refusal.lines().next().unwrap(),
            format!(
                "error: `sources.online_meetings.reports = \"latest\"` is not available in the cloud `{cloud}`"
            )
        );
        plan(&format!("{latest}graph.version = 'beta'"));
        // call records are there
        let calls = meetings.replace(
            "online_meetings = {}",
            "online_meetings.discover = ['call-records']",
        );
        plan(&format!("{calls}tenant.cloud = '{cloud}'"));
    }
}

#[test]
fn an_object_store_needs_a_local_folder_for_staging() {
    insta::assert_snapshot!(refusal("warehouse.uri = 's3://bucket/teams'"), @r#"
    error: the job file has no `run.staging`
    hint: Add it under `[run]`, like this: `staging = "/var/lib/teamsheet"`
    "#);
}

#[test]
fn a_uri_with_a_secret_is_refused_without_quoting_it() {
    insta::assert_snapshot!(refusal("warehouse.uri = 'az://container/teams?sig=hunter2'"), @"
    error: `warehouse.uri` has an unusable value: az://…
    hint: Use a folder, `s3://bucket/path`, `az://container/path`, `abfss://container@account.dfs.core.windows.net/path` or `gs://bucket/path`, without a password or a query: credentials come from the environment
    ");
}

#[test]
fn a_missing_or_unusable_value_is_refused_by_its_key() {
    insta::assert_snapshot!(told(plan_with("", &run())), @r#"
        error: the job file has no `tenant.id`
        hint: Add it under `[tenant]`, like this: `id = "contoso.onmicrosoft.com"`
        "#);
    insta::assert_snapshot!(told(plan_with("tenant.id = 'contoso.com'", &run())), @"
        error: the job file names no source
        hint: Add one or more of `[sources.online_meetings]`, `[sources.webinars]`, `[sources.town_halls]`
        ");
    insta::assert_snapshot!(
        told(plan_with("tenant.id = 'contoso.com'\nsources.webinars = {}", &run())), @r#"
        error: the job file has no `auth.client_id`
        hint: Add it under `[auth]`, like this: `client_id = "00000000-0000-0000-0000-000000000000"`
        "#);
    insta::assert_snapshot!(
        told(plan_with("tenant.id = 'contoso.com'\nsources.webinars = {}\nauth.client_id = 'app'", &run())), @r#"
        error: the job file has no `auth.client_secret`
        hint: Add it under `[auth]`, like this: `client_secret = { env = "TEAMSHEET_CLIENT_SECRET" }`
        "#);
    insta::assert_snapshot!(told(plan_with("tenant.id = 'common'\nsources.webinars = {}", &run())), @"
        error: `tenant.id` has an unusable value: common
        hint: Use the tenant's GUID or one of its domains
        ");
    insta::assert_snapshot!(
        told(plan_with(&LEAST.replace("{ env = 'SECRET' }", "'hunter2'"), &run())), @r#"
        error: `auth.client_secret` is written in the job file
        hint: Name where it is kept instead: `{ env = "VARIABLE" }` or `{ file = "path" }`
        Whoever could read the job file may know this secret: replace it in the app registration
        "#);
    insta::assert_snapshot!(
        told(plan_with(&LEAST.replace("env = 'SECRET'", "env = 'OTHER'"), &run())), @"
        error: `auth.client_secret` is to come from the environment variable `OTHER`, which is not set
        hint: Set `OTHER` in the environment of this process; cron and systemd start with an almost empty one
        ");
    insta::assert_snapshot!(
        told(plan_with(&LEAST.replace("env = 'SECRET'", "file = 'gone'"), &run())), @"
        error: `auth.client_secret` is to come from `gone`, which cannot be read
        hint: Check that the file exists and that the user of this process may read it
        ");
    insta::assert_snapshot!(
        told(plan_with(&LEAST.replace("env = 'SECRET'", "file = 'users.csv'"), &run())), @r#"
        error: `auth.client_secret` is to come from `users.csv`, which every user of this machine can read
        hint: Run `chmod o-rwx users.csv`; in Kubernetes set `defaultMode: 0440` on the volume
        Where the mode cannot be set: Docker and compose mount secrets below `/run/secrets`, where a mode of 0444 is taken, or hand it over with `{ env = "VARIABLE" }`
        "#);
    insta::assert_snapshot!(refusal("warehouse.timezone = 'Berlin'"), @r#"
        error: `warehouse.timezone = "Berlin"` is no time zone
        hint: Use an IANA name such as `UTC` or `Europe/Berlin`
        "#);
    insta::assert_snapshot!(refusal("warehouse.uri = '~/teams'"), @"
        error: `warehouse.uri` has an unusable value: ~/teams
        hint: Use a path from the root or from the current directory: only a shell knows `~`
        ");
    insta::assert_snapshot!(refusal("run.concurrency = 0"), @"
        error: `run.concurrency = 0` is out of range
        hint: Use a whole number from 1 to 256
        ");
    insta::assert_snapshot!(refusal("run.deadline = '6'"), @"
        error: `run.deadline` has an unusable value: 6
        hint: Use a duration such as `6h` or `90m`
        ");
    insta::assert_snapshot!(refusal("run.tolerate = ['forbiden']"), @"
        error: `run.tolerate` names `forbiden`, which is no reason of a gap
        hint: Most likely `forbidden` is meant; reasons are those of the table `gaps`: forbidden, gone, unauthorized, throttled, server_error, timeout, transport, tls, bad_response, refused_link, paging_loop, deadline, bad_request, too_large, over_cap, call_records_expired, unreadable, report_without_id, id_mismatch, no_usable_time, no_join_url
        ");
    insta::assert_snapshot!(refusal("limits.share = 0"), @"
        error: `limits.share` has an unusable value: 0
        hint: Use a number above 0 and up to 1
        ");
    insta::assert_snapshot!(refusal("limits.directory = 'fast'"), @"
        error: `limits.directory` has an unusable value: fast
        hint: Use requests/duration such as `30/1s`, or `none`
        ");
    insta::assert_snapshot!(refusal("sources.online_meetings.users = []"), @r#"
        error: `sources.online_meetings.users` names no user
        hint: Name at least one object id or user principal name, or use `users = "all"`
        "#);
    insta::assert_snapshot!(refusal("sources.online_meetings.users = ['Ada Lovelace']"), @"
        error: `sources.online_meetings.users` has an unusable value: entry 1 of the list
        hint: Use object ids or user principal names
        ");
    insta::assert_snapshot!(refusal("sources.online_meetings.users = { file = 'gone.csv' }"), @"
        error: users file `gone.csv` cannot be read
        hint: A relative path starts at the current directory; the file is a CSV: text, not a workbook of Excel's
        ");
}

#[test]
fn the_newest_report_by_itself_needs_beta() {
    insta::assert_snapshot!(refusal("sources.online_meetings.reports = 'latest'"), @r#"
        error: `sources.online_meetings.reports` has an unusable value: "latest" with `graph.version = "v1.0"`
        hint: Use `reports = "all"`, or `version = "beta"` under `[graph]`: the path is deprecated and exists there only
        "#);
    plan(&format!(
        "{LEAST}sources.online_meetings.reports = 'latest'\ngraph.version = 'beta'"
    ));
}

#[test]
fn a_list_of_meetings_and_its_way_of_discovery_go_together() {
    let listed = "sources.online_meetings = { discover = ['listed']";
    insta::assert_snapshot!(refusal("sources.online_meetings.discover = []"), @"
        error: `sources.online_meetings.discover` has an unusable value: []
        hint: Use one or several of `calendar`, `call-records` and `listed`
        ");
    insta::assert_snapshot!(refusal(&format!("{listed} }}")), @r#"
        error: the job file has no `sources.online_meetings.meetings`
        hint: Add it under `[sources.online_meetings]`, like this: `meetings = { file = "meetings.csv" }`
        "#);
    insta::assert_snapshot!(refusal("sources.online_meetings.meetings = { file = '-' }"), @r#"
        error: `sources.online_meetings.meetings` has an unusable value: a list that no way of discovery reads
        hint: Use `discover = ["listed"]` with it, alone or beside other ways
        "#);
    insta::assert_snapshot!(refusal(&format!("{listed}, meetings = {{ file = '-' }} }}")), @"
        error: the list of meetings on standard input cannot be read
        hint: A relative path starts at the current directory, and `-` is standard input; the list is a CSV: text, not a workbook of Excel's
        ");
    insta::assert_snapshot!(refusal(&format!("{listed}, meetings = {{ file = 'users.csv' }} }}")), @"
        error: the list of meetings `users.csv`, lines 2 and 3: this is no organizer with a meeting
        hint: Each line is an organizer (object id or user principal name), a comma, and a meeting id, meeting number or join URL (https), copied whole from the invitation
        ");
    insta::assert_snapshot!(refusal("sources.town_halls.organizers = ['Ada Lovelace']"), @"
        error: `sources.town_halls.organizers` has an unusable value: entry 1 of the list
        hint: Use object ids or user principal names
        ");
}

#[test]
fn fault_94_a_token_goes_to_https_or_to_this_machine_only() {
    for bad in [
        "http://graph.microsoft.com",
        "http://127.0.0.1.example.org",
        "http://10.0.0.1",
        "ftp://localhost",
        "https://user:hunter2@graph.microsoft.com",
        "https://graph.microsoft.com/v1.0",
        "https://graph.microsoft.com?x=1",
        "graph.microsoft.com",
        "",
    ] {
        for key in ["graph.endpoint", "graph.authority"] {
            let refusal = refusal(&format!("{key} = '{bad}'"));
            assert!(
                refusal.starts_with(&format!("error: `{key}` has an unusable value")),
                "{refusal}"
            );
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }
    for good in [
        "https://graph.example.org",
        "http://localhost:1",
        "http://127.0.0.9:1",
        "http://[::1]:1/",
    ] {
        plan(&format!("{LEAST}graph.endpoint = '{good}'"));
    }
}
