//! Messages on `$aws/events/job/…`, `$aws/events/jobExecution/…`, those of the [`registry`] and of [`certificates`] that
//! devices bring, from committed events.
//!
//! One task follows the log. What is sent is decided by the account's event configuration, which is an event too, so
//! that a message is never sent for what was committed before it was switched on. A job that is canceled or deleted
//! is told twice: when it begins, and when all of its executions were dealt with.
//!
//! The id of a message follows from the position of its event: whoever sees it twice can tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::{Map, Value, json};
use shipslog_domain::account::{self, EventKind};
use shipslog_domain::execution::{self, Details, Status};
use shipslog_domain::job::{self, Target};
use shipslog_domain::{Event, Fleet, JobId, Position, Recorded, ThingId, Timestamp};
use shipslog_gateway_core::{App, Commit, Failure, Follower};

use self::registry::{Draft, Registry, Sent};
use crate::app_topics::Publication;
use crate::edge::Inner;

/// Whether a filter is one to these messages, which the service publishes as an application publishes its own.
pub(crate) fn is_event_filter(filter: &str) -> bool {
    filter.starts_with("$aws/events/")
}

/// How long the publisher waits when the writer has more to do than it may queue.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Follows the log until the service ends.
pub(crate) struct Publisher {
    app: App,
    edge: Weak<Inner>,
    sends_jobs: bool,
    sends_executions: bool,
    /// What is known of jobs, while messages of jobs are sent: a job may be gone before its deletion is told.
    known: BTreeMap<JobId, Told>,
    /// Jobs that are being canceled.
    canceling: BTreeSet<JobId>,
    /// Which messages of the registry are sent.
    sent: Sent,
    /// What these say, while any is sent.
    registry: Registry,
}

/// What messages say of a job.
#[derive(Clone, Debug)]
struct Told {
    name: Box<str>,
    targets: Vec<String>,
    selection: &'static str,
    description: Option<Box<str>>,
    created_at: Timestamp,
    counts: BTreeMap<&'static str, u32>,
}

/// An event that is worth a message, and where it stands.
#[derive(Debug)]
struct Item {
    position: Position,
    at: Timestamp,
    subject: Subject,
}

#[derive(Debug)]
enum Subject {
    Job {
        job: JobId,
        step: JobStep,
        comment: Option<Box<str>>,
    },
    Execution {
        job: JobId,
        thing: ThingId,
        status: &'static str,
        details: Option<Details>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JobStep {
    /// Nothing is told; what messages say of the job may have changed.
    Changed,
    Completed,
    CancellationBegun,
    DeletionBegun,
    Deleted,
}

/// What the fleet says of an item's subject, by name.
#[derive(Debug)]
enum Found {
    Job(Told),
    Execution {
        job: Box<str>,
        thing_arn: String,
        details: Details,
    },
    /// The job is gone.
    Nothing,
}

impl Publisher {
    pub(crate) fn new(app: App, edge: Weak<Inner>) -> Self {
        Self {
            app,
            edge,
            sends_jobs: false,
            sends_executions: false,
            known: BTreeMap::new(),
            canceling: BTreeSet::new(),
            sent: Sent::default(),
            registry: Registry::default(),
        }
    }

    /// Runs until the log ends or the edge is gone.
    pub(crate) async fn run(mut self, mut follower: Follower) {
        let kinds = [EventKind::Job, EventKind::JobExecution];
        let sends = self.read(move |fleet| {
            let of_jobs = kinds.map(|kind| fleet.account().sends(kind));
            (of_jobs, Sent::of(fleet))
        });
        let Ok(([jobs, executions], sent)) = sends.await else {
            return;
        };
        (self.sends_jobs, self.sends_executions, self.sent) = (jobs, executions, sent);
        if self.sends_jobs && self.learn().await.is_err() {
            return;
        }
        if !self.sent.is_empty() && self.learn_registry().await.is_err() {
            return;
        }
        loop {
            let followed = match follower.next().await {
                Some(Ok(commit)) => self.follow(&commit).await,
                Some(Err(error)) => {
                    tracing::error!(%error, "the log cannot be followed; $aws/events is silent from here on");
                    return;
                }
                None => return,
            };
            if followed.is_err() {
                return;
            }
        }
    }

    /// Takes note of all jobs.
    async fn learn(&mut self) -> Result<(), Failure> {
        let jobs = self.read(|fleet| -> Vec<(JobId, Told)> {
            let jobs = fleet.jobs();
            jobs.map(|(id, job)| (id, tell_of(fleet, job))).collect()
        });
        self.known = jobs.await?.into_iter().collect();
        Ok(())
    }

    /// Takes note of the registry. What is committed while this looks is counted twice in versions, at most.
    async fn learn_registry(&mut self) -> Result<(), Failure> {
        self.registry = self.read(Registry::of).await?;
        Ok(())
    }

    /// Reads the fleet. The writer may be busy; messages are owed, so this asks again.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Fleet) -> T + Clone + Send + 'static,
    ) -> Result<T, Failure> {
        loop {
            match self.app.read(read.clone()).await {
                Err(Failure::Busy) => tokio::time::sleep(BUSY_PAUSE).await,
                other => return other,
            }
        }
    }

    async fn follow(&mut self, commit: &Commit) -> Result<(), Failure> {
        let mut items = Vec::new();
        let mut drafts = Vec::new();
        for recorded in &commit.events {
            if let Event::Account(account::Event::EventsConfigured { changes }) = &recorded.event {
                self.configure(changes).await?;
            }
            if let Some(subject) = self.subject(recorded) {
                items.push(Item {
                    position: recorded.position,
                    at: recorded.at,
                    subject,
                });
            }
            if !self.sent.is_empty() {
                self.registry.follow(recorded, &self.sent, &mut drafts);
            }
        }
        self.tell_registry(drafts).await?;
        self.tell_certificates(commit).await?;
        if !items.is_empty() {
            let items = Arc::new(items);
            let shared = Arc::clone(&items);
            let found = self
                .read(move |fleet| -> Vec<Found> {
                    shared
                        .iter()
                        .map(|item| look(fleet, &item.subject))
                        .collect()
                })
                .await?;
            for (item, found) in items.iter().zip(found) {
                self.tell(item, found).await;
            }
        }
        self.end_cancellations(commit).await
    }

    /// Completes messages of the registry with what the fleet says, and sends them.
    async fn tell_registry(&self, drafts: Vec<Draft>) -> Result<(), Failure> {
        if drafts.is_empty() {
            return Ok(());
        }
        let drafts = Arc::new(drafts);
        let messages = self.read(move |fleet| -> Vec<(String, Map<String, Value>)> {
            let settings = fleet.settings();
            drafts
                .iter()
                .map(|draft| draft.message(&draft.look(fleet), settings))
                .collect()
        });
        for (topic, message) in messages.await? {
            self.publish(topic, message).await;
        }
        Ok(())
    }

    async fn configure(&mut self, changes: &[(EventKind, bool)]) -> Result<(), Failure> {
        let was_silent = self.sent.is_empty();
        for (kind, sent) in changes {
            if *kind == EventKind::Job {
                self.sends_jobs = *sent;
                if *sent {
                    self.learn().await?;
                } else {
                    self.known.clear();
                    self.canceling.clear();
                }
            } else if *kind == EventKind::JobExecution {
                self.sends_executions = *sent;
            } else {
                self.sent.configure(*kind, *sent);
            }
        }
        if self.sent.is_empty() {
            self.registry = Registry::default();
        } else if was_silent {
            self.learn_registry().await?;
        }
        Ok(())
    }

    fn subject(&self, recorded: &Recorded) -> Option<Subject> {
        let number = recorded.stream.number;
        match &recorded.event {
            Event::Job(event) if self.sends_jobs => {
                let (step, comment) = match event {
                    job::Event::Created { .. }
                    | job::Event::Changed { .. }
                    | job::Event::TargetsAdded { .. } => (JobStep::Changed, None),
                    job::Event::Completed => (JobStep::Completed, None),
                    job::Event::Canceled { comment, .. } => {
                        (JobStep::CancellationBegun, comment.clone())
                    }
                    job::Event::DeletionStarted => (JobStep::DeletionBegun, None),
                    job::Event::Deleted => (JobStep::Deleted, None),
                    job::Event::WaveStarted { .. }
                    | job::Event::Opened { .. }
                    | job::Event::Closed { .. }
                    | job::Event::RolloutEnded => return None,
                };
                let job = JobId(number);
                Some(Subject::Job { job, step, comment })
            }
            Event::Execution(event) if self.sends_executions => {
                let (status, details) = ended(event)?;
                Some(Subject::Execution {
                    job: event.job(),
                    thing: ThingId(number),
                    status,
                    details: details.cloned(),
                })
            }
            _ => None,
        }
    }

    async fn tell(&mut self, item: &Item, found: Found) {
        match &item.subject {
            Subject::Job { job, step, comment } => {
                if let Found::Job(told) = found {
                    self.known.insert(*job, told);
                }
                self.tell_job(*job, *step, comment.as_deref(), item).await;
            }
            Subject::Execution { status, .. } => {
                if let Found::Execution {
                    job,
                    thing_arn,
                    details,
                } = found
                {
                    let message = execution_message(status, &job, thing_arn, &details, item);
                    let operation = status.to_ascii_lowercase();
                    let topic = format!("$aws/events/jobExecution/{job}/{operation}");
                    self.publish(topic, message).await;
                }
            }
        }
    }

    async fn tell_job(&mut self, job: JobId, step: JobStep, comment: Option<&str>, item: &Item) {
        let Some(told) = self.known.get(&job) else {
            return;
        };
        match step {
            JobStep::Changed => {}
            JobStep::Completed => self.send_job(told, "completed", None, item).await,
            JobStep::CancellationBegun => {
                self.send_job(told, "cancellation_in_progress", comment, item)
                    .await;
                self.canceling.insert(job);
            }
            JobStep::DeletionBegun => {
                self.send_job(told, "deletion_in_progress", None, item)
                    .await;
            }
            JobStep::Deleted => {
                self.send_job(told, "deleted", None, item).await;
                self.known.remove(&job);
                self.canceling.remove(&job);
            }
        }
    }

    /// Tells of the cancellations whose executions were all dealt with.
    async fn end_cancellations(&mut self, commit: &Commit) -> Result<(), Failure> {
        if self.canceling.is_empty() {
            return Ok(());
        }
        let jobs: Vec<JobId> = self.canceling.iter().copied().collect();
        let ended = self
            .read(move |fleet| -> Vec<JobId> {
                let ended = |id: &JobId| fleet.job(*id).is_some_and(job::Job::is_cancellation_done);
                jobs.into_iter().filter(ended).collect()
            })
            .await?;
        let last = Item {
            position: commit.last(),
            at: commit.at(),
            subject: Subject::Job {
                job: JobId(0),
                step: JobStep::CancellationBegun,
                comment: None,
            },
        };
        for id in ended {
            self.canceling.remove(&id);
            if let Some(told) = self.known.get(&id) {
                self.send_job(told, "canceled", None, &last).await;
            }
        }
        Ok(())
    }

    async fn send_job(&self, told: &Told, operation: &str, comment: Option<&str>, item: &Item) {
        let mut message = head("JOB", operation, &told.name, item);
        let status = operation.to_ascii_uppercase();
        message.insert("status".into(), status.into());
        message.insert("targetSelection".into(), told.selection.into());
        message.insert("targets".into(), told.targets.clone().into());
        if let Some(description) = told.description.as_deref() {
            message.insert("description".into(), description.into());
        }
        if let Some(comment) = comment {
            message.insert("comment".into(), comment.into());
        }
        if operation == "completed" {
            message.insert("completedAt".into(), item.at.0.into());
            message.insert("jobProcessDetails".into(), json!(told.counts));
        }
        message.insert("createdAt".into(), told.created_at.0.into());
        message.insert("lastUpdatedAt".into(), item.at.0.into());
        let topic = format!("$aws/events/job/{}/{operation}", told.name);
        self.publish(topic, message).await;
    }

    async fn publish(&self, topic: String, message: Map<String, Value>) {
        let Some(edge) = self.edge.upgrade() else {
            return;
        };
        let payload = Value::Object(message).to_string();
        let publication = Publication::of_service(topic.into(), payload.into());
        if let Some(held) = edge.topics.publish(publication, &edge.metrics) {
            held.deliver(&edge.metrics).await;
        }
    }
}

/// The members that all messages begin with. Times are seconds here, and milliseconds in members that end in `At`.
fn head(kind: &str, operation: &str, job: &str, item: &Item) -> Map<String, Value> {
    let mut message = Map::new();
    message.insert("eventType".into(), kind.into());
    message.insert(
        "eventId".into(),
        event_id(item.position, job, operation).into(),
    );
    message.insert("timestamp".into(), item.at.seconds().into());
    message.insert("operation".into(), operation.into());
    message.insert("jobId".into(), job.into());
    message
}

fn execution_message(
    status: &str,
    job: &str,
    thing_arn: String,
    details: &Details,
    item: &Item,
) -> Map<String, Value> {
    let operation = status.to_ascii_lowercase();
    let mut message = head("JOB_EXECUTION", &operation, job, item);
    message.insert("thingArn".into(), thing_arn.into());
    message.insert("status".into(), status.into());
    if !details.is_empty() {
        let pairs = details.iter();
        let pairs: Map<String, Value> = pairs
            .map(|(key, value)| (key.to_string(), value.as_ref().into()))
            .collect();
        message.insert("statusDetails".into(), Value::Object(pairs));
    }
    message
}

/// A UUID (version 8) that is the same whenever the same event is told.
fn event_id(position: Position, job: &str, operation: &str) -> String {
    // FNV-1a tells messages of one position apart.
    let name = job.bytes().chain(operation.bytes());
    let hash = name.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hex = format!("{hash:016x}{:016x}", position.0);
    let (a, b, c, d, e) = (
        &hex[..8],
        &hex[8..12],
        &hex[12..15],
        &hex[16..19],
        &hex[20..],
    );
    format!("{a}-{b}-8{c}-8{d}-{e}")
}

/// The status that an event ends an execution with, and the details that it brings.
fn ended(event: &execution::Event) -> Option<(&'static str, Option<&Details>)> {
    Some(match event {
        execution::Event::Queued { .. } | execution::Event::Progressed { .. } => return None,
        execution::Event::Succeeded { details, .. } => {
            (Status::Succeeded.as_str(), details.as_ref())
        }
        execution::Event::Failed { details, .. } => (Status::Failed.as_str(), details.as_ref()),
        execution::Event::Rejected { details, .. } => (Status::Rejected.as_str(), details.as_ref()),
        execution::Event::TimedOut { .. } => (Status::TimedOut.as_str(), None),
        execution::Event::Canceled { details, .. } => (Status::Canceled.as_str(), details.as_ref()),
        execution::Event::Removed { .. } => (Status::Removed.as_str(), None),
        execution::Event::Deleted { .. } => ("DELETED", None),
    })
}

fn look(fleet: &Fleet, subject: &Subject) -> Found {
    match subject {
        Subject::Job { job, .. } => fleet
            .job(*job)
            .map_or(Found::Nothing, |job| Found::Job(tell_of(fleet, job))),
        Subject::Execution {
            job,
            thing,
            details,
            ..
        } => {
            let Some(name) = fleet.job(*job).map(|job| job.definition().name.as_str()) else {
                return Found::Nothing;
            };
            let kept = || {
                // What the device said before, unless a new run has begun.
                let run = fleet.execution(*job, *thing);
                let run = run.filter(|run| run.status.is_terminal());
                let details = run.map(|run| run.details);
                let pairs = details.iter().flat_map(execution::StatusDetails::iter);
                pairs
                    .map(|(key, value)| (key.into(), value.into()))
                    .collect()
            };
            Found::Execution {
                job: name.into(),
                thing_arn: fleet
                    .settings()
                    .arn(&format!("thing/{}", fleet.thing_name(*thing))),
                details: details.clone().unwrap_or_else(kept),
            }
        }
    }
}

fn tell_of(fleet: &Fleet, job: &job::Job) -> Told {
    let definition = job.definition();
    let targets = definition.targets.iter().filter_map(|target| {
        let resource = match target {
            Target::Thing(thing) => format!("thing/{}", fleet.thing_name(*thing)),
            Target::Group(group) => format!("thinggroup/{}", fleet.group_by_id(*group)?.name),
        };
        Some(fleet.settings().arn(&resource))
    });
    let counts = [
        ("numberOfCanceledThings", Status::Canceled),
        ("numberOfRejectedThings", Status::Rejected),
        ("numberOfFailedThings", Status::Failed),
        ("numberOfRemovedThings", Status::Removed),
        ("numberOfSucceededThings", Status::Succeeded),
        ("numberOfTimedOutThings", Status::TimedOut),
    ];
    Told {
        name: definition.name.as_str().into(),
        targets: targets.collect(),
        selection: definition.target_selection.as_str(),
        description: definition.description.clone(),
        created_at: job.created_at,
        counts: counts
            .map(|(name, status)| (name, job.count(status)))
            .into(),
    }
}

mod certificates;
mod registry;

#[cfg(test)]
mod tests;
