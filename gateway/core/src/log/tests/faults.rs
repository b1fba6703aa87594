//! Full disks, failing syncs, second processes.

use super::*;
use crate::storage::memory::Faults;

/// Appends until it fails; returns the failure.
fn append_until_failure(log: &mut Log, model: &mut MemoryLog, dice: &mut Dice) -> Failure {
    let mut now = log.last_time().0;
    for _ in 0..1_000 {
        let batch = random_batch(dice, &mut now, SMALL);
        match log.append(&batch) {
            Ok(_) => drop(model.append(&batch)),
            Err(failure) => return failure,
        }
    }
    panic!("the fault did not happen");
}

#[test]
fn a_failed_sync_ends_the_log_and_is_not_retried() {
    for syncs in 0..12 {
        let disk = MemoryDisk::default();
        let mut log = open(&disk, 1_024).unwrap();
        let mut model = MemoryLog::default();
        disk.set_faults(Faults {
            syncs_before_failure: Some(syncs),
            ..Faults::default()
        });
        let failure = append_until_failure(&mut log, &mut model, &mut Dice(syncs));
        assert!(matches!(failure, Failure::Io { .. }), "{failure}");
        disk.set_faults(Faults::default());
        let mut batch = Batch::default();
        batch.push(
            StreamId::new(StreamKind::Job, 1),
            Timestamp(u64::MAX),
            1,
            None,
            |_| (),
        );
        let poisoned = log.append(&batch).unwrap_err();
        assert!(matches!(poisoned, Failure::Poisoned { .. }), "{poisoned}");
        assert_eq!(log.head(), model.head());
        assert_eq!(
            collect(&log, Position::START),
            collect(&model, Position::START)
        );
        drop(log);
        let log = open(&disk, 1_024).unwrap();
        let left = collect(&log, Position::START);
        let acknowledged = collect(&model, Position::START);
        assert_eq!(left[..acknowledged.len()], acknowledged);
    }
}

#[test]
fn a_full_disk_is_told_clearly_and_loses_nothing() {
    let disk = MemoryDisk::default();
    let mut log = open(&disk, 1_024).unwrap();
    let mut model = MemoryLog::default();
    disk.set_faults(Faults {
        capacity: Some(3_500),
        ..Faults::default()
    });
    let failure = append_until_failure(&mut log, &mut model, &mut Dice(1));
    assert!(matches!(failure, Failure::DiskFull { .. }), "{failure}");
    let message = text(&failure);
    assert!(
        message.starts_with("the disk is full: cannot prepare the next segment"),
        "{message}"
    );
    drop(log);
    disk.set_faults(Faults::default());
    let mut log = open(&disk, 1_024).unwrap();
    assert_eq!(
        collect(&log, Position::START),
        collect(&model, Position::START)
    );
    let now = &mut log.last_time().0.clone();
    log.append(&random_batch(&mut Dice(2), now, SMALL)).unwrap();
}

#[test]
fn a_disk_that_is_full_at_the_first_start_is_told() {
    let disk = MemoryDisk::default();
    disk.set_faults(Faults {
        capacity: Some(100),
        ..Faults::default()
    });
    let failure = open(&disk, 1_024).unwrap_err();
    assert!(matches!(failure, Failure::DiskFull { .. }), "{failure}");
}

#[test]
fn a_second_process_is_refused_until_the_first_has_closed() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path()).unwrap();
    let refused = Log::open(directory.path()).unwrap_err();
    assert!(matches!(refused, Failure::Locked { .. }), "{refused}");
    let refused = tools::repair(directory.path(), true).unwrap_err();
    assert!(matches!(refused, Failure::Locked { .. }), "{refused}");
    drop(log);
    Log::open(directory.path()).unwrap();
}

#[test]
fn segments_that_cannot_hold_a_block_are_refused() {
    let refused = open(&MemoryDisk::default(), 100).unwrap_err();
    assert!(matches!(refused, Failure::SegmentBytes { bytes: 100 }));
}
