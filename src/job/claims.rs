//! What an access token says about itself. Nothing is verified: Graph does that, and a token that lies only hurts its bearer.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::auth::ActsAs;
use crate::time::{SECOND, UtcMicros};

/// The claims that matter here; each of them may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenClaims {
    /// `tid`: the tenant's GUID, in lower case.
    pub tenant_id: Option<String>,
    /// `exp`: from when on Graph refuses the token.
    pub ends_at: Option<UtcMicros>,
    /// `roles`: application permissions.
    pub roles: BTreeSet<String>,
    /// `scp`: delegated permissions.
    pub scopes: BTreeSet<String>,
    /// `oid`: the object id of the user or of the app's service principal, in lower case.
    pub object_id: Option<String>,
    /// `idtyp`: `app` or `user`, where the app registration asks for it.
    pub id_type: Option<String>,
}

impl TokenClaims {
    /// Reads the middle part of a JWT; `None` where the token is opaque.
    pub fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let claims: Value = serde_json::from_slice(&payload).ok()?;
        let claims = claims.as_object()?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let roles = claims.get("roles").and_then(Value::as_array);
        let roles = roles.into_iter().flatten().filter_map(Value::as_str);
        Some(Self {
            tenant_id: text("tid").map(str::to_ascii_lowercase),
            ends_at: claims
                .get("exp")
                .and_then(Value::as_i64)
                .map(|seconds| UtcMicros(seconds.saturating_mul(SECOND))),
            roles: roles.map(str::to_owned).collect(),
            scopes: words(text("scp")),
            object_id: text("oid").map(str::to_ascii_lowercase),
            id_type: text("idtyp").map(str::to_owned),
        })
    }

    /// Whose permissions the token carries; `None` where it does not tell.
    pub fn acts_as(&self) -> Option<ActsAs> {
        if !self.scopes.is_empty() {
            return Some(ActsAs::User);
        }
        match self.id_type.as_deref() {
            Some("app") => Some(ActsAs::App),
            Some("user") => Some(ActsAs::User),
            _ => (!self.roles.is_empty()).then_some(ActsAs::App),
        }
    }
}

fn words(text: Option<&str>) -> BTreeSet<String> {
    let words = text.unwrap_or_default().split_ascii_whitespace();
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(claims: &str) -> Option<TokenClaims> {
        TokenClaims::read(&format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn the_claims_are_read() {
        let claims =
            read(r#"{"tid":"0A","exp":1700000000,"roles":["User.Read.All","X"],"idtyp":"app"}"#)
                .unwrap();
        assert_eq!(claims.tenant_id.as_deref(), Some("0a"));
        assert_eq!(claims.ends_at, Some(UtcMicros(1_700_000_000 * SECOND)));
        let roles: Vec<_> = claims.roles.iter().map(String::as_str).collect();
        assert_eq!(roles, ["User.Read.All", "X"]);
    }

    #[test]
    fn whose_permissions_a_token_carries_is_told_by_its_claims() {
        for (claims, expected) in [
            (
                r#"{"scp":"User.Read Calendars.ReadBasic"}"#,
                Some(ActsAs::User),
            ),
            (
                r#"{"scp":"User.Read","roles":["Admin"]}"#,
                Some(ActsAs::User),
            ),
            (r#"{"roles":["User.Read.All"]}"#, Some(ActsAs::App)),
            (r#"{"idtyp":"app"}"#, Some(ActsAs::App)),
            (r#"{"idtyp":"user"}"#, Some(ActsAs::User)),
            (r#"{"scp":"","roles":[]}"#, None),
            (
                r#"{"roles":"User.Read.All","scp":7,"tid":1,"exp":"x"}"#,
                None,
            ),
        ] {
            assert_eq!(read(claims).unwrap().acts_as(), expected, "{claims}");
        }
    }

    #[test]
    fn an_opaque_token_says_nothing() {
        for token in ["", "opaque", "a.b", "a.!.c", "a.YWJj.c", "a.W10.c"] {
            assert_eq!(TokenClaims::read(token), None, "{token}");
        }
    }
}
