//! The list of a meeting's reports.

use std::borrow::Cow;

use crate::ids::ReportId;
use crate::model::{self, MeetingAttendanceReport, Number, ParseError, Text};
use crate::tables::ExternalEvent;
use crate::time::{GraphTime, UtcMicros, parse_graph_time};

/// A report as the list shows it: enough to tell whether the published one is still the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportEntry {
    /// The report.
    pub report_id: ReportId,
    /// When it was held; `None` where Graph gave no time, or a sentinel.
    pub start: Option<UtcMicros>,
    /// When it ended.
    pub end: Option<UtcMicros>,
    /// Graph's number of participants.
    pub total_participant_count: Option<i32>,
    /// Partners' ids.
    pub external_events: Vec<ExternalEvent<'static>>,
}

/// One page of a meeting's reports.
#[derive(Debug)]
pub struct ReportList {
    /// The reports, in the order they came.
    pub entries: Vec<ReportEntry>,
    /// How many could not be read or came without an id: nothing can be asked about those.
    pub unusable: usize,
    /// Where the next page is.
    pub next_link: Option<String>,
}

/// Reads one page of `attendanceReports`.
///
/// # Errors
/// [`ParseError`] where the body is no page.
pub fn read_report_list(body: &[u8]) -> Result<ReportList, ParseError> {
    let page = model::parse_page::<MeetingAttendanceReport<'_, serde::de::IgnoredAny>>(body)?;
    let mut unusable = page.unreadable.len();
    let mut entries = Vec::with_capacity(page.items.len());
    for item in &page.items {
        match entry(item) {
            Some(entry) => entries.push(entry),
            None => unusable += 1,
        }
    }
    Ok(ReportList {
        entries,
        unusable,
        next_link: page.next_link.map(Text::into_string),
    })
}

fn entry<R>(report: &MeetingAttendanceReport<'_, R>) -> Option<ReportEntry> {
    let id = report
        .id
        .as_ref()
        .map(AsRef::as_ref)
        .filter(|id| !id.is_empty())?;
    Some(ReportEntry {
        report_id: ReportId::new(id),
        start: instant(report.meeting_start_date_time.as_ref()),
        end: instant(report.meeting_end_date_time.as_ref()),
        total_participant_count: match report.total_participant_count {
            Some(Number::Int(count)) => Some(count),
            Some(Number::Unreadable) | None => None,
        },
        external_events: external_events(report),
    })
}

/// A report's partner ids as the table has them.
pub(super) fn external_events<R>(
    report: &MeetingAttendanceReport<'_, R>,
) -> Vec<ExternalEvent<'static>> {
    let owned = |text: &Option<Text<'_>>| {
        text.as_ref()
            .map(|text| Cow::Owned(text.as_ref().to_owned()))
    };
    report
        .external_event_information
        .iter()
        .flatten()
        .map(|event| ExternalEvent {
            application_id: owned(&event.application_id),
            external_event_id: owned(&event.external_event_id),
        })
        .collect()
}

fn instant(text: Option<&Text<'_>>) -> Option<UtcMicros> {
    match parse_graph_time(text?.as_ref()) {
        Ok(GraphTime::At(at)) => Some(at),
        Ok(GraphTime::Sentinel) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_68_a_report_without_an_id_is_counted_and_the_others_stay() {
        let list = read_report_list(
            br#"{"value":[{"totalParticipantCount":1},{"id":"r","totalParticipantCount":2,
                "meetingStartDateTime":"2021-10-05T04:38:23.945Z","meetingEndDateTime":"0001-01-01T00:00:00Z","attendanceRecords":[]}]}"#,
        )
        .unwrap();
        assert_eq!(list.unusable, 1);
        let [entry] = list.entries.as_slice() else {
            panic!("{list:?}")
        };
        assert_eq!(entry.report_id.as_str(), "r");
        assert_eq!(entry.start.unwrap().to_string(), "2021-10-05T04:38:23.945Z");
        assert_eq!((entry.end, entry.total_participant_count), (None, Some(2)));
    }
}
