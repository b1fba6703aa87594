//! What operators do through the AWS IoT API: groups and plain jobs. And the service's virtual clock.

use serde::Deserialize;
use serde_json::{Value, json};
use shipslog_domain::execution::Status;
use shipslog_domain::job::{FailureType, IncreaseAfter, Settings, TargetSelection};
use ureq::http::Method;

use super::{Api, Failure, Operator, parse};

/// Executions on one page.
const PAGE: u32 = 250;

/// A plain job to be created.
#[derive(Clone, Debug)]
pub struct JobOrder<'a> {
    /// Its id.
    pub id: &'a str,
    /// ARNs of things and groups.
    pub targets: &'a [String],
    /// What devices get to read.
    pub document: &'a str,
    /// Whether those who join a target later belong to it.
    pub selection: TargetSelection,
    /// How it runs.
    pub settings: &'a Settings,
}

/// How an execution stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionSummary {
    /// Its thing.
    pub thing: String,
    /// Its number: of the last run on this thing.
    pub number: u64,
    /// Its status.
    pub status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    execution_summaries: Vec<Item>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    thing_arn: String,
    job_execution_summary: Summary,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    status: String,
    execution_number: u64,
}

/// Settings as AWS spells them; CDF takes the same words.
#[must_use]
pub(crate) fn settings(settings: &Settings) -> Value {
    let mut body = json!({});
    if let Some(rollout) = &settings.rollout {
        let mut config = json!({});
        if let Some(maximum) = rollout.maximum_per_minute {
            config["maximumPerMinute"] = maximum.into();
        }
        if let Some(rate) = &rollout.exponential {
            let criteria = match rate.increase_after {
                IncreaseAfter::Notified(count) => json!({"numberOfNotifiedThings": count}),
                IncreaseAfter::Succeeded(count) => json!({"numberOfSucceededThings": count}),
            };
            config["exponentialRate"] = json!({
                "baseRatePerMinute": rate.base_per_minute,
                "incrementFactor": f64::from(rate.increment_factor_tenths) / 10.0,
                "rateIncreaseCriteria": criteria,
            });
        }
        body["jobExecutionsRolloutConfig"] = config;
    }
    if !settings.abort.is_empty() {
        let criteria = settings.abort.iter().map(|one| {
            json!({
                "failureType": failure_word(one.failure),
                "action": "CANCEL",
                "thresholdPercentage": f64::from(one.threshold_hundredths) / 100.0,
                "minNumberOfExecutedThings": one.executed_things_min,
            })
        });
        body["abortConfig"] = json!({"criteriaList": criteria.collect::<Vec<_>>()});
    }
    if let Some(minutes) = settings.timeout_minutes {
        body["timeoutConfig"] = json!({"inProgressTimeoutInMinutes": minutes});
    }
    if !settings.retries.is_empty() {
        let criteria = settings.retries.iter().map(
            |one| json!({"failureType": failure_word(one.failure), "numberOfRetries": one.retries}),
        );
        body["jobExecutionsRetryConfig"] = json!({"criteriaList": criteria.collect::<Vec<_>>()});
    }
    body
}

const fn failure_word(failure: FailureType) -> &'static str {
    match failure {
        FailureType::Failed => "FAILED",
        FailureType::Rejected => "REJECTED",
        FailureType::TimedOut => "TIMED_OUT",
        FailureType::All => "ALL",
    }
}

impl Operator {
    /// Creates a thing, or takes the one that is there.
    pub fn create_thing(&self, name: &str) -> Result<(), Failure> {
        self.iot(Method::POST, &format!("/things/{name}"), Some(&json!({})))
            .map(drop)
    }

    /// Creates a thing group, or takes the one that is there; gives its ARN.
    pub fn create_thing_group(&self, name: &str) -> Result<String, Failure> {
        let path = format!("/thing-groups/{name}");
        let made = match self.iot(Method::POST, &path, Some(&json!({}))) {
            Err(Failure::Status { status: 409, .. }) => self.iot(Method::GET, &path, None),
            made => made,
        }?;
        let arn = made["thingGroupArn"].as_str();
        arn.map(Into::into).ok_or_else(|| Failure::Form {
            method: Method::POST,
            path,
            what: "no thingGroupArn".into(),
        })
    }

    /// Makes a thing a member of a group.
    pub fn add_to_group(&self, group: &str, thing: &str) -> Result<(), Failure> {
        let body = json!({"thingGroupName": group, "thingName": thing});
        self.iot(
            Method::PUT,
            "/thing-groups/addThingToThingGroup",
            Some(&body),
        )
        .map(drop)
    }

    /// Ends a membership.
    pub fn remove_from_group(&self, group: &str, thing: &str) -> Result<(), Failure> {
        let body = json!({"thingGroupName": group, "thingName": thing});
        let path = "/thing-groups/removeThingFromThingGroup";
        self.iot(Method::PUT, path, Some(&body)).map(drop)
    }

    /// Creates a plain job.
    pub fn create_job(&self, order: &JobOrder<'_>) -> Result<(), Failure> {
        let mut body = settings(order.settings);
        body["targets"] = json!(order.targets);
        body["document"] = order.document.into();
        body["targetSelection"] = match order.selection {
            TargetSelection::Snapshot => "SNAPSHOT".into(),
            TargetSelection::Continuous => "CONTINUOUS".into(),
        };
        self.iot(Method::PUT, &format!("/jobs/{}", order.id), Some(&body))
            .map(drop)
    }

    /// Cancels a job; with `force`, devices at work are overruled.
    pub fn cancel_job(&self, id: &str, force: bool) -> Result<(), Failure> {
        let path = format!("/jobs/{id}/cancel?force={force}");
        self.iot(Method::PUT, &path, Some(&json!({}))).map(drop)
    }

    /// Deletes a job; with `force`, even one that is at work.
    pub fn delete_job(&self, id: &str, force: bool) -> Result<(), Failure> {
        let path = format!("/jobs/{id}?force={force}");
        self.iot(Method::DELETE, &path, None).map(drop)
    }

    /// The last execution of a job on each of its things.
    pub fn job_executions(&self, id: &str) -> Result<Vec<ExecutionSummary>, Failure> {
        let mut all = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let from = token.map_or(String::new(), |token| {
                format!("&nextToken={}", in_query(&token))
            });
            let path = format!("/jobs/{id}/things?maxResults={PAGE}{from}");
            let (_, text) = self.send(Method::GET, &path, Api::Iot, None)?;
            let page: Page = parse(&Method::GET, &path, &text)?;
            all.extend(page.execution_summaries.into_iter().filter_map(|item| {
                let thing = item.thing_arn.rsplit('/').next()?.to_owned();
                let word = item.job_execution_summary.status;
                let mut known = Status::ALL.into_iter();
                Some(ExecutionSummary {
                    thing,
                    number: item.job_execution_summary.execution_number,
                    status: known.find(|status| status.as_str() == word)?,
                })
            }));
            token = page.next_token;
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    /// Moves the service's virtual clock; gives its time in milliseconds since 1970.
    pub fn advance_clock(&self, milliseconds: u64) -> Result<u64, Failure> {
        let path = "/admin/clock";
        let body = json!({"advanceMs": milliseconds});
        let (_, text) = self.send(Method::POST, path, Api::Own, Some(&body))?;
        let answer: Value = parse(&Method::POST, path, &text)?;
        answer["nowMs"].as_u64().ok_or_else(|| Failure::Form {
            method: Method::POST,
            path: path.into(),
            what: format!("no nowMs: {answer}"),
        })
    }

    fn iot(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let (_, text) = self.send(method.clone(), path, Api::Iot, body)?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        parse(&method, path, &text)
    }
}

/// A page token as it stands in a query: it is Base64, whose plus sign would mean a space.
fn in_query(token: &str) -> String {
    let token = token.replace('+', "%2B");
    token.replace('/', "%2F").replace('=', "%3D")
}

#[cfg(test)]
mod tests;
