//! The devices' thread: one task per device, which lends the state machine a socket and a clock.

use std::cell::{Cell, RefCell};
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::{Duration, Instant};

use shipslog_domain::Timestamp;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Sleep;

use crate::checks::Witness;
use crate::device::message::{Incoming, Outgoing};
use crate::device::{Belief, Device, Reaction, Script};
use crate::moments::real_micros;
use crate::mqtt::{self, Packet};
use crate::net::link::{Link, Wake};
use crate::net::measured::{Measured, micros};
use crate::net::pace::Clock;
use crate::net::progress::Progress;
use crate::net::stream::Stream;
use crate::net::target::Target;
use crate::net::weather::Weather;
use crate::net::{GOODBYE, Options, thing_name, tls};
use crate::network::Direction;
use crate::wire::{self, Identity};

/// Bytes that one read takes at most.
const READ_BYTES: usize = 64 * 1024;
/// A device that has said nothing for this long says that it lives.
const PING_AFTER: Duration = Duration::from_secs(wire::KEEP_ALIVE_SECONDS as u64 / 2);
/// What becomes of a connection when a partition begins.
const CUT_OFF: &str = "the network is partitioned";
/// Longest time between two looks at a device's timers.
const FAR: Duration = Duration::from_secs(3_600);

/// What all devices of the thread share.
struct Shared {
    options: Options,
    tls: Option<tls::Client>,
    /// By class.
    scripts: Vec<Arc<Script>>,
    progress: Arc<Progress>,
    clock: Clock,
    dials: Semaphore,
    next_dial: Cell<Instant>,
    stopping: Cell<bool>,
    stopped: Notify,
    read: RefCell<Box<[u8]>>,
    write: RefCell<Vec<u8>>,
    measured: RefCell<Measured>,
}

impl Shared {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The moment of a timestamp on the clock of the timers.
    fn instant(&self, at: Timestamp) -> Instant {
        self.clock.instant(at, FAR)
    }

    /// Takes the next turn to dial, where dials are paced.
    fn turn(&self) -> Option<Instant> {
        let gap = Duration::from_secs(1).checked_div(self.options.dials_per_second)?;
        let turn = self.next_dial.get().max(Instant::now());
        self.next_dial.set(turn + gap);
        Some(turn)
    }
}

/// Plays all devices until `stop` is notified.
pub(super) async fn play_all(
    options: Options,
    tls: Option<tls::Client>,
    progress: Arc<Progress>,
    stop: Arc<Notify>,
) -> Measured {
    let (first, devices) = (options.first, options.devices);
    let shared = Rc::new(Shared {
        progress,
        clock: options.pace.clock(),
        scripts: options.scripts(),
        dials: Semaphore::new(options.window.max(1)),
        next_dial: Cell::new(Instant::now()),
        stopping: Cell::new(false),
        stopped: Notify::new(),
        read: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()),
        write: RefCell::new(Vec::with_capacity(4_096)),
        measured: RefCell::new(Measured::begin()),
        options,
        tls,
    });
    let mut tasks = JoinSet::new();
    for index in first..first.saturating_add(devices) {
        tasks.spawn_local(Player::new(index, Rc::clone(&shared)).play());
    }
    stop.notified().await;
    shared.stopping.set(true);
    shared.stopped.notify_waiters();
    let goodbyes = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GOODBYE, goodbyes).await.is_err() {
        shared
            .progress
            .note_trouble("not every device said goodbye in time".into());
    }
    tasks.abort_all();
    shared.measured.replace(Measured::begin())
}

/// One device with what it needs on the network.
struct Player {
    index: u32,
    attempts: u32,
    device: Device,
    belief: Belief,
    thing: String,
    shared: Rc<Shared>,
    welcomed: bool,
    joined: bool,
    weather: Option<Weather>,
}

/// Why a connection ended.
enum Parting {
    Broken(String),
    HungUp,
    Stopped,
}

impl Player {
    fn new(index: u32, shared: Rc<Shared>) -> Self {
        let options = &shared.options;
        let script = Arc::clone(&shared.scripts[options.class_of(index)]);
        let begun = options.pace.begun_at();
        let first_dial = match &options.scenario {
            None => begun,
            Some(scenario) => begun.plus(scenario.first_connect_of(index)),
        };
        Self {
            index,
            attempts: 0,
            device: Device::new(script, options.seeds_of(index), first_dial),
            belief: Belief::default(),
            thing: thing_name(&options.prefix, index),
            welcomed: false,
            joined: false,
            weather: options
                .scenario
                .as_ref()
                .and_then(|all| Weather::of(all, index)),
            shared,
        }
    }

    async fn play(mut self) {
        let shared = Rc::clone(&self.shared);
        let mut stop = std::pin::pin!(shared.stopped.notified());
        // From here on a stop is seen even before the first wait.
        stop.as_mut().enable();
        while !shared.stopping.get() {
            let now = shared.now();
            self.react(|device| device.handle_timeout(now));
            if self.device.poll_message(now) != Some(Outgoing::Connect) {
                let due = self.device.poll_timeout().map_or(FAR, |due| {
                    shared
                        .instant(due)
                        .saturating_duration_since(Instant::now())
                });
                tokio::select! {
                    () = tokio::time::sleep(due) => continue,
                    () = &mut stop => break,
                }
            }
            let dialed = tokio::select! {
                dialed = self.dial() => dialed,
                () = &mut stop => break,
            };
            match dialed {
                Ok(link) => {
                    shared.progress.connected.fetch_add(1, Relaxed);
                    let parting = self.online(link, stop.as_mut()).await;
                    // What a broken connection did not send must not reach the next device's.
                    shared.write.borrow_mut().clear();
                    shared.progress.connected.fetch_sub(1, Relaxed);
                    if let Parting::Broken(why) = parting {
                        shared
                            .progress
                            .note_trouble(format!("{}: {why}", self.thing));
                    }
                }
                Err(why) => {
                    shared.progress.dials_failed.fetch_add(1, Relaxed);
                    shared
                        .progress
                        .note_trouble(format!("{}: {why}", self.thing));
                }
            }
            let now = shared.now();
            self.react(|device| device.handle_message(Incoming::Disconnected, now));
        }
        let witness = Witness::of(&self.device, self.belief);
        let mut measured = shared.measured.borrow_mut();
        measured.witnesses.insert(self.index, witness);
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            thing: &self.thing,
            kind: self.device.kind(),
        }
    }

    /// Lets the device take an input and counts what came of it. `true`: an update was accepted.
    fn react(&mut self, act: impl FnOnce(&mut Device) -> Reaction) -> bool {
        let reaction = act(&mut self.device);
        self.belief.learn(&reaction);
        self.shared.progress.count(&reaction);
        if reaction.joined && !self.joined {
            self.joined = true;
            let shared = &self.shared;
            let joined = shared.progress.joined.fetch_add(1, Relaxed) + 1;
            if joined == u64::from(shared.options.devices) {
                shared.measured.borrow_mut().moments.joined = Some(real_micros());
            }
        }
        reaction.updated
    }

    /// Connects and waits for the welcome, as one of the few that may do so at a time.
    async fn dial(&mut self) -> Result<Link, String> {
        let shared = Rc::clone(&self.shared);
        let _permit = shared
            .dials
            .acquire()
            .await
            .map_err(|error| error.to_string())?;
        if let Some(turn) = shared.turn() {
            tokio::time::sleep_until(turn.into()).await;
        }
        self.attempts = self.attempts.wrapping_add(1);
        let begun = Instant::now();
        let bound = shared.options.dial_timeout;
        let link = tokio::time::timeout(bound, self.open())
            .await
            .map_err(|_| format!("no welcome within {bound:?}"))??;
        let took = micros(begun.elapsed());
        let mut measured = shared.measured.borrow_mut();
        measured.welcomes.saturating_record(took);
        shared.progress.welcomes.record(took);
        if self.welcomed {
            shared.progress.reconnects.fetch_add(1, Relaxed);
        } else {
            self.welcomed = true;
            let welcomed = shared.progress.welcomed.fetch_add(1, Relaxed) + 1;
            if welcomed == u64::from(shared.options.devices) {
                measured.moments.welcomed = Some(real_micros());
            }
        }
        drop(measured);
        Ok(link)
    }

    async fn open(&self) -> Result<Link, String> {
        let shared = &self.shared;
        if self.is_cut_off() {
            return Err(CUT_OFF.into());
        }
        let socket = self.socket().await.map_err(|error| error.to_string())?;
        let mut link = Link::new(match &shared.tls {
            None => Stream::Plain(socket),
            Some(client) => Stream::tls(socket, client.session(&self.thing)?),
        });
        self.identity().connect(&mut link.unsent);
        link.flush(&mut Vec::new())?;
        loop {
            match poll_fn(|context| link.poll(&shared.read, None, context)).await {
                Wake::Read(0) => return Err("the service closed the connection".into()),
                Wake::Read(count) => {
                    let read = shared.read.borrow();
                    link.partial.extend_from_slice(&read[..count]);
                }
                Wake::Writable => link.flush(&mut Vec::new())?,
                Wake::Broken(error) => return Err(error.to_string()),
                Wake::Timer | Wake::Stop => (),
            }
            match mqtt::decode(&link.partial).map_err(|error| error.to_string())? {
                None => (),
                Some((Packet::Connack { code: 0, .. }, used)) => {
                    link.partial.drain(..used);
                    return Ok(link);
                }
                Some((Packet::Connack { code, .. }, _)) => {
                    return Err(format!("the connection was refused with code {code}"));
                }
                Some(_) => return Err("something came before the welcome".into()),
            }
        }
    }

    /// Connects to the first address that takes a connection.
    async fn socket(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::other("the target has no address");
        for &address in &self.shared.options.target.addresses {
            match connect(self.index, self.attempts, address).await {
                Ok(socket) => {
                    socket.set_nodelay(true)?;
                    return Ok(socket);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Speaks and listens until the connection ends.
    async fn online(
        &mut self,
        mut link: Link,
        mut stop: Pin<&mut tokio::sync::futures::Notified<'_>>,
    ) -> Parting {
        let shared = Rc::clone(&self.shared);
        let mut now = shared.now();
        self.react(|device| device.handle_message(Incoming::Connected, now));
        let mut timer = std::pin::pin!(tokio::time::sleep(FAR));
        let mut listens = false;
        loop {
            match self.speak(&mut link, now) {
                Ok(true) => (),
                Ok(false) => return Parting::HungUp,
                Err(why) => return Parting::Broken(why),
            }
            self.arm(&link, timer.as_mut());
            let wake = poll_fn(|context| {
                // All devices are in one list of those to tell: to look at that again with every packet costs more.
                let is_told = if std::mem::replace(&mut listens, true) {
                    shared.stopping.get()
                } else {
                    stop.as_mut().poll(context).is_ready()
                };
                if is_told {
                    return Poll::Ready(Wake::Stop);
                }
                link.poll(&shared.read, Some(timer.as_mut()), context)
            })
            .await;
            now = shared.now();
            if self.is_cut_off() {
                shared.progress.severed.fetch_add(1, Relaxed);
                return Parting::Broken(CUT_OFF.into());
            }
            let handled = match wake {
                Wake::Read(0) => Err("the service closed the connection".into()),
                Wake::Read(count) => self.hear(&mut link, count, now),
                Wake::Writable => Ok(()),
                Wake::Timer => self.wake(&mut link, now),
                Wake::Broken(error) => Err(error.to_string()),
                Wake::Stop => {
                    mqtt::encode(&Packet::Disconnect, &mut link.unsent);
                    // The connection ends either way; whether the goodbye got through makes no difference.
                    drop(link.flush(&mut Vec::new()));
                    return Parting::Stopped;
                }
            };
            if let Err(why) = handled {
                return Parting::Broken(why);
            }
        }
    }

    /// Sends all that the device has to say. `false`: it has hung up.
    fn speak(&mut self, link: &mut Link, now: Timestamp) -> Result<bool, String> {
        let shared = Rc::clone(&self.shared);
        if self.device.poll_timeout().is_some_and(|due| due <= now) {
            // What takes no time is said together with what came before it.
            self.react(|device| device.handle_timeout(now));
        }
        let mut out = shared.write.borrow_mut();
        let mut staying = true;
        let kind = self.device.kind();
        while let Some(message) = self.device.poll_message(now) {
            let identity = Identity {
                thing: &self.thing,
                kind,
            };
            let id = link.next_packet_id();
            if let Some(weather) = &mut self.weather
                && weather.loses(Direction::Up)
            {
                return Err(lost(&shared));
            }
            match message {
                Outgoing::Health { .. } => {
                    link.health_id = Some(id);
                    shared.progress.health_sent.fetch_add(1, Relaxed);
                }
                Outgoing::Update(_) => link.update_sent = Some(Instant::now()),
                Outgoing::Disconnect => staying = false,
                Outgoing::Connect
                | Outgoing::Subscribe
                | Outgoing::Next { .. }
                | Outgoing::StartNext { .. }
                | Outgoing::Describe { .. } => (),
            }
            identity.encode(&message, id, now, &mut out);
            shared.progress.messages_out.fetch_add(1, Relaxed);
            if !staying {
                break;
            }
        }
        link.flush(&mut out)?;
        Ok(staying)
    }

    /// Takes what one read brought.
    fn hear(&mut self, link: &mut Link, count: usize, now: Timestamp) -> Result<(), String> {
        let shared = Rc::clone(&self.shared);
        let read = shared.read.borrow();
        let fresh = &read[..count];
        link.pinged = false;
        if link.partial.is_empty() {
            let used = self.hear_packets(link, fresh, now)?;
            link.partial.extend_from_slice(&fresh[used..]);
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut link.partial);
        bytes.extend_from_slice(fresh);
        let used = self.hear_packets(link, &bytes, now)?;
        bytes.drain(..used);
        if !bytes.is_empty() {
            link.partial = bytes;
        }
        Ok(())
    }

    /// Takes the complete packets of `bytes`; gives how many bytes they are.
    fn hear_packets(
        &mut self,
        link: &mut Link,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<usize, String> {
        let mut used = 0;
        while let Some((packet, length)) =
            mqtt::decode(&bytes[used..]).map_err(|error| error.to_string())?
        {
            used += length;
            self.hear_packet(link, &packet, now)?;
        }
        Ok(used)
    }

    fn hear_packet(
        &mut self,
        link: &mut Link,
        packet: &Packet<'_>,
        now: Timestamp,
    ) -> Result<(), String> {
        match *packet {
            Packet::Publish {
                topic, payload, id, ..
            } => {
                self.shared.progress.messages_in.fetch_add(1, Relaxed);
                if let Some(weather) = &mut self.weather
                    && weather.loses(Direction::Down)
                {
                    return Err(lost(&self.shared));
                }
                if let Some(id) = id {
                    mqtt::encode(&Packet::Puback { id }, &mut self.shared.write.borrow_mut());
                }
                let device = &mut self.device;
                let identity = Identity {
                    thing: &self.thing,
                    kind: device.kind(),
                };
                let reaction = wire::with_incoming(identity, topic, payload, |incoming| {
                    device.handle_message(incoming, now)
                });
                let updated = self.react(|_| reaction.unwrap_or_default());
                if let (true, Some(sent)) = (updated, link.update_sent) {
                    let took = micros(sent.elapsed());
                    let mut measured = self.shared.measured.borrow_mut();
                    measured.updates.saturating_record(took);
                    measured.moments.replied = Some(real_micros());
                    self.shared.progress.updates.record(took);
                }
            }
            Packet::Puback { id } if link.health_id == Some(id) => {
                link.health_id = None;
                self.react(|device| device.handle_message(Incoming::HealthStored, now));
            }
            Packet::Suback { codes, .. } => {
                if codes.contains(&0x80) {
                    return Err("the subscription was refused".into());
                }
                self.react(|device| device.handle_message(Incoming::Subscribed, now));
            }
            Packet::Puback { .. } | Packet::Pingresp => (),
            Packet::Connect { .. }
            | Packet::Connack { .. }
            | Packet::Subscribe { .. }
            | Packet::Pingreq
            | Packet::Disconnect => return Err("the service sent a packet out of turn".into()),
        }
        Ok(())
    }

    /// Whether a partition is between the device and the service.
    fn is_cut_off(&self) -> bool {
        self.weather
            .as_ref()
            .is_some_and(|weather| weather.is_cut_off(self.shared.clock.elapsed()))
    }

    /// The timer has fired: something of the device's is due, or a sign of life, or nothing.
    fn wake(&mut self, link: &mut Link, now: Timestamp) -> Result<(), String> {
        self.react(|device| device.handle_timeout(now));
        if link.spoken.elapsed() >= PING_AFTER {
            if link.pinged {
                return Err("the service gives no sign of life".into());
            }
            link.pinged = true;
            mqtt::encode(&Packet::Pingreq, &mut self.shared.write.borrow_mut());
        }
        Ok(())
    }

    /// Moves the timer if it would fire too late. One that fires too early costs one look at the device, which is
    /// cheaper than moving it with every message.
    fn arm(&self, link: &Link, timer: Pin<&mut Sleep>) {
        let ping = link.spoken + PING_AFTER;
        let cut = self
            .weather
            .as_ref()
            .and_then(|weather| weather.next_cut(self.shared.clock.elapsed()));
        let cut = cut.map(|after| self.shared.options.pace.begun_at().plus(after));
        let due = self.device.poll_timeout().into_iter().chain(cut).min();
        let due = due.map_or(ping, |due| self.shared.instant(due).min(ping));
        if timer.is_elapsed() || timer.deadline().into_std() > due {
            timer.reset(due.into());
        }
    }
}

/// A message is lost. TCP does not lose messages, so that the connection goes with it.
fn lost(shared: &Shared) -> String {
    shared.progress.lost.fetch_add(1, Relaxed);
    shared.progress.severed.fetch_add(1, Relaxed);
    "the network lost a message".into()
}

/// Connects the device with this index, at its n-th attempt.
async fn connect(index: u32, attempt: u32, address: SocketAddr) -> io::Result<TcpStream> {
    let Some(source) = Target::source(index, attempt, address) else {
        return TcpStream::connect(address).await;
    };
    let socket = TcpSocket::new_v4()?;
    // A port whose last connection was closed a moment ago is still good for one to somewhere else.
    socket.set_reuseaddr(true)?;
    socket.bind(source)?;
    socket.connect(address).await
}
