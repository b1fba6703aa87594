//! Crashes after every single operation, with everything that may happen to what was not synced.

use std::collections::BTreeMap;

use super::*;
use crate::storage::memory::{Crash, Snapshot};

/// What was acknowledged when, and what was attempted.
struct History {
    model: MemoryLog,
    events: Vec<Owned>,
    /// Number of operations after which a head was acknowledged.
    acknowledged: Vec<(usize, Position)>,
    snapshots: Vec<Snapshot>,
    segment_bytes: u64,
}

/// Appends random commits and saves states now and then.
fn play(seed: u64) -> History {
    let mut dice = Dice(seed);
    let segment_bytes = 600 + dice.below(1_500);
    let disk = MemoryDisk::default();
    disk.start_history();
    let mut model = MemoryLog::default();
    let mut acknowledged = vec![(0, Position::START)];
    let mut log = open(&disk, segment_bytes).unwrap();
    let mut now = 0;
    for _ in 0..4 + dice.below(6) {
        let events = if dice.below(4) == 0 { 30 } else { 4 };
        let batch = random_batch(&mut dice, &mut now, Shape { events, ..SMALL });
        log.append(&batch).unwrap();
        model.append(&batch).unwrap();
        acknowledged.push((disk.history_position(), log.head()));
        match dice.below(6) {
            0 => log.heads_to_save().save().unwrap(),
            1 => {
                let state = vec![1; dice.below(900) as usize];
                log.saved_states()
                    .save("fleet", 1, log.head(), &state)
                    .unwrap();
            }
            _ => (),
        }
    }
    drop(log);
    History {
        events: collect(&model, Position::START),
        model,
        acknowledged,
        snapshots: disk.take_history(),
        segment_bytes,
    }
}

impl History {
    /// The head that was acknowledged after so many operations, and the one that was attempted then.
    fn heads_at(&self, operations: usize) -> (Position, Position) {
        let after = self
            .acknowledged
            .partition_point(|(at, _)| *at <= operations);
        let attempted = self
            .acknowledged
            .get(after)
            .map_or(self.model.head(), |(_, head)| *head);
        (self.acknowledged[after - 1].1, attempted)
    }

    /// Opens a crashed disk: everything acknowledged is there, nothing partial is, and the log goes on.
    fn invariant_nothing_acknowledged_is_lost(&self, disk: &MemoryDisk, operations: usize) {
        let (acknowledged, attempted) = self.heads_at(operations);
        let mut log = open(disk, self.segment_bytes).unwrap_or_else(|failure| panic!("{failure}"));
        let head = log.head();
        assert!(
            head == acknowledged || head == attempted,
            "head {head}, acknowledged {acknowledged}, attempted {attempted}"
        );
        let expected = &self.events[..head.0 as usize];
        assert_eq!(collect(&log, Position::START), expected);
        let mut heads = BTreeMap::new();
        for event in expected {
            heads.insert(event.stream, event.position);
        }
        for (stream, position) in heads {
            assert_eq!(log.stream_head(stream), position);
        }
        if let Some((position, state)) = log.saved_states().load("fleet", 1) {
            assert!(position <= head && state.iter().all(|byte| *byte == 1));
        }
        let mut batch = Batch::default();
        let stream = StreamId::new(StreamKind::Thing, 3);
        let now = log.last_time();
        batch.push(stream, now, 9, None, |out| {
            out.extend_from_slice(b"after the crash")
        });
        assert_eq!(log.append(&batch).unwrap(), head.next());
        let crashed = disk.snapshot().crash(Crash::Drop, 0);
        drop(log);
        let log = open(&crashed, self.segment_bytes).unwrap();
        assert_eq!(log.head(), head.next());
        drop(log);
        let report = tools::verify::verify_in(&crashed, None).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}

const OUTCOMES: [(Crash, u64); 5] = [
    (Crash::Drop, 0),
    (Crash::Tear, 1),
    (Crash::Tear, 2),
    (Crash::Reorder, 3),
    (Crash::Reorder, 4),
];

/// Runs one workload and crashes it after every operation; now and then crashes the recovery too. Returns the
/// number of crashes.
fn crash_everywhere(seed: u64) -> u64 {
    let history = play(seed);
    let mut crashes = 0;
    for (operations, snapshot) in history.snapshots.iter().enumerate() {
        for (crash, salt) in OUTCOMES {
            let salt = seed << 20 | (operations as u64) << 8 | salt;
            let disk = snapshot.crash(crash, salt);
            crashes += 1;
            if salt.is_multiple_of(5) {
                crashes += crash_recovery(&history, &disk, operations, salt);
            }
            history.invariant_nothing_acknowledged_is_lost(&disk, operations);
        }
    }
    crashes
}

/// Crashes a recovery after each of its operations.
fn crash_recovery(history: &History, disk: &MemoryDisk, operations: usize, salt: u64) -> u64 {
    let disk = disk.snapshot().crash(Crash::Drop, 0);
    disk.start_history();
    drop(open(&disk, history.segment_bytes).unwrap());
    let mut crashes = 0;
    for (number, snapshot) in disk.take_history().iter().enumerate() {
        for crash in [Crash::Tear, Crash::Reorder] {
            let disk = snapshot.crash(crash, salt + number as u64);
            history.invariant_nothing_acknowledged_is_lost(&disk, operations);
            crashes += 1;
        }
    }
    crashes
}

/// Plays workloads until there were enough crashes; a failure prints the seed of its workload.
fn crash_often(first_seed: u64) {
    let mut crashes = 0;
    let mut seed = first_seed;
    while crashes < 26_000 {
        let played = std::panic::catch_unwind(|| crash_everywhere(seed));
        match played {
            Ok(more) => crashes += more,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                panic!("workload {seed}: {text}");
            }
        }
        seed += 1;
    }
}

#[test]
fn nothing_acknowledged_is_lost_in_26_000_crashes() {
    crash_often(0);
}

#[test]
fn nothing_acknowledged_is_lost_in_26_000_more_crashes() {
    crash_often(10_000);
}

#[test]
fn nothing_acknowledged_is_lost_in_a_third_26_000_crashes() {
    crash_often(20_000);
}

#[test]
fn nothing_acknowledged_is_lost_in_a_fourth_26_000_crashes() {
    crash_often(30_000);
}

#[test]
fn a_repair_that_crashes_is_finished_by_the_next_one() {
    for seed in 0..60 {
        let (disk, model) = filled(seed, 12, 900);
        let events = collect(&model, Position::START);
        let paths = segments(&disk);
        let damaged = &paths[seed as usize % (paths.len() - 1)];
        let mut contents = disk.contents(damaged).unwrap();
        let offsets = block_offsets(&contents);
        contents[offsets[seed as usize % offsets.len()] + 90] ^= 0x10;
        disk.overwrite(damaged, contents);
        let refused = open(&disk, 900).unwrap_err();
        assert!(matches!(refused, Failure::Corrupt(_)), "{refused}");

        disk.start_history();
        let repaired = tools::repair::repair_in(Arc::new(disk.clone()), None, true).unwrap();
        let head = repaired.head;
        for (number, snapshot) in disk.take_history().iter().enumerate() {
            for crash in [Crash::Drop, Crash::Tear, Crash::Reorder] {
                let disk = snapshot.crash(crash, seed << 8 | number as u64);
                let again = tools::repair::repair_in(Arc::new(disk.clone()), None, true).unwrap();
                assert_eq!(again.head, head);
                let log = open(&disk, 900).unwrap();
                assert_eq!(collect(&log, Position::START), events[..head.0 as usize]);
            }
        }
    }
}
