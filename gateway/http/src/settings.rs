//! How a job runs, in the four spellings that clients use for the same settings.

use serde_json::{Map, Value, json};
use shipslog_domain::job::{
    AbortCriterion, ExponentialRate, FailureType, IncreaseAfter, RetryCriterion, Rollout, Settings,
};
use shipslog_domain::limits;

use crate::error::Error;
use crate::json::Field;

/// Names of the fields that differ. A request may use any of the known names; answers use the ones given here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spelling {
    rollout: &'static str,
    notified: &'static str,
    succeeded: &'static str,
    executed_min: &'static str,
    abort: &'static str,
    criteria: &'static str,
    timeout: &'static str,
}

/// AWS IoT: CreateJob.
pub(crate) const AWS: Spelling = Spelling {
    rollout: "jobExecutionsRolloutConfig",
    notified: "numberOfNotifiedThings",
    succeeded: "numberOfSucceededThings",
    executed_min: "minNumberOfExecutedThings",
    abort: "abortConfig",
    criteria: "criteriaList",
    timeout: "timeoutConfig",
};

/// AWS IoT: CreateOTAUpdate.
pub(crate) const OTA: Spelling = Spelling {
    rollout: "awsJobExecutionsRolloutConfig",
    abort: "awsJobAbortConfig",
    criteria: "abortCriteriaList",
    timeout: "awsJobTimeoutConfig",
    ..AWS
};

/// `jobConfig` of a CDF template. Retries are ours: CDF has none, and AWS IoT's own words for them cannot be mistaken.
pub(crate) const TEMPLATE: Spelling = AWS;

/// `iotJobConfig` of a CDF deployment task.
pub(crate) const DEPLOYMENT: Spelling = Spelling {
    rollout: "jobExecutionRolloutConfig",
    notified: "numberOfNotifiedTargets",
    succeeded: "numberOfSucceededTargets",
    executed_min: "minnumberOfExecutedThings",
    ..AWS
};

const FAILURES: [(&str, FailureType); 4] = [
    ("FAILED", FailureType::Failed),
    ("REJECTED", FailureType::Rejected),
    ("TIMED_OUT", FailureType::TimedOut),
    ("ALL", FailureType::All),
];

/// Reads settings. Types, words and exact numbers are our business. Ranges are the domain's: it is asked part by part,
/// so that a refusal names the full path. Only the service's own ceiling is left for the decision itself.
pub(crate) fn parse(field: &Field<'_, '_>, spelling: &Spelling) -> Result<Settings, Error> {
    let settings = parse_parts(field, spelling)?;
    check(field, &settings)?;
    Ok(settings)
}

/// Asks the domain about settings that were read from the members of `field`.
fn check(field: &Field<'_, '_>, settings: &Settings) -> Result<(), Error> {
    let checked = settings.check(u32::MAX);
    checked.map_err(|no| field.member(no.field).refuse(no.message))
}

/// The same without what holds between the parts.
pub(crate) fn parse_parts(field: &Field<'_, '_>, spelling: &Spelling) -> Result<Settings, Error> {
    field.object()?;
    let rollout = either(field, [spelling.rollout, AWS.rollout, DEPLOYMENT.rollout]);
    let abort = field.member(spelling.abort);
    let timeout = field.member(spelling.timeout);
    let retries = field.member("jobExecutionsRetryConfig");
    Ok(Settings {
        rollout: rollout
            .present()
            .map(|rollout| parse_rollout(rollout, spelling))
            .transpose()?,
        abort: match abort.present() {
            Some(abort) => parse_abort(abort, spelling)?,
            None => Vec::new(),
        },
        timeout_minutes: match timeout.present() {
            Some(timeout) => parse_timeout(timeout)?,
            None => None,
        },
        retries: match retries.present() {
            Some(retries) => parse_retries(retries)?,
            None => Vec::new(),
        },
    })
}

fn parse_timeout(field: &Field<'_, '_>) -> Result<Option<u32>, Error> {
    field.object()?;
    let settings = Settings {
        timeout_minutes: field
            .member("inProgressTimeoutInMinutes")
            .optional_number()?,
        ..Settings::default()
    };
    check(field, &settings)?;
    Ok(settings.timeout_minutes)
}

/// The first of these members that is present; else the first, absent.
fn either<'v, 'q>(field: &'q Field<'v, 'q>, names: [&'q str; 3]) -> Field<'v, 'q> {
    let present = names
        .into_iter()
        .find(|name| field.member(name).is_present());
    field.member(present.unwrap_or(names[0]))
}

fn parse_rollout(field: &Field<'_, '_>, spelling: &Spelling) -> Result<Rollout, Error> {
    field.object()?;
    let maximum_per_minute = field.member("maximumPerMinute").optional_number()?;
    check_rollout(field, maximum_per_minute, None)?;
    let exponential = field.member("exponentialRate");
    Ok(Rollout {
        maximum_per_minute,
        exponential: exponential
            .present()
            .map(|rate| parse_exponential(rate, spelling))
            .transpose()?,
    })
}

fn check_rollout(
    field: &Field<'_, '_>,
    maximum_per_minute: Option<u32>,
    exponential: Option<ExponentialRate>,
) -> Result<(), Error> {
    let rollout = Some(Rollout {
        maximum_per_minute,
        exponential,
    });
    let settings = Settings {
        rollout,
        ..Settings::default()
    };
    check(field, &settings)
}

fn parse_exponential(field: &Field<'_, '_>, spelling: &Spelling) -> Result<ExponentialRate, Error> {
    field.object()?;
    let criteria = field.member("rateIncreaseCriteria");
    criteria.object()?;
    let notified = either(
        &criteria,
        [spelling.notified, AWS.notified, DEPLOYMENT.notified],
    );
    let succeeded = either(
        &criteria,
        [spelling.succeeded, AWS.succeeded, DEPLOYMENT.succeeded],
    );
    let increase_after = match (notified.optional_number()?, succeeded.optional_number()?) {
        // CDF's examples and the OTA deployment tool name both.
        (Some(notified), _) => IncreaseAfter::Notified(notified),
        (None, Some(succeeded)) => IncreaseAfter::Succeeded(succeeded),
        (None, None) => {
            return Err(criteria.refuse(format!(
                "must name one of {} and {}",
                spelling.notified, spelling.succeeded
            )));
        }
    };
    let rate = ExponentialRate {
        base_per_minute: field.member("baseRatePerMinute").number()?,
        increment_factor_tenths: field.member("incrementFactor").decimal(1)?,
        increase_after,
    };
    check_rollout(field, None, Some(rate))?;
    Ok(rate)
}

fn parse_abort(field: &Field<'_, '_>, spelling: &Spelling) -> Result<Vec<AbortCriterion>, Error> {
    field.object()?;
    field
        .member(spelling.criteria)
        .non_empty_list(limits::CRITERIA_MAX, |criterion| {
            criterion.object()?;
            criterion.member("action").one_of(&[("CANCEL", ())])?;
            let executed = either(
                &criterion,
                [
                    spelling.executed_min,
                    AWS.executed_min,
                    DEPLOYMENT.executed_min,
                ],
            );
            let parsed = AbortCriterion {
                failure: criterion.member("failureType").one_of(&FAILURES)?,
                threshold_hundredths: criterion.member("thresholdPercentage").decimal(2)?,
                executed_things_min: executed.number()?,
            };
            let settings = Settings {
                abort: vec![parsed],
                ..Settings::default()
            };
            check(&criterion, &settings)?;
            Ok(parsed)
        })
}

fn parse_retries(field: &Field<'_, '_>) -> Result<Vec<RetryCriterion>, Error> {
    field.object()?;
    field
        .member("criteriaList")
        .non_empty_list(limits::CRITERIA_MAX, |criterion| {
            criterion.object()?;
            Ok(RetryCriterion {
                failure: criterion.member("failureType").one_of(&FAILURES)?,
                retries: criterion.member("numberOfRetries").number()?,
            })
        })
}

/// The settings as an object; what was not given is not there.
pub(crate) fn render(settings: &Settings, spelling: &Spelling) -> Map<String, Value> {
    let mut object = Map::new();
    if let Some(rollout) = &settings.rollout {
        object.insert(
            spelling.rollout.to_owned(),
            render_rollout(rollout, spelling),
        );
    }
    if !settings.abort.is_empty() {
        let criteria = settings.abort.iter().map(|criterion| {
            let mut object = Map::new();
            object.insert("failureType".to_owned(), criterion.failure.as_str().into());
            object.insert("action".to_owned(), "CANCEL".into());
            object.insert(
                "thresholdPercentage".to_owned(),
                decimal(criterion.threshold_hundredths, 100),
            );
            object.insert(
                spelling.executed_min.to_owned(),
                criterion.executed_things_min.into(),
            );
            Value::Object(object)
        });
        let criteria: Vec<Value> = criteria.collect();
        object.insert("abortConfig".to_owned(), json!({"criteriaList": criteria}));
    }
    if let Some(minutes) = settings.timeout_minutes {
        object.insert(
            "timeoutConfig".to_owned(),
            json!({"inProgressTimeoutInMinutes": minutes}),
        );
    }
    if !settings.retries.is_empty() {
        let criteria = settings.retries.iter().map(|criterion| {
            json!({
                "failureType": criterion.failure.as_str(),
                "numberOfRetries": criterion.retries,
            })
        });
        let criteria: Vec<Value> = criteria.collect();
        object.insert(
            "jobExecutionsRetryConfig".to_owned(),
            json!({"criteriaList": criteria}),
        );
    }
    object
}

fn render_rollout(rollout: &Rollout, spelling: &Spelling) -> Value {
    let mut object = Map::new();
    if let Some(maximum) = rollout.maximum_per_minute {
        object.insert("maximumPerMinute".to_owned(), maximum.into());
    }
    if let Some(rate) = &rollout.exponential {
        let (name, things) = match rate.increase_after {
            IncreaseAfter::Notified(things) => (spelling.notified, things),
            IncreaseAfter::Succeeded(things) => (spelling.succeeded, things),
        };
        object.insert(
            "exponentialRate".to_owned(),
            json!({
                "baseRatePerMinute": rate.base_per_minute,
                "incrementFactor": decimal(rate.increment_factor_tenths, 10),
                "rateIncreaseCriteria": {name: things},
            }),
        );
    }
    Value::Object(object)
}

/// A scaled whole number as a JSON number, whole where it can be.
fn decimal(scaled: u32, scale: u32) -> Value {
    if scaled.is_multiple_of(scale) {
        return (scaled / scale).into();
    }
    // Division rounds to the nearest float, which prints as the decimal number that was meant.
    (f64::from(scaled) / f64::from(scale)).into()
}

#[cfg(test)]
mod tests;
