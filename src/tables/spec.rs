//! What a table promises, and the macro that makes spec, row type and Arrow columns from one list of columns.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

/// One published table.
#[derive(Debug)]
pub struct TableSpec {
    /// The folder below the warehouse root.
    pub name: &'static str,
    /// What one row stands for.
    pub row: &'static str,
    /// The column of the partition folders, `event_date` or `run_date`; it is not in the files.
    pub partition_column: &'static str,
    /// The columns that name a row.
    pub key: &'static [&'static str],
    /// The column whose value a merge replaces as a whole: all rows of a report go together.
    pub replaced_by: &'static str,
    /// The order of the rows in a file.
    pub order: &'static [&'static str],
    /// The columns, in their order.
    pub columns: fn() -> Vec<ColumnSpec>,
}

/// One column of a table.
#[derive(Debug)]
pub struct ColumnSpec {
    /// The name in the files.
    pub name: &'static str,
    /// The Arrow type.
    pub data_type: DataType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether it only tells when and by whom the row was made: rows that differ in nothing else are the same row.
    pub bookkeeping: bool,
    /// Graph's property, or `None` where the column is ours.
    pub graph: Option<&'static str>,
    /// What it means.
    pub doc: &'static str,
}

impl TableSpec {
    /// The Arrow schema of every file of the table.
    pub fn schema(&self) -> SchemaRef {
        let fields = (self.columns)()
            .into_iter()
            .map(|column| Field::new(column.name, column.data_type, column.nullable));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The columns that are content: all but bookkeeping.
    pub fn content_columns(&self) -> Vec<&'static str> {
        (self.columns)()
            .into_iter()
            .filter(|column| !column.bookkeeping)
            .map(|column| column.name)
            .collect()
    }
}

/// A batch does not have a table's columns.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A column is missing, has another type or a null where none may be.
    #[error("column `{column}` of table `{table}` is missing or not as the contract has it")]
    Column {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// Arrow refused the columns.
    #[error("the rows of table `{table}` do not make a batch")]
    Batch {
        /// The table.
        table: &'static str,
        /// Arrow's reason.
        #[source]
        source: arrow::error::ArrowError,
    },
}

/// Declares a table once: its spec, the row type and the builder of its batches.
///
/// Each column is `name: RustType = content|bookkeeping, graph "entity.property" | ours, "what it means"`.
macro_rules! table {
    (
        $(#[$doc:meta])*
        $spec:ident / $row:ident / $builder:ident = $name:literal {
            row: $one_row:literal,
            partition: $partition:literal,
            key: [$($key:literal),+],
            replaced_by: $replaced_by:literal,
            order: [$($order:literal),+],
        }
        $($column:ident: $type:ty = $role:ident, $source:ident $($property:literal)?, $meaning:literal;)+
    ) => {
        $(#[$doc])*
        pub static $spec: $crate::tables::spec::TableSpec = $crate::tables::spec::TableSpec {
            name: $name,
            row: $one_row,
            partition_column: $partition,
            key: &[$($key),+],
            replaced_by: $replaced_by,
            order: &[$($order),+],
            columns,
        };

        #[expect(clippy::extra_unused_lifetimes, reason = "the column types name it")]
        fn columns<'a>() -> Vec<$crate::tables::spec::ColumnSpec> {
            vec![$($crate::tables::spec::ColumnSpec {
                name: stringify!($column),
                data_type: <$type as $crate::tables::cell::Cell>::data_type(),
                nullable: <$type as $crate::tables::cell::Cell>::NULLABLE,
                bookkeeping: $crate::tables::spec::role!($role),
                graph: $crate::tables::spec::origin!($source $($property)?),
                doc: $meaning,
            }),+]
        }

        #[doc = concat!("One row of `", $name, "`: ", $one_row, ".")]
        #[allow(clippy::pub_underscore_fields, reason = "the contract's column names")]
        #[derive(Debug, Clone, PartialEq)]
        pub struct $row<'a> {
            $(#[doc = $meaning] pub $column: $type,)+
        }

        #[doc = concat!("Collects rows of `", $name, "` into a batch.")]
        #[derive(Debug)]
        pub struct $builder<'a> {
            rows: usize,
            $($column: <$type as $crate::tables::cell::Cell>::Builder,)+
        }

        impl<'a> Default for $builder<'a> {
            fn default() -> Self {
                Self { rows: 0, $($column: <$type as $crate::tables::cell::Cell>::builder(),)+ }
            }
        }

        impl<'a> $builder<'a> {
            /// Adds a row at the end.
            pub fn append(&mut self, row: &$row<'_>) {
                $($crate::tables::cell::Cell::append(&row.$column, &mut self.$column);)+
                self.rows += 1;
            }

            /// How many rows it holds.
            pub fn len(&self) -> usize {
                self.rows
            }

            /// Whether it holds no row.
            pub fn is_empty(&self) -> bool {
                self.rows == 0
            }

            /// The rows as one batch, in the order they came; the builder is empty after it.
            ///
            /// # Errors
            /// [`TableError::Batch`](crate::tables::TableError) where Arrow refuses the columns; terminal.
            pub fn finish(&mut self) -> Result<arrow::record_batch::RecordBatch, $crate::tables::TableError> {
                let columns: Vec<arrow::array::ArrayRef> = vec![$(std::sync::Arc::new(self.$column.finish())),+];
                self.rows = 0;
                arrow::record_batch::RecordBatch::try_new($spec.schema(), columns)
                    .map_err(|source| $crate::tables::TableError::Batch { table: $name, source })
            }
        }

        impl<'a> $row<'a> {
            /// The rows of a batch, in its order. Columns are found by name; ones the contract does not know are passed over.
            ///
            /// # Errors
            /// [`TableError::Column`](crate::tables::TableError) where a column is missing or of another type; terminal.
            pub fn read_all(batch: &arrow::record_batch::RecordBatch) -> Result<Vec<Self>, $crate::tables::TableError> {
                let missing = |column| $crate::tables::TableError::Column { table: $name, column };
                $(let $column = batch.column_by_name(stringify!($column)).ok_or_else(|| missing(stringify!($column)))?;)+
                (0..batch.num_rows())
                    .map(|row| {
                        Ok(Self {
                            $($column: <$type as $crate::tables::cell::Cell>::read($column, row)
                                .ok_or_else(|| missing(stringify!($column)))?,)+
                        })
                    })
                    .collect()
            }
        }
    };
}

macro_rules! role {
    (content) => {
        false
    };
    (bookkeeping) => {
        true
    };
}

macro_rules! origin {
    (graph $property:literal) => {
        Some($property)
    };
    (ours) => {
        None
    };
}

pub(crate) use {origin, role, table};
