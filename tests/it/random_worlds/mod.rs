//! Random worlds: however the days of a tenant are cut into chunks, nights, repeats and orders, the rows are the same, and true.
//!
//! ```text
//! seed ─► drawing (stories) ─► world ─► truth ────────────► rows ─┐
//!                                └────► cuts ─► reading ──► rows ─┴► the same
//! ```
//!
//! `TEAMSHEET_WORLDS=5000` reads so many, `TEAMSHEET_WORLD=17` only that one; `TEAMSHEET_STORY=Copy,Series` and `TEAMSHEET_WAYS=Calls` make worlds of
//! these alone, which are other worlds.

mod cuts;
mod drawing;
mod features;
mod rare;
mod reading;
mod rows;
mod stories;
mod truth;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use cuts::{Cut, cuts};
use drawing::{Drawn, draw};
use reading::Reader;

/// Worlds in the test command.
const WORLDS: u64 = 50;
/// Cuts of each there, other kinds for other worlds.
const SOME_CUTS: usize = 3;
/// Cuts of each where a number of worlds is asked for.
const CUTS: usize = 20;
/// So many that differ are told.
const TOLD: usize = 10;
/// Worlds that are read side by side: while one waits for a disk or between two tries, another can go on.
const SIDE_BY_SIDE: usize = 3;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// What is wrong with the first cut of a world that differs, made as small as it can be.
fn first_difference(drawn: &Drawn) -> Option<String> {
    let reader = Reader::new(drawn);
    let is_asked_for = number("TEAMSHEET_WORLDS")
        .or(number("TEAMSHEET_WORLD"))
        .is_some();
    let count = if is_asked_for { CUTS } else { SOME_CUTS };
    for cut in cuts(drawn.seed, drawn.days, count) {
        if reader.differences(&cut).is_empty() {
            continue;
        }
        let smallest = shrink(&reader, drawn, cut);
        let found = reader.differences(&smallest);
        let steps: Vec<String> = { smallest.steps.iter() }
            .map(|step| format!("    {step:?}"))
            .collect();
        return Some(format!(
            "seed {}, {:?}, {}, {} days, {:?}, {}:\n{}\n  differs by\n    {}",
            drawn.seed,
            drawn.ways,
            drawn.timezone,
            drawn.days,
            drawn.stories,
            smallest.name,
            steps.join("\n"),
            found.join("\n    ")
        ));
    }
    None
}

/// The cut without the steps that it differs without.
fn shrink(reader: &Reader<'_>, drawn: &Drawn, mut cut: Cut) -> Cut {
    let mut position = 0;
    while position < cut.steps.len() {
        let less = cut.without(position);
        if less.is_whole(drawn.days) && !reader.differences(&less).is_empty() {
            cut = less;
        } else {
            position += 1;
        }
    }
    cut
}

#[test]
fn every_cut_of_a_random_world_gives_what_is_true() {
    let (from, to) = match number("TEAMSHEET_WORLD") {
        Some(one) => (one, one + 1),
        None => (0, number("TEAMSHEET_WORLDS").unwrap_or(WORLDS)),
    };
    let next = AtomicU64::new(from);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= to {
                        return;
                    }
                    if let Some(difference) = first_difference(&draw(seed)) {
                        wrong.lock().unwrap().push(difference);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let told: Vec<&str> = wrong.iter().take(TOLD).map(String::as_str).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} worlds differ\n\n{}",
        wrong.len(),
        to - from,
        told.join("\n\n")
    );
}

#[test]
fn the_same_seed_gives_the_same_world_and_cuts() {
    for seed in 0..20 {
        let drawn = draw(seed);
        assert_eq!(drawn.world, draw(seed).world);
        let some = cuts(seed, drawn.days, CUTS);
        assert_eq!(some, cuts(seed, drawn.days, CUTS));
        assert!(some.iter().all(|cut| cut.is_whole(drawn.days)), "{some:?}");
    }
}
