//! Records that are equal in every property: different people, or one record that was sent twice.
//!
//! A tenant may mask who attended, or keep the times out of its reports; there different people look alike. A list that changes while
//! it is paged may send a record twice. What the records carry, and the report's own count, tell the two apart:
//!
//! | equal records | as many as the report counts, or fewer | more than it counts | no count, or 0 |
//! |---|---|---|---|
//! | with an id and times | one row | one row | one row |
//! | with an id, without times | one row each | down to the count | one row |
//! | without an id | one row each | down to the count | one row each |
//!
//! No group of equal records loses its last row. An id that is empty, or a GUID of zeros, is none.

use std::ops::Range;

use super::quality::Flag;
use super::record::{FlatRecord, Intervals, canonical_order};

/// How well records that are equal say that they are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sameness {
    /// Nobody has one id twice, with the same instants.
    Certain,
    /// An id alone: masks may give everybody the same one.
    Likely,
    /// Nothing tells who it was.
    Unknown,
}

/// Equal records, next to each other in canonical order.
#[derive(Debug)]
struct Group {
    records: Range<usize>,
    sameness: Sameness,
    /// How many of them were sent before.
    repeats: usize,
}

/// Takes out records that were sent before, and flags those that cannot be told apart; the records are in canonical order.
///
/// `unreadable` records of the report count as people, too.
pub(super) fn without_repeats(
    records: &mut Vec<FlatRecord<'_>>,
    intervals: &Intervals,
    unreadable: usize,
    counted: Option<i32>,
) {
    let mut groups = groups(records, intervals);
    if !groups.is_empty() {
        find_repeats(&mut groups, records.len() + unreadable, counted);
        take_out(records, &groups);
    }
    flag_shared_ids(records);
}

/// Groups of at least two.
fn groups(records: &[FlatRecord<'_>], intervals: &Intervals) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, pair) in records.windows(2).enumerate() {
        let [left, right] = pair else { continue };
        if !canonical_order(left, right, intervals).is_eq() {
            continue;
        }
        match groups.last_mut() {
            Some(group) if group.records.end == index + 1 => group.records.end += 1,
            _ => groups.push(Group {
                records: index..index + 2,
                sameness: sameness(left),
                repeats: 0,
            }),
        }
    }
    groups
}

fn sameness(record: &FlatRecord<'_>) -> Sameness {
    let has_id = [record.record_id, record.identity.id.as_deref()]
        .into_iter()
        .flatten()
        .any(names_somebody);
    match (has_id, record.presence.first_join) {
        (true, Some(_)) => Sameness::Certain,
        (true, None) => Sameness::Likely,
        (false, _) => Sameness::Unknown,
    }
}

/// Whether an id is one: not empty, and not the GUID that stands for none.
fn names_somebody(id: &str) -> bool {
    !id.trim().is_empty() && id.chars().any(|character| !matches!(character, '0' | '-'))
}

fn find_repeats(groups: &mut [Group], sent: usize, counted: Option<i32>) {
    let mut left = sent;
    for group in &mut *groups {
        if group.sameness == Sameness::Certain {
            group.repeats = group.records.len() - 1;
            left -= group.repeats;
        }
    }
    // a report of nobody that lists somebody has not counted
    let counted = counted.and_then(|count| usize::try_from(count).ok());
    let Some(counted) = counted.filter(|count| *count > 0) else {
        let likely = groups.iter_mut();
        for group in likely.filter(|group| group.sameness == Sameness::Likely) {
            group.repeats = group.records.len() - 1;
        }
        return;
    };
    // an id that came twice was rather sent twice than somebody without one
    for sameness in [Sameness::Likely, Sameness::Unknown] {
        left -= take_from(groups, sameness, left.saturating_sub(counted));
    }
}

/// Spreads so many repeats over the groups of a kind, as their sizes are: pages that were sent twice hold of all of them. How many
/// there was room for.
fn take_from(groups: &mut [Group], sameness: Sameness, surplus: usize) -> usize {
    let mut further: Vec<(usize, usize, usize)> = groups
        .iter()
        .enumerate()
        .filter(|(_, group)| group.sameness == sameness)
        .flat_map(|(index, group)| {
            let size = group.records.len();
            (1..size).map(move |nth| (nth, size, index))
        })
        .collect();
    // the last of each group first: nth / size, descending
    further.sort_by(|(nth, size, _), (other_nth, other_size, _)| {
        (other_nth * size).cmp(&(nth * other_size))
    });
    further.truncate(surplus);
    for (_, _, index) in &further {
        if let Some(group) = groups.get_mut(*index) {
            group.repeats += 1;
        }
    }
    further.len()
}

fn take_out(records: &mut Vec<FlatRecord<'_>>, groups: &[Group]) {
    for group in groups {
        let kept = group.records.start..group.records.end - group.repeats;
        let are_alike = kept.len() > 1;
        for record in records.get_mut(kept).unwrap_or_default() {
            record.flags.raise_if(are_alike, Flag::LookAlike);
        }
    }
    let mut groups = groups.iter().peekable();
    let mut index = 0;
    records.retain(|_| {
        let at = index;
        index += 1;
        while groups.next_if(|group| group.records.end <= at).is_some() {}
        groups
            .peek()
            .is_none_or(|group| at < group.records.end - group.repeats)
    });
}

/// Whoever has an id that another record of the report has.
fn flag_shared_ids(records: &mut [FlatRecord<'_>]) {
    let mut previous_shares = false;
    let ids: Vec<Option<&str>> = records
        .iter()
        .map(|record| record.record_id.filter(|id| names_somebody(id)))
        .collect();
    for (record, (id, next)) in records
        .iter_mut()
        .zip(ids.iter().zip(ids.iter().skip(1).chain([&None])))
    {
        let shares_with_next = id.is_some() && id == next;
        record
            .flags
            .raise_if(previous_shares || shares_with_next, Flag::DuplicateRecordId);
        previous_shares = shares_with_next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of the given sizes, one behind the other.
    fn of_sizes(sizes: &[(Sameness, usize)]) -> Vec<Group> {
        let mut end = 0;
        let group = |(sameness, size): &(Sameness, usize)| {
            end += size;
            Group {
                records: end - size..end,
                sameness: *sameness,
                repeats: 0,
            }
        };
        sizes.iter().map(group).collect()
    }

    /// How many rows each group keeps.
    fn kept(sizes: &[(Sameness, usize)], others: usize, counted: Option<i32>) -> Vec<usize> {
        let mut groups = of_sizes(sizes);
        let sent = others + sizes.iter().map(|(_, size)| size).sum::<usize>();
        find_repeats(&mut groups, sent, counted);
        let kept = |group: &Group| group.records.len() - group.repeats;
        groups.iter().map(kept).collect()
    }

    /// Sizes of the groups of equal records (`c`ertain, `l`ikely or `u`nknown to be one), other records, the count, rows that are kept.
    const RULES: &str = "
        thirty masked of thirty        | u30     | 0  | 30 | 30
        two masked, more counted       | u2      | 0  | 9  | 2
        the one page twice             | u60     | 0  | 30 | 30
        two pages twice                | u20 u12 | 4  | 20 | 10 6
        one too many                   | u31     | 0  | 30 | 30
        beside people with names       | u5      | 25 | 30 | 5
        fewer counted than there are   | u5      | 25 | 10 | 1
        no count                       | u5      | 0  | -  | 5
        a count of nobody              | u5      | 0  | 0  | 5
        a count below nobody           | u5      | 0  | -1 | 5
        an id with times, counted      | c2      | 0  | 2  | 1
        an id with times, no count     | c2      | 0  | -  | 1
        an id without times, counted   | l30     | 0  | 30 | 30
        an id without times, too many  | l30     | 0  | 2  | 2
        an id without times, no count  | l2      | 0  | -  | 1
        who was sent twice first       | c2 u29  | 0  | 30 | 1 29
        then who has an id             | u10 l2  | 0  | 11 | 10 1
        then anybody                   | u10 l2  | 0  | 8  | 7 1
    ";

    #[test]
    fn equal_records_are_different_people_up_to_the_reports_count() {
        for line in RULES.trim().lines() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [what, sizes, others, counted, wanted] = cells[..] else {
                panic!("{line}")
            };
            let group = |group: &str| {
                let (sameness, size) = group.split_at(1);
                let sameness = match sameness {
                    "c" => Sameness::Certain,
                    "l" => Sameness::Likely,
                    _ => Sameness::Unknown,
                };
                (sameness, size.parse().unwrap())
            };
            let sizes: Vec<_> = sizes.split(' ').map(group).collect();
            let kept = kept(&sizes, others.parse().unwrap(), counted.parse().ok());
            let kept: Vec<_> = kept.iter().map(ToString::to_string).collect();
            assert_eq!(kept.join(" "), wanted, "{what}");
        }
    }

    #[test]
    fn an_empty_id_and_a_guid_of_zeros_name_nobody() {
        for (id, wanted) in [
            ("", false),
            (" ", false),
            ("00000000-0000-0000-0000-000000000000", false),
            ("0a000000-0000-0000-0000-000000000000", true),
            ("8:acs:x_y", true),
            ("+49", true),
        ] {
            assert_eq!(names_somebody(id), wanted, "{id:?}");
        }
    }
}
