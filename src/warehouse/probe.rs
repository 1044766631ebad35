//! Whether a run could publish, found out without leaving anything behind.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::WarehouseError;
use super::identity::Description;
use super::layout::{Layout, create_private};
use super::{Warehouse, WarehousePlan};
use crate::ids::TenantId;
use crate::job::place::WarehousePlace;

impl Warehouse {
    /// Proves that a run could open the warehouse and publish into it; where the tenant is known, also that it is this tenant's, and
    /// where the job reads online meetings, that it holds the same choice of their reports, `all` or `latest`.
    ///
    /// A warehouse that is not there yet is tried out in a folder of its own, in the nearest folder that there is. In an object store
    /// the object that proves that it keeps conditions stays.
    ///
    /// # Errors
    /// [`WarehouseError`], as [`open`](Self::open), [`bind_tenant`](Self::bind_tenant) and [`bind_reports`](Self::bind_reports).
    pub fn probe(
        plan: &WarehousePlan,
        tenant: Option<&TenantId>,
        reports: Option<&str>,
    ) -> Result<(), WarehouseError> {
        let agree = |found: &Description| {
            tenant.map_or(Ok(()), |tenant| found.agree_on_tenant(tenant))?;
            reports.map_or(Ok(()), |reports| found.agree_on_reports(reports))
        };
        let root = match &plan.place {
            WarehousePlace::Folder(root) => root,
            WarehousePlace::Store(_) => {
                let description = Self::open(plan)?.description()?;
                return description.as_ref().map_or(Ok(()), agree);
            }
        };
        let layout = Layout::new(root, plan.staging.as_deref());
        let description = Description::read(&layout.description())?;
        if let Some(found) = &description {
            found.agree_on_timezone(plan.timezone.name())?;
            agree(found)?;
        }
        if description.is_some() && layout.staging.is_dir() {
            return Self::open(plan).map(drop);
        }
        let root = Scratch::near(root)?;
        let staging = plan.staging.as_deref().map(Scratch::near).transpose()?;
        Self::open(&WarehousePlan {
            place: WarehousePlace::Folder(root.0.clone()),
            staging: staging.as_ref().map(|staging| staging.0.clone()),
            ..plan.clone()
        })
        .map(drop)
    }
}

/// A folder that goes when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    /// Makes one in `path`, or in the nearest of its parents that is there.
    fn near(path: &Path) -> Result<Self, WarehouseError> {
        let here = Path::new(".");
        let mut parents = path.ancestors().map(|parent| {
            if parent.as_os_str().is_empty() {
                here
            } else {
                parent
            }
        });
        let base = parents
            .find(|parent| fs::symlink_metadata(parent).is_ok())
            .unwrap_or(here);
        // hidden from readers, and named after the process, since others may probe at the same time
        let folder = base.join(format!(".teamsheet-check-{}", std::process::id()));
        create_private(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), "the folder of the check could not be removed: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::plan::PublishBy;
    use crate::time::WarehouseTimezone;

    fn plan(root: PathBuf) -> WarehousePlan {
        WarehousePlan {
            place: WarehousePlace::Folder(root),
            timezone: WarehouseTimezone::utc(),
            publish: PublishBy::Exchange,
            staging: None,
            holder: crate::ids::InvocationId::new("test"),
            wait_lock: std::time::Duration::ZERO,
        }
    }

    /// Every path below a folder.
    fn entries(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(entries(&path));
            }
            found.push(path);
        }
        found.sort();
        found
    }

    #[test]
    fn a_warehouse_that_is_not_there_yet_is_proved_and_still_not_there() {
        let folder = tempfile::tempdir().unwrap();
        Warehouse::probe(&plan(folder.path().join("a/b")), None, None).unwrap();
        assert!(entries(folder.path()).is_empty());
        // the folder itself is there, with something else in it
        fs::write(folder.path().join("notes"), "").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let staged = WarehousePlan {
            staging: Some(elsewhere.path().join("staging")),
            ..plan(folder.path().to_owned())
        };
        Warehouse::probe(&staged, None, None).unwrap();
        assert_eq!(entries(folder.path()), [folder.path().join("notes")]);
        assert!(entries(elsewhere.path()).is_empty());
    }

    #[test]
    fn a_warehouse_that_is_there_is_proved_and_nothing_is_added() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path().join("warehouse"));
        let (own, other) = (TenantId::new("own"), TenantId::new("other"));
        let warehouse = Warehouse::open(&plan).unwrap();
        warehouse.bind_tenant(&own).unwrap();
        warehouse.bind_reports("all").unwrap();
        let before = entries(folder.path());
        Warehouse::probe(&plan, Some(&own), Some("all")).unwrap();
        let error = Warehouse::probe(&plan, Some(&other), None).unwrap_err();
        assert!(error.is_incompatible());
        let error = Warehouse::probe(&plan, Some(&own), Some("latest")).unwrap_err();
        assert!(error.is_incompatible());
        let zone = WarehousePlan {
            timezone: WarehouseTimezone::named("Europe/Berlin").unwrap(),
            ..plan
        };
        assert!(
            Warehouse::probe(&zone, Some(&own), None)
                .unwrap_err()
                .is_incompatible()
        );
        assert_eq!(entries(folder.path()), before);
        // private files that lie elsewhere, or were cleared away, make it no other warehouse
        let elsewhere = WarehousePlan {
            staging: Some(folder.path().join("elsewhere")),
            timezone: WarehouseTimezone::utc(),
            ..zone
        };
        Warehouse::probe(&elsewhere, Some(&own), None).unwrap();
        let error = Warehouse::probe(&elsewhere, Some(&other), None).unwrap_err();
        assert!(error.is_incompatible());
    }

    #[test]
    fn what_a_run_could_not_write_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let plan = plan(folder.path().join("file/warehouse"));
        let error = Warehouse::probe(&plan, None, None).unwrap_err();
        assert!(matches!(error, WarehouseError::Io { .. }), "{error:?}");
    }
}
