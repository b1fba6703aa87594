use std::sync::Arc;

use shipslog_domain::Timestamp;

use super::{ContainerLogs, Source, Taken};
use crate::limits;
use crate::storage::{Access, FileStorage, Storage};

fn source(container: &str) -> Source {
    Source {
        service: "5d9c".into(),
        container: container.into(),
    }
}

const ALL: (Timestamp, Timestamp) = (Timestamp(0), Timestamp(u64::MAX));

fn messages(logs: &ContainerLogs, container: &str) -> Vec<String> {
    let (lines, more) = logs.lines(&source(container), ALL, None, usize::MAX, |_| true);
    assert!(!more);
    lines.iter().map(|line| line.message.to_string()).collect()
}

fn storage(directory: &tempfile::TempDir) -> Arc<dyn Storage> {
    Arc::new(FileStorage::new(directory.path()))
}

#[test]
fn lines_come_back_by_their_times_and_page_by_page() {
    let logs = ContainerLogs::default();
    let given = [
        (Timestamp(30), "c"),
        (Timestamp(10), "a"),
        (Timestamp(20), "b"),
    ];
    let taken = logs.add_lines(&source("app"), "n1", &given, Timestamp(40));
    assert_eq!((taken.accepted, taken.dropped), (3, 0));
    logs.add_lines(
        &source("app"),
        "n2",
        &[(Timestamp(20), "b2")],
        Timestamp(41),
    );
    logs.add_lines(
        &source("db"),
        "n2",
        &[(Timestamp(20), "other")],
        Timestamp(41),
    );
    assert_eq!(messages(&logs, "app"), ["a", "b", "b2", "c"]);
    let range = (Timestamp(10), Timestamp(30));
    let (page, more) = logs.lines(&source("app"), range, None, 2, |_| true);
    assert!(more);
    let last = page.last().unwrap();
    let after = Some((last.at, last.number));
    let (page, more) = logs.lines(&source("app"), range, after, 2, |_| true);
    assert_eq!((page.len(), &*page[0].message, more), (1, "b2", false));
    let (page, _) = logs.lines(&source("app"), ALL, None, 9, |line| line.starts_with('b'));
    assert_eq!(page.len(), 2);
    assert_eq!(logs.figures().lines, 5);
}

#[test]
fn a_restart_loses_nothing_and_a_torn_end_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let logs = ContainerLogs::open(storage(&directory)).unwrap();
    logs.add_lines(&source("app"), "n1", &[(Timestamp(1), "one")], Timestamp(1));
    logs.add_samples("5d9c", "n1", &[(Timestamp(2), 1_250, 5_000)], Timestamp(2));
    drop(logs);
    let logs = ContainerLogs::open(storage(&directory)).unwrap();
    assert_eq!(messages(&logs, "app"), ["one"]);
    let sample = &logs.samples("5d9c", ALL.0, ALL.1)[0];
    assert_eq!(
        (sample.cpu_hundredths, sample.memory_hundredths),
        (1_250, 5_000)
    );
    logs.add_lines(
        &source("app"),
        "n1",
        &[(Timestamp(3), "two"), (Timestamp(4), "three")],
        Timestamp(3),
    );
    drop(logs);
    // The last file loses its last bytes, as a power cut may leave it.
    let disk = storage(&directory);
    let name = disk.list("container-logs").unwrap().pop().unwrap();
    let file = disk
        .open(&format!("container-logs/{name}"), Access::Write)
        .unwrap();
    file.truncate(file.length().unwrap() - 1).unwrap();
    let logs = ContainerLogs::open(storage(&directory)).unwrap();
    assert_eq!(messages(&logs, "app"), ["one", "two"]);
    // What comes after is read again, too.
    logs.add_lines(
        &source("app"),
        "n1",
        &[(Timestamp(5), "four")],
        Timestamp(9_999),
    );
    drop(logs);
    let logs = ContainerLogs::open(storage(&directory)).unwrap();
    assert_eq!(messages(&logs, "app"), ["one", "two", "four"]);
}

#[test]
fn a_flood_is_dropped_beyond_the_pace() {
    let logs = ContainerLogs::default();
    let flood = vec![(Timestamp(1), "x"); limits::CONTAINER_LINES_PER_SECOND + 7];
    let taken = logs.add_lines(&source("app"), "n1", &flood, Timestamp(1_000));
    let all = limits::CONTAINER_LINES_PER_SECOND;
    assert_eq!((taken.accepted, taken.dropped), (all, 7));
    let more = logs.add_lines(
        &source("app"),
        "n1",
        &[(Timestamp(2), "y")],
        Timestamp(1_999),
    );
    assert_eq!(
        more,
        Taken {
            accepted: 0,
            dropped: 1
        }
    );
    // Another container has its own pace, and the next second another allowance.
    let other = logs.add_lines(
        &source("db"),
        "n1",
        &[(Timestamp(2), "y")],
        Timestamp(1_999),
    );
    assert_eq!(other.accepted, 1);
    let later = logs.add_lines(
        &source("app"),
        "n1",
        &[(Timestamp(2), "y")],
        Timestamp(2_000),
    );
    assert_eq!(later.accepted, 1);
    assert_eq!(logs.figures().dropped, 8);
}

#[test]
fn the_oldest_lines_go_at_each_bound() {
    let logs = ContainerLogs::default();
    let long = "m".repeat(64 * 1_024);
    // One container fills its share, and no more.
    let lines = 4 * 1_024 / 64;
    for second in 0..lines + 3 {
        let at = Timestamp(second * 1_000);
        logs.add_lines(&source("app"), "n1", &[(at, &long)], at);
    }
    assert_eq!(
        messages(&logs, "app").len(),
        usize::try_from(lines).unwrap()
    );
    assert_eq!(
        logs.figures().held_bytes,
        limits::CONTAINER_LINE_BYTES_HELD_MAX
    );
    // Many containers together fill the whole, and the oldest of all lines goes first.
    for container in 0..12 {
        for second in 0..lines {
            let at = Timestamp(second * 1_000);
            logs.add_lines(&source(&format!("c{container}")), "n1", &[(at, &long)], at);
        }
    }
    assert_eq!(logs.figures().held_bytes, limits::CONTAINER_LOG_BYTES_MAX);
    assert!(messages(&logs, "app").is_empty());
    // And by number.
    let logs = ContainerLogs::default();
    let many = vec![(Timestamp(1), "x"); limits::CONTAINER_LINES_PER_SECOND];
    for second in 0..11 {
        logs.add_lines(&source("app"), "n1", &many, Timestamp(second * 1_000));
    }
    assert_eq!(messages(&logs, "app").len(), limits::CONTAINER_LINES_MAX);
}

#[test]
fn old_files_go_and_their_lines_with_them() {
    let directory = tempfile::tempdir().unwrap();
    let logs = ContainerLogs::open(storage(&directory)).unwrap();
    let long = "m".repeat(1_024 * 1_024);
    let files = limits::CONTAINER_LOG_FILES_MAX as u64;
    for second in 0..4 * files + 5 {
        let at = Timestamp(second * 1_000);
        let container = format!("c{}", second % 40);
        logs.add_lines(&source(&container), "n1", &[(at, &long)], at);
    }
    let names = storage(&directory).list("container-logs").unwrap();
    assert_eq!(names.len(), limits::CONTAINER_LOG_FILES_MAX);
    let held = logs.figures().held_bytes;
    drop(logs);
    let logs = ContainerLogs::open(storage(&directory)).unwrap();
    assert_eq!(logs.figures().held_bytes, held);
}
