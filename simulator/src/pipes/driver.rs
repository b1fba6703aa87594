//! A driver plays some thousands of devices, or a million, as one task: it looks at those for which something came
//! and those whose time has come, and at no other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use shipslog_domain::{Span, Timestamp};

use crate::device::Device;
use crate::moments::real_micros;
use crate::net::progress::Progress;
use crate::network::{Address, Direction};
use crate::pipes::measured::Measured;
use crate::pipes::pipe::Ready;
use crate::pipes::player::Player;
use crate::pipes::timers::{NEVER, Timers};
use crate::pipes::{Clock, Play, Service};
use crate::scenario::{Action, Scenario};

/// Devices that are looked at before other tasks of the thread get their turn.
const TURN: usize = 64;
/// Longest time between two looks at the wheel.
const LOOK: Duration = Duration::from_millis(500);

/// What the devices of a driver share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) progress: Arc<Progress>,
    pub(super) ready: Arc<Ready>,
    pub(super) timers: Timers,
    /// Whether devices have to show that they live: where time is that of the service's timers.
    pub(super) pings: bool,
    /// In milliseconds.
    pub(super) dial_timeout: u64,
    /// What the device in hand sends.
    pub(super) out: Vec<u8>,
    /// Devices between their first packet and joining.
    pub(super) joining: usize,
    /// Messages since the last turn.
    pub(super) received: u64,
    pub(super) sent: u64,
    /// Devices of this driver that have not been welcomed, or have not joined.
    unwelcomed: u32,
    unjoined: u32,
    /// Index of the first device.
    first: u32,
    play: Arc<Play>,
    measured: Measured,
    now: Timestamp,
    micros: u64,
}

impl Context {
    fn new(play: Arc<Play>, progress: Arc<Progress>, (first, devices): (u32, u32)) -> Self {
        let options = &play.options;
        let mut measured = Measured::new();
        if devices == 0 {
            let begun = measured.moments.begun;
            measured.moments.welcomed = Some(begun);
            measured.moments.joined = Some(begun);
        }
        Self {
            progress,
            ready: Arc::default(),
            timers: Timers::default(),
            pings: options.clock.is_real(),
            dial_timeout: u64::try_from(options.dial_timeout.as_millis()).unwrap_or(u64::MAX),
            out: Vec::with_capacity(4_096),
            joining: 0,
            received: 0,
            sent: 0,
            first,
            unwelcomed: devices,
            unjoined: devices,
            measured,
            now: play.begin,
            micros: 0,
            play,
        }
    }

    fn scenario(&self) -> &Scenario {
        &self.play.options.scenario
    }

    fn elapsed(&self) -> Span {
        self.now.since(self.play.begin)
    }

    /// Whether a partition is between this device and the service.
    pub(super) fn is_cut_off(&self, device: u32) -> bool {
        let scenario = self.scenario();
        let network = &scenario.network;
        let until = network.cut_off_until(scenario.seed, device, self.elapsed());
        until.is_some()
    }

    /// Whether the network loses this message of a device. TCP loses none, so that the connection goes with it.
    pub(super) fn loses(&self, device: u32, direction: Direction, sequence: &mut u32) -> bool {
        let scenario = self.scenario();
        if scenario.network.loss == 0 {
            return false;
        }
        let address = self.next_address(device, direction, sequence);
        let lost = scenario
            .network
            .deliver(scenario.seed, address)
            .first
            .is_none();
        if lost {
            self.progress.lost.fetch_add(1, Relaxed);
        }
        lost
    }

    /// When what a device sends, or is sent, will have arrived, in milliseconds.
    pub(super) fn arrival(&self, device: u32, direction: Direction, sequence: &mut u32) -> u64 {
        let scenario = self.scenario();
        let address = self.next_address(device, direction, sequence);
        let transit = scenario.network.transit(scenario.seed, address);
        self.now.plus(transit).0
    }

    fn next_address(&self, device: u32, direction: Direction, sequence: &mut u32) -> Address {
        let address = Address {
            device: self.first + device,
            direction,
            sequence: *sequence,
        };
        *sequence = sequence.wrapping_add(1);
        address
    }

    /// What time it is. All devices of a turn live at the same moment.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Microseconds since the play began.
    pub(super) const fn micros(&self) -> u64 {
        self.micros
    }

    fn look_at_clock(&mut self) {
        let elapsed = self.play.started.elapsed();
        self.micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.now = match &self.play.options.clock {
            Clock::Real => Timestamp(self.play.begin.0 + self.micros / 1_000),
            Clock::Set(time) => Timestamp(time.load(Acquire)),
        };
        self.progress.messages_in.fetch_add(self.received, Relaxed);
        self.progress.messages_out.fetch_add(self.sent, Relaxed);
        self.received = 0;
        self.sent = 0;
    }

    /// A device was welcomed that dialed at `dialed`.
    pub(super) fn welcomed(&mut self, dialed: u64, before: bool) {
        let took = self.micros.saturating_sub(dialed);
        self.measured.welcomes.saturating_record(took);
        self.progress.welcomes.record(took);
        self.progress.connected.fetch_add(1, Relaxed);
        if before {
            self.progress.reconnects.fetch_add(1, Relaxed);
            return;
        }
        self.progress.welcomed.fetch_add(1, Relaxed);
        self.unwelcomed -= 1;
        if self.unwelcomed == 0 {
            self.measured.moments.welcomed = Some(real_micros());
        }
    }

    /// A device has joined for the first time.
    pub(super) fn joined(&mut self) {
        self.progress.joined.fetch_add(1, Relaxed);
        self.unjoined -= 1;
        if self.unjoined == 0 {
            self.measured.moments.joined = Some(real_micros());
        }
    }

    /// An update was accepted that was sent at `sent`.
    pub(super) fn updated(&mut self, sent: u64) {
        let took = self.micros.saturating_sub(sent);
        self.measured.updates.saturating_record(took);
        self.measured.moments.replied = Some(self.play.started_micros + self.micros);
        self.progress.updates.record(took);
    }

    /// A connection ended.
    pub(super) fn parted(&self, was_up: bool, thing: &str, why: &str) {
        if was_up {
            self.progress.connected.fetch_sub(1, Relaxed);
        } else {
            self.progress.dials_failed.fetch_add(1, Relaxed);
        }
        self.progress.note_trouble(format!("{thing}: {why}"));
    }
}

/// How others see and steer a driver.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    ready: Arc<Ready>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    stop: AtomicBool,
    /// How often all connections were to be cut.
    cuts: AtomicU64,
    /// Whether it waits.
    idle: AtomicBool,
    /// Whether it must go on waiting, whatever comes.
    held: AtomicBool,
    /// How often it has looked for something to do.
    turns: AtomicU64,
    /// What time it was when it last looked, and when its next timer is due; in milliseconds.
    seen: AtomicU64,
    next: AtomicU64,
}

/// A driver with nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Idle {
    pub(super) turns: u64,
    /// In milliseconds.
    pub(super) next: u64,
}

impl Handle {
    pub(super) fn stop(&self) {
        self.state.stop.store(true, Release);
        self.wake();
    }

    pub(super) fn cut(&self) {
        self.state.cuts.fetch_add(1, AcqRel);
        self.ready.wake();
    }

    /// Has it go on waiting until it is woken. `false`: it may not be waiting.
    pub(super) fn hold(&self) -> bool {
        // The driver stores and loads the two in the other order: one of both sees what the other did.
        self.state.held.store(true, SeqCst);
        self.state.idle.load(SeqCst)
    }

    /// Has it look around, and lets it go if it was held.
    pub(super) fn wake(&self) {
        self.state.held.store(false, SeqCst);
        self.ready.wake();
    }

    /// `None`: it has something to do at `now`, or the service has.
    pub(super) fn idle(&self, now: Timestamp) -> Option<Idle> {
        let state = &self.state;
        let turns = state.turns.load(Acquire);
        let rests =
            state.idle.load(Acquire) && state.seen.load(Acquire) >= now.0 && self.ready.all_read();
        rests.then(|| Idle {
            turns,
            next: state.next.load(Acquire),
        })
    }
}

/// Plays a part of the fleet.
pub(super) struct Driver<S> {
    service: Arc<S>,
    context: Context,
    players: Vec<Player>,
    /// Devices that want to connect.
    dials: VecDeque<u32>,
    window: usize,
    handle: Handle,
    cuts: u64,
    /// Beginnings of partitions that are still to come, the last first.
    partitions: Vec<(Timestamp, usize)>,
    /// Index of the first device.
    first: u32,
}

impl<S: Service> Driver<S> {
    /// A driver of the devices from index `first` on.
    pub(super) fn new(
        play: &Arc<Play>,
        service: &Arc<S>,
        progress: &Arc<Progress>,
        (first, devices): (u32, u32),
        window: usize,
    ) -> Self {
        let mut context = Context::new(Arc::clone(play), Arc::clone(progress), (first, devices));
        let scenario = &play.options.scenario;
        let scripts: Vec<_> = scenario.classes.iter().map(|class| &class.script).collect();
        let mut players = Vec::with_capacity(usize::try_from(devices).unwrap_or(0));
        for index in 0..devices {
            let device = first + index;
            let script = Arc::clone(scripts[scenario.class_of(device)]);
            let after = provisioned_at(scenario, device).0 + scenario.first_connect_of(device).0;
            let first_dial = play.begin.plus(Span(after));
            let state = Device::new(script, scenario.seeds_of(device), first_dial);
            let thing = scenario.thing_name(device).into();
            let mut player = Player::new(state, thing, scenario.network.is_slow());
            player.arm(&mut context, index);
            players.push(player);
        }
        let handle = Handle {
            ready: Arc::clone(&context.ready),
            state: Arc::default(),
        };
        let partitions = scenario.network.partitions.iter().enumerate();
        let mut partitions: Vec<_> = partitions
            .map(|(number, partition)| (play.begin.plus(partition.from), number))
            .collect();
        partitions.sort_unstable_by(|one, other| other.cmp(one));
        Self {
            service: Arc::clone(service),
            context,
            players,
            dials: VecDeque::new(),
            window: window.max(1),
            handle,
            cuts: 0,
            partitions,
            first,
        }
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Plays until it is told to stop.
    pub(super) async fn run(mut self) -> Measured {
        let mut ready = Vec::new();
        loop {
            if self.handle.state.held.load(SeqCst) {
                self.context.ready.some().await;
                continue;
            }
            self.context.look_at_clock();
            self.context.ready.take(&mut ready);
            let idle = ready.is_empty();
            for (number, index) in ready.drain(..).enumerate() {
                if number % TURN == TURN - 1 {
                    self.context.look_at_clock();
                    self.dial();
                    tokio::task::yield_now().await;
                }
                self.hear(index);
            }
            while let Some((tick, due)) = self.context.timers.next_due(self.context.now().0) {
                for (number, index) in due.into_iter().enumerate() {
                    if number % TURN == TURN - 1 {
                        tokio::task::yield_now().await;
                    }
                    self.fire(tick, index);
                }
            }
            self.dial();
            self.break_connections();
            if self.handle.state.stop.load(Acquire) {
                break;
            }
            if idle {
                self.wait().await;
            }
        }
        for player in &mut self.players {
            player.leave(&mut self.context);
        }
        self.context.measured.witnesses = self.players.iter().map(Player::witness).collect();
        self.context.look_at_clock();
        self.context.measured
    }

    fn hear(&mut self, index: u32) {
        if let Some(player) = self.players.get_mut(index as usize)
            && player.hear(&mut self.context, index)
        {
            self.dials.push_back(index);
        }
    }

    fn fire(&mut self, tick: u64, index: u32) {
        let Some(player) = self.players.get_mut(index as usize) else {
            return;
        };
        // Otherwise it was woken earlier, and has said anew when it wants to be.
        if player.armed == tick {
            player.armed = NEVER;
            if player.wake(&mut self.context, index) {
                self.dials.push_back(index);
            }
        }
    }

    /// Lets as many devices connect as may be on their way.
    fn dial(&mut self) {
        while self.context.joining < self.window
            && let Some(index) = self.dials.pop_front()
        {
            let device = self.first + index;
            let cut_off = self.context.is_cut_off(device);
            let Some(player) = self.players.get_mut(index as usize) else {
                continue;
            };
            if cut_off {
                player.fail_to_dial(&mut self.context, index, "the network is partitioned");
            } else if let Some(end) = player.dial(&mut self.context, index) {
                self.service.serve(end);
            }
        }
    }

    /// Ends connections that somebody, or a partition, cuts.
    fn break_connections(&mut self) {
        let cuts = self.handle.state.cuts.load(Acquire);
        if std::mem::replace(&mut self.cuts, cuts) != cuts {
            for (index, player) in (0..).zip(&mut self.players) {
                player.sever(&mut self.context, index, "the service is gone");
            }
        }
        let now = self.context.now();
        while let Some((_, number)) = self.partitions.pop_if(|(from, _)| *from <= now) {
            let scenario = Arc::clone(&self.context.play.options.scenario);
            let partition = &scenario.network.partitions[number];
            for (index, player) in (0..).zip(&mut self.players) {
                let device = self.first + index;
                if scenario.network.is_behind(scenario.seed, device, partition) {
                    player.sever(&mut self.context, index, "the network is partitioned");
                }
            }
        }
    }

    /// Waits for something to do.
    async fn wait(&self) {
        let (state, now) = (&self.handle.state, self.context.now().0);
        let cut = self.partitions.last().map(|(from, _)| from.0);
        let next = self.context.timers.next().into_iter().chain(cut).min();
        state.seen.store(now, Release);
        state.next.store(next.unwrap_or(NEVER), Release);
        state.idle.store(true, SeqCst);
        let some = self.context.ready.some();
        let bound = match (&self.context.play.options.clock, next) {
            (Clock::Real, Some(at)) => {
                Duration::from_millis(at.saturating_sub(now).saturating_add(1)).min(LOOK)
            }
            // Whoever sets the clock says so.
            (Clock::Set(_), _) | (_, None) => LOOK,
        };
        // Whether something came or time has passed, the next turn finds out.
        tokio::time::timeout(bound, some).await.ok();
        state.idle.store(false, SeqCst);
        state.turns.fetch_add(1, AcqRel);
    }
}

/// When a device's thing is provisioned, after the beginning.
fn provisioned_at(scenario: &Scenario, device: u32) -> Span {
    let mut steps = scenario.timeline.iter();
    let step = steps.find(|step| match &step.action {
        Action::Provision { group } => {
            group.is_none_or(|group| scenario.is_in_group(device, group))
        }
        _ => false,
    });
    step.map_or(Span(0), |step| step.at)
}
