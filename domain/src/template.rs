//! CDF templates: named, versioned sets of Greengrass components with rollout settings.

use minicbor::{Decode, Encode};

use crate::ids::TemplateName;
use crate::job;

/// One component of a template version.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Component {
    /// Component name.
    #[n(0)]
    pub key: Box<str>,
    /// Component version.
    #[n(1)]
    pub version: Box<str>,
    /// `configurationUpdate.merge`: a JSON object as text, passed through.
    #[n(2)]
    pub merge: Option<Box<str>>,
    /// `configurationUpdate.reset`: JSON pointers; applied before `merge`.
    #[n(3)]
    pub reset: Option<Vec<Box<str>>>,
    /// `runWith` as JSON text, kept as it came.
    #[n(4)]
    pub run_with: Option<Box<str>>,
}

/// What a device does when a deployment fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum FailureHandling {
    /// Return to the state before.
    #[n(0)]
    Rollback,
    /// Stay as it is.
    #[n(1)]
    DoNothing,
}

/// Whether components are asked before an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ComponentUpdateAction {
    /// Components are told and may defer.
    #[n(0)]
    NotifyComponents,
    /// Components are not told.
    #[n(1)]
    SkipNotifyComponents,
}

/// `deploymentPolicies` of a template; absent members stay absent when read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct DeploymentPolicies {
    /// `failureHandlingPolicy`; Greengrass: `ROLLBACK` by default.
    #[n(0)]
    pub failure_handling: Option<FailureHandling>,
    /// `componentUpdatePolicy`; Greengrass: 60 s and `NOTIFY_COMPONENTS` by default.
    #[n(1)]
    pub component_update: Option<ComponentUpdate>,
    /// `configurationValidationPolicy`; Greengrass: 30 s by default.
    #[n(2)]
    pub configuration_validation: Option<ConfigurationValidation>,
}

/// `componentUpdatePolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ComponentUpdate {
    /// How long components may defer.
    #[n(0)]
    pub timeout_seconds: Option<u32>,
    /// Whether they are asked.
    #[n(1)]
    pub action: Option<ComponentUpdateAction>,
}

/// `configurationValidationPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ConfigurationValidation {
    /// How long components may take to validate.
    #[n(0)]
    pub timeout_seconds: Option<u32>,
}

/// What one version of a template says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Content {
    /// At least one component; keys are unique.
    #[n(0)]
    pub components: Vec<Component>,
    /// `jobConfig`.
    #[n(1)]
    pub job_settings: Option<job::Settings>,
    /// `deploymentPolicies`.
    #[n(2)]
    pub policies: Option<DeploymentPolicies>,
}

/// What happened to a template.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The template exists; its version 1 follows.
    #[n(0)]
    Created {
        /// Its name.
        #[n(0)]
        name: TemplateName,
    },
    /// A version was added. Versions count from 1 without gaps.
    #[n(1)]
    VersionAdded {
        /// Its number.
        #[n(0)]
        version: u32,
        /// What it says.
        #[n(1)]
        content: Box<Content>,
    },
    /// The template and all its versions were deleted. Cores that use it keep what they have.
    #[n(2)]
    Removed,
}

mod document;
mod rules;
mod state;

pub(crate) use document::{DocumentHead, deployment_document};
pub(crate) use rules::check_components;
pub use state::{Template, Version};
pub(crate) use state::{Templates, VersionDeployment};
