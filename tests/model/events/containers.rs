//! Events of container services, and deployments of their versions.

use shipslog_domain::container_service::{
    Change, Container, ContainerName, ContainerServiceName, Containers, Definition, Event,
    HealthCheck, Instruction, Power, Protocol, PublicEndpoint, VersionRequest,
};
use shipslog_domain::deployment::{self, Content, Scope};
use shipslog_domain::{
    ContainerServiceId, Event as Any, GroupId, JobId, JobName, ThingId, Timestamp,
};

use super::Example;

fn label(text: &str) -> ContainerName {
    ContainerName::parse(text).expect("a valid name")
}

fn containers() -> Containers {
    let app = Container {
        image: ":web.app.2".into(),
        digest: Some("sha256:9f86d081884c7d659a2feaa0c55ad015".into()),
        command: vec!["serve".into(), "--verbose".into()],
        environment: vec![("MODE".into(), "fast".into())],
        ports: vec![(80, Protocol::Http), (9_000, Protocol::Udp)],
    };
    Containers {
        containers: vec![(label("app"), app)],
        public_endpoint: Some(PublicEndpoint {
            container: label("app"),
            port: 80,
            health_check: HealthCheck {
                path: "/health".into(),
                ..HealthCheck::default()
            },
        }),
    }
}

fn definition() -> Definition {
    Definition {
        name: ContainerServiceName::parse("web").expect("a valid name"),
        uuid: "4a3b2c1d-0000-4000-8000-000000000011".into(),
        url_label: "abcdefgh".into(),
        power: Power::Micro,
        scale: 2,
        public_domain_names: vec![("main".into(), vec!["www.example.com".into()])],
        pulls_private_images: true,
        tags: vec![("team".into(), "edge".into())],
    }
}

pub(super) fn services() -> Vec<Example> {
    let first = VersionRequest {
        deployment: "4a3b2c1d-0000-4000-8000-000000000012".into(),
        content: containers(),
    };
    let change = Change {
        power: Some(Power::Small),
        scale: Some(3),
        is_disabled: Some(false),
        public_domain_names: Some(Vec::new()),
        pulls_private_images: Some(false),
    };
    let until = Timestamp(1_704_069_000_000);
    let nodes = vec![ThingId(1), ThingId(4)];
    let job = JobId(7);
    let events = [
        (
            "",
            Event::Created {
                definition: Box::new(definition()),
                first: None,
            },
        ),
        (
            "with-version",
            Event::Created {
                definition: Box::new(definition()),
                first: Some(Box::new(first)),
            },
        ),
        ("", Event::Ready { group: GroupId(5) }),
        (
            "",
            Event::Changed {
                change: Box::new(change),
                until: Some(until),
            },
        ),
        ("", Event::UpdateEnded),
        (
            "",
            Event::NodesTold {
                instruction: Instruction::Run {
                    version: 3,
                    generation: 1,
                },
                job,
                nodes: nodes.clone(),
            },
        ),
        (
            "stop",
            Event::NodesTold {
                instruction: Instruction::Stop,
                job,
                nodes,
            },
        ),
        ("", Event::VersionStarted { version: 3, until }),
        ("", Event::VersionActivated { version: 3 }),
        (
            "",
            Event::VersionFailed {
                version: 4,
                cause: "node n1 ended as FAILED: app exited with 1".into(),
            },
        ),
        (
            "",
            Event::ImageRegistered {
                label: label("app"),
                number: 2,
                digest: "sha256:9f86d081884c7d659a2feaa0c55ad015".into(),
            },
        ),
        (
            "",
            Event::ImageRemoved {
                label: label("app"),
                number: 2,
            },
        ),
        ("", Event::DeletionStarted { until }),
        ("", Event::Removed),
    ];
    let events = events.into_iter();
    let mut examples: Vec<Example> = events
        .map(|(label, event)| (label, Any::ContainerService(event)))
        .collect();
    let version = deployment::Event::Created {
        id: "4a3b2c1d-0000-4000-8000-000000000012".into(),
        scope: Scope::ContainerService(ContainerServiceId(0)),
        scope_name: "web".into(),
        revision: 1,
        job: JobName::parse("4a3b2c1d-0000-4000-8000-000000000011-1").expect("a valid name"),
        name: None,
        parent: None,
        content: Box::new(Content::Containers(containers())),
        tags: Vec::new(),
        token: None,
    };
    examples.push(("containers", Any::Deployment(version)));
    examples
}
