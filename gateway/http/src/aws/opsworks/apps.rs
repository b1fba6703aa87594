//! Apps of stacks.

use axum::extract::State;
use serde_json::{Value, json};
use shipslog_domain::stack::{App, AppChange, AppContent, Command, FILTERED, Variable};
use shipslog_domain::{AppId, Command as Any, StackId};

use super::Answer;
use super::fields::{Id, absent, details, done, iso, shown, text};
use super::stacks::Asked;
use crate::aws::wire::{self, AwsBody, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::limits;
use crate::position::{Caller, failed};

/// Members that are kept as they are.
const KEPT: [&str; 7] = [
    "Description",
    "DataSources",
    "AppSource",
    "Domains",
    "EnableSsl",
    "SslConfiguration",
    "Attributes",
];

fn environment(request: &Field<'_, '_>) -> Result<Option<Vec<Variable>>, Error> {
    let field = request.member("Environment");
    if !field.is_present() {
        return Ok(None);
    }
    let variables = field.list(limits::OPSWORKS_VARIABLES_MAX, |one| {
        Ok(Variable {
            key: one.member("Key").string()?.into(),
            value: one.member("Value").string()?.into(),
            is_secure: one.member("Secure").optional_bool()?.unwrap_or(false),
        })
    });
    Ok(Some(variables?))
}

pub(super) async fn create(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    let stack = StackId::member(&request, "StackId")?;
    let content = Box::new(AppContent {
        name: request.member("Name").text()?.into(),
        shortname: text(&request.member("Shortname"))?.unwrap_or_default(),
        kind: request.member("Type").text()?.into(),
        environment: environment(&request)?.unwrap_or_default(),
        details: details(&body, &KEPT),
    });
    let create = Any::Stack(Command::CreateApp { stack, content });
    let created = caller.submit_with(create, move |fleet, _| {
        let newest = fleet.stack(stack)?.apps.last()?;
        Some(Value::from(newest.to_uuid()))
    });
    let created = created.await?;
    Ok(wire::ok(members([("AppId", created)])))
}

pub(super) async fn update(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    let app = AppId::member(&request, "AppId")?;
    let change = Box::new(AppChange {
        name: text(&request.member("Name"))?,
        kind: text(&request.member("Type"))?,
        environment: environment(&request)?,
        details: details(&body, &KEPT),
    });
    done(caller, Command::ChangeApp { app, change }).await
}

pub(super) async fn delete(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let app = AppId::member(&Field::root(&body), "AppId")?;
    done(caller, Command::DeleteApp(app)).await
}

fn render(id: AppId, app: &App) -> Value {
    let content = &app.content;
    let environment = content.environment.iter().map(|one| {
        let value = if one.is_secure { FILTERED } else { &one.value };
        json!({"Key": one.key, "Value": value, "Secure": one.is_secure})
    });
    let mut rendered = members([
        ("AppId", Some(id.to_uuid().into())),
        ("StackId", Some(app.stack.to_uuid().into())),
        ("Shortname", Some((*content.shortname).into())),
        ("Name", Some((*content.name).into())),
        ("Type", Some((*content.kind).into())),
        ("Environment", Some(environment.collect())),
        ("CreatedAt", Some(iso(app.created_at))),
    ]);
    rendered.extend(shown(&content.details));
    Value::Object(rendered)
}

pub(super) async fn describe(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let asked = Asked::<AppId>::read(&Field::root(&body), "AppIds")?;
    let found = http.app().read(move |fleet| {
        let ids = match asked {
            Asked::Ids(ids) => ids,
            Asked::OfStack(id) => {
                let stack = fleet.stack(id);
                let stack = stack.ok_or_else(|| absent::<StackId>(&id.to_uuid()))?;
                stack.apps.iter().rev().copied().collect()
            }
        };
        let found = ids.into_iter().map(|id| {
            let app = fleet.stack_app(id);
            let app = app.ok_or_else(|| absent::<AppId>(&id.to_uuid()))?;
            Ok(render(id, app))
        });
        found.collect::<Result<Value, Error>>()
    });
    let found = found.await.map_err(failed)??;
    Ok(wire::ok(members([("Apps", Some(found))])))
}
