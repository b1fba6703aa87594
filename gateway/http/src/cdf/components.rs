//! What a template version says, between its wire form and the domain's.

use serde_json::{Map, Value, json};
use shipslog_domain::limits;
use shipslog_domain::template::{
    Component, ComponentUpdate, ComponentUpdateAction, ConfigurationValidation, Content,
    DeploymentPolicies, FailureHandling,
};

use super::members;
use crate::error::Error;
use crate::json::{self, Field};
use crate::settings;

const FAILURE_HANDLING: [(&str, FailureHandling); 2] = [
    ("ROLLBACK", FailureHandling::Rollback),
    ("DO_NOTHING", FailureHandling::DoNothing),
];

const UPDATE_ACTIONS: [(&str, ComponentUpdateAction); 2] = [
    ("NOTIFY_COMPONENTS", ComponentUpdateAction::NotifyComponents),
    (
        "SKIP_NOTIFY_COMPONENTS",
        ComponentUpdateAction::SkipNotifyComponents,
    ),
];

/// Reads `components`, `jobConfig` and `deploymentPolicies` of a body.
pub(crate) fn parse(body: &Field<'_, '_>) -> Result<Content, Error> {
    let job_settings = body.member("jobConfig");
    let policies = body.member("deploymentPolicies");
    Ok(Content {
        components: body
            .member("components")
            .non_empty_list(limits::COMPONENTS_MAX, |field| parse_component(&field))?,
        job_settings: job_settings
            .present()
            .map(|field| settings::parse(field, &settings::TEMPLATE))
            .transpose()?,
        policies: policies.present().map(parse_policies).transpose()?,
    })
}

fn parse_component(field: &Field<'_, '_>) -> Result<Component, Error> {
    field.object()?;
    let update = field.member("configurationUpdate");
    if update.is_present() {
        update.object()?;
    }
    let run_with = field.member("runWith");
    if run_with.is_present() {
        run_with.object()?;
        run_with.member("posixUser").optional_string()?;
    }
    let (merge, reset) = (update.member("merge"), update.member("reset"));
    Ok(Component {
        key: field.member("key").text()?.into(),
        version: field.member("version").text()?.into(),
        merge: merge.present().map(parse_merge).transpose()?,
        reset: match reset.present() {
            Some(reset) => Some(reset.list(limits::COMPONENTS_MAX, |item| parse_pointer(&item))?),
            None => None,
        },
        run_with: run_with.value().map(|value| value.to_string().into()),
    })
}

/// A JSON object as text, passed through as it is.
pub(crate) fn parse_merge(field: &Field<'_, '_>) -> Result<Box<str>, Error> {
    let text = field.string()?;
    match json::parse(text.as_bytes()) {
        Ok(Value::Object(_)) => Ok(text.into()),
        Ok(_) => Err(field.refuse("must be the text of a JSON object")),
        Err(error) => {
            let summary = error.summary();
            Err(field.refuse(format!(
                "must be the text of a JSON object, but it {}",
                summary.message
            )))
        }
    }
}

/// A JSON pointer (RFC 6901): empty, or each step after a slash, with `~` only as `~0` and `~1`.
pub(crate) fn parse_pointer(field: &Field<'_, '_>) -> Result<Box<str>, Error> {
    let text = field.string()?;
    let is_rooted = text.is_empty() || text.starts_with('/');
    let is_escaped = text
        .split('~')
        .skip(1)
        .all(|rest| rest.starts_with(['0', '1']));
    if is_rooted && is_escaped {
        return Ok(text.into());
    }
    Err(field.refuse("must be a JSON pointer such as /network/useHttps"))
}

/// Reads `deploymentPolicies`.
pub(crate) fn parse_policies(field: &Field<'_, '_>) -> Result<DeploymentPolicies, Error> {
    field.object()?;
    let failure = field.member("failureHandlingPolicy");
    let update = field.member("componentUpdatePolicy");
    let validation = field.member("configurationValidationPolicy");
    Ok(DeploymentPolicies {
        failure_handling: match failure.present() {
            Some(failure) => Some(failure.one_of(&FAILURE_HANDLING)?),
            None => None,
        },
        component_update: match update.present() {
            Some(update) => Some(parse_update_policy(update)?),
            None => None,
        },
        configuration_validation: match validation.present() {
            Some(validation) => {
                validation.object()?;
                Some(ConfigurationValidation {
                    timeout_seconds: validation.member("timeoutInSeconds").optional_number()?,
                })
            }
            None => None,
        },
    })
}

fn parse_update_policy(field: &Field<'_, '_>) -> Result<ComponentUpdate, Error> {
    field.object()?;
    let action = field.member("action");
    Ok(ComponentUpdate {
        timeout_seconds: field.member("timeoutInSeconds").optional_number()?,
        action: match action.present() {
            Some(action) => Some(action.one_of(&UPDATE_ACTIONS)?),
            None => None,
        },
    })
}

/// `components` as they were posted.
pub(crate) fn render_components(components: &[Component]) -> Value {
    components.iter().map(render_component).collect()
}

fn render_component(component: &Component) -> Value {
    let update = members([
        ("merge", component.merge.as_deref().map(Value::from)),
        ("reset", component.reset.as_ref().map(|reset| json!(reset))),
    ]);
    let run_with = component.run_with.as_deref().map(|text| {
        // Stored as it came in, so it reads back.
        serde_json::from_str(text).unwrap_or(Value::Null)
    });
    Value::Object(members([
        ("key", Some(component.key.as_ref().into())),
        ("version", Some(component.version.as_ref().into())),
        (
            "configurationUpdate",
            (!update.is_empty()).then_some(Value::Object(update)),
        ),
        ("runWith", run_with),
    ]))
}

/// `deploymentPolicies` as they were posted.
pub(crate) fn render_policies(policies: &DeploymentPolicies) -> Map<String, Value> {
    let failure = policies.failure_handling;
    let update = policies.component_update.as_ref();
    let validation = policies.configuration_validation.as_ref();
    members([
        (
            "failureHandlingPolicy",
            failure.map(|failure| word(&FAILURE_HANDLING, failure)),
        ),
        (
            "componentUpdatePolicy",
            update.map(|update| {
                Value::Object(members([
                    ("timeoutInSeconds", update.timeout_seconds.map(Value::from)),
                    (
                        "action",
                        update.action.map(|action| word(&UPDATE_ACTIONS, action)),
                    ),
                ]))
            }),
        ),
        (
            "configurationValidationPolicy",
            validation.map(|validation| {
                Value::Object(members([(
                    "timeoutInSeconds",
                    validation.timeout_seconds.map(Value::from),
                )]))
            }),
        ),
    ])
}

/// The word for a meaning.
fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], meaning: T) -> Value {
    let found = words.iter().find(|(_, candidate)| *candidate == meaning);
    found.map_or(Value::Null, |(word, _)| (*word).into())
}
