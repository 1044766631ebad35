//! A row of `gaps` for tests.

use super::verify_tests::{NOON, TENANT, text};
use crate::tables::GapRow;

/// An open gap on a report of a session.
pub(super) fn gap(id: &str, session: Option<&str>) -> GapRow<'static> {
    GapRow {
        tenant_id: text(TENANT),
        gap_id: text(id),
        source: text("online_meeting"),
        stage: text("fetch_records"),
        organizer_id: None,
        session_id: session.map(text),
        report_id: None,
        record_index: None,
        reason: text("failed"),
        http_status: None,
        graph_code: None,
        attempts: 1,
        first_seen_at: NOON,
        last_tried_at: NOON,
        closed_at: None,
        closed_by_run_id: None,
        _run_id: text("run"),
        is_final: Some(false),
        same_answer_since: None,
        same_answer_days: None,
        missing_from: None,
        missing_until: None,
        scope: None,
    }
}
