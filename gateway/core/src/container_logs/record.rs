//! Lines and samples as they stand in a file: length, checksum, and CBOR with field numbers.

use minicbor::{Decode, Encode};
use shipslog_domain::Timestamp;

use super::Source;

/// Bytes in front of a record: its length and its checksum.
pub(super) const HEAD_BYTES: usize = 8;

/// One line or sample.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub(super) enum Record {
    #[n(0)]
    Line {
        #[n(0)]
        service: Box<str>,
        #[n(1)]
        container: Box<str>,
        #[n(2)]
        node: Box<str>,
        #[n(3)]
        at: Timestamp,
        #[n(4)]
        message: Box<str>,
        #[n(5)]
        number: u64,
    },
    #[n(1)]
    Sample {
        #[n(0)]
        service: Box<str>,
        #[n(1)]
        node: Box<str>,
        #[n(2)]
        at: Timestamp,
        #[n(3)]
        cpu_hundredths: u32,
        #[n(4)]
        memory_hundredths: u32,
        #[n(5)]
        number: u64,
    },
}

impl Record {
    pub(super) fn line(
        source: &Source,
        node: &str,
        at: Timestamp,
        message: &str,
        number: u64,
    ) -> Self {
        Self::Line {
            service: source.service.clone(),
            container: source.container.clone(),
            node: node.into(),
            at,
            message: message.into(),
            number,
        }
    }

    pub(super) fn sample(
        service: &str,
        node: &str,
        at: Timestamp,
        (cpu_hundredths, memory_hundredths): (u32, u32),
        number: u64,
    ) -> Self {
        Self::Sample {
            service: service.into(),
            node: node.into(),
            at,
            cpu_hundredths,
            memory_hundredths,
            number,
        }
    }

    /// Its number among all records.
    pub(super) const fn number(&self) -> u64 {
        match self {
            Self::Line { number, .. } | Self::Sample { number, .. } => *number,
        }
    }

    /// Appends the record to `buffer`.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) {
        let start = buffer.len();
        buffer.extend_from_slice(&[0; HEAD_BYTES]);
        minicbor::encode(self, &mut *buffer).expect("encoding into memory does not fail");
        let (head, payload) = buffer[start..].split_at_mut(HEAD_BYTES);
        let length = u32::try_from(payload.len()).expect("a message is shorter than 4 GiB");
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    }

    /// Reads the first record of `bytes`, and says how long it is; `None` where there is no whole one.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let payload = rest.get(..length)?;
        if crc32fast::hash(payload) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let record = minicbor::decode(payload).ok()?;
        Some((record, HEAD_BYTES + length))
    }
}
