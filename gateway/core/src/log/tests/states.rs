//! Saved states: generations, damage, strangers.

use std::io::Write;

use super::*;

fn log_at(commits: usize) -> (MemoryDisk, Log) {
    let (disk, _) = filled(6, commits, 64 * 1024);
    let log = open(&disk, 64 * 1024).unwrap();
    (disk, log)
}

fn damage(disk: &MemoryDisk, path: &str) {
    let mut contents = disk.contents(path).unwrap();
    let middle = contents.len() / 2;
    contents[middle] ^= 1;
    disk.overwrite(path, contents);
}

#[test]
fn two_generations_are_kept_and_the_older_one_steps_in() {
    let (disk, log) = log_at(5);
    let states = log.saved_states();
    for position in 1..=4 {
        states
            .save("fleet", 1, Position(position), &[position as u8; 3_000])
            .unwrap();
    }
    states.save("fleet-2", 1, Position(3), b"other").unwrap();
    let listed = states.list();
    let listed: Vec<_> = listed
        .iter()
        .map(|info| (&*info.name, info.position.0, info.bytes))
        .collect();
    assert_eq!(
        listed,
        [("fleet", 4, 3_000), ("fleet", 3, 3_000), ("fleet-2", 3, 5)]
    );
    assert_eq!(states.load("fleet", 1), Some((Position(4), vec![4; 3_000])));

    damage(&disk, "states/fleet-0000000000000000004.state");
    assert_eq!(states.load("fleet", 1), Some((Position(3), vec![3; 3_000])));
    damage(&disk, "states/fleet-0000000000000000003.state");
    assert_eq!(states.load("fleet", 1), None);
    assert_eq!(
        states.load("fleet-2", 1),
        Some((Position(3), b"other".to_vec()))
    );
    assert_eq!(states.load("nobody", 1), None);
    let report = tools::verify::verify_in(&disk, None).unwrap();
    assert_eq!((report.states.len(), report.bad_states.len()), (1, 2));
}

#[test]
fn another_version_or_another_log_is_passed_over() {
    let (disk, log) = log_at(5);
    let states = log.saved_states();
    states.save("fleet", 1, Position(3), b"old form").unwrap();
    states.save("fleet", 2, Position(4), b"new form").unwrap();
    assert_eq!(
        states.load("fleet", 1),
        Some((Position(3), b"old form".to_vec()))
    );
    assert_eq!(
        states.load("fleet", 2),
        Some((Position(4), b"new form".to_vec()))
    );
    assert_eq!(states.load("fleet", 3), None);

    let other = MemoryDisk::default();
    let foreign = LogOptions {
        new_id: Some(LogId([77; 16])),
        ..options(64 * 1024)
    };
    let mut log = Log::open_with(Arc::new(other.clone()), foreign).unwrap();
    log.append(&random_batch(
        &mut Dice(1),
        &mut 1,
        Shape {
            events: 50,
            ..SMALL
        },
    ))
    .unwrap();
    let path = "states/fleet-0000000000000000004.state";
    other.overwrite(path, disk.contents(path).unwrap());
    assert_eq!(log.saved_states().load("fleet", 2), None);
    // Neither does it keep the log from starting, though it reflects more than this log may hold.
    drop(log);
    open(&other, 64 * 1024).unwrap();
}

#[test]
fn a_state_is_written_piece_by_piece_and_counts_when_finished() {
    let (_, log) = log_at(5);
    let states = log.saved_states();
    let mut dice = Dice(9);
    let state: Vec<u8> = (0..700_000).map(|_| dice.next() as u8).collect();
    let mut writer = states.writer("big", 1, log.head()).unwrap();
    for piece in state.chunks(10_007) {
        writer.write_all(piece).unwrap();
    }
    assert_eq!(states.load("big", 1), None);
    writer.finish().unwrap();
    assert_eq!(states.load("big", 1), Some((log.head(), state)));
    let mut abandoned = states.writer("small", 1, log.head()).unwrap();
    abandoned.write_all(b"x").unwrap();
    drop(abandoned);
    assert_eq!(states.load("small", 1), None);
}

#[test]
fn names_and_positions_are_checked() {
    let (_, log) = log_at(2);
    let states = log.saved_states();
    for name in ["", "Fleet", "a/b", "..", &"x".repeat(65)] {
        let refused = states.save(name, 1, Position(1), b"").unwrap_err();
        assert!(matches!(refused, Failure::Name { .. }), "{refused}");
    }
    states.save(&"x".repeat(64), 1, Position(1), b"").unwrap();
    let refused = states.save("fleet", 1, log.head().next(), b"").unwrap_err();
    assert!(
        matches!(refused, Failure::StatePosition { .. }),
        "{refused}"
    );
    // The empty log needs no state.
    states.save("fleet", 1, Position::START, b"").unwrap();
    assert_eq!(states.load("fleet", 1), None);
    log.checkpoints().set("A", Position(1)).unwrap_err();
}

#[test]
fn wrong_saved_heads_do_not_make_a_good_log_corrupt() {
    let (disk, log) = log_at(6);
    let mut heads = Heads::default();
    heads.replace(StreamId::new(StreamKind::Thing, 1), Position(1));
    let (name, version) = HEADS_STATE;
    log.saved_states()
        .save(name, version, Position(2), &heads.encode())
        .unwrap();
    let expected = collect(&log, Position::START);
    drop(log);
    let log = open(&disk, 64 * 1024).unwrap();
    assert_eq!(collect(&log, Position::START), expected);
    for event in &expected {
        let newest = expected
            .iter()
            .rev()
            .find(|other| other.stream == event.stream);
        assert_eq!(log.stream_head(event.stream), newest.unwrap().position);
    }
}
