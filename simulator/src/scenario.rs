//! What is played, typed and valid: a fleet, how its devices behave, the network between, what operators do and when,
//! which faults strike the service, and what must hold at the end.
//!
//! A scenario is a pure description. Which class, groups and partitions a device belongs to follows from seed and
//! index alone, so that every mode, every worker process and every checker agrees without asking.

use std::sync::Arc;

use shipslog_domain::Span;

use crate::behavior::device_seeds;
use crate::checks::Check;
use crate::device::{Kind, Script};
use crate::distribution::Distribution;
use crate::network::Network;
use crate::seeds::Seeds;

pub use amount::{Amount, Bounds, SHARE_WHOLE};
pub use job::{AbortRule, ExponentialRule, JobSettings, RolloutRule};
pub use line::{Line, Slice};
pub use parse::Invalid;
pub use schedule::{Hours, ScheduleRule, Zone};
pub use timeline::{Action, ComponentUse, JobKind, Step, Targets, TemplateUse};

mod amount;
pub mod commands;
pub mod containers;
mod job;
mod line;
mod parse;
pub mod schedule;
mod timeline;

/// How a fleet is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Virtual time, commands straight into the state machine.
    Model,
    /// MQTT bytes through in-process pipes into the real device edge.
    Wire,
    /// Real sockets.
    Net,
}

impl Mode {
    /// Its name in scenario files and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Wire => "wire",
            Self::Net => "net",
        }
    }
}

/// How things come to be before their devices connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provisioning {
    /// They are there already, or the service makes them when they connect.
    None,
    /// As things without certificates: for load.
    Things,
    /// With a certificate of the service's device CA each, and files for the installer.
    Certificates,
}

/// Everything that is played.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name: a word with dashes.
    pub name: Box<str>,
    /// What it shows, in a sentence or two.
    pub shows: Box<str>,
    /// How it is played unless the caller says otherwise.
    pub mode: Option<Mode>,
    /// Everything random follows from it.
    pub seed: u64,
    /// The longest virtual time played. A play ends earlier, when the timeline is through and all is quiet.
    pub horizon: Span,
    /// Who is played.
    pub fleet: Fleet,
    /// How they behave: at least one class, whose shares make up the whole fleet.
    pub classes: Vec<Class>,
    /// What lies between devices and service.
    pub network: Network,
    /// How the service is set up.
    pub service: Service,
    /// What operators do, in the order of time.
    pub timeline: Vec<Step>,
    /// What strikes the service, in the order of time where times are given.
    pub faults: Vec<Fault>,
    /// What must hold at the end.
    pub checks: Vec<Check>,
}

/// Who is played.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// How many devices.
    pub devices: u32,
    /// Thing names are `PREFIX-NNNNNN`.
    pub prefix: Box<str>,
    /// How things come to be.
    pub provisioning: Provisioning,
    /// After the beginning (or after the thing was provisioned), a device first connects so much later.
    pub first_connect: Distribution,
    /// Thing groups to create: those of the scenario and those that its targets need.
    pub groups: Vec<Group>,
}

/// A thing group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name in the scenario. The thing group is [`Scenario::group_name`].
    pub name: Box<str>,
    /// Its members.
    pub slice: Slice,
    /// Whether its members are no members at first: the group is made without them and [`Action::Join`] adds them,
    /// to this group or to another.
    pub later: bool,
}

/// A part of the fleet that behaves alike.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its name.
    pub name: Box<str>,
    /// Its members.
    pub slice: Slice,
    /// How they behave.
    pub script: Arc<Script>,
}

/// How the service is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The most things per minute that any job is rolled out to.
    pub rollout_ceiling_per_minute: Amount,
}

impl Default for Service {
    /// A ceiling of the whole fleet.
    fn default() -> Self {
        Self {
            rollout_ceiling_per_minute: Amount::Share(SHARE_WHOLE),
        }
    }
}

/// Something that strikes the service. `model` and `wire` mode only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When.
    pub at: FaultAt,
    /// How long the service is down: it is killed without warning and started again from its log.
    pub down: Span,
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAt {
    /// So long after the beginning.
    Time(Span),
    /// When the log holds at least so many events; a share is one of an event per device.
    Events(Amount),
}

impl Scenario {
    /// A fleet of honest core devices that are provisioned and get one deployment: what is played without a file.
    #[must_use]
    pub fn honest(devices: u32, seed: u64) -> Self {
        let everyone = Group {
            name: "all".into(),
            slice: Slice::WHOLE,
            later: false,
        };
        let template = TemplateUse {
            template: "fleet".into(),
            version: 1,
        };
        Self {
            name: "honest".into(),
            shows: "An honest fleet takes one deployment.".into(),
            mode: None,
            seed,
            horizon: Span::minutes(7 * 24 * 60),
            fleet: Fleet {
                devices,
                prefix: "sim".into(),
                provisioning: Provisioning::Things,
                first_connect: Distribution::Constant(0),
                groups: vec![everyone],
            },
            classes: vec![Class {
                name: "honest".into(),
                slice: Slice::WHOLE,
                script: Arc::new(Script::default()),
            }],
            network: Network::default(),
            service: Service::default(),
            timeline: vec![
                Step::new(
                    Span(0),
                    Action::CreateTemplateVersion {
                        template: "fleet".into(),
                        settings: JobSettings::default(),
                    },
                ),
                Step::new(
                    Span::minutes(1),
                    Action::Deploy {
                        job: "deployment".into(),
                        brings: template,
                        targets: Targets::all(),
                        settings: None,
                    },
                ),
            ],
            faults: Vec::new(),
            checks: Check::honest("deployment"),
        }
    }

    /// The same scenario at another size. Shares scale; counts stay.
    #[must_use]
    pub fn with_devices(mut self, devices: u32) -> Self {
        self.fleet.devices = devices;
        self
    }

    /// The same scenario with other dice.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The root of all seeds.
    #[must_use]
    pub fn seeds(&self) -> Seeds {
        Seeds::root(self.seed)
    }

    /// The seeds of the device with this index.
    #[must_use]
    pub fn seeds_of(&self, index: u32) -> Seeds {
        device_seeds(self.seed, index)
    }

    /// The thing name of the device with this index.
    #[must_use]
    pub fn thing_name(&self, index: u32) -> String {
        format!("{}-{index:06}", self.fleet.prefix)
    }

    /// The name of a thing group.
    #[must_use]
    pub fn group_name(&self, group: usize) -> Option<String> {
        let group = self.fleet.groups.get(group)?;
        Some(format!("{}-{}", self.fleet.prefix, group.name))
    }

    /// The class of a device.
    #[must_use]
    pub fn class_of(&self, index: u32) -> usize {
        let point = Line::Classes.point(self.seed, index);
        let mut classes = self.classes.iter();
        classes
            .position(|class| class.slice.holds(point))
            // Shares make up the whole, so that only the last one's end can be missed.
            .unwrap_or_else(|| self.classes.len().saturating_sub(1))
    }

    /// What a device does.
    #[must_use]
    pub fn script_of(&self, index: u32) -> Arc<Script> {
        self.classes.get(self.class_of(index)).map_or_else(
            || Arc::new(Script::default()),
            |class| Arc::clone(&class.script),
        )
    }

    /// Which software a device runs.
    #[must_use]
    pub fn kind_of(&self, index: u32) -> Kind {
        let class = self.classes.get(self.class_of(index));
        class.map_or(Kind::Core, |class| class.script.kind)
    }

    /// Whether a device is among those that a group stands for, whether a member from the start or later.
    #[must_use]
    pub fn is_in_group(&self, index: u32, group: usize) -> bool {
        self.fleet
            .groups
            .get(group)
            .is_some_and(|group| group.slice.holds(group.slice.line.point(self.seed, index)))
    }

    /// Whether a device is among the targets of an action at its beginning. Joiners are not.
    #[must_use]
    pub fn is_targeted(&self, index: u32, targets: &Targets) -> bool {
        targets.groups.iter().any(|group| {
            let later = self.fleet.groups.get(*group).is_none_or(|one| one.later);
            !later && self.is_in_group(index, *group)
        })
    }

    /// When a device first connects, counted from when it may.
    #[must_use]
    pub fn first_connect_of(&self, index: u32) -> Span {
        let seeds = self.seeds_of(index);
        Span(self.fleet.first_connect.draw(seeds, "first-connect"))
    }

    /// The service's rollout ceiling at this size of the fleet.
    #[must_use]
    pub fn rollout_ceiling_per_minute(&self) -> u32 {
        let amount = self.service.rollout_ceiling_per_minute;
        amount.count_u32(self.fleet.devices).max(1)
    }

    /// The settings of a job at this size of the fleet, as the service takes them.
    #[must_use]
    pub fn job_settings(&self, settings: &JobSettings) -> shipslog_domain::job::Settings {
        settings.resolve(self.fleet.devices, self.rollout_ceiling_per_minute())
    }
}

#[cfg(test)]
mod tests;
