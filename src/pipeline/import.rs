//! Files that people saved, into the same tables: read and checked all, then published at once, in the way that a chunk is.
//!
//! ```text
//! every file read ─► one report a meeting ─► lock ─► what is published of its days ─► rows ─► publish, run row last
//! ```
//!
//! Nothing is asked of Graph. A report that Graph gave already is left out; one that Graph gives later takes the place of the imported one
//! (`staging_thread/imported.rs`).

mod decide;
mod published;
mod saved_file;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

pub use saved_file::{BadFile, SavedFile, read_saved_files};

use super::{RunControl, RunError, stoppable, stoppable_file_work};
use crate::ids::{RunId, TenantId};
use crate::job::plan::WarehousePlan;
use crate::job::resolve::ImportPlan;
use crate::ledger::IMPORT_VERB;
use crate::tables::{NameCount, RUNS, RunRow, Runs};
use crate::time::{UtcMicros, WarehouseTimezone};
use crate::warehouse::{PublishLock, Warehouse, WarehouseError};
use decide::{Decided, decide};

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ImportSummary {
    /// `import`.
    pub verb: &'static str,
    /// The job's name.
    pub job_name: String,
    /// This execution of the program.
    pub invocation_id: String,
    /// Its row in `runs`; none where nothing was new.
    pub run_ids: Vec<String>,
    /// Where the tables lie.
    pub warehouse: String,
    /// Files read.
    pub files: u64,
    /// Reports that are new, or more whole than what was imported before.
    pub reports: u64,
    /// Their records.
    pub records: u64,
    /// Their intervals.
    pub intervals: u64,
    /// Files of a report that another file of this import has too.
    pub same_report: u64,
    /// Reports that were imported before.
    pub imported_before: u64,
    /// Reports that Graph gave: those are left as they are.
    pub from_graph: u64,
    /// Imported reports that were taken away, because Graph's own is there by now.
    pub retracted: u64,
    /// Reports that were given to a session that the warehouse knows.
    pub matched_sessions: u64,
    /// Reports that got a session of their own.
    pub own_sessions: u64,
    /// Gaps that were filled: of sessions for which nothing more is asked.
    pub gaps_closed: u64,
    /// People who registered and did not come; no rows are made of them.
    pub absent: u64,
    /// Partitions with a new generation.
    pub partitions_published: u64,
    /// Wall-clock time, in seconds.
    pub seconds: f64,
    /// The exit status that this summary stands for.
    pub exit_code: u8,
}

/// Why whose files they are is not known.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// The job file names a domain, and there is no warehouse that would know its GUID.
    #[error(
        "the GUID of the tenant `{domain}` is not known, and no run has published into the warehouse yet"
    )]
    Unknown {
        /// What the job file says.
        domain: String,
    },
    /// The warehouse cannot be read, or is another tenant's.
    #[error("the warehouse cannot be used")]
    Warehouse {
        /// Which path, and why.
        #[source]
        source: WarehouseError,
    },
}

/// The tenant whose files they are, in the spelling that the tables have. It makes nothing.
///
/// # Errors
/// [`TenantError`]; terminal.
pub fn import_tenant(plan: &ImportPlan) -> Result<TenantId, TenantError> {
    let failed = |source| TenantError::Warehouse { source };
    let WarehousePlan { place, staging, .. } = &plan.warehouse;
    let warehouse = Warehouse::open_if_there(place, staging.as_deref()).map_err(failed)?;
    let known = match &warehouse {
        Some(warehouse) => warehouse.tenant().map_err(failed)?,
        None => None,
    };
    match (warehouse, known, plan.tenant_id()) {
        (Some(warehouse), Some(known), Some(asked)) => {
            warehouse.agree_on_tenant(&asked).map_err(failed)?;
            Ok(known)
        }
        (_, Some(known), None) => Ok(known),
        (_, _, Some(asked)) => Ok(asked),
        (_, None, None) => Err(TenantError::Unknown {
            domain: plan.tenant.clone(),
        }),
    }
}

/// Imports files that were read.
///
/// # Errors
/// [`RunError`] says which step failed; nothing is half-published.
pub async fn import(
    plan: &ImportPlan,
    tenant: &TenantId,
    files: Vec<SavedFile>,
    control: &RunControl,
) -> Result<ImportSummary, RunError> {
    let began = (control.clock)();
    let (place, owner) = (plan.warehouse.clone(), tenant.clone());
    let opening = stoppable_file_work(control, move || {
        let warehouse = Warehouse::open(&place)?;
        warehouse.bind_tenant(&owner)?;
        Ok(Arc::new(warehouse))
    });
    let warehouse = opening.await?.map_err(RunError::warehouse)?;
    let lock = wait_for_lock(plan, control, &warehouse).await?;
    let publishing = Publishing {
        plan: plan.clone(),
        tenant: tenant.clone(),
        warehouse,
        lock,
        control: control.clone(),
    };
    let count = files.len() as u64;
    let publishing = stoppable_file_work(control, move || publish(&publishing, files));
    let mut summary = publishing.await??;
    summary.files = count;
    summary.seconds = began.seconds_until((control.clock)());
    Ok(summary)
}

/// What publishing takes.
struct Publishing {
    plan: ImportPlan,
    tenant: TenantId,
    warehouse: Arc<Warehouse>,
    lock: PublishLock,
    control: RunControl,
}

/// Decides, stages and publishes, under the lock.
fn publish(publishing: &Publishing, files: Vec<SavedFile>) -> Result<ImportSummary, RunError> {
    let Publishing {
        plan,
        tenant,
        warehouse,
        lock,
        control,
    } = publishing;
    warehouse.recover(lock).map_err(RunError::warehouse)?;
    let run_id = RunId::new(format!("{}-0001", plan.invocation_id));
    let decided = decide(plan, warehouse, tenant, &run_id, files)?;
    let Decided {
        staging,
        mut summary,
        first,
        is_anything,
        days,
    } = decided;
    summary.verb = IMPORT_VERB;
    summary.job_name.clone_from(&plan.job_name);
    plan.invocation_id
        .as_str()
        .clone_into(&mut summary.invocation_id);
    summary.warehouse = plan.warehouse.place.to_string();
    if !is_anything {
        return Ok(summary);
    }
    let mut built = warehouse
        .build(lock, staging, &days)
        .map_err(RunError::warehouse)?;
    let outcome = built.outcome();
    summary.partitions_published = outcome.published;
    if outcome.published == 0 {
        return Ok(summary);
    }
    summary.run_ids.push(run_id.as_str().to_owned());
    let mut runs = Runs::default();
    let row = run_row(plan, tenant, &run_id, &summary, first);
    runs.append(&RunRow {
        finished_at: (control.clock)(),
        partitions_unchanged: signed(outcome.unchanged),
        peak_memory_bytes: signed((control.peak_memory)()),
        ..row
    });
    let batch = runs.finish().map_err(RunError::rows)?;
    let run_date = WarehouseTimezone::utc().event_date(plan.started_at);
    warehouse
        .add(lock, &mut built, &RUNS, run_date, &batch)
        .and_then(|()| warehouse.publish(lock, built))
        .map_err(RunError::warehouse)?;
    Ok(summary)
}

/// It names no source: an import covers no day.
fn run_row(
    plan: &ImportPlan,
    tenant: &TenantId,
    run_id: &RunId,
    summary: &ImportSummary,
    first: Option<UtcMicros>,
) -> RunRow<'static> {
    let owned = |text: &str| Cow::Owned(text.to_owned());
    let at = first.unwrap_or(plan.started_at);
    let reported = summary.matched_sessions + summary.own_sessions;
    RunRow {
        run_id: owned(run_id.as_str()),
        invocation_id: owned(plan.invocation_id.as_str()),
        tenant_id: owned(tenant.as_str()),
        verb: Cow::Borrowed(IMPORT_VERB),
        job_name: owned(&plan.job_name),
        scope_hash: Cow::Borrowed(IMPORT_VERB),
        sources: Vec::new(),
        program_version: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
        interval_start: at,
        interval_end: at,
        started_at: plan.started_at,
        finished_at: plan.started_at,
        exit_code: 0,
        sessions_by_state: [("reported", reported)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| NameCount {
                name: Cow::Borrowed(name),
                count: signed(count),
            })
            .collect(),
        reports: signed(summary.reports),
        records: signed(summary.records),
        intervals: signed(summary.intervals),
        gaps_opened: 0,
        gaps_closed: signed(summary.gaps_closed),
        requests: 0,
        requests_by_kind: Vec::new(),
        throttled_responses: 0,
        throttled_seconds: 0,
        bytes_received: 0,
        unknown_properties: 0,
        partitions_published: signed(summary.partitions_published),
        partitions_unchanged: 0,
        peak_memory_bytes: 0,
    }
}

/// Waits for the right to publish as long as the plan allows.
async fn wait_for_lock(
    plan: &ImportPlan,
    control: &RunControl,
    warehouse: &Arc<Warehouse>,
) -> Result<PublishLock, RunError> {
    let (wait, began) = (plan.warehouse.wait_lock, Instant::now());
    loop {
        let trying = Arc::clone(warehouse);
        let tried = stoppable_file_work(control, move || trying.try_lock()).await?;
        if let Some(lock) = tried.map_err(RunError::warehouse)? {
            return Ok(lock);
        }
        if began.elapsed() >= wait {
            return Err(RunError::warehouse(warehouse.locked(wait)));
        }
        stoppable(control, tokio::time::sleep(warehouse.lock_poll())).await?;
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
