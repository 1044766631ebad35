//! Peak memory of the real program: 1,000,000 records with 2,000,000 intervals over 30 days, and a tenth of that.
//!
//! ```text
//! cargo bench --bench flat_memory                       the whole, and a tenth
//! cargo bench --bench flat_memory -- --records 100000   a smaller run by itself
//! ```
//!
//! The program backfills in a process of its own from a tenant that takes no memory; what it says of itself (`peak_memory_bytes`, the
//! system's high-water mark) is held against 200 MiB, and against 1.2 times that of the smaller run.

mod graph_double;

use std::process::Command;
use std::time::Instant;

use graph_double::{DAYS, Size, serve};
use serde_json::Value;
use teamsheet::time::{DAY, UtcMicros};

type Failure = Box<dyn std::error::Error>;

/// Records of the run that the promise is about.
const WHOLE: usize = 1_000_000;
const MEBIBYTE: f64 = 1024.0 * 1024.0;
/// The most that a run of a million records may take, in MiB.
const PEAK: f64 = 200.0;
/// The most that it may take in proportion to a run a tenth the size.
const GROWTH: f64 = 1.2;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let asked = arguments
        .iter()
        .skip_while(|argument| *argument != "--records")
        .nth(1);
    let records: usize = asked.map_or(Ok(WHOLE), |count| count.parse())?;
    // below that a run takes less than it may, so its growth says nothing
    let tenth = (records >= WHOLE)
        .then(|| measure(records / 10))
        .transpose()?;
    let whole = measure(records)?;
    let growth = tenth.map_or(1.0, |tenth| whole / tenth);
    if whole > PEAK || growth > GROWTH {
        return Err(format!(
            "the peak is {whole:.1} MiB, {growth:.2} times that of a tenth; at most {PEAK} MiB and {GROWTH} times are promised"
        )
        .into());
    }
    Ok(())
}

/// Peak memory of a backfill, in MiB.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
#[expect(clippy::print_stdout, reason = "a benchmark tells what it measured")]
fn measure(records: usize) -> Result<f64, Failure> {
    let attendees = 100;
    let meetings_each = 200;
    let size = Size {
        organizers: records.div_ceil(attendees * meetings_each).max(1),
        meetings_each,
        attendees,
        first_day: UtcMicros(20_454 * DAY),
    };
    let origin = serve(size)?;
    let folder = tempfile::tempdir()?;
    let job = folder.path().join("memory.toml");
    std::fs::write(
        &job,
        format!(
            "[tenant]\nid = \"contoso.example\"\n[auth]\nmethod = \"client-secret\"\nclient_id = \"app\"\n\
             client_secret = {{ env = \"SECRET\" }}\n[sources.online_meetings]\n[warehouse]\nuri = \"{}\"\n\
             [graph]\nendpoint = \"{origin}\"\nauthority = \"{origin}\"\n\
             [limits]\nattendance = \"none\"\ncalendar = \"none\"\ndirectory = \"none\"\n",
            folder.path().join("warehouse").display(),
        ),
    )?;
    let began = Instant::now();
    let day = |day: i64| size.first_day.plus(day * DAY).to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_teamsheet"))
        .args(["backfill", "--format", "json", "--job"])
        .arg(&job)
        .args(["--from", &day(0), "--to", &day(DAYS)])
        .env("SECRET", "not-a-secret")
        .output()?;
    let summary = String::from_utf8(output.stdout)?;
    let summary: Value = serde_json::from_str(summary.lines().next().unwrap_or_default())?;
    let number = |name: &str| summary.get(name).and_then(Value::as_f64);
    if !output.status.success() || number("records") != Some(size.records() as f64) {
        let log = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{summary}\n{log}").into());
    }
    let peak = number("peak_memory_bytes").unwrap_or_default() / MEBIBYTE;
    println!(
        "{:>9} records  {:>9} intervals  {:>7} reports  peak {peak:>6.1} MiB  {:>6.1} s",
        size.records(),
        number("intervals").unwrap_or_default(),
        number("reports").unwrap_or_default(),
        began.elapsed().as_secs_f64()
    );
    Ok(peak)
}
