//! From vague actions to commands that fit the fleet as it is. An action that is impossible becomes nothing.

mod core_work;
mod job_work;
mod shadow_work;

use shipslog_domain::command::{
    AttributeChange, GroupUpdate, GroupsUpdate, TargetName, ThingUpdate,
};
use shipslog_domain::query::{Index, Query};
use shipslog_domain::{
    Command, GroupName, JobName, ProvisioningTemplateName, Span, TaskKey, TemplateName, ThingName,
};
use shipslog_tests::model::core_tasks::{GROUPED, PLAIN, provisioning_template};
use shipslog_tests::model::dynamic::Selector;

use crate::actions::{Action, What};
use crate::world::{Step, World};

/// A namespace of jobs that are no deployments.
pub(crate) const NAMESPACE: &str = "ns";

const GROUPS: u64 = 5;
const DYNAMIC_GROUPS: u64 = 3;
const JOBS: u64 = 5;
const TEMPLATES: u64 = 2;

/// Draws choices from one number, digit by digit; zero always means the first choice.
pub(super) struct Dice {
    left: u64,
    /// How many names of things there are to choose from.
    names: u64,
}

impl Dice {
    fn new(world: &World, action: Action) -> Self {
        Self {
            left: action.how,
            names: world.names,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        let drawn = self.left % bound;
        self.left /= bound;
        drawn
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("a small bound")
    }

    /// A small number from `first` on.
    fn number(&mut self, first: u32, count: u64) -> u32 {
        first + u32::try_from(self.below(count)).expect("a small bound")
    }

    /// True once in so many draws, and never for zero.
    fn rarely(&mut self, once_in: u64) -> bool {
        self.below(once_in) == once_in - 1
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> Option<T> {
        let last = choices.len().max(1);
        choices.get(self.index(last)).cloned()
    }

    fn thing(&mut self) -> ThingName {
        let names = self.names;
        thing_name(&format!("t{}", self.below(names)))
    }

    /// Mostly a group of users; sometimes one that brings a template version.
    fn group(&mut self, world: &World) -> GroupName {
        let others: Vec<&String> = world.model.groups.keys().collect();
        let any = self.rarely(3).then(|| self.one_of(&others)).flatten();
        group_name(any.unwrap_or(&format!("g{}", self.below(GROUPS))))
    }

    fn user_group(&mut self) -> GroupName {
        group_name(&format!("g{}", self.below(GROUPS)))
    }

    fn dynamic_group(&mut self) -> GroupName {
        group_name(&format!("d{}", self.below(DYNAMIC_GROUPS)))
    }

    fn query(&mut self) -> Query {
        let color = ["blue", "red"][self.index(2)].to_owned();
        let selector = match self.below(4) {
            0 => Selector::Color(color),
            3 => Selector::Reporting(1),
            1 => Selector::ColoredOutside(self.user_group().to_string()),
            _ => Selector::Named(format!("t{}", self.below(3))),
        };
        Query::parse(Index::Things, &selector.query()).expect("a valid query")
    }

    fn target(&mut self, world: &World) -> TargetName {
        if self.rarely(3) {
            TargetName::Thing(self.thing())
        } else {
            TargetName::Group(self.group(world))
        }
    }

    /// Mostly a job that exists, of whatever kind.
    fn job(&mut self, world: &World) -> JobName {
        let known: Vec<&String> = world.model.jobs.keys().collect();
        let known = (!self.rarely(12)).then(|| self.one_of(&known)).flatten();
        job_name(known.unwrap_or(&format!("j{}", self.below(JOBS))))
    }

    fn template(&mut self) -> TemplateName {
        TemplateName::parse(&format!("e{}", self.below(TEMPLATES))).expect("a valid name")
    }

    /// A new task id, or sometimes the one before.
    fn task_key(&mut self, world: &mut World) -> TaskKey {
        if !self.rarely(10) {
            world.tasks += 1;
        }
        TaskKey::parse(&format!("task{:05}", world.tasks)).expect("nine characters")
    }

    fn provisioning(&mut self) -> ProvisioningTemplateName {
        let name = [PLAIN, GROUPED, "unknown"][self.index(3)];
        ProvisioningTemplateName::parse(name).expect("a valid name")
    }
}

pub(super) fn thing_name(name: &str) -> ThingName {
    ThingName::parse(name).expect("a valid name")
}

pub(super) fn group_name(name: &str) -> GroupName {
    GroupName::parse(name).expect("a valid name")
}

pub(super) fn job_name(name: &str) -> JobName {
    JobName::parse(name).expect("a valid name")
}

/// Makes what is there at the beginning.
pub(crate) fn set_up(world: &mut World, things: usize) {
    for command in beginning(things) {
        world.apply(Step::Command(Box::new(command)));
    }
}

/// What is there at the beginning: things in `g0`, every second of them a connected core, and templates.
pub(crate) fn beginning(things: usize) -> Vec<Command> {
    if things == 0 {
        return Vec::new();
    }
    let mut commands = vec![create_group("g0", None), create_group("g1", Some("g0"))];
    for name in [PLAIN, GROUPED] {
        commands.push(Command::PutProvisioningTemplate {
            name: ProvisioningTemplateName::parse(name).expect("a valid name"),
            body: provisioning_template(name).into(),
        });
    }
    for number in 0..things {
        let name = format!("t{number}");
        commands.push(create_thing(&name, 0));
        commands.push(Command::AddThingToGroup {
            group: group_name(["g0", "g1"][number % 2]),
            thing: thing_name(&name),
        });
        if number % 2 == 0 {
            commands.push(core_work::health(thing_name(&name), 1, 1));
        }
    }
    commands.push(core_work::create_template("e0", None));
    if things > 1 {
        commands.extend(core_work::first_device("t0", "t1"));
    }
    commands
}

fn create_group(name: &str, parent: Option<&str>) -> Command {
    Command::CreateGroup {
        name: group_name(name),
        parent: parent.map(group_name),
        description: None,
        attributes: Vec::new(),
    }
}

fn create_thing(name: &str, variant: u64) -> Command {
    Command::CreateThing {
        name: thing_name(name),
        thing_type: None,
        attributes: attributes(variant),
        billing_group: None,
    }
}

fn attributes(variant: u64) -> Vec<(Box<str>, Box<str>)> {
    match variant {
        0 => Vec::new(),
        1 => vec![("color".into(), "blue".into())],
        _ => vec![
            ("place".into(), "here".into()),
            ("color".into(), "red".into()),
        ],
    }
}

/// Does what an action says.
pub(crate) fn perform(world: &mut World, action: Action) {
    if !action.hasty {
        world.settle();
    }
    match action.what {
        What::TimePasses => {
            let (span, on_time) = passing(world, action);
            world.pass(span, on_time);
        }
        What::DueIsDone => world.apply(Step::Due),
        _ => {
            if let Some(command) = command_of(world, action) {
                world.apply(Step::Command(Box::new(command)));
            }
        }
    }
}

/// How much time passes, and whether what becomes due on the way is done at its moment.
pub(crate) fn passing(world: &World, action: Action) -> (Span, bool) {
    let mut dice = Dice::new(world, action);
    let span = match dice.below(6) {
        0 => Span::MINUTE,
        1 => Span(1),
        2 => Span::seconds(30),
        3 => Span::minutes(5),
        // From before the start or end of a schedule to after it.
        4 => Span::minutes(31),
        _ => Span(59_999),
    };
    (span, !dice.rarely(4))
}

/// What somebody asks for; none where nobody asks, or where there is nothing to ask about.
pub(crate) fn command_of(world: &mut World, action: Action) -> Option<Command> {
    let mut dice = Dice::new(world, action);
    command(world, action.what, &mut dice)
}

fn command(world: &mut World, what: What, dice: &mut Dice) -> Option<Command> {
    Some(match what {
        What::TimePasses | What::DueIsDone => return None,
        What::ThingCreated => create_thing(dice.thing().as_str(), dice.below(3)),
        What::ThingDeleted => Command::DeleteThing {
            name: dice.thing(),
            expected_version: None,
            detach_certificates: true,
        },
        What::AttributesSet => attributes_set(dice),
        What::GroupCreated => {
            let (name, parent) = (dice.below(GROUPS), dice.below(GROUPS + 2));
            let parent = (parent < GROUPS && parent != name).then(|| format!("g{parent}"));
            create_group(&format!("g{name}"), parent.as_deref())
        }
        What::DynamicGroupCreated => Command::CreateDynamicGroup {
            name: dice.dynamic_group(),
            description: None,
            attributes: Vec::new(),
            query: dice.query(),
        },
        What::QueryChanged => Command::UpdateGroup {
            update: Box::new(GroupUpdate {
                name: dice.dynamic_group(),
                dynamic: true,
                description: None,
                attributes: None,
                query: Some(dice.query()),
                expected_version: None,
            }),
        },
        What::GroupDeleted => {
            let name = dice.group(world);
            let known = world.model.groups.get(name.as_str());
            Command::DeleteGroup {
                dynamic: known.is_some_and(|group| group.selects.is_some()),
                name,
                expected_version: None,
            }
        }
        What::Moved => Command::UpdateThingGroups {
            update: Box::new(GroupsUpdate {
                thing: dice.thing(),
                add: vec![dice.user_group(), dice.user_group()],
                remove: vec![dice.user_group()],
                override_dynamic: dice.below(2) == 1,
            }),
        },
        // Nobody puts a core into two deployments' groups by hand: CORE-1 is about what deployments do.
        What::Joined => Command::AddThingToGroup {
            group: dice.user_group(),
            thing: dice.thing(),
        },
        What::Left => left(world, dice),
        What::DeviceReports
        | What::DeviceStarts
        | What::JobCreated
        | What::JobChanged
        | What::JobExtended
        | What::JobCanceled
        | What::JobDeleted
        | What::ExecutionCanceled
        | What::ExecutionDeleted => return job_work::command(world, what, dice),
        What::HealthReported
        | What::TemplateCreated
        | What::TemplateUpdated
        | What::TemplateDeleted
        | What::Deployed
        | What::ProvisioningChanged
        | What::CoreTaskCreated
        | What::BatchStarted
        | What::DevicesCreated
        | What::RemovalRequested
        | What::DeviceDeleted
        | What::ItemFinished => return core_work::command(world, what, dice),
        What::ShadowUpdated | What::ShadowDeleted => shadow_work::command(what, dice),
    })
}

fn attributes_set(dice: &mut Dice) -> Command {
    let attributes = match dice.below(4) {
        3 => vec![("color".into(), "".into())],
        variant => attributes(variant),
    };
    Command::UpdateThing {
        update: Box::new(ThingUpdate {
            name: dice.thing(),
            thing_type: None,
            attributes: Some(AttributeChange {
                attributes,
                merge: dice.below(2) == 1,
            }),
            expected_version: None,
        }),
    }
}

/// Mostly out of a group that the thing is in.
fn left(world: &World, dice: &mut Dice) -> Command {
    let things = world.model.things.iter();
    let members: Vec<(&String, &String)> = things
        .flat_map(|(name, thing)| thing.groups.iter().map(move |group| (name, group)))
        .collect();
    let known = (!dice.rarely(8)).then(|| dice.one_of(&members)).flatten();
    let (thing, group) = match known {
        Some((thing, group)) => (thing_name(thing), group_name(group)),
        None => (dice.thing(), dice.group(world)),
    };
    Command::RemoveThingFromGroup { group, thing }
}
