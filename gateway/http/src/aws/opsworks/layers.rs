//! Layers of stacks.

use axum::extract::State;
use serde_json::Value;
use shipslog_domain::stack::{Command, Layer, LayerChange, LayerContent};
use shipslog_domain::{Command as Any, LayerId, StackId};

use super::Answer;
use super::fields::{Id, absent, details, done, iso, shown, text};
use super::stacks::Asked;
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};

/// Members that are kept as they are.
const KEPT: [&str; 13] = [
    "Attributes",
    "CloudWatchLogsConfiguration",
    "CustomInstanceProfileArn",
    "CustomSecurityGroupIds",
    "Packages",
    "VolumeConfigurations",
    "EnableAutoHealing",
    "AutoAssignElasticIps",
    "AutoAssignPublicIps",
    "CustomRecipes",
    "InstallUpdatesOnBoot",
    "UseEbsOptimizedInstances",
    "LifecycleEventConfiguration",
];

pub(super) async fn create(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    let stack = StackId::member(&request, "StackId")?;
    let content = LayerContent {
        name: request.member("Name").text()?.into(),
        shortname: request.member("Shortname").text()?.into(),
        kind: request.member("Type").text()?.into(),
        custom_json: text(&request.member("CustomJson"))?,
        details: details(&body, &KEPT),
    };
    let content = Box::new(content);
    let create = Any::Stack(Command::CreateLayer { stack, content });
    let created = caller.submit_with(create, move |fleet, _| {
        let newest = fleet.stack(stack)?.layers.last()?;
        Some(Value::from(newest.to_uuid()))
    });
    let created = created.await?;
    Ok(wire::ok(members([("LayerId", created)])))
}

pub(super) async fn update(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    let layer = LayerId::member(&request, "LayerId")?;
    let change = Box::new(LayerChange {
        name: text(&request.member("Name"))?,
        shortname: text(&request.member("Shortname"))?,
        custom_json: text(&request.member("CustomJson"))?,
        details: details(&body, &KEPT),
    });
    done(caller, Command::ChangeLayer { layer, change }).await
}

pub(super) async fn delete(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let layer = LayerId::member(&Field::root(&body), "LayerId")?;
    done(caller, Command::DeleteLayer(layer)).await
}

fn render(arns: &Arns, id: LayerId, layer: &Layer) -> Value {
    let content = &layer.content;
    let uuid = id.to_uuid();
    let mut rendered = members([
        ("LayerId", Some((*uuid).into())),
        ("StackId", Some(layer.stack.to_uuid().into())),
        ("Arn", Some(arns.opsworks(&format!("layer/{uuid}/")).into())),
        ("Type", Some((*content.kind).into())),
        ("Name", Some((*content.name).into())),
        ("Shortname", Some((*content.shortname).into())),
        (
            "CustomJson",
            content.custom_json.as_deref().map(Value::from),
        ),
        ("CreatedAt", Some(iso(layer.created_at))),
    ]);
    rendered.extend(shown(&content.details));
    Value::Object(rendered)
}

pub(super) async fn describe(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let asked = Asked::<LayerId>::read(&Field::root(&body), "LayerIds")?;
    let arns = http.arns().clone();
    let found = http.app().read(move |fleet| {
        let ids = match asked {
            Asked::Ids(ids) => ids,
            Asked::OfStack(id) => {
                let stack = fleet.stack(id);
                let stack = stack.ok_or_else(|| absent::<StackId>(&id.to_uuid()))?;
                stack.layers.iter().rev().copied().collect()
            }
        };
        let found = ids.into_iter().map(|id| {
            let layer = fleet.layer(id);
            let layer = layer.ok_or_else(|| absent::<LayerId>(&id.to_uuid()))?;
            Ok(render(&arns, id, layer))
        });
        found.collect::<Result<Value, Error>>()
    });
    let found = found.await.map_err(failed)??;
    Ok(wire::ok(members([("Layers", Some(found))])))
}
