//! The list of a meeting's reports.

use std::borrow::Cow;

use crate::ids::{EventId, ReportId, stable_hash};
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

impl ReportEntry {
    /// Whether a published report needs no second look: what the list says of it is what was published.
    ///
    /// What the list leaves out tells nothing: the report by itself may have filled it in.
    pub fn says_nothing_new(&self, published: &Self) -> bool {
        fn is_same<T: PartialEq>(listed: Option<&T>, published: Option<&T>) -> bool {
            listed.is_none() || listed == published
        }
        is_same(self.start.as_ref(), published.start.as_ref())
            && is_same(self.end.as_ref(), published.end.as_ref())
            && is_same(
                self.total_participant_count.as_ref(),
                published.total_participant_count.as_ref(),
            )
            && (self.external_events.is_empty()
                || self.external_events == published.external_events)
    }

    /// The same only for the same report of the same meeting, with everything that the list says of it.
    pub fn fingerprint(&self, event_id: &EventId) -> String {
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        let mut parts = vec![
            Some(event_id.as_str().to_owned()),
            Some(self.report_id.folded().as_str().to_owned()),
            number(self.start.map(|at| at.0)),
            number(self.end.map(|at| at.0)),
            number(self.total_participant_count.map(i64::from)),
        ];
        for event in &self.external_events {
            let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
            parts.extend([text(&event.application_id), text(&event.external_event_id)]);
        }
        // absent and empty differ
        let parts = parts.iter().flat_map(|part| match part {
            Some(text) => ["1", text.as_str()],
            None => ["0", ""],
        });
        stable_hash(parts)
    }
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
        total_participant_count: count(report.total_participant_count),
        external_events: external_events(report),
    })
}

/// A number as the table has it.
pub(super) fn count(number: Option<Number>) -> Option<i32> {
    match number {
        Some(Number::Int(count)) => Some(count),
        Some(Number::Unreadable) | None => None,
    }
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

/// A timestamp; none where it is absent, a sentinel, or cannot be read.
pub(super) fn instant(text: Option<&Text<'_>>) -> Option<UtcMicros> {
    match parse_graph_time(text?.as_ref()) {
        Ok(GraphTime::At(at)) => Some(at),
        Ok(GraphTime::Sentinel) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_list_says_can_be_news() {
        let published = ReportEntry {
            report_id: ReportId::new("r"),
            start: Some(UtcMicros(1)),
            end: Some(UtcMicros(2)),
            total_participant_count: Some(3),
            external_events: Vec::new(),
        };
        let silent = ReportEntry {
            start: None,
            end: None,
            total_participant_count: None,
            ..published.clone()
        };
        assert!(published.says_nothing_new(&published));
        assert!(silent.says_nothing_new(&published));
        assert!(!published.says_nothing_new(&silent));
        for changed in [
            ReportEntry {
                end: Some(UtcMicros(3)),
                ..published.clone()
            },
            ReportEntry {
                total_participant_count: Some(4),
                ..silent.clone()
            },
        ] {
            assert!(!changed.says_nothing_new(&published), "{changed:?}");
        }
    }

    #[test]
    fn a_fingerprint_changes_with_everything_that_the_list_says() {
        let text = |text: &'static str| Some(Cow::Borrowed(text));
        let entry = ReportEntry {
            report_id: ReportId::new("r"),
            start: Some(UtcMicros(1)),
            end: None,
            total_participant_count: Some(1),
            external_events: vec![ExternalEvent {
                application_id: text("a"),
                external_event_id: None,
            }],
        };
        let event = EventId::new("e");
        let mut prints = vec![
            entry.fingerprint(&event),
            entry.fingerprint(&EventId::new("f")),
        ];
        let mut change = |change: fn(&mut ReportEntry)| {
            let mut changed = entry.clone();
            change(&mut changed);
            prints.push(changed.fingerprint(&event));
        };
        change(|entry| entry.report_id = ReportId::new("s"));
        change(|entry| entry.start = None);
        change(|entry| entry.end = Some(UtcMicros(1)));
        change(|entry| entry.total_participant_count = None);
        change(|entry| entry.total_participant_count = Some(0));
        change(|entry| entry.external_events.clear());
        change(|entry| entry.external_events[0].external_event_id = Some(Cow::Borrowed("")));
        change(|entry| {
            let event = &mut entry.external_events[0];
            std::mem::swap(&mut event.application_id, &mut event.external_event_id);
        });
        let unique: std::collections::BTreeSet<_> = prints.iter().collect();
        assert_eq!(unique.len(), prints.len(), "{prints:?}");
        assert_eq!(entry.clone().fingerprint(&event), prints[0]);
    }

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
