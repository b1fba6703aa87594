//! Clients that want to harm the service: it stays small, and a good client beside them keeps its latency.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shipslog_tests::fleet::TestFleet;
use shipslog_tests::wait::{BOUND, wait_for};

/// The longest that a good client waits for an answer while others attack.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest payload of a publication.
const PAYLOAD: usize = 128 * 1024;
const MIB: u64 = 1024 * 1024;

/// A client that sends what bytes it likes.
struct Raw(TcpStream);

impl Raw {
    fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        Self(stream)
    }

    /// A client with an MQTT 3.1.1 session.
    fn connect(address: &str, name: &str) -> Self {
        let mut client = Self::open(address);
        client.send(&packet(0x10, &connect_body(name)));
        assert_eq!(client.receive(4), [0x20, 2, 0, 0]);
        client
    }

    /// `false`: the service has closed the connection.
    fn send(&mut self, bytes: &[u8]) -> bool {
        match self.0.write_all(bytes) {
            Ok(()) => true,
            Err(error) => {
                let closed = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                assert!(closed.contains(&error.kind()), "{error}");
                false
            }
        }
    }

    fn receive(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn ping(&mut self) {
        self.send(&[0xC0, 0]);
        assert_eq!(self.receive(2), [0xD0, 0]);
    }

    fn subscribe(&mut self, filter: &str) {
        self.send(&subscribe(&[filter]));
        assert_eq!(self.receive(5)[..2], [0x90, 3]);
    }
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7F).unwrap();
        length >>= 7;
        bytes.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn connect_body(name: &str) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend_from_slice(&[4, 2, 0, 60]);
    body.extend_from_slice(&text(name));
    body
}

fn subscribe(filters: &[&str]) -> Vec<u8> {
    let mut body = vec![0, 1];
    for filter in filters {
        body.extend_from_slice(&text(filter));
        body.push(1);
    }
    packet(0x82, &body)
}

fn publish(first: u8, topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = text(topic);
    if first & 0b110 != 0 {
        body.extend_from_slice(&[0, 1]);
    }
    body.extend_from_slice(payload);
    packet(first, &body)
}

/// A client that asks for an answer again and again, and knows how long the slowest took.
struct Good {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(u32, Duration)>,
}

impl Good {
    fn start(address: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, address) = (Arc::clone(&stop), address.to_owned());
        let thread = std::thread::spawn(move || {
            let mut client = Raw::connect(&address, "good");
            client.subscribe("good/echo");
            let (mut count, mut slowest) = (0, Duration::ZERO);
            while !stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let echo = publish(0x30, "good/echo", b"hello");
                client.send(&echo);
                assert_eq!(client.receive(echo.len()), echo);
                slowest = slowest.max(begun.elapsed());
                count += 1;
                // Not in a hurry: it shall notice delays, and not cause any.
                std::thread::sleep(Duration::from_millis(2));
            }
            (count, slowest)
        });
        Self { stop, thread }
    }

    fn finish(self) -> (u32, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn memory(fleet: &TestFleet) -> u64 {
    let path = format!("/proc/{}/statm", fleet.pid());
    let statm = std::fs::read_to_string(path).unwrap();
    let pages = statm.split(' ').nth(1).unwrap();
    pages.parse::<u64>().unwrap() * 4096
}

/// Attacks a service of its own, which may grow by `growth` and must not make a good client wait.
fn withstand(growth: u64, attack: impl FnOnce(&TestFleet, &str)) {
    let fleet = TestFleet::start();
    let address = fleet.address("mqtt");
    // What a first client costs once is not the attack's.
    Raw::connect(&address, "first").ping();
    let before = memory(&fleet);
    let good = Good::start(&address);
    attack(&fleet, &address);
    let grown = memory(&fleet).saturating_sub(before);
    let (count, slowest) = good.finish();
    assert!(count > 0 && slowest < PATIENCE, "{count}: {slowest:?}");
    assert!(grown < growth, "grown by {} KiB", grown / 1024);
}

fn figure(fleet: &TestFleet, name: &str, label: &str) -> u64 {
    let metrics = fleet.http().get("/metrics").text();
    let line = metrics.lines().find(|line| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.starts_with([' ', '{']) && rest.contains(label)
    });
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.map_or(0, |value| value.split('.').next().unwrap().parse().unwrap())
}

#[test]
fn clients_that_stall_in_connect() {
    withstand(32 * MIB, |_, address| {
        let connect = packet(0x10, &connect_body("stalled"));
        let mut all: Vec<Raw> = (0..1_000).map(|_| Raw::open(address)).collect();
        for (number, client) in all.iter_mut().enumerate() {
            client.send(&connect[..1 + number % (connect.len() - 2)]);
        }
        Raw::connect(address, "newcomer").ping();
    });
}

#[test]
fn packets_that_never_end() {
    // The bound is 128 MiB; beside it there are what the allocator keeps and 1,500 connections.
    withstand(224 * MIB, |fleet, address| {
        let part = publish(0x30, "t", &vec![0; PAYLOAD]);
        let mut connect = connect_body("half");
        connect.resize(PAYLOAD, 0);
        let connect = packet(0x10, &connect);
        let mut all = Vec::new();
        for number in 0..1_500 {
            let client = if number % 3 == 0 {
                let mut client = Raw::open(address);
                client.send(&connect[..connect.len() - 1]);
                client
            } else {
                let mut client = Raw::connect(address, &format!("half-{number}"));
                client.send(&part[..part.len() - 1]);
                client
            };
            all.push(client);
        }
        wait_for("the oldest give way", BOUND, || {
            let ended = "shipslog_device_connections_ended_total";
            (figure(fleet, ended, "unfinished_packet") > 100).then_some(())
        });
    });
}

#[test]
fn a_flood_of_subscriptions() {
    withstand(64 * MIB, |_, address| {
        for number in 0..50 {
            let mut client = Raw::connect(address, &format!("subscriber-{number}"));
            for round in 0..50 {
                let names: Vec<String> = (0..40)
                    .map(|name| format!("$aws/things/T{number}-{round}-{name}/jobs/notify"))
                    .collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                client.send(&subscribe(&names));
            }
            client.ping_after_answers();
        }
    });
}

impl Raw {
    /// Reads everything up to the answer to a ping.
    fn ping_after_answers(&mut self) {
        self.send(&[0xC0, 0]);
        loop {
            let head = self.receive(2);
            if head == [0xD0, 0] {
                return;
            }
            assert!(head[1] < 0x80, "short answers");
            self.receive(usize::from(head[1]));
        }
    }
}

#[test]
fn a_flood_that_nobody_acknowledges_or_reads() {
    // 100 clients with 256 KiB each, and as much that is on its way to their sockets.
    withstand(128 * MIB, |_, address| {
        let mut all = Vec::new();
        for number in 0..100 {
            let mut client = Raw::connect(address, &format!("deaf-{number}"));
            client.subscribe("flood/#");
            all.push(client);
        }
        let mut publisher = Raw::connect(address, "publisher");
        let message = publish(0x32, "flood/1", &[7; 16 * 1024]);
        for _ in 0..500 {
            if !publisher.send(&message) {
                break;
            }
        }
        assert_eq!(publisher.receive(4), [0x40, 2, 0, 1]);
    });
}

#[test]
fn retained_messages_without_end() {
    // The bound is 64 MiB; the allocator keeps some of what passed through.
    withstand(144 * MIB, |_, address| {
        let mut client = Raw::connect(address, "hoarder");
        let payload = vec![7; PAYLOAD];
        for number in 0..2_000 {
            client.send(&publish(0x31, &format!("hoard/{number}"), &payload));
        }
        client.ping();
    });
}

#[test]
fn topics_without_end() {
    withstand(32 * MIB, |_, address| {
        let mut client = Raw::connect(address, "wanderer");
        for number in 0..100_000 {
            client.send(&publish(0x30, &format!("a/{number}/b"), b"x"));
        }
        client.ping();
    });
}

#[test]
fn a_storm_of_reconnects() {
    withstand(64 * MIB, |fleet, address| {
        for number in 0..4_000 {
            let mut client = Raw::connect(address, &format!("storm-{}", number % 50));
            if number % 2 == 0 {
                client.send(&[0xE0, 0]);
            }
        }
        wait_for("all are gone", BOUND, || {
            // The good client stays.
            (figure(fleet, "shipslog_device_connections", "") <= 1).then_some(())
        });
    });
}
