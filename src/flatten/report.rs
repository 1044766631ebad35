//! A report with all its records, into rows of three tables.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::attendee::{OwnTenant, email_domain};
use super::content_hash::content_hash;
use super::extra::ExtraProperties;
use super::listing::{ReportEntry, external_events};
use super::look_alikes::without_repeats;
use super::quality::{Flag, QualityFlags};
use super::record::{FlatRecord, Intervals, canonical_order, flatten_record, instant, number};
use crate::ids::{EventId, OrganizerId, ReportId, RunId, SessionId, TenantId};
use crate::job::Source;
use crate::model::{self, AttendanceRecord, MeetingAttendanceReport, ParseError};
use crate::tables::{
    AttendanceIntervalRow, AttendanceIntervals, AttendanceRecordRow, AttendanceRecords,
    AttendanceReportRow,
};
use crate::time::{EventDate, UtcMicros, WarehouseTimezone};

/// What was fetched of one report.
#[derive(Debug, Clone, Copy)]
pub struct ReportDocuments<'a> {
    /// The report by itself.
    pub report: &'a [u8],
    /// Whether the records inside it are taken.
    pub inline_records: bool,
    /// Further pages of records, in order.
    pub record_pages: &'a [&'a [u8]],
}

/// What a report's rows say of where it belongs.
#[derive(Debug, Clone)]
pub struct ReportContext<'a> {
    /// The tenant.
    pub tenant_id: &'a TenantId,
    /// Where its session was found.
    pub source: Source,
    /// The online meeting, webinar or town hall.
    pub event_id: Option<&'a EventId>,
    /// The organizer.
    pub organizer_id: Option<&'a OrganizerId>,
    /// The report as the list showed it; fills in what the report itself lacks.
    pub entry: &'a ReportEntry,
    /// The session it belongs to and that session's day.
    pub session: Option<(SessionId, EventDate)>,
    /// The session's title.
    pub subject: Option<&'a str>,
    /// The session's start: the last resort for the report's day.
    pub scheduled_start: Option<UtcMicros>,
    /// The day under which it was first published; it stays there.
    pub published_event_date: Option<EventDate>,
    /// How many records are published of it.
    pub published_records: Option<PublishedRecords>,
    /// Whose days.
    pub timezone: &'a WarehouseTimezone,
    /// The run.
    pub run_id: &'a RunId,
    /// Start of the run.
    pub fetched_at: UtcMicros,
}

/// How many records are published of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedRecords {
    /// Its `record_count`.
    pub count: i32,
    /// Whether there were more before: its flag `fewer_than_before`.
    pub were_more: bool,
}

impl PublishedRecords {
    /// What is published in a row of `attendance_reports`.
    pub fn of(row: &AttendanceReportRow<'_>) -> Self {
        Self {
            count: row.record_count,
            were_more: row
                .quality_flags
                .iter()
                .any(|flag| flag == Flag::FewerThanBefore.name()),
        }
    }

    /// Whether so many records are fewer than were ever published: until all are back that Graph counts.
    fn are_more_than(self, count: i32, total: Option<i32>) -> bool {
        let is_whole = total.is_some_and(|total| count >= total);
        count < self.count || (self.were_more && (count == self.count || !is_whole))
    }
}

/// The rows of one report.
#[derive(Debug)]
pub struct FlatReport {
    /// Its partition.
    pub event_date: EventDate,
    /// Its row.
    pub row: AttendanceReportRow<'static>,
    /// How many interval rows it has.
    pub interval_count: usize,
    /// Records that could not be read.
    pub problems: Vec<RecordProblem>,
    /// Properties that went to `_extra`.
    pub unknown_properties: usize,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordProblem {
    /// Its place among the report's records as Graph listed them, from 0.
    pub position: usize,
    /// Why, without the record's content.
    pub reason: String,
}

/// Record and interval rows of many reports, by day.
#[derive(Debug, Default)]
pub struct RowsByDay {
    /// Each day's builders.
    pub days: BTreeMap<EventDate, (AttendanceRecords<'static>, AttendanceIntervals<'static>)>,
}

/// Adds a report's records and intervals to their day and returns the report's own row.
///
/// Records come in canonical order, whatever order Graph sent them in; one that was sent twice is one row, people who look alike are
/// one each (the module `look_alikes` tells them apart). Intervals keep Graph's order. Where no time at all is known, the day is that of `fetched_at`.
///
/// # Errors
/// [`ParseError`] where a document is not the JSON that was asked for; terminal, nothing was added.
pub fn flatten_report(
    documents: &ReportDocuments<'_>,
    context: &ReportContext<'_>,
    rows: &mut RowsByDay,
) -> Result<FlatReport, ParseError> {
    let (report, unreadable) = model::parse_report(documents.report)?;
    let mut pages = Vec::with_capacity(documents.record_pages.len());
    for body in documents.record_pages {
        pages.push(model::parse_page::<AttendanceRecord<'_>>(body)?);
    }

    let mut flags = QualityFlags::default();
    let start = report_time(
        report.meeting_start_date_time.as_ref(),
        context.entry.start,
        &mut flags,
    );
    let end = report_time(
        report.meeting_end_date_time.as_ref(),
        context.entry.end,
        &mut flags,
    );
    flags.raise_if(
        start.zip(end).is_some_and(|(start, end)| end < start),
        Flag::EndBeforeStart,
    );

    let inline = report
        .attendance_records
        .as_deref()
        .filter(|_| documents.inline_records);
    let inline = inline.map(|records| (records, unreadable.as_slice()));
    let further = pages
        .iter()
        .map(|page| (page.items.as_slice(), page.unreadable.as_slice()));
    let mut intervals = Intervals::new();
    let (mut records, problems) = flatten_records(
        inline.into_iter().chain(further),
        (start, end),
        &mut intervals,
    );
    let total = number(report.total_participant_count, &mut flags)
        .or(context.entry.total_participant_count);
    records.sort_by(|left, right| canonical_order(left, right, &intervals));
    without_repeats(&mut records, &intervals, problems.len(), total);

    let count = i32::try_from(records.len()).unwrap_or(i32::MAX);
    flags.raise_if(
        total.is_some_and(|total| total != count),
        Flag::CountDiffers,
    );
    let published = context.published_records;
    flags.raise_if(
        published.is_some_and(|published| published.are_more_than(count, total)),
        Flag::FewerThanBefore,
    );
    flags.raise_if(!problems.is_empty(), Flag::UnreadableRecord);
    flags.raise_if(start.is_none(), Flag::DerivedEventDate);
    flags.raise_if(context.entry.is_latest(), Flag::DerivedTimes);
    let is_imported = context.entry.report_id.is_imported();
    flags.raise_if(is_imported, Flag::Imported);
    for record in records.iter_mut().filter(|_| is_imported) {
        record.mark_imported();
    }
    let first_join = records
        .iter()
        .filter_map(|record| record.presence.first_join)
        .min();
    let day_of = start
        .or(first_join)
        .or(context.scheduled_start)
        .unwrap_or(context.fetched_at);
    let own_date = context.timezone.event_date(day_of);
    let event_date = context.published_event_date.unwrap_or(own_date);
    flags.raise_if(event_date != own_date, Flag::KeptEventDate);

    let extra = unknown_properties(&report);
    let mut row = report_row(&report, context, start, end);
    row.total_participant_count = total;
    row.record_count = count;
    row.quality_flags = flags.names();
    row._extra = extra.to_json().map(Cow::Owned);
    row._content_hash = Cow::Owned(content_hash(&row, &records, &intervals));

    let (record_rows, interval_rows) = rows.days.entry(event_date).or_default();
    append_rows(
        context,
        &row,
        &records,
        &intervals,
        record_rows,
        interval_rows,
    );
    let unknown = extra.len()
        + records
            .iter()
            .map(|record| record.unknown_properties)
            .sum::<usize>();
    let interval_count = records.iter().map(|record| record.intervals.len()).sum();
    Ok(FlatReport {
        event_date,
        row,
        interval_count,
        problems,
        unknown_properties: unknown,
    })
}

/// What the contract does not know of the report itself.
fn unknown_properties<'a, R>(report: &'a MeetingAttendanceReport<'_, R>) -> ExtraProperties<'a> {
    let mut extra = ExtraProperties::default();
    extra.add("", &report.extra);
    let events = report.external_event_information.iter().flatten();
    for (index, event) in events.enumerate() {
        extra.add(&format!("externalEventInformation[{index}]"), &event.extra);
    }
    extra
}

/// Reads the records of one body after the other; each body is its readable records and the places of the others.
fn flatten_records<'a>(
    bodies: impl Iterator<Item = (&'a [AttendanceRecord<'a>], &'a [model::Unreadable])>,
    report: (Option<UtcMicros>, Option<UtcMicros>),
    intervals: &mut Intervals,
) -> (Vec<FlatRecord<'a>>, Vec<RecordProblem>) {
    let mut records = Vec::new();
    let mut problems = Vec::new();
    let mut before = 0;
    for (readable, unreadable) in bodies {
        records.reserve(readable.len());
        let mut places = Places {
            next: 0,
            unreadable,
        };
        for record in readable {
            let position = before + places.next_readable();
            match flatten_record(record, report, intervals) {
                Ok(flat) => records.push(flat),
                Err(error) => problems.push(RecordProblem {
                    position,
                    reason: error.to_string(),
                }),
            }
        }
        problems.extend(unreadable.iter().map(|item| RecordProblem {
            position: before + item.position,
            reason: item.reason.clone(),
        }));
        before += readable.len() + unreadable.len();
    }
    problems.sort_by_key(|problem| problem.position);
    (records, problems)
}

/// Where the readable items of a body stood among all of them.
struct Places<'a> {
    next: usize,
    unreadable: &'a [model::Unreadable],
}

impl Places<'_> {
    fn next_readable(&mut self) -> usize {
        while self
            .unreadable
            .iter()
            .any(|item| item.position == self.next)
        {
            self.next += 1;
        }
        self.next += 1;
        self.next - 1
    }
}

fn report_time(
    own: Option<&model::Text<'_>>,
    listed: Option<UtcMicros>,
    flags: &mut QualityFlags,
) -> Option<UtcMicros> {
    let own = instant(own, flags).unwrap_or_else(|_| {
        flags.raise_if(true, Flag::UnreadableTime);
        None
    });
    own.or(listed)
}

fn report_row<R>(
    report: &MeetingAttendanceReport<'_, R>,
    context: &ReportContext<'_>,
    start: Option<UtcMicros>,
    end: Option<UtcMicros>,
) -> AttendanceReportRow<'static> {
    let owned = |text: &str| Cow::Owned(text.to_owned());
    let own_events = external_events(report);
    AttendanceReportRow {
        tenant_id: owned(context.tenant_id.as_str()),
        report_id: owned(context.entry.report_id.as_str()),
        source: Cow::Borrowed(context.source.as_str()),
        event_id: context.event_id.map(|id| owned(id.as_str())),
        session_id: context.session.as_ref().map(|(id, _)| owned(id.as_str())),
        session_event_date: context.session.as_ref().map(|(_, date)| *date),
        organizer_id: context.organizer_id.map(|id| owned(id.as_str())),
        subject: context.subject.map(owned),
        meeting_start_date_time: start,
        meeting_end_date_time: end,
        total_participant_count: None,
        record_count: 0,
        external_event_information: if own_events.is_empty() {
            context.entry.external_events.clone()
        } else {
            own_events
        },
        quality_flags: Vec::new(),
        _content_hash: Cow::Borrowed(""),
        _run_id: owned(context.run_id.as_str()),
        _fetched_at: context.fetched_at,
        _extra: None,
    }
}

fn append_rows(
    context: &ReportContext<'_>,
    report: &AttendanceReportRow<'_>,
    records: &[FlatRecord<'_>],
    intervals: &Intervals,
    record_rows: &mut AttendanceRecords<'_>,
    interval_rows: &mut AttendanceIntervals<'_>,
) {
    let report_id: &ReportId = &context.entry.report_id;
    let own_tenant = OwnTenant::of(context.tenant_id, records);
    for (record_index, record) in (0..).zip(records) {
        record_rows.append(&AttendanceRecordRow {
            tenant_id: context.tenant_id.as_str().into(),
            report_id: report_id.as_str().into(),
            record_index,
            source: context.source.as_str().into(),
            event_id: context.event_id.map(|id| id.as_str().into()),
            meeting_start_date_time: report.meeting_start_date_time,
            record_id: record.record_id.map(Cow::Borrowed),
            email_address: record.email_address.map(Cow::Borrowed),
            identity_type: record.identity.kind.as_deref().map(Cow::Borrowed),
            identity_id: record.identity.id.as_deref().map(Cow::Borrowed),
            identity_display_name: record.identity.display_name.as_deref().map(Cow::Borrowed),
            identity_tenant_id: record.identity.tenant_id.as_deref().map(Cow::Borrowed),
            is_external: own_tenant.is_external(record),
            role: record.role.map(Cow::Borrowed),
            total_attendance_in_seconds: record.total_attendance_in_seconds,
            registration_id: record.registration_id.map(Cow::Borrowed),
            external_registration_referrer: record
                .external_registration_referrer
                .map(Cow::Borrowed),
            external_registration_id: record.external_registration_id.map(Cow::Borrowed),
            interval_count: i32::try_from(record.intervals.len()).unwrap_or(i32::MAX),
            first_join_date_time: record.presence.first_join,
            last_leave_date_time: record.presence.last_leave,
            present_seconds: record.presence.seconds,
            quality_flags: record.flags.names(),
            _extra: record.extra.as_deref().map(Cow::Borrowed),
            attendee_type: own_tenant.attendee_type(record).map(Cow::Borrowed),
            email_domain: record.email_address.and_then(email_domain),
        });
        for (interval_index, interval) in
            (0..).zip(intervals.get(record.intervals.clone()).unwrap_or_default())
        {
            interval_rows.append(&AttendanceIntervalRow {
                tenant_id: context.tenant_id.as_str().into(),
                report_id: report_id.as_str().into(),
                record_index,
                interval_index,
                join_date_time: interval.join,
                leave_date_time: interval.leave,
                duration_in_seconds: interval.duration_in_seconds,
            });
        }
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "people_tests.rs"]
mod people_tests;
