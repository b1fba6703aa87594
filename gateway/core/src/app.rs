//! The handle that every adapter holds: submit a command, read the fleet, look at the views, follow the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use shipslog_domain::log::{CommandKey, EventLog};
use shipslog_domain::{Command, Fleet, Position, Rejection, Span, Timestamp, fleet};
use shipslog_projections::Views;
use tokio::sync::{oneshot, watch};
use tracing::{error, info};

use crate::checkpoint;
use crate::clock::{Clock, NotVirtual};
use crate::container_logs::ContainerLogs;
use crate::failure;
use crate::limits;
use crate::log::{Log, LogReader};
use crate::metrics::WriterMetrics;
use crate::refusals::Refusals;
use crate::s3::Documents;
use crate::start;
use crate::tail::{Follower, Tail};
use crate::views::{Lagging, SharedViews};
pub use crate::writer::Receipt;
use crate::writer::{End, Request, Turn, Work, Writer};

/// The machinery could not do it; says nothing about the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The writer's queue is full: ask again in a moment.
    #[error("the service is busy; try again in a moment")]
    Busy,
    /// The service is stopping or has failed. Whether a request in hand was carried out can be read after a
    /// restart.
    #[error("the service has stopped")]
    Stopped,
}

/// How the service is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// What decisions depend on.
    pub fleet: fleet::Settings,
    /// Whether time passes by itself.
    pub virtual_clock: bool,
    /// Events between two saved states.
    pub events_per_saved_state: u64,
    /// How job documents are handed to devices.
    pub documents: Documents,
    /// What containers wrote. The default keeps it in memory only.
    pub container_logs: Arc<ContainerLogs>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fleet: fleet::Settings::default(),
            virtual_clock: false,
            events_per_saved_state: limits::EVENTS_PER_SAVED_STATE,
            documents: Documents::default(),
            container_logs: Arc::default(),
        }
    }
}

/// The handle that every adapter holds. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    requests: SyncSender<Request>,
    tail: Arc<Tail>,
    log: LogReader,
    clock: Clock,
    views: SharedViews,
    metrics: Arc<WriterMetrics>,
    documents: Arc<Documents>,
    refusals: Arc<Refusals>,
    container_logs: Arc<ContainerLogs>,
    ended: watch::Receiver<Option<Ended>>,
}

/// Why the writer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop; everything is saved.
    Stopped,
    /// The log failed. The message says what and what to do.
    Failed(String),
}

/// The running service, held by whoever started it.
#[derive(Debug)]
pub struct Service {
    app: App,
    writer: Option<JoinHandle<()>>,
}

impl Service {
    /// Replays the log and starts the writer.
    pub fn start(log: Log, options: Options) -> Result<Self, failure::Failure> {
        let replayed = start::replay(&log, &options.fleet)?;
        let reader = log.reader();
        let log_head = log.head();
        let tail = Arc::new(Tail::new(log_head));
        let clock = if options.virtual_clock {
            Clock::new_virtual(replayed.last)
        } else {
            Clock::System
        };
        let metrics = Arc::new(WriterMetrics::default());
        let (requests, queue) = sync_channel(limits::QUEUE_MAX);
        let (ended_sender, ended) = watch::channel(None);
        let views = SharedViews::follow(replayed.views, Arc::clone(&tail), reader.clone());
        let (saves, due) = channel();
        let keeper = checkpoint::Keeper::new(log.saved_states(), reader.clone(), &options);
        let keeping = keeper.start(due);
        let writer = Writer {
            fleet: replayed.fleet,
            log,
            clock: clock.clone(),
            requests: queue,
            tail: Arc::clone(&tail),
            metrics: Arc::clone(&metrics),
            last: replayed.last,
            saves: checkpoint::Trigger::new(saves, log_head, &options),
        };
        let app = App {
            inner: Arc::new(Inner {
                requests,
                tail,
                log: reader,
                refusals: Arc::new(Refusals::new(clock.clone())),
                clock,
                views,
                metrics,
                documents: Arc::new(options.documents),
                container_logs: options.container_logs,
                ended,
            }),
        };
        let writing = Writing {
            writer,
            keeping,
            views: app.inner.views.clone(),
            ended: ended_sender,
        };
        let writer = writing.start();
        Ok(Self {
            app,
            writer: Some(writer),
        })
    }

    /// The handle for adapters.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Finishes what is in hand, saves the states and closes the log.
    pub fn stop(mut self) -> Ended {
        let _full_or_gone = self.app.inner.requests.send(Request::Stop);
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            return Ended::Failed("the writer panicked; start again to replay the log".into());
        }
        info!(position = self.app.inner.log.head().0, "stopped");
        let ended = self.app.inner.ended.borrow().clone();
        ended.unwrap_or(Ended::Stopped)
    }
}

impl Service {
    /// Ends as if the process had been killed: what is in hand is neither committed nor answered, and nothing is
    /// saved. The log can be opened again when this returns. For rehearsals of a failure.
    pub fn kill(mut self) {
        let _full_or_gone = self.app.inner.requests.send(Request::Kill);
        if let Some(writer) = self.writer.take() {
            // However it ended, it has.
            writer.join().ok();
        }
    }
}

/// What the writer's thread works with, and what it does when the writer has ended.
struct Writing {
    writer: Writer,
    keeping: JoinHandle<()>,
    views: SharedViews,
    ended: watch::Sender<Option<Ended>>,
}

impl Writing {
    fn start(self) -> JoinHandle<()> {
        std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || self.run())
            .expect("the operating system gives a thread at start")
    }

    fn run(self) {
        let (mut writer, result) = self.writer.run();
        writer.saves.end();
        if self.keeping.join().is_err() {
            error!("the thread that saves states panicked; the log is not affected");
        }
        let ended = match result {
            Ok(End::Killed) => Ended::Failed("killed on request".into()),
            Ok(End::Stopped) => {
                checkpoint::save_at_end(&writer.log, &writer.fleet, &self.views);
                Ended::Stopped
            }
            Err(failure) => {
                let failure = failure::with_causes(&failure);
                error!(error = %failure, "the log failed; nothing acknowledged is lost");
                Ended::Failed(failure)
            }
        };
        drop(writer);
        self.ended.send_replace(Some(ended));
    }
}

/// A command on its way to the writer.
struct CommandWork<T, A> {
    command: Command,
    key: Option<CommandKey>,
    answer: Option<A>,
    result: Option<T>,
    reply: oneshot::Sender<T>,
}

impl<T, A> Work for CommandWork<T, A>
where
    T: Send,
    A: FnOnce(&Fleet, Result<Receipt, Rejection>) -> T + Send,
{
    fn run(&mut self, turn: &mut Turn<'_>) {
        if let Some(answer) = self.answer.take() {
            let decided = turn.submit(&self.command, self.key);
            self.result = Some(answer(turn.fleet(), decided));
        }
    }

    fn deliver(self: Box<Self>) {
        if let Some(result) = self.result {
            // A caller that has gone away does not wait for its answer.
            drop(self.reply.send(result));
        }
    }
}

/// Commands that travel together.
struct CommandsWork {
    commands: Vec<Command>,
    results: Vec<Result<Receipt, Rejection>>,
    reply: oneshot::Sender<Vec<Result<Receipt, Rejection>>>,
}

impl Work for CommandsWork {
    fn run(&mut self, turn: &mut Turn<'_>) {
        let commands = std::mem::take(&mut self.commands);
        self.results = commands
            .iter()
            .map(|command| turn.submit(command, None))
            .collect();
    }

    fn deliver(self: Box<Self>) {
        drop(self.reply.send(self.results));
    }
}

/// A look at the fleet on its way to the writer.
struct ReadWork<T, R> {
    read: Option<R>,
    result: Option<T>,
    reply: oneshot::Sender<T>,
}

impl<T, R> Work for ReadWork<T, R>
where
    T: Send,
    R: FnOnce(&Fleet) -> T + Send,
{
    fn run(&mut self, turn: &mut Turn<'_>) {
        self.result = self.read.take().map(|read| read(turn.fleet()));
    }

    fn deliver(self: Box<Self>) {
        if let Some(result) = self.result {
            drop(self.reply.send(result));
        }
    }
}

impl App {
    /// Submits a command. `answer` runs on the writer's thread right after the command was decided and applied and
    /// may read the fleet; what it returns reaches the caller once the events are durable. Keep it short.
    pub async fn submit_with<T: Send + 'static>(
        &self,
        command: Command,
        key: Option<CommandKey>,
        answer: impl FnOnce(&Fleet, Result<Receipt, Rejection>) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, result) = oneshot::channel();
        self.send(Box::new(CommandWork {
            command,
            key,
            answer: Some(answer),
            result: None,
            reply,
        }))?;
        result.await.map_err(|_| Failure::Stopped)
    }

    /// Submits a command.
    pub async fn submit(&self, command: Command) -> Result<Result<Receipt, Rejection>, Failure> {
        self.submit_with(command, None, |_, decided| decided).await
    }

    /// Submits commands one after the other, with nothing in between, in one commit. Each is accepted or refused for
    /// itself. Other callers wait meanwhile, so keep to a thousand or two.
    pub async fn submit_all(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Receipt, Rejection>>, Failure> {
        let (reply, result) = oneshot::channel();
        self.send(Box::new(CommandsWork {
            commands,
            results: Vec::new(),
            reply,
        }))?;
        result.await.map_err(|_| Failure::Stopped)
    }

    /// Looks at the fleet on the writer's thread, in order with commands. What `read` returns reaches the caller
    /// once everything that it may have seen is durable. Keep it short.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Fleet) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, result) = oneshot::channel();
        self.send(Box::new(ReadWork {
            read: Some(read),
            result: None,
            reply,
        }))?;
        result.await.map_err(|_| Failure::Stopped)
    }

    /// [`App::submit`] for threads that may wait.
    pub fn submit_blocking(&self, command: Command) -> Result<Result<Receipt, Rejection>, Failure> {
        let (reply, result) = oneshot::channel();
        self.send(Box::new(CommandWork {
            command,
            key: None,
            answer: Some(|_: &Fleet, decided: Result<Receipt, Rejection>| decided),
            result: None,
            reply,
        }))?;
        result.blocking_recv().map_err(|_| Failure::Stopped)
    }

    /// [`App::read`] for threads that may wait.
    pub fn read_blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Fleet) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, result) = oneshot::channel();
        self.send(Box::new(ReadWork {
            read: Some(read),
            result: None,
            reply,
        }))?;
        result.blocking_recv().map_err(|_| Failure::Stopped)
    }

    fn send(&self, work: Box<dyn Work>) -> Result<(), Failure> {
        let metrics = &self.inner.metrics;
        // Counted first, so that the writer never takes off what was not put on.
        metrics.queued.fetch_add(1, Ordering::Relaxed);
        match self.inner.requests.try_send(Request::Work(work)) {
            Ok(()) => Ok(()),
            Err(refused) => {
                metrics.queued.fetch_sub(1, Ordering::Relaxed);
                Err(match refused {
                    TrySendError::Full(_) => {
                        metrics.busy.fetch_add(1, Ordering::Relaxed);
                        Failure::Busy
                    }
                    TrySendError::Disconnected(_) => Failure::Stopped,
                })
            }
        }
    }

    /// Position of the newest durable event.
    #[must_use]
    pub fn head(&self) -> Position {
        self.inner.tail.head()
    }

    /// Follows the log: every event after `after`, in order, none twice.
    #[must_use]
    pub fn follow(&self, after: Position) -> Follower {
        Follower::new(Arc::clone(&self.inner.tail), self.inner.log.clone(), after)
    }

    /// Read access to the projections.
    #[must_use]
    pub fn views(&self) -> &SharedViews {
        &self.inner.views
    }

    /// Looks at the projections: [`SharedViews::read`].
    pub fn look<T>(&self, look: impl FnOnce(&Views) -> T) -> T {
        self.inner.views.read(look)
    }

    /// Waits until the projections reflect `position`.
    pub async fn wait_for(&self, position: Position, bound: Duration) -> Result<(), Lagging> {
        self.inner.views.wait_for(position, bound).await
    }

    /// Reads the log.
    #[must_use]
    pub fn log(&self) -> &LogReader {
        &self.inner.log
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// What was refused to devices lately.
    #[must_use]
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.inner.refusals
    }

    /// What containers wrote, and how much their nodes use.
    #[must_use]
    pub fn container_logs(&self) -> &Arc<ContainerLogs> {
        &self.inner.container_logs
    }

    /// Who hands job documents to devices.
    #[must_use]
    pub fn documents(&self) -> Arc<Documents> {
        Arc::clone(&self.inner.documents)
    }

    /// Whether time moves only by [`App::advance_clock`].
    #[must_use]
    pub fn has_virtual_clock(&self) -> bool {
        !self.inner.clock.passes()
    }

    /// Moves virtual time; what is due by then happens, and is durable when this returns.
    pub async fn advance_clock(
        &self,
        span: Span,
    ) -> Result<Result<Timestamp, NotVirtual>, Failure> {
        let now = match self.inner.clock.advance(span) {
            Ok(now) => now,
            Err(refused) => return Ok(Err(refused)),
        };
        let _woken_by_the_reads_below = self.inner.requests.try_send(Request::ClockMoved);
        // Whatever is due runs in turns between requests: ask until nothing is left.
        while self
            .read(move |fleet| fleet.poll_timeout().is_some_and(|(due, _)| due <= now))
            .await?
        {}
        Ok(Ok(now))
    }

    /// What the writer counts.
    #[must_use]
    pub fn metrics(&self) -> &WriterMetrics {
        &self.inner.metrics
    }

    /// Waits until the writer has ended, and says why.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.inner.ended.clone();
        let said = ended.wait_for(Option::is_some).await;
        said.ok()
            .and_then(|ended| ended.clone())
            .unwrap_or_else(|| {
                Ended::Failed("the writer panicked; start again to replay the log".into())
            })
    }
}

#[cfg(test)]
mod tests;
