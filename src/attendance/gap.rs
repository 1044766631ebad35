//! What is known to be missing from a day, and the rules of its life.

use std::borrow::Cow;

use super::finality::Evidence;
use crate::graph::FailureReason;
use crate::ids::{GapId, OrganizerId, ReportId, RunId, SessionId, TenantId, stable_hash};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::tables::GapRow;
use crate::time::{EventDate, UtcMicros, WarehouseTimezone};

/// Where on its way something got lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapStage {
    /// An organizer whose calendar, or a source whose list, could not be read.
    Discover,
    /// A session whose reports could not be listed.
    ListReports,
    /// A report whose records could not be fetched.
    FetchRecords,
    /// A record that could not be read.
    ReadRecord,
}

impl GapStage {
    const ALL: [Self; 4] = [
        Self::Discover,
        Self::ListReports,
        Self::FetchRecords,
        Self::ReadRecord,
    ];

    /// The value of `gaps.stage`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::ListReports => "list_reports",
            Self::FetchRecords => "fetch_records",
            Self::ReadRecord => "read_record",
        }
    }

    /// The stage of a `gaps.stage` column's value.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }
}

/// Why something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapReason {
    /// A request failed.
    Request(FailureReason),
    /// Graph lists only its newest reports, and older ones are missing or may be.
    OverCap,
    /// A record, session or calendar entry is not as documented.
    Unreadable,
    /// A report was listed without an id, so nothing can be asked about it.
    ReportWithoutId,
    /// Graph keeps no call records of that day any more, so calls that are on no calendar are not known.
    CallRecordsExpired,
    /// The newest report of a meeting came by the deprecated path, and none of its attendees has a time: it cannot be told from others.
    NoUsableTime,
    /// The calendar entry of an online meeting came without a join link.
    NoJoinUrl,
}

impl GapReason {
    /// Every reason that a gap can have.
    pub const ALL: [Self; 21] = [
        Self::Request(FailureReason::Forbidden),
        Self::Request(FailureReason::Gone),
        Self::Request(FailureReason::Unauthorized),
        Self::Request(FailureReason::Throttled),
        Self::Request(FailureReason::ServerError),
        Self::Request(FailureReason::Timeout),
        Self::Request(FailureReason::Transport),
        Self::Request(FailureReason::Tls),
        Self::Request(FailureReason::BadResponse),
        Self::Request(FailureReason::RefusedLink),
        Self::Request(FailureReason::PagingLoop),
        Self::Request(FailureReason::Deadline),
        Self::Request(FailureReason::BadRequest),
        Self::Request(FailureReason::TooLarge),
        Self::OverCap,
        Self::CallRecordsExpired,
        Self::Unreadable,
        Self::ReportWithoutId,
        Self::Request(FailureReason::IdMismatch),
        Self::NoUsableTime,
        Self::NoJoinUrl,
    ];

    /// The value of `gaps.reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request(reason) => reason.as_str(),
            Self::OverCap => "over_cap",
            Self::Unreadable => "unreadable",
            Self::ReportWithoutId => "report_without_id",
            Self::CallRecordsExpired => "call_records_expired",
            Self::NoUsableTime => "no_usable_time",
            Self::NoJoinUrl => "no_join_url",
        }
    }

    /// The reason of a `gaps.reason` column's value.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// What to do about it, where it is no failed request.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::OverCap => Some(
                "Graph lists a meeting's newest reports only, 50 at most: a run every night reads each of them before newer ones hide it",
            ),
            Self::CallRecordsExpired => Some(
                "Graph keeps call records for 30 days: calls of these days that are on no calendar cannot be found any more",
            ),
            Self::NoUsableTime => Some(
                "a policy of the tenant may keep join and leave times out of reports; `reports = \"all\"` does not need them",
            ),
            Self::NoJoinUrl => Some(
                "the calendar shows an online meeting without its link, which Exchange may add later: the next nights read it again",
            ),
            Self::Request(_) | Self::Unreadable | Self::ReportWithoutId => None,
        }
    }

    /// Those that are mostly never filled. Whether one gap is final says its own row ([`is_final`]).
    const MOSTLY_FOR_EVER: [Self; 3] = [
        Self::OverCap,
        Self::CallRecordsExpired,
        Self::Request(FailureReason::Gone),
    ];

    /// Whether gaps of this reason are mostly never filled, and were final at once for earlier versions.
    pub fn is_for_ever(self) -> bool {
        Self::MOSTLY_FOR_EVER.contains(&self)
    }

    /// Whether a failed discovery is read again by the nights that follow: what passes by itself, and what was not found, which may
    /// be an answer of the moment. What is forbidden waits for somebody who allows it, and the backfill that `status` prints.
    pub fn is_read_again(self) -> bool {
        match self {
            Self::Request(reason) => {
                // a token that was refused is another one by then
                reason.is_transient()
                    || matches!(reason, FailureReason::Gone | FailureReason::Unauthorized)
            }
            Self::NoJoinUrl => true,
            Self::OverCap
            | Self::Unreadable
            | Self::ReportWithoutId
            | Self::CallRecordsExpired
            | Self::NoUsableTime => false,
        }
    }

    /// How much there is to hope of asking again: nothing, something once it is mended, or that it passes by itself.
    pub fn hope(self) -> u8 {
        match self {
            Self::Request(reason) if reason.is_transient() => 2,
            reason if reason.is_for_ever() => 0,
            Self::Request(_)
            | Self::OverCap
            | Self::Unreadable
            | Self::ReportWithoutId
            | Self::CallRecordsExpired
            | Self::NoUsableTime
            | Self::NoJoinUrl => 1,
        }
    }
}

/// Whether a gap asks somebody to look at it. What a list does not show any more nobody can bring back, also where that is not certain yet.
pub fn may_be_mended(reason: &str, is_final: bool) -> bool {
    !is_final && reason != GapReason::OverCap.as_str()
}

/// Whether a published gap will never be filled. Rows of earlier versions do not say so: there the reason told.
pub fn is_final(row: &GapRow<'_>) -> bool {
    row.is_final
        .unwrap_or_else(|| GapReason::named(&row.reason).is_some_and(GapReason::is_for_ever))
}

/// The part of a day that was not read; `None` at an end: from its midnight, or up to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MissingHours {
    /// The first instant that was not read.
    pub from: Option<UtcMicros>,
    /// The first instant after that.
    pub until: Option<UtcMicros>,
}

impl MissingHours {
    /// What an interval takes of a day.
    pub fn of(interval: &DataInterval, day: EventDate, timezone: &WarehouseTimezone) -> Self {
        let (start, end) = bounds(day, timezone);
        Self {
            from: Some(interval.start()).filter(|from| *from > start),
            until: Some(interval.end()).filter(|until| *until < end),
        }
    }

    /// What a published gap says.
    pub fn published(row: &GapRow<'_>) -> Self {
        Self {
            from: row.missing_from,
            until: row.missing_until,
        }
    }

    /// From the earlier start to the later end: what lies between two missing parts counts as missing.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            from: self.from.zip(other.from).map(|(one, other)| one.min(other)),
            until: self
                .until
                .zip(other.until)
                .map(|(one, other)| one.max(other)),
        }
    }

    /// What is left after a reading of an interval; `None` where nothing is.
    #[must_use]
    pub fn without(
        self,
        read: &DataInterval,
        day: EventDate,
        timezone: &WarehouseTimezone,
    ) -> Option<Self> {
        let (start, end) = bounds(day, timezone);
        let (from, until) = (self.from.unwrap_or(start), self.until.unwrap_or(end));
        let (reads_first, reads_last) = (read.start() <= from, until <= read.end());
        match (reads_first, reads_last) {
            (true, true) => None,
            (true, false) if read.end() > from => Some(Self {
                from: Some(read.end()),
                ..self
            }),
            (false, true) if read.start() < until => Some(Self {
                until: Some(read.start()),
                ..self
            }),
            _ => Some(self),
        }
    }
}

fn bounds(day: EventDate, timezone: &WarehouseTimezone) -> (UtcMicros, UtcMicros) {
    (timezone.midnight(day), timezone.midnight(day.plus_days(1)))
}

/// Something missing from a day.
#[derive(Debug, Clone)]
pub struct Gap {
    /// The day it is missing from.
    pub event_date: EventDate,
    /// Where it got lost.
    pub stage: GapStage,
    /// Which source.
    pub source: Source,
    /// Whose calendar or event.
    pub organizer_id: Option<OrganizerId>,
    /// Whose reports.
    pub session_id: Option<SessionId>,
    /// Whose records.
    pub report_id: Option<ReportId>,
    /// Which record, as Graph listed them from 0.
    pub record_index: Option<i32>,
    /// Why.
    pub reason: GapReason,
    /// Status of the last answer.
    pub http_status: Option<u16>,
    /// Code of the last answer.
    pub graph_code: Option<String>,
    /// Whether it will never be filled.
    pub is_final: bool,
    /// Since when and how often the same answer was met, of an answer that counts only as evidence.
    pub evidence: Option<Evidence>,
    /// Which hours of the day.
    pub missing: MissingHours,
    /// Whose reading can fill it, where it is not plain from the organizer.
    pub scope: Option<String>,
}

impl Gap {
    /// The same for the same missing thing, whatever the reason and however often it is met.
    ///
    /// What was lost of a whole list is missing for the scope that read it: two jobs' gaps are two.
    pub fn gap_id(&self) -> GapId {
        let record = self.record_index.map(|index| index.to_string());
        let scope = self
            .scope
            .as_deref()
            .filter(|_| self.organizer_id.is_none() && self.session_id.is_none());
        let day = self.event_date.to_string();
        let mut parts = vec![
            day.as_str(),
            self.stage.as_str(),
            self.source.as_str(),
            self.organizer_id.as_ref().map_or("", OrganizerId::as_str),
            self.session_id.as_ref().map_or("", SessionId::as_str),
            self.report_id.as_ref().map_or("", ReportId::as_str),
            record.as_deref().unwrap_or_default(),
        ];
        // without one the id is that of earlier versions
        parts.extend(scope);
        GapId::new(stable_hash(parts))
    }

    /// Its row, counting on from the one that is open in the warehouse.
    pub fn row(
        &self,
        tenant: &TenantId,
        open: Option<&GapRow<'_>>,
        run_id: &RunId,
        tried_at: UtcMicros,
    ) -> GapRow<'static> {
        let owned = |text: &str| Cow::Owned(text.to_owned());
        let missing = match open {
            Some(open) => self.missing.and(MissingHours::published(open)),
            None => self.missing,
        };
        GapRow {
            tenant_id: owned(tenant.as_str()),
            gap_id: Cow::Owned(self.gap_id().into_string()),
            source: Cow::Borrowed(self.source.as_str()),
            stage: Cow::Borrowed(self.stage.as_str()),
            organizer_id: self.organizer_id.as_ref().map(|id| owned(id.as_str())),
            session_id: self.session_id.as_ref().map(|id| owned(id.as_str())),
            report_id: self.report_id.as_ref().map(|id| owned(id.as_str())),
            record_index: self.record_index,
            reason: Cow::Borrowed(self.reason.as_str()),
            http_status: self.http_status.map(i32::from),
            graph_code: self.graph_code.as_deref().map(owned),
            attempts: open.map_or(1, |gap| gap.attempts.saturating_add(1)),
            first_seen_at: open.map_or(tried_at, |gap| gap.first_seen_at),
            last_tried_at: tried_at,
            closed_at: None,
            closed_by_run_id: None,
            _run_id: owned(run_id.as_str()),
            is_final: Some(self.is_final),
            same_answer_since: self.evidence.map(|evidence| evidence.since),
            same_answer_days: self.evidence.map(|evidence| evidence.days),
            missing_from: missing.from,
            missing_until: missing.until,
            scope: self.scope.as_deref().map(owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::HOUR;

    const DAY: EventDate = EventDate(20_000);

    fn hour(hour: i64) -> UtcMicros {
        WarehouseTimezone::utc().midnight(DAY).plus(hour * HOUR)
    }

    fn hours(from: Option<i64>, until: Option<i64>) -> MissingHours {
        MissingHours {
            from: from.map(hour),
            until: until.map(hour),
        }
    }

    #[test]
    fn a_gap_closes_by_a_reading_of_its_hours_and_shrinks_by_one_of_an_end() {
        let whole = hours(None, None);
        let morning = hours(None, Some(12));
        for (what, missing, read, left) in [
            ("whole day", whole, (0, 24), None),
            ("a week around it", whole, (-72, 96), None),
            ("the afternoon", whole, (12, 24), Some(morning)),
            ("the morning", whole, (0, 12), Some(hours(Some(12), None))),
            ("an hour in between", whole, (9, 10), Some(whole)),
            ("another day", whole, (24, 48), Some(whole)),
            ("morning by the day", morning, (0, 24), None),
            ("morning by itself", morning, (0, 12), None),
            ("morning by the afternoon", morning, (12, 24), Some(morning)),
            (
                "most of the morning",
                morning,
                (6, 24),
                Some(hours(None, Some(6))),
            ),
        ] {
            let read = DataInterval::new(hour(read.0), hour(read.1)).unwrap();
            let timezone = WarehouseTimezone::utc();
            assert_eq!(missing.without(&read, DAY, &timezone), left, "{what}");
        }
    }

    #[test]
    fn two_missing_parts_are_missing_together() {
        for (one, other, both) in [
            (
                hours(None, Some(12)),
                hours(Some(12), None),
                hours(None, None),
            ),
            (
                hours(Some(6), Some(8)),
                hours(Some(10), Some(12)),
                hours(Some(6), Some(12)),
            ),
            (
                hours(None, None),
                hours(Some(1), Some(2)),
                hours(None, None),
            ),
        ] {
            assert_eq!(one.and(other), both);
            assert_eq!(other.and(one), both);
        }
        let noon = DataInterval::new(hour(0), hour(12)).unwrap();
        let timezone = WarehouseTimezone::utc();
        assert_eq!(
            MissingHours::of(&noon, DAY, &timezone),
            hours(None, Some(12))
        );
    }

    fn gap(scope: Option<&str>, organizer: Option<&str>) -> Gap {
        Gap {
            event_date: DAY,
            stage: GapStage::Discover,
            source: Source::OnlineMeeting,
            organizer_id: organizer.map(OrganizerId::new),
            session_id: None,
            report_id: None,
            record_index: None,
            reason: GapReason::Request(FailureReason::ServerError),
            http_status: None,
            graph_code: None,
            is_final: false,
            evidence: None,
            missing: MissingHours::default(),
            scope: scope.map(str::to_owned),
        }
    }

    #[test]
    fn what_two_jobs_miss_of_their_lists_is_two_gaps_and_of_one_calendar_one() {
        let id = |scope, organizer| gap(scope, organizer).gap_id();
        assert_ne!(id(Some("group:a"), None), id(Some("group:b"), None));
        assert_ne!(id(Some("group:a"), None), id(None, None));
        assert_eq!(id(Some("a"), Some("ann")), id(Some("b"), Some("ann")));
        assert_eq!(id(Some("a"), Some("ann")), id(None, Some("ann")));
    }

    #[test]
    fn every_stage_and_reason_has_its_name_and_is_found_by_it() {
        for stage in GapStage::ALL {
            assert_eq!(GapStage::named(stage.as_str()), Some(stage));
        }
        for reason in GapReason::ALL {
            assert_eq!(GapReason::named(reason.as_str()), Some(reason));
        }
        assert_eq!(GapReason::named("of tomorrow"), None);
    }

    #[test]
    fn a_row_of_an_earlier_version_is_final_by_its_reason() {
        let row = |reason: &'static str, is_final| GapRow {
            reason: Cow::Borrowed(reason),
            is_final,
            ..gap(None, None).row(&TenantId::new("t"), None, &RunId::new("r"), UtcMicros(0))
        };
        for (reason, stored, wanted) in [
            ("gone", None, true),
            ("over_cap", None, true),
            ("call_records_expired", None, true),
            ("forbidden", None, false),
            ("server_error", None, false),
            ("gone", Some(false), false),
            ("forbidden", Some(true), true),
        ] {
            assert_eq!(
                is_final(&row(reason, stored)),
                wanted,
                "{reason} {stored:?}"
            );
        }
    }

    #[test]
    fn what_was_not_found_is_read_again_and_what_is_forbidden_waits_for_somebody() {
        for reason in GapReason::ALL {
            let wanted = matches!(
                reason.as_str(),
                "gone"
                    | "throttled"
                    | "server_error"
                    | "timeout"
                    | "transport"
                    | "bad_response"
                    | "deadline"
                    | "no_join_url"
                    | "unauthorized"
            );
            assert_eq!(reason.is_read_again(), wanted, "{}", reason.as_str());
        }
    }
}
