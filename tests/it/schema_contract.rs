//! `schemas/` is what the code says, and the files are what `schemas/` says.

use std::fs::{self, File};
use std::path::Path;

use parquet::basic::{Compression, LogicalType, Type as PhysicalType};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::Type;
use serde_json::Value;
use teamsheet::tables::TABLES;
use teamsheet::tables::contract::{as_duckdb, as_json, as_spark};

use crate::support::{Stand, partitions};

const REGENERATE: &str = "review the change, then: for t in sessions attendance_reports attendance_records attendance_intervals gaps runs; do \
     cargo run --locked -- schema $t > schemas/$t.json; done; cargo run --locked -- schema --as duckdb > schemas/duckdb.sql; \
     cargo run --locked -- schema --as spark > schemas/spark.sql";

fn reviewed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("schemas")
        .join(name);
    fs::read_to_string(path).unwrap_or_else(|_| panic!("schemas/{name} is missing: {REGENERATE}"))
}

#[test]
fn the_reviewed_contracts_are_those_of_the_code() {
    for table in TABLES {
        let name = format!("{}.json", table.name);
        assert!(
            reviewed(&name) == as_json(&[table]).unwrap(),
            "schemas/{name} differs from the code: {REGENERATE}"
        );
    }
    assert!(
        reviewed("duckdb.sql") == as_duckdb(&TABLES),
        "schemas/duckdb.sql differs from the code: {REGENERATE}"
    );
    assert!(
        reviewed("spark.sql") == as_spark(&TABLES),
        "schemas/spark.sql differs from the code: {REGENERATE}"
    );
}

#[test]
fn keys_orders_and_replaced_units_are_columns() {
    for table in TABLES {
        let columns: Vec<&str> = (table.columns)().iter().map(|column| column.name).collect();
        let named = table
            .key
            .iter()
            .chain(table.order)
            .chain([&table.replaced_by]);
        for name in named {
            assert!(columns.contains(name), "{}: {name}", table.name);
        }
        assert!(
            !columns.contains(&table.partition_column),
            "{}: the folder names the day",
            table.name
        );
    }
}

/// The contract's name of a Parquet column.
fn type_of(column: &Type) -> String {
    if column.is_group() {
        let fields = column.get_fields();
        if matches!(
            column.get_basic_info().logical_type_ref(),
            Some(LogicalType::List)
        ) {
            return format!("LIST<{}>", type_of(&fields[0].get_fields()[0]));
        }
        let fields: Vec<_> = fields
            .iter()
            .map(|field| format!("{}: {}", field.name(), type_of(field)))
            .collect();
        return format!("STRUCT<{}>", fields.join(", "));
    }
    let logical = column
        .get_basic_info()
        .logical_type_ref()
        .map(|logical| format!("{logical:?}"));
    match (column.get_physical_type(), logical.as_deref()) {
        (PhysicalType::BYTE_ARRAY, Some("String")) => "UTF8".to_owned(),
        (PhysicalType::INT32, None) => "INT32".to_owned(),
        (PhysicalType::INT64, None) => "INT64".to_owned(),
        (PhysicalType::BOOLEAN, None) => "BOOLEAN".to_owned(),
        (PhysicalType::INT32, Some("Date")) => "DATE".to_owned(),
        (PhysicalType::INT64, Some(logical))
            if logical.contains("MICROS") && logical.contains("is_adjusted_to_u_t_c: true") =>
        {
            "TIMESTAMP(MICROS, UTC)".to_owned()
        }
        (physical, logical) => format!("{physical} {logical:?}"),
    }
}

#[test]
fn fault_98_every_file_has_the_contracts_columns_and_nothing_else() {
    let stand = Stand::lifelike(20, 2);
    stand.backfill(0, 2, "", &[]);
    for table in TABLES {
        let contract: Value =
            serde_json::from_str(&reviewed(&format!("{}.json", table.name))).unwrap();
        let wanted: Vec<(&str, &str, bool)> = contract["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| {
                (
                    column["name"].as_str().unwrap(),
                    column["type"].as_str().unwrap(),
                    column["nullable"].as_bool().unwrap(),
                )
            })
            .collect();
        let files = partitions(&stand.warehouse(), table.name);
        assert!(!files.is_empty());
        for (_, path) in files {
            let file = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
            let metadata = file.metadata();
            let types: Vec<(String, String, bool)> = metadata
                .file_metadata()
                .schema()
                .get_fields()
                .iter()
                .map(|column| {
                    (
                        column.name().to_owned(),
                        type_of(column),
                        column.is_optional(),
                    )
                })
                .collect();
            let types: Vec<_> = types
                .iter()
                .map(|(name, kind, nullable)| (name.as_str(), kind.as_str(), *nullable))
                .collect();
            assert_eq!(types, wanted, "{}", table.name);
            for group in metadata.row_groups() {
                for column in group.columns() {
                    assert!(
                        matches!(column.compression(), Compression::ZSTD(_)),
                        "{}",
                        column.column_path()
                    );
                    assert!(
                        column.column_index_offset().is_some()
                            && column.offset_index_offset().is_some(),
                        "no page index"
                    );
                    assert!(
                        column.statistics().is_some(),
                        "no statistics: {}",
                        column.column_path()
                    );
                }
            }
        }
    }
}
