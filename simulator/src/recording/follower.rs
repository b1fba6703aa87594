//! Reads in the log what became of jobs: the same in all modes, while a run goes on or after it.

use std::time::Duration;

use shipslog_domain::event::Event;
use shipslog_domain::execution::{self, Details, Status};
use shipslog_domain::ids::{JobId, ThingId};
use shipslog_domain::job::{self, CanceledBy};
use shipslog_domain::log::Record;
use shipslog_domain::time::Timestamp;
use shipslog_domain::{deployment_task, template};

use super::latency::Measure;
use super::recorder::{JobIndex, Recorder};
use crate::checks::audit::status_after;

/// Details in which devices say why they did not do a job, the most telling first.
const REASON_KEYS: [&str; 3] = [
    "reason",
    "deployment-failure-cause",
    "detailed-deployment-status",
];
/// What counts as the reason where a device gives none.
const NO_REASON: &str = "no reason given";
/// What counts as the reason of an execution that timed out.
const TIMED_OUT: &str = "timed out";
/// Moments are kept in so many milliseconds, to fit four bytes for a year and more.
const TICK_MS: u64 = 10;

/// Follows a log and tells a [`Recorder`] of jobs, executions, and what operators did. Connections, messages, latencies
/// of answers and memory are in no log: whoever plays tells of them.
///
/// Keeps five bytes for each execution.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    /// By number of the job.
    jobs: Vec<Option<Followed>>,
    /// Jobs that carry deployments.
    deployments: u32,
    /// Time of the first event.
    begin: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Followed {
    index: JobIndex,
    name: String,
    /// By number of the thing.
    executions: Vec<Execution>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Execution {
    status: Option<Status>,
    queued: u32,
}

impl Follower {
    /// Takes note of one event. An event that cannot be read is none of jobs: whoever verifies the log says so.
    pub fn follow_record(&mut self, recorder: &mut Recorder, record: &Record<'_>) {
        recorder.at(record.at).events(1);
        if let Ok(event) = Event::try_from(record) {
            self.note(recorder, record.at, record.stream.number, &event);
        }
    }

    /// Takes note of one event, and of one more event in the log.
    pub fn follow(&mut self, recorder: &mut Recorder, at: Timestamp, number: u32, event: &Event) {
        recorder.at(at).events(1);
        self.note(recorder, at, number, event);
    }

    fn note(&mut self, recorder: &mut Recorder, at: Timestamp, number: u32, event: &Event) {
        self.begin.get_or_insert(at);
        match event {
            Event::Execution(event) => self.execution(recorder, at, ThingId(number), event),
            Event::Job(event) => self.job(recorder, at, JobId(number), event),
            Event::Template(template::Event::VersionAdded { version, .. }) => {
                recorder
                    .at(at)
                    .action(format!("template version {version} stored"));
            }
            Event::DeploymentTask(deployment_task::Event::Requested { .. }) => {
                recorder.at(at).action("deployment requested");
            }
            Event::ThingType(_)
            | Event::Thing(_)
            | Event::Group(_)
            | Event::Certificate(_)
            | Event::ProvisioningTemplate(_)
            | Event::Template(_)
            | Event::CoreTask(_)
            | Event::DeploymentTask(_)
            | Event::Core(_)
            | Event::JobTemplate(_)
            | Event::FileStream(_)
            | Event::OtaUpdate(_)
            | Event::BillingGroup(_)
            | Event::Component(_)
            | Event::Stack(_)
            | Event::Instance(_)
            | Event::ContainerService(_)
            | Event::Deployment(_)
            | Event::Account(_)
            | Event::Policy(_)
            | Event::CaCertificate(_)
            | Event::ClientDevice(_)
            | Event::Shadow(_)
            | Event::Presence(_) => (),
        }
    }

    fn job(&mut self, recorder: &mut Recorder, at: Timestamp, id: JobId, event: &job::Event) {
        match event {
            job::Event::Created { definition } => {
                let name = self.call(definition);
                let rollout = definition.settings.rollout.unwrap_or_default();
                let ceiling = definition.rate_ceiling_per_minute;
                let index = recorder.job(&name, rollout, ceiling, at);
                recorder.at(at).action(format!("{name} made"));
                if self.jobs.len() <= id.index() {
                    self.jobs.resize(id.index() + 1, None);
                }
                self.jobs[id.index()] = Some(Followed {
                    index,
                    name,
                    executions: Vec::new(),
                });
            }
            job::Event::Canceled { by, .. } => {
                let name = self.name(id);
                let mut at = recorder.at(at);
                match by {
                    CanceledBy::User => at.action(format!("{name} canceled")),
                    CanceledBy::AbortCriterion => {
                        at.milestone(format!("{name} canceled by an abort criterion"));
                    }
                    CanceledBy::Superseded => {
                        at.milestone(format!("{name} canceled for a newer deployment"));
                    }
                    CanceledBy::EndTime => {
                        at.milestone(format!("{name} canceled at the end of its schedule"));
                    }
                }
            }
            job::Event::Completed => {
                let name = self.name(id);
                recorder.at(at).milestone(format!("{name} completed"));
            }
            job::Event::DeletionStarted => {
                let name = self.name(id);
                recorder.at(at).action(format!("{name} deleted"));
            }
            job::Event::TargetsAdded { .. } => {
                let name = self.name(id);
                recorder.at(at).action(format!("targets added to {name}"));
            }
            job::Event::Changed { .. } => {
                let name = self.name(id);
                recorder.at(at).action(format!("{name} changed"));
            }
            job::Event::RolloutEnded => {
                let name = self.name(id);
                let mut at = recorder.at(at);
                at.milestone(format!("the schedule of {name} ended"));
            }
            job::Event::WaveStarted { .. }
            | job::Event::Deleted
            | job::Event::Opened { .. }
            | job::Event::Closed { .. } => (),
        }
    }

    /// The job of a deployment has an unguessable name, which tells a reader nothing.
    fn call(&mut self, definition: &job::Definition) -> String {
        if definition.deployment.is_none() {
            return definition.name.as_str().to_owned();
        }
        self.deployments += 1;
        format!("deployment {}", self.deployments)
    }

    fn name(&self, id: JobId) -> &str {
        let followed = self.jobs.get(id.index()).and_then(Option::as_ref);
        followed.map_or("a job of before", |followed| &followed.name)
    }

    fn execution(
        &mut self,
        recorder: &mut Recorder,
        at: Timestamp,
        thing: ThingId,
        event: &execution::Event,
    ) {
        use execution::Event as E;
        let (job, status) = (event.job(), status_after(event));
        let reason = match event {
            E::Failed { details, .. } | E::Rejected { details, .. } => {
                Some(reason(details.as_ref()))
            }
            E::TimedOut { .. } => Some(TIMED_OUT),
            _ => None,
        };
        if let Some(reason) = reason {
            recorder.at(at).failed(reason);
        }
        let tick = self.begin.map_or(0, |begin| at.since(begin).0 / TICK_MS);
        let tick = u32::try_from(tick).unwrap_or(u32::MAX);
        let Some(followed) = self.jobs.get_mut(job.index()).and_then(Option::as_mut) else {
            return;
        };
        if followed.executions.len() <= thing.index() {
            followed
                .executions
                .resize(thing.index() + 1, Execution::default());
        }
        let known = &mut followed.executions[thing.index()];
        let before = std::mem::replace(&mut known.status, status);
        let mut at = recorder.at(at);
        match status {
            None => {
                if let Some(before) = before {
                    at.execution_gone(followed.index, before);
                }
            }
            Some(status) if Some(status) != before => {
                at.status_changed(followed.index, before, status);
                if status == Status::Queued {
                    known.queued = tick;
                }
                if matches!(status, Status::Succeeded | Status::Failed) {
                    let took = u64::from(tick.saturating_sub(known.queued)) * TICK_MS;
                    at.took(Measure::Execution, Duration::from_millis(took));
                }
            }
            Some(_) => (),
        }
    }
}

fn reason(details: Option<&Details>) -> &str {
    let value = |key: &str| {
        let mut pairs = details?.iter();
        pairs
            .find(|(name, _)| **name == *key)
            .map(|(_, value)| &**value)
    };
    REASON_KEYS.into_iter().find_map(value).unwrap_or(NO_REASON)
}

#[cfg(test)]
mod tests;
