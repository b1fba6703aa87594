use serde_json::{Value, json};
use shipslog_domain::command::ReportedStatus;

use super::world::{World, names};

const CORES: [&str; 4] = ["core-a", "core-b", "core-c", "core-d"];

/// Four cores; version 1 everywhere but on the last, version 2 succeeded on one and failed on another.
async fn fleet() -> World {
    let world = World::new();
    world.create_cores(&CORES).await;
    world.create_template("edge").await;
    world.deploy("deploy_01", "edge", &CORES[..3]).await;
    for core in &CORES[..3] {
        finish(&world, core, ReportedStatus::Succeeded, &[]).await;
    }
    world.update_template("edge").await;
    world.deploy("deploy_02", "edge", &CORES[..3]).await;
    finish(&world, "core-a", ReportedStatus::Succeeded, &[]).await;
    let details = [
        ("detailed-deployment-status", "FAILED_ROLLBACK_COMPLETE"),
        ("deployment-failure-cause", "no space left"),
    ];
    finish(&world, "core-b", ReportedStatus::Failed, &details).await;
    world
}

/// Reports on the open execution of a core.
async fn finish(world: &World, core: &str, status: ReportedStatus, details: &[(&str, &str)]) {
    let query = "query($name: String!) { thing(name: $name) {
        jobExecutions(status: QUEUED) { nodes { jobId } } } }";
    let answer = world.ask_with(query, json!({ "name": core })).await;
    let open = names(&answer["thing"]["jobExecutions"], "jobId");
    let [job] = open.as_slice() else {
        panic!("{core}: {answer}");
    };
    world
        .report(core, job, ReportedStatus::InProgress, &[])
        .await;
    world.report(core, job, status, details).await;
}

fn version(summary: &Value, template: &str, version: u64) -> Value {
    let templates = summary["templates"].as_array().unwrap();
    let template = templates
        .iter()
        .find(|item| item["name"] == template)
        .unwrap();
    let versions = template["versions"].as_array().unwrap();
    let found = versions.iter().find(|item| item["version"] == version);
    found.unwrap_or_else(|| panic!("{summary}")).clone()
}

#[tokio::test]
async fn the_fleet_summary_counts_every_core_once() {
    let world = fleet().await;
    let answer = world
        .ask(
            "{ fleetSummary { position cores things drifted templates { name latestVersion versions {
                 version desiredInUse reportedInUse lastDeploymentSuccess lastDeploymentFailed
                 lastDeploymentInProgress } } } position }",
        )
        .await;
    let summary = &answer["fleetSummary"];
    assert_eq!(summary["position"], answer["position"]);
    assert_eq!(
        (&summary["cores"], &summary["things"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(summary["drifted"], 2);
    let counts = |item: Value| {
        let count = |field: &str| item[field].as_u64().unwrap();
        [
            count("desiredInUse"),
            count("reportedInUse"),
            count("lastDeploymentSuccess"),
            count("lastDeploymentFailed"),
            count("lastDeploymentInProgress"),
        ]
    };
    assert_eq!(summary["templates"][0]["name"], "None");
    assert_eq!(counts(version(summary, "None", 0)), [1, 1, 1, 0, 0]);
    assert_eq!(counts(version(summary, "edge", 1)), [0, 2, 0, 0, 0]);
    assert_eq!(counts(version(summary, "edge", 2)), [3, 1, 1, 1, 1]);
}

#[tokio::test]
async fn cores_are_found_by_what_they_should_run_and_do_run() {
    let world = fleet().await;
    for (filter, found) in [
        (
            "{ isCore: true }",
            &["core-a", "core-b", "core-c", "core-d"][..],
        ),
        ("{ drifted: true }", &["core-b", "core-c"]),
        ("{ drifted: false }", &["core-a", "core-d"]),
        (
            "{ desiredTemplate: { name: \"edge\" } }",
            &["core-a", "core-b", "core-c"],
        ),
        ("{ desiredTemplate: { name: \"edge\", version: 1 } }", &[]),
        ("{ desiredTemplate: { name: \"None\" } }", &["core-d"]),
        (
            "{ reportedTemplate: { name: \"edge\", version: 1 } }",
            &["core-b", "core-c"],
        ),
        (
            "{ reportedTemplate: { name: \"edge\", version: 2 } }",
            &["core-a"],
        ),
        (
            "{ deploymentStatus: \"FAILED_ROLLBACK_COMPLETE\" }",
            &["core-b"],
        ),
        ("{ deploymentStatus: \"IN_PROGRESS\" }", &["core-c"]),
        ("{ drifted: true, namePrefix: \"core-b\" }", &["core-b"]),
        (
            "{ drifted: true, namePrefix: \"core-\" }",
            &["core-b", "core-c"],
        ),
        ("{ drifted: true, group: \"nothing\" }", &[]),
        ("{ drifted: true, type: \"nothing\" }", &[]),
        ("{ isCore: false }", &[]),
    ] {
        let query = format!("{{ things(filter: {filter}) {{ nodes {{ name }} }} }}");
        let answer = world.ask(&query).await;
        assert_eq!(names(&answer["things"], "name"), found, "{filter}");
    }
    world.create_group("line", None, &["core-c"]).await;
    world.create_group("plant", None, &[]).await;
    world.create_group("cell", Some("plant"), &["core-b"]).await;
    for (filter, found) in [
        ("{ drifted: true, group: \"line\" }", &["core-c"][..]),
        ("{ drifted: true, group: \"plant\" }", &[]),
        (
            "{ drifted: true, group: \"plant\", includeDescendants: true }",
            &["core-b"],
        ),
    ] {
        let query = format!("{{ things(filter: {filter}) {{ nodes {{ name }} }} }}");
        let answer = world.ask(&query).await;
        assert_eq!(names(&answer["things"], "name"), found, "{filter}");
    }
}

#[tokio::test]
async fn a_core_says_what_it_runs_and_why_it_failed() {
    let world = fleet().await;
    let answer = world
        .ask(
            "{ thing(name: \"core-b\") { core {
                 desired { name version } reported { name version } drift failed
                 deploymentStatus deploymentStatusMessage
                 device { status nucleusVersion platform architecture sequenceNumber
                          components { name version state isRoot } }
                 effectiveDeployments { jobId status reason template { name version } } } } }",
        )
        .await;
    let core = &answer["thing"]["core"];
    assert_eq!(core["desired"], json!({ "name": "edge", "version": 2 }));
    assert_eq!(core["reported"], json!({ "name": "edge", "version": 1 }));
    assert_eq!(
        (&core["drift"], &core["failed"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(core["deploymentStatus"], "FAILED_ROLLBACK_COMPLETE");
    assert_eq!(core["deploymentStatusMessage"], "no space left");
    assert_eq!(core["device"]["status"], "HEALTHY");
    assert_eq!(core["device"]["components"][0]["state"], "RUNNING");
    let newest = &core["effectiveDeployments"][0];
    assert_eq!(newest["status"], "FAILED");
    assert_eq!(newest["template"], json!({ "name": "edge", "version": 2 }));
}

#[tokio::test]
async fn templates_are_read_back_by_version() {
    let world = fleet().await;
    let answer = world
        .ask(
            "{ template(name: \"edge\") { version latestVersion
                 components { key version configurationMerge configurationReset }
                 versions(first: 1) { totalCount nodes { version components { version } }
                                      pageInfo { hasNextPage endCursor } } }
               first: template(name: \"edge\", version: 1) { version latestVersion updatedAt }
               none: template(name: \"edge\", version: 9) { version }
               negative: template(name: \"edge\", version: -1) { version }
               templates { nodes { name version } } }",
        )
        .await;
    let template = &answer["template"];
    assert_eq!(
        (&template["version"], &template["latestVersion"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(template["components"][0]["version"], "2.0.0");
    assert_eq!(
        template["components"][0]["configurationReset"],
        json!(["/flow"])
    );
    assert_eq!(template["versions"]["totalCount"], 2);
    assert_eq!(
        template["versions"]["nodes"][0]["components"][0]["version"],
        "1.0.0"
    );
    assert_eq!(template["versions"]["pageInfo"]["hasNextPage"], true);
    assert_eq!(
        answer["first"],
        json!({ "version": 1, "latestVersion": 2, "updatedAt": null })
    );
    assert_eq!(
        (&answer["none"], &answer["negative"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(
        answer["templates"]["nodes"],
        json!([{ "name": "edge", "version": 2 }])
    );
}

#[tokio::test]
async fn tasks_are_read_back_with_their_cores() {
    let world = fleet().await;
    let answer = world
        .ask(
            "{ coreTask(id: \"core_task\") { id status coreCount failedCoreCount batchesComplete
                 cores(first: 3) { totalCount nodes { coreName status } pageInfo { hasNextPage endCursor } } }
               deploymentTask(id: \"deploy_02\") { status template { name version } thingNames coreCount
                 job { namespace deployment { template { version } } progress { targets } }
                 cores { nodes { coreName status statusMessage } } }
               unknown: coreTask(id: \"no\") { id } }",
        )
        .await;
    let task = &answer["coreTask"];
    assert_eq!(
        (&task["status"], &task["coreCount"]),
        (&json!("SUCCESS"), &json!(4))
    );
    assert_eq!(
        names(&task["cores"], "coreName"),
        ["core-a", "core-b", "core-c"]
    );
    assert_eq!(task["cores"]["pageInfo"]["hasNextPage"], true);
    let deployment = &answer["deploymentTask"];
    assert_eq!(deployment["status"], "SUCCESS");
    assert_eq!(
        deployment["template"],
        json!({ "name": "edge", "version": 2 })
    );
    assert_eq!(deployment["job"]["deployment"]["template"]["version"], 2);
    assert_eq!(
        names(&deployment["cores"], "coreName"),
        ["core-a", "core-b", "core-c"]
    );
    assert_eq!(answer["unknown"], json!(null));
    let after = task["cores"]["pageInfo"]["endCursor"].clone();
    let query = "query($after: String) { coreTask(id: \"core_task\") {
        cores(first: 3, after: $after) { nodes { coreName } pageInfo { hasNextPage hasPreviousPage } } } }";
    let rest = world.ask_with(query, json!({ "after": after })).await;
    assert_eq!(names(&rest["coreTask"]["cores"], "coreName"), ["core-d"]);
    assert_eq!(rest["coreTask"]["cores"]["pageInfo"]["hasNextPage"], false);
}
