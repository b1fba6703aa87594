//! What only the log remembers of a job: when it ended and by whom, its pace, its retries.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use shipslog_domain::codec::kind_name;
use shipslog_domain::event::Event;
use shipslog_domain::job::{self, CanceledBy};
use shipslog_domain::log::{Position, Record, StreamKind};
use shipslog_domain::{JobId, Span, Timestamp, execution};
use shipslog_gateway_core::log::tools;
use shipslog_simulator::checks::Outcome;

/// The one kind of event of things that is looked at. The others need not be read.
const QUEUED: &str = "ExecutionQueued";

/// One job.
#[derive(Debug)]
struct Past {
    name: Box<str>,
    created: Timestamp,
    ended: Option<Timestamp>,
    canceled_by: Option<CanceledBy>,
    queued_per_minute: Vec<u64>,
    retries: u64,
}

/// Adds what the log in `directory` says to the jobs of a play that began at `begin`.
pub(super) fn complete(outcome: &mut Outcome, begin: Timestamp, directory: &Path) -> Result<()> {
    let mut jobs: BTreeMap<JobId, Past> = BTreeMap::new();
    tools::open_reader(directory)?.read(Position::START, &mut |record| {
        follow(&mut jobs, &record);
        ControlFlow::Continue(())
    })?;
    for job in &mut outcome.jobs {
        // The name of a deleted job is free: the last that had it is meant.
        let mut known = jobs.values().rev();
        let Some(past) = known.find(|past| past.name == job.id) else {
            continue;
        };
        job.ended = past.ended.map(|ended| ended.since(begin));
        job.canceled_by = past.canceled_by;
        job.queued_per_minute = Some(past.queued_per_minute.clone());
        job.retries = Some(past.retries);
    }
    Ok(())
}

/// Takes note of an event. One that cannot be read is none of jobs: whoever verifies the log says so.
fn follow(jobs: &mut BTreeMap<JobId, Past>, record: &Record<'_>) {
    let is_wanted = record.stream.kind == StreamKind::Job || kind_name(record.kind) == Some(QUEUED);
    if !is_wanted {
        return;
    }
    match Event::try_from(record) {
        Ok(Event::Job(event)) => follow_job(jobs, JobId(record.stream.number), &event, record.at),
        Ok(Event::Execution(execution::Event::Queued { job, number, retry })) => {
            if let Some(past) = jobs.get_mut(&job) {
                past.retries += u64::from(number > 1);
                if retry == 0 {
                    past.queued(record.at);
                }
            }
        }
        _ => (),
    }
}

fn follow_job(jobs: &mut BTreeMap<JobId, Past>, id: JobId, event: &job::Event, at: Timestamp) {
    match event {
        job::Event::Created { definition } => {
            let past = Past {
                name: definition.name.as_str().into(),
                created: at,
                ended: None,
                canceled_by: None,
                queued_per_minute: Vec::new(),
                retries: 0,
            };
            jobs.insert(id, past);
        }
        job::Event::Canceled { by, .. } => {
            if let Some(past) = jobs.get_mut(&id) {
                past.ended.get_or_insert(at);
                past.canceled_by.get_or_insert(*by);
            }
        }
        job::Event::Completed => {
            if let Some(past) = jobs.get_mut(&id) {
                past.ended.get_or_insert(at);
            }
        }
        job::Event::WaveStarted { .. }
        | job::Event::DeletionStarted
        | job::Event::Deleted
        | job::Event::TargetsAdded { .. }
        | job::Event::Changed { .. }
        | job::Event::Opened { .. }
        | job::Event::Closed { .. }
        | job::Event::RolloutEnded => (),
    }
}

impl Past {
    fn queued(&mut self, at: Timestamp) {
        let minute = at.since(self.created).0 / Span::MINUTE.0;
        let minute = usize::try_from(minute).unwrap_or(usize::MAX);
        if self.queued_per_minute.len() <= minute {
            self.queued_per_minute.resize(minute + 1, 0);
        }
        self.queued_per_minute[minute] += 1;
    }
}
