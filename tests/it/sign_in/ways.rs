//! Each method signs in, and prints neither its secret nor a token.

use super::*;

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
        refused.stderr.contains("Put a new access token"),
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
