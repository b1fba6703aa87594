//! Greengrass deployments for a whole fleet, over HTTP: how fast component candidates are resolved, how long it takes to
//! create a deployment for every core and to queue its executions, and how long reads take meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use shipslog_domain::{Command, component};
use shipslog_gateway_core::access::{self, Role};
use shipslog_gateway_core::{App, Clock};
use shipslog_gateway_http::auth::Signer;
use shipslog_simulator::scenario::ComponentUse;
use tokio::task::JoinSet;

use super::client::{Client, Credentials, Request};
use super::expansion::{self, stage};
use super::latencies::Latencies;
use super::{fixture, thousandths};
use crate::args::Deployments;
use crate::config::Config;
use crate::service::Running;

/// Versions of each component.
const VERSIONS: u32 = 50;
/// Commands that wait together while components are created.
const TOGETHER: usize = 512;
/// Between two requests of one operation, and the connections that take turns with it.
const PACE: Duration = Duration::from_millis(5);
const CONNECTIONS: u32 = 16;
/// Between two looks whether all executions are queued.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) fn measure(directory: &Path, plan: &Deployments) -> Result<Value> {
    let key = access::create(directory, "bench", Role::Operator, Clock::System.now())?;
    stage::write(directory, plan.cores)?;
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
        let now = Clock::System.now();
        let secret = key.key.secret.reveal();
        let signer = Signer::new(&key.key.id, secret, "us-east-1", "greengrass", now);
        let scene = Scene {
            address: service.http_address.to_string(),
            credentials: Credentials::Signature(Box::new(signer)),
            cores: plan.cores,
        };
        let measured = play(service.app(), &scene, plan).await;
        service.stop().await?;
        measured
    })
}

/// Whom to ask.
#[derive(Clone)]
struct Scene {
    address: String,
    credentials: Credentials,
    cores: u32,
}

impl Scene {
    async fn connect(&self) -> Result<Client> {
        Client::connect(&self.address, &self.credentials).await
    }
}

async fn play(app: &App, scene: &Scene, plan: &Deployments) -> Result<Value> {
    create_components(app, plan.components).await?;
    let resolved = resolve(scene, plan).await?;
    let deployed = deploy(app, scene, plan.seconds).await?;
    Ok(json!({
        "bench": "deployments",
        "cores": plan.cores,
        "componentVersions": plan.components * VERSIONS,
        "resolve": {
            "connections": plan.connections,
            "requestsPerSecond": resolved.count() / plan.seconds,
            "p50Ms": resolved.milliseconds(0.5),
            "p99Ms": resolved.milliseconds(0.99),
        },
        "deploy": deployed,
    }))
}

fn component(number: u32) -> String {
    format!("com.example.Component{number:04}")
}

async fn create_components(app: &App, components: u32) -> Result<()> {
    let mut waiting = JoinSet::new();
    for number in 0..components * VERSIONS {
        let created = ComponentUse {
            name: component(number / VERSIONS).into(),
            version: format!("1.{}.0", number % VERSIONS).into(),
        };
        let content = component::Content {
            recipe: created.recipe().into(),
            format: component::Format::Json,
            errors: Vec::new(),
            tags: Vec::new(),
        };
        let create = component::Command::Create {
            content: Box::new(content),
            token: None,
        };
        let app = app.clone();
        waiting.spawn(async move { app.submit(Command::Component(create)).await });
        if waiting.len() >= TOGETHER
            && let Some(answer) = waiting.join_next().await
        {
            answer???;
        }
    }
    while let Some(answer) = waiting.join_next().await {
        answer???;
    }
    Ok(())
}

/// As many questions of cores as go.
async fn resolve(scene: &Scene, plan: &Deployments) -> Result<Latencies> {
    let until = Instant::now() + Duration::from_secs(plan.seconds);
    let mut asking = JoinSet::new();
    for first in 0..plan.connections {
        let mut client = scene.connect().await?;
        let components = plan.components;
        asking.spawn(async move {
            let mut latencies = Latencies::new();
            for turn in 0_u32.. {
                let asked = Instant::now();
                if asked >= until {
                    break;
                }
                let request = candidate(turn.wrapping_mul(7_919).wrapping_add(first), components);
                let (status, body) = client.ask(&request).await?;
                ensure!(status == 200, "refused with {status}: {body}");
                latencies.record(asked.elapsed());
            }
            Ok(latencies)
        });
    }
    all(asking).await
}

/// What a core asks of one of its components.
fn candidate(number: u32, components: u32) -> Request {
    let body = json!({
        "platform": {"name": "linux", "attributes": {"os": "linux", "architecture": "amd64"}},
        "componentCandidates": [{
            "componentName": component(number % components),
            "versionRequirements": {"root": format!(">=1.{}.0", number % VERSIONS), "other": "^1.0.0"},
        }],
    });
    Request {
        method: "POST",
        body: body.to_string(),
        ..Request::get("/greengrass/v2/resolveComponentCandidates".to_owned())
    }
}

async fn all(mut asking: JoinSet<Result<Latencies>>) -> Result<Latencies> {
    let mut latencies = Latencies::new();
    while let Some(asked) = asking.join_next().await {
        latencies.add(&asked??)?;
    }
    Ok(latencies)
}

/// A deployment for every core, and reads from its creation on.
async fn deploy(app: &App, scene: &Scene, seconds: u64) -> Result<Value> {
    let target = format!(
        "arn:aws:iot:us-east-1:000000000000:thinggroup/{}",
        stage::FLEET
    );
    let body = json!({
        "targetArn": target,
        "components": {component(0): {"componentVersion": "1.0.0"}},
    });
    let create = Request {
        method: "POST",
        body: body.to_string(),
        ..Request::get("/greengrass/v2/deployments".to_owned())
    };
    let mut client = scene.connect().await?;
    let begun = Instant::now();
    let (status, answer) = client.ask(&create).await?;
    let answered = begun.elapsed();
    ensure!(status == 201, "refused with {status}: {answer}");
    let answer: Value = serde_json::from_str(answer)?;
    let id = answer["deploymentId"].as_str().unwrap_or_default();
    let stop = Arc::new(AtomicBool::new(false));
    let mut reading = Vec::new();
    for read in Read::ALL {
        let asking = read.start(scene, id, &stop).await?;
        reading.push((read, asking));
    }
    while expansion::is_busy(app).await? {
        tokio::time::sleep(LOOK).await;
    }
    let queued = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(seconds).saturating_sub(begun.elapsed())).await;
    stop.store(true, Ordering::Relaxed);
    let mut measured = json!({
        "answerMs": thousandths(answered.as_secs_f64() * 1_000.0),
        "secondsUntilQueued": thousandths(queued.as_secs_f64()),
    });
    for (read, asking) in reading {
        measured[format!("{read:?}")] = all(asking).await?.to_json();
    }
    Ok(measured)
}

/// An operation that is asked for at a steady pace.
#[derive(Clone, Copy, Debug)]
enum Read {
    GetDeployment,
    ListEffectiveDeployments,
    ListCoreDevices,
}

impl Read {
    const ALL: [Self; 3] = [
        Self::GetDeployment,
        Self::ListEffectiveDeployments,
        Self::ListCoreDevices,
    ];

    fn request(self, number: u32, id: &str, cores: u32) -> Result<Request> {
        // A prime far from any part of the fleet, so that neighbors do not follow each other.
        let core = u64::from(number) * 7_919 % u64::from(cores);
        let core = fixture::thing_name(u32::try_from(core)?)?;
        Ok(match self {
            Self::GetDeployment => Request::get(format!("/greengrass/v2/deployments/{id}")),
            Self::ListEffectiveDeployments => Request::get(format!(
                "/greengrass/v2/coreDevices/{core}/effectiveDeployments"
            )),
            Self::ListCoreDevices => Request {
                query: "maxResults=100".to_owned(),
                ..Request::get("/greengrass/v2/coreDevices".to_owned())
            },
        })
    }

    /// A latency counts from the moment at which the request should have been sent, so that a stall shows in all
    /// requests that it delayed.
    async fn start(
        self,
        scene: &Scene,
        id: &str,
        stop: &Arc<AtomicBool>,
    ) -> Result<JoinSet<Result<Latencies>>> {
        let mut asking = JoinSet::new();
        let begun = Instant::now();
        for first in 0..CONNECTIONS {
            let mut client = scene.connect().await?;
            let (id, stop, cores) = (id.to_owned(), Arc::clone(stop), scene.cores);
            asking.spawn(async move {
                let mut latencies = Latencies::new();
                for turn in 0_u32.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let number = turn * CONNECTIONS + first;
                    let due = begun + PACE * number;
                    tokio::time::sleep_until(due.into()).await;
                    let request = self.request(number, &id, cores)?;
                    let (status, body) = client.ask(&request).await?;
                    latencies.record(due.elapsed());
                    ensure!(status == 200, "{self:?} was refused with {status}: {body}");
                }
                Ok(latencies)
            });
        }
        Ok(asking)
    }
}
