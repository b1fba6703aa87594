//! Stacks: created, described, updated, deleted, started and stopped.

use axum::extract::State;
use serde_json::{Map, Value, json};
use shipslog_domain::stack::{Change, Command, Content, InstanceStatus, Stack};
use shipslog_domain::{Command as Any, Fleet, StackId};

use super::Answer;
use super::fields::{Id, absent, details, done, exactly_one, iso, shown, text};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};

/// Members that are kept as they are.
const KEPT: [&str; 17] = [
    "Region",
    "VpcId",
    "Attributes",
    "ServiceRoleArn",
    "DefaultInstanceProfileArn",
    "DefaultOs",
    "HostnameTheme",
    "DefaultAvailabilityZone",
    "DefaultSubnetId",
    "ConfigurationManager",
    "ChefConfiguration",
    "UseCustomCookbooks",
    "UseOpsworksSecurityGroups",
    "CustomCookbooksSource",
    "DefaultSshKeyName",
    "DefaultRootDeviceType",
    "AgentVersion",
];

fn manager_version(body: &Field<'_, '_>) -> Result<Option<Box<str>>, Error> {
    text(&body.member("ConfigurationManager").member("Version"))
}

pub(super) async fn create(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    let region = request.member("Region");
    if region.text()? != caller.http().arns().region() {
        let own = caller.http().arns().region();
        return Err(region
            .refuse(format!("must be {own}, the region of this service"))
            .into());
    }
    let content = Content {
        name: request.member("Name").text()?.into(),
        manager_version: manager_version(&request)?,
        custom_json: text(&request.member("CustomJson"))?,
        details: details(&body, &KEPT),
    };
    let create = Any::Stack(Command::Create(Box::new(content)));
    let created = caller.submit_with(create, |fleet, _| {
        let newest = fleet.stacks().next();
        newest.map(|(id, _)| Value::from(id.to_uuid()))
    });
    let created = created.await?;
    Ok(wire::ok(members([("StackId", created)])))
}

pub(super) async fn update(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    let change = Change {
        name: text(&request.member("Name"))?,
        manager_version: manager_version(&request)?,
        custom_json: text(&request.member("CustomJson"))?,
        // A stack stays in its region.
        details: details(&body, KEPT.get(1..).unwrap_or_default()),
    };
    let stack = StackId::member(&request, "StackId")?;
    let change = Box::new(change);
    done(caller, Command::Change { stack, change }).await
}

pub(super) async fn delete(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let stack = StackId::member(&Field::root(&body), "StackId")?;
    done(caller, Command::Delete(stack)).await
}

pub(super) async fn start(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let stack = StackId::member(&Field::root(&body), "StackId")?;
    done(caller, Command::Start(stack)).await
}

pub(super) async fn stop(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let stack = StackId::member(&Field::root(&body), "StackId")?;
    done(caller, Command::Stop(stack)).await
}

fn render(arns: &Arns, id: StackId, stack: &Stack) -> Value {
    let content = &stack.content;
    let uuid = id.to_uuid();
    let mut rendered = members([
        ("StackId", Some((*uuid).into())),
        ("Name", Some((*content.name).into())),
        ("Arn", Some(arns.opsworks(&format!("stack/{uuid}/")).into())),
        (
            "CustomJson",
            content.custom_json.as_deref().map(Value::from),
        ),
        ("CreatedAt", Some(iso(stack.created_at))),
    ]);
    rendered.extend(shown(&content.details));
    Value::Object(rendered)
}

pub(super) async fn describe(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    let is_asked = request.member("StackIds").is_present();
    let mut ids = StackId::list(&request, "StackIds")?;
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    let arns = http.arns().clone();
    let found = http.app().read(move |fleet| {
        if !is_asked {
            let all = fleet.stacks();
            return Ok(all.map(|(id, stack)| render(&arns, id, stack)).collect());
        }
        let found = ids.into_iter().map(|id| {
            let stack = fleet.stack(id).ok_or(id)?;
            Ok(render(&arns, id, stack))
        });
        found.collect::<Result<Value, StackId>>()
    });
    let found = found.await.map_err(failed)?;
    let found = found.map_err(|id| absent::<StackId>(&id.to_uuid()))?;
    Ok(wire::ok(members([("Stacks", Some(found))])))
}

/// Words for the states of instances, as the summary has them.
const COUNTED: [(&str, Option<InstanceStatus>); 20] = [
    ("Assigning", Some(InstanceStatus::Assigning)),
    ("Booting", None),
    ("ConnectionLost", Some(InstanceStatus::ConnectionLost)),
    ("Deregistering", None),
    ("Online", Some(InstanceStatus::Online)),
    ("Pending", None),
    ("Rebooting", Some(InstanceStatus::Rebooting)),
    ("Registered", Some(InstanceStatus::Registered)),
    ("Registering", Some(InstanceStatus::Registering)),
    ("Requested", Some(InstanceStatus::Requested)),
    ("RunningSetup", None),
    ("SetupFailed", None),
    ("ShuttingDown", None),
    ("StartFailed", None),
    ("StopFailed", None),
    ("Stopped", Some(InstanceStatus::Stopped)),
    ("Stopping", Some(InstanceStatus::Stopping)),
    ("Terminated", None),
    ("Terminating", None),
    ("Unassigning", None),
];

fn counts(fleet: &Fleet, stack: &Stack) -> Map<String, Value> {
    let instances = stack.instances.iter();
    let instances = instances.filter_map(|id| fleet.instance(*id));
    let statuses: Vec<InstanceStatus> = instances
        .map(|instance| fleet.instance_status(instance))
        .collect();
    let counted = COUNTED.iter().map(|(word, status)| {
        let of_status = statuses.iter().filter(|one| Some(**one) == *status);
        ((*word).to_owned(), of_status.count().into())
    });
    counted.collect()
}

pub(super) async fn summarize(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let id = StackId::member(&Field::root(&body), "StackId")?;
    let arns = http.arns().clone();
    let summary = http.app().read(move |fleet| {
        let stack = fleet.stack(id)?;
        let uuid = id.to_uuid();
        Some(json!({
            "StackId": uuid,
            "Name": stack.content.name,
            "Arn": arns.opsworks(&format!("stack/{uuid}/")),
            "LayersCount": stack.layers.len(),
            "AppsCount": stack.apps.len(),
            "InstancesCount": counts(fleet, stack),
        }))
    });
    let summary = summary.await.map_err(failed)?;
    let summary = summary.ok_or_else(|| absent::<StackId>(&id.to_uuid()))?;
    Ok(wire::ok(members([("StackSummary", Some(summary))])))
}

/// What a list is asked for: ids, or all of a stack.
pub(super) enum Asked<T> {
    Ids(Vec<T>),
    OfStack(StackId),
}

impl<T: Id + Ord> Asked<T> {
    /// Reads a request that gives either.
    pub(super) fn read(request: &Field<'_, '_>, ids: &str) -> Result<Self, Error> {
        exactly_one(request, &["StackId", ids])?;
        if let Some(stack) = StackId::optional(request, "StackId")? {
            return Ok(Self::OfStack(stack));
        }
        let mut found = T::list(request, ids)?;
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        Ok(Self::Ids(found))
    }
}
