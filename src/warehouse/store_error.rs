//! What goes wrong with an object store. No variant holds a query, a header or the body of an answer.

use std::fmt;
use std::time::Duration;

/// Why a request to an object store, or what was to be done with it, failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A request failed; what may pass was tried again before.
    #[error("{method} {url} failed after {} in {:.1}s", Tries(*tries), elapsed.as_secs_f32())]
    Request {
        /// `GET`, `PUT`.
        method: String,
        /// Without its query.
        url: String,
        /// How often it was tried.
        tries: u32,
        /// Waits included.
        elapsed: Duration,
        /// The last failure.
        #[source]
        failure: RequestFailure,
    },
    /// The environment names a profile of AWS's own tools.
    #[error("`{variable}` names a profile, and profiles are not read")]
    Profile {
        /// `AWS_PROFILE`.
        variable: &'static str,
    },
    /// The bucket or container is not there.
    #[error("there is no such bucket or container")]
    NoBucket,
    /// The object is not the one that was read before.
    #[error("somebody else wrote the object in the meantime")]
    Replaced,
    /// Conditions of a request were ignored.
    #[error("the store ignores the conditions `If-Match` and `If-None-Match` of a request")]
    Unconditional,
    /// The lease went to somebody else.
    #[error("the lease of this run was taken over by another run")]
    LeaseLost,
    /// An answer ended early, again and again.
    #[error("the object came only up to byte {received} of {expected}")]
    CutShort {
        /// Bytes that came.
        received: u64,
        /// Bytes of the object.
        expected: u64,
    },
    /// Settings, or an answer that makes no sense.
    #[error("{detail}")]
    Other {
        /// What the client says about it.
        detail: String,
    },
}

/// Why one try failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestFailure {
    /// An answer that says no.
    #[error("the store answered {status}{}", Code(code.as_deref()))]
    Status {
        /// Of HTTP.
        status: u16,
        /// The store's own word for it, such as `AccessDenied`.
        code: Option<String>,
    },
    /// No answer in time.
    #[error("no answer within {seconds} s")]
    Timeout {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The connection failed.
    #[error("{detail}")]
    Transport {
        /// What the system or TLS says.
        detail: String,
    },
}

impl RequestFailure {
    /// Whether a write may have been refused for want of a checksum.
    ///
    /// S3 says `InvalidRequest` of a bucket whose objects are locked by default; others have codes of their own.
    #[cfg(feature = "object-store")]
    pub(super) fn wants_checksum(&self) -> bool {
        matches!(self, Self::Status { status: 400, code }
            if code.as_deref().is_none_or(|code| CHECKSUM_CODES.contains(&code)))
    }

    /// Whether the store's certificate is not trusted, which no time makes pass; TLS says so only in words.
    pub(super) fn is_distrust(&self) -> bool {
        matches!(self, Self::Transport { detail } if detail.contains("invalid peer certificate"))
    }
}

impl StoreError {
    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Request {
                method,
                url,
                failure,
                ..
            } => failure.hint(method, url),
            Self::Profile { .. } => {
                "put credentials into the environment: `eval \"$(aws configure export-credentials --format env)\"` exports those of a profile, \
                 signed in by SSO too; a machine's own identity needs none, nor a profile"
            }
            Self::NoBucket => "make the bucket or container first; teamsheet makes none",
            Self::Replaced => {
                "let nothing else write below `[warehouse] uri`, and run the same command again"
            }
            Self::Unconditional => {
                "use a store with conditional writes (Amazon S3, Azure Blob Storage, Google Cloud Storage, MinIO, R2): without them two \
                 runs could overwrite each other"
            }
            Self::LeaseLost => {
                "run the same command again; if it repeats, see that this machine is not suspended while it publishes"
            }
            Self::CutShort { .. } => "run the same command again; what was published is intact",
            Self::Other { .. } => {
                "check `[warehouse] uri`, and the account, region and credentials in the environment: README, \"Object stores\""
            }
        }
    }
}

const CHECKSUM_CODES: [&str; 3] = ["InvalidRequest", "MissingContentMD5", "InvalidDigest"];

impl RequestFailure {
    /// What to do about a request that failed so.
    fn hint(&self, method: &str, url: &str) -> &'static str {
        if is_of_identity(url) {
            return "no credentials are in the environment, and this machine has no identity of its own that the store's cloud gave it: set them; \
                    after `az login` it is `AZURE_USE_AZURE_CLI=true`, for a profile of AWS `eval \"$(aws configure export-credentials \
                    --format env)\"`: README, \"Object stores\"";
        }
        match self {
            Self::Status { status, code } => refusal_hint(method, *status, code.as_deref()),
            failure if failure.is_distrust() => {
                "let this machine trust the store: install the package `ca-certificates` or the authority of your proxy, or name a CA \
                 bundle in the environment variable `SSL_CERT_FILE`; it is never bypassed"
            }
            Self::Timeout { .. } | Self::Transport { .. } => LATER,
        }
    }
}

const LATER: &str =
    "run the same command again once the store can be reached; what was published is intact";

/// What to do about an answer that says no: by the store's code for it first, then by its status.
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>,
/// <https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes>,
/// <https://cloud.google.com/storage/docs/xml-api/reference-status>.
fn refusal_hint(method: &str, status: u16, code: Option<&str>) -> &'static str {
    match (status, code.unwrap_or_default()) {
        (_, "InvalidObjectState" | "BlobArchived" | "BlobBeingRehydrated") => {
            "the object lies in an archive class, which cannot be read: restore it, and let no lifecycle rule archive what lies below \
             `[warehouse] uri`"
        }
        (
            _,
            "BlobImmutableDueToPolicy"
            | "RetentionPolicyNotMet"
            | "ObjectUnderActiveHold"
            | "LeaseIdMissing",
        ) => {
            "a policy, hold or lease keeps objects there from being replaced, as each publish must: choose a container or bucket without one \
             (S3's Object Lock does no harm: it keeps old versions)"
        }
        (_, "RequestTimeTooSkewed") => {
            "set this machine's clock: the store takes no request that is minutes early or late; and see that the credentials have not expired"
        }
        (_, code) if code.starts_with("KMS.") => {
            "see that the key that encrypts the bucket is enabled and that these credentials may use it (`kms:GenerateDataKey`, `kms:Decrypt`)"
        }
        // credentials that were good before
        (_, "ExpiredToken" | "TokenRefreshRequired") => CREDENTIALS,
        (400, code) if method == "PUT" && (code.is_empty() || CHECKSUM_CODES.contains(&code)) => {
            "check `[warehouse] uri`, region and endpoint; where the bucket asks for another checksum than SHA-256 on each write, or for a \
             header of its own, let its rules leave this path out: teamsheet sends SHA-256 by itself where a write is refused without a \
             checksum, as with `AWS_CHECKSUM_ALGORITHM=SHA256`"
        }
        (403, _) if method == "PUT" => {
            "let the credentials of this process read, write and list below `[warehouse] uri`, and see that they have not expired; where an S3 \
             bucket asks for encryption by its policy, set `AWS_SERVER_SIDE_ENCRYPTION=aws:kms` (and `AWS_SSE_KMS_KEY_ID`) and let them \
             use the key; where the requester pays, `AWS_REQUEST_PAYER=true`: README, \"Object stores\""
        }
        (401 | 403, _) => CREDENTIALS,
        (status, _) if is_transient_status(status) => LATER,
        _ => "check `[warehouse] uri`, and the region, endpoint and credentials in the environment",
    }
}

const CREDENTIALS: &str = "let the credentials of this process read, write and list below `[warehouse] uri`, and see that they have not expired; \
     which environment variables count: README, \"Object stores\"";

/// Whether an address is that of a service which gives a machine its identity, rather than of a store.
pub(super) fn is_of_identity(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "metadata.google.internal",
    ]
    .contains(&host)
}

/// Codes that Azure answers with 409 or 412 and that are about no condition of a request.
#[cfg(feature = "object-store")]
pub(super) fn is_no_condition(code: &str) -> bool {
    matches!(
        code,
        "BlobImmutableDueToPolicy" | "BlobArchived" | "BlobBeingRehydrated" | "LeaseIdMissing"
    )
}

/// Statuses that may pass.
pub(super) fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429) || (status >= 500 && status != 501)
}

struct Tries(u32);

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.0 == 1 { "try" } else { "tries" };
        write!(f, "{} {end}", self.0)
    }
}

struct Code<'a>(Option<&'a str>);

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |code| write!(f, " (code `{code}`)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_names_the_one_thing_to_do() {
        for (method, status, code, named) in [
            ("PUT", 400, "InvalidRequest", "AWS_CHECKSUM_ALGORITHM"),
            ("PUT", 400, "MissingContentMD5", "AWS_CHECKSUM_ALGORITHM"),
            ("PUT", 400, "", "AWS_CHECKSUM_ALGORITHM"),
            ("PUT", 403, "AccessDenied", "AWS_SERVER_SIDE_ENCRYPTION"),
            ("GET", 403, "AccessDenied", "credentials"),
            ("PUT", 400, "KMS.DisabledException", "kms:GenerateDataKey"),
            ("GET", 403, "InvalidObjectState", "archive class"),
            ("GET", 409, "BlobArchived", "archive class"),
            ("PUT", 409, "BlobImmutableDueToPolicy", "policy"),
            ("PUT", 403, "RetentionPolicyNotMet", "policy"),
            ("PUT", 412, "LeaseIdMissing", "lease"),
            ("GET", 403, "RequestTimeTooSkewed", "clock"),
            ("GET", 400, "ExpiredToken", "expired"),
            ("GET", 403, "AuthorizationFailure", "credentials"),
            ("GET", 400, "AuthorizationHeaderMalformed", "region"),
            ("GET", 503, "SlowDown", "run the same command again"),
        ] {
            let code = Some(code).filter(|code| !code.is_empty());
            let hint = refusal_hint(method, status, code);
            assert!(hint.contains(named), "{method} {status} {code:?}: {hint}");
        }
    }

    #[test]
    fn a_machine_without_an_identity_is_told_what_else_there_is() {
        let failure = RequestFailure::Timeout { seconds: 30 };
        for url in [
            "http://169.254.169.254/latest/api/token",
            "http://169.254.169.254/metadata/identity/oauth2/token",
            "http://metadata.google.internal/computeMetadata/v1/x",
            "http://169.254.170.2/credentials",
        ] {
            assert!(failure.hint("PUT", url).contains("az login"), "{url}");
        }
        let url = "https://169.254.169.254.example.com/x";
        assert_eq!(failure.hint("GET", url), LATER);
    }
}
