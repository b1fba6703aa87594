//! Instances of stacks. What starts and stops is their devices' business: see `docs/opsworks.md`.

use axum::extract::State;
use serde_json::Value;
use shipslog_domain::stack::{
    Command, Instance, InstanceChange, InstanceCommand, InstanceContent, Origin,
};
use shipslog_domain::{Command as Any, Fleet, InstanceId, LayerId, StackId, ThingName};

use super::Answer;
use super::fields::{Id, absent, details, done, exactly_one, iso, shown};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};

/// Members that are kept as they are.
const KEPT: [&str; 16] = [
    "InstanceType",
    "AutoScalingType",
    "Os",
    "AmiId",
    "SshKeyName",
    "AvailabilityZone",
    "VirtualizationType",
    "SubnetId",
    "Architecture",
    "RootDeviceType",
    "BlockDeviceMappings",
    "InstallUpdatesOnBoot",
    "EbsOptimized",
    "AgentVersion",
    "Tenancy",
    "InstanceProfileArn",
];

/// The same of a registered one.
const KEPT_OF_REGISTERED: [&str; 2] = ["PublicIp", "PrivateIp"];

fn hostname(request: &Field<'_, '_>) -> Result<Option<ThingName>, Error> {
    let field = request.member("Hostname");
    let name = field.present().map(|field| field.parsed(ThingName::parse));
    name.transpose()
}

async fn created(caller: Caller, stack: StackId, command: InstanceCommand) -> Answer {
    let command = Any::Stack(Command::Instance(command));
    let created = caller.submit_with(command, move |fleet, _| {
        let newest = fleet.stack(stack)?.instances.last()?;
        Some(Value::from(newest.to_uuid()))
    });
    let created = created.await?;
    Ok(wire::ok(members([("InstanceId", created)])))
}

pub(super) async fn create(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    let stack = StackId::member(&request, "StackId")?;
    let create = InstanceCommand::Create {
        stack,
        hostname: hostname(&request)?,
        content: Box::new(InstanceContent {
            layers: LayerId::list(&request, "LayerIds")?,
            details: details(&body, &KEPT),
        }),
    };
    created(caller, stack, create).await
}

pub(super) async fn register(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    let stack = StackId::member(&request, "StackId")?;
    let Some(hostname) = hostname(&request)? else {
        let rule = "is required: it names the thing that the instance is";
        return Err(Error::invalid("Hostname", rule).into());
    };
    let register = InstanceCommand::Register {
        stack,
        hostname,
        details: details(&body, &KEPT_OF_REGISTERED),
    };
    created(caller, stack, register).await
}

pub(super) async fn update(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    let instance = InstanceId::member(&request, "InstanceId")?;
    let layers = request.member("LayerIds").is_present();
    let change = InstanceChange {
        layers: layers
            .then(|| LayerId::list(&request, "LayerIds"))
            .transpose()?,
        hostname: hostname(&request)?,
        details: details(&body, &KEPT),
    };
    let change = Box::new(change);
    submit(caller, InstanceCommand::Change { instance, change }).await
}

async fn submit(caller: Caller, command: InstanceCommand) -> Answer {
    done(caller, Command::Instance(command)).await
}

fn instance_id(body: &Value) -> Result<InstanceId, Error> {
    InstanceId::member(&Field::root(body), "InstanceId")
}

pub(super) async fn delete(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let id = instance_id(&body)?;
    submit(caller, InstanceCommand::Delete(id)).await
}

pub(super) async fn deregister(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let id = instance_id(&body)?;
    submit(caller, InstanceCommand::Deregister(id)).await
}

pub(super) async fn assign(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let instance = instance_id(&body)?;
    let layers = LayerId::list(&Field::root(&body), "LayerIds")?;
    submit(caller, InstanceCommand::Assign { instance, layers }).await
}

pub(super) async fn unassign(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let id = instance_id(&body)?;
    submit(caller, InstanceCommand::Unassign(id)).await
}

pub(super) async fn start(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let id = instance_id(&body)?;
    submit(caller, InstanceCommand::Start(id)).await
}

pub(super) async fn stop(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let instance = instance_id(&body)?;
    let force = Field::root(&body).member("Force").optional_bool()?;
    let force = force.unwrap_or(false);
    submit(caller, InstanceCommand::Stop { instance, force }).await
}

pub(super) async fn reboot(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let id = instance_id(&body)?;
    submit(caller, InstanceCommand::Reboot(id)).await
}

fn render(arns: &Arns, fleet: &Fleet, id: InstanceId, instance: &Instance) -> Value {
    let uuid = id.to_uuid();
    let layers = instance.content.layers.iter();
    let layers: Value = layers.map(|layer| Value::from(layer.to_uuid())).collect();
    let (class, registered_by) = match instance.origin {
        Origin::Created => ("ec2", None),
        Origin::Registered => ("on-premises", Some("USER")),
    };
    let mut rendered = members([
        ("InstanceId", Some((*uuid).into())),
        ("StackId", Some(instance.stack.to_uuid().into())),
        ("LayerIds", Some(layers)),
        (
            "Arn",
            Some(arns.opsworks(&format!("instance/{uuid}")).into()),
        ),
        ("Hostname", Some(instance.hostname.as_str().into())),
        (
            "Status",
            Some(fleet.instance_status(instance).as_str().into()),
        ),
        ("InfrastructureClass", Some(class.into())),
        ("RegisteredBy", registered_by.map(Value::from)),
        ("CreatedAt", Some(iso(instance.created_at))),
    ]);
    rendered.extend(shown(&instance.content.details));
    Value::Object(rendered)
}

/// Which instances a list shows.
enum Asked {
    Ids(Vec<InstanceId>),
    OfStack(StackId),
    OfLayer(LayerId),
}

impl Asked {
    fn read(body: &Value) -> Result<Self, Error> {
        let request = Field::root(body);
        exactly_one(&request, &["StackId", "LayerId", "InstanceIds"])?;
        if let Some(stack) = StackId::optional(&request, "StackId")? {
            return Ok(Self::OfStack(stack));
        }
        if let Some(layer) = LayerId::optional(&request, "LayerId")? {
            return Ok(Self::OfLayer(layer));
        }
        let mut ids = InstanceId::list(&request, "InstanceIds")?;
        ids.sort_unstable();
        ids.dedup();
        Ok(Self::Ids(ids))
    }

    /// Ids in ascending order.
    fn ids(self, fleet: &Fleet) -> Result<Vec<InstanceId>, Error> {
        match self {
            Self::Ids(ids) => Ok(ids),
            Self::OfStack(id) => {
                let stack = fleet.stack(id);
                let stack = stack.ok_or_else(|| absent::<StackId>(&id.to_uuid()))?;
                Ok(stack.instances.iter().copied().collect())
            }
            Self::OfLayer(id) => {
                let layer = fleet.layer(id);
                let layer = layer.ok_or_else(|| absent::<LayerId>(&id.to_uuid()))?;
                Ok(layer.instances.iter().copied().collect())
            }
        }
    }
}

pub(super) async fn describe(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let asked = Asked::read(&body)?;
    let arns = http.arns().clone();
    let found = http.app().read(move |fleet| {
        let newest = asked.ids(fleet)?.into_iter().rev();
        let found = newest.map(|id| {
            let instance = fleet.instance(id);
            let instance = instance.ok_or_else(|| absent::<InstanceId>(&id.to_uuid()))?;
            Ok(render(&arns, fleet, id, instance))
        });
        found.collect::<Result<Value, Error>>()
    });
    let found = found.await.map_err(failed)??;
    Ok(wire::ok(members([("Instances", Some(found))])))
}
