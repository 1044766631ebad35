//! The logical hash of a partition: of its rows in order, not of its bytes.
//!
//! Each column is hashed by itself as three streams: validity, lengths and values. Streams do not know where one batch ends and the
//! next begins, so the hash does not depend on that either. Bookkeeping columns are left out.

use arrow::array::{Array, ArrayRef, AsArray as _, BooleanArray};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;

use crate::tables::TableSpec;

/// The hash of a table's rows in the making.
pub(super) struct ContentHasher {
    columns: Vec<(usize, ColumnHasher)>,
    rows: u64,
}

#[derive(Default)]
struct ColumnHasher {
    validity: blake3::Hasher,
    lengths: blake3::Hasher,
    values: blake3::Hasher,
    children: Vec<ColumnHasher>,
    /// Reused between batches.
    buffer: Vec<u8>,
}

impl ContentHasher {
    pub(super) fn new(table: &TableSpec) -> Self {
        let columns = (table.columns)()
            .into_iter()
            .enumerate()
            .filter(|(_, column)| !column.bookkeeping);
        Self {
            columns: columns
                .map(|(index, _)| (index, ColumnHasher::default()))
                .collect(),
            rows: 0,
        }
    }

    /// Adds the batch's rows; the batch has the table's columns in the contract's order.
    pub(super) fn update(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for (index, hasher) in &mut self.columns {
            hasher.update(batch.column(*index));
        }
    }

    /// 64 lower-case hex digits.
    pub(super) fn finish(&self) -> String {
        let mut all = blake3::Hasher::new();
        all.update(&self.rows.to_le_bytes());
        for (_, hasher) in &self.columns {
            hasher.finish(&mut all);
        }
        all.finalize().to_hex().to_string()
    }
}

impl ColumnHasher {
    fn update(&mut self, column: &ArrayRef) {
        self.buffer.clear();
        self.buffer
            .extend((0..column.len()).map(|row| u8::from(column.is_valid(row))));
        self.validity.update(&self.buffer);
        self.buffer.clear();
        match column.data_type() {
            DataType::Utf8 => self.update_text(column),
            DataType::Int32 => self.update_fixed(
                column
                    .as_primitive::<Int32Type>()
                    .iter()
                    .map(|value| value.unwrap_or_default().to_le_bytes()),
            ),
            DataType::Date32 => self.update_fixed(
                column
                    .as_primitive::<Date32Type>()
                    .iter()
                    .map(|value| value.unwrap_or_default().to_le_bytes()),
            ),
            DataType::Int64 => self.update_fixed(
                column
                    .as_primitive::<Int64Type>()
                    .iter()
                    .map(|value| value.unwrap_or_default().to_le_bytes()),
            ),
            DataType::Timestamp(_, _) => {
                let values = column.as_primitive::<TimestampMicrosecondType>();
                self.update_fixed(
                    values
                        .iter()
                        .map(|value| value.unwrap_or_default().to_le_bytes()),
                );
            }
            DataType::Boolean => {
                let values: &BooleanArray = column.as_boolean();
                self.update_fixed(
                    values
                        .iter()
                        .map(|value| [u8::from(value.unwrap_or_default())]),
                );
            }
            DataType::List(_) => {
                let lists = column.as_list::<i32>();
                for row in 0..lists.len() {
                    let items = lists.is_valid(row).then(|| lists.value(row));
                    let length = items.as_ref().map_or(0, |items| items.len()) as u64;
                    self.buffer.extend(length.to_le_bytes());
                    if let Some(items) = items.filter(|items| !items.is_empty()) {
                        self.child(0).update(&items);
                    }
                }
                self.lengths.update(&self.buffer);
            }
            DataType::Struct(_) => {
                for (index, child) in column.as_struct().columns().iter().enumerate() {
                    self.child(index).update(child);
                }
            }
            // the contract has no other type; a test holds it to that
            _ => {}
        }
    }

    fn update_fixed<const N: usize>(&mut self, values: impl Iterator<Item = [u8; N]>) {
        self.buffer.extend(values.flatten());
        self.values.update(&self.buffer);
    }

    fn update_text(&mut self, column: &ArrayRef) {
        let texts = column.as_string::<i32>();
        for text in texts {
            self.buffer
                .extend((text.map_or(0, str::len) as u64).to_le_bytes());
        }
        self.lengths.update(&self.buffer);
        self.buffer.clear();
        for text in texts.iter().flatten() {
            self.buffer.extend(text.as_bytes());
        }
        self.values.update(&self.buffer);
    }

    fn child(&mut self, index: usize) -> &mut Self {
        while self.children.len() <= index {
            self.children.push(Self::default());
        }
        // just made long enough
        #[expect(
            clippy::indexing_slicing,
            reason = "the loop above made it long enough"
        )]
        &mut self.children[index]
    }

    fn finish(&self, all: &mut blake3::Hasher) {
        for stream in [&self.validity, &self.lengths, &self.values] {
            all.update(stream.finalize().as_bytes());
        }
        for child in &self.children {
            child.finish(all);
        }
    }
}
