//! Requests over HTTP with credentials from clients on this machine, signed each for itself: as many
//! `DescribeJobExecution` as go, and other reads while a job is rolled out.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use shipslog_domain::command::TargetName;
use shipslog_domain::{Command, JobName, Rejection, ThingName};
use shipslog_gateway_core::access::{self, Created, Role};
use shipslog_gateway_core::{App, Clock};
use shipslog_gateway_http::auth::Signer;

use super::client::{Client, Credentials, Request};
use super::latencies::Latencies;
use super::{expansion, fixture, reads};
use crate::config::Config;
use crate::service::Running;

/// Between two looks whether the job is expanded.
const LOOK: Duration = Duration::from_millis(10);
/// How long that may take.
const EXPANSION_PATIENCE: Duration = Duration::from_secs(30);

/// How the measurement is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) connections: u32,
    pub(crate) seconds: u64,
    pub(crate) things: u32,
}

pub(crate) fn measure(directory: &Path, plan: Plan) -> Result<Value> {
    let key = access::create(directory, "bench", Role::Operator, Clock::System.now())?;
    expansion::stage::write(directory, plan.things)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let config = Config {
            auth: true,
            ..expansion::config(directory)
        };
        let service = Running::start(&config).await?;
        let measured = play(&service, &key, plan).await;
        service.stop().await?;
        measured
    })
}

async fn play(service: &Running, key: &Created, plan: Plan) -> Result<Value> {
    let things = prepare(service.app(), plan.connections).await?;
    let address = service.http_address.to_string();
    let now = Clock::System.now();
    let secret = key.key.secret.reveal();
    let signed = |service| {
        let signer = Signer::new(&key.key.id, secret, "us-east-1", service, now);
        Credentials::Signature(Box::new(signer))
    };
    let control = signed("iot");
    let with_token = Credentials::Token(key.token.reveal().to_owned());
    let mut measured = json!({
        "bench": "http",
        "operation": "DescribeJobExecution",
        "connections": plan.connections,
        "things": plan.things,
    });
    for (name, credentials) in [("signed", &control), ("token", &with_token)] {
        let latencies = ask_all(&address, &things, credentials, plan).await?;
        measured[name] = figures_of(&latencies, plan.seconds);
    }
    let service = reads::Service {
        app: service.app(),
        address: &address,
        control: &control,
        data: &signed("iot-jobs-data"),
        things: plan.things,
    };
    let phases = reads::measure(&service, plan.seconds).await?;
    measured["phases"] = phases.into();
    Ok(measured)
}

fn figures_of(latencies: &Latencies, seconds: u64) -> Value {
    json!({
        "requests": latencies.count(),
        "requestsPerSecond": latencies.count() / seconds,
        "p50Ms": latencies.milliseconds(0.5),
        "p99Ms": latencies.milliseconds(0.99),
    })
}

/// One thing for each connection, with one execution of a job for them all.
async fn prepare(app: &App, connections: u32) -> Result<Vec<ThingName>> {
    let things: Vec<ThingName> = (0..connections)
        .map(connection_thing)
        .collect::<Result<_, _>>()?;
    for name in &things {
        let create = Command::CreateThing {
            name: name.clone(),
            thing_type: None,
            attributes: Vec::new(),
            billing_group: None,
        };
        app.submit(create).await??;
    }
    let targets = things.iter().cloned().map(TargetName::Thing).collect();
    app.submit(fixture::job_for("bench", targets)?).await??;
    let job = JobName::parse("bench")?;
    let until = Instant::now() + EXPANSION_PATIENCE;
    while !has_executions(app, &job, &things).await? {
        ensure!(Instant::now() < until, "the job has no executions in time");
        tokio::time::sleep(LOOK).await;
    }
    Ok(things)
}

/// Things beside the fleet.
fn connection_thing(number: u32) -> Result<ThingName, Rejection> {
    ThingName::parse(&format!("client-{number}"))
}

/// Whether every thing has its execution.
async fn has_executions(app: &App, job: &JobName, things: &[ThingName]) -> Result<bool> {
    let (job, things) = (job.clone(), things.to_vec());
    let found = app.read(move |fleet| {
        things.iter().all(|thing| {
            let ids = fleet
                .job_id(job.as_str())
                .zip(fleet.thing_id(thing.as_str()));
            ids.is_some_and(|(job, thing)| fleet.execution(job, thing).is_some())
        })
    });
    Ok(found.await?)
}

async fn ask_all(
    address: &str,
    things: &[ThingName],
    credentials: &Credentials,
    plan: Plan,
) -> Result<Latencies> {
    let until = Instant::now() + Duration::from_secs(plan.seconds);
    let mut running = Vec::new();
    for thing in things {
        let client = Client::connect(address, credentials).await?;
        let request = Request::get(format!("/things/{}/jobs/bench", thing.as_str()));
        running.push(tokio::spawn(ask_until(client, request, until)));
    }
    let mut latencies = Latencies::new();
    for client in running {
        latencies.add(&client.await??)?;
    }
    Ok(latencies)
}

async fn ask_until(mut client: Client, request: Request, until: Instant) -> Result<Latencies> {
    let mut latencies = Latencies::new();
    while Instant::now() < until {
        let asked = Instant::now();
        let (status, body) = client.ask(&request).await?;
        ensure!(status == 200, "refused with {status}: {body}");
        latencies.record(asked.elapsed());
    }
    Ok(latencies)
}
