//! The logical hash of a partition: of its rows in order, not of its bytes.
//!
//! Each column is hashed by itself as three streams: validity, lengths and values. Streams do not know where one batch ends and the
//! next begins, so the hash does not depend on that either. Bookkeeping columns are left out.

use std::ops::Range;

use arrow::array::{
    Array as _, ArrayRef, ArrowPrimitiveType, AsArray as _, BooleanArray, ListArray,
    PrimitiveArray, StringArray,
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
const STREAM_BYTES: usize = 8 * 1024;

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

    /// Adds bytes that lie together already: many are not copied.
    fn add(&mut self, bytes: &[u8]) {
        if bytes.len() >= STREAM_BYTES {
            self.hasher.update(&self.pending);
            self.pending.clear();
            self.hasher.update(bytes);
        } else {
            self.pending.extend_from_slice(bytes);
            self.settle();
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
        if column.null_count() == 0 {
            self.values.add(column.values().inner().as_slice());
            return;
        }
        let pending = self.values.pending();
        for value in column {
            pending.extend_from_slice(value.unwrap_or_default().to_byte_slice());
        }
        self.values.settle();
    }

    /// A null counts as empty, whatever lies in its place; mostly nothing does, so that all text lies together.
    fn update_text(&mut self, column: &StringArray) {
        let lengths = self.lengths.pending();
        lengths.reserve(column.len() * size_of::<u64>());
        let mut is_dense = true;
        match column.nulls() {
            None => {
                for length in lengths_of(column.value_offsets()) {
                    lengths.extend(length.to_le_bytes());
                }
            }
            Some(nulls) => {
                for (is_valid, length) in nulls.iter().zip(lengths_of(column.value_offsets())) {
                    is_dense &= is_valid || length == 0;
                    lengths.extend((if is_valid { length } else { 0 }).to_le_bytes());
                }
            }
        }
        self.lengths.settle();
        if is_dense {
            let values = column.value_data();
            self.values
                .add(values.get(span(column.value_offsets())).unwrap_or_default());
            return;
        }
        let values = self.values.pending();
        for text in column.iter().flatten() {
            values.extend_from_slice(text.as_bytes());
        }
        self.values.settle();
    }

    /// The items of all rows lie together; a list column holds no nulls.
    fn update_lists(&mut self, column: &ListArray) {
        let lengths = self.lengths.pending();
        for length in lengths_of(column.value_offsets()) {
            lengths.extend(length.to_le_bytes());
        }
        self.lengths.settle();
        let items = span(column.value_offsets());
        if !items.is_empty() {
            let items = column.values().slice(items.start, items.len());
            self.child(0).update(&items);
        }
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

/// The lengths that the offsets of a column tell.
fn lengths_of(offsets: &[i32]) -> impl Iterator<Item = u64> + '_ {
    let pairs = offsets.windows(2);
    pairs
        .map(|pair| pair.iter().rev().copied().reduce(|end, start| end - start))
        .map(|length| {
            length
                .and_then(|length| u64::try_from(length).ok())
                .unwrap_or_default()
        })
}

/// What lies between the first offset of a column and its last.
fn span(offsets: &[i32]) -> Range<usize> {
    let at = |offset: Option<&i32>| {
        offset
            .and_then(|at| usize::try_from(*at).ok())
            .unwrap_or_default()
    };
    at(offsets.first())..at(offsets.last())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;
    use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};

    use super::*;

    fn hash(columns: &[ArrayRef]) -> String {
        let mut all = blake3::Hasher::new();
        let mut hasher = ColumnHasher::default();
        for column in columns {
            hasher.update(column);
        }
        hasher.finish(&mut all);
        all.finalize().to_hex().to_string()
    }

    #[test]
    fn what_lies_below_a_null_does_not_count() {
        let offsets = OffsetBuffer::new(vec![0, 2, 5, 6].into());
        let nulls = NullBuffer::from(vec![true, false, true]);
        let dirty = StringArray::new(offsets, Buffer::from(b"abXYZc".as_slice()), Some(nulls));
        let clean = StringArray::from(vec![Some("ab"), None, Some("c")]);
        assert_eq!(hash(&[Arc::new(dirty)]), hash(&[Arc::new(clean.clone())]));
        let empty = StringArray::from(vec![Some("ab"), Some(""), Some("c")]);
        assert_ne!(hash(&[Arc::new(clean)]), hash(&[Arc::new(empty)]));
    }

    #[test]
    fn slices_hash_like_the_whole() {
        let text: ArrayRef = Arc::new(
            (0..40_000)
                .map(|row| (row % 7 != 0).then(|| format!("row {row}")))
                .collect::<StringArray>(),
        );
        let mut lists = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
        for row in 0..1_000 {
            lists.append_value((0..row % 4).map(|item| Some(format!("{row}.{item}"))));
        }
        let lists: ArrayRef = Arc::new(lists.finish());
        for whole in [text, lists] {
            let cut = whole.len() / 3;
            let pieces = [
                whole.slice(0, cut),
                whole.slice(cut, 0),
                whole.slice(cut, 1),
                whole.slice(cut + 1, whole.len() - cut - 1),
            ];
            assert_eq!(hash(&pieces), hash(&[ArrayRef::clone(&whole)]));
            assert_ne!(hash(&pieces[1..]), hash(&[whole]));
        }
    }

    /// The hash lies in every published file: another one would make all of them look damaged.
    #[test]
    fn the_hash_of_known_rows_stays_what_it_is() {
        let text = StringArray::from(vec![Some("ab"), None, Some("")]);
        let mut lists = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
        lists.append_value([Some("x"), Some("yz")]);
        lists.append_value(Vec::<Option<&str>>::new());
        let numbers = PrimitiveArray::<Int64Type>::from(vec![Some(5), None]);
        let hashes = [
            hash(&[Arc::new(text)]),
            hash(&[Arc::new(lists.finish())]),
            hash(&[Arc::new(numbers)]),
            hash(&[Arc::new(BooleanArray::from(vec![Some(true), None]))]),
        ];
        assert_eq!(
            hashes.map(|hash| hash.chars().take(16).collect::<String>()),
            [
                "8f2195687d1204fb",
                "633d807c478e9b84",
                "6e2bfdbbc90829a4",
                "14c5faa9c15f286f"
            ]
        );
    }
}
