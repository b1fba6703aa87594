//! Deployments of components: which of them, with which configuration, the cores of a target run.
//!
//! A group's deployment is a continuous job in a namespace of its own. A thing's is written into a named shadow, where
//! its device reports how it goes.

mod report;
mod rules;

use minicbor::{Decode, Encode};
use serde_json::Value;

use super::{Content, Deployment, Report, ReportedStatus, Scope};
use crate::Fleet;
use crate::client_token::ClientToken;
use crate::command::TargetName;
use crate::ids::{GroupName, JobName, ThingId};
use crate::job::{Definition, Pairs, Target};
use crate::limits;
use crate::shadow::{self, Side};
use crate::template::{self, DocumentHead, deployment_document};
use crate::time::Timestamp;

pub use report::ShadowReport;

/// The namespace of deployment jobs, as devices know it.
pub const NAMESPACE: &str = "aws-gg-deployment";
/// The named shadow by which a thing gets its own deployment.
pub const SHADOW: &str = "AWSManagedGreengrassV2Deployment";

/// What a deployment of components brings.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Components {
    /// Components, policies and settings of the job; no component at all removes all that a target brought before.
    #[n(0)]
    pub spec: template::Content,
    /// Where the components' configuration is kept if it is too long for a job document; `spec` has none then.
    #[n(1)]
    pub configuration: Option<Configuration>,
}

/// A configuration that is kept outside the log, once, however many deployments have it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Configuration {
    /// SHA-256 of the stored bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub digest: [u8; 32],
    /// How many bytes are stored.
    #[n(1)]
    pub bytes: u32,
}

/// What to do with deployments of components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `CreateDeployment`.
    Create(Box<Request>),
    /// `CancelDeployment`: who has not begun does not begin.
    Cancel {
        /// `deploymentId`.
        id: Box<str>,
    },
    /// `DeleteDeployment`, which must not be active.
    Delete {
        /// `deploymentId`.
        id: Box<str>,
    },
}

/// A deployment of components that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its id: unguessable, a UUID as text.
    pub id: Box<str>,
    /// The name of its job, likewise.
    pub job: JobName,
    /// Whom it is for.
    pub target: TargetName,
    /// The group whose deployment it replaces for this target (a sub-deployment).
    pub parent: Option<GroupName>,
    /// `deploymentName`.
    pub name: Option<Box<str>>,
    /// What it brings.
    pub components: Components,
    /// `tags`.
    pub tags: Pairs,
    /// By which a repeated request is known.
    pub token: Option<ClientToken>,
}

/// Whether devices can be told all of `spec` in the document of a job, or of a thing's shadow.
#[must_use]
pub fn is_told_whole(spec: &template::Content, target: &TargetName) -> bool {
    let head = DocumentHead {
        deployment_id: "",
        deployment_name: "",
        configuration_arn: "",
        parent_target_arn: None,
        is_large: false,
        created_at: Timestamp(0),
    };
    fits(
        &(deployment_document(head, spec) + &" ".repeat(HEAD_BYTES)),
        target,
    )
}

/// Room that a document needs for its ids, names and ARNs, none of which is long.
const HEAD_BYTES: usize = 1_024 + 4 * limits::DEPLOYMENT_NAME_CHARACTERS_MAX;

/// Whether a document is short enough for the way that it takes to its devices.
fn fits(document: &str, target: &TargetName) -> bool {
    match target {
        TargetName::Thing(_) => {
            let in_shadow = Value::from(document).to_string();
            in_shadow.len() <= limits::DEPLOYMENT_IN_SHADOW_BYTES_MAX
        }
        TargetName::Group(_) => document.len() <= limits::DEPLOYMENT_IN_JOB_BYTES_MAX,
    }
}

/// What devices read of a deployment besides its components.
#[derive(Clone, Debug)]
pub struct Heading {
    id: Box<str>,
    name: Option<Box<str>>,
    configuration_arn: String,
    parent_arn: Option<String>,
    created_at: Timestamp,
}

impl Heading {
    /// The whole document, as a device fetches it that was told only a part: JSON text.
    #[must_use]
    pub fn document(&self, spec: &template::Content) -> String {
        let head = DocumentHead {
            deployment_id: &self.id,
            deployment_name: self.name.as_deref().unwrap_or_default(),
            configuration_arn: &self.configuration_arn,
            parent_target_arn: self.parent_arn.as_deref(),
            is_large: false,
            created_at: self.created_at,
        };
        deployment_document(head, spec)
    }
}

impl Deployment {
    /// What it brings, if that is components.
    #[must_use]
    pub fn components(&self) -> Option<&Components> {
        match &*self.content {
            Content::Components(components) => Some(components),
            Content::Commands(_) | Content::Containers(_) => None,
        }
    }
}

impl Fleet {
    /// The deployment of components with this id.
    #[must_use]
    pub fn components_deployment(&self, id: &str) -> Option<(&Deployment, &Components)> {
        let found = self.deployment(id)?;
        Some((found, found.components()?))
    }

    /// The ARN by which a device names a deployment of components: its target and its revision.
    #[must_use]
    pub fn configuration_arn(&self, deployment: &Deployment) -> String {
        self.configuration_arn_of(
            deployment.scope,
            &deployment.scope_name,
            deployment.revision,
        )
    }

    pub(crate) fn configuration_arn_of(&self, scope: Scope, name: &str, revision: u32) -> String {
        let kind = match scope {
            Scope::Target(Target::Thing(_)) => "thing",
            Scope::Target(Target::Group(_)) => "thinggroup",
            // Nothing names its deployments so.
            Scope::Stack(_) => "stack",
            Scope::ContainerService(_) => {
                unreachable!("components are deployed to things and groups")
            }
        };
        let resource = format!("configuration:{kind}/{name}:{revision}");
        self.settings.greengrass_arn(&resource)
    }

    /// What devices read of a deployment besides its components.
    #[must_use]
    pub fn document_heading(&self, deployment: &Deployment) -> Heading {
        let parent = deployment.parent.and_then(|parent| self.groups.get(parent));
        Heading {
            id: deployment.id.clone(),
            name: deployment.name.clone(),
            configuration_arn: self.configuration_arn(deployment),
            parent_arn: parent
                .map(|parent| self.settings.arn(&format!("thinggroup/{}", parent.name))),
            created_at: deployment.created_at,
        }
    }

    /// Takes in the deployment of a template version: the job that carries it tells all of it.
    pub(crate) fn note_linked_deployment(&mut self, definition: &Definition, at: Timestamp) {
        let (Some(link), Some(target)) = (&definition.deployment, definition.targets.first())
        else {
            return;
        };
        let scope_name = match target {
            Target::Group(group) => self.groups.get(*group).map(|group| group.name.as_str()),
            Target::Thing(thing) => Some(self.thing_name(*thing)),
        };
        let version = self.templates.version(link.brings);
        let spec = template::Content {
            job_settings: Some(definition.settings.clone()),
            ..version
                .map(|version| version.content.clone())
                .unwrap_or_default()
        };
        let linked = Deployment {
            id: link.deployment_id.clone(),
            scope: Scope::Target(*target),
            scope_name: scope_name.unwrap_or_default().into(),
            revision: link.revision,
            job: definition.name.clone(),
            name: definition.description.clone(),
            parent: None,
            content: Box::new(Content::Components(Components {
                spec,
                configuration: None,
            })),
            tags: Vec::new(),
            created_at: at,
            is_superseded: false,
            is_canceled: false,
            report: None,
            stream: None,
        };
        self.deployments.link(linked);
    }

    /// Takes in what a device reports of its thing's deployment, after its shadow changed.
    pub(crate) fn note_deployment_report(
        &mut self,
        thing: ThingId,
        event: &shadow::Event,
        at: Timestamp,
    ) {
        let shadow::Event::Updated { shadow, .. } = event else {
            return;
        };
        if shadow
            .as_ref()
            .is_none_or(|shadow| shadow.as_str() != SHADOW)
        {
            return;
        }
        if let Some(report) = self.reported(thing, at) {
            self.deployments.note_report(thing, report);
        }
    }

    /// What a thing's shadow says of its latest deployment.
    fn reported(&self, thing: ThingId, at: Timestamp) -> Option<Report> {
        let latest = self.latest_deployment(Scope::Target(Target::Thing(thing)))?;
        let reported = self.shadows.get(thing, SHADOW)?.side(Side::Reported)?;
        let reported: Value = serde_json::from_str(reported).ok()?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(Box::<str>::from);
        if text(reported.get("fleetConfigurationArnForStatus"))?
            != self.configuration_arn(latest).into()
        {
            return None;
        }
        let status = match reported.get("status")?.as_str()? {
            "IN_PROGRESS" => ReportedStatus::InProgress,
            "SUCCEEDED" => ReportedStatus::Succeeded,
            "FAILED" => ReportedStatus::Failed,
            "REJECTED" => ReportedStatus::Rejected,
            "CANCELED" => ReportedStatus::Canceled,
            _ => return None,
        };
        let details = reported.get("statusDetails");
        let detail = |name: &str| details.and_then(|details| details.get(name));
        let texts = |name: &str| {
            let listed = detail(name).and_then(Value::as_array).into_iter().flatten();
            listed.filter_map(|one| text(Some(one))).collect()
        };
        Some(Report {
            status,
            at,
            detailed_status: text(detail("detailedStatus")),
            failure_cause: text(detail("failureCause")),
            error_stack: texts("errorStack"),
            error_types: texts("errorTypes"),
        })
    }
}
