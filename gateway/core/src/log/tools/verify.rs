//! Checks everything: every block, the hash chain, the chains of the streams, the index, the saved states.

use std::fs;
use std::path::{Path, PathBuf};

use shipslog_domain::log::Position;
use shipslog_domain::time::Timestamp;

use super::Survey;
use crate::log::failure::{Failure, LogId};
use crate::log::index::{self, Contents, Index};
use crate::log::recovery::{Tail, TornTail};
use crate::log::saved_state::{self, StateInfo};
use crate::storage::{FileStorage, Storage};

/// What a check found.
#[derive(Debug)]
pub struct Report {
    /// Id of the log; `None` if it has no events.
    pub log_id: Option<LogId>,
    /// Segments that are good, the last one perhaps only in its first part.
    pub segments: u64,
    /// Good blocks.
    pub blocks: u64,
    /// Good commits.
    pub commits: u64,
    /// Position of the last good event.
    pub head: Position,
    /// Time of the first event.
    pub first_time: Option<Timestamp>,
    /// Time of the last good event.
    pub last_time: Option<Timestamp>,
    /// Remains of an interrupted commit. The next start cuts them off; nothing acknowledged is in them.
    pub torn: Option<TornTail>,
    /// The first thing for which a start would be refused.
    pub problem: Option<Failure>,
    /// The index.
    pub index: IndexState,
    /// Saved states that are good.
    pub states: Vec<StateInfo>,
    /// Saved states that are not, and why. A start passes them over.
    pub bad_states: Vec<String>,
}

/// What a check found about the index. Nothing of it is fatal: a start mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// It agrees with the segments.
    Good,
    /// There is none.
    Missing,
    /// It cannot be read.
    Unusable(String),
    /// It does not agree with the segments.
    Wrong(Vec<String>),
}

impl Report {
    /// Whether nothing at all is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let index = matches!(self.index, IndexState::Good | IndexState::Missing);
        self.problem.is_none() && self.torn.is_none() && self.bad_states.is_empty() && index
    }
}

/// Checks the log of a data directory.
pub fn verify(directory: &Path) -> Result<Report, Failure> {
    let index = directory.join(index::DIRECTORY);
    verify_in(&FileStorage::new(directory), Some(&index))
}

/// The same in any storage.
pub fn verify_in(storage: &dyn Storage, index: Option<&Path>) -> Result<Report, Failure> {
    super::expect_log(storage)?;
    let survey = super::survey(storage)?;
    let written = survey.segments.iter().filter(|summary| summary.blocks > 0);
    let first_time = written.clone().next().map(|summary| summary.first_time);
    let last_time = written.clone().next_back().map(|summary| summary.end.time);
    let (states, bad_states) = check_states(storage, survey.log_id);
    let head = survey.head();
    let mut problem = None;
    if let Some(ahead) = states.iter().max_by_key(|state| state.position)
        && ahead.position > head
    {
        problem = Some(Failure::EventsLost {
            head,
            known: ahead.position,
            witness: format!("saved state {}", ahead.name),
        });
    }
    let index = index.map_or(IndexState::Missing, |index| check_index(index, &survey));
    Ok(Report {
        log_id: survey.log_id,
        segments: survey.segments.len() as u64,
        blocks: survey.segments.iter().map(|summary| summary.blocks).sum(),
        commits: survey.segments.iter().map(|summary| summary.commits).sum(),
        head,
        first_time,
        last_time,
        torn: match survey.tail {
            Some(Tail::Torn(torn)) if survey.problem.is_none() => Some(torn),
            Some(Tail::Torn(_) | Tail::Corrupt(_)) | None => None,
        },
        problem: survey.problem.or(problem),
        index,
        states,
        bad_states,
    })
}

fn check_states(storage: &dyn Storage, log_id: Option<LogId>) -> (Vec<StateInfo>, Vec<String>) {
    let mut good = Vec::new();
    let mut bad = Vec::new();
    let files = storage.list(saved_state::DIRECTORY).unwrap_or_default();
    for file in files {
        match saved_state::check_file(storage, log_id, &file) {
            Ok(info) => good.push(info),
            Err(reason) => bad.push(format!("{file}: {reason}")),
        }
    }
    (good, bad)
}

fn check_index(directory: &Path, survey: &Survey) -> IndexState {
    let Some(log_id) = survey.log_id.filter(|_| directory.exists()) else {
        return IndexState::Missing;
    };
    let copy = match Copy::make(directory) {
        Ok(copy) => copy,
        Err(error) => return IndexState::Unusable(format!("cannot copy it: {error}")),
    };
    match Index::inspect(&copy.0, log_id) {
        Err(reason) => IndexState::Unusable(reason),
        Ok(contents) => {
            let wrong = disagreements(&contents, survey);
            if wrong.is_empty() {
                IndexState::Good
            } else {
                IndexState::Wrong(wrong)
            }
        }
    }
}

fn disagreements(contents: &Contents, survey: &Survey) -> Vec<String> {
    let mut wrong = Vec::new();
    if contents.damaged > 0 {
        wrong.push(format!("{} values are damaged", contents.damaged));
    }
    for summary in contents.catalog.values() {
        let found = survey
            .segments
            .iter()
            .find(|found| found.first == summary.first);
        // Where the index has an entry may differ after a restart; every entry must lead to a block.
        let agrees = found.is_some_and(|found| {
            found.end == summary.end
                && found.bytes == summary.bytes
                && found.blocks == summary.blocks
        });
        if !agrees {
            wrong.push(format!(
                "the catalog entry of segment {} is not what the segment holds",
                summary.first
            ));
        }
    }
    let commands = contents.commands.iter().flat_map(|chunk| &chunk.commands);
    for (id, known) in commands {
        // An id that came again is known by its newest events, and an old one may have left the window.
        let differs =
            |found: &crate::log::KnownCommand| found.first == known.first && found != known;
        if survey.window.find(id).as_ref().is_some_and(differs) {
            wrong.push(format!(
                "the command of the event at position {} is not what the log holds",
                known.first
            ));
        }
    }
    let ahead = contents.commands.iter().map(|chunk| chunk.up_to).max();
    if let Some(ahead) = ahead.filter(|ahead| *ahead > survey.head()) {
        wrong.push(format!(
            "it knows position {ahead}, the segments end at {}",
            survey.head()
        ));
    }
    wrong
}

/// A copy of an index, removed when dropped: opening an index writes to it.
struct Copy(PathBuf);

impl Copy {
    fn make(directory: &Path) -> std::io::Result<Self> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(std::io::Error::other)?;
        let name = u64::from_le_bytes(name);
        let copy = Self(std::env::temp_dir().join(format!("shipslog-index-{name:016x}")));
        copy_tree(directory, &copy.0)?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // A leftover in the temporary directory harms nobody.
        drop(fs::remove_dir_all(&self.0));
    }
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
