//! Why a file is not taken. Names lines and columns, never what stands there: that may be a person.

/// A file is no attendance report that can be read; terminal, and the user's to fix.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's sentence is its message")]
pub enum Refusal {
    #[error("it cannot be read")]
    Unreadable { source: std::io::Error },
    #[error("it is empty")]
    Empty,
    #[error("line {line} is neither UTF-16 nor UTF-8")]
    Encoding { line: u64 },
    #[error("line {line} is longer than any line of an attendance report")]
    LongLine { line: u64 },
    #[error("it has more rows than any attendance report")]
    TooManyRows,
    #[error("it is a workbook or an archive, not a CSV")]
    Workbook,
    #[error("it has no table of participants with headers that teamsheet knows")]
    NoTable,
    #[error("its list of participants ends early: it announces {announced} and has {found}")]
    CutOff { announced: i32, found: usize },
    #[error("line {line} is cut off")]
    CutOffLine { line: u64 },
    #[error("line {line} has a quotation mark that is not closed")]
    OpenQuote { line: u64 },
    #[error("line {line} has more columns than the header")]
    TooManyColumns { line: u64 },
    #[error("line {line}, column {column}: this is no date with a time")]
    NotATime { line: u64, column: usize },
    #[error("line {line}, column {column}: this is no duration")]
    NotADuration { line: u64, column: usize },
    #[error("line {line}, column {column}: this is neither joined nor left")]
    NotAnAction { line: u64, column: usize },
    #[error("line {line} names nobody")]
    Nobody { line: u64 },
    #[error("line {line}: day and month of its dates cannot be told apart")]
    DayOrMonth { line: u64 },
    #[error(
        "line {line}: with either order of day and month, its dates contradict the rest of the file"
    )]
    Contradiction { line: u64 },
    #[error("it names no time at all, so its day is not known")]
    NoTime,
    #[error("it was held after now: {start}")]
    Future { start: String },
}

impl Refusal {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check the path and who may read the file",
            Self::Empty | Self::CutOff { .. } | Self::CutOffLine { .. } => {
                "save the attendance report from Teams again; this copy is not whole"
            }
            Self::Encoding { .. } | Self::OpenQuote { .. } | Self::TooManyColumns { .. } => {
                "save the attendance report from Teams again and give the file as it is; a spreadsheet that saves it anew \
                 should save `CSV UTF-8`"
            }
            Self::Workbook => {
                "give the CSV that Teams saves; from a spreadsheet, save the sheet as `CSV UTF-8`"
            }
            Self::LongLine { .. } | Self::TooManyRows | Self::NoTable => {
                "give the attendance report that Teams saves from a meeting's Attendance tab; in another language, switch Teams to \
                 English and save it again"
            }
            Self::NotATime { .. } | Self::NotADuration { .. } | Self::NotAnAction { .. } => {
                "correct that cell, or switch Teams to English and save the report again"
            }
            Self::Nobody { .. } => "correct or remove that line",
            Self::DayOrMonth { .. } => {
                "say it with `--date-format mdy` (1/5/26 is the 5th of January) or `--date-format dmy` (the 1st of May)"
            }
            Self::Contradiction { .. } => {
                "save the attendance report from Teams again; where the year stands first in two digits, say `--date-format ymd`"
            }
            Self::NoTime => "the report has only names; there is no day to file it under",
            Self::Future { .. } => {
                "say how its dates are meant with `--date-format` or `--timezone`, or set this machine's clock"
            }
        }
    }
}
