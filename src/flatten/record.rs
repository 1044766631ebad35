//! One attendance record, read and checked, with its place in the canonical order.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use super::extra::ExtraProperties;
use super::quality::{Flag, QualityFlags};
use crate::model::{AttendanceInterval, AttendanceRecord, Identity, Number, Text};
use crate::time::{GraphTime, NotATimestamp, SECOND, UtcMicros, parse_graph_time};

/// A record as the tables have it, but for its index; its intervals lie in the report's [`Intervals`].
#[derive(Debug)]
pub(super) struct FlatRecord<'a> {
    pub(super) record_id: Option<&'a str>,
    pub(super) email_address: Option<&'a str>,
    pub(super) identity: FlatIdentity<'a>,
    pub(super) role: Option<&'a str>,
    pub(super) total_attendance_in_seconds: Option<i32>,
    pub(super) registration_id: Option<&'a str>,
    pub(super) external_registration_referrer: Option<&'a str>,
    pub(super) external_registration_id: Option<&'a str>,
    pub(super) intervals: Range<usize>,
    pub(super) presence: Presence,
    pub(super) flags: QualityFlags,
    pub(super) extra: Option<String>,
    pub(super) unknown_properties: usize,
}

/// All intervals of a report, record after record.
pub(super) type Intervals = Vec<FlatInterval>;

/// A join/leave pair as the table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlatInterval {
    pub(super) join: Option<UtcMicros>,
    pub(super) leave: Option<UtcMicros>,
    pub(super) duration_in_seconds: Option<i32>,
}

/// Who it was.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlatIdentity<'a> {
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) kind: Option<Cow<'a, str>>,
    pub(super) display_name: Option<Cow<'a, str>>,
    pub(super) tenant_id: Option<Cow<'a, str>>,
}

/// When somebody was there, over all intervals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Presence {
    pub(super) first_join: Option<UtcMicros>,
    pub(super) last_leave: Option<UtcMicros>,
    /// Length of the union of the intervals.
    pub(super) seconds: i64,
}

impl FlatRecord<'_> {
    /// Notes that it comes from a file. Where that has no join and leave of each time, only the first and the last, the time in between
    /// is not all presence: the file's total is.
    pub(super) fn mark_imported(&mut self) {
        self.flags.raise_if(true, Flag::Imported);
        if let Some(total) = self.total_attendance_in_seconds {
            self.presence.seconds = self.presence.seconds.min(i64::from(total));
        }
    }
}

/// Reads a record and appends its intervals to the report's.
///
/// # Errors
/// [`NotATimestamp`] where a join or leave is no time; the intervals are then as they were.
pub(super) fn flatten_record<'a>(
    record: &'a AttendanceRecord<'a>,
    report: (Option<UtcMicros>, Option<UtcMicros>),
    intervals: &mut Intervals,
) -> Result<FlatRecord<'a>, NotATimestamp> {
    let mut flags = QualityFlags::default();
    let mut extra = ExtraProperties::default();
    extra.add("", &record.extra);
    let begin = intervals.len();
    for (index, interval) in record.attendance_intervals.iter().flatten().enumerate() {
        match flatten_interval(interval, &mut flags) {
            Ok(flat) => intervals.push(flat),
            Err(error) => {
                intervals.truncate(begin);
                return Err(error);
            }
        }
        if !interval.extra.is_empty() {
            extra.add(&format!("attendanceIntervals[{index}]"), &interval.extra);
        }
    }
    let own = begin..intervals.len();
    let presence = check_intervals(
        intervals.get(own.clone()).unwrap_or_default(),
        report,
        &mut flags,
    );
    let total = number(record.total_attendance_in_seconds, &mut flags);
    let sum: i64 = intervals
        .iter()
        .skip(begin)
        .filter_map(|interval| interval.duration_in_seconds)
        .map(i64::from)
        .sum();
    flags.raise_if(
        total.is_some_and(|total| i64::from(total) != sum),
        Flag::TotalDiffers,
    );
    let external = record.external_registration_information.as_ref();
    if let Some(external) = external {
        extra.add("externalRegistrationInformation", &external.extra);
    }
    Ok(FlatRecord {
        record_id: text(record.id.as_ref()),
        email_address: text(record.email_address.as_ref()),
        identity: record
            .identity
            .as_ref()
            .map(|identity| flatten_identity(identity, &mut extra))
            .unwrap_or_default(),
        role: text(record.role.as_ref()),
        total_attendance_in_seconds: total,
        registration_id: text(record.registration_id.as_ref()),
        external_registration_referrer: external
            .and_then(|external| text(external.referrer.as_ref())),
        external_registration_id: external
            .and_then(|external| text(external.registration_id.as_ref())),
        intervals: own,
        presence,
        flags,
        unknown_properties: extra.len(),
        extra: extra.to_json(),
    })
}

/// The canonical order: id, identity's id, e-mail address, first join, then everything else; `Equal` only for equal records.
///
/// What is derived from other columns is passed over by name, so that a new column cannot be forgotten here.
pub(super) fn canonical_order(
    left: &FlatRecord<'_>,
    right: &FlatRecord<'_>,
    intervals: &Intervals,
) -> Ordering {
    let own = |range: &Range<usize>| intervals.get(range.clone()).unwrap_or_default();
    let FlatRecord {
        record_id,
        email_address,
        identity,
        role,
        total_attendance_in_seconds,
        registration_id,
        external_registration_referrer,
        external_registration_id,
        intervals: own_intervals,
        presence:
            Presence {
                first_join,
                last_leave: _,
                seconds: _,
            },
        flags,
        extra,
        unknown_properties: _,
    } = left;
    record_id
        .cmp(&right.record_id)
        .then_with(|| identity.id.cmp(&right.identity.id))
        .then_with(|| email_address.cmp(&right.email_address))
        .then_with(|| first_join.cmp(&right.presence.first_join))
        .then_with(|| identity.cmp(&right.identity))
        .then_with(|| role.cmp(&right.role))
        .then_with(|| total_attendance_in_seconds.cmp(&right.total_attendance_in_seconds))
        .then_with(|| registration_id.cmp(&right.registration_id))
        .then_with(|| external_registration_referrer.cmp(&right.external_registration_referrer))
        .then_with(|| external_registration_id.cmp(&right.external_registration_id))
        .then_with(|| own(own_intervals).cmp(own(&right.intervals)))
        .then_with(|| extra.cmp(&right.extra))
        // a number that could not be read is no missing one
        .then_with(|| flags.cmp(&right.flags))
}

/// A number of Graph's, or null and a flag where it could not be read.
pub(super) fn number(number: Option<Number>, flags: &mut QualityFlags) -> Option<i32> {
    match number? {
        Number::Int(number) => Some(number),
        Number::Unreadable => {
            flags.raise_if(true, Flag::UnreadableNumber);
            None
        }
    }
}

/// A time of Graph's, or null and a flag where it stands for "none".
pub(super) fn instant(
    time: Option<&Text<'_>>,
    flags: &mut QualityFlags,
) -> Result<Option<UtcMicros>, NotATimestamp> {
    let Some(time) = time else { return Ok(None) };
    Ok(match parse_graph_time(time.as_ref())? {
        GraphTime::At(at) => Some(at),
        GraphTime::Sentinel => {
            flags.raise_if(true, Flag::SentinelTime);
            None
        }
    })
}

fn flatten_interval(
    interval: &AttendanceInterval<'_>,
    flags: &mut QualityFlags,
) -> Result<FlatInterval, NotATimestamp> {
    Ok(FlatInterval {
        join: instant(interval.join_date_time.as_ref(), flags)?,
        leave: instant(interval.leave_date_time.as_ref(), flags)?,
        duration_in_seconds: number(interval.duration_in_seconds, flags),
    })
}

fn check_intervals(
    intervals: &[FlatInterval],
    (report_start, report_end): (Option<UtcMicros>, Option<UtcMicros>),
    flags: &mut QualityFlags,
) -> Presence {
    for interval in intervals {
        flags.raise_if(
            interval.join.is_none() || interval.leave.is_none(),
            Flag::OpenInterval,
        );
        if let (Some(join), Some(leave)) = (interval.join, interval.leave) {
            flags.raise_if(leave < join, Flag::LeaveBeforeJoin);
            flags.raise_if(leave == join, Flag::ZeroLength);
        }
        // Graph's own report times are cut to the millisecond, so an interval of the same instant may stick out a little
        let before = report_start
            .zip(interval.join)
            .is_some_and(|(start, join)| join.0 + SECOND < start.0);
        let after = report_end
            .zip(interval.leave)
            .is_some_and(|(end, leave)| leave.0 > end.0 + SECOND);
        flags.raise_if(before || after, Flag::OutsideMeeting);
    }
    Presence {
        first_join: intervals.iter().filter_map(|interval| interval.join).min(),
        last_leave: intervals.iter().filter_map(|interval| interval.leave).max(),
        seconds: present_micros(intervals, flags) / SECOND,
    }
}

/// Length of the union of the intervals that have both ends; raises a flag where two of them overlap.
fn present_micros(intervals: &[FlatInterval], flags: &mut QualityFlags) -> i64 {
    let closed = |interval: &FlatInterval| {
        Some((interval.join?.0, interval.leave?.0)).filter(|(join, leave)| leave > join)
    };
    let mut sorted;
    let in_order = intervals.is_sorted_by_key(|interval| interval.join);
    let ordered = if in_order {
        intervals
    } else {
        sorted = intervals.to_vec();
        sorted.sort_unstable();
        &sorted
    };
    let mut union = 0;
    let mut covered_until = i64::MIN;
    for (join, leave) in ordered.iter().filter_map(closed) {
        flags.raise_if(join < covered_until, Flag::OverlappingIntervals);
        union += (leave - join.max(covered_until)).max(0);
        covered_until = covered_until.max(leave);
    }
    union
}

/// The columns of an identity; of an identity set, `user` is read and any other member only named.
fn flatten_identity<'a>(
    identity: &'a Identity<'a>,
    extra: &mut ExtraProperties<'a>,
) -> FlatIdentity<'a> {
    let plain =
        identity.odata_type.is_some() || identity.id.is_some() || identity.display_name.is_some();
    let member = identity
        .extra
        .iter()
        .find(|(_, value)| value.get().starts_with('{'));
    if let (false, Some((name, value))) = (plain, member) {
        if let ("user", Ok(user)) = (
            name.as_ref(),
            serde_json::from_str::<Identity<'a>>(value.get()),
        ) {
            extra.add("identity.user", &user.extra);
            return FlatIdentity {
                kind: Some(user.odata_type.map_or(Cow::Borrowed("user"), |kind| {
                    Cow::Owned(short_type(kind.as_ref()).to_owned())
                })),
                id: user.id.map(|text| text.0),
                display_name: user.display_name.map(|text| text.0),
                tenant_id: user.tenant_id.map(|text| text.0),
            };
        }
        extra.add("identity", &identity.extra);
        return FlatIdentity {
            kind: Some(Cow::Borrowed(name.as_ref())),
            ..FlatIdentity::default()
        };
    }
    extra.add("identity", &identity.extra);
    let column = |value: &'a Option<Text<'a>>| text(value.as_ref()).map(Cow::Borrowed);
    FlatIdentity {
        kind: text(identity.odata_type.as_ref()).map(|kind| Cow::Borrowed(short_type(kind))),
        id: column(&identity.id),
        display_name: column(&identity.display_name),
        tenant_id: column(&identity.tenant_id),
    }
}

/// `#microsoft.graph.communicationsUserIdentity` is `communicationsUserIdentity`; some pages print it without the `#`.
fn short_type(odata_type: &str) -> &str {
    let bare = odata_type.strip_prefix('#').unwrap_or(odata_type);
    bare.strip_prefix("microsoft.graph.").unwrap_or(bare)
}

fn text<'a>(text: Option<&'a Text<'a>>) -> Option<&'a str> {
    text.map(AsRef::as_ref)
}
