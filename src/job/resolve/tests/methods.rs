//! Each way to sign in: what it needs, what it takes from where, and what it refuses.

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use secrecy::ExposeSecret as _;

use super::*;
use crate::job::plan::{ActsAs, AuthPlan, IdentityService};

const JOB: &str = "tenant.id = 'contoso.com'\nsources.online_meetings = {}\n";

/// The sign-in of a job whose `[auth]` and other lines are these, in this environment; every secret file holds `file`.
fn auth_in(lines: &str, environment: &[(&str, &str)], file: &str) -> Result<AuthPlan, PlanError> {
    let surroundings = Surroundings {
        started_at: NOW.parse::<jiff::Timestamp>().unwrap().into(),
        random: [0; 16],
        variable: &|name| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        },
        read_file: &|_| {
            Ok(FileContents {
                bytes: file.as_bytes().to_vec(),
                is_readable_by_others: false,
            })
        },
        job_stem: "stem",
    };
    let job = JobFile::parse(&format!("{JOB}{lines}"), Path::new("job.toml"))?;
    let cloud = job.tenant.cloud.unwrap_or_default();
    signing_in::auth(
        &job,
        "contoso.com".to_owned(),
        cloud,
        cloud.hosts().unwrap(),
        &surroundings,
    )
}

fn auth(lines: &str) -> AuthPlan {
    auth_in(
        lines,
        &[("SECRET", "hunter2"), ("HOME", "/home/a")],
        "hunter2",
    )
    .unwrap()
}

fn refused(lines: &str, environment: &[(&str, &str)]) -> String {
    let error = auth_in(lines, environment, "hunter2").unwrap_err();
    let text = format!("error: {error}\nhint: {}", error.hint());
    assert!(!text.contains("hunter2"), "{text}");
    text
}

#[test]
fn a_certificate_comes_from_its_file() {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let params = CertificateParams::new(vec!["teamsheet".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    let lines = "auth = { method = 'certificate', client_id = ' app ', certificate = { file = 'app.pem' } }";
    let plan = auth_in(lines, &[], &pem).unwrap();
    let Credentials::Certificate {
        client_id,
        certificate,
    } = &plan.credentials
    else {
        panic!("{plan:?}")
    };
    assert_eq!(client_id, "app");
    assert_eq!(certificate.thumbprint().len(), 43);
    assert_eq!(plan.scope, "https://graph.microsoft.com/.default");
    insta::assert_snapshot!(refused(lines, &[]), @"
    error: `auth.certificate` names no usable certificate
    hint: The file holds the certificate and its private key as PEM, the key (RSA, 2048 bits or more) without a password: `cat app.crt app.key > app.pem`
    ");
}

#[test]
fn fault_93_the_job_file_wins_over_the_environment_and_that_over_the_default() {
    let token_file = |lines: &str, environment: &[(&str, &str)]| {
        let lines = format!("auth.method = 'workload-identity'\nauth.client_id = 'app'\n{lines}");
        auth_in(&lines, environment, "").map(|plan| {
            let Credentials::WorkloadIdentity { token_file, .. } = plan.credentials else {
                panic!("{plan:?}")
            };
            token_file.display().to_string()
        })
    };
    let variable = ("AZURE_FEDERATED_TOKEN_FILE", "/environment");
    let written = "auth.token_file = '/job'";
    assert_eq!(token_file(written, &[variable]).unwrap(), "/job");
    assert_eq!(token_file("", &[variable]).unwrap(), "/environment");
    assert!(matches!(
        token_file("", &[]),
        Err(PlanError::MissingKey {
            key: "auth.token_file",
            ..
        })
    ));

    let service = |lines: &str, environment: &[(&str, &str)]| {
        let plan = auth_in(
            &format!("auth.method = 'managed-identity'\n{lines}"),
            environment,
            "",
        );
        let Credentials::ManagedIdentity { service, .. } = plan.unwrap().credentials else {
            panic!("{lines}")
        };
        match service {
            IdentityService::Imds(origin) => origin.to_string(),
            IdentityService::AppService { endpoint, header } => {
                format!("{endpoint} {}", header.expose_secret())
            }
            IdentityService::Arc {
                endpoint,
                key_folder,
            } => format!("{endpoint} keys in {}", key_folder.display()),
        }
    };
    let platform = [
        ("IDENTITY_ENDPOINT", "http://169.254.129.5:8081/msi/token"),
        ("IDENTITY_HEADER", "hunter2"),
    ];
    let pod = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:42");
    let all = [platform[0], platform[1], pod];
    // as the agent of Azure Arc sets them; App Service sets a header, whatever else is there
    let arc = [
        (
            "IDENTITY_ENDPOINT",
            "http://localhost:40342/metadata/identity/oauth2/token",
        ),
        ("IMDS_ENDPOINT", "http://localhost:40342"),
        pod,
    ];
    let both = [platform[0], platform[1], arc[1]];
    for (lines, environment, expected) in [
        (
            "graph.authority = 'http://127.0.0.1:1'",
            &all[..],
            "http://127.0.0.1:1/",
        ),
        ("", &all, "http://169.254.129.5:8081/msi/token hunter2"),
        ("", &all[1..], "http://127.0.0.1:42/"),
        (
            "",
            &arc,
            "http://localhost:40342/metadata/identity/oauth2/token keys in /var/opt/azcmagent/tokens",
        ),
        ("", &arc[1..], "http://127.0.0.1:42/"),
        ("", &both, "http://169.254.129.5:8081/msi/token hunter2"),
        ("", &all[..1], "http://169.254.169.254/"),
        ("", &[], "http://169.254.169.254/"),
    ] {
        assert_eq!(
            service(lines, environment),
            expected,
            "{lines} {environment:?}"
        );
    }

    let state = |environment: &[(&str, &str)]| {
        let lines = "auth.method = 'device-code'\nauth.client_id = 'app'";
        auth_in(lines, environment, "").map(|plan| {
            let Credentials::DeviceCode { state_folder, .. } = plan.credentials else {
                panic!("{plan:?}")
            };
            state_folder.display().to_string()
        })
    };
    let home = ("HOME", "/home/a");
    assert_eq!(
        state(&[("XDG_STATE_HOME", "/state"), home]).unwrap(),
        "/state/teamsheet"
    );
    for environment in [&[home][..], &[("XDG_STATE_HOME", "relative"), home]] {
        assert_eq!(
            state(environment).unwrap(),
            "/home/a/.local/state/teamsheet"
        );
    }
    assert!(matches!(state(&[]), Err(PlanError::NoStateFolder)));
}

#[test]
fn a_server_of_azure_arc_has_its_own_identity_only() {
    let environment = [
        ("IDENTITY_ENDPOINT", "http://localhost:40342/x"),
        ("IMDS_ENDPOINT", "http://localhost:40342"),
    ];
    let lines = "auth.method = 'managed-identity'\nauth.client_id = 'app'";
    assert!(matches!(
        auth_in(lines, &environment, ""),
        Err(PlanError::NotOfMethod {
            key: "auth.client_id",
            ..
        })
    ));
}

#[test]
fn a_managed_identity_asks_for_the_resource_of_its_cloud() {
    for (lines, resource, id) in [
        ("", "https://graph.microsoft.com/", None),
        (
            "auth.client_id = 'own'\ntenant.cloud = 'us-gov'",
            "https://graph.microsoft.us/",
            Some("own"),
        ),
    ] {
        let plan = auth(&format!("auth.method = 'managed-identity'\n{lines}"));
        let Credentials::ManagedIdentity {
            client_id,
            resource: asked,
            ..
        } = plan.credentials
        else {
            panic!("{plan:?}")
        };
        assert_eq!((asked.as_str(), client_id.as_deref()), (resource, id));
    }
}

#[test]
fn fault_94_an_identity_service_is_near_or_https() {
    for bad in [
        "http://10.0.0.1",
        "http://example.org",
        "ftp://127.0.0.1",
        "https://a:b@example.org",
        "x",
    ] {
        let refusal = refused(
            "auth.method = 'managed-identity'",
            &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", bad)],
        );
        assert!(
            refusal.contains("`AZURE_POD_IDENTITY_AUTHORITY_HOST` has an unusable value"),
            "{refusal}"
        );
    }
}

#[test]
fn a_user_is_asked_for_permissions_of_the_own_cloud_and_for_renewal() {
    let method = "auth.method = 'device-code'\nauth.client_id = 'app'\ntenant.cloud = 'us-gov'";
    let plan = auth(method);
    assert_eq!(plan.acts_as(), Some(ActsAs::User));
    assert_eq!(
        plan.scope,
        [
            "User.Read",
            "OnlineMeetingArtifact.Read.All",
            "Calendars.ReadBasic",
            "OnlineMeetings.Read"
        ]
        .map(|name| format!("https://graph.microsoft.us/{name} "))
        .concat()
            + "offline_access"
    );
}

#[test]
fn a_user_is_asked_only_for_what_the_sources_need() {
    let method = "auth.method = 'device-code'\nauth.client_id = 'app'";
    for (sources, expected) in [
        ("", false),
        ("sources.town_halls = {}", true),
        ("sources.webinars = {}", true),
    ] {
        let scope = auth(&format!("{method}\n{sources}")).scope;
        // to which an administrator must consent
        assert_eq!(scope.contains("/VirtualEvent.Read "), expected, "{scope}");
        assert!(scope.contains("/OnlineMeetings.Read "), "{scope}");
    }
}

#[test]
fn a_ready_token_tells_whose_it_is() {
    use base64::Engine as _;
    for (claims, expected) in [
        (r#"{"scp":"User.Read"}"#, Some(ActsAs::User)),
        (r#"{"roles":["User.Read.All"]}"#, Some(ActsAs::App)),
        (r"{}", None),
    ] {
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
        let token = format!("h.{claims}.s");
        let lines = "auth = { method = 'access-token', access_token = { env = 'TOKEN' } }";
        let plan = auth_in(lines, &[("TOKEN", &token)], "").unwrap();
        assert_eq!(plan.acts_as(), expected);
    }
}

#[test]
fn a_key_that_does_not_belong_to_the_method_is_named() {
    let methods = [
        ("client-secret", "client_id client_secret"),
        ("certificate", "client_id certificate"),
        ("workload-identity", "client_id token_file"),
        ("managed-identity", "client_id"),
        ("device-code", "client_id"),
        ("access-token", "access_token"),
    ];
    let keys = [
        ("client_id", "'app'"),
        ("client_secret", "{ env = 'SECRET' }"),
        ("certificate", "{ env = 'SECRET' }"),
        ("token_file", "'/token'"),
        ("access_token", "{ env = 'SECRET' }"),
    ];
    for (method, own) in methods {
        for (key, value) in keys {
            let lines = format!("auth.method = '{method}'\nauth.{key} = {value}");
            let told = auth_in(&lines, &[("SECRET", "hunter2"), ("HOME", "/h")], "")
                .map_or_else(|error| error.to_string(), |_| String::new());
            let is_named =
                told == format!("`auth.{key}` does not belong to `auth.method = \"{method}\"`");
            assert_eq!(
                is_named,
                !own.split(' ').any(|own| own == key),
                "{method} {key}: {told}"
            );
        }
    }
    insta::assert_snapshot!(refused("auth.certificate = { file = 'app.pem' }", &[]), @r#"
    error: `auth.certificate` does not belong to `auth.method = "client-secret"`
    hint: Leave it out, or use `method = "certificate"`
    "#);
}

#[test]
fn what_a_method_cannot_do_without_is_named() {
    for (method, key) in [
        ("client-secret", "auth.client_id"),
        ("certificate", "auth.client_id"),
        ("workload-identity", "auth.client_id"),
        ("device-code", "auth.client_id"),
        ("access-token", "auth.access_token"),
    ] {
        let refusal = refused(&format!("auth.method = '{method}'"), &[("HOME", "/h")]);
        assert!(
            refusal.starts_with(&format!("error: the job file has no `{key}`")),
            "{refusal}"
        );
    }
}

#[test]
fn fault_91_a_printed_sign_in_holds_no_secret() {
    for lines in [
        "auth = { client_id = 'app', client_secret = { env = 'SECRET' } }",
        "auth = { method = 'access-token', access_token = { env = 'SECRET' } }",
    ] {
        assert!(!format!("{:?}", auth(lines)).contains("hunter2"), "{lines}");
    }
    let environment = [
        ("IDENTITY_ENDPOINT", "http://127.0.0.1/"),
        ("IDENTITY_HEADER", "hunter2"),
    ];
    let plan = auth_in("auth.method = 'managed-identity'", &environment, "").unwrap();
    assert!(!format!("{plan:?}").contains("hunter2"));
}
