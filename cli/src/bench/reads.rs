//! Reads over the AWS interface, signed, while a job is rolled out to a whole fleet.
//!
//! Each operation has connections of its own and a steady pace. A latency counts from the moment at which the request
//! should have been sent, so that a stall shows in all requests that it delayed. Several connections take turns: on a
//! single one, every request would also wait for the one before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use shipslog_gateway_core::App;
use tokio::task::JoinHandle;

use super::client::{Client, Credentials, Request};
use super::expansion::{self, stage};
use super::fixture;
use super::latencies::Latencies;
use super::thousandths;

/// Between two requests of one operation.
const PACE: Duration = Duration::from_millis(5);
/// Connections of one operation.
const CONNECTIONS: u32 = 16;
/// Between two looks whether all executions are queued.
const LOOK: Duration = Duration::from_millis(10);
/// How long the views may take to catch up at the end of a phase.
const PATIENCE: Duration = Duration::from_secs(600);
/// Parts of the fleet that the rollout with a rate reaches per minute.
const RATE_PARTS: u32 = 10;

/// Pages of a list before it is begun anew.
const LIST_PAGES: u32 = 50;

/// A token as part of a query.
fn encode(token: &str) -> String {
    let token = token.replace('+', "%2B");
    token.replace('/', "%2F").replace('=', "%3D")
}

/// Whom to ask, with which credentials.
pub(super) struct Service<'a> {
    pub(super) app: &'a App,
    pub(super) address: &'a str,
    /// Credentials for `iot`.
    pub(super) control: &'a Credentials,
    /// Credentials for `iot-jobs-data`.
    pub(super) data: &'a Credentials,
    pub(super) things: u32,
}

/// The operations that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    DescribeJob,
    ListJobExecutionsForJob,
    ListJobExecutionsForThing,
    DescribeJobExecution,
    GetPendingJobExecutions,
    SearchIndex,
    ListThings,
}

impl Operation {
    const ALL: [Self; 7] = [
        Self::DescribeJob,
        Self::ListJobExecutionsForJob,
        Self::ListJobExecutionsForThing,
        Self::DescribeJobExecution,
        Self::GetPendingJobExecutions,
        Self::SearchIndex,
        Self::ListThings,
    ];

    /// The request with this number. Numbers go through the fleet, the queries and the pages.
    fn request(self, number: u32, scene: &Scene) -> Result<Request> {
        let job = &scene.job;
        // A prime far from any part of the fleet, so that neighbors do not follow each other.
        let thing = u64::from(number) * 7_919 % u64::from(scene.things);
        let thing = fixture::thing_name(u32::try_from(thing)?)?;
        let thing = thing.as_str();
        let paged = |path: String, query: &str| {
            let token = scene.next.as_deref().map(encode);
            let token = token.map(|token| format!("&nextToken={token}"));
            Request {
                query: format!("maxResults=100{query}{}", token.unwrap_or_default()),
                ..Request::get(path)
            }
        };
        Ok(match self {
            Self::DescribeJob => Request::get(format!("/jobs/{job}")),
            // All pages of one list have the same parameters; every other list is of one status.
            Self::ListJobExecutionsForJob if scene.lists.is_multiple_of(2) => {
                paged(format!("/jobs/{job}/things"), "")
            }
            Self::ListJobExecutionsForJob => paged(format!("/jobs/{job}/things"), "&status=QUEUED"),
            Self::ListJobExecutionsForThing | Self::GetPendingJobExecutions => {
                Request::get(format!("/things/{thing}/jobs"))
            }
            Self::DescribeJobExecution => Request::get(format!("/things/{thing}/jobs/{job}")),
            Self::SearchIndex => {
                let query = match number % 4 {
                    0 => format!("thingName:{thing}"),
                    1 => format!("thingName:{}*", thing.get(..10).unwrap_or(thing)),
                    2 => format!("thingGroupNames:{} AND thingName:device-*77", stage::FLEET),
                    _ => thing.to_owned(),
                };
                Request {
                    method: "POST",
                    body: json!({ "queryString": query, "maxResults": 100 }).to_string(),
                    ..Request::get("/indices/search".to_owned())
                }
            }
            Self::ListThings => paged("/things".to_owned(), ""),
        })
    }

    /// Whether an answer is one that the operation gives here: a device may not have been told yet.
    const fn accepts(self, status: u16) -> bool {
        status == 200 || (status == 404 && matches!(self, Self::DescribeJobExecution))
    }
}

/// What requests are about.
struct Scene {
    job: String,
    things: u32,
    /// Where a list goes on.
    next: Option<String>,
    /// Which of the lists it is.
    lists: u32,
}

/// Asks for one operation until it is told to stop.
struct Asker {
    operation: Operation,
    client: Client,
    scene: Scene,
    stop: Arc<AtomicBool>,
    /// Of the connections of the operation.
    first: u32,
}

impl Asker {
    async fn run(mut self) -> Result<Latencies> {
        let mut latencies = Latencies::new();
        let begun = Instant::now();
        for turn in 0_u32.. {
            let number = turn * CONNECTIONS + self.first;
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let due = begun + PACE * number;
            tokio::time::sleep_until(due.into()).await;
            let request = self.operation.request(number, &self.scene)?;
            let (status, body) = self.client.ask(&request).await?;
            latencies.record(due.elapsed());
            let operation = self.operation;
            ensure!(
                operation.accepts(status),
                "{operation:?} was refused with {status}: {body}"
            );
            let is_list = matches!(
                operation,
                Operation::ListJobExecutionsForJob | Operation::ListThings
            );
            if is_list {
                let answer: Value = serde_json::from_str(body)?;
                let next = answer["nextToken"].as_str();
                let next = next.filter(|_| (turn + 1) % LIST_PAGES != 0);
                self.scene.next = next.map(str::to_owned);
                self.scene.lists += u32::from(self.scene.next.is_none());
            }
        }
        Ok(latencies)
    }
}

/// Creates jobs for the whole fleet, one with a rate and one without, and asks meanwhile.
pub(super) async fn measure(service: &Service<'_>, seconds: u64) -> Result<Vec<Value>> {
    let rate = (service.things / RATE_PARTS).max(1);
    let paced = json!({ "maximumPerMinute": rate });
    let mut phases = Vec::new();
    for (name, rollout) in [("paced", Some(paced)), ("unlimited", None)] {
        let phase = phase(service, name, rollout, seconds).await;
        phases.push(phase.with_context(|| format!("in the phase {name}"))?);
    }
    Ok(phases)
}

async fn phase(
    service: &Service<'_>,
    name: &str,
    rollout: Option<Value>,
    seconds: u64,
) -> Result<Value> {
    let (app, job) = (service.app, format!("reads-{name}"));
    let mut body = json!({
        "targets": [format!("arn:aws:iot:us-east-1:000000000000:thinggroup/{}", stage::FLEET)],
        "document": "{\"command\":\"update\"}",
    });
    if let Some(rollout) = rollout {
        body["jobExecutionsRolloutConfig"] = rollout;
    }
    let create = Request {
        method: "PUT",
        body: body.to_string(),
        ..Request::get(format!("/jobs/{job}"))
    };
    let mut client = Client::connect(service.address, service.control).await?;
    let (head, begun) = (app.head(), Instant::now());
    let (status, answer) = client.ask(&create).await?;
    let answered = begun.elapsed();
    ensure!(status == 200, "CreateJob was refused: {answer}");
    app.wait_for(app.head(), PATIENCE).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let running = start(service, &job, &stop).await?;
    while expansion::is_busy(app).await? {
        tokio::time::sleep(LOOK).await;
    }
    let queued = begun.elapsed();
    app.wait_for(app.head(), PATIENCE).await?;
    let events = app.head().0 - head.0;
    let rest = Duration::from_secs(seconds).saturating_sub(begun.elapsed());
    tokio::time::sleep(rest).await;
    stop.store(true, Ordering::Relaxed);
    let mut operations = Map::new();
    for (operation, askers) in running {
        let mut latencies = Latencies::new();
        for asker in askers {
            latencies.add(&asker.await??)?;
        }
        operations.insert(format!("{operation:?}"), latencies.to_json());
    }
    Ok(json!({
        "phase": name,
        "createJobAnswerMs": thousandths(answered.as_secs_f64() * 1_000.0),
        "secondsUntilQueued": thousandths(queued.as_secs_f64()),
        "events": events,
        "seconds": thousandths(begun.elapsed().as_secs_f64()),
        "operations": operations,
    }))
}

type Running = Vec<(Operation, Vec<JoinHandle<Result<Latencies>>>)>;

async fn start(service: &Service<'_>, job: &str, stop: &Arc<AtomicBool>) -> Result<Running> {
    let mut running = Vec::new();
    for operation in Operation::ALL {
        let credentials = match operation {
            Operation::GetPendingJobExecutions => service.data,
            _ => service.control,
        };
        let mut askers = Vec::new();
        for first in 0..CONNECTIONS {
            let asker = Asker {
                operation,
                client: Client::connect(service.address, credentials).await?,
                scene: Scene {
                    job: job.to_owned(),
                    things: service.things,
                    next: None,
                    lists: first,
                },
                stop: Arc::clone(stop),
                first,
            };
            askers.push(tokio::spawn(asker.run()));
        }
        running.push((operation, askers));
    }
    Ok(running)
}
