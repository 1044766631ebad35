//! Sorted runs and the published rows of one partition, into one sorted stream.
//!
//! ```text
//! published  a1 a2 b1 c1        units replaced: a, c
//! staged     a1'   a3  c1       a1' differs from a1; c1 is equal in all but bookkeeping
//! merged     a1' a3 b1 c1       a2 is gone with its unit; the published c1 stays whole
//! ```
//!
//! Memory: one batch of each input, and one of output.

use std::collections::BTreeSet;
use std::ops::Range;

use arrow::array::{AsArray as _, StringArray};
use arrow::compute::interleave_record_batch;
use arrow::record_batch::RecordBatch;
use arrow::row::Rows;

use super::error::WarehouseError;
use super::order::{RowContent, RowOrder};
use crate::tables::TableSpec;

/// Rows of an output batch.
const OUTPUT_ROWS: usize = 2_048;
/// Fewer rows than this are collected into a batch of their own.
const SHORTEST_STRETCH: usize = 64;

/// The batches of one input, in order.
pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, WarehouseError>>>;

/// Merges one partition.
pub(super) struct Merge<'a> {
    table: &'static TableSpec,
    order: RowOrder,
    content: Option<RowContent>,
    replaced: &'a BTreeSet<String>,
    inputs: Vec<Input>,
    /// Batches that rows of the output in the making lie in.
    held: Vec<RecordBatch>,
    output: Vec<(usize, usize)>,
}

struct Input {
    batches: Batches,
    is_published: bool,
    /// The place of the present batch in `held`, its rows as comparable bytes, and the row that is next.
    head: Option<(usize, Rows, usize)>,
}

/// Where a row lies.
#[derive(Clone, Copy)]
struct Place {
    batch: usize,
    row: usize,
}

impl<'a> Merge<'a> {
    /// `staged` in the order in which it was staged: of rows with one key the last wins.
    pub(super) fn new(
        table: &'static TableSpec,
        published: Option<Batches>,
        staged: Vec<Batches>,
        replaced: &'a BTreeSet<String>,
    ) -> Result<Self, WarehouseError> {
        let merge = || WarehouseError::merge(table.name);
        let input = |batches, is_published| Input {
            batches,
            is_published,
            head: None,
        };
        let inputs = published.into_iter().map(|batches| input(batches, true));
        let mut merging = Self {
            table,
            order: RowOrder::new(table).map_err(merge())?,
            content: RowContent::new(table).map_err(merge())?,
            replaced,
            inputs: inputs
                .chain(staged.into_iter().map(|batches| input(batches, false)))
                .collect(),
            held: Vec::new(),
            output: Vec::with_capacity(OUTPUT_ROWS),
        };
        for index in 0..merging.inputs.len() {
            merging.advance_batch(index)?;
        }
        Ok(merging)
    }

    /// Hands each output batch to `write`, in order.
    pub(super) fn run(
        mut self,
        mut write: impl FnMut(&RecordBatch) -> Result<(), WarehouseError>,
    ) -> Result<(), WarehouseError> {
        while let Some(first) = self.smallest() {
            if let Some(stretch) = self.take_stretch(first) {
                self.flush(&mut write)?;
                write(&stretch)?;
                self.leave_spent_batch(first)?;
                continue;
            }
            let (published, staged) = self.take_equal(first)?;
            let chosen = match (published, staged) {
                (Some(published), Some(staged)) if self.says_the_same(published, staged)? => {
                    Some(published)
                }
                (_, Some(staged)) => Some(staged),
                (Some(published), None) => (!self.is_replaced(published)).then_some(published),
                (None, None) => None,
            };
            self.output
                .extend(chosen.map(|place| (place.batch, place.row)));
            if self.output.len() >= OUTPUT_ROWS {
                self.flush(&mut write)?;
            }
        }
        self.flush(&mut write)
    }

    /// The input whose next row comes first.
    fn smallest(&self) -> Option<usize> {
        let heads = self.inputs.iter().enumerate().filter_map(|(index, input)| {
            let (_, rows, row) = input.head.as_ref()?;
            Some((rows.row(*row), index))
        });
        heads.min().map(|(_, index)| index)
    }

    /// Takes the rows of an input that come before every other input's next one, where they are many and no key is among them
    /// twice: they are handed on as they lie, without a copy. Published rows that are replaced are not among them.
    fn take_stretch(&mut self, first: usize) -> Option<RecordBatch> {
        let others = self
            .inputs
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != first);
        let bound = others
            .filter_map(|(_, input)| input.head.as_ref().map(|(_, rows, row)| rows.row(*row)))
            .min();
        let input = self.inputs.get(first)?;
        let (batch, rows, start) = input.head.as_ref()?;
        let (batch, start) = (*batch, *start);
        let end = bound.map_or(rows.num_rows(), |bound| {
            first_not_before(rows, start, bound)
        });
        // a staged key may go on in the input's next batch; a published one is there once
        let goes_on = !input.is_published;
        let end = end.min(rows.num_rows() - usize::from(goes_on));
        let end = if input.is_published {
            self.first_replaced(batch, start..end)
        } else {
            end
        };
        if end < start + SHORTEST_STRETCH {
            return None;
        }
        let keys = (start..end).map(|row| rows.row(row));
        let is_unique = keys
            .clone()
            .zip(keys.skip(1))
            .all(|(left, right)| left != right);
        if !is_unique {
            return None;
        }
        let stretch = self
            .held
            .get(batch)
            .map(|held| held.slice(start, end - start));
        if let Some((_, _, row)) = self
            .inputs
            .get_mut(first)
            .and_then(|input| input.head.as_mut())
        {
            *row = end;
        }
        stretch
    }

    /// The first of the rows whose unit is replaced, or the end.
    fn first_replaced(&self, batch: usize, rows: Range<usize>) -> usize {
        let units = self.units(batch);
        let Some(units) = units.filter(|_| !self.replaced.is_empty()) else {
            return rows.end;
        };
        let mut last = None;
        // rows of one unit follow each other
        let is_replaced = |row: &usize| {
            let unit = units.value(*row);
            last.replace(unit) != Some(unit) && self.replaced.contains(unit)
        };
        let end = rows.end;
        rows.into_iter().find(is_replaced).unwrap_or(end)
    }

    /// Takes every row with the key of that input's next one: the published one, and the last that was staged.
    fn take_equal(
        &mut self,
        first: usize,
    ) -> Result<(Option<Place>, Option<Place>), WarehouseError> {
        let Some(key) = self.inputs.get(first).and_then(|input| {
            let (_, rows, row) = input.head.as_ref()?;
            Some(rows.row(*row).owned())
        }) else {
            return Ok((None, None));
        };
        let mut published = None;
        let mut staged = None;
        for index in 0..self.inputs.len() {
            while let Some((place, is_published)) = self.next_if(index, &key) {
                if is_published {
                    published = Some(place);
                } else {
                    staged = Some(place);
                }
                self.advance(index)?;
            }
        }
        Ok((published, staged))
    }

    fn next_if(&self, index: usize, key: &arrow::row::OwnedRow) -> Option<(Place, bool)> {
        let input = self.inputs.get(index)?;
        let (batch, rows, row) = input.head.as_ref()?;
        (rows.row(*row) == key.row()).then_some((
            Place {
                batch: *batch,
                row: *row,
            },
            input.is_published,
        ))
    }

    fn advance(&mut self, index: usize) -> Result<(), WarehouseError> {
        let Some((_, rows, row)) = self
            .inputs
            .get_mut(index)
            .and_then(|input| input.head.as_mut())
        else {
            return Ok(());
        };
        *row += 1;
        if *row < rows.num_rows() {
            Ok(())
        } else {
            self.advance_batch(index)
        }
    }

    /// Goes on to the input's next batch where every row of the present one was taken.
    fn leave_spent_batch(&mut self, index: usize) -> Result<(), WarehouseError> {
        let head = self.inputs.get(index).and_then(|input| input.head.as_ref());
        if head.is_some_and(|(_, rows, row)| *row == rows.num_rows()) {
            self.advance_batch(index)?;
        }
        Ok(())
    }

    fn advance_batch(&mut self, index: usize) -> Result<(), WarehouseError> {
        let Some(input) = self.inputs.get_mut(index) else {
            return Ok(());
        };
        input.head = None;
        while let Some(batch) = input.batches.next().transpose()? {
            if batch.num_rows() > 0 {
                let rows = self
                    .order
                    .rows(&batch)
                    .map_err(WarehouseError::merge(self.table.name))?;
                input.head = Some((self.held.len(), rows, 0));
                self.held.push(batch);
                break;
            }
        }
        Ok(())
    }

    fn says_the_same(&self, published: Place, staged: Place) -> Result<bool, WarehouseError> {
        let (Some(content), Some(left), Some(right)) = (
            &self.content,
            self.held.get(published.batch),
            self.held.get(staged.batch),
        ) else {
            return Ok(false);
        };
        content
            .is_equal((left, published.row), (right, staged.row))
            .map_err(WarehouseError::merge(self.table.name))
    }

    fn is_replaced(&self, place: Place) -> bool {
        let units = self.units(place.batch);
        units.is_some_and(|units| self.replaced.contains(units.value(place.row)))
    }

    fn units(&self, batch: usize) -> Option<&StringArray> {
        let units = self.held.get(batch)?;
        units
            .column_by_name(self.table.replaced_by)?
            .as_string_opt::<i32>()
    }

    fn flush(
        &mut self,
        write: &mut impl FnMut(&RecordBatch) -> Result<(), WarehouseError>,
    ) -> Result<(), WarehouseError> {
        if !self.output.is_empty() {
            let held: Vec<&RecordBatch> = self.held.iter().collect();
            let batch = interleave_record_batch(&held, &self.output)
                .map_err(WarehouseError::merge(self.table.name))?;
            self.output.clear();
            write(&batch)?;
        }
        // only the batches that inputs still stand in are needed any longer, each by one of them
        let mut held: Vec<_> = std::mem::take(&mut self.held)
            .into_iter()
            .map(Some)
            .collect();
        let mut kept = Vec::with_capacity(self.inputs.len());
        for input in &mut self.inputs {
            if let Some((batch, _, _)) = &mut input.head
                && let Some(still_needed) = held.get_mut(*batch).and_then(Option::take)
            {
                kept.push(still_needed);
                *batch = kept.len() - 1;
            }
        }
        self.held = kept;
        Ok(())
    }
}

/// The first row from `start` on that does not come before the bound; the rows are in order.
fn first_not_before(rows: &Rows, start: usize, bound: arrow::row::Row<'_>) -> usize {
    let (mut low, mut high) = (start, rows.num_rows());
    while low < high {
        let middle = low + (high - low) / 2;
        if rows.row(middle) < bound {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
