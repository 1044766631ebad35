//! Signing in with the real binary: each method, a user's login, what is kept where, and what is refused.

/// A user's login, and the runs that renew it.
mod device_code;
/// What is kept on disk, and who may read it.
mod kept;
/// What Graph, the sign-in host or we refuse.
mod refusals;
/// Each method by itself, and what it prints.
mod ways;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use teamsheet::simulated_tenant::{
    CLIENT_ID, CLIENT_SECRET, Fault, FaultAnswer, FaultEffect, TENANT_ID,
};
use tokio::runtime::Runtime;

use crate::support::{Outcome, Stand, binary, outcome};
use crate::tenant_client::sign_in;

fn stand() -> Stand {
    Stand::lifelike(12, 2)
}

/// The stand's job with another `[auth]`; `users` and `organizers` as given.
fn job(stand: &Stand, auth: &str, reach: &str) -> PathBuf {
    let path = stand.job(&stand.warehouse(), "");
    let text = fs::read_to_string(&path).unwrap();
    let (before, after) = text.split_once("[auth]").unwrap();
    let (_, after) = after.split_once("[warehouse]").unwrap();
    fs::write(
        &path,
        format!("{before}[auth]\n{auth}\n{reach}\n[warehouse]{after}"),
    )
    .unwrap();
    path
}

const EVERYBODY: &str = "[sources.online_meetings]\n[sources.webinars]\n";

/// Runs the program with a state folder of the test's own.
fn teamsheet(stand: &Stand, arguments: &[&str]) -> Command {
    let mut command = binary();
    command
        .args(arguments)
        .env("XDG_STATE_HOME", stand.folder.path().join("state"))
        .current_dir(stand.folder.path());
    command
}

fn run(stand: &Stand, verb: &str, job: &Path) -> Outcome {
    outcome(
        teamsheet(stand, &[verb, "--job", job.to_str().unwrap()])
            .output()
            .unwrap(),
    )
}

fn device_code(stand: &Stand) -> PathBuf {
    let auth = format!("method = \"device-code\"\nclient_id = \"{CLIENT_ID}\"");
    job(stand, &auth, "[sources.online_meetings]\nusers = \"me\"\n")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn state(stand: &Stand) -> (PathBuf, Vec<PathBuf>) {
    let folder = stand.folder.path().join("state/teamsheet");
    let files = fs::read_dir(&folder).map_or_else(
        |_| Vec::new(),
        |entries| entries.map(|entry| entry.unwrap().path()).collect(),
    );
    (folder, files)
}

/// A token of the simulated tenant, as something else would get it.
fn token_of(stand: &Stand) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let signing_in = sign_in(&stand.tenant, &http, TENANT_ID, CLIENT_ID, CLIENT_SECRET);
    let (_, answer) = Runtime::new().unwrap().block_on(signing_in);
    answer["access_token"].as_str().unwrap().to_owned()
}

fn tokens_asked_for(stand: &Stand) -> usize {
    let requests = stand.tenant.requests();
    let tokens = requests
        .iter()
        .filter(|request| request.path_and_query.contains("/oauth2/"));
    tokens.count()
}
