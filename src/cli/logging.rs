//! Logs on standard error, as text or JSON, at a level that the flags choose.
//!
//! `RUST_LOG` is honoured, but no dependency ever says more than `info`: below it HTTP libraries print headers and bodies, and with
//! them tokens and people.

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{
    self, FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter,
};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry, Scope};

use super::args::{GlobalFlags, OutputFormat};
use super::progress::SharedStderr;
use super::render::escape;

/// Sends the logs of this process to standard error; `rust_log` is the value of `RUST_LOG`.
///
/// A second call changes nothing, nor does a `RUST_LOG` that cannot be read: the flags count then, and a warning says so.
pub fn start(global: &GlobalFlags, rust_log: Option<&str>, stderr: &SharedStderr) {
    let stderr = stderr.clone();
    let subscriber = subscriber(global, rust_log, move || stderr.clone());
    if tracing::subscriber::set_global_default(subscriber).is_ok()
        && rust_log.is_some_and(|filter| read_filter(filter).is_none())
    {
        tracing::warn!(
            "RUST_LOG cannot be read as a log filter; the flags -v and -q count instead"
        );
    }
}

fn subscriber<W>(
    global: &GlobalFlags,
    rust_log: Option<&str>,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = rust_log
        .and_then(read_filter)
        .unwrap_or_else(|| EnvFilter::new(directives(global)));
    let layer = fmt::layer().with_writer(writer);
    let layer = match global.log_format {
        OutputFormat::Text => layer.event_format(TextLines).boxed(),
        OutputFormat::Json => layer
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines)
            .boxed(),
    };
    Registry::default()
        .with(filter)
        .with(filter_fn(is_harmless).with_max_level_hint(LevelFilter::TRACE))
        .with(layer)
}

/// `timestamp  LEVEL target: message`, for people: a message can be read alone, so its fields follow only where something is wrong or
/// looked for.
struct TextLines;

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let (level, target) = (event.metadata().level(), event.metadata().target());
        write!(
            writer,
            "{:.6} {level:>5} {target}: ",
            jiff::Timestamp::now()
        )?;
        if *level == Level::INFO && target.starts_with("teamsheet") {
            let mut fields = Fields(Map::new());
            event.record(&mut fields);
            let message = fields.0.get("message").and_then(Value::as_str);
            return writeln!(writer, "{}", escape(message.unwrap_or_default()));
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// One flat object a line: `timestamp`, `level`, `target`, the fields of the spans around the event (`invocation_id`, `job_name`,
/// `run_id`), then its own and its `message`.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut line = Fields(Map::new());
        let metadata = event.metadata();
        line.add("timestamp", jiff::Timestamp::now().to_string());
        line.add("level", metadata.level().as_str());
        line.add("target", metadata.target());
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            if let Some(Ok(Value::Object(fields))) = fields.map(|text| serde_json::from_str(text)) {
                line.0.extend(fields);
            }
        }
        event.record(&mut line);
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

/// Fields in the order in which they come.
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.add(field.name(), format!("{value:?}"));
    }
}

fn read_filter(text: &str) -> Option<EnvFilter> {
    EnvFilter::try_new(text).ok()
}

fn directives(global: &GlobalFlags) -> &'static str {
    match (global.quiet, global.verbose) {
        (0, 0) => "warn,teamsheet=info",
        (0, 1) => "warn,teamsheet=debug",
        (0, _) => "info,teamsheet=trace",
        (1, _) => "warn",
        _ => "error",
    }
}

fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let is_ours = metadata
        .target()
        .strip_prefix("teamsheet")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    is_ours || *metadata.level() <= Level::INFO
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use clap::Parser as _;

    use super::*;
    use crate::cli::args::Arguments;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(flags: &str, rust_log: Option<&str>) -> String {
        logged_by(flags, rust_log, || {
            tracing::error!(target: "teamsheet::run", "our-error");
            tracing::warn!(target: "teamsheet::run", "our-warn");
            tracing::info!(target: "teamsheet", "our-info");
            tracing::debug!(target: "teamsheet::graph", "our-debug");
            tracing::trace!(target: "teamsheet::graph", "our-trace");
            tracing::warn!(target: "reqwest::connect", "their-warn");
            tracing::info!(target: "hyper::client", "their-info");
            tracing::debug!(target: "hyper::client", "their-debug");
            tracing::trace!(target: "h2::codec", "their-trace");
            tracing::debug!(target: "teamsheet_elsewhere", "their-debug");
        })
    }

    fn logged_by(flags: &str, rust_log: Option<&str>, log: impl FnOnce()) -> String {
        let line = format!("teamsheet run --job a.toml {flags}");
        let global = Arguments::parse_from(line.split_whitespace()).global;
        let sink = Sink::default();
        let writer = sink.clone();
        tracing::subscriber::with_default(
            subscriber(&global, rust_log, move || writer.clone()),
            log,
        );
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn words(flags: &str, rust_log: Option<&str>) -> Vec<String> {
        logged(flags, rust_log)
            .lines()
            .filter_map(|line| line.split(' ').next_back().map(str::to_owned))
            .collect()
    }

    #[test]
    fn the_flags_choose_the_level() {
        for (flags, expected) in [
            ("", "our-error our-warn our-info their-warn"),
            ("-v", "our-error our-warn our-info our-debug their-warn"),
            (
                "-vv",
                "our-error our-warn our-info our-debug our-trace their-warn their-info",
            ),
            ("-q", "our-error our-warn their-warn"),
            ("-qq", "our-error"),
        ] {
            assert_eq!(words(flags, None).join(" "), expected, "{flags}");
        }
    }

    #[test]
    fn fault_90_no_log_filter_makes_a_dependency_say_more_than_info() {
        for filter in [
            "trace",
            "hyper=trace,h2=trace,reqwest=trace,teamsheet=trace",
            "hyper::client=debug",
        ] {
            let words = words("", Some(filter));
            assert!(
                !words
                    .iter()
                    .any(|word| word == "their-debug" || word == "their-trace"),
                "{filter}: {words:?}"
            );
        }
        assert_eq!(
            words("-q", Some("teamsheet::graph=trace")).join(" "),
            "our-debug our-trace"
        );
    }

    #[test]
    fn an_unreadable_filter_leaves_the_flags_in_charge() {
        assert_eq!(
            words("-qq", Some("teamsheet=loud=yes")).join(" "),
            "our-error"
        );
    }

    #[test]
    fn what_a_run_and_its_chunk_are_called_is_in_every_json_line_and_in_no_text_line() {
        let lines = |flags: &str| {
            logged_by(flags, None, || {
                let run = tracing::info_span!(target: "teamsheet", "run", invocation_id = "i-1", job_name = "a \"b\"");
                let _run = run.enter();
                let chunk = tracing::info_span!(target: "teamsheet", "chunk", run_id = %"i-1-0001");
                let _chunk = chunk.enter();
                tracing::info!(target: "teamsheet", reports = 3_u64, seconds = 0.5, source = "webinar", is_final = true, "done");
            })
        };
        let line: Value = serde_json::from_str(lines("--log-format json").trim()).unwrap();
        for (name, expected) in [
            ("invocation_id", Value::from("i-1")),
            ("job_name", Value::from("a \"b\"")),
            ("run_id", Value::from("i-1-0001")),
            ("reports", Value::from(3)),
            ("seconds", Value::from(0.5)),
            ("source", Value::from("webinar")),
            ("is_final", Value::from(true)),
            ("message", Value::from("done")),
            ("level", Value::from("INFO")),
            ("target", Value::from("teamsheet")),
        ] {
            assert_eq!(line[name], expected, "{line}");
        }
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        let text = lines("");
        assert!(
            text.ends_with(" INFO teamsheet: done\n") && !text.contains("i-1"),
            "{text}"
        );
    }

    #[test]
    fn json_logs_are_one_object_a_line() {
        let text = logged("--log-format json", None);
        assert_eq!(text.lines().count(), 4);
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            assert!(
                value["message"].is_string() && value["level"].is_string(),
                "{line}"
            );
        }
    }
}
