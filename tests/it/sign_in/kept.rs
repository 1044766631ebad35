//! What is kept on disk is its owner's alone, and memory is written nowhere.

use super::*;

#[test]
fn fault_92_what_is_kept_is_its_owners_alone_whatever_the_umask_is() {
    let stand = stand();
    let job = device_code(&stand);
    let login = teamsheet(&stand, &[]);
    let status = Command::new("sh")
        .args(["-c", "umask 000; exec \"$0\" login --job \"$1\""])
        .arg(login.get_program())
        .arg(&job)
        .env("XDG_STATE_HOME", stand.folder.path().join("state"))
        .output()
        .unwrap();
    outcome(status).expect_code(0);
    let (folder, files) = state(&stand);
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(files.len(), 1);
    assert_eq!(mode(&files[0]), 0o600);
    // what a run stages is people's data: nobody else may enter either
    let app = stand.job(&stand.warehouse(), "");
    let run = Command::new("sh")
        .args(["-c", "umask 000; exec \"$0\" run --job \"$1\""])
        .arg(login.get_program())
        .arg(&app)
        .env("SECRET", CLIENT_SECRET)
        .output()
        .unwrap();
    assert!([Some(0), Some(3)].contains(&run.status.code()));
    for private in ["_teamsheet", "_teamsheet/staging"] {
        assert_eq!(mode(&stand.warehouse().join(private)), 0o700, "{private}");
    }
    let job = device_code(&stand);
    // one that others may enter is closed at the next sign-in
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    self::run(&stand, "login", &job).expect_code(0);
    assert_eq!(mode(&folder), 0o700);
}

#[test]
fn fault_92_no_core_file_is_written() {
    let stand = stand();
    stand
        .tenant
        .script(Fault::always("oauth2/v2.0/token", FaultEffect::Silence));
    let job = stand.job(&stand.warehouse(), "");
    let mut child = teamsheet(&stand, &["run", "--job", job.to_str().unwrap()])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let waited = std::time::Instant::now();
    while stand.tenant.requests().is_empty() {
        assert!(
            waited.elapsed() < std::time::Duration::from_secs(20),
            "it never got that far"
        );
        std::thread::yield_now();
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let numbers: Vec<_> = line.split_whitespace().skip(4).take(2).collect();
    assert_eq!(numbers, ["0", "0"], "{line}");
}
