//! What nodes say of the containers of a container service: lines of their logs, and how much the node uses.
//!
//! None of it is an event: it goes to [`shipslog_gateway_core::container_logs`].

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use shipslog_domain::Timestamp;
use shipslog_domain::container_service::ContainerName;
use shipslog_gateway_core::container_logs::{ContainerLogs, Source, Taken};
use shipslog_gateway_core::{App, Failure};

use super::render::begin;
use crate::admission::Admission;
use crate::limits;
use crate::topics::ContainersOperation;

/// A message of a node, or why it cannot be used.
#[derive(Debug)]
pub(super) struct Report {
    token: Option<Box<str>>,
    thing: Box<str>,
    service: Box<str>,
    said: Result<Said, Refused>,
}

#[derive(Debug)]
enum Said {
    Lines {
        container: ContainerName,
        lines: Vec<(Option<Timestamp>, Box<str>)>,
    },
    Samples(Vec<(Option<Timestamp>, u32, u32)>),
}

/// A refusal: a code of AWS IoT Jobs, and what to do.
#[derive(Debug)]
struct Refused {
    code: &'static str,
    message: Cow<'static, str>,
}

impl Refused {
    fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    fn request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("InvalidRequest", message)
    }
}

/// A reply to the node.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) accepted: bool,
    pub(super) json: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lines<'a> {
    #[serde(borrow)]
    client_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    container_name: Cow<'a, str>,
    #[serde(borrow)]
    lines: Vec<Line<'a>>,
}

#[derive(Deserialize)]
struct Line<'a> {
    timestamp: Option<u64>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Samples<'a> {
    #[serde(borrow)]
    client_token: Option<Cow<'a, str>>,
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sample {
    timestamp: Option<u64>,
    cpu_utilization: f64,
    memory_utilization: f64,
}

impl Report {
    /// Reads a message.
    pub(super) fn read(
        thing: &str,
        service: &str,
        operation: ContainersOperation,
        payload: &[u8],
    ) -> Self {
        let (token, said) = match operation {
            ContainersOperation::Logs => match serde_json::from_slice::<Lines<'_>>(payload) {
                Ok(message) => (owned(message.client_token.as_deref()), read_lines(&message)),
                Err(error) => (None, Err(no_json(&error))),
            },
            ContainersOperation::Metrics => match serde_json::from_slice::<Samples<'_>>(payload) {
                Ok(message) => (
                    owned(message.client_token.as_deref()),
                    read_samples(&message),
                ),
                Err(error) => (None, Err(no_json(&error))),
            },
        };
        Self {
            token,
            thing: thing.into(),
            service: service.into(),
            said,
        }
    }

    /// Keeps what it says, if it comes from a node of the service.
    pub(super) async fn answer(self, app: &App, admission: &Admission) -> Result<Reply, Failure> {
        let Self {
            token,
            thing,
            service,
            said,
        } = self;
        let now = app.now();
        let said = match said {
            Ok(said) => said,
            Err(refused) => return Ok(refuse(token.as_deref(), &refused, now)),
        };
        let place = admission.enter().await?;
        let (name, node) = (service.clone(), thing.clone());
        let id = app.read(move |fleet| {
            let service = fleet.container_service(&name)?;
            let thing = fleet.thing_id(&node)?;
            let is_node = fleet.is_container_node(service, thing);
            is_node.then(|| service.definition.uuid.clone())
        });
        let id = id.await?;
        drop(place);
        let Some(id) = id else {
            let message = format!(
                "{thing} is no node of container service {service}; add it to thing group container-nodes-{service} first"
            );
            let refused = Refused::new("ResourceNotFound", message);
            return Ok(refuse(token.as_deref(), &refused, now));
        };
        let logs = Arc::clone(app.container_logs());
        let kept = tokio::task::spawn_blocking(move || keep(&logs, id, &thing, &said, now));
        let taken = kept.await.map_err(|_| Failure::Stopped)?;
        let mut reply = begin(token.as_deref(), now);
        reply.member("accepted", &taken.accepted);
        reply.member("dropped", &taken.dropped);
        Ok(Reply {
            accepted: true,
            json: reply.end(),
        })
    }

    /// The service has more to do than it may queue.
    pub(super) fn throttled(token: Option<&str>, now: Timestamp) -> Vec<u8> {
        let refused = Refused::new("RequestThrottled", "the service is busy; try again");
        refuse(token, &refused, now).json
    }

    /// What the answer repeats.
    pub(super) fn token(&self) -> Option<Box<str>> {
        self.token.clone()
    }
}

fn owned(token: Option<&str>) -> Option<Box<str>> {
    token.map(Into::into)
}

fn no_json(error: &serde_json::Error) -> Refused {
    Refused::new(
        "InvalidJson",
        format!("the message is not as documented: {error}"),
    )
}

fn refuse(token: Option<&str>, refused: &Refused, now: Timestamp) -> Reply {
    let mut reply = begin(token, now);
    reply.member("code", refused.code);
    reply.member("message", &*refused.message);
    Reply {
        accepted: false,
        json: reply.end(),
    }
}

fn read_lines(message: &Lines<'_>) -> Result<Said, Refused> {
    let container = ContainerName::parse(&message.container_name)
        .map_err(|no| Refused::request(no.to_string()))?;
    let max = limits::CONTAINER_LINES_PER_MESSAGE;
    if message.lines.len() > max {
        return Err(Refused::request(format!(
            "lines must have at most {max} entries"
        )));
    }
    let bytes = limits::CONTAINER_LINE_BYTES_MAX;
    let is_long = |line: &Line<'_>| line.message.len() > bytes;
    if message.lines.iter().any(is_long) {
        let rule =
            format!("a message of lines must have at most {bytes} bytes; send it as several lines");
        return Err(Refused::request(rule));
    }
    let lines = message.lines.iter();
    let lines = lines.map(|line| (line.timestamp.map(Timestamp), line.message.as_ref().into()));
    Ok(Said::Lines {
        container,
        lines: lines.collect(),
    })
}

fn read_samples(message: &Samples<'_>) -> Result<Said, Refused> {
    let max = limits::CONTAINER_SAMPLES_PER_MESSAGE;
    if message.samples.len() > max {
        return Err(Refused::request(format!(
            "samples must have at most {max} entries"
        )));
    }
    let samples = message.samples.iter().map(|sample| {
        let at = sample.timestamp.map(Timestamp);
        let (cpu, memory) = (
            hundredths(sample.cpu_utilization)?,
            hundredths(sample.memory_utilization)?,
        );
        Some((at, cpu, memory))
    });
    let samples = samples.collect::<Option<Vec<_>>>();
    samples.map(Said::Samples).ok_or_else(|| {
        Refused::request("cpuUtilization and memoryUtilization must be percentages from 0 to 100")
    })
}

fn hundredths(percent: f64) -> Option<u32> {
    if !(0.0..=100.0).contains(&percent) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be from 0 to 10,000"
    )]
    Some((percent * 100.0).round() as u32)
}

fn keep(logs: &ContainerLogs, id: Box<str>, node: &str, said: &Said, now: Timestamp) -> Taken {
    match said {
        Said::Lines { container, lines } => {
            let source = Source {
                service: id,
                container: container.as_str().into(),
            };
            let lines = lines.iter();
            let lines: Vec<_> = lines
                .map(|(at, message)| (at.unwrap_or(now), &**message))
                .collect();
            logs.add_lines(&source, node, &lines, now)
        }
        Said::Samples(samples) => {
            let samples = samples.iter();
            let samples: Vec<_> = samples
                .map(|(at, cpu, memory)| (at.unwrap_or(now), *cpu, *memory))
                .collect();
            logs.add_samples(&id, node, &samples, now)
        }
    }
}
