//! Versions for container services: what an operator asks the service for, one after the other, until a version is on its
//! way.
//!
//! A scenario has one container service, `PREFIX`, which is made with its first version. Its nodes are the devices that a
//! version names: they join the group of nodes.

use shipslog_domain::container_service::{
    Command as ServiceCommand, Container, ContainerName, ContainerServiceName, Containers,
    Definition, HealthCheck, Power, Protocol, PublicEndpoint, VersionRequest, VersionState,
    group_name,
};
use shipslog_domain::{Command, Fleet, GroupName, Rejection, ThingName, stable_uuid};

use super::commands::Ask;
use super::{Scenario, Targets};

/// The port of the public container.
const PORT: u16 = 80;

/// Asks for one version on some devices.
#[derive(Clone, Debug)]
pub struct Deploying {
    version: ContainerVersion,
    targets: Targets,
    /// The device that is looked at next.
    next: u32,
}

/// What a version of the scenario runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerVersion {
    /// Names of its containers; the first one is public.
    pub containers: Vec<Box<str>>,
    /// On how many nodes the service runs. What its first version says holds.
    pub scale: u32,
}

impl Deploying {
    /// For the devices of `targets`.
    #[must_use]
    pub fn new(version: &ContainerVersion, targets: &Targets) -> Self {
        Self {
            version: version.clone(),
            targets: targets.clone(),
            next: 0,
        }
    }

    /// What to ask a fleet for next.
    ///
    /// # Errors
    /// Names that are none.
    pub fn next(&mut self, scenario: &Scenario, fleet: &Fleet) -> Result<Ask, Rejection> {
        let name = service(scenario)?;
        let group = GroupName::parse(&group_name(&name))?;
        let Some(nodes) = fleet.group(&group) else {
            return Ok(Ask::First(Command::CreateGroup {
                name: group,
                parent: None,
                description: None,
                attributes: Vec::new(),
            }));
        };
        while self.next < scenario.fleet.devices {
            let index = self.next;
            self.next += 1;
            let mut groups = self.targets.groups.iter();
            let thing = ThingName::parse(&scenario.thing_name(index))?;
            let known = fleet.thing_id(thing.as_str());
            let is_node = known.is_some_and(|thing| nodes.members.contains(thing.0));
            if !is_node && groups.any(|group| scenario.is_in_group(index, *group)) {
                return Ok(Ask::First(Command::AddThingToGroup { group, thing }));
            }
        }
        let known = fleet.container_service(name.as_str());
        let newest = versions(scenario, fleet).last().map(|(number, _)| *number);
        let number = newest.unwrap_or(0) + 1;
        let version = Box::new(self.request(&name, number)?);
        Ok(Ask::Last(Command::ContainerService(match known {
            Some(_) => ServiceCommand::Deploy { name, version },
            None => ServiceCommand::Create {
                definition: Box::new(self.definition(name)),
                first: Some(version),
            },
        })))
    }

    fn definition(&self, name: ContainerServiceName) -> Definition {
        Definition {
            uuid: stable_uuid("container-service", name.as_str()).into(),
            url_label: "simulated".into(),
            name,
            power: Power::Micro,
            scale: self.version.scale,
            public_domain_names: Vec::new(),
            pulls_private_images: false,
            tags: Vec::new(),
        }
    }

    fn request(
        &self,
        service: &ContainerServiceName,
        number: u32,
    ) -> Result<VersionRequest, Rejection> {
        let names = self.version.containers.iter();
        let mut containers = names
            .map(|name| Ok((ContainerName::parse(name)?, container(name, number))))
            .collect::<Result<Vec<_>, Rejection>>()?;
        let public = containers.first().map(|(name, _)| name.clone());
        containers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        let id = format!("{service} {number}");
        Ok(VersionRequest {
            deployment: stable_uuid("container-version", &id).into(),
            content: Containers {
                containers,
                public_endpoint: public.map(|container| PublicEndpoint {
                    container,
                    port: PORT,
                    health_check: HealthCheck::default(),
                }),
            },
        })
    }
}

fn container(name: &str, number: u32) -> Container {
    Container {
        image: format!("example/{name}:{number}").into(),
        digest: None,
        command: Vec::new(),
        environment: Vec::new(),
        ports: vec![(PORT, Protocol::Http)],
    }
}

fn service(scenario: &Scenario) -> Result<ContainerServiceName, Rejection> {
    ContainerServiceName::parse(&scenario.fleet.prefix)
}

/// How the versions of the scenario's container service stand, the oldest first; none without a service.
#[must_use]
pub fn versions(scenario: &Scenario, fleet: &Fleet) -> Vec<(u32, VersionState)> {
    let name = service(scenario).ok();
    let id = name.and_then(|name| fleet.container_service_id(name.as_str()));
    let Some((id, service)) = id.and_then(|id| Some((id, fleet.container_service_by_id(id)?)))
    else {
        return Vec::new();
    };
    let versions = fleet.container_versions(id);
    let mut versions: Vec<_> = versions
        .map(|(version, _)| (version.revision, service.version_state(version.revision)))
        .collect();
    versions.sort_by_key(|(number, _)| *number);
    versions
}
