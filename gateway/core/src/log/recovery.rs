//! Reads the segments on start: finds the end of the log, cuts off a torn tail, refuses a corrupt log.
//!
//! The newest segment is checked block by block. Sealed ones are compared with the catalog where it knows them,
//! and read where it does not, or where stream heads or command ids have to be collected from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use shipslog_domain::log::Position;
use shipslog_domain::time::Timestamp;
use tracing::{debug, warn};

use super::block::events::Context;
use super::commands::{Chunk, Window};
use super::encoder::ChainEnd;
use super::failure::{Damage, Defect, Failure, LogId};
use super::heads::Heads;
use super::limits::READ_BYTES;
use super::segment::scan::{Block, Reading};
use super::segment::{self, IndexEntry, PREPARED, PREPARED_NAME, Segment, Stride, Summary};
use crate::storage::{Access, Storage};

/// The tail of the last segment that an interrupted commit left behind. It was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Where the log ends in the segment.
    pub offset: u64,
    /// Where the remains end.
    pub end: u64,
    /// The first bad block.
    pub damage: Damage,
}

/// What stands behind the last whole commit of a segment.
#[derive(Clone, Debug)]
pub(crate) enum Tail {
    /// Remains of an interrupted commit, if the segment is the last one.
    Torn(TornTail),
    /// Damage to what was durable once.
    Corrupt(Damage),
}

/// What is known before the segments are read.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Sealed segments, from the index.
    pub(crate) catalog: BTreeMap<Position, Summary>,
    /// Command ids, from the index.
    pub(crate) commands: Vec<Chunk>,
    /// Stream heads as of a position, from a saved state.
    pub(crate) heads: Option<(Position, Heads)>,
    /// Positions that were durable once, and who says so.
    pub(crate) witnesses: Vec<(Position, String)>,
}

/// The log as found.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: Vec<Arc<Segment>>,
    /// What the catalog should know of all segments; the last one is not sealed.
    pub(crate) summaries: Vec<Summary>,
    pub(crate) end: ChainEnd,
    pub(crate) heads: Heads,
    pub(crate) window: Window,
    pub(crate) torn: Option<TornTail>,
}

/// The segment files in order, without what an interrupted preparation left behind.
pub(crate) fn segment_files(storage: &dyn Storage) -> Result<Vec<Position>, Failure> {
    let names = storage.list(segment::DIRECTORY);
    let names = names.map_err(Failure::io(storage, "list", segment::DIRECTORY))?;
    let mut firsts = Vec::new();
    for name in names.iter().filter(|name| *name != PREPARED_NAME) {
        let Some(first) = segment::parse_name(name) else {
            return Err(Failure::UnexpectedFile {
                path: storage.describe(&format!("{}/{name}", segment::DIRECTORY)),
            });
        };
        firsts.push(first);
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// The id of the log, from the first block of the first segment; `None` if there is none that can be read.
pub(crate) fn log_id(storage: &dyn Storage) -> Result<Option<LogId>, Failure> {
    let Some(first) = segment_files(storage)?.first().copied() else {
        return Ok(None);
    };
    let path = segment::path(first);
    let file = storage.open(&path, Access::Read);
    let file = file.map_err(Failure::io(storage, "open", &path))?;
    match Reading::new(storage, &path, file)?.header(0)? {
        Some(Ok(header)) => Ok(Some(header.log_id)),
        Some(Err(_)) | None => Ok(None),
    }
}

/// Removes a segment that was being prepared when the process ended.
pub(crate) fn remove_leftovers(storage: &dyn Storage) -> Result<(), Failure> {
    let names = storage.list(segment::DIRECTORY);
    let names = names.map_err(Failure::io(storage, "list", segment::DIRECTORY))?;
    if names.iter().any(|name| name == PREPARED_NAME) {
        debug!("removing a segment that was prepared and not used");
        let removed = storage.remove(PREPARED);
        removed.map_err(Failure::io(storage, "remove", PREPARED))?;
    }
    Ok(())
}

/// Reads the segments and changes nothing.
pub(crate) fn read(
    storage: &dyn Storage,
    access: Access,
    known: Known,
    log_id: &mut Option<LogId>,
) -> Result<Recovered, Failure> {
    let firsts = segment_files(storage)?;
    let mut fold = Fold::new(known.heads, known.commands);
    let mut recovered = Recovered {
        segments: Vec::with_capacity(firsts.len()),
        summaries: Vec::with_capacity(firsts.len()),
        end: ChainEnd::START,
        heads: Heads::default(),
        window: Window::default(),
        torn: None,
    };
    for (number, first) in firsts.iter().enumerate() {
        let path = segment::path(*first);
        check_place(storage, recovered.summaries.last(), *first)?;
        let file = storage.open(&path, access);
        let file = file.map_err(Failure::io(storage, "open", &path))?;
        let mut reading = Reading::new(storage, &path, Arc::clone(&file))?;
        let is_last = number + 1 == firsts.len();
        let catalogued = known.catalog.get(first).filter(|_| !is_last);
        let summary = match catalogued {
            Some(summary)
                if summary.end.head() <= fold.start
                    && is_catalogued(&mut reading, summary, *log_id, &recovered.end)? =>
            {
                summary.clone()
            }
            _ => {
                let (summary, tail) =
                    read_segment(&mut reading, *first, log_id, recovered.end, &mut fold)?;
                match tail {
                    None => (),
                    Some(Tail::Torn(torn)) if is_last => recovered.torn = Some(torn),
                    // The next segment was begun when everything in this one was durable.
                    Some(Tail::Torn(TornTail { damage, .. }) | Tail::Corrupt(damage)) => {
                        return Err(Failure::Corrupt(damage));
                    }
                }
                summary
            }
        };
        recovered.end = summary.end;
        let index = summary.index.clone();
        recovered
            .segments
            .push(Arc::new(Segment::new(*first, file, index)));
        recovered.summaries.push(summary);
    }
    let head = recovered.end.head();
    for (position, witness) in known.witnesses {
        if position > head {
            return Err(Failure::EventsLost {
                head,
                known: position,
                witness,
            });
        }
    }
    (recovered.heads, recovered.window) = fold.into_parts();
    Ok(recovered)
}

/// Cuts a torn tail off: writes zeros over it and syncs.
pub(crate) fn cut(
    segment: &Segment,
    torn: &TornTail,
    storage: &dyn Storage,
) -> Result<(), Failure> {
    warn!(
        segment = torn.damage.segment,
        offset = torn.offset,
        bytes = torn.end - torn.offset,
        defect = %torn.damage.defect,
        "cutting off the remains of a commit that was interrupted and never acknowledged"
    );
    let bytes = usize::try_from(torn.end - torn.offset).unwrap_or(usize::MAX);
    let zeros = vec![0; bytes.min(READ_BYTES)];
    let mut offset = torn.offset;
    while offset < torn.end {
        let rest = usize::try_from(torn.end - offset).unwrap_or(usize::MAX);
        let piece = &zeros[..rest.min(zeros.len())];
        let written = segment.file.write_at(offset, piece);
        written.map_err(Failure::io(storage, "cut off the end of", &segment.path))?;
        offset += piece.len() as u64;
    }
    let synced = segment.file.sync_data();
    synced.map_err(Failure::io(storage, "sync", &segment.path))
}

/// Refuses a segment that does not begin where the one before it ends.
pub(crate) fn check_place(
    storage: &dyn Storage,
    before: Option<&Summary>,
    first: Position,
) -> Result<(), Failure> {
    let end = before.map_or(ChainEnd::START, |before| before.end);
    if let Some(empty) = before.filter(|before| before.blocks == 0) {
        return Err(Failure::SegmentEmpty {
            segment: storage.describe(&segment::path(empty.first)),
        });
    }
    if first != end.position {
        return Err(Failure::SegmentMissing {
            expected: end.position,
            found: storage.describe(&segment::path(first)),
        });
    }
    Ok(())
}

/// Compares a sealed segment with the catalog, at the cost of reading one header.
fn is_catalogued(
    reading: &mut Reading<'_>,
    summary: &Summary,
    log_id: Option<LogId>,
    before: &ChainEnd,
) -> Result<bool, Failure> {
    let Some(Ok(header)) = reading.header(0)? else {
        return Ok(false);
    };
    Ok(Some(header.log_id) == log_id
        && header.first == summary.first
        && header.number == before.number
        && header.previous_hash == before.hash
        && header.number + summary.blocks == summary.end.number
        && reading.length() >= summary.bytes)
}

/// Checks a whole segment and folds its events.
pub(crate) fn read_segment(
    reading: &mut Reading<'_>,
    first: Position,
    log_id: &mut Option<LogId>,
    before: ChainEnd,
    fold: &mut Fold,
) -> Result<(Summary, Option<Tail>), Failure> {
    let mut index = Vec::new();
    let mut stride = Stride::default();
    let mut raw_bytes = 0;
    let mut first_time = None;
    let outcome = reading.walk(log_id, before, &mut |block| {
        let time = fold.take(&block)?;
        raw_bytes += u64::from(block.header.raw_bytes);
        first_time.get_or_insert(block.header.first_time);
        if stride.take(block.header.raw_bytes) {
            index.push(IndexEntry {
                first: block.header.first,
                offset: block.offset,
            });
        }
        Ok(time)
    })?;
    let tail = match outcome.damage {
        None => None,
        Some(damage) => {
            let later = reading.later_commit(&damage, *log_id)?;
            if later.is_some() || !damage.defect.can_be_torn() {
                Some(Tail::Corrupt(damage))
            } else {
                Some(Tail::Torn(TornTail {
                    offset: outcome.offset,
                    end: reading.written_end(outcome.offset)?,
                    damage,
                }))
            }
        }
    };
    let summary = Summary {
        first,
        first_time: first_time.unwrap_or(before.time),
        end: outcome.end,
        bytes: outcome.offset,
        blocks: outcome.blocks,
        commits: outcome.commits,
        raw_bytes,
        index,
    };
    Ok((summary, tail))
}

/// Collects stream heads and command ids from events, each from where it is not known already.
#[derive(Debug)]
pub(crate) struct Fold {
    heads: Heads,
    heads_at: Position,
    window: Window,
    window_at: Position,
    /// Events up to here need not be shown.
    start: Position,
    raw: Vec<u8>,
}

impl Fold {
    pub(crate) fn new(heads: Option<(Position, Heads)>, commands: Vec<Chunk>) -> Self {
        let (heads_at, heads) = heads.unwrap_or_default();
        let mut window = Window::default();
        let mut window_at = Position::START;
        for chunk in commands {
            window_at = chunk.up_to;
            window.restore(chunk);
        }
        Self {
            heads,
            heads_at,
            window,
            window_at,
            start: heads_at.min(window_at),
            raw: Vec::new(),
        }
    }

    /// What was collected.
    pub(crate) fn into_parts(self) -> (Heads, Window) {
        (self.heads, self.window)
    }

    /// Folds the events of a block and returns the time of the last one.
    pub(crate) fn take(&mut self, block: &Block<'_>) -> Result<Timestamp, Defect> {
        let header = block.header;
        self.raw.clear();
        header.unpack(block.payload, &mut self.raw)?;
        let mut context = Context::new(header.first, header.first_time);
        let mut rest = &self.raw[..];
        let mut time = header.first_time;
        for index in 0..u64::from(header.count) {
            let meta = context.decode(&self.raw, &mut rest).ok_or(Defect::Events)?;
            let position = header.first.plus(index);
            if position > self.heads_at {
                let expected = self.heads.replace(meta.stream(), position);
                if expected != meta.previous() {
                    return Err(Defect::Previous {
                        stream: meta.stream(),
                        expected,
                        found: meta.previous(),
                    });
                }
            }
            if position > self.window_at {
                self.window.note(position, meta.command(&self.raw).as_ref());
            }
            time = meta.at();
        }
        if !rest.is_empty() {
            return Err(Defect::Events);
        }
        if header.last_of_commit && header.last() > self.window_at {
            self.window.end_commit(header.last());
        }
        Ok(time)
    }
}
