//! Bytes into lines of text: UTF-16 and UTF-8, with and without a byte order mark, one line in memory at a time.

use std::io::BufRead;

use super::refusal::Refusal;

/// Bytes of a line; the longest lines seen have under two thousand.
const LONGEST_LINE: usize = 64 * 1024;

/// How the text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16(Endian),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endian {
    Little,
    Big,
}

/// A line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    pub(super) text: String,
    /// Whether the file goes on after it, were it with an empty line.
    pub(super) is_ended: bool,
}

/// The lines of a file.
pub(super) struct Lines<R> {
    reader: R,
    encoding: Encoding,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Looks at the first bytes, and takes the byte order mark off.
    pub(super) fn new(mut reader: R) -> Result<Self, Refusal> {
        let unreadable = |source| Refusal::Unreadable { source };
        let head = reader.fill_buf().map_err(unreadable)?;
        let (encoding, mark) = match head {
            [] => return Err(Refusal::Empty),
            [0xff, 0xfe, ..] => (Encoding::Utf16(Endian::Little), 2),
            [0xfe, 0xff, ..] => (Encoding::Utf16(Endian::Big), 2),
            [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8, 3),
            [b'P', b'K', 3 | 5, ..] | [0xd0, 0xcf, 0x11, 0xe0, ..] => {
                return Err(Refusal::Workbook);
            }
            // the mark was lost: the first letters of every layout and language are ASCII or Latin
            [first, 0, ..] if *first != 0 => (Encoding::Utf16(Endian::Little), 0),
            [0, second, ..] if *second != 0 => (Encoding::Utf16(Endian::Big), 0),
            _ => (Encoding::Utf8, 0),
        };
        reader.consume(mark);
        Ok(Self {
            reader,
            encoding,
            number: 0,
        })
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Refusal> {
        self.number += 1;
        let number = self.number;
        let (bytes, is_ended) = self.bytes()?;
        if bytes.is_empty() && !is_ended {
            return Ok(None);
        }
        let mut text = match self.encoding {
            Encoding::Utf8 => {
                String::from_utf8(bytes).map_err(|_| Refusal::Encoding { line: number })?
            }
            Encoding::Utf16(endian) => {
                let (pairs, rest) = bytes.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err(Refusal::CutOffLine { line: number });
                }
                let units = pairs.iter().map(|pair| endian.unit(*pair));
                char::decode_utf16(units)
                    .collect::<Result<String, _>>()
                    .map_err(|_| Refusal::Encoding { line: number })?
            }
        };
        if text.contains('\0') {
            return Err(Refusal::Encoding { line: number });
        }
        while text.ends_with('\r') {
            text.pop();
        }
        Ok(Some(Line {
            number,
            text,
            is_ended,
        }))
    }

    /// The bytes up to the next line end, and whether there was one.
    fn bytes(&mut self) -> Result<(Vec<u8>, bool), Refusal> {
        let mut bytes = Vec::new();
        loop {
            let buffer = self
                .reader
                .fill_buf()
                .map_err(|source| Refusal::Unreadable { source })?;
            if buffer.is_empty() {
                return Ok((bytes, false));
            }
            let before = bytes.len();
            let mut taken = 0;
            let mut is_end = false;
            for byte in buffer {
                bytes.push(*byte);
                taken += 1;
                is_end = match (self.encoding, bytes.as_slice()) {
                    (Encoding::Utf8, [.., b'\n']) => true,
                    (Encoding::Utf16(endian), [.., one, two]) => {
                        (before + taken).is_multiple_of(2) && endian.unit([*one, *two]) == 0x0a
                    }
                    _ => false,
                };
                if is_end {
                    break;
                }
            }
            self.reader.consume(taken);
            if is_end {
                let width = if self.encoding == Encoding::Utf8 {
                    1
                } else {
                    2
                };
                bytes.truncate(bytes.len() - width);
                return Ok((bytes, true));
            }
            if bytes.len() > LONGEST_LINE {
                return Err(Refusal::LongLine { line: self.number });
            }
        }
    }
}

impl Endian {
    fn unit(self, pair: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(pair),
            Self::Big => u16::from_be_bytes(pair),
        }
    }
}

/// The cells of a line, without blanks around them; quotes as RFC 4180 has them.
///
/// A quote inside a cell that does not begin with one is a letter like any other: tab separated files of Teams quote nothing.
pub(super) fn cells(line: &Line, delimiter: char) -> Result<Vec<String>, Refusal> {
    let mut cells = Vec::new();
    let mut rest = line.text.as_str();
    loop {
        let quoted = rest.strip_prefix('"').filter(|_| delimiter != '\t');
        let (cell, behind) = match quoted {
            Some(inside) => {
                closed(inside, delimiter).ok_or(Refusal::OpenQuote { line: line.number })?
            }
            None => match rest.split_once(delimiter) {
                Some((cell, behind)) => (cell.to_owned(), Some(behind)),
                None => (rest.to_owned(), None),
            },
        };
        cells.push(clean(&cell));
        match behind {
            Some(behind) => rest = behind,
            None => return Ok(cells),
        }
    }
}

/// What stands between quotes, and what comes after the delimiter behind them.
fn closed(inside: &str, delimiter: char) -> Option<(String, Option<&str>)> {
    let mut cell = String::new();
    let mut rest = inside;
    loop {
        let (part, behind) = rest.split_once('"')?;
        cell.push_str(part);
        if let Some(more) = behind.strip_prefix('"') {
            cell.push('"');
            rest = more;
        } else if behind.is_empty() {
            return Some((cell, None));
        } else {
            return Some((cell, Some(behind.strip_prefix(delimiter)?)));
        }
    }
}

/// Without the marks that tell a screen which way to write, and without blanks around it.
fn clean(cell: &str) -> String {
    let is_mark = |letter: char| {
        matches!(
            letter,
            '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{feff}'
        )
    };
    let kept: String = cell.chars().filter(|letter| !is_mark(*letter)).collect();
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<String>, Refusal> {
        let mut lines = Lines::new(bytes)?;
        let mut all = Vec::new();
        while let Some(line) = lines.next()? {
            all.push(line.text);
        }
        Ok(all)
    }

    fn utf16(text: &str, endian: Endian) -> Vec<u8> {
        let bytes = |unit: u16| match endian {
            Endian::Little => unit.to_le_bytes(),
            Endian::Big => unit.to_be_bytes(),
        };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn every_encoding_gives_the_same_lines() {
        // U+0A00 and U+0D0A hold the bytes of a line end
        let text = "1. Über\tਁ\r\n\r\nzweite ഊ Zeile 😀";
        let expected = ["1. Über\tਁ", "", "zweite ഊ Zeile 😀"];
        let with_mark = format!("\u{feff}{text}");
        for (name, bytes) in [
            ("UTF-8", text.as_bytes().to_vec()),
            ("UTF-8 with a mark", with_mark.as_bytes().to_vec()),
            ("UTF-16LE", utf16(&with_mark, Endian::Little)),
            ("UTF-16BE", utf16(&with_mark, Endian::Big)),
            ("UTF-16LE without a mark", utf16(text, Endian::Little)),
            ("UTF-16BE without a mark", utf16(text, Endian::Big)),
        ] {
            assert_eq!(read(&bytes).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        let refused = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert_eq!(refused(b""), "it is empty");
        assert_eq!(
            refused(b"ok\nJ\xfcrgen"),
            "line 2 is neither UTF-16 nor UTF-8"
        );
        assert_eq!(refused(b"ok\na\0b"), "line 2 is neither UTF-16 nor UTF-8");
        assert_eq!(
            refused(b"PK\x03\x04rest"),
            "it is a workbook or an archive, not a CSV"
        );
        assert_eq!(refused(b"\xff\xfea\0\n\0b"), "line 2 is cut off");
        assert_eq!(
            refused(b"\xff\xfe\x00\xd8a\0"),
            "line 1 is neither UTF-16 nor UTF-8",
            "half a surrogate pair"
        );
        let long = vec![b'a'; LONGEST_LINE * 2];
        assert!(refused(&long).contains("longer"));
    }

    #[test]
    fn a_line_is_cut_into_cells() {
        let cut = |text: &str, delimiter| {
            let line = Line {
                number: 7,
                text: text.to_owned(),
                is_ended: true,
            };
            cells(&line, delimiter).map_err(|refusal| refusal.to_string())
        };
        assert_eq!(cut("a\t\tb ", '\t').unwrap(), ["a", "", "b"]);
        assert_eq!(
            cut("\"Ann\" the \"Great\"\tb", '\t').unwrap(),
            ["\"Ann\" the \"Great\"", "b"],
            "tabs need no quotes"
        );
        assert_eq!(
            cut("\"A, \"\"B\"\"\",\"1/5/26, 9:00\",", ',').unwrap(),
            ["A, \"B\"", "1/5/26, 9:00", ""]
        );
        assert_eq!(cut("\u{200e}x\u{200f};y", ';').unwrap(), ["x", "y"]);
        assert_eq!(
            cut("\"open,b", ',').unwrap_err(),
            "line 7 has a quotation mark that is not closed"
        );
    }
}
