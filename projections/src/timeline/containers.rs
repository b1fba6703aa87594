//! Events of container services.

use shipslog_domain::container_service::{self, Change, Containers, DomainNames, Instruction};
use shipslog_domain::{JobId, ThingId};

use super::values::{list, map, pairs};
use super::{Told, Value};

pub(super) fn service(event: &container_service::Event) -> Told {
    use container_service::Event;
    match event {
        Event::Created { definition, first } => {
            let name = definition.name.as_str();
            let first = first.as_ref().map(|first| containers(&first.content));
            let fields = vec![
                ("name", name.into()),
                ("power", definition.power.as_str().into()),
                ("scale", definition.scale.into()),
                (
                    "publicDomainNames",
                    domains(&definition.public_domain_names),
                ),
                ("pullsPrivateImages", definition.pulls_private_images.into()),
                ("first", first.into()),
                ("tags", pairs(&definition.tags)),
            ];
            let summary = format!("container service {name} was created");
            Told::new("ContainerServiceCreated", summary, fields).named(name)
        }
        Event::Ready { group } => Told::new(
            "ContainerServiceReady",
            "the container service is ready",
            vec![("group", group.0.into())],
        ),
        Event::Changed { change, until } => {
            let mut fields = changes(change);
            fields.push(("until", until.map(|until| until.0).into()));
            Told::new(
                "ContainerServiceChanged",
                "the container service was changed",
                fields,
            )
        }
        Event::UpdateEnded => Told::new(
            "ContainerServiceUpdateEnded",
            "the nodes have followed the change",
            vec![],
        ),
        Event::NodesTold {
            instruction,
            job,
            nodes,
        } => nodes_told(*instruction, *job, nodes),
        Event::VersionStarted { .. }
        | Event::VersionActivated { .. }
        | Event::VersionFailed { .. } => version(event),
        Event::ImageRegistered { .. } | Event::ImageRemoved { .. } => image(event),
        Event::DeletionStarted { until } => Told::new(
            "ContainerServiceDeletionStarted",
            "the container service is being deleted",
            vec![("until", until.0.into())],
        ),
        Event::Removed => Told::new(
            "ContainerServiceRemoved",
            "the container service was deleted",
            vec![],
        ),
    }
}

fn nodes_told(instruction: Instruction, job: JobId, nodes: &[ThingId]) -> Told {
    let (version, what) = match instruction {
        Instruction::Run { version, .. } => (Some(version), format!("to run version {version}")),
        Instruction::Stop => (None, "to stop".to_owned()),
    };
    let fields = vec![
        ("version", version.into()),
        ("job", job.0.into()),
        ("nodes", list(nodes, |node| node.0.into())),
    ];
    let summary = format!("{} nodes were told {what}", nodes.len());
    Told::new("ContainerServiceNodesTold", summary, fields)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller hands over events of versions only"
)]
fn version(event: &container_service::Event) -> Told {
    use container_service::Event;
    match event {
        Event::VersionStarted { version, until } => Told::new(
            "ContainerServiceVersionStarted",
            format!("version {version} is on its way"),
            vec![("version", (*version).into()), ("until", until.0.into())],
        ),
        Event::VersionActivated { version } => Told::new(
            "ContainerServiceVersionActivated",
            format!("version {version} runs"),
            vec![("version", (*version).into())],
        ),
        Event::VersionFailed { version, cause } => Told::new(
            "ContainerServiceVersionFailed",
            format!("version {version} failed: {cause}"),
            vec![("version", (*version).into()), ("cause", cause.into())],
        ),
        _ => unreachable!("the caller hands over events of versions only"),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller hands over events of images only"
)]
fn image(event: &container_service::Event) -> Told {
    use container_service::Event;
    match event {
        Event::ImageRegistered {
            label,
            number,
            digest,
        } => Told::new(
            "ContainerServiceImageRegistered",
            format!("image {label}.{number} was registered"),
            vec![
                ("label", label.as_str().into()),
                ("number", (*number).into()),
                ("digest", digest.into()),
            ],
        ),
        Event::ImageRemoved { label, number } => Told::new(
            "ContainerServiceImageRemoved",
            format!("image {label}.{number} was deleted"),
            vec![
                ("label", label.as_str().into()),
                ("number", (*number).into()),
            ],
        ),
        _ => unreachable!("the caller hands over events of images only"),
    }
}

fn domains(names: &DomainNames) -> Value {
    let entries = names.iter();
    let entries = entries
        .map(|(certificate, names)| (certificate.to_string(), list(names, |name| name.into())));
    Value::Map(entries.collect())
}

fn changes(change: &Change) -> Vec<(&'static str, Value)> {
    vec![
        ("power", change.power.map(|power| power.as_str()).into()),
        ("scale", change.scale.into()),
        ("isDisabled", change.is_disabled.into()),
        (
            "publicDomainNames",
            change.public_domain_names.as_ref().map(domains).into(),
        ),
        ("pullsPrivateImages", change.pulls_private_images.into()),
    ]
}

/// What a version runs, by the names of its containers and their images.
pub(super) fn containers(content: &Containers) -> Value {
    let all = content.containers.iter();
    let images = all.map(|(name, one)| (name.as_str().into(), one.image.clone()));
    let endpoint = content.public_endpoint.as_ref();
    map([
        ("containers", pairs(&images.collect::<Vec<_>>())),
        (
            "publicEndpoint",
            endpoint.map(|endpoint| endpoint.container.as_str()).into(),
        ),
    ])
}
