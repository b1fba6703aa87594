use std::sync::atomic::AtomicUsize;
use std::task::{Context, Wake, Waker};

use super::*;
use crate::codec::{Connect, Version};
use crate::session::Directory;

/// Counts how often a task is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A session and the wheel that listens for its client.
struct Client {
    session: Arc<Session>,
    key: Option<Key>,
}

async fn client(directory: &Directory, wheel: &Wheel, keep_alive_seconds: u16) -> Client {
    let connect = Connect {
        version: Version::V4,
        client_id: format!("c{}", wheel.lock().connections.len()),
        clean: true,
        keep_alive_seconds,
        session_expiry: None,
        receive_maximum: 1,
        packet_max: u32::MAX,
        will: None,
    };
    let claim = directory
        .claim(&connect.client_id, &connect, None)
        .await
        .unwrap();
    let key = wheel.watch(&claim.session, keep_alive_seconds, Instant::now());
    Client {
        session: claim.session,
        key: Some(key),
    }
}

impl Client {
    fn hear(&self, wheel: &Wheel) {
        self.session.heard.note(wheel.tick(Instant::now()));
    }

    /// Seconds until the wheel has had enough of it, if it says nothing.
    async fn silence(&self, wheel: &Wheel) -> f64 {
        let began = Instant::now();
        while !self.session.heard.is_overdue() {
            tokio::time::advance(TICK / 5).await;
            wheel.turn(Instant::now());
        }
        began.elapsed().as_secs_f64()
    }
}

#[tokio::test(start_paused = true)]
async fn one_and_a_half_keep_alives_and_never_less() {
    let (directory, wheel) = (Directory::default(), Wheel::new(Instant::now()));
    for (keep_alive, offset) in [(1, 0), (1, 130), (2, 499), (10, 250), (7, 333), (600, 77)] {
        tokio::time::advance(Duration::from_millis(offset)).await;
        let client = client(&directory, &wheel, keep_alive).await;
        let wanted = f64::from(keep_alive) * 1.5;
        let silence = client.silence(&wheel).await;
        let late = silence - wanted;
        assert!(
            (0.0..=1.0).contains(&late),
            "{keep_alive} s: {silence} s of silence"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_something_stays() {
    let (directory, wheel) = (Directory::default(), Wheel::new(Instant::now()));
    let client = client(&directory, &wheel, 10).await;
    for _ in 0..200 {
        tokio::time::advance(Duration::from_millis(14_900)).await;
        wheel.turn(Instant::now());
        assert!(!client.session.heard.is_overdue());
        client.hear(&wheel);
    }
    let silence = client.silence(&wheel).await;
    assert!((15.0..=16.0).contains(&silence), "{silence}");
    // Something came after all, before the connection looked.
    client.hear(&wheel);
    assert!(!client.session.heard.is_overdue());
    let silence = client.silence(&wheel).await;
    assert!((15.0..=16.0).contains(&silence), "{silence}");
}

#[tokio::test(start_paused = true)]
async fn the_connection_is_woken_until_it_has_looked() {
    let (directory, wheel) = (Directory::default(), Wheel::new(Instant::now()));
    let client = client(&directory, &wheel, 1).await;
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    for wanted in 1..=3 {
        // It registers its task, as it does before it waits, but has something else in hand and does not look.
        let ready = client
            .session
            .poll_ready(&Context::from_waker(&waker), &mut Vec::new());
        assert!(ready.is_pending());
        tokio::time::advance(Duration::from_secs(3)).await;
        wheel.turn(Instant::now());
        assert_eq!(wakes.0.load(Ordering::Relaxed), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn connections_come_and_go_and_leave_nothing_behind() {
    let (directory, wheel) = (Directory::default(), Wheel::new(Instant::now()));
    let mut clients = Vec::new();
    for number in 0..3_000_u16 {
        clients.push(client(&directory, &wheel, 1 + number % 700).await);
    }
    for round in 0..40_usize {
        tokio::time::advance(Duration::from_secs(9)).await;
        for client in clients.iter().filter(|client| client.key.is_some()) {
            client.hear(&wheel);
        }
        wheel.turn(Instant::now());
        let leaving = clients.iter_mut().skip(round).step_by(40);
        leaving
            .filter_map(|client| client.key.take())
            .for_each(|key| wheel.forget(key));
        let turning = wheel.lock();
        let listed = turning.buckets.iter().map(Vec::len).sum::<usize>();
        assert_eq!(listed, turning.connections.len());
        for (key, connection) in &turning.connections {
            let bucket = &turning.buckets[connection.bucket as usize];
            assert_eq!(bucket[connection.at as usize] as usize, key);
        }
    }
    assert!(clients.iter().all(|client| client.key.is_none()));
    assert!(wheel.lock().connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_a_long_pause_everyone_is_looked_at_once() {
    let (directory, wheel) = (Directory::default(), Wheel::new(Instant::now()));
    let silent = client(&directory, &wheel, 600).await;
    let patient = client(&directory, &wheel, u16::MAX).await;
    tokio::time::advance(Duration::from_secs(60_000)).await;
    wheel.turn(Instant::now());
    assert!(silent.session.heard.is_overdue());
    assert!(!patient.session.heard.is_overdue());
}
