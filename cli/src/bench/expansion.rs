//! A job and a deployment for a whole fleet, expanded as fast as they go, while others want their answers.
//!
//! Four things happen to the fleet, one after the other: a job is created for all its things, canceled and deleted,
//! and a template version is deployed on all of them. Meanwhile callers submit commands that have nothing to do with
//! it at a steady pace, summaries are asked for, and two subscribers follow over a WebSocket.

mod load;
pub(super) mod stage;
mod subscribers;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shipslog_domain::command::{JobRequest, TargetName};
use shipslog_domain::deployment_task::Targets;
use shipslog_domain::{Command, GroupName, JobName, TaskKey, TemplateName, job};
use shipslog_gateway_core::App;
use shipslog_gateway_core::pki::KeyKind;
use shipslog_gateway_device::Settings as DeviceSettings;

use self::load::Load;
use super::{peak_bytes, thousandths};
use crate::config::Config;
use crate::service::Running;

/// How long the first measurement, of an idle service, lasts.
const QUIET: Duration = Duration::from_secs(3);
/// Between two looks whether a phase is over.
const LOOK: Duration = Duration::from_millis(20);
/// How long the views may take to catch up at the end of a phase.
const PATIENCE: Duration = Duration::from_secs(600);
/// Time that subscribers have to hear of the last changes.
const ECHO: Duration = Duration::from_millis(500);

/// How the measurement is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) things: u32,
    pub(crate) callers: u32,
    pub(crate) commands_per_second: u32,
}

pub(crate) fn measure(directory: &Path, plan: Plan) -> Result<Value> {
    let prepared = Instant::now();
    stage::write(directory, plan.things)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let service = Running::start(&config(directory)).await?;
        let prepare_seconds = prepared.elapsed().as_secs_f64();
        let phases = play(&service, plan).await;
        service.stop().await?;
        Ok(json!({
            "bench": "expansion",
            "things": plan.things,
            "callers": plan.callers,
            "commandsPerSecondAsked": plan.commands_per_second,
            "prepareSeconds": thousandths(prepare_seconds),
            "phases": phases?,
            "peakBytes": peak_bytes()?,
        }))
    })
}

/// The service as measurements start it.
pub(super) fn config(directory: &Path) -> Config {
    Config {
        data_dir: directory.to_owned(),
        http: ([127, 0, 0, 1], 0).into(),
        auth: false,
        mqtt: Some(([127, 0, 0, 1], 0).into()),
        mqtts: None,
        device_https: None,
        devices: DeviceSettings::default(),
        virtual_clock: false,
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
        rollout_ceiling_per_minute: u32::MAX,
        s3_endpoint: None,
        device_key: KeyKind::EcdsaP256,
        provisioning_hooks: Vec::new(),
        server_names: vec!["localhost".to_owned()],
        json_log: false,
    }
}

/// What is done to the whole fleet while the load goes on.
enum Act {
    /// Nothing: what the machine gives when it has nothing else to do.
    Quiet,
    /// One command, whose consequences are awaited.
    Submit(Box<Command>),
}

async fn play(service: &Running, plan: Plan) -> Result<Vec<Value>> {
    let job = JobName::parse("expansion")?;
    let all = GroupName::parse(stage::FLEET)?;
    let create = Command::CreateJob {
        request: Box::new(JobRequest {
            name: job.clone(),
            namespace: None,
            document: "{\"command\":\"update\"}".into(),
            description: None,
            targets: vec![TargetName::Group(all.clone())],
            target_selection: job::TargetSelection::Snapshot,
            settings: job::Settings::default(),
            extras: job::Extras::default(),
        }),
    };
    let cancel = Command::CancelJob {
        job: job.clone(),
        force: false,
        reason_code: None,
        comment: None,
    };
    let delete = Command::DeleteJob {
        namespace: None,
        job,
        force: true,
    };
    let deploy = Command::CreateDeploymentTask {
        key: TaskKey::from_random([7; 9]),
        template: TemplateName::parse(stage::TEMPLATE)?,
        version: None,
        targets: Targets {
            thing_names: None,
            thing_group_names: Some(vec![all]),
            ..Targets::default()
        },
        job_settings: None,
    };
    let acts = [
        ("quiet", Act::Quiet),
        ("job", Act::Submit(Box::new(create))),
        ("cancel", Act::Submit(Box::new(cancel))),
        ("delete", Act::Submit(Box::new(delete))),
        ("deployment", Act::Submit(Box::new(deploy))),
    ];
    let mut phases = Vec::new();
    let mut load = Load::new(service, plan);
    for (name, act) in acts {
        let phase = phase(service.app(), &mut load, name, act).await;
        phases.push(phase.with_context(|| format!("in the phase {name}"))?);
    }
    Ok(phases)
}

async fn phase(app: &App, load: &mut Load, name: &str, act: Act) -> Result<Value> {
    let running = load.start(name).await?;
    let (head, begun) = (app.head(), Instant::now());
    let mut answered = None;
    match act {
        Act::Quiet => tokio::time::sleep(QUIET).await,
        Act::Submit(command) => {
            app.submit(*command).await??;
            answered = Some(begun.elapsed());
            while is_busy(app).await? {
                tokio::time::sleep(LOOK).await;
            }
        }
    }
    let decided = begun.elapsed().as_secs_f64();
    let last = app.head();
    app.wait_for(last, PATIENCE).await?;
    let seen = begun.elapsed().as_secs_f64();
    tokio::time::sleep(ECHO).await;
    let measured = running.stop().await?;
    let events = u32::try_from(last.0 - head.0).context("fewer events than 2^32")?;
    Ok(json!({
        "phase": name,
        "seconds": thousandths(decided),
        "secondsUntilViewsCaughtUp": thousandths(seen),
        "events": events,
        "eventsPerSecond": (f64::from(events) / decided).round(),
        "answerMs": answered.map(|answered| thousandths(answered.as_secs_f64() * 1_000.0)),
        "commands": measured.commands.to_json(),
        "refusedBusy": measured.refused,
        "viewsQueries": measured.views.to_json(),
        "httpQueries": measured.http.to_json(),
        "eventSubscriber": measured.events.to_json(),
        "summarySubscriber": measured.summaries.to_json(),
    }))
}

/// Whether the fleet has something to do by itself.
pub(super) async fn is_busy(app: &App) -> Result<bool> {
    let now = app.now();
    Ok(app
        .read(move |fleet| fleet.poll_timeout().is_some_and(|(due, _)| due <= now))
        .await?)
}

/// Ends what runs beside a phase.
#[derive(Clone, Default)]
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
