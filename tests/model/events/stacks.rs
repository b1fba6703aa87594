//! Events of stacks, their layers, apps and instances, and of deployments that are commands for these.

use serde_json::json;
use shipslog_domain::deployment::{self, Scope};
use shipslog_domain::stack::{
    AppContent, CommandName, Commands, Content, Details, Event as Stack, InstanceContent,
    InstanceEvent, InstanceState, LayerContent, Origin, Variable,
};
use shipslog_domain::{AppId, Event, InstanceId, JobName, LayerId, StackId, ThingId};

use super::Example;
use crate::lower::thing_name;

fn details(value: &serde_json::Value) -> Details {
    Details::from(value.as_object().expect("an object"))
}

pub(super) fn stacks() -> Vec<Example> {
    let content = Content {
        name: "fleet".into(),
        manager_version: Some("12".into()),
        custom_json: Some("{\"a\":1}".into()),
        details: details(&json!({"Region": "us-east-1"})),
    };
    let layer = LayerContent {
        name: "Edge".into(),
        shortname: "edge".into(),
        kind: "custom".into(),
        custom_json: Some("{\"b\":2}".into()),
        details: details(&json!({"CustomRecipes": {"Setup": ["a::b"]}})),
    };
    let app = AppContent {
        name: "My App".into(),
        shortname: "my_app".into(),
        kind: "other".into(),
        environment: vec![Variable {
            key: "TOKEN".into(),
            value: "secret".into(),
            is_secure: true,
        }],
        details: details(&json!({"AppSource": {"Type": "git", "Url": "https://example.com/app"}})),
    };
    let (content, layer, app) = (Box::new(content), Box::new(layer), Box::new(app));
    let (layer_id, app_id) = (LayerId(4), AppId(5));
    let events = [
        Stack::Created {
            content: content.clone(),
        },
        Stack::Changed { content },
        Stack::Removed,
        Stack::LayerCreated {
            layer: layer_id,
            content: layer.clone(),
        },
        Stack::LayerChanged {
            layer: layer_id,
            content: layer,
        },
        Stack::LayerRemoved { layer: layer_id },
        Stack::AppCreated {
            app: app_id,
            content: app.clone(),
        },
        Stack::AppChanged {
            app: app_id,
            content: app,
        },
        Stack::AppRemoved { app: app_id },
    ];
    events.map(|event| ("", Event::Stack(event))).into()
}

pub(super) fn instances() -> Vec<Example> {
    let created = |origin| InstanceEvent::Created {
        stack: StackId(3),
        thing: ThingId(7),
        hostname: thing_name("pump-7"),
        origin,
        content: Box::new(InstanceContent {
            layers: vec![LayerId(4)],
            details: details(&json!({"Os": "Amazon Linux 2"})),
        }),
    };
    let changed = InstanceEvent::Changed {
        content: Box::new(InstanceContent {
            layers: vec![LayerId(4), LayerId(6)],
            details: Details::default(),
        }),
    };
    let turned = |state| Event::Instance(InstanceEvent::Turned { state });
    vec![
        ("", Event::Instance(created(Origin::Created))),
        ("registered", Event::Instance(created(Origin::Registered))),
        ("", Event::Instance(changed)),
        ("", turned(InstanceState::Started)),
        ("registered", turned(InstanceState::Registered)),
        ("assigned", turned(InstanceState::Assigned)),
        ("stopped", turned(InstanceState::Stopped)),
        ("rebooting", turned(InstanceState::Rebooting)),
        ("stopping", turned(InstanceState::Stopping)),
        ("", Event::Instance(InstanceEvent::Removed)),
    ]
}

pub(super) fn commands() -> Vec<Example> {
    let commands = Commands {
        name: CommandName::UpdateDependencies,
        args: vec![
            ("upgrade_os_to".into(), vec!["Amazon Linux 2".into()]),
            ("allow_reboot".into(), vec!["true".into()]),
        ],
        app: Some(AppId(5)),
        comment: Some("the new image".into()),
        custom_json: Some("{\"c\":3}".into()),
        caller: "arn:aws:iam::000000000000:user/ann".into(),
        sent: vec![InstanceId(8)],
        skipped: vec![InstanceId(9)],
        failed: vec![InstanceId(10)],
        without_effect: vec![InstanceId(11)],
    };
    let created = deployment::Event::Created {
        id: "4a3b2c1d-0000-4000-8000-000000000005".into(),
        scope: Scope::Stack(StackId(3)),
        scope_name: "fleet".into(),
        revision: 4,
        job: JobName::parse("4a3b2c1d-0000-4000-8000-000000000006").expect("a valid name"),
        name: None,
        parent: None,
        content: Box::new(deployment::Content::Commands(commands)),
        tags: Vec::new(),
        token: None,
    };
    vec![("commands", Event::Deployment(created))]
}
