//! One function a verb: flags in, exit status out.

mod check;
#[cfg(feature = "demo")]
mod demo;
mod import;
mod init;
mod login;
mod manual;
mod plan;
mod record;
mod run;
mod schema;
mod status;
mod verify;

use std::io::{self, Write as _};

use serde_json::json;

use super::Failure;
use super::args::OutputFormat;
use crate::warehouse::WarehouseError;

pub use check::check;
#[cfg(feature = "demo")]
pub use demo::demo;
pub use import::import;
pub use init::init;
pub use login::login;
pub use manual::{completions, man};
pub use plan::plan;
pub use run::{backfill, run};
pub use schema::schema;
pub use status::status;
pub use verify::verify;

/// What a program reads of a warehouse that no run has published into; people read the error.
fn tell_nothing_there(verb: &str, warehouse: &str, format: OutputFormat, failure: &Failure) {
    let is_nothing_there = failure
        .error
        .downcast_ref()
        .is_some_and(|error| matches!(error, WarehouseError::NothingThere { .. }));
    if is_nothing_there && format == OutputFormat::Json {
        let line = json!({
            "verb": verb,
            "warehouse": warehouse,
            "has_published": false,
            "error": failure.error.to_string(),
            "exit_code": failure.status.code(),
        });
        // where standard output is gone, standard error and the exit status still tell
        writeln!(io::stdout().lock(), "{line}").ok();
    }
}
