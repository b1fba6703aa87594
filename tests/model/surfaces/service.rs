//! The real service with a client on each surface.

use std::time::Duration;

use serde_json::Value;
use shipslog_domain::{Span, TaskKey, Timestamp};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::{CDF, Http, Reply};
use shipslog_tests::mqtt::{Mqtt, Version};
use shipslog_tests::wait::{BOUND, wait_for};

use super::saying::{Request, Surface};

/// Runs of at most so many milliseconds are one request to the clock.
const MOST: u64 = 86_400_000;

/// What a surface answers to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is done; a task has an id.
    Accepted(Option<TaskKey>),
    /// It is refused with this code.
    Refused(String),
    /// The surface does not answer this.
    Silent,
}

/// The service under test.
pub(super) struct Service {
    fleet: TestFleet,
    http: Http,
    mqtt3: Mqtt,
    mqtt5: Mqtt,
}

impl Service {
    pub(super) fn start(ceiling: u32) -> Self {
        let ceiling = ceiling.to_string();
        let arguments = [
            "--clock",
            "virtual",
            "--rollout-ceiling-per-minute",
            &ceiling,
        ];
        let mut fleet = TestFleet::start_with(&arguments);
        fleet.expect_in_log("a health message was refused");
        Self {
            http: fleet.http(),
            mqtt3: fleet.mqtt("surfaces-3", Version::V4),
            mqtt5: fleet.mqtt("surfaces-5", Version::V5),
            fleet,
        }
    }

    /// What time it is for the service.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.http.advance(Duration::ZERO);
        Timestamp(now["nowMs"].as_u64().expect("a time"))
    }

    /// Lets time pass, and everything happen that is due by then.
    pub(super) fn pass(&self, span: Span) {
        assert!(span.0 <= MOST, "{span:?}");
        self.http.advance(Duration::from_millis(span.0));
    }

    /// Sends a request over its surface.
    pub(super) fn send(&self, request: &Request) -> Answer {
        let Request {
            surface,
            method,
            path,
            body,
            ..
        } = request;
        match surface {
            Surface::Cdf => {
                let reply = self.send_cdf(request);
                of_reply(&reply, || reply.json()["code"].as_str().map(str::to_owned))
            }
            Surface::Own => {
                let reply = self.http.own(method, path, body);
                of_reply(&reply, || reply.json()["code"].as_str().map(str::to_owned))
            }
            Surface::Iot | Surface::JobsData => {
                let reply = self.aws(*surface, method, path, body);
                of_reply(&reply, || {
                    reply.header("x-amzn-errortype").map(str::to_owned)
                })
            }
            Surface::Mqtt3 | Surface::Mqtt5 => self.publish(request),
        }
    }

    fn send_cdf(&self, request: &Request) -> Reply {
        let mut headers = vec![("accept", CDF), ("content-type", CDF)];
        if let Some(condition) = &request.condition {
            headers.push(("if-match", condition));
        }
        let body = match &request.body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        self.http
            .send(request.method, &request.path, &headers, &body)
    }

    fn publish(&self, request: &Request) -> Answer {
        let client = self.client(request.surface);
        if !request.is_answered {
            let code = client.publish(&request.path, request.body.to_string());
            assert_eq!(code, 0, "{request:?} is acknowledged");
            return Answer::Silent;
        }
        let (accepted, reply) = client.request(&request.path, &request.body);
        match (accepted, reply["code"].as_str()) {
            (true, None) => Answer::Accepted(None),
            (false, Some(code)) => Answer::Refused(code.to_owned()),
            _ => panic!("{request:?}: {reply}"),
        }
    }

    /// A client of reserved topics.
    pub(super) fn client(&self, surface: Surface) -> &Mqtt {
        match surface {
            Surface::Mqtt3 => &self.mqtt3,
            Surface::Mqtt5 => &self.mqtt5,
            _ => panic!("{surface:?} is not MQTT"),
        }
    }

    /// A client of everything over HTTP.
    pub(super) const fn http(&self) -> &Http {
        &self.http
    }

    /// A request of one of AWS' services.
    pub(super) fn aws(&self, surface: Surface, method: &str, path: &str, body: &Value) -> Reply {
        let service = match surface {
            Surface::Iot => "iot",
            Surface::JobsData => "iot-jobs-data",
            _ => panic!("{surface:?} is not AWS'"),
        };
        self.http.aws(service, method, path, body)
    }

    /// Waits until everything of a task that provisions is done, and gives its items in order.
    pub(super) fn provisioned(&self, path: &str) -> usize {
        wait_for(&format!("{path} ends"), BOUND, || {
            let task = self.http.cdf_get(path);
            let items = task.get("cores").or_else(|| task.get("devices"));
            let items = items?.as_array()?;
            let ended =
                |item: &Value| matches!(item["taskStatus"].as_str(), Some("Success" | "Failure"));
            items.iter().all(ended).then_some(items.len())
        })
    }

    /// Lets it end, and checks what it leaves behind.
    pub(super) fn stop(mut self) {
        let status = self.fleet.stop();
        assert!(status.success(), "the service ended with {status}");
    }
}

fn of_reply(reply: &Reply, code: impl FnOnce() -> Option<String>) -> Answer {
    if reply.status < 300 {
        let task = reply.header("x-taskid");
        return Answer::Accepted(task.map(|id| TaskKey::parse(id).expect("an id of a task")));
    }
    let code = code().unwrap_or_else(|| panic!("no code: {} {}", reply.status, reply.text()));
    Answer::Refused(code)
}
