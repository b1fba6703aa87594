//! Walks the blocks of a segment and checks each against the one before it.

use std::sync::Arc;

use shipslog_domain::log::Position;
use shipslog_domain::time::Timestamp;

use crate::log::block::{self, HEADER_BYTES, Header, MAGIC, NoHeader};
use crate::log::encoder::ChainEnd;
use crate::log::failure::{Damage, Defect, Failure, LogId};
use crate::log::limits::READ_BYTES;
use crate::storage::{Storage, StoredFile};

/// A segment file that is read from front to back, with a window that moves along.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    storage: &'a dyn Storage,
    path: &'a str,
    file: Arc<dyn StoredFile>,
    length: u64,
    window_start: u64,
    window: Vec<u8>,
}

/// How a walk over a segment ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Where the log continues behind the last whole commit.
    pub(crate) end: ChainEnd,
    /// Where that is in the file.
    pub(crate) offset: u64,
    /// Number of blocks up to there.
    pub(crate) blocks: u64,
    /// Number of commits up to there.
    pub(crate) commits: u64,
    /// What is behind it, unless that is nothing.
    pub(crate) damage: Option<Damage>,
}

/// A block of a whole commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) header: &'a Header,
    pub(crate) offset: u64,
    pub(crate) payload: &'a [u8],
}

/// Looks at the events of a block and returns the time of the last one, or what is wrong with them.
pub(crate) type Visit<'a> = dyn FnMut(Block<'_>) -> Result<Timestamp, Defect> + 'a;

impl<'a> Reading<'a> {
    pub(crate) fn new(
        storage: &'a dyn Storage,
        path: &'a str,
        file: Arc<dyn StoredFile>,
    ) -> Result<Self, Failure> {
        let length = file.length();
        Ok(Self {
            length: length.map_err(Failure::io(storage, "read the length of", path))?,
            storage,
            path,
            file,
            window_start: 0,
            window: Vec::new(),
        })
    }

    /// Length of the file.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// `bytes` bytes from `offset`, or `None` if the file ends before.
    pub(crate) fn get(&mut self, offset: u64, bytes: usize) -> Result<Option<&[u8]>, Failure> {
        if offset + bytes as u64 > self.length {
            return Ok(None);
        }
        let window_end = self.window_start + self.window.len() as u64;
        if offset < self.window_start || offset + bytes as u64 > window_end {
            let rest = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
            self.window.resize(rest.min(READ_BYTES.max(bytes)), 0);
            self.window_start = offset;
            let read = self.file.read_at(offset, &mut self.window);
            read.map_err(Failure::io(self.storage, "read", self.path))?;
        }
        let start = usize::try_from(offset - self.window_start).unwrap_or(usize::MAX);
        Ok(self.window.get(start..start + bytes))
    }

    /// The header at `offset`; `None` where the file ends.
    pub(crate) fn header(
        &mut self,
        offset: u64,
    ) -> Result<Option<Result<Header, Defect>>, Failure> {
        let Some(bytes) = self.get(offset, HEADER_BYTES)? else {
            return Ok(None);
        };
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(bytes);
        match Header::decode(&header) {
            Ok(header) => Ok(Some(Ok(header))),
            Err(NoHeader::Defect(defect)) => Ok(Some(Err(defect))),
            Err(NoHeader::Format(version)) => Err(Failure::FormatUnknown {
                segment: self.storage.describe(self.path),
                offset,
                version,
                supported: block::FORMAT,
            }),
        }
    }

    /// Checks every block from the beginning and shows those of whole commits to `visit`, until something is
    /// wrong or nothing is left. `log_id` is learned from the first block if it is not known.
    pub(crate) fn walk(
        &mut self,
        log_id: &mut Option<LogId>,
        start: ChainEnd,
        visit: &mut Visit<'_>,
    ) -> Result<Outcome, Failure> {
        let mut outcome = Outcome {
            end: start,
            offset: 0,
            blocks: 0,
            commits: 0,
            damage: None,
        };
        // The blocks of the commit in hand, and the end of the chain with them.
        let mut pending: Vec<(Header, u64)> = Vec::new();
        let mut end = start;
        let mut offset = 0;
        loop {
            let defect = match self.check(offset, log_id, &end, pending.len())? {
                Checked::Block(header, hash) => {
                    pending.push((header, offset));
                    offset += header.block_bytes() as u64;
                    end = ChainEnd {
                        number: header.number + 1,
                        position: header.last().next(),
                        hash,
                        time: header.first_time,
                    };
                    if !header.last_of_commit {
                        continue;
                    }
                    match self.visit_commit(&pending, outcome.end.time, visit)? {
                        Ok(time) => {
                            end.time = time;
                            outcome.end = end;
                            outcome.offset = offset;
                            outcome.blocks += pending.len() as u64;
                            outcome.commits += 1;
                            pending.clear();
                            continue;
                        }
                        Err((bad, defect)) => {
                            outcome.damage =
                                Some(self.damage(bad.1, bad.0.number, bad.0.first, defect));
                            return Ok(outcome);
                        }
                    }
                }
                Checked::Defect(defect) => defect,
                Checked::End if pending.is_empty() => return Ok(outcome),
                Checked::End => Defect::CommitIncomplete,
            };
            outcome.damage = Some(self.damage(offset, end.number, end.position, defect));
            return Ok(outcome);
        }
    }

    /// Looks behind damage for the beginning of a later commit: it proves that the damaged one was durable once,
    /// because a commit is begun only when the one before it is durable.
    pub(crate) fn later_commit(
        &mut self,
        damage: &Damage,
        log_id: Option<LogId>,
    ) -> Result<Option<Header>, Failure> {
        let mut offset = damage.offset + 1;
        while offset < self.length {
            let rest = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
            let window = self.get(offset, rest.min(READ_BYTES))?.unwrap_or_default();
            let Some(at) = window.iter().position(|byte| *byte == MAGIC[0]) else {
                offset += window.len().max(1) as u64;
                continue;
            };
            offset += at as u64;
            if self.get(offset, 4)?.is_some_and(|bytes| bytes == MAGIC)
                && let Ok(Some(Ok(header))) = self.header(offset)
                && log_id.is_none_or(|id| id == header.log_id)
                && header.commit_number() > damage.block
            {
                return Ok(Some(header));
            }
            offset += 1;
        }
        Ok(None)
    }

    /// End of the last byte that is not zero, searched from `offset`; `offset` if there is none.
    pub(crate) fn written_end(&mut self, offset: u64) -> Result<u64, Failure> {
        let mut end = offset;
        let mut at = offset;
        while at < self.length {
            let rest = usize::try_from(self.length - at).unwrap_or(usize::MAX);
            let window = self.get(at, rest.min(READ_BYTES))?.unwrap_or_default();
            if !is_zero(window) {
                let last = window.iter().rposition(|byte| *byte != 0).unwrap_or(0);
                end = at + last as u64 + 1;
            }
            at += window.len().max(1) as u64;
        }
        Ok(end)
    }

    fn check(
        &mut self,
        offset: u64,
        log_id: &mut Option<LogId>,
        end: &ChainEnd,
        pending: usize,
    ) -> Result<Checked, Failure> {
        let header = match self.header(offset)? {
            Some(Ok(header)) => header,
            Some(Err(Defect::Absent)) | None => {
                let written = self.written_end(offset)? > offset;
                return Ok(if written {
                    Checked::Defect(Defect::Absent)
                } else {
                    Checked::End
                });
            }
            Some(Err(defect)) => return Ok(Checked::Defect(defect)),
        };
        let expected = *log_id.get_or_insert(header.log_id);
        if header.log_id != expected {
            return Err(Failure::LogIdDiffers {
                segment: self.storage.describe(self.path),
                expected,
                found: header.log_id,
            });
        }
        let Some(bytes) = self.get(offset, header.block_bytes())? else {
            return Ok(Checked::Defect(Defect::Length));
        };
        let payload = &bytes[HEADER_BYTES..];
        let defect = if !header.matches(payload) {
            Defect::PayloadChecksum
        } else if header.number != end.number {
            Defect::Number(header.number)
        } else if header.first != end.position {
            Defect::FirstPosition(header.first)
        } else if header.previous_hash != end.hash {
            Defect::Chain
        } else if header.before_in_commit as usize != pending {
            Defect::Commit
        } else if header.first_time < end.time {
            Defect::Time
        } else {
            return Ok(Checked::Block(header, block::hash(bytes)));
        };
        Ok(Checked::Defect(defect))
    }

    /// Shows the blocks of a whole commit. The inner error names the block that is no good.
    #[expect(clippy::type_complexity, reason = "used once, right above")]
    fn visit_commit(
        &mut self,
        blocks: &[(Header, u64)],
        mut time: Timestamp,
        visit: &mut Visit<'_>,
    ) -> Result<Result<Timestamp, ((Header, u64), Defect)>, Failure> {
        for (header, offset) in blocks {
            let bytes = self.get(*offset, header.block_bytes())?.unwrap_or_default();
            let payload = bytes.get(HEADER_BYTES..).unwrap_or_default();
            let block = Block {
                header,
                offset: *offset,
                payload,
            };
            if header.first_time < time {
                return Ok(Err(((*header, *offset), Defect::Time)));
            }
            match visit(block) {
                Ok(last) => time = last,
                Err(defect) => return Ok(Err(((*header, *offset), defect))),
            }
        }
        Ok(Ok(time))
    }

    fn damage(&self, offset: u64, block: u64, position: Position, defect: Defect) -> Damage {
        Damage {
            segment: self.storage.describe(self.path),
            offset,
            block,
            position,
            defect,
        }
    }
}

enum Checked {
    Block(Header, block::BlockHash),
    Defect(Defect),
    End,
}

/// Whether all bytes are zero, eight at a time.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().all(|word| u64::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}
