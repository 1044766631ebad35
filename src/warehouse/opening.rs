//! A warehouse is opened: made where it is missing, and proved to be one that a run can publish into, before anything is fetched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::WarehouseError;
use super::intent::Intent;
use super::layout::{Layout, create_private, create_shared};
use super::publish::Visibility;
#[cfg(feature = "object-store")]
use super::store::Store;
#[cfg(feature = "object-store")]
use super::store_error::StoreError;
use super::{Place, Warehouse, file_system, staging};
use crate::job::place::{StoreAddress, WarehousePlace};
use crate::job::plan::{PublishBy, WarehousePlan};

impl Warehouse {
    /// Opens the warehouse, makes it where it is missing, and proves that it can be written and published to.
    ///
    /// # Errors
    /// [`WarehouseError`]: not writable, no atomic exchange or conditional write, another time zone, a newer format, a symbolic link in
    /// the way.
    pub fn open(plan: &WarehousePlan) -> Result<Self, WarehouseError> {
        let (place, staging) = match &plan.place {
            WarehousePlace::Folder(root) => {
                let layout = open_folder(root, plan.staging.as_deref(), plan.publish)?;
                let staging = layout.staging.clone();
                (Place::Disk(layout, Visibility(plan.publish)), staging)
            }
            WarehousePlace::Store(address) => {
                open_store(address, plan.holder.as_str(), plan.staging.as_deref())?
            }
        };
        let warehouse = Self {
            place,
            shown: plan.place.to_string(),
            staging,
            timezone: plan.timezone.name().to_owned(),
            memory_budget: staging::MEMORY_BUDGET,
        };
        if let Some(description) = warehouse.description()? {
            description.agree_on_timezone(&warehouse.timezone)?;
        }
        Ok(warehouse)
    }

    /// Opens a warehouse to read it; writes nothing to it. Copies of objects go below `staging`, which only an object store needs.
    ///
    /// # Errors
    /// [`WarehouseError`]: there is none, or it is of a newer format.
    pub fn open_existing(
        place: &WarehousePlace,
        staging: Option<&Path>,
    ) -> Result<Self, WarehouseError> {
        let shown = place.to_string();
        let (place, staging) = match place {
            WarehousePlace::Folder(root) => {
                let layout = Layout::new(root, None);
                fs::read_dir(root).map_err(|source| {
                    if source.kind() == io::ErrorKind::NotFound {
                        let shown = shown.clone();
                        return WarehouseError::NothingThere { shown };
                    }
                    WarehouseError::io("list", root)(source)
                })?;
                let staging = layout.staging.clone();
                // it is not published into
                (
                    Place::Disk(layout, Visibility(PublishBy::Exchange)),
                    staging,
                )
            }
            WarehousePlace::Store(address) => read_store(address, staging)?,
        };
        let mut warehouse = Self {
            place,
            shown,
            staging,
            timezone: String::new(),
            memory_budget: staging::MEMORY_BUDGET,
        };
        warehouse.timezone = warehouse.described()?.timezone;
        Ok(warehouse)
    }

    /// The same where there is one; `None` where none was made yet.
    ///
    /// # Errors
    /// [`WarehouseError`] where it cannot be read.
    pub fn open_if_there(
        place: &WarehousePlace,
        staging: Option<&Path>,
    ) -> Result<Option<Self>, WarehouseError> {
        if let WarehousePlace::Folder(root) = place
            && !Layout::new(root, None).description().exists()
        {
            return Ok(None);
        }
        match Self::open_existing(place, staging) {
            Ok(warehouse) => Ok(Some(warehouse)),
            Err(WarehouseError::NotAWarehouse { .. } | WarehouseError::NothingThere { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn open_folder(
    root: &Path,
    staging: Option<&Path>,
    publish: PublishBy,
) -> Result<Layout, WarehouseError> {
    let layout = Layout::new(root, staging);
    create_shared(&layout.root)?;
    create_private(&layout.private())?;
    create_private(&layout.staging)?;
    // other runs may open the warehouse or clear away what dead runs left
    let _gate = staging::gate(&layout.staging)?;
    // first of all, since on a full disk it makes the room that the rest needs
    let spared = Intent::read(&layout)?.map(|intent| intent.run_id);
    staging::remove_dead(&layout.staging, spared.as_deref())?;
    file_system::probe(&layout, publish)?;
    Ok(layout)
}

/// The store, and the folder for private files; proves that both can be written.
#[cfg(feature = "object-store")]
fn open_store(
    address: &StoreAddress,
    holder: &str,
    staging: Option<&Path>,
) -> Result<(Place, PathBuf), WarehouseError> {
    let staging = local_folder(address, staging)?;
    create_staging(&staging)?;
    let store = Store::open(address, holder, staging.clone())?;
    let spared = store.intent()?.map(|intent| intent.run_id);
    let _gate = staging::gate(&staging)?;
    staging::remove_dead(&staging, spared.as_deref())?;
    file_system::probe_writable(&staging)?;
    Ok((Place::Store(Box::new(store)), staging))
}

#[cfg(feature = "object-store")]
fn read_store(
    address: &StoreAddress,
    staging: Option<&Path>,
) -> Result<(Place, PathBuf), WarehouseError> {
    let staging = local_folder(address, staging)?;
    create_staging(&staging)?;
    let store = Store::connect(address, "", staging.clone())?;
    Ok((Place::Store(Box::new(store)), staging))
}

/// Below a home that is not there, or that nobody may write, it cannot be made.
#[cfg(feature = "object-store")]
fn create_staging(staging: &Path) -> Result<(), WarehouseError> {
    create_private(staging).map_err(|source| WarehouseError::NoStaging {
        path: staging.to_owned(),
        source: Box::new(source),
    })
}

#[cfg(feature = "object-store")]
fn local_folder(address: &StoreAddress, staging: Option<&Path>) -> Result<PathBuf, WarehouseError> {
    staging.map(Path::to_owned).ok_or_else(|| {
        let detail = "there is no local folder for staging".to_owned();
        WarehouseError::Store {
            action: "use",
            url: address.to_string(),
            source: Box::new(StoreError::Other { detail }),
        }
    })
}

#[cfg(not(feature = "object-store"))]
fn open_store(
    address: &StoreAddress,
    _: &str,
    _: Option<&Path>,
) -> Result<(Place, PathBuf), WarehouseError> {
    let url = address.to_string();
    Err(WarehouseError::NoObjectStores { url })
}

#[cfg(not(feature = "object-store"))]
fn read_store(
    address: &StoreAddress,
    staging: Option<&Path>,
) -> Result<(Place, PathBuf), WarehouseError> {
    open_store(address, "", staging)
}
