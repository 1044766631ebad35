//! Whose a report is: among all occurrences of its meeting that the calendar and the warehouse know, however far they are.
//!
//! ```text
//! published                    the session that it is published with, for good
//! published with the calendar  the virtual event's, once its own list shows it: the one exception, as both are one thing
//!   entry of a virtual event
//! an occurrence within a day   the one with most overlap, else the nearest start
//! none within a day            the nearest start, however far
//! a call that was held         its report is of the same time; another is of another call, unless the calls of then show none
//! ties                         the earlier start, then the smaller occurrence id
//! ```
//!
//! A reader that knows a part of the calendar only can be wrong about that, so the answer says which time has to be known first.

use crate::flatten::Occurrence;
use crate::time::{DAY, UtcMicros, WarehouseTimezone};

/// When a report was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldTime {
    /// Its start; `None` where nothing tells.
    pub start: Option<UtcMicros>,
    /// Its end.
    pub end: Option<UtcMicros>,
}

/// With which session a report is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// With none.
    No,
    /// With that of this occurrence.
    With(usize),
    /// With one that is none of the occurrences.
    Elsewhere,
    /// With the calendar entry of the virtual event that lists it, from before that was read.
    WithEntry,
}

/// Whose a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This occurrence's.
    Of(usize),
    /// None of these: another meeting's, or a session's that is not known here.
    OfAnother,
    /// It would be the occurrence's, if there is no other one between `from` and `until`.
    Undecided {
        /// The best of those that are known.
        guess: usize,
        /// Since when all occurrences have to be known.
        from: UtcMicros,
        /// Until when.
        until: UtcMicros,
    },
}

/// Decides whose a report is. `is_known` says of a range whether every occurrence that touches it is among these, `has_calls` of a time
/// whether the calls of then are.
pub fn owner(
    held: HeldTime,
    published: Published,
    occurrences: &[Occurrence],
    timezone: &WarehouseTimezone,
    is_known: impl Fn(UtcMicros, UtcMicros) -> bool,
    has_calls: impl Fn(UtcMicros) -> bool,
) -> Owner {
    match published {
        Published::With(index) => return Owner::Of(index),
        Published::Elsewhere => return Owner::OfAnother,
        Published::No | Published::WithEntry => {}
    }
    let best = attribute(held.start, held.end, occurrences);
    let Some((guess, occurrence)) = best.and_then(|index| Some((index, occurrences.get(index)?)))
    else {
        return Owner::OfAnother;
    };
    let Some(start) = held.start else {
        return Owner::Of(guess);
    };
    let is_far = !is_near(Some(start), occurrence);
    let is_its_own = overlaps(start, held.end, occurrence) || (!is_far && has_calls(start));
    if occurrence.is_of_call_alone() && !is_its_own {
        return Owner::OfAnother;
    }
    let (from, until) = rivals(start, held.end, occurrence);
    if occurrence.is_held_at(start, timezone) || is_known(from, until) {
        Owner::Of(guess)
    } else {
        Owner::Undecided { guess, from, until }
    }
}

/// Whether a report is of the time of an occurrence, be it for a moment.
fn overlaps(start: UtcMicros, end: Option<UtcMicros>, occurrence: &Occurrence) -> bool {
    let end = end.unwrap_or(start).max(start);
    occurrence.scheduled_start <= end && start <= occurrence.ends_at()
}

/// When an occurrence would have to be for it to be better than this one.
fn rivals(
    start: UtcMicros,
    end: Option<UtcMicros>,
    occurrence: &Occurrence,
) -> (UtcMicros, UtcMicros) {
    let overlaps = overlaps(start, end, occurrence);
    let end = end.unwrap_or(start).max(start);
    let distance = (start.0 - occurrence.scheduled_start.0).abs();
    let reach = match (overlaps, is_near(Some(start), occurrence)) {
        (true, _) => 0,
        (false, true) => distance.min(DAY),
        (false, false) => distance,
    };
    (start.plus(-reach), end.max(start.plus(reach)))
}

/// The occurrence that a report belongs to: most overlap, else the nearest start; `None` where there are none.
///
/// Occurrences more than a day from the report count only where no other is nearer, so that the answer does not depend on how
/// much of the calendar was read. Ties go to the earlier start, then to the smaller occurrence id.
pub fn attribute(
    start: Option<UtcMicros>,
    end: Option<UtcMicros>,
    occurrences: &[Occurrence],
) -> Option<usize> {
    let Some(start) = start else {
        return (0..occurrences.len()).min_by_key(|index| occurrences.get(*index).map(tie_break));
    };
    let end = end.unwrap_or(start).max(start);
    let rank = |occurrence: &Occurrence| {
        let near = is_near(Some(start), occurrence);
        let overlap = occurrence.ends_at().0.min(end.0) - occurrence.scheduled_start.0.max(start.0);
        (
            !near,
            -overlap.max(0),
            (occurrence.scheduled_start.0 - start.0).abs(),
        )
    };
    occurrences
        .iter()
        .enumerate()
        .min_by_key(|(_, occurrence)| (rank(occurrence), tie_break(occurrence)))
        .map(|(index, _)| index)
}

/// Whether a report of that start lies within a day of the occurrence; one without a start does.
pub fn is_near(start: Option<UtcMicros>, occurrence: &Occurrence) -> bool {
    start.is_none_or(|start| {
        occurrence.scheduled_start.0 <= start.0 + DAY && occurrence.ends_at().0 >= start.0 - DAY
    })
}

fn tie_break(occurrence: &Occurrence) -> (UtcMicros, Option<String>) {
    (occurrence.scheduled_start, occurrence.occurrence_id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Source;
    use crate::time::HOUR;

    fn occurrence(start: i64, end: i64) -> Occurrence {
        Occurrence {
            source: Source::OnlineMeeting,
            organizer: None,
            event_id: None,
            published_as: None,
            occurrence_id: Some(start.to_string()),
            series_id: None,
            subject: None,
            scheduled_start: UtcMicros(start * HOUR),
            scheduled_end: Some(UtcMicros(end * HOUR)),
            join_web_url: None,
            is_cancelled: None,
            status: None,
            discovered_by: vec!["calendar".into()],
            unsupported: None,
            extra: None,
            unknown_properties: 0,
            removed_at: None,
        }
    }

    #[test]
    fn a_report_goes_to_the_occurrence_it_overlaps_most() {
        let series = [occurrence(0, 1), occurrence(24, 25), occurrence(48, 49)];
        let at = |start: i64, end: i64| {
            attribute(
                Some(UtcMicros(start * HOUR)),
                Some(UtcMicros(end * HOUR)),
                &series,
            )
        };
        assert_eq!(at(24, 25), Some(1), "on time");
        assert_eq!(at(23, 25), Some(1), "joined before");
        assert_eq!(
            at(27, 28),
            Some(1),
            "restarted after the end: the nearest start"
        );
        assert_eq!(at(40, 41), Some(2), "no overlap: the nearest start");
        assert_eq!(
            at(0, 30),
            Some(0),
            "a tie of overlaps goes to the nearest start"
        );
        assert_eq!(attribute(None, None, &series), Some(0), "no time at all");
        assert_eq!(attribute(Some(UtcMicros(0)), None, &[]), None);
    }

    fn at(hours: i64) -> UtcMicros {
        UtcMicros(hours * HOUR)
    }

    /// Of a report from one hour to the next, where the hours of `known` are known.
    fn of(hour: i64, occurrences: &[Occurrence], known: (i64, i64)) -> Owner {
        let held = HeldTime {
            start: Some(at(hour)),
            end: Some(at(hour + 1)),
        };
        let is_known = |from, until| at(known.0) <= from && until <= at(known.1);
        let utc = WarehouseTimezone::utc();
        let has_calls = |start| at(known.0) <= start && start < at(known.1);
        owner(held, Published::No, occurrences, &utc, is_known, has_calls)
    }

    fn undecided(guess: usize, from: i64, until: i64) -> Owner {
        let (from, until) = (at(from), at(until));
        Owner::Undecided { guess, from, until }
    }

    #[test]
    fn the_answer_is_the_same_whatever_part_of_the_calendar_is_known_or_there_is_none() {
        const ALL: (i64, i64) = (-10_000, 10_000);
        const DAY_1: (i64, i64) = (0, 72);
        // a week-long entry, and one that is copied three weeks later
        let (camp, copies) = (
            [occurrence(8, 113)],
            [occurrence(34, 35), occurrence(538, 539)],
        );
        let mut call = occurrence(34, 35);
        call.discovered_by = vec!["call-records".into()];
        for (what, hour, occurrences, known, expected) in [
            (
                "within its scheduled time",
                80,
                &camp[..],
                DAY_1,
                Owner::Of(0),
            ),
            ("before it, on its day", 7, &camp, DAY_1, Owner::Of(0)),
            (
                "a day after its end",
                130,
                &camp,
                DAY_1,
                undecided(0, 106, 154),
            ),
            ("the same, all known", 130, &camp, ALL, Owner::Of(0)),
            ("the first copy's", 34, &copies[..1], DAY_1, Owner::Of(0)),
            (
                "the second's, which is not known",
                538,
                &copies[..1],
                DAY_1,
                undecided(0, 34, 1042),
            ),
            ("the second's", 538, &copies, ALL, Owner::Of(1)),
            (
                "restarted the next morning",
                51,
                &copies[..1],
                (0, 48),
                undecided(0, 34, 68),
            ),
            (
                "the same where that is known",
                51,
                &copies[..1],
                (34, 68),
                Owner::Of(0),
            ),
            ("two days early", -14, &copies, ALL, Owner::Of(0)),
            (
                "half-way is the earlier one's",
                286,
                &copies,
                ALL,
                Owner::Of(0),
            ),
            (
                "another call's",
                538,
                &[call.clone()][..],
                ALL,
                Owner::OfAnother,
            ),
            (
                "of the next call, whose day is another chunk's",
                48,
                &[call.clone()],
                (0, 48),
                Owner::OfAnother,
            ),
            (
                "restarted, and Graph has no record of it",
                36,
                &[call.clone()],
                (0, 48),
                Owner::Of(0),
            ),
            ("the call's own", 34, &[call], (0, 34), Owner::Of(0)),
            ("nobody's", 34, &[], ALL, Owner::OfAnother),
        ] {
            assert_eq!(of(hour, occurrences, known), expected, "{what}");
        }
    }

    #[test]
    fn what_is_published_stays_and_what_has_no_time_is_the_first_ones() {
        let series = [occurrence(0, 1), occurrence(168, 169)];
        let of = |start: Option<i64>, published| {
            let held = HeldTime {
                start: start.map(at),
                end: None,
            };
            owner(
                held,
                published,
                &series,
                &WarehouseTimezone::utc(),
                |_, _| false,
                |_| false,
            )
        };
        assert_eq!(of(Some(0), Published::With(1)), Owner::Of(1));
        assert_eq!(of(Some(0), Published::Elsewhere), Owner::OfAnother);
        assert_eq!(of(None, Published::No), Owner::Of(0));
        // a virtual event has one session in a list of its own
        let is_known = |_, _| true;
        let held = HeldTime {
            start: Some(at(0)),
            end: None,
        };
        let utc = WarehouseTimezone::utc();
        let entry = Published::WithEntry;
        let goes_to = owner(held, entry, &series[..1], &utc, is_known, |_| false);
        assert_eq!(goes_to, Owner::Of(0), "it goes over");
    }
}
