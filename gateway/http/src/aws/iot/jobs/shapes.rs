//! Shapes that jobs and job templates share: presigned URLs, schedules, tags, and changes.

use serde_json::{Map, Value, json};
use shipslog_domain::job::schedule::{Cron, parse_time};
use shipslog_domain::job::{Change, EndBehavior, Pairs, PresignedUrls, Schedule, Window};
use shipslog_domain::{Rejection, Timestamp, limits};

use crate::aws::wire::members;
use crate::error::Error;
use crate::json::Field;
use crate::settings;

const BEHAVIORS: [(&str, EndBehavior); 3] = [
    ("STOP_ROLLOUT", EndBehavior::StopRollout),
    ("CANCEL", EndBehavior::Cancel),
    ("FORCE_CANCEL", EndBehavior::ForceCancel),
];

/// `presignedUrlConfig`, if present.
pub(crate) fn presigned_urls(body: &Field<'_, '_>) -> Result<Option<PresignedUrls>, Error> {
    let field = body.member("presignedUrlConfig");
    if !field.is_present() {
        return Ok(None);
    }
    field.object()?;
    let role_arn = field.member("roleArn").optional_string()?;
    Ok(Some(PresignedUrls {
        role_arn: role_arn.map(Into::into),
        expires_in_seconds: field.member("expiresInSec").optional_number()?,
    }))
}

pub(crate) fn render_presigned_urls(urls: &PresignedUrls) -> Value {
    // AWS IoT: an hour where nothing else was said.
    let seconds = urls.expires_in_seconds.unwrap_or(3_600);
    Value::Object(members([
        ("roleArn", urls.role_arn.as_deref().map(Value::from)),
        ("expiresInSec", Some(seconds.into())),
    ]))
}

/// `schedulingConfig`, if present.
pub(crate) fn schedule(body: &Field<'_, '_>) -> Result<Option<Schedule>, Error> {
    let field = body.member("schedulingConfig");
    if !field.is_present() {
        return Ok(None);
    }
    field.object()?;
    let behavior = field.member("endBehavior");
    Ok(Some(Schedule {
        start_at: time(&field.member("startTime"))?,
        end_at: time(&field.member("endTime"))?,
        end_behavior: match behavior.present() {
            Some(behavior) => Some(behavior.one_of(&BEHAVIORS)?),
            None => None,
        },
        windows: windows(&field.member("maintenanceWindows"))?,
    }))
}

fn time(field: &Field<'_, '_>) -> Result<Option<Timestamp>, Error> {
    let parse = |text: &str| {
        parse_time(text).ok_or_else(|| {
            Rejection::malformed(
                "time",
                "must be a time in UTC such as 2026-01-31 04:30, or ISO 8601 with an offset",
            )
        })
    };
    field.present().map(|field| field.parsed(parse)).transpose()
}

/// A list of maintenance windows; none if it is absent.
pub(crate) fn windows(field: &Field<'_, '_>) -> Result<Vec<Window>, Error> {
    if !field.is_present() {
        return Ok(Vec::new());
    }
    field.list(limits::MAINTENANCE_WINDOWS_MAX, |window| {
        window.object()?;
        Ok(Window {
            start: window.member("startTime").parsed(Cron::parse)?,
            duration_minutes: window.member("durationInMinutes").number()?,
        })
    })
}

pub(crate) fn render_windows(windows: &[Window]) -> Option<Value> {
    let render = |window: &Window| {
        json!({
            "startTime": window.start.as_str(),
            "durationInMinutes": window.duration_minutes,
        })
    };
    (!windows.is_empty()).then(|| windows.iter().map(render).collect())
}

pub(crate) fn render_schedule(schedule: &Schedule) -> Value {
    Value::Object(members([
        ("startTime", schedule.start_at.map(minute)),
        ("endTime", schedule.end_at.map(minute)),
        (
            "endBehavior",
            schedule.end_at.map(|_| {
                let behavior = schedule.end_behavior.unwrap_or_default();
                behavior.as_str().into()
            }),
        ),
        ("maintenanceWindows", render_windows(&schedule.windows)),
    ]))
}

/// `2026-01-31 04:30`, as AWS writes the times of a schedule.
pub(crate) fn minute(at: Timestamp) -> Value {
    let text = at.to_string();
    let (date, time) = text.split_at(10);
    format!("{date} {}", &time[1..6]).into()
}

/// `tags`: pairs of `Key` and `Value`.
pub(crate) fn tags(body: &Field<'_, '_>) -> Result<Pairs, Error> {
    let field = body.member("tags");
    if !field.is_present() {
        return Ok(Vec::new());
    }
    field.list(limits::TAGS_MAX, |tag| {
        tag.object()?;
        let value = tag.member("Value").optional_string()?.unwrap_or_default();
        Ok((tag.member("Key").text()?.into(), value.into()))
    })
}

/// `destinationPackageVersions`: ARNs.
pub(crate) fn package_versions(body: &Field<'_, '_>) -> Result<Vec<Box<str>>, Error> {
    let field = body.member("destinationPackageVersions");
    if !field.is_present() {
        return Ok(Vec::new());
    }
    field.list(limits::PACKAGE_VERSIONS_MAX, |arn| Ok(arn.text()?.into()))
}

pub(crate) fn render_package_versions(arns: &[Box<str>]) -> Option<Value> {
    let arns: Vec<&str> = arns.iter().map(AsRef::as_ref).collect();
    (!arns.is_empty()).then(|| arns.into())
}

/// What `UpdateJob` changes.
pub(crate) fn change(body: &Field<'_, '_>) -> Result<Change, Error> {
    let settings = settings::parse_parts(body, &settings::AWS)?;
    let has = |name| body.member(name).is_present();
    let retries = body.member("jobExecutionsRetryConfig");
    if settings.retries.iter().any(|one| one.retries != 0) {
        return Err(
            retries.refuse("can only be ended for a job that exists: numberOfRetries must be 0")
        );
    }
    let description = body.member("description").optional_string()?;
    Ok(Change {
        description: description.map(Into::into),
        rollout: settings.rollout,
        abort: has("abortConfig").then_some(settings.abort),
        timeout_minutes: settings.timeout_minutes,
        ends_retries: has("jobExecutionsRetryConfig"),
        presigned_urls: presigned_urls(body)?,
    })
}

/// Pairs as an object.
pub(crate) fn render_pairs(pairs: &Pairs) -> Option<Value> {
    let object: Map<String, Value> = pairs
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_ref().into()))
        .collect();
    (!object.is_empty()).then(|| Value::Object(object))
}
