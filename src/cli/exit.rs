//! The exit status: part of the contract with schedulers, decided here and nowhere else.

use std::process::ExitCode;

/// How the program ends, and what a scheduler should do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: published. Sessions that still settle and what is known to be benign count as fine. Go on.
    Published,
    /// 1: failed. Finished chunks stay, nothing is half-published. Look.
    Failed,
    /// 2: flags, job file or an incompatible warehouse. Fix.
    Usage,
    /// 3: published, with open gaps that are listed. Look; the data is usable.
    Partial,
    /// 4: not allowed: credentials, roles or policy, for the whole run. Fix.
    NotAllowed,
    /// 5: the warehouse is not reachable, not writable, full, held by another run, or cannot publish atomically. Fix or retry.
    Warehouse,
    /// 75: throttled or down past the deadline; nothing is lost (`EX_TEMPFAIL` of sysexits.h). Run the same command again.
    TryAgain,
    /// 130: interrupted by SIGINT; nothing is half-published (128 + 2, as shells have it). Run the same command again.
    Interrupted,
    /// 143: ended by SIGTERM; nothing is half-published (128 + 15). Run the same command again.
    Terminated,
}

impl ExitStatus {
    /// Every status, in the order of its code.
    pub const ALL: [Self; 9] = [
        Self::Published,
        Self::Failed,
        Self::Usage,
        Self::Partial,
        Self::NotAllowed,
        Self::Warehouse,
        Self::TryAgain,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Published => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::NotAllowed => 4,
            Self::Warehouse => 5,
            Self::TryAgain => 75,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl ExitStatus {
    /// The status of a code; one that is not in the table is a failure.
    pub fn of_code(code: u8) -> Self {
        Self::ALL
            .into_iter()
            .find(|status| status.code() == code)
            .unwrap_or(Self::Failed)
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// The table that `--help` ends with.
pub const EXIT_STATUS_HELP: &str = "\
Exit status:
    0  published; sessions still settling count as fine       go on
    1  failed; finished chunks stay, nothing half-published   look
    2  flags, job file or an incompatible warehouse           fix
    3  published, with open gaps that are listed              look; data usable
    4  not allowed: credentials, roles or policy              fix
    5  warehouse not reachable, not writable, full, or held   fix or retry
   75  throttled or down past the deadline; nothing lost      run it again
  130  interrupted (SIGINT); nothing half-published           run it again
  143  terminated (SIGTERM); nothing half-published           run it again";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_status_once() {
        let listed: Vec<String> = EXIT_STATUS_HELP
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .collect();
        let codes: Vec<String> = ExitStatus::ALL
            .iter()
            .map(|status| status.code().to_string())
            .collect();
        assert_eq!(listed, codes);
        assert!(EXIT_STATUS_HELP.lines().all(|line| line.len() <= 80));
    }
}
