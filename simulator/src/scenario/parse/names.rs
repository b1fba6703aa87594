//! What a scenario has said so far, for what refers to it: who is played, and names of templates and jobs.

use std::collections::BTreeMap;

use crate::device::Kind;
use crate::scenario::parse::fields::{Problem, nearest};
use crate::scenario::parse::values::Found;
use crate::scenario::{Amount, Class};

#[derive(Debug, Default)]
pub(super) struct Names {
    has_cores: bool,
    has_clients: bool,
    has_runners: bool,
    has_nodes: bool,
    container_versions: u32,
    devices: u32,
    ceiling: u32,
    templates: BTreeMap<Box<str>, u32>,
    jobs: Vec<Box<str>>,
}

impl Names {
    /// For a fleet of these classes, and a service with this ceiling of rollouts.
    pub(super) fn of(classes: &[Class], devices: u32, ceiling: Amount) -> Self {
        let mut kinds = classes.iter().map(|class| class.script.kind);
        Self {
            has_cores: kinds.clone().any(Kind::is_core),
            has_clients: kinds.clone().any(|kind| kind == Kind::Jobs),
            has_runners: kinds.clone().any(|kind| kind == Kind::Runner),
            has_nodes: kinds.any(|kind| kind == Kind::Node),
            devices,
            ceiling: ceiling.count_u32(devices).max(1),
            ..Self::default()
        }
    }

    /// Refuses a deployment that nobody would see.
    pub(super) fn need_cores(&self, found: &Found<'_>) -> Result<(), Problem> {
        if self.has_cores {
            return Ok(());
        }
        Err(found.problem(
            "a deployment is only seen by core devices, and this fleet has none; \
             give software = \"core\" to a class, or use create-job",
        ))
    }

    /// Refuses a plain job that nobody would see.
    pub(super) fn need_clients(&self, found: &Found<'_>) -> Result<(), Problem> {
        if self.has_clients {
            return Ok(());
        }
        Err(found.problem(
            "a plain job is only seen by devices with software = \"jobs\", and this fleet has none; \
             give it to a class, or deploy a template",
        ))
    }

    /// Refuses a command that nobody would see.
    pub(super) fn need_runners(&self, found: &Found<'_>) -> Result<(), Problem> {
        if self.has_runners {
            return Ok(());
        }
        Err(found.problem(
            "a command is only seen by devices with software = \"runner\", and this fleet has none; \
             give it to a class, or use create-job",
        ))
    }

    /// Refuses a version of containers that nobody would see.
    pub(super) fn need_nodes(&self, found: &Found<'_>) -> Result<(), Problem> {
        if self.has_nodes {
            return Ok(());
        }
        Err(found.problem(
            "containers only run on devices with software = \"node\", and this fleet has none; give it to a class",
        ))
    }

    /// Another version of the container service.
    pub(super) const fn add_container_version(&mut self) {
        self.container_versions += 1;
    }

    /// The number of a version of the container service.
    pub(super) fn container_version(&self, found: &Found<'_>) -> Result<u32, Problem> {
        let version = found.whole()?;
        let versions = self.container_versions;
        match u32::try_from(version) {
            Ok(version) if (1..=versions).contains(&version) => Ok(version),
            _ => Err(found.problem(format!(
                "must be 1 to {versions}, the versions that deploy-containers brings"
            ))),
        }
    }

    /// A rate that the service allows.
    pub(super) fn rate(&self, found: &Found<'_>) -> Result<Amount, Problem> {
        let amount = found.amount_above_none()?;
        let (rate, devices, ceiling) = (amount.count_u32(self.devices), self.devices, self.ceiling);
        if rate > ceiling {
            return Err(found.problem(format!(
                "is {rate} at {devices} devices, above the service's ceiling of {ceiling}; \
                 raise rollout-ceiling-per-minute in [service]"
            )));
        }
        Ok(amount)
    }

    /// Another version of a template: its number.
    pub(super) fn add_version(&mut self, template: &str) -> u32 {
        let versions = self.templates.entry(template.into()).or_default();
        *versions += 1;
        *versions
    }

    /// The versions of a template that exists at this point of the timeline.
    pub(super) fn template(&self, found: &Found<'_>) -> Result<(Box<str>, u32), Problem> {
        let name = found.string()?;
        if let Some(versions) = self.templates.get(name) {
            return Ok((name.into(), *versions));
        }
        let known: Vec<&str> = self.templates.keys().map(|name| &**name).collect();
        Err(found.problem(unknown("template", "create-template-version", name, &known)))
    }

    /// A name that no job has.
    pub(super) fn new_job(&mut self, found: &Found<'_>) -> Result<Box<str>, Problem> {
        let name = found.name()?;
        if self.jobs.contains(&name) {
            return Err(found.problem(format!(
                "job {name:?} is created already; choose another name"
            )));
        }
        self.jobs.push(name.clone());
        Ok(name)
    }

    /// A job that exists at this point of the timeline.
    pub(super) fn job(&self, found: &Found<'_>) -> Result<Box<str>, Problem> {
        let name = found.string()?;
        let known: Vec<&str> = self.jobs.iter().map(|name| &**name).collect();
        if known.contains(&name) {
            return Ok(name.into());
        }
        Err(found.problem(unknown("job", "deploy or create-job", name, &known)))
    }
}

pub(super) fn unknown(kind: &str, source: &str, name: &str, known: &[&str]) -> String {
    let advice = match nearest(name, known) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => format!("there is none; {source} makes one"),
        None => format!("there is {} (of {source})", known.join(", ")),
    };
    format!("names no {kind} that exists by then: {name:?}; {advice}")
}
