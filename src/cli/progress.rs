//! How far a run is: a bar where standard error is a terminal, a log line now and then elsewhere.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval_at};

use super::args::{GlobalFlags, OutputFormat};
use crate::ledger::tally::Tally;

const REDRAW_EVERY: Duration = Duration::from_millis(200);
const LOG_EVERY: Duration = Duration::from_secs(30);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressDisplay {
    /// A bar that redraws itself.
    Bar,
    /// A log line at the level `info`, every 30 seconds.
    Lines,
}

impl ProgressDisplay {
    /// The display for these flags; a bar only where somebody can see it and no program reads along.
    pub fn choose(global: &GlobalFlags, is_terminal: bool) -> Self {
        if is_terminal && global.quiet == 0 && global.log_format == OutputFormat::Text {
            Self::Bar
        } else {
            Self::Lines
        }
    }

    /// The display for these flags and this process's standard error.
    pub fn for_stderr(global: &GlobalFlags) -> Self {
        Self::choose(global, io::stderr().is_terminal())
    }
}

/// Standard error, shared by log lines and the bar: the bar steps aside while a line is written.
#[derive(Debug, Clone, Default)]
pub struct SharedStderr {
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl SharedStderr {
    fn show(&self, bar: Option<ProgressBar>) {
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }
}

impl Write for SharedStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        match &*bar {
            Some(bar) => bar.suspend(|| io::stderr().write_all(bytes)),
            None => io::stderr().write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Shows progress until it is dropped.
#[derive(Debug)]
#[must_use = "progress is shown until this is dropped"]
pub struct Progress {
    task: JoinHandle<()>,
    stderr: SharedStderr,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts a task of the current tokio runtime that shows the tally.
    pub fn start(tally: Arc<Tally>, display: ProgressDisplay, stderr: &SharedStderr) -> Self {
        let (every, bar) = match display {
            ProgressDisplay::Bar => (REDRAW_EVERY, Some(new_bar())),
            ProgressDisplay::Lines => (LOG_EVERY, None),
        };
        stderr.show(bar.clone());
        let shown = bar.clone();
        let task = tokio::spawn(async move {
            let mut ticks = interval_at(Instant::now() + every, every);
            loop {
                ticks.tick().await;
                if let Some(bar) = &shown {
                    redraw(bar, &tally);
                } else {
                    tracing::info!("{}", line(&tally));
                }
            }
        });
        Self {
            task,
            stderr: stderr.clone(),
            bar,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        self.stderr.show(None);
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn new_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed_precise} {bar:20} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()).with_style(style)
}

/// Organizers measure the way: how many sessions and reports they hold is not known before.
fn redraw(bar: &ProgressBar, tally: &Tally) {
    bar.set_length(tally.organizers_found.get());
    bar.set_position(tally.organizers_done.get());
    bar.set_message(line(tally));
}

fn line(tally: &Tally) -> String {
    let (chunk, chunks) = tally.chunk();
    let chunk = if chunks > 1 {
        format!("chunk {chunk} of {chunks}, ")
    } else {
        String::new()
    };
    format!(
        "{chunk}{} of {} organizers, {} of {} sessions, {} of {} reports, {} records",
        HumanCount(tally.organizers_done.get()),
        HumanCount(tally.organizers_found.get()),
        HumanCount(tally.sessions_done.get()),
        HumanCount(tally.sessions_found.get()),
        HumanCount(tally.reports_fetched.get()),
        HumanCount(tally.reports_found.get()),
        HumanCount(tally.records.get()),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::Arguments;

    #[test]
    fn a_bar_is_for_people_at_a_terminal() {
        for (flags, is_terminal, expected) in [
            ("", true, ProgressDisplay::Bar),
            ("-v", true, ProgressDisplay::Bar),
            ("--format json", true, ProgressDisplay::Bar),
            ("", false, ProgressDisplay::Lines),
            ("-q", true, ProgressDisplay::Lines),
            ("--log-format json", true, ProgressDisplay::Lines),
        ] {
            let line = format!("teamsheet run --job a.toml {flags}");
            let arguments = Arguments::parse_from(line.split_whitespace());
            assert_eq!(
                ProgressDisplay::choose(&arguments.global, is_terminal),
                expected,
                "{flags}"
            );
        }
    }

    #[test]
    fn the_line_says_how_far_the_run_is() {
        let tally = Tally::default();
        tally.start_chunk(1, 1);
        tally.organizers_found.add(1_200);
        tally.organizers_done.add(3);
        tally.records.add(12_345);
        assert_eq!(
            line(&tally),
            "3 of 1,200 organizers, 0 of 0 sessions, 0 of 0 reports, 12,345 records"
        );
        tally.start_chunk(2, 5);
        assert!(line(&tally).starts_with("chunk 2 of 5, 3 of 1,200"));
    }

    #[tokio::test]
    async fn dropping_the_guard_ends_the_display() {
        let stderr = SharedStderr::default();
        for display in [ProgressDisplay::Bar, ProgressDisplay::Lines] {
            let tally = Arc::new(Tally::default());
            let progress = Progress::start(Arc::clone(&tally), display, &stderr);
            let task = progress.task.abort_handle();
            drop(progress);
            while !task.is_finished() {
                tokio::task::yield_now().await;
            }
            assert_eq!(Arc::strong_count(&tally), 1);
            assert!(stderr.bar.lock().unwrap().is_none());
        }
    }
}
