//! `teamsheet schema`: the contract of the tables.

use std::io::{self, Write as _};

use super::super::args::{SchemaArguments, SchemaForm};
use super::super::exit::ExitStatus;
use super::super::{Context, Failure};
use crate::tables::contract::{as_duckdb, as_json, as_spark};
use crate::tables::{TABLES, TableSpec};

/// There is no table of this name.
#[derive(Debug, thiserror::Error)]
#[error("there is no table `{0}`")]
struct UnknownTable(String);

/// Prints the contract of one table, or of all.
///
/// # Errors
/// [`Failure`] where there is no such table (exit status 2), or standard output is gone (1).
pub fn schema(flags: &SchemaArguments, _: &Context) -> Result<ExitStatus, Failure> {
    let tables: Vec<&TableSpec> = match &flags.table {
        None => TABLES.to_vec(),
        Some(name) => {
            let table = TABLES.into_iter().find(|table| table.name == name);
            vec![table.ok_or_else(|| unknown(name))?]
        }
    };
    let contract = match flags.form {
        SchemaForm::Json => as_json(&tables).map_err(|error| Failure {
            error: Box::new(error),
            hint: None,
            status: ExitStatus::Failed,
        })?,
        SchemaForm::Duckdb => as_duckdb(&tables),
        SchemaForm::Spark => as_spark(&tables),
    };
    io::stdout()
        .write_all(contract.as_bytes())
        .or_else(Failure::unless_pipe_closed)?;
    Ok(ExitStatus::Published)
}

fn unknown(name: &str) -> Failure {
    let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
    Failure {
        error: Box::new(UnknownTable(name.to_owned())),
        hint: Some(format!("name one of {}, or none for all", names.join(", "))),
        status: ExitStatus::Usage,
    }
}
