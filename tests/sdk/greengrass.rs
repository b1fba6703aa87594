//! Greengrass by the SDK for Rust: components, a deployment for a group, its revisions, and a device that does it.

use std::collections::HashMap;

use aws_sdk_greengrassv2::error::SdkError;
use aws_sdk_greengrassv2::operation::RequestId as _;
use aws_sdk_greengrassv2::primitives::Blob;
use aws_sdk_greengrassv2::types::{ComponentCandidate, ComponentPlatform};
use aws_sdk_greengrassv2::types::{
    ComponentConfigurationUpdate, ComponentDeploymentSpecification,
    DeploymentFailureHandlingPolicy, DeploymentHistoryFilter, DeploymentPolicies, DeploymentStatus,
    VendorGuidance,
};
use shipslog_tests::fleet::TestFleet;

use crate::{credentials, endpoint, iot};

fn greengrass(fleet: &TestFleet) -> aws_sdk_greengrassv2::Client {
    let config = aws_sdk_greengrassv2::Config::builder()
        .region(aws_sdk_greengrassv2::config::Region::new("us-east-1"))
        .credentials_provider(credentials())
        .endpoint_url(endpoint(fleet))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_greengrassv2::Client::from_conf(config)
}

fn recipe(version: &str) -> Blob {
    Blob::new(format!(
        r#"{{"RecipeFormatVersion":"2020-01-25","ComponentName":"com.example.Pump","ComponentVersion":"{version}",
            "Manifests":[{{"Platform":{{"os":"linux"}},"Lifecycle":{{"run":"pump"}}}}]}}"#
    ))
}

fn wanted(version: &str, merge: &str) -> ComponentDeploymentSpecification {
    let update = ComponentConfigurationUpdate::builder()
        .merge(merge)
        .reset("/old");
    ComponentDeploymentSpecification::builder()
        .component_version(version)
        .configuration_update(update.build())
        .build()
        .unwrap()
}

async fn group(fleet: &TestFleet) -> String {
    let created = iot(fleet).create_thing_group().thing_group_name("pumps");
    created.send().await.unwrap().thing_group_arn.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_gets_one_revision_after_the_other() {
    let fleet = TestFleet::start();
    let (greengrass, target) = (greengrass(&fleet), group(&fleet).await);
    for version in ["1.0.0", "1.1.0"] {
        let created = greengrass
            .create_component_version()
            .inline_recipe(recipe(version));
        let created = created.send().await.unwrap();
        assert_eq!(created.component_version(), version);
    }
    let policies = DeploymentPolicies::builder()
        .failure_handling_policy(DeploymentFailureHandlingPolicy::DoNothing)
        .build();
    let deploy = |version: &'static str| {
        greengrass
            .create_deployment()
            .target_arn(&target)
            .deployment_name(format!("to {version}"))
            .components("com.example.Pump", wanted(version, r#"{"rate":1}"#))
            .deployment_policies(policies.clone())
            .tags("team", "pumps")
            .send()
    };
    let first = deploy("1.0.0").await.unwrap();
    assert!(first.request_id().is_some());
    let second = deploy("1.1.0").await.unwrap();
    let get = |id: Option<&str>| {
        greengrass
            .get_deployment()
            .deployment_id(id.unwrap())
            .send()
    };
    let found = get(second.deployment_id()).await.unwrap();
    assert_eq!(found.deployment_status(), Some(&DeploymentStatus::Active));
    assert_eq!(found.revision_id(), Some("2"));
    assert!(found.is_latest_for_target());
    let components = HashMap::from([(
        "com.example.Pump".to_owned(),
        wanted("1.1.0", r#"{"rate":1}"#),
    )]);
    assert_eq!(found.components(), Some(&components));
    let policy = found.deployment_policies().unwrap();
    let policy = policy.failure_handling_policy();
    assert_eq!(policy, Some(&DeploymentFailureHandlingPolicy::DoNothing));
    let found = get(first.deployment_id()).await.unwrap();
    assert_eq!(found.deployment_status(), Some(&DeploymentStatus::Inactive));
    let all = greengrass
        .list_deployments()
        .history_filter(DeploymentHistoryFilter::All)
        .into_paginator()
        .page_size(1)
        .items()
        .send();
    let all: Vec<_> = all.collect::<Result<_, _>>().await.unwrap();
    let names: Vec<_> = all.iter().filter_map(|one| one.deployment_name()).collect();
    assert_eq!(names, ["to 1.1.0", "to 1.0.0"]);
    let job = iot(&fleet)
        .describe_job()
        .job_id(second.iot_job_id().unwrap());
    let job = job.send().await.unwrap().job.unwrap();
    assert_eq!(job.namespace_id(), Some("aws-gg-deployment"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_the_errors_of_the_model() {
    let fleet = TestFleet::start();
    let (greengrass, target) = (greengrass(&fleet), group(&fleet).await);
    let deploy = || greengrass.create_deployment().target_arn(&target);
    let absent = deploy().components("com.example.None", wanted("1.0.0", "{}"));
    let absent = absent.send().await.map_err(SdkError::into_service_error);
    assert!(absent.unwrap_err().is_resource_not_found_exception());
    greengrass
        .create_component_version()
        .inline_recipe(recipe("1.0.0"))
        .send()
        .await
        .unwrap();
    let wrong = deploy().components("com.example.Pump", wanted("1.0.0", "[]"));
    let wrong = wrong
        .send()
        .await
        .map_err(SdkError::into_service_error)
        .unwrap_err();
    assert!(wrong.is_validation_exception(), "{wrong:?}");
    assert!(
        format!("{wrong:?}").contains("com.example.Pump"),
        "{wrong:?}"
    );
    let made = deploy().client_token("once").send().await.unwrap();
    let again = deploy().client_token("once").send().await.unwrap();
    assert_eq!(made.deployment_id(), again.deployment_id());
    let other = deploy()
        .client_token("once")
        .deployment_name("other")
        .send()
        .await;
    let other = other.map_err(SdkError::into_service_error).unwrap_err();
    assert!(other.is_conflict_exception(), "{other:?}");
    let id = made.deployment_id().unwrap();
    let delete = || greengrass.delete_deployment().deployment_id(id).send();
    let active = delete().await.map_err(SdkError::into_service_error);
    assert!(active.unwrap_err().is_conflict_exception());
    greengrass
        .cancel_deployment()
        .deployment_id(id)
        .send()
        .await
        .unwrap();
    delete().await.unwrap();
    let gone = greengrass.get_deployment().deployment_id(id).send().await;
    let gone = gone.map_err(SdkError::into_service_error);
    assert!(gone.unwrap_err().is_resource_not_found_exception());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_is_given_the_version_that_fits() {
    let fleet = TestFleet::start();
    let greengrass = greengrass(&fleet);
    for version in ["1.0.0", "1.2.0", "2.0.0"] {
        let created = greengrass
            .create_component_version()
            .inline_recipe(recipe(version));
        created.send().await.unwrap();
    }
    let candidate = ComponentCandidate::builder()
        .component_name("com.example.Pump")
        .version_requirements("root", "^1.0.0")
        .build();
    let platform = ComponentPlatform::builder()
        .attributes("os", "linux")
        .build();
    let resolved = greengrass
        .resolve_component_candidates()
        .platform(platform)
        .component_candidates(candidate)
        .send()
        .await
        .unwrap();
    let [resolved] = resolved.resolved_component_versions() else {
        panic!("{resolved:?}");
    };
    assert_eq!(resolved.component_version(), Some("1.2.0"));
    assert_ne!(resolved.vendor_guidance(), Some(&VendorGuidance::Deleted));
    assert!(resolved.recipe().is_some());
}
