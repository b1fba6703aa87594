use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::*;
use crate::net::progress::Progress;
use crate::net::tests::endpoint::{Endpoint, Papers, Seen};
use crate::net::{Options, Swarm, Target, start};

fn settings(papers: &Papers, identity: Identity) -> Settings {
    Settings {
        ca: papers.path("ca.pem"),
        identity,
        alpn: None,
        server_name: None,
    }
}

fn play(endpoint: &Endpoint, settings: Settings, devices: u32) -> (Swarm, Arc<Progress>) {
    let text = format!("mqtts://{}", endpoint.address());
    let target = Target::parse(&text, Some(settings)).expect("a target");
    let progress = Arc::new(Progress::default());
    let swarm = start(Options::new(target, devices, 1), Arc::clone(&progress));
    (swarm.expect("it starts"), progress)
}

/// Lets devices join, and gives what the endpoint saw of them.
fn seen(endpoint: &Endpoint, settings: Settings, devices: u32) -> Vec<Seen> {
    let (mut swarm, _) = play(endpoint, settings, devices);
    let soon = Instant::now() + Duration::from_secs(20);
    swarm
        .wait_until("joining", soon, |now| now.joined == u64::from(devices))
        .expect("all join");
    let measured = swarm.stop().expect("it stops");
    assert_eq!(measured.welcomes.len(), u64::from(devices));
    endpoint.seen()
}

#[test]
fn each_device_shows_a_certificate_of_its_own() {
    let papers = Papers::new();
    for thing in ["sim-000000", "sim-000001", "sim-000002"] {
        papers.issue(thing);
    }
    let endpoint = Endpoint::start(&papers, true, &[]);
    let identity = Identity::PerThing(papers.path(""));
    let mut seen = seen(&endpoint, settings(&papers, identity), 3);
    seen.sort();
    for (index, one) in seen.iter().enumerate() {
        let thing = format!("sim-{index:06}");
        assert_eq!(one.client, thing);
        let certificate = fs::read(papers.path(&format!("{thing}.der"))).expect("issued");
        assert_eq!(one.certificate, certificate);
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn one_certificate_name_and_protocol_serve_all() {
    let papers = Papers::new();
    papers.issue("shared");
    let endpoint = Endpoint::start(&papers, true, &["x-amzn-mqtt-ca", "mqtt"]);
    let identity = Identity::Shared {
        certificate: papers.path("shared.pem"),
        key: papers.path("shared.key"),
    };
    let settings = Settings {
        alpn: Some("x-amzn-mqtt-ca".into()),
        server_name: Some("localhost".into()),
        ..settings(&papers, identity)
    };
    for one in seen(&endpoint, settings, 4) {
        assert_eq!(one.protocol, b"x-amzn-mqtt-ca");
        assert_eq!(one.server_name, "localhost");
        assert!(!one.certificate.is_empty());
    }
}

#[test]
fn an_address_is_not_asked_for_by_name() {
    let papers = Papers::new();
    let endpoint = Endpoint::start(&papers, false, &[]);
    for one in seen(&endpoint, settings(&papers, Identity::Anonymous), 2) {
        assert_eq!((one.server_name.as_str(), one.certificate.len()), ("", 0));
    }
}

/// The trouble that devices have.
fn trouble(endpoint: &Endpoint, settings: Settings) -> String {
    let (mut swarm, progress) = play(endpoint, settings, 1);
    let soon = Instant::now() + Duration::from_secs(20);
    while progress.dials_failed.load(Relaxed) == 0 {
        assert!(Instant::now() < soon, "no dial failed");
        swarm.wait(Duration::from_millis(5)).expect("it goes on");
    }
    let _measured = swarm.stop().expect("it stops");
    progress.last_trouble().expect("a trouble")
}

#[test]
fn strangers_are_refused_with_the_reason() {
    let papers = Papers::new();
    let others = Papers::new();
    let endpoint = Endpoint::start(&papers, false, &[]);
    let text = trouble(&endpoint, settings(&others, Identity::Anonymous));
    assert!(text.contains("invalid peer certificate"), "{text}");
    let elsewhere = Settings {
        server_name: Some("elsewhere.example".into()),
        ..settings(&papers, Identity::Anonymous)
    };
    let text = trouble(&endpoint, elsewhere);
    assert!(text.contains("not valid for name"), "{text}");
    let identity = Identity::PerThing(papers.path(""));
    let text = trouble(&endpoint, settings(&papers, identity));
    assert!(text.contains("sim-000000.pem"), "{text}");
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let papers = Papers::new();
    papers.issue("one");
    papers.issue("two");
    fs::write(papers.path("empty.pem"), "nothing").expect("a file");
    let shared = |certificate: &str, key: &str| Identity::Shared {
        certificate: papers.path(certificate),
        key: papers.path(key),
    };
    for (ca, identity, word) in [
        ("nowhere.pem", Identity::Anonymous, "nowhere.pem"),
        ("empty.pem", Identity::Anonymous, "empty.pem: has no PEM"),
        ("ca.pem", shared("empty.pem", "one.key"), "empty.pem"),
        ("ca.pem", shared("one.pem", "one.pem"), "one.pem"),
        ("ca.pem", shared("one.pem", "two.key"), "two.key"),
        (
            "ca.pem",
            Identity::PerThing(papers.path("no")),
            "no directory",
        ),
    ] {
        let settings = Settings {
            ca: papers.path(ca),
            ..settings(&papers, identity)
        };
        let failure = match Client::new(&settings, "127.0.0.1") {
            Ok(_) => panic!("{word} is accepted"),
            Err(failure) => failure.to_string(),
        };
        assert!(failure.contains(word), "{failure}");
    }
    let settings = Settings {
        server_name: Some("not a name".into()),
        ..settings(&papers, Identity::Anonymous)
    };
    assert!(Client::new(&settings, "127.0.0.1").is_err());
}
