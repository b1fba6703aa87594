//! Deployments of stacks, and the commands that they are made of.

use axum::Extension;
use axum::extract::State;
use serde_json::{Map, Value, json};
use shipslog_domain::deployment::{Content, Deployment};
use shipslog_domain::stack::{Args, Command, CommandName, CommandRequest, CommandView, Commands};
use shipslog_domain::{AppId, Command as Any, Fleet, InstanceId, JobName, LayerId, StackId};

use super::Answer;
use super::fields::{Id, absent, exactly_one, iso, text};
use crate::auth::Access;
use crate::aws::wire::{self, AwsBody, members, random_uuid};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::limits;
use crate::position::{Caller, failed};

fn args(field: &Field<'_, '_>) -> Result<Args, Error> {
    let Some(field) = field.present() else {
        return Ok(Args::new());
    };
    let names = field.object()?.keys();
    let args = names.map(|name| {
        let values = field.member(name);
        let values = values.list(shipslog_domain::limits::COMMAND_ARG_VALUES_MAX, |value| {
            Ok(Box::<str>::from(value.string()?))
        })?;
        Ok((Box::<str>::from(name.as_str()), values))
    });
    args.collect()
}

pub(super) async fn create(
    caller: Caller,
    Extension(access): Extension<Access>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let command = body.member("Command");
    let id = random_uuid();
    let request = CommandRequest {
        id: id.as_str().into(),
        job: JobName::parse(&random_uuid())?,
        stack: StackId::member(&body, "StackId")?,
        app: AppId::optional(&body, "AppId")?,
        instances: InstanceId::list(&body, "InstanceIds")?,
        layers: LayerId::list(&body, "LayerIds")?,
        name: command.member("Name").parsed(CommandName::parse)?,
        args: args(&command.member("Args"))?,
        comment: text(&body.member("Comment"))?,
        custom_json: text(&body.member("CustomJson"))?,
        caller: access.arn(caller.http().account()).into(),
    };
    caller
        .submit(Any::Stack(Command::Run(Box::new(request))))
        .await?;
    Ok(wire::ok(members([("DeploymentId", Some(id.into()))])))
}

fn render(fleet: &Fleet, found: &Found<'_>) -> Value {
    let Found {
        number,
        deployment,
        commands,
        stack,
    } = found;
    let run = fleet.run(*number);
    let ended_at = run.and_then(|run| run.ended_at);
    let seconds = |end: shipslog_domain::Timestamp| end.since(deployment.created_at).0 / 1_000;
    let args = commands.args.iter();
    let args: Map<String, Value> = args
        .map(|(name, values)| {
            let values = values.iter().map(|value| Value::from(&**value));
            (name.to_string(), values.collect())
        })
        .collect();
    let instances = commands.instances().into_iter();
    let instances: Value = instances.map(|id| Value::from(id.to_uuid())).collect();
    Value::Object(members([
        ("DeploymentId", Some((*deployment.id).into())),
        ("StackId", Some(stack.to_uuid().into())),
        ("AppId", commands.app.map(|app| app.to_uuid().into())),
        ("CreatedAt", Some(iso(deployment.created_at))),
        ("CompletedAt", ended_at.map(iso)),
        ("Duration", ended_at.map(|end| seconds(end).into())),
        ("IamUserArn", Some((*commands.caller).into())),
        ("Comment", commands.comment.as_deref().map(Value::from)),
        (
            "Command",
            Some(json!({"Name": commands.name.as_str(), "Args": args})),
        ),
        ("Status", run.map(|run| run.as_str().into())),
        (
            "CustomJson",
            commands.custom_json.as_deref().map(Value::from),
        ),
        ("InstanceIds", Some(instances)),
    ]))
}

/// A deployment of a stack.
struct Found<'a> {
    number: u32,
    deployment: &'a Deployment,
    commands: &'a Commands,
    stack: StackId,
}

fn find<'a>(fleet: &'a Fleet, id: &str) -> Option<Found<'a>> {
    let (number, deployment) = fleet.numbered_deployment(id)?;
    let Content::Commands(commands) = &*deployment.content else {
        return None;
    };
    Some(Found {
        number,
        deployment,
        commands,
        stack: deployment.scope.stack()?,
    })
}

fn of_stack(fleet: &Fleet, stack: StackId) -> impl Iterator<Item = Found<'_>> {
    let all = fleet.stack_deployments(stack);
    all.map(move |(number, deployment, commands)| Found {
        number,
        deployment,
        commands,
        stack,
    })
}

/// There is no deployment with this id.
fn absent_deployment(id: &str) -> Error {
    Error::Absent(format!("deployment {id}"))
}

fn texts(request: &Field<'_, '_>, name: &str) -> Result<Vec<String>, Error> {
    let field = request.member(name);
    field.list(limits::OPSWORKS_IDS_MAX, |id| Ok(id.text()?.to_owned()))
}

pub(super) async fn describe(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    exactly_one(&request, &["StackId", "AppId", "DeploymentIds"])?;
    let stack = StackId::optional(&request, "StackId")?;
    let app = AppId::optional(&request, "AppId")?;
    let ids = match stack.is_none() && app.is_none() {
        true => texts(&request, "DeploymentIds")?,
        false => Vec::new(),
    };
    let found = http.app().read(move |fleet| {
        let found = match (stack, app) {
            (Some(id), _) => {
                let known = fleet.stack(id);
                known.ok_or_else(|| absent::<StackId>(&id.to_uuid()))?;
                bounded(of_stack(fleet, id))
            }
            (None, Some(id)) => {
                let known = fleet.stack_app(id);
                let known = known.ok_or_else(|| absent::<AppId>(&id.to_uuid()))?;
                let all = of_stack(fleet, known.stack);
                bounded(all.filter(|found| found.commands.app == Some(id)))
            }
            (None, None) => {
                let found = ids.iter().map(|id| {
                    let found = find(fleet, id);
                    found.ok_or_else(|| absent_deployment(id))
                });
                let mut found = found.collect::<Result<Vec<_>, Error>>()?;
                found.sort_unstable_by_key(|found| u32::MAX - found.number);
                found.dedup_by_key(|found| found.number);
                found
            }
        };
        Ok::<Value, Error>(found.iter().map(|found| render(fleet, found)).collect())
    });
    let found = found.await.map_err(failed)??;
    Ok(wire::ok(members([("Deployments", Some(found))])))
}

/// As many of the newest as one answer has room for; whoever wants older ones names them.
fn bounded<'a>(all: impl Iterator<Item = Found<'a>>) -> Vec<Found<'a>> {
    let mut room = limits::OPSWORKS_LISTED_IDS_MAX;
    let fits = |found: &Found<'_>| {
        let needs = 1 + found.commands.instances().len();
        let is_room = room > 0;
        room = room.saturating_sub(needs);
        is_room
    };
    all.take_while(fits).collect()
}

fn render_command(command: &CommandView) -> Value {
    Value::Object(members([
        ("CommandId", Some((*command.id).into())),
        ("InstanceId", Some(command.instance.to_uuid().into())),
        ("DeploymentId", Some((*command.deployment).into())),
        ("CreatedAt", Some(iso(command.created_at))),
        ("AcknowledgedAt", command.acknowledged_at.map(iso)),
        ("CompletedAt", command.completed_at.map(iso)),
        ("Status", Some(command.status.as_str().into())),
        ("ExitCode", command.exit_code.map(Value::from)),
        ("LogUrl", command.log_url.as_deref().map(Value::from)),
        ("Type", Some(command.name.as_str().into())),
    ]))
}

pub(super) async fn describe_commands(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    exactly_one(&request, &["DeploymentId", "InstanceId", "CommandIds"])?;
    let deployment = text(&request.member("DeploymentId"))?;
    let instance = InstanceId::optional(&request, "InstanceId")?;
    let ids = match deployment.is_none() && instance.is_none() {
        true => texts(&request, "CommandIds")?,
        false => Vec::new(),
    };
    let found = http.app().read(move |fleet| {
        let found: Vec<CommandView> = match (&deployment, instance) {
            (Some(id), _) => {
                let found = find(fleet, id).ok_or_else(|| absent_deployment(id))?;
                let newest = found.commands.instances().into_iter().rev();
                newest
                    .filter_map(|instance| fleet.command(found.number, instance))
                    .collect()
            }
            (None, Some(id)) => {
                let known = fleet.instance(id);
                let known = known.ok_or_else(|| absent::<InstanceId>(&id.to_uuid()))?;
                of_stack(fleet, known.stack)
                    .filter_map(|found| fleet.command(found.number, id))
                    .collect()
            }
            (None, None) => {
                let found = ids.iter().map(|id| {
                    let found = fleet.command_by_id(id);
                    found.ok_or_else(|| Error::Absent(format!("command {id}")))
                });
                let mut found = found.collect::<Result<Vec<_>, Error>>()?;
                found.sort_by_key(|command| std::cmp::Reverse(command.created_at));
                found
            }
        };
        Ok::<Value, Error>(found.iter().map(render_command).collect())
    });
    let found = found.await.map_err(failed)??;
    Ok(wire::ok(members([("Commands", Some(found))])))
}
