//! The log as a whole, against the log in memory as the reference.
#![expect(
    clippy::cast_possible_truncation,
    reason = "positions and random numbers of tests are small"
)]

mod crashes;
mod damage;
mod faults;
mod golden;
mod indexed;
mod reading;
mod states;

use shipslog_domain::ids::CommandId;
use shipslog_domain::log::memory::MemoryLog;
use shipslog_domain::log::{CommandKey, StreamKind};

use super::*;
use crate::storage::MemoryDisk;

/// An event, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    position: Position,
    stream: StreamId,
    previous: Position,
    at: Timestamp,
    kind: u16,
    command: Option<CommandKey>,
    payload: Vec<u8>,
}

impl From<Record<'_>> for Owned {
    fn from(record: Record<'_>) -> Self {
        Self {
            position: record.position,
            stream: record.stream,
            previous: record.previous,
            at: record.at,
            kind: record.kind,
            command: record.command,
            payload: record.payload.to_vec(),
        }
    }
}

fn collect<L: EventLog>(log: &L, after: Position) -> Vec<Owned> {
    let mut events = Vec::new();
    let visited = log.read(after, &mut |record| {
        events.push(record.into());
        ControlFlow::Continue(())
    });
    visited.unwrap();
    events
}

/// splitmix64: one seed, one workload.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// What batches look like.
#[derive(Clone, Copy)]
struct Shape {
    events: u64,
    payload: u64,
    streams: u64,
}

const SMALL: Shape = Shape {
    events: 6,
    payload: 50,
    streams: 5,
};

/// A batch of random events, none earlier than `now`, which moves on.
fn random_batch(dice: &mut Dice, now: &mut u64, shape: Shape) -> Batch {
    let mut batch = Batch::default();
    for _ in 0..=dice.below(shape.events) {
        *now += dice.below(3);
        let kind = StreamKind::ALL[dice.below(9) as usize];
        let stream = StreamId::new(kind, dice.below(shape.streams) as u32);
        let command = (dice.below(4) == 0).then(|| CommandKey {
            id: CommandId(u128::from(dice.next()).to_le_bytes()),
            body: dice.next(),
        });
        let length = dice.below(shape.payload);
        let repeats = dice.below(2) == 0;
        batch.push(
            stream,
            Timestamp(*now),
            dice.below(200) as u16,
            command,
            |out| {
                for _ in 0..length {
                    out.push(if repeats { 7 } else { dice.next() as u8 });
                }
            },
        );
    }
    batch
}

/// Small segments and blocks, nothing in the background: the same operations every time.
fn options(segment_bytes: u64) -> LogOptions {
    LogOptions {
        segment_bytes,
        block_bytes: 200,
        index: None,
        background: false,
        new_id: Some(LogId([5; 16])),
    }
}

fn open(disk: &MemoryDisk, segment_bytes: u64) -> Result<Log, Failure> {
    Log::open_with(Arc::new(disk.clone()), options(segment_bytes))
}

/// A log of some commits on a disk, and the same events in memory.
fn filled(seed: u64, commits: usize, segment_bytes: u64) -> (MemoryDisk, MemoryLog) {
    let disk = MemoryDisk::default();
    let mut log = open(&disk, segment_bytes).unwrap();
    let mut model = MemoryLog::default();
    let (mut dice, mut now) = (Dice(seed), 1_000);
    for _ in 0..commits {
        let batch = random_batch(&mut dice, &mut now, SMALL);
        let first = log.append(&batch).unwrap();
        assert_eq!(model.append(&batch).unwrap(), first);
    }
    (disk, model)
}

/// The segment files of a disk.
fn segments(disk: &MemoryDisk) -> Vec<String> {
    let names = disk.list(segment::DIRECTORY).unwrap().into_iter();
    names
        .map(|name| format!("{}/{name}", segment::DIRECTORY))
        .collect()
}

/// The offsets at which blocks begin in the contents of a segment.
fn block_offsets(contents: &[u8]) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut offset = 0;
    while let Some(Ok(header)) = contents[offset..].first_chunk().map(block::Header::decode) {
        offsets.push(offset);
        offset += header.block_bytes();
    }
    offsets
}

/// What an error says, causes included.
fn text(failure: &Failure) -> String {
    failure.to_string()
}

#[test]
fn what_is_appended_is_read_before_and_after_a_restart() {
    for seed in 0..20 {
        let (disk, model) = filled(seed, 30, 2_048);
        assert!(segments(&disk).len() > 2);
        let log = open(&disk, 2_048).unwrap();
        let expected = collect(&model, Position::START);
        assert_eq!(collect(&log, Position::START), expected);
        assert_eq!(log.head(), model.head());
        assert!(log.torn_tail().is_none());
        for event in &expected {
            assert_eq!(
                log.stream_head(event.stream),
                model.stream_head(event.stream)
            );
        }
        assert!(tools::verify::verify_in(&disk, None).unwrap().is_clean());
    }
}

#[test]
fn an_empty_batch_changes_nothing() {
    let disk = MemoryDisk::default();
    let mut log = open(&disk, 2_048).unwrap();
    assert_eq!(log.append(&Batch::default()).unwrap(), Position(1));
    assert_eq!(log.head(), Position::START);
}

#[test]
fn a_commit_longer_than_a_segment_gets_a_longer_one() {
    let disk = MemoryDisk::default();
    let mut log = open(&disk, 1_024).unwrap();
    let mut model = MemoryLog::default();
    let (mut dice, mut now) = (Dice(4), 0);
    for events in [1, 300, 2, 400, 400] {
        let shape = Shape { events, ..SMALL };
        let batch = random_batch(&mut dice, &mut now, shape);
        log.append(&batch).unwrap();
        model.append(&batch).unwrap();
    }
    drop(log);
    let log = open(&disk, 1_024).unwrap();
    assert_eq!(
        collect(&log, Position::START),
        collect(&model, Position::START)
    );
}

#[test]
fn the_longest_event_is_stored_and_one_byte_more_is_refused() {
    let disk = MemoryDisk::default();
    let mut log = open(&disk, 1_024).unwrap();
    let mut batch = Batch::default();
    let stream = StreamId::new(StreamKind::Job, 1);
    let mut dice = Dice(1);
    let length = limits::EVENT_PAYLOAD_BYTES_MAX;
    let noise: Vec<u8> = (0..length).map(|_| dice.next() as u8).collect();
    batch.push(stream, Timestamp(1), 1, None, |out| out.push(1));
    batch.push(stream, Timestamp(1), 1, None, |out| {
        out.extend_from_slice(&noise)
    });
    batch.push(stream, Timestamp(1), 1, None, |out| {
        out.resize(out.len() + length, 0)
    });
    log.append(&batch).unwrap();
    batch.push(stream, Timestamp(1), 1, None, |out| {
        out.resize(out.len() + length + 1, 0)
    });
    let refused = log.append(&batch).unwrap_err();
    assert!(
        matches!(refused, Failure::Refused { number: 3, .. }),
        "{refused}"
    );
    drop(log);
    let log = open(&disk, 1_024).unwrap();
    let events = collect(&log, Position::START);
    assert_eq!(events.len(), 3);
    assert_eq!(events[1].payload, noise);
}

#[test]
fn a_refused_batch_leaves_the_log_usable() {
    let disk = MemoryDisk::default();
    let mut log = open(&disk, 2_048).unwrap();
    let mut batch = Batch::default();
    let stream = StreamId::new(StreamKind::Thing, 1);
    batch.push(stream, Timestamp(10), 1, None, |_| ());
    log.append(&batch).unwrap();
    batch.clear();
    batch.push(stream, Timestamp(9), 1, None, |_| ());
    let refused = log.append(&batch).unwrap_err();
    let back = Refused::TimeWentBack {
        at: Timestamp(9),
        before: Timestamp(10),
    };
    assert!(matches!(refused, Failure::Refused { number: 0, reason } if reason == back));
    batch.clear();
    let high = StreamId::new(StreamKind::Thing, limits::STREAM_NUMBER_MAX + 1);
    batch.push(high, Timestamp(10), 1, None, |_| ());
    log.append(&batch).unwrap_err();
    batch.clear();
    batch.push(stream, Timestamp(10), 1, None, |_| ());
    assert_eq!(log.append(&batch).unwrap(), Position(2));
}

#[test]
fn an_execution_event_takes_at_most_40_bytes() {
    let disk = MemoryDisk::default();
    let mut log = Log::open_with(
        Arc::new(disk.clone()),
        LogOptions {
            block_bytes: BLOCK_RAW_BYTES_MAX,
            ..options(1024 * 1024)
        },
    )
    .unwrap();
    let (mut dice, mut now) = (Dice(3), 1_700_000_000_000);
    for _ in 0..40 {
        let mut batch = Batch::default();
        for _ in 0..256 {
            now += dice.below(2);
            let stream = StreamId::new(StreamKind::Thing, dice.below(1_000_000) as u32);
            batch.push(stream, Timestamp(now), 40, None, |out| {
                for _ in 0..6 + dice.below(25) {
                    out.push(dice.next() as u8);
                }
            });
        }
        log.append(&batch).unwrap();
    }
    drop(log);
    let stat = tools::stat_in(&disk).unwrap();
    assert_eq!(stat.events, 40 * 256);
    assert!(
        stat.bytes_per_event <= 40.0,
        "{} bytes",
        stat.bytes_per_event
    );
}
