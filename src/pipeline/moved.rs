//! Sessions that were put off: what is published of their reports names the day on which they lie now.

use super::error::RunError;
use crate::ids::SessionId;
use crate::tables::{ATTENDANCE_REPORTS, AttendanceReportRow, AttendanceReports};
use crate::time::EventDate;
use crate::warehouse::{Staging, Warehouse};

/// Days around the old one on which a session's reports are looked for.
const AROUND: i32 = 7;

/// A session whose row moves to another day.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    pub(super) session_id: SessionId,
    pub(super) from: EventDate,
    pub(super) to: EventDate,
}

/// Stages the published reports of moved sessions anew, each on its day, with nothing changed but the day of its session. Those that were
/// fetched name it already; the others Graph may have forgotten.
///
/// The caller may publish, so nobody else does meanwhile.
pub(super) fn stage_reports(
    warehouse: &Warehouse,
    staging: &mut Staging,
    moved: &[Moved],
) -> Result<(), RunError> {
    let table = &ATTENDANCE_REPORTS;
    for Moved {
        session_id,
        from,
        to,
    } in moved
    {
        let days = warehouse.partitions(table).map_err(RunError::warehouse)?;
        let near = days
            .into_iter()
            .filter(|day| (day.0 - from.0).abs() <= AROUND);
        for day in near {
            let (_, batches) = warehouse.read(table, day).map_err(RunError::warehouse)?;
            let mut renamed = AttendanceReports::default();
            for batch in batches {
                let batch = batch.map_err(RunError::warehouse)?;
                for mut row in AttendanceReportRow::read_all(&batch).map_err(RunError::rows)? {
                    let is_of_it = row.session_id.as_deref() == Some(session_id.as_str())
                        && row.session_event_date != Some(*to);
                    if is_of_it && !is_staged(staging, &row.report_id) {
                        row.session_event_date = Some(*to);
                        renamed.append(&row);
                    }
                }
            }
            if !renamed.is_empty() {
                let batch = renamed.finish().map_err(RunError::rows)?;
                staging
                    .append(table, day, &batch)
                    .map_err(RunError::warehouse)?;
            }
        }
    }
    Ok(())
}

/// Whether the report comes anew, on whatever day.
fn is_staged(staging: &Staging, report_id: &str) -> bool {
    let mut staged = staging.replaced(&ATTENDANCE_REPORTS);
    staged.any(|(_, reports)| reports.contains(report_id))
}
