use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::*;
use crate::codec::{Connect, Version};
use crate::limits;

fn connect(clean: bool, receive_maximum: u16) -> Connect {
    Connect {
        version: Version::V4,
        client_id: "c".into(),
        clean,
        keep_alive_seconds: 0,
        session_expiry: None,
        receive_maximum,
        packet_max: u32::MAX,
        will: None,
    }
}

fn message(qos: Qos, payload: usize) -> Message {
    Message::plain("t".into(), Bytes::from(vec![0; payload]), qos)
}

async fn claim(directory: &Directory, connect: &Connect) -> Arc<Session> {
    directory.claim("c", connect, None).await.unwrap().session
}

fn take(session: &Session) -> Poll<Option<Order>> {
    session.poll_ready(&Context::from_waker(Waker::noop()), &mut Vec::new())
}

#[tokio::test]
async fn the_outbox_is_bounded_in_bytes() {
    let directory = Directory::default();
    let session = claim(&directory, &connect(true, 100)).await;
    // Header, topic length and topic take 7 of them.
    let frame = 1_024;
    for _ in 0..limits::OUTBOX_BYTES_MAX / frame {
        assert_eq!(
            session.deliver(message(Qos::AtMostOnce, frame - 6)),
            Delivery::Taken
        );
    }
    assert_eq!(
        session.deliver(message(Qos::AtMostOnce, 1)),
        Delivery::CutOff
    );
    assert_eq!(take(&session), Poll::Ready(Some(Order::CutOff)));
}

#[tokio::test]
async fn what_waits_for_acknowledgments_is_bounded_with_it() {
    let directory = Directory::default();
    let session = claim(&directory, &connect(true, 1)).await;
    let payload = limits::OUTBOX_BYTES_MAX / 4;
    for _ in 0..4 {
        assert_eq!(
            session.deliver(message(Qos::AtLeastOnce, payload - 64)),
            Delivery::Taken
        );
    }
    assert_eq!(
        session.deliver(message(Qos::AtLeastOnce, 1_024)),
        Delivery::CutOff
    );
}

#[tokio::test]
async fn a_session_that_is_away_keeps_the_newest_messages() {
    let directory = Directory::default();
    let session = claim(&directory, &connect(false, 100)).await;
    assert!(directory.release(&session).is_none(), "the session is kept");
    assert_eq!(
        session.deliver(message(Qos::AtMostOnce, 1)),
        Delivery::Dropped
    );
    for _ in 0..limits::OFFLINE_MESSAGES_MAX {
        assert_eq!(
            session.deliver(message(Qos::AtLeastOnce, 1)),
            Delivery::Taken
        );
    }
    assert_eq!(
        session.deliver(message(Qos::AtLeastOnce, 1)),
        Delivery::Displaced
    );
    let large = message(Qos::AtLeastOnce, limits::OUTBOX_BYTES_MAX);
    assert_eq!(session.deliver(large), Delivery::Displaced);
    let again = claim(&directory, &connect(false, 100)).await;
    assert!(Arc::ptr_eq(&session, &again));
    assert_eq!(
        take(&session),
        Poll::Pending,
        "a message that fills all bounds went, too"
    );
}

#[tokio::test]
async fn packet_ids_are_never_zero_and_never_in_use() {
    let directory = Directory::default();
    let session = claim(&directory, &connect(true, 100)).await;
    session.lock().next_id = u16::MAX;
    session.deliver(message(Qos::AtLeastOnce, 0));
    session.deliver(message(Qos::AtLeastOnce, 0));
    let ids = |session: &Session| {
        session
            .lock()
            .unacknowledged
            .iter()
            .map(|sent| sent.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&session), [u16::MAX, 1]);
    session.lock().next_id = 1;
    session.deliver(message(Qos::AtLeastOnce, 0));
    assert_eq!(ids(&session), [u16::MAX, 1, 2]);
    session.acknowledge(1);
    session.acknowledge(77);
    assert_eq!(ids(&session), [u16::MAX, 2]);
}

#[tokio::test(start_paused = true)]
async fn sessions_end_when_they_are_due_and_not_before() {
    let directory = Directory::default();
    let session = claim(&directory, &connect(false, 100)).await;
    assert!(directory.release(&session).is_none());
    let due = Instant::now() + limits::SESSION_EXPIRY_V4;
    assert!(
        directory
            .expire(due.checked_sub(Duration::from_millis(1)).unwrap())
            .is_empty()
    );
    // Who comes back and leaves again begins a new period.
    tokio::time::advance(Duration::from_secs(10)).await;
    let session = claim(&directory, &connect(false, 100)).await;
    assert!(directory.release(&session).is_none());
    assert!(directory.expire(due).is_empty());
    assert_eq!(directory.expire(due + Duration::from_secs(10)).len(), 1);
    assert_eq!(
        session.deliver(message(Qos::AtLeastOnce, 1)),
        Delivery::Dropped
    );
    assert!(
        !directory
            .claim("c", &connect(false, 100), None)
            .await
            .unwrap()
            .present
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_let_go_costs_the_newcomer_a_bounded_time() {
    let directory = Directory::default();
    let _held = claim(&directory, &connect(false, 100)).await;
    let began = Instant::now();
    assert!(
        directory
            .claim("c", &connect(false, 100), None)
            .await
            .is_err()
    );
    assert_eq!(began.elapsed(), limits::TAKE_OVER_TIME_MAX);
    // A clean start does not wait.
    assert!(
        !directory
            .claim("c", &connect(true, 100), None)
            .await
            .unwrap()
            .present
    );
}

#[tokio::test]
async fn the_number_of_kept_sessions_is_bounded() {
    let directory = Directory::default();
    let kept = connect(false, 1);
    for number in 0..=limits::OFFLINE_SESSIONS_MAX {
        let session = directory
            .claim(&number.to_string(), &kept, None)
            .await
            .unwrap()
            .session;
        let ended = directory.release(&session);
        assert_eq!(ended.is_some(), number == limits::OFFLINE_SESSIONS_MAX);
    }
}

#[tokio::test]
async fn what_is_not_acknowledged_is_bounded_in_bytes() {
    let directory = Directory::default();
    let session = claim(&directory, &connect(false, 100)).await;
    let payload = limits::OUTBOX_BYTES_MAX / 4;
    let mut sent = 0;
    for _ in 0..7 {
        session.deliver(message(Qos::AtLeastOnce, payload));
        let mut out = Vec::new();
        // The client reads all of it, and acknowledges nothing.
        if let Poll::Ready(order) =
            session.poll_ready(&Context::from_waker(Waker::noop()), &mut out)
        {
            assert_eq!(order, None);
            sent += out.len() / payload;
        }
    }
    assert_eq!(sent, 4, "the fourth reaches the bound");
    assert!(directory.held_bytes() <= 2 * limits::OUTBOX_BYTES_MAX);
    session.acknowledge(1);
    let mut out = Vec::new();
    let ready = session.poll_ready(&Context::from_waker(Waker::noop()), &mut out);
    assert_eq!(
        ready,
        Poll::Ready(None),
        "one goes when one is acknowledged"
    );
    assert_eq!(out.len() / payload, 1);
    drop(session);
    drop(directory);
}

#[tokio::test]
async fn what_all_sessions_hold_is_bounded() {
    let directory = Directory::default();
    let leave = async |name: &str| {
        let claimed = directory.claim(name, &connect(false, 100), None).await;
        let session = claimed.unwrap().session;
        assert!(directory.release(&session).is_none());
        session
    };
    let payload = limits::OUTBOX_BYTES_MAX / 4;
    let shared = message(Qos::AtLeastOnce, payload);
    let mut sessions = Vec::new();
    for number in 0..limits::HELD_BYTES_MAX / limits::OUTBOX_BYTES_MAX * 2 {
        let session = leave(&format!("c{number}")).await;
        for _ in 0..3 {
            session.deliver(shared.clone());
        }
        assert!(directory.held_bytes() <= limits::HELD_BYTES_MAX);
        sessions.push(session);
    }
    assert!(directory.held_bytes() > limits::HELD_BYTES_MAX - payload);
    let late = leave("late").await;
    assert_eq!(late.deliver(shared.clone()), Delivery::Displaced);
    // Who comes back and reads makes room for others.
    let back = directory.claim("c0", &connect(false, 100), None).await;
    let back = back.unwrap().session;
    for id in 1..=3 {
        back.acknowledge(id);
    }
    assert_eq!(late.deliver(shared), Delivery::Taken);
    let held = directory.held_bytes();
    // And so does who ends its session.
    let ended = directory.claim("c1", &connect(true, 100), None).await;
    assert!(ended.unwrap().ended.is_some());
    drop(sessions);
    assert!(directory.held_bytes() + 3 * payload <= held);
}
