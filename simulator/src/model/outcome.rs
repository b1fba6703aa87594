//! What came of a play, in the words of checks.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;
use shipslog_domain::core::TemplateVersion;
use shipslog_domain::execution::Status;
use shipslog_domain::log::EventLog;
use shipslog_domain::{Fleet, JobId, ThingId};

use super::ledger::Watched;
use super::operator::{Operator, Ordered};
use super::promises::sums;
use super::{NOBODY, World};
use crate::checks::{
    Counter, DeviceEnd, Invariant, JobOutcome, Outcome, StatusCounts, VersionOutcome, Witness,
    agree, too_many,
};
use crate::scenario::{Mode, TemplateUse, containers};

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
        outcome.container_versions = Some(containers::versions(scenario, &self.service.fleet));
        outcome.counters = self.ledger.counters();
        let liars = self.crew.iter().filter(|member| member.lied).count();
        let liars = u64::try_from(liars).unwrap_or(u64::MAX);
        outcome.counters.push((Counter::Liars, liars));
        outcome.latencies = self.ledger.audit.latencies();
        outcome.invariants = self.invariants(&known);
        outcome.tells_versions = true;
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
        let Some(audited) = ordered.job.and_then(|job| self.ledger.audit.job(job)) else {
            return outcome;
        };
        audited.fill(&mut outcome, self.begin);
        let fleet = &self.service.fleet;
        let mut members = RoaringBitmap::new();
        for group in &ordered.targets.groups {
            let known = self.group(*group).ok();
            if let Some(group) = known.and_then(|name| fleet.group(&name)) {
                members |= &group.members;
            }
        }
        outcome.status = fleet.job(audited.id()).map(|job| job.status());
        outcome.targets = members.len().max(outcome.counts.total());
        outcome.reasons = Some(self.reasons(audited.id(), &outcome.counts));
        outcome
    }

    /// Why executions failed or were refused, where that is how they stand.
    fn reasons(&self, job: JobId, counts: &StatusCounts) -> BTreeMap<Box<str>, u64> {
        let mut reasons = BTreeMap::new();
        let unhappy = [Status::Failed, Status::Rejected];
        if unhappy.iter().all(|status| counts.get(*status) == 0) {
            return reasons;
        }
        let fleet = &self.service.fleet;
        for thing in (0..fleet.thing_count()).map(ThingId) {
            let Some(view) = fleet.execution(job, thing) else {
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
        let mut invariants = self.ledger.audit.invariants();
        if !versions.is_empty() {
            let held = invariants.entry(Invariant::Summary).or_insert(Ok(()));
            if held.is_ok() {
                *held = sums(&self.service.fleet);
            }
        }
        invariants
    }

    /// The devices of a fleet that is small enough to list, compared with what the service says of them.
    pub(super) fn witnesses(&self, outcome: &mut Outcome) -> Option<Vec<Witness>> {
        if outcome.ends.is_none() {
            outcome.devices_unasked = Some(too_many(LISTED_MAX));
            return None;
        }
        let crew = self.crew.iter();
        let witnesses: Vec<Witness> = crew
            .map(|member| Witness::of(&member.device, member.belief))
            .collect();
        // Of a fleet that has lived before, the service knows more than the devices of this play, and while it is
        // down nobody can ask it.
        if self.begun_with > 0 {
            outcome.devices_unasked = Some("the fleet has lived before this play".into());
        } else if !self.is_down() {
            let agreed = agree(&self.scenario, outcome, witnesses.iter().copied());
            outcome.look_at(Invariant::Devices, agreed);
        }
        Some(witnesses)
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

/// Jobs that have executions which may still move.
pub(super) fn is_busy(fleet: &Fleet, jobs: &[Watched]) -> bool {
    let alive = |id: JobId| {
        fleet.job(id).is_some_and(|job| {
            job.count(Status::Queued) + job.count(Status::InProgress) > 0 || job.waiting_count() > 0
        })
    };
    jobs.iter().any(|job| alive(job.id))
}
