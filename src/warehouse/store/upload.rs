//! A staged file becomes an object, visible by one completed upload.
//!
//! Up to 64 MiB that is one conditional request, and nobody's write is ever lost. Above it the file goes in parts: lease and object are
//! checked right before the parts are put together, which no request does on a condition. Whoever held the lease before this run and
//! completes an upload of their own between check and completion is overwritten; the next run finds that by the rows.
//!
//! Either way an object that holds this very file counts as written: an earlier try may have been stored although its answer was lost.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use futures::StreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::multipart::PartId;
use serde::{Deserialize, Serialize};

use super::super::error::WarehouseError;
use super::super::object_version::ObjectVersion;
use super::super::store_error::StoreError;
use super::lease::Lease;
use super::objects::{Objects, Written, store_error};

/// Names the upload in parts that is under way, so that the next run can remove what it left.
const UPLOAD: &str = "_teamsheet/upload";
/// How often a store may refuse a condition that does hold, as S3 does while another write is under way.
const REFUSALS: u32 = 5;

/// An upload in parts; empty where none is under way.
#[derive(Debug, Default, Serialize, Deserialize)]
struct UnderWay {
    key: String,
    upload_id: String,
}

/// What an object is after a condition did not hold.
enum Found {
    /// This file.
    Ours(ObjectVersion),
    /// What was expected.
    Unchanged,
    /// Anything else.
    Foreign,
}

/// Writes a file to a key whose object still is `expected`, under a lease that still holds.
pub(super) async fn upload(
    objects: &Objects,
    lease: &Lease,
    key: &str,
    file: &Path,
    expected: Option<&ObjectVersion>,
) -> Result<ObjectVersion, WarehouseError> {
    let length = fs::metadata(file)
        .map_err(WarehouseError::io("read", file))?
        .len();
    for refusals in 1..=REFUSALS {
        lease.confirm().await?;
        let written = if length <= objects.sizes.single {
            let bytes = fs::read(file).map_err(WarehouseError::io("read", file))?;
            objects.write(key, bytes.into(), expected).await?
        } else {
            in_parts(objects, lease, key, file, expected).await?
        };
        if let Written::Stored(version) = written {
            return Ok(version);
        }
        match found(objects, key, file, length, expected).await? {
            Found::Ours(version) => return Ok(version),
            Found::Foreign => break,
            Found::Unchanged => tokio::time::sleep(objects.patience.wait(refusals)).await,
        }
    }
    Err(objects.failed("replace", key)(StoreError::Replaced))
}

async fn found(
    objects: &Objects,
    key: &str,
    file: &Path,
    length: u64,
    expected: Option<&ObjectVersion>,
) -> Result<Found, WarehouseError> {
    let Some((size, version)) = objects.head(key).await? else {
        return Ok(if expected.is_none() {
            Found::Unchanged
        } else {
            Found::Foreign
        });
    };
    if expected == Some(&version) {
        return Ok(Found::Unchanged);
    }
    Ok(if size == length && is_same(objects, key, file).await? {
        Found::Ours(version)
    } else {
        Found::Foreign
    })
}

/// Whether an object holds the very bytes of a file.
async fn is_same(objects: &Objects, key: &str, file: &Path) -> Result<bool, WarehouseError> {
    let failed = |error| objects.failed("read", key)(store_error(error));
    let answer = objects.store.get(&objects.path(key)?).await;
    let mut stream = answer.map_err(failed)?.into_stream();
    let mut local = File::open(file).map_err(WarehouseError::io("open", file))?;
    let mut ours = Vec::new();
    while let Some(theirs) = stream.next().await.transpose().map_err(failed)? {
        ours.clear();
        let piece = Read::by_ref(&mut local)
            .take(theirs.len() as u64)
            .read_to_end(&mut ours);
        piece.map_err(WarehouseError::io("read", file))?;
        if ours != theirs {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn in_parts(
    objects: &Objects,
    lease: &Lease,
    key: &str,
    file: &Path,
    expected: Option<&ObjectVersion>,
) -> Result<Written, WarehouseError> {
    let path = objects.path(key)?;
    let created = objects.parts.create_multipart(&path).await;
    let upload_id = created.map_err(|error| objects.failed("write", key)(store_error(error)))?;
    note(objects, key, &upload_id).await?;
    let completed = match send_parts(objects, key, &upload_id, file).await {
        Ok(parts) => complete(objects, lease, key, &upload_id, parts, expected).await,
        Err(error) => Err(error),
    };
    if !matches!(completed, Ok(Written::Stored(_))) {
        abort(objects, key, &upload_id).await;
    }
    note(objects, "", "").await?;
    completed
}

async fn send_parts(
    objects: &Objects,
    key: &str,
    upload_id: &String,
    file: &Path,
) -> Result<Vec<PartId>, WarehouseError> {
    let path = objects.path(key)?;
    let mut local = File::open(file).map_err(WarehouseError::io("open", file))?;
    let mut parts = Vec::new();
    loop {
        let mut part = Vec::new();
        let read = Read::by_ref(&mut local)
            .take(objects.sizes.part)
            .read_to_end(&mut part);
        read.map_err(WarehouseError::io("read", file))?;
        if part.is_empty() {
            return Ok(parts);
        }
        let sent = objects
            .parts
            .put_part(&path, upload_id, parts.len(), Bytes::from(part).into());
        let sent = sent.await;
        parts.push(sent.map_err(|error| objects.failed("write", key)(store_error(error)))?);
    }
}

/// Puts the parts together, once lease and object are still as they were.
async fn complete(
    objects: &Objects,
    lease: &Lease,
    key: &str,
    upload_id: &String,
    parts: Vec<PartId>,
    expected: Option<&ObjectVersion>,
) -> Result<Written, WarehouseError> {
    let is_expected = async || {
        let found = objects.head(key).await?.map(|(_, version)| version);
        Ok::<_, WarehouseError>(found.as_ref() == expected)
    };
    lease.confirm().await?;
    if !is_expected().await? {
        return Ok(Written::Refused);
    }
    let path = objects.path(key)?;
    match objects
        .parts
        .complete_multipart(&path, upload_id, parts)
        .await
    {
        Ok(stored) => Ok(Written::Stored(ObjectVersion {
            e_tag: stored.e_tag,
            version: stored.version,
        })),
        // the answer may be lost of a completion that was done
        Err(error) if is_expected().await? => Err(objects.failed("write", key)(store_error(error))),
        Err(_) => Ok(Written::Refused),
    }
}

async fn abort(objects: &Objects, key: &str, upload_id: &String) {
    let Ok(path) = objects.path(key) else {
        return;
    };
    match objects.parts.abort_multipart(&path, upload_id).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
        Err(error) => tracing::warn!(
            object = objects.url(key),
            upload_id,
            "the parts of an upload that was given up could not be removed and cost storage until they are: {}",
            store_error(error)
        ),
    }
}

/// Notes which upload is under way. Azure gives it no id, and drops its blocks by itself after a week.
async fn note(objects: &Objects, key: &str, upload_id: &str) -> Result<(), WarehouseError> {
    let previous = objects.head(UPLOAD).await?.map(|(_, version)| version);
    if upload_id.is_empty() && previous.is_none() {
        return Ok(());
    }
    let under_way = UnderWay {
        key: key.to_owned(),
        upload_id: upload_id.to_owned(),
    };
    let text = serde_json::to_vec(&under_way).unwrap_or_default();
    // a refusal means that another run notes its own: then the lease is lost, which the next check says
    objects
        .write(UPLOAD, text.into(), previous.as_ref())
        .await
        .map(drop)
}

/// Removes the parts that a dead run's upload left; for whoever holds the lease.
pub(super) async fn remove_orphans(objects: &Objects) -> Result<(), WarehouseError> {
    let Some((text, _)) = objects.read(UPLOAD).await? else {
        return Ok(());
    };
    let under_way: UnderWay = serde_json::from_slice(&text).unwrap_or_default();
    if !under_way.upload_id.is_empty() {
        tracing::warn!(
            object = objects.url(&under_way.key),
            "an earlier run left parts of an upload that it did not finish; they are removed"
        );
        abort(objects, &under_way.key, &under_way.upload_id).await;
        note(objects, "", "").await?;
    }
    Ok(())
}
