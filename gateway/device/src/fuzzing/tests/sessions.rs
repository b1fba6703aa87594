//! Whole conversations over pipes, with one thing wrong in each: only its own connection ends, with the right reason,
//! nothing panics, nothing of it stays, and a good client beside it goes on.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::mutation::{Dice, mutate};
use crate::codec::Version;
use crate::limits;
use crate::testing::{
    Client, PATIENCE, TestEdge, connect_with, packet, publish, subscribe, text, unsubscribe,
};

/// Conversations for so many mutations of the other targets: they take that much longer.
const SHARE: u64 = 20;
/// How often the good client is asked.
const GOOD_EVERY: u64 = 25;
/// Connections that talk at the same time.
const TOGETHER: u64 = 8;

/// What is wrong with a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// It ends in the middle of a packet.
    Truncated,
    /// A packet that is longer than packets may be.
    Oversize,
    InvalidUtf8,
    SecondConnect,
    /// A packet that only servers send.
    ServerPacket,
    /// A publication before CONNECT.
    NoConnect,
    QosTwo,
    WildcardTopic,
    /// Packets after CONNECT in another order.
    OutOfOrder,
    /// Anything.
    Mutated,
}

const WRONGS: [Wrong; 14] = [
    Wrong::Nothing,
    Wrong::Truncated,
    Wrong::Oversize,
    Wrong::InvalidUtf8,
    Wrong::SecondConnect,
    Wrong::ServerPacket,
    Wrong::NoConnect,
    Wrong::QosTwo,
    Wrong::WildcardTopic,
    Wrong::OutOfOrder,
    Wrong::Mutated,
    Wrong::Mutated,
    Wrong::Mutated,
    Wrong::Mutated,
];

impl Wrong {
    /// The reason that an MQTT 5 client is told, where there is one and only one.
    const fn reason(self) -> Option<u8> {
        match self {
            Self::Oversize => Some(0x95),
            Self::InvalidUtf8 => Some(0x81),
            Self::SecondConnect | Self::ServerPacket => Some(0x82),
            Self::QosTwo => Some(0x9B),
            Self::WildcardTopic => Some(0x90),
            Self::Nothing
            | Self::Truncated
            | Self::NoConnect
            | Self::OutOfOrder
            | Self::Mutated => None,
        }
    }
}

/// A conversation of a client that does nothing wrong.
fn script(dice: &mut Dice, name: &str, version: Version) -> Vec<Vec<u8>> {
    let level = match version {
        Version::V4 => 4,
        Version::V5 => 5,
    };
    let thing = *dice.pick(&["T", "U", "nobody"]);
    let mut packets = vec![match dice.below(3) {
        0 => connect_with(level, name, 0, 60, &[], b""),
        1 => {
            let mut will = Vec::new();
            if level == 5 {
                will.push(0);
            }
            will.extend_from_slice(&text("fuzz/will"));
            will.extend_from_slice(&text("gone"));
            connect_with(level, name, 0x06, 60, &[], &will)
        }
        _ => connect_with(level, name, 2, 60, &[], b""),
    }];
    for step in 0..1 + dice.below(8) {
        let id = u16::try_from(step + 1).unwrap();
        let first = *dice.pick(&[0x30, 0x31, 0x32, 0x33]);
        packets.push(match dice.below(8) {
            0 => subscribe(level, id, &[("fuzz/#", 1), ("fuzz/+", 0)]),
            1 => {
                let jobs = format!("$aws/things/{thing}/jobs/#");
                subscribe(level, id, &[(&jobs, 1), ("$share/g/fuzz/a", 1)])
            }
            2 => unsubscribe(level, id, &["fuzz/#", "never"]),
            3 => publish(level, first, "fuzz/a", id, &[], b"a"),
            4 => {
                let topic = format!("$aws/things/{thing}/jobs/get");
                publish(
                    level,
                    first & 0xFE,
                    &topic,
                    id,
                    &[],
                    b"{\"clientToken\":\"t\"}",
                )
            }
            5 => {
                let topic = format!("$aws/things/{thing}/shadow/update");
                let state = br#"{"state":{"reported":{"a":1}}}"#;
                publish(level, first & 0xFE, &topic, id, &[], state)
            }
            6 => packet(0x40, &id.to_be_bytes()),
            _ => vec![0xC0, 0],
        });
    }
    packets.push(vec![0xE0, 0]);
    packets
}

/// The bytes of a conversation with something wrong.
fn spoil(dice: &mut Dice, mut packets: Vec<Vec<u8>>, version: Version, wrong: Wrong) -> Vec<u8> {
    let level = match version {
        Version::V4 => 4,
        Version::V5 => 5,
    };
    // Behind CONNECT, before DISCONNECT.
    let at = 1 + dice.below(packets.len() - 1);
    match wrong {
        Wrong::Nothing => {}
        Wrong::Truncated => {
            packets.pop();
            packets.push(publish(level, 0x32, "fuzz/long", 9, &[], &[1; 100])[..60].to_vec());
        }
        Wrong::Oversize => packets.insert(at, vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F]),
        Wrong::InvalidUtf8 => {
            let mut bad = publish(level, 0x30, "fuzz/ab", 0, &[], b"x");
            bad[9] = 0xFF;
            packets.insert(at, bad);
        }
        Wrong::SecondConnect => packets.insert(at, packets[0].clone()),
        Wrong::ServerPacket => {
            let first = *dice.pick(&[0x20, 0x90, 0xB0, 0xD0, 0xF0]);
            packets.insert(at, packet(first, &[0, 1, 0]));
        }
        Wrong::NoConnect => drop(packets.remove(0)),
        Wrong::QosTwo => packets.insert(at, publish(level, 0x34, "fuzz/a", 1, &[], b"")),
        Wrong::WildcardTopic => packets.insert(at, publish(level, 0x30, "fuzz/+", 0, &[], b"")),
        Wrong::OutOfOrder => {
            for _ in 0..packets.len() {
                let (one, other) = (dice.below(packets.len()), dice.below(packets.len()));
                packets.swap(one, other);
            }
        }
        Wrong::Mutated => return mutate(dice, &[packets.concat()]),
    }
    packets.concat()
}

/// Says everything in random pieces, hangs up, and returns what was answered.
async fn talk(edge: &TestEdge, dice: &mut Dice, bytes: &[u8]) -> Vec<u8> {
    let (ours, theirs) = tokio::io::duplex(*dice.pick(&[64, 1_024, 65_536]));
    let serving = edge.edge.clone();
    let served = tokio::spawn(async move { serving.serve_stream(theirs).await });
    let (mut read, mut write) = tokio::io::split(ours);
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at((1 + dice.below(200)).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = more;
    }
    let saying = async move {
        for piece in pieces {
            // The service may hang up first.
            if write.write_all(&piece).await.is_err() {
                break;
            }
        }
        write.shutdown().await.ok();
    };
    let mut answers = Vec::new();
    let listening = async {
        read.read_to_end(&mut answers).await.unwrap();
    };
    let talked = timeout(PATIENCE, async { tokio::join!(saying, listening) });
    talked.await.expect("the connection ends");
    let served = timeout(PATIENCE, served).await.expect("its task ends");
    served.expect("its task does not panic");
    answers
}

/// The packets of an answer, which must be whole up to a last one that may have been cut off.
fn split(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut packets = Vec::new();
    while let [first, rest @ ..] = bytes {
        let (mut length, mut size) = (0, 0);
        for byte in rest.iter().take(4) {
            length |= usize::from(byte & 0x7F) << (7 * size);
            size += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let Some(body) = rest.get(size..size + length) else {
            return packets;
        };
        packets.push((*first, body.to_vec()));
        bytes = &rest[size + length..];
    }
    packets
}

fn check(wrong: Wrong, version: Version, answers: &[(u8, Vec<u8>)]) {
    let kinds: Vec<u8> = answers.iter().map(|(first, _)| first >> 4).collect();
    // CONNACK first and once, DISCONNECT last and once, in between what servers send.
    for (at, kind) in kinds.iter().enumerate() {
        assert_eq!(*kind == 2, at == 0, "{kinds:?}");
        assert!(matches!(kind, 2 | 3 | 4 | 9 | 11 | 13 | 14), "{kinds:?}");
        assert!(*kind != 14 || at == kinds.len() - 1, "{kinds:?}");
    }
    let told = answers.last().filter(|(first, _)| *first == 0xE0);
    let told = told.map(|(_, body)| body[0]);
    if version == Version::V4 && wrong != Wrong::Mutated {
        assert_eq!(told, None, "MQTT 3.1.1 has no reasons");
    }
    match wrong {
        Wrong::Mutated | Wrong::OutOfOrder => {
            assert!(told.is_none_or(|reason| reason >= 0x80), "{told:?}");
        }
        Wrong::NoConnect => assert!(answers.is_empty(), "{answers:?}"),
        _ => {
            let expected = wrong.reason().filter(|_| version == Version::V5);
            assert_eq!(told, expected);
            assert_eq!(kinds.first(), Some(&2));
        }
    }
}

async fn good_goes_on(good: &mut Client, round: u64) {
    let begun = Instant::now();
    let payload = round.to_string();
    good.publish("good/echo", payload.as_bytes()).await;
    assert_eq!(good.message().await.text(), payload);
    assert!(begun.elapsed() < Duration::from_secs(1), "it had to wait");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_client_says_only_its_own_connection_ends() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    edge.thing("U").await;
    edge.job("J", "T").await;
    let mut good = edge.connect("good").await;
    good.subscribe(&[("good/echo", 0)]).await;
    let seed = super::seed();
    let conversations = super::runs().div_ceil(SHARE);
    for round in 0..conversations.div_ceil(TOGETHER) {
        let talks = (0..TOGETHER).map(|lane| {
            let edge = &edge;
            async move {
                // A failure names the seed and the conversation, which is played again by itself.
                let what = format!("SHIPSLOG_FUZZ_SEED={seed}, conversation {round}-{lane}");
                let mut dice = Dice::new(seed, &format!("{round}-{lane}"));
                let version = *dice.pick(&[Version::V4, Version::V5]);
                let wrong = *dice.pick(&WRONGS);
                let name = format!("fuzz-{lane}");
                let script = script(&mut dice, &name, version);
                let bytes = spoil(&mut dice, script, version, wrong);
                let shown = format!("{what}, {version:?}, {wrong:?}: {bytes:02X?}");
                let guard = Shown(shown);
                let answers = talk(edge, &mut dice, &bytes).await;
                check(wrong, version, &split(&answers));
                drop(guard);
            }
        });
        all(talks.collect()).await;
        if round % GOOD_EVERY == 0 {
            good_goes_on(&mut good, round).await;
        }
    }
    good_goes_on(&mut good, u64::MAX).await;
    nothing_stays(&edge).await;
}

/// Tells what was played if it failed.
struct Shown(String);

impl Drop for Shown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the test runner shows it")]
            {
                eprintln!("{}", self.0);
            }
        }
    }
}

/// Polls all until they are done.
async fn all(talks: Vec<impl Future<Output = ()>>) {
    let mut talks: Vec<_> = talks.into_iter().map(|talk| Some(Box::pin(talk))).collect();
    std::future::poll_fn(|cx| {
        for talk in &mut talks {
            if talk
                .as_mut()
                .is_some_and(|talk| talk.as_mut().poll(cx).is_ready())
            {
                *talk = None;
            }
        }
        match talks.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

/// Sessions, filters, places: everything is given back.
async fn nothing_stays(edge: &TestEdge) {
    let inner = edge.edge.inner();
    for ended in inner
        .directory
        .expire(Instant::now() + 2 * limits::SESSION_EXPIRY_MAX)
    {
        inner.forget(&ended);
    }
    let gone = async {
        while inner.directory.count() > 1 || edge.edge.metrics().connections.get() > 1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, gone)
        .await
        .expect("only the good client is there");
    assert_eq!(inner.topics.filters(), 1, "and its filter");
    assert_eq!(edge.edge.metrics().in_hand.get(), 0);
    assert_eq!(edge.edge.metrics().waiting.get(), 0);
}
