//! What operators do through the Greengrass API: components and their deployments.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use shipslog_domain::job::Settings;
use shipslog_domain::template::FailureHandling;
use ureq::http::Method;

use super::{Api, Failure, Operator, parse, settings};
use crate::scenario::ComponentUse;

/// A deployment of components to be created.
#[derive(Clone, Copy, Debug)]
pub struct ComponentsOrder<'a> {
    /// `deploymentName`.
    pub name: &'a str,
    /// ARN of a thing group.
    pub target: &'a str,
    /// What each device is to run.
    pub components: &'a [ComponentUse],
    /// What a device does when it fails.
    pub on_failure: FailureHandling,
    /// How its job runs.
    pub settings: &'a Settings,
}

impl Operator {
    /// Creates a version of a component by its recipe, or takes the one that is there.
    pub fn create_component(&self, recipe: &str) -> Result<(), Failure> {
        let path = "/greengrass/v2/createComponentVersion";
        let body = json!({"inlineRecipe": STANDARD.encode(recipe)});
        match self.send(Method::POST, path, Api::Greengrass, Some(&body)) {
            Ok(_) | Err(Failure::Status { status: 409, .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Creates a deployment of components; gives the id of the job that carries it.
    pub fn create_deployment(&self, order: &ComponentsOrder<'_>) -> Result<String, Failure> {
        let path = "/greengrass/v2/deployments";
        let components = order.components.iter().map(|one| {
            let version = json!({"componentVersion": one.version});
            (one.name.to_string(), version)
        });
        let body = json!({
            "targetArn": order.target,
            "deploymentName": order.name,
            "components": components.collect::<Map<String, Value>>(),
            "iotJobConfiguration": settings(order.settings),
            "deploymentPolicies": {"failureHandlingPolicy": match order.on_failure {
                FailureHandling::Rollback => "ROLLBACK",
                FailureHandling::DoNothing => "DO_NOTHING",
            }},
        });
        let (_, text) = self.send(Method::POST, path, Api::Greengrass, Some(&body))?;
        let answer: Value = parse(&Method::POST, path, &text)?;
        let job = answer["iotJobId"].as_str();
        job.map(Into::into).ok_or_else(|| Failure::Form {
            method: Method::POST,
            path: path.into(),
            what: "no iotJobId".into(),
        })
    }
}
