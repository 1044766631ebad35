use clap::{Parser as _, ValueEnum as _};

use super::*;
use crate::cli::args::{Arguments, Command};
use crate::job::file::{AuthMethod, JobFile};
use crate::job::users::UsersFile;

fn flags(line: &str) -> InitArguments {
    let line = format!("teamsheet init {line}");
    let Command::Init(flags) = Arguments::parse_from(line.split_whitespace()).command else {
        panic!("{line}")
    };
    flags
}

fn answers(line: &str) -> Answers {
    Answers::from_flags(&flags(&format!("--tenant contoso.onmicrosoft.com {line}")))
}

fn asked(line: &str, replies: &str) -> (io::Result<Answers>, String) {
    let mut out = Vec::new();
    let answers = questions::ask(&flags(line), &mut replies.as_bytes(), &mut out);
    (answers, String::from_utf8(out).unwrap())
}

#[test]
fn every_method_and_choice_of_sources_makes_a_job_file_that_parses() {
    for auth in AuthChoice::value_variants() {
        for sources in ["online-meetings", "webinars", "town-halls,online-meetings"] {
            let name = auth.to_possible_value().unwrap().get_name().to_owned();
            let mut wanted = answers(&format!("--auth {name} --source {sources} --client-id app"));
            wanted.timezone = "Europe/Berlin".to_owned();
            wanted.warehouse = "/data/\"teams\" # 1".to_owned();
            job_file::check(&wanted).unwrap();
            let text = job_file::text(&wanted);
            let file = JobFile::parse(&text, Path::new("x.toml")).unwrap();
            assert_eq!(file.tenant.id.as_deref(), Some("contoso.onmicrosoft.com"));
            assert_eq!(file.auth.method, Some(auth.method()));
            // the key belongs to every method but that one
            let expected = (*auth != AuthChoice::AccessToken).then_some("app");
            assert_eq!(file.auth.client_id.as_deref(), expected);
            assert_eq!(
                file.auth.client_secret.is_some(),
                *auth == AuthChoice::ClientSecret
            );
            assert_eq!(
                file.auth.certificate.is_some(),
                *auth == AuthChoice::Certificate
            );
            assert_eq!(file.warehouse.uri.as_deref(), Some("/data/\"teams\" # 1"));
            assert_eq!(file.warehouse.timezone.as_deref(), Some("Europe/Berlin"));
            let is_read = [
                file.sources.online_meetings.is_some(),
                file.sources.webinars.is_some(),
                file.sources.town_halls.is_some(),
            ];
            let expected = ["online-meetings", "webinars", "town-halls"]
                .map(|source| sources.contains(source));
            assert_eq!(is_read, expected, "{text}");
            let is_me = matches!(
                file.sources.online_meetings.and_then(|file| file.users),
                Some(UsersFile::Me)
            );
            let is_delegated = matches!(auth, AuthChoice::DeviceCode | AuthChoice::AccessToken);
            assert_eq!(is_me, is_delegated && expected[0], "{text}");
        }
    }
}

#[test]
fn the_job_file_keeps_the_comments_of_the_example() {
    let text = job_file::text(&answers("--cloud us-gov"));
    for line in [
        "#   teamsheet run --job nightly.toml",
        "id = \"contoso.onmicrosoft.com\" # the tenant's GUID or one of its domains",
        "cloud = \"us-gov\"",
        "timezone = \"UTC\" # whose midnights cut the days",
        "# lookback_days = 7",
        "client_id = \"00000000-0000-0000-0000-000000000000\" # put the application (client) id here",
    ] {
        assert!(
            text.lines().any(|found| found.starts_with(line)),
            "{line} is not in\n{text}"
        );
    }
    assert!(
        !text.contains("[sources.webinars]") && !text.contains("Copy it"),
        "{text}"
    );
}

#[test]
fn a_job_of_one_user_asks_for_what_is_the_users_own() {
    let all = "--auth device-code --source online-meetings,webinars,town-halls --out own.toml";
    let text = job_file::text(&answers(all));
    let lines: Vec<&str> = text.lines().collect();
    for table in ["[sources.webinars]", "[sources.town_halls]"] {
        assert!(
            lines
                .windows(2)
                .any(|two| two == [table, "organizers = \"me\""]),
            "{text}"
        );
    }
    assert!(lines.contains(&"name = \"own\""), "{text}");
    let ready = job_file::text(&answers("--auth access-token --client-id app"));
    assert!(
        !ready.lines().any(|line| line.starts_with("client_id")),
        "{ready}"
    );
}

#[test]
fn what_makes_no_job_is_refused_as_a_run_would_refuse_it() {
    for (line, part) in [
        ("--timezone Mars/Olympus", "Mars/Olympus"),
        ("--cloud us-gov --source webinars", "us-gov"),
    ] {
        let error = job_file::check(&answers(line)).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    let nobody = Answers::from_flags(&flags("--tenant common"));
    assert!(job_file::check(&nobody).is_err());
}

#[test]
fn only_what_no_flag_says_is_asked() {
    let all = "--tenant contoso.com --client-id app --auth certificate --cloud global --source webinars --warehouse w --timezone UTC --out a.toml";
    let (found, printed) = asked(all, "");
    assert_eq!(found.unwrap().auth.method(), AuthMethod::Certificate);
    assert_eq!(printed, "");
}

#[test]
fn defaults_are_one_key_and_a_wrong_answer_is_asked_again() {
    let replies = "\ncommon\ncontoso.com\n\nkerberos\nCERTIFICATE\n\nwebinar\ntown-halls, webinars\n\nMars\nEurope/Berlin\nours.toml\n";
    let (found, printed) = asked("", replies);
    let found = found.unwrap();
    assert_eq!(
        found,
        Answers {
            tenant: "contoso.com".to_owned(),
            client_id: None,
            auth: AuthChoice::Certificate,
            cloud: CloudChoice::Global,
            sources: vec![SourceChoice::Webinars, SourceChoice::TownHalls],
            warehouse: "./warehouse".to_owned(),
            timezone: "Europe/Berlin".to_owned(),
            out: PathBuf::from("ours.toml"),
        }
    );
    assert_eq!(printed.matches("Tenant:").count(), 3, "{printed}");
    assert_eq!(printed.matches("error:").count(), 2, "{printed}");
    assert_eq!(printed.matches("please").count(), 2, "{printed}");
}

#[test]
fn the_check_runs_only_where_it_is_wanted() {
    for (reply, expected) in [
        ("y\n", true),
        ("yes\n", true),
        ("\n", false),
        ("n\n", false),
        ("", false),
    ] {
        let mut out = Vec::new();
        assert_eq!(
            questions::wants_check(&mut reply.as_bytes(), &mut out),
            expected,
            "{reply:?}"
        );
        assert_eq!(out, b"\nRun this check now? [y/N]: ");
    }
}

#[test]
fn answers_that_end_early_write_nothing() {
    let (found, _) = asked("", "contoso.com\n");
    assert_eq!(found.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_file_that_is_there_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nightly.toml");
    write_new(&path, "first").unwrap();
    assert!(matches!(
        write_new(&path, "second"),
        Err(InitError::Exists { .. })
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    assert!(refuse_existing(&link).is_err() && write_new(&link, "x").is_err());
    assert!(matches!(
        write_new(Path::new("/nowhere/nightly.toml"), ""),
        Err(InitError::Unwritable { .. })
    ));
}

fn printed_steps(line: &str) -> String {
    let mut out = Vec::new();
    steps::write(&mut out, &answers(line)).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_steps_are_exact() {
    insta::assert_snapshot!(printed_steps("--source online-meetings,webinars"), @r#"
    Wrote `nightly.toml`. Before it works, in the tenant `contoso.onmicrosoft.com`:

    1. Register an app at https://entra.microsoft.com:
       App registrations, New registration: this tenant only, no redirect URI.
       Put its Application (client) ID into `nightly.toml`.

    2. Grant it these application permissions of Microsoft Graph:
         User.Read.All                   whose calendars to read
         Calendars.ReadBasic.All         which meetings there were
         OnlineMeetings.Read.All         the meeting behind a join link
         OnlineMeetingArtifact.Read.All  attendance reports and records
         VirtualEvent.Read.All           webinars and town halls
       API permissions, Add a permission, Microsoft Graph, Application permissions; then
       Grant admin consent.

    3. Let the app read meetings, in PowerShell, as a Teams administrator:

         Install-Module MicrosoftTeams
         Connect-MicrosoftTeams
         New-CsApplicationAccessPolicy -Identity teamsheet -AppIds "<application (client) id>" -Description "Attendance for the warehouse"
         Grant-CsApplicationAccessPolicy -PolicyName teamsheet -Global

       In place of -Global: -Identity "<object id of an organizer>", or -Group "<group id>".
       It may take 30 minutes to work. Without it every meeting is forbidden.

    4. Make a client secret (Certificates & secrets) and keep it where the job runs:

         export TEAMSHEET_CLIENT_SECRET='…'

    Then:

      teamsheet check --job nightly.toml
      teamsheet run --job nightly.toml
    "#);
    insta::assert_snapshot!(printed_steps("--cloud us-gov --auth managed-identity --client-id 11111111-2222-3333-4444-555555555555"), @r#"
    Wrote `nightly.toml`. Before it works, in the tenant `contoso.onmicrosoft.com`:

    1. Give the machine a managed identity (in Azure: Identity, On).
       For a user-assigned one, its client id is `client_id` in `nightly.toml`.

    2. Grant it these application permissions of Microsoft Graph:
         User.Read.All                   whose calendars to read
         Calendars.ReadBasic.All         which meetings there were
         OnlineMeetings.Read.All         the meeting behind a join link
         OnlineMeetingArtifact.Read.All  attendance reports and records
       A managed identity is granted them in PowerShell, as a Privileged Role Administrator:

         Install-Module Microsoft.Graph
         Connect-MgGraph -Environment USGov -Scopes Application.Read.All, AppRoleAssignment.ReadWrite.All
         $identity = Get-MgServicePrincipal -Filter "appId eq '11111111-2222-3333-4444-555555555555'"
         $graph = Get-MgServicePrincipal -Filter "appId eq '00000003-0000-0000-c000-000000000000'"
         foreach ($name in 'User.Read.All', 'Calendars.ReadBasic.All', 'OnlineMeetings.Read.All', 'OnlineMeetingArtifact.Read.All') {
           $role = $graph.AppRoles | Where-Object { $_.Value -eq $name -and $_.AllowedMemberTypes -contains 'Application' }
           New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $identity.Id -PrincipalId $identity.Id -ResourceId $graph.Id -AppRoleId $role.Id
         }

    3. Let the app read meetings, in PowerShell, as a Teams administrator:

         Install-Module MicrosoftTeams
         Connect-MicrosoftTeams -TeamsEnvironmentName TeamsGCCH
         New-CsApplicationAccessPolicy -Identity teamsheet -AppIds "11111111-2222-3333-4444-555555555555" -Description "Attendance for the warehouse"
         Grant-CsApplicationAccessPolicy -PolicyName teamsheet -Global

       In place of -Global: -Identity "<object id of an organizer>", or -Group "<group id>".
       It may take 30 minutes to work. Without it every meeting is forbidden.

    Then:

      teamsheet check --job nightly.toml
      teamsheet run --job nightly.toml
    "#);
    insta::assert_snapshot!(printed_steps("--auth device-code --source webinars --client-id app"), @"
    Wrote `nightly.toml`. Before it works, in the tenant `contoso.onmicrosoft.com`:

    1. Open the app registration `app` at https://entra.microsoft.com.

    2. Grant it these delegated permissions of Microsoft Graph:
         OnlineMeetingArtifact.Read.All  attendance reports and records
         VirtualEvent.Read               webinars and town halls
       API permissions, Add a permission, Microsoft Graph, Delegated permissions.
       VirtualEvent.Read needs an administrator: Grant admin consent. Without webinars and
       town halls (`--source online-meetings`), whoever signs in consents to the rest.

    3. Allow public client flows (Authentication), then sign in once:

         teamsheet login --job nightly.toml

    Then:

      teamsheet check --job nightly.toml
      teamsheet run --job nightly.toml
    ");
}

#[test]
fn an_administrator_is_called_for_only_where_one_is_needed() {
    for (line, is_needed) in [
        ("--auth client-secret", true),
        ("--auth device-code", true),
        ("--auth device-code --source town-halls", true),
        ("--auth device-code --source online-meetings", false),
    ] {
        let steps = printed_steps(line);
        let is_told = ["needs an administrator", "then\n   Grant admin consent"]
            .iter()
            .any(|text| steps.contains(text));
        assert_eq!(is_told, is_needed, "{steps}");
    }
    let own = job_file::text(&answers("--auth device-code --source online-meetings"));
    assert!(!own.contains("every enabled account"), "{own}");
    assert!(own.contains("users = \"me\" # whoever signs in"), "{own}");
}

#[test]
fn every_method_ends_with_the_command_to_go_on_with() {
    for (auth, part) in [
        ("client-secret", "export TEAMSHEET_CLIENT_SECRET="),
        ("certificate", "teamsheet.pem"),
        ("workload-identity", "api://AzureADTokenExchange"),
        ("access-token", "export TEAMSHEET_ACCESS_TOKEN="),
        ("device-code", "teamsheet login --job nightly.toml"),
    ] {
        let steps = printed_steps(&format!("--auth {auth}"));
        assert!(steps.contains(part), "{steps}");
        assert!(steps.ends_with("--job nightly.toml\n"), "{steps}");
    }
}
