//! What to do where a sign-in failed, by the method and by the number that the sign-in host gives.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.

use std::error::Error;

use crate::job::file::AuthMethod;

/// What to do where this machine trusts nobody at all.
pub(super) const NO_AUTHORITIES: &str = concat!(
    "install the CA bundle of this system (Debian and Ubuntu: the package `ca-certificates`), or name one in the environment variable ",
    "`SSL_CERT_FILE`: without it no server can be trusted, and trying again changes nothing"
);

/// What to do where the server's certificate is not trusted; rustls says why only in words.
pub(super) fn trust(problem: &dyn Error) -> &'static str {
    let mut words = String::new();
    let mut cause = Some(problem);
    while let Some(error) = cause {
        words += &error.to_string().to_ascii_lowercase().replace(' ', "");
        cause = error.source();
    }
    let says = |word: &str| words.contains(word);
    if says("notvalidforname") {
        "check `[graph] endpoint` and `authority` in the job file, and the proxy in between: the certificate is another host's; it is never \
         bypassed"
    } else if says("expired") || says("notvalidyet") {
        "check the clock of this machine, then who renews that certificate, the server or the proxy in between; it is never bypassed"
    } else {
        "let this machine trust whoever signed it: install the authority of your proxy and the package `ca-certificates`, or name a CA \
         bundle in the environment variable `SSL_CERT_FILE`; it is never bypassed"
    }
}

pub(super) fn remedy(method: Option<AuthMethod>, code: Option<i64>) -> &'static str {
    use AuthMethod as M;
    match (method, code) {
        (_, Some(7_000_215 | 7_000_222)) => {
            "make a new client secret in the app registration (its value, not its id) and put it where the job file names it"
        }
        (_, Some(90_002 | 900_023)) => {
            "check `[tenant] id` in the job file: there is no such tenant in this cloud"
        }
        (_, Some(700_016)) => {
            "check `[auth] client_id` in the job file: the tenant does not know this app"
        }
        (_, Some(70_011 | 500_011)) => {
            "check `[tenant] cloud` in the job file: the scope is of another cloud"
        }
        (_, Some(7_000_218)) => {
            "allow public client flows in the app registration (Authentication): a device code comes without a secret"
        }
        (Some(M::WorkloadIdentity), Some(700_024)) => {
            "the token in `[auth] token_file` has ended: let its issuer renew it (Kubernetes does while the pod runs)"
        }
        (_, Some(700_024)) => {
            "set the clock of this machine (NTP): certificates sign in for points in time"
        }
        (Some(M::Certificate), Some(700_027)) => {
            "upload the certificate that `[auth] certificate` names (without its key) to the app registration, or renew it where it has ended"
        }
        (Some(M::WorkloadIdentity), Some(70_021 | 700_211 | 700_212 | 700_213)) => {
            "let the app registration trust this token: issuer, subject and audience of its federated credential must be the token's own"
        }
        (Some(M::DeviceCode), _) => {
            "run `teamsheet login --job FILE` with this job's file, as the user whose meetings it reads; later runs renew that sign-in"
        }
        (Some(M::AccessToken), _) => {
            "put a new access token for Graph where `[auth] access_token` names it, and run the same command again: this method cannot \
             renew one"
        }
        (Some(M::ManagedIdentity), _) => {
            "assign a managed identity to this machine and, where it is user assigned, write its `client_id`; elsewhere than on Azure use \
             another `[auth] method`"
        }
        (Some(M::Certificate), _) => {
            "check `[tenant] id`, `[auth] client_id` and the certificate: the app registration must hold it (without its key)"
        }
        (Some(M::WorkloadIdentity), _) => {
            "check `[tenant] id`, `[auth] client_id`, `token_file` and the app registration's federated credential"
        }
        (Some(M::ClientSecret) | None, _) => {
            "check `[tenant] id`, `[auth] client_id` and the client secret"
        }
    }
}
