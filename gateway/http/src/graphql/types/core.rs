//! Cores: what a Greengrass core device should run, does run, and says of itself.

use async_graphql::{ComplexObject, Context, Enum, ID, Json, SimpleObject};
use serde_json::Value;
use shipslog_domain::{ThingId, core};
use shipslog_projections::Views;
use shipslog_projections::configurations;
use shipslog_projections::cores::{self, VersionName};

use super::execution::ExecutionStatus;
use super::job::{JobTarget, target_name};
use super::owned;
use crate::graphql::paging::points;
use crate::graphql::scalars::{DateTime, Long};
use crate::graphql::{scalars::int, source};

/// A version of a template.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct TemplateVersion {
    /// Name of the template; `None` where there is none.
    pub name: String,
    /// The version, from 1; 0 for `None`.
    pub version: i32,
}

impl From<&VersionName<'_>> for TemplateVersion {
    fn from(version: &VersionName<'_>) -> Self {
        Self {
            name: version.name.to_owned(),
            version: int(version.version),
        }
    }
}

/// A core: a thing that runs Greengrass. It exists from the request that provisions it.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Core {
    #[graphql(skip)]
    pub(in crate::graphql) id: ThingId,
    /// The template version that it should run.
    pub desired: TemplateVersion,
    /// The template version that it runs, as far as it reported.
    pub reported: TemplateVersion,
    /// Whether it runs another version than it should.
    pub drift: bool,
    /// How the last deployment of the desired version stands: `None`, `IN_PROGRESS`, `SUCCESSFUL`, `Failure` (no
    /// deployment could be started), or what the device reported: `FAILED_NO_STATE_CHANGE`,
    /// `FAILED_ROLLBACK_NOT_REQUESTED`, `FAILED_ROLLBACK_COMPLETE`, `FAILED_UNABLE_TO_ROLLBACK`, `REJECTED`,
    /// `TIMED_OUT`, `CANCELED`, `REMOVED`, `FAILED`.
    pub deployment_status: String,
    /// Why the last deployment failed.
    pub deployment_status_message: Option<String>,
    /// Whether the last deployment failed.
    pub failed: bool,
    /// Certificate and key for its installation, if they were made.
    pub certificates_artifact: Option<Artifact>,
    /// Installer configuration, if one was made.
    pub configuration_artifact: Option<Artifact>,
    /// When it was first requested.
    pub created_at: DateTime,
    /// When its record last changed.
    pub updated_at: Option<DateTime>,
}

/// A stored file.
#[derive(Clone, Debug, SimpleObject)]
pub struct Artifact {
    /// Its key; `GET /artifacts/…` serves it.
    pub key: String,
    /// When it was stored.
    pub stored_at: DateTime,
}

/// Health of a core device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Health {
    /// It has not reported yet.
    Unknown,
    /// All is well.
    Healthy,
    /// Some component is broken.
    Unhealthy,
}

/// What a core device says of itself.
#[derive(Clone, Debug, SimpleObject)]
pub struct Device {
    /// Its health.
    pub status: Health,
    /// Version of the Greengrass nucleus.
    pub nucleus_version: Option<String>,
    /// Operating system.
    pub platform: Option<String>,
    /// Processor architecture.
    pub architecture: Option<String>,
    /// When it last reported.
    pub last_status_update_at: Option<DateTime>,
    /// Number of its last report; it starts again when the nucleus starts.
    pub sequence_number: Long,
    /// What is installed, by name.
    pub components: Vec<InstalledComponent>,
}

/// A component as the device reports it.
#[derive(Clone, Debug, SimpleObject)]
pub struct InstalledComponent {
    /// Name of the component.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its lifecycle state, such as `RUNNING`.
    pub state: String,
    /// Whether a deployment named it, as opposed to a dependency of another component.
    pub is_root: bool,
}

/// A deployment as one core sees it.
#[derive(Clone, Debug, SimpleObject)]
pub struct EffectiveDeployment {
    /// Greengrass deployment id.
    pub deployment_id: String,
    /// The job that carries it.
    pub job_id: ID,
    /// The template version that it brings.
    pub template: TemplateVersion,
    /// The thing groups that it is for.
    pub target_groups: Vec<String>,
    /// What it is for.
    pub description: Option<String>,
    /// How it stands on this core.
    pub status: ExecutionStatus,
    /// Why it stands so.
    pub reason: Option<String>,
    /// When the core was told of it.
    pub created_at: DateTime,
    /// When its state last changed.
    pub updated_at: DateTime,
}

/// What a core runs by its deployments, and how.
#[derive(Clone, Debug, SimpleObject)]
pub struct EffectiveConfiguration {
    /// Whether it is known what the last deployment left. It is not after one that failed and could not be rolled
    /// back, or that was deleted while the device was at work; the next success makes it known again.
    pub is_certain: bool,
    /// Its components, by name. Those that came as dependencies of others are not among them.
    pub components: Vec<ConfiguredComponent>,
}

/// A component with the configuration that its deployments left, all resets and merges applied in their order.
#[derive(Clone, Debug, SimpleObject)]
pub struct ConfiguredComponent {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its configuration. `null`: a part of it came with a deployment whose configuration is too long for the log.
    pub configuration: Option<Json<Value>>,
    /// The things and thing groups whose deployments want it.
    pub targets: Vec<JobTarget>,
}

impl Core {
    pub(in crate::graphql) fn of(core: &cores::Core<'_>) -> Self {
        let artifact = |artifact: &cores::Artifact| Artifact {
            key: artifact.key.clone(),
            stored_at: artifact.stored_at.into(),
        };
        Self {
            id: core.id,
            desired: (&core.desired).into(),
            reported: (&core.reported).into(),
            drift: core.drift,
            deployment_status: core.deployment_status.as_str().to_owned(),
            deployment_status_message: owned(core.deployment_message),
            failed: core.failed,
            certificates_artifact: core.certs.as_ref().map(artifact),
            configuration_artifact: core.config.as_ref().map(artifact),
            created_at: core.created_at.into(),
            updated_at: core.updated_at.map(DateTime::from),
        }
    }
}

#[ComplexObject]
impl Core {
    /// What the device says of itself.
    async fn device(&self, context: &Context<'_>) -> Device {
        source(context).views(|views| device(views, self.id))
    }

    /// Its deployments, newest first.
    async fn effective_deployments(&self, context: &Context<'_>) -> Vec<EffectiveDeployment> {
        source(context).views(|views| {
            let deployments = views.effective_deployments(self.id);
            deployments.into_iter().map(effective).collect()
        })
    }

    /// What it runs by its deployments, and how; `null` if it took none.
    #[graphql(complexity = "points(1, child_complexity + 20)")]
    async fn effective_configuration(
        &self,
        context: &Context<'_>,
    ) -> Option<EffectiveConfiguration> {
        source(context).views(|views| {
            let found = views.effective_configuration(self.id)?;
            Some(configuration(views, found))
        })
    }
}

fn configuration(
    views: &Views,
    found: configurations::EffectiveConfiguration<'_>,
) -> EffectiveConfiguration {
    let component = |one: configurations::ComponentConfiguration<'_>| {
        let targets = one.targets.iter();
        ConfiguredComponent {
            name: one.name.to_owned(),
            version: one.version.to_owned(),
            configuration: one
                .configuration
                .and_then(|text| serde_json::from_str(text).ok())
                .map(Json),
            targets: targets
                .filter_map(|target| target_name(views, target))
                .collect(),
        }
    };
    EffectiveConfiguration {
        is_certain: found.is_certain,
        components: found.components.into_iter().map(component).collect(),
    }
}

fn device(views: &Views, id: ThingId) -> Device {
    let device = views.device(id);
    let component = |component: core::InstalledComponent| InstalledComponent {
        name: component.name.into(),
        version: component.version.into(),
        state: component.state.into(),
        is_root: component.is_root,
    };
    Device {
        status: match device.health {
            None => Health::Unknown,
            Some(core::Health::Healthy) => Health::Healthy,
            Some(core::Health::Unhealthy) => Health::Unhealthy,
        },
        nucleus_version: owned(device.nucleus_version),
        platform: owned(device.platform),
        architecture: owned(device.architecture),
        last_status_update_at: device.last_status_at.map(DateTime::from),
        sequence_number: Long(device.sequence_number),
        components: device
            .installed_components
            .into_iter()
            .map(component)
            .collect(),
    }
}

fn effective(deployment: cores::EffectiveDeployment<'_>) -> EffectiveDeployment {
    EffectiveDeployment {
        deployment_id: deployment.deployment_id.to_owned(),
        job_id: deployment.job_name.into(),
        template: (&deployment.template).into(),
        target_groups: deployment
            .target_groups
            .into_iter()
            .map(str::to_owned)
            .collect(),
        description: owned(deployment.description),
        status: deployment.status.into(),
        reason: deployment.reason,
        created_at: deployment.created_at.into(),
        updated_at: deployment.updated_at.into(),
    }
}
