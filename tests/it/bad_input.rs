//! Bad input against the real process: it stays up, never blames itself, and goes on serving others.

mod mutations;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::CDF;
use shipslog_tests::mqtt::Version;

use crate::devices::template;

/// The longest that a connection may be left open that does not go on.
const PATIENCE: Duration = Duration::from_secs(40);

/// Numbers that look random and are the same in every run.
pub(crate) struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}

/// Sends bytes on a connection of their own and reads until the service closes it, or has nothing more to say.
fn exchange(address: &str, bytes: &[u8], patience: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    // Whoever refuses early need not read everything.
    stream.write_all(bytes).ok();
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return answer;
            }
            Err(_) => return answer,
        }
    }
}

/// The status of an answer; nothing if the connection was just closed.
fn status(answer: &[u8]) -> Option<u16> {
    let line = String::from_utf8_lossy(answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    line.split(' ').nth(1)?.parse().ok()
}

fn is_well(fleet: &mut TestFleet) {
    assert!(fleet.is_running());
    let http = fleet.http();
    assert_eq!(http.get("/healthz").status, 200);
    assert_eq!(http.get("/readyz").status, 200);
    let name = format!("well-{}", fleet.pid());
    http.create_things([name.as_str()]);
    let device = fleet.mqtt(&name, Version::V5);
    device.accepted(&format!("$aws/things/{name}/jobs/get"), &json!({}));
    http.iot("DELETE", &format!("/things/{name}"), &Value::Null);
}

#[test]
fn noise_on_the_http_socket_is_refused() {
    let mut fleet = TestFleet::start();
    let address = fleet.address("http");
    let mut noise = Noise(7);
    let soon = Duration::from_millis(300);
    for round in 0..60 {
        let mut bytes = noise.bytes(1 + round * 37);
        if round % 2 == 0 {
            bytes.extend_from_slice(b"\r\n\r\n");
        }
        let answer = exchange(&address, &bytes, soon);
        assert!(
            status(&answer).is_none_or(|status| (400..500).contains(&status)),
            "{round}"
        );
    }
    let with_header = |header: &str| {
        format!(
            "GET /templates HTTP/1.1\r\nhost: x\r\naccept: {CDF}\r\nconnection: close\r\n{header}\r\n\r\n"
        )
    };
    let many: String = (0..5_000)
        .map(|number| format!("x-{number}: y\r\n"))
        .collect();
    for (request, expected) in [
        (with_header(many.trim_end()), 431),
        (
            with_header(&format!("x-long: {}", "y".repeat(100_000))),
            431,
        ),
        (with_header("content-length: -1"), 400),
        (with_header("content-length: 99999999999999999999999"), 400),
        (with_header("expect: 100-continue"), 200),
        (
            format!(
                "GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
                "a".repeat(100_000)
            ),
            414,
        ),
        (
            "GET /%ff%fe HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
            400,
        ),
        (
            "BREW /templates HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
            415,
        ),
        ("GET /templates HTTP/9.9\r\nhost: x\r\n\r\n".to_owned(), 400),
    ] {
        let answer = exchange(&address, request.as_bytes(), PATIENCE);
        let start: String = request.chars().take(120).collect();
        let status = status(&answer);
        let is_refusal = status.is_none_or(|status| (400..500).contains(&status));
        assert!(
            status == Some(expected) || (expected != 200 && is_refusal),
            "{start}: {status:?}"
        );
    }
    is_well(&mut fleet);
}

#[test]
fn bodies_beyond_a_limit_are_refused_by_its_name() {
    let mut fleet = TestFleet::start();
    let http = fleet.http();
    let cdf = [("accept", CDF), ("content-type", CDF)];
    let json_type = [("content-type", "application/json")];
    let deep = format!("{{\"name\":{}{}}}", "[".repeat(4_000), "]".repeat(4_000));
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(17 * 1024 * 1024));
    for (method, path, headers, too_long) in [
        ("POST", "/templates", &cdf[..], 413),
        ("POST", "/coreTasks", &cdf, 413),
        ("PUT", "/provisioningTemplates/t", &json_type, 413),
        // The model of CreateJob has no other refusal for it.
        ("PUT", "/jobs/job", &json_type, 400),
        ("POST", "/admin/clock", &json_type, 413),
    ] {
        let reply = http.send(method, path, headers, deep.as_bytes());
        assert_eq!(reply.status, 400, "{path}: {}", reply.text());
        // A refusal may come before all was sent, so the connection may just end.
        if let Some(reply) = http.try_send(method, path, headers, long.as_bytes()) {
            assert_eq!(reply.status, too_long, "{path}: {}", reply.text());
        }
        for broken in [
            &b"{"[..],
            b"\xff\xfe",
            b"[]",
            b"\"text\"",
            b"nul",
            b"{\"name\":\"\\ud800\"}",
            b"{\"a\":1}{\"a\":2}",
        ] {
            let reply = http.send(method, path, headers, broken);
            assert!(
                (400..500).contains(&reply.status),
                "{path} {broken:?}: {}",
                reply.text()
            );
        }
    }
    let mut many = template("edge", "1");
    let component = |number: u32| json!({ "key": format!("c{number}"), "version": "1" });
    many["components"] = (0..201).map(component).collect();
    let reply = http.cdf("POST", "/templates", &many);
    assert_eq!(reply.status, 413, "{}", reply.text());
    assert!(
        reply.text().contains("200"),
        "the limit is named: {}",
        reply.text()
    );
    let names: Vec<String> = (0..10_001).map(|number| format!("c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reply = http.cdf(
        "POST",
        "/coreTasks",
        &shipslog_tests::http::core_task("t", &names),
    );
    assert_eq!(reply.status, 413, "{}", reply.text());
    assert!(
        reply.text().contains("10000"),
        "the limit is named: {}",
        reply.text()
    );
    is_well(&mut fleet);
}

#[test]
fn clients_that_do_not_go_on_are_left_behind() {
    let mut fleet = TestFleet::start();
    let http = fleet.address("http");
    let mqtt = fleet.address("mqtt");
    let body = format!(
        "POST /templates HTTP/1.1\r\nhost: x\r\naccept: {CDF}\r\ncontent-type: {CDF}\r\ncontent-length: 100\r\n\r\n{{"
    );
    let starts: [(&str, &[u8]); 5] = [
        (&http, b"GET /templates HTT"),
        (&http, b"GET /templates HTTP/1.1\r\nhost: x\r\nx-slow: "),
        (&http, body.as_bytes()),
        (&mqtt, b"\x10"),
        (&mqtt, b"\x10\x40\x00\x04MQTT\x04\x02"),
    ];
    let mut open: Vec<TcpStream> = Vec::new();
    for _ in 0..40 {
        for (address, start) in starts {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(start).unwrap();
            open.push(stream);
        }
    }
    // Others are served meanwhile.
    is_well(&mut fleet);
    for mut stream in open {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let is_open = read.is_err_and(|error| {
            matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        });
        assert!(!is_open, "a client that does not go on is cut off");
        assert!(
            status(&answer).is_none_or(|status| status < 500),
            "{answer:?}"
        );
    }
    is_well(&mut fleet);
}

/// A CONNECT of MQTT 3.1.1 or 5 with a clean session.
fn connect(level: u8, client_id: &str) -> Vec<u8> {
    let mut rest = vec![0, 4, b'M', b'Q', b'T', b'T', level, 2, 0, 60];
    if level == 5 {
        rest.push(0);
    }
    rest.extend_from_slice(&u16::try_from(client_id.len()).unwrap().to_be_bytes());
    rest.extend_from_slice(client_id.as_bytes());
    packet(0x10, &rest)
}

/// A packet with its length.
fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = rest.len();
    loop {
        let low = u8::try_from(length % 128).unwrap();
        length /= 128;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// A publication of quality 0.
fn publish(level: u8, topic: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut rest = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
    rest.extend_from_slice(topic);
    if level == 5 {
        rest.push(0);
    }
    rest.extend_from_slice(payload);
    packet(0x30, &rest)
}

#[test]
fn noise_on_the_mqtt_socket_ends_its_connection_alone() {
    let mut fleet = TestFleet::start();
    let address = fleet.address("mqtt");
    let witness = fleet.mqtt("witness", Version::V4);
    witness.subscribe("alive", 1);
    let mut noise = Noise(11);
    let soon = Duration::from_millis(200);
    for round in 0..60 {
        exchange(&address, &noise.bytes(1 + round * 17), soon);
    }
    for level in [4, 5] {
        let mut malformed: Vec<Vec<u8>> = vec![
            vec![0x30, 0xff, 0xff, 0xff, 0xff, 0xff],
            packet(0x30, &vec![0; 400_000]),
            publish(level, b"a/+/b", b"x"),
            publish(level, b"", b"x"),
            publish(level, b"\xff\xfe", b"x"),
            publish(level, b"nul\0", b"x"),
            publish(level, &[b'a'; 2_000], b"x"),
            publish(level, b"big", &vec![b'x'; 200_000]),
            connect(level, "again"),
            packet(0x36, b"\x00\x01a\x00\x01x"),
            packet(0x82, b""),
            packet(0x82, b"\x00\x00\x00\x01a\x01"),
            packet(0xa2, b"\x00\x01"),
            packet(0x00, b""),
            packet(0xf0, b"\x00"),
        ];
        for _ in 0..40 {
            let length = 1 + usize::try_from(noise.next() % 200).unwrap();
            malformed.push(noise.bytes(length));
        }
        for (number, bad) in malformed.iter().enumerate() {
            let mut bytes = connect(level, &format!("noisy-{level}-{number}"));
            bytes.extend_from_slice(bad);
            let answer = exchange(&address, &bytes, soon);
            assert_eq!(
                answer.first(),
                Some(&0x20),
                "CONNACK came before all else: {number}"
            );
        }
    }
    for bad in [
        &connect(3, "old")[..],
        &connect(6, "new"),
        &connect(4, &"x".repeat(200)),
        &packet(0x10, b"\x00\x04MQTT"),
    ] {
        exchange(&address, bad, soon);
    }
    witness.publish("alive", "yes");
    assert_eq!(witness.take("alive").text(), "yes", "others notice nothing");
    is_well(&mut fleet);
}

#[test]
fn payloads_on_reserved_topics_can_be_anything() {
    let mut fleet = TestFleet::start();
    // A device is not told why its health is not taken; the log is.
    fleet.expect_in_log("health message");
    let http = fleet.http();
    http.create_things(["pump"]);
    http.create_job("job", &["pump"], Value::Null).expect(200);
    let device = fleet.mqtt("pump", Version::V5);
    let mut noise = Noise(13);
    let deep = [vec![b'['; 20_000], vec![b']'; 20_000]].concat();
    let deep_object = [
        b"{\"statusDetails\":".repeat(2_000),
        b"1".to_vec(),
        b"}".repeat(2_000),
    ]
    .concat();
    let mut payloads = vec![
        deep,
        deep_object,
        vec![b'x'; 60_000],
        b"\xff".to_vec(),
        b"null".to_vec(),
        b"1e999".to_vec(),
    ];
    payloads.push(
        json!({ "status": "IN_PROGRESS", "expectedVersion": "99999999999999999999999" })
            .to_string()
            .into_bytes(),
    );
    payloads.push(
        json!({ "status": ["IN_PROGRESS"], "statusDetails": [], "clientToken": 7 })
            .to_string()
            .into_bytes(),
    );
    payloads.extend((0..12).map(|round| noise.bytes(1 + round * 7)));
    for payload in payloads {
        for operation in [
            "get",
            "start-next",
            "$next/get",
            "job/get",
            "job/update",
            "job/namespace-x/update",
            "a/b/c/d/e",
        ] {
            let (_, reply) = device.request_bytes(
                &format!("$aws/things/pump/jobs/{operation}"),
                payload.clone(),
            );
            assert!(reply["timestamp"].is_u64(), "{reply}");
            let code = reply["code"].as_str().unwrap_or_default();
            assert!(
                code != "InternalError" && code != "RequestThrottled",
                "{operation}: {reply}"
            );
        }
        device.publish("$aws/things/pump/greengrassv2/health/json", payload.clone());
        device.publish(
            "$aws/things/no such thing/greengrassv2/health/json",
            payload.clone(),
        );
        device.publish("$aws/certificates/create/json", payload);
    }
    assert_eq!(
        http.execution("job", "pump")["versionNumber"],
        2,
        "start-next ignores what it does not know; nothing else was taken"
    );
    is_well(&mut fleet);
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_delays_nobody() {
    const NOTIFY_NEXT: &str = "$aws/things/pump/jobs/notify-next";
    let mut fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump"]);
    let mut deaf = TcpStream::connect(fleet.address("mqtt")).unwrap();
    let mut filter = u16::try_from(NOTIFY_NEXT.len())
        .unwrap()
        .to_be_bytes()
        .to_vec();
    filter.extend_from_slice(NOTIFY_NEXT.as_bytes());
    let subscribe = packet(0x82, &[&[0, 1], &filter[..], &[0]].concat());
    deaf.write_all(&[connect(4, "deaf"), subscribe].concat())
        .unwrap();
    let mut answer = [0; 9];
    deaf.read_exact(&mut answer).unwrap();
    assert_eq!((answer[0], answer[4]), (0x20, 0x90), "CONNACK and SUBACK");
    let witness = fleet.mqtt("witness", Version::V5);
    witness.subscribe(NOTIFY_NEXT, 0);
    // More than sockets and the outbox of a client hold together.
    let document = json!({ "noise": "x".repeat(30_000) }).to_string();
    for number in 0..400 {
        let job = format!("job-{number}");
        http.create_job(&job, &["pump"], json!({ "document": document }))
            .expect(200);
        assert_eq!(witness.take(NOTIFY_NEXT).json()["execution"]["jobId"], job);
        http.iot("PUT", &format!("/jobs/{job}/cancel"), &json!({}))
            .expect(200);
        assert_eq!(witness.take(NOTIFY_NEXT).json().get("execution"), None);
    }
    deaf.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    match deaf.read_to_end(&mut rest) {
        Ok(_) => assert!(rest.len() < 400 * document.len(), "it was cut off"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    is_well(&mut fleet);
}
