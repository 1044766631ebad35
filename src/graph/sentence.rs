//! How Graph's messages begin, with everything masked that they quote.
//!
//! Codes of meetings are poor, so that a documented number (`3003:`) or sentence has to tell some causes apart. It counts only at the
//! start of the message, and only with ids, addresses, names in quotes and texts in brackets taken out: the same failure reads the same
//! whatever it quotes.

use super::verdict_rows::ROWS;

/// What of a message is kept: which documented beginning it has. What it says besides may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sentence {
    /// The number or sentence of the table of refusals.
    documented: Option<&'static str>,
    /// What the message quotes first is a thread of a channel.
    quotes_channel: bool,
}

/// Longer than any sentence that is known.
const KEPT: usize = 160;
/// A channel's thread, in contrast to a meeting's.
const CHANNEL: &str = "@thread.tacv2";

impl Sentence {
    pub(super) fn read(message: &str) -> Self {
        let (words, quotes_channel) = masked(message);
        let mut documented = ROWS.iter().flat_map(|row| row.begins.iter().copied());
        Self {
            documented: documented.find(|text| words.starts_with(text)),
            quotes_channel,
        }
    }

    /// Whether the message begins like this; of numbers, with the whole number.
    pub(super) fn begins(self, documented: &str) -> bool {
        self.documented == Some(documented)
    }

    /// Whether the first thing that the message quotes is a channel's thread.
    pub(super) fn quotes_channel(self) -> bool {
        self.quotes_channel
    }
}

/// The beginning of a message in small letters with `#` for what it quotes, and whether that is a channel's thread first.
fn masked(message: &str) -> (String, bool) {
    let message = without_quotes(message);
    let mut words = String::new();
    let mut quotes_channel = None;
    for word in message.split_whitespace() {
        if words.len() > KEPT {
            break;
        }
        if !words.is_empty() {
            words.push(' ');
        }
        let bare = word.trim_matches(|end: char| !end.is_alphanumeric());
        if !(words.is_empty() && is_number(word)) && is_quoted_value(bare) {
            quotes_channel.get_or_insert(bare.ends_with(CHANNEL));
            words.push_str(&word.replacen(bare, "#", 1));
        } else {
            words.push_str(word);
        }
    }
    (words, quotes_channel.unwrap_or(false))
}

/// In small letters; what stands in quotes or brackets becomes `#`. An apostrophe within a word opens no quote.
fn without_quotes(message: &str) -> String {
    let mut masked = String::new();
    let mut until = None;
    let mut before = ' ';
    for letter in message.chars().flat_map(char::to_lowercase) {
        match until {
            Some(end) if letter == end => {
                masked.push('#');
                masked.extend((letter == ')').then_some(letter));
                until = None;
            }
            Some(_) => {}
            None => match letter {
                '(' => {
                    masked.push(letter);
                    until = Some(')');
                }
                '\'' | '"' | '`' if !before.is_alphanumeric() => until = Some(letter),
                letter => masked.push(letter),
            },
        }
        before = letter;
    }
    masked
}

/// `3003:`
fn is_number(word: &str) -> bool {
    word.strip_suffix(':').is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// An id, an address, a link: anything that is no word of a sentence.
fn is_quoted_value(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.any(|byte| byte.is_ascii_digit() || byte == b'@' || !byte.is_ascii())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_message_quotes_is_masked() {
        for (message, words) in [
            (
                "3003: User does not have access",
                "3003: user does not have access",
            ),
            (
                "User ID in token(8b081ef6-4792-4def-b2c9-c363a1bf41d5) is not the organizer",
                "user id in token(#) is not the organizer",
            ),
            (
                "Resource '3004: x' does not exist",
                "resource # does not exist",
            ),
            (
                "Invalid meeting id 19:abc@thread.tacv2.",
                "invalid meeting id #.",
            ),
            (
                "No application access policy found for this app: 8b081ef6-4792-4def-b2c9-c363a1bf41d5 on the user",
                "no application access policy found for this app: # on the user",
            ),
            (
                "the user's mailbox isn't there",
                "the user's mailbox isn't there",
            ),
            ("", ""),
        ] {
            assert_eq!(masked(message).0, words, "{message}");
        }
        assert!(Sentence::read("Invalid meeting id 19:a@thread.tacv2.").quotes_channel());
        assert!(!Sentence::read("Invalid meeting id 19:a@thread.v2.").quotes_channel());
    }

    proptest! {
        #[test]
        fn the_same_sentence_reads_the_same_whatever_it_quotes(id in "[0-9a-f]{8}-[0-9a-f]{4}-3003-[0-9a-f]{4}-[0-9a-f]{12}", name in "[a-z0-9:. ]{0,20}") {
            for (with, sentence) in [
                (format!("The user {id} has no access"), "the user # has no access"),
                (format!("The user ({name}) has no access"), "the user (#) has no access"),
                (format!("The user '{name}' has no access"), "the user # has no access"),
            ] {
                prop_assert_eq!(masked(&with).0, sentence);
            }
        }
    }
}
