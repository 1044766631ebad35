//! Signing in with the real binary: each method, a user's login, and what is kept where.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use teamsheet::simulated_tenant::{
    CLIENT_ID, CLIENT_SECRET, Fault, FaultAnswer, FaultEffect, TENANT_ID,
};

use tokio::runtime::Runtime;

use crate::support::{Outcome, Stand, binary, outcome};
use crate::tenant_client::sign_in;

fn stand() -> Stand {
    Stand::lifelike(12, 2)
}

/// The stand's job with another `[auth]`; `users` and `organizers` as given.
fn job(stand: &Stand, auth: &str, reach: &str) -> PathBuf {
    let path = stand.job(&stand.warehouse(), "");
    let text = fs::read_to_string(&path).unwrap();
    let (before, after) = text.split_once("[auth]").unwrap();
    let (_, after) = after.split_once("[warehouse]").unwrap();
    fs::write(
        &path,
        format!("{before}[auth]\n{auth}\n{reach}\n[warehouse]{after}"),
    )
    .unwrap();
    path
}

const EVERYBODY: &str = "[sources.online_meetings]\n[sources.webinars]\n";

/// Runs the program with a state folder of the test's own.
fn teamsheet(stand: &Stand, arguments: &[&str]) -> Command {
    let mut command = binary();
    command
        .args(arguments)
        .env("XDG_STATE_HOME", stand.folder.path().join("state"))
        .current_dir(stand.folder.path());
    command
}

fn run(stand: &Stand, verb: &str, job: &Path) -> Outcome {
    outcome(
        teamsheet(stand, &[verb, "--job", job.to_str().unwrap()])
            .output()
            .unwrap(),
    )
}

fn device_code(stand: &Stand) -> PathBuf {
    let auth = format!("method = \"device-code\"\nclient_id = \"{CLIENT_ID}\"");
    job(stand, &auth, "[sources.online_meetings]\nusers = \"me\"\n")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn state(stand: &Stand) -> (PathBuf, Vec<PathBuf>) {
    let folder = stand.folder.path().join("state/teamsheet");
    let files = fs::read_dir(&folder).map_or_else(
        |_| Vec::new(),
        |entries| entries.map(|entry| entry.unwrap().path()).collect(),
    );
    (folder, files)
}

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
fn a_user_does_not_reach_the_tenant_and_an_app_is_not_me() {
    let stand = stand();
    let auth = format!("method = \"device-code\"\nclient_id = \"{CLIENT_ID}\"");
    let of_app = format!("client_id = \"{CLIENT_ID}\"\nclient_secret = {{ env = \"SECRET\" }}");
    for (auth, reach, named) in [
        (&auth, EVERYBODY, "sources.online_meetings.users = \"all\""),
        (
            &auth,
            "[sources.webinars]",
            "sources.webinars.organizers = \"all\"",
        ),
        (
            &of_app,
            "[sources.online_meetings]\nusers = \"me\"\n",
            "sources.online_meetings.users = \"me\"",
        ),
    ] {
        let outcome = run(&stand, "run", &job(&stand, auth, reach)).expect_code(2);
        assert!(outcome.stderr.contains(named), "{}", outcome.stderr);
    }
    assert!(stand.tenant.requests().is_empty());
}

#[test]
fn fault_92_what_is_kept_is_its_owners_alone_whatever_the_umask_is() {
    let stand = stand();
    let job = device_code(&stand);
    let login = teamsheet(&stand, &[]);
    let status = Command::new("sh")
        .args(["-c", "umask 000; exec \"$0\" login --job \"$1\""])
        .arg(login.get_program())
        .arg(&job)
        .env("XDG_STATE_HOME", stand.folder.path().join("state"))
        .output()
        .unwrap();
    outcome(status).expect_code(0);
    let (folder, files) = state(&stand);
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(files.len(), 1);
    assert_eq!(mode(&files[0]), 0o600);
    // what a run stages is people's data: nobody else may enter either
    let app = stand.job(&stand.warehouse(), "");
    let run = Command::new("sh")
        .args(["-c", "umask 000; exec \"$0\" run --job \"$1\""])
        .arg(login.get_program())
        .arg(&app)
        .env("SECRET", CLIENT_SECRET)
        .output()
        .unwrap();
    assert!([Some(0), Some(3)].contains(&run.status.code()));
    for private in ["_teamsheet", "_teamsheet/staging"] {
        assert_eq!(mode(&stand.warehouse().join(private)), 0o700, "{private}");
    }
    let job = device_code(&stand);
    // one that others may enter is closed at the next sign-in
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    self::run(&stand, "login", &job).expect_code(0);
    assert_eq!(mode(&folder), 0o700);
}

#[test]
fn fault_89_a_certificate_that_every_user_may_read_is_refused() {
    let stand = stand();
    let pem = stand.folder.path().join("app.pem");
    fs::write(&pem, "hunter2").unwrap();
    let auth = format!(
        "method = \"certificate\"\nclient_id = \"{CLIENT_ID}\"\ncertificate = {{ file = \"{}\" }}",
        pem.display()
    );
    let job = job(&stand, &auth, EVERYBODY);
    fs::set_permissions(&pem, fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = run(&stand, "run", &job).expect_code(2);
    assert!(
        outcome
            .stderr
            .contains("every user of this machine can read"),
        "{}",
        outcome.stderr
    );
    fs::set_permissions(&pem, fs::Permissions::from_mode(0o600)).unwrap();
    let outcome = run(&stand, "run", &job).expect_code(2);
    assert!(
        outcome.stderr.contains("it is no PEM"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("hunter2"));
    assert!(stand.tenant.requests().is_empty());
}

/// A token of the simulated tenant, as something else would get it.
fn token_of(stand: &Stand) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let signing_in = sign_in(&stand.tenant, &http, TENANT_ID, CLIENT_ID, CLIENT_SECRET);
    let (_, answer) = Runtime::new().unwrap().block_on(signing_in);
    answer["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_ready_token_runs_a_job_and_ends_with_4_where_it_is_refused() {
    let stand = stand();
    let job = job(
        &stand,
        "method = \"access-token\"\naccess_token = { env = \"TOKEN\" }",
        EVERYBODY,
    );
    let arguments = ["run", "--job", job.to_str().unwrap()];
    let with_token = |token: &str| {
        outcome(
            teamsheet(&stand, &arguments)
                .env("TOKEN", token)
                .output()
                .unwrap(),
        )
    };
    let token = token_of(&stand);
    let done = with_token(&token);
    assert!([0, 3].contains(&done.code), "{}", done.stderr);
    assert!(!stand.published().sessions.is_empty());
    let asked = |stand: &Stand| {
        let requests = stand.tenant.requests();
        requests
            .iter()
            .filter(|request| request.path_and_query.contains("/token"))
            .count()
    };
    assert_eq!(asked(&stand), 1, "the run asks for no token");

    stand.tenant.revoke_tokens();
    fs::remove_dir_all(stand.warehouse()).unwrap();
    let refused = with_token(&token).expect_code(4);
    assert!(
        refused.stderr.contains("put a new access token"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains(&token));
    assert_eq!(asked(&stand), 1);
}

/// A certificate with its key as PEM.
fn certificate() -> String {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let params = rcgen::CertificateParams::new(vec!["teamsheet".to_owned()]).unwrap();
    params.self_signed(&key).unwrap().pem() + &key.serialize_pem()
}

/// A method's `[auth]`, the environment that it reads, and what of both must never be printed.
struct Method {
    name: &'static str,
    auth: String,
    environment: Vec<(&'static str, String)>,
    canaries: Vec<String>,
}

fn methods(stand: &Stand) -> Vec<Method> {
    let id = format!("client_id = \"{CLIENT_ID}\"");
    let pem = certificate();
    let file = stand.folder.path().join("app.pem");
    fs::write(&file, &pem).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let lines = pem.lines().filter(|line| line.len() > 60);
    let token_file = stand.folder.path().join("token");
    fs::write(&token_file, "canary-a.canary-b.canary-c").unwrap();
    let authority = stand.tenant.authority().to_string();
    let host = authority.trim_end_matches('/').to_owned();
    let token = token_of(stand);
    let method = |name, auth: String, environment, canaries| Method {
        name,
        auth: format!("method = \"{name}\"\n{auth}"),
        environment,
        canaries,
    };
    vec![
        method(
            "client-secret",
            format!("{id}\nclient_secret = {{ env = \"SECRET\" }}"),
            vec![],
            vec![CLIENT_SECRET.to_owned()],
        ),
        method(
            "certificate",
            format!("{id}\ncertificate = {{ file = \"{}\" }}", file.display()),
            vec![],
            lines.map(str::to_owned).collect(),
        ),
        method(
            "workload-identity",
            id.clone(),
            vec![(
                "AZURE_FEDERATED_TOKEN_FILE",
                token_file.display().to_string(),
            )],
            vec!["canary-".to_owned()],
        ),
        method(
            "managed-identity",
            id,
            vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", host)],
            vec![],
        ),
        method(
            "access-token",
            "access_token = { env = \"TOKEN\" }".to_owned(),
            vec![("TOKEN", token.clone())],
            vec![token],
        ),
    ]
}

#[test]
fn fault_90_no_method_logs_its_secret_a_token_or_a_person() {
    let stand = stand();
    for method in methods(&stand) {
        let job = job(&stand, &method.auth, EVERYBODY);
        if method.name == "managed-identity" {
            // the sign-in host is the machine's, and only that
            let text = fs::read_to_string(&job).unwrap();
            let line = format!("authority = \"{}\"\n", stand.tenant.authority());
            fs::write(&job, text.replace(&line, "")).unwrap();
        }
        let mut printed = String::new();
        for verb in ["check", "run"] {
            let arguments = ["-vv", verb, "--job", job.to_str().unwrap()];
            let mut command = teamsheet(&stand, &arguments);
            command
                .envs(method.environment.clone())
                .env("RUST_LOG", "trace");
            let outcome = outcome(command.output().unwrap());
            assert!(
                [0, 3].contains(&outcome.code),
                "{}: {}",
                method.name,
                outcome.stderr
            );
            printed += &outcome.stdout;
            printed += &outcome.stderr;
        }
        assert!(printed.contains("pass  sign-in"), "{printed}");
        for canary in method.canaries.iter().map(String::as_str).chain([
            "eyJ",
            "Bearer",
            "PRIVATE KEY",
            "contoso.example",
            "meetup-join",
        ]) {
            assert!(
                !printed.contains(canary),
                "{}: {canary} in {printed}",
                method.name
            );
        }
        for person in &stand.tenant.world().people {
            assert!(!printed.contains(&person.id), "{}: {printed}", method.name);
            assert!(
                !printed.contains(&person.display_name),
                "{}: {printed}",
                method.name
            );
        }
        fs::remove_dir_all(stand.warehouse()).unwrap();
    }
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

/// A proxy must not see what never leaves the machine: neither the token nor the way to it.
#[test]
fn fault_63_no_proxy_is_asked_for_what_is_on_this_machine() {
    let stand = stand();
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let job = job(&stand, "method = \"managed-identity\"", EVERYBODY);
    let mut command = teamsheet(&stand, &["check", "--job", job.to_str().unwrap()]);
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env(name, &address);
    }
    let outcome = outcome(command.output().unwrap()).expect_code(0);
    assert!(
        outcome.stdout.contains("managed-identity"),
        "{}",
        outcome.stdout
    );
    assert!(proxy.accept().is_err(), "the proxy was asked");
    let first = &stand.tenant.requests()[0];
    assert_eq!(
        first.path_and_query,
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fgraph.microsoft.com%2F"
    );
}

#[test]
fn fault_92_no_core_file_is_written() {
    let stand = stand();
    stand
        .tenant
        .script(Fault::always("oauth2/v2.0/token", FaultEffect::Silence));
    let job = stand.job(&stand.warehouse(), "");
    let mut child = teamsheet(&stand, &["run", "--job", job.to_str().unwrap()])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let waited = std::time::Instant::now();
    while stand.tenant.requests().is_empty() {
        assert!(
            waited.elapsed() < std::time::Duration::from_secs(20),
            "it never got that far"
        );
        std::thread::yield_now();
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let numbers: Vec<_> = line.split_whitespace().skip(4).take(2).collect();
    assert_eq!(numbers, ["0", "0"], "{line}");
}

fn tokens_asked_for(stand: &Stand) -> usize {
    let requests = stand.tenant.requests();
    let tokens = requests
        .iter()
        .filter(|request| request.path_and_query.contains("/oauth2/"));
    tokens.count()
}

#[test]
fn fault_37_and_38_a_token_that_graph_goes_on_refusing_ends_with_4() {
    let challenge =
        "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\"";
    for (challenge, asked, said) in [
        (None, 2, "Graph answered 401"),
        (
            Some(challenge),
            1,
            "asks to sign in anew (claims challenge)",
        ),
    ] {
        let stand = stand();
        let refusal = FaultAnswer::graph_error(401, "InvalidAuthenticationToken", "Refused.");
        let refusal = match challenge {
            Some(challenge) => refusal.with_header("www-authenticate", challenge),
            None => refusal,
        };
        stand
            .tenant
            .script(Fault::always("GET /v1.0/", FaultEffect::Answer(refusal)));
        let job = stand.job(&stand.warehouse(), "");
        let outcome = run(&stand, "run", &job).expect_code(4);
        assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("hint:"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("eyJ"), "{}", outcome.stderr);
        assert_eq!(tokens_asked_for(&stand), asked, "no loop of renewals");
        assert!(stand.published().runs.is_empty());
    }
}

#[test]
fn fault_42_a_token_that_ends_in_the_middle_of_a_run_loses_nothing() {
    let stand = stand();
    let whole = stand.backfill(0, 2, "", &[]);
    let wanted = stand.published().content();
    fs::remove_dir_all(stand.warehouse()).unwrap();
    let before = tokens_asked_for(&stand);
    // renewed at half of its life: each of these waits is longer
    stand
        .tenant
        .edit(|world| world.answers.token_lifetime_seconds = 1);
    for part in [
        "GET /v1.0/users?",
        "calendarView",
        "GET /v1.0/solutions/virtualEvents/webinars",
    ] {
        let late = FaultEffect::Delay(std::time::Duration::from_millis(600));
        stand.tenant.script(Fault::first(1, part, late));
    }
    let job = stand.job(&stand.warehouse(), "");
    let settings = stand.tenant.world().settings;
    let days = [0, 2].map(|day| settings.midnight(day).to_string());
    let flags = [
        "backfill",
        "--from",
        &days[0],
        "--to",
        &days[1],
        "--job",
        job.to_str().unwrap(),
    ];
    stand.run(&flags).expect_code(whole.code);
    assert!(tokens_asked_for(&stand) - before >= 2);
    crate::support::assert_same_rows(&stand.published().content(), &wanted);
}

#[test]
fn fault_43_a_sign_in_host_that_is_no_such_host_ends_with_4_and_shows_nothing_of_it() {
    let stand = stand();
    let html = FaultAnswer::raw(200, "<html>Sign in, ada@contoso.example</html>");
    stand
        .tenant
        .script(Fault::always("/oauth2/", FaultEffect::Answer(html)));
    let job = stand.job(&stand.warehouse(), "");
    let outcome = run(&stand, "run", &job).expect_code(4);
    assert!(
        outcome.stderr.contains("holds no token that can be used"),
        "{}",
        outcome.stderr
    );
    for hidden in ["ada@", "<html>", CLIENT_SECRET] {
        assert!(!outcome.stderr.contains(hidden), "{}", outcome.stderr);
    }
    assert_eq!(tokens_asked_for(&stand), 1);
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
