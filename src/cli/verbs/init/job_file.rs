//! The job file that `init` writes: `jobs/nightly.toml`, the one commented example, with the answers put in.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::Answers;
use crate::cli::args::{AuthChoice, SourceChoice};
use crate::cli::load::now;
use crate::job::error::PlanError;
use crate::job::file::{JobFile, NO_CLIENT_ID};
use crate::job::plan::Verb;
use crate::job::resolve::{Overrides, resolve};
use crate::job::surroundings::Surroundings;

const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/nightly.toml"));

/// The text of the job file.
///
/// The template's paragraphs are kept with their comments; only what an answer decides is another.
pub(super) fn text(answers: &Answers) -> String {
    let mut paragraphs: Vec<String> = Vec::new();
    for paragraph in TEMPLATE.trim_end().split("\n\n") {
        let table = paragraph
            .lines()
            .find_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
        paragraphs.push(match table {
            None if paragraphs.is_empty() => header(answers),
            Some("tenant") => tenant(paragraph, answers),
            Some("auth") => auth(answers),
            Some("sources.online_meetings") => match online_meetings(paragraph, answers) {
                Some(paragraph) => paragraph,
                None => continue,
            },
            Some(table @ ("sources.webinars" | "sources.town_halls"))
                if !answers.sources.iter().any(|source| source.table() == table) =>
            {
                continue;
            }
            Some("sources.webinars" | "sources.town_halls") if is_delegated(answers) => {
                format!("{paragraph}\norganizers = \"me\"")
            }
            Some("warehouse") => warehouse(paragraph, answers),
            // jobs of one name share a watermark, and two files are two jobs
            None => set(paragraph, "name", &stem(answers)),
            Some(_) => paragraph.to_owned(),
        });
    }
    paragraphs.join("\n\n") + "\n"
}

/// Whether the answers make a job.
///
/// Everything but the way to sign in is resolved as a run would; of that only the file's form is held, as its secret is elsewhere.
///
/// # Errors
/// The [`PlanError`] that a run would end with.
pub(super) fn check(answers: &Answers) -> Result<(), PlanError> {
    let path = &answers.out;
    JobFile::parse(&text(answers), path)?;
    let with_secret = Answers {
        auth: AuthChoice::ClientSecret,
        client_id: Some("not asked for".to_owned()),
        ..answers.clone()
    };
    let file = JobFile::parse(&text(&with_secret), path)?;
    let surroundings = Surroundings {
        started_at: now(),
        random: [0; 16],
        variable: &|_| Some("not-asked-for".to_owned()),
        read_file: &|_: &Path| Err(io::ErrorKind::NotFound.into()),
        job_stem: "nightly",
    };
    let overrides = Overrides {
        verb: Verb::Run,
        start: None,
        end: None,
        reprocess: None,
        wait_lock: None,
    };
    resolve(&file, &overrides, &surroundings).map(drop)
}

fn header(answers: &Answers) -> String {
    let file = answers.out.display();
    format!(
        "# The nightly job, written by `teamsheet init`.\n#\n#   teamsheet run --job {file}\n#\n\
         # Every line that begins with `# ` and a key shows the default. A key that teamsheet does not know is refused by name.\n\
         # Relative paths in this file start at the directory in which teamsheet is started, as in a shell; not at this file."
    )
}

fn tenant(paragraph: &str, answers: &Answers) -> String {
    let mut text = set(paragraph, "id", &answers.tenant);
    if answers.cloud != crate::cli::args::CloudChoice::Global {
        let cloud = format!("cloud = {}", quoted(answers.cloud.cloud().as_str()));
        let lines = text.lines().map(|line| {
            if line.starts_with("# cloud = ") {
                cloud.as_str()
            } else {
                line
            }
        });
        text = lines.collect::<Vec<_>>().join("\n");
    }
    text
}

fn auth(answers: &Answers) -> String {
    let mut text = String::from(
        "# Who asks. A secret is only ever named here, never written: { env = \"VARIABLE\" } or { file = \"path\" }, a file that others\n\
         # may not read. `teamsheet init` printed what to register and to grant.\n[auth]\n",
    );
    // a ready token says itself whose it is
    let is_ready = answers.auth == AuthChoice::AccessToken;
    let client_id = answers.client_id.as_deref().map(str::trim);
    let client_id = client_id.filter(|_| !is_ready);
    let method = answers.auth.method().as_str();
    let lines = match answers.auth {
        AuthChoice::ClientSecret => "client_secret = { env = \"TEAMSHEET_CLIENT_SECRET\" }\n",
        AuthChoice::Certificate => {
            "certificate = { file = \"teamsheet.pem\" } # the private key and the certificate, PEM, readable by this user only\n"
        }
        AuthChoice::WorkloadIdentity => {
            "# token_file = \"…\"                         # where the token is not at $AZURE_FEDERATED_TOKEN_FILE\n"
        }
        AuthChoice::AccessToken => {
            "access_token = { env = \"TEAMSHEET_ACCESS_TOKEN\" } # lives about an hour, and is never renewed\n"
        }
        AuthChoice::ManagedIdentity | AuthChoice::DeviceCode => "",
    };
    // writing to a String cannot fail
    writeln!(text, "method = {}", quoted(method)).ok();
    let is_optional = matches!(
        answers.auth,
        AuthChoice::ManagedIdentity | AuthChoice::AccessToken
    );
    match client_id {
        Some(id) => writeln!(text, "client_id = {}", quoted(id)),
        None if is_optional => Ok(()),
        None => writeln!(
            text,
            "client_id = {} # put the application (client) id here",
            quoted(NO_CLIENT_ID)
        ),
    }
    .ok();
    text.push_str(lines);
    text.trim_end().to_owned()
}

/// The paragraph, or nothing where the source is left out; delegated jobs read their own calendar.
fn online_meetings(paragraph: &str, answers: &Answers) -> Option<String> {
    if !answers.sources.contains(&SourceChoice::OnlineMeetings) {
        return None;
    }
    if !is_delegated(answers) {
        return Some(paragraph.to_owned());
    }
    let lines = paragraph.lines().map(|line| {
        if line.starts_with("users = ") {
            "users = \"me\" # whoever signs in; an app of its own reads the whole tenant: README, \"Ways to sign in\""
        } else if line.starts_with("# discover = ") {
            "# discover = [\"calendar\"] # or \"listed\" (needs `meetings`)"
        } else {
            line
        }
    });
    Some(lines.collect::<Vec<_>>().join("\n"))
}

fn is_delegated(answers: &Answers) -> bool {
    matches!(
        answers.auth,
        AuthChoice::DeviceCode | AuthChoice::AccessToken
    )
}

fn stem(answers: &Answers) -> String {
    let stem = answers.out.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

fn warehouse(paragraph: &str, answers: &Answers) -> String {
    set(
        &set(paragraph, "uri", &answers.warehouse),
        "timezone",
        &answers.timezone,
    )
}

/// The paragraph with another value of a key; a comment behind it stays.
fn set(paragraph: &str, key: &str, value: &str) -> String {
    let start = format!("{key} = ");
    let mut lines = Vec::new();
    for line in paragraph.lines() {
        if line.starts_with(&start) {
            let comment = line
                .split_once(" # ")
                .map_or(String::new(), |(_, comment)| format!(" # {comment}"));
            lines.push(format!("{start}{}{comment}", quoted(value)));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
