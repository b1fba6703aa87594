//! What a device gets of a command: the document of its job, a public contract (`docs/opsworks.md`).

use serde_json::{Map, Value, json};

use super::details::{custom_json, merged};
use super::{App, CommandName, CommandRequest, Instance, Stack};
use crate::Fleet;
use crate::ids::{InstanceId, LayerId};
use crate::limits;
use crate::time::Timestamp;

/// What a document is made of.
pub(super) struct Document<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) stack: &'a Stack,
    pub(super) app: Option<&'a App>,
    pub(super) request: &'a CommandRequest,
    /// Those whose devices get it.
    pub(super) instances: &'a [InstanceId],
    pub(super) now: Timestamp,
}

impl Document<'_> {
    /// The document as JSON text.
    pub(super) fn to_text(&self) -> String {
        let args = self.request.args.iter();
        let args: Map<String, Value> = args
            .map(|(key, values)| {
                let values = values.iter().map(|value| Value::from(&**value));
                (key.to_string(), values.collect())
            })
            .collect();
        let document = json!({
            "DeploymentId": self.request.id,
            "CreatedAt": self.now.0 / 1_000,
            "StackId": self.request.stack.to_uuid(),
            "StackName": self.stack.content.name,
            "Command": {"Name": self.request.name.as_str(), "Args": args},
            "App": self.app(),
            "RollbackTo": self.rollback_to(),
            "Layers": self.layers(),
            "CustomJson": self.custom_json(),
        });
        document.to_string()
    }

    fn app(&self) -> Value {
        let (Some(app), Some(id)) = (self.app, self.request.app) else {
            return Value::Null;
        };
        let environment = app.content.environment.iter().map(|variable| {
            json!({"Key": variable.key, "Value": variable.value, "Secure": variable.is_secure})
        });
        let mut members = Map::new();
        members.insert("AppId".into(), id.to_uuid().into());
        members.insert("Shortname".into(), (&*app.content.shortname).into());
        members.insert("Name".into(), (&*app.content.name).into());
        members.insert("Type".into(), (&*app.content.kind).into());
        members.insert("Environment".into(), environment.collect());
        members.extend(app.content.details.members());
        Value::Object(members)
    }

    fn targets(&self) -> impl Iterator<Item = &Instance> {
        let ids = self.instances.iter();
        ids.filter_map(|id| self.fleet.stacks.instance(*id))
    }

    /// The deployment whose version all devices go back to; null if they differ, or if a command that is on its way
    /// may change it: then each device goes back to the version that it has stored before its current one.
    fn rollback_to(&self) -> Value {
        let Some(app) = self.request.app else {
            return Value::Null;
        };
        if self.request.name != CommandName::Rollback {
            return Value::Null;
        }
        let mut targets = self.targets();
        let first = targets.next();
        let Some(version) = first.and_then(|first| first.version_before(app)) else {
            return Value::Null;
        };
        let agrees = |one: &Instance| one.version_before(app) == Some(version);
        let is_sure = |one: &Instance| !self.fleet.is_changing(one, app);
        match self.targets().all(|one| agrees(one) && is_sure(one)) {
            true => version.into(),
            false => Value::Null,
        }
    }

    /// The layers of the instances, with the recipes of theirs that the command runs.
    fn layers(&self) -> Value {
        let mut ids: Vec<LayerId> = Vec::new();
        for one in self.targets() {
            ids.extend(one.content.layers.iter().copied());
            ids.sort_unstable();
            ids.dedup();
        }
        ids.into_iter().filter_map(|id| self.layer(id)).collect()
    }

    fn layer(&self, id: LayerId) -> Option<Value> {
        let layer = self.fleet.stacks.layer(id)?;
        let event = self.request.name.lifecycle_event();
        let recipes = event.and_then(|event| {
            let mut recipes = layer.content.details.member("CustomRecipes")?;
            Some(recipes.get_mut(event)?.take())
        });
        let of_layer = |one: &&Instance| one.content.layers.contains(&id);
        // Many devices do not need the names of all others.
        let hostnames: Value = match self.instances.len() <= limits::COMMAND_HOSTNAMES_MAX {
            true => {
                let members = self.targets().filter(of_layer);
                members
                    .map(|one| Value::from(one.hostname.as_str()))
                    .collect()
            }
            false => Value::Null,
        };
        Some(json!({
            "LayerId": id.to_uuid(),
            "Shortname": layer.content.shortname,
            "Type": layer.content.kind,
            "Recipes": recipes.unwrap_or_else(|| json!([])),
            "CustomJson": custom_json(layer.content.custom_json.as_deref()),
            "Hostnames": hostnames,
        }))
    }

    /// The stack's object, and the deployment's over it.
    fn custom_json(&self) -> Value {
        let of_stack = custom_json(self.stack.content.custom_json.as_deref());
        let of_deployment = custom_json(self.request.custom_json.as_deref());
        Value::Object(merged(of_stack, of_deployment))
    }
}
