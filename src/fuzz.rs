//! Tests only: inputs that are almost right, made from right ones, for parsers that must never panic (fault 100).
//!
//! Each target runs for a second, and for `TEAMSHEET_FUZZ_SECONDS` where that is set. A failure prints the input; made a test case of its
//! own, it stays found. Whoever runs them caps the memory: `ulimit -v 2000000`.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// No answer in real life is this long; what grows beyond it is cut.
const LONGEST: usize = 64 * 1024;
/// Bytes at which parsers turn off.
const TURNS: &[u8] = b"\0\t\n \"#$%&',-./0:=?@[\\]{}eE+T\x7f\x80\xc3\xed\xf4\xff";

/// Calls `target` with changed copies of the corpus; `words` are what may appear in one.
pub(crate) fn fuzz(corpus: &[&[u8]], words: &[&str], mut target: impl FnMut(&[u8])) {
    let seconds = std::env::var("TEAMSHEET_FUZZ_SECONDS").ok();
    let time = Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(1));
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let start = Instant::now();
    for original in corpus {
        target(original);
    }
    while start.elapsed() < time {
        let mut input = corpus[random.random_range(0..corpus.len())].to_vec();
        for _ in 0..random.random_range(1..=6) {
            change(&mut input, corpus, words, &mut random);
            input.truncate(LONGEST);
        }
        let shown = Shown(&input);
        target(&input);
        std::mem::forget(shown);
    }
}

/// Prints the input that a panic leaves behind.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    #[expect(clippy::print_stderr, reason = "the harness shows it with the failure")]
    fn drop(&mut self) {
        eprintln!("the input was b\"{}\"", self.0.escape_ascii());
    }
}

fn change(input: &mut Vec<u8>, corpus: &[&[u8]], words: &[&str], random: &mut StdRng) {
    let at = random.random_range(0..=input.len());
    let end = at + random.random_range(0..=(input.len() - at).min(40));
    match random.random_range(0..9) {
        0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        1 if at < input.len() => input[at] = TURNS[random.random_range(0..TURNS.len())],
        2 => input.insert(at, TURNS[random.random_range(0..TURNS.len())]),
        3 => {
            input.drain(at..end);
        }
        4 => {
            let word = words[random.random_range(0..words.len())];
            input.splice(at..end, word.bytes());
        }
        5 => {
            let repeated = input[at..end].repeat(random.random_range(2..200));
            input.splice(at..at, repeated);
        }
        6 => {
            let other = corpus[random.random_range(0..corpus.len())];
            let from = random.random_range(0..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        7 => input.truncate(at),
        _ => {
            let number = i64::from_be_bytes(random.random()) >> random.random_range(0..63);
            input.splice(at..end, number.to_string().bytes());
        }
    }
}
