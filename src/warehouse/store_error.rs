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
    /// Whether the store's certificate is not trusted, which no time makes pass; TLS says so only in words.
    pub(super) fn is_distrust(&self) -> bool {
        matches!(self, Self::Transport { detail } if detail.contains("invalid peer certificate"))
    }
}

impl StoreError {
    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Request { failure, .. } => match failure {
                RequestFailure::Status { status, code }
                    if matches!(status, 401 | 403) || code.as_deref().is_some_and(has_expired) =>
                {
                    "let the credentials of this process read, write and list below `[warehouse] uri`, and see that they have not expired; \
                     which environment variables count: README, \"Object stores\""
                }
                RequestFailure::Status { status, .. } if !is_transient_status(*status) => {
                    "check `[warehouse] uri`, and the region, endpoint and credentials in the environment"
                }
                failure if failure.is_distrust() => {
                    "let this machine trust the store: install the package `ca-certificates` or the authority of your proxy, or name a CA \
                     bundle in the environment variable `SSL_CERT_FILE`; it is never bypassed"
                }
                RequestFailure::Status { .. }
                | RequestFailure::Timeout { .. }
                | RequestFailure::Transport { .. } => {
                    "run the same command again once the store can be reached; what was published is intact"
                }
            },
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

/// Codes with which S3 refuses credentials that were good before, as 400.
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
fn has_expired(code: &str) -> bool {
    matches!(code, "ExpiredToken" | "TokenRefreshRequired")
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
