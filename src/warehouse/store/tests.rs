//! Objects, uploads and the lease, against `object_store`'s store in memory: it keeps the same conditions as the real ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::memory::InMemory;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use tempfile::TempDir;

use super::super::object_version::ObjectVersion;
use super::http::Patience;
use super::objects::UploadSizes;
use super::*;
use crate::job::place::WarehousePlace;
use crate::tables::SESSIONS;

struct Place {
    folder: TempDir,
    memory: Arc<InMemory>,
    objects: Objects,
    bridge: Bridge,
    observed: Observed,
}

const TERM: LeaseTerm = LeaseTerm(Duration::from_millis(300));

impl Place {
    fn new() -> Self {
        let memory = Arc::new(InMemory::new());
        let Ok(WarehousePlace::Store(address)) = WarehousePlace::parse("s3://bucket/teams") else {
            panic!("an address")
        };
        let mut objects =
            Objects::new(Arc::clone(&memory) as _, Arc::clone(&memory) as _, &address);
        objects.sizes = UploadSizes {
            single: 64,
            part: 16,
        };
        objects.patience = Patience {
            base: Duration::from_millis(1),
            ..Patience::default()
        };
        Self {
            folder: TempDir::new().unwrap(),
            memory,
            objects,
            bridge: Bridge::new().unwrap(),
            observed: Observed::default(),
        }
    }

    fn lease(&self, holder: &str, term: LeaseTerm, observed: &Observed) -> Option<Lease> {
        let runtime = &self.bridge.handle;
        let taken = Lease::try_acquire(&self.objects, holder, term, observed, runtime);
        self.bridge.wait(taken).unwrap()
    }

    fn take(&self) -> Lease {
        self.lease("us", LeaseTerm::default(), &self.observed)
            .unwrap()
    }

    fn file(&self, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join("staged");
        fs::write(&path, content).unwrap();
        path
    }

    fn upload(
        &self,
        lease: &Lease,
        content: &[u8],
        expected: Option<&ObjectVersion>,
    ) -> Result<ObjectVersion, WarehouseError> {
        let file = self.file(content);
        let uploaded = upload::upload(&self.objects, lease, "t/data.parquet", &file, expected);
        self.bridge.wait(uploaded)
    }

    /// What another program writes, without any condition.
    fn write(&self, key: &str, content: &[u8]) {
        let path = self.objects.path(key).unwrap();
        let content = content.to_vec();
        self.bridge
            .wait(self.memory.put(&path, content.into()))
            .unwrap();
    }

    fn content(&self, key: &str) -> Vec<u8> {
        self.bridge
            .wait(self.objects.read(key))
            .unwrap()
            .unwrap()
            .0
            .to_vec()
    }

    fn lease_file(&self) -> serde_json::Value {
        serde_json::from_slice(&self.content("_teamsheet/lease")).unwrap()
    }

    fn keys(&self) -> Vec<String> {
        use futures::TryStreamExt as _;
        let listed = self.memory.list(None).try_collect::<Vec<_>>();
        let mut keys: Vec<_> = self.bridge.wait(listed).unwrap();
        keys.sort_by(|left, right| left.location.cmp(&right.location));
        keys.into_iter()
            .map(|meta| meta.location.to_string())
            .collect()
    }
}

fn store_error_of(error: &WarehouseError) -> &StoreError {
    if let WarehouseError::Store { source, .. } = error {
        return source;
    }
    panic!("{error:?}")
}

fn bytes(number: u8, length: usize) -> Vec<u8> {
    (0..=u8::MAX)
        .cycle()
        .map(|place| number.wrapping_add(place))
        .take(length)
        .collect()
}

#[test]
fn a_file_is_one_object_whether_it_goes_whole_or_in_parts() {
    for length in [0, 1, 64, 65, 80, 81, 1_000] {
        let place = Place::new();
        let lease = place.take();
        let first = place.upload(&lease, &bytes(1, length), None).unwrap();
        assert_eq!(place.content("t/data.parquet"), bytes(1, length));
        let second = place
            .upload(&lease, &bytes(2, length + 1), Some(&first))
            .unwrap();
        assert_eq!(place.content("t/data.parquet"), bytes(2, length + 1));
        assert_ne!(first, second);
        assert!(place.keys().contains(&"teams/t/data.parquet".to_owned()));
    }
}

#[test]
fn an_object_that_somebody_else_wrote_is_never_overwritten() {
    for length in [10, 100] {
        let place = Place::new();
        let lease = place.take();
        let version = place.upload(&lease, &bytes(1, length), None).unwrap();
        place.write("t/data.parquet", b"theirs");
        for expected in [Some(&version), None] {
            let error = place
                .upload(&lease, &bytes(2, length), expected)
                .unwrap_err();
            assert!(
                matches!(store_error_of(&error), StoreError::Replaced),
                "{error:?}"
            );
            assert_eq!(
                error.to_string(),
                "cannot replace `s3://bucket/teams/t/data.parquet`"
            );
        }
        assert_eq!(place.content("t/data.parquet"), b"theirs");
    }
}

#[test]
fn fault_21_a_conflict_with_our_own_content_counts_as_success() {
    for length in [10, 100] {
        let place = Place::new();
        let lease = place.take();
        let old = place.upload(&lease, &bytes(1, length), None).unwrap();
        // an earlier try was stored, and its answer lost
        place.write("t/data.parquet", &bytes(2, length));
        let new = place.upload(&lease, &bytes(2, length), Some(&old)).unwrap();
        let (_, now) = place
            .bridge
            .wait(place.objects.head("t/data.parquet"))
            .unwrap()
            .unwrap();
        assert_eq!(new, now);
        assert_eq!(place.upload(&lease, &bytes(2, length), None).unwrap(), now);
    }
}

#[test]
fn an_object_of_the_same_length_is_not_taken_for_ours() {
    let place = Place::new();
    let lease = place.take();
    let old = place.upload(&lease, &bytes(1, 100), None).unwrap();
    let mut theirs = bytes(2, 100);
    theirs[99] ^= 1;
    place.write("t/data.parquet", &theirs);
    assert!(place.upload(&lease, &bytes(2, 100), Some(&old)).is_err());
    assert_eq!(place.content("t/data.parquet"), theirs);
}

#[test]
fn fault_18_of_two_who_try_one_holds_the_lease() {
    let place = Place::new();
    let ours = place
        .lease("us", LeaseTerm::default(), &place.observed)
        .unwrap();
    let theirs = Observed::default();
    assert!(place.lease("them", LeaseTerm::default(), &theirs).is_none());
    assert_eq!(place.lease_file()["holder"], "us");
    drop(ours);
    assert_eq!(place.lease_file()["holder"], serde_json::Value::Null);
    let lease = place.lease("them", LeaseTerm::default(), &theirs).unwrap();
    assert_eq!(place.lease_file()["holder"], "them");
    drop(lease);
}

#[test]
fn a_lease_is_renewed_as_long_as_it_is_held() {
    let place = Place::new();
    let lease = place.lease("us", TERM, &place.observed).unwrap();
    let theirs = Observed::default();
    let began = Instant::now();
    while began.elapsed() < TERM.0 * 3 {
        assert!(place.lease("them", TERM, &theirs).is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(place.lease_file()["sequence"].as_u64().unwrap() >= 3);
    drop(lease);
}

/// What a holder leaves that was killed.
fn abandon(place: &Place, expires_in_seconds: i64) {
    let expires_at = now_plus(expires_in_seconds);
    let text =
        format!(r#"{{"holder":"dead","nonce":"dead-1","sequence":4,"expires_at":"{expires_at}"}}"#);
    place.write("_teamsheet/lease", text.as_bytes());
}

fn now_plus(seconds: i64) -> String {
    jiff::Timestamp::now()
        .checked_add(jiff::SignedDuration::from_secs(seconds))
        .unwrap()
        .to_string()
}

#[test]
fn fault_18_an_expired_lease_is_taken_over_and_its_holder_is_fenced() {
    let place = Place::new();
    let ours = place.take();
    let version = place.upload(&ours, b"first", None).unwrap();
    // suspended for an hour, as others see it
    abandon(&place, -3_600);
    let theirs = place
        .lease("them", LeaseTerm::default(), &Observed::default())
        .unwrap();
    for length in [10, 100] {
        let error = place
            .upload(&ours, &bytes(1, length), Some(&version))
            .unwrap_err();
        assert!(
            matches!(store_error_of(&error), StoreError::LeaseLost),
            "{error:?}"
        );
    }
    assert_eq!(place.content("t/data.parquet"), b"first");
    // giving back what is lost leaves the other's lease alone
    drop(ours);
    assert_eq!(place.lease_file()["holder"], "them");
    place.upload(&theirs, b"second", Some(&version)).unwrap();
    assert_eq!(place.content("t/data.parquet"), b"second");
}

#[test]
fn fault_19_a_clock_that_jumps_neither_frees_a_lease_for_two_nor_keeps_it_forever() {
    // its holder's clock is a day ahead: seen unchanged for a term, it is expired all the same
    let place = Place::new();
    abandon(&place, 86_400);
    let began = Instant::now();
    let lease = loop {
        if let Some(lease) = place.lease("us", TERM, &place.observed) {
            break lease;
        }
        assert!(began.elapsed() < TERM.0 * 20, "never taken over");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(began.elapsed() >= TERM.0);
    drop(lease);

    // its holder's clock is a day behind, and the holder lives: it is fenced, not doubled
    let place = Place::new();
    let living = place.take();
    let version = place.upload(&living, b"first", None).unwrap();
    let mut behind = place.lease_file();
    behind["expires_at"] = now_plus(-86_400).into();
    place.write("_teamsheet/lease", behind.to_string().as_bytes());
    let taken = place
        .lease("them", LeaseTerm::default(), &Observed::default())
        .unwrap();
    assert!(place.upload(&living, b"second", Some(&version)).is_err());
    place.upload(&taken, b"third", Some(&version)).unwrap();
    assert_eq!(place.content("t/data.parquet"), b"third");
}

#[test]
fn a_renewal_whose_answer_was_lost_does_not_lose_the_lease() {
    let place = Place::new();
    let lease = place.take();
    // stored under our nonce, but we have never seen its version
    let mut stored = place.lease_file();
    stored["sequence"] = 7.into();
    place.write("_teamsheet/lease", stored.to_string().as_bytes());
    place.upload(&lease, b"content", None).unwrap();
    assert_eq!(place.lease_file()["nonce"], stored["nonce"]);
    drop(lease);
    assert_eq!(place.lease_file()["holder"], serde_json::Value::Null);
}

#[test]
fn a_lease_that_is_no_json_is_waited_for_and_then_taken_over() {
    let place = Place::new();
    place.write("_teamsheet/lease", b"\xff{");
    assert!(place.lease("us", TERM, &place.observed).is_none());
    std::thread::sleep(TERM.0 + Duration::from_millis(50));
    assert!(place.lease("us", TERM, &place.observed).is_some());
}

#[test]
fn fault_22_the_parts_that_a_dead_run_left_are_removed_by_the_next_holder() {
    let place = Place::new();
    let path = place.objects.path("t/data.parquet").unwrap();
    let parts = Arc::clone(&place.objects.parts);
    let id = place.bridge.wait(parts.create_multipart(&path)).unwrap();
    place
        .bridge
        .wait(parts.put_part(&path, &id, 0, b"orphan".to_vec().into()))
        .unwrap();
    let note = format!(r#"{{"key":"t/data.parquet","upload_id":"{id}"}}"#);
    place.write("_teamsheet/upload", note.as_bytes());
    place
        .bridge
        .wait(upload::remove_orphans(&place.objects))
        .unwrap();
    let gone = place
        .bridge
        .wait(parts.put_part(&path, &id, 1, b"more".to_vec().into()));
    assert!(gone.is_err(), "the upload is still there");
    assert!(
        place
            .bridge
            .wait(place.objects.head("t/data.parquet"))
            .unwrap()
            .is_none()
    );
    let noted: serde_json::Value =
        serde_json::from_slice(&place.content("_teamsheet/upload")).unwrap();
    assert_eq!(noted["upload_id"], "");
}

#[test]
fn fault_22_an_upload_in_parts_that_fails_shows_no_object() {
    let place = Place::new();
    let lease = place.take();
    // another run takes the lease while the parts are under way: it is checked right before they are put together
    abandon(&place, -3_600);
    let error = place.upload(&lease, &bytes(1, 100), None).unwrap_err();
    assert!(
        matches!(store_error_of(&error), StoreError::LeaseLost),
        "{error:?}"
    );
    assert!(
        place
            .bridge
            .wait(place.objects.head("t/data.parquet"))
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_store_with_conditions_passes_the_probe_again_and_again() {
    let place = Place::new();
    for holder in ["one", "one", "two"] {
        place.bridge.wait(probe(&place.objects, holder)).unwrap();
    }
    assert_eq!(place.keys(), ["teams/_teamsheet/probe"]);
}

#[test]
fn a_download_is_the_object_and_none_where_there_is_none() {
    let place = Place::new();
    place.write("t/data.parquet", &bytes(9, 100_000));
    let path = place.folder.path().join("copy");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    let version = place
        .bridge
        .wait(place.objects.download("t/data.parquet", &mut file, &path));
    let (size, expected) = place
        .bridge
        .wait(place.objects.head("t/data.parquet"))
        .unwrap()
        .unwrap();
    assert_eq!(version.unwrap(), Some(expected));
    assert_eq!(
        fs::read(&path).unwrap(),
        bytes(9, usize::try_from(size).unwrap())
    );
    let none = place
        .bridge
        .wait(place.objects.download("t/none", &mut file, &path))
        .unwrap();
    assert_eq!(none, None);
}

#[test]
fn fault_24_a_listing_only_says_which_days_there_may_be() {
    let place = Place::new();
    for key in [
        "sessions/event_date=2026-01-05/data.parquet",
        "sessions/event_date=2026-01-06/.stale",
        "sessions/event_date=2026-1-7/data.parquet",
        "sessions/event_date=20260108/data.parquet",
        "sessions/event_date=2026-01-09/2026/data.parquet",
        "sessions/data.parquet",
    ] {
        place.write(key, b"x");
    }
    let scratch = place.folder.path().to_owned();
    let store = Store::over(place.objects.clone(), "us", scratch).unwrap();
    let day = |day| EventDate::from_date(str::parse(day).unwrap());
    let mut listed = store.partitions(&SESSIONS).unwrap();
    listed.sort_unstable();
    let (held, stale, deeper) = (day("2026-01-05"), day("2026-01-06"), day("2026-01-09"));
    assert_eq!(listed, [held, stale, deeper]);
    // what is there is what its key has, whatever was listed
    assert!(store.generation(&SESSIONS, held).unwrap().is_some());
    for nothing in [stale, deeper] {
        assert!(store.generation(&SESSIONS, nothing).unwrap().is_none());
        assert!(store.open_partition(&SESSIONS, nothing).unwrap().is_none());
    }
}

#[test]
fn the_days_of_a_table_are_the_folders_below_it() {
    let place = Place::new();
    for key in [
        "sessions/event_date=2026-01-05/data.parquet",
        "sessions/event_date=2026-01-04/data.parquet",
        "sessions/stray.txt",
        "gaps/event_date=2026-01-06/data.parquet",
    ] {
        place.write(key, b"x");
    }
    let mut folders = place
        .bridge
        .wait(place.objects.folders("sessions"))
        .unwrap();
    folders.sort();
    assert_eq!(folders, ["event_date=2026-01-04", "event_date=2026-01-05"]);
    assert!(
        place
            .bridge
            .wait(place.objects.folders("runs"))
            .unwrap()
            .is_empty()
    );
}
