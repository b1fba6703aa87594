//! What can go wrong around the log.

use std::io;

use shipslog_domain::log::{Position, StreamId};
use shipslog_domain::time::Timestamp;
use thiserror::Error;

use crate::storage::{Storage, is_disk_full};

/// What can go wrong around the log. Says nothing about the request.
#[derive(Debug, Error)]
pub enum Failure {
    /// A file operation failed.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// There is no room for more events.
    #[error(
        "the disk is full: cannot {action} {path}; make room and start again, nothing acknowledged is lost"
    )]
    DiskFull {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// An earlier write or sync failed: nobody knows what the disk holds until it is read again.
    #[error(
        "the log takes no more events because an earlier write failed ({cause}); end the process and start again"
    )]
    Poisoned {
        /// The first failure.
        cause: String,
    },
    /// Another process uses the data directory.
    #[error("the data directory is in use by another process (it holds {path})")]
    Locked {
        /// The lock file.
        path: String,
    },
    /// There is nothing to look at.
    #[error("{path} holds no log")]
    NoLog {
        /// The directory.
        path: String,
    },
    /// A damaged block that has valid blocks after it.
    #[error(
        "the log is corrupt: {0}; look at it with `shipslog log verify`, cut it there with `shipslog log repair --accept-loss`"
    )]
    Corrupt(Damage),
    /// A durable event cannot be read back: its block was damaged after the start.
    #[error(
        "cannot read the event at position {position} in segment {segment}, offset {offset}: {defect}"
    )]
    Unreadable {
        /// The event.
        position: Position,
        /// The segment that should hold it.
        segment: String,
        /// Where its block begins.
        offset: u64,
        /// What is wrong with it.
        defect: Defect,
    },
    /// A segment that should be there is not.
    #[error(
        "a segment of the log is missing: the one that begins at position {expected}; the next one is {found}; restore it, or cut the log there with `shipslog log repair --accept-loss`"
    )]
    SegmentMissing {
        /// Where it begins.
        expected: Position,
        /// The file that is there instead.
        found: String,
    },
    /// A segment without any event that is not the last one.
    #[error(
        "segment {segment} is empty but is not the last one; restore it, or cut the log there with `shipslog log repair --accept-loss`"
    )]
    SegmentEmpty {
        /// Its path.
        segment: String,
    },
    /// A file that the log did not make.
    #[error("{path} is not a file of the log; move it away")]
    UnexpectedFile {
        /// Its path.
        path: String,
    },
    /// Blocks of different logs in one directory.
    #[error(
        "segment {segment} belongs to log {found}, not to log {expected}: files of two logs are mixed"
    )]
    LogIdDiffers {
        /// The odd one.
        segment: String,
        /// The id of the log.
        expected: LogId,
        /// The id in the segment.
        found: LogId,
    },
    /// A block of a later version.
    #[error(
        "segment {segment} has a block of format {version} at offset {offset}, this program reads up to format {supported}"
    )]
    FormatUnknown {
        /// The segment.
        segment: String,
        /// Where.
        offset: u64,
        /// Its version.
        version: u8,
        /// The highest known version.
        supported: u8,
    },
    /// The log ends before a position that was durable once.
    #[error(
        "the log ends at position {head}, but {witness} knows position {known}: acknowledged events are lost; restore the segments, or accept it with `shipslog log repair --accept-loss`"
    )]
    EventsLost {
        /// Where it ends.
        head: Position,
        /// The highest position known elsewhere.
        known: Position,
        /// Who knows it.
        witness: String,
    },
    /// An event of a batch that cannot be stored. The log is as it was.
    #[error("event {number} of the batch cannot be stored: {reason}")]
    Refused {
        /// Which one, counted from 0.
        number: usize,
        /// Why.
        reason: Refused,
    },
    /// A saved state could not be encoded or read.
    #[error("the name {name:?} is not 1 to 64 characters of [a-z0-9-]")]
    Name {
        /// The refused name.
        name: String,
    },
    /// No position has been reached yet that a state could be saved for, or it is past the head.
    #[error("a state cannot be saved for position {position}: the log ends at {head}")]
    StatePosition {
        /// The refused position.
        position: Position,
        /// Where the log ends.
        head: Position,
    },
    /// The segment length is too small.
    #[error("segments of {bytes} bytes are too short")]
    SegmentBytes {
        /// The refused length.
        bytes: u64,
    },
    /// Repair would lose something, and that was not accepted.
    #[error("repair would lose {lost}; nothing was changed; accept it with --accept-loss")]
    LossNotAccepted {
        /// What would be lost.
        lost: String,
    },
}

/// Why an event cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Its payload is too long.
    #[error("its payload of {bytes} bytes is longer than {max}")]
    PayloadTooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The commit is too long.
    #[error("the commit of {bytes} bytes is longer than {max}")]
    CommitTooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// It is earlier than the event before it.
    #[error("its time {at} is earlier than {before}, the time of the event before it")]
    TimeWentBack {
        /// Its time.
        at: Timestamp,
        /// The time of the event before it.
        before: Timestamp,
    },
    /// Its stream number is not dense.
    #[error("the number of stream {stream} is higher than {max}")]
    StreamNumber {
        /// Its stream.
        stream: StreamId,
        /// The limit.
        max: u32,
    },
}

/// Identifies a log: 16 random bytes, in every block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub [u8; 16]);

impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogId({self})")
    }
}

/// A block that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("segment {segment}, offset {offset}, block {block}, first position {position}: {defect}")]
pub struct Damage {
    /// Path of the segment.
    pub segment: String,
    /// Where the block begins in it.
    pub offset: u64,
    /// Number that the block should have.
    pub block: u64,
    /// Position of the first event that it should hold.
    pub position: Position,
    /// What is wrong with it.
    pub defect: Defect,
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Defect {
    /// There are zeros where a block was.
    #[error("there is no block")]
    Absent,
    /// It does not begin like a block.
    #[error("it does not begin like a block")]
    Magic,
    /// Its header was changed.
    #[error("the checksum of its header is wrong")]
    HeaderChecksum,
    /// Its payload was changed.
    #[error("the checksum of its payload is wrong")]
    PayloadChecksum,
    /// It goes on past the end of the file.
    #[error("it is longer than the rest of its segment")]
    Length,
    /// It has another number.
    #[error("its number is {0}")]
    Number(u64),
    /// It begins at another position.
    #[error("its first position is {0}")]
    FirstPosition(Position),
    /// It does not continue the block before it.
    #[error("it does not continue the hash chain")]
    Chain,
    /// Its place in its commit does not follow from the block before it.
    #[error("its place in its commit does not follow from the block before it")]
    Commit,
    /// Its commit has no last block.
    #[error("the last block of its commit is missing")]
    CommitIncomplete,
    /// Its events cannot be decompressed or decoded.
    #[error("its events cannot be decoded")]
    Events,
    /// It is earlier than the block before it.
    #[error("its time is earlier than that of the block before it")]
    Time,
    /// An event of it names another previous event of its stream than there is.
    #[error("the previous event of stream {stream} is at {expected}, not at {found}")]
    Previous {
        /// The stream.
        stream: StreamId,
        /// Where its previous event is.
        expected: Position,
        /// What the event says.
        found: Position,
    },
}

impl Defect {
    /// Whether an interrupted write can leave this behind. Everything else is an intact block in the wrong place
    /// or with wrong contents, which no interruption makes.
    pub(crate) const fn can_be_torn(self) -> bool {
        match self {
            Self::Absent
            | Self::Magic
            | Self::HeaderChecksum
            | Self::PayloadChecksum
            | Self::Length
            | Self::CommitIncomplete => true,
            Self::Number(_)
            | Self::FirstPosition(_)
            | Self::Chain
            | Self::Commit
            | Self::Events
            | Self::Time
            | Self::Previous { .. } => false,
        }
    }
}

impl Failure {
    /// Adds what was tried on which file.
    pub(crate) fn io(
        storage: &dyn Storage,
        action: &'static str,
        path: &str,
    ) -> impl Fn(io::Error) -> Self {
        move |source| {
            let path = storage.describe(path);
            if is_disk_full(&source) {
                Self::DiskFull {
                    action,
                    path,
                    source,
                }
            } else {
                Self::Io {
                    action,
                    path,
                    source,
                }
            }
        }
    }
}
