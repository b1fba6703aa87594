//! GraphQL.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shipslog_domain::execution::Status;
use shipslog_tests::graphql;

use super::{items, number, text};
use crate::surfaces::service::Service;
use crate::surfaces::story::{
    ABSENT, NONE, Scope, Story, counts, join, listed, names, rows_of_summary,
};
use crate::world::World;

pub(super) fn tell(_world: &World, service: &Service, scope: &Scope) -> Story {
    let mut story = Story::default();
    let asked = Asked(service);
    for name in &scope.things {
        asked.thing(&mut story, name);
        for job in &scope.jobs {
            asked.execution(&mut story, job, name);
        }
    }
    for name in &scope.groups {
        asked.group(&mut story, name);
    }
    for name in &scope.jobs {
        asked.job(&mut story, name);
    }
    for name in &scope.templates {
        let template = asked.one("template(name: $name) { latestVersion version }", name);
        let latest = template.map(|one| number(&one, "latestVersion").to_string());
        story.tell("template", name, latest.unwrap_or_else(absent));
    }
    for (collection, key) in &scope.tasks {
        asked.task(&mut story, collection, key);
    }
    if scope.lists {
        asked.lists(&mut story);
    }
    story
}

struct Asked<'a>(&'a Service);

const THING: &str = "thing(name: $name) { registered attributes { key value } groups { name }
    core { desired { name version } reported { name version } deploymentStatus }
    jobExecutions(first: 100) { nodes { jobId status executionNumber retryAttempt } } }";

const GROUP: &str = "group(name: $name) { parent members(first: 100) { nodes { name } }
    below: members(first: 100, includeDescendants: true) { nodes { name } } }";

const JOB: &str = "job(id: $name) { status targetSelection namespace
    progress { queued inProgress succeeded failed timedOut rejected removed canceled }
    executions(first: 100) { nodes { thingName status executionNumber retryAttempt } } }";

const TASK: &str = "status cores(first: 100) { nodes { status } }";

const EXECUTION: &str =
    "query($job: ID!, $thing: String!) { jobExecution(jobId: $job, thingName: $thing) {
    status executionNumber versionNumber retryAttempt forceCanceled statusDetails { key value }
    queuedAt startedAt lastUpdatedAt } }";

const LISTS: &str = "{ things(first: 100) { nodes { name } } groups(first: 100) { nodes { name } }
    jobs(first: 100) { nodes { id } } templates(first: 100) { nodes { name } }
    cores: things(first: 100, filter: { isCore: true }) { nodes { name } }
    blue: things(first: 100, filter: { attributes: [{ key: \"color\", value: \"blue\" }] }) { nodes { name } }
    fleetSummary { templates { name versions { version desiredInUse reportedInUse lastDeploymentSuccess
        lastDeploymentFailed lastDeploymentInProgress } } } }";

impl Asked<'_> {
    fn ask(&self, query: &str, variables: &Value) -> Value {
        graphql::data_of(graphql::ask(self.0.http(), query, variables))
    }

    /// One item by its name, if it exists.
    fn one(&self, selection: &str, name: &str) -> Option<Value> {
        let kind = if selection.contains("(id:") {
            "ID"
        } else {
            "String"
        };
        let query = format!("query($name: {kind}!) {{ one: {selection} }}");
        let mut data = self.ask(&query, &json!({ "name": name }));
        Some(data["one"].take()).filter(Value::is_object)
    }

    fn thing(&self, story: &mut Story, name: &str) {
        let thing = self.one(THING, name);
        let core = thing.as_ref().map(|thing| &thing["core"]);
        let core = core.filter(|core| core.is_object()).map(|core| {
            let how = text(core, "deploymentStatus");
            format!(
                "{} {} {how}",
                version(&core["desired"]),
                version(&core["reported"])
            )
        });
        story.tell("core", name, core.unwrap_or_else(absent));
        let Some(thing) = thing.filter(|thing| thing["registered"] == true) else {
            for what in ["attributes", "groups of a thing", "executions of a thing"] {
                story.tell(what, name, ABSENT);
            }
            return;
        };
        let groups = items(&thing, "groups")
            .iter()
            .map(|group| text(group, "name"));
        let runs = items(&thing["jobExecutions"], "nodes").iter();
        let mut runs: Vec<String> = runs.map(|run| summary(text(run, "jobId"), run)).collect();
        runs.sort();
        story.tell_all(
            name,
            [
                ("attributes", pairs(&thing, "attributes")),
                ("groups of a thing", names(groups)),
                (
                    "executions of a thing",
                    join(runs.iter().map(String::as_str)),
                ),
            ],
        );
    }

    fn group(&self, story: &mut Story, name: &str) {
        let Some(group) = self.one(GROUP, name) else {
            for what in ["parent of a group", "members", "members below"] {
                story.tell(what, name, ABSENT);
            }
            return;
        };
        story.tell_all(
            name,
            [
                (
                    "parent of a group",
                    group["parent"].as_str().unwrap_or(NONE).to_owned(),
                ),
                ("members", nodes(&group["members"], "name")),
                ("members below", nodes(&group["below"], "name")),
            ],
        );
    }

    fn job(&self, story: &mut Story, name: &str) {
        let Some(job) = self.one(JOB, name) else {
            return story.tell("job", name, ABSENT);
        };
        let namespace = job["namespace"].as_str().unwrap_or(NONE);
        let (status, selection) = (text(&job, "status"), text(&job, "targetSelection"));
        let runs = items(&job["executions"], "nodes").iter();
        let runs: Vec<String> = runs
            .map(|run| summary(text(run, "thingName"), run))
            .collect();
        story.tell_all(
            name,
            [
                ("job", format!("{status} {selection} {namespace}")),
                (
                    "counts",
                    counts(|status| number(&job["progress"], counter(status))),
                ),
                ("executions of a job", join(runs.iter().map(String::as_str))),
            ],
        );
    }

    fn execution(&self, story: &mut Story, job: &str, thing: &str) {
        let whom = format!("{job} on {thing}");
        let data = self.ask(EXECUTION, &json!({ "job": job, "thing": thing }));
        let run = &data["jobExecution"];
        if run.is_null() {
            return story.tell("status", whom, ABSENT);
        }
        let time = |name: &str| run[name].as_str().unwrap_or(NONE).to_owned();
        story.tell_all(
            &whom,
            [
                ("status", text(run, "status").to_owned()),
                ("number", number(run, "executionNumber").to_string()),
                ("version", number(run, "versionNumber").to_string()),
                ("retry", number(run, "retryAttempt").to_string()),
                ("forced", run["forceCanceled"].to_string()),
                ("details", pairs(run, "statusDetails")),
                ("queued", time("queuedAt")),
                ("started", time("startedAt")),
                ("updated", time("lastUpdatedAt")),
            ],
        );
    }

    fn task(&self, story: &mut Story, collection: &str, key: &str) {
        let field = match collection {
            "coreTasks" => "coreTask",
            "deploymentTasks" => "deploymentTask",
            // The schema has no device tasks.
            _ => return,
        };
        let task = self.one(&format!("{field}(id: $name) {{ {TASK} }}"), key);
        let task = task.unwrap_or_else(|| panic!("no {field} {key}"));
        let states = items(&task["cores"], "nodes").iter();
        let states: Vec<&str> = states.map(|item| word(text(item, "status"))).collect();
        let how = format!("{}: {}", word(text(&task, "status")), states.join(" "));
        story.tell("task", key, how);
    }

    fn lists(&self, story: &mut Story) {
        let data = self.ask(LISTS, &json!({}));
        let mut rows = BTreeMap::new();
        for template in items(&data["fleetSummary"], "templates") {
            for version in items(template, "versions") {
                let counts = [
                    "desiredInUse",
                    "lastDeploymentSuccess",
                    "lastDeploymentFailed",
                    "lastDeploymentInProgress",
                    "reportedInUse",
                ];
                let row = (
                    text(template, "name").to_owned(),
                    number(version, "version"),
                );
                rows.insert(row, counts.map(|count| number(version, count)));
            }
        }
        story.tell_all(
            "",
            [
                ("things", nodes(&data["things"], "name")),
                ("groups", nodes(&data["groups"], "name")),
                ("jobs", nodes(&data["jobs"], "id")),
                ("templates", nodes(&data["templates"], "name")),
                ("cores", nodes(&data["cores"], "name")),
                ("blue things", nodes(&data["blue"], "name")),
                ("fleet summary", rows_of_summary(rows)),
            ],
        );
    }
}

fn absent() -> String {
    ABSENT.to_owned()
}

fn version(template: &Value) -> String {
    format!("{}@{}", text(template, "name"), number(template, "version"))
}

fn nodes(connection: &Value, name: &str) -> String {
    names(
        items(connection, "nodes")
            .iter()
            .map(|node| text(node, name)),
    )
}

fn pairs(item: &Value, name: &str) -> String {
    let pairs = items(item, name).iter();
    let mut pairs: Vec<String> = pairs
        .map(|pair| format!("{}={}", text(pair, "key"), text(pair, "value")))
        .collect();
    pairs.sort();
    pairs.join(" ")
}

fn summary(whom: &str, run: &Value) -> String {
    let (number, retry) = (number(run, "executionNumber"), number(run, "retryAttempt"));
    listed(whom, text(run, "status"), number, retry)
}

const fn counter(status: Status) -> &'static str {
    match status {
        Status::Queued => "queued",
        Status::InProgress => "inProgress",
        Status::Succeeded => "succeeded",
        Status::Failed => "failed",
        Status::TimedOut => "timedOut",
        Status::Rejected => "rejected",
        Status::Removed => "removed",
        Status::Canceled => "canceled",
    }
}

/// CDF's word for how a task stands.
fn word(status: &str) -> &'static str {
    match status {
        "WAITING" => "Waiting",
        "IN_PROGRESS" => "InProgress",
        "SUCCESS" => "Success",
        "FAILURE" => "Failure",
        other => panic!("what is {other}?"),
    }
}
