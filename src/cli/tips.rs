//! What was most likely meant by flags that cannot be read.

use clap::CommandFactory as _;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::Arguments;
use crate::job::spelling::nearest;

/// Adds a tip to an error about flags, where one helps.
pub(super) fn add(error: &mut clap::Error) {
    if let Some(verb) = text(error, ContextKind::InvalidSubcommand)
        && error.get(ContextKind::SuggestedSubcommand).is_none()
    {
        let command = Arguments::command();
        let verbs = command.get_subcommands().map(clap::Command::get_name);
        if let Some(meant) = nearest(&verb, verbs) {
            let meant = ContextValue::Strings(vec![meant.to_owned()]);
            error.insert(ContextKind::SuggestedSubcommand, meant);
        }
    }
    let is_job_file = |argument: &String| {
        let is_toml = argument.to_ascii_lowercase().ends_with(".toml");
        is_toml && !argument.starts_with('-')
    };
    if let (ErrorKind::UnknownArgument, Some(job)) = (
        error.kind(),
        text(error, ContextKind::InvalidArg).filter(is_job_file),
    ) {
        let tip = StyledStr::from(format!("a job file comes behind its flag: `--job {job}`"));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_mistyped_verb_and_a_job_file_without_its_flag_get_a_tip() {
        for (line, tip) in [
            (
                "teamsheet rnu --job a.toml",
                "a similar subcommand exists: 'run'",
            ),
            (
                "teamsheet backfil",
                "a similar subcommand exists: 'backfill'",
            ),
            ("teamsheet run nightly.toml", "`--job nightly.toml`"),
            ("teamsheet check jobs/a.toml", "`--job jobs/a.toml`"),
        ] {
            let mut error = Arguments::try_parse_from(line.split(' ')).unwrap_err();
            add(&mut error);
            assert!(error.to_string().contains(tip), "{line}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
        let mut error = Arguments::try_parse_from(["teamsheet", "sync"]).unwrap_err();
        add(&mut error);
        assert!(!error.to_string().contains("tip:"), "{error}");
    }
}
