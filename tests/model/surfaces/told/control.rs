//! AWS IoT's control plane.

use serde_json::{Value, json};
use shipslog_domain::Timestamp;
use shipslog_domain::execution::Status;

use super::{found, items, number, number_or_none, text, texts};
use crate::surfaces::saying::Surface;
use crate::surfaces::service::Service;
use crate::surfaces::story::{ABSENT, NONE, Scope, Story, counts, join, listed, names};
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
    if scope.lists {
        asked.lists(&mut story);
    }
    story
}

struct Asked<'a>(&'a Service);

impl Asked<'_> {
    fn get(&self, path: &str) -> Option<Value> {
        found(self.0.aws(Surface::Iot, "GET", path, &Value::Null))
    }

    fn thing(&self, story: &mut Story, name: &str) {
        let thing = self.get(&format!("/things/{name}"));
        let attributes = thing.map(|thing| texts(&thing["attributes"]));
        story.tell("attributes", name, attributes.unwrap_or_else(absent));
        let groups = self.get(&format!("/things/{name}/thing-groups?maxResults=250"));
        let groups = groups.map(|body| names_of(&body, "thingGroups", "groupName"));
        story.tell("groups of a thing", name, groups.unwrap_or_else(absent));
        let runs = self.get(&format!("/things/{name}/jobs?maxResults=250"));
        let runs = runs.map(|body| {
            let runs = items(&body, "executionSummaries").iter();
            let mut runs: Vec<String> = runs.map(|one| summary(text(one, "jobId"), one)).collect();
            runs.sort();
            join(runs.iter().map(String::as_str))
        });
        story.tell("executions of a thing", name, runs.unwrap_or_else(absent));
    }

    fn group(&self, story: &mut Story, name: &str) {
        let group = self.get(&format!("/thing-groups/{name}"));
        let parent = group.as_ref().map(|group| {
            let parent = &group["thingGroupMetadata"]["parentGroupName"];
            parent.as_str().unwrap_or(NONE).to_owned()
        });
        let query = group
            .as_ref()
            .map(|group| group["queryString"].as_str().unwrap_or(NONE).to_owned());
        let members = |recursive: bool| {
            let path = format!("/thing-groups/{name}/things?maxResults=250&recursive={recursive}");
            let body = self.get(&path)?;
            let members = items(&body, "things").iter();
            Some(names(members.map(|one| one.as_str().expect("a name"))))
        };
        let facts = [
            ("parent of a group", parent),
            ("query of a group", query),
            ("members", members(false)),
            ("members below", members(true)),
        ];
        story.tell_all(
            name,
            facts.map(|(what, how)| (what, how.unwrap_or_else(absent))),
        );
    }

    fn job(&self, story: &mut Story, name: &str) {
        let Some(body) = self.get(&format!("/jobs/{name}")) else {
            return story.tell("job", name, ABSENT);
        };
        let job = &body["job"];
        let namespace = job["namespaceId"].as_str().unwrap_or(NONE);
        let (status, selection) = (text(job, "status"), text(job, "targetSelection"));
        story.tell("job", name, format!("{status} {selection} {namespace}"));
        let details = &job["jobProcessDetails"];
        let count = |status| number(details, counter(status));
        story.tell("counts", name, counts(count));
        let path = format!("/jobs/{name}/things?maxResults=250");
        let runs = self.get(&path).expect("what was described is there");
        let runs = items(&runs, "executionSummaries").iter().map(|one| {
            let arn = text(one, "thingArn");
            let (_, thing) = arn.rsplit_once('/').expect("an ARN names the thing");
            summary(thing, one)
        });
        let runs: Vec<String> = runs.collect();
        story.tell(
            "executions of a job",
            name,
            join(runs.iter().map(String::as_str)),
        );
    }

    fn execution(&self, story: &mut Story, job: &str, thing: &str) {
        let whom = format!("{job} on {thing}");
        let Some(body) = self.get(&format!("/things/{thing}/jobs/{job}")) else {
            return story.tell("status", whom, ABSENT);
        };
        let run = &body["execution"];
        story.tell_all(
            &whom,
            [
                ("status", text(run, "status").to_owned()),
                ("number", number(run, "executionNumber").to_string()),
                ("version", number(run, "versionNumber").to_string()),
                ("forced", (run["forceCanceled"] == true).to_string()),
                ("details", texts(&run["statusDetails"]["detailsMap"])),
                ("queued", time(run, "queuedAt")),
                ("started", time(run, "startedAt")),
                ("updated", time(run, "lastUpdatedAt")),
                (
                    "left",
                    number_or_none(run, "approximateSecondsBeforeTimedOut"),
                ),
            ],
        );
    }

    fn lists(&self, story: &mut Story) {
        let list = |path: &str, list: &str, name: &str| {
            let body = self.get(path).expect("a list is always there");
            names_of(&body, list, name)
        };
        let search = json!({ "queryString": "attributes.color:blue", "maxResults": 250 });
        let blue = self.0.aws(Surface::Iot, "POST", "/indices/search", &search);
        story.tell_all(
            "",
            [
                (
                    "things",
                    list("/things?maxResults=250", "things", "thingName"),
                ),
                (
                    "groups",
                    list("/thing-groups?maxResults=250", "thingGroups", "groupName"),
                ),
                ("jobs", list("/jobs?maxResults=250", "jobs", "jobId")),
                (
                    "blue things",
                    names_of(&blue.expect(200), "things", "thingName"),
                ),
            ],
        );
    }
}

fn absent() -> String {
    ABSENT.to_owned()
}

fn names_of(body: &Value, list: &str, name: &str) -> String {
    names(items(body, list).iter().map(|item| text(item, name)))
}

fn summary(whom: &str, item: &Value) -> String {
    let run = &item["jobExecutionSummary"];
    let (number, retry) = (number(run, "executionNumber"), number(run, "retryAttempt"));
    listed(whom, text(run, "status"), number, retry)
}

const fn counter(status: Status) -> &'static str {
    match status {
        Status::Queued => "numberOfQueuedThings",
        Status::InProgress => "numberOfInProgressThings",
        Status::Succeeded => "numberOfSucceededThings",
        Status::Failed => "numberOfFailedThings",
        Status::TimedOut => "numberOfTimedOutThings",
        Status::Rejected => "numberOfRejectedThings",
        Status::Removed => "numberOfRemovedThings",
        Status::Canceled => "numberOfCanceledThings",
    }
}

/// Seconds with a fraction, as a moment.
fn time(run: &Value, name: &str) -> String {
    let Some(seconds) = run.get(name).and_then(Value::as_f64) else {
        return NONE.to_owned();
    };
    let text = format!("{:.0}", seconds * 1_000.0);
    Timestamp(text.parse().expect("a time after 1970")).to_string()
}
