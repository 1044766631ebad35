//! The `teamsheet` program: parse, run, render, exit code; everything else is in the library.

use std::process::ExitCode;

use teamsheet::cli;
use teamsheet::cli::exit::ExitStatus;

fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        return ExitStatus::Failed.into();
    };
    let status = runtime.block_on(cli::main(std::env::args_os()));
    // a file operation that a signal left behind must not keep the process
    runtime.shutdown_background();
    status.into()
}
