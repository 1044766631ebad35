//! What was most likely meant by a word that nobody knows.

/// The known word that is nearest to a mistyped one: two letters that are missing, added, wrong or swapped at most.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let near = known
        .into_iter()
        .map(|known| (distance(&word, known), known));
    let near = near.filter(|(distance, known)| *distance <= 2 && *distance * 2 < known.len());
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Steps from one word to the other: a letter more, less or another, or two neighbours swapped.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let letters: Vec<char> = one.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in letters.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, wanted) in other.iter().enumerate() {
            let at = |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX);
            let mut best = (at(&last, column) + usize::from(letter != wanted))
                .min(at(&last, column + 1) + 1)
                .min(at(&next, column) + 1);
            let is_swapped = row > 0
                && column > 0
                && letters.get(row - 1) == Some(wanted)
                && other.get(column - 1) == Some(letter);
            if is_swapped {
                best = best.min(at(&before, column - 1).saturating_add(1));
            }
            next.push(best);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_has_its_word_and_another_word_has_none() {
        let known = ["run", "backfill", "forbidden", "gone", "status"];
        for (word, meant) in [
            ("rnu", Some("run")),
            ("runn", Some("run")),
            ("RUN", Some("run")),
            ("forbiden", Some("forbidden")),
            ("backfil", Some("backfill")),
            ("statsu", Some("status")),
            ("sync", None),
            ("x", None),
            ("", None),
            ("expired", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}
