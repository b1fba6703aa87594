//! A driver plays some thousands of devices, or a million, as one task: it looks at those for which something came
//! and those whose time has come, and at no other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Duration, Instant};

use shipslog_domain::Timestamp;

use crate::behavior::device_seeds;
use crate::device::{Device, Kind};
use crate::net::progress::Progress;
use crate::net::thing_name;
use crate::pipes::measured::Measured;
use crate::pipes::pipe::Ready;
use crate::pipes::player::Player;
use crate::pipes::timers::{NEVER, Timers};
use crate::pipes::{Options, Play, Service};

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
    pub(super) kind: Kind,
    /// In milliseconds.
    pub(super) dial_timeout: u64,
    /// What the device in hand sends.
    pub(super) out: Vec<u8>,
    /// Devices between their first packet and joining.
    pub(super) joining: usize,
    /// Messages since the last turn.
    pub(super) received: u64,
    pub(super) sent: u64,
    play: Arc<Play>,
    measured: Measured,
    now: Timestamp,
    micros: u64,
}

impl Context {
    fn new(play: Arc<Play>, progress: Arc<Progress>) -> Self {
        let options = &play.options;
        Self {
            progress,
            ready: Arc::default(),
            timers: Timers::default(),
            kind: options.script.kind,
            dial_timeout: u64::try_from(options.dial_timeout.as_millis()).unwrap_or(u64::MAX),
            out: Vec::with_capacity(4_096),
            joining: 0,
            received: 0,
            sent: 0,
            measured: Measured::new(),
            now: Timestamp(play.started_at),
            micros: 0,
            play,
        }
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
        self.now = Timestamp(self.play.started_at + self.micros / 1_000);
        self.progress.messages_in.fetch_add(self.received, Relaxed);
        self.progress.messages_out.fetch_add(self.sent, Relaxed);
        self.received = 0;
        self.sent = 0;
    }

    /// A device was welcomed that dialed at `dialed`.
    pub(super) fn welcomed(&mut self, dialed: u64, before: bool) {
        self.measured
            .welcomes
            .saturating_record(self.micros.saturating_sub(dialed));
        self.progress.connected.fetch_add(1, Relaxed);
        if before {
            self.progress.reconnects.fetch_add(1, Relaxed);
            return;
        }
        let welcomed = self.progress.welcomed.fetch_add(1, Relaxed) + 1;
        if welcomed == u64::from(self.play.options.devices) {
            self.measured.connecting = Some(self.play.started.elapsed());
        }
    }

    /// An update was accepted that was sent at `sent`.
    pub(super) fn updated(&mut self, sent: u64) {
        self.measured
            .updates
            .saturating_record(self.micros.saturating_sub(sent));
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

/// Ends a driver from outside.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    ready: Arc<Ready>,
    asked: Arc<AtomicBool>,
}

impl Stop {
    pub(super) fn ask(&self) {
        self.asked.store(true, Relaxed);
        self.ready.wake();
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
    stop: Stop,
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
        let mut context = Context::new(Arc::clone(play), Arc::clone(progress));
        let options: &Options = &play.options;
        let mut players = Vec::with_capacity(usize::try_from(devices).unwrap_or(0));
        for index in 0..devices {
            let device = first + index;
            let seeds = device_seeds(options.seed, device);
            let script = Arc::clone(&options.script);
            let device_name = thing_name(&options.prefix, device).into();
            let state = Device::new(script, seeds, Timestamp(play.started_at));
            let mut player = Player::new(state, device_name);
            player.arm(&mut context, index);
            players.push(player);
        }
        let stop = Stop {
            ready: Arc::clone(&context.ready),
            asked: Arc::default(),
        };
        Self {
            service: Arc::clone(service),
            context,
            players,
            dials: VecDeque::new(),
            window: window.max(1),
            stop,
        }
    }

    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Plays until it is told to stop.
    pub(super) async fn run(mut self) -> Measured {
        let mut ready = Vec::new();
        loop {
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
                for index in due {
                    self.fire(tick, index);
                }
            }
            self.dial();
            if self.stop.asked.load(Acquire) {
                break;
            }
            if idle {
                self.wait().await;
            }
        }
        for player in &mut self.players {
            player.leave(&mut self.context);
        }
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
            if let Some(player) = self.players.get_mut(index as usize)
                && let Some(end) = player.dial(&mut self.context, index)
            {
                self.service.serve(end);
            }
        }
    }

    /// Waits for something to do.
    async fn wait(&self) {
        let next = self.context.timers.next().map(|at| {
            let after = at.saturating_sub(self.context.now().0).saturating_add(1);
            Duration::from_millis(after).min(LOOK)
        });
        let some = self.context.ready.some();
        // Whether something came or time has passed, the next turn finds out.
        tokio::time::timeout(next.unwrap_or(LOOK), some).await.ok();
    }
}

/// When a play began, on both clocks.
pub(super) fn begin() -> (Instant, u64) {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since_epoch.unwrap_or_default().as_millis();
    (Instant::now(), u64::try_from(millis).unwrap_or(0))
}
