//! What is asked of a store, one object at a time: read, write on a condition, list. Every error names the object.

use std::error::Error as _;
use std::fmt;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    UpdateVersion,
};

use super::super::error::WarehouseError;
use super::super::hidden::is_folder_marker;
use super::super::object_version::ObjectVersion;
use super::super::store_error::StoreError;
use super::http::Patience;
use crate::job::place::StoreAddress;

/// Without a byte for this long a download is taken up anew.
const STALL: Duration = Duration::from_secs(60);
/// How often a download goes on where it broke off.
const RESUMPTIONS: u32 = 6;

/// The objects below a prefix.
#[derive(Clone)]
pub(super) struct Objects {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) parts: Arc<dyn MultipartStore>,
    address: StoreAddress,
    pub(super) sizes: UploadSizes,
    pub(super) patience: Patience,
}

/// Which uploads go in parts, and how large these are.
#[derive(Debug, Clone, Copy)]
pub(super) struct UploadSizes {
    /// Up to here an object is written in one conditional request, from memory.
    pub(super) single: u64,
    /// What is held in memory of a larger one. S3 takes 10,000 parts of 5 MiB and more.
    pub(super) part: u64,
}

/// What a conditional write came to.
#[derive(Debug)]
pub(super) enum Written {
    Stored(ObjectVersion),
    /// The condition did not hold: somebody else wrote, or an earlier try of ours was stored after all.
    Refused,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects")
            .field("address", &self.address)
            .field("sizes", &self.sizes)
            .finish_non_exhaustive()
    }
}

impl Objects {
    /// The two handles are of one store: `object_store` has a trait for whole objects and one for parts.
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        parts: Arc<dyn MultipartStore>,
        address: &StoreAddress,
    ) -> Self {
        Self {
            store,
            parts,
            address: address.clone(),
            sizes: UploadSizes {
                single: 64 * 1024 * 1024,
                part: 16 * 1024 * 1024,
            },
            patience: Patience::default(),
        }
    }

    /// The object as messages name it.
    pub(super) fn url(&self, key: &str) -> String {
        self.address.object(key)
    }

    /// For `map_err`: what was tried with an object and failed.
    pub(super) fn failed<'a>(
        &'a self,
        action: &'static str,
        key: &'a str,
    ) -> impl Fn(StoreError) -> WarehouseError + 'a {
        move |source| WarehouseError::Store {
            action,
            url: self.url(key),
            source: Box::new(source),
        }
    }

    pub(super) fn path(&self, key: &str) -> Result<Path, WarehouseError> {
        let full = format!("{}/{key}", self.address.prefix);
        Path::parse(full).map_err(|error| {
            let detail = error.to_string();
            self.failed("name", key)(StoreError::Other { detail })
        })
    }

    /// Size and version; `None` where there is no such object.
    pub(super) async fn head(
        &self,
        key: &str,
    ) -> Result<Option<(u64, ObjectVersion)>, WarehouseError> {
        match self.store.head(&self.path(key)?).await {
            Ok(meta) => Ok(Some((meta.size, version_of(&meta)))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("look at", key)(store_error(error))),
        }
    }

    /// A small object, whole.
    pub(super) async fn read(
        &self,
        key: &str,
    ) -> Result<Option<(Bytes, ObjectVersion)>, WarehouseError> {
        let answer = self.store.get(&self.path(key)?).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed("read", key)(store_error(error))),
        };
        let version = version_of(&answer.meta);
        let bytes = answer.bytes().await;
        let bytes = bytes.map_err(|error| self.failed("read", key)(store_error(error)))?;
        Ok(Some((bytes, version)))
    }

    /// An object into a local file, of which no more than a piece is held in memory; `None` where there is no such object.
    ///
    /// Where the stream breaks off it goes on from there, but only if the object is still the same.
    pub(super) async fn download(
        &self,
        key: &str,
        file: &mut File,
        local: &std::path::Path,
    ) -> Result<Option<ObjectVersion>, WarehouseError> {
        let path = self.path(key)?;
        let (mut received, mut expected) = (0, 0);
        let mut seen: Option<ObjectVersion> = None;
        for resumption in 0..=RESUMPTIONS {
            let e_tag = seen.as_ref().and_then(|version| version.e_tag.clone());
            let options = GetOptions {
                if_match: e_tag,
                range: (received > 0).then_some(GetRange::Offset(received)),
                ..GetOptions::default()
            };
            let answer = match self.store.get_opts(&path, options).await {
                Ok(answer) => answer,
                Err(Error::NotFound { .. }) => return Ok(None),
                Err(Error::Precondition { .. }) if seen.is_some() => {
                    // replaced in the meantime: from the start
                    (received, seen) = (0, None);
                    continue;
                }
                Err(error) => return Err(self.failed("read", key)(store_error(error))),
            };
            if received == 0 {
                let emptied = file.set_len(0).and_then(|()| file.rewind());
                emptied.map_err(WarehouseError::io("write", local))?;
            }
            expected = answer.meta.size;
            seen = Some(version_of(&answer.meta));
            let mut stream = answer.into_stream();
            while let Ok(Some(Ok(piece))) = tokio::time::timeout(STALL, stream.next()).await {
                file.write_all(&piece)
                    .map_err(WarehouseError::io("write", local))?;
                received += piece.len() as u64;
            }
            if received == expected {
                return Ok(seen);
            }
            tracing::debug!(
                received,
                expected,
                "a download from the object store goes on"
            );
            tokio::time::sleep(self.patience.wait(resumption + 1)).await;
        }
        Err(self.failed("read", key)(StoreError::CutShort {
            received,
            expected,
        }))
    }

    /// Writes a whole object if it still is what is expected: `None` where there was none.
    pub(super) async fn write(
        &self,
        key: &str,
        bytes: Bytes,
        expected: Option<&ObjectVersion>,
    ) -> Result<Written, WarehouseError> {
        let mode = match expected {
            None => PutMode::Create,
            Some(version) => PutMode::Update(UpdateVersion {
                e_tag: version.e_tag.clone(),
                version: version.version.clone(),
            }),
        };
        let options = PutOptions::from(mode);
        match self
            .store
            .put_opts(&self.path(key)?, bytes.into(), options)
            .await
        {
            Ok(stored) => Ok(Written::Stored(ObjectVersion {
                e_tag: stored.e_tag,
                version: stored.version,
            })),
            Err(Error::Precondition { .. } | Error::AlreadyExists { .. }) => Ok(Written::Refused),
            Err(Error::NotFound { .. }) => Err(self.failed("write", key)(StoreError::NoBucket)),
            Err(error) => Err(self.failed("write", key)(store_error(error))),
        }
    }

    /// The keys of all objects below one, but those in place of folders.
    pub(super) async fn keys_below(&self, key: &str) -> Result<Vec<String>, WarehouseError> {
        let failed = |error| self.failed("list", key)(store_error(error));
        let prefix = self.path(key)?;
        let mut listed = self.store.list(Some(&prefix));
        let mut keys = Vec::new();
        while let Some(object) = listed.next().await.transpose().map_err(failed)? {
            if is_folder_marker(object.location.as_ref(), object.size) {
                continue;
            }
            let parts = object.location.prefix_match(&prefix);
            let below = parts.map(|parts| {
                parts
                    .map(|part| part.as_ref().to_owned())
                    .collect::<Vec<_>>()
            });
            keys.extend(below.map(|below| format!("{key}/{}", below.join("/"))));
        }
        Ok(keys)
    }

    /// The names of the folders right below a key.
    pub(super) async fn folders(&self, key: &str) -> Result<Vec<String>, WarehouseError> {
        let prefix = self.path(key)?;
        let listed = self.store.list_with_delimiter(Some(&prefix)).await;
        let listed = listed.map_err(|error| self.failed("list", key)(store_error(error)))?;
        let names = listed.common_prefixes.iter();
        Ok(names
            .filter_map(|path| path.filename().map(str::to_owned))
            .collect())
    }
}

pub(super) fn version_of(meta: &ObjectMeta) -> ObjectVersion {
    ObjectVersion {
        e_tag: meta.e_tag.clone(),
        version: meta.version.clone(),
    }
}

/// What a failure of the client comes to: ours where a request failed, else the innermost cause, without the layers that repeat it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "for map_err, and whoever has it needs it no longer"
)]
pub(super) fn store_error(error: Error) -> StoreError {
    let mut detail = None;
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(ours) = inner.downcast_ref::<StoreError>() {
            return ours.clone();
        }
        cause = inner.source();
        if cause.is_none() {
            detail = Some(inner.to_string());
        }
    }
    let detail = detail.unwrap_or_else(|| error.to_string());
    // an address may come with its query
    let words = detail
        .split_whitespace()
        .map(|word| match word.split_once('?') {
            Some((address, _)) if address.contains("://") => address,
            Some(_) | None => word,
        });
    StoreError::Other {
        detail: words.collect::<Vec<_>>().join(" "),
    }
}
