//! A saved report in Graph's form, and what it is known by.

use serde_json::{Map, Value, json};

use super::report::{Attendee, SavedReport, Stay};
use super::words::plain;
use crate::ids::{ReportId, SessionId, TenantId, stable_hash};
use crate::time::{SECOND, UtcMicros};

impl SavedReport {
    /// The report's id: of what was held, not of the file, so that two copies of one report are one.
    ///
    /// Tenant, title, the minute of the start, and who held it. The end is not part of it: a report that was saved before the meeting was
    /// over is the same report.
    pub fn report_id(&self, tenant: &TenantId) -> ReportId {
        ReportId::of_import(&self.identity(tenant))
    }

    /// The id of a session for it alone, where the warehouse knows none that it belongs to.
    pub fn session_id(&self, tenant: &TenantId) -> SessionId {
        SessionId::new(stable_hash(["imported session", &self.identity(tenant)]))
    }

    fn identity(&self, tenant: &TenantId) -> String {
        let title = self.title.as_deref().map(plain).unwrap_or_default();
        let minute = self.start.0.div_euclid(60 * SECOND).to_string();
        let held_by = self
            .held_by()
            .map(|attendee| attendee.address().to_lowercase());
        stable_hash([
            tenant.as_str(),
            &title,
            &minute,
            held_by.as_deref().unwrap_or_default(),
        ])
    }

    /// The report with its records as Graph would send it; what the file lacks is not there.
    pub fn document(&self, report_id: &ReportId) -> Vec<u8> {
        let mut report = Map::new();
        report.insert("id".to_owned(), report_id.as_str().into());
        set(&mut report, "totalParticipantCount", self.participants);
        set(&mut report, "meetingStartDateTime", time(Some(self.start)));
        set(&mut report, "meetingEndDateTime", time(self.end));
        // no properties of Graph's, so these go to `_extra`
        report.insert("importedLayout".to_owned(), self.layout.into());
        set(&mut report, "importedMeetingId", self.meeting_id.as_deref());
        set(&mut report, "importedSummary", columns(&self.summary));
        let records: Vec<Value> = self.attendees.iter().map(record).collect();
        report.insert("attendanceRecords".to_owned(), records.into());
        Value::Object(report).to_string().into_bytes()
    }
}

fn record(attendee: &Attendee) -> Value {
    let mut record = Map::new();
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    set(&mut record, "emailAddress", text(&attendee.email));
    set(&mut record, "role", text(&attendee.role));
    set(&mut record, "totalAttendanceInSeconds", attendee.seconds);
    set(
        &mut record,
        "identity",
        text(&attendee.name).map(|name| json!({ "displayName": name })),
    );
    let stays: Vec<Value> = attendee.stays.iter().map(interval).collect();
    record.insert("attendanceIntervals".to_owned(), stays.into());
    set(
        &mut record,
        "importedParticipantId",
        text(&attendee.participant_id),
    );
    set(&mut record, "importedColumns", columns(&attendee.other));
    Value::Object(record)
}

fn interval(stay: &Stay) -> Value {
    let mut interval = Map::new();
    set(&mut interval, "joinDateTime", time(stay.join));
    set(&mut interval, "leaveDateTime", time(stay.leave));
    set(&mut interval, "durationInSeconds", stay.seconds);
    Value::Object(interval)
}

fn set(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

fn time(at: Option<UtcMicros>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn columns(pairs: &[(String, String)]) -> Option<Value> {
    let object: Map<String, Value> = pairs
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    (!object.is_empty()).then_some(Value::Object(object))
}
