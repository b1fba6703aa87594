//! Events of stacks and instances. What no rule reads is not told: it may hold passwords.

use shipslog_domain::stack::{Content, Event, InstanceEvent, InstanceState, Origin};
use shipslog_domain::{AppId, LayerId};

use super::{Fields, Told, Value};

fn layer(id: LayerId) -> Value {
    id.to_uuid().into()
}

fn app(id: AppId) -> Value {
    id.to_uuid().into()
}

fn layers(ids: &[LayerId]) -> Value {
    Value::List(ids.iter().map(|id| layer(*id)).collect())
}

fn named(content: &Content) -> Fields {
    vec![
        ("name", (&content.name).into()),
        ("managerVersion", content.manager_version.as_ref().into()),
    ]
}

pub(super) fn stack(event: &Event) -> Told {
    match event {
        Event::Created { content } => {
            let summary = format!("stack {} was created", content.name);
            Told::new("StackCreated", summary, named(content))
        }
        Event::Changed { content } => {
            let summary = format!("stack {} was changed", content.name);
            Told::new("StackChanged", summary, named(content))
        }
        Event::Removed => Told::new("StackRemoved", "the stack was deleted", vec![]),
        Event::LayerCreated { layer: id, content } => Told::new(
            "StackLayerCreated",
            format!("layer {} was created", content.shortname),
            vec![
                ("layerId", layer(*id)),
                ("name", (&content.name).into()),
                ("shortname", (&content.shortname).into()),
                ("type", (&content.kind).into()),
            ],
        ),
        Event::LayerChanged { layer: id, content } => Told::new(
            "StackLayerChanged",
            format!("layer {} was changed", content.shortname),
            vec![
                ("layerId", layer(*id)),
                ("name", (&content.name).into()),
                ("shortname", (&content.shortname).into()),
            ],
        ),
        Event::LayerRemoved { layer: id } => Told::new(
            "StackLayerRemoved",
            "a layer was deleted",
            vec![("layerId", layer(*id))],
        ),
        Event::AppCreated { app: id, content } => Told::new(
            "StackAppCreated",
            format!("app {} was created", content.shortname),
            vec![
                ("appId", app(*id)),
                ("name", (&content.name).into()),
                ("shortname", (&content.shortname).into()),
                ("type", (&content.kind).into()),
            ],
        ),
        Event::AppChanged { app: id, content } => Told::new(
            "StackAppChanged",
            format!("app {} was changed", content.shortname),
            vec![
                ("appId", app(*id)),
                ("name", (&content.name).into()),
                ("type", (&content.kind).into()),
            ],
        ),
        Event::AppRemoved { app: id } => Told::new(
            "StackAppRemoved",
            "an app was deleted",
            vec![("appId", app(*id))],
        ),
    }
}

const fn state(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Registered => "registered",
        InstanceState::Assigned => "assigned",
        InstanceState::Stopped => "stopped",
        InstanceState::Started => "started",
        InstanceState::Rebooting => "rebooting",
        InstanceState::Stopping => "stopping",
    }
}

pub(super) fn instance(event: &InstanceEvent) -> Told {
    match event {
        InstanceEvent::Created {
            stack,
            thing: _,
            hostname,
            origin,
            content,
        } => {
            let (how, word) = match origin {
                Origin::Created => ("created", "created"),
                Origin::Registered => ("registered with its stack", "registered"),
            };
            Told::new(
                "InstanceCreated",
                format!("instance {hostname} was {how}"),
                vec![
                    ("stackId", stack.to_uuid().into()),
                    ("thingName", hostname.as_str().into()),
                    ("origin", word.into()),
                    ("layerIds", layers(&content.layers)),
                ],
            )
        }
        InstanceEvent::Changed { content } => Told::new(
            "InstanceChanged",
            "the instance was changed",
            vec![("layerIds", layers(&content.layers))],
        ),
        InstanceEvent::Turned { state: to } => Told::new(
            "InstanceTurned",
            format!("the instance is to be {}", state(*to)),
            vec![("state", state(*to).into())],
        ),
        InstanceEvent::Removed => Told::new(
            "InstanceRemoved",
            "the instance left its stack; its thing stays",
            vec![],
        ),
    }
}
