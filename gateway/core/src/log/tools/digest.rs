//! The digest of a log: what two runs are compared by. Hashes events alone, so it does not depend on the log id,
//! block boundaries or compression.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use shipslog_domain::log::{EventLog, Position, Record};

use crate::log::failure::Failure;

/// Hashing short pieces is slow; they are collected first.
const COLLECTED_BYTES: usize = 64 * 1024;

/// The BLAKE3 hash of all events of a log, in order: position, time, kind and number of the stream, kind, length
/// of the payload, payload; numbers little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The hash.
    pub hash: [u8; 32],
    /// Number of hashed events.
    pub events: u64,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Computes a digest event by event.
#[derive(Clone, Debug, Default)]
pub struct Digester {
    hasher: blake3::Hasher,
    collected: Vec<u8>,
    events: u64,
}

impl Digester {
    /// Adds the next event.
    pub fn update(&mut self, record: &Record<'_>) {
        let out = &mut self.collected;
        out.extend_from_slice(&record.position.0.to_le_bytes());
        out.extend_from_slice(&record.at.0.to_le_bytes());
        out.push(record.stream.kind as u8);
        out.extend_from_slice(&record.stream.number.to_le_bytes());
        out.extend_from_slice(&record.kind.to_le_bytes());
        out.extend_from_slice(&(record.payload.len() as u64).to_le_bytes());
        out.extend_from_slice(record.payload);
        if out.len() >= COLLECTED_BYTES {
            self.hasher.update(out);
            out.clear();
        }
        self.events += 1;
    }

    /// The digest of the events so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.collected);
        Digest {
            hash: *hasher.finalize().as_bytes(),
            events: self.events,
        }
    }
}

/// The digest of any log.
pub fn digest<L: EventLog>(log: &L) -> Result<Digest, L::Failure> {
    let mut digester = Digester::default();
    log.read(Position::START, &mut |record| {
        digester.update(&record);
        ControlFlow::Continue(())
    })?;
    Ok(digester.digest())
}

/// The digest of the log of a data directory.
pub fn digest_directory(directory: &Path) -> Result<Digest, Failure> {
    let mut digester = Digester::default();
    let reader = super::open_reader(directory)?;
    reader.read(Position::START, &mut |record| {
        digester.update(&record);
        ControlFlow::Continue(())
    })?;
    Ok(digester.digest())
}
