//! `warehouse.json`: what the warehouse was made with. A run that disagrees with it is refused.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::WarehouseError;
use super::layout::{Layout, read_private_json, write_private_json};
use crate::ids::TenantId;

/// Version of the layout; grows when older programs could no longer read it.
pub(super) const FORMAT_VERSION: u32 = 1;
/// How partitions are laid out.
const LAYOUT: &str = "hive";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Description {
    format_version: u32,
    pub(super) tenant_id: String,
    pub(super) timezone: String,
    layout: String,
    /// Which reports of online meetings it holds, once a job with that source has run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reports: Option<String>,
}

impl Description {
    /// Reads the description; `None` where the warehouse is new.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, WarehouseError> {
        read_private_json(path, FORMAT_VERSION)
    }

    pub(super) fn agree_on_timezone(&self, timezone: &str) -> Result<(), WarehouseError> {
        agree("time zone", &self.timezone, timezone)
    }

    pub(super) fn agree_on_tenant(&self, tenant: &TenantId) -> Result<(), WarehouseError> {
        agree("tenant", &self.tenant_id, tenant.as_str())
    }

    /// Ties the warehouse to one choice of reports: those of one path have other ids than those of the other.
    pub(super) fn bind_reports(self, layout: &Layout, reports: &str) -> Result<(), WarehouseError> {
        self.with_reports(reports)?.map_or(Ok(()), |description| {
            write_private_json(&layout.description(), &description)
        })
    }

    /// One that names no choice yet agrees with each.
    pub(super) fn agree_on_reports(&self, reports: &str) -> Result<(), WarehouseError> {
        let found = self.reports.as_deref().unwrap_or(reports);
        agree("choice of reports", found, reports)
    }

    /// The description that names the choice of reports; `None` where it does so already.
    pub(super) fn with_reports(mut self, reports: &str) -> Result<Option<Self>, WarehouseError> {
        self.agree_on_reports(reports)?;
        if self.reports.is_some() {
            return Ok(None);
        }
        self.reports = Some(reports.to_owned());
        Ok(Some(self))
    }

    /// Writes the description of a new warehouse, whole or not at all.
    pub(super) fn create(
        layout: &Layout,
        tenant: &TenantId,
        timezone: &str,
    ) -> Result<(), WarehouseError> {
        write_private_json(&layout.description(), &Self::new(tenant, timezone))
    }

    pub(super) fn new(tenant: &TenantId, timezone: &str) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            tenant_id: tenant.as_str().to_owned(),
            timezone: timezone.to_owned(),
            layout: LAYOUT.to_owned(),
            reports: None,
        }
    }
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
