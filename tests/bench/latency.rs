//! How well a run uses its time: the real binary against the simulated tenant, under latency and under a limit.
//!
//! ```text
//! cargo bench --bench latency
//! ```
//!
//! First every answer takes 50 ms and nothing is throttled: the wall time of the whole process, discovery, staging and publishing
//! included, is held against requests x latency / concurrency (bound: 1.15). Then the tenant answers 429 to more than N requests a second for
//! meetings and reports, and the job's limit is N: what is used of it once the pace is learnt (bound: 0.95), and how many 429s come
//! then (bound: none). Ends with an error where a bound is not kept. The bounds are ratios within one run, since machines differ.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use teamsheet::simulated_tenant::{
    CLIENT_ID, CLIENT_SECRET, Fault, FaultEffect, SeenRequest, SimulatedTenant, TENANT_ID, World,
    WorldSettings,
};
use teamsheet::time::UtcMicros;
use tokio::runtime::Runtime;

type Failure = Box<dyn Error>;

const LATENCY: Duration = Duration::from_millis(50);
const CONCURRENCY: u32 = 16;
const LATENCY_BOUND: f64 = 1.15;
const LIMITS: [usize; 2] = [20, 50];
const USE_BOUND: f64 = 0.95;
/// Part of the requests for meetings and reports after which a learnt pace is steady.
const STEADY_AFTER: f64 = 0.6;

fn main() -> Result<(), Failure> {
    let mut out = String::new();
    let mut broken = Vec::new();
    let days = 7;
    let ratio = under_latency(&mut out, 400, days)?;
    if ratio > LATENCY_BOUND {
        broken.push("wall time under latency");
    }
    for limit in LIMITS {
        let (used, refused) = under_a_limit(&mut out, limit, days)?;
        if used < USE_BOUND {
            broken.push("use of the limit");
        }
        if refused > 0 {
            broken.push("429s in the steady state");
        }
    }
    std::io::stdout().write_all(out.as_bytes())?;
    if broken.is_empty() {
        Ok(())
    } else {
        Err(format!("not kept: {}", broken.join(", ")).into())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn under_latency(out: &mut String, users: u32, days: u32) -> Result<f64, Failure> {
    let stand = Stand::new(users, days)?;
    stand
        .tenant
        .script(Fault::always("", FaultEffect::Delay(LATENCY)));
    let none = "attendance = \"none\"\ncalendar = \"none\"\nvirtual_events = \"none\"\ndirectory = \"none\"";
    let wall = stand.backfill(days, none)?;
    let requests = stand.tenant.requests().len();
    let ideal = requests as f64 * LATENCY.as_secs_f64() / f64::from(CONCURRENCY);
    let ratio = wall.as_secs_f64() / ideal;
    writeln!(
        out,
        "{requests} requests of {} ms, {CONCURRENCY} at once: {:.2} s, {ratio:.3} of the ideal {ideal:.2} s",
        LATENCY.as_millis(),
        wall.as_secs_f64(),
    )?;
    Ok(ratio)
}

/// The part of the limit that is used, and the 429s, once the pace is steady.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts far below 2^52"
)]
fn under_a_limit(out: &mut String, limit: usize, days: u32) -> Result<(f64, usize), Failure> {
    // as many users as give a minute and a half of work
    let stand = Stand::new(u32::try_from(limit * 4)?, days)?;
    stand.tenant.script(Fault::always(
        "/onlineMeetings",
        FaultEffect::Throttle {
            requests: limit,
            per: Duration::from_secs(1),
        },
    ));
    let limits = format!(
        "attendance = \"{limit}/1s\"\ncalendar = \"none\"\nvirtual_events = \"none\"\ndirectory = \"none\""
    );
    stand.backfill(days, &limits)?;
    let requests = stand.tenant.requests();
    let paced: Vec<&SeenRequest> = requests
        .iter()
        .filter(|request| request.path_and_query.contains("/onlineMeetings"))
        .collect();
    let begin = (paced.len() as f64 * STEADY_AFTER) as usize;
    // the last few only wait for each other
    let steady = paced
        .get(begin..paced.len().saturating_sub(limit))
        .unwrap_or_default();
    let (Some(first), Some(last)) = (steady.first(), steady.last()) else {
        return Err("too few requests".into());
    };
    let seconds = last.at.duration_since(first.at).as_secs_f64();
    let used = (steady.len() - 1) as f64 / seconds / limit as f64;
    let refused = steady
        .iter()
        .filter(|request| request.status == Some(429))
        .count();
    writeln!(
        out,
        "limit of {limit} a second: {:.1} % used over the last {} of {} requests, {refused} times 429",
        used * 100.0,
        steady.len(),
        paced.len()
    )?;
    Ok((used, refused))
}

struct Stand {
    tenant: SimulatedTenant,
    folder: tempfile::TempDir,
    runtime: Runtime,
}

impl Stand {
    fn new(users: u32, days: u32) -> Result<Self, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let world = World::generate(&WorldSettings {
            seed: 1,
            users,
            days,
            now: UtcMicros(i64::try_from(now.as_micros())?),
        });
        let runtime = Runtime::new()?;
        let tenant = runtime.block_on(SimulatedTenant::start(world))?;
        Ok(Self {
            tenant,
            folder: tempfile::tempdir()?,
            runtime,
        })
    }

    /// Backfills every day of the world; how long the process took.
    fn backfill(&self, days: u32, limits: &str) -> Result<Duration, Failure> {
        let job = self.folder.path().join("latency.toml");
        std::fs::write(&job, self.job(limits))?;
        let settings = self.tenant.world().settings;
        let _entered = self.runtime.enter();
        let began = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_teamsheet"))
            .env_remove("RUST_LOG")
            .env("SECRET", CLIENT_SECRET)
            .arg("backfill")
            .arg("--job")
            .arg(path(&job)?)
            .args(["--from", &settings.midnight(0).to_string()])
            .args(["--to", &settings.midnight(days).to_string()])
            .output()?;
        let wall = began.elapsed();
        // 3: the simulated tenant has organizers without an access policy
        if !matches!(output.status.code(), Some(0 | 3)) {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(wall)
    }

    fn job(&self, limits: &str) -> String {
        format!(
            "[tenant]\nid = \"{TENANT_ID}\"\n[auth]\nclient_id = \"{CLIENT_ID}\"\nclient_secret = {{ env = \"SECRET\" }}\n\
             [sources.online_meetings]\n[warehouse]\nuri = \"{}\"\n[run]\nconcurrency = {CONCURRENCY}\n\
             [graph]\nendpoint = \"{}\"\nauthority = \"{}\"\n[limits]\n{limits}\n",
            self.folder.path().join("warehouse").display(),
            self.tenant.endpoint(),
            self.tenant.authority(),
        )
    }
}

fn path(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| "the folder is no text".into())
}
