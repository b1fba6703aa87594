//! Streams as devices see them, over bytes, in both formats.

mod noise;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use serde_json::{Value, json};
use shipslog_domain::file_stream::{Change, Content, File};
use shipslog_domain::{Command, FileStreamName};
use shipslog_gateway_core::artifacts::{Name, Readers, Store};

use super::*;
use crate::Settings;
use crate::testing::{Client, Received, TestEdge, packet, publish, text};

const PREFIX: &str = "$aws/things/pump/streams/fw/";
const IMAGE_BYTES: usize = 382_432;

struct Bench {
    edge: TestEdge,
    store: Arc<Store>,
    _directory: tempfile::TempDir,
}

impl Bench {
    /// A stream `fw` of the files 0, an image, 7, a few bytes, and 9, which does not exist.
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&directory.path().join("artifacts")).unwrap());
        let fetched = directory.path().join("fetched");
        let settings = Settings {
            objects: Objects::open(Arc::clone(&store), None, &fetched).unwrap(),
            ..Settings::default()
        };
        let bench = Self {
            edge: TestEdge::with(settings),
            store,
            _directory: directory,
        };
        bench.put("0", &image());
        bench.put("7", b"seven");
        let content = Content {
            description: Some("two files".into()),
            role_arn: "arn:aws:iam::000000000000:role/r".into(),
            files: vec![file(0), file(7), file(9)],
            tags: Vec::new(),
        };
        let create = Command::CreateFileStream {
            name: FileStreamName::parse("fw").unwrap(),
            content: Box::new(content),
        };
        bench.edge.submit(create).await;
        bench
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        let name = Name::parse("firmware", key).unwrap();
        self.store.put(&name, bytes, Readers::Everyone).unwrap();
    }

    async fn update(&self, files: Vec<File>) {
        let update = Command::UpdateFileStream {
            name: FileStreamName::parse("fw").unwrap(),
            change: Box::new(Change {
                files: Some(files),
                ..Change::default()
            }),
        };
        self.edge.submit(update).await;
    }

    fn figure(&self, name: &str, label: &str) -> u64 {
        self.edge.edge.metrics().value(name, label)
    }
}

fn file(id: u8) -> File {
    File {
        id,
        bucket: "firmware".into(),
        key: id.to_string().into(),
        object_version: None,
        etag: None,
    }
}

fn image() -> Vec<u8> {
    let bytes = (0..IMAGE_BYTES).map(|at| ((at / 257) ^ (at % 253)).to_le_bytes()[0]);
    bytes.collect()
}

/// A request in a format. In CBOR a bitmap is bytes.
fn encode(format: Format, request: &Value) -> Vec<u8> {
    if format == Format::Json {
        return request.to_string().into_bytes();
    }
    let members = request.as_object().unwrap();
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out);
    encoder.map(members.len() as u64).unwrap();
    for (key, value) in members {
        encoder.str(key).unwrap();
        match value {
            Value::String(hex) if key == "b" => {
                let digits = hex.trim_start_matches("0x");
                let pairs = (0..digits.len()).step_by(2);
                let bytes = pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16));
                match bytes.collect::<Result<Vec<u8>, _>>() {
                    Ok(bytes) => encoder.bytes(&bytes).unwrap(),
                    Err(_) => encoder.str(hex).unwrap(),
                }
            }
            Value::String(text) => encoder.str(text).unwrap(),
            Value::Number(number) if number.is_f64() => encoder.f64(0.5).unwrap(),
            Value::Number(number) => encoder.i64(number.as_i64().unwrap()).unwrap(),
            Value::Null => encoder.null().unwrap(),
            _ => encoder.array(0).unwrap(),
        };
    }
    out
}

/// An answer as JSON, whatever its format.
fn decode(received: &Received) -> Value {
    if received.topic.ends_with("/json") {
        return received.json();
    }
    assert!(received.topic.ends_with("/cbor"), "{}", received.topic);
    let mut decoder = Decoder::new(&received.payload);
    let value = item(&mut decoder);
    assert_eq!(decoder.position(), received.payload.len());
    value
}

fn item(decoder: &mut Decoder<'_>) -> Value {
    match decoder.datatype().unwrap() {
        Type::Map => {
            let count = decoder.map().unwrap().unwrap();
            let members = (0..count).map(|_| (decoder.str().unwrap().to_owned(), item(decoder)));
            Value::Object(members.collect())
        }
        Type::Array => {
            let count = decoder.array().unwrap().unwrap();
            (0..count).map(|_| item(decoder)).collect()
        }
        Type::String => decoder.str().unwrap().into(),
        Type::Bytes => STANDARD.encode(decoder.bytes().unwrap()).into(),
        _ => decoder.u64().unwrap().into(),
    }
}

async fn ask(client: &mut Client, what: &str, format: Format, request: &Value) -> (String, Value) {
    let topic = format!("{PREFIX}{what}/{}", format.as_str());
    client.publish(&topic, &encode(format, request)).await;
    let received = client.message().await;
    let kind = received.topic.strip_prefix(PREFIX).unwrap();
    let kind = kind.strip_suffix(format.as_str()).unwrap();
    (kind.trim_end_matches('/').to_owned(), decode(&received))
}

/// Asks for blocks of the image and puts them where they belong. Returns how many came.
async fn fetch(client: &mut Client, format: Format, request: &Value, into: &mut [u8]) -> usize {
    let topic = format!("{PREFIX}get/{}", format.as_str());
    client.publish(&topic, &encode(format, request)).await;
    client.send(&[0xC0, 0]).await;
    let mut count = 0;
    loop {
        let (first, body) = client.frame().await;
        if first == 0xD0 {
            return count;
        }
        let received = client.publication(first, &body);
        assert_eq!(received.topic, format!("{PREFIX}data/{}", format.as_str()));
        let data = decode(&received);
        let number = |name: &str| usize::try_from(data[name].as_u64().unwrap()).unwrap();
        assert_eq!((number("f"), &data["c"]), (0, &request["c"]));
        let bytes = STANDARD.decode(data["p"].as_str().unwrap()).unwrap();
        assert_eq!(bytes.len(), number("l"));
        let length = usize::try_from(request["l"].as_u64().unwrap()).unwrap();
        let at = number("i") * length;
        into[at..at + bytes.len()].copy_from_slice(&bytes);
        count += 1;
    }
}

const BOTH: [Format; 2] = [Format::Json, Format::Cbor];

#[tokio::test]
async fn an_image_is_fetched_in_blocks_without_a_subscription() {
    let bench = Bench::start().await;
    let mut client = bench.edge.connect("pump").await;
    for format in BOTH {
        let mut got = vec![0; IMAGE_BYTES];
        let mut counts = Vec::new();
        for offset in [0, 16, 32] {
            let request = json!({"c": "rdy", "s": 1, "f": 0, "l": 8192, "o": offset, "n": 16});
            counts.push(fetch(&mut client, format, &request, &mut got).await);
        }
        assert_eq!(counts, [16, 16, 15]);
        assert!(got == image());
        // By bitmap alone, as the download agent asks.
        let mut got = vec![0; IMAGE_BYTES];
        let mut missing: Vec<bool> = vec![true; 187];
        let mut rounds = 0;
        while missing.contains(&true) {
            let mut bitmap = [0_u8; 24];
            for at in (0..missing.len()).filter(|at| missing[*at]) {
                bitmap[at / 8] |= 1 << (at % 8);
            }
            let hex: String = bitmap.iter().map(|byte| format!("{byte:02x}")).collect();
            let request = json!({"c": "rdy", "f": 0, "l": 2048, "o": 0, "b": format!("0x{hex}")});
            let count = fetch(&mut client, format, &request, &mut got).await;
            let came = missing.iter_mut().filter(|missing| **missing).take(count);
            came.for_each(|missing| *missing = false);
            rounds += 1;
        }
        assert!(got == image());
        assert_eq!(rounds, 3);
    }
    let sent = bench.figure("device_stream_blocks_total", "");
    assert_eq!(sent, 2 * (47 + 187));
    let bytes = bench.figure("device_stream_bytes_total", "");
    assert_eq!(bytes, 4 * IMAGE_BYTES as u64);
}

#[tokio::test]
async fn lost_blocks_are_asked_for_again_by_bitmap() {
    let bench = Bench::start().await;
    let mut client = bench.edge.connect_v5("pump").await;
    for format in BOTH {
        let mut got = image();
        for lost in [20, 21, 24, 43] {
            got[lost * 8_192..][..8_192].fill(0);
        }
        for bitmap in ["0x130080", "130080", "0X130080"] {
            let request = json!({"c": "again", "f": 0, "l": 8192, "o": 20, "b": bitmap});
            let count = fetch(&mut client, format, &request, &mut got).await;
            assert_eq!(count, 4, "{bitmap}");
            assert!(got == image());
        }
    }
    // CBOR takes hexadecimal text, too, and maps of no given length.
    let request = b"\xbf\x61c\x61t\x61f\x00\x61l\x19\x20\x00\x61o\x14\x61b\x66130080\xff";
    client.publish(&format!("{PREFIX}get/cbor"), request).await;
    for expected in [20, 21, 24, 43] {
        assert_eq!(decode(&client.message().await)["i"], expected);
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn messages_are_as_documented() {
    let bench = Bench::start().await;
    let mut client = bench.edge.connect("pump").await;
    bench.update(vec![file(0), file(7)]).await;
    let rows = [
        (
            "describe",
            r#"{"c":"t"}"#,
            "description",
            r#"{"c":"t","s":2,"d":"two files","r":[{"f":0,"z":382432},{"f":7,"z":5}]}"#,
        ),
        (
            "describe",
            "",
            "description",
            r#"{"s":2,"d":"two files","r":[{"f":0,"z":382432},{"f":7,"z":5}]}"#,
        ),
        (
            "get",
            r#"{"c":"t","f":7,"l":256}"#,
            "data",
            r#"{"c":"t","f":7,"l":5,"i":0,"p":"c2V2ZW4="}"#,
        ),
        (
            "get",
            r#"{"f":7,"l":256}"#,
            "data",
            r#"{"f":7,"l":5,"i":0,"p":"c2V2ZW4="}"#,
        ),
        (
            "get",
            r#"{"c":"t","f":8,"l":256}"#,
            "rejected",
            r#"{"o":"ResourceNotFound","m":"f: the stream has no file 8","c":"t"}"#,
        ),
    ];
    for (what, request, kind, expected) in rows {
        let received = client.ask(&format!("{PREFIX}{what}/json"), request).await;
        assert_eq!(received.topic, format!("{PREFIX}{kind}/json"));
        assert_eq!(received.text(), expected);
    }
    let (kind, described) = ask(&mut client, "describe", Format::Cbor, &json!({"c": "t"})).await;
    let expected = json!({"c": "t", "s": 2, "d": "two files", "r": [{"f": 0, "z": 382_432}, {"f": 7, "z": 5}]});
    assert_eq!((&*kind, described), ("description", expected));
    let request = json!({"c": "t", "f": 7, "l": 256});
    client
        .publish(
            &format!("{PREFIX}get/cbor"),
            &encode(Format::Cbor, &request),
        )
        .await;
    let data = client.message().await.payload;
    assert_eq!(
        data,
        b"\xa5\x61c\x61t\x61f\x07\x61l\x05\x61i\x00\x61p\x45seven"
    );
}

/// Each bound, on either side, and each code: a request, and the code, or nothing where blocks come.
fn bounds() -> Vec<(Value, Option<&'static str>)> {
    let with = |more: Value| {
        let mut request = json!({"c": "t", "f": 0, "l": 8192, "n": 1});
        let request_members = request.as_object_mut().unwrap();
        for (key, value) in more.as_object().unwrap() {
            request_members.insert(key.clone(), value.clone());
        }
        request
    };
    let invalid = Some("InvalidRequest");
    let (size, offset) = (Some("BlockSizeOutOfBounds"), Some("OffsetOutOfBounds"));
    let (count, bitmap) = (
        Some("BlockCountLimitExceeded"),
        Some("BlockBitmapLimitExceeded"),
    );
    let mut rows = vec![
        (json!({"c": "t", "l": 256}), invalid),
        (json!({"c": "t", "f": 0}), invalid),
        (json!({"c": "t", "f": null, "l": 256}), invalid),
    ];
    let more = [
        (json!({"f": 9}), Some("ResourceNotFound")),
        (json!({"f": 255}), Some("ResourceNotFound")),
        (json!({"f": 256}), invalid),
        (json!({"f": -1}), invalid),
        (json!({"f": "0"}), invalid),
        (json!({"f": 0.5}), invalid),
        (json!({"s": 1}), None),
        (json!({"s": null}), None),
        (json!({"s": 0}), Some("VersionMismatch")),
        (json!({"s": 2}), Some("VersionMismatch")),
        (json!({"s": 70_000}), Some("VersionMismatch")),
        (json!({"s": -1}), invalid),
        (json!({"s": "1"}), invalid),
        (json!({"l": 255}), size),
        (json!({"l": 256}), None),
        (json!({"l": 131_072}), None),
        (json!({"l": 131_073}), size),
        (json!({"l": 0}), size),
        (json!({"l": -256}), size),
        (json!({"l": i64::MAX}), size),
        (json!({"l": []}), invalid),
        (json!({"o": 0}), None),
        (json!({"o": 46}), None),
        (json!({"o": 47}), offset),
        (json!({"o": 98_304}), offset),
        (json!({"o": 98_305}), offset),
        (json!({"o": -1}), offset),
        (json!({"o": "0"}), invalid),
        (json!({"n": 98_304, "o": 46}), None),
        (json!({"n": 98_305}), count),
        (json!({"n": -1}), count),
        (json!({"n": []}), invalid),
        (json!({"b": "ff".repeat(12_287)}), None),
        (json!({"b": "ff".repeat(12_288)}), bitmap),
        (json!({"b": "0xzz"}), invalid),
        (json!({"b": 1}), invalid),
        (json!({"c": "x".repeat(64)}), None),
        (json!({"c": "x".repeat(65)}), invalid),
        (json!({"c": 1}), invalid),
        (json!({"unknown": [], "x": "y"}), None),
    ];
    rows.extend(more.map(|(more, code)| (with(more), code)));
    rows
}

#[tokio::test]
async fn every_bound_has_its_code_in_either_format() {
    let bench = Bench::start().await;
    let mut client = bench.edge.connect("pump").await;
    for format in BOTH {
        for (request, expected) in bounds() {
            let (kind, answer) = ask(&mut client, "get", format, &request).await;
            let what = || format!("{format:?} {:.200}", request.to_string());
            match expected {
                None => assert_eq!(kind, "data", "{} {answer}", what()),
                Some(code) => {
                    assert_eq!(
                        (&*kind, &answer["o"]),
                        ("rejected", &json!(code)),
                        "{}",
                        what()
                    );
                    assert!(!answer["m"].as_str().unwrap().is_empty());
                    let token = request["c"].as_str().filter(|token| token.len() <= 64);
                    assert_eq!(answer["c"].as_str(), token, "{}", what());
                }
            }
        }
        client.expect_nothing().await;
    }
    let refused = bench.figure("device_stream_refusals_total", "VersionMismatch");
    assert_eq!(refused, 6);
}

#[tokio::test]
async fn what_is_no_request_is_refused_in_the_format_of_its_topic() {
    let bench = Bench::start().await;
    let mut client = bench.edge.connect("pump").await;
    let rows: [(&str, &[u8], &str); 20] = [
        ("get/json", b"{", "InvalidJson"),
        ("get/json", b"\xff", "InvalidJson"),
        ("get/json", b"{} {}", "InvalidJson"),
        ("get/json", b"[]", "InvalidRequest"),
        ("get/json", b"1", "InvalidRequest"),
        ("get/json", b"", "InvalidRequest"),
        ("get/json", br#"{"f":0,"f":0,"l":256}"#, "InvalidRequest"),
        ("describe/json", br#"{"c":1}"#, "InvalidRequest"),
        ("get/cbor", b"{}", "InvalidCbor"),
        ("get/cbor", b"\xa1\x61f", "InvalidCbor"),
        ("get/cbor", b"\xa0\xa0", "InvalidCbor"),
        ("get/cbor", b"\xbf\x61f\x00", "InvalidCbor"),
        ("get/cbor", b"\xa1\x61\xff\x00", "InvalidCbor"),
        ("get/cbor", b"\x80", "InvalidRequest"),
        ("get/cbor", b"\xa0", "InvalidRequest"),
        (
            "get/cbor",
            b"\xa3\x61f\x00\x61f\x00\x61l\x19\x01\x00",
            "InvalidRequest",
        ),
        ("get/xml", b"{}", "InvalidTopic"),
        ("put/cbor", b"\xa0", "InvalidTopic"),
        ("get/json/json", b"{}", "InvalidTopic"),
        ("data/json", b"{}", "InvalidTopic"),
    ];
    for (what, payload, code) in rows {
        client.publish(&format!("{PREFIX}{what}"), payload).await;
        let received = client.message().await;
        let format = if what.ends_with("cbor") {
            "cbor"
        } else {
            "json"
        };
        assert_eq!(
            received.topic,
            format!("{PREFIX}rejected/{format}"),
            "{what}"
        );
        assert_eq!(decode(&received)["o"], code, "{what} {payload:?}");
    }
    // No operation at all, and another stream.
    for (topic, reply, code) in [
        (
            "$aws/things/pump/streams/fw",
            "$aws/things/pump/streams/fw/rejected/json",
            "InvalidTopic",
        ),
        (
            "$aws/things/pump/streams/none/describe/json",
            "$aws/things/pump/streams/none/rejected/json",
            "ResourceNotFound",
        ),
        (
            "$aws/things/pump/streams/n ne/describe/json",
            "$aws/things/pump/streams/n ne/rejected/json",
            "ResourceNotFound",
        ),
        (
            "$aws/things/pump/streams/fw/describe/json",
            "$aws/things/pump/streams/fw/rejected/json",
            "ResourceNotFound",
        ),
    ] {
        let received = client.ask(topic, "{}").await;
        assert_eq!(
            (&*received.topic, &received.json()["o"]),
            (reply, &json!(code)),
            "{topic}"
        );
    }
}

#[tokio::test]
async fn a_file_that_was_replaced_is_refused_until_the_stream_says_so() {
    let bench = Bench::start().await;
    let mut client = bench.edge.connect("pump").await;
    let etag = async || {
        let wanted = S3Object {
            bucket: "firmware".into(),
            key: "7".into(),
            version: None,
        };
        Some(bench.edge.edge.inner().objects.etag(&wanted).await.unwrap())
    };
    let noted = |etag| File { etag, ..file(7) };
    let request = json!({"f": 7, "l": 256});
    for content in [b"seven", b"eight"] {
        bench.put("7", content);
        bench.update(vec![noted(etag().await)]).await;
        for format in BOTH {
            let (kind, _) = ask(&mut client, "get", format, &request).await;
            assert_eq!(kind, "data");
        }
        bench.put("7", b"another");
        for (what, request) in [("get", &request), ("describe", &json!({}))] {
            let (kind, answer) = ask(&mut client, what, Format::Json, request).await;
            assert_eq!((&*kind, &answer["o"]), ("rejected", &json!("ETagMismatch")));
        }
        bench.put("7", content);
        let (kind, _) = ask(&mut client, "get", Format::Cbor, &request).await;
        assert_eq!(kind, "data", "the content is the one that was noted");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_gets_no_further_than_its_pipe() {
    let bench = Bench::start().await;
    let mut client = bench.edge.open_pipe(4_096);
    client.send(&crate::testing::connect("pump")).await;
    client.frame().await;
    let request = encode(Format::Cbor, &json!({"f": 0, "l": 8192, "n": 16}));
    client.publish(&format!("{PREFIX}get/cbor"), &request).await;
    bench
        .edge
        .wait_for("device_stream_blocks_total", "", 2)
        .await;
    let mut other = bench.edge.connect("other").await;
    let quick = encode(Format::Json, &json!({"f": 7, "l": 256}));
    for _ in 0..20 {
        other.publish(&format!("{PREFIX}get/json"), &quick).await;
        assert!(other.message().await.topic.ends_with("data/json"));
    }
    // Two blocks are more than the 16 KiB that may wait, so there is no third one until they are gone.
    assert_eq!(bench.figure("device_stream_blocks_total", "") - 20, 2);
    for block in 0..16 {
        assert_eq!(decode(&client.message().await)["i"], block);
    }
    client.expect_nothing().await;
}

#[tokio::test]
async fn a_block_that_is_too_long_for_its_client_is_refused() {
    let bench = Bench::start().await;
    let mut client = bench.edge.open();
    client.version = 5;
    let mut body = text("MQTT");
    // Maximum Packet Size 2,000.
    body.extend_from_slice(&[5, 2, 0, 60, 5, 0x27, 0, 0, 0x07, 0xD0]);
    body.extend_from_slice(&text("pump"));
    client.send(&packet(0x10, &body)).await;
    client.frame().await;
    let request = json!({"c": "t", "f": 0, "l": 2048});
    let (kind, answer) = ask(&mut client, "get", Format::Cbor, &request).await;
    assert_eq!(
        (&*kind, &answer["o"]),
        ("rejected", &json!("InvalidRequest"))
    );
    let (kind, _) = ask(
        &mut client,
        "get",
        Format::Cbor,
        &json!({"f": 0, "l": 1024, "n": 1}),
    )
    .await;
    assert_eq!(kind, "data");
    client.expect_nothing().await;
}

#[tokio::test]
async fn an_acknowledged_request_is_acknowledged_before_its_blocks_which_are_not() {
    let bench = Bench::start().await;
    let mut client = bench.edge.connect("pump").await;
    client
        .subscribe(&[(&format!("{PREFIX}data/json"), 1)])
        .await;
    let request = encode(Format::Json, &json!({"f": 7, "l": 256}));
    let topic = format!("{PREFIX}get/json");
    client
        .send(&publish(4, 0x32, &topic, 5, &[], &request))
        .await;
    assert_eq!(client.frame().await, (0x40, vec![0, 5]));
    let received = client.message().await;
    assert_eq!((received.qos, received.duplicate), (0, false));
    client.expect_nothing().await;
}
