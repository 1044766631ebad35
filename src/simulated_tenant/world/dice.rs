//! The one source of chance: everything drawn from a seed.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::Stamp;
use crate::time::{SECOND, UtcMicros};

/// A seeded generator with the few draws that a world needs.
#[derive(Debug)]
pub(super) struct Dice(StdRng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high.max(low))
    }

    /// A position in `0..length`; 0 for an empty list.
    pub(super) fn below(&mut self, length: usize) -> usize {
        if length == 0 {
            0
        } else {
            self.0.random_range(0..length)
        }
    }

    pub(super) fn percent(&mut self, chance: u32) -> bool {
        self.0.random_range(0..100) < chance
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let position = self.below(of.len());
        of.get(position)
    }

    /// `count` different items, or all there are.
    pub(super) fn pick_many<'a, T>(&mut self, of: &'a [T], count: usize) -> Vec<&'a T> {
        let mut items: Vec<&T> = of.iter().collect();
        let mut picked = Vec::new();
        while picked.len() < count && !items.is_empty() {
            let position = self.below(items.len());
            picked.push(items.swap_remove(position));
        }
        picked
    }

    /// A GUID (version 4).
    pub(super) fn guid(&mut self) -> String {
        let high: u64 = self.0.random();
        let low: u64 = self.0.random();
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// That many decimal digits, the first not 0.
    pub(super) fn digits(&mut self, count: u32) -> String {
        let low = 10_i64.pow(count.saturating_sub(1));
        self.between(low, low * 10 - 1).to_string()
    }

    /// An instant up to a second after `at`, printed with one of the precisions that Graph uses.
    pub(super) fn stamp(&mut self, at: UtcMicros) -> Stamp {
        let digits = self.pick(&[0, 2, 3, 6, 7, 7, 7]).copied().unwrap_or(7);
        let at = at.plus(self.between(0, SECOND - 1));
        Stamp::new(at, digits)
    }
}
