//! What a certificate signs in with: a short-lived JWT that its key signed.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>.

use jsonwebtoken::{Algorithm, Header, encode};
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use super::error::Problem;
use crate::job::certificate::Certificate;
use crate::time::{SECOND, UtcMicros};

/// `client_assertion_type` of a JWT.
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The documentation asks for 5 to 10 minutes.
const LIFE_SECONDS: i64 = 600;

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: i64,
    iat: i64,
    exp: i64,
}

/// An assertion of `client_id` for the token endpoint `url`, valid from `now` on; `guid` makes it the only one of its kind.
pub(super) fn signed_assertion(
    certificate: &Certificate,
    client_id: &str,
    url: &Url,
    now: UtcMicros,
    guid: String,
) -> Result<SecretString, Problem> {
    let mut header = Header::new(Algorithm::PS256);
    header.x5t_s256 = Some(certificate.thumbprint().to_owned());
    let now = now.0.div_euclid(SECOND);
    let claims = Claims {
        aud: url.as_str(),
        iss: client_id,
        sub: client_id,
        jti: guid,
        nbf: now,
        iat: now,
        exp: now.saturating_add(LIFE_SECONDS),
    };
    let signed = encode(&header, &claims, certificate.key());
    signed
        .map(SecretString::from)
        .map_err(|_| Problem::BadToken("the certificate's key cannot sign"))
}
