//! Lists of users and meetings as people have them: the one place where a CSV is read.
//!
//! Read are commas, semicolons (Excel in most of Europe) and tabs, whatever the file is encoded in; quoted cells; a header with its columns
//! in any order, or none. Passed over are blank lines, lines that begin with `#` (comments, and PowerShell's `#TYPE`), and what stands before a header.

use std::io;

use super::encoding::{as_latin, text_of};

/// What stands before the header: Excel's choice of a separator, and the version of the Entra admin center's templates.
const PREAMBLES: [&str; 2] = ["sep=", "version:"];

/// A list, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CsvFile {
    /// The names of the columns in small letters, without what is no letter or digit; empty where there is no header.
    columns: Vec<String>,
    /// What comes behind the header.
    pub(super) rows: Vec<CsvRow>,
}

/// A line of a list that holds something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CsvRow {
    /// Its line in the file, counted from 1.
    pub(super) line: u64,
    cells: Vec<String>,
}

impl CsvFile {
    /// Reads a file; its first line is a header where `is_header` says so of its cells.
    ///
    /// # Errors
    /// Of the kind `InvalidData` where it is no text.
    pub(super) fn read(
        bytes: &[u8],
        is_header: impl FnOnce(&[String]) -> bool,
    ) -> Result<Self, io::Error> {
        // an Excel workbook is a ZIP archive
        let is_workbook = bytes.starts_with(b"PK\x03\x04");
        let text = text_of(bytes).unwrap_or_else(|| as_latin(bytes));
        if is_workbook || text.contains('\0') {
            let why = "it is no text: save it as CSV";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let mut rows = rows(&text)?;
        let header = rows.first().is_some_and(|row| is_header(&row.cells));
        let columns = if header {
            let names = rows.remove(0).cells;
            names.iter().map(|name| column_name(name)).collect()
        } else {
            Vec::new()
        };
        Ok(Self { columns, rows })
    }

    /// The places of the columns with one of these names, in the order of the names.
    pub(super) fn places(&self, names: &[&str]) -> Vec<usize> {
        let place = |name: &&str| self.columns.iter().position(|column| column == name);
        names.iter().filter_map(place).collect()
    }
}

impl CsvRow {
    /// A cell without the blanks around it; empty where the row has none there.
    pub(super) fn cell(&self, place: usize) -> &str {
        self.cells.get(place).map_or("", String::as_str)
    }
}

/// `User principal name`, `userPrincipalName` and `USER_PRINCIPAL_NAME` are one; templates have their names in brackets, as in
/// `User name [userPrincipalName] Required`.
pub(super) fn column_name(text: &str) -> String {
    let inside = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    let text = inside.map_or(text, |(name, _)| name);
    let letters = text.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

fn rows(text: &str) -> Result<Vec<CsvRow>, io::Error> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .delimiter(separator(text))
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
        let first = record.get(0).unwrap_or_default();
        let first = first.to_ascii_lowercase();
        let is_preamble = rows.is_empty() && PREAMBLES.iter().any(|known| first.starts_with(known));
        if is_preamble || record.iter().all(str::is_empty) {
            continue;
        }
        rows.push(CsvRow {
            line: record
                .position()
                .map_or(0, |before| line_of(text.as_bytes(), before)),
            cells: record.iter().map(str::to_owned).collect(),
        });
    }
    Ok(rows)
}

/// The first separator in the first line that is one: what stands before it, a user or a column's name, holds none.
fn separator(text: &str) -> u8 {
    let lines = text.lines().map(str::trim_start);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut is_quoted = false;
    let first = lines.next().unwrap_or_default().bytes().find(|byte| {
        is_quoted ^= *byte == b'"';
        !is_quoted && b",;\t".contains(byte)
    });
    first.unwrap_or(b',')
}

/// The line of a record: csv's position lies before the blank lines and comments that it skips on the way.
fn line_of(bytes: &[u8], before: &csv::Position) -> u64 {
    let offset = usize::try_from(before.byte()).unwrap_or(usize::MAX);
    let skipped = bytes
        .get(offset..)
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .take_while(|line| line.trim_ascii().is_empty() || line.starts_with(b"#"))
        .count();
    before.line() + skipped as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::encoding::tests::utf_16_le;

    fn cells(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
        let file = CsvFile::read(bytes, |_| false).unwrap();
        file.rows
            .into_iter()
            .map(|row| (row.line, row.cells))
            .collect()
    }

    #[test]
    fn a_list_is_the_same_however_it_was_saved() {
        let expected = [
            (1, vec!["a@x".to_owned(), "R&D".to_owned()]),
            (2, vec!["b@x".to_owned(), "Sales, North".to_owned()]),
        ];
        let commas = "a@x,R&D\nb@x,\"Sales, North\"\n";
        let tabs = "a@x\tR&D\r\nb@x\tSales, North\r\n";
        for bytes in [
            commas.as_bytes().to_vec(),
            commas.replace('\n', "\r\n").into_bytes(),
            "a@x;R&D\nb@x;Sales, North\n".into(),
            tabs.into(),
            b"\"a@x\";\"R&D\"\n\"b@x\";\"Sales, North\"".to_vec(),
            utf_16_le(&format!("\u{feff}{tabs}")),
            format!("\u{feff}{commas}").into_bytes(),
        ] {
            assert_eq!(cells(&bytes), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn what_holds_nothing_is_passed_over_and_lines_keep_their_numbers() {
        let text =
            "#TYPE System.Object\r\n\r\nsep=;\r\n# left the company\r\na@x;1\r\n;\r\n \r\nb@x;2";
        let rows = cells(text.as_bytes());
        let lines: Vec<u64> = rows.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [5, 8]);
        assert_eq!(rows[1].1, ["b@x", "2"]);
        // in the code page of Western Windows
        assert_eq!(cells(b"a@x,Z\xf6e\n")[0].1, ["a@x", "Zöe"]);
    }

    #[test]
    fn columns_are_found_by_their_names_in_any_order() {
        let file = CsvFile::read(
            b"Display name,User principal name,Object_ID\na,b,c\n",
            |_| true,
        );
        let file = file.unwrap();
        assert_eq!(
            file.places(&["objectid", "upn", "userprincipalname"]),
            [2, 1]
        );
        assert_eq!(file.rows[0].cell(2), "c");
        assert_eq!(file.rows[0].cell(9), "");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for bytes in [&b"PK\x03\x04rest"[..], b"\x7fELF\0\0a"] {
            let error = CsvFile::read(bytes, |_| false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }
}
