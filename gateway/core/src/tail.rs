//! Committed events on their way to followers.
//!
//! The writer puts each commit here after it is durable. A follower takes what comes after the position it has
//! seen; one that has fallen behind reads the log instead. Nobody waits for a follower.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use shipslog_domain::{Event, Position, Recorded, Timestamp};
use tokio::sync::watch;

use crate::failure::Failure;
use crate::limits;
use crate::log::LogReader;

/// Events that became durable together, or a part of the log that a lagging follower has to catch up with.
#[derive(Debug)]
pub struct Commit {
    /// The events, in order; never empty.
    pub events: Vec<Recorded>,
}

impl Commit {
    /// Position of the first event.
    #[must_use]
    pub fn first(&self) -> Position {
        self.events
            .first()
            .map_or(Position::START, |event| event.position)
    }

    /// Position of the last event.
    #[must_use]
    pub fn last(&self) -> Position {
        self.events
            .last()
            .map_or(Position::START, |event| event.position)
    }

    /// When the last event was recorded.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.events.last().map_or(Timestamp(0), |event| event.at)
    }
}

#[derive(Debug)]
struct Recent {
    commits: VecDeque<Arc<Commit>>,
    events: usize,
}

/// The newest commits, and word of each new one.
#[derive(Debug)]
pub(crate) struct Tail {
    recent: Mutex<Recent>,
    head: watch::Sender<Position>,
}

impl Tail {
    pub(crate) fn new(head: Position) -> Self {
        Self {
            recent: Mutex::new(Recent {
                commits: VecDeque::new(),
                events: 0,
            }),
            head: watch::Sender::new(head),
        }
    }

    /// Position of the newest event that followers may see.
    pub(crate) fn head(&self) -> Position {
        *self.head.borrow()
    }

    /// Makes a durable commit visible.
    pub(crate) fn publish(&self, commit: Commit) {
        let last = commit.last();
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.events += commit.events.len();
            recent.commits.push_back(Arc::new(commit));
            while recent.events > limits::TAIL_EVENTS_MAX && recent.commits.len() > 1 {
                if let Some(oldest) = recent.commits.pop_front() {
                    recent.events -= oldest.events.len();
                }
            }
        }
        self.head.send_replace(last);
    }

    /// The commit that holds the event after `after`, if it is kept.
    fn find(&self, after: Position) -> Option<Arc<Commit>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let index = recent
            .commits
            .partition_point(|commit| commit.last() <= after);
        let commit = recent.commits.get(index)?;
        (commit.first() <= after.next()).then(|| Arc::clone(commit))
    }
}

/// Follows the log from a position on: every event, in order, none twice.
#[derive(Debug)]
pub struct Follower {
    tail: Arc<Tail>,
    log: LogReader,
    head: watch::Receiver<Position>,
    position: Position,
}

impl Follower {
    pub(crate) fn new(tail: Arc<Tail>, log: LogReader, after: Position) -> Self {
        let head = tail.head.subscribe();
        Self {
            tail,
            log,
            head,
            position: after,
        }
    }

    /// Position of the last event handed out.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The next events: waits until there are some. `None` when the service has stopped. Safe to cancel: what was
    /// not handed out comes again.
    pub async fn next(&mut self) -> Option<Result<Arc<Commit>, Failure>> {
        loop {
            if let Some(ready) = self.try_next() {
                return Some(ready);
            }
            if self.head.changed().await.is_err() {
                return self.try_next();
            }
        }
    }

    /// The next events, if there are any now.
    pub fn try_next(&mut self) -> Option<Result<Arc<Commit>, Failure>> {
        let head = *self.head.borrow_and_update();
        if head <= self.position {
            return None;
        }
        let commit = match self.tail.find(self.position) {
            // A follower that begins in the middle of a commit gets the rest of it.
            Some(commit) if commit.first() == self.position.next() => commit,
            Some(commit) => {
                let unseen = |event: &&Recorded| event.position > self.position;
                Arc::new(Commit {
                    events: commit.events.iter().filter(unseen).cloned().collect(),
                })
            }
            None => match read_commit(&self.log, self.position, limits::FOLLOW_EVENTS_MAX) {
                Ok(commit) => Arc::new(commit),
                Err(failure) => return Some(Err(failure)),
            },
        };
        self.position = commit.last().max(self.position);
        Some(Ok(commit))
    }
}

/// Up to `limit` durable events after `after`, read from the log.
pub(crate) fn read_commit(
    log: &LogReader,
    after: Position,
    limit: usize,
) -> Result<Commit, Failure> {
    let mut events = Vec::new();
    let mut undecodable = None;
    log.read(after, &mut |record| {
        match Event::try_from(&record) {
            Ok(event) => events.push(Recorded {
                position: record.position,
                previous: record.previous,
                at: record.at,
                stream: record.stream,
                event,
            }),
            Err(error) => {
                undecodable = Some(error);
                return ControlFlow::Break(());
            }
        }
        if events.len() >= limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    match undecodable {
        Some(error) => Err(Failure::from(error)),
        None => Ok(Commit { events }),
    }
}
