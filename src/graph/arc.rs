//! The key that the agent of Azure Arc wants to see before it hands out a token: whoever may read its file may have the token.
//!
//! ```text
//! GET token ─► 401, WWW-Authenticate: Basic realm=/var/opt/azcmagent/tokens/….key ─► read that file ─► GET token with it ─► 200
//! ```
//!
//! Anybody who listens on the agent's port could name any file, so only a small `.key` file in the agent's own folder is read, as the
//! Azure SDKs do. Source: <https://learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication>.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use tokio::io::AsyncReadExt as _;

use super::challenge::parameter;
use super::error::Problem;

pub(super) const API_VERSION: &str = "2019-11-01";
/// The Azure SDKs read no larger one.
const LARGEST_KEY: u64 = 4_096;

/// Why the agent's answer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArcProblem {
    #[error("it names no key file")]
    NoKeyFile,
    #[error(
        "the key file that it names lies elsewhere than in the agent's own folder, and is not read"
    )]
    ForeignKeyFile,
    #[error("its key file holds no key")]
    NoKey,
}

/// The value of the `Authorization` header that the agent wants.
pub(super) async fn read_key(headers: &HeaderMap, folder: &Path) -> Result<HeaderValue, Problem> {
    let path = key_file(headers, folder).map_err(Problem::Arc)?;
    let failed = |source| Problem::ArcKey {
        path: path.clone(),
        source,
    };
    let file = tokio::fs::File::open(&path).await.map_err(failed)?;
    let mut key = String::new();
    let read = file.take(LARGEST_KEY + 1).read_to_string(&mut key).await;
    read.map_err(failed)?;
    if key.len() as u64 > LARGEST_KEY {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    let key = key.trim();
    let value = HeaderValue::try_from(format!("Basic {key}"));
    let mut value = value.map_err(|_| Problem::Arc(ArcProblem::NoKey))?;
    if key.is_empty() {
        return Err(Problem::Arc(ArcProblem::NoKey));
    }
    value.set_sensitive(true);
    Ok(value)
}

fn key_file(headers: &HeaderMap, folder: &Path) -> Result<PathBuf, ArcProblem> {
    let challenges = headers.get_all(WWW_AUTHENTICATE);
    let named = challenges
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter(|challenge| {
            let scheme = challenge.split(' ').next().unwrap_or_default();
            scheme.eq_ignore_ascii_case("basic")
        })
        .find_map(|challenge| parameter(challenge, "realm"))
        .filter(|realm| !realm.is_empty())
        .ok_or(ArcProblem::NoKeyFile)?;
    let path = PathBuf::from(named);
    let is_key = path.extension() == Some(OsStr::new("key"));
    match path.file_name() {
        // a folder above is none of the agent's either
        Some(name) if is_key && folder.join(name) == path => Ok(path),
        _ => Err(ArcProblem::ForeignKeyFile),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(challenge: &str) -> HeaderMap {
        HeaderMap::from_iter([(WWW_AUTHENTICATE, challenge.parse().unwrap())])
    }

    #[test]
    fn only_a_key_file_of_the_agents_own_folder_is_read() {
        let folder = Path::new("/var/opt/azcmagent/tokens");
        for (challenge, expected) in [
            ("Basic realm=/var/opt/azcmagent/tokens/1.key", None),
            ("Basic realm=\"/var/opt/azcmagent/tokens/1.key\"", None),
            ("Basic realm=/etc/shadow", Some(ArcProblem::ForeignKeyFile)),
            (
                "Basic realm=/var/opt/azcmagent/tokens/1.txt",
                Some(ArcProblem::ForeignKeyFile),
            ),
            (
                "Basic realm=/var/opt/azcmagent/tokens/../1.key",
                Some(ArcProblem::ForeignKeyFile),
            ),
            (
                "Basic realm=/var/opt/azcmagent/tokens/a/1.key",
                Some(ArcProblem::ForeignKeyFile),
            ),
            ("Basic realm=1.key", Some(ArcProblem::ForeignKeyFile)),
            ("Basic realm=", Some(ArcProblem::NoKeyFile)),
            ("Basic", Some(ArcProblem::NoKeyFile)),
            (
                "Bearer realm=/var/opt/azcmagent/tokens/1.key",
                Some(ArcProblem::NoKeyFile),
            ),
        ] {
            let found = key_file(&headers(challenge), folder).err();
            assert_eq!(found, expected, "{challenge}");
        }
    }

    #[tokio::test]
    async fn a_key_is_small_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.key");
        let challenge = headers(&format!("Basic realm={}", path.display()));
        for (key, is_good) in [
            ("canary\n".to_owned(), true),
            (String::new(), false),
            ("a\nb".to_owned(), false),
            ("x".repeat(4_097), false),
        ] {
            std::fs::write(&path, &key).unwrap();
            let read = read_key(&challenge, folder.path()).await;
            assert_eq!(read.is_ok(), is_good, "{key}");
            assert!(!format!("{read:?}").contains("canary"));
        }
        std::fs::remove_file(&path).unwrap();
        let missing = read_key(&challenge, folder.path()).await;
        assert!(matches!(missing, Err(Problem::ArcKey { .. })));
    }
}
