//! The play: operator, faults and the passing of time, until all is quiet.
//!
//! Time is the play's own. It stands still while anything is on its way between devices and service, and jumps to
//! where something is due when all are at rest: a rollout of hours takes as long as its messages, and no device loses
//! its patience because the machine is busy.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures_util::FutureExt as _;
use shipslog_domain::execution::Status;
use shipslog_domain::{Fleet, JobId, Span, Timestamp, fleet};
use shipslog_gateway_core::{App, Ended, Failure};
use shipslog_simulator::net::progress::Progress;
use shipslog_simulator::pipes::{self, Clock, Measured, Rest, Swarm};
use shipslog_simulator::run::processes::CpuTimes;
use shipslog_simulator::scenario::{Fault, FaultAt, Scenario};
use tokio::runtime::{Handle, RuntimeMetrics};

use super::operator::Operator;
use super::outcome::Ending;
use super::queries::{Asked, Asking};
use super::service::Embedded;
use crate::simulate::memory;

/// Between two looks. All are at rest when two looks show the same.
const LOOK: Duration = Duration::from_millis(1);
/// Longest real time without any progress.
const STANDSTILL: Duration = Duration::from_secs(120);
/// The shortest jump of time at first, in milliseconds; twice as long after so many jumps, so that a play ends.
const JUMP: (u64, u64) = (500, 1_000);
/// The same where messages take some time to arrive, which is not to be rounded up to half a second.
const JUMP_OF_LATENCY: (u64, u64) = (10, 2_000);

/// A play on its way.
pub(super) struct Scene {
    scenario: Arc<Scenario>,
    service: Arc<Embedded>,
    progress: Arc<Progress>,
    /// Milliseconds since 1970.
    time: Arc<AtomicU64>,
    app: Option<App>,
    asking: Option<Asking>,
    asked: Asked,
    begin: Timestamp,
    operator: Operator,
    /// Those to come, by time.
    faults: Vec<Fault>,
    /// When the service comes back.
    back_at: Option<Timestamp>,
    restarts: u64,
    jumps: u64,
    /// By how much the operator is ahead of the clock.
    ahead: Span,
    /// What the threads of the service and the devices are at.
    threads: RuntimeMetrics,
}

/// How long the parts of a play took, and what memory they needed.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) provisioning: Duration,
    pub(super) playing: Duration,
    /// Processor time while it was played.
    pub(super) cpu: CpuTimes,
    /// When the first job was asked for, in microseconds since 1970.
    pub(super) ordered: Option<u64>,
    pub(super) bytes_before: u64,
    pub(super) bytes_connected: u64,
    pub(super) ending: Ending,
    /// Events of the log at the end.
    pub(super) events: u64,
    pub(super) settings: fleet::Settings,
    pub(super) measured: Measured,
    pub(super) asked: Asked,
}

impl Scene {
    /// A play on the current tokio runtime.
    pub(super) fn new(
        scenario: Arc<Scenario>,
        service: Embedded,
        progress: Arc<Progress>,
        time: Arc<AtomicU64>,
    ) -> Self {
        Self {
            operator: Operator::new(Arc::clone(&scenario)),
            faults: scenario.faults.clone(),
            scenario,
            service: Arc::new(service),
            progress,
            time,
            app: None,
            asking: None,
            asked: Asked::default(),
            begin: Timestamp(0),
            back_at: None,
            restarts: 0,
            jumps: 0,
            ahead: Span(0),
            threads: Handle::current().metrics(),
        }
    }

    /// Plays to the end, and stops the service.
    pub(super) async fn play(mut self) -> Result<Played> {
        let begun = Instant::now();
        let app = self.service.start().await?;
        self.operator.prepare(&app).await?;
        self.begin = app.now();
        self.time.store(self.begin.0, Release);
        self.asking = Some(Asking::start(app.clone(), self.service.http_address()));
        self.app = Some(app);
        let provisioning = begun.elapsed();
        let bytes_before = memory::resident_bytes();
        let options = pipes::Options {
            clock: Clock::Set(Arc::clone(&self.time)),
            ..pipes::Options::new(Arc::clone(&self.scenario))
        };
        let (began, cpu) = (Instant::now(), CpuTimes::now());
        let swarm = pipes::start(options, &self.progress, &self.service);
        let gone_on = self.go_on(&swarm).await;
        let (finished, bytes_connected) = match (gone_on, &self.app) {
            (Ok(gone_on), _) => gone_on,
            // Whoever asks a service that has ended learns that it did; the service knows why.
            (Err(error), Some(app)) if error.is::<Failure>() => match app.ended().await {
                Ended::Failed(why) => bail!("the service failed: {why}"),
                Ended::Stopped => return Err(error),
            },
            (Err(error), _) => return Err(error),
        };
        let playing = began.elapsed();
        let cpu = CpuTimes::now().since(cpu);
        let ordered = self.operator.first_order;
        self.stop_asking();
        let elapsed = self.elapsed();
        let events = self.app.as_ref().map_or(0, |app| app.head().0);
        let ending = match self.app.take() {
            None => bail!("the service was down at the end"),
            Some(app) => {
                let jobs = std::mem::take(&mut self.operator.ordered);
                let (begin, restarts) = (self.begin, self.restarts);
                let refused = std::mem::take(&mut self.operator.refused);
                let scenario = Arc::clone(&self.scenario);
                let look = move |fleet: &Fleet| {
                    Ending::of(
                        fleet,
                        &scenario,
                        &jobs,
                        (begin, elapsed, finished),
                        restarts,
                        refused,
                    )
                };
                app.read(look).await?
            }
        };
        let measured = swarm.stop().await?;
        self.service.stop().await?;
        let settings = self.service.settings();
        Ok(Played {
            provisioning,
            playing,
            cpu,
            ordered,
            bytes_before,
            bytes_connected: bytes_connected.unwrap_or(0),
            ending,
            events,
            settings,
            measured,
            asked: self.asked,
        })
    }

    fn stop_asking(&mut self) {
        if let Some(asking) = self.asking.take() {
            self.asked.add(&asking.stop());
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.time.load(Acquire))
    }

    fn elapsed(&self) -> Span {
        self.now().since(self.begin)
    }

    /// Lets time pass until the end. `true`: all was quiet before the horizon. With it, the memory in
    /// use when all had joined.
    async fn go_on(&mut self, swarm: &Swarm) -> Result<(bool, Option<u64>)> {
        let mut connected = None;
        let mut before: Option<(Rest, u64)> = None;
        let mut moved = (Instant::now(), self.progress.snapshot());
        loop {
            self.strike(swarm).await?;
            if let Some(app) = self.app.clone() {
                let due = Span(self.elapsed().0 + self.ahead.0);
                self.operator.act(&app, due).await?;
            }
            let snapshot = self.progress.snapshot();
            if connected.is_none() && snapshot.joined >= u64::from(self.scenario.fleet.devices) {
                connected = Some(memory::resident_bytes());
            }
            if self.progress.is_stopped() {
                bail!("stopped on request");
            }
            if snapshot != moved.1 {
                moved = (Instant::now(), snapshot);
            } else if moved.0.elapsed() > STANDSTILL {
                let trouble = self.progress.last_trouble().unwrap_or_default();
                bail!("the play stands still: {snapshot}; {trouble}");
            }
            let look = self.look(swarm);
            if look.is_none() || look != before {
                before = look;
                self.rest()?;
                continue;
            }
            before = None;
            if let Some(finished) = self
                .pass(swarm, look.and_then(|(rest, _)| rest.next))
                .await?
            {
                return Ok((finished, connected));
            }
            moved.0 = Instant::now();
        }
    }

    /// Waits for the next look. A service that has ended, as one without a disk does, leaves nothing to wait for.
    fn rest(&self) -> Result<()> {
        // A timer of the runtime would wake one of the threads whose sleep is waited for. This one runs nothing else.
        std::thread::sleep(LOOK);
        match self.app.as_ref().and_then(|app| app.ended().now_or_never()) {
            None => Ok(()),
            Some(Ended::Failed(why)) => bail!("the service failed: {why}"),
            Some(Ended::Stopped) => bail!("the service was stopped"),
        }
    }

    /// What there is to see of a play in which nothing is on its way.
    fn look(&self, swarm: &Swarm) -> Option<(Rest, u64)> {
        let slept = self.sleeps()?;
        let rest = swarm.rest(self.now())?;
        let head = self.app.as_ref().map_or(0, |app| app.head().0);
        let is_at_rest = self.service.is_idle() && self.sleeps() == Some(slept);
        is_at_rest.then_some((rest, head))
    }

    /// How often the threads of the service and the devices went to sleep and woke. `None`: one of them is awake, or a
    /// task waits for one, such as that of a connection which is to tell its device something.
    fn sleeps(&self) -> Option<u64> {
        let mut sum = 0;
        for thread in 0..self.threads.num_workers() {
            let count = self.threads.worker_park_unpark_count(thread);
            // Odd while it sleeps.
            if count.is_multiple_of(2) {
                return None;
            }
            sum += count;
        }
        (self.threads.global_queue_depth() == 0).then_some(sum)
    }

    /// All are at rest: ends the play, or lets time pass.
    async fn pass(&mut self, swarm: &Swarm, of_devices: Option<Timestamp>) -> Result<Option<bool>> {
        let now = self.now();
        let horizon = self.begin.plus(self.scenario.horizon);
        let (of_service, is_busy) = match &self.app {
            None => (None, true),
            Some(app) => {
                app.read(|fleet| (fleet.poll_timeout().map(|(due, _)| due), is_busy(fleet)))
                    .await?
            }
        };
        if of_service.is_some_and(|due| due <= now) {
            // What the operator asked for goes on by itself.
            return Ok(None);
        }
        let of_operator = self.operator.next_at().map(|at| self.begin.plus(at));
        let of_faults = self.faults.iter().filter_map(|fault| match fault.at {
            FaultAt::Time(at) => Some(self.begin.plus(at)),
            FaultAt::Events(_) => None,
        });
        let planned = of_faults.chain(of_operator).chain(self.back_at).min();
        let is_through = planned.is_none() && of_service.is_none() && self.faults.is_empty();
        if is_through && !is_busy {
            return Ok(Some(true));
        }
        let drifting = of_devices.into_iter().chain(of_service).min();
        if planned.is_none() && drifting.is_none() {
            // Nothing will ever happen any more.
            return Ok(Some(self.faults.is_empty()));
        }
        if now >= horizon {
            return Ok(Some(false));
        }
        if !swarm.hold() {
            return Ok(None);
        }
        self.jumps += 1;
        let (jump, jumps) = match self.scenario.network.is_slow() {
            true => JUMP_OF_LATENCY,
            false => JUMP,
        };
        let shortest = now.plus(Span(jump << (self.jumps / jumps).min(20)));
        let next = drifting.map_or(horizon, |at| at.max(shortest));
        let next = planned
            .map_or(next, |at| next.min(at))
            .min(horizon)
            .max(now);
        // As in virtual time, the operator is the first at a moment that is the service's too. The service's clock does
        // not stop between the two, so the operator comes a millisecond early.
        let is_shared = of_operator == Some(next) && of_service == Some(next);
        self.ahead = Span((is_shared && next > now.plus(Span(1))).into());
        let next = Timestamp(next.0 - self.ahead.0);
        if let Some(app) = &self.app {
            // The service's clock may have stood still while it was down.
            let span = next.since(app.now());
            let _advanced = app.advance_clock(span).await?;
        }
        self.time.store(next.0, Release);
        swarm.wake();
        Ok(None)
    }

    /// Kills the service, or brings it back, where that is due.
    async fn strike(&mut self, swarm: &Swarm) -> Result<()> {
        let now = self.now();
        if let Some(at) = self.back_at {
            if at <= now {
                let app = self.service.start().await?;
                let _advanced = app.advance_clock(now.since(app.now())).await?;
                self.asking = Some(Asking::start(app.clone(), self.service.http_address()));
                self.app = Some(app);
                self.back_at = None;
                self.restarts += 1;
            }
            return Ok(());
        }
        let events = self.app.as_ref().map_or(0, |app| app.head().0);
        let devices = u64::from(self.scenario.fleet.devices);
        let due = self.faults.iter().position(|fault| match fault.at {
            FaultAt::Time(at) => self.begin.plus(at) <= now,
            FaultAt::Events(amount) => events >= amount.count(devices),
        });
        if let Some(due) = due {
            let fault = self.faults.remove(due);
            self.stop_asking();
            self.app = None;
            self.service.kill().await?;
            swarm.cut();
            self.back_at = Some(now.plus(fault.down));
        }
        Ok(())
    }
}

/// Whether there are executions that may still move.
fn is_busy(fleet: &Fleet) -> bool {
    let mut jobs = (0..).map(JobId).map_while(|id| fleet.job(id));
    jobs.any(|job| {
        job.count(Status::Queued) + job.count(Status::InProgress) > 0 || job.waiting_count() > 0
    })
}
