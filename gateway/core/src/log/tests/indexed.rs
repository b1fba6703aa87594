//! The log on the file system with its index: lost, damaged, foreign.

use std::fs;
use std::path::Path;

use super::*;

fn file_options(directory: &Path) -> LogOptions {
    LogOptions {
        segment_bytes: 16 * 1024,
        ..LogOptions::for_directory(directory)
    }
}

fn open_files(directory: &Path) -> Result<Log, Failure> {
    Log::open_with(
        Arc::new(FileStorage::new(directory)),
        file_options(directory),
    )
}

/// A closed log of several segments in a directory, and its events.
fn filled_directory() -> (tempfile::TempDir, Vec<Owned>) {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open_files(directory.path()).unwrap();
    let (mut dice, mut now) = (Dice(11), 1_000);
    let shape = Shape {
        events: 60,
        ..SMALL
    };
    for _ in 0..60 {
        log.append(&random_batch(&mut dice, &mut now, shape))
            .unwrap();
    }
    log.checkpoints().set("kafka", Position(17)).unwrap();
    log.saved_states()
        .save("fleet", 1, Position(20), b"twenty")
        .unwrap();
    let events = collect(&log, Position::START);
    drop(log);
    let segments = fs::read_dir(directory.path().join("segments"))
        .unwrap()
        .count();
    assert!(segments > 3, "{segments} segments");
    (directory, events)
}

/// Opens the log and looks at everything that the index might spoil.
fn invariant_nothing_depends_on_the_index(directory: &Path, events: &[Owned]) -> Log {
    let log = open_files(directory).unwrap();
    assert_eq!(collect(&log, Position::START), events);
    for (index, event) in events.iter().enumerate() {
        let Some(key) = event.command else { continue };
        let known = log.find_command(&key.id).unwrap();
        assert_eq!((known.body, known.first), (key.body, event.position));
        let next = events[index + 1..]
            .iter()
            .find(|event| event.command.is_some());
        let bound = next.map_or(log.head().next(), |next| next.position);
        assert!(known.last >= known.first && known.last < bound);
        assert_eq!(known.count(), known.last.0 - known.first.0 + 1);
    }
    log
}

#[test]
fn the_index_survives_a_restart_and_is_believed() {
    let (directory, events) = filled_directory();
    assert!(tools::verify(directory.path()).unwrap().is_clean());
    let report = tools::verify(directory.path()).unwrap();
    assert_eq!(report.index, tools::IndexState::Good);
    let log = invariant_nothing_depends_on_the_index(directory.path(), &events);
    assert_eq!(log.checkpoints().get("kafka"), Some(Position(17)));
    assert_eq!(log.checkpoints().get("other"), None);
}

#[test]
fn a_missing_index_is_rebuilt() {
    let (directory, events) = filled_directory();
    let index = directory.path().join(index::DIRECTORY);
    fs::remove_dir_all(&index).unwrap();
    drop(invariant_nothing_depends_on_the_index(
        directory.path(),
        &events,
    ));
    assert!(index.is_dir());
    assert_eq!(
        tools::verify(directory.path()).unwrap().index,
        tools::IndexState::Good
    );
}

#[test]
fn a_damaged_index_is_rebuilt() {
    let (directory, events) = filled_directory();
    let index = directory.path().join(index::DIRECTORY);
    let whole: Vec<_> = fs::read_dir(&index)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    assert!(!whole.is_empty());
    for (path, contents) in &whole {
        let half = contents.len() / 2;
        let noise: Vec<_> = contents.iter().map(|byte| byte ^ 0x5a).collect();
        for bad in [
            contents[..half].to_vec(),
            Vec::new(),
            noise,
            vec![0; contents.len()],
        ] {
            fs::write(path, bad).unwrap();
            drop(invariant_nothing_depends_on_the_index(
                directory.path(),
                &events,
            ));
            drop(invariant_nothing_depends_on_the_index(
                directory.path(),
                &events,
            ));
            fs::remove_dir_all(&index).unwrap();
            fs::create_dir(&index).unwrap();
            for (path, contents) in &whole {
                fs::write(path, contents).unwrap();
            }
        }
    }
}

#[test]
fn a_file_in_place_of_the_index_costs_only_the_index() {
    let (directory, events) = filled_directory();
    let index = directory.path().join(index::DIRECTORY);
    fs::remove_dir_all(&index).unwrap();
    fs::write(&index, b"not a directory").unwrap();
    let mut log = invariant_nothing_depends_on_the_index(directory.path(), &events);
    let now = &mut log.last_time().0.clone();
    log.append(&random_batch(&mut Dice(5), now, SMALL)).unwrap();
}

#[test]
fn the_index_of_another_log_is_not_believed() {
    let (directory, events) = filled_directory();
    let (other, _) = filled_directory();
    let index = directory.path().join(index::DIRECTORY);
    fs::remove_dir_all(&index).unwrap();
    fs::rename(other.path().join(index::DIRECTORY), &index).unwrap();
    let report = tools::verify(directory.path()).unwrap();
    assert!(
        matches!(report.index, tools::IndexState::Unusable(_)),
        "{report:?}"
    );
    drop(invariant_nothing_depends_on_the_index(
        directory.path(),
        &events,
    ));
}

#[test]
fn segments_that_end_before_the_index_are_refused_until_the_loss_is_accepted() {
    let (directory, events) = filled_directory();
    let mut names: Vec<_> = fs::read_dir(directory.path().join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    for lost in &names[2..] {
        fs::remove_file(lost).unwrap();
    }
    let refused = open_files(directory.path()).unwrap_err();
    assert!(
        matches!(&refused, Failure::EventsLost { witness, .. } if witness == "the index"),
        "{refused}"
    );
    let refused = tools::repair(directory.path(), false).unwrap_err();
    assert!(
        matches!(refused, Failure::LossNotAccepted { .. }),
        "{refused}"
    );
    let repaired = tools::repair(directory.path(), true).unwrap();
    let left = &events[..repaired.head.0 as usize];
    assert_eq!(repaired.loss.unwrap().to, events.last().unwrap().position);
    drop(invariant_nothing_depends_on_the_index(
        directory.path(),
        left,
    ));
}

#[test]
fn a_saved_state_that_is_gone_is_forgotten() {
    let (directory, events) = filled_directory();
    fs::remove_file(
        directory
            .path()
            .join("states/fleet-0000000000000000020.state"),
    )
    .unwrap();
    let log = invariant_nothing_depends_on_the_index(directory.path(), &events);
    assert_eq!(log.saved_states().load("fleet", 1), None);
    let log_id = log.id();
    drop(log);
    let contents = Index::inspect(&directory.path().join(index::DIRECTORY), log_id).unwrap();
    assert_eq!(contents.states, []);
    assert_eq!(contents.checkpoints["kafka"], Position(17));
}

#[test]
fn a_directory_without_a_log_is_told() {
    let directory = tempfile::tempdir().unwrap();
    for failure in [
        tools::verify(directory.path()).unwrap_err(),
        tools::stat(directory.path()).unwrap_err(),
        tools::digest_directory(directory.path()).unwrap_err(),
        tools::repair(directory.path(), true).unwrap_err(),
    ] {
        assert!(matches!(failure, Failure::NoLog { .. }), "{failure}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn an_empty_log_keeps_its_id() {
    let directory = tempfile::tempdir().unwrap();
    let id = open_files(directory.path()).unwrap().id();
    for _ in 0..10 {
        assert_eq!(open_files(directory.path()).unwrap().id(), id);
    }
}

#[test]
fn saved_heads_and_the_catalog_spare_reading_sealed_segments() {
    let (directory, events) = filled_directory();
    let log = open_files(directory.path()).unwrap();
    log.heads_to_save().save().unwrap();
    drop(log);
    let mut names: Vec<_> = fs::read_dir(directory.path().join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    // Damage behind the first header goes unnoticed on start, because nothing there is read, and is found by a
    // check and by a reader.
    let mut contents = fs::read(&names[1]).unwrap();
    let offsets = block_offsets(&contents);
    contents[offsets[offsets.len() / 2] + 100] ^= 1;
    fs::write(&names[1], &contents).unwrap();
    let log = open_files(directory.path()).unwrap();
    for event in &events[events.len() - 20..] {
        assert!(log.stream_head(event.stream) >= event.position);
    }
    let failure = log
        .read(Position::START, &mut |_| ControlFlow::Continue(()))
        .unwrap_err();
    assert!(matches!(failure, Failure::Unreadable { .. }), "{failure}");
    assert!(tools::verify(directory.path()).unwrap().problem.is_some());
}
