//! Where a warehouse lies: a folder on local disk, or a prefix in an object store.
//!
//! | written | store |
//! |---|---|
//! | `./warehouse` | local disk |
//! | `s3://bucket/prefix` | Amazon S3, or what speaks its protocol |
//! | `az://container/prefix` | Azure Blob Storage, the account from the environment |
//! | `abfss://container@account.dfs.core.windows.net/prefix` | Azure Data Lake Storage Gen2, `OneLake` |
//! | `gs://bucket/prefix` | Google Cloud Storage |
//!
//! A URI holds no secret: a user, a password, a query or a fragment in it is refused, and nothing of it but the scheme is quoted then.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::PlanError;
use crate::ids::stable_hash;

/// Suffixes of Data Lake hosts: Azure's public cloud, Azure for the US government, Fabric's `OneLake`.
const DATA_LAKES: [&str; 3] = [
    ".dfs.core.windows.net",
    ".dfs.core.usgovcloudapi.net",
    ".dfs.fabric.microsoft.com",
];

/// Where a warehouse lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarehousePlace {
    /// A folder on local disk.
    Folder(PathBuf),
    /// A prefix in an object store.
    Store(StoreAddress),
}

/// A prefix in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAddress {
    /// Whose store, and how it is written.
    pub kind: StoreKind,
    /// The bucket; Azure calls it container, `OneLake` workspace.
    pub bucket: String,
    /// Segments joined by `/`, without one at either end; empty for the whole bucket.
    pub prefix: String,
}

/// The object stores that a warehouse can lie in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreKind {
    /// `s3://`
    S3,
    /// `az://`
    AzureBlob,
    /// `abfss://`
    AzureDataLake {
        /// `account.dfs.core.windows.net`
        host: String,
    },
    /// `gs://`
    Google,
}

impl WarehousePlace {
    /// Reads what `warehouse.uri` or `--warehouse` says.
    ///
    /// # Errors
    /// [`PlanError::InvalidValue`]; terminal.
    pub fn parse(uri: &str) -> Result<Self, PlanError> {
        let refuse = |value: &str, expected| {
            Err(PlanError::InvalidValue {
                key: "warehouse.uri",
                value: value.to_owned(),
                expected,
            })
        };
        if uri.trim().is_empty() {
            return refuse(uri, "a folder or the URI of an object store");
        }
        if uri.starts_with('~') {
            return refuse(
                uri,
                "a path from the root or from the current directory: only a shell knows `~`",
            );
        }
        let Some((scheme, rest)) = uri.split_once("://") else {
            return Ok(Self::Folder(PathBuf::from(uri)));
        };
        match StoreAddress::parse(scheme, rest) {
            Some(address) => Ok(Self::Store(address)),
            None => refuse(
                // the rest may hold an access signature
                &format!("{scheme}://…"),
                "a folder, `s3://bucket/path`, `az://container/path`, `abfss://container@account.dfs.core.windows.net/path` or \
                 `gs://bucket/path`, without a password or a query: credentials come from the environment",
            ),
        }
    }

    /// The folder for private files of a run. On disk the one that was asked for, or `None`: the warehouse's own. For an object store
    /// one of the warehouse's below the folder that was asked for, else below `state`; `None` where there is neither.
    pub fn staging(&self, asked: Option<&Path>, state: Option<PathBuf>) -> Option<PathBuf> {
        match self {
            Self::Folder(_) => asked.map(Path::to_owned),
            Self::Store(address) => {
                let parent = asked.map(Path::to_owned).or_else(|| {
                    let state = state.filter(|state| state.is_absolute())?;
                    Some(state.join("teamsheet").join("staging"))
                })?;
                Some(parent.join(stable_hash([address.to_string().as_str()])))
            }
        }
    }
}

impl fmt::Display for WarehousePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Store(address) => address.fmt(f),
        }
    }
}

impl StoreAddress {
    fn parse(scheme: &str, rest: &str) -> Option<Self> {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (bucket, kind) = match scheme.to_ascii_lowercase().as_str() {
            "s3" => (authority, StoreKind::S3),
            "az" => (authority, StoreKind::AzureBlob),
            "gs" => (authority, StoreKind::Google),
            "abfss" => {
                let (container, host) = authority.split_once('@')?;
                let host = host.to_ascii_lowercase();
                let account = DATA_LAKES
                    .iter()
                    .find_map(|suffix| host.strip_suffix(suffix))?;
                is_name(account).then_some(())?;
                (container, StoreKind::AzureDataLake { host })
            }
            _ => return None,
        };
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        (is_name(bucket) && segments.iter().copied().all(is_segment)).then(|| Self {
            kind,
            bucket: bucket.to_owned(),
            prefix: segments.join("/"),
        })
    }

    /// How one object is written in messages.
    pub fn object(&self, key: &str) -> String {
        format!("{self}/{key}")
    }
}

/// The URI in its one spelling, without a `/` at the end.
impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bucket = &self.bucket;
        match &self.kind {
            StoreKind::S3 => write!(f, "s3://{bucket}"),
            StoreKind::AzureBlob => write!(f, "az://{bucket}"),
            StoreKind::AzureDataLake { host } => write!(f, "abfss://{bucket}@{host}"),
            StoreKind::Google => write!(f, "gs://{bucket}"),
        }?;
        if self.prefix.is_empty() {
            Ok(())
        } else {
            write!(f, "/{}", self.prefix)
        }
    }
}

/// Of a bucket, container, workspace or account.
fn is_name(text: &str) -> bool {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "._- ".contains(letter);
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.chars().all(is_allowed)
}

/// Of a prefix. What a URI or a glob gives a meaning to is left out.
fn is_segment(text: &str) -> bool {
    let is_allowed = |letter: char| letter.is_alphanumeric() || "._-=+,@() ".contains(letter);
    text != "." && text != ".." && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(uri: &str) -> Option<StoreAddress> {
        match WarehousePlace::parse(uri) {
            Ok(WarehousePlace::Store(address)) => Some(address),
            Ok(WarehousePlace::Folder(_)) | Err(_) => None,
        }
    }

    #[test]
    fn every_kind_of_uri_is_read_and_written_in_one_spelling() {
        for (uri, spelling, bucket, prefix) in [
            ("s3://b", "s3://b", "b", ""),
            (
                "S3://my.bucket-1//teams/a/",
                "s3://my.bucket-1/teams/a",
                "my.bucket-1",
                "teams/a",
            ),
            ("az://c/teams", "az://c/teams", "c", "teams"),
            ("gs://b/teams=1", "gs://b/teams=1", "b", "teams=1"),
            (
                "abfss://c@Account.dfs.core.windows.net/teams",
                "abfss://c@account.dfs.core.windows.net/teams",
                "c",
                "teams",
            ),
            (
                "abfss://My Workspace@onelake.dfs.fabric.microsoft.com/lake.Lakehouse/Files/teams",
                "abfss://My Workspace@onelake.dfs.fabric.microsoft.com/lake.Lakehouse/Files/teams",
                "My Workspace",
                "lake.Lakehouse/Files/teams",
            ),
        ] {
            let address = store(uri).unwrap();
            assert_eq!(address.to_string(), spelling);
            assert_eq!(
                (address.bucket.as_str(), address.prefix.as_str()),
                (bucket, prefix)
            );
            assert_eq!(store(&address.to_string()), Some(address));
        }
    }

    #[test]
    fn what_may_hold_a_secret_or_is_no_store_of_ours_is_refused() {
        for uri in [
            "s3://key:hunter2@bucket/teams",
            "s3://bucket/teams?sig=hunter2",
            "az://container/teams#hunter2",
            "az://container@hunter2/teams",
            "abfss://container/hunter2",
            "abfss://container@hunter2.example.com/teams",
            "abfss://c@a.b.dfs.core.windows.net:443/hunter2",
            "gs://bucket/../hunter2",
            "gs:///hunter2",
            "s3://bucket/hunter2*",
            "https://account.blob.core.windows.net/container?sig=hunter2",
        ] {
            let error = WarehousePlace::parse(uri).unwrap_err();
            let scheme = uri.split_once(':').unwrap().0;
            assert_eq!(
                error.to_string(),
                format!("`warehouse.uri` has an unusable value: {scheme}://…"),
                "{uri}"
            );
            assert!(!error.hint().contains("hunter2"));
        }
    }

    #[test]
    fn staging_of_a_store_is_local_and_of_this_warehouse() {
        let [one, two] =
            ["s3://b/one", "s3://b/two"].map(|uri| WarehousePlace::parse(uri).unwrap());
        let state = || Some(PathBuf::from("/home/t/.local/state"));
        let asked = Some(Path::new("/scratch"));
        let default = one.staging(None, state()).unwrap();
        assert!(default.starts_with("/home/t/.local/state/teamsheet/staging"));
        assert!(one.staging(asked, state()).unwrap().starts_with("/scratch"));
        assert_ne!(one.staging(asked, None), two.staging(asked, None));
        assert_eq!(one.staging(None, None), None);
        assert_eq!(one.staging(None, Some(PathBuf::from("relative"))), None);
        let folder = WarehousePlace::parse("./w").unwrap();
        assert_eq!(folder.staging(None, state()), None);
        assert_eq!(folder.staging(asked, state()).as_deref(), asked);
    }
}
