//! The `teamsheet` program: parse, run, render, exit code; everything else is in the library.

use std::process::ExitCode;

use rustix::process::Rlimit;
use teamsheet::cli;
use teamsheet::cli::exit::ExitStatus;

const NO_CORE: Rlimit = Rlimit {
    current: Some(0),
    maximum: Some(0),
};

fn main() -> ExitCode {
    // a core file would hold tokens and secrets; where the system does not allow it, nothing else can be done
    rustix::process::setrlimit(rustix::process::Resource::Core, NO_CORE).ok();
    // one thread is far ahead of what Graph allows, and memory does not depend on how many cores there are
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return ExitStatus::Failed.into();
    };
    let status = runtime.block_on(cli::main(std::env::args_os()));
    // a file operation that a signal left behind must not keep the process
    runtime.shutdown_background();
    status.into()
}
