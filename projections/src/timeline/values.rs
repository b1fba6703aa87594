//! Values of the domain as generic values.

use shipslog_domain::Timestamp;
use shipslog_domain::core_task::{CdfParameters, Item, Outcome};
use shipslog_domain::job::{
    AbortCriterion, Change, EndBehavior, ExponentialRate, Extras, IncreaseAfter, PresignedUrls,
    RetryCriterion, Rollout, Schedule, Settings, Window,
};
use shipslog_domain::template::{
    Component, ComponentUpdate, ComponentUpdateAction, ConfigurationValidation, Content,
    DeploymentPolicies, FailureHandling,
};

use super::{Fields, Names, Value};

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&Box<str>> for Value {
    fn from(text: &Box<str>) -> Self {
        Self::Text(text.to_string())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u8> for Value {
    fn from(number: u8) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

pub(super) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.into_iter();
    Value::Map(
        entries
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

pub(super) fn list<T>(items: impl IntoIterator<Item = T>, render: impl FnMut(T) -> Value) -> Value {
    Value::List(items.into_iter().map(render).collect())
}

/// Attributes of a thing, details of an execution.
pub(super) fn pairs(pairs: &[(Box<str>, Box<str>)]) -> Value {
    let pairs = pairs.iter();
    Value::Map(
        pairs
            .map(|(name, value)| (name.to_string(), value.into()))
            .collect(),
    )
}

pub(super) fn presigned(urls: &PresignedUrls) -> Value {
    map([
        ("roleArn", urls.role_arn.as_ref().into()),
        ("expiresInSec", urls.expires_in_seconds.into()),
    ])
}

pub(super) fn window(window: &Window) -> Value {
    map([
        ("startTime", window.start.as_str().into()),
        ("durationInMinutes", window.duration_minutes.into()),
    ])
}

fn schedule(schedule: &Schedule) -> Value {
    let time = |at: Timestamp| at.to_string();
    let behavior = schedule.end_behavior.map(EndBehavior::as_str);
    map([
        ("startTime", schedule.start_at.map(time).into()),
        ("endTime", schedule.end_at.map(time).into()),
        ("endBehavior", behavior.into()),
        ("maintenanceWindows", list(&schedule.windows, window)),
    ])
}

pub(super) fn extras(extras: &Extras) -> Value {
    map([
        ("documentSource", extras.document_source.as_ref().into()),
        ("jobTemplateArn", extras.template_arn.as_ref().into()),
        ("documentParameters", pairs(&extras.parameters)),
        (
            "documentBeforeSubstitution",
            extras.unsubstituted.as_ref().into(),
        ),
        (
            "presignedUrlConfig",
            extras.presigned_urls.as_ref().map(presigned).into(),
        ),
        (
            "schedulingConfig",
            extras.schedule.as_ref().map(schedule).into(),
        ),
        (
            "destinationPackageVersions",
            list(&extras.package_versions, Into::into),
        ),
        ("tags", pairs(&extras.tags)),
    ])
}

pub(super) fn change(change: &Change) -> Fields {
    let settings = Settings {
        rollout: change.rollout,
        abort: change.abort.clone().unwrap_or_default(),
        timeout_minutes: change.timeout_minutes,
        retries: Vec::new(),
    };
    vec![
        ("description", change.description.as_ref().into()),
        ("settings", self::settings(&settings)),
        ("endsRetries", change.ends_retries.into()),
        (
            "presignedUrlConfig",
            change.presigned_urls.as_ref().map(presigned).into(),
        ),
    ]
}

pub(super) const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "Success",
        Outcome::Failure => "Failure",
    }
}

pub(super) fn content(content: &Content) -> Value {
    map([
        ("components", list(&content.components, component)),
        (
            "jobConfig",
            content.job_settings.as_ref().map(settings).into(),
        ),
        (
            "deploymentPolicies",
            content.policies.as_ref().map(policies).into(),
        ),
    ])
}

fn component(component: &Component) -> Value {
    let reset = component.reset.as_ref();
    map([
        ("key", (&component.key).into()),
        ("version", (&component.version).into()),
        ("merge", component.merge.as_ref().into()),
        ("reset", reset.map(|reset| list(reset, Into::into)).into()),
        ("runWith", component.run_with.as_ref().into()),
    ])
}

fn policies(policies: &DeploymentPolicies) -> Value {
    let failure = policies.failure_handling.map(|policy| match policy {
        FailureHandling::Rollback => "ROLLBACK",
        FailureHandling::DoNothing => "DO_NOTHING",
    });
    let update = |update: &ComponentUpdate| {
        let action = update.action.map(|action| match action {
            ComponentUpdateAction::NotifyComponents => "NOTIFY_COMPONENTS",
            ComponentUpdateAction::SkipNotifyComponents => "SKIP_NOTIFY_COMPONENTS",
        });
        map([
            ("timeoutInSeconds", update.timeout_seconds.into()),
            ("action", action.into()),
        ])
    };
    let validation = |validation: &ConfigurationValidation| {
        map([("timeoutInSeconds", validation.timeout_seconds.into())])
    };
    map([
        ("failureHandlingPolicy", failure.into()),
        (
            "componentUpdatePolicy",
            policies.component_update.as_ref().map(update).into(),
        ),
        (
            "configurationValidationPolicy",
            policies
                .configuration_validation
                .as_ref()
                .map(validation)
                .into(),
        ),
    ])
}

pub(super) fn settings(settings: &Settings) -> Value {
    map([
        ("rollout", settings.rollout.map(rollout).into()),
        ("abort", list(&settings.abort, abort)),
        ("timeoutMinutes", settings.timeout_minutes.into()),
        ("retries", list(&settings.retries, retry)),
    ])
}

fn rollout(rollout: Rollout) -> Value {
    map([
        ("maximumPerMinute", rollout.maximum_per_minute.into()),
        (
            "exponentialRate",
            rollout.exponential.map(exponential).into(),
        ),
    ])
}

fn exponential(rate: ExponentialRate) -> Value {
    let (criterion, things) = match rate.increase_after {
        IncreaseAfter::Notified(things) => ("numberOfNotifiedThings", things),
        IncreaseAfter::Succeeded(things) => ("numberOfSucceededThings", things),
    };
    map([
        ("baseRatePerMinute", rate.base_per_minute.into()),
        ("incrementFactorTenths", rate.increment_factor_tenths.into()),
        ("rateIncreaseCriteria", map([(criterion, things.into())])),
    ])
}

fn abort(criterion: &AbortCriterion) -> Value {
    map([
        ("failureType", criterion.failure.as_str().into()),
        ("thresholdHundredths", criterion.threshold_hundredths.into()),
        (
            "minNumberOfExecutedThings",
            criterion.executed_things_min.into(),
        ),
    ])
}

fn retry(criterion: &RetryCriterion) -> Value {
    map([
        ("failureType", criterion.failure.as_str().into()),
        ("numberOfRetries", criterion.retries.into()),
    ])
}

/// One core of a core task.
pub(super) fn item(item: &Item, names: Names<'_>) -> Value {
    map([
        ("core", names.thing(item.core).into()),
        (
            "provisioningTemplate",
            item.provisioning_template.as_str().into(),
        ),
        ("parameters", pairs(&item.parameters)),
        (
            "cdfParameters",
            item.cdf_parameters.as_ref().map(cdf_parameters).into(),
        ),
        ("configFileGenerator", item.generator.as_ref().into()),
    ])
}

fn cdf_parameters(parameters: &CdfParameters) -> Value {
    map([
        ("caId", parameters.ca_id.as_ref().into()),
        (
            "certInfo",
            parameters.cert_info.as_deref().map(pairs).into(),
        ),
        ("certificatePem", parameters.certificate_pem.as_ref().into()),
        (
            "certificateStatus",
            parameters.certificate_status.as_ref().into(),
        ),
    ])
}
