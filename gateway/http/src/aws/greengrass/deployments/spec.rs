//! What a deployment says, between Greengrass' words and the domain's.

use serde_json::{Map, Value, json};
use shipslog_domain::component::Version;
use shipslog_domain::template::{self, Component, DeploymentPolicies};
use shipslog_domain::{ComponentName, limits as domain};

use crate::aws::wire::members;
use crate::cdf::components as shapes;
use crate::error::Error;
use crate::json::Field;
use crate::settings;

/// Reads `components`, `iotJobConfiguration` and `deploymentPolicies`.
pub(super) fn read(request: &Field<'_, '_>) -> Result<template::Content, Error> {
    let settings = request.member("iotJobConfiguration");
    let settings = settings.present();
    let policies = request.member("deploymentPolicies");
    Ok(template::Content {
        components: read_components(&request.member("components"))?,
        job_settings: settings
            .map(|field| settings::parse(field, &settings::AWS))
            .transpose()?,
        policies: policies.present().map(shapes::parse_policies).transpose()?,
    })
}

fn read_components(field: &Field<'_, '_>) -> Result<Vec<Component>, Error> {
    let Some(components) = field.present() else {
        return Ok(Vec::new());
    };
    let named = components.object()?;
    if named.len() > domain::COMPONENTS_MAX {
        let rule = format!("must be at most {} components", domain::COMPONENTS_MAX);
        return Err(components.refuse(rule));
    }
    let named = named.keys();
    named
        .map(|name| read_component(&components.member(name), name))
        .collect()
}

fn read_component(field: &Field<'_, '_>, name: &str) -> Result<Component, Error> {
    ComponentName::parse(name).map_err(|no| field.refuse(no.message))?;
    // `null` is no component, and not the absence of one.
    field.object()?;
    let version = field.member("componentVersion");
    Version::parse(version.text()?).map_err(|no| version.refuse(no.message))?;
    let update = field.member("configurationUpdate");
    if update.is_present() {
        update.object()?;
    }
    let (merge, reset) = (update.member("merge"), update.member("reset"));
    let reset = reset.present();
    let run_with = field.member("runWith");
    Ok(Component {
        key: name.into(),
        version: version.text()?.into(),
        merge: merge.present().map(shapes::parse_merge).transpose()?,
        reset: reset
            .map(|reset| reset.list(domain::COMPONENTS_MAX, |item| read_pointer(&item)))
            .transpose()?,
        run_with: run_with.present().map(read_run_with).transpose()?,
    })
}

fn read_pointer(field: &Field<'_, '_>) -> Result<Box<str>, Error> {
    let pointer = shapes::parse_pointer(field)?;
    match pointer.len() <= domain::RESET_POINTER_BYTES_MAX {
        true => Ok(pointer),
        false => Err(field.refuse(format!(
            "must have at most {} characters",
            domain::RESET_POINTER_BYTES_MAX
        ))),
    }
}

/// `runWith` with the members that Greengrass knows, as JSON text.
fn read_run_with(field: &Field<'_, '_>) -> Result<Box<str>, Error> {
    field.object()?;
    let user = |name: &str| -> Result<Option<Value>, Error> {
        let user = field.member(name);
        let user = user.present().map(Field::text).transpose()?;
        Ok(user.map(Value::from))
    };
    let limits = field.member("systemResourceLimits");
    let limits = limits.present().map(read_limits).transpose()?;
    let run_with = members([
        ("posixUser", user("posixUser")?),
        ("windowsUser", user("windowsUser")?),
        ("systemResourceLimits", limits.map(Value::Object)),
    ]);
    Ok(Value::Object(run_with).to_string().into())
}

fn read_limits(field: &Field<'_, '_>) -> Result<Map<String, Value>, Error> {
    field.object()?;
    let amount = |name: &str, is_amount: fn(&Value) -> bool, expected: &str| {
        let member = field.member(name);
        match member.value() {
            Some(value) if !is_amount(value) => Err(member.refuse(expected)),
            value => Ok(value.cloned()),
        }
    };
    let memory = amount(
        "memory",
        |value| value.as_i64().is_some_and(|kilobytes| kilobytes >= 0),
        "must be a whole number of kilobytes, 0 or more",
    )?;
    let cpus = amount(
        "cpus",
        |value| value.as_f64().is_some_and(|cpus| cpus >= 0.0),
        "must be a number of CPUs, 0 or more",
    )?;
    Ok(members([("memory", memory), ("cpus", cpus)]))
}

/// `components` as they were given.
pub(super) fn render_components(components: &[Component]) -> Value {
    let components = components.iter();
    let components = components.map(|one| (one.key.to_string(), render_component(one)));
    Value::Object(components.collect())
}

fn render_component(one: &Component) -> Value {
    let update = members([
        ("merge", one.merge.as_deref().map(Value::from)),
        ("reset", one.reset.as_ref().map(|reset| json!(reset))),
    ]);
    let run_with = one.run_with.as_deref();
    // Stored as JSON, so it reads back.
    let run_with = run_with.map(|text| serde_json::from_str(text).unwrap_or_default());
    Value::Object(members([
        ("componentVersion", Some((*one.version).into())),
        (
            "configurationUpdate",
            (!update.is_empty()).then_some(Value::Object(update)),
        ),
        ("runWith", run_with),
    ]))
}

/// `iotJobConfiguration` as it was given.
pub(super) fn render_settings(spec: &template::Content) -> Value {
    let settings = spec.job_settings.as_ref();
    let settings = settings.map(|one| settings::render(one, &settings::AWS));
    Value::Object(settings.unwrap_or_default())
}

/// Policies as devices get them: with defaults where nothing was said.
pub(super) fn render_policies(given: Option<&DeploymentPolicies>) -> Value {
    let given = given.map(shapes::render_policies).unwrap_or_default();
    let said = |policy: &str, member: &str| given.get(policy)?.get(member).cloned();
    let or = |value: Option<Value>, default: Value| value.unwrap_or(default);
    let (update, validation) = ("componentUpdatePolicy", "configurationValidationPolicy");
    json!({
        "failureHandlingPolicy": or(given.get("failureHandlingPolicy").cloned(), json!("ROLLBACK")),
        "componentUpdatePolicy": {
            "timeoutInSeconds": or(said(update, "timeoutInSeconds"), json!(60)),
            "action": or(said(update, "action"), json!("NOTIFY_COMPONENTS")),
        },
        "configurationValidationPolicy": {
            "timeoutInSeconds": or(said(validation, "timeoutInSeconds"), json!(30)),
        },
    })
}
