use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;

/// What a hook was asked: the head and the body of the request.
type Heard = (String, Value);

/// A hook that gives each of these answers once, in this order, and tells what it was asked.
fn hook(answers: Vec<Vec<u8>>) -> (String, Receiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/ask", listener.local_addr().expect("bound"));
    let (heard, told) = channel();
    std::thread::Builder::new()
        .spawn(move || {
            let mut kept = Vec::new();
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept() else {
                    return;
                };
                let Ok(question) = read_request(&mut stream) else {
                    return;
                };
                heard.send(question).ok();
                stream.write_all(&answer).ok();
                // One that says nothing keeps the connection.
                if answer.is_empty() {
                    kept.push(stream);
                }
            }
            if !kept.is_empty() {
                // Nobody else comes: this waits until the test has ended.
                drop(listener.accept());
            }
        })
        .expect("a thread");
    (url, told)
}

fn read_request(stream: &mut TcpStream) -> std::io::Result<Heard> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        head.push_str(&lower);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((head, serde_json::from_slice(&body)?))
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

fn hooks(url: &str) -> Hooks {
    let endpoint = Endpoint::parse(&format!("stock={url}")).expect("valid");
    Hooks::new(vec![endpoint.with_secret(Secret::new("open-sesame"))])
}

fn question() -> Question {
    Question {
        claim: Some(Fingerprint([1; 32])),
        certificate: Fingerprint([2; 32]),
        certificate_pem: "PEM".to_owned(),
        template_arn: "arn:aws:iot:us-east-1:000000000000:provisioningtemplate/t".to_owned(),
        client_id: "pump".to_owned(),
        parameters: vec![("SerialNumber".into(), "7".into())],
    }
}

fn named(target: &str) -> Hook {
    Hook {
        payload_version: None,
        target_arn: target.into(),
    }
}

#[tokio::test]
async fn a_hook_is_asked_as_the_function_would_be() {
    let yes = r#"{"allowProvisioning": true, "parameterOverrides": {"Site": "north"}, "more": 1}"#;
    let (url, heard) = hook(vec![answer("200 OK", yes), answer("200 OK", yes)]);
    let hooks = hooks(&url);
    let metrics = Metrics::default();
    let lambda = "arn:aws:lambda:us-east-1:000000000000:function:stock";
    for target in ["stock", lambda] {
        let overrides = hooks.ask(&named(target), &question(), &metrics).await;
        let expected: Attributes = vec![("Site".into(), "north".into())];
        assert_eq!(overrides, Ok(expected));
        let (head, body) = heard.recv().expect("it was asked");
        assert!(head.starts_with("post /ask http/1.1"), "{head}");
        assert!(head.contains("authorization: bearer open-sesame"), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        assert_eq!(
            body,
            json!({
                "claimCertificateId": "01".repeat(32),
                "certificateId": "02".repeat(32),
                "certificatePem": "PEM",
                "templateArn": "arn:aws:iot:us-east-1:000000000000:provisioningtemplate/t",
                "clientId": "pump",
                "parameters": {"SerialNumber": "7"},
                "payloadVersion": "2020-04-01",
            })
        );
    }
    let allowed = metrics.snapshot();
    let allowed = allowed
        .iter()
        .find(|sample| sample.label == Some(("result", "allowed")));
    assert_eq!(allowed.map(|sample| sample.value), Some(2));
}

#[tokio::test]
async fn everything_but_a_clear_yes_is_a_no() {
    let huge = format!(
        r#"{{"allowProvisioning": true, "x": "{}"}}"#,
        "x".repeat(ANSWER_BYTES_MAX)
    );
    let many: serde_json::Map<String, Value> = (0..=limits::PARAMETERS_MAX)
        .map(|number| (format!("p{number}"), "".into()))
        .collect();
    let many = json!({"allowProvisioning": true, "parameterOverrides": many}).to_string();
    let long = "x".repeat(limits::DEVICE_PARAMETER_BYTES_MAX + 1);
    let long = json!({"allowProvisioning": true, "parameterOverrides": {"p": long}}).to_string();
    let yes = r#"{"allowProvisioning": true}"#;
    let rows = [
        answer("200 OK", r#"{"allowProvisioning": false}"#),
        answer("200 OK", r#"{"allowProvisioning": "true"}"#),
        answer("200 OK", r#"{"allowProvisioning": 1}"#),
        answer("200 OK", "{}"),
        answer("200 OK", "[]"),
        answer("200 OK", ""),
        answer("200 OK", "yes"),
        answer(
            "200 OK",
            r#"{"allowProvisioning": true, "parameterOverrides": []}"#,
        ),
        answer(
            "200 OK",
            r#"{"allowProvisioning": true, "parameterOverrides": {"p": 1}}"#,
        ),
        answer("200 OK", &many),
        answer("200 OK", &long),
        answer("200 OK", &huge),
        answer("201 Created", yes),
        answer("404 Not Found", yes),
        answer("500 Internal Server Error", yes),
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
            .to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"allowProvisioning\": true}".to_vec(),
        b"nonsense\r\n\r\n".to_vec(),
    ];
    let count = rows.len();
    let (url, heard) = hook(rows.to_vec());
    let hooks = hooks(&url);
    let metrics = Metrics::default();
    for row in 0..count {
        let asked = hooks.ask(&named("stock"), &question(), &metrics).await;
        assert_eq!(asked, Err(Refused::denied()), "row {row}");
        assert!(heard.recv().is_ok(), "row {row} was asked");
    }
    // Nobody listens there any more, and nobody is configured under another name.
    for target in ["stock", "other", "https://stock.example/"] {
        let asked = hooks.ask(&named(target), &question(), &metrics).await;
        assert_eq!(asked, Err(Refused::denied()), "{target}");
    }
}

#[tokio::test]
async fn a_slow_hook_is_a_no_and_holds_up_nobody_else() {
    let (slow, heard) = hook(vec![Vec::new()]);
    let (quick, _told) = hook(vec![answer("200 OK", r#"{"allowProvisioning": true}"#)]);
    let slow = Endpoint::parse(&format!("slow={slow}")).expect("valid");
    let quick = Endpoint::parse(&format!("quick={quick}")).expect("valid");
    let hooks = Hooks::new(vec![slow, quick]);
    let metrics = Metrics::default();
    let (question, slow, quick) = (question(), named("slow"), named("quick"));
    let begun = tokio::time::Instant::now();
    let waits = hooks.ask(&slow, &question, &metrics);
    let goes = async {
        let asked = hooks.ask(&quick, &question, &metrics).await;
        (asked, begun.elapsed())
    };
    let (refused, (granted, after)) = tokio::join!(waits, goes);
    assert_eq!(refused, Err(Refused::denied()));
    assert_eq!(granted, Ok(Attributes::new()));
    assert!(after < ANSWER_WITHIN, "{after:?}");
    let took = begun.elapsed();
    let late = ANSWER_WITHIN + Duration::from_secs(3);
    assert!(took >= ANSWER_WITHIN && took < late, "{took:?}");
    assert!(heard.recv().is_ok());
}

#[test]
fn addresses_of_hooks_are_few_in_kind() {
    let rows = [
        ("stock=https://stock.example/devices", true),
        ("stock=http://127.0.0.1:8000/", true),
        ("stock=http://localhost:8000/x?y=z", true),
        ("stock=http://[::1]:8000/", true),
        ("stock=http://stock.example/", false),
        ("stock=http://10.0.0.1/", false),
        ("stock=ftp://stock.example/", false),
        ("stock=https://user:secret@stock.example/", false),
        ("stock=/devices", false),
        ("stock=", false),
        ("stock", false),
        ("a b=https://stock.example/", false),
        ("=https://stock.example/", false),
    ];
    for (text, accepted) in rows {
        assert_eq!(Endpoint::parse(text).is_ok(), accepted, "{text}");
    }
    let endpoint = Endpoint::parse("stock=https://stock.example/").expect("valid");
    let endpoint = endpoint.with_secret(Secret::new("open-sesame"));
    assert!(!format!("{endpoint:?}").contains("sesame"));
}
