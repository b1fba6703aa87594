//! Things and groups come to be: cores by core tasks, other things as such.

use anyhow::{Context, Result};
use shipslog_domain::command::{CoreRequest, Provisioned};
use shipslog_domain::{Command, GroupName, ProvisioningTemplateName, TaskKey, ThingName, limits};
use shipslog_gateway_core::App;
use shipslog_simulator::scenario::{Provisioning, Scenario};
use shipslog_simulator::seeds::Seeds;

/// Commands that are submitted together.
const TOGETHER: usize = 1_024;
/// The provisioning template of played fleets: a thing.
const TEMPLATE: &str = r#"{"Parameters":{"ThingName":{"Type":"String"}},"Resources":{"thing":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"ThingName"}}}}}"#;

/// Submits commands in their order; all have to be accepted.
struct Submitter<'a> {
    app: &'a App,
    waiting: Vec<Command>,
}

impl<'a> Submitter<'a> {
    fn new(app: &'a App) -> Self {
        Self {
            app,
            waiting: Vec::with_capacity(TOGETHER),
        }
    }

    async fn add(&mut self, command: Command) -> Result<()> {
        self.waiting.push(command);
        if self.waiting.len() >= TOGETHER {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let together = std::mem::take(&mut self.waiting);
        for result in self.app.submit_all(together).await? {
            result.context("the service refused to provision the fleet")?;
        }
        Ok(())
    }
}

/// A task id that is the same for the same seed.
pub(super) fn task_key(seed: u64, number: u64) -> TaskKey {
    let seeds = Seeds::root(seed).child("wire task", number);
    let mut random = [0; 9];
    let drawn = [
        seeds.draw("key").to_le_bytes(),
        seeds.draw("more").to_le_bytes(),
    ];
    for (byte, drawn) in random.iter_mut().zip(drawn.into_iter().flatten()) {
        *byte = drawn;
    }
    TaskKey::from_random(random)
}

/// The thing group of a group of the scenario.
pub(super) fn group_name(scenario: &Scenario, group: usize) -> Result<GroupName> {
    let name = scenario.group_name(group).unwrap_or_default();
    Ok(GroupName::parse(&name)?)
}

pub(super) fn thing_name(scenario: &Scenario, index: u32) -> Result<ThingName> {
    Ok(ThingName::parse(&scenario.thing_name(index))?)
}

/// Makes the groups, and what core tasks need.
pub(super) async fn prepare(app: &App, scenario: &Scenario) -> Result<()> {
    let mut submitter = Submitter::new(app);
    let put = Command::PutProvisioningTemplate {
        name: template(scenario)?,
        body: TEMPLATE.into(),
    };
    submitter.add(put).await?;
    for group in 0..scenario.fleet.groups.len() {
        let create = Command::CreateGroup {
            name: group_name(scenario, group)?,
            parent: None,
            description: None,
            attributes: Vec::new(),
        };
        submitter.add(create).await?;
    }
    submitter.flush().await
}

fn template(scenario: &Scenario) -> Result<ProvisioningTemplateName> {
    let name = format!("{}-thing", scenario.fleet.prefix);
    Ok(ProvisioningTemplateName::parse(&name)?)
}

/// Provisions the members of a group, or everybody.
pub(super) async fn provision(
    app: &App,
    scenario: &Scenario,
    group: Option<usize>,
    tasks: &mut u64,
) -> Result<()> {
    if scenario.fleet.provisioning == Provisioning::None {
        return Ok(());
    }
    let is_wanted = |index: &u32| group.is_none_or(|group| scenario.is_in_group(*index, group));
    let all: Vec<u32> = (0..scenario.fleet.devices).filter(is_wanted).collect();
    let mut submitter = Submitter::new(app);
    for part in all.chunks(limits::CORE_TASK_CORES_MAX) {
        let is_core = |index: &u32| scenario.kind_of(*index).is_core();
        let (cores, others): (Vec<u32>, Vec<u32>) = part.iter().copied().partition(is_core);
        if !cores.is_empty() {
            *tasks += 1;
            let key = task_key(scenario.seed, *tasks);
            provision_cores(&mut submitter, scenario, key, &cores).await?;
        }
        for index in others {
            let create = Command::CreateThing {
                name: thing_name(scenario, index)?,
                thing_type: None,
                attributes: Vec::new(),
                billing_group: None,
            };
            submitter.add(create).await?;
        }
        for (group, is_later) in scenario
            .fleet
            .groups
            .iter()
            .map(|group| group.later)
            .enumerate()
        {
            for index in part.iter().filter(|_| !is_later) {
                if scenario.is_in_group(*index, group) {
                    let join = Command::AddThingToGroup {
                        group: group_name(scenario, group)?,
                        thing: thing_name(scenario, *index)?,
                    };
                    submitter.add(join).await?;
                }
            }
        }
    }
    submitter.flush().await
}

/// A core task, whose items are finished as the provisioner would, but without keys.
async fn provision_cores(
    submitter: &mut Submitter<'_>,
    scenario: &Scenario,
    key: TaskKey,
    cores: &[u32],
) -> Result<()> {
    let template = template(scenario)?;
    let requests = cores.iter().map(|index| {
        let name = thing_name(scenario, *index)?;
        Ok(CoreRequest {
            parameters: vec![("ThingName".into(), name.as_str().into())],
            name,
            provisioning_template: template.clone(),
            cdf_parameters: None,
            generator: None,
        })
    });
    let create = Command::CreateCoreTask {
        key,
        core_version: "2.12.0".into(),
        cores: requests.collect::<Result<_>>()?,
    };
    submitter.add(create).await?;
    let count = limits::CORE_BATCH;
    for (first, batch) in (0..)
        .step_by(count as usize)
        .zip(cores.chunks(count as usize))
    {
        let start = Command::StartCoreTaskBatch { key, first, count };
        submitter.add(start).await?;
        for (item, _) in (first..).zip(batch) {
            let result = Ok(Provisioned::default());
            let finish = Command::FinishCoreTaskItem { key, item, result };
            submitter.add(finish).await?;
        }
    }
    Ok(())
}
