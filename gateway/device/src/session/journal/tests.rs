use super::*;
use crate::codec::{Connect, Version};
use crate::session::{Directory, Session};

fn connect(expiry: u32, clean: bool) -> Connect {
    Connect {
        version: Version::V5,
        client_id: "c".into(),
        clean,
        keep_alive_seconds: 0,
        session_expiry: Some(expiry),
        receive_maximum: 2,
        packet_max: u32::MAX,
        will: None,
    }
}

fn message(text: &'static str) -> Message {
    let payload = bytes::Bytes::from_static(text.as_bytes());
    Message::plain("t".into(), payload, crate::codec::Qos::AtLeastOnce)
}

fn subscription(path: &str) -> Subscription {
    Subscription {
        filter: crate::codec::Filter {
            path: path.into(),
            qos: crate::codec::Qos::AtLeastOnce,
            no_local: true,
            retain_as_published: true,
            retained: crate::codec::Retained::Never,
        },
        identifier: Some(7),
    }
}

/// A directory of sessions, written down in a directory of files.
fn begin(path: &Path) -> (Arc<Directory>, Arc<Journal>) {
    let mut saved = SavedSessions::open(path).unwrap();
    let found = std::mem::take(&mut saved.contents.sessions);
    let journal = Journal::new(Position(saved.contents.told));
    let directory = Arc::new(Directory::restore(found, Arc::clone(&journal)));
    let all = Arc::clone(&directory);
    journal
        .start(saved, Box::new(move |after| all.save_all(after)))
        .unwrap();
    (directory, journal)
}

async fn claim(directory: &Directory, connect: &Connect) -> (Arc<Session>, bool) {
    let claim = directory.claim(&connect.client_id, connect, None).await;
    let claim = claim.unwrap();
    (claim.session, claim.present)
}

fn texts<'a>(messages: impl Iterator<Item = &'a Message>) -> Vec<String> {
    messages
        .map(|message| String::from_utf8(message.payload.to_vec()).unwrap())
        .collect()
}

/// What a session holds: sent and not acknowledged with ids, and waiting.
fn held(session: &Session) -> (Vec<(u16, String)>, Vec<String>) {
    let state = session.lock();
    let sent = state.unacknowledged.iter().map(|sent| {
        let message = sent
            .message
            .as_ref()
            .expect("a persistent session keeps it");
        (sent.id, texts(std::iter::once(message)).remove(0))
    });
    (sent.collect(), texts(state.waiting.iter()))
}

#[tokio::test]
async fn a_session_is_found_as_it_was_left() {
    let files = tempfile::tempdir().unwrap();
    let (directory, journal) = begin(files.path());
    let (session, _) = claim(&directory, &connect(60, false)).await;
    for path in ["a", "b/#", "c"] {
        session.subscribe(subscription(path)).unwrap();
    }
    session.unsubscribe("c");
    for text in ["1", "2", "3", "4"] {
        session.deliver(message(text));
    }
    // Two may be under way; the first is acknowledged, so the third goes.
    session.acknowledge(1);
    let left = held(&session);
    assert_eq!(left.0, [(2, "2".to_owned()), (3, "3".to_owned())]);
    assert_eq!(left.1, ["4"]);
    drop(directory.release(&session));
    session.deliver(message("5"));
    journal.told(Position(42));
    journal.close();
    for _ in 0..2 {
        let (directory, journal) = begin(files.path());
        assert_eq!(journal.shared.lock().told, 42);
        let found = directory.all_away().remove(0);
        assert_eq!(
            held(&found),
            (left.0.clone(), vec!["4".to_owned(), "5".to_owned()])
        );
        let paths: Vec<_> = found.subscriptions(|all| {
            let one = all
                .iter()
                .map(|one| (one.filter.path.to_string(), one.identifier));
            one.collect()
        });
        assert_eq!(
            paths,
            [("a".to_owned(), Some(7)), ("b/#".to_owned(), Some(7))]
        );
        journal.close();
    }
    let (directory, _journal) = begin(files.path());
    let (again, present) = claim(&directory, &connect(60, false)).await;
    assert!(present);
    assert_eq!(again.number, session.number);
    // Another number for another session.
    let other = Connect {
        client_id: "other".into(),
        ..connect(60, false)
    };
    assert!(claim(&directory, &other).await.0.number > session.number);
}

#[tokio::test]
async fn a_kill_leaves_what_was_written() {
    let files = tempfile::tempdir().unwrap();
    let (directory, journal) = begin(files.path());
    let (session, _) = claim(&directory, &connect(60, false)).await;
    session.subscribe(subscription("a")).unwrap();
    session.deliver(message("1"));
    journal.written().await;
    let path = files.path().join("journal-1");
    let whole = fs::read(&path).unwrap();
    journal.close();
    assert_eq!(fs::read(&path).unwrap(), whole, "nothing was left to write");
    for length in MAGIC.len()..whole.len() {
        let mut contents = Contents::default();
        let read = contents.follow(&whole[..length]);
        assert!(read <= length);
        assert!(contents.sessions.len() <= 1);
    }
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut contents = Contents::default();
    assert!(contents.follow(&damaged) < damaged.len());
    let found = contents.sessions.values().next().unwrap();
    assert_eq!(found.subscriptions.len(), 1);
    assert!(found.until.is_none(), "its client was connected");
    // What a kill in the middle of a new generation leaves are two, the newer of them not whole.
    fs::write(files.path().join("journal-2"), &whole[..whole.len() / 2]).unwrap();
    let (directory, _journal) = begin(files.path());
    assert_eq!(directory.all_away().len(), 1);
    let names: Vec<_> = fs::read_dir(files.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "older generations are gone: {names:?}");
}

#[tokio::test]
async fn what_ended_is_not_found_again() {
    let files = tempfile::tempdir().unwrap();
    let (directory, journal) = begin(files.path());
    let (session, _) = claim(&directory, &connect(60, false)).await;
    // A clean start ends it, and a session without expiry is not written down.
    let (fresh, present) = claim(&directory, &connect(0, true)).await;
    assert!(!present);
    drop(directory.release(&session));
    drop(directory.release(&fresh));
    let short = Connect {
        client_id: "short".into(),
        ..connect(1, false)
    };
    let (short, _) = claim(&directory, &short).await;
    drop(directory.release(&short));
    journal.close();
    let mut saved = SavedSessions::open(files.path()).unwrap();
    let found: Vec<_> = saved.contents.sessions.values().collect();
    assert_eq!(found.len(), 1);
    assert_eq!(&*found[0].client_id, "short");
    // Its time passes while no process runs.
    let number = short.number;
    let found = saved.contents.sessions.get_mut(&number).unwrap();
    found.until = Some(wall_clock() - 1);
    let found = std::mem::take(&mut saved.contents.sessions);
    let directory = Directory::restore(found, Journal::new(Position(0)));
    assert_eq!(directory.count(), 0);
}

#[tokio::test]
async fn a_generation_that_has_grown_gives_way_to_what_is_alive() {
    let files = tempfile::tempdir().unwrap();
    let (directory, journal) = begin(files.path());
    let (session, _) = claim(&directory, &connect(60, false)).await;
    session.subscribe(subscription("a")).unwrap();
    drop(directory.release(&session));
    let payload = bytes::Bytes::from(vec![b'x'; 100 * 1024]);
    let long = || Message::plain("t".into(), payload.clone(), crate::codec::Qos::AtLeastOnce);
    let rounds = 2 * usize::try_from(limits::JOURNAL_BYTES_MIN).unwrap() / payload.len();
    for round in 0..rounds {
        session.deliver(long());
        // The thread shall keep up.
        while journal.shared.lock().bytes.len() > limits::JOURNAL_PENDING_BYTES_MAX / 2 {
            std::thread::yield_now();
        }
        assert!(!journal.shared.lock().failed, "{round}");
    }
    session.deliver(message("last"));
    journal.close();
    let paths: Vec<_> = fs::read_dir(files.path()).unwrap().collect();
    let bytes: u64 = paths
        .iter()
        .map(|path| path.as_ref().unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes <= limits::JOURNAL_BYTES_MIN + 2 * limits::JOURNAL_PENDING_BYTES_MAX as u64);
    let (directory, _journal) = begin(files.path());
    let (_, waiting) = held(&directory.all_away()[0]);
    assert_eq!(waiting.last().map(String::as_str), Some("last"));
    assert!(!files.path().join("journal-1").exists());
}

#[tokio::test]
async fn sessions_are_saved_anew_after_a_failure() {
    let files = tempfile::tempdir().unwrap();
    let (directory, journal) = begin(files.path());
    let (session, _) = claim(&directory, &connect(60, false)).await;
    let mut pending = journal.shared.lock();
    journal.shared.fail(&mut pending);
    journal.shared.rouse(&mut pending);
    drop(pending);
    session.subscribe(subscription("a")).unwrap();
    let began = Instant::now();
    // What was there before goes when all sessions are saved anew.
    while files.path().join("journal-1").exists() {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::yield_now();
    }
    session.deliver(message("1"));
    journal.close();
    let (directory, _journal) = begin(files.path());
    let found = directory.all_away().remove(0);
    assert_eq!(found.subscriptions(<[_]>::len), 1);
    assert_eq!(held(&found).0.len(), 1);
}

#[tokio::test]
async fn more_sessions_than_may_wait_to_be_written_are_found_again() {
    let files = tempfile::tempdir().unwrap();
    let (directory, journal) = begin(files.path());
    let payload = bytes::Bytes::from(vec![b'x'; 120 * 1024]);
    let count = limits::JOURNAL_PENDING_BYTES_MAX / (2 * payload.len()) + 20;
    for number in 0..count {
        let connect = Connect {
            client_id: format!("c-{number}"),
            ..connect(60, false)
        };
        let (session, _) = claim(&directory, &connect).await;
        drop(directory.release(&session));
        for _ in 0..2 {
            let qos = crate::codec::Qos::AtLeastOnce;
            session.deliver(Message::plain("t".into(), payload.clone(), qos));
        }
        journal.written().await;
    }
    journal.close();
    for _ in 0..2 {
        let (directory, journal) = begin(files.path());
        assert_eq!(directory.count(), count);
        journal.close();
    }
}
