//! Reads in a service's log, over GraphQL, what became of jobs, and looks whether it keeps its promises.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shipslog_domain::execution;
use shipslog_domain::job::{
    self, AbortCriterion, CanceledBy, Definition, FailureType, Rollout, Settings, TargetSelection,
};
use shipslog_domain::{Event, JobId, JobName, StreamId, Timestamp};

use crate::checks::Audit;
use crate::control::Operator;
use crate::run::Failure;

/// Events of one page.
const PAGE: u32 = 1_000;
/// Most events that are read.
const EVENTS_MAX: u64 = 2_000_000;

const QUERY: &str = "query($after: EventPosition, $first: Int, $types: [String!]) { \
    events(after: $after, first: $first, types: $types) { \
    edges { node { at streamId type data } } pageInfo { hasNextPage endCursor } } }";

/// Events of jobs and executions that say something of a promise.
const TYPES: [&str; 14] = [
    "JobCreated",
    "JobWaveStarted",
    "JobCanceled",
    "JobCompleted",
    "JobDeletionStarted",
    "ExecutionQueued",
    "ExecutionProgressed",
    "ExecutionSucceeded",
    "ExecutionFailed",
    "ExecutionRejected",
    "ExecutionTimedOut",
    "ExecutionCanceled",
    "ExecutionRemoved",
    "ExecutionDeleted",
];

/// Follows all that happened to jobs after a position. `Err` in words: why that cannot be told.
pub(super) fn audit(operator: &Operator, after: u64) -> Result<Audit, String> {
    let now = operator.position().map_err(|failure| failure.to_string())?;
    let events = now.saturating_sub(after);
    if events > EVENTS_MAX {
        return Err(format!(
            "{events} events are too many to be read over HTTP, {EVENTS_MAX} at most"
        ));
    }
    let mut reader = Reader {
        audit: Audit::new(after),
        jobs: BTreeMap::new(),
    };
    reader
        .read_all(operator, after)
        .map_err(|failure| format!("its events cannot be read: {failure}"))?;
    reader.audit.settle();
    Ok(reader.audit)
}

struct Reader {
    audit: Audit,
    /// Numbers of jobs by their names.
    jobs: BTreeMap<String, JobId>,
}

impl Reader {
    fn read_all(&mut self, operator: &Operator, after: u64) -> Result<(), Failure> {
        let mut after = json!(after);
        loop {
            let variables = json!({"after": after, "first": PAGE, "types": TYPES});
            let data = operator.graphql(QUERY, &variables)?;
            let page = &data["events"];
            for edge in page["edges"].as_array().into_iter().flatten() {
                let node = &edge["node"];
                self.follow(node).ok_or_else(|| {
                    Failure::Service(format!("an event has another form: {node}"))
                })?;
            }
            let info = &page["pageInfo"];
            if info["hasNextPage"] != json!(true) || info["endCursor"].is_null() {
                return Ok(());
            }
            after = info["endCursor"].clone();
        }
    }

    fn follow(&mut self, node: &Value) -> Option<()> {
        let at = timestamp(node["at"].as_str()?)?;
        let stream = StreamId::parse(node["streamId"].as_str()?)?;
        let (kind, data) = (node["type"].as_str()?, &node["data"]);
        if kind.starts_with("Job") {
            let event = job_event(kind, data)?;
            if let job::Event::Created { definition } = &event {
                let name = definition.name.to_string();
                self.jobs.insert(name, JobId(stream.number));
            }
            self.audit.follow_next(at, stream, &Event::Job(event));
            return Some(());
        }
        // A job from before this play is none of its business.
        if let Some(job) = self.jobs.get(data["job"].as_str()?) {
            let event = execution_event(kind, *job, data)?;
            self.audit.follow_next(at, stream, &Event::Execution(event));
        }
        Some(())
    }
}

fn timestamp(text: &str) -> Option<Timestamp> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp(u64::try_from(since.as_millis()).ok()?))
}

fn number(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// What an event of a job says, as far as promises are about it.
fn job_event(kind: &str, data: &Value) -> Option<job::Event> {
    Some(match kind {
        "JobCreated" => job::Event::Created {
            definition: Box::new(definition(data)?),
        },
        "JobWaveStarted" => job::Event::WaveStarted {
            allowance: number(&data["allowance"])?,
        },
        "JobCanceled" => job::Event::Canceled {
            by: match data["by"].as_str()? {
                "USER" => CanceledBy::User,
                "ABORT_CRITERION" => CanceledBy::AbortCriterion,
                "SUPERSEDED" => CanceledBy::Superseded,
                "END_TIME" => CanceledBy::EndTime,
                _ => return None,
            },
            forced: data["forced"].as_bool()?,
            reason_code: None,
            comment: None,
        },
        "JobCompleted" => job::Event::Completed,
        "JobDeletionStarted" => job::Event::DeletionStarted,
        _ => return None,
    })
}

fn definition(data: &Value) -> Option<Definition> {
    let settings = &data["settings"];
    let abort = settings["abort"].as_array()?.iter().map(|one| {
        let kinds = [
            FailureType::Failed,
            FailureType::Rejected,
            FailureType::TimedOut,
            FailureType::All,
        ];
        let word = one["failureType"].as_str()?;
        Some(AbortCriterion {
            failure: kinds.into_iter().find(|kind| kind.as_str() == word)?,
            threshold_hundredths: number(&one["thresholdHundredths"])?,
            executed_things_min: number(&one["minNumberOfExecutedThings"])?,
        })
    });
    Some(Definition {
        name: JobName::parse(data["name"].as_str()?).ok()?,
        namespace: None,
        document: Box::default(),
        description: None,
        targets: Vec::new(),
        target_selection: TargetSelection::Snapshot,
        settings: Settings {
            rollout: Some(Rollout {
                maximum_per_minute: number(&settings["rollout"]["maximumPerMinute"]),
                exponential: None,
            }),
            abort: abort.collect::<Option<_>>()?,
            ..Settings::default()
        },
        rate_ceiling_per_minute: number(&data["rateCeilingPerMinute"])?,
        deployment: None,
        extras: None,
    })
}

/// What an event of an execution says, without its details.
fn execution_event(kind: &str, job: JobId, data: &Value) -> Option<execution::Event> {
    use execution::Event as E;
    let (details, retried) = (None, data["retried"].as_bool().unwrap_or(false));
    Some(match kind {
        "ExecutionQueued" => E::Queued {
            job,
            number: number(&data["number"])?,
            retry: u8::try_from(number(&data["retry"])?).ok()?,
        },
        "ExecutionProgressed" => E::Progressed {
            job,
            details,
            step_timer: None,
        },
        "ExecutionSucceeded" => E::Succeeded { job, details },
        "ExecutionFailed" => E::Failed {
            job,
            details,
            retried,
        },
        "ExecutionRejected" => E::Rejected { job, details },
        "ExecutionTimedOut" => E::TimedOut { job, retried },
        "ExecutionCanceled" => E::Canceled {
            job,
            forced: data["forced"].as_bool().unwrap_or(false),
            details,
        },
        "ExecutionRemoved" => E::Removed { job },
        "ExecutionDeleted" => E::Deleted { job },
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
