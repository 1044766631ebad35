//! What a summary counts is what the tables hold: each thing once, however many chunks met it.

use std::collections::BTreeMap;

use teamsheet::ledger::RunSummary;
use teamsheet::simulated_tenant::world::{Person, UserType};
use teamsheet::simulated_tenant::{World, WorldSettings};

use crate::support::Published;
use crate::support::nights::{Nights, at};

const DAYS: u32 = 10;
const LATER: &str = "2026-04-03T09:00:00Z";

fn nights(chunk_days: u32) -> Nights {
    let mut nights = Nights::new(World::generate(&WorldSettings {
        seed: 7,
        users: 60,
        days: DAYS,
        now: at("2026-04-01"),
    }));
    nights.job = format!("[run]\nchunk_days = {chunk_days}\n");
    nights
}

fn backfill(nights: &Nights) -> RunSummary {
    nights.backfill(at(LATER), ("2026-03-22", "2026-04-01"), None)
}

fn open_gaps(published: &Published) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (_, gap) in &published.gaps {
        if gap.closed_at.is_none() {
            *counts.entry(gap.reason.to_string()).or_default() += 1;
        }
    }
    counts
}

fn states(published: &Published) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (day, session) in &published.sessions {
        if ("2026-03-22".."2026-04-01").contains(&day.as_str()) {
            *counts
                .entry(session.attendance_state.to_string())
                .or_default() += 1;
        }
    }
    counts
}

#[test]
fn a_gap_and_a_session_count_once_however_many_chunks_met_them() {
    for chunk_days in [1, 3, DAYS] {
        let nights = nights(chunk_days);
        for what in ["first", "again"] {
            let summary = backfill(&nights);
            let published = nights.stand.published();
            assert!(summary.gaps_by_reason.contains_key("forbidden"));
            assert_eq!(
                summary.gaps_by_reason,
                open_gaps(&published),
                "{chunk_days} {what}"
            );
            assert_eq!(
                summary.sessions_by_state,
                states(&published),
                "{chunk_days} {what}"
            );
            let people = nights.world.people.iter();
            let is_skipped = |person: &&Person| {
                person.account_enabled
                    && person.user_type == UserType::Member
                    && !person.has_mailbox
            };
            assert_eq!(
                summary.skipped["accounts_without_mailbox"],
                people.filter(is_skipped).count() as u64,
                "{chunk_days} {what}"
            );
            let told: u64 = summary
                .notices
                .iter()
                .filter_map(|notice| notice.message.split_once(" gap"))
                .filter_map(|(count, _)| count.parse::<u64>().ok())
                .sum();
            assert!(told <= summary.open_gaps(), "{:?}", summary.notices);
        }
    }
}
