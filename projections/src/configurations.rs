//! Effective configurations: which components the deployments of a core have brought it, and how each is configured
//! after all their resets and merges.
//!
//! Cores that have come to the same by any way share one record of it, which is kept as long as a core has it. So a
//! core costs four bytes, and how many records there are follows from how different the cores are, not from how many
//! deployments there were.

mod fold;

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use shipslog_domain::core::Event as CoreEvent;
use shipslog_domain::deployment::components::{SHADOW, ShadowReport};
use shipslog_domain::deployment::{self, Content, Scope};
use shipslog_domain::execution::{self, Details};
use shipslog_domain::job::Target;
use shipslog_domain::{Event, JobId, Recorded, ThingId, component, job, shadow};

use crate::column::Column;
use crate::projection::{Projection, decode, encode};
use crate::registry::Registry;
use fold::Record;

/// Steps that are remembered, so that cores which take the same one do not take it apart again.
const STEPS_MAX: usize = 4_096;

/// A component on a core, as its deployments left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentConfiguration<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The configuration: JSON text of an object. `None`: a deployment keeps its part of it outside the log.
    pub configuration: Option<&'a str>,
    /// Who deploys it to the core.
    pub targets: Vec<Target>,
}

/// What a core runs by its deployments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveConfiguration<'a> {
    /// Its components, in the order of their names. Those that came as dependencies are not among them.
    pub components: Vec<ComponentConfiguration<'a>>,
    /// Whether the last deployment left the core in a state that is known.
    pub is_certain: bool,
}

/// What a deployment brings.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Brought {
    #[n(0)]
    target: Target,
    #[n(1)]
    revision: u32,
    #[n(2)]
    components: Vec<shipslog_domain::template::Component>,
    /// Whether the components' configuration is kept outside the log.
    #[n(3)]
    is_elsewhere: bool,
}

/// Fold of what deployments brought to cores.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Configurations {
    /// By number of the deployment, from its creation to its removal.
    #[n(0)]
    deployments: BTreeMap<u32, Brought>,
    /// Deployments whose job is not created yet, by its name.
    #[n(1)]
    expected: BTreeMap<Box<str>, u32>,
    /// Deployments by the number of their job.
    #[n(2)]
    by_job: BTreeMap<u32, u32>,
    /// Those of things, by thing and revision.
    #[n(3)]
    by_thing: BTreeMap<(u32, u32), u32>,
    /// `DefaultConfiguration` of component versions, by number of the version.
    #[n(4)]
    recipes: BTreeMap<u32, Preset>,
    /// Number of the record of each core, plus one.
    #[n(5)]
    cores: Column<u32>,
    /// By number; free places are used again.
    #[n(6)]
    records: Vec<Option<Kept>>,
    #[cbor(skip)]
    numbers: BTreeMap<Record, u32>,
    #[cbor(skip)]
    steps: BTreeMap<Step, u32>,
}

/// What a component version is configured to by its recipe.
#[derive(Clone, Debug, Encode, Decode)]
struct Preset {
    #[n(0)]
    component: Box<str>,
    #[n(1)]
    version: Box<str>,
    /// JSON text of an object.
    #[n(2)]
    configuration: Box<str>,
}

#[derive(Clone, Debug, Encode, Decode)]
struct Kept {
    #[n(0)]
    record: Record,
    /// Cores that have it.
    #[n(1)]
    cores: u32,
}

/// A core with this record is brought this deployment, and is not in these targets any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    from: Option<u32>,
    deployment: u32,
    left: Vec<Target>,
}

impl Projection for Configurations {
    type Beside = Registry;

    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded, registry: &Registry) {
        let number = recorded.stream.number;
        if let Event::Execution(event) = &recorded.event {
            self.execution(ThingId(number), event, registry);
        } else if let Event::Shadow(event) = &recorded.event {
            self.shadow(ThingId(number), event, registry);
        } else if let Event::Job(job::Event::Created { definition }) = &recorded.event {
            if let Some(deployment) = self.expected.remove(definition.name.as_str()) {
                self.by_job.insert(number, deployment);
            }
        } else if let Event::Deployment(event) = &recorded.event {
            self.deployment(number, event);
        } else if let Event::Component(event) = &recorded.event {
            self.component(number, event);
        } else if let Event::Core(CoreEvent::Removed) = &recorded.event {
            self.put(ThingId(number), None);
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        encode(self, out);
    }

    fn load(version: u32, bytes: &[u8]) -> Option<Self> {
        let mut loaded: Self = decode(Self::VERSION, version, bytes)?;
        for (number, kept) in (0_u32..).zip(&loaded.records) {
            if let Some(kept) = kept {
                loaded.numbers.insert(kept.record.clone(), number);
            }
        }
        Some(loaded)
    }
}

impl Configurations {
    fn deployment(&mut self, number: u32, event: &deployment::Event) {
        match event {
            deployment::Event::Created {
                scope,
                revision,
                job,
                content,
                ..
            } => {
                // Other deployments configure nothing.
                let (Scope::Target(target), Content::Components(components)) = (scope, &**content)
                else {
                    return;
                };
                match target {
                    Target::Group(_) => {
                        self.expected.insert(job.as_str().into(), number);
                    }
                    Target::Thing(thing) => {
                        self.by_thing.insert((thing.0, *revision), number);
                    }
                }
                let brought = Brought {
                    target: *target,
                    revision: *revision,
                    components: components.spec.components.clone(),
                    is_elsewhere: components.configuration.is_some(),
                };
                self.deployments.insert(number, brought);
            }
            deployment::Event::Removed => {
                if let Some(removed) = self.deployments.remove(&number)
                    && let Target::Thing(thing) = removed.target
                {
                    self.by_thing.remove(&(thing.0, removed.revision));
                }
                self.steps.retain(|step, _| step.deployment != number);
            }
            deployment::Event::Superseded | deployment::Event::Canceled => {}
        }
    }

    fn component(&mut self, number: u32, event: &component::Event) {
        match event {
            component::Event::Created {
                name,
                version,
                content,
                ..
            } => {
                let recipe = component::Recipe::parse(&content.recipe).ok();
                let default = recipe
                    .as_ref()
                    .and_then(component::Recipe::default_configuration);
                if let Some(default) = default {
                    let default = Preset {
                        component: name.as_str().into(),
                        version: version.clone(),
                        configuration: default.to_string().into(),
                    };
                    self.recipes.insert(number, default);
                }
            }
            component::Event::Removed => {
                self.recipes.remove(&number);
            }
        }
        // A version may be created again, with another recipe.
        self.steps.clear();
    }

    fn execution(&mut self, thing: ThingId, event: &execution::Event, registry: &Registry) {
        let deployment = |job: JobId| self.by_job.get(&job.0).copied();
        if let execution::Event::Succeeded { job, .. } = event {
            if let Some(deployment) = deployment(*job) {
                self.bring(thing, deployment, registry);
            }
        } else if let execution::Event::Failed { job, details, .. } = event
            && let Some(deployment) = deployment(*job)
        {
            let word = details.as_ref().and_then(detailed_status);
            self.fail(thing, deployment, word, registry);
        }
    }

    /// What a device reports of its thing's deployment.
    fn shadow(&mut self, thing: ThingId, event: &shadow::Event, registry: &Registry) {
        let shadow::Event::Updated {
            shadow: Some(shadow),
            change,
            ..
        } = event
        else {
            return;
        };
        if shadow.as_str() != SHADOW {
            return;
        }
        let Some(report) = ShadowReport::read(change) else {
            return;
        };
        let Some(deployment) = self.by_thing.get(&(thing.0, report.revision)).copied() else {
            return;
        };
        match report.status.as_str() {
            "SUCCEEDED" => self.bring(thing, deployment, registry),
            "FAILED" => self.fail(thing, deployment, report.detailed.as_deref(), registry),
            _ => {}
        }
    }

    /// A failed deployment leaves what its policy and its device say: all of it, or nothing.
    fn fail(&mut self, thing: ThingId, deployment: u32, word: Option<&str>, registry: &Registry) {
        match word {
            Some("FAILED_ROLLBACK_NOT_REQUESTED") => self.bring(thing, deployment, registry),
            Some("FAILED_UNABLE_TO_ROLLBACK") => self.doubt(thing),
            _ => {}
        }
    }

    fn record(&self, thing: ThingId) -> Option<(u32, &Record)> {
        let number = self.cores.get(thing.0).checked_sub(1)?;
        let kept = self.records.get(number as usize)?.as_ref()?;
        Some((number, &kept.record))
    }

    /// The core has this deployment from here on.
    fn bring(&mut self, thing: ThingId, deployment: u32, registry: &Registry) {
        let Some(brought) = self.deployments.get(&deployment) else {
            // It was deleted while the device was at work.
            self.doubt(thing);
            return;
        };
        let known = self.record(thing);
        let is_left = |target: &Target| match *target {
            Target::Group(group) => !registry.is_below(thing.0, group.0),
            Target::Thing(_) => false,
        };
        let targets = known.into_iter().flat_map(|(_, record)| record.targets());
        let others = targets.filter(|target| *target != brought.target);
        let step = Step {
            from: known.map(|(number, _)| number),
            deployment,
            left: others.filter(is_left).collect(),
        };
        let to = if let Some(known) = self.steps.get(&step) {
            *known
        } else {
            let before = known.map(|(_, record)| record.clone()).unwrap_or_default();
            let after = before.with(brought, &step.left, |name, version| {
                let mut recipes = self.recipes.values();
                let found = recipes.find(|one| *one.component == *name && *one.version == *version);
                found.map(|one| &*one.configuration)
            });
            self.number_of(after)
        };
        self.put(thing, Some(to));
        let is_kept = |number: u32| {
            self.records
                .get(number as usize)
                .is_some_and(Option::is_some)
        };
        // A number that nobody has any more will be that of another record.
        if step.from.is_none_or(is_kept) {
            if self.steps.len() >= STEPS_MAX {
                self.steps.clear();
            }
            self.steps.insert(step, to);
        }
    }

    /// Nobody knows what the last deployment left.
    fn doubt(&mut self, thing: ThingId) {
        let known = self.record(thing);
        let mut record = known.map(|(_, record)| record.clone()).unwrap_or_default();
        record.is_uncertain = true;
        let number = self.number_of(record);
        self.put(thing, Some(number));
    }

    fn number_of(&mut self, record: Record) -> u32 {
        if let Some(known) = self.numbers.get(&record) {
            return *known;
        }
        let free = self.records.iter().position(Option::is_none);
        let index = free.unwrap_or(self.records.len());
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        self.numbers.insert(record.clone(), number);
        let kept = Some(Kept { record, cores: 0 });
        match self.records.get_mut(index) {
            Some(slot) => *slot = kept,
            None => self.records.push(kept),
        }
        number
    }

    fn put(&mut self, thing: ThingId, number: Option<u32>) {
        if number.is_none() && self.cores.get(thing.0) == 0 {
            return;
        }
        if let Some(kept) = number.and_then(|number| self.kept_mut(number)) {
            kept.cores += 1;
        }
        let before = std::mem::replace(
            self.cores.at(thing.0),
            number.map_or(0, |number| number + 1),
        );
        let Some(before) = before.checked_sub(1) else {
            return;
        };
        let Some(kept) = self.kept_mut(before) else {
            return;
        };
        kept.cores -= 1;
        if kept.cores == 0
            && let Some(kept) = self.records.get_mut(before as usize).and_then(Option::take)
        {
            self.numbers.remove(&kept.record);
            self.steps
                .retain(|step, to| *to != before && step.from != Some(before));
        }
    }

    fn kept_mut(&mut self, number: u32) -> Option<&mut Kept> {
        self.records.get_mut(number as usize)?.as_mut()
    }

    /// How many different records cores have.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.records.iter().flatten().count()
    }

    /// What a core runs by its deployments; `None` if it took none.
    pub(crate) fn view(&self, thing: u32) -> Option<EffectiveConfiguration<'_>> {
        let (_, record) = self.record(ThingId(thing))?;
        Some(record.view())
    }
}

fn detailed_status(details: &Details) -> Option<&str> {
    let mut pairs = details.iter();
    let found = pairs.find(|(key, _)| **key == *"detailed-deployment-status");
    found.map(|(_, value)| &**value)
}

#[cfg(test)]
mod tests;
