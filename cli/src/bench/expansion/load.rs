//! What goes on beside the expansion: commands at a steady pace, queries, subscribers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use shipslog_domain::command::ReportedStatus;
use shipslog_domain::{Command, JobName, ThingName};
use shipslog_gateway_core::{App, Failure};
use tokio::task::JoinHandle;

use super::super::fixture;
use super::subscribers::{self, Subscriber};
use super::{Plan, Stop, stage};
use crate::bench::latencies::Latencies;
use crate::graphql::Connection;
use crate::service::Running;

/// Between two questions to the views.
const VIEWS_PAUSE: Duration = Duration::from_millis(5);
/// Between two questions over HTTP.
const HTTP_PAUSE: Duration = Duration::from_millis(10);

/// The same load for each phase.
pub(super) struct Load {
    app: App,
    http: SocketAddr,
    plan: Plan,
    phases: u32,
}

/// A load that goes on.
pub(super) struct Going {
    stop: Stop,
    callers: Vec<JoinHandle<Result<(Latencies, u64)>>>,
    views: JoinHandle<Latencies>,
    http: JoinHandle<Result<Latencies>>,
    events: Subscriber,
    summaries: Subscriber,
}

/// What was measured beside one phase.
pub(super) struct Measured {
    pub(super) commands: Latencies,
    pub(super) refused: u64,
    pub(super) views: Latencies,
    pub(super) http: Latencies,
    pub(super) events: Latencies,
    pub(super) summaries: Latencies,
}

impl Load {
    pub(super) fn new(service: &Running, plan: Plan) -> Self {
        Self {
            app: service.app().clone(),
            http: service.http_address,
            plan,
            phases: 0,
        }
    }

    pub(super) async fn start(&mut self, phase: &str) -> Result<Going> {
        let stop = Stop::default();
        let (events, summaries) = subscribers::start(&self.app, self.http, &stop).await?;
        self.phases += 1;
        let callers = (0..self.plan.callers).map(|number| {
            let caller = Caller {
                app: self.app.clone(),
                stop: stop.clone(),
                pace: Duration::from_secs(1) * self.plan.callers / self.plan.commands_per_second,
                job: JobName::parse(stage::OTHER_JOB)?,
                prefix: format!("new-{phase}-{number}"),
                number,
                callers: self.plan.callers,
                // Health messages of a later phase are newer.
                first: u64::from(self.phases) << 32,
            };
            Ok(tokio::spawn(caller.run()))
        });
        Ok(Going {
            callers: callers.collect::<Result<_>>()?,
            views: ask_views(self.app.clone(), stop.clone()),
            http: tokio::spawn(ask_http(self.http, stop.clone())),
            events,
            summaries,
            stop,
        })
    }
}

impl Going {
    pub(super) async fn stop(self) -> Result<Measured> {
        self.stop.stop();
        let (mut commands, mut refused) = (Latencies::new(), 0);
        for caller in self.callers {
            let (latencies, busy) = caller.await??;
            commands.add(&latencies)?;
            refused += busy;
        }
        Ok(Measured {
            commands,
            refused,
            views: self.views.await?,
            http: self.http.await??,
            events: self.events.finish().await?,
            summaries: self.summaries.finish().await?,
        })
    }
}

/// One caller with its own pace. Latency counts from the moment at which a command should have been sent, so that a
/// stall shows in all commands that it delayed.
struct Caller {
    app: App,
    stop: Stop,
    pace: Duration,
    job: JobName,
    prefix: String,
    number: u32,
    callers: u32,
    first: u64,
}

impl Caller {
    async fn run(self) -> Result<(Latencies, u64)> {
        let mut latencies = Latencies::new();
        let mut refused = 0;
        let begun = Instant::now() + self.pace * self.number / self.callers;
        for count in 0_u32.. {
            if self.stop.is_stopped() {
                break;
            }
            let due = begun + self.pace * count;
            tokio::time::sleep_until(due.into()).await;
            match self.app.submit(self.command(count)?).await {
                Ok(decided) => {
                    let receipt = decided?;
                    ensure!(receipt.events > 0, "a command changed nothing");
                    latencies.record(due.elapsed());
                }
                Err(Failure::Busy) => refused += 1,
                Err(stopped @ Failure::Stopped) => return Err(stopped.into()),
            }
        }
        Ok((latencies, refused))
    }

    /// New things, reports on an execution and health messages, in turn.
    fn command(&self, count: u32) -> Result<Command> {
        let turn = count / 3;
        // Two callers never speak for the same device.
        let (own, callers) = (turn % stage::BYSTANDERS_PER_CALLER, stage::CALLERS_MAX);
        let bystander = stage::bystander(own * callers + self.number % callers)?;
        // Callers begin with different ones, so that every moment has some of each.
        Ok(match (count + self.number) % 3 {
            0 => Command::CreateThing {
                name: ThingName::parse(&format!("{}-{turn}", self.prefix))?,
                thing_type: None,
                attributes: Vec::new(),
                billing_group: None,
            },
            1 => fixture::report(
                &self.job,
                bystander,
                ReportedStatus::InProgress,
                Some(vec![("step".into(), turn.to_string().into())]),
            ),
            _ => {
                let newer = u64::from(turn) * 1_000 + u64::from(self.number);
                stage::health(bystander, self.first + newer)
            }
        })
    }
}

/// Asks the views for what a dashboard shows, on a thread of its own as an edge does.
fn ask_views(app: App, stop: Stop) -> JoinHandle<Latencies> {
    tokio::task::spawn_blocking(move || {
        let mut latencies = Latencies::new();
        while !stop.is_stopped() {
            let begun = Instant::now();
            let shown = app.look(|views| {
                let summary = views.fleet_summary();
                let jobs = [subscribers::JOB, stage::OTHER_JOB];
                let jobs = jobs.into_iter().filter_map(|job| {
                    let job = views.job_id(job)?;
                    Some(views.job_statistics(job)?.progress.targets)
                });
                (summary.position, jobs.sum::<u64>())
            });
            latencies.record(begun.elapsed());
            std::hint::black_box(shown);
            std::thread::sleep(VIEWS_PAUSE);
        }
        latencies
    })
}

async fn ask_http(address: SocketAddr, stop: Stop) -> Result<Latencies> {
    let mut latencies = Latencies::new();
    let mut connection = Connection::open(address).await?;
    while !stop.is_stopped() {
        let begun = Instant::now();
        let answer = connection
            .query(
                "{ fleetSummary { cores position } job(id: \"other\") { statistics { position retries } } }",
            )
            .await?;
        latencies.record(begun.elapsed());
        let text = String::from_utf8_lossy(&answer);
        ensure!(!text.contains("\"errors\""), "a query was refused: {text}");
        tokio::time::sleep(HTTP_PAUSE).await;
    }
    Ok(latencies)
}
