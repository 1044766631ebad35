//! One Parquet data file: written whole, read as the contract has it today.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::content_hash::ContentHasher;
use super::error::WarehouseError;
use super::hidden::{is_hidden, name_once};
use super::layout::{partition_name, refuse_symlink};
use super::object_version::{GenerationId, ObjectVersion};
use crate::tables::TableSpec;
use crate::time::EventDate;

/// Key of the logical hash in the file's metadata.
const CONTENT_HASH: &str = "teamsheet.content_hash";
const SCHEMA_VERSION: &str = "teamsheet.schema_version";
const TABLE: &str = "teamsheet.table";
/// Key of the partition's name; files of before this was written lack it.
const PARTITION: &str = "teamsheet.partition";
/// Version of the contract that this program writes.
const CONTRACT_VERSION: &str = "1";
/// Rows a row group: what one writer holds in memory, compressed.
const ROW_GROUP_ROWS: usize = 131_072;
/// Bytes of one column's dictionary: what a writer holds of each column, with as much again to find its values.
const DICTIONARY_BYTES: usize = 64 * 1024;
/// Bytes and rows of a page: what a writer holds of each column before it is compressed.
const PAGE_BYTES: usize = 32 * 1024;
const PAGE_ROWS: usize = 4_096;
/// How often a partition that is exchanged at the same moment is looked at.
const LOOKS: usize = 5;
/// Rows written at a time.
const WRITE_ROWS: usize = 2_048;
/// Rows read at a time.
const READ_ROWS: usize = 2_048;

/// Writes one data file.
pub(super) struct PartitionWriter {
    table: &'static TableSpec,
    date: EventDate,
    path: PathBuf,
    writer: ArrowWriter<File>,
    hasher: ContentHasher,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
}

impl PartitionWriter {
    pub(super) fn create(
        table: &'static TableSpec,
        date: EventDate,
        path: &Path,
    ) -> Result<Self, WarehouseError> {
        let file = File::create_new(path).map_err(WarehouseError::io("create", path))?;
        // a dictionary of instants only costs: nearly every one is another
        let instants = table.schema();
        let instants = instants
            .fields()
            .iter()
            .filter(|field| matches!(field.data_type(), DataType::Timestamp(_, _)));
        let properties = instants.fold(WriterProperties::builder(), |properties, field| {
            properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), false)
        });
        let properties = properties
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            .set_data_page_size_limit(PAGE_BYTES)
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_created_by(concat!("teamsheet ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = ArrowWriter::try_new(file, table.schema(), Some(properties))
            .map_err(unwritable(path))?;
        Ok(Self {
            table,
            date,
            path: path.to_owned(),
            writer,
            hasher: ContentHasher::new(table),
            pending: Vec::new(),
            pending_rows: 0,
        })
    }

    /// Adds rows behind those that are there; they come in the contract's order.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), WarehouseError> {
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = (WRITE_ROWS - self.pending_rows).min(batch.num_rows() - start);
            self.pending.push(batch.slice(start, rows));
            self.pending_rows += rows;
            start += rows;
            if self.pending_rows == WRITE_ROWS {
                self.write_pending()?;
            }
        }
        Ok(())
    }

    /// Where a page ends depends on how many rows come at a time, so they always come in the same numbers.
    fn write_pending(&mut self) -> Result<(), WarehouseError> {
        self.pending_rows = 0;
        let pending = std::mem::take(&mut self.pending);
        let whole = match pending.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            several => concat_batches(&self.table.schema(), several)
                .map_err(WarehouseError::merge(self.table.name))?,
        };
        self.hasher.update(&whole);
        self.writer.write(&whole).map_err(unwritable(&self.path))
    }

    /// Completes the file and makes it durable; its logical hash.
    pub(super) fn finish(mut self) -> Result<String, WarehouseError> {
        self.write_pending()?;
        let hash = self.hasher.finish();
        let partition = partition_name(self.table, self.date);
        for (key, value) in [
            (CONTENT_HASH, hash.as_str()),
            (SCHEMA_VERSION, CONTRACT_VERSION),
            (TABLE, self.table.name),
            (PARTITION, partition.as_str()),
        ] {
            self.writer
                .append_key_value_metadata(KeyValue::new(key.to_owned(), value.to_owned()));
        }
        // not by `into_inner`, whose error tells a full disk only as text
        self.writer.finish().map_err(unwritable(&self.path))?;
        let file = self.writer.inner();
        file.sync_all()
            .map_err(WarehouseError::io("sync", &self.path))?;
        Ok(hash)
    }
}

/// A published data file, opened.
pub(super) struct PartitionReader {
    pub(super) table: &'static TableSpec,
    pub(super) path: PathBuf,
    /// Its logical hash, where it says one.
    pub(super) content_hash: Option<String>,
    /// The object that it is a copy of.
    pub(super) version: Option<ObjectVersion>,
    builder: ParquetRecordBatchReaderBuilder<File>,
}

/// The rows of a data file, with the columns of today's contract.
pub(super) struct PartitionRows {
    table: &'static TableSpec,
    path: PathBuf,
    /// The promised columns, or those of them that were asked for.
    schema: SchemaRef,
    reader: ParquetRecordBatchReader,
}

impl PartitionReader {
    /// Opens the one file of a partition folder that readers see; `None` where there is no such folder.
    ///
    /// A publisher may exchange the folder between listing it and opening its file: then it is looked at again.
    pub(super) fn open(
        table: &'static TableSpec,
        folder: &Path,
    ) -> Result<Option<Self>, WarehouseError> {
        let mut opened = Self::open_once(table, folder);
        for _ in 1..LOOKS {
            match &opened {
                Err(WarehouseError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                Err(WarehouseError::NotOneFile { found, .. }) if found.is_empty() => {}
                Ok(_) | Err(_) => break,
            }
            opened = Self::open_once(table, folder);
        }
        opened
    }

    fn open_once(table: &'static TableSpec, folder: &Path) -> Result<Option<Self>, WarehouseError> {
        if !refuse_symlink(folder)? {
            return Ok(None);
        }
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(WarehouseError::io("list", folder))?;
        let (hidden, entries): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| is_hidden(&entry.file_name()));
        for entry in &hidden {
            name_once(&entry.path());
        }
        let [entry] = entries.as_slice() else {
            let names = entries.iter().map(fs::DirEntry::file_name);
            let mut found: Vec<_> = names
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            found.sort_unstable();
            return Err(WarehouseError::NotOneFile {
                path: folder.to_owned(),
                found,
            });
        };
        let path = entry.path();
        refuse_symlink(&path)?;
        let file = File::open(&path).map_err(WarehouseError::io("open", &path))?;
        Self::of_file(table, file, path).map(Some)
    }

    /// Opens the local copy of an object; `path` is where errors say it lies.
    #[cfg(feature = "object-store")]
    pub(super) fn of_object(
        table: &'static TableSpec,
        file: File,
        path: PathBuf,
        version: ObjectVersion,
    ) -> Result<Self, WarehouseError> {
        let mut reader = Self::of_file(table, file, path)?;
        reader.version = Some(version);
        Ok(reader)
    }

    fn of_file(
        table: &'static TableSpec,
        file: File,
        path: PathBuf,
    ) -> Result<Self, WarehouseError> {
        // types come from the columns themselves: a damaged copy of the Arrow schema makes its reader panic
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = guarded(&path, || {
            ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        })?;
        if let Some(other) = said(&builder, TABLE).filter(|other| other != table.name) {
            return Err(WarehouseError::Damaged {
                path,
                source: ParquetError::General(format!("it is a file of the table `{other}`")),
            });
        }
        let known = table.schema();
        if let Some(field) = builder
            .schema()
            .fields()
            .iter()
            .find(|field| known.field_with_name(field.name()).is_err())
        {
            return Err(WarehouseError::NewerSchema {
                path,
                column: field.name().clone(),
            });
        }
        let content_hash = said(&builder, CONTENT_HASH);
        Ok(Self {
            table,
            path,
            content_hash,
            version: None,
            builder,
        })
    }

    /// Which other partition it says that it was written for; a file of before says none.
    pub(super) fn other_place(&self, date: EventDate) -> Option<String> {
        let partition = said(&self.builder, PARTITION)?;
        (partition != partition_name(self.table, date)).then_some(partition)
    }

    /// Which generation it is.
    pub(super) fn generation(&self) -> GenerationId {
        match &self.version {
            #[cfg(feature = "object-store")]
            Some(version) => GenerationId::of_object(version.clone()),
            _ => GenerationId::of_file(self.path.clone()),
        }
    }

    /// Whether it lacks no column of today's contract.
    pub(super) fn has_every_column(&self) -> bool {
        self.builder.schema().fields().len() == self.table.schema().fields().len()
    }

    /// How many rows its footer says it has.
    pub(super) fn row_count(&self) -> u64 {
        let rows = self.builder.metadata().file_metadata().num_rows();
        u64::try_from(rows).unwrap_or_default()
    }

    /// Makes the hash of its rows anew: over the columns that it has, since an older file was hashed without today's.
    pub(super) fn hasher(&self) -> ContentHasher {
        let schema = self.builder.schema();
        ContentHasher::of_columns(self.table, |name| schema.field_with_name(name).is_ok())
    }

    pub(super) fn rows(self) -> Result<PartitionRows, WarehouseError> {
        let schema = self.table.schema();
        self.rows_as(schema)
    }

    /// The same with these columns only, in the contract's order.
    pub(super) fn rows_of(self, names: &[&str]) -> Result<PartitionRows, WarehouseError> {
        let schema = self.table.schema();
        let wanted = schema.fields().iter().enumerate();
        let wanted: Vec<usize> = wanted
            .filter(|(_, field)| names.contains(&field.name().as_str()))
            .map(|(index, _)| index)
            .collect();
        let schema = schema
            .project(&wanted)
            .map_err(WarehouseError::merge(self.table.name))?;
        self.rows_as(schema.into())
    }

    fn rows_as(self, schema: SchemaRef) -> Result<PartitionRows, WarehouseError> {
        let Self {
            table,
            path,
            builder,
            ..
        } = self;
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let columns = ProjectionMask::columns(builder.parquet_schema(), names);
        let builder = builder.with_batch_size(READ_ROWS).with_projection(columns);
        let reader = guarded(&path, || builder.build())?;
        Ok(PartitionRows {
            table,
            path,
            schema,
            reader,
        })
    }
}

impl PartitionRows {
    /// The batch with the promised columns; one that an older file lacks is null.
    fn complete(&self, batch: &RecordBatch) -> Result<RecordBatch, WarehouseError> {
        let schema = SchemaRef::clone(&self.schema);
        let columns = schema.fields().iter().map(|field| {
            let other = || WarehouseError::OtherSchema {
                path: self.path.clone(),
                column: field.name().clone(),
            };
            match batch.column_by_name(field.name()) {
                Some(column) if column.data_type() == field.data_type() => {
                    Ok(ArrayRef::clone(column))
                }
                None if field.is_nullable() => {
                    Ok(new_null_array(field.data_type(), batch.num_rows()))
                }
                Some(_) | None => Err(other()),
            }
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(schema, columns).map_err(WarehouseError::merge(self.table.name))
    }
}

impl Iterator for PartitionRows {
    type Item = Result<RecordBatch, WarehouseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = guarded(&self.path, || {
            self.reader.next().transpose().map_err(ParquetError::from)
        });
        let batch = batch.transpose()?;
        Some(batch.and_then(|batch| self.complete(&batch)))
    }
}

/// What the file's metadata says under a key.
fn said(builder: &ParquetRecordBatchReaderBuilder<File>, key: &str) -> Option<String> {
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let mut pairs = metadata.into_iter().flatten();
    pairs.find(|pair| pair.key == key)?.value.clone()
}

/// Reads what may be damaged, which makes Parquet's reader fail or, for some footers, panic.
fn guarded<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, WarehouseError> {
    // what a panic leaves behind is not used again
    let read = panic::catch_unwind(AssertUnwindSafe(read));
    let read = read.unwrap_or_else(|_| {
        let text = "the reader could not make sense of it";
        Err(ParquetError::General(text.to_owned()))
    });
    read.map_err(|source| WarehouseError::Damaged {
        path: path.to_owned(),
        source,
    })
}

/// A failed write: a full disk is told as what it is.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only one of Parquet's errors holds the system's"
)]
fn unwritable(path: &Path) -> impl FnOnce(ParquetError) -> WarehouseError {
    let path = path.to_owned();
    move |error| {
        let source = match error {
            ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
                Ok(error) => *error,
                Err(other) => std::io::Error::other(other),
            },
            other => std::io::Error::other(other),
        };
        WarehouseError::Io {
            action: "write",
            path,
            source,
        }
    }
}
