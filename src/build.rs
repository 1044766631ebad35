//! What `teamsheet --version` says of its build: the commit where it can be known, and the features.
//!
//! The commit is, in this order: `TEAMSHEET_COMMIT` at build time (a container has no repository), what `cargo package` wrote into the
//! crate, what git says. Git is asked for release builds only: a development build would be made anew for every commit.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// As many hex digits as nobody mistakes for another commit.
const SHOWN: usize = 12;

fn main() {
    println!("cargo::rerun-if-env-changed=TEAMSHEET_COMMIT");
    println!("cargo::rerun-if-changed=src/build.rs");
    let mut parts = Vec::new();
    if let Some(commit) = given().or_else(packaged).or_else(from_git) {
        let shown: String = commit.chars().take(SHOWN).collect();
        parts.push(format!("commit {shown}"));
    }
    let features = [("demo", "DEMO"), ("object-store", "OBJECT_STORE")];
    let has = |name: &&str| env::var_os(format!("CARGO_FEATURE_{name}")).is_some();
    let mut features: Vec<_> = features
        .into_iter()
        .filter_map(|(feature, name)| has(&name).then_some(feature))
        .collect();
    if features.is_empty() {
        features.push("none");
    }
    parts.push(format!("features {}", features.join(", ")));
    println!("cargo::rustc-env=TEAMSHEET_BUILD={}", parts.join(", "));
}

fn given() -> Option<String> {
    env::var("TEAMSHEET_COMMIT")
        .ok()
        .filter(|text| is_commit(text))
}

/// The file that `cargo package` adds: `{"git": {"sha1": "…"}, …}`.
fn packaged() -> Option<String> {
    let text = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let quoted = text.split("\"sha1\"").nth(1)?.split('"').nth(1)?;
    Some(quoted.to_owned()).filter(|text| is_commit(text))
}

fn from_git() -> Option<String> {
    if env::var("PROFILE").ok()? != "release" {
        return None;
    }
    for path in [".git/HEAD", ".git/logs/HEAD"] {
        // one that is not there would be taken for changed at every build
        if Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let output = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| is_commit(text))
}

fn is_commit(text: &str) -> bool {
    text.len() >= SHOWN && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
