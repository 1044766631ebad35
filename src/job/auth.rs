//! How to sign in, decided: one variant a method, each with what it signs in with and nothing else.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::certificate::Certificate;
use super::claims::TokenClaims;
use super::file::AuthMethod;

/// How to sign in.
#[derive(Debug, Clone)]
pub struct AuthPlan {
    /// The tenant as the job file names it, a GUID or a domain.
    pub tenant: String,
    /// The sign-in host; tokens come from `{authority}/{tenant}/oauth2/v2.0/token`.
    pub authority: Url,
    /// The scope of the token: `{resource}/.default` for an app, a list of permissions for a user.
    pub scope: String,
    /// What to sign in with.
    pub credentials: Credentials,
}

/// What to sign in with. Secrets are never printed.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A secret of the app registration.
    ClientSecret {
        /// The app registration's application id.
        client_id: String,
        /// The secret.
        client_secret: SecretString,
    },
    /// A certificate of the app registration.
    Certificate {
        /// The app registration's application id.
        client_id: String,
        /// The certificate with its key.
        certificate: Certificate,
    },
    /// The token of another identity provider, which the app registration trusts.
    WorkloadIdentity {
        /// The app registration's application id.
        client_id: String,
        /// The file that holds the token; its owner replaces it from time to time.
        token_file: PathBuf,
    },
    /// The identity that Azure gave to the machine.
    ManagedIdentity {
        /// The application id of a user assigned identity; `None` for the machine's own.
        client_id: Option<String>,
        /// Who hands out the tokens.
        service: IdentityService,
        /// What the token is for, without `/.default`.
        resource: String,
    },
    /// A user, who signed in with `teamsheet login`.
    DeviceCode {
        /// The app registration's application id.
        client_id: String,
        /// The folder in which the sign-in is kept.
        state_folder: PathBuf,
    },
    /// A token that somebody else got; it cannot be renewed.
    AccessToken {
        /// The token.
        access_token: SecretString,
    },
}

/// Who hands out the tokens of a managed identity.
#[derive(Debug, Clone)]
pub enum IdentityService {
    /// The instance metadata service of a virtual machine, by its origin.
    Imds(Url),
    /// The identity endpoint of App Service, Functions and Container Apps.
    AppService {
        /// `$IDENTITY_ENDPOINT`
        endpoint: Url,
        /// `$IDENTITY_HEADER`, which proves that the request comes from inside.
        header: SecretString,
    },
    /// The agent of a server that Azure Arc manages: who can read a file that it names has the right to its tokens.
    Arc {
        /// `$IDENTITY_ENDPOINT`
        endpoint: Url,
        /// Where its key files lie; others are not read.
        key_folder: PathBuf,
    },
}

/// Whose permissions a token carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActsAs {
    /// The app's own: application permissions, the claim `roles`.
    App,
    /// A signed-in user's: delegated permissions, the claim `scp`; reaches only what is the user's own.
    User,
}

impl AuthPlan {
    /// Whose permissions the token will carry; `None` for a ready token that does not tell.
    pub fn acts_as(&self) -> Option<ActsAs> {
        match &self.credentials {
            Credentials::DeviceCode { .. } => Some(ActsAs::User),
            Credentials::AccessToken { access_token } => {
                TokenClaims::read(access_token.expose_secret())?.acts_as()
            }
            Credentials::ClientSecret { .. }
            | Credentials::Certificate { .. }
            | Credentials::WorkloadIdentity { .. }
            | Credentials::ManagedIdentity { .. } => Some(ActsAs::App),
        }
    }

    /// The app registration's application id, where the job names it.
    pub fn client_id(&self) -> Option<&str> {
        match &self.credentials {
            Credentials::ClientSecret { client_id, .. }
            | Credentials::Certificate { client_id, .. }
            | Credentials::WorkloadIdentity { client_id, .. }
            | Credentials::DeviceCode { client_id, .. } => Some(client_id),
            Credentials::ManagedIdentity { client_id, .. } => client_id.as_deref(),
            Credentials::AccessToken { .. } => None,
        }
    }

    /// The method that the job file names.
    pub fn method(&self) -> AuthMethod {
        match self.credentials {
            Credentials::ClientSecret { .. } => AuthMethod::ClientSecret,
            Credentials::Certificate { .. } => AuthMethod::Certificate,
            Credentials::WorkloadIdentity { .. } => AuthMethod::WorkloadIdentity,
            Credentials::ManagedIdentity { .. } => AuthMethod::ManagedIdentity,
            Credentials::DeviceCode { .. } => AuthMethod::DeviceCode,
            Credentials::AccessToken { .. } => AuthMethod::AccessToken,
        }
    }
}
