//! What callers are told of a service: its versions, and how far a change has come.

use super::content::Containers;
use super::state::{ContainerService, Node, Outcome, State, VersionState};
use super::{document, group_name};
use crate::Fleet;
use crate::deployment::{self, Content, Deployment, Scope};
use crate::execution;
use crate::ids::{ContainerServiceId, ThingId};

/// How far a version or a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// `CREATING_SYSTEM_RESOURCES`: nodes are missing.
    CreatingSystemResources,
    /// `PROVISIONING_SERVICE`: a node has not begun.
    ProvisioningService,
    /// `CREATING_DEPLOYMENT`: a node starts containers.
    CreatingDeployment,
    /// `EVALUATING_HEALTH_CHECK`: a node waits for the public endpoint.
    EvaluatingHealthCheck,
    /// `ACTIVATING_DEPLOYMENT`: all nodes run it.
    ActivatingDeployment,
}

impl Stage {
    /// The wire word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreatingSystemResources => "CREATING_SYSTEM_RESOURCES",
            Self::ProvisioningService => "PROVISIONING_SERVICE",
            Self::CreatingDeployment => "CREATING_DEPLOYMENT",
            Self::EvaluatingHealthCheck => "EVALUATING_HEALTH_CHECK",
            Self::ActivatingDeployment => "ACTIVATING_DEPLOYMENT",
        }
    }

    /// What a node at work says of itself (`stage`).
    fn said(word: Option<&str>) -> Self {
        let stages = [
            Self::ProvisioningService,
            Self::CreatingDeployment,
            Self::EvaluatingHealthCheck,
            Self::ActivatingDeployment,
        ];
        let known = document::STAGES.into_iter().zip(stages);
        let mut known = known.filter(|(known, _)| Some(*known) == word);
        known
            .next()
            .map_or(Self::CreatingDeployment, |(_, stage)| stage)
    }
}

/// How far a service has come, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDetail {
    /// How far.
    pub stage: Stage,
    /// What it waits for, for people.
    pub message: String,
}

impl Fleet {
    /// A version that is kept: its deployment, and what it runs.
    #[must_use]
    pub fn container_version(
        &self,
        id: ContainerServiceId,
        version: u32,
    ) -> Option<(&Deployment, &Containers)> {
        let mut versions = self.container_versions(id);
        versions.find(|(deployment, _)| deployment.revision == version)
    }

    /// Versions that are kept, the newest first.
    pub fn container_versions(
        &self,
        id: ContainerServiceId,
    ) -> impl Iterator<Item = (&Deployment, &Containers)> {
        let deployments = self.deployments_of(Scope::ContainerService(id), None);
        deployments.filter_map(|(_, deployment)| match deployment.content.as_ref() {
            Content::Containers(content) => Some((deployment, content)),
            Content::Components(_) | Content::Commands(_) => None,
        })
    }

    /// How the deployment of a version stands.
    pub(crate) fn container_version_status(
        &self,
        id: ContainerServiceId,
        version: u32,
    ) -> deployment::Status {
        let service = self.container_services.get(id);
        match service.map(|service| service.version_state(version)) {
            Some(VersionState::Activating) => deployment::Status::Active,
            Some(VersionState::Active) => deployment::Status::Completed,
            Some(VersionState::Failed) => deployment::Status::Failed,
            Some(VersionState::Inactive) | None => deployment::Status::Inactive,
        }
    }

    /// The number of the container service with this name.
    #[must_use]
    pub fn container_service_id(&self, name: &str) -> Option<ContainerServiceId> {
        self.container_services.find(name).map(|(id, _)| id)
    }

    /// How far a service has come that is deploying or updating.
    #[must_use]
    pub fn container_state_detail(&self, service: &ContainerService) -> Option<StateDetail> {
        match service.state() {
            State::Deploying | State::Updating => {}
            State::Pending | State::Ready | State::Running | State::Disabled | State::Deleting => {
                return None;
            }
        }
        let goal = service.goal();
        let at_goal =
            |node: &&Node| Some(node.instruction) == goal && node.outcome != Outcome::Failed;
        let (told, scale) = (
            service.nodes.values().filter(at_goal).count(),
            service.definition.scale as usize,
        );
        if goal.is_some() && told < scale {
            let message = format!(
                "{told} of {scale} nodes are there; add things to thing group {}",
                group_name(&service.name)
            );
            return Some(StateDetail {
                stage: Stage::CreatingSystemResources,
                message,
            });
        }
        let pending = service
            .nodes
            .iter()
            .filter(|(_, node)| node.outcome == Outcome::Pending);
        let behind = pending.map(|(thing, node)| (self.node_stage(*thing, node), *thing));
        let detail = match behind.min() {
            Some((stage, thing)) => StateDetail {
                stage,
                message: format!("waiting for node {}", self.thing_name(thing)),
            },
            None => StateDetail {
                stage: Stage::ActivatingDeployment,
                message: "all nodes have answered".to_owned(),
            },
        };
        Some(detail)
    }

    fn node_stage(&self, thing: ThingId, node: &Node) -> Stage {
        let run = self.executions.find(node.job, thing);
        match run.map(|run| run.status) {
            Some(execution::Status::InProgress) => {
                let details = run.map(|run| run.details.as_details());
                Stage::said(details.and_then(|details| details.get("stage")))
            }
            None | Some(execution::Status::Queued) => Stage::ProvisioningService,
            Some(
                execution::Status::Succeeded
                | execution::Status::Failed
                | execution::Status::TimedOut
                | execution::Status::Rejected
                | execution::Status::Removed
                | execution::Status::Canceled,
            ) => Stage::ActivatingDeployment,
        }
    }
}
