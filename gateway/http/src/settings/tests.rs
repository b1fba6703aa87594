use serde_json::{Value, json};
use shipslog_domain::job::IncreaseAfter;

use super::{AWS, DEPLOYMENT, Spelling, TEMPLATE, parse, render};
use crate::error::Error;
use crate::json::Field;

fn refused(body: &Value, spelling: &Spelling) -> String {
    match parse(&Field::root(body), spelling) {
        Err(Error::Invalid { field, .. }) => field,
        other => panic!("{other:?} should be a refusal"),
    }
}

#[test]
fn every_spelling_reads_back_as_it_was_sent() {
    let template = json!({
        "jobExecutionsRolloutConfig": {
            "maximumPerMinute": 500,
            "exponentialRate": {
                "baseRatePerMinute": 50,
                "incrementFactor": 1.5,
                "rateIncreaseCriteria": {"numberOfNotifiedThings": 100},
            },
        },
        "abortConfig": {"criteriaList": [{
            "failureType": "FAILED",
            "action": "CANCEL",
            "thresholdPercentage": 10.5,
            "minNumberOfExecutedThings": 20,
        }]},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 60},
        "jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "FAILED", "numberOfRetries": 3},
        ]},
    });
    let deployment = json!({
        "jobExecutionRolloutConfig": {
            "maximumPerMinute": 50,
            "exponentialRate": {
                "baseRatePerMinute": 5,
                "incrementFactor": 2,
                "rateIncreaseCriteria": {"numberOfSucceededTargets": 5},
            },
        },
        "abortConfig": {"criteriaList": [{
            "failureType": "ALL",
            "action": "CANCEL",
            "thresholdPercentage": 10,
            "minnumberOfExecutedThings": 5,
        }]},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 60},
        "jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "TIMED_OUT", "numberOfRetries": 4},
        ]},
    });
    for (body, spelling) in [(&template, TEMPLATE), (&deployment, DEPLOYMENT)] {
        let settings = parse(&Field::root(body), &spelling).unwrap();
        assert_eq!(&Value::Object(render(&settings, &spelling)), body);
    }
    // Either spelling is understood in either place.
    let settings = parse(&Field::root(&template), &DEPLOYMENT).unwrap();
    assert_eq!(settings.abort[0].threshold_hundredths, 1_050);
    assert!(settings.rollout.unwrap().exponential.is_some());
}

#[test]
fn of_both_criteria_the_notified_things_decide() {
    let body = json!({"jobExecutionsRolloutConfig": {"exponentialRate": {
        "baseRatePerMinute": 50,
        "incrementFactor": 1.5,
        "rateIncreaseCriteria": {"numberOfNotifiedThings": 100, "numberOfSucceededThings": 50},
    }}});
    for spelling in [AWS, TEMPLATE, DEPLOYMENT] {
        let settings = parse(&Field::root(&body), &spelling).unwrap();
        let rate = settings.rollout.unwrap().exponential.unwrap();
        assert_eq!(rate.increase_after, IncreaseAfter::Notified(100));
    }
}

#[test]
fn refusals_name_the_full_path() {
    let cases = [
        (json!([]), "body"),
        (json!({"abortConfig": 1}), "abortConfig"),
        (json!({"abortConfig": {}}), "abortConfig.criteriaList"),
        (
            json!({"abortConfig": {"criteriaList": [
                {"failureType": "FAILED", "action": "CANCEL", "thresholdPercentage": 10.005, "minNumberOfExecutedThings": 1},
            ]}}),
            "abortConfig.criteriaList[0].thresholdPercentage",
        ),
        (
            json!({"abortConfig": {"criteriaList": [{"action": "PAUSE"}]}}),
            "abortConfig.criteriaList[0].action",
        ),
        (
            json!({"abortConfig": {"criteriaList": [{"action": "CANCEL", "failureType": "LATE"}]}}),
            "abortConfig.criteriaList[0].failureType",
        ),
        (
            json!({"timeoutConfig": {"inProgressTimeoutInMinutes": "60"}}),
            "timeoutConfig.inProgressTimeoutInMinutes",
        ),
        (
            json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 4294967296_u64}}),
            "timeoutConfig.inProgressTimeoutInMinutes",
        ),
        (
            json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": -1}}),
            "jobExecutionsRolloutConfig.maximumPerMinute",
        ),
        (
            json!({"jobExecutionsRolloutConfig": {"exponentialRate": {}}}),
            "jobExecutionsRolloutConfig.exponentialRate.rateIncreaseCriteria",
        ),
        (
            json!({"jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 1.5}]}}),
            "jobExecutionsRetryConfig.criteriaList[0].numberOfRetries",
        ),
    ];
    for (body, field) in cases {
        assert_eq!(refused(&body, &AWS), field, "{body}");
    }
}
