//! What lies between devices and service, in virtual time: each message is delivered never, once or twice, after a
//! time, as a pure function of its address. So a play needs no random state, and a message more shifts no other.

use shipslog_domain::{Span, Timestamp};

use crate::distribution::Distribution;
use crate::scenario::{Line, SHARE_WHOLE, Slice};
use crate::seeds::Seeds;

/// Between devices and service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// How long every message takes, one way.
    pub latency: Distribution,
    /// Share of messages that are lost.
    pub loss: u32,
    /// Share of messages that are delivered twice.
    pub duplicated: u32,
    /// Share of messages that take `delay` longer, so that later ones overtake them.
    pub delayed: u32,
    /// How much longer.
    pub delay: Distribution,
    /// Whether messages of one device in one direction may overtake each other. A TCP connection keeps their order,
    /// so that a delayed message delays those behind it.
    pub reorders: bool,
    /// When part of the fleet cannot reach the service.
    pub partitions: Vec<Partition>,
}

/// A time during which part of the fleet cannot reach the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// When it begins, after the beginning of the play.
    pub from: Span,
    /// When it is over.
    pub until: Span,
    /// Who is behind it.
    pub slice: Slice,
}

impl Default for Network {
    /// Perfect: nothing takes any time, nothing is lost.
    fn default() -> Self {
        Self {
            latency: Distribution::Constant(0),
            loss: 0,
            duplicated: 0,
            delayed: 0,
            delay: Distribution::Constant(0),
            reorders: false,
            partitions: Vec::new(),
        }
    }
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a device to the service.
    Up,
    /// From the service to a device.
    Down,
}

/// Where a message is in a play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Index of the device.
    pub device: u32,
    /// Which way.
    pub direction: Direction,
    /// How many messages of the device went this way before.
    pub sequence: u32,
}

/// When a message arrives, if at all: after it was sent, so much later, and perhaps once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The first copy.
    pub first: Option<Span>,
    /// The second copy.
    pub second: Option<Span>,
}

impl Address {
    fn seeds(&self, seed: u64) -> Seeds {
        let way = match self.direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        Seeds::root(seed)
            .child("network", self.device.into())
            .child(way, self.sequence.into())
    }
}

fn hit(seeds: Seeds, name: &str, share: u32) -> bool {
    share > 0 && seeds.below(name, SHARE_WHOLE.into()) < u64::from(share)
}

impl Network {
    /// Whether every message arrives at once and nobody is ever cut off.
    #[must_use]
    pub fn is_perfect(&self) -> bool {
        self.latency.is_zero() && !self.is_faulty()
    }

    /// Whether messages may get lost, come twice, or be delayed beyond their latency.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.loss > 0
            || self.duplicated > 0
            || (self.delayed > 0 && !self.delay.is_zero())
            || !self.partitions.is_empty()
    }

    /// What becomes of a message. Partitions are another matter: see [`Network::cut_off_until`].
    #[must_use]
    pub fn deliver(&self, seed: u64, address: Address) -> Delivery {
        if !self.latency.is_zero() || self.loss > 0 || self.duplicated > 0 || self.delayed > 0 {
            return self.throw(seed, address);
        }
        Delivery {
            first: Some(Span(0)),
            second: None,
        }
    }

    /// Whether messages take any time.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        !self.latency.is_zero() || (self.delayed > 0 && !self.delay.is_zero())
    }

    /// How long what is sent is on its way where nothing is lost or doubled, as over TCP.
    #[must_use]
    pub fn transit(&self, seed: u64, address: Address) -> Span {
        Span(self.length(address.seeds(seed)))
    }

    fn length(&self, seeds: Seeds) -> u64 {
        let length = self.latency.draw(seeds, "latency");
        if hit(seeds, "delayed", self.delayed) {
            return length.saturating_add(self.delay.draw(seeds, "delay"));
        }
        length
    }

    fn throw(&self, seed: u64, address: Address) -> Delivery {
        let seeds = address.seeds(seed);
        let hit = |name, share: u32| hit(seeds, name, share);
        if hit("loss", self.loss) {
            return Delivery::default();
        }
        let length = self.length(seeds);
        let second = hit("duplicated", self.duplicated).then(|| {
            let later = self.latency.draw(seeds, "latency of the copy");
            Span(length.saturating_add(later))
        });
        Delivery {
            first: Some(Span(length)),
            second,
        }
    }

    /// If the device is cut off at `elapsed` after the beginning: the moment at which it no longer is, unless another
    /// partition begins by then.
    #[must_use]
    pub fn cut_off_until(&self, seed: u64, device: u32, elapsed: Span) -> Option<Span> {
        if self.partitions.is_empty() {
            return None;
        }
        let point = Line::Partitions.point(seed, device);
        let hit = self.partitions.iter().filter(|partition| {
            partition.from <= elapsed && elapsed < partition.until && partition.slice.holds(point)
        });
        hit.map(|partition| partition.until).max()
    }

    /// The moments at which connections break, ascending: the beginnings of partitions with who is behind them.
    pub fn cuts(&self, begun: Timestamp) -> impl Iterator<Item = (Timestamp, &Partition)> {
        let mut partitions: Vec<&Partition> = self.partitions.iter().collect();
        partitions.sort_by_key(|partition| partition.from);
        partitions
            .into_iter()
            .map(move |partition| (begun.plus(partition.from), partition))
    }

    /// Whether a device is behind a partition.
    #[must_use]
    pub fn is_behind(&self, seed: u64, device: u32, partition: &Partition) -> bool {
        partition.slice.holds(Line::Partitions.point(seed, device))
    }
}

#[cfg(test)]
mod tests;
