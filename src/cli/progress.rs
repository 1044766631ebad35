//! How far a run is: a bar a stage where standard error is a terminal, a log line every 30 seconds elsewhere.

mod estimate;
mod text;

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval_at};

use self::estimate::{Estimate, Speed};
use super::args::{GlobalFlags, OutputFormat};
use crate::ledger::Tally;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A sample of the speed every second.
const LOOKS_A_SAMPLE: u64 = 5;
/// A log line every 30 seconds.
const LOOKS_A_LINE: u64 = 150;
const BAR: &str = "{prefix:8} {bar:12} {wide_msg}";

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressDisplay {
    /// Bars that redraw themselves.
    Bar,
    /// A log line at the level `info`, every 30 seconds.
    Lines,
    /// The same with its numbers as fields, for programs.
    Fields,
}

impl ProgressDisplay {
    /// The display for these flags; a bar only where somebody can see it and no program reads along.
    pub fn choose(global: &GlobalFlags, is_terminal: bool) -> Self {
        if is_terminal && global.quiet == 0 && global.log_format == OutputFormat::Text {
            Self::Bar
        } else if global.log_format == OutputFormat::Json {
            Self::Fields
        } else {
            Self::Lines
        }
    }

    /// The display for these flags and this process's standard error.
    pub fn for_stderr(global: &GlobalFlags) -> Self {
        Self::choose(global, io::stderr().is_terminal())
    }
}

/// Standard error, shared by log lines and the bars: they step aside while a line is written.
#[derive(Debug, Clone, Default)]
pub struct SharedStderr {
    bars: Arc<Mutex<Option<MultiProgress>>>,
}

impl SharedStderr {
    fn show(&self, bars: Option<MultiProgress>) {
        *self.bars.lock().unwrap_or_else(PoisonError::into_inner) = bars;
    }
}

impl Write for SharedStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        match &*bars {
            Some(bars) => bars.suspend(|| io::stderr().write_all(bytes)),
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
    bars: Option<Bars>,
}

impl Progress {
    /// Starts a task of the current tokio runtime that shows the tally.
    pub fn start(tally: Arc<Tally>, display: ProgressDisplay, stderr: &SharedStderr) -> Self {
        let bars = match display {
            ProgressDisplay::Bar => Some(Bars::new()),
            ProgressDisplay::Lines | ProgressDisplay::Fields => None,
        };
        stderr.show(bars.as_ref().map(|bars| bars.all.clone()));
        let shown = bars.clone();
        let task = tokio::spawn(async move {
            let mut ticks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
            let (mut estimate, mut speed) = (Estimate::default(), Speed::default());
            for tick in 0_u64.. {
                let now = ticks.tick().await;
                if tick % LOOKS_A_SAMPLE == 0 {
                    speed = estimate.look(&tally, now);
                }
                if let Some(bars) = &shown {
                    bars.redraw(&tally, &speed);
                } else if tick % LOOKS_A_LINE == LOOKS_A_LINE - 1 {
                    log(display, &tally, &speed);
                }
            }
        });
        Self {
            task,
            stderr: stderr.clone(),
            bars,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        self.stderr.show(None);
        if let Some(bars) = &self.bars {
            bars.clear();
        }
    }
}

/// One bar a stage, and a line about the whole; no colour, so they read the same on light and on dark.
#[derive(Debug, Clone)]
struct Bars {
    all: MultiProgress,
    discover: ProgressBar,
    fetch: ProgressBar,
    publish: ProgressBar,
    whole: ProgressBar,
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let add = |name: &'static str, template: &str| {
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("━╾─");
            all.add(ProgressBar::new(0).with_style(style).with_prefix(name))
        };
        Self {
            discover: add("discover", BAR),
            fetch: add("fetch", BAR),
            publish: add("publish", BAR),
            whole: add("", "{elapsed_precise} {wide_msg}"),
            all,
        }
    }

    fn redraw(&self, tally: &Tally, speed: &Speed) {
        let (_, chunks) = tally.chunk();
        for (bar, done, of, message) in [
            (
                &self.discover,
                tally.organizers_done.get(),
                tally.organizers_found.get(),
                text::discover(tally, speed),
            ),
            (
                &self.fetch,
                tally.sessions_done.get(),
                tally.sessions_found.get(),
                text::fetch(tally, speed),
            ),
            (
                &self.publish,
                tally.chunks_done.get(),
                chunks,
                text::publish(tally),
            ),
        ] {
            // an empty bar where nothing is known yet: indicatif draws 0 of 0 as full
            bar.set_length(of.max(1));
            bar.set_position(done.min(of));
            bar.set_message(message);
        }
        self.whole.set_message(text::whole(tally, speed));
    }

    fn clear(&self) {
        for bar in [&self.discover, &self.fetch, &self.publish, &self.whole] {
            bar.finish_and_clear();
        }
        // a terminal that is gone needs no clearing
        self.all.clear().ok();
    }
}

/// The same as one line, or as fields.
fn log(display: ProgressDisplay, tally: &Tally, speed: &Speed) {
    if display == ProgressDisplay::Lines {
        tracing::info!("{}", text::line(tally, speed));
        return;
    }
    let meter = tally.requests();
    tracing::info!(
        organizers_done = tally.organizers_done.get(),
        organizers_found = tally.organizers_found.get(),
        sessions_done = tally.sessions_done.get(),
        sessions_found = tally.sessions_found.get(),
        reports = tally.reports_fetched.get(),
        records = tally.records.get(),
        requests = meter.requests,
        throttled_seconds = meter.throttled.as_secs_f64(),
        seconds_left = speed.left.map(|left| left.as_secs()),
        "{}",
        text::line(tally, speed)
    );
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
            ("--log-format json", true, ProgressDisplay::Fields),
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

    #[tokio::test]
    async fn dropping_the_guard_ends_the_display() {
        let stderr = SharedStderr::default();
        for display in [
            ProgressDisplay::Bar,
            ProgressDisplay::Lines,
            ProgressDisplay::Fields,
        ] {
            let tally = Arc::new(Tally::default());
            let progress = Progress::start(Arc::clone(&tally), display, &stderr);
            let task = progress.task.abort_handle();
            drop(progress);
            while !task.is_finished() {
                tokio::task::yield_now().await;
            }
            assert_eq!(Arc::strong_count(&tally), 1);
            assert!(stderr.bars.lock().unwrap().is_none());
        }
    }
}
