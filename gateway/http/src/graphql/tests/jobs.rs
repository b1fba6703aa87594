use std::collections::BTreeSet;

use serde_json::json;
use shipslog_domain::command::{JobRequest, ReportedStatus, TargetName};
use shipslog_domain::job::{Settings, TargetSelection};
use shipslog_domain::{Command, JobName};

use super::world::{World, group, names};

pub(super) async fn create_job(world: &World, name: &str, target: &str) {
    world
        .submit(Command::CreateJob {
            request: Box::new(JobRequest {
                name: JobName::parse(name).unwrap(),
                namespace: None,
                document: "{\"operation\":\"update\"}".into(),
                description: Some("the pumps".into()),
                targets: vec![TargetName::Group(group(target))],
                target_selection: TargetSelection::Snapshot,
                settings: Settings::default(),
                extras: shipslog_domain::job::Extras::default(),
            }),
        })
        .await;
    world.advance(0).await;
}

/// Job `ota` on ten pumps: five succeeded, two failed, one refused, one at work, one queued.
pub(super) async fn rollout() -> World {
    let world = World::new();
    world.create_things("pump", 10).await;
    let pumps: Vec<String> = (0..10).map(|number| format!("pump-{number:04}")).collect();
    let members: Vec<&str> = pumps.iter().map(String::as_str).collect();
    world.create_group("pumps", None, &members).await;
    create_job(&world, "ota", "pumps").await;
    for pump in &pumps[..9] {
        world
            .report(pump, "ota", ReportedStatus::InProgress, &[])
            .await;
    }
    for (pump, millis) in pumps[..5].iter().zip(["100", "200", "300", "400", "500"]) {
        let details = [("downloadTime", millis)];
        world
            .report(pump, "ota", ReportedStatus::Succeeded, &details)
            .await;
    }
    for pump in &pumps[5..7] {
        let details = [("reason", "no space left")];
        world
            .report(pump, "ota", ReportedStatus::Failed, &details)
            .await;
    }
    world
        .report(&pumps[7], "ota", ReportedStatus::Rejected, &[])
        .await;
    world
}

#[tokio::test]
async fn a_job_says_how_far_it_is_and_how_well_it_goes() {
    let world = rollout().await;
    let answer = world
        .ask(
            "{ job(id: \"ota\") { id namespace description document status targetSelection
                 targets { kind name }
                 progress { targets notQueued queued inProgress succeeded failed timedOut rejected removed canceled }
                 statistics { successRatePercent failureReasons { reason count } otherFailures retries
                   downloadTime { samples p50Ms p90Ms p99Ms maxMs }
                   series { minutesPerPoint points { at queued finished } } }
                 failed: executions(status: FAILED) { totalCount nodes { thingName status statusDetails { key value } } }
                 executions(first: 2) { totalCount nodes { thing { name } job { id } } pageInfo { hasNextPage } } } }",
        )
        .await;
    let job = &answer["job"];
    assert_eq!(job["status"], "IN_PROGRESS");
    assert_eq!(job["document"], "{\"operation\":\"update\"}");
    assert_eq!(
        job["targets"],
        json!([{ "kind": "THING_GROUP", "name": "pumps" }])
    );
    let progress = json!({ "targets": 10, "notQueued": 0, "queued": 1, "inProgress": 1, "succeeded": 5,
        "failed": 2, "timedOut": 0, "rejected": 1, "removed": 0, "canceled": 0 });
    assert_eq!(job["progress"], progress);
    let statistics = &job["statistics"];
    assert_eq!(statistics["successRatePercent"], 62.5);
    let reasons = statistics["failureReasons"].as_array().unwrap();
    assert_eq!(reasons[0], json!({ "reason": "no space left", "count": 2 }));
    assert_eq!(statistics["otherFailures"], 0);
    assert_eq!(statistics["downloadTime"]["samples"], 5);
    assert!(
        statistics["downloadTime"]["p99Ms"].as_u64().unwrap() >= 490,
        "{statistics}"
    );
    let points = statistics["series"]["points"].as_array().unwrap();
    let finished: u64 = points
        .iter()
        .map(|point| point["finished"].as_u64().unwrap())
        .sum();
    let queued: u64 = points
        .iter()
        .map(|point| point["queued"].as_u64().unwrap())
        .sum();
    assert_eq!((queued, finished), (10, 8));
    assert_eq!(job["failed"]["totalCount"], 2);
    assert_eq!(
        names(&job["failed"], "thingName"),
        ["pump-0005", "pump-0006"]
    );
    assert_eq!(job["executions"]["totalCount"], 10);
    assert_eq!(job["executions"]["nodes"][0]["thing"]["name"], "pump-0000");
    assert_eq!(job["executions"]["pageInfo"]["hasNextPage"], true);
}

#[tokio::test]
async fn an_execution_is_found_by_job_and_thing() {
    let world = rollout().await;
    let answer = world
        .ask(
            "{ jobExecution(jobId: \"ota\", thingName: \"pump-0000\") {
                 jobId thingName status executionNumber versionNumber retryAttempt queuedAt startedAt
                 statusDetails { key value } forceCanceled }
               none: jobExecution(jobId: \"ota\", thingName: \"nothing\") { status }
               neither: jobExecution(jobId: \"nothing\", thingName: \"pump-0000\") { status }
               thing(name: \"pump-0000\") { jobExecutions { nodes { jobId status } } } }",
        )
        .await;
    let execution = &answer["jobExecution"];
    assert_eq!(execution["status"], "SUCCEEDED");
    assert_eq!(execution["executionNumber"], 1);
    assert_eq!(
        execution["statusDetails"],
        json!([{ "key": "downloadTime", "value": "100" }])
    );
    assert!(execution["startedAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        (&answer["none"], &answer["neither"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(
        answer["thing"]["jobExecutions"]["nodes"],
        json!([{ "jobId": "ota", "status": "SUCCEEDED" }])
    );
}

#[tokio::test]
async fn jobs_and_executions_are_walked_page_by_page() {
    let world = World::new();
    world.create_things("pump", 1_200).await;
    world.create_group("few", None, &["pump-0001"]).await;
    for number in 0..25 {
        create_job(&world, &format!("job-{number:02}"), "few").await;
    }
    for (order, first) in [("NEWEST", "job-24"), ("NAME", "job-00")] {
        let query = format!(
            "query($after: String) {{ jobs(order: {order}, first: 4, after: $after) {{
               nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}"
        );
        let (mut met, mut after) = (Vec::new(), json!(null));
        loop {
            let answer = world.ask_with(&query, json!({ "after": after })).await;
            met.extend(names(&answer["jobs"], "id").into_iter().map(str::to_owned));
            after = answer["jobs"]["pageInfo"]["endCursor"].clone();
            if answer["jobs"]["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert_eq!(met.len(), 25);
        assert_eq!(met.iter().collect::<BTreeSet<_>>().len(), 25);
        assert_eq!(met[0], first);
    }
    let answer = world
        .ask(
            "{ jobs(filter: { status: IN_PROGRESS }) { nodes { id } }
               done: jobs(filter: { status: COMPLETED }) { nodes { id } }
               namespaced: jobs(filter: { namespace: \"x\" }) { nodes { id } }
               thing(name: \"pump-0001\") { jobExecutions(first: 1000) { nodes { jobId } } } }",
        )
        .await;
    assert_eq!(answer["jobs"]["nodes"].as_array().unwrap().len(), 25);
    assert_eq!(answer["done"]["nodes"], json!([]));
    assert_eq!(answer["namespaced"]["nodes"], json!([]));
    assert_eq!(
        names(&answer["thing"]["jobExecutions"], "jobId")[0],
        "job-24"
    );
}
