//! Job templates that AWS manages: the same names, versions and placeholders, so that jobs made from them run.

use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use shipslog_domain::job::Pairs;

use super::Answer;
use crate::arn::Arns;
use crate::aws::wire::{self, Paging, members, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::query::Query;

const VERSION: &str = "1.0";

/// A placeholder of a document.
#[derive(Debug)]
struct Parameter {
    key: &'static str,
    description: &'static str,
    example: &'static str,
    optional: bool,
}

const PATH_TO_HANDLER: Parameter = Parameter {
    key: "pathToHandler",
    description: "Folder of the handler on the device, where it is not the usual one.",
    example: "/home/user/.aws-iot-device-client/jobs",
    optional: true,
};
const RUN_AS_USER: Parameter = Parameter {
    key: "runAsUser",
    description: "User that runs the handler, where it is not that of the client.",
    example: "user",
    optional: true,
};

/// A managed template.
#[derive(Debug)]
pub(crate) struct Managed {
    name: &'static str,
    description: &'static str,
    handler: &'static str,
    /// What the handler is told first.
    arguments: &'static [Parameter],
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// A handler on the device runs.
    RunHandler,
    /// The device runs a command itself.
    RunCommand,
}

const fn required(
    key: &'static str,
    description: &'static str,
    example: &'static str,
) -> Parameter {
    Parameter {
        key,
        description,
        example,
        optional: false,
    }
}

const fn handler(
    name: &'static str,
    description: &'static str,
    handler: &'static str,
    arguments: &'static [Parameter],
) -> Managed {
    Managed {
        name,
        description,
        handler,
        arguments,
        action: Action::RunHandler,
    }
}

const SERVICES: &[Parameter] = &[required(
    "services",
    "Names of services, with spaces between them.",
    "nginx mosquitto",
)];
const PACKAGES: &[Parameter] = &[required(
    "packages",
    "Names of packages, with spaces between them.",
    "nginx mosquitto",
)];

/// All of them, by name.
static ALL: [Managed; 8] = [
    handler(
        "AWS-Download-File",
        "Downloads a file.",
        "download-file.sh",
        &[
            required(
                "downloadUrl",
                "URL of the file.",
                "https://example.com/file.bin",
            ),
            required("filePath", "Where the device puts it.", "/tmp/file.bin"),
        ],
    ),
    handler(
        "AWS-Install-Application",
        "Installs packages.",
        "install-packages.sh",
        PACKAGES,
    ),
    handler("AWS-Reboot", "Starts the device again.", "reboot.sh", &[]),
    handler(
        "AWS-Remove-Application",
        "Removes packages.",
        "remove-packages.sh",
        PACKAGES,
    ),
    handler(
        "AWS-Restart-Application",
        "Stops services and starts them again.",
        "restart-services.sh",
        SERVICES,
    ),
    Managed {
        name: "AWS-Run-Command",
        description: "Runs a command.",
        handler: "",
        arguments: &[required(
            "command",
            "The command and its arguments, with commas between them.",
            "echo,hello",
        )],
        action: Action::RunCommand,
    },
    handler(
        "AWS-Start-Application",
        "Starts services.",
        "start-services.sh",
        SERVICES,
    ),
    handler(
        "AWS-Stop-Application",
        "Stops services.",
        "stop-services.sh",
        SERVICES,
    ),
];

fn placeholder(key: &str) -> String {
    format!("${{aws:iot:parameter:{key}}}")
}

/// The managed template with this ARN, with or without a version.
pub(crate) fn by_arn(arns: &Arns, arn: &str) -> Option<&'static Managed> {
    let mut all = ALL.iter();
    all.find(|one| {
        let whole = one.arn(arns);
        arn == whole || whole.strip_suffix(VERSION) == Some(&format!("{arn}:"))
    })
}

impl Managed {
    fn arn(&self, arns: &Arns) -> String {
        arns.managed_job_template(&format!("{}:{VERSION}", self.name))
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let path = (self.action == Action::RunHandler).then_some(&PATH_TO_HANDLER);
        self.arguments.iter().chain(path).chain([&RUN_AS_USER])
    }

    fn tree(&self) -> Value {
        let arguments: Vec<String> = self
            .arguments
            .iter()
            .map(|one| placeholder(one.key))
            .collect();
        let action = match self.action {
            Action::RunHandler => {
                let mut input = Map::new();
                input.insert("handler".into(), self.handler.into());
                if !arguments.is_empty() {
                    input.insert("args".into(), arguments.into());
                }
                input.insert("path".into(), placeholder(PATH_TO_HANDLER.key).into());
                json!({"name": self.name, "type": "runHandler", "input": input,
                    "runAsUser": placeholder(RUN_AS_USER.key)})
            }
            Action::RunCommand => json!({"name": self.name, "type": "runCommand",
                "input": {"command": arguments.concat()},
                "runAsUser": placeholder(RUN_AS_USER.key)}),
        };
        json!({"version": "1.0", "steps": [{"action": action}]})
    }

    /// The document with its placeholders.
    pub(crate) fn document(&self) -> String {
        self.tree().to_string()
    }

    /// The document with `parameters` in place of their placeholders; members that nobody filled are left out.
    pub(crate) fn fill(&self, parameters: &Pairs) -> Result<String, String> {
        let given = |key: &str| {
            let mut pairs = parameters.iter();
            pairs.find_map(|(name, value)| (**name == *key).then_some(&**value))
        };
        for parameter in self.parameters() {
            if !parameter.optional && given(parameter.key).is_none() {
                return Err(format!(
                    "must have {}, which {} needs",
                    parameter.key, self.name
                ));
            }
        }
        for (key, value) in parameters {
            if !self.parameters().any(|one| one.key == &**key) {
                return Err(format!(
                    "{} has no parameter {key:.64}; leave it out",
                    self.name
                ));
            }
            if value.is_empty() || value.len() > 30_720 || value.chars().any(char::is_control) {
                return Err(format!(
                    "{key} must have 1 to 30,720 bytes and no control characters"
                ));
            }
        }
        let mut tree = self.tree();
        self.fill_value(&mut tree, &given);
        Ok(tree.to_string())
    }

    fn fill_value<'a>(&self, value: &mut Value, given: &impl Fn(&str) -> Option<&'a str>) {
        match value {
            Value::String(text) => {
                for parameter in self.parameters() {
                    if let Some(value) = given(parameter.key) {
                        *text = text.replace(&placeholder(parameter.key), value);
                    }
                }
            }
            Value::Array(items) => items
                .iter_mut()
                .for_each(|item| self.fill_value(item, given)),
            Value::Object(members) => {
                let is_empty = |value: &Value| {
                    let mut parameters = self.parameters();
                    parameters
                        .any(|one| given(one.key).is_none() && *value == *placeholder(one.key))
                };
                members.retain(|_, value| !is_empty(value));
                members
                    .values_mut()
                    .for_each(|value| self.fill_value(value, given));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn head(&self, arns: &Arns) -> Map<String, Value> {
        members([
            ("templateArn", Some(self.arn(arns).into())),
            ("templateName", Some(self.name.into())),
            ("description", Some(self.description.into())),
            ("environments", Some(json!(["LINUX"]))),
            ("templateVersion", Some(VERSION.into())),
        ])
    }
}

fn absent(name: &str) -> Error {
    Error::Absent(format!("managed job template {name}"))
}

pub(crate) async fn describe(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    if name.is_empty() || name.len() > 64 {
        return Err(Error::invalid("templateName", "must have 1 to 64 characters").into());
    }
    let found = ALL.iter().find(|one| one.name == name);
    let template = found.ok_or_else(|| absent(&name))?;
    match query.one("templateVersion")? {
        None | Some(VERSION) => {}
        Some(version) => return Err(absent(&format!("{name}:{version:.64}")).into()),
    }
    let parameters = template.parameters().map(|one| {
        json!({
            "key": one.key,
            "description": one.description,
            "regex": "[^\\p{C}]+",
            "example": one.example,
            "optional": one.optional,
        })
    });
    let mut body = template.head(http.arns());
    body.insert("documentParameters".into(), parameters.collect());
    body.insert("document".into(), template.document().into());
    Ok(wire::ok(body))
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let wanted = query.one("templateName")?;
    let after = paging.after.as_deref().unwrap_or_default();
    let mut found: Vec<&Managed> = ALL
        .iter()
        .filter(|one| one.name > after && wanted.is_none_or(|wanted| wanted == one.name))
        .collect();
    let has_more = found.len() > paging.limit;
    found.truncate(paging.limit);
    let last = found.last().filter(|_| has_more);
    let items = found.iter().map(|one| Value::Object(one.head(http.arns())));
    Ok(wire::ok(members([
        ("managedJobTemplates", Some(items.collect())),
        ("nextToken", last.map(|last| to_token(last.name))),
    ])))
}

#[cfg(test)]
mod tests;
