//! Container services: what they run, on which nodes, and what became of each version.

use async_graphql::{Context, Error, SimpleObject};
use shipslog_domain::container_service::{
    self as domain, ContainerService as Found, Instruction, group_name,
};
use shipslog_domain::{ContainerServiceId, Fleet};

use crate::graphql::scalars::{DateTime, int};
use crate::graphql::source;

/// A service that runs containers on some things of a group.
#[derive(Clone, Debug, SimpleObject)]
pub struct ContainerService {
    /// Its name.
    pub name: String,
    /// Its ARN, which no other service ever has.
    pub arn: String,
    /// `PENDING`, `READY`, `RUNNING`, `UPDATING`, `DEPLOYING`, `DISABLED` or `DELETING`.
    pub state: String,
    /// How far it has come, while it is `DEPLOYING` or `UPDATING`.
    pub state_detail: Option<ContainerServiceStateDetail>,
    /// How strong its nodes are: `nano` to `xlarge`.
    pub power: String,
    /// On how many nodes it runs.
    pub scale: i32,
    /// The thing group whose things may run it.
    pub node_group: String,
    /// The version that it runs.
    pub active_version: Option<i32>,
    /// The version that is on its way.
    pub next_version: Option<i32>,
    /// Versions that are kept, the newest first: 51 at most.
    pub versions: Vec<ContainerServiceVersion>,
    /// Things that were told something by it and have not stopped, the oldest first.
    pub nodes: Vec<ContainerServiceNode>,
    /// When it was created.
    pub created_at: DateTime,
}

/// How far a container service has come.
#[derive(Clone, Debug, SimpleObject)]
pub struct ContainerServiceStateDetail {
    /// Such as `EVALUATING_HEALTH_CHECK`.
    pub code: String,
    /// What it waits for.
    pub message: String,
}

/// A version of a container service.
#[derive(Clone, Debug, SimpleObject)]
pub struct ContainerServiceVersion {
    /// Its number, from 1.
    pub version: i32,
    /// `ACTIVATING`, `ACTIVE`, `INACTIVE` or `FAILED`.
    pub state: String,
    /// The deployment that brings it.
    pub deployment_id: String,
    /// Why it failed.
    pub failure_cause: Option<String>,
    /// Its containers, by name.
    pub containers: Vec<ContainerOfVersion>,
    /// The container that the world may talk to.
    pub public_container: Option<String>,
    /// When it was created.
    pub created_at: DateTime,
}

/// A container of a version.
#[derive(Clone, Debug, SimpleObject)]
pub struct ContainerOfVersion {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
}

/// A thing that was told something by a container service.
#[derive(Clone, Debug, SimpleObject)]
pub struct ContainerServiceNode {
    /// Name of the thing.
    pub thing_name: String,
    /// What it was told: `RUN` or `STOP`.
    pub instruction: String,
    /// The version that it is to run.
    pub version: Option<i32>,
    /// What became of it: `PENDING`, `DONE` or `FAILED`.
    pub outcome: String,
    /// The job that told it, if that still exists.
    pub job_id: Option<String>,
}

impl ContainerService {
    fn of(fleet: &Fleet, id: ContainerServiceId, one: &Found) -> Self {
        let detail = fleet.container_state_detail(one);
        let versions = fleet.container_versions(id);
        let nodes = one.nodes.iter();
        Self {
            name: one.name.to_string(),
            arn: fleet.settings().container_service_arn(&one.definition.uuid),
            state: one.state().as_str().to_owned(),
            state_detail: detail.map(|detail| ContainerServiceStateDetail {
                code: detail.stage.as_str().to_owned(),
                message: detail.message,
            }),
            power: one.definition.power.as_str().to_owned(),
            scale: int(one.definition.scale),
            node_group: group_name(&one.name),
            active_version: one.active.map(int),
            next_version: one.next().map(int),
            versions: versions
                .map(|(deployment, content)| {
                    let number = deployment.revision;
                    ContainerServiceVersion {
                        version: int(number),
                        state: one.version_state(number).as_str().to_owned(),
                        deployment_id: deployment.id.to_string(),
                        failure_cause: one.failures.get(&number).map(ToString::to_string),
                        containers: content.containers.iter().map(Into::into).collect(),
                        public_container: content
                            .public_endpoint
                            .as_ref()
                            .map(|endpoint| endpoint.container.to_string()),
                        created_at: deployment.created_at.into(),
                    }
                })
                .collect(),
            nodes: nodes
                .map(|(thing, node)| node_of(fleet, fleet.thing_name(*thing), node))
                .collect(),
            created_at: one.created_at.into(),
        }
    }

    /// The service with this name.
    pub(in crate::graphql) async fn read(
        context: &Context<'_>,
        name: String,
    ) -> Result<Option<Self>, Error> {
        let found = source(context).fleet(move |fleet| {
            let id = fleet.container_service_id(&name)?;
            Some(Self::of(fleet, id, fleet.container_service(&name)?))
        });
        found.await
    }

    /// All services, by name.
    pub(in crate::graphql) async fn all(context: &Context<'_>) -> Result<Vec<Self>, Error> {
        let found = source(context).fleet(|fleet| {
            let all = fleet.container_services(None);
            let all = all.filter_map(|one| {
                let id = fleet.container_service_id(one.name.as_str())?;
                Some(Self::of(fleet, id, one))
            });
            all.collect()
        });
        found.await
    }
}

impl From<&(domain::ContainerName, domain::Container)> for ContainerOfVersion {
    fn from((name, container): &(domain::ContainerName, domain::Container)) -> Self {
        Self {
            name: name.to_string(),
            image: container.image.to_string(),
        }
    }
}

fn node_of(fleet: &Fleet, thing: &str, node: &domain::Node) -> ContainerServiceNode {
    let (instruction, version) = match node.instruction {
        Instruction::Run { version, .. } => ("RUN", Some(int(version))),
        Instruction::Stop => ("STOP", None),
    };
    let job = fleet.job(node.job);
    ContainerServiceNode {
        thing_name: thing.to_owned(),
        instruction: instruction.to_owned(),
        version,
        outcome: node.outcome.as_str().to_owned(),
        job_id: job.map(|job| job.definition().name.to_string()),
    }
}
