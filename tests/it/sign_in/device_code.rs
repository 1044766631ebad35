//! A user signs in once; runs renew that sign-in.

use super::*;

#[test]
fn a_user_signs_in_once_and_the_sign_in_is_kept() {
    let stand = stand();
    let job = device_code(&stand);
    let outcome = run(&stand, "login", &job).expect_code(0);
    assert!(
        outcome.stdout.contains("https://microsoft.com/devicelogin"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains("SIMULATE1"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains(TENANT_ID), "{}", outcome.stdout);
    let (_, files) = state(&stand);
    assert_eq!(files.len(), 1);
    assert!(
        outcome.stdout.contains(files[0].to_str().unwrap()),
        "{}",
        outcome.stdout
    );
}

#[test]
fn login_as_json_is_one_line_for_the_prompt_and_one_for_the_end() {
    let stand = stand();
    let job = device_code(&stand);
    let arguments = ["login", "--format", "json", "--job", job.to_str().unwrap()];
    let outcome = outcome(teamsheet(&stand, &arguments).output().unwrap()).expect_code(0);
    let lines: Vec<serde_json::Value> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["user_code"], "SIMULATE1");
    assert_eq!(lines[1]["tenant_id"], TENANT_ID);
}

#[test]
fn a_declined_sign_in_ends_with_4() {
    let stand = stand();
    let declined = r#"{"error":"authorization_declined","error_codes":[70018]}"#;
    let answer = FaultEffect::Answer(FaultAnswer::raw(400, declined));
    stand
        .tenant
        .script(Fault::always("oauth2/v2.0/token", answer));
    let job = device_code(&stand);
    let outcome = run(&stand, "login", &job).expect_code(4);
    assert!(
        outcome.stderr.contains("the sign-in was declined"),
        "{}",
        outcome.stderr
    );
    assert!(state(&stand).1.is_empty());
}

#[test]
fn login_is_for_users_only() {
    let stand = stand();
    let job = stand.job(&stand.warehouse(), "");
    let outcome = run(&stand, "login", &job).expect_code(2);
    assert!(
        outcome.stderr.contains("signs in by itself"),
        "{}",
        outcome.stderr
    );
    assert!(stand.tenant.requests().is_empty());
}

#[test]
fn fault_90_a_login_logs_neither_code_nor_tokens() {
    let stand = stand();
    let job = device_code(&stand);
    let arguments = ["-vv", "login", "--job", job.to_str().unwrap()];
    let mut command = teamsheet(&stand, &arguments);
    let outcome = outcome(command.env("RUST_LOG", "trace").output().unwrap()).expect_code(0);
    let kept = fs::read_to_string(&state(&stand).1[0]).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let printed = format!("{}{}", outcome.stdout, outcome.stderr);
    for canary in [
        kept["refresh_token"].as_str().unwrap(),
        "eyJ",
        "Bearer",
        "contoso.example",
    ] {
        assert!(!printed.contains(canary), "{canary} in {printed}");
    }
}

/// A whole job of one user: calendar, webinars and town halls.
fn own(stand: &Stand) -> PathBuf {
    let auth = format!("method = \"device-code\"\nclient_id = \"{CLIENT_ID}\"");
    let reach = "[sources.online_meetings]\nusers = \"me\"\n[sources.webinars]\norganizers = \"me\"\n[sources.town_halls]\norganizers = \"me\"\n";
    job(stand, &auth, reach)
}

fn refresh_token(stand: &Stand) -> String {
    let kept = fs::read_to_string(&state(stand).1[0]).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    kept["refresh_token"].as_str().unwrap().to_owned()
}

fn backfill(stand: &Stand, job: &Path, flags: &[&str]) -> Outcome {
    let settings = stand.tenant.world().settings;
    let days = [0, settings.days].map(|day| settings.midnight(day).to_string());
    let mut arguments = vec!["backfill", "--from", &days[0], "--to", &days[1]];
    arguments.extend(["--job", job.to_str().unwrap()]);
    arguments.extend(flags);
    outcome(
        teamsheet(stand, &arguments)
            .env("RUST_LOG", "trace")
            .output()
            .unwrap(),
    )
}

#[test]
fn without_a_login_a_users_run_ends_with_4_and_says_how() {
    let stand = stand();
    let job = own(&stand);
    for verb in ["run", "check"] {
        let outcome = run(&stand, verb, &job).expect_code(4);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        let command = format!("`teamsheet login --job {}`", job.display());
        assert!(said.contains(&command), "{said}");
    }
    assert!(stand.tenant.requests().is_empty());
}

#[test]
fn a_users_runs_read_the_own_and_renew_the_sign_in() {
    let stand = Stand::lifelike(12, 14);
    let job = own(&stand);
    run(&stand, "login", &job).expect_code(0);
    let checked = run(&stand, "check", &job).expect_code(0);
    assert!(checked.stdout.contains("(delegated)"), "{}", checked.stdout);
    let (first, before) = (refresh_token(&stand), stand.tenant.requests().len());
    let outcome = backfill(&stand, &job, &["-vv"]);
    assert!([0, 3].contains(&outcome.code), "{}", outcome.stderr);

    let requests: Vec<_> = stand.tenant.requests().split_off(before);
    let asked = |part: &str| {
        requests
            .iter()
            .filter(|asked| asked.path_and_query.contains(part))
            .count()
    };
    assert_eq!((asked("/oauth2/"), asked("/v1.0/users/")), (1, 0));
    assert!(asked("/v1.0/me/calendarView") >= 1);
    assert!(asked("/getByUserRole(role='organizer')") >= 2);
    let published = stand.published();
    let meetings = published
        .sessions
        .iter()
        .filter(|(_, row)| row.source == "online_meeting");
    let organizers: std::collections::BTreeSet<_> = meetings
        .map(|(_, row)| row.organizer_id.clone().unwrap())
        .collect();
    assert_eq!(organizers.len(), 1, "one user's own");
    assert!(!published.records.is_empty());

    let second = refresh_token(&stand);
    assert_ne!(first, second, "what renews it next is kept");
    let printed = format!("{}{}", outcome.stdout, outcome.stderr);
    let organizer = organizers.first().unwrap().to_string();
    for canary in [
        &first,
        &second,
        &organizer,
        "eyJ",
        "Bearer",
        "contoso.example",
        "meetup-join",
    ] {
        assert!(!printed.contains(canary), "{canary} in {printed}");
    }
    // and again, from what was kept
    backfill(&stand, &job, &[]);
    assert_ne!(refresh_token(&stand), second);

    // the tenant has ended it
    let ended = r#"{"error":"invalid_grant","error_codes":[700082]}"#;
    let answer = FaultEffect::Answer(FaultAnswer::raw(400, ended));
    stand
        .tenant
        .script(Fault::always("oauth2/v2.0/token", answer));
    let refused = backfill(&stand, &job, &[]).expect_code(4);
    assert!(
        refused.stderr.contains("AADSTS700082"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("teamsheet login --job"),
        "{}",
        refused.stderr
    );
}
