//! Ways to cut the days of a world into chunks, nights, repeats and orders.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use teamsheet::job::plan::Reprocess;

/// The nights after the last day by which everything is settled.
pub(crate) const SETTLING: i64 = 4;

/// One run of all the jobs of a world.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// The day on which it starts, counted as the days that are read.
    pub(crate) day: i64,
    pub(crate) what: What,
    /// Whether requests fail by chance, and by which seed.
    pub(crate) weather: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// The scheduled run, early in the day.
    Night,
    /// A backfill of the days `from..to`, at noon.
    Backfill {
        from: i64,
        to: i64,
        chunk_days: i64,
        reprocess: Option<Reprocess>,
    },
}

/// Steps in the order in which they run; together they read every day once everything is settled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cut {
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<Step>,
}

impl Cut {
    /// Whether its steps still read all days, each at a time that says everything of it.
    pub(crate) fn is_whole(&self, days: i64) -> bool {
        let mut read = BTreeSet::new();
        let mut mark = |from: i64, to: i64| read.extend(from.max(0)..to.min(days));
        let nights: Vec<i64> = { self.steps.iter() }
            .filter(|step| step.what == What::Night)
            .map(|step| step.day)
            .collect();
        if let (Some(first), Some(last)) = (nights.first(), nights.last()) {
            mark(first - 1, *last);
        }
        for step in &self.steps {
            if let What::Backfill { from, to, .. } = step.what {
                mark(from, to);
            }
        }
        // what was not settled when it was read is asked again by the last nights
        let settled = days + SETTLING;
        let last_is_late = match nights.last() {
            Some(last) => *last >= settled,
            None => self.steps.iter().all(|step| step.day >= settled),
        };
        (0..days).all(|day| read.contains(&day)) && last_is_late
    }

    /// The same without one of its steps.
    pub(crate) fn without(&self, step: usize) -> Self {
        let mut less = self.clone();
        less.steps.remove(step);
        less
    }
}

/// Some cuts of so many days, the same for the same seed; which kinds come first differs.
pub(crate) fn cuts(seed: u64, days: i64, count: usize) -> Vec<Cut> {
    let mut dice = StdRng::seed_from_u64(seed ^ 0x5bd1_e995);
    let first = usize::try_from(seed % 8).unwrap_or_default();
    (first..first + count)
        .map(|number| cut(&mut dice, days, number))
        .collect()
}

fn cut(dice: &mut StdRng, days: i64, number: usize) -> Cut {
    let late = days + SETTLING;
    let (name, mut steps) = match number % 8 {
        0 => ("at once", vec![backfill(late, 0, days, 31)]),
        1 => {
            let chunk = dice.random_range(1..=3);
            ("in chunks", vec![backfill(late, 0, days, chunk)])
        }
        2 => ("in pieces", pieces(dice, days, late)),
        3 => ("night by night", nights(dice, 1, late, 0)),
        4 => ("with nights missed", nights(dice, 1, late, 50)),
        5 => (
            "nights, and what was before",
            nights_and_before(dice, days, late),
        ),
        6 => (
            "a backfill, then nights",
            backfill_and_nights(dice, days, late),
        ),
        _ => {
            let mut each: Vec<Step> = (0..days)
                .map(|day| backfill(late, day, day + 1, 1))
                .collect();
            if dice.random() {
                each.reverse();
            }
            ("day by day", each)
        }
    };
    repeat_some(dice, &mut steps, late);
    if number % 3 == 2 && !super::features::TROUBLES.is_empty() {
        add_weather(dice, &mut steps, days, late);
    }
    Cut { name, steps }
}

fn backfill(day: i64, from: i64, to: i64, chunk_days: i64) -> Step {
    let what = What::Backfill {
        from,
        to,
        chunk_days,
        reprocess: None,
    };
    Step {
        day,
        what,
        weather: None,
    }
}

fn night(day: i64) -> Step {
    Step {
        day,
        what: What::Night,
        weather: None,
    }
}

/// Nights of the days `from..=to`; so many of a hundred are missed, but never the first and the last.
fn nights(dice: &mut StdRng, from: i64, to: i64, missed: u32) -> Vec<Step> {
    let is_kept = |day: &i64, dice: &mut StdRng| {
        *day == from || *day > to - 3 || dice.random_range(0..100) >= missed
    };
    (from..=to)
        .filter(|day| is_kept(day, dice))
        .map(night)
        .collect()
}

/// Backfills of pieces that together are all days, in any order.
fn pieces(dice: &mut StdRng, days: i64, late: i64) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut from = 0;
    while from < days {
        let to = (from + dice.random_range(1..=4)).min(days);
        let chunk = dice.random_range(1..=4);
        // one that reaches into its neighbour
        let begin = (from - dice.random_range(0..=1)).max(0);
        steps.push(backfill(late, begin, to, chunk));
        from = to;
    }
    steps.shuffle(dice);
    steps
}

fn nights_and_before(dice: &mut StdRng, days: i64, late: i64) -> Vec<Step> {
    let begin = dice.random_range(1..days);
    let mut steps = nights(dice, begin + 1, late, 20);
    let when = dice.random_range(begin + 1..=late);
    let position = { steps.iter() }.position(|step| step.day >= when);
    let chunk = dice.random_range(1..=4);
    // on the day of a night it comes after it
    let position = position.map_or(steps.len(), |position| position + 1);
    let when = steps[position - 1].day;
    steps.insert(position, backfill(when, 0, begin, chunk));
    steps
}

fn backfill_and_nights(dice: &mut StdRng, days: i64, late: i64) -> Vec<Step> {
    let until = dice.random_range(1..days);
    let chunk = dice.random_range(1..=4);
    let mut steps = vec![backfill(until, 0, until, chunk)];
    steps.extend(nights(dice, until + 1, late, 20));
    steps
}

/// Reads some of it again at the end, in one way or another.
fn repeat_some(dice: &mut StdRng, steps: &mut Vec<Step>, late: i64) {
    let ranges: Vec<(i64, i64)> = { steps.iter() }
        .filter_map(|step| match step.what {
            What::Backfill { from, to, .. } => Some((from, to)),
            What::Night => None,
        })
        .collect();
    for (from, to) in ranges {
        if dice.random_range(0..100) < 25 {
            let mut again = backfill(late, from, to, dice.random_range(1..=7));
            if let What::Backfill { reprocess, .. } = &mut again.what {
                let rules = [Reprocess::All, Reprocess::Missing, Reprocess::Failed];
                *reprocess = Some(rules[dice.random_range(0..3)]);
            }
            steps.push(again);
        }
    }
}

/// Some steps fail in part; then it is over, and everything is asked again as a job would.
fn add_weather(dice: &mut StdRng, steps: &mut Vec<Step>, days: i64, late: i64) {
    let has_nights = steps.iter().any(|step| step.what == What::Night);
    for step in steps.iter_mut() {
        if dice.random_range(0..100) < 60 {
            step.weather = Some(dice.random());
        }
    }
    if has_nights {
        steps.extend((late + 1..=late + SETTLING).map(night));
    }
    for rule in [Reprocess::Missing, Reprocess::Failed] {
        let mut again = backfill(late + SETTLING, 0, days, 7);
        if let What::Backfill { reprocess, .. } = &mut again.what {
            *reprocess = Some(rule);
        }
        steps.push(again);
    }
}
