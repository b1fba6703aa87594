//! The AWS SDK for Rust, unmodified, against the real binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod greengrass;

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_iot::types::{
    AbortAction, AbortConfig, AbortCriteria, ExponentialRolloutRate, JobExecutionFailureType,
    JobExecutionStatus, JobExecutionsRolloutConfig, JobStatus, RateIncreaseCriteria,
    TargetSelection, TimeoutConfig,
};
use aws_sdk_iotjobsdataplane::types::JobExecutionStatus as DeviceStatus;
use shipslog_tests::fleet::TestFleet;

/// How long anything may take that the service does by itself.
const BOUND: Duration = Duration::from_secs(20);

fn iot(fleet: &TestFleet) -> aws_sdk_iot::Client {
    let config = aws_sdk_iot::Config::builder()
        .region(aws_sdk_iot::config::Region::new("us-east-1"))
        .credentials_provider(credentials())
        .endpoint_url(endpoint(fleet))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_iot::Client::from_conf(config)
}

fn device(fleet: &TestFleet) -> aws_sdk_iotjobsdataplane::Client {
    let config = aws_sdk_iotjobsdataplane::Config::builder()
        .region(aws_sdk_iotjobsdataplane::config::Region::new("us-east-1"))
        .credentials_provider(credentials())
        .endpoint_url(endpoint(fleet))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_iotjobsdataplane::Client::from_conf(config)
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "test")
}

fn endpoint(fleet: &TestFleet) -> String {
    format!("http://{}", fleet.address("http"))
}

/// Asks for the job until its status is as expected.
async fn until(iot: &aws_sdk_iot::Client, job: &str, status: JobStatus) -> aws_sdk_iot::types::Job {
    let begun = Instant::now();
    loop {
        let found = iot.describe_job().job_id(job).send().await.unwrap();
        let found = found.job.unwrap();
        if found.status() == Some(&status) {
            return found;
        }
        assert!(begun.elapsed() < BOUND, "{job} is {:?}", found.status());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn rollout() -> JobExecutionsRolloutConfig {
    let criteria = RateIncreaseCriteria::builder().number_of_notified_things(10);
    let rate = ExponentialRolloutRate::builder()
        .base_rate_per_minute(50)
        .increment_factor(1.5)
        .rate_increase_criteria(criteria.build());
    JobExecutionsRolloutConfig::builder()
        .maximum_per_minute(500)
        .exponential_rate(rate.build().unwrap())
        .build()
}

fn abort() -> AbortConfig {
    let criteria = AbortCriteria::builder()
        .failure_type(JobExecutionFailureType::Failed)
        .action(AbortAction::Cancel)
        .threshold_percentage(50.0)
        .min_number_of_executed_things(2);
    let config = AbortConfig::builder().criteria_list(criteria.build().unwrap());
    config.build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_fails_on_enough_devices_and_aborts_itself() {
    let fleet = TestFleet::start();
    let (iot, device) = (iot(&fleet), device(&fleet));
    let mut targets = Vec::new();
    for number in 0..4 {
        let thing = iot.create_thing().thing_name(format!("pump-{number}"));
        targets.push(thing.send().await.unwrap().thing_arn.unwrap());
    }
    let created = iot
        .create_job()
        .job_id("flaky")
        .set_targets(Some(targets))
        .document(r#"{"operation":"upgrade"}"#)
        .target_selection(TargetSelection::Snapshot)
        .job_executions_rollout_config(rollout())
        .abort_config(abort())
        .timeout_config(
            TimeoutConfig::builder()
                .in_progress_timeout_in_minutes(30)
                .build(),
        )
        .send()
        .await
        .unwrap();
    assert!(created.job_arn().unwrap().ends_with(":job/flaky"));

    let described = until(&iot, "flaky", JobStatus::InProgress).await;
    assert_eq!(described.job_executions_rollout_config(), Some(&rollout()));
    assert_eq!(described.abort_config(), Some(&abort()));
    for number in 0..2 {
        let name = format!("pump-{number}");
        let begun = device.start_next_pending_job_execution().thing_name(&name);
        let execution = begun.send().await.unwrap().execution.unwrap();
        assert_eq!(execution.status(), Some(&DeviceStatus::InProgress));
        assert_eq!(execution.job_document(), Some(r#"{"operation":"upgrade"}"#));
        let report = device
            .update_job_execution()
            .thing_name(&name)
            .job_id("flaky");
        let report = report
            .status(DeviceStatus::Failed)
            .status_details("reason", "no space");
        report.send().await.unwrap();
    }
    let aborted = until(&iot, "flaky", JobStatus::Canceled).await;
    let details = aborted.job_process_details().unwrap();
    assert_eq!(details.number_of_failed_things(), Some(2));
    assert_eq!(details.number_of_canceled_things(), Some(2));
    let failed = iot
        .list_job_executions_for_job()
        .job_id("flaky")
        .status(JobExecutionStatus::Failed)
        .into_paginator()
        .page_size(1)
        .items()
        .send();
    let failed: Vec<_> = failed.collect::<Result<_, _>>().await.unwrap();
    assert_eq!(failed.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_the_errors_of_the_model() {
    let fleet = TestFleet::start();
    let (iot, device) = (iot(&fleet), device(&fleet));
    let absent = iot
        .describe_job()
        .job_id("absent")
        .send()
        .await
        .unwrap_err();
    assert!(
        absent
            .into_service_error()
            .is_resource_not_found_exception()
    );

    let thing = iot.create_thing().thing_name("pump").send().await.unwrap();
    let create = |document: &'static str| {
        let job = iot.create_job().job_id("job").document(document);
        job.targets(thing.thing_arn().unwrap()).send()
    };
    let invalid = create("{").await.unwrap_err().into_service_error();
    assert!(invalid.is_invalid_request_exception(), "{invalid}");
    create("{}").await.unwrap();
    let twice = create("{}").await.unwrap_err().into_service_error();
    assert!(twice.is_resource_already_exists_exception(), "{twice}");

    let update = device
        .update_job_execution()
        .thing_name("pump")
        .job_id("job");
    let update = update
        .status(DeviceStatus::Succeeded)
        .expected_version(7)
        .send();
    let update = update.await.unwrap_err().into_service_error();
    assert!(update.is_invalid_state_transition_exception(), "{update}");
}
