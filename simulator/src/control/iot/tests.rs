use shipslog_domain::job::{AbortCriterion, ExponentialRate, RetryCriterion, Rollout};

use super::*;

#[test]
fn settings_are_spelled_as_aws_does() {
    assert_eq!(settings(&Settings::default()), json!({}));
    let all = Settings {
        rollout: Some(Rollout {
            maximum_per_minute: Some(500),
            exponential: Some(ExponentialRate {
                base_per_minute: 10,
                increment_factor_tenths: 15,
                increase_after: IncreaseAfter::Succeeded(20),
            }),
        }),
        abort: vec![AbortCriterion {
            failure: FailureType::All,
            threshold_hundredths: 1_250,
            executed_things_min: 30,
        }],
        timeout_minutes: Some(5),
        retries: vec![RetryCriterion {
            failure: FailureType::TimedOut,
            retries: 2,
        }],
    };
    assert_eq!(
        settings(&all),
        json!({
            "jobExecutionsRolloutConfig": {
                "maximumPerMinute": 500,
                "exponentialRate": {
                    "baseRatePerMinute": 10,
                    "incrementFactor": 1.5,
                    "rateIncreaseCriteria": {"numberOfSucceededThings": 20},
                },
            },
            "abortConfig": {"criteriaList": [{
                "failureType": "ALL",
                "action": "CANCEL",
                "thresholdPercentage": 12.5,
                "minNumberOfExecutedThings": 30,
            }]},
            "timeoutConfig": {"inProgressTimeoutInMinutes": 5},
            "jobExecutionsRetryConfig": {
                "criteriaList": [{"failureType": "TIMED_OUT", "numberOfRetries": 2}],
            },
        })
    );
}
