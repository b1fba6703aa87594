//! Readers: in order, at random, along a stream, while the log is written.

use std::thread;
use std::time::Duration;

use super::*;

/// A log that is long enough for several index entries in a segment.
fn long_log() -> (MemoryDisk, Log, MemoryLog) {
    let disk = MemoryDisk::default();
    let options = LogOptions {
        block_bytes: 8 * 1024,
        ..options(400 * 1024)
    };
    let mut log = Log::open_with(Arc::new(disk.clone()), options).unwrap();
    let mut model = MemoryLog::default();
    let (mut dice, mut now) = (Dice(21), 1_000);
    for round in 0..200 {
        let shape = Shape {
            events: if round % 3 == 0 { 1 } else { 400 },
            payload: 80,
            streams: 40,
        };
        let batch = random_batch(&mut dice, &mut now, shape);
        log.append(&batch).unwrap();
        model.append(&batch).unwrap();
    }
    (disk, log, model)
}

#[test]
fn any_position_is_found() {
    let (disk, log, model) = long_log();
    assert!(segments(&disk).len() > 2);
    let events = collect(&model, Position::START);
    assert_eq!(collect(&log, Position::START), events);
    let reader = log.reader();
    let mut dice = Dice(1);
    for _ in 0..300 {
        let index = dice.below(events.len() as u64) as usize;
        let event = reader.read_one(events[index].position).unwrap().unwrap();
        assert_eq!(Owned::from(event.record()), events[index]);
    }
    for _ in 0..30 {
        let after = dice.below(events.len() as u64);
        let mut some = Vec::new();
        let visited = log.read(Position(after), &mut |record| {
            some.push(Owned::from(record));
            if some.len() == 10 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        visited.unwrap();
        assert_eq!(some[..], events[after as usize..][..some.len()]);
    }
    assert!(reader.read_one(Position::START).unwrap().is_none());
    assert!(reader.read_one(log.head().next()).unwrap().is_none());
    assert_eq!(collect(&log, log.head()), []);
    assert_eq!(collect(&log, Position(u64::MAX - 1)), []);
}

#[test]
fn a_stream_is_followed_back() {
    let (_, log, model) = long_log();
    let events = collect(&model, Position::START);
    let reader = log.reader();
    for number in [0, 7, 39, 40] {
        let stream = StreamId::new(StreamKind::Job, number);
        let mut of_stream: Vec<_> = events
            .iter()
            .filter(|event| event.stream == stream)
            .cloned()
            .collect();
        of_stream.reverse();
        let found = reader.stream_back(stream, None, usize::MAX).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|event| Owned::from(event.record()))
            .collect();
        assert_eq!(found, of_stream);
        let before = log.head().0 / 2;
        let found = reader
            .stream_back(stream, Some(Position(before)), 5)
            .unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|event| Owned::from(event.record()))
            .collect();
        let older = of_stream.iter().filter(|event| event.position.0 < before);
        assert_eq!(found, older.take(5).cloned().collect::<Vec<_>>());
    }
}

#[test]
fn chunks_can_be_decoded_on_one_thread_and_used_on_another() {
    let (_, log, model) = long_log();
    let mut chunks = log.reader().chunks(Position(100));
    let (send, receive) = std::sync::mpsc::sync_channel(4);
    let decoding = thread::spawn(move || {
        let mut chunk = Chunk::default();
        while chunks.next_into(&mut chunk).unwrap() {
            send.send(std::mem::take(&mut chunk)).unwrap();
        }
    });
    let mut events = Vec::new();
    for chunk in receive {
        assert_eq!(chunk.first().0, 101 + events.len() as u64);
        assert_eq!(chunk.records().len(), chunk.len());
        events.extend(chunk.records().map(Owned::from));
    }
    decoding.join().unwrap();
    assert_eq!(events, collect(&model, Position(100)));
}

#[test]
fn readers_see_whole_commits_while_the_log_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let options = LogOptions {
        segment_bytes: 64 * 1024,
        ..LogOptions::for_directory(directory.path())
    };
    let mut log = Log::open_with(Arc::new(FileStorage::new(directory.path())), options).unwrap();
    const COMMITS: u64 = 400;
    const EVENTS: u64 = 25;
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let reader = log.reader();
            thread::spawn(move || {
                let mut chunks = reader.chunks(Position::START);
                let mut chunk = Chunk::default();
                let mut next = Position(1);
                while next.0 <= COMMITS * EVENTS {
                    let head = reader.wait_past(Position(next.0 - 1), Duration::from_secs(10));
                    assert!(head >= next, "nothing new within 10 s");
                    assert_eq!(head.0 % EVENTS, 0, "a part of a commit is visible");
                    while chunks.next_into(&mut chunk).unwrap() {
                        for record in chunk.records() {
                            assert_eq!(record.position, next);
                            assert_eq!(record.payload, next.0.to_le_bytes());
                            next = next.next();
                        }
                    }
                    let newest = reader.stream_back(StreamId::new(StreamKind::Thing, 3), None, 3);
                    assert!(newest.unwrap()[0].record().position <= reader.head());
                }
            })
        })
        .collect();
    let mut batch = Batch::default();
    for commit in 0..COMMITS {
        batch.clear();
        for event in 0..EVENTS {
            let position = commit * EVENTS + event + 1;
            let stream = StreamId::new(StreamKind::Thing, (event % 5) as u32);
            batch.push(stream, Timestamp(commit), 1, None, |out| {
                out.extend_from_slice(&position.to_le_bytes())
            });
        }
        log.append(&batch).unwrap();
    }
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn the_digest_depends_on_events_alone() {
    let disk = MemoryDisk::default();
    let mut one_by_one = Log::open_with(
        Arc::new(disk.clone()),
        LogOptions {
            new_id: Some(LogId([1; 16])),
            ..options(100_000)
        },
    )
    .unwrap();
    let (_, log, model) = long_log();
    let mut batch = Batch::default();
    for event in collect(&model, Position::START) {
        batch.clear();
        batch.push(event.stream, event.at, event.kind, event.command, |out| {
            out.extend_from_slice(&event.payload)
        });
        one_by_one.append(&batch).unwrap();
    }
    let digest = tools::digest(&model).unwrap();
    assert_eq!(tools::digest(&log).unwrap(), digest);
    assert_eq!(tools::digest(&one_by_one).unwrap(), digest);
    assert_eq!(digest.events, model.head().0);
    drop(one_by_one);
    let offline = tools::open_reader_in(Arc::new(disk)).unwrap();
    let mut digester = tools::Digester::default();
    let read = offline.read(Position::START, &mut |record| {
        digester.update(&record);
        ControlFlow::Continue(())
    });
    read.unwrap();
    assert_eq!(digester.digest(), digest);
    batch.clear();
    batch.push(
        StreamId::new(StreamKind::Job, 1),
        Timestamp(u64::MAX),
        1,
        None,
        |_| (),
    );
    let mut model = model;
    model.append(&batch).unwrap();
    assert_ne!(tools::digest(&model).unwrap().hash, digest.hash);
}
