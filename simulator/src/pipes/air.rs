//! Bytes on their way through a network that takes its time. A connection keeps their order: what is late holds up what
//! is behind it.

use std::collections::VecDeque;

/// What is on its way between a device and the service.
#[derive(Debug, Default)]
pub(super) struct Air {
    pub(super) up: Flights,
    pub(super) down: Flights,
    /// The beginning of a packet whose rest has not arrived.
    pub(super) partial: Vec<u8>,
    /// The service has closed the connection: nothing comes after what is on its way.
    pub(super) ended: bool,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Flights {
    /// When they arrive, in milliseconds, ascending.
    flying: VecDeque<(u64, Vec<u8>)>,
    /// How many there were, over all connections of the device.
    pub(super) count: u32,
}

impl Air {
    /// When something arrives next, in milliseconds.
    pub(super) fn next(&self) -> Option<u64> {
        let both = [&self.up, &self.down].into_iter();
        both.filter_map(|way| way.flying.front().map(|(at, _)| *at))
            .min()
    }

    /// The connection is gone, with all that was on its way.
    pub(super) fn clear(&mut self) {
        self.up.flying.clear();
        self.down.flying.clear();
        self.partial.clear();
        self.ended = false;
    }
}

impl Flights {
    /// Sends bytes that would arrive at `at`, in milliseconds, if nothing were before them.
    pub(super) fn depart(&mut self, bytes: Vec<u8>, at: u64) {
        let before = self.flying.back().map_or(0, |(before, _)| *before);
        self.flying.push_back((at.max(before), bytes));
    }

    /// What has arrived by `now`.
    pub(super) fn land(&mut self, now: u64) -> Vec<u8> {
        let mut landed = Vec::new();
        while let Some((_, mut bytes)) = self.flying.pop_front_if(|(at, _)| *at <= now) {
            if landed.is_empty() {
                landed = bytes;
            } else {
                landed.append(&mut bytes);
            }
        }
        landed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }
}

#[cfg(test)]
mod tests;
