//! Devices in the world: when they wake, what they hear and what they say.

use shipslog_domain::log::EventLog;

use super::mail::{Request, Said};
use super::world::NEVER;
use super::{Entry, Letter, World};
use crate::device::message::{Incoming, Outgoing};
use crate::device::{Device, End, Reaction};

impl<L: EventLog + Send + 'static> World<L> {
    /// A device that may connect from here on plans to.
    pub(super) fn launch(&mut self, index: u32) {
        let first = self.now.plus(self.scenario.first_connect_of(index));
        let script = self.scenario.script_of(index);
        let member = &mut self.crew[index as usize];
        if member.wake != NEVER || member.was_connected {
            return;
        }
        member.is_provisioned = true;
        member.device = Device::new(script, self.scenario.seeds_of(index), first);
        self.schedule(index);
    }

    /// Sends what the service has to say.
    pub(super) fn deliver(&mut self) {
        let mut outbox = std::mem::take(&mut self.outbox);
        for letter in outbox.drain(..) {
            self.ledger.counts.messages_out += 1;
            self.send_down(letter);
        }
        if self.outbox.is_empty() {
            self.outbox = outbox;
        }
    }

    /// A device hears what the service says.
    pub(super) fn hear(&mut self, letter: Letter<Said>) {
        let member = &mut self.crew[letter.device as usize];
        if member.connection != letter.connection {
            return;
        }
        if matches!(letter.content, Said::Connected) {
            member.is_connected = true;
            let first = !std::mem::replace(&mut member.was_connected, true);
            self.ledger.connected(first, self.now);
        }
        let incoming = letter.content.incoming(&self.ledger.heard);
        let reaction: Reaction = member.device.handle_message(incoming, self.now);
        if let Some((_, End::Succeeded)) = reaction.ended {
            member.lied = reaction.lied;
        }
        member.belief.learn(&reaction);
        self.ledger.react(&reaction);
        self.pump(letter.device);
    }

    pub(super) fn wake(&mut self, index: u32) {
        let member = &mut self.crew[index as usize];
        // An entry that an earlier one replaced.
        if member.wake != self.now {
            return;
        }
        member.wake = NEVER;
        let due = member.device.poll_timeout();
        if due.is_some_and(|due| due <= self.now) {
            let reaction = member.device.handle_timeout(self.now);
            member.belief.learn(&reaction);
            self.ledger.react(&reaction);
        }
        self.pump(index);
    }

    /// Sends what the device has to say, and notes when it wants to be woken.
    fn pump(&mut self, index: u32) {
        let Ok(name) = self.thing_name(index) else {
            return;
        };
        loop {
            let member = &mut self.crew[index as usize];
            let Some(message) = member.device.poll_message(self.now) else {
                break;
            };
            let is_connect = matches!(message, Outgoing::Connect);
            if is_connect || matches!(message, Outgoing::Disconnect) {
                member.connection += 1;
                member.subscribed = false;
                if std::mem::replace(&mut member.is_connected, false) {
                    self.ledger.disconnected(self.now);
                }
            }
            let connection = member.connection;
            let Ok(Some(content)) = Request::of(message, &name, self.now) else {
                continue;
            };
            self.ledger.counts.messages_in += 1;
            if is_connect && (self.is_down() || self.is_cut_off(index)) {
                let member = &mut self.crew[index as usize];
                let reaction = member
                    .device
                    .handle_message(Incoming::Disconnected, self.now);
                member.belief.learn(&reaction);
                self.ledger.react(&reaction);
                continue;
            }
            self.send_up(Letter {
                device: index,
                connection,
                content,
            });
        }
        self.schedule(index);
    }

    /// The connection of a device breaks, whatever it was doing.
    pub(super) fn break_connection(&mut self, index: u32) {
        let member = &mut self.crew[index as usize];
        if !member.is_provisioned {
            return;
        }
        member.connection += 1;
        member.subscribed = false;
        if std::mem::replace(&mut member.is_connected, false) {
            self.ledger.disconnected(self.now);
        }
        let reaction = member
            .device
            .handle_message(Incoming::Disconnected, self.now);
        member.belief.learn(&reaction);
        self.ledger.react(&reaction);
        self.pump(index);
    }

    fn schedule(&mut self, index: u32) {
        let member = &mut self.crew[index as usize];
        let Some(due) = member.device.poll_timeout() else {
            return;
        };
        let due = due.max(self.now);
        if due < member.wake {
            member.wake = due;
            self.agenda.put(due, Entry::Wake(index));
        }
    }
}
