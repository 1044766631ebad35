//! Rows of one partition in order: in memory, or on disk once staging holds too many.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::iter::Take;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::vec;

use arrow::compute::interleave_record_batch;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;
use arrow::row::Rows;

use super::error::WarehouseError;
use super::order::RowOrder;
use crate::tables::TableSpec;

/// Rows of a batch on disk: what a merge holds in memory of each run.
const SPILL_ROWS: usize = 128;
/// Shorter than this on average, copying rows into one batch is cheaper than handing on slices.
const SHORTEST_STRETCH: usize = 16;

/// A sorted run.
#[derive(Debug)]
pub(super) enum SortedRun {
    /// Small enough to stay: batches that follow each other in order.
    InMemory(Vec<RecordBatch>),
    /// On disk: some of the batches of a file that runs of many partitions share.
    Spilled(Arc<Path>, Range<usize>),
}

/// The batches of a sorted run.
pub(super) enum SortedBatches {
    InMemory(vec::IntoIter<RecordBatch>),
    Spilled(Arc<Path>, Take<Box<FileReader<BufReader<File>>>>),
}

/// A file in the making that takes the runs of one table: creating a file costs more than writing one partition's rows.
pub(super) struct SpillFile {
    path: Arc<Path>,
    writer: FileWriter<BufWriter<File>>,
    batches: usize,
}

impl SortedRun {
    /// Brings batches into order; rows of one key keep the order in which they came.
    ///
    /// Reports come one after the other and each is in order by itself, so mostly it is enough to put whole stretches in order,
    /// which copies no row.
    pub(super) fn sort(
        table: &'static TableSpec,
        batches: &[RecordBatch],
    ) -> Result<Self, WarehouseError> {
        let merge = || WarehouseError::merge(table.name);
        let order = RowOrder::new(table).map_err(merge())?;
        let keys = batches
            .iter()
            .map(|batch| order.rows(batch))
            .collect::<Result<Vec<_>, _>>()
            .map_err(merge())?;
        if let Some(stretches) = stretches_in_order(&keys) {
            let slice = |stretch: &Stretch| {
                Some(
                    batches
                        .get(stretch.batch)?
                        .slice(stretch.start, stretch.rows),
                )
            };
            return Ok(Self::InMemory(stretches.iter().filter_map(slice).collect()));
        }
        let mut places: Vec<_> = keys
            .iter()
            .enumerate()
            .flat_map(|(batch, rows)| {
                rows.iter()
                    .enumerate()
                    .map(move |(row, key)| (key, batch, row))
            })
            .collect();
        places.sort_unstable();
        let places: Vec<_> = places
            .into_iter()
            .map(|(_, batch, row)| (batch, row))
            .collect();
        let held: Vec<&RecordBatch> = batches.iter().collect();
        let sorted = interleave_record_batch(&held, &places).map_err(merge())?;
        Ok(Self::InMemory(vec![sorted]))
    }

    pub(super) fn batches(self) -> Result<SortedBatches, WarehouseError> {
        match self {
            Self::InMemory(batches) => {
                let pieces: Vec<_> = batches.iter().flat_map(pieces).collect();
                Ok(SortedBatches::InMemory(pieces.into_iter()))
            }
            Self::Spilled(path, batches) => {
                let file = File::open(&path).map_err(WarehouseError::io("open", &path))?;
                let reader =
                    FileReader::try_new(BufReader::new(file), None).and_then(|mut reader| {
                        reader.set_index(batches.start)?;
                        Ok(reader)
                    });
                let reader = reader.map_err(|error| failed("read", &path, error))?;
                let batches = Box::new(reader).take(batches.len());
                Ok(SortedBatches::Spilled(path, batches))
            }
        }
    }
}

impl SpillFile {
    pub(super) fn create(table: &'static TableSpec, path: &Path) -> Result<Self, WarehouseError> {
        let file = File::create_new(path).map_err(WarehouseError::io("create", path))?;
        let writer = FileWriter::try_new(BufWriter::new(file), &table.schema())
            .map_err(|error| failed("write", path, error))?;
        Ok(Self {
            path: Arc::from(path),
            writer,
            batches: 0,
        })
    }

    /// Adds the batches of a run; where they lie.
    pub(super) fn append(&mut self, batches: &[RecordBatch]) -> Result<SortedRun, WarehouseError> {
        let start = self.batches;
        for batch in batches.iter().flat_map(pieces) {
            let written = self.writer.write(&batch);
            written.map_err(|error| failed("write", &self.path, error))?;
            self.batches += 1;
        }
        Ok(SortedRun::Spilled(
            Arc::clone(&self.path),
            start..self.batches,
        ))
    }

    /// Completes the file; only then its runs can be read.
    pub(super) fn finish(mut self) -> Result<(), WarehouseError> {
        let finished = self.writer.finish();
        finished.map_err(|error| failed("write", &self.path, error))
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

/// The batch in pieces that a merge can hold.
fn pieces(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> + '_ {
    let starts = (0..batch.num_rows()).step_by(SPILL_ROWS);
    starts.map(|start| batch.slice(start, SPILL_ROWS.min(batch.num_rows() - start)))
}

/// Rows of one batch that follow each other in order.
struct Stretch {
    batch: usize,
    start: usize,
    rows: usize,
}

/// The stretches of all batches in order, where they are long and none reaches into another; else `None`.
fn stretches_in_order(keys: &[Rows]) -> Option<Vec<Stretch>> {
    let mut stretches = Vec::new();
    for (batch, rows) in keys.iter().enumerate() {
        let mut start = 0;
        for row in 1..=rows.num_rows() {
            if row == rows.num_rows() || rows.row(row) < rows.row(row - 1) {
                stretches.push((
                    rows.row(start),
                    rows.row(row - 1),
                    Stretch {
                        batch,
                        start,
                        rows: row - start,
                    },
                ));
                start = row;
            }
        }
    }
    let total: usize = keys.iter().map(Rows::num_rows).sum();
    if total < stretches.len() * SHORTEST_STRETCH && stretches.len() > 1 {
        return None;
    }
    stretches.sort_by(|left, right| left.0.cmp(&right.0));
    let is_disjoint = stretches
        .windows(2)
        .all(|pair| matches!(pair, [left, right] if left.1 < right.0));
    is_disjoint.then(|| {
        stretches
            .into_iter()
            .map(|(_, _, stretch)| stretch)
            .collect()
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only one of Arrow's errors holds the system's"
)]
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
