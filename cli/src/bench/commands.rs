//! One-event commands from concurrent callers.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use shipslog_domain::command::{JobRequest, ReportedStatus, TargetName};
use shipslog_domain::{Command, GroupName, JobName, job};
use shipslog_gateway_core::log::Log;
use shipslog_gateway_core::{App, Ended, Options, Service};

use super::{fixture, thousandths};

pub(crate) fn measure(directory: &Path, callers: u32, seconds: u64) -> Result<Value> {
    let log = Log::open(directory)?;
    let options = Options {
        fleet: fixture::settings(),
        ..Options::default()
    };
    let service = Service::start(log, options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let measured = runtime.block_on(call(service.app().clone(), callers, seconds))?;
    let ended = service.stop();
    ensure!(ended == Ended::Stopped, "the service failed: {ended:?}");
    Ok(measured)
}

async fn call(app: App, callers: u32, seconds: u64) -> Result<Value> {
    let job = prepare(&app, callers).await?;
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let mut running = Vec::new();
    for number in 0..callers {
        let command = fixture::report(
            &job,
            fixture::thing_name(number)?,
            ReportedStatus::InProgress,
            Some(vec![("progress".into(), "50".into())]),
        );
        running.push(tokio::spawn(caller(app.clone(), command, until)));
    }
    let mut latencies = Histogram::<u64>::new(3)?;
    for caller in running {
        latencies.add(caller.await??)?;
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let commands = latencies.len();
    let milliseconds = |quantile| {
        let microseconds = u32::try_from(latencies.value_at_quantile(quantile));
        thousandths(f64::from(microseconds.unwrap_or(u32::MAX)) / 1_000.0)
    };
    Ok(json!({
        "bench": "commands",
        "callers": callers,
        "commands": commands,
        "commandsPerSecond": (f64::from(u32::try_from(commands).unwrap_or(u32::MAX)) / elapsed).round(),
        "p50Ms": milliseconds(0.5),
        "p99Ms": milliseconds(0.99),
        "maxMs": milliseconds(1.0),
    }))
}

/// One thing and one execution for each caller, in a group because a job names at most a hundred targets.
pub(super) async fn prepare(app: &App, callers: u32) -> Result<JobName> {
    let group = GroupName::parse("callers")?;
    let create = Command::CreateGroup {
        name: group.clone(),
        parent: None,
        description: None,
        attributes: Vec::new(),
    };
    app.submit(create).await??;
    for number in 0..callers {
        let thing = fixture::thing_name(number)?;
        let create = Command::CreateThing {
            name: thing.clone(),
            thing_type: None,
            attributes: Vec::new(),
            billing_group: None,
        };
        app.submit(create).await??;
        let group = group.clone();
        app.submit(Command::AddThingToGroup { group, thing })
            .await??;
    }
    let name = JobName::parse("bench")?;
    let request = Box::new(JobRequest {
        name: name.clone(),
        namespace: None,
        document: "{}".into(),
        description: None,
        targets: vec![TargetName::Group(group)],
        target_selection: job::TargetSelection::Snapshot,
        settings: job::Settings::default(),
        extras: job::Extras::default(),
    });
    app.submit(Command::CreateJob { request }).await??;
    // The rollout runs between commands: the next answer comes after its first part.
    while app.read(|fleet| fleet.poll_timeout().is_some()).await? {}
    Ok(name)
}

async fn caller(app: App, command: Command, until: Instant) -> Result<Histogram<u64>> {
    let mut latencies = Histogram::<u64>::new(3)?;
    loop {
        let begun = Instant::now();
        if begun >= until {
            return Ok(latencies);
        }
        let receipt = app.submit(command.clone()).await??;
        ensure!(
            receipt.events == 1,
            "the command caused {} events",
            receipt.events
        );
        let microseconds = u64::try_from(begun.elapsed().as_micros());
        latencies.record(microseconds.context("less than an age")?)?;
    }
}
