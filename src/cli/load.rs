//! The edge of the plan: the real clock, environment, randomness and files. Everything behind it is pure.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::args::WarehouseArguments;
use crate::job::error::PlanError;
use crate::job::file::JobFile;
use crate::job::place::WarehousePlace;
use crate::job::plan::{AuthPlan, GraphPlan, RunPlan};
use crate::job::resolve::{
    self, DEFAULT_WAREHOUSE, ImportPlan, Overrides, resolve, resolve_import, resolve_sign_in,
};
use crate::job::surroundings::{FileContents, Surroundings};
use crate::time::UtcMicros;

/// No job file, secret or list of users is this large; a path such as `/dev/zero` must not fill the memory.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;
const OTHERS_MAY_READ: u32 = 0o004;
/// Where Docker, compose and Podman put a container's secrets. Their mode is 0444 and compose has no way to set it; who else could read
/// them is in the same container.
const SECRETS_OF_A_CONTAINER: &str = "/run/secrets";

/// Reads a job file and resolves it with the flags, the environment and the clock of this process.
///
/// # Errors
/// [`PlanError`]; terminal, exit status 2.
pub fn load_plan(job: &Path, overrides: &Overrides) -> Result<RunPlan, PlanError> {
    let plan = plan_of(&read_job(job)?, job, overrides, &environment_variable)?;
    if let Some(end) = &plan.future_end {
        tracing::warn!(
            "the end of the data interval, `{end}`, lies in the future; it ends now, at {}, and what comes later is left to a later run",
            plan.started_at
        );
    }
    Ok(RunPlan {
        job_file: Some(job.to_owned()),
        ..plan
    })
}

/// The warehouse that flags or job file name, without either the job file's default; and where copies of its objects may go.
///
/// # Errors
/// [`PlanError`]; terminal, exit status 2.
pub fn warehouse_place(
    flags: &WarehouseArguments,
) -> Result<(WarehousePlace, Option<PathBuf>), PlanError> {
    let named = match (&flags.warehouse, &flags.job) {
        (None, Some(job)) => Some((JobFile::parse(&read_job(job)?, job)?, job.as_path())),
        (Some(_), _) | (None, None) => None,
    };
    let path = named.as_ref().map_or(Path::new(""), |(_, path)| path);
    with_surroundings(path, &environment_variable, |surroundings| {
        if let Some((file, _)) = &named {
            return resolve::place(file, surroundings);
        }
        let uri = flags.warehouse.as_deref().unwrap_or(DEFAULT_WAREHOUSE);
        let place = WarehousePlace::parse(uri)?;
        let staging = resolve::staging(&place, None, surroundings)?;
        Ok((place, staging))
    })
}

fn read_job(job: &Path) -> Result<String, PlanError> {
    let unreadable = |source| PlanError::JobFileUnreadable {
        path: job.to_owned(),
        source,
    };
    let bytes = read_file(job).map_err(unreadable)?.bytes;
    String::from_utf8(bytes)
        .map_err(|_| unreadable(io::Error::new(io::ErrorKind::InvalidData, "not UTF-8")))
}

/// What an import needs of a job file.
///
/// # Errors
/// [`PlanError`]; terminal, exit status 2.
pub fn load_import_plan(
    job: &Path,
    wait_lock: Option<std::time::Duration>,
) -> Result<ImportPlan, PlanError> {
    let file = JobFile::parse(&read_job(job)?, job)?;
    with_surroundings(job, &environment_variable, |surroundings| {
        resolve_import(&file, wait_lock, surroundings)
    })
}

/// The plan of a job file's text, with another environment; `path` names it in errors and its stem names the job.
///
/// # Errors
/// [`PlanError`]; terminal, exit status 2.
pub fn plan_of(
    text: &str,
    path: &Path,
    overrides: &Overrides,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<RunPlan, PlanError> {
    let file = JobFile::parse(text, path)?;
    with_surroundings(path, variable, |surroundings| {
        resolve(&file, overrides, surroundings)
    })
}

/// How a job file signs in, whatever else it says.
///
/// # Errors
/// [`PlanError`]; terminal, exit status 2.
pub fn load_sign_in(job: &Path) -> Result<(AuthPlan, GraphPlan), PlanError> {
    let file = JobFile::parse(&read_job(job)?, job)?;
    with_surroundings(job, &environment_variable, |surroundings| {
        resolve_sign_in(&file, surroundings)
    })
}

fn with_surroundings<T>(
    path: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
    resolve: impl FnOnce(&Surroundings<'_>) -> Result<T, PlanError>,
) -> Result<T, PlanError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    resolve(&Surroundings {
        started_at: now(),
        random: rand::random(),
        variable,
        read_file: &read_file,
        job_stem: &stem,
    })
}

/// An environment variable of this process.
pub fn environment_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The time.
pub fn now() -> UtcMicros {
    jiff::Timestamp::now().into()
}

/// The largest resident set of this process so far, in bytes; 0 where the system does not tell.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| {
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kilobytes.unwrap_or_default() * 1024
}

/// A whole file; `-` is standard input.
fn read_file(path: &Path) -> io::Result<FileContents> {
    if path == Path::new("-") {
        return Ok(FileContents {
            bytes: read_whole(io::stdin().lock())?,
            is_readable_by_others: false,
        });
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let is_of_container = || {
        // a link there may lead out
        path.canonicalize()
            .is_ok_and(|path| is_secret_of_container(&path))
    };
    Ok(FileContents {
        bytes: read_whole(file)?,
        is_readable_by_others: metadata.permissions().mode() & OTHERS_MAY_READ != 0
            && !is_of_container(),
    })
}

fn is_secret_of_container(path: &Path) -> bool {
    path.starts_with(SECRETS_OF_A_CONTAINER)
}

fn read_whole(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::cli::render;
    use crate::job::plan::{Credentials, Verb};

    fn run() -> Overrides {
        Overrides {
            verb: Verb::Run,
            start: None,
            end: None,
            reprocess: None,
            wait_lock: None,
        }
    }

    #[test]
    fn a_job_file_and_its_secret_file_are_read_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        let job = folder.path().join("weekly.toml");
        write(&secret, "hunter2\n").unwrap();
        write(
            &job,
            format!(
                "tenant.id = 'contoso.com'\nsources.webinars = {{}}\n\
                 auth = {{ client_id = 'app', client_secret = {{ file = '{}' }} }}\n",
                secret.display()
            ),
        )
        .unwrap();
        set_permissions(&secret, Permissions::from_mode(0o640)).unwrap();
        let plan = load_plan(&job, &run()).unwrap();
        assert_eq!(plan.job_name, "weekly");
        let Credentials::ClientSecret { client_secret, .. } = &plan.auth.credentials else {
            panic!("{:?}", plan.auth)
        };
        assert_eq!(client_secret.expose_secret(), "hunter2");
        set_permissions(&secret, Permissions::from_mode(0o644)).unwrap();
        let error = load_plan(&job, &run()).unwrap_err();
        assert!(
            matches!(error, PlanError::SecretReadableByOthers { .. }),
            "{error:?}"
        );
    }

    #[test]
    fn fault_93_a_flag_wins_over_the_job_file_and_that_over_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let job = folder.path().join("job.toml");
        write(&job, "warehouse.uri = '/job'").unwrap();
        let root = |warehouse: Option<&str>, job: Option<&Path>| {
            let flags = WarehouseArguments {
                warehouse: warehouse.map(str::to_owned),
                job: job.map(Path::to_owned),
            };
            warehouse_place(&flags).unwrap().0.to_string()
        };
        assert_eq!(root(Some("/flag"), Some(&job)), "/flag");
        assert_eq!(root(None, Some(&job)), "/job");
        assert_eq!(root(None, None), DEFAULT_WAREHOUSE);
        write(&job, "").unwrap();
        assert_eq!(root(None, Some(&job)), DEFAULT_WAREHOUSE);
    }

    #[test]
    fn a_missing_job_file_is_rendered_with_cause_and_hint() {
        let error = load_plan(Path::new("/nowhere/nightly.toml"), &run()).unwrap_err();
        let mut out = Vec::new();
        render::error(&mut out, &error, Some(&error.hint())).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @"
        error: job file `/nowhere/nightly.toml` cannot be read
          Caused by: No such file or directory (os error 2)

        hint: Check the path after `--job`; a relative one starts at the current directory
        ");
    }

    #[test]
    fn only_where_containers_have_their_secrets_a_mode_of_0444_is_taken() {
        for (path, is_taken) in [
            ("/run/secrets/client_secret", true),
            ("/run/secrets/teams/client_secret", true),
            ("/run/secrets-of-mine/client_secret", false),
            ("/run/secrets.d/1/client_secret", false),
            ("/etc/teamsheet/secret", false),
            ("/home/ada/run/secrets/client_secret", false),
        ] {
            assert_eq!(is_secret_of_container(Path::new(path)), is_taken, "{path}");
        }
    }

    #[test]
    fn an_endless_file_is_refused() {
        let error = read_file(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
