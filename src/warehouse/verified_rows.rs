//! Published rows on their way into a new generation, held against the hash they were written with.
//!
//! Parquet's writer puts no checksums on its pages: without this a flipped bit would be published anew as a value.

use std::path::PathBuf;

use arrow::record_batch::RecordBatch;
use parquet::errors::ParquetError;

use super::content_hash::ContentHasher;
use super::error::WarehouseError;
use super::partition_file::{PartitionReader, PartitionRows};

/// The rows of a data file; damage ends them with an error, at the latest behind the last row.
pub(super) struct VerifiedRows {
    rows: PartitionRows,
    path: PathBuf,
    /// `None` where the file says no hash, and once the end was reached.
    expected: Option<(ContentHasher, String)>,
}

impl VerifiedRows {
    pub(super) fn new(reader: PartitionReader) -> Result<Self, WarehouseError> {
        let path = reader.path.clone();
        let hasher = reader.hasher();
        let expected = reader.content_hash.clone();
        Ok(Self {
            rows: reader.rows()?,
            path,
            expected: expected.map(|hash| (hasher, hash)),
        })
    }
}

impl Iterator for VerifiedRows {
    type Item = Result<RecordBatch, WarehouseError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rows.next() {
            Some(Ok(batch)) => {
                if let Some((hasher, _)) = &mut self.expected {
                    hasher.update(&batch);
                }
                Some(Ok(batch))
            }
            Some(Err(error)) => Some(Err(error)),
            None => {
                let (hasher, hash) = self.expected.take()?;
                (hasher.finish() != hash).then(|| {
                    Err(WarehouseError::Damaged {
                        path: self.path.clone(),
                        source: ParquetError::General(
                            "the rows are not those that were written".to_owned(),
                        ),
                    })
                })
            }
        }
    }
}
