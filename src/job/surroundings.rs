//! What a job file may name but not hold: the clock, the environment, files. Passed in, so that resolving stays pure.

use std::fmt;
use std::io;
use std::path::Path;

use crate::time::UtcMicros;

/// Everything outside of job file and flags that a plan depends on.
pub struct Surroundings<'a> {
    /// When the program started.
    pub started_at: UtcMicros,
    /// Randomness for the invocation's id and for the jitter between tries.
    pub random: [u8; 16],
    /// The value of an environment variable; `None` where it is not set or is no text.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// A whole file.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<FileContents>,
    /// The job file's name without folder and extension; the job's name where the file gives none.
    pub job_stem: &'a str,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("started_at", &self.started_at)
            .field("job_stem", &self.job_stem)
            .finish_non_exhaustive()
    }
}

/// A file as it was read.
pub struct FileContents {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether users outside of its owner and group may read it.
    pub is_readable_by_others: bool,
}

/// Shows the length only: the bytes may be a secret.
impl fmt::Debug for FileContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileContents")
            .field("length", &self.bytes.len())
            .field("is_readable_by_others", &self.is_readable_by_others)
            .finish()
    }
}
