//! The questions of `init`: only for what no flag says, each with its default, asked again until the answer makes a job.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use clap::ValueEnum;

use super::{Answers, offered, problem};
use crate::cli::args::InitArguments;
use crate::cli::render;

/// Asks for what the flags leave open; questions go to `out`.
///
/// # Errors
/// Those of reader and writer; [`io::ErrorKind::UnexpectedEof`] where the answers end early.
pub(super) fn ask(
    flags: &InitArguments,
    answers: &mut impl BufRead,
    out: &mut impl Write,
) -> io::Result<Answers> {
    let mut asking = Asking {
        flags: flags.clone(),
        answers,
        out,
    };
    asking.ask()
}

/// Whether the check is wanted now; anything but a yes, an end of the input too, is a no.
pub(super) fn wants_check(answers: &mut impl BufRead, out: &mut impl Write) -> bool {
    let mut answer = String::new();
    let asked = write!(out, "\nRun this check now? [y/N]: ").and_then(|()| out.flush());
    asked.is_ok()
        && answers.read_line(&mut answer).is_ok()
        && matches!(answer.trim(), "y" | "Y" | "yes")
}

struct Asking<'a, R, W> {
    flags: InitArguments,
    answers: &'a mut R,
    out: &'a mut W,
}

impl<R: BufRead, W: Write> Asking<'_, R, W> {
    fn ask(&mut self) -> io::Result<Answers> {
        if self.flags.tenant.is_none() {
            self.text(
                "Tenant: GUID or domain, such as contoso.onmicrosoft.com",
                None,
                |flags, answer| flags.tenant = Some(answer),
            )?;
        }
        if self.flags.cloud.is_none() {
            self.choice("Cloud", |flags, answer| flags.cloud = Some(answer))?;
        }
        if self.flags.auth.is_none() {
            self.choice("How to sign in", |flags, answer| flags.auth = Some(answer))?;
        }
        if self.flags.client_id.is_none() {
            self.text(
                "Application (client) id; empty where there is no app registration yet",
                Some(""),
                |flags, answer| flags.client_id = Some(answer),
            )?;
        }
        if self.flags.sources.is_none() {
            self.sources()?;
        }
        if self.flags.warehouse.is_none() {
            self.text(
                "Warehouse: where the tables go",
                Some("./warehouse"),
                |flags, answer| flags.warehouse = Some(answer),
            )?;
        }
        if self.flags.timezone.is_none() {
            self.text(
                "Time zone whose midnights cut the days",
                Some("UTC"),
                |flags, answer| flags.timezone = Some(answer),
            )?;
        }
        if self.flags.out.is_none() {
            self.text(
                "Job file to write",
                Some("nightly.toml"),
                |flags, answer| flags.out = Some(PathBuf::from(answer)),
            )?;
        }
        Ok(Answers::from_flags(&self.flags))
    }

    fn text(
        &mut self,
        question: &str,
        default: Option<&str>,
        set: impl Fn(&mut InitArguments, String),
    ) -> io::Result<()> {
        loop {
            match default {
                Some(default) if !default.is_empty() => {
                    write!(self.out, "{question} [{default}]: ")?;
                }
                _ => write!(self.out, "{question}: ")?,
            }
            let mut answer = self.line()?;
            if answer.is_empty() {
                match default {
                    Some(default) => default.clone_into(&mut answer),
                    None => continue,
                }
            }
            if self.accept(|flags| set(flags, answer))? {
                return Ok(());
            }
        }
    }

    fn choice<T: ValueEnum + Default + Copy>(
        &mut self,
        question: &str,
        set: impl Fn(&mut InitArguments, T),
    ) -> io::Result<()> {
        writeln!(self.out, "{question}:")?;
        for value in T::value_variants() {
            let (name, help) = described(value);
            writeln!(self.out, "  {name:<18} {help}")?;
        }
        let (default, _) = described(&T::default());
        loop {
            write!(self.out, "[{default}]: ")?;
            let answer = self.line()?;
            let chosen = if answer.is_empty() {
                Ok(T::default())
            } else {
                T::from_str(&answer, true)
            };
            match chosen {
                Ok(chosen) if self.accept(|flags| set(flags, chosen))? => return Ok(()),
                Ok(_) => {}
                Err(_) => writeln!(self.out, "  one of the names above, please")?,
            }
        }
    }

    fn sources(&mut self) -> io::Result<()> {
        let offered = offered(self.flags.cloud.unwrap_or_default());
        writeln!(self.out, "What to read, separated by commas:")?;
        for source in offered {
            let (name, help) = described(source);
            writeln!(self.out, "  {name:<18} {help}")?;
        }
        loop {
            write!(self.out, "[all of them]: ")?;
            let answer = self.line()?;
            let chosen: Result<Vec<_>, _> = if answer.is_empty() {
                Ok(offered.to_vec())
            } else {
                let names = answer.split(',').map(str::trim);
                names.map(|name| ValueEnum::from_str(name, true)).collect()
            };
            match chosen {
                Ok(chosen) if self.accept(|flags| flags.sources = Some(chosen.clone()))? => {
                    return Ok(());
                }
                Ok(_) => {}
                Err(_) => writeln!(self.out, "  names from above, please")?,
            }
        }
    }

    /// Keeps an answer with which the flags so far still make a job, and says what is wrong with any other.
    fn accept(&mut self, set: impl FnOnce(&mut InitArguments)) -> io::Result<bool> {
        let mut flags = self.flags.clone();
        set(&mut flags);
        match problem(&Answers::from_flags(&flags)) {
            None => {
                self.flags = flags;
                Ok(true)
            }
            Some(error) => {
                render::error(self.out, &error, Some(&error.hint()))?;
                Ok(false)
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        self.out.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim().to_owned())
    }
}

fn described<T: ValueEnum>(value: &T) -> (String, String) {
    let possible = value.to_possible_value();
    let name = possible.as_ref().map_or("", |value| value.get_name());
    let help = possible
        .as_ref()
        .and_then(|value| value.get_help())
        .map(ToString::to_string);
    (name.to_owned(), help.unwrap_or_default())
}
