use serde_json::json;
use shipslog_domain::command::{ExecutionUpdate, ReportedStatus, TargetName};
use shipslog_domain::deployment::{self, Components};
use shipslog_domain::template::{Component, Content};
use shipslog_domain::{Command, JobName, Namespace};

use super::world::{World, group, thing};

const ASKED: &str = "{ thing(name: \"core-a\") { core { effectiveConfiguration {
    isCertain components { name version configuration targets { kind name } } } } } }";

async fn deploy(world: &World, number: u32, merge: &str, reset: &[&str]) {
    let component = Component {
        // Components of AWS are known to AWS: none needs to be created here.
        key: "aws.example.Agent".into(),
        version: "1.0.0".into(),
        merge: Some(merge.into()),
        reset: Some(reset.iter().map(|pointer| (*pointer).into()).collect()),
        run_with: None,
    };
    let request = deployment::Request {
        id: format!("deployment-{number}").into(),
        job: JobName::parse(&format!("job-{number}")).unwrap(),
        target: TargetName::Group(group("pumps")),
        parent: None,
        name: None,
        components: Components {
            spec: Content {
                components: vec![component],
                job_settings: None,
                policies: None,
            },
            configuration: None,
        },
        tags: Vec::new(),
        token: None,
    };
    let create = deployment::Command::Create(Box::new(request));
    world.submit(Command::Deployment(create)).await;
}

async fn succeed(world: &World, number: u32) {
    let update = ExecutionUpdate {
        thing: thing("core-a"),
        job: JobName::parse(&format!("job-{number}")).unwrap(),
        namespace: Some(Namespace::parse(deployment::components::NAMESPACE).unwrap()),
        status: ReportedStatus::Succeeded,
        details: None,
        expected_version: None,
        number: None,
        step_timer: None,
    };
    let update = Box::new(update);
    world.submit(Command::UpdateExecution { update }).await;
}

#[tokio::test]
async fn a_core_shows_how_its_deployments_configured_it() {
    let world = World::new();
    world.create_thing("core-a", &[]).await;
    world.report_health("core-a").await;
    world.create_group("pumps", None, &["core-a"]).await;
    deploy(&world, 1, r#"{"rate":1,"names":["x"]}"#, &[]).await;
    let nothing = world.ask(ASKED).await;
    let core = &nothing["thing"]["core"];
    assert_eq!(core["effectiveConfiguration"], json!(null));
    succeed(&world, 1).await;
    deploy(&world, 2, r#"{"limits":{"low":2}}"#, &["/rate"]).await;
    succeed(&world, 2).await;
    let answer = world.ask(ASKED).await;
    assert_eq!(
        answer["thing"]["core"]["effectiveConfiguration"],
        json!({"isCertain": true, "components": [{
            "name": "aws.example.Agent",
            "version": "1.0.0",
            "configuration": {"limits": {"low": 2}, "names": ["x"]},
            "targets": [{"kind": "THING_GROUP", "name": "pumps"}],
        }]})
    );
}
