//! Rows of one partition in order: in memory, or on disk once staging holds too many.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::vec;

use arrow::array::UInt32Array;
use arrow::compute::{concat_batches, take_record_batch};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;

use super::error::WarehouseError;
use super::order::RowOrder;
use crate::tables::TableSpec;

/// Rows of a batch on disk: what a merge holds in memory of each run.
const SPILL_ROWS: usize = 2_048;

/// A sorted run.
#[derive(Debug)]
pub(super) enum SortedRun {
    /// Small enough to stay.
    InMemory(RecordBatch),
    /// On disk.
    Spilled(PathBuf),
}

/// The batches of a sorted run.
pub(super) enum SortedBatches {
    InMemory(vec::IntoIter<RecordBatch>),
    Spilled(PathBuf, Box<FileReader<BufReader<File>>>),
}

impl SortedRun {
    /// Brings batches into order; rows of one key keep the order in which they came.
    pub(super) fn sort(
        table: &'static TableSpec,
        batches: &[RecordBatch],
    ) -> Result<Self, WarehouseError> {
        let merge = || WarehouseError::merge(table.name);
        let all = concat_batches(&table.schema(), batches).map_err(merge())?;
        let rows = RowOrder::new(table)
            .and_then(|order| order.rows(&all))
            .map_err(merge())?;
        let mut order: Vec<(_, u32)> = rows.iter().zip(0..).collect();
        if !order.is_sorted() {
            order.sort_unstable();
            let indices = UInt32Array::from_iter_values(order.into_iter().map(|(_, index)| index));
            return take_record_batch(&all, &indices)
                .map(Self::InMemory)
                .map_err(merge());
        }
        drop(order);
        Ok(Self::InMemory(all))
    }

    /// Moves the rows to a file.
    pub(super) fn spill(
        self,
        table: &'static TableSpec,
        path: &Path,
    ) -> Result<Self, WarehouseError> {
        let Self::InMemory(batch) = self else {
            return Ok(self);
        };
        let file = File::create_new(path).map_err(WarehouseError::io("create", path))?;
        let write = || -> Result<(), arrow::error::ArrowError> {
            let mut writer = FileWriter::try_new(BufWriter::new(file), &table.schema())?;
            for start in (0..batch.num_rows()).step_by(SPILL_ROWS) {
                writer.write(&batch.slice(start, SPILL_ROWS.min(batch.num_rows() - start)))?;
            }
            writer.finish()
        };
        write().map_err(|error| failed("write", path, error))?;
        Ok(Self::Spilled(path.to_owned()))
    }

    pub(super) fn batches(self) -> Result<SortedBatches, WarehouseError> {
        match self {
            Self::InMemory(batch) => {
                let starts = (0..batch.num_rows()).step_by(SPILL_ROWS);
                let slices: Vec<_> = starts
                    .map(|start| batch.slice(start, SPILL_ROWS.min(batch.num_rows() - start)))
                    .collect();
                Ok(SortedBatches::InMemory(slices.into_iter()))
            }
            Self::Spilled(path) => {
                let file = File::open(&path).map_err(WarehouseError::io("open", &path))?;
                let reader = FileReader::try_new(BufReader::new(file), None)
                    .map_err(|error| failed("read", &path, error))?;
                Ok(SortedBatches::Spilled(path, Box::new(reader)))
            }
        }
    }
}

impl Iterator for SortedBatches {
    type Item = Result<RecordBatch, WarehouseError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::InMemory(batches) => batches.next().map(Ok),
            Self::Spilled(path, reader) => {
                Some(reader.next()?.map_err(|error| failed("read", path, error)))
            }
        }
    }
}

fn failed(action: &'static str, path: &Path, error: arrow::error::ArrowError) -> WarehouseError {
    let source = match error {
        arrow::error::ArrowError::IoError(_, source) => source,
        other => std::io::Error::other(other),
    };
    WarehouseError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
