//! The one thread of a run that works with files.
//!
//! One after the other: what a merge needs is then what staging gave back before, where each further thread would hold on to memory
//! of its own. And a run takes the same steps each time it is repeated.

use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use super::RunError;

type Job = Box<dyn FnOnce() + Send>;

/// Takes file work off the async threads, in the order in which it comes; ends with its last handle.
#[derive(Debug, Clone)]
pub struct FileThread(mpsc::Sender<Job>);

impl FileThread {
    /// Starts the thread; where the system allows none, all its work fails.
    pub fn start() -> Self {
        let (jobs, todo) = mpsc::channel::<Job>();
        let thread = thread::Builder::new().name("files".to_owned());
        let work = move || todo.into_iter().for_each(|job| job());
        if let Err(error) = thread.spawn(work) {
            tracing::warn!("cannot start a thread for files: {error}");
        }
        Self(jobs)
    }

    /// Runs work until it is done. What is left behind ends with the process.
    ///
    /// # Errors
    /// [`RunError::Panicked`] where it did, or anything before it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RunError> {
        let (done, result) = oneshot::channel();
        let job = move || {
            // nobody waits for it where the run was stopped
            done.send(work()).ok();
        };
        self.0.send(Box::new(job)).map_err(|_| RunError::Panicked)?;
        result.await.map_err(|_| RunError::Panicked)
    }
}
