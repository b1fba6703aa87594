//! A scenario over sockets: its fleet and network on the devices' side, its timeline by the operator over HTTP, its
//! checks at the end.
//!
//! Time is real unless the service has a virtual clock that this play may move. Then all of it (timeline, devices,
//! rollout waves, timeouts) runs so many times faster, and only messages and answers take as long as they take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shipslog_domain::Timestamp;

use crate::checks::{Checked, Outcome, evaluate};
use crate::control::Operator;
use crate::live::Live;
use crate::net::progress::{Phase, Progress};
use crate::net::{self, Pace};
use crate::recording::Recorder;
use crate::run::{Failure, peak_rss_bytes};
use crate::scenario::{Mode, Scenario};

mod cast;
mod joiners;
mod outcome;
mod timeline;
mod watch;

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
    /// Every check with what came of it.
    pub checks: Vec<Checked>,
    /// What the run was like, for a report.
    pub recorder: Recorder,
    /// Events that the play added to the log.
    pub events: u64,
    /// Real time from the first request to the last answer.
    pub wall: Duration,
    /// Most memory of this process and its workers.
    pub peak_rss_bytes: u64,
}

/// Refuses what cannot be played over sockets, before anything is started.
pub fn check(scenario: &Scenario) -> Result<(), Failure> {
    scenario
        .check_mode(Mode::Net)
        .map_err(|invalid| Failure::Scenario(invalid.to_string()))
}

/// Plays all of it.
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
    let operator = Operator::new(&options.http);
    let before = operator.position()?;
    let mut cast = cast::Cast::new(Arc::clone(&scenario), options.patience);
    progress.enter(Phase::Provisioning);
    live.enter("provisioning", 0);
    live.set_devices(scenario.fleet.devices.into());
    cast.create_groups(&operator)?;
    if !timeline::provisions(&scenario) {
        cast.provision(&operator, None, progress)?;
    }
    // What was provisioned before the clock starts is the play's past.
    let mut net = options.net;
    net.pace = match options.hurry {
        None => Pace::real(),
        Some(hurry) => Pace::hurried(Timestamp(operator.advance_clock(0)?), hurry),
    };
    progress.enter(Phase::Connecting);
    let clock = net.pace.clock();
    let mut watch = Watch::new(&scenario, clock, before, options.hurry.is_some());
    let mut timeline = Timeline::new(Arc::clone(&scenario), cast);
    let mut swarm = net::start(net, Arc::clone(progress))?;
    progress.enter(Phase::Deploying);
    live.enter("timeline", 0);
    loop {
        swarm.wait(LOOK)?;
        if progress.is_stopped() {
            return Err(Failure::Devices(net::Failure::Stopped));
        }
        watch.move_clock(&operator)?;
        timeline.advance(&operator, &mut watch, progress)?;
        watch.look(&operator, progress, live)?;
        if watch.is_over(timeline.is_through()) {
            break;
        }
    }
    progress.enter(Phase::Checking);
    live.enter("checks", 0);
    let mut outcome = watch.outcome(&operator, progress)?;
    let events = operator.position()?.saturating_sub(before);
    let measured = swarm.stop()?;
    watch::add_latencies(&mut outcome, &measured);
    let checks = evaluate(&scenario, &outcome);
    progress.enter(Phase::Over);
    Ok(Played {
        outcome,
        checks,
        recorder: watch.into_recorder(),
        events,
        wall: begun.elapsed(),
        peak_rss_bytes: peak_rss_bytes() + measured.peak_rss_bytes,
    })
}

#[cfg(test)]
mod tests;
