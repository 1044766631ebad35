//! How to sign in: each method with its own keys, and no other's.

use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::asking::origin;
use super::invalid;
use crate::job::certificate::Certificate;
use crate::job::cloud::{Cloud, CloudHosts};
use crate::job::error::PlanError;
use crate::job::file::{AuthFile, AuthMethod, JobFile, NO_CLIENT_ID, SourcesFile};
use crate::job::plan::{AuthPlan, Credentials, IdentityService};
use crate::job::secret::SecretForm;
use crate::job::surroundings::Surroundings;

/// The instance metadata service: on every virtual machine of Azure, and nowhere else.
const IMDS: &str = "http://169.254.169.254";
/// Set by the webhook of AKS and read by every Azure SDK.
const FEDERATED_TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
/// What the Azure SDKs read in place of the instance metadata service's address.
const IMDS_HOST: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
/// Set by App Service, Functions and Container Apps.
const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";
const IDENTITY_HEADER: &str = "IDENTITY_HEADER";
/// Set beside `IDENTITY_ENDPOINT` by the agent of Azure Arc, which sets no header.
const ARC_METADATA: &str = "IMDS_ENDPOINT";
/// Where that agent keeps its key files on Linux, as the Azure SDKs hold it.
/// <https://learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication>
const ARC_KEYS: &str = "/var/opt/azcmagent/tokens";
/// What a user is asked to let the app do.
const USER_PERMISSIONS: [&str; 2] = ["User.Read", "OnlineMeetingArtifact.Read.All"];
/// With online meetings.
const OF_MEETINGS: [&str; 2] = ["Calendars.ReadBasic", "OnlineMeetings.Read"];
/// With webinars and town halls, where the cloud has them: elsewhere Graph does not know the permission, and the sign-in would be refused
/// for it. Only an administrator may consent to it, so nobody is asked for it in vain.
const OF_EVENTS: [&str; 1] = ["VirtualEvent.Read"];

pub(super) fn auth(
    file: &JobFile,
    tenant: String,
    cloud: Cloud,
    hosts: CloudHosts,
    surroundings: &Surroundings<'_>,
) -> Result<AuthPlan, PlanError> {
    let keys = &file.auth;
    let method = keys.method.unwrap_or(AuthMethod::ClientSecret);
    refuse_foreign_keys(keys, method)?;
    let written = file.graph.authority.as_deref();
    let credentials = match method {
        AuthMethod::ClientSecret => {
            let client_id = client_id(keys)?;
            let secret = keys.client_secret.as_ref().ok_or(PlanError::MissingKey {
                key: "auth.client_secret",
                example: "client_secret = { env = \"TEAMSHEET_CLIENT_SECRET\" }",
            })?;
            Credentials::ClientSecret {
                client_id,
                client_secret: secret.reveal(
                    "auth.client_secret",
                    SecretForm::Word,
                    surroundings,
                )?,
            }
        }
        AuthMethod::Certificate => {
            let client_id = client_id(keys)?;
            let key = "auth.certificate";
            let certificate = keys.certificate.as_ref().ok_or(PlanError::MissingKey {
                key,
                example: "certificate = { file = \"/etc/teamsheet/app.pem\" }",
            })?;
            let text = certificate.reveal(key, SecretForm::Lines, surroundings)?;
            Credentials::Certificate {
                client_id,
                certificate: Certificate::read(&text)
                    .map_err(|source| PlanError::BadCertificate { key, source })?,
            }
        }
        AuthMethod::WorkloadIdentity => Credentials::WorkloadIdentity {
            client_id: client_id(keys)?,
            token_file: token_file(keys, surroundings)?,
        },
        AuthMethod::ManagedIdentity => {
            let service = identity_service(written, surroundings)?;
            if matches!(service, IdentityService::Arc { .. }) && keys.client_id.is_some() {
                return Err(PlanError::NotOfMethod {
                    key: "auth.client_id",
                    method: "managed-identity",
                    instead: "Leave it out: a server that Azure Arc manages has its own identity only",
                });
            }
            Credentials::ManagedIdentity {
                client_id: keys
                    .client_id
                    .as_ref()
                    .map(|_| client_id(keys))
                    .transpose()?,
                service,
                // as the documentation of the instance metadata service writes it
                resource: format!("{}/", hosts.graph),
            }
        }
        AuthMethod::DeviceCode => Credentials::DeviceCode {
            client_id: client_id(keys)?,
            state_folder: state_folder(surroundings)?,
        },
        AuthMethod::AccessToken => {
            let key = "auth.access_token";
            let token = keys.access_token.as_ref().ok_or(PlanError::MissingKey {
                key,
                example: "access_token = { env = \"TEAMSHEET_ACCESS_TOKEN\" }",
            })?;
            Credentials::AccessToken {
                access_token: token.reveal(key, SecretForm::Word, surroundings)?,
            }
        }
    };
    let scope = if method == AuthMethod::DeviceCode {
        user_scope(cloud, hosts.graph, &file.sources)
    } else {
        format!("{}/.default", hosts.graph)
    };
    Ok(AuthPlan {
        tenant,
        authority: origin("graph.authority", written, hosts.authority)?,
        scope,
        credentials,
    })
}

/// A key that would be passed over is most likely a mistake about the method.
fn refuse_foreign_keys(keys: &AuthFile, method: AuthMethod) -> Result<(), PlanError> {
    use AuthMethod as M;
    let table: [(_, _, &[AuthMethod], _); 5] = [
        (
            "auth.client_id",
            keys.client_id.is_some(),
            &[
                M::ClientSecret,
                M::Certificate,
                M::WorkloadIdentity,
                M::ManagedIdentity,
                M::DeviceCode,
            ],
            "Leave it out: a ready token names its app itself",
        ),
        (
            "auth.client_secret",
            keys.client_secret.is_some(),
            &[M::ClientSecret],
            "Leave it out, or use `method = \"client-secret\"`",
        ),
        (
            "auth.certificate",
            keys.certificate.is_some(),
            &[M::Certificate],
            "Leave it out, or use `method = \"certificate\"`",
        ),
        (
            "auth.token_file",
            keys.token_file.is_some(),
            &[M::WorkloadIdentity],
            "Leave it out, or use `method = \"workload-identity\"`",
        ),
        (
            "auth.access_token",
            keys.access_token.is_some(),
            &[M::AccessToken],
            "Leave it out, or use `method = \"access-token\"`",
        ),
    ];
    let foreign = table
        .into_iter()
        .find(|(_, is_there, methods, _)| *is_there && !methods.contains(&method));
    match foreign {
        Some((key, _, _, instead)) => Err(PlanError::NotOfMethod {
            key,
            method: method.as_str(),
            instead,
        }),
        None => Ok(()),
    }
}

fn client_id(keys: &AuthFile) -> Result<String, PlanError> {
    let id = keys.client_id.as_deref().ok_or(PlanError::MissingKey {
        key: "auth.client_id",
        example: "client_id = \"00000000-0000-0000-0000-000000000000\"",
    })?;
    if id.trim().is_empty() {
        return Err(invalid(
            "auth.client_id",
            id,
            "the app registration's application (client) id",
        ));
    }
    if id.trim() == NO_CLIENT_ID {
        return Err(PlanError::Placeholder {
            key: "auth.client_id",
            value: NO_CLIENT_ID,
            instead: "Put the Application (client) ID of your app registration there: https://entra.microsoft.com, App registrations, Overview",
        });
    }
    Ok(id.trim().to_owned())
}

fn token_file(keys: &AuthFile, surroundings: &Surroundings<'_>) -> Result<PathBuf, PlanError> {
    let from_environment = || (surroundings.variable)(FEDERATED_TOKEN_FILE).map(PathBuf::from);
    keys.token_file
        .clone()
        .or_else(from_environment)
        .filter(|path| !path.as_os_str().is_empty())
        .ok_or(PlanError::MissingKey {
            key: "auth.token_file",
            example: "token_file = \"/var/run/secrets/azure/tokens/azure-identity-token\"",
        })
}

/// The job file wins over what the platform says, and that over where the service is on every virtual machine.
fn identity_service(
    authority: Option<&str>,
    surroundings: &Surroundings<'_>,
) -> Result<IdentityService, PlanError> {
    if authority.is_some() {
        return origin("graph.authority", authority, IMDS).map(IdentityService::Imds);
    }
    let variable = |name| (surroundings.variable)(name).filter(|value| !value.is_empty());
    let url = |variable, text: &str| {
        near_url(text).ok_or(PlanError::BadVariable {
            variable,
            expected: "a URL as the platform sets it: https, or plain http to this machine or a link-local address",
        })
    };
    if let (Some(endpoint), Some(header)) = (variable(IDENTITY_ENDPOINT), variable(IDENTITY_HEADER))
    {
        return Ok(IdentityService::AppService {
            endpoint: url(IDENTITY_ENDPOINT, &endpoint)?,
            header: header.into(),
        });
    }
    if let (Some(endpoint), Some(_)) = (variable(IDENTITY_ENDPOINT), variable(ARC_METADATA)) {
        return Ok(IdentityService::Arc {
            endpoint: url(IDENTITY_ENDPOINT, &endpoint)?,
            key_folder: PathBuf::from(ARC_KEYS),
        });
    }
    let host = variable(IMDS_HOST).unwrap_or_else(|| IMDS.to_owned());
    url(IMDS_HOST, &host).map(IdentityService::Imds)
}

/// Tokens come back from there, so plain http must not leave the machine and its host.
fn near_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_near = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback() || address.is_link_local(),
        Host::Ipv6(address) => address.is_loopback() || address.is_unicast_link_local(),
    };
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_near);
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (is_safe && is_plain).then_some(url)
}

/// The XDG base directory specification has a relative path ignored.
fn state_folder(surroundings: &Surroundings<'_>) -> Result<PathBuf, PlanError> {
    let folder = |name| {
        (surroundings.variable)(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = folder("XDG_STATE_HOME").or_else(|| {
        let home = folder("HOME")?;
        Some(home.join(Path::new(".local/state")))
    });
    state
        .map(|state| state.join("teamsheet"))
        .ok_or(PlanError::NoStateFolder)
}

/// Permissions by their full names: outside of the global cloud short ones mean the global Graph.
fn user_scope(cloud: Cloud, graph: &str, sources: &SourcesFile) -> String {
    let mut permissions = USER_PERMISSIONS.to_vec();
    if sources.online_meetings.is_some() {
        permissions.extend(OF_MEETINGS);
    }
    let has_events = sources.webinars.is_some() || sources.town_halls.is_some();
    if has_events && cloud.has_virtual_events_and_beta() {
        permissions.extend(OF_EVENTS);
    }
    let full = permissions.into_iter();
    let full = full.map(|permission| format!("{graph}/{permission} "));
    // what lets later runs renew
    full.collect::<String>() + "offline_access"
}
