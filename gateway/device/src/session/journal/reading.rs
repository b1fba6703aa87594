//! Reads the journal back.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::{Message, Subscription};
use super::record::{self, Record, Saved};
use super::{HEADER_BYTES, MAGIC};
use crate::codec::Version;
use crate::guard::Owner;

/// A session as the journal left it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) number: u64,
    pub(crate) client_id: Box<str>,
    pub(crate) version: Version,
    pub(crate) expiry: Duration,
    pub(crate) packet_max: u32,
    pub(crate) window: u16,
    pub(crate) next_id: u16,
    pub(crate) owner: Option<Owner>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) waiting: VecDeque<Message>,
    pub(crate) unacknowledged: Vec<(u16, Message)>,
    /// In milliseconds since 1970; nothing if its client was connected.
    pub(crate) until: Option<u64>,
}

/// Everything that the journal says.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) sessions: BTreeMap<u64, Found>,
    /// Position of the log up to which the sessions were told.
    pub(crate) told: u64,
}

/// Reads all generations in a directory, the oldest first. Returns them with their numbers.
pub(super) fn read(directory: &Path) -> io::Result<(Contents, Vec<(u64, PathBuf)>)> {
    let mut generations = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix("journal-"));
        if let Some(Ok(number)) = number.map(str::parse) {
            generations.push((number, path));
        }
    }
    generations.sort();
    let mut contents = Contents::default();
    for (_, path) in &generations {
        let bytes = fs::read(path)?;
        let read = contents.follow(&bytes);
        if read < bytes.len() {
            // What the process had no time to write whole, where it was killed.
            tracing::info!(
                file = %path.display(),
                bytes = bytes.len() - read,
                "the end of a journal of sessions cannot be read and is left out"
            );
        }
    }
    Ok((contents, generations))
}

impl Contents {
    /// Goes on by the records of a file. Returns how many bytes could be read.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> usize {
        let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
            return 0;
        };
        loop {
            let read = bytes.len() - rest.len();
            let Some((payload, more)) = payload(rest) else {
                return read;
            };
            let Ok(record) = minicbor::decode(payload) else {
                return read;
            };
            self.apply(record);
            rest = more;
        }
    }

    fn apply(&mut self, record: Record<'_>) {
        match record {
            Record::Saved(saved) => {
                self.sessions.insert(saved.number, Found::from(saved));
            }
            Record::Ended { number } => drop(self.sessions.remove(&number)),
            Record::Told { position } => self.told = self.told.max(position),
            Record::Away { number, until } => {
                self.change(number, |session| session.until = Some(until));
            }
            Record::Subscribed { number, filter } => self.change(number, |session| {
                let new = Subscription::from(filter);
                let path = &new.filter.path;
                session.subscriptions.retain(|old| old.filter.path != *path);
                session.subscriptions.push(new);
            }),
            Record::Unsubscribed { number, path } => self.change(number, |session| {
                session
                    .subscriptions
                    .retain(|old| *old.filter.path != *path);
            }),
            Record::Waits { number, message } => self.change(number, |session| {
                session.waiting.push_back(message.into());
            }),
            Record::Sent {
                number,
                id,
                message,
            } => self.change(number, |session| session.sent(id, message.into())),
            Record::FirstSent { number, id } => self.change(number, |session| {
                if let Some(message) = session.waiting.pop_front() {
                    session.sent(id, message);
                }
            }),
            Record::FirstDropped { number } => self.change(number, |session| {
                session.waiting.pop_front();
            }),
            Record::Acknowledged { number, id } => self.change(number, |session| {
                session.unacknowledged.retain(|(sent, _)| *sent != id);
            }),
        }
    }

    fn change(&mut self, number: u64, change: impl FnOnce(&mut Found)) {
        if let Some(session) = self.sessions.get_mut(&number) {
            change(session);
        }
    }
}

impl Found {
    fn sent(&mut self, id: u16, message: Message) {
        self.unacknowledged.push((id, message));
        self.next_id = id.checked_add(1).unwrap_or(1);
    }
}

impl From<Saved<'_>> for Found {
    fn from(saved: Saved<'_>) -> Self {
        Self {
            number: saved.number,
            client_id: saved.client_id.into(),
            version: record::version(saved.version),
            expiry: Duration::from_secs(u64::from(saved.expiry_seconds)),
            packet_max: saved.packet_max,
            window: saved.window.max(1),
            next_id: saved.next_id.max(1),
            owner: saved
                .certificate
                .map(|certificate| Owner::of_numbers(certificate, saved.thing)),
            subscriptions: saved.filters.into_iter().map(Subscription::from).collect(),
            waiting: saved.waiting.into_iter().map(Message::from).collect(),
            unacknowledged: saved
                .unacknowledged
                .into_iter()
                .map(|sent| (sent.id, sent.message.into()))
                .collect(),
            until: saved.until,
        }
    }
}

/// The payload of the first record, if it is whole, and what follows it.
fn payload(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let (length, checksum) = header.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let checksum = u32::from_le_bytes(checksum.try_into().ok()?);
    (crc32fast::hash(payload) == checksum).then_some((payload, rest))
}
