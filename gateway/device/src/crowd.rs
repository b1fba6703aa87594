//! How many sockets devices may have open, in all and from one address.
//!
//! A socket is counted before anything is allocated for it, its TLS handshake included, and closed without a word where
//! it is one too many. An address is a network of 64 bits in IPv6, which is what one subscriber gets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits;
use crate::metrics::Refused;

/// How many sockets of one address may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerAddress {
    /// Any number.
    Unlimited,
    /// So many from every other machine. What comes over loopback, from this machine or its proxy, is not counted.
    OtherMachines(NonZeroUsize),
    /// So many from every address.
    Everybody(NonZeroUsize),
}

impl Default for PerAddress {
    fn default() -> Self {
        Self::OtherMachines(limits::CONNECTIONS_PER_ADDRESS)
    }
}

impl PerAddress {
    fn max(self, address: IpAddr) -> Option<usize> {
        match self {
            Self::Unlimited => None,
            Self::OtherMachines(_) if address.is_loopback() => None,
            Self::OtherMachines(max) | Self::Everybody(max) => Some(max.get()),
        }
    }
}

/// The open sockets.
#[derive(Debug)]
pub(crate) struct Crowd {
    max: usize,
    per_address: PerAddress,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// An open socket; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    crowd: Arc<Crowd>,
    /// Where it counts.
    address: Option<IpAddr>,
}

impl Crowd {
    pub(crate) fn new(max: usize, per_address: PerAddress) -> Self {
        Self {
            max,
            per_address,
            present: Mutex::default(),
        }
    }

    /// Counts a socket from an address, or says why it is one too many.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Counted, Refused> {
        let address = network(address);
        let max = self.per_address.max(address);
        let mut present = self.lock();
        if present.all >= self.max {
            return Err(Refused::TooManyConnections);
        }
        if let Some(max) = max {
            let count = present.by_address.entry(address).or_default();
            if *count >= max {
                return Err(Refused::TooManyOfAddress);
            }
            *count += 1;
        }
        present.all += 1;
        Ok(Counted {
            crowd: Arc::clone(self),
            address: max.map(|_| address),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut present = self.crowd.lock();
        present.all -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = present.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                present.by_address.remove(&address);
            }
        }
    }
}

/// What counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(long) if !long.is_loopback() => {
            let [a, b, c, d, ..] = long.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
