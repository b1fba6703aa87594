//! Templates, deployments, provisioning and health.

use shipslog_domain::command::{CoreRequest, Provisioned, RemovalSubject};
use shipslog_domain::core::{Health, HealthReport};
use shipslog_domain::core_task::RemovalOptions;
use shipslog_domain::deployment_task::Targets;
use shipslog_domain::job::Settings;
use shipslog_domain::template::{Component, Content};
use shipslog_domain::{Command, ProvisioningTemplateName, TaskKey, TemplateName, ThingName};
use shipslog_tests::model::core_tasks::{GROUPED, PLAIN, provisioning_template};

use super::{Dice, job_work, thing_name};
use crate::actions::What;
use crate::world::World;

pub(super) fn command(world: &mut World, what: What, dice: &mut Dice) -> Option<Command> {
    Some(match what {
        What::HealthReported => {
            let (sequence, time) = (1 + dice.below(4), 1 + dice.below(3));
            health(dice.thing(), sequence, time)
        }
        What::TemplateCreated => Command::CreateTemplate {
            name: dice.template(),
            content: content(world, dice),
        },
        What::TemplateUpdated => Command::UpdateTemplate {
            name: dice.template(),
            expected_version: match dice.below(6) {
                4 => Some(1),
                5 => Some(dice.number(1, 3)),
                _ => None,
            },
            content: content(world, dice),
        },
        What::TemplateDeleted => Command::DeleteTemplate {
            name: dice.template(),
        },
        What::Deployed => deploy(world, dice),
        What::ProvisioningChanged => {
            let name = dice.provisioning();
            match name.as_str() {
                PLAIN | GROUPED if !dice.rarely(3) => Command::PutProvisioningTemplate {
                    body: provisioning_template(name.as_str()).into(),
                    name,
                },
                _ => Command::DeleteProvisioningTemplate { name },
            }
        }
        What::CoreTaskCreated => Command::CreateCoreTask {
            key: dice.task_key(world),
            core_version: "2.12.0".into(),
            cores: (0..dice.below(5)).map(|_| core_request(dice)).collect(),
        },
        What::BatchStarted => Command::StartCoreTaskBatch {
            key: core_task(world, dice)?,
            first: dice.number(0, 3),
            count: [20, 1, 0, u32::MAX][dice.index(4)],
        },
        What::ItemFinished => Command::FinishCoreTaskItem {
            key: core_task(world, dice)?,
            item: dice.number(0, 4),
            result: if dice.rarely(4) {
                Err("no key".into())
            } else {
                Ok(Provisioned::default())
            },
        },
        What::DevicesCreated => Command::CreateDeviceTask {
            key: dice.task_key(world),
            core: dice.thing(),
            devices: (0..dice.below(4)).map(|_| core_request(dice)).collect(),
        },
        What::RemovalRequested => remove(world, dice),
        What::DeviceDeleted => {
            let known: Vec<&String> = world.model.devices.keys().collect();
            let known = dice.one_of(&known).map(|name| thing_name(name));
            Command::DeleteDevice {
                deprovision: dice.below(2) == 0,
                disassociate: dice.below(2) == 0,
                device: known.unwrap_or_else(|| dice.thing()),
            }
        }
        _ => return None,
    })
}

/// Makes one thing a client device of another, which is a connected core.
pub(super) fn first_device(core: &str, device: &str) -> [Command; 2] {
    let key = TaskKey::parse("firsttask").expect("nine characters");
    let device = CoreRequest {
        name: thing_name(device),
        provisioning_template: ProvisioningTemplateName::parse(PLAIN).expect("a valid name"),
        parameters: vec![("ThingName".into(), device.into())],
        cdf_parameters: None,
        generator: None,
    };
    [
        Command::CreateDeviceTask {
            key,
            core: thing_name(core),
            devices: vec![device],
        },
        Command::FinishCoreTaskItem {
            key,
            item: 0,
            result: Ok(Provisioned::default()),
        },
    ]
}

fn remove(world: &mut World, dice: &mut Dice) -> Command {
    let key = dice.task_key(world);
    let subject = match dice.below(3) {
        0 => RemovalSubject::Cores,
        _ => RemovalSubject::DevicesOf(dice.thing()),
    };
    let option = |number| [Some(true), Some(false), None][number];
    Command::CreateRemovalTask {
        key,
        subject,
        core_version: None,
        options: RemovalOptions {
            deprovision_cores: option(dice.index(3)),
            deprovision_client_devices: option(dice.index(3)),
        },
        names: (0..dice.below(4))
            .map(|_| dice.thing().as_str().into())
            .collect(),
    }
}

fn core_task(world: &World, dice: &mut Dice) -> Option<TaskKey> {
    let keys: Vec<&String> = world.model.core_tasks.keys().collect();
    let key = dice.one_of(&keys)?;
    TaskKey::parse(key).ok()
}

fn core_request(dice: &mut Dice) -> CoreRequest {
    let name = dice.thing();
    let parameter = match dice.below(8) {
        6 => None,
        7 => Some("elsewhere"),
        _ => Some(name.as_str()),
    };
    let parameters = parameter.map(|value| ("ThingName".into(), value.into()));
    CoreRequest {
        parameters: parameters.into_iter().collect(),
        provisioning_template: dice.provisioning(),
        cdf_parameters: None,
        generator: None,
        name,
    }
}

pub(super) fn health(thing: ThingName, sequence_number: u64, device_time: u64) -> Command {
    Command::ReportHealth {
        thing,
        report: Box::new(HealthReport {
            nucleus_version: "2.12.0".into(),
            platform: "linux".into(),
            architecture: "amd64".into(),
            health: Health::Healthy,
            sequence_number,
            complete: true,
            components: Vec::new(),
            device_time,
        }),
    }
}

pub(super) fn create_template(name: &str, job_settings: Option<Settings>) -> Command {
    Command::CreateTemplate {
        name: TemplateName::parse(name).expect("a valid name"),
        content: Content {
            components: vec![component()],
            job_settings,
            policies: None,
        },
    }
}

fn component() -> Component {
    Component {
        key: "com.example.App".into(),
        version: "1.0.0".into(),
        merge: Some("{\"rate\":1}".into()),
        reset: None,
        run_with: None,
    }
}

fn content(world: &World, dice: &mut Dice) -> Content {
    let components = usize::from(!dice.rarely(12));
    Content {
        components: vec![component(); components],
        job_settings: some_settings(world, dice),
        policies: None,
    }
}

fn some_settings(world: &World, dice: &mut Dice) -> Option<Settings> {
    let has = dice.below(3) == 2;
    has.then(|| job_work::settings(world.model.ceiling, dice))
}

fn deploy(world: &mut World, dice: &mut Dice) -> Command {
    let key = dice.task_key(world);
    let template = dice.template();
    let version = match dice.below(3) {
        0 => None,
        _ => Some(dice.number(1, 2)),
    };
    let (things, groups) = (dice.below(5), [0, 0, 1, 2][dice.index(4)]);
    let thing_names: Vec<Box<str>> = (0..things).map(|_| dice.thing().as_str().into()).collect();
    let thing_group_names = (0..groups).map(|_| dice.group(world)).collect();
    Command::CreateDeploymentTask {
        key,
        template,
        version,
        targets: Targets {
            thing_names: Some(thing_names),
            thing_group_names: Some(thing_group_names),
            ..Targets::default()
        },
        job_settings: some_settings(world, dice),
    }
}
