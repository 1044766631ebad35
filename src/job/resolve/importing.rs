//! What `teamsheet import` needs of a job file: whose warehouse it is and where. Nothing is asked, so no secret is needed and no source.

use super::{
    InvocationId, JobFile, Overrides, PlanError, Surroundings, asking, halves, invocation_id,
    job_name, timezone, warehouse,
};
use crate::ids::TenantId;
use crate::job::plan::{Verb, WarehousePlan};
use crate::time::UtcMicros;

/// Where files are imported to.
#[derive(Debug, Clone)]
pub struct ImportPlan {
    /// The job's `name`, by default the job file's stem.
    pub job_name: String,
    /// This execution of the program.
    pub invocation_id: InvocationId,
    /// When the program started.
    pub started_at: UtcMicros,
    /// The tenant, as the job file names it: GUID or domain.
    pub tenant: String,
    /// Where to publish.
    pub warehouse: WarehousePlan,
}

impl ImportPlan {
    /// The tenant's GUID, where the job file gives it: the tables hold nothing else.
    pub fn tenant_id(&self) -> Option<TenantId> {
        let groups: Vec<&str> = self.tenant.split('-').collect();
        let is_guid = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups
                .iter()
                .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
        is_guid.then(|| TenantId::new(self.tenant.clone()))
    }
}

/// Resolves the parts of a job file that an import needs.
///
/// # Errors
/// [`PlanError`]; terminal.
pub fn resolve_import(
    file: &JobFile,
    wait_lock: Option<std::time::Duration>,
    surroundings: &Surroundings<'_>,
) -> Result<ImportPlan, PlanError> {
    let [id, _] = halves(surroundings.random);
    let invocation_id = invocation_id(surroundings.started_at, id, None);
    let overrides = Overrides {
        verb: Verb::Run,
        start: None,
        end: None,
        reprocess: None,
        wait_lock,
    };
    let timezone = timezone(file.warehouse.timezone.as_deref().unwrap_or("UTC"))?;
    Ok(ImportPlan {
        job_name: job_name(file.name.as_deref(), surroundings.job_stem)?,
        tenant: asking::tenant(file.tenant.id.as_deref())?,
        warehouse: warehouse(file, timezone, &overrides, surroundings, &invocation_id)?,
        invocation_id,
        started_at: surroundings.started_at,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_import_needs_no_secret_and_no_source_and_knows_a_guid() {
        for (tenant, expected) in [
            (
                "7F1E5D40-6c2b-4a57-9d1c-0d0e5a3b2c11",
                Some("7f1e5d40-6c2b-4a57-9d1c-0d0e5a3b2c11"),
            ),
            ("contoso.onmicrosoft.com", None),
            ("7f1e5d40-6c2b-4a57-9d1c", None),
        ] {
            let text = format!(
                "tenant.id = '{tenant}'\nauth.client_secret = {{ env = 'NOT_SET' }}\nwarehouse.timezone = 'europe/berlin'\n"
            );
            let path = Path::new("nightly.toml");
            let file = JobFile::parse(&text, path).unwrap();
            let surroundings = Surroundings {
                started_at: UtcMicros(0),
                random: [7; 16],
                variable: &|_| None,
                read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
                job_stem: "nightly",
            };
            let plan = resolve_import(&file, None, &surroundings).unwrap();
            assert_eq!(plan.job_name, "nightly");
            assert_eq!(plan.warehouse.timezone.name(), "Europe/Berlin");
            let id = plan.tenant_id();
            assert_eq!(id.as_ref().map(TenantId::as_str), expected, "{tenant}");
        }
        let none = JobFile::parse("", Path::new("a.toml")).unwrap();
        let surroundings = Surroundings {
            started_at: UtcMicros(0),
            random: [7; 16],
            variable: &|_| None,
            read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
            job_stem: "a",
        };
        assert!(matches!(
            resolve_import(&none, None, &surroundings),
            Err(PlanError::MissingKey { .. })
        ));
    }
}
