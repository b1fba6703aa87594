//! Between a device's messages and MQTT: topics and JSON of AWS IoT Jobs and of Greengrass' fleet status.

use std::borrow::Cow;
use std::io::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;
use shipslog_domain::Timestamp;
use shipslog_domain::execution::Status;

use crate::device::Kind;
use crate::device::message::{Code, Execution, Incoming, Outgoing, Reply};
use crate::mqtt::{self, Packet, QoS};

mod health;

/// Seconds of silence that a connection survives.
pub const KEEP_ALIVE_SECONDS: u16 = 600;
/// Packet id of the one subscription. Messages count from the next id on.
pub const SUBSCRIBE_ID: u16 = 1;

/// The name of a device on the wire, with the software it runs.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Thing name; client id as well.
    pub thing: &'a str,
    /// Its software.
    pub kind: Kind,
}

impl Identity<'_> {
    fn topic(&self, job: &str, request: &str) -> String {
        let thing = self.thing;
        match self.kind.namespace() {
            Some(namespace) => {
                format!("$aws/things/{thing}/jobs/{job}/namespace-{namespace}/{request}")
            }
            None => format!("$aws/things/{thing}/jobs/{job}/{request}"),
        }
    }

    /// The topics of its notifications: the list, then the first.
    #[must_use]
    pub fn filters(&self) -> Vec<String> {
        let thing = self.thing;
        let ending = self.kind.namespace();
        let ending = ending.map_or(String::new(), |namespace| format!("-namespace-{namespace}"));
        let list = format!("$aws/things/{thing}/jobs/notify{ending}");
        let first = format!("$aws/things/{thing}/jobs/notify-next{ending}");
        match self.kind {
            Kind::Core | Kind::Nucleus => vec![list, first],
            Kind::CoreByList => vec![list],
            Kind::Node | Kind::Jobs | Kind::Runner => vec![first],
        }
    }

    /// Appends the packet that opens the connection.
    pub fn connect(&self, out: &mut Vec<u8>) {
        let packet = Packet::Connect {
            client_id: self.thing,
            keep_alive: KEEP_ALIVE_SECONDS,
            clean_session: true,
        };
        mqtt::encode(&packet, out);
    }

    /// Appends what the device says. `id` is the packet id for messages that want one; `now` is the time.
    pub fn encode(&self, message: &Outgoing<'_>, id: u16, now: Timestamp, out: &mut Vec<u8>) {
        match *message {
            // The connection itself, and its packet, are the business of whoever holds the socket.
            Outgoing::Connect => (),
            Outgoing::Disconnect => mqtt::encode(&Packet::Disconnect, out),
            Outgoing::Subscribe => {
                let filters = self.filters();
                let filters = filters
                    .iter()
                    .map(|filter| (filter.as_str(), QoS::AtLeastOnce))
                    .collect();
                let id = SUBSCRIBE_ID;
                mqtt::encode(&Packet::Subscribe { id, filters }, out);
            }
            Outgoing::Health {
                sequence,
                clock_error,
                installed,
                nucleus,
            } => {
                let device_time = now.0.saturating_add_signed(clock_error);
                let topic = format!("$aws/things/{}/greengrassv2/health/json", self.thing);
                mqtt::publish(&topic, Some(id), false, out, |body| {
                    health::write(body, self.thing, sequence, device_time, installed, nucleus);
                });
            }
            Outgoing::Next { token } => self.ask(&self.topic("$next", "get"), token, None, out),
            Outgoing::StartNext { token } => {
                let topic = format!("$aws/things/{}/jobs/start-next", self.thing);
                self.ask(&topic, token, None, out);
            }
            Outgoing::Describe { token, job, number } => {
                self.ask(&self.topic(job, "get"), token, Some(number), out);
            }
            Outgoing::Update(update) => {
                let topic = self.topic(update.job, "update");
                mqtt::publish(&topic, Some(id), false, out, |body| {
                    put(
                        body,
                        format_args!(r#"{{"status":"{}""#, update.status.as_str()),
                    );
                    let mut opening = r#","statusDetails":{"#;
                    for (key, value) in update.details() {
                        put(body, format_args!(r#"{opening}"{key}":{}"#, quoted(&value)));
                        opening = ",";
                    }
                    if opening == "," {
                        body.push(b'}');
                    }
                    if let Some(version) = update.expected_version {
                        put(body, format_args!(r#","expectedVersion":{version}"#));
                    }
                    let (number, token) = (update.number, update.token);
                    put(
                        body,
                        format_args!(r#","executionNumber":{number},"clientToken":"{token}"}}"#),
                    );
                });
            }
        }
    }

    /// Questions are asked with quality of service 0: the answer is the acknowledgment, and a lost one is asked again.
    fn ask(&self, topic: &str, token: u32, number: Option<u64>, out: &mut Vec<u8>) {
        mqtt::publish(topic, None, false, out, |body| {
            put(body, format_args!(r#"{{"clientToken":"{token}""#));
            if let Some(number) = number {
                put(
                    body,
                    format_args!(r#","executionNumber":{number},"includeJobDocument":false"#),
                );
            }
            body.push(b'}');
        });
    }
}

/// What a message from the service says to a device; `None` where it says nothing that a device acts on: another
/// topic, or a payload that is not the service's.
#[must_use]
pub fn with_incoming<T>(
    identity: Identity<'_>,
    topic: &str,
    payload: &[u8],
    act: impl FnOnce(Incoming<'_>) -> T,
) -> Option<T> {
    let tail = topic
        .strip_prefix("$aws/things/")?
        .strip_prefix(identity.thing)?
        .strip_prefix("/jobs/")?;
    let route = Route::of(tail, identity.kind)?;
    let body: Body<'_> = serde_json::from_slice(payload).ok()?;
    let execution = match &body.execution {
        None => None,
        Some(execution) => Some(execution.parse()?),
    };
    let incoming = match route {
        Route::Notify => Incoming::Notified {
            pending: body.jobs.as_ref().is_some_and(Jobs::any),
        },
        Route::NotifyNext => Incoming::NotifiedNext(execution),
        Route::Next | Route::Described | Route::Updated | Route::Refused => Incoming::Answer {
            token: body.client_token.as_deref()?.parse().ok()?,
            reply: match route {
                Route::Next => Reply::Next(execution),
                Route::Described => Reply::Described(execution),
                Route::Updated => Reply::Updated,
                Route::Refused | Route::Notify | Route::NotifyNext => body.refusal(),
            },
        },
    };
    Some(act(incoming))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Notify,
    NotifyNext,
    Next,
    Described,
    Updated,
    Refused,
}

impl Route {
    /// The part of the topic after `jobs/`.
    fn of(tail: &str, kind: Kind) -> Option<Self> {
        let plain = if let Some(namespace) = kind.namespace() {
            let (before, after) = tail.split_once("namespace-")?;
            let after = after.strip_prefix(namespace)?;
            match before {
                "notify-" if after.is_empty() => return Some(Self::Notify),
                "notify-next-" if after.is_empty() => return Some(Self::NotifyNext),
                _ => (before.strip_suffix('/')?, after.strip_prefix('/')?),
            }
        } else {
            match tail {
                "notify" => return Some(Self::Notify),
                "notify-next" => return Some(Self::NotifyNext),
                "start-next/accepted" => return Some(Self::Next),
                "start-next/rejected" => return Some(Self::Refused),
                _ => tail.split_once('/')?,
            }
        };
        match plain {
            ("$next", "get/accepted") => Some(Self::Next),
            (_, "get/accepted") => Some(Self::Described),
            (_, "update/accepted") => Some(Self::Updated),
            (_, "get/rejected" | "update/rejected") => Some(Self::Refused),
            _ => None,
        }
    }
}

/// Every payload of the jobs service, as far as devices read it. What is not named here is skipped.
#[derive(Debug, Deserialize)]
struct Body<'a> {
    #[serde(rename = "clientToken", borrow)]
    client_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    execution: Option<WireExecution<'a>>,
    jobs: Option<Jobs>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(rename = "executionState", borrow)]
    execution_state: Option<WireState<'a>>,
}

#[derive(Debug, Deserialize)]
struct WireExecution<'a> {
    #[serde(rename = "jobId", borrow)]
    job_id: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(rename = "executionNumber")]
    execution_number: u64,
    #[serde(rename = "versionNumber")]
    version_number: u64,
    #[serde(rename = "jobDocument", borrow)]
    job_document: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct WireState<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
struct Jobs {
    #[serde(rename = "IN_PROGRESS", default)]
    in_progress: Vec<serde::de::IgnoredAny>,
    #[serde(rename = "QUEUED", default)]
    queued: Vec<serde::de::IgnoredAny>,
}

impl Jobs {
    fn any(&self) -> bool {
        !self.in_progress.is_empty() || !self.queued.is_empty()
    }
}

impl WireExecution<'_> {
    fn parse(&self) -> Option<Execution<'_>> {
        Some(Execution {
            job: &self.job_id,
            number: self.execution_number,
            version: self.version_number,
            status: parse_status(&self.status)?,
            document: self.job_document.map_or("", RawValue::get),
        })
    }
}

impl Body<'_> {
    fn refusal<'b>(&self) -> Reply<'b> {
        let code = match self.code.as_deref() {
            Some("VersionMismatch") => Code::VersionMismatch,
            Some("InvalidStateTransition" | "TerminalStateReached") => Code::InvalidStateTransition,
            Some("ResourceNotFound") => Code::NotFound,
            Some("RequestThrottled" | "InternalError") => Code::Busy,
            _ => Code::Other,
        };
        let state = self.execution_state.as_ref();
        Reply::Refused {
            code,
            status: state.and_then(|state| parse_status(&state.status)),
        }
    }
}

fn parse_status(word: &str) -> Option<Status> {
    Status::ALL
        .into_iter()
        .find(|status| status.as_str() == word)
}

fn put(body: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("a vector takes any bytes");
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text has a JSON form")
}

#[cfg(test)]
mod tests;
