//! What lies below a table root: partitions of one readable data file, and nothing else.

use std::fs;
use std::path::Path;

use super::{Check, FindingKind, SoundFile, TableTotals};
use crate::tables::TableSpec;
use crate::warehouse::error::WarehouseError;
use crate::warehouse::hidden::{is_hidden, name_once};
use crate::warehouse::layout::{partition_date, partition_name, refuse_symlink};
use crate::warehouse::partition_file::PartitionReader;

/// Notes the partitions of a table and opens the footer of each data file.
pub(super) fn survey(
    check: &mut Check<'_>,
    table: &'static TableSpec,
) -> Result<TableTotals, WarehouseError> {
    let mut totals = TableTotals {
        table,
        partitions: 0,
        rows: 0,
        bytes: 0,
        older_files: 0,
    };
    let root = check.layout.table(table);
    match refuse_symlink(&root) {
        Ok(true) => {}
        Ok(false) => return Ok(totals),
        Err(_) => {
            let name = name_of(&root);
            check
                .findings
                .add(FindingKind::SymbolicLink, Some(table), None, &name);
            return Ok(totals);
        }
    }
    for path in entries(&root)? {
        let name = name_of(&path);
        if is_hidden(name.as_ref()) {
            name_once(&path);
            continue;
        }
        // `2026-1-5` would be read as a date by some readers and not by others
        let date = partition_date(table, &name).filter(|date| partition_name(table, *date) == name);
        let Some(date) = date.filter(|_| path.is_dir() || path.is_symlink()) else {
            check
                .findings
                .add(FindingKind::StrayEntry, Some(table), None, &name);
            continue;
        };
        match open(table, &path) {
            Ok((reader, bytes)) => {
                let rows = reader.row_count();
                if let Some(named) = reader.other_place(date) {
                    check
                        .findings
                        .add(FindingKind::OtherPlace, Some(table), Some(date), &named);
                } else {
                    check.files.insert((table.name, date), SoundFile { rows });
                }
                if reader.content_hash.is_none() {
                    let name = name_of(&reader.path);
                    check
                        .findings
                        .add(FindingKind::Foreign, Some(table), Some(date), &name);
                }
                totals.partitions += 1;
                totals.rows += rows;
                totals.bytes += bytes;
                totals.older_files += u64::from(!reader.has_every_column());
            }
            Err(error) => check.set_aside(table, date, error)?,
        }
    }
    Ok(totals)
}

/// The one file of a partition folder, and its size.
fn open(
    table: &'static TableSpec,
    folder: &Path,
) -> Result<(PartitionReader, u64), WarehouseError> {
    let other = |found| WarehouseError::NotOneFile {
        path: folder.to_owned(),
        found,
    };
    let reader = PartitionReader::open(table, folder)?.ok_or_else(|| other(Vec::new()))?;
    // what a reader's glob does not match is not there for it
    if reader.path.extension().is_none_or(|end| end != "parquet") {
        return Err(other(vec![name_of(&reader.path)]));
    }
    let bytes = fs::metadata(&reader.path).map_err(WarehouseError::io("read", &reader.path))?;
    Ok((reader, bytes.len()))
}

/// A publish that was announced and not finished, or whose reports must be fetched again.
pub(super) fn open_intents(check: &mut Check<'_>) -> Result<(), WarehouseError> {
    for path in [check.layout.intent(), check.layout.fetch_again()] {
        if path
            .try_exists()
            .map_err(WarehouseError::io("read", &path))?
        {
            check
                .findings
                .add(FindingKind::OpenIntent, None, None, &name_of(&path));
        }
    }
    Ok(())
}

/// What lies in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>, WarehouseError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(WarehouseError::io("list", folder))?;
    let mut paths: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    paths.sort_unstable();
    Ok(paths)
}

/// The last part of a path, as text.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
