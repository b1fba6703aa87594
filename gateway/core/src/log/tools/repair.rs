//! Cuts a corrupt log at the damage. Everything from there on is lost, so it happens only on request.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use shipslog_domain::log::Position;
use tracing::warn;

use super::Survey;
use crate::log::failure::Failure;
use crate::log::index::{self, Index};
use crate::log::recovery::{self, Tail, TornTail};
use crate::log::segment::scan::Reading;
use crate::log::segment::{self, Segment};
use crate::log::{LOCK, LogId, saved_state};
use crate::storage::{Access, FileStorage, Storage};

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Position of the last event that is left.
    pub head: Position,
    /// Remains of an interrupted commit that were cut off; nothing acknowledged was in them.
    pub torn: Option<TornTail>,
    /// What was lost; `None` if the log was not corrupt.
    pub loss: Option<Loss>,
}

/// What is lost by cutting a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Position of the first lost event.
    pub from: Position,
    /// Position of the last lost event that is known of; there may have been more.
    pub to: Position,
    /// Why.
    pub reason: String,
    /// Segments that are removed whole.
    pub segments: Vec<String>,
    /// Saved states that reflect lost events and are removed.
    pub states: Vec<String>,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the events from position {} to at least {} ({}), {} whole segments, {} saved states",
            self.from,
            self.to,
            self.reason,
            self.segments.len(),
            self.states.len()
        )
    }
}

/// Cuts the log of a data directory at the first damage, if there is any and its loss is accepted. The service
/// must not run.
pub fn repair(directory: &Path, accept_loss: bool) -> Result<Repaired, Failure> {
    // Any of them is left of a log, even where all segments are gone.
    let traces = [segment::DIRECTORY, saved_state::DIRECTORY, index::DIRECTORY];
    if !traces.iter().any(|trace| directory.join(trace).exists()) {
        return Err(Failure::NoLog {
            path: directory.display().to_string(),
        });
    }
    let storage = Arc::new(FileStorage::new(directory));
    repair_in(
        storage,
        Some(&directory.join(index::DIRECTORY)),
        accept_loss,
    )
}

/// The same in any storage.
///
/// The order makes an interrupted repair repeatable: as long as the damage is there, a start is refused, or finds
/// a torn tail and finishes the work.
pub fn repair_in(
    storage: Arc<dyn Storage>,
    index: Option<&Path>,
    accept_loss: bool,
) -> Result<Repaired, Failure> {
    let storage = &*storage;
    let lock = storage.lock(LOCK).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => Failure::Locked {
            path: storage.describe(LOCK),
        },
        _ => Failure::io(storage, "lock", LOCK)(error),
    })?;
    let mut survey = super::survey(storage)?;
    let loss = loss(storage, index, &mut survey)?;
    let head = survey.head();
    if let Some(loss) = &loss {
        if !accept_loss {
            return Err(Failure::LossNotAccepted {
                lost: loss.to_string(),
            });
        }
        warn!(position = loss.from.0, %loss, "cutting the log");
        let removed = saved_state::remove_newer(storage, head);
        removed.map_err(Failure::io(
            storage,
            "remove saved states from",
            saved_state::DIRECTORY,
        ))?;
        if let Some(index) = index {
            let removed = index::remove(index);
            removed.map_err(Failure::io(storage, "remove", index::DIRECTORY))?;
        }
        for path in loss.segments.iter().rev() {
            let removed = storage.remove(path);
            removed.map_err(Failure::io(storage, "remove", path))?;
            let synced = storage.sync_directory(segment::DIRECTORY);
            synced.map_err(Failure::io(storage, "sync", segment::DIRECTORY))?;
        }
    }
    let torn = cut_tail(storage, &survey, loss.is_some())?;
    drop(lock);
    Ok(Repaired { head, torn, loss })
}

/// What has to go; `None` if nothing that was acknowledged has to.
fn loss(
    storage: &dyn Storage,
    index: Option<&Path>,
    survey: &mut Survey,
) -> Result<Option<Loss>, Failure> {
    let head = survey.head();
    let states = saved_state::list(storage, survey.log_id);
    let ahead = states.iter().filter(|state| state.position > head);
    let known_to_states = ahead.clone().map(|state| state.position).max();
    let known_to_index = index.and_then(|index| index_knows(index, survey.log_id));
    let known = known_to_states
        .max(known_to_index)
        .filter(|known| *known > head);
    let reason = match survey.problem.take() {
        // Mixed files and later formats are for a person, or a later program, to sort out.
        Some(
            failure @ (Failure::LogIdDiffers { .. }
            | Failure::FormatUnknown { .. }
            | Failure::Io { .. }
            | Failure::UnexpectedFile { .. }),
        ) => return Err(failure),
        Some(Failure::Corrupt(damage)) => damage.to_string(),
        Some(failure) => failure.to_string(),
        None if known.is_some() => "the segments end before it".into(),
        None => return Ok(None),
    };
    // A segment that was read in part is cut, not removed.
    let is_cut = |first: &Position| survey.segments.iter().any(|kept| kept.first == *first);
    let mut whole = survey.unread.clone();
    whole.retain(|first| !is_cut(first));
    let mut to = known.unwrap_or(head).max(head.next());
    for first in &whole {
        to = to.max(*first);
    }
    if let Some(Tail::Corrupt(damage)) = &survey.tail
        && let Some(last) = survey.segments.last()
    {
        let path = segment::path(last.first);
        let file = storage.open(&path, Access::Read);
        let file = file.map_err(Failure::io(storage, "open", &path))?;
        let later = Reading::new(storage, &path, file)?.later_commit(damage, survey.log_id)?;
        to = later.map_or(to, |later| to.max(later.last()));
    }
    Ok(Some(Loss {
        from: head.next(),
        to,
        reason,
        segments: whole.into_iter().map(segment::path).collect(),
        states: ahead
            .map(|state| format!("{} at {}", state.name, state.position))
            .collect(),
    }))
}

/// The highest position that the index knows.
fn index_knows(directory: &Path, log_id: Option<LogId>) -> Option<Position> {
    if !directory.exists() {
        return None;
    }
    let contents = Index::inspect(directory, log_id?).ok()?;
    let catalogued = contents.catalog.values().map(|summary| summary.end.head());
    let windowed = contents.commands.iter().map(|chunk| chunk.up_to);
    catalogued.chain(windowed).max()
}

/// Writes zeros over everything behind the last good commit.
fn cut_tail(
    storage: &dyn Storage,
    survey: &Survey,
    is_loss: bool,
) -> Result<Option<TornTail>, Failure> {
    let (Some(last), Some(tail)) = (survey.segments.last(), &survey.tail) else {
        return Ok(None);
    };
    let path = segment::path(last.first);
    let file = storage.open(&path, Access::Write);
    let file = file.map_err(Failure::io(storage, "open", &path))?;
    let mut reading = Reading::new(storage, &path, Arc::clone(&file))?;
    let torn = match tail {
        Tail::Torn(torn) => torn.clone(),
        Tail::Corrupt(damage) => TornTail {
            offset: last.bytes,
            end: reading.written_end(last.bytes)?,
            damage: damage.clone(),
        },
    };
    recovery::cut(&Segment::new(last.first, file, Vec::new()), &torn, storage)?;
    Ok((!is_loss).then_some(torn))
}
