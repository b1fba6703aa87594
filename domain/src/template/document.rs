//! The job document of a deployment: Greengrass' `Configuration` object, which devices read.

use serde_json::{Map, Value, json};

use super::{ComponentUpdateAction, Content, FailureHandling};
use crate::time::Timestamp;

/// What a deployment document says besides the template's content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocumentHead<'a> {
    pub(crate) deployment_id: &'a str,
    pub(crate) deployment_name: &'a str,
    pub(crate) configuration_arn: &'a str,
    /// The group whose deployment it replaces.
    pub(crate) parent_target_arn: Option<&'a str>,
    /// Whether devices fetch the components' configuration, which is not in here.
    pub(crate) is_large: bool,
    pub(crate) created_at: Timestamp,
}

/// The document as JSON text. The nucleus' names differ from the API's: `timeout` instead of `timeoutInSeconds`,
/// `merge` as an object, times in milliseconds.
pub(crate) fn deployment_document(head: DocumentHead<'_>, content: &Content) -> String {
    let mut components = Map::new();
    for component in &content.components {
        let mut entry = Map::new();
        entry.insert("version".into(), json!(&*component.version));
        let mut update = Map::new();
        if let Some(merge) = &component.merge {
            update.insert("merge".into(), parsed(merge));
        }
        if let Some(reset) = &component.reset {
            let reset: Vec<&str> = reset.iter().map(|pointer| &**pointer).collect();
            update.insert("reset".into(), json!(reset));
        }
        if !update.is_empty() {
            entry.insert("configurationUpdate".into(), Value::Object(update));
        }
        if let Some(run_with) = &component.run_with {
            entry.insert("runWith".into(), parsed(run_with));
        }
        components.insert(component.key.to_string(), Value::Object(entry));
    }
    let policies = content.policies.clone().unwrap_or_default();
    let failure_handling = match policies.failure_handling {
        Some(FailureHandling::DoNothing) => "DO_NOTHING",
        Some(FailureHandling::Rollback) | None => "ROLLBACK",
    };
    let update = policies.component_update.unwrap_or_default();
    let action = match update.action {
        Some(ComponentUpdateAction::SkipNotifyComponents) => "SKIP_NOTIFY_COMPONENTS",
        Some(ComponentUpdateAction::NotifyComponents) | None => "NOTIFY_COMPONENTS",
    };
    let validation = policies.configuration_validation.unwrap_or_default();
    json!({
        "deploymentId": head.deployment_id,
        "schemaDate": "2021-05-17",
        "deploymentName": head.deployment_name,
        "creationTimestamp": head.created_at.0,
        "configurationArn": head.configuration_arn,
        "parentTargetArn": head.parent_target_arn,
        "onBehalfOf": null,
        "components": components,
        "failureHandlingPolicy": failure_handling,
        "componentUpdatePolicy": {
            "timeout": update.timeout_seconds.unwrap_or(60),
            "action": action,
        },
        "configurationValidationPolicy": {
            "timeout": validation.timeout_seconds.unwrap_or(30),
        },
        "requiredCapabilities": capabilities(head, content),
    })
    .to_string()
}

/// What a device must be able to do; one that is not refuses the document.
fn capabilities(head: DocumentHead<'_>, content: &Content) -> Vec<&'static str> {
    let limits_resources = |run_with: &str| parsed(run_with).get("systemResourceLimits").is_some();
    let mut run_with = content
        .components
        .iter()
        .filter_map(|one| one.run_with.as_deref());
    let mut capabilities = Vec::new();
    if head.is_large {
        capabilities.push("LARGE_CONFIGURATION");
    }
    if run_with.any(limits_resources) {
        capabilities.push("LINUX_RESOURCE_LIMITS");
    }
    if head.parent_target_arn.is_some() {
        capabilities.push("SUB_DEPLOYMENTS");
    }
    capabilities
}

/// Text that was checked to be JSON when the template was stored.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}
