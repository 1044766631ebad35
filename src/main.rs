//! The `teamsheet` program: parse, run, render, exit code; everything else is in the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    teamsheet::cli::main(std::env::args_os()).await.into()
}
