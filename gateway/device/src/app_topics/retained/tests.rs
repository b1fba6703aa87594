use bytes::Bytes;
use tokio::time::Duration;

use super::*;
use crate::codec::Qos;

const AT: Timestamp = Timestamp(7);

fn publication(topic: &str, payload: &'static str) -> Publication {
    Publication {
        topic: topic.into(),
        qos: Qos::AtMostOnce,
        retain: true,
        sender: 1,
        expires: None,
        properties: Bytes::new(),
        payload: Bytes::from_static(payload.as_bytes()),
    }
}

fn topics(store: &Store, filter: &str) -> Vec<String> {
    store
        .matching(filter, Instant::now())
        .iter()
        .map(|publication| publication.topic.to_string())
        .collect()
}

#[test]
fn the_last_message_stays_until_an_empty_one() {
    let store = Store::default();
    store.set(&publication("a/1", "one"), AT).unwrap();
    store.set(&publication("a/2", "two"), AT).unwrap();
    store.set(&publication("a/1", "three"), AT).unwrap();
    assert_eq!(topics(&store, "a/+"), ["a/1", "a/2"]);
    assert_eq!(store.matching("a/1", Instant::now())[0].payload, "three");
    store.set(&publication("a/1", ""), AT).unwrap();
    assert_eq!(topics(&store, "#"), ["a/2"]);
    assert_eq!(store.lock().bytes, 6);
}

#[test]
fn an_expired_message_is_not_sent() {
    let store = Store::default();
    let now = Instant::now();
    let mut short = publication("a", "x");
    short.expires = Some(now + Duration::from_secs(1));
    store.set(&short, AT).unwrap();
    assert_eq!(store.matching("a", now).len(), 1);
    assert_eq!(store.matching("a", now + Duration::from_secs(1)).len(), 0);
    store.expire(now + Duration::from_secs(1));
    assert_eq!(store.lock().bytes, 0);
}

#[test]
fn the_number_of_messages_is_bounded() {
    let store = Store::default();
    for number in 0..limits::RETAINED_MESSAGES_MAX {
        store
            .set(&publication(&format!("t/{number}"), "x"), AT)
            .unwrap();
    }
    assert_eq!(store.set(&publication("one/more", "x"), AT), Err(Full));
    store.set(&publication("t/0", "replaced"), AT).unwrap();
    store.set(&publication("t/0", ""), AT).unwrap();
    store.set(&publication("one/more", "x"), AT).unwrap();
}
#[test]
fn the_bytes_of_messages_are_bounded() {
    const BYTES: usize = 128 * 1024;
    static PAYLOAD: [u8; BYTES] = [0; BYTES];
    let store = Store::default();
    let large = |topic: &str| Publication {
        payload: Bytes::from_static(&PAYLOAD),
        ..publication(topic, "")
    };
    let fitting = limits::RETAINED_BYTES_MAX / (BYTES + 7);
    for number in 0..fitting {
        store.set(&large(&format!("t/{number:05}")), AT).unwrap();
    }
    assert_eq!(store.set(&large("one/more"), AT), Err(Full));
    store.set(&publication("t/00000", ""), AT).unwrap();
    store.set(&large("one/mor"), AT).unwrap();
}
