//! Things and groups of a scenario come to be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::control::{CoreRequest, Operator};
use crate::net::progress::Progress;
use crate::run::{CORE_VERSION, CORES_PER_TASK, Failure, core_request, provisioning_document};
use crate::scenario::{Provisioning, Scenario};

/// How many requests for things that are no cores are on their way at a time: each is durable before its answer, and
/// several share one commit.
const CALLERS: usize = 16;

/// The fleet of a scenario, as far as the service knows it.
pub(super) struct Cast {
    scenario: Arc<Scenario>,
    patience: Duration,
    /// ARNs of the thing groups, by index.
    arns: Vec<String>,
    provisioned: Vec<bool>,
}

impl Cast {
    pub(super) fn new(scenario: Arc<Scenario>, patience: Duration) -> Self {
        let devices = usize::try_from(scenario.fleet.devices).unwrap_or(usize::MAX);
        Self {
            scenario,
            patience,
            arns: Vec::new(),
            provisioned: vec![false; devices],
        }
    }

    /// Creates every thing group, without members.
    pub(super) fn create_groups(&mut self, operator: &Operator) -> Result<(), Failure> {
        for index in 0..self.scenario.fleet.groups.len() {
            let name = self.scenario.group_name(index).unwrap_or_default();
            self.arns.push(operator.create_thing_group(&name)?);
        }
        Ok(())
    }

    /// The ARN of a thing group.
    pub(super) fn arn(&self, group: usize) -> Option<&String> {
        self.arns.get(group)
    }

    /// Provisions the members of a group, or all, that are not there yet, with their groups; waits until they are.
    pub(super) fn provision(
        &mut self,
        operator: &Operator,
        group: Option<usize>,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let scenario = Arc::clone(&self.scenario);
        let certificates = match scenario.fleet.provisioning {
            Provisioning::None => return Ok(()),
            Provisioning::Things => false,
            Provisioning::Certificates => true,
        };
        let mut by_groups: BTreeMap<Vec<usize>, Vec<u32>> = BTreeMap::new();
        for (index, done) in (0..).zip(&mut self.provisioned) {
            let wanted = group.is_none_or(|group| scenario.is_in_group(index, group));
            if wanted && !*done {
                *done = true;
                by_groups
                    .entry(groups_of(&scenario, index))
                    .or_default()
                    .push(index);
            }
        }
        let deadline = Instant::now() + self.patience;
        let mut tasks = Vec::new();
        for (groups, devices) in by_groups {
            // Only core tasks issue certificates.
            let is_core = |index: &u32| certificates || scenario.kind_of(*index).is_core();
            let (devices, others): (Vec<u32>, Vec<u32>) = devices.into_iter().partition(is_core);
            self.create_things(operator, &groups, &others)?;
            progress.count_provisioned(others.len());
            if devices.is_empty() {
                continue;
            }
            let template = self.template(operator, &groups, certificates)?;
            for part in devices.chunks(CORES_PER_TASK) {
                let cores: Vec<CoreRequest> = part
                    .iter()
                    .map(|index| {
                        core_request(&scenario.thing_name(*index), &template, certificates)
                    })
                    .collect();
                tasks.push((operator.create_core_task(CORE_VERSION, &cores)?, part.len()));
            }
        }
        for (task, cores) in tasks {
            operator.wait_for_core_task(&task, deadline)?;
            progress.count_provisioned(cores);
        }
        Ok(())
    }

    /// Creates things that are no cores, as members of these groups.
    fn create_things(
        &self,
        operator: &Operator,
        groups: &[usize],
        devices: &[u32],
    ) -> Result<(), Failure> {
        let names: Vec<String> = groups
            .iter()
            .filter_map(|group| self.scenario.group_name(*group))
            .collect();
        let create = |index: &u32| {
            let thing = self.scenario.thing_name(*index);
            operator.create_thing(&thing)?;
            names
                .iter()
                .try_for_each(|group| operator.add_to_group(group, &thing))
        };
        let parts = devices.chunks(devices.len().div_ceil(CALLERS).max(1));
        std::thread::scope(|scope| {
            let callers: Vec<_> = parts
                .map(|part| scope.spawn(|| part.iter().try_for_each(create)))
                .collect();
            callers.into_iter().try_for_each(|caller| {
                let made = caller.join();
                made.map_err(|_| Failure::Service("a thread of the operator panicked".into()))?
                    .map_err(Failure::Operator)
            })
        })
    }

    /// A provisioning template that makes things members of these groups.
    fn template(
        &self,
        operator: &Operator,
        groups: &[usize],
        certificates: bool,
    ) -> Result<String, Failure> {
        let numbers: Vec<String> = groups.iter().map(ToString::to_string).collect();
        let name = format!(
            "{}-groups-{}",
            self.scenario.fleet.prefix,
            numbers.join("-")
        );
        let mut document = provisioning_document(certificates);
        let names = groups
            .iter()
            .filter_map(|group| self.scenario.group_name(*group));
        document["Resources"]["thing"]["Properties"]["ThingGroups"] =
            json!(names.collect::<Vec<String>>());
        operator.put_provisioning_template(&name, &document)?;
        Ok(name)
    }
}

/// The groups that a device is a member of from the start.
fn groups_of(scenario: &Scenario, index: u32) -> Vec<usize> {
    let groups = scenario.fleet.groups.iter().enumerate();
    groups
        .filter(|(number, group)| !group.later && scenario.is_in_group(index, *number))
        .map(|(number, _)| number)
        .collect()
}
