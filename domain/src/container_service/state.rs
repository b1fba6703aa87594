//! State of container services: what they are, what their nodes were told, and what became of it.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::names::{ContainerName, ContainerServiceName, image_name};
use super::{Change, Definition, Event, VersionRequest};
use crate::Fleet;
use crate::ids::{ContainerServiceId, GroupId, JobId, ThingId};
use crate::time::Timestamp;

/// Where a service is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Phase {
    /// Its group of nodes is not there yet.
    #[n(0)]
    Pending,
    /// Nothing is under way.
    #[n(1)]
    Idle,
    /// A version is on its way to the nodes.
    #[n(2)]
    Deploying {
        /// Its number.
        #[n(0)]
        version: u32,
        /// Until when it must run.
        #[n(1)]
        until: Timestamp,
    },
    /// The nodes follow a change of the service.
    #[n(3)]
    Updating {
        /// Until when they have time.
        #[n(0)]
        until: Timestamp,
    },
    /// The nodes stop, and then the service is gone.
    #[n(4)]
    Deleting {
        /// Until when they have time.
        #[n(0)]
        until: Timestamp,
    },
}

/// What callers see of [`Phase`], of whether the service is disabled, and of whether it runs anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// `PENDING`.
    Pending,
    /// `READY`: it runs nothing.
    Ready,
    /// `RUNNING`.
    Running,
    /// `UPDATING`.
    Updating,
    /// `DEPLOYING`.
    Deploying,
    /// `DISABLED`.
    Disabled,
    /// `DELETING`.
    Deleting,
}

impl State {
    /// The wire word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::Running => "RUNNING",
            Self::Updating => "UPDATING",
            Self::Deploying => "DEPLOYING",
            Self::Disabled => "DISABLED",
            Self::Deleting => "DELETING",
        }
    }
}

/// How a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionState {
    /// `ACTIVATING`: it is on its way.
    Activating,
    /// `ACTIVE`: it runs.
    Active,
    /// `INACTIVE`: it ran.
    Inactive,
    /// `FAILED`: it never ran.
    Failed,
}

impl VersionState {
    /// The wire word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activating => "ACTIVATING",
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Failed => "FAILED",
        }
    }
}

/// What a node is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Instruction {
    /// To run a version.
    #[n(0)]
    Run {
        /// Its number.
        #[n(0)]
        version: u32,
        /// How many changes of the service its nodes had to follow before.
        #[n(1)]
        generation: u32,
    },
    /// To run nothing of the service.
    #[n(1)]
    Stop,
}

/// What became of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// The node has not said yet.
    #[n(0)]
    Pending,
    /// It does what it was told.
    #[n(1)]
    Done,
    /// It could not, or was not reached.
    #[n(2)]
    Failed,
}

impl Outcome {
    /// A word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Done => "DONE",
            Self::Failed => "FAILED",
        }
    }
}

/// A thing that was told something by a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Node {
    /// What it was told last.
    #[n(0)]
    pub instruction: Instruction,
    /// With which job.
    #[n(1)]
    pub job: JobId,
    /// What became of it.
    #[n(2)]
    pub outcome: Outcome,
}

/// An image that is registered with a service.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Image {
    /// Its label.
    #[n(0)]
    pub label: ContainerName,
    /// Its number under the label.
    #[n(1)]
    pub number: u32,
    /// What it is.
    #[n(2)]
    pub digest: Box<str>,
    /// When it was registered.
    #[n(3)]
    pub created_at: Timestamp,
}

/// A container service that exists.
#[derive(Clone, Debug, Encode, Decode)]
pub struct ContainerService {
    /// Its name.
    #[n(0)]
    pub name: ContainerServiceName,
    /// What it is, after all changes; its tags are those of its creation.
    #[n(1)]
    pub definition: Box<Definition>,
    /// When it was created.
    #[n(2)]
    pub created_at: Timestamp,
    /// Whether it is shut down.
    #[n(3)]
    pub is_disabled: bool,
    /// Where it is on its way.
    #[n(4)]
    pub phase: Phase,
    /// The group of its nodes.
    #[n(5)]
    pub group: Option<GroupId>,
    /// The version that it runs.
    #[n(6)]
    pub active: Option<u32>,
    /// Versions that failed, and why.
    #[n(7)]
    pub failures: BTreeMap<u32, Box<str>>,
    /// Things that it told something, and that have not stopped.
    #[n(8)]
    pub nodes: BTreeMap<ThingId, Node>,
    /// Its images, in the order of their registration.
    #[n(9)]
    pub images: Vec<Image>,
    /// The highest number that each label ever had.
    #[n(10)]
    pub(super) labels: BTreeMap<ContainerName, u32>,
    /// How many changes its nodes had to follow.
    #[n(11)]
    pub(super) generation: u32,
    /// How many jobs told its nodes something.
    #[n(12)]
    pub(super) jobs: u32,
    /// Its first version, until it is on its way.
    #[n(13)]
    pub(super) first: Option<Box<VersionRequest>>,
}

impl ContainerService {
    pub(super) fn new(
        definition: &Definition,
        first: Option<&VersionRequest>,
        at: Timestamp,
    ) -> Self {
        Self {
            name: definition.name.clone(),
            definition: Box::new(definition.clone()),
            created_at: at,
            is_disabled: false,
            phase: Phase::Pending,
            group: None,
            active: None,
            failures: BTreeMap::new(),
            nodes: BTreeMap::new(),
            images: Vec::new(),
            labels: BTreeMap::new(),
            generation: 0,
            jobs: 0,
            first: first.map(|first| Box::new(first.clone())),
        }
    }

    /// How it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Pending => State::Pending,
            Phase::Deploying { .. } => State::Deploying,
            Phase::Deleting { .. } => State::Deleting,
            Phase::Idle | Phase::Updating { .. } if self.is_disabled => State::Disabled,
            Phase::Updating { .. } => State::Updating,
            Phase::Idle if self.active.is_some() => State::Running,
            Phase::Idle => State::Ready,
        }
    }

    /// The version that is on its way.
    #[must_use]
    pub const fn next(&self) -> Option<u32> {
        match self.phase {
            Phase::Deploying { version, .. } => Some(version),
            Phase::Pending | Phase::Idle | Phase::Updating { .. } | Phase::Deleting { .. } => None,
        }
    }

    /// How a version stands that it had.
    #[must_use]
    pub fn version_state(&self, version: u32) -> VersionState {
        if self.next() == Some(version) {
            VersionState::Activating
        } else if self.active == Some(version) {
            VersionState::Active
        } else if self.failures.contains_key(&version) {
            VersionState::Failed
        } else {
            VersionState::Inactive
        }
    }

    /// What its nodes are to do: the next version comes before the active one, and who is to stop runs none.
    pub(super) fn goal(&self) -> Option<Instruction> {
        let version = match self.phase {
            Phase::Deploying { version, .. } => Some(version),
            Phase::Deleting { .. } | Phase::Pending => None,
            Phase::Idle | Phase::Updating { .. } if self.is_disabled => None,
            Phase::Idle | Phase::Updating { .. } => self.active,
        };
        version.map(|version| Instruction::Run {
            version,
            generation: self.generation,
        })
    }

    /// An image by its label: the one with a number, or the one with the highest.
    #[must_use]
    pub fn image(&self, label: &ContainerName, number: Option<u32>) -> Option<&Image> {
        let mut of_label = self.images.iter().filter(|image| image.label == *label);
        match number {
            Some(number) => of_label.find(|image| image.number == number),
            None => of_label.max_by_key(|image| image.number),
        }
    }

    /// The whole name of an image.
    #[must_use]
    pub fn image_name(&self, image: &Image) -> String {
        image_name(&self.name, &image.label, image.number)
    }

    fn change(&mut self, change: &Change, until: Option<Timestamp>) {
        let definition = &mut self.definition;
        let renewed = change.power.is_some()
            || change.public_domain_names.is_some()
            || change.is_disabled == Some(false);
        if let Some(power) = change.power {
            definition.power = power;
        }
        if let Some(scale) = change.scale {
            definition.scale = scale;
        }
        if let Some(names) = &change.public_domain_names {
            definition.public_domain_names.clone_from(names);
        }
        if let Some(pulls) = change.pulls_private_images {
            definition.pulls_private_images = pulls;
        }
        if let Some(is_disabled) = change.is_disabled {
            self.is_disabled = is_disabled;
        }
        // Nodes that run a version have to hear of what its document says anew.
        self.generation += u32::from(renewed);
        self.phase = match until {
            Some(until) => Phase::Updating { until },
            None if self.is_disabled => Phase::Idle,
            None => self.phase,
        };
    }

    pub(super) fn evolve(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Created { .. } | Event::Removed => {}
            Event::Ready { group } => {
                self.group = Some(*group);
                if self.phase == Phase::Pending {
                    self.phase = Phase::Idle;
                }
                self.first = None;
            }
            Event::Changed { change, until } => self.change(change, *until),
            Event::UpdateEnded => self.phase = Phase::Idle,
            Event::NodesTold {
                instruction,
                job,
                nodes,
            } => {
                self.jobs += 1;
                let told = Node {
                    instruction: *instruction,
                    job: *job,
                    outcome: Outcome::Pending,
                };
                self.nodes.extend(nodes.iter().map(|thing| (*thing, told)));
            }
            Event::VersionStarted { version, until } => {
                self.phase = Phase::Deploying {
                    version: *version,
                    until: *until,
                };
            }
            Event::VersionActivated { version } => {
                self.active = Some(*version);
                self.phase = Phase::Idle;
            }
            Event::VersionFailed { version, cause } => {
                self.failures.insert(*version, cause.clone());
                self.phase = Phase::Idle;
            }
            Event::ImageRegistered {
                label,
                number,
                digest,
            } => {
                self.labels.insert(label.clone(), *number);
                self.images.push(Image {
                    label: label.clone(),
                    number: *number,
                    digest: digest.clone(),
                    created_at: at,
                });
            }
            Event::ImageRemoved { label, number } => self
                .images
                .retain(|image| image.number != *number || image.label != *label),
            Event::DeletionStarted { until } => {
                if let Some(version) = self.next() {
                    self.failures
                        .insert(version, "the service was deleted".into());
                }
                self.phase = Phase::Deleting { until: *until };
            }
        }
    }

    /// Notes what became of a job on a node. A node that has stopped is none any more.
    pub(super) fn ended(&mut self, job: JobId, thing: ThingId, done: bool) -> bool {
        let Some(node) = self.nodes.get_mut(&thing) else {
            return false;
        };
        if node.job != job || node.outcome != Outcome::Pending {
            return false;
        }
        node.outcome = match done {
            true => Outcome::Done,
            false => Outcome::Failed,
        };
        if node.instruction == Instruction::Stop {
            self.nodes.remove(&thing);
        }
        true
    }

    /// Forgets versions that are kept no more.
    pub(super) fn forget_version(&mut self, version: u32) {
        self.failures.remove(&version);
    }
}

impl Fleet {
    /// The container service with this name.
    #[must_use]
    pub fn container_service(&self, name: &str) -> Option<&ContainerService> {
        self.container_services.find(name).map(|(_, found)| found)
    }

    /// The container service with this number.
    #[must_use]
    pub fn container_service_by_id(&self, id: ContainerServiceId) -> Option<&ContainerService> {
        self.container_services.get(id)
    }

    /// Container services in the order of their names, from the one after `after`.
    pub fn container_services<'f>(
        &'f self,
        after: Option<&'f str>,
    ) -> impl Iterator<Item = &'f ContainerService> {
        self.container_services.after(after)
    }

    /// Whether a thing may run a service: it is in the group of its nodes, or was told something by it.
    #[must_use]
    pub fn is_container_node(&self, service: &ContainerService, thing: ThingId) -> bool {
        if service.nodes.contains_key(&thing) {
            return true;
        }
        let groups = self.thing(thing).map(|thing| &thing.groups);
        let mut groups = groups.into_iter().flat_map(|groups| groups.iter());
        groups.any(|group| {
            let mut above = self.groups.with_ancestors(*group);
            above.any(|(group, _)| service.group == Some(group))
        })
    }
}
