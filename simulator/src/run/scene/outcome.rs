//! What came of a scenario, as the service tells it.

use std::collections::BTreeMap;
use std::time::Instant;

use hdrhistogram::Histogram;
use shipslog_domain::{Timestamp, execution, job};

use super::events;
use super::watch::{JobWatch, Watch, counts};
use crate::checks::{
    Counter, DeviceEnd, Invariant, JobOutcome, Measure, Outcome, Percentiles, StatusCounts,
    VersionOutcome, Witness, agree, too_many,
};
use crate::control::Operator;
use crate::net::progress::Snapshot;
use crate::run::Failure;
use crate::scenario::{Mode, Scenario};

/// Devices whose ends are listed one by one.
const ENDS_MAX: u32 = 20_000;

/// What was seen by the last look.
pub(super) fn seen(watch: &Watch, devices: &Snapshot) -> Outcome {
    let scenario = &watch.scenario;
    let mut outcome = Outcome::new(Mode::Net, scenario.fleet.devices, scenario.seed);
    outcome.elapsed = watch.elapsed();
    outcome.finished = outcome.elapsed < scenario.horizon;
    for job in &watch.jobs {
        outcome.jobs.push(job_outcome(job));
    }
    outcome.counters = vec![
        (Counter::ConnectedDevices, devices.welcomed),
        (Counter::Connects, devices.welcomed + devices.reconnects),
        (Counter::Restarts, 0),
        (Counter::RefusedUpdates, devices.refused),
        (Counter::LostMessages, devices.lost),
        (Counter::ResentRequests, devices.resent),
    ];
    outcome
}

/// Asks for all that the checks may need.
pub(super) fn gather(
    watch: &Watch,
    operator: &Operator,
    devices: &Snapshot,
    queries: &Histogram<u64>,
) -> Result<Outcome, Failure> {
    let scenario = &watch.scenario;
    let mut outcome = seen(watch, devices);
    let mut queries = queries.clone();
    if !watch.templates.is_empty() {
        let asked = Instant::now();
        let summary = operator.fleet_summary()?;
        queries.saturating_record(super::watch::micros(asked.elapsed()));
        let versions = watch.templates.iter().map(|(used, name, version)| {
            let counts = summary.version(name, *version);
            VersionOutcome {
                version: used.clone(),
                desired: counts.desired_in_use,
                reported: counts.reported_in_use,
                success: counts.last_deployment_success,
                failed: counts.last_deployment_failed,
                in_progress: counts.last_deployment_in_progress,
            }
        });
        outcome.summary = Some(versions.collect());
        outcome.look_at(Invariant::Summary, summary.adds_up());
    }
    if !queries.is_empty() {
        outcome
            .latencies
            .push((Measure::Query, Percentiles::of(&queries, 1)));
    }
    if scenario.fleet.devices <= ENDS_MAX {
        outcome.ends = Some(ends(watch, operator)?);
    }
    Ok(outcome)
}

/// Adds what the events after a position say, where they can be read. `begin` is when the play began.
pub(super) fn follow(outcome: &mut Outcome, operator: &Operator, after: u64, begin: Timestamp) {
    let audit = match events::audit(operator, after) {
        Ok(audit) => audit,
        Err(why) => {
            outcome.events_unread = Some(why);
            return;
        }
    };
    for job in &mut outcome.jobs {
        let mut audited = audit.jobs().iter();
        if let Some(audited) = audited.find(|one| one.name() == &*job.id) {
            let (counts, canceled_by) = (job.counts, job.canceled_by);
            audited.fill(job, begin);
            // What the service says stands; its events say the rest.
            job.counts = counts;
            job.canceled_by = canceled_by.or(job.canceled_by);
        }
    }
    for (invariant, held) in audit.invariants() {
        outcome.look_at(invariant, held);
    }
    let double_starts = audit.double_starts();
    outcome
        .counters
        .push((Counter::DoubleStarts, double_starts));
    outcome.latencies.extend(audit.latencies());
}

/// Compares the devices of this process with what the service says of them.
pub(super) fn ask_devices(
    scenario: &Scenario,
    outcome: &mut Outcome,
    witnesses: &BTreeMap<u32, Witness>,
) {
    let devices = scenario.fleet.devices;
    outcome.devices_unasked = match u32::try_from(witnesses.len()) {
        _ if outcome.ends.is_none() => Some(too_many(ENDS_MAX)),
        Ok(0) => Some("the devices are played by other processes".into()),
        Ok(asked) if asked == devices => None,
        _ => Some("not every device has ended in time".into()),
    };
    if outcome.devices_unasked.is_none() {
        let agreed = agree(scenario, outcome, witnesses.values().copied());
        outcome.look_at(Invariant::Devices, agreed);
    }
}

fn job_outcome(watch: &JobWatch) -> JobOutcome {
    let view = &watch.view;
    let mut list = StatusCounts::default();
    for (status, count) in counts(&view.progress) {
        list.set(status, count);
    }
    let statistics = view.statistics.as_ref();
    let reasons = statistics.map(|all| {
        let reasons = all.failure_reasons.iter();
        let reasons = reasons.map(|one| (one.reason.as_str().into(), one.count));
        reasons.collect::<BTreeMap<Box<str>, u64>>()
    });
    let by = view.cancellation.as_ref().map(|one| one.by.as_str());
    JobOutcome {
        name: watch.name.clone(),
        id: watch.id.as_str().into(),
        status: status(&view.status).filter(|_| !watch.deleted),
        canceled_by: match by {
            Some("USER") => Some(job::CanceledBy::User),
            Some("ABORT_CRITERION") => Some(job::CanceledBy::AbortCriterion),
            Some("SUPERSEDED") => Some(job::CanceledBy::Superseded),
            Some("END_TIME") => Some(job::CanceledBy::EndTime),
            _ => None,
        },
        // A canceled job waits for nobody any more, and was for all of them nevertheless.
        targets: watch.members.max(list.total() + view.progress.not_queued),
        counts: list,
        created: watch.created,
        ended: watch.ended,
        queued_per_minute: None,
        pace: None,
        queued_by_minute_of_day: None,
        retries: statistics.map(|all| all.retries),
        reasons,
    }
}

fn status(word: &str) -> Option<job::Status> {
    match word {
        "IN_PROGRESS" => Some(job::Status::InProgress),
        "SCHEDULED" => Some(job::Status::Scheduled),
        "COMPLETED" => Some(job::Status::Completed),
        "CANCELED" => Some(job::Status::Canceled),
        "DELETION_IN_PROGRESS" => Some(job::Status::DeletionInProgress),
        _ => None,
    }
}

/// The last execution of every job on every device.
fn ends(watch: &Watch, operator: &Operator) -> Result<Vec<DeviceEnd>, Failure> {
    let scenario = &watch.scenario;
    let mut executions: BTreeMap<String, Vec<(Box<str>, u64, execution::Status)>> = BTreeMap::new();
    for job in watch.jobs.iter().filter(|job| !job.deleted) {
        for one in operator.job_executions(&job.id)? {
            let of_thing = executions.entry(one.thing).or_default();
            of_thing.push((job.name.clone(), one.number, one.status));
        }
    }
    let devices = (0..scenario.fleet.devices).map(|index| DeviceEnd {
        index,
        executions: executions
            .remove(&scenario.thing_name(index))
            .unwrap_or_default(),
        reported: None,
    });
    Ok(devices.collect())
}
