//! What came of a play, in the words of checks.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;
use shipslog_domain::core::{Attempt, TemplateVersion};
use shipslog_domain::execution::Status;
use shipslog_domain::log::EventLog;
use shipslog_domain::{Fleet, JobId, ThingId, job};

use super::ledger::Watched;
use super::operator::{Operator, Ordered};
use super::{NOBODY, World};
use crate::checks::{
    Counter, DeviceEnd, Invariant, JobOutcome, Outcome, StatusCounts, VersionOutcome,
};
use crate::scenario::{Mode, TemplateUse};

/// The largest fleet whose devices are listed one by one.
const LISTED_MAX: u32 = 100_000;

impl<L: EventLog + Send + 'static> World<L> {
    /// Everything but what reading the log back will show.
    pub(super) fn outcome(&self, finished: bool) -> Outcome {
        let scenario = &self.scenario;
        let devices = scenario.fleet.devices;
        let mut outcome = Outcome::new(Mode::Model, devices, scenario.seed);
        outcome.elapsed = self.now.since(self.begin);
        outcome.finished = finished;
        let jobs = self.operator.ordered.iter();
        outcome.jobs = jobs.map(|ordered| self.job_outcome(ordered)).collect();
        let versions = Operator::versions(scenario);
        let known = self.known_versions(&versions);
        outcome.summary =
            (!versions.is_empty()).then(|| VersionOutcome::of_fleet(&self.service.fleet, &known));
        outcome.counters = self.ledger.counters();
        let liars = self.crew.iter().filter(|member| member.lied).count();
        let liars = u64::try_from(liars).unwrap_or(u64::MAX);
        outcome.counters.push((Counter::Liars, liars));
        outcome.latencies = self.ledger.latencies();
        outcome.invariants = self.invariants(&known);
        outcome.ends = (devices <= LISTED_MAX).then(|| self.ends(&known));
        outcome
    }

    /// The scenario's versions as the service numbers them.
    fn known_versions(&self, versions: &[TemplateUse]) -> Vec<(TemplateUse, TemplateVersion)> {
        let numbered = versions.iter().filter_map(|version| {
            let name = self.template_name(&version.template).ok()?;
            let (template, _) = self.service.fleet.template(&name)?;
            let number = self.operator.version(version);
            let known = TemplateVersion {
                template,
                version: number,
            };
            Some((version.clone(), known))
        });
        numbered.collect()
    }

    fn job_outcome(&self, ordered: &Ordered) -> JobOutcome {
        let mut outcome = JobOutcome {
            name: ordered.name.clone(),
            ..JobOutcome::default()
        };
        let Some(watched) = ordered.job.and_then(|job| self.ledger.job(job)) else {
            return outcome;
        };
        let fleet = &self.service.fleet;
        let mut counts = StatusCounts::default();
        for (status, count) in Status::ALL.into_iter().zip(watched.counts) {
            counts.set(status, count.into());
        }
        let mut members = RoaringBitmap::new();
        for group in &ordered.targets.groups {
            let known = self.group(*group).ok();
            if let Some(group) = known.and_then(|name| fleet.group(&name)) {
                members |= &group.members;
            }
        }
        outcome.id = watched.name.clone();
        outcome.status = fleet.job(watched.id).map(|job| job.status());
        outcome.canceled_by = watched.canceled_by;
        outcome.targets = members.len().max(counts.total());
        outcome.counts = counts;
        outcome.created = watched.created.since(self.begin);
        outcome.ended = watched.ended.map(|ended| ended.since(self.begin));
        outcome.queued_per_minute = Some(watched.queued_per_minute.clone());
        outcome.retries = Some(watched.retries);
        outcome.reasons = Some(self.reasons(watched));
        outcome
    }

    /// Why executions failed or were refused, where that is how they stand.
    fn reasons(&self, watched: &Watched) -> BTreeMap<Box<str>, u64> {
        let mut reasons = BTreeMap::new();
        let unhappy = [Status::Failed, Status::Rejected];
        if unhappy
            .iter()
            .all(|status| watched.counts[*status as usize] == 0)
        {
            return reasons;
        }
        let fleet = &self.service.fleet;
        for thing in (0..fleet.thing_count()).map(ThingId) {
            let Some(view) = fleet.execution(watched.id, thing) else {
                continue;
            };
            let found = view
                .details
                .iter()
                .find(|(key, _)| matches!(*key, "deployment-failure-cause" | "reason"));
            if let (true, Some((_, reason))) = (unhappy.contains(&view.status), found) {
                *reasons.entry(reason.into()).or_default() += 1;
            }
        }
        reasons
    }

    fn invariants(
        &self,
        versions: &[(TemplateUse, TemplateVersion)],
    ) -> BTreeMap<Invariant, Result<(), String>> {
        let mut hurried = self.ledger.jobs.iter();
        let rate = hurried.find_map(|job| job.hurried.clone());
        let mut aborts = self.ledger.jobs.iter();
        let abort = aborts.find_map(|job| missed_abort(&self.service.fleet, job));
        let double = self.ledger.counts.double_starts;
        let doubles = (double > 0).then(|| format!("{double} runs began twice"));
        let held = |problem: Option<String>| problem.map_or(Ok(()), Err);
        let mut invariants = BTreeMap::from([
            (Invariant::Rate, held(rate)),
            (Invariant::Abort, held(abort)),
            (
                Invariant::Outcomes,
                held(doubles.or_else(|| self.ledger.changed.clone())),
            ),
        ]);
        if !versions.is_empty() {
            invariants.insert(Invariant::Summary, sums(&self.service.fleet));
        }
        invariants
    }

    fn ends(&self, versions: &[(TemplateUse, TemplateVersion)]) -> Vec<DeviceEnd> {
        let fleet = &self.service.fleet;
        let mut ends = Vec::with_capacity(self.crew.len());
        for (index, member) in (0..).zip(&self.crew) {
            let thing = ThingId(member.thing);
            let mut executions = Vec::new();
            if member.thing != NOBODY {
                for ordered in &self.operator.ordered {
                    let view = ordered.job.and_then(|job| fleet.execution(job, thing));
                    if let Some(view) = view {
                        executions.push((ordered.name.clone(), view.number.into(), view.status));
                    }
                }
            }
            let core = fleet.thing(thing).and_then(|thing| thing.core.as_ref());
            let reported = core.and_then(|core| core.reported);
            let reported = versions.iter().find(|(_, known)| Some(*known) == reported);
            ends.push(DeviceEnd {
                index,
                executions,
                reported: reported.map(|(version, _)| version.clone()),
            });
        }
        ends
    }
}

/// Every core that should run a version has an attempt at it, and no other has.
fn sums(fleet: &Fleet) -> Result<(), String> {
    for thing in (0..fleet.thing_count()).map(ThingId) {
        let core = fleet.thing(thing).and_then(|thing| thing.core.as_ref());
        let Some(core) = core else { continue };
        if core.desired.is_some() == (core.attempt == Attempt::None) {
            let name = fleet.thing_name(thing);
            return Err(format!(
                "{name} should run {:?}, and its attempt is {:?}",
                core.desired, core.attempt
            ));
        }
    }
    Ok(())
}

/// A criterion that is met by a job which goes on, or a job that was aborted without one.
fn missed_abort(fleet: &Fleet, watched: &Watched) -> Option<String> {
    let job = fleet.job(watched.id)?;
    let count = |status: Status| u64::from(job.count(status));
    let ended: u64 = Status::ALL
        .into_iter()
        .filter(|status| status.is_terminal())
        .map(count)
        .sum();
    let is_met = |criterion: &job::AbortCriterion| {
        let failed = match criterion.failure {
            job::FailureType::Failed => count(Status::Failed),
            job::FailureType::Rejected => count(Status::Rejected),
            job::FailureType::TimedOut => count(Status::TimedOut),
            job::FailureType::All => {
                count(Status::Failed) + count(Status::Rejected) + count(Status::TimedOut)
            }
        };
        ended >= u64::from(criterion.executed_things_min)
            && failed * 10_000 >= u64::from(criterion.threshold_hundredths) * ended
            && failed > 0
    };
    let met = job.definition().settings.abort.iter().any(is_met);
    let goes_on = watched.ended.is_none() && job.status() == job::Status::InProgress;
    let is_aborted = watched.canceled_by == Some(job::CanceledBy::AbortCriterion);
    let name = &watched.name;
    if met && goes_on {
        Some(format!("job {name} goes on over a criterion that is met"))
    } else if is_aborted && job.definition().settings.abort.is_empty() {
        Some(format!(
            "job {name} was aborted by a criterion that it does not have"
        ))
    } else {
        None
    }
}

/// Jobs that have executions which may still move.
pub(super) fn is_busy(fleet: &Fleet, jobs: &[Watched]) -> bool {
    let alive = |id: JobId| {
        fleet.job(id).is_some_and(|job| {
            job.count(Status::Queued) + job.count(Status::InProgress) > 0 || job.waiting_count() > 0
        })
    };
    jobs.iter().any(|job| alive(job.id))
}
