//! What lies between devices and service: messages that take time, get lost, come twice or late, and parts of the
//! fleet that are cut off.

use shipslog_domain::log::EventLog;
use shipslog_domain::{Span, Timestamp};

use super::mail::{Request, Said};
use super::{Entry, Letter, World};
use crate::network::{Address, Direction};

/// When a lost notification is sent again.
const AGAIN: Span = Span::seconds(1);

/// A message under way.
#[derive(Debug)]
pub(super) enum Mail {
    Up(Letter<Request>),
    Down(Letter<Said>),
    /// Was lost, and is due to be sent once more.
    Again(Letter<Said>),
}

/// What is under way, and how far each device has counted. Empty where the network is perfect.
#[derive(Debug, Default)]
pub(super) struct Links {
    under_way: Vec<Option<Mail>>,
    free: Vec<u32>,
    ways: Vec<[Way; 2]>,
}

/// One direction of one device.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    sequence: u32,
    /// When the latest message arrives: later ones do not overtake it.
    last: Timestamp,
}

impl Links {
    fn put(&mut self, mail: Mail) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.under_way[slot as usize] = Some(mail);
            return slot;
        }
        self.under_way.push(Some(mail));
        u32::try_from(self.under_way.len() - 1).expect("fewer than 2^32 messages are under way")
    }

    fn take(&mut self, slot: u32) -> Option<Mail> {
        let mail = self.under_way.get_mut(slot as usize)?.take();
        self.free.push(slot);
        mail
    }
}

impl<L: EventLog + Send + 'static> World<L> {
    /// Sends a message of a device on its way.
    pub(super) fn send_up(&mut self, letter: Letter<Request>) {
        if self.is_perfect {
            self.inbox.push(letter);
            return;
        }
        let is_connect = matches!(letter.content, Request::Connect);
        let again = letter.content.clone();
        let (device, connection) = (letter.device, letter.connection);
        let (first, second) = self.fate(device, Direction::Up, is_connect);
        if let Some(at) = first {
            self.dispatch(at, Mail::Up(letter));
        }
        if let Some(at) = second {
            let content = again;
            self.dispatch(
                at,
                Mail::Up(Letter {
                    device,
                    connection,
                    content,
                }),
            );
        }
    }

    /// Sends a message of the service on its way.
    pub(super) fn send_down(&mut self, letter: Letter<Said>) {
        if self.is_perfect {
            self.hear(letter);
            return;
        }
        let is_connect = matches!(letter.content, Said::Connected);
        let (first, second) = self.fate(letter.device, Direction::Down, is_connect);
        // Notifications are of quality of service 1: a lost one is sent again, and again.
        let is_owed = matches!(
            letter.content,
            Said::Notified { .. } | Said::NotifiedNext(_)
        );
        if is_owed && first.is_none() {
            let slot = self.links.put(Mail::Again(letter));
            self.agenda.put(self.now.plus(AGAIN), Entry::Mail(slot));
        }
        for at in [first, second].into_iter().flatten() {
            self.dispatch(at, Mail::Down(letter));
        }
    }

    /// When a message arrives, and when its copy does. What makes or ends a connection is never lost or repeated.
    fn fate(
        &mut self,
        device: u32,
        direction: Direction,
        is_connect: bool,
    ) -> (Option<Timestamp>, Option<Timestamp>) {
        let network = &self.scenario.network;
        if self.links.ways.is_empty() {
            let devices = self.scenario.fleet.devices as usize;
            self.links.ways = vec![[Way::default(); 2]; devices];
        }
        let way = &mut self.links.ways[device as usize][direction as usize];
        let address = Address {
            device,
            direction,
            sequence: way.sequence,
        };
        way.sequence = way.sequence.wrapping_add(1);
        let delivery = network.deliver(self.scenario.seed, address);
        let (mut first, mut second) = (delivery.first, delivery.second);
        if is_connect {
            first = first.or(Some(Span(0)));
            second = None;
        }
        self.counts().lost += u64::from(first.is_none());
        let reorders = self.scenario.network.reorders;
        let now = self.now;
        let way = &mut self.links.ways[device as usize][direction as usize];
        let mut arrival = |length: Span| {
            let mut at = now.plus(length);
            if !reorders {
                at = at.max(way.last);
                way.last = at;
            }
            at
        };
        (first.map(&mut arrival), second.map(&mut arrival))
    }

    fn dispatch(&mut self, at: Timestamp, mail: Mail) {
        let slot = self.links.put(mail);
        self.agenda.put(at, Entry::Mail(slot));
    }

    /// A message arrives.
    pub(super) fn arrive(&mut self, slot: u32) {
        match self.links.take(slot) {
            Some(Mail::Up(letter)) => {
                let known = self.crew.get(letter.device as usize);
                // What was said over a connection that is gone never comes to the service.
                if known.is_some_and(|member| member.connection == letter.connection) {
                    self.inbox.push(letter);
                }
            }
            Some(Mail::Down(letter)) => self.hear(letter),
            Some(Mail::Again(letter)) => {
                let known = self.crew.get(letter.device as usize);
                if known.is_some_and(|member| member.connection == letter.connection) {
                    self.send_down(letter);
                }
            }
            None => (),
        }
    }

    /// Whether a device is cut off from the service.
    pub(super) fn is_cut_off(&self, device: u32) -> bool {
        let elapsed = self.now.since(self.begin);
        let network = &self.scenario.network;
        network
            .cut_off_until(self.scenario.seed, device, elapsed)
            .is_some()
    }

    /// Puts the beginnings of partitions on the agenda.
    pub(super) fn plan_partitions(&mut self) {
        let cuts = self.scenario.network.cuts(self.begin);
        let times: Vec<Timestamp> = cuts.map(|(at, _)| at).collect();
        for (number, at) in (0..).zip(times) {
            self.agenda.put(at, Entry::Partition(number));
        }
    }

    /// A partition begins: connections behind it break.
    pub(super) fn cut(&mut self, number: u32) {
        let network = &self.scenario.network;
        let Some((_, partition)) = network.cuts(self.begin).nth(number as usize) else {
            return;
        };
        let partition = *partition;
        let seed = self.scenario.seed;
        self.ledger
            .recorder
            .at(self.now)
            .fault("part of the fleet is cut off");
        for device in 0..self.scenario.fleet.devices {
            if self.scenario.network.is_behind(seed, device, &partition) {
                self.break_connection(device);
            }
        }
    }
}
