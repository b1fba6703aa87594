//! AWS IoT Jobs' device plane: over HTTP and over MQTT.

use serde_json::{Value, json};

use super::{items, number, number_or_none, text, texts};
use crate::surfaces::saying::Surface;
use crate::surfaces::service::Service;
use crate::surfaces::story::{ABSENT, NAMESPACES, NONE, Scope, Story, join, offered};
use crate::world::World;

pub(super) fn tell_http(world: &World, service: &Service, scope: &Scope) -> Story {
    tell(world, &OverHttp(service), scope)
}

pub(super) fn tell_mqtt3(world: &World, service: &Service, scope: &Scope) -> Story {
    tell(world, &OverMqtt(service, Surface::Mqtt3), scope)
}

pub(super) fn tell_mqtt5(world: &World, service: &Service, scope: &Scope) -> Story {
    tell(world, &OverMqtt(service, Surface::Mqtt5), scope)
}

/// What an execution is asked for.
enum Found {
    Running(Value),
    Ended,
    Absent,
}

/// What both ways to the device plane can be asked.
trait Plane {
    /// Lists of what is in progress and of what is queued; nothing where there is no such thing. `None`: this plane
    /// has no words for it.
    fn pending(&self, thing: &str, namespace: Option<&str>) -> Option<Option<Value>>;
    /// The answer about the next execution.
    fn next(&self, thing: &str, namespace: Option<&str>) -> Option<Value>;
    fn describe(&self, thing: &str, job: &str, namespace: Option<&str>) -> Found;
}

fn tell(world: &World, plane: &dyn Plane, scope: &Scope) -> Story {
    let mut story = Story::default();
    for thing in &scope.things {
        for namespace in NAMESPACES {
            let whom = format!("{thing} in {}", namespace.unwrap_or(NONE));
            if let Some(pending) = plane.pending(thing, namespace) {
                let list = pending.map_or_else(|| ABSENT.to_owned(), |body| list(&body));
                story.tell("pending", &*whom, list);
            }
            let next = match plane.next(thing, namespace) {
                None => ABSENT.to_owned(),
                Some(body) if body["execution"].is_object() => {
                    text(&body["execution"], "jobId").to_owned()
                }
                Some(_) => NONE.to_owned(),
            };
            story.tell("next", whom, next);
        }
        for job in &scope.jobs {
            let known = world.model.jobs.get(job);
            let namespace = known.and_then(|job| job.namespace.as_deref());
            execution(&mut story, plane, thing, job, namespace);
        }
    }
    story
}

fn list(body: &Value) -> String {
    let lists = [("inProgressJobs", true), ("queuedJobs", false)];
    let lines = lists.into_iter().flat_map(|(name, working)| {
        items(body, name).iter().map(move |item| {
            let count = |name| u32::try_from(number(item, name)).expect("few");
            let (number, version) = (count("executionNumber"), count("versionNumber"));
            offered(working, text(item, "jobId"), number, version)
        })
    });
    let lines: Vec<String> = lines.collect();
    join(lines.iter().map(String::as_str))
}

fn execution(
    story: &mut Story,
    plane: &dyn Plane,
    thing: &str,
    job: &str,
    namespace: Option<&str>,
) {
    let whom = format!("{job} on {thing}");
    let run = match plane.describe(thing, job, namespace) {
        Found::Absent => return story.tell("known to the device", whom, "false"),
        Found::Ended => return story.tell("ended", whom, "true"),
        Found::Running(run) => run,
    };
    story.tell_all(
        &whom,
        [
            ("known to the device", "true".to_owned()),
            ("status", text(&run, "status").to_owned()),
            ("number", number(&run, "executionNumber").to_string()),
            ("version", number(&run, "versionNumber").to_string()),
            (
                "details",
                run.get("statusDetails").map_or_else(String::new, texts),
            ),
            ("queued, in seconds", number(&run, "queuedAt").to_string()),
            ("started, in seconds", number_or_none(&run, "startedAt")),
            (
                "updated, in seconds",
                number(&run, "lastUpdatedAt").to_string(),
            ),
            (
                "left",
                number_or_none(&run, "approximateSecondsBeforeTimedOut"),
            ),
        ],
    );
}

struct OverHttp<'a>(&'a Service);

impl OverHttp<'_> {
    fn get(&self, path: &str) -> (u16, Value) {
        let reply = self.0.aws(Surface::JobsData, "GET", path, &Value::Null);
        (reply.status, reply.json())
    }
}

fn query(namespace: Option<&str>) -> String {
    namespace.map_or_else(String::new, |name| format!("?namespaceId={name}"))
}

impl Plane for OverHttp<'_> {
    fn pending(&self, thing: &str, namespace: Option<&str>) -> Option<Option<Value>> {
        let (status, body) = self.get(&format!("/things/{thing}/jobs{}", query(namespace)));
        match status {
            200 => Some(Some(body)),
            404 => Some(None),
            _ => panic!("{status} {body}"),
        }
    }

    fn next(&self, thing: &str, namespace: Option<&str>) -> Option<Value> {
        let (status, body) = self.get(&format!("/things/{thing}/jobs/$next{}", query(namespace)));
        match status {
            200 => Some(body),
            404 => None,
            _ => panic!("{status} {body}"),
        }
    }

    fn describe(&self, thing: &str, job: &str, namespace: Option<&str>) -> Found {
        let path = format!("/things/{thing}/jobs/{job}{}", query(namespace));
        let (status, mut body) = self.get(&path);
        match status {
            200 => Found::Running(body["execution"].take()),
            // TerminalStateException.
            410 => Found::Ended,
            404 => Found::Absent,
            _ => panic!("{status} {body}"),
        }
    }
}

struct OverMqtt<'a>(&'a Service, Surface);

impl OverMqtt<'_> {
    /// The answer; nothing where what was asked for does not exist.
    fn ask(&self, thing: &str, operation: &str) -> Option<Value> {
        let topic = format!("$aws/things/{thing}/jobs/{operation}");
        let (accepted, reply) = self.0.client(self.1).request(&topic, &json!({}));
        if !accepted {
            assert_eq!(reply["code"], "ResourceNotFound", "{topic}: {reply}");
        }
        accepted.then_some(reply)
    }
}

fn level(namespace: Option<&str>) -> String {
    namespace.map_or_else(String::new, |name| format!("/namespace-{name}"))
}

impl Plane for OverMqtt<'_> {
    fn pending(&self, thing: &str, namespace: Option<&str>) -> Option<Option<Value>> {
        namespace.is_none().then(|| self.ask(thing, "get"))
    }

    fn next(&self, thing: &str, namespace: Option<&str>) -> Option<Value> {
        self.ask(thing, &format!("$next{}/get", level(namespace)))
    }

    fn describe(&self, thing: &str, job: &str, namespace: Option<&str>) -> Found {
        match self.ask(thing, &format!("{job}{}/get", level(namespace))) {
            None => Found::Absent,
            // Over MQTT a finished execution is described like any other.
            Some(mut reply) => Found::Running(reply["execution"].take()),
        }
    }
}
