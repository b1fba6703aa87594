//! What came of a play, read from the state of the service at its end.

use std::collections::{BTreeMap, BTreeSet};

use shipslog_domain::core::TemplateVersion;
use shipslog_domain::execution::Status;
use shipslog_domain::{Fleet, GroupName, JobId, Span, TemplateName, ThingId, Timestamp};
use shipslog_simulator::checks::{
    Audit, Counter, DeviceEnd, Invariant, JobOutcome, Measure, Outcome, Percentiles, StatusCounts,
    VersionOutcome, Witness, agree, too_many,
};
use shipslog_simulator::model::{Fingerprint, fingerprint};
use shipslog_simulator::net::progress::Snapshot;
use shipslog_simulator::pipes::Measured;
use shipslog_simulator::scenario::{Action, Mode, Scenario, TemplateUse, containers};

use super::operator::Ordered;
use super::queries::Asked;

/// The largest fleet whose devices are listed one by one.
const LISTED_MAX: u32 = 100_000;

/// How a play ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// Actions that the service refused, in words.
    pub(super) refused: Vec<String>,
    /// The state, as the log must give it.
    pub(super) state: Fingerprint,
    /// When the play began.
    begin: Timestamp,
    /// Of each job of the outcome.
    ids: Vec<Option<JobId>>,
    restarts: u64,
}

impl Ending {
    pub(super) fn of(
        fleet: &Fleet,
        scenario: &Scenario,
        ordered: &[Ordered],
        (begin, elapsed, finished): (Timestamp, Span, bool),
        restarts: u64,
        refused: Vec<String>,
    ) -> Self {
        let mut outcome = Outcome::new(Mode::Wire, scenario.fleet.devices, scenario.seed);
        outcome.elapsed = elapsed;
        outcome.finished = finished;
        outcome.container_versions = Some(containers::versions(scenario, fleet));
        let jobs: Vec<(&Ordered, Option<JobId>)> =
            ordered.iter().map(|one| (one, one.id(fleet))).collect();
        let outcomes = jobs
            .iter()
            .map(|(one, id)| job_outcome(fleet, scenario, one, *id));
        outcome.jobs = outcomes.collect();
        let versions = versions(fleet, scenario);
        outcome.summary =
            (!versions.is_empty()).then(|| VersionOutcome::of_fleet(fleet, &versions));
        if scenario.fleet.devices <= LISTED_MAX {
            outcome.ends = Some(ends(fleet, scenario, &jobs, &versions));
            outcome.tells_versions = true;
        }
        Self {
            outcome,
            refused,
            state: fingerprint(fleet),
            begin,
            ids: jobs.iter().map(|(_, id)| *id).collect(),
            restarts,
        }
    }

    /// Adds what the devices counted.
    pub(super) fn count(&mut self, snapshot: &Snapshot) {
        self.outcome.counters = vec![
            (Counter::ConnectedDevices, snapshot.welcomed),
            (Counter::Connects, snapshot.welcomed + snapshot.reconnects),
            (Counter::Restarts, self.restarts),
            (Counter::RefusedUpdates, snapshot.refused),
            (Counter::LostMessages, snapshot.lost),
            (Counter::ResentRequests, snapshot.resent),
        ];
    }

    /// Adds what the events of the log say.
    pub(super) fn follow(&mut self, audit: &Audit) {
        let outcome = &mut self.outcome;
        for (job, id) in outcome.jobs.iter_mut().zip(&self.ids) {
            if let Some(audited) = id.and_then(|id| audit.job(id)) {
                let of_state = (job.status.is_some()).then_some(job.targets);
                audited.fill(job, self.begin);
                job.targets = of_state.unwrap_or_else(|| job.counts.total());
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

    /// Compares the devices with what the service says of them.
    pub(super) fn ask_devices(&mut self, scenario: &Scenario, witnesses: &[Witness]) {
        if self.outcome.ends.is_none() {
            self.outcome.devices_unasked = Some(too_many(LISTED_MAX));
            return;
        }
        let agreed = agree(scenario, &self.outcome, witnesses.iter().copied());
        self.outcome.look_at(Invariant::Devices, agreed);
    }

    /// Adds what was measured, in microseconds.
    pub(super) fn measure(&mut self, measured: &Measured, asked: &Asked) {
        let latencies = [
            (Measure::Update, Percentiles::of(&measured.updates, 1)),
            (Measure::Welcome, Percentiles::of(&measured.welcomes, 1)),
            (Measure::Query, Percentiles::of(&asked.all(), 1)),
        ];
        let latencies = latencies.into_iter();
        self.outcome.latencies = latencies.filter(|(_, times)| times.samples > 0).collect();
        if !asked.fleet_summary.is_empty() {
            let held = asked.broken.clone().map_or(Ok(()), Err);
            self.outcome.look_at(Invariant::Summary, held);
        }
    }

    /// Executions per status over all jobs.
    pub(super) fn executions(&self) -> BTreeMap<&'static str, u64> {
        let jobs = &self.outcome.jobs;
        let sum = |status| jobs.iter().map(|job| job.counts.get(status)).sum::<u64>();
        Status::ALL
            .into_iter()
            .map(|status| (status.as_str(), sum(status)))
            .collect()
    }
}

fn job_outcome(
    fleet: &Fleet,
    scenario: &Scenario,
    ordered: &Ordered,
    id: Option<JobId>,
) -> JobOutcome {
    let mut outcome = JobOutcome {
        name: ordered.name.clone(),
        created: ordered.created,
        ..JobOutcome::default()
    };
    let Some((id, job)) = id.and_then(|id| Some((id, fleet.job(id)?))) else {
        return outcome;
    };
    let mut counts = StatusCounts::default();
    for status in Status::ALL {
        counts.set(status, job.count(status).into());
    }
    outcome.id = job.definition().name.as_str().into();
    outcome.status = Some(job.status());
    // A canceled job waits for nobody any more, and was for all members of its groups nevertheless.
    let known = counts.total() + job.waiting_count();
    outcome.targets = known.max(members(fleet, scenario, ordered));
    outcome.counts = counts;
    outcome.reasons = Some(reasons(fleet, id, &counts));
    outcome
}

/// How many things are members of a job's groups at the end.
fn members(fleet: &Fleet, scenario: &Scenario, ordered: &Ordered) -> u64 {
    let mut members = BTreeSet::new();
    for group in &ordered.targets.groups {
        let name = scenario.group_name(*group);
        let name = name.and_then(|name| GroupName::parse(&name).ok());
        if let Some(group) = name.and_then(|name| fleet.group(&name)) {
            members.extend(group.members.iter());
        }
    }
    u64::try_from(members.len()).unwrap_or(u64::MAX)
}

/// Why executions failed or were refused, where that is how they stand.
fn reasons(fleet: &Fleet, job: JobId, counts: &StatusCounts) -> BTreeMap<Box<str>, u64> {
    let mut reasons = BTreeMap::new();
    let is_unhappy = |status: Status| matches!(status, Status::Failed | Status::Rejected);
    if counts.get(Status::Failed) + counts.get(Status::Rejected) == 0 {
        return reasons;
    }
    for thing in (0..fleet.thing_count()).map(ThingId) {
        let Some(view) = fleet
            .execution(job, thing)
            .filter(|view| is_unhappy(view.status))
        else {
            continue;
        };
        let mut details = view.details.iter();
        let found = details.find(|(key, _)| matches!(*key, "deployment-failure-cause" | "reason"));
        if let Some((_, reason)) = found {
            *reasons.entry(reason.into()).or_default() += 1;
        }
    }
    reasons
}

/// The versions that the timeline makes, as the service numbers them.
fn versions(fleet: &Fleet, scenario: &Scenario) -> Vec<(TemplateUse, TemplateVersion)> {
    let mut versions: Vec<(TemplateUse, TemplateVersion)> = Vec::new();
    for step in &scenario.timeline {
        let Action::CreateTemplateVersion { template, .. } = &step.action else {
            continue;
        };
        let name = TemplateName::parse(&format!("{}-{template}", scenario.fleet.prefix));
        let Some((id, _)) = name.ok().and_then(|name| fleet.template(&name)) else {
            continue;
        };
        let before = versions.iter().filter(|(one, _)| one.template == *template);
        let version = u32::try_from(before.count()).unwrap_or(u32::MAX) + 1;
        let template = template.clone();
        let known = TemplateVersion {
            template: id,
            version,
        };
        versions.push((TemplateUse { template, version }, known));
    }
    versions
}

fn ends(
    fleet: &Fleet,
    scenario: &Scenario,
    jobs: &[(&Ordered, Option<JobId>)],
    versions: &[(TemplateUse, TemplateVersion)],
) -> Vec<DeviceEnd> {
    let end = |index| {
        let thing = fleet.thing_id(&scenario.thing_name(index));
        let execution = |(one, id): &(&Ordered, Option<JobId>)| {
            let view = fleet.execution((*id)?, thing?)?;
            Some((one.name.clone(), view.number.into(), view.status))
        };
        let core = thing
            .and_then(|thing| fleet.thing(thing))
            .and_then(|thing| thing.core.as_ref());
        let reported = core.and_then(|core| core.reported);
        let reported = versions.iter().find(|(_, known)| Some(*known) == reported);
        DeviceEnd {
            index,
            executions: jobs.iter().filter_map(execution).collect(),
            reported: reported.map(|(version, _)| version.clone()),
        }
    };
    (0..scenario.fleet.devices).map(end).collect()
}
