//! Commands as hints print them: with the job's own file in them, ready to be pasted.

use std::path::Path;

use super::plan::RunPlan;

/// What stands for the job file in a hint, where whoever writes it does not know the file.
const PLACEHOLDERS: [&str; 2] = ["--job <job file>", "--job FILE"];

/// The text with everything in its commands that the plan knows: the job file, and the app registration's id.
pub fn filled(text: &str, plan: &RunPlan) -> String {
    let text = with_job(text, plan.job_file.as_deref());
    match plan.auth.client_id() {
        Some(id) => text.replace("<client id>", id),
        None => text,
    }
}

/// The text with the job file in its commands; as it is where no job file is known.
pub fn with_job(text: &str, job: Option<&Path>) -> String {
    let Some(job) = job else {
        return text.to_owned();
    };
    let flag = format!("--job {}", quoted(&job.display().to_string()));
    PLACEHOLDERS
        .iter()
        .fold(text.to_owned(), |text, placeholder| {
            text.replace(placeholder, &flag)
        })
}

/// One word for a shell.
fn quoted(path: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+=:,@%".contains(letter);
    if path.chars().all(is_plain) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_becomes_the_job_file() {
        let text = "run `teamsheet login --job FILE`, then `teamsheet run --job <job file> -v`";
        for (job, shown) in [
            ("jobs/nightly.toml", "jobs/nightly.toml"),
            ("my jobs/a.toml", "'my jobs/a.toml'"),
            ("ann's.toml", r"'ann'\''s.toml'"),
        ] {
            assert_eq!(
                with_job(text, Some(Path::new(job))),
                format!(
                    "run `teamsheet login --job {shown}`, then `teamsheet run --job {shown} -v`"
                )
            );
        }
        assert_eq!(with_job(text, None), text);
    }
}
