//! The process manager behind core tasks and device tasks: does what needs keys and files, and tells the domain.
//!
//! It follows the log. For each batch of open items it submits `StartCoreTaskBatch`, makes certificates and files,
//! makes the files durable, and submits `FinishCoreTaskItem` for each item; the domain then registers everything in
//! one go. An item that was in hand when the process died is open after the restart and is done again: files are
//! overwritten, and a certificate that never reached the log cannot connect. Keys never reach the log.

mod claims;
mod craft;
mod watcher;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use shipslog_domain::command::Provisioned;
use shipslog_domain::core_task::Status;
use shipslog_domain::{Command, TaskKey};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, warn};

use crate::app::{App, Failure};
use crate::artifacts::Store;
use crate::failure::with_causes;
use crate::installer;
use crate::pki::Authority;
use claims::{Batch, Claims};

/// Threads that make keys and files: at most so many batches are in hand at once.
const WORKERS: usize = 2;
/// How long to wait before asking a busy writer again.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// What the provisioner works with.
#[derive(Clone, Debug)]
pub struct Workshop {
    /// Makes certificates.
    pub authority: Arc<Authority>,
    /// Takes the files.
    pub artifacts: Arc<Store>,
    /// What installer configurations say.
    pub installer: installer::Settings,
}

/// The running provisioner. Dropping it lets it end without waiting for it.
#[derive(Debug)]
pub struct Provisioner {
    signal: Arc<watch::Sender<Signal>>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads tell each other.
#[derive(Clone, Copy, Debug, Default)]
struct Signal {
    /// Grows when there may be more to do.
    requests: u64,
    stopping: bool,
}

impl Provisioner {
    /// Takes up the open items of all core tasks, and works until it is stopped or the service ends.
    pub fn start(app: &App, workshop: Workshop) -> io::Result<Self> {
        let signal = Arc::new(watch::Sender::new(Signal::default()));
        let mut provisioner = Self {
            signal: Arc::clone(&signal),
            threads: Vec::new(),
        };
        let claims = Arc::new(Claims::default());
        let workshop = Arc::new(workshop);
        // Follows from here on, before the workers look for what is open already.
        let follower = app.follow(app.head());
        let (app_of_watcher, store) = (app.clone(), Arc::clone(&workshop.artifacts));
        provisioner.spawn("provisioner", move |runtime| {
            runtime.block_on(watcher::watch(&app_of_watcher, follower, &store, &signal));
        })?;
        for number in 0..WORKERS {
            let mut worker = Worker {
                app: app.clone(),
                claims: Arc::clone(&claims),
                workshop: Arc::clone(&workshop),
                signal: provisioner.signal.subscribe(),
            };
            provisioner.spawn(&format!("provisioner-{number}"), move |runtime| {
                // An error says that the service has stopped, which is no news here.
                let _stopped = runtime.block_on(worker.run());
            })?;
        }
        Ok(provisioner)
    }

    /// Finishes the batches in hand and ends. What is left is taken up at the next start.
    pub fn stop(mut self) {
        self.signal.send_modify(|signal| signal.stopping = true);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                error!(
                    "a thread of the provisioner panicked; its items are taken up at the next start"
                );
            }
        }
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce(Runtime) + Send + 'static) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || work(runtime))?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Provisioner {
    fn drop(&mut self) {
        self.signal.send_modify(|signal| signal.stopping = true);
    }
}

/// The service has stopped: nothing more can be told to it.
#[derive(Debug)]
struct Stopped;

/// Asks the writer until it has room.
async fn insist<T, F>(ask: impl Fn() -> F) -> Result<T, Stopped>
where
    F: Future<Output = Result<T, Failure>>,
{
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(Failure::Busy) => tokio::time::sleep(BUSY_PAUSE).await,
            Err(Failure::Stopped) => return Err(Stopped),
        }
    }
}

struct Worker {
    app: App,
    claims: Arc<Claims>,
    workshop: Arc<Workshop>,
    signal: watch::Receiver<Signal>,
}

impl Worker {
    async fn run(&mut self) -> Result<(), Stopped> {
        loop {
            // Seen before looking for work: what comes in between is then news.
            if self.signal.borrow_and_update().stopping {
                return Ok(());
            }
            let claim = insist(|| {
                let claims = Arc::clone(&self.claims);
                self.app.read(move |fleet| claims.next(fleet))
            })
            .await?;
            let Some(claim) = claim else {
                if self.signal.changed().await.is_err() {
                    return Ok(());
                }
                continue;
            };
            let started = insist(|| {
                let start = Command::StartCoreTaskBatch {
                    key: claim.key,
                    first: claim.first,
                    count: claim.count,
                };
                let now = self.app.now();
                self.app.submit_with(start, None, move |fleet, decided| {
                    decided.map(|_| claim.prepare(fleet, now))
                })
            })
            .await?;
            match started {
                Ok(batch) => self.finish(batch).await?,
                Err(refused) => warn!(
                    task.id = claim.key.as_str(),
                    error = %refused,
                    "a batch of a core task cannot be started"
                ),
            }
        }
    }

    /// Makes what the batch needs, makes it durable, and tells the domain.
    async fn finish(&self, batch: Batch) -> Result<(), Stopped> {
        let results = self.craft(&batch);
        // All at once, so that they share a commit.
        let mut finishing = JoinSet::new();
        for (item, result) in results {
            let (app, workshop) = (self.app.clone(), Arc::clone(&self.workshop));
            finishing.spawn(async move {
                let failed = submit(&app, batch.key, item, &result).await?;
                if failed && let Ok(provisioned) = result {
                    craft::discard(&workshop.artifacts, &provisioned);
                }
                Ok(())
            });
        }
        while let Some(finished) = finishing.join_next().await {
            match finished {
                Ok(result) => result?,
                Err(panicked) => {
                    error!(error = %panicked, "an item of a core task stays open until the next start");
                }
            }
        }
        Ok(())
    }

    fn craft(&self, batch: &Batch) -> Vec<(u32, Result<Provisioned, Box<str>>)> {
        let now = self.app.now();
        let mut results: Vec<_> = batch
            .items
            .iter()
            .map(|item| {
                let work = || craft::craft(&self.workshop, &batch.core_version, item, now);
                // A task always ends, also over a bug of ours in one of its items.
                let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                    Err(
                        "provisioning failed: the service met a bug, which its log tells more of"
                            .into(),
                    )
                });
                (item.index, result)
            })
            .collect();
        let has_files = |result: &Result<Provisioned, _>| {
            result
                .as_ref()
                .is_ok_and(|made| made.certs.is_some() || made.config.is_some())
        };
        if results.iter().any(|(_, result)| has_files(result))
            && let Err(failure) = self.workshop.artifacts.sync()
        {
            let message = format!("uploading certs failed: {}", with_causes(&failure));
            for (_, result) in &mut results {
                if has_files(result) {
                    *result = Err(message.as_str().into());
                }
            }
        }
        results
    }
}

/// Ends an item; whether it failed.
async fn submit(
    app: &App,
    key: TaskKey,
    item: u32,
    result: &Result<Provisioned, Box<str>>,
) -> Result<bool, Stopped> {
    let state = insist(|| {
        let finish = Command::FinishCoreTaskItem {
            key,
            item,
            result: result.clone(),
        };
        app.submit_with(finish, None, move |fleet, decided| {
            let task = fleet.core_task(key);
            let state = task.and_then(|task| task.states.get(item as usize).copied());
            decided.map(|_| state)
        })
    })
    .await?;
    match state {
        Ok(state) => Ok(state == Some(Status::Failure)),
        Err(refused) => {
            warn!(
                task.id = key.as_str(),
                item,
                error = %refused,
                "an item of a core task cannot be ended"
            );
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests;
