//! CDF REST.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{found, items, number, text};
use crate::surfaces::service::Service;
use crate::surfaces::story::{ABSENT, Scope, Story, join, names, rows_of_summary};
use crate::world::World;

pub(super) fn tell(_world: &World, service: &Service, scope: &Scope) -> Story {
    let mut story = Story::default();
    let get = |path: &str| found(service.http().cdf("GET", path, &Value::Null));
    for name in &scope.things {
        let core = get(&format!("/cores/{name}")).map(|core| {
            let (desired, reported) = (&core["template"]["desired"], &core["template"]["reported"]);
            let how = text(reported, "deploymentStatus");
            format!("{} {} {how}", version(desired), version(reported))
        });
        story.tell("core", name, core.unwrap_or_else(absent));
        let device = get(&format!("/devices/{name}"));
        let device = device.map(|one| format!("{} {}", text(&one, "coreName"), one["associated"]));
        story.tell("client device", name, device.unwrap_or_else(absent));
    }
    for name in &scope.templates {
        let latest = get(&format!("/templates/{name}"));
        let latest = latest.map(|template| number(&template, "version").to_string());
        story.tell("template", name, latest.unwrap_or_else(absent));
    }
    for (collection, key) in &scope.tasks {
        let task = get(&format!("/{collection}/{key}")).expect("a task is never deleted");
        let name = match *collection {
            "coreTasks" => "cores",
            "deviceTasks" => "devices",
            _ => "deployments",
        };
        let states = items(&task, name)
            .iter()
            .map(|item| text(item, "taskStatus"));
        let how = format!("{}: {}", text(&task, "taskStatus"), join(states));
        story.tell("task", key, how);
    }
    if scope.lists {
        lists(&mut story, get);
    }
    story
}

fn lists(story: &mut Story, get: impl Fn(&str) -> Option<Value>) {
    let all = |path: &str, list: &str| {
        let body = get(path).expect("a list is always there");
        names(items(&body, list).iter().map(|item| text(item, "name")))
    };
    let summary = get("/fleet/summary").expect("a summary is always there");
    let mut rows = BTreeMap::new();
    for (name, template) in summary["templates"].as_object().expect("an object") {
        for (version, counts) in template["versions"].as_object().expect("an object") {
            let counts = [
                "desiredInUse",
                "lastDeploymentSuccess",
                "lastDeploymentFailed",
                "lastDeploymentInProgress",
                "reportedInUse",
            ]
            .map(|count| number(counts, count));
            let version = version.parse().expect("a number");
            rows.insert((name.clone(), version), counts);
        }
    }
    story.tell_all(
        "",
        [
            ("cores", all("/cores?count=1000", "cores")),
            ("templates", all("/templates?count=1000", "templates")),
            ("fleet summary", rows_of_summary(rows)),
        ],
    );
}

fn absent() -> String {
    ABSENT.to_owned()
}

fn version(template: &Value) -> String {
    format!("{}@{}", text(template, "name"), number(template, "version"))
}
