//! Commands for stacks: what an operator asks the service for, one after the other, until a command runs.
//!
//! A scenario has one stack, `PREFIX`, with a layer and an app, in which every device is an instance. All of it is
//! made with the first command.

use shipslog_domain::stack::{
    AppContent, Command as StackCommand, CommandName, CommandRequest, Content, Details,
    InstanceCommand, LayerContent,
};
use shipslog_domain::{
    AppId, Command, Fleet, InstanceId, JobName, LayerId, Rejection, StackId, ThingName,
};

use super::{Scenario, Targets};

/// The app that commands are about.
const APP: &str = "app";
/// The layer of all instances: its instances run the servers of apps.
const LAYER: &str = "web";

/// Asks for one command on some devices.
#[derive(Clone, Debug)]
pub struct Asking {
    job: Box<str>,
    name: CommandName,
    targets: Targets,
    /// The device that is looked at next.
    next: u32,
    instances: Vec<InstanceId>,
}

/// What is to be asked for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Something that has to be there first.
    First(Command),
    /// The command itself, and nothing more.
    Last(Command),
}

/// What the stack of a scenario has.
struct Found {
    stack: StackId,
    layer: LayerId,
    app: AppId,
}

impl Asking {
    /// For `job`, as the scenario calls it.
    #[must_use]
    pub fn new(job: &str, name: CommandName, targets: &Targets) -> Self {
        Self {
            job: job.into(),
            name,
            targets: targets.clone(),
            next: 0,
            instances: Vec::new(),
        }
    }

    /// What to ask a fleet for next.
    ///
    /// # Errors
    /// Names that are none.
    pub fn next(&mut self, scenario: &Scenario, fleet: &Fleet) -> Result<Ask, Rejection> {
        let found = match find(scenario, fleet) {
            Ok(found) => found,
            Err(first) => return Ok(Ask::First(Command::Stack(first))),
        };
        let first = |command| Ok(Ask::First(Command::Stack(StackCommand::Instance(command))));
        while self.next < scenario.fleet.devices {
            let hostname = ThingName::parse(&scenario.thing_name(self.next))?;
            let thing = fleet.thing_id(hostname.as_str());
            let known = thing.and_then(|thing| fleet.instance_of(thing));
            let Some(id) = known else {
                return first(InstanceCommand::Register {
                    stack: found.stack,
                    hostname,
                    details: Details::default(),
                });
            };
            let has_layer = fleet
                .instance(id)
                .is_some_and(|one| !one.content.layers.is_empty());
            if !has_layer {
                return first(InstanceCommand::Assign {
                    instance: id,
                    layers: vec![found.layer],
                });
            }
            let mut groups = self.targets.groups.iter();
            if groups.any(|group| scenario.is_in_group(self.next, *group)) {
                self.instances.push(id);
            }
            self.next += 1;
        }
        let name = JobName::parse(&format!("{}-{}", scenario.fleet.prefix, self.job))?;
        let run = CommandRequest {
            id: name.as_str().into(),
            job: name,
            stack: found.stack,
            app: self.name.is_for_app().then_some(found.app),
            instances: std::mem::take(&mut self.instances),
            layers: Vec::new(),
            name: self.name,
            args: Vec::new(),
            comment: None,
            custom_json: None,
            caller: "simulator".into(),
        };
        Ok(Ask::Last(Command::Stack(StackCommand::Run(Box::new(run)))))
    }
}

/// The stack of a scenario with its layer and its app, or what is missing of it.
fn find(scenario: &Scenario, fleet: &Fleet) -> Result<Found, StackCommand> {
    let name = &*scenario.fleet.prefix;
    let known = fleet
        .stacks()
        .find(|(_, stack)| *stack.content.name == *name);
    let Some((stack, known)) = known else {
        return Err(StackCommand::Create(Box::new(Content {
            name: name.into(),
            manager_version: None,
            custom_json: None,
            details: Details::default(),
        })));
    };
    let Some(layer) = known.layers.first().copied() else {
        let content = Box::new(LayerContent {
            name: LAYER.into(),
            shortname: LAYER.into(),
            kind: LAYER.into(),
            custom_json: None,
            details: Details::default(),
        });
        return Err(StackCommand::CreateLayer { stack, content });
    };
    let Some(app) = known.apps.first().copied() else {
        let content = Box::new(AppContent {
            name: APP.into(),
            shortname: APP.into(),
            kind: "other".into(),
            environment: Vec::new(),
            details: Details::default(),
        });
        return Err(StackCommand::CreateApp { stack, content });
    };
    Ok(Found { stack, layer, app })
}
