//! The files of lines and samples: a few, each of a bounded length, the oldest of which goes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::record::Record;
use crate::limits;
use crate::storage::{Access, Storage, StoredFile};

const DIRECTORY: &str = "container-logs";
const SUFFIX: &str = ".lines";

/// One file.
#[derive(Debug)]
struct Segment {
    name: String,
    /// The number of its first record.
    first: u64,
    bytes: u64,
}

/// The files, and what is to be written to the last of them.
#[derive(Debug)]
pub(super) struct Files {
    storage: Arc<dyn Storage>,
    segments: VecDeque<Segment>,
    last: Option<Arc<dyn StoredFile>>,
    waiting: Vec<u8>,
    /// The number of the first record that waits.
    waiting_first: u64,
    /// Whether writing has failed: nothing more is written until the next start.
    has_failed: bool,
}

impl Files {
    /// Reads all files, the oldest record first.
    pub(super) fn open(
        storage: Arc<dyn Storage>,
        mut take: impl FnMut(Record),
    ) -> io::Result<Self> {
        storage.create_directory(DIRECTORY)?;
        let mut segments = VecDeque::new();
        for name in storage.list(DIRECTORY)? {
            let Some(first) = name.strip_suffix(SUFFIX).and_then(|name| name.parse().ok()) else {
                continue;
            };
            let bytes = read(&storage, &name, &mut take)?;
            segments.push_back(Segment { name, first, bytes });
        }
        Ok(Self {
            storage,
            segments,
            // What follows a torn end would never be read: a new file is begun.
            last: None,
            waiting: Vec::new(),
            waiting_first: 0,
            has_failed: false,
        })
    }

    /// Adds a record to what is written next.
    pub(super) fn add(&mut self, record: &Record) {
        if self.waiting.is_empty() {
            self.waiting_first = record.number();
        }
        record.write(&mut self.waiting);
    }

    /// Writes what was added. Returns the number of the oldest record that is still in a file, if files have gone.
    pub(super) fn flush(&mut self) -> Option<u64> {
        if self.waiting.is_empty() || self.has_failed {
            self.waiting.clear();
            return None;
        }
        let written = self.write();
        self.waiting.clear();
        match written {
            Ok(has_gone) if has_gone => self.segments.front().map(|oldest| oldest.first),
            Ok(_) => None,
            Err(error) => {
                self.has_failed = true;
                tracing::error!(
                    %error,
                    "lines of containers cannot be written and will not outlive a restart; make room and restart"
                );
                None
            }
        }
    }

    fn write(&mut self) -> io::Result<bool> {
        let is_full = |last: &Segment| last.bytes >= limits::CONTAINER_LOG_FILE_BYTES;
        let file = match &self.last {
            Some(file) if !self.segments.back().is_some_and(is_full) => Arc::clone(file),
            _ => self.begin()?,
        };
        if let Some(segment) = self.segments.back_mut() {
            file.write_at(segment.bytes, &self.waiting)?;
            segment.bytes += self.waiting.len() as u64;
        }
        let mut has_gone = false;
        while self.segments.len() > limits::CONTAINER_LOG_FILES_MAX {
            if let Some(oldest) = self.segments.pop_front() {
                self.storage
                    .remove(&format!("{DIRECTORY}/{}", oldest.name))?;
                has_gone = true;
            }
        }
        Ok(has_gone)
    }

    fn begin(&mut self) -> io::Result<Arc<dyn StoredFile>> {
        let first = self.waiting_first;
        let name = format!("{first:020}{SUFFIX}");
        let path = format!("{DIRECTORY}/{name}");
        let file = self.storage.create(&path, 0, &|| true)?;
        self.storage.sync_directory(DIRECTORY)?;
        self.segments.push_back(Segment {
            name,
            first,
            bytes: 0,
        });
        self.last = Some(Arc::clone(&file));
        Ok(file)
    }
}

/// Reads one file, up to its end or to where it is torn. Returns how long it is.
fn read(storage: &Arc<dyn Storage>, name: &str, take: &mut impl FnMut(Record)) -> io::Result<u64> {
    let file = storage.open(&format!("{DIRECTORY}/{name}"), Access::Read)?;
    let length = file.length()?;
    let bytes = usize::try_from(length).unwrap_or(usize::MAX);
    let mut buffer = vec![0; bytes.min(limits::CONTAINER_LOG_FILE_READ_MAX)];
    file.read_at(0, &mut buffer)?;
    let mut rest = buffer.as_slice();
    while let Some((record, length)) = Record::read(rest) {
        take(record);
        rest = &rest[length..];
    }
    if !rest.is_empty() {
        tracing::warn!(
            file = name,
            bytes = rest.len(),
            "a file of container lines ends in the middle of one; what comes after is left out"
        );
    }
    Ok(length)
}
