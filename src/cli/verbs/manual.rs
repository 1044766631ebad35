//! `teamsheet completions` and `teamsheet man`: both come from the flags themselves, so they cannot lag behind.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_mangen::Man;

use super::super::Failure;
use super::super::args::{Arguments, CompletionsArguments, ManArguments};
use super::super::exit::ExitStatus;

/// There is no verb of this name.
#[derive(Debug, thiserror::Error)]
#[error("there is no verb `{0}`")]
struct UnknownVerb(String);

/// Prints a shell's completion script.
///
/// # Errors
/// [`Failure`] where standard output is gone (exit status 1).
pub fn completions(flags: &CompletionsArguments) -> Result<ExitStatus, Failure> {
    // written to memory first: clap_complete panics where a reader closed the pipe
    let mut script = Vec::new();
    clap_complete::generate(
        flags.shell,
        &mut Arguments::command(),
        "teamsheet",
        &mut script,
    );
    print(&script)
}

/// Prints the manual page of the program, or of one verb.
///
/// # Errors
/// [`Failure`] where there is no such verb (exit status 2), or standard output is gone (1).
pub fn man(flags: &ManArguments) -> Result<ExitStatus, Failure> {
    let mut program = Arguments::command();
    // global flags reach the verbs' pages too
    program.build();
    let mut command = match &flags.page {
        None => program,
        Some(name) => {
            let verb = program.find_subcommand(name);
            verb.cloned().ok_or_else(|| unknown(name, &program))?
        }
    };
    let extra = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    let extra = as_it_stands(&extra.map(ToString::to_string).unwrap_or_default());
    command = command
        .after_help(None::<&str>)
        .after_long_help(None::<&str>);
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .or_else(Failure::unless_pipe_closed)?;
    page.extend_from_slice(extra.as_bytes());
    print(&page)
}

/// Examples and tables as a manual section; the lines that end in a colon are its titles, and the rest is not filled.
fn as_it_stands(text: &str) -> String {
    let mut section = String::new();
    for line in text.lines() {
        if let Some(title) = line
            .strip_suffix(':')
            .filter(|title| !title.starts_with(' '))
        {
            let fill = if section.is_empty() { "" } else { ".fi\n" };
            section += &[fill, ".SH ", &title.to_uppercase(), "\n.nf\n"].concat();
        } else {
            // a backslash begins a request of troff's, and so does a dot or a quote at the start of a line
            let line = line.replace('\\', "\\e").replace('-', "\\-");
            section += &["\\&", &line, "\n"].concat();
        }
    }
    section
}

fn print(text: &[u8]) -> Result<ExitStatus, Failure> {
    io::stdout()
        .write_all(text)
        .or_else(Failure::unless_pipe_closed)?;
    Ok(ExitStatus::Published)
}

fn unknown(name: &str, program: &clap::Command) -> Failure {
    let names: Vec<_> = program
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    Failure {
        error: Box::new(UnknownVerb(name.to_owned())),
        hint: Some(format!(
            "name one of {}, or none for the program",
            names.join(", ")
        )),
        status: ExitStatus::Usage,
    }
}
