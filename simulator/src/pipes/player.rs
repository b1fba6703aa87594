//! One device with its end of a pipe: lends the state machine a connection and a clock.

use std::sync::atomic::Ordering::Relaxed;

use shipslog_domain::Timestamp;

use crate::checks::Witness;
use crate::device::message::{Incoming, Outgoing};
use crate::device::{Belief, Device, Reaction};
use crate::mqtt::{self, Packet};
use crate::network::Direction;
use crate::pipes::air::Air;
use crate::pipes::driver::Context;
use crate::pipes::pipe::{Arrived, DeviceEnd, ServiceEnd, Unread, pipe};
use crate::pipes::timers::NEVER;
use crate::wire::{self, Identity};

/// A device that has said nothing for this long says that it lives, in milliseconds.
const PING_AFTER: u64 = wire::KEEP_ALIVE_SECONDS as u64 * 500;

/// What becomes of a connection whose network loses a message.
const LOST: &str = "the network lost a message";
/// What becomes of one whose bytes are left in the pipe.
const UNREAD: &str = "the service does not read";

/// One device.
#[derive(Debug)]
pub(super) struct Player {
    device: Device,
    belief: Belief,
    thing: Box<str>,
    link: Option<Link>,
    /// What is on its way, where the network takes its time.
    air: Option<Box<Air>>,
    /// Its earliest tick in the wheel.
    pub(super) armed: u64,
    welcomed: bool,
    joined: bool,
    /// Whether it is one of those that may be on their way into the fleet at a time.
    joining: bool,
    /// Messages so far, each way, where the network loses some.
    up: u32,
    down: u32,
}

/// What an open connection keeps between two events.
#[derive(Debug)]
struct Link {
    end: DeviceEnd,
    /// When it was dialed; from the welcome on, when the device last spoke. In milliseconds.
    spoken: u64,
    /// When the update was sent that has not been answered, in microseconds of the play.
    update_sent: u64,
    packet_id: u16,
    /// 0: none is open.
    health_id: u16,
    up: bool,
    pinged: bool,
}

impl Player {
    pub(super) fn new(device: Device, thing: Box<str>, network_is_slow: bool) -> Self {
        Self {
            device,
            belief: Belief::default(),
            thing,
            link: None,
            air: network_is_slow.then(Box::default),
            armed: NEVER,
            welcomed: false,
            joined: false,
            joining: false,
            up: 0,
            down: 0,
        }
    }

    /// What the device holds to be true.
    pub(super) fn witness(&self) -> Witness {
        Witness::of(&self.device, self.belief)
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            thing: &self.thing,
            kind: self.device.kind(),
        }
    }

    /// Lets the device take an input and counts what came of it. `true`: an update was accepted.
    fn react(
        &mut self,
        context: &mut Context,
        act: impl FnOnce(&mut Device, Timestamp) -> Reaction,
    ) -> bool {
        let reaction = act(&mut self.device, context.now());
        self.count(context, &reaction);
        reaction.updated
    }

    fn count(&mut self, context: &mut Context, reaction: &Reaction) {
        self.belief.learn(reaction);
        context.progress.count(reaction);
        if reaction.joined {
            self.leave_window(context);
            if !self.joined {
                self.joined = true;
                context.joined();
            }
        }
    }

    fn leave_window(&mut self, context: &mut Context) {
        if std::mem::take(&mut self.joining) {
            context.joining -= 1;
        }
    }

    /// Its timer has fired. `true`: it wants to connect.
    pub(super) fn wake(&mut self, context: &mut Context, index: u32) -> bool {
        if self.air.is_some() && self.link.is_some() && self.land(context, index) {
            return true;
        }
        self.react(context, |device, now| device.handle_timeout(now));
        if let Some(link) = &mut self.link {
            let silent = context.now().0.saturating_sub(link.spoken);
            if !link.up && silent >= context.dial_timeout {
                self.part(context, index, "no welcome in time");
                return false;
            }
            if link.up && context.pings && silent >= PING_AFTER {
                if link.pinged {
                    self.part(context, index, "the service gives no sign of life");
                    return false;
                }
                link.pinged = true;
                mqtt::encode(&Packet::Pingreq, &mut context.out);
            }
        }
        self.go_on(context, index)
    }

    /// Opens a connection: gives the service's end of its pipe.
    pub(super) fn dial(&mut self, context: &mut Context, index: u32) -> Option<ServiceEnd> {
        self.joining = true;
        context.joining += 1;
        let (end, other) = pipe(&context.ready, index);
        self.identity().connect(&mut context.out);
        let sent = send(&end, self.air.as_deref_mut(), context, index);
        self.link = Some(Link {
            end,
            spoken: context.now().0,
            update_sent: context.micros(),
            packet_id: wire::SUBSCRIBE_ID,
            health_id: 0,
            up: false,
            pinged: false,
        });
        self.arm(context, index);
        // A new pipe has room for a first packet.
        sent.is_ok().then_some(other)
    }

    /// Something came through its pipe. `true`: it wants to connect, later or at once.
    pub(super) fn hear(&mut self, context: &mut Context, index: u32) -> bool {
        // A pipe that is gone may have listed it.
        let Some(link) = &mut self.link else {
            return false;
        };
        link.pinged = false;
        let Arrived { bytes, ended } = link.end.take();
        let Some(air) = &mut self.air else {
            return self.hear_bytes(context, index, bytes, ended);
        };
        if !bytes.is_empty() {
            let at = context.arrival(index, Direction::Down, &mut air.down.count);
            air.down.depart(bytes, at);
        }
        air.ended |= ended;
        self.land(context, index)
    }

    /// Something on its way may have arrived. `true`: it wants to connect, later or at once.
    fn land(&mut self, context: &mut Context, index: u32) -> bool {
        let (Some(air), Some(link)) = (&mut self.air, &self.link) else {
            return false;
        };
        let now = context.now().0;
        if link.end.send(&air.up.land(now)).is_err() {
            self.part(context, index, UNREAD);
            return false;
        }
        let landed = air.down.land(now);
        let ended = air.ended && air.down.is_empty();
        if landed.is_empty() && !ended {
            self.arm(context, index);
            return false;
        }
        let mut bytes = std::mem::take(&mut air.partial);
        bytes.extend(landed);
        self.hear_bytes(context, index, bytes, ended)
    }

    fn hear_bytes(
        &mut self,
        context: &mut Context,
        index: u32,
        mut bytes: Vec<u8>,
        ended: bool,
    ) -> bool {
        let mut used = 0;
        let trouble = loop {
            match mqtt::decode(&bytes[used..]) {
                Ok(None) => break None,
                Ok(Some((packet, length))) => {
                    used += length;
                    if let Err(why) = self.hear_packet(context, index, &packet) {
                        break Some(why);
                    }
                }
                Err(_) => break Some("the service sent what is no packet"),
            }
        };
        if used < bytes.len()
            && let Some(link) = &self.link
        {
            bytes.drain(..used);
            match &mut self.air {
                None => link.end.put_back(bytes),
                Some(air) => air.partial = bytes,
            }
        }
        match (trouble, ended) {
            (Some(why), _) => self.part(context, index, why),
            (None, true) => self.part(context, index, "the service closed the connection"),
            (None, false) => return self.go_on(context, index),
        }
        false
    }

    fn hear_packet(
        &mut self,
        context: &mut Context,
        index: u32,
        packet: &Packet<'_>,
    ) -> Result<(), &'static str> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        match *packet {
            Packet::Connack { code: 0, .. } if !link.up => {
                link.up = true;
                context.welcomed(link.update_sent, self.welcomed);
                self.welcomed = true;
                self.react(context, |device, now| {
                    device.handle_message(Incoming::Connected, now)
                });
            }
            Packet::Connack { .. } if !link.up => return Err("the connection was refused"),
            _ if !link.up => return Err("something came before the welcome"),
            Packet::Publish {
                topic, payload, id, ..
            } => {
                if context.loses(index, Direction::Down, &mut self.down) {
                    return Err(LOST);
                }
                context.received += 1;
                if let Some(id) = id {
                    mqtt::encode(&Packet::Puback { id }, &mut context.out);
                }
                let sent = link.update_sent;
                if self.hear_message(context, topic, payload) {
                    context.updated(sent);
                }
            }
            Packet::Puback { id } if link.health_id == id => {
                link.health_id = 0;
                self.react(context, |device, now| {
                    device.handle_message(Incoming::HealthStored, now)
                });
            }
            Packet::Suback { codes, .. } => {
                if codes.contains(&0x80) {
                    return Err("the subscription was refused");
                }
                self.react(context, |device, now| {
                    device.handle_message(Incoming::Subscribed, now)
                });
            }
            Packet::Puback { .. } | Packet::Pingresp => (),
            Packet::Connect { .. }
            | Packet::Connack { .. }
            | Packet::Subscribe { .. }
            | Packet::Pingreq
            | Packet::Disconnect => return Err("the service sent a packet out of turn"),
        }
        Ok(())
    }

    /// `true`: it is the acceptance of an update.
    fn hear_message(&mut self, context: &mut Context, topic: &str, payload: &[u8]) -> bool {
        let now = context.now();
        let device = &mut self.device;
        let identity = Identity {
            thing: &self.thing,
            kind: device.kind(),
        };
        let reaction = wire::with_incoming(identity, topic, payload, |incoming| {
            device.handle_message(incoming, now)
        });
        let reaction = reaction.unwrap_or_default();
        self.count(context, &reaction);
        reaction.updated
    }

    /// Says what there is to say, and sets the timer. `true`: it wants to connect.
    fn go_on(&mut self, context: &mut Context, index: u32) -> bool {
        let now = context.now();
        let kind = self.device.kind();
        if self.device.poll_timeout().is_some_and(|due| due <= now) {
            // What takes no time is said together with what came before it.
            self.react(context, |device, now| device.handle_timeout(now));
        }
        let mut lost = false;
        while let Some(message) = self.device.poll_message(now) {
            let Some(link) = &mut self.link else {
                // All that a device without a connection asks for is one.
                return message == Outgoing::Connect;
            };
            let id = link.next_packet_id();
            match message {
                Outgoing::Health { .. } => {
                    link.health_id = id;
                    context.progress.health_sent.fetch_add(1, Relaxed);
                }
                Outgoing::Update(_) => link.update_sent = context.micros(),
                Outgoing::Disconnect => {
                    mqtt::encode(&Packet::Disconnect, &mut context.out);
                    self.part(context, index, "the device gave the connection up");
                    return false;
                }
                Outgoing::Connect
                | Outgoing::Subscribe
                | Outgoing::Next { .. }
                | Outgoing::StartNext { .. }
                | Outgoing::Describe { .. } => (),
            }
            let identity = Identity {
                thing: &self.thing,
                kind,
            };
            context.sent += 1;
            if context.loses(index, Direction::Up, &mut self.up) {
                lost = true;
                break;
            }
            identity.encode(&message, id, now, &mut context.out);
        }
        if lost {
            self.part(context, index, LOST);
            return false;
        }
        if let Some(link) = &mut self.link
            && !context.out.is_empty()
        {
            link.spoken = now.0;
            if send(&link.end, self.air.as_deref_mut(), context, index).is_err() {
                self.part(context, index, UNREAD);
                return false;
            }
        }
        self.arm(context, index);
        false
    }

    /// Ends the connection: the device knows, and will want another.
    fn part(&mut self, context: &mut Context, index: u32, why: &'static str) {
        self.leave_window(context);
        let Some(link) = self.link.take() else { return };
        self.say_goodbye(&link, context);
        context.parted(link.up, &self.thing, why);
        self.react(context, |device, now| {
            device.handle_message(Incoming::Disconnected, now)
        });
        self.arm(context, index);
    }

    /// Last words, if there are any, behind all that was said before. They take no time; whether they are heard makes no
    /// difference to the device.
    fn say_goodbye(&mut self, link: &Link, context: &mut Context) {
        if let Some(air) = &mut self.air {
            link.end.send(&air.up.land(u64::MAX)).ok();
            air.clear();
        }
        link.end.send(&context.out).ok();
        context.out.clear();
    }

    /// The connection breaks, and what was on its way is lost.
    pub(super) fn sever(&mut self, context: &mut Context, index: u32, why: &'static str) {
        if self.link.is_some() {
            self.air.iter_mut().for_each(|air| air.clear());
            self.part(context, index, why);
        }
    }

    /// No connection could be made.
    pub(super) fn fail_to_dial(&mut self, context: &mut Context, index: u32, why: &'static str) {
        context.parted(false, &self.thing, why);
        self.react(context, |device, now| {
            device.handle_message(Incoming::Disconnected, now)
        });
        self.arm(context, index);
    }

    /// Ends the connection for good.
    pub(super) fn leave(&mut self, context: &mut Context) {
        if let Some(link) = self.link.take() {
            mqtt::encode(&Packet::Disconnect, &mut context.out);
            self.say_goodbye(&link, context);
            if link.up {
                context.progress.connected.fetch_sub(1, Relaxed);
            }
        }
    }

    /// Has it woken when something is due: of the device's, or a sign of life.
    pub(super) fn arm(&mut self, context: &mut Context, index: u32) {
        let of_link = self.link.as_ref().and_then(|link| match link.up {
            true => context.pings.then_some(link.spoken + PING_AFTER),
            false => Some(link.spoken + context.dial_timeout),
        });
        let due = self.device.poll_timeout().map(|due| due.0);
        let landing = self.air.as_ref().and_then(|air| air.next());
        if let Some(at) = due.into_iter().chain(of_link).chain(landing).min() {
            context.timers.arm(index, at, &mut self.armed);
        }
    }
}

/// Sends what there is to send: at once, or through a network that takes its time.
fn send(
    end: &DeviceEnd,
    air: Option<&mut Air>,
    context: &mut Context,
    index: u32,
) -> Result<(), Unread> {
    let Some(air) = air else {
        let sent = end.send(&context.out);
        context.out.clear();
        return sent;
    };
    let at = context.arrival(index, Direction::Up, &mut air.up.count);
    air.up.depart(context.out.split_off(0), at);
    end.send(&air.up.land(context.now().0))
}

impl Link {
    fn next_packet_id(&mut self) -> u16 {
        // 0 is no packet id, and 1 is the subscription's.
        self.packet_id = self
            .packet_id
            .checked_add(1)
            .unwrap_or(wire::SUBSCRIBE_ID + 1);
        self.packet_id
    }
}
