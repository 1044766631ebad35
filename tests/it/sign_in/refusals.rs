//! Credentials that are refused, by Graph, by the sign-in host or by us.

use super::*;

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

#[test]
fn fault_37_and_38_a_token_that_graph_goes_on_refusing_ends_with_4() {
    let challenge =
        "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\"";
    for (challenge, asked, said) in [
        (None, 2, "Graph answered 401"),
        (
            Some(challenge),
            2,
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
fn fault_43_a_sign_in_host_that_says_later_with_a_4xx_is_asked_again() {
    let stand = stand();
    let body = r#"{"error":"temporarily_unavailable","error_description":"AADSTS90033: A transient error has occurred.","error_codes":[90033]}"#;
    let later = FaultEffect::Answer(FaultAnswer::raw(400, body));
    stand.tenant.script(Fault::first(1, "/oauth2/", later));
    // a meeting of its world is not found, which one night only suspects
    let job = stand.job(&stand.warehouse(), "[run]\ntolerate = [\"gone\"]\n");
    run(&stand, "run", &job).expect_code(0);
    assert_eq!(tokens_asked_for(&stand), 2);
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
