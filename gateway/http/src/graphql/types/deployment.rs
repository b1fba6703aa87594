//! Deployments of every API: what a scope of things is to have.

use async_graphql::{ComplexObject, Context, Enum, Error, ID, SimpleObject};
use shipslog_domain::command::TargetName;
use shipslog_domain::deployment::{self, Content, Scope};
use shipslog_domain::job::Target;
use shipslog_domain::{Fleet, GroupName, ThingName};

use super::container_service::ContainerOfVersion;
use super::job::Job;
use super::owned;
use super::template::{DeploymentPolicies, TemplateComponent};
use crate::graphql::errors::Code;
use crate::graphql::paging::{self, Bounds, Cursor, List, Page, points};
use crate::graphql::scalars::{DateTime, int};
use crate::graphql::source;

/// How a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "deployment::Status")]
pub enum DeploymentState {
    /// Its things get it.
    Active,
    /// It has reached what it was for.
    Completed,
    /// It could not.
    Failed,
    /// It was canceled, or its job was.
    Canceled,
    /// A newer one took its place.
    Inactive,
}

/// What revisions of deployments are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum DeploymentScope {
    /// A thing.
    Thing,
    /// A thing group.
    ThingGroup,
    /// A stack.
    Stack,
    /// A container service.
    ContainerService,
}

/// What a scope of things is to have, as one revision of it.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Deployment {
    /// Its id.
    pub id: ID,
    /// What its revision is counted in.
    pub scope: DeploymentScope,
    /// The name of that.
    pub scope_name: String,
    /// Which deployment of its scope it is, from 1.
    pub revision: i32,
    /// What its owner calls it.
    pub name: Option<String>,
    /// How it stands.
    pub status: DeploymentState,
    /// Whether no newer one of its scope was ever created.
    pub is_latest: bool,
    /// Id of the job that carries it. A thing's own deployment has a shadow instead, and no such job.
    pub job_id: ID,
    /// The group whose deployment it replaces for its scope.
    pub parent_group: Option<String>,
    /// The components that it brings, without a configuration that is kept as a file.
    pub components: Vec<TemplateComponent>,
    /// The containers that it brings, by name, where its scope is a container service.
    pub containers: Vec<ContainerOfVersion>,
    /// What devices do when it fails or disturbs.
    pub deployment_policies: Option<DeploymentPolicies>,
    /// The command that it runs on the instances of a stack, such as `deploy`; null where it brings components.
    pub command: Option<String>,
    /// Bytes of the configuration that is kept as a file; null where all of it is in the document.
    pub configuration_bytes: Option<i32>,
    /// When it was created.
    pub created_at: DateTime,
}

impl Deployment {
    fn of(fleet: &Fleet, one: &deployment::Deployment) -> Self {
        let brought = one.components();
        let (command, containers) = match &*one.content {
            Content::Commands(commands) => (Some(commands.name.as_str().to_owned()), None),
            Content::Containers(containers) => (None, Some(containers)),
            Content::Components(_) => (None, None),
        };
        let parent = one.parent.and_then(|parent| fleet.group_by_id(parent));
        let scope = match one.scope {
            Scope::Target(Target::Thing(_)) => DeploymentScope::Thing,
            Scope::Target(Target::Group(_)) => DeploymentScope::ThingGroup,
            Scope::Stack(_) => DeploymentScope::Stack,
            Scope::ContainerService(_) => DeploymentScope::ContainerService,
        };
        let components = brought.map_or(&[][..], |brought| &brought.spec.components);
        let stored = brought.and_then(|brought| brought.configuration.as_ref());
        let policies = brought.and_then(|brought| brought.spec.policies.as_ref());
        let containers = containers
            .into_iter()
            .flat_map(|content| &content.containers);
        Self {
            id: one.id.as_ref().into(),
            scope,
            scope_name: one.scope_name.to_string(),
            revision: int(one.revision),
            name: owned(one.name.as_deref()),
            status: fleet.deployment_status(one).into(),
            is_latest: fleet.is_latest_deployment(one),
            job_id: one.job.as_str().into(),
            parent_group: parent.map(|parent| parent.name.to_string()),
            components: components.iter().map(TemplateComponent::from).collect(),
            containers: containers.map(ContainerOfVersion::from).collect(),
            deployment_policies: policies.map(DeploymentPolicies::from),
            command,
            configuration_bytes: stored.map(|stored| int(stored.bytes)),
            created_at: one.created_at.into(),
        }
    }

    pub(in crate::graphql) async fn read(
        context: &Context<'_>,
        id: ID,
    ) -> Result<Option<Self>, Error> {
        source(context)
            .fleet(move |fleet| Some(Self::of(fleet, fleet.deployment(&id)?)))
            .await
    }
}

#[ComplexObject]
impl Deployment {
    /// The job that carries it; null where there is none.
    #[graphql(complexity = "points(1, child_complexity)")]
    async fn job(&self, context: &Context<'_>) -> Option<Job> {
        Job::read(context, &self.job_id)
    }
}

/// Which deployments a list shows.
#[derive(Debug)]
pub struct DeploymentsWanted {
    /// ARN of a thing or thing group.
    pub target: Option<String>,
    /// Only the newest of each scope.
    pub latest_only: bool,
}

pub(in crate::graphql) async fn list(
    context: &Context<'_>,
    wanted: DeploymentsWanted,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<Page<Deployment>, Error> {
    let size = paging::page_size(first)?;
    let after = paging::number(List::Deployments, "after", after)?;
    let before = after.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let target = wanted.target.as_deref().map(target_of).transpose()?;
    let position = source(context).views(|views| views.position());
    let found = source(context).fleet(move |fleet| {
        let is_shown =
            |one: &deployment::Deployment| !wanted.latest_only || fleet.is_latest_deployment(one);
        let take = |found: &mut dyn Iterator<Item = (u32, &deployment::Deployment)>| {
            let shown = found.filter(|(_, one)| is_shown(one)).take(size + 1);
            let shown = shown.map(|(number, one)| (number, Deployment::of(fleet, one)));
            shown.collect::<Vec<_>>()
        };
        match target {
            None => take(&mut fleet.deployments_before(before)),
            Some(target) => {
                let target = match target {
                    TargetName::Thing(name) => fleet.thing_id(name.as_str()).map(Target::Thing),
                    TargetName::Group(name) => fleet.group_id(&name).map(Target::Group),
                };
                let scope = target.map(Scope::Target);
                scope.map_or_else(Vec::new, |scope| {
                    take(&mut fleet.deployments_of(scope, before))
                })
            }
        }
    });
    let mut found = found.await?;
    let bounds = Bounds {
        has_previous: after.is_some(),
        has_next: found.len() > size,
        total: None,
        position,
    };
    found.truncate(size);
    let items = found
        .into_iter()
        .map(|(number, one)| (Cursor::number(List::Deployments, u64::from(number)), one));
    Ok(paging::page(bounds, items))
}

/// Reads the ARN of a thing or thing group, whatever its account.
fn target_of(arn: &str) -> Result<TargetName, Error> {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let name = match resource.split_once('/') {
        Some(("thing", name)) => ThingName::parse(name).ok().map(TargetName::Thing),
        Some(("thinggroup", name)) => GroupName::parse(name).ok().map(TargetName::Group),
        _ => None,
    };
    name.ok_or_else(|| {
        Code::BadInput.error("target: must be the ARN of a thing or of a thing group")
    })
}
