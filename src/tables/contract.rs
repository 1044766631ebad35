//! The contract of a table in the forms its readers take: JSON, DuckDB views, Spark DDL.
//!
//! `schemas/` holds what these functions return; a test keeps the two equal.

use arrow::datatypes::DataType;
use serde_json::{Value, json};

use super::spec::TableSpec;

/// Where the generated statements look for the tables unless they are told otherwise.
const DEFAULT_WAREHOUSE: &str = "./warehouse";

/// The contract as a JSON object, pretty-printed, with a newline at the end.
pub fn as_json(table: &TableSpec) -> String {
    let columns: Vec<Value> = (table.columns)()
        .iter()
        .map(|column| {
            json!({
                "name": column.name,
                "type": type_name(&column.data_type),
                "nullable": column.nullable,
                "graph_property": column.graph,
                "bookkeeping": column.bookkeeping,
                "description": column.doc,
            })
        })
        .collect();
    let contract = json!({
        "table": table.name,
        "one_row_per": table.row,
        "partition_column": {"name": table.partition_column, "type": "DATE"},
        "key": table.key,
        "order": table.order,
        "columns": columns,
    });
    format!("{contract:#}\n")
}

/// DuckDB views over the tables' partitions.
///
/// The glob names the partition level: `**` would also match what is being staged. The path is read from the variable `warehouse`.
pub fn as_duckdb(tables: &[&TableSpec]) -> String {
    let mut sql = format!(
        "-- Views over the warehouse in {DEFAULT_WAREHOUSE}; elsewhere: SET VARIABLE warehouse = '/path/to/warehouse';\n"
    );
    for table in tables {
        let (name, partition) = (table.name, table.partition_column);
        sql.push_str(&format!(
            "\n-- one row per {}\nCREATE OR REPLACE VIEW {name} AS\nSELECT * FROM read_parquet(\n    \
             coalesce(getvariable('warehouse'), '{DEFAULT_WAREHOUSE}') || '/{name}/{partition}=*/*.parquet',\n    \
             hive_partitioning = true, hive_types = {{'{partition}': DATE}}, union_by_name = true);\n",
            table.row
        ));
    }
    sql
}

/// Spark DDL of external tables over the partitions; `${warehouse}` is the configuration value `warehouse`.
pub fn as_spark(tables: &[&TableSpec]) -> String {
    let mut sql =
        "-- External tables over the warehouse; first: SET warehouse=/path/to/warehouse;\n\
                   -- Run the MSCK statements again after each run, so that Spark sees new days.\n"
            .to_owned();
    for table in tables {
        let columns: Vec<String> = (table.columns)()
            .iter()
            .map(|column| {
                let comment = column.doc.replace('\'', "\\'");
                format!(
                    "    {} {} COMMENT '{comment}'",
                    column.name,
                    spark_type(&column.data_type)
                )
            })
            .collect();
        let (name, partition) = (table.name, table.partition_column);
        sql.push_str(&format!(
            "\n-- one row per {}\nCREATE TABLE IF NOT EXISTS {name} (\n{},\n    {partition} DATE\n)\nUSING parquet\nPARTITIONED BY ({partition})\n\
             LOCATION '${{warehouse}}/{name}';\nMSCK REPAIR TABLE {name};\n",
            table.row,
            columns.join(",\n")
        ));
    }
    sql
}

/// The type as the contract names it.
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
