//! `warehouse.json`: what the warehouse was made with. A run that disagrees with it is refused.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::WarehouseError;
use super::layout::{Layout, sync_folder};
use crate::ids::TenantId;

/// Version of the layout; grows when older programs could no longer read it.
const FORMAT_VERSION: u32 = 1;
/// How partitions are laid out.
const LAYOUT: &str = "hive";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Description {
    format_version: u32,
    tenant_id: String,
    timezone: String,
    layout: String,
}

impl Description {
    /// Reads the description; `None` where the warehouse is new.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, WarehouseError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(WarehouseError::io("read", path)(error)),
        };
        // the version alone first: a newer description may hold anything else
        let bad = |source| WarehouseError::BadDescription {
            path: path.to_owned(),
            source,
        };
        let version: FormatVersion = serde_json::from_slice(&text).map_err(bad)?;
        agree(
            "format version",
            &version.format_version.to_string(),
            &FORMAT_VERSION.to_string(),
        )?;
        serde_json::from_slice(&text).map(Some).map_err(bad)
    }

    pub(super) fn agree_on_timezone(&self, timezone: &str) -> Result<(), WarehouseError> {
        agree("time zone", &self.timezone, timezone)
    }

    pub(super) fn agree_on_tenant(&self, tenant: &TenantId) -> Result<(), WarehouseError> {
        agree("tenant", &self.tenant_id, tenant.as_str())
    }

    /// Writes the description of a new warehouse, whole or not at all.
    pub(super) fn create(
        layout: &Layout,
        tenant: &TenantId,
        timezone: &str,
    ) -> Result<(), WarehouseError> {
        let description = Self {
            format_version: FORMAT_VERSION,
            tenant_id: tenant.as_str().to_owned(),
            timezone: timezone.to_owned(),
            layout: LAYOUT.to_owned(),
        };
        let path = layout.description();
        let bad = |source| WarehouseError::BadDescription {
            path: path.clone(),
            source,
        };
        let mut text = serde_json::to_vec_pretty(&description).map_err(bad)?;
        text.push(b'\n');
        let temporary = layout.private().join("warehouse.json.new");
        // a leftover, or somebody's link: replaced, never written through
        if let Err(error) = fs::remove_file(&temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(WarehouseError::io("remove", &temporary)(error));
        }
        let written = File::create_new(&temporary).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.map_err(WarehouseError::io("write", &temporary))?;
        fs::rename(&temporary, &path).map_err(WarehouseError::io("rename", &temporary))?;
        sync_folder(&layout.private())
    }
}

#[derive(Deserialize)]
struct FormatVersion {
    format_version: u32,
}

fn agree(what: &'static str, found: &str, asked: &str) -> Result<(), WarehouseError> {
    if found.eq_ignore_ascii_case(asked) {
        return Ok(());
    }
    Err(WarehouseError::OtherWarehouse {
        what,
        found: found.to_owned(),
        asked: asked.to_owned(),
    })
}
