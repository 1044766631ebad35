//! `strace`: what a run does, and a fault at one of its steps.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::support::{Outcome, binary, outcome};

/// The system calls that change files, or open what is changed.
const CALLS: &str =
    "openat,write,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir";
/// Stands for the run's id, which is another one each time.
const RUN: &str = "{run}";
/// Stands for the warehouse.
const WAREHOUSE: &str = "{warehouse}";

/// What the kernel does to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill,
    Io,
    Full,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "signal=KILL",
            Self::Io => "error=EIO",
            Self::Full => "error=ENOSPC",
        }
    }

    /// A full disk fails what needs room.
    pub(crate) fn fits(self, step: &Step) -> bool {
        let needs_room = [
            "openat",
            "write",
            "fsync",
            "mkdir",
            "rename",
            "renameat",
            "renameat2",
        ];
        self != Self::Full || needs_room.contains(&step.call.as_str())
    }
}

/// The `nth` call of one system call on one path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    pub(crate) call: String,
    path: String,
    nth: usize,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} number {} of {}", self.call, self.nth, self.path)
    }
}

impl Step {
    /// A step on a path that is given apart.
    pub(crate) fn new(call: &str, nth: usize) -> Self {
        Self {
            call: call.to_owned(),
            path: String::new(),
            nth,
        }
    }

    /// The steps below the warehouse, in the order in which a log shows them.
    pub(crate) fn of_log(log: &str, warehouse: &str, run_id: &str) -> Vec<Self> {
        let mut seen: BTreeMap<(String, String, String), usize> = BTreeMap::new();
        let mut steps = Vec::new();
        for line in log.lines() {
            let Some((thread, call, path)) = call_and_path(line) else {
                continue;
            };
            // how often a held lock is tried depends on the clock
            if !path.starts_with(warehouse) || path.ends_with("/_teamsheet/lock") {
                continue;
            }
            let path = path.replace(warehouse, WAREHOUSE).replace(run_id, RUN);
            // strace counts in each thread by itself
            let nth = seen
                .entry((thread, call.clone(), path.clone()))
                .or_default();
            *nth += 1;
            let step = Self {
                call,
                path,
                nth: *nth,
            };
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        steps
    }

    /// Where it is in another run.
    pub(crate) fn path(&self, warehouse: &str, run_id: &str) -> String {
        self.path.replace(WAREHOUSE, warehouse).replace(RUN, run_id)
    }
}

/// Thread, system call, and what `strace -P` would match it by: a whole path, or else the folder it is relative to.
fn call_and_path(line: &str) -> Option<(String, String, String)> {
    let (thread, rest) = line.trim_start().split_once(' ')?;
    let (call, arguments) = rest.trim_start().split_once('(')?;
    if !call.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let quoted = arguments.split('"').skip(1).step_by(2);
    let mut paths = quoted.filter(|text| text.starts_with('/'));
    // of `rename` it looks at the first path only
    let path = if call == "rename" {
        paths.next()
    } else {
        paths.last()
    };
    let path = path.or_else(|| {
        let (_, rest) = arguments.split_once('<')?;
        Some(rest.split_once('>')?.0)
    })?;
    Some((thread.to_owned(), call.to_owned(), path.to_owned()))
}

/// An attached `strace`.
pub(crate) struct Strace {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Strace {
    pub(crate) fn watching(pid: u32, log: &Path) -> Self {
        Self::start(pid, log, &["-e", &format!("trace={CALLS}")])
    }

    pub(crate) fn injecting(pid: u32, log: &Path, step: &Step, path: &str, fault: Fault) -> Self {
        let inject = format!("inject={}:{}:when={}", step.call, fault.name(), step.nth);
        let trace = format!("trace={}", step.call);
        Self::start(pid, log, &["-e", &trace, "-P", path, "-e", &inject])
    }

    /// Each such call takes ten seconds from now on.
    pub(crate) fn stalling(pid: u32, log: &Path, call: &str) -> Self {
        let inject = format!("inject={call}:delay_enter=10000000");
        Self::start(pid, log, &["-e", &format!("trace={call}"), "-e", &inject])
    }

    fn start(pid: u32, log: &Path, more: &[&str]) -> Self {
        let mut child = Command::new("strace")
            .args(["-f", "-y", "-s", "0", "-o"])
            .arg(log)
            .args(more)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace is missing: install it (Debian: strace)");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// Until every thread is attached.
    pub(crate) fn wait_until_attached(&mut self) {
        let mut said = String::new();
        while self.stderr.read_line(&mut said).unwrap() > 0 {
            if said.contains(" attached") {
                return;
            }
        }
        panic!(
            "strace could not attach: run as root, or set kernel.yama.ptrace_scope to 0\n{said}"
        );
    }

    /// Ends it; what it traced goes on without it.
    pub(crate) fn detach(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn finish(mut self) {
        // what it still says must not fill the pipe
        let mut rest = String::new();
        while self.stderr.read_line(&mut rest).unwrap() > 0 {}
        self.child.wait().unwrap();
    }
}

/// The program from its start to its end, while one system call always fails.
pub(crate) fn run_without(call: &str, errno: &str, arguments: &[String], log: &Path) -> Outcome {
    let program = binary();
    let mut command = Command::new("strace");
    command
        .args(["-f", "-o"])
        .arg(log)
        .args([
            "-e",
            &format!("trace={call}"),
            "-e",
            &format!("inject={call}:error={errno}"),
        ])
        .arg(program.get_program())
        .args(arguments)
        .env_remove("RUST_LOG");
    for (name, value) in program.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    outcome(command.output().expect("strace is missing"))
}
