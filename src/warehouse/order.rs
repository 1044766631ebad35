//! The order of a table's rows, as bytes that compare like the rows do.

use arrow::array::ArrayRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, Rows, SortField};

use crate::tables::TableSpec;

/// The key column that every row of a warehouse shares.
const TENANT: &str = "tenant_id";

/// Compares rows of one table by its order and, behind that, its key.
pub(super) struct RowOrder {
    converter: RowConverter,
    columns: Vec<usize>,
}

/// Compares rows of one table by everything but bookkeeping.
pub(super) struct RowContent(RowOrder);

impl RowOrder {
    pub(super) fn new(table: &TableSpec) -> Result<Self, ArrowError> {
        let mut names = table.order.to_vec();
        names.extend(table.key.iter().filter(|name| !table.order.contains(name)));
        // a warehouse holds one tenant, so its id tells no two rows apart
        names.retain(|name| *name != TENANT);
        Self::of(table, &names)
    }

    fn of(table: &TableSpec, names: &[&str]) -> Result<Self, ArrowError> {
        let schema = table.schema();
        let columns = names
            .iter()
            .map(|name| schema.index_of(name))
            .collect::<Result<Vec<_>, _>>()?;
        let fields = columns
            .iter()
            .map(|column| SortField::new(schema.field(*column).data_type().clone()));
        Ok(Self {
            converter: RowConverter::new(fields.collect())?,
            columns,
        })
    }

    /// The batch's rows as comparable bytes.
    pub(super) fn rows(&self, batch: &RecordBatch) -> Result<Rows, ArrowError> {
        let columns: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|column| ArrayRef::clone(batch.column(*column)))
            .collect();
        self.converter.convert_columns(&columns)
    }
}

impl RowContent {
    /// `None` where the table has no bookkeeping, so that equal keys of equal content need no telling apart.
    pub(super) fn new(table: &TableSpec) -> Result<Option<Self>, ArrowError> {
        if !(table.columns)().iter().any(|column| column.bookkeeping) {
            return Ok(None);
        }
        RowOrder::of(table, &table.content_columns())
            .map(Self)
            .map(Some)
    }

    /// Whether two rows say the same.
    pub(super) fn is_equal(
        &self,
        left: (&RecordBatch, usize),
        right: (&RecordBatch, usize),
    ) -> Result<bool, ArrowError> {
        let left = self.0.rows(&left.0.slice(left.1, 1))?;
        let right = self.0.rows(&right.0.slice(right.1, 1))?;
        Ok(left.row(0) == right.row(0))
    }
}
