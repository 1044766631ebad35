//! The logical hash of a partition: of its rows in order, not of its bytes.
//!
//! Each column is hashed by itself as three streams: validity, lengths and values. Streams do not know where one batch ends and the
//! next begins, so the hash does not depend on that either. Bookkeeping columns are left out.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray as _, BooleanArray, ListArray, PrimitiveArray,
    StringArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType, ToByteSlice as _,
};
use arrow::record_batch::RecordBatch;

use crate::tables::TableSpec;

/// The hash of a table's rows in the making.
pub(super) struct ContentHasher {
    columns: Vec<(usize, ColumnHasher)>,
    rows: u64,
}

#[derive(Default)]
struct ColumnHasher {
    validity: Stream,
    lengths: Stream,
    values: Stream,
    children: Vec<Self>,
}

/// Bytes on their way into a hash, collected so that the hash sees many at once.
#[derive(Default)]
struct Stream {
    hasher: blake3::Hasher,
    pending: Vec<u8>,
}

/// Pending bytes of a stream before they are hashed.
const STREAM_BYTES: usize = 64 * 1024;

impl Stream {
    /// Where bytes are added; call [`settle`](Self::settle) afterwards.
    fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    fn settle(&mut self) {
        if self.pending.len() >= STREAM_BYTES {
            self.hasher.update(&self.pending);
            self.pending.clear();
        }
    }

    fn finish(&self) -> blake3::Hash {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.pending);
        hasher.finalize()
    }
}

impl ContentHasher {
    pub(super) fn new(table: &TableSpec) -> Self {
        Self::of_columns(table, |_| true)
    }

    /// The hash as a version of the contract made it that had these columns only.
    pub(super) fn of_columns(table: &TableSpec, has: impl Fn(&str) -> bool) -> Self {
        let columns = (table.columns)()
            .into_iter()
            .enumerate()
            .filter(|(_, column)| !column.bookkeeping && has(column.name));
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
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the contract uses a few of Arrow's many types"
    )]
    fn update(&mut self, column: &ArrayRef) {
        let validity = self.validity.pending();
        match column.nulls() {
            None => validity.resize(validity.len() + column.len(), 1),
            Some(nulls) => validity.extend(nulls.iter().map(u8::from)),
        }
        self.validity.settle();
        match column.data_type() {
            DataType::Utf8 => self.update_text(column.as_string()),
            DataType::Int32 => self.update_primitive(column.as_primitive::<Int32Type>()),
            DataType::Date32 => self.update_primitive(column.as_primitive::<Date32Type>()),
            DataType::Int64 => self.update_primitive(column.as_primitive::<Int64Type>()),
            DataType::Timestamp(_, _) => {
                self.update_primitive(column.as_primitive::<TimestampMicrosecondType>());
            }
            DataType::Boolean => {
                let values: &BooleanArray = column.as_boolean();
                self.values.pending().extend(
                    values
                        .iter()
                        .map(|value| u8::from(value.unwrap_or_default())),
                );
                self.values.settle();
            }
            DataType::List(_) => self.update_lists(column.as_list()),
            DataType::Struct(_) => {
                for (index, child) in column.as_struct().columns().iter().enumerate() {
                    self.child(index).update(child);
                }
            }
            // the contract has no other type; a test holds it to that
            _ => {}
        }
    }

    /// A null counts as 0, whatever lies in its place.
    fn update_primitive<T: ArrowPrimitiveType>(&mut self, column: &PrimitiveArray<T>) {
        let pending = self.values.pending();
        if column.null_count() == 0 {
            pending.extend_from_slice(column.values().inner().as_slice());
        } else {
            for value in column {
                pending.extend_from_slice(value.unwrap_or_default().to_byte_slice());
            }
        }
        self.values.settle();
    }

    fn update_text(&mut self, column: &StringArray) {
        let lengths = self.lengths.pending();
        for text in column {
            lengths.extend((text.map_or(0, str::len) as u64).to_le_bytes());
        }
        self.lengths.settle();
        let values = self.values.pending();
        for text in column.iter().flatten() {
            values.extend_from_slice(text.as_bytes());
        }
        self.values.settle();
    }

    fn update_lists(&mut self, column: &ListArray) {
        for row in 0..column.len() {
            let items = column.is_valid(row).then(|| column.value(row));
            let length = items.as_deref().map_or(0, Array::len) as u64;
            self.lengths.pending().extend(length.to_le_bytes());
            if let Some(items) = items.filter(|items| !items.is_empty()) {
                self.child(0).update(&items);
            }
        }
        self.lengths.settle();
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
            all.update(stream.finish().as_bytes());
        }
        for child in &self.children {
            child.finish(all);
        }
    }
}
