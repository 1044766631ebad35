//! What the user sees of errors and warnings: the one place where they become text.
//!
//! Plain text that needs no colour, written to a passed-in writer. Control characters are escaped, so nothing that Graph or a file
//! sent can move the cursor or turn the line around. A hint is printed once, at the end.

use std::borrow::Cow;
use std::error::Error;
use std::io::{self, Write};

use crate::ledger::summary::Notice;

/// Writes `error: …`, one `Caused by` line a cause, and the hint.
///
/// # Errors
/// Those of the writer.
pub fn error(out: &mut impl Write, error: &dyn Error, hint: Option<&str>) -> io::Result<()> {
    with_causes(out, "error", error, hint)
}

/// Writes `warning: …`, one `Caused by` line a cause, and the hint.
///
/// # Errors
/// Those of the writer.
pub fn warning(out: &mut impl Write, error: &dyn Error, hint: Option<&str>) -> io::Result<()> {
    with_causes(out, "warning", error, hint)
}

/// Writes a notice of the run as a warning.
///
/// # Errors
/// Those of the writer.
pub fn notice(out: &mut impl Write, notice: &Notice) -> io::Result<()> {
    writeln!(out, "warning: {}", escape(&notice.message))?;
    write_hint(out, notice.hint.as_deref())
}

/// The causes of an error on one line, the nearest first; `None` where there are none.
pub fn causes(error: &dyn Error) -> Option<String> {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    (!causes.is_empty()).then(|| causes.join(": "))
}

/// A hint as it is shown, in text and in JSON: it begins with a capital, whoever wrote it, unless it begins with code.
pub fn hint(text: &str) -> Cow<'_, str> {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if first.is_lowercase() => {
            Cow::Owned(first.to_uppercase().chain(letters).collect())
        }
        _ => Cow::Borrowed(text),
    }
}

/// Text on one line: control characters and those that change the direction of writing become `\u{…}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

fn with_causes(
    out: &mut impl Write,
    level: &str,
    error: &dyn Error,
    hint: Option<&str>,
) -> io::Result<()> {
    writeln!(out, "{level}: {}", escape(&error.to_string()))?;
    let mut source = error.source();
    while let Some(cause) = source {
        writeln!(out, "  Caused by: {}", escape(&cause.to_string()))?;
        source = cause.source();
    }
    write_hint(out, hint)
}

fn write_hint(out: &mut impl Write, text: Option<&str>) -> io::Result<()> {
    let text = hint(text.unwrap_or_default());
    let mut lines = text.lines();
    let Some(first) = lines.next() else {
        return Ok(());
    };
    writeln!(out, "\nhint: {}", escape(first))?;
    for line in lines {
        writeln!(out, "      {}", escape(line))?;
    }
    Ok(())
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{message}")]
    struct Layer {
        message: &'static str,
        source: Option<Box<Self>>,
    }

    fn layers(messages: &[&'static str]) -> Layer {
        let (message, rest) = messages.split_first().unwrap();
        Layer {
            message,
            source: (!rest.is_empty()).then(|| Box::new(layers(rest))),
        }
    }

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_error_shows_its_causes_and_then_its_hint() {
        let failure = layers(&[
            "`2026-01-31` cannot be published",
            "rename failed",
            "No space left on device",
        ]);
        insta::assert_snapshot!(text(|out| error(out, &failure, Some("Free some space\nThen run the same command again"))), @"
        error: `2026-01-31` cannot be published
          Caused by: rename failed
          Caused by: No space left on device

        hint: Free some space
              Then run the same command again
        ");
    }

    #[test]
    fn every_hint_begins_with_a_capital() {
        for (written, shown) in [
            ("grant it\nthen run", "Grant it\nthen run"),
            ("Grant it", "Grant it"),
            (
                "`teamsheet verify` says which",
                "`teamsheet verify` says which",
            ),
            ("öffne", "Öffne"),
            ("", ""),
        ] {
            assert_eq!(hint(written), shown);
            let found = text(|out| error(out, &layers(&["no"]), Some(written)));
            let shown = shown.replace('\n', "\n      ");
            assert!(found.contains(&shown), "{found}");
        }
    }

    #[test]
    fn a_hint_is_left_out_where_there_is_none() {
        assert_eq!(
            text(|out| warning(out, &layers(&["slow"]), None)),
            "warning: slow\n"
        );
    }

    #[test]
    fn a_notice_is_a_warning() {
        let found = Notice {
            message: "the scope of job `nightly` changed".to_owned(),
            hint: Some("Run a backfill".to_owned()),
        };
        assert_eq!(
            text(|out| notice(out, &found)),
            "warning: the scope of job `nightly` changed\n\nhint: Run a backfill\n"
        );
    }

    #[test]
    fn fault_86_control_characters_do_not_reach_the_terminal() {
        let failure = layers(&["a\u{1b}[2Jb\rc\nd\u{202e}e\u{9b}f", "tab\tnul\0"]);
        let text = text(|out| error(out, &failure, Some("\u{7}beep")));
        assert_eq!(
            text,
            "error: a\\u{1b}[2Jb\\rc\\nd\\u{202e}e\\u{9b}f\n  Caused by: tab\\tnul\\u{0}\n\nhint: \\u{7}beep\n"
        );
        assert_eq!(escape("Zoë 👩‍🚀"), "Zoë 👩\u{200d}🚀");
    }
}
