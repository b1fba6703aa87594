mod machine;
mod properties;
mod validation;

use super::*;
use crate::command::{ExecutionUpdate, ReportedStatus};
use crate::fleet::tests::{Run, create_thing};
use crate::ids::{GroupName, JobName, Namespace, ThingName};
use crate::rejection::RejectionKind;
use crate::time::Span;
use crate::{Command as Any, Event as AnyEvent, job, limits};

fn service_name(text: &str) -> ContainerServiceName {
    ContainerServiceName::parse(text).expect("a valid name")
}

fn label(text: &str) -> ContainerName {
    ContainerName::parse(text).expect("a valid name")
}

/// A container of a public image that speaks HTTP on port 80.
fn container(image: &str) -> Container {
    Container {
        image: image.into(),
        digest: None,
        command: Vec::new(),
        environment: Vec::new(),
        ports: vec![(80, Protocol::Http)],
    }
}

fn containers(image: &str) -> Containers {
    Containers {
        containers: vec![(label("app"), container(image))],
        public_endpoint: None,
    }
}

/// The same, and the world may talk to it.
fn public(image: &str) -> Containers {
    Containers {
        public_endpoint: Some(PublicEndpoint {
            container: label("app"),
            port: 80,
            health_check: HealthCheck::default(),
        }),
        ..containers(image)
    }
}

fn definition(scale: u32) -> Definition {
    Definition {
        name: service_name("web"),
        uuid: "5d9c1d7e-0000-4000-8000-000000000001".into(),
        url_label: "abcdefgh".into(),
        power: Power::Nano,
        scale,
        public_domain_names: Vec::new(),
        pulls_private_images: false,
        tags: Vec::new(),
    }
}

fn command(command: Command) -> Any {
    Any::ContainerService(command)
}

fn create(definition: Definition) -> Any {
    command(Command::Create {
        definition: Box::new(definition),
        first: None,
    })
}

fn deploy(number: u32, content: Containers) -> Any {
    command(Command::Deploy {
        name: service_name("web"),
        version: Box::new(VersionRequest {
            deployment: format!("00000000-0000-4000-8000-{number:012}").into(),
            content,
        }),
    })
}

fn update(change: Change) -> Any {
    command(Command::Update {
        name: service_name("web"),
        change: Box::new(change),
    })
}

fn delete() -> Any {
    command(Command::Delete {
        name: service_name("web"),
    })
}

/// A fleet with things `n0`, `n1` and so on.
fn fleet(things: u32) -> Run {
    let mut run = Run::new();
    for number in 0..things {
        run.ok(create_thing(&format!("n{number}")));
    }
    run
}

fn join(run: &mut Run, thing: &str) {
    run.ok(Any::AddThingToGroup {
        group: GroupName::parse("container-nodes-web").expect("a valid name"),
        thing: ThingName::parse(thing).expect("a valid name"),
    });
}

fn leave(run: &mut Run, thing: &str) {
    run.ok(Any::RemoveThingFromGroup {
        group: GroupName::parse("container-nodes-web").expect("a valid name"),
        thing: ThingName::parse(thing).expect("a valid name"),
    });
}

/// A service on `scale` nodes of `nodes`, without a version.
fn ready(scale: u32, nodes: u32) -> Run {
    let mut run = fleet(nodes);
    run.ok(create(definition(scale)));
    for number in 0..nodes {
        join(&mut run, &format!("n{number}"));
    }
    run
}

fn service(run: &Run) -> &ContainerService {
    run.fleet
        .container_service("web")
        .expect("the service exists")
}

fn state(run: &Run) -> &'static str {
    service(run).state().as_str()
}

/// What waits for a node: the operation of the document, and its version.
fn told(run: &Run, thing: &str) -> Option<(String, u64)> {
    let next = run.fleet.next_pending(run.thing(thing), Some(NAMESPACE))?;
    Some(read(next.document))
}

fn read(document: &str) -> (String, u64) {
    let document: serde_json::Value = serde_json::from_str(document).expect("JSON");
    let operation = document["operation"].as_str().expect("an operation");
    (
        operation.to_owned(),
        document["version"].as_u64().unwrap_or_default(),
    )
}

fn run_of(version: u64) -> Option<(String, u64)> {
    Some(("RUN".to_owned(), version))
}

fn stop() -> Option<(String, u64)> {
    Some(("STOP".to_owned(), 0))
}

/// What a node reports of what waits for it.
fn report(run: &mut Run, thing: &str, status: ReportedStatus, details: &[(&str, &str)]) {
    let next = run.fleet.next_pending(run.thing(thing), Some(NAMESPACE));
    let job = next
        .expect("something waits for the node")
        .job_name
        .to_owned();
    let details = details.iter();
    let details = details.map(|(key, value)| ((*key).into(), (*value).into()));
    run.ok(Any::UpdateExecution {
        update: Box::new(ExecutionUpdate {
            job: JobName::parse(&job).expect("a valid name"),
            namespace: Some(Namespace::parse(NAMESPACE).expect("a valid name")),
            thing: ThingName::parse(thing).expect("a valid name"),
            status,
            details: Some(details.collect()),
            expected_version: None,
            number: None,
            step_timer: None,
        }),
    });
}

fn succeed(run: &mut Run, thing: &str) {
    report(
        run,
        thing,
        ReportedStatus::Succeeded,
        &[("health", "HEALTHY")],
    );
}

fn fail(run: &mut Run, thing: &str) {
    report(
        run,
        thing,
        ReportedStatus::Failed,
        &[("cause", "app exited with 1")],
    );
}

/// States of the kept versions, the newest first.
fn versions(run: &Run) -> Vec<(u32, &'static str)> {
    let id = run
        .fleet
        .container_service_id("web")
        .expect("the service exists");
    let versions = run.fleet.container_versions(id);
    let versions = versions.map(|(deployment, _)| {
        let number = deployment.revision;
        (number, service(run).version_state(number).as_str())
    });
    versions.collect()
}
