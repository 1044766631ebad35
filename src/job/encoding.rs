//! The text of a file that people or their programs wrote.
//!
//! | begins with | is |
//! |---|---|
//! | `EF BB BF` | UTF-8, as Excel and Notepad write it |
//! | `FF FE`, `FE FF` | UTF-16, as Windows PowerShell's `>` and `Export-Csv -Encoding Unicode` write it |
//! | anything else | UTF-8; UTF-16 where every other byte is zero |

/// The text without its byte order mark; `None` where the bytes are in none of these encodings.
pub(super) fn text_of(bytes: &[u8]) -> Option<String> {
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return utf_16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return utf_16(rest, u16::from_be_bytes);
    }
    if is_zero_every_other(bytes, 1) {
        return utf_16(bytes, u16::from_le_bytes);
    }
    if is_zero_every_other(bytes, 0) {
        return utf_16(bytes, u16::from_be_bytes);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    String::from_utf8(bytes.to_vec()).ok()
}

/// The text of a file in the code page of Western Windows, as Excel's plain "CSV" is there; addresses and ids in it are ASCII.
pub(super) fn as_latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks();
    let units: Vec<u16> = pairs.iter().copied().map(unit).collect();
    rest.is_empty().then(|| String::from_utf16(&units).ok())?
}

fn is_zero_every_other(bytes: &[u8], first: usize) -> bool {
    let is_zero = |skipped: usize| bytes.iter().skip(skipped).step_by(2).all(|byte| *byte == 0);
    bytes.len() >= 4 && bytes.len().is_multiple_of(2) && is_zero(first) && !is_zero(1 - first)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As Windows PowerShell writes it.
    pub(in crate::job) fn utf_16_le(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn a_file_is_read_in_every_encoding_that_windows_writes() {
        let text = "upn,Name\r\nzoe@contoso.com,Zoë 🙂\r\n";
        let marked = format!("\u{feff}{text}");
        let big: Vec<u8> = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            utf_16_le(&marked),
            big,
        ] {
            assert_eq!(text_of(&bytes).as_deref(), Some(text), "{bytes:02x?}");
        }
        // without a mark only plain letters tell
        assert_eq!(text_of(&utf_16_le("s3cret")).as_deref(), Some("s3cret"));
        assert_eq!(text_of(b"\0s\0e").as_deref(), Some("se"));
    }

    #[test]
    fn what_is_in_none_of_them_is_told() {
        for bytes in [&b"Z\xf6e"[..], b"\xff\xfea", b"\xff\xfe\x00\xd8"] {
            assert_eq!(text_of(bytes), None, "{bytes:02x?}");
        }
        assert_eq!(as_latin(b"Z\xf6e"), "Zöe");
        assert_eq!(text_of(b"s3cret\0").as_deref(), Some("s3cret\0"));
        assert_eq!(text_of(b"").as_deref(), Some(""));
    }
}
