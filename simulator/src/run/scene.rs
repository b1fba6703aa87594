//! A scenario over sockets: its fleet and network on the devices' side, its timeline by the operator over HTTP, its
//! checks at the end.
//!
//! Time is real unless the service has a virtual clock that this play may move. Then all of it (timeline, devices,
//! rollout waves, timeouts) runs so many times faster, and only messages and answers take as long as they take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shipslog_domain::Timestamp;

use crate::checks::Outcome;
use crate::control::{Bearer, Operator};
use crate::live::Live;
use crate::net::progress::{Phase, Progress};
use crate::net::{self, Measured, Pace, Swarm};
use crate::recording::Recorder;
use crate::run::processes::CpuTimes;
use crate::run::{Failure, peak_rss_bytes};
use crate::scenario::{Mode, Scenario};

mod cast;
mod events;
mod joiners;
mod outcome;
mod timeline;
mod watch;

use cast::Cast;
use timeline::Timeline;
use watch::Watch;

/// Between two looks at the service and the devices.
const LOOK: Duration = Duration::from_millis(40);

/// How a scenario is played.
#[derive(Clone, Debug)]
pub struct Options {
    /// The fleet: [`net::Options::of_scenario`].
    pub net: net::Options,
    /// `http://HOST:PORT` of the service.
    pub http: String,
    /// What the operator's requests are admitted with; a service on loopback may ask for nothing.
    pub bearer: Option<Bearer>,
    /// The service has a virtual clock that nobody else moves: the play's time runs so many times faster. `None`: real
    /// time.
    pub hurry: Option<u32>,
    /// How long each step of the preparation may take.
    pub patience: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Played {
    /// Every figure, for checks.
    pub outcome: Outcome,
    /// What the run was like, for a report.
    pub recorder: Recorder,
    /// Events that the play added to the log.
    pub events: u64,
    /// Real time from the first request to the last answer.
    pub wall: Duration,
    /// Most memory of this process and its workers.
    pub peak_rss_bytes: u64,
    /// What the devices measured, unless they are gone.
    pub measured: Option<Measured>,
    /// When the first job was asked for, in microseconds since 1970.
    pub ordered: Option<u64>,
    /// Processor time of all processes from the first dial on, those of a service of one's own included.
    pub cpu: CpuTimes,
    /// Why it ended early, if it did. All else is then what was reached, and nothing is checked.
    pub stopped: Option<Failure>,
}

/// Refuses what cannot be played over sockets, before anything is started.
pub fn check(scenario: &Scenario) -> Result<(), Failure> {
    scenario
        .check_mode(Mode::Net)
        .map_err(|invalid| Failure::Scenario(invalid.to_string()))
}

/// Plays all of it. An error is one of the preparation: once the clock has started, there is something to tell.
pub fn play_scenario(
    options: Options,
    progress: &Arc<Progress>,
    live: &Live,
) -> Result<Played, Failure> {
    let scenario = options
        .net
        .scenario
        .clone()
        .ok_or_else(|| Failure::Scenario("there is no scenario to play".into()))?;
    check(&scenario)?;
    let begun = Instant::now();
    let operator = Operator::new(&options.http).with_bearer(options.bearer);
    let before = operator.position()?;
    live.set_devices(scenario.fleet.devices.into());
    let cast = provision(&scenario, options.patience, &operator, (progress, live))?;
    // What was provisioned before the clock starts is the play's past.
    let mut net = options.net;
    net.pace = match options.hurry {
        None => Pace::real(),
        Some(hurry) => Pace::hurried(Timestamp(operator.advance_clock(0)?), hurry),
    };
    let begin = net.pace.clock().now();
    progress.enter(Phase::Connecting);
    let clock = net.pace.clock();
    let mut watch = Watch::new(&scenario, clock, before, options.hurry.is_some());
    let mut timeline = Timeline::new(Arc::clone(&scenario), cast);
    let cpu = CpuTimes::now();
    let mut swarm = net::start(net, Arc::clone(progress))?;
    progress.enter(Phase::Deploying);
    live.enter("timeline", 0);
    let told = (&**progress, live);
    let ended = follow(&mut swarm, &mut watch, &mut timeline, &operator, told);
    let cpu = CpuTimes::now().since(cpu);
    let asked = ended.and_then(|()| {
        let outcome = ask(&mut watch, &operator, (before, begin), told)?;
        Ok((outcome, operator.position()?.saturating_sub(before)))
    });
    let (mut outcome, events, mut stopped) = match asked {
        Ok((outcome, events)) => (outcome, events, None),
        Err(failure) => (watch.reached(progress), watch.events(), Some(failure)),
    };
    let measured = match swarm.stop() {
        Ok(measured) => {
            watch::add_latencies(&mut outcome, &measured);
            outcome::ask_devices(&scenario, &mut outcome, &measured.witnesses);
            Some(measured)
        }
        Err(failure) => {
            // What ended the play is why the devices could not go on.
            stopped.get_or_insert(failure.into());
            None
        }
    };
    progress.enter(Phase::Over);
    let of_workers = measured.as_ref().map_or(0, |all| all.peak_rss_bytes);
    Ok(Played {
        outcome,
        ordered: watch.ordered,
        recorder: watch.into_recorder(),
        events,
        cpu,
        wall: begun.elapsed(),
        peak_rss_bytes: peak_rss_bytes() + of_workers,
        measured,
        stopped,
    })
}

/// Provisions what is there before the clock starts.
fn provision(
    scenario: &Arc<Scenario>,
    patience: Duration,
    operator: &Operator,
    (progress, live): (&Progress, &Live),
) -> Result<Cast, Failure> {
    let mut cast = Cast::new(Arc::clone(scenario), patience);
    progress.enter(Phase::Provisioning);
    live.enter("provisioning", 0);
    cast.create_groups(operator)?;
    if !timeline::provisions(scenario) {
        cast.provision(operator, None, progress)?;
    }
    Ok(cast)
}

/// Asks the service how it stands, and what its log says from a position and a moment on.
fn ask(
    watch: &mut Watch,
    operator: &Operator,
    (before, begin): (u64, Timestamp),
    (progress, live): (&Progress, &Live),
) -> Result<Outcome, Failure> {
    progress.enter(Phase::Checking);
    live.enter("checks", 0);
    let mut outcome = watch.outcome(operator, progress)?;
    outcome::follow(&mut outcome, operator, before, begin);
    Ok(outcome)
}

/// Lets time pass until all is over.
fn follow(
    swarm: &mut Swarm,
    watch: &mut Watch,
    timeline: &mut Timeline,
    operator: &Operator,
    (progress, live): (&Progress, &Live),
) -> Result<(), Failure> {
    loop {
        swarm.wait(LOOK)?;
        if progress.is_stopped() {
            return Err(Failure::Devices(net::Failure::Stopped));
        }
        watch.move_clock(operator)?;
        timeline.advance(operator, watch, progress)?;
        watch.look(operator, progress, live)?;
        if watch.is_over(timeline.is_through()) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
