//! What to do in Entra and Teams before the job file works, for the chosen sources and the chosen way to sign in.
//!
//! Source: <https://learn.microsoft.com/graph/permissions-reference>,
//! <https://learn.microsoft.com/graph/cloud-communication-online-meeting-application-access-policy>,
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-assign-app-role-managed-identity>.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Answers;
use crate::cli::args::{AuthChoice, CloudChoice, SourceChoice};

/// Graph itself, in every tenant.
const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";

type Permission = (&'static str, &'static str);

/// Writes the numbered steps and, last, the command to go on with.
///
/// # Errors
/// Those of the writer.
pub(super) fn write(out: &mut impl Write, answers: &Answers) -> io::Result<()> {
    let job = answers.out.display();
    writeln!(
        out,
        "Wrote `{job}`. Before it works, in the tenant `{}`:\n",
        answers.tenant
    )?;
    let mut number = 0;
    let mut step = |out: &mut dyn Write, title: &str| -> io::Result<()> {
        number += 1;
        writeln!(out, "{number}. {title}")
    };
    register(out, answers, &mut step)?;
    permissions(out, answers, &mut step)?;
    if !is_delegated(answers.auth) {
        policy(out, answers, &mut step)?;
    }
    credential(out, answers, &mut step)?;
    writeln!(
        out,
        "Then:\n\n  teamsheet check --job {job}\n  teamsheet run --job {job}"
    )
}

/// The same for programs: the file, the permissions to grant, and the commands to go on with.
pub(super) fn json(answers: &Answers) -> Value {
    let job = answers.out.display();
    let permissions = permissions_of(answers).into_iter();
    let permissions: Vec<_> = permissions.map(|(name, _)| name).collect();
    let mut next = vec![
        format!("teamsheet check --job {job}"),
        format!("teamsheet run --job {job}"),
    ];
    if answers.auth == AuthChoice::DeviceCode {
        next.insert(0, format!("teamsheet login --job {job}"));
    }
    json!({
        "job_file": job.to_string(),
        "tenant": answers.tenant,
        "client_id": answers.client_id,
        "auth": answers.auth.method().as_str(),
        "permissions": permissions,
        "needs_application_access_policy": !is_delegated(answers.auth),
        "next": next,
    })
}

type Step<'a> = &'a mut dyn FnMut(&mut dyn Write, &str) -> io::Result<()>;

/// Where apps are registered.
fn admin_centre(cloud: CloudChoice) -> &'static str {
    match cloud {
        CloudChoice::Global => "https://entra.microsoft.com",
        CloudChoice::UsGov | CloudChoice::UsGovDod => "https://entra.microsoft.us",
    }
}

fn is_delegated(auth: AuthChoice) -> bool {
    matches!(auth, AuthChoice::DeviceCode | AuthChoice::AccessToken)
}

fn client_id(answers: &Answers) -> &str {
    answers
        .client_id
        .as_deref()
        .unwrap_or("<application (client) id>")
}

fn register(out: &mut impl Write, answers: &Answers, step: Step<'_>) -> io::Result<()> {
    let job = answers.out.display();
    let centre = admin_centre(answers.cloud);
    if answers.auth == AuthChoice::ManagedIdentity {
        step(
            out,
            "Give the machine a managed identity (in Azure: Identity, On).",
        )?;
        return writeln!(
            out,
            "   For a user-assigned one, its client id is `client_id` in `{job}`.\n"
        );
    }
    if let Some(id) = &answers.client_id {
        step(
            out,
            &format!("Open the app registration `{id}` at {centre}."),
        )?;
        return writeln!(out);
    }
    step(out, &format!("Register an app at {centre}:"))?;
    writeln!(
        out,
        "   App registrations, New registration: this tenant only, no redirect URI.\n   \
         Put its Application (client) ID into `{job}`.\n"
    )
}

fn permissions(out: &mut impl Write, answers: &Answers, step: Step<'_>) -> io::Result<()> {
    let names = permissions_of(answers);
    let width = names.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let kind = if is_delegated(answers.auth) {
        "delegated"
    } else {
        "application"
    };
    step(
        out,
        &format!("Grant it these {kind} permissions of Microsoft Graph:"),
    )?;
    for (name, why) in &names {
        writeln!(out, "     {name:<width$}  {why}")?;
    }
    if answers.auth == AuthChoice::ManagedIdentity {
        let names: Vec<_> = names.iter().map(|(name, _)| format!("'{name}'")).collect();
        let identity = client_id(answers);
        let environment = match answers.cloud {
            CloudChoice::Global => "",
            CloudChoice::UsGov => " -Environment USGov",
            CloudChoice::UsGovDod => " -Environment USGovDoD",
        };
        return writeln!(
            out,
            "   A managed identity is granted them in PowerShell, as a Privileged Role Administrator:\n\n     \
             Install-Module Microsoft.Graph\n     \
             Connect-MgGraph{environment} -Scopes Application.Read.All, AppRoleAssignment.ReadWrite.All\n     \
             $identity = Get-MgServicePrincipal -Filter \"appId eq '{identity}'\"\n     \
             $graph = Get-MgServicePrincipal -Filter \"appId eq '{GRAPH_APP_ID}'\"\n     \
             foreach ($name in {}) {{\n       \
             $role = $graph.AppRoles | Where-Object {{ $_.Value -eq $name -and $_.AllowedMemberTypes -contains 'Application' }}\n       \
             New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $identity.Id -PrincipalId $identity.Id -ResourceId $graph.Id -AppRoleId $role.Id\n     \
             }}\n",
            names.join(", ")
        );
    }
    consent(out, answers)
}

/// An application's permissions all need an administrator. Of a user's only the one for virtual events does, and only where it is asked
/// for; the others are the user's to grant, where the tenant lets users consent.
fn consent(out: &mut impl Write, answers: &Answers) -> io::Result<()> {
    if !is_delegated(answers.auth) {
        return writeln!(
            out,
            "   API permissions, Add a permission, Microsoft Graph, Application permissions; then\n   Grant admin consent.\n"
        );
    }
    writeln!(
        out,
        "   API permissions, Add a permission, Microsoft Graph, Delegated permissions."
    )?;
    if has_virtual_events(answers) {
        writeln!(
            out,
            "   VirtualEvent.Read needs an administrator: Grant admin consent. Without webinars and\n   \
             town halls (`--source online-meetings`), whoever signs in consents to the rest.\n"
        )
    } else {
        writeln!(
            out,
            "   Whoever signs in consents to them; an administrator (Grant admin consent) only where\n   \
             the tenant does not let users consent.\n"
        )
    }
}

fn has_virtual_events(answers: &Answers) -> bool {
    let has = |source| answers.sources.contains(&source);
    has(SourceChoice::Webinars) || has(SourceChoice::TownHalls)
}

fn permissions_of(answers: &Answers) -> Vec<Permission> {
    let meetings = answers.sources.contains(&SourceChoice::OnlineMeetings);
    let virtual_events = has_virtual_events(answers);
    let (of_meetings, artifacts, of_events): ([Permission; 3], Permission, Permission) =
        if is_delegated(answers.auth) {
            (
                [
                    ("User.Read", "who signed in"),
                    ("Calendars.ReadBasic", "which meetings there were"),
                    ("OnlineMeetings.Read", "the meeting behind a join link"),
                ],
                (
                    "OnlineMeetingArtifact.Read.All",
                    "attendance reports and records",
                ),
                ("VirtualEvent.Read", "webinars and town halls"),
            )
        } else {
            (
                [
                    ("User.Read.All", "whose calendars to read"),
                    ("Calendars.ReadBasic.All", "which meetings there were"),
                    ("OnlineMeetings.Read.All", "the meeting behind a join link"),
                ],
                (
                    "OnlineMeetingArtifact.Read.All",
                    "attendance reports and records",
                ),
                ("VirtualEvent.Read.All", "webinars and town halls"),
            )
        };
    let mut names = Vec::new();
    if meetings {
        names.extend(of_meetings);
    }
    names.push(artifacts);
    if virtual_events {
        names.push(of_events);
    }
    names
}

fn policy(out: &mut impl Write, answers: &Answers, step: Step<'_>) -> io::Result<()> {
    let connect = match answers.cloud {
        CloudChoice::Global => "Connect-MicrosoftTeams",
        CloudChoice::UsGov => "Connect-MicrosoftTeams -TeamsEnvironmentName TeamsGCCH",
        CloudChoice::UsGovDod => "Connect-MicrosoftTeams -TeamsEnvironmentName TeamsDOD",
    };
    step(
        out,
        "Let the app read meetings, in PowerShell, as a Teams administrator:",
    )?;
    writeln!(
        out,
        "\n     Install-Module MicrosoftTeams\n     {connect}\n     \
         New-CsApplicationAccessPolicy -Identity teamsheet -AppIds \"{}\" -Description \"Attendance for the warehouse\"\n     \
         Grant-CsApplicationAccessPolicy -PolicyName teamsheet -Global\n\n   \
         In place of -Global: -Identity \"<object id of an organizer>\", or -Group \"<group id>\".\n   \
         It may take 30 minutes to work. Without it every meeting is forbidden.\n",
        client_id(answers)
    )
}

fn credential(out: &mut impl Write, answers: &Answers, step: Step<'_>) -> io::Result<()> {
    match answers.auth {
        AuthChoice::ClientSecret => {
            step(
                out,
                "Make a client secret (Certificates & secrets) and keep it where the job runs:",
            )?;
            writeln!(out, "\n     export TEAMSHEET_CLIENT_SECRET='…'\n")
        }
        AuthChoice::Certificate => {
            step(
                out,
                "Make a certificate, and upload `teamsheet.crt` (Certificates & secrets):",
            )?;
            writeln!(
                out,
                "\n     (umask 077 && openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj /CN=teamsheet \\\n        \
                 -keyout teamsheet.key -out teamsheet.crt && cat teamsheet.key teamsheet.crt > teamsheet.pem)\n"
            )
        }
        AuthChoice::WorkloadIdentity => {
            step(
                out,
                "Trust the identity provider (Certificates & secrets, Federated credentials):",
            )?;
            writeln!(
                out,
                "     Kubernetes: the cluster's issuer URL, namespace and service account\n     \
                 (`jobs/kubernetes.yaml`: namespace `teamsheet`, service account `teamsheet`);\n     \
                 audience `api://AzureADTokenExchange`.\n"
            )
        }
        AuthChoice::DeviceCode => {
            step(
                out,
                "Allow public client flows (Authentication), then sign in once:",
            )?;
            writeln!(
                out,
                "\n     teamsheet login --job {}\n",
                answers.out.display()
            )
        }
        AuthChoice::AccessToken => {
            step(out, "Put a token of that app where the job runs:")?;
            writeln!(out, "\n     export TEAMSHEET_ACCESS_TOKEN='…'\n")
        }
        // its token comes from the machine
        AuthChoice::ManagedIdentity => Ok(()),
    }
}
