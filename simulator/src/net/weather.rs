//! What a scenario's network does to the connections of one device.

use std::sync::Arc;

use shipslog_domain::Span;

use crate::network::{Address, Direction};
use crate::scenario::Scenario;

/// The network of a device. What a real network does by itself (latency, order) is left to it.
pub(super) struct Weather {
    scenario: Arc<Scenario>,
    index: u32,
    up: u32,
    down: u32,
}

impl Weather {
    /// `None` for a network that does nothing.
    pub(super) fn of(scenario: &Arc<Scenario>, index: u32) -> Option<Self> {
        let network = &scenario.network;
        let rough = network.loss > 0 || !network.partitions.is_empty();
        rough.then(|| Self {
            scenario: Arc::clone(scenario),
            index,
            up: 0,
            down: 0,
        })
    }

    /// Whether the next message in this direction is lost.
    pub(super) fn loses(&mut self, direction: Direction) -> bool {
        if self.scenario.network.loss == 0 {
            return false;
        }
        let sequence = match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        };
        let address = Address {
            device: self.index,
            direction,
            sequence: *sequence,
        };
        *sequence = sequence.wrapping_add(1);
        let network = &self.scenario.network;
        network.deliver(self.scenario.seed, address).first.is_none()
    }

    /// Whether a partition is between the device and the service, so long after the beginning.
    pub(super) fn is_cut_off(&self, elapsed: Span) -> bool {
        let (seed, network) = (self.scenario.seed, &self.scenario.network);
        network.cut_off_until(seed, self.index, elapsed).is_some()
    }

    /// When the next partition begins that the device is behind.
    pub(super) fn next_cut(&self, elapsed: Span) -> Option<Span> {
        let (seed, network) = (self.scenario.seed, &self.scenario.network);
        let behind = network.partitions.iter().filter(|partition| {
            partition.from > elapsed && network.is_behind(seed, self.index, partition)
        });
        behind.map(|partition| partition.from).min()
    }
}

#[cfg(test)]
mod tests;
