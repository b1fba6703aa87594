//! JSON bodies of requests, written from the contracts.

use serde_json::{Map, Value, json};
use shipslog_domain::command::{AttributeChange, CoreRequest, ReportedStatus, TargetName};
use shipslog_domain::core::{Health, HealthReport};
use shipslog_domain::deployment_task::Targets;
use shipslog_domain::execution::StepTimer;
use shipslog_domain::job::{IncreaseAfter, Rollout, Settings};
use shipslog_domain::template::{Component, Content};

/// Names and values of an object.
type Pairs = [(Box<str>, Box<str>)];

/// An object of texts.
pub(super) fn object(pairs: &Pairs) -> Value {
    let members = pairs.iter();
    members
        .map(|(name, value)| (name.to_string(), Value::from(&**value)))
        .collect::<Map<_, _>>()
        .into()
}

/// Adds a member that is there.
pub(super) fn put(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object[name] = value.into();
    }
}

/// `attributePayload`.
pub(super) fn attribute_payload(change: &AttributeChange) -> Value {
    json!({ "attributes": object(&change.attributes), "merge": change.merge })
}

/// The ARN of a target.
pub(super) fn arn(target: &TargetName) -> String {
    const PREFIX: &str = "arn:aws:iot:us-east-1:000000000000";
    match target {
        TargetName::Thing(name) => format!("{PREFIX}:thing/{name}"),
        TargetName::Group(name) => format!("{PREFIX}:thinggroup/{name}"),
    }
}

/// The status that a device reports.
pub(super) const fn reported(status: ReportedStatus) -> &'static str {
    match status {
        ReportedStatus::InProgress => "IN_PROGRESS",
        ReportedStatus::Succeeded => "SUCCEEDED",
        ReportedStatus::Failed => "FAILED",
        ReportedStatus::Rejected => "REJECTED",
        ReportedStatus::Queued => "QUEUED",
    }
}

/// `stepTimeoutInMinutes`.
pub(super) fn step_timeout(timer: StepTimer) -> i64 {
    match timer {
        StepTimer::Minutes(minutes) => minutes.into(),
        StepTimer::Stopped => -1,
    }
}

/// How CDF's deployment tasks spell what AWS IoT and CDF's templates spell otherwise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Aws,
    DeploymentTask,
}

impl Spelling {
    const fn of(self, aws: &'static str, deployment_task: &'static str) -> &'static str {
        match self {
            Self::Aws => aws,
            Self::DeploymentTask => deployment_task,
        }
    }
}

/// Adds how a job runs to a body.
pub(super) fn put_settings(body: &mut Value, settings: &Settings, spelling: Spelling) {
    if let Some(rollout) = &settings.rollout {
        let name = spelling.of("jobExecutionsRolloutConfig", "jobExecutionRolloutConfig");
        body[name] = self::rollout(rollout, spelling);
    }
    if !settings.abort.is_empty() {
        let executed = spelling.of("minNumberOfExecutedThings", "minnumberOfExecutedThings");
        let criteria = settings.abort.iter().map(|one| {
            json!({
                "failureType": one.failure.as_str(),
                "action": "CANCEL",
                "thresholdPercentage": decimal(one.threshold_hundredths, 100),
                executed: one.executed_things_min,
            })
        });
        body["abortConfig"] = json!({ "criteriaList": criteria.collect::<Value>() });
    }
    if let Some(minutes) = settings.timeout_minutes {
        body["timeoutConfig"] = json!({ "inProgressTimeoutInMinutes": minutes });
    }
    if !settings.retries.is_empty() {
        let criteria = settings.retries.iter().map(
            |one| json!({ "failureType": one.failure.as_str(), "numberOfRetries": one.retries }),
        );
        body["jobExecutionsRetryConfig"] = json!({ "criteriaList": criteria.collect::<Value>() });
    }
}

fn rollout(rollout: &Rollout, spelling: Spelling) -> Value {
    let mut body = json!({});
    put(&mut body, "maximumPerMinute", rollout.maximum_per_minute);
    if let Some(rate) = &rollout.exponential {
        let (name, count) = match rate.increase_after {
            IncreaseAfter::Notified(count) => (
                spelling.of("numberOfNotifiedThings", "numberOfNotifiedTargets"),
                count,
            ),
            IncreaseAfter::Succeeded(count) => (
                spelling.of("numberOfSucceededThings", "numberOfSucceededTargets"),
                count,
            ),
        };
        body["exponentialRate"] = json!({
            "baseRatePerMinute": rate.base_per_minute,
            "incrementFactor": decimal(rate.increment_factor_tenths, 10),
            "rateIncreaseCriteria": { name: count },
        });
    }
    body
}

fn decimal(scaled: u32, scale: u32) -> f64 {
    f64::from(scaled) / f64::from(scale)
}

/// A template's content, as a body without the template's name.
pub(super) fn content(content: &Content) -> Value {
    let components: Value = content.components.iter().map(component).collect();
    let mut body = json!({ "components": components });
    if let Some(settings) = &content.job_settings {
        let mut job = json!({});
        put_settings(&mut job, settings, Spelling::Aws);
        body["jobConfig"] = job;
    }
    body
}

fn component(component: &Component) -> Value {
    let mut body = json!({ "key": &*component.key, "version": &*component.version });
    if let Some(merge) = &component.merge {
        body["configurationUpdate"] = json!({ "merge": &**merge });
    }
    body
}

/// `targets` of a deployment task.
pub(super) fn targets(targets: &Targets) -> Value {
    let mut body = json!({});
    if let Some(names) = &targets.thing_names {
        body["thingNames"] = names.iter().map(|name| &**name).collect();
    }
    if let Some(names) = &targets.thing_group_names {
        body["thingGroupNames"] = names.iter().map(|name| name.as_str()).collect();
    }
    body
}

/// A core or client device to provision.
pub(super) fn core_request(request: &CoreRequest) -> Value {
    json!({
        "name": request.name.as_str(),
        "provisioningTemplate": request.provisioning_template.as_str(),
        "provisioningParameters": object(&request.parameters),
    })
}

/// A Greengrass core's health message.
pub(super) fn health(thing: &str, report: &HealthReport) -> Value {
    json!({
        "ggcVersion": &*report.nucleus_version,
        "platform": &*report.platform,
        "architecture": &*report.architecture,
        "thing": thing,
        "overallDeviceStatus": match report.health {
            Health::Healthy => "HEALTHY",
            Health::Unhealthy => "UNHEALTHY",
        },
        "sequenceNumber": report.sequence_number,
        "timestamp": report.device_time,
        "messageType": if report.complete { "COMPLETE" } else { "PARTIAL" },
        "components": [],
    })
}
