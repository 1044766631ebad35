//! One publisher at a time for a store: an object that names the holder.
//!
//! ```text
//! absent or free ──put-if-absent, or if it is unchanged──► held ──renewed while held──► free
//!                                                           │ expired: anybody may take it, if it is unchanged
//!                                                           ▼
//!                                                          held by another; the first holder's next renewal is refused
//! ```
//!
//! Each write names the version that was read, so of two who try one succeeds. Clocks may be wrong: a lease counts as expired when its
//! own time is well past, or when this process has seen it unchanged for as long as a lease lasts. Taking one too early harms nothing,
//! because the holder renews by the same condition right before each upload completes, and stops there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, oneshot};

use super::super::error::WarehouseError;
use super::super::object_version::ObjectVersion;
use super::super::store_error::StoreError;
use super::objects::{Objects, Written};
use crate::time::UtcMicros;

pub(super) const LEASE: &str = "_teamsheet/lease";
/// How long a holder may take to say that the lease is free; after that it expires by itself.
const RELEASE: Duration = Duration::from_secs(3);
/// How often a store may refuse a condition that does hold.
const REFUSALS: u32 = 5;

/// How long a lease lasts without renewal.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeaseTerm(pub(super) Duration);

impl Default for LeaseTerm {
    fn default() -> Self {
        Self(Duration::from_secs(60))
    }
}

/// The right to publish into a store; given back when dropped.
#[derive(Debug)]
pub(in super::super) struct Lease {
    held: Arc<Held>,
    stop: Option<oneshot::Sender<()>>,
    released: std::sync::Mutex<mpsc::Receiver<()>>,
}

/// What the last look at somebody else's lease showed, and since when.
#[derive(Debug, Default)]
pub(super) struct Observed(std::sync::Mutex<Option<(ObjectVersion, Instant)>>);

#[derive(Debug)]
struct Held {
    objects: Objects,
    term: LeaseTerm,
    holder: String,
    nonce: String,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Holding {
        version: ObjectVersion,
        sequence: u64,
    },
    Lost,
}

/// What the object says. `sequence` makes each writing another one, also where a store's `ETag` is a hash of the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LeaseFile {
    /// The invocation that holds the lease; `None` where it is free.
    holder: Option<String>,
    nonce: String,
    sequence: u64,
    /// RFC 3339; by the holder's clock.
    expires_at: String,
}

impl Lease {
    /// Takes the lease where it is free or expired; renews it on `runtime` until it is dropped.
    pub(super) async fn try_acquire(
        objects: &Objects,
        holder: &str,
        term: LeaseTerm,
        observed: &Observed,
        runtime: &Handle,
    ) -> Result<Option<Self>, WarehouseError> {
        static ACQUIRED: AtomicU64 = AtomicU64::new(0);
        let found = objects.read(LEASE).await?;
        let previous = found.as_ref().map(|(_, version)| version);
        if let Some((text, version)) = &found
            && !is_to_be_had(text, version, term, observed)
        {
            return Ok(None);
        }
        let number = ACQUIRED.fetch_add(1, Ordering::Relaxed);
        let held = Held {
            objects: objects.clone(),
            term,
            holder: holder.to_owned(),
            nonce: format!("{holder}-{}-{number}", std::process::id()),
            state: Mutex::new(State::Lost),
        };
        let Some(version) = held.write(held.file(0), previous).await? else {
            return Ok(None);
        };
        *held.state.lock().await = State::Holding {
            version,
            sequence: 0,
        };
        Ok(Some(Self::keep(held, runtime)))
    }

    fn keep(held: Held, runtime: &Handle) -> Self {
        let held = Arc::new(held);
        let (stop, mut stopped) = oneshot::channel();
        let (done, released) = mpsc::channel();
        let keeper = Arc::clone(&held);
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    _ = &mut stopped => break,
                    () = tokio::time::sleep(keeper.term.0 / 3) => {
                        if let Err(error) = keeper.renew().await {
                            // the next renewal may pass; whoever publishes asks again by itself
                            tracing::debug!("the lease could not be renewed: {error}");
                        }
                    }
                }
            }
            if let Err(error) = keeper.release().await {
                tracing::warn!("the lease could not be given back; it expires by itself: {error}");
            }
            // nobody waits any longer where the receiver is gone
            done.send(()).ok();
        });
        Self {
            held,
            stop: Some(stop),
            released: std::sync::Mutex::new(released),
        }
    }

    /// Proves that the lease is still held, by renewing it.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] where another run has it.
    pub(super) async fn confirm(&self) -> Result<(), WarehouseError> {
        self.held.renew().await
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let told = self.stop.take().is_some_and(|stop| stop.send(()).is_ok());
        let released = self
            .released
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if told && released.recv_timeout(RELEASE).is_err() {
            tracing::warn!("the lease could not be given back in time; it expires by itself");
        }
    }
}

impl Held {
    async fn renew(&self) -> Result<(), WarehouseError> {
        let mut state = self.state.lock().await;
        let State::Holding { version, sequence } = &*state else {
            return Err(self.lost());
        };
        let sequence = sequence + 1;
        if let Some(version) = self.write(self.file(sequence), Some(version)).await? {
            *state = State::Holding { version, sequence };
            return Ok(());
        }
        *state = State::Lost;
        Err(self.lost())
    }

    async fn release(&self) -> Result<(), WarehouseError> {
        let mut state = self.state.lock().await;
        if let State::Holding { version, sequence } = &*state {
            let free = LeaseFile {
                holder: None,
                ..self.file(sequence + 1)
            };
            self.write(free, Some(version)).await?;
            *state = State::Lost;
        }
        Ok(())
    }

    /// Writes the lease where it is still `expected`; `None` where it is not. An earlier writing of ours whose answer was lost counts.
    async fn write(
        &self,
        file: LeaseFile,
        expected: Option<&ObjectVersion>,
    ) -> Result<Option<ObjectVersion>, WarehouseError> {
        let text = serde_json::to_vec_pretty(&file).map_err(|error| {
            let detail = error.to_string();
            self.objects.failed("write", LEASE)(StoreError::Other { detail })
        })?;
        let mut expected = expected.cloned();
        for refusals in 1..=REFUSALS {
            let written = self
                .objects
                .write(LEASE, text.clone().into(), expected.as_ref());
            if let Written::Stored(version) = written.await? {
                return Ok(Some(version));
            }
            match self.objects.read(LEASE).await? {
                Some((found, version)) if found == text => return Ok(Some(version)),
                // nobody else writes this nonce
                Some((found, version))
                    if nonce(&found).is_some_and(|found| found == self.nonce) =>
                {
                    expected = Some(version);
                }
                Some((_, version)) if expected.as_ref() == Some(&version) => {}
                None if expected.is_none() => {}
                Some(_) | None => return Ok(None),
            }
            tokio::time::sleep(self.objects.patience.wait(refusals)).await;
        }
        Ok(None)
    }

    fn file(&self, sequence: u64) -> LeaseFile {
        LeaseFile {
            holder: Some(self.holder.clone()),
            nonce: self.nonce.clone(),
            sequence,
            expires_at: now().plus(micros(self.term.0)).to_string(),
        }
    }

    fn lost(&self) -> WarehouseError {
        self.objects.failed("publish under", LEASE)(StoreError::LeaseLost)
    }
}

fn is_to_be_had(
    text: &[u8],
    version: &ObjectVersion,
    term: LeaseTerm,
    observed: &Observed,
) -> bool {
    if is_free(text) {
        return true;
    }
    let file: Option<LeaseFile> = serde_json::from_slice(text).ok();
    // as long again as it lasts, for clocks that differ
    let expires_at = file.and_then(|file| file.expires_at.parse::<jiff::Timestamp>().ok());
    if expires_at.is_some_and(|at| UtcMicros::from(at).plus(micros(term.0)) < now()) {
        return true;
    }
    let mut observed = observed.0.lock().unwrap_or_else(PoisonError::into_inner);
    match &*observed {
        Some((seen, since)) if seen == version => since.elapsed() > term.0,
        Some(_) | None => {
            *observed = Some((version.clone(), Instant::now()));
            false
        }
    }
}

/// Whether nobody holds the lease, by its own word.
pub(super) fn is_free(text: &[u8]) -> bool {
    serde_json::from_slice::<LeaseFile>(text).is_ok_and(|file| file.holder.is_none())
}

fn nonce(text: &[u8]) -> Option<String> {
    let file: LeaseFile = serde_json::from_slice(text).ok()?;
    Some(file.nonce)
}

/// The one clock below the plan. What it says is advice to other runs; what is safe is decided by versions.
fn now() -> UtcMicros {
    jiff::Timestamp::now().into()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
