//! Which changes of instances are accepted.

use super::instance::Command;
use super::{
    Details, Instance, InstanceChange, InstanceContent, InstanceEvent as Event, InstanceState,
    InstanceStatus, Origin, Stack,
};
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::{InstanceId, LayerId, StackId, ThingId, ThingName};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::{Rejection, RejectionKind};

fn fact(instance: InstanceId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Instance, instance.0),
        event: Any::Instance(event),
    }
}

fn turned(instance: InstanceId, state: InstanceState) -> Fact {
    fact(instance, Event::Turned { state })
}

fn sorted(layers: &[LayerId]) -> Vec<LayerId> {
    let mut layers = layers.to_vec();
    layers.sort_unstable();
    layers.dedup();
    layers
}

fn not_for(origin: Origin) -> Rejection {
    let rule = match origin {
        Origin::Created => {
            "the instance was created with its stack; start, stop, reboot and delete it"
        }
        Origin::Registered => {
            "the instance was registered; assign, unassign and deregister it, and run its device yourself"
        }
    };
    Rejection::wrong_state("InstanceId", rule)
}

fn check_instance_room(stack: &Stack) -> Result<(), Rejection> {
    let most = limits::INSTANCES_PER_STACK_MAX;
    if stack.instances.len() < most {
        return Ok(());
    }
    let rule = format!("a stack has at most {most} instances; delete one first");
    Err(Rejection::too_many("StackId", rule))
}

impl Fleet {
    pub(super) fn find_instance(&self, id: InstanceId) -> Result<&Instance, Rejection> {
        let what = || format!("instance {}", id.to_uuid());
        let found = self.stacks.instance(id);
        found.ok_or_else(|| Rejection::not_found("InstanceId", what()))
    }

    fn find_instance_of(&self, id: InstanceId, origin: Origin) -> Result<&Instance, Rejection> {
        let found = self.find_instance(id)?;
        match found.origin == origin {
            true => Ok(found),
            false => Err(not_for(found.origin)),
        }
    }

    pub(super) fn status_of(&self, instance: &Instance) -> InstanceStatus {
        let presence = self.presences.get(instance.thing);
        InstanceStatus::of(instance.state, instance.since, presence)
    }

    pub(super) fn decide_instance(&self, command: &Command) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Create {
                stack,
                hostname,
                content,
            } => self.create_instance(*stack, hostname.as_ref(), content),
            Command::Register {
                stack,
                hostname,
                details,
            } => self.register_instance(*stack, hostname, details),
            Command::Change { instance, change } => self.change_instance(*instance, change),
            Command::Delete(id) => {
                let instance = self.find_instance_of(*id, Origin::Created)?;
                self.check_status(instance, &[InstanceStatus::Stopped], "stop it first")?;
                Ok(self.remove_instance(*id, instance))
            }
            Command::Deregister(id) => {
                let instance = self.find_instance_of(*id, Origin::Registered)?;
                Ok(self.remove_instance(*id, instance))
            }
            Command::Assign { instance, layers } => self.assign_instance(*instance, layers),
            Command::Unassign(id) => self.unassign_instance(*id),
            Command::Start(id) => {
                let instance = self.find_instance_of(*id, Origin::Created)?;
                self.check_status(instance, &[InstanceStatus::Stopped], "stop it first")?;
                Ok(vec![turned(*id, InstanceState::Started)])
            }
            Command::Stop { instance, force } => self.stop_instance(*instance, *force),
            Command::Reboot(id) => {
                let instance = self.find_instance_of(*id, Origin::Created)?;
                let from = [InstanceStatus::Online, InstanceStatus::ConnectionLost];
                self.check_status(instance, &from, "only one that runs can begin anew")?;
                Ok(vec![turned(*id, InstanceState::Rebooting)])
            }
        }
    }

    /// The end of an instance, and of the commands that wait for it.
    fn remove_instance(&self, id: InstanceId, instance: &Instance) -> Vec<Fact> {
        let mut facts = self.end_commands(instance);
        facts.push(fact(id, Event::Removed));
        facts
    }

    fn check_status(
        &self,
        instance: &Instance,
        allowed: &[InstanceStatus],
        way_out: &str,
    ) -> Result<(), Rejection> {
        let status = self.status_of(instance);
        if allowed.contains(&status) {
            return Ok(());
        }
        let rule = format!("the instance is {}; {way_out}", status.as_str());
        Err(Rejection::wrong_state("InstanceId", rule))
    }

    /// Refuses layers that are not of the stack.
    fn check_layers(&self, stack: StackId, layers: &[LayerId]) -> Result<(), Rejection> {
        if layers.is_empty() {
            let rule = "must name at least one layer of the stack";
            return Err(Rejection::malformed("LayerIds", rule));
        }
        for id in layers {
            if self.find_layer(*id)?.stack != stack {
                let rule = format!("layer {} is of another stack", id.to_uuid());
                return Err(Rejection::malformed("LayerIds", rule));
            }
        }
        Ok(())
    }

    /// The thing of this name, made if it does not exist; one that is an instance already is refused.
    fn claim(&self, hostname: &ThingName, facts: &mut Vec<Fact>) -> Result<ThingId, Rejection> {
        let known = self.things.find(hostname.as_str());
        if let Some(instance) = known.and_then(|thing| self.stacks.of_thing(thing)) {
            let stack = self.find_instance(instance)?.stack.to_uuid();
            return Err(Rejection::new(
                RejectionKind::Conflict,
                "Hostname",
                format!(
                    "{hostname} is instance {} of stack {stack} already; choose another",
                    instance.to_uuid()
                ),
            ));
        }
        if let Some(thing) = known.filter(|thing| self.is_registered(*thing)) {
            return Ok(thing);
        }
        facts.extend(self.decide_create_thing(hostname, None, &Vec::new(), None)?);
        let made = facts.last().map(|fact| ThingId(fact.stream.number));
        Ok(made.expect("a thing that is created has an event"))
    }

    fn create_instance(
        &self,
        id: StackId,
        hostname: Option<&ThingName>,
        content: &InstanceContent,
    ) -> Result<Vec<Fact>, Rejection> {
        let stack = self.find_stack(id)?;
        self.check_layers(id, &content.layers)?;
        check_instance_room(stack)?;
        let hostname = match hostname {
            Some(hostname) => hostname.clone(),
            None => self.free_hostname(&content.layers)?,
        };
        let content = InstanceContent {
            layers: sorted(&content.layers),
            details: content.details.clone(),
        };
        self.add_instance(id, &hostname, Origin::Created, content)
    }

    fn register_instance(
        &self,
        id: StackId,
        hostname: &ThingName,
        details: &Details,
    ) -> Result<Vec<Fact>, Rejection> {
        check_instance_room(self.find_stack(id)?)?;
        let content = InstanceContent {
            layers: Vec::new(),
            details: details.clone(),
        };
        self.add_instance(id, hostname, Origin::Registered, content)
    }

    fn add_instance(
        &self,
        stack: StackId,
        hostname: &ThingName,
        origin: Origin,
        content: InstanceContent,
    ) -> Result<Vec<Fact>, Rejection> {
        content.details.check("Instance")?;
        let mut facts = Vec::new();
        let thing = self.claim(hostname, &mut facts)?;
        let created = Event::Created {
            stack,
            thing,
            hostname: hostname.clone(),
            origin,
            content: Box::new(content),
        };
        facts.push(fact(self.stacks.next_instance(), created));
        Ok(facts)
    }

    /// A hostname made of the first layer's name for recipes and a number, which no thing has.
    fn free_hostname(&self, layers: &[LayerId]) -> Result<ThingName, Rejection> {
        let Some(first) = layers.first() else {
            let rule = "must name at least one layer of the stack";
            return Err(Rejection::malformed("LayerIds", rule));
        };
        let layer = self.find_layer(*first)?;
        let shortname = layer.content.shortname.replace('.', "-");
        let is_free = |name: &String| self.things.find(name).is_none();
        let mut names = (layer.instances.len() + 1..).map(|number| format!("{shortname}{number}"));
        let free = names.find(is_free);
        ThingName::parse(&free.expect("there are fewer things than numbers"))
    }

    fn change_instance(
        &self,
        id: InstanceId,
        change: &InstanceChange,
    ) -> Result<Vec<Fact>, Rejection> {
        let instance = self.find_instance(id)?;
        if let Some(hostname) = &change.hostname
            && *hostname != instance.hostname
        {
            let rule = format!(
                "is {} and stays: it names the instance's thing; make another instance instead",
                instance.hostname
            );
            return Err(Rejection::wrong_state("Hostname", rule));
        }
        let layers = match &change.layers {
            Some(layers) => {
                if instance.state == InstanceState::Registered {
                    let rule = "a registered instance gets its layers by AssignInstance";
                    return Err(Rejection::wrong_state("LayerIds", rule));
                }
                self.check_layers(instance.stack, layers)?;
                sorted(layers)
            }
            None => instance.content.layers.clone(),
        };
        let after = InstanceContent {
            layers,
            details: instance.content.details.changed(&change.details),
        };
        after.details.check("Instance")?;
        Ok(changed(id, instance, after).into_iter().collect())
    }

    fn assign_instance(&self, id: InstanceId, layers: &[LayerId]) -> Result<Vec<Fact>, Rejection> {
        let instance = self.find_instance_of(id, Origin::Registered)?;
        self.check_layers(instance.stack, layers)?;
        let all = [&*instance.content.layers, layers].concat();
        let after = InstanceContent {
            layers: sorted(&all),
            details: instance.content.details.clone(),
        };
        let mut facts: Vec<Fact> = changed(id, instance, after).into_iter().collect();
        if instance.state == InstanceState::Registered {
            facts.push(turned(id, InstanceState::Assigned));
        }
        Ok(facts)
    }

    fn unassign_instance(&self, id: InstanceId) -> Result<Vec<Fact>, Rejection> {
        let instance = self.find_instance_of(id, Origin::Registered)?;
        if instance.state == InstanceState::Registered {
            let rule = "the instance is in no layer";
            return Err(Rejection::wrong_state("InstanceId", rule));
        }
        let after = InstanceContent {
            layers: Vec::new(),
            details: instance.content.details.clone(),
        };
        let mut facts: Vec<Fact> = changed(id, instance, after).into_iter().collect();
        facts.push(turned(id, InstanceState::Registered));
        Ok(facts)
    }

    fn stop_instance(&self, id: InstanceId, force: bool) -> Result<Vec<Fact>, Rejection> {
        let instance = self.find_instance_of(id, Origin::Created)?;
        let status = self.status_of(instance);
        match status {
            InstanceStatus::Stopped => {
                let rule = "the instance is stopped already";
                return Err(Rejection::wrong_state("InstanceId", rule));
            }
            InstanceStatus::Stopping if !force => {
                let rule = "the instance is stopping; disconnect its device, or set Force";
                return Err(Rejection::wrong_state("Force", rule));
            }
            InstanceStatus::Stopping
            | InstanceStatus::Registering
            | InstanceStatus::Registered
            | InstanceStatus::Assigning
            | InstanceStatus::Requested
            | InstanceStatus::Online
            | InstanceStatus::ConnectionLost
            | InstanceStatus::Rebooting => {}
        }
        let state = match force {
            true => InstanceState::Stopped,
            false => InstanceState::Stopping,
        };
        Ok(vec![turned(id, state)])
    }

    pub(super) fn start_stack(&self, id: StackId) -> Result<Vec<Fact>, Rejection> {
        let stopped = self.created_instances(id)?;
        let stopped = stopped.filter(|(_, one)| self.status_of(one) == InstanceStatus::Stopped);
        Ok(stopped
            .map(|(id, _)| turned(id, InstanceState::Started))
            .collect())
    }

    pub(super) fn stop_stack(&self, id: StackId) -> Result<Vec<Fact>, Rejection> {
        let ended = [InstanceStatus::Stopped, InstanceStatus::Stopping];
        let running = self.created_instances(id)?;
        let running = running.filter(|(_, one)| !ended.contains(&self.status_of(one)));
        Ok(running
            .map(|(id, _)| turned(id, InstanceState::Stopping))
            .collect())
    }

    fn created_instances(
        &self,
        id: StackId,
    ) -> Result<impl Iterator<Item = (InstanceId, &Instance)>, Rejection> {
        let ids = self.find_stack(id)?.instances.iter();
        let all = ids.filter_map(|id| Some((*id, self.stacks.instance(*id)?)));
        Ok(all.filter(|(_, instance)| instance.origin == Origin::Created))
    }
}

/// The change of an instance, if there is one.
fn changed(id: InstanceId, instance: &Instance, after: InstanceContent) -> Option<Fact> {
    let content = Box::new(after);
    (content != instance.content).then(|| fact(id, Event::Changed { content }))
}
