//! The contract of a table in the forms its readers take: JSON, DuckDB views, Spark DDL.
//!
//! `schemas/` holds what these functions return; a test keeps the two equal.

use arrow::datatypes::DataType;
use serde::Serialize;

use super::TABLES;
use super::spec::{ColumnSpec, TableSpec};
use super::views::ATTENDEES;

/// Where the generated statements look for the tables unless they are told otherwise.
const DEFAULT_WAREHOUSE: &str = "./warehouse";

/// A table's contract, in the order in which people read it.
#[derive(Serialize)]
struct Contract {
    table: &'static str,
    one_row_per: &'static str,
    partition_column: PartitionColumn,
    key: &'static [&'static str],
    order: &'static [&'static str],
    columns: Vec<Column>,
}

#[derive(Serialize)]
struct PartitionColumn {
    name: &'static str,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Column {
    name: &'static str,
    r#type: String,
    nullable: bool,
    description: &'static str,
    graph_property: Option<&'static str>,
    bookkeeping: bool,
}

/// The contract as pretty-printed JSON with a newline at the end: an object for one table, an array for several.
///
/// # Errors
/// Those of serialising, which do not occur.
pub fn as_json(tables: &[&TableSpec]) -> serde_json::Result<String> {
    let contracts: Vec<_> = tables.iter().map(|table| contract(table)).collect();
    let json = match contracts.as_slice() {
        [one] => serde_json::to_string_pretty(one)?,
        several => serde_json::to_string_pretty(several)?,
    };
    Ok(json + "\n")
}

fn contract(table: &TableSpec) -> Contract {
    let column = |column: ColumnSpec| Column {
        name: column.name,
        r#type: type_name(&column.data_type),
        nullable: column.nullable,
        description: column.doc,
        graph_property: column.graph,
        bookkeeping: column.bookkeeping,
    };
    Contract {
        table: table.name,
        one_row_per: table.row,
        partition_column: PartitionColumn {
            name: table.partition_column,
            r#type: "DATE",
        },
        key: table.key,
        order: table.order,
        columns: (table.columns)().into_iter().map(column).collect(),
    }
}

/// DuckDB views over the tables' partitions, and over several tables where all of them are asked for.
///
/// The glob names the partition level: `**` would also match what is being staged. The path is read from the variable `warehouse`.
pub fn as_duckdb(tables: &[&TableSpec]) -> String {
    let head = format!(
        "-- Views over the warehouse in {DEFAULT_WAREHOUSE}; elsewhere: SET VARIABLE warehouse = '/path/to/warehouse';\n"
    );
    let view = |table: &&TableSpec| {
        let TableSpec {
            name,
            row,
            partition_column: partition,
            ..
        } = table;
        format!(
            "\n-- one row per {row}\nCREATE OR REPLACE VIEW {name} AS\nSELECT * FROM read_parquet(\n    \
             coalesce(getvariable('warehouse'), '{DEFAULT_WAREHOUSE}') || '/{name}/{partition}=*/*.parquet',\n    \
             hive_partitioning = true, hive_types = {{'{partition}': DATE}}, union_by_name = true);\n"
        )
    };
    let over_several = (tables.len() == TABLES.len()).then(|| ATTENDEES.to_owned());
    std::iter::once(head)
        .chain(tables.iter().map(view))
        .chain(over_several)
        .collect()
}

/// Spark DDL of external tables over the partitions; `${warehouse}` is the configuration value `warehouse`.
pub fn as_spark(tables: &[&TableSpec]) -> String {
    let head = "-- External tables over the warehouse; first: SET warehouse=/path/to/warehouse;\n\
                -- Run the MSCK statements again after each run, so that Spark sees new days.\n";
    let table = |table: &&TableSpec| {
        let TableSpec {
            name,
            row,
            partition_column: partition,
            ..
        } = table;
        let column = |column: &ColumnSpec| {
            let comment = column.doc.replace('\'', "\\'");
            let kind = spark_type(&column.data_type);
            format!("    {} {kind} COMMENT '{comment}'", column.name)
        };
        let columns: Vec<String> = (table.columns)().iter().map(column).collect();
        let columns = columns.join(",\n");
        format!(
            "\n-- one row per {row}\nCREATE TABLE IF NOT EXISTS {name} (\n{columns},\n    {partition} DATE\n)\nUSING parquet\n\
             PARTITIONED BY ({partition})\nLOCATION '${{warehouse}}/{name}';\nMSCK REPAIR TABLE {name};\n"
        )
    };
    std::iter::once(head.to_owned())
        .chain(tables.iter().map(table))
        .collect()
}

/// The type as the contract names it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the contract uses a few of Arrow's many types"
)]
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "UTF8".to_owned(),
        DataType::Int32 => "INT32".to_owned(),
        DataType::Int64 => "INT64".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(_, _) => "TIMESTAMP(MICROS, UTC)".to_owned(),
        DataType::List(item) => format!("LIST<{}>", type_name(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|field| format!("{}: {}", field.name(), type_name(field.data_type())))
                .collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// The type in Spark's SQL.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the contract uses a few of Arrow's many types"
)]
fn spark_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "STRING".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(_, _) => "TIMESTAMP".to_owned(),
        DataType::List(item) => format!("ARRAY<{}>", spark_type(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|field| format!("{}: {}", field.name(), spark_type(field.data_type())))
                .collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        other => other.to_string(),
    }
}
