//! Publishes generation after generation of one partition, for readers that query it all the while.
//!
//! ```text
//! cargo run --example publish_often -- FOLDER GENERATIONS
//! ```
//!
//! Generation `g` has `2000 + 100 (g mod 10)` rows in `attendance_intervals`, each with `g` as its duration. So a reader knows by
//! itself whether what it got is one generation and whole.

use std::io::Write as _;
use std::time::Duration;

use teamsheet::ids::{InvocationId, RunId};
use teamsheet::job::place::WarehousePlace;
use teamsheet::job::plan::{PublishBy, WarehousePlan};
use teamsheet::tables::{ATTENDANCE_INTERVALS, AttendanceIntervalRow, AttendanceIntervals};
use teamsheet::time::{EventDate, UtcMicros, WarehouseTimezone};
use teamsheet::warehouse::Warehouse;

const DAY: EventDate = EventDate(20_454);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (root, generations) = (arguments.next(), arguments.next());
    let root = root.ok_or("which folder?")?;
    let generations: i32 = generations.ok_or("how many generations?")?.parse()?;
    let warehouse = Warehouse::open(&WarehousePlan {
        place: WarehousePlace::Folder(root.into()),
        holder: InvocationId::new("publisher"),
        timezone: WarehouseTimezone::utc(),
        publish: PublishBy::Exchange,
        staging: None,
        wait_lock: Duration::ZERO,
    })?;
    for generation in 1..=generations {
        let mut staging = warehouse.staging(&RunId::new(format!("{generation:06}")))?;
        staging.append(&ATTENDANCE_INTERVALS, DAY, &rows(generation)?)?;
        let lock = warehouse.try_lock()?.ok_or("the lock is held")?;
        warehouse.recover(&lock)?;
        let built = warehouse.build(&lock, staging, &[])?;
        let outcome = warehouse.publish(&lock, built)?;
        if outcome.published != 1 {
            return Err("nothing was published".into());
        }
        // the first one tells the readers that there is something to read
        writeln!(std::io::stdout(), "{generation}")?;
    }
    Ok(())
}

fn rows(generation: i32) -> Result<arrow::record_batch::RecordBatch, Box<dyn std::error::Error>> {
    let mut rows = AttendanceIntervals::default();
    for row in 0..2_000 + 100 * (generation % 10) {
        rows.append(&AttendanceIntervalRow {
            tenant_id: "tenant".into(),
            report_id: "report".into(),
            record_index: row,
            interval_index: 0,
            join_date_time: Some(UtcMicros(i64::from(row) * 7_919)),
            leave_date_time: None,
            duration_in_seconds: Some(generation),
        });
    }
    Ok(rows.finish()?)
}
