//! Looks at a data directory offline: verifies, counts, digests, repairs. Does not need a healthy index.
//!
//! Everything but [`repair()`] opens files for reading only and takes no lock, so it may run beside a service; the
//! commit in hand then looks like a torn tail.

pub mod digest;
pub mod repair;
pub mod verify;

use std::path::Path;
use std::sync::Arc;

use shipslog_domain::log::Position;
use shipslog_domain::time::Timestamp;

use super::failure::{Failure, LogId};
use super::heads::Heads;
use super::reader::LogReader;
use super::recovery::{self, Fold, Known, Tail};
use super::segment::scan::Reading;
use super::segment::{self, Summary};
use super::shared::Shared;
use crate::storage::{Access, FileStorage, Storage};

pub use digest::{Digest, Digester, digest, digest_directory};
pub use repair::{Loss, Repaired, repair};
pub use verify::{IndexState, Report, verify};

/// Sizes of a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stat {
    /// Its id; `None` if it has no events.
    pub log_id: Option<LogId>,
    /// Segment files.
    pub segments: u64,
    /// Blocks.
    pub blocks: u64,
    /// Commits.
    pub commits: u64,
    /// Events.
    pub events: u64,
    /// Events in their stored form before compression, in bytes.
    pub raw_bytes: u64,
    /// Blocks with headers, in bytes.
    pub disk_bytes: u64,
    /// Segment files with the space reserved in them, in bytes.
    pub reserved_bytes: u64,
    /// `disk_bytes` per event.
    pub bytes_per_event: f64,
    /// Time of the first event.
    pub first_time: Option<Timestamp>,
    /// Time of the last event.
    pub last_time: Option<Timestamp>,
}

/// Opens a log for reading only, without lock and index. Sees what is there now and nothing later.
pub fn open_reader(directory: &Path) -> Result<LogReader, Failure> {
    open_reader_in(Arc::new(FileStorage::new(directory)))
}

/// The same in any storage.
pub fn open_reader_in(storage: Arc<dyn Storage>) -> Result<LogReader, Failure> {
    expect_log(&*storage)?;
    let read = recovery::read(&*storage, Access::Read, Known::default(), &mut None)?;
    let head = read.end.head();
    let shared = Shared::new(storage, read.segments, head, read.heads);
    Ok(LogReader::new(Arc::new(shared)))
}

/// Counts and measures a log.
pub fn stat(directory: &Path) -> Result<Stat, Failure> {
    stat_in(&FileStorage::new(directory))
}

/// The same in any storage.
pub fn stat_in(storage: &dyn Storage) -> Result<Stat, Failure> {
    expect_log(storage)?;
    let survey = survey(storage)?;
    if let Some(failure) = survey.problem {
        return Err(failure);
    }
    let mut stat = Stat {
        log_id: survey.log_id,
        segments: survey.segments.len() as u64,
        reserved_bytes: survey.reserved_bytes,
        ..Stat::default()
    };
    for summary in &survey.segments {
        stat.blocks += summary.blocks;
        stat.commits += summary.commits;
        stat.events += summary.end.position.0 - summary.first.0;
        stat.raw_bytes += summary.raw_bytes;
        stat.disk_bytes += summary.bytes;
        if summary.blocks > 0 {
            stat.first_time.get_or_insert(summary.first_time);
            stat.last_time = Some(summary.end.time);
        }
    }
    if stat.events > 0 {
        stat.bytes_per_event = per_event(stat.disk_bytes, stat.events);
    }
    Ok(stat)
}

/// Refuses a directory without segments: more likely a mistyped name than an empty log, which has one.
pub(crate) fn expect_log(storage: &dyn Storage) -> Result<(), Failure> {
    if recovery::segment_files(storage)?.is_empty() {
        return Err(Failure::NoLog {
            path: storage.describe(""),
        });
    }
    Ok(())
}

/// All segments, read block by block up to the first problem.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) log_id: Option<LogId>,
    /// What is good of each segment.
    pub(crate) segments: Vec<Summary>,
    /// Segments from the problem on that were not read, or not to their end.
    pub(crate) unread: Vec<Position>,
    pub(crate) reserved_bytes: u64,
    /// What stands behind the last good commit.
    pub(crate) tail: Option<Tail>,
    /// The first thing for which a start would be refused.
    pub(crate) problem: Option<Failure>,
    pub(crate) heads: Heads,
    pub(crate) window: super::commands::Window,
}

impl Survey {
    /// Position of the last good event.
    pub(crate) fn head(&self) -> Position {
        let last = self.segments.last();
        last.map_or(Position::START, |summary| summary.end.head())
    }
}

/// Reads all segments up to the first problem.
pub(crate) fn survey(storage: &dyn Storage) -> Result<Survey, Failure> {
    let firsts = recovery::segment_files(storage)?;
    let mut fold = Fold::new(None, Vec::new());
    let mut survey = Survey {
        log_id: None,
        segments: Vec::new(),
        unread: Vec::new(),
        reserved_bytes: 0,
        tail: None,
        problem: None,
        heads: Heads::default(),
        window: super::commands::Window::default(),
    };
    for (number, first) in firsts.iter().enumerate() {
        let is_last = number + 1 == firsts.len();
        if let Err(failure) = survey_segment(storage, *first, is_last, &mut survey, &mut fold) {
            survey.problem = Some(failure);
            survey.unread = firsts[number..].to_vec();
            break;
        }
    }
    (survey.heads, survey.window) = fold.into_parts();
    Ok(survey)
}

fn survey_segment(
    storage: &dyn Storage,
    first: Position,
    is_last: bool,
    survey: &mut Survey,
    fold: &mut Fold,
) -> Result<(), Failure> {
    let before = survey.segments.last();
    recovery::check_place(storage, before, first)?;
    let end = before.map_or(super::encoder::ChainEnd::START, |before| before.end);
    let path = segment::path(first);
    let file = storage.open(&path, Access::Read);
    let file = file.map_err(Failure::io(storage, "open", &path))?;
    let mut reading = Reading::new(storage, &path, file)?;
    survey.reserved_bytes += reading.length();
    let (summary, tail) =
        recovery::read_segment(&mut reading, first, &mut survey.log_id, end, fold)?;
    survey.segments.push(summary);
    survey.tail = tail;
    match &survey.tail {
        None => Ok(()),
        Some(Tail::Torn(_)) if is_last => Ok(()),
        Some(Tail::Torn(recovery::TornTail { damage, .. }) | Tail::Corrupt(damage)) => {
            Err(Failure::Corrupt(damage.clone()))
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure for people, who read four digits of it"
)]
fn per_event(bytes: u64, events: u64) -> f64 {
    bytes as f64 / events as f64
}
