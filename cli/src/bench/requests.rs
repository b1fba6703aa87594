//! Requests over HTTP with credentials: `DescribeJobExecution` from clients on this machine, signed each for itself.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use shipslog_domain::command::TargetName;
use shipslog_domain::{Command, JobName, ThingName};
use shipslog_gateway_core::access::{self, Created, Role};
use shipslog_gateway_core::{App, Clock};
use shipslog_gateway_http::auth::{Signer, ToSign};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{expansion, fixture, thousandths};
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
}

/// What a request shows to be let in.
#[derive(Clone, Debug)]
enum Credentials {
    Signature(Box<Signer>),
    Token(String),
}

pub(crate) fn measure(directory: &Path, plan: Plan) -> Result<Value> {
    let key = access::create(directory, "bench", Role::Viewer, Clock::System.now())?;
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
    let signer = Signer::new(&key.key.id, secret, "us-east-1", "iot", now);
    let signed = Credentials::Signature(Box::new(signer));
    let with_token = Credentials::Token(key.token.reveal().to_owned());
    let mut figures = vec![];
    for (name, credentials) in [("signed", signed), ("token", with_token)] {
        let latencies = ask_all(&address, &things, &credentials, plan).await?;
        figures.push((name, figures_of(&latencies, plan.seconds)));
    }
    let mut measured = json!({
        "bench": "http",
        "operation": "DescribeJobExecution",
        "connections": plan.connections,
    });
    for (name, figures) in figures {
        measured[name] = figures;
    }
    Ok(measured)
}

fn figures_of(latencies: &Histogram<u64>, seconds: u64) -> Value {
    let milliseconds = |quantile| {
        let microseconds = u32::try_from(latencies.value_at_quantile(quantile));
        thousandths(f64::from(microseconds.unwrap_or(u32::MAX)) / 1_000.0)
    };
    json!({
        "requests": latencies.len(),
        "requestsPerSecond": latencies.len() / seconds,
        "p50Ms": milliseconds(0.5),
        "p99Ms": milliseconds(0.99),
    })
}

/// One thing for each connection, with one execution of a job for them all.
async fn prepare(app: &App, connections: u32) -> Result<Vec<ThingName>> {
    let things: Vec<ThingName> = (0..connections)
        .map(fixture::thing_name)
        .collect::<Result<_, _>>()?;
    for name in &things {
        let create = Command::CreateThing {
            name: name.clone(),
            thing_type: None,
            attributes: Vec::new(),
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
) -> Result<Histogram<u64>> {
    let until = Instant::now() + Duration::from_secs(plan.seconds);
    let mut running = Vec::new();
    for thing in things {
        let client = Client {
            stream: TcpStream::connect(address).await?,
            host: address.to_owned(),
            path: format!("/things/{}/jobs/bench", thing.as_str()),
            credentials: credentials.clone(),
            answer: Vec::new(),
        };
        running.push(tokio::spawn(client.ask_until(until)));
    }
    let mut latencies = Histogram::new(3)?;
    for client in running {
        latencies.add(client.await??)?;
    }
    Ok(latencies)
}

struct Client {
    stream: TcpStream,
    host: String,
    path: String,
    credentials: Credentials,
    answer: Vec<u8>,
}

impl Client {
    async fn ask_until(mut self, until: Instant) -> Result<Histogram<u64>> {
        self.stream.set_nodelay(true)?;
        let mut latencies = Histogram::new(3)?;
        while Instant::now() < until {
            let asked = Instant::now();
            let head = self.head()?;
            self.stream.write_all(head.as_bytes()).await?;
            self.read_answer().await?;
            latencies.record(u64::try_from(asked.elapsed().as_micros())?)?;
        }
        Ok(latencies)
    }

    fn head(&self) -> Result<String> {
        let credentials = match &self.credentials {
            Credentials::Token(token) => format!("authorization: Bearer {token}\r\n"),
            Credentials::Signature(signer) => {
                let request = ToSign {
                    method: "GET",
                    path: &self.path,
                    query: "",
                    host: &self.host,
                    body: b"",
                };
                let headers = signer.sign(&request, Clock::System.now());
                let headers = headers.context("the day ended; measure again")?;
                headers
                    .map(|(name, value)| format!("{name}: {value}\r\n"))
                    .concat()
            }
        };
        Ok(format!(
            "GET {} HTTP/1.1\r\nhost: {}\r\n{credentials}\r\n",
            self.path, self.host
        ))
    }

    /// Reads one answer, which must be a good one.
    async fn read_answer(&mut self) -> Result<()> {
        self.answer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.answer).await?;
            ensure!(read > 0, "the service closed a connection");
            let text = std::str::from_utf8(&self.answer)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            ensure!(head.starts_with("HTTP/1.1 200"), "refused: {text}");
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.context("an answer without a length")? {
                return Ok(());
            }
        }
    }
}
