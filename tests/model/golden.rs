//! Stored events are for ever: every committed file decodes to the event that it says it holds.
//!
//! A file is written once, with `SHIPSLOG_BLESS=1`, and never again. A field that is added to an event appears in the
//! decoded event and not in the file, which is right; a field that is lost, renamed or read differently is not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use shipslog_domain::codec::kind_name;
use shipslog_domain::log::Record;
use shipslog_domain::{Event, Position, StreamId, Timestamp};

use crate::events::examples;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/events")
}

/// File name, kind, payload and event of every example.
fn expected() -> BTreeMap<String, (u16, Vec<u8>, Event)> {
    let mut all = BTreeMap::new();
    for (label, event) in examples() {
        let mut payload = Vec::new();
        let kind = event.encode(&mut payload);
        let name = kind_name(kind).expect("every kind has a name");
        let file = if label.is_empty() {
            format!("{name}.txt")
        } else {
            format!("{name}-{label}.txt")
        };
        let before = all.insert(file.clone(), (kind, payload, event));
        assert!(before.is_none(), "two examples are called {file}");
    }
    all
}

fn render(kind: u16, payload: &[u8], event: &Event) -> String {
    let hex: Vec<String> = payload
        .chunks(48)
        .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    let name = kind_name(kind).unwrap_or_default();
    format!(
        "kind {kind:#06x} {name}\n\n{}\n\n{event:#?}\n",
        hex.join("\n")
    )
}

/// Kind, payload and text of a file.
fn parse(text: &str) -> Option<(u16, Vec<u8>, &str)> {
    let mut parts = text.splitn(3, "\n\n");
    let kind = parts.next()?.strip_prefix("kind 0x")?.split(' ').next()?;
    let hex: String = parts.next()?.split_whitespace().collect();
    let bytes = (0..hex.len()).step_by(2);
    let payload = bytes.map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
    let kind = u16::from_str_radix(kind, 16).ok()?;
    Some((kind, payload.collect::<Option<_>>()?, parts.next()?))
}

fn decode(kind: u16, payload: &[u8], like: &Event) -> Event {
    let record = Record {
        position: Position(1),
        stream: StreamId::new(like.stream_kind(), 0),
        previous: Position::START,
        at: Timestamp(0),
        kind,
        command: None,
        payload,
    };
    Event::try_from(&record).expect("a stored event decodes for ever")
}

/// The first line of `text` that `all` does not have, in this order.
fn lost_line<'a>(text: &'a str, all: &str) -> Option<&'a str> {
    let mut lines = all.lines();
    text.lines()
        .find(|wanted| !lines.any(|line| line == *wanted))
}

#[test]
fn every_stored_event_decodes_to_what_it_was() {
    let bless = std::env::var_os("SHIPSLOG_BLESS").is_some_and(|value| value == "1");
    let expected = expected();
    for (file, (kind, payload, event)) in &expected {
        let path = folder().join(file);
        if !path.exists() && bless {
            std::fs::write(&path, render(*kind, payload, event)).expect("the folder is there");
        }
        let Ok(text) = std::fs::read_to_string(&path) else {
            panic!("{file} is missing; SHIPSLOG_BLESS=1 writes it, once and for all");
        };
        let Some((stored_kind, payload, debug)) = parse(&text) else {
            panic!("{file} is not a golden file");
        };
        assert_eq!(
            stored_kind, *kind,
            "{file}: the kind of a stored event never changes"
        );
        let decoded = decode(stored_kind, &payload, event);
        assert_eq!(&decoded, event, "{file}");
        assert_eq!(
            lost_line(debug, &format!("{decoded:#?}")),
            None,
            "{file} says more"
        );
    }
    for entry in std::fs::read_dir(folder()).expect("the folder is there") {
        let file = entry.expect("readable").file_name();
        let file = file.to_string_lossy();
        assert!(
            expected.contains_key(&*file),
            "{file} has no example that says what it holds"
        );
    }
}

#[test]
fn every_kind_of_event_has_a_file() {
    let kinds = (0..=u16::MAX).filter_map(|kind| Some((kind, kind_name(kind)?)));
    let covered: Vec<u16> = expected().values().map(|(kind, ..)| *kind).collect();
    for (kind, name) in kinds {
        assert!(covered.contains(&kind), "no example of {name}");
    }
}

#[test]
fn a_lost_or_changed_line_is_seen() {
    let all = "A {\n    old: 1,\n    new: 2,\n}";
    assert_eq!(lost_line("A {\n    old: 1,\n}", all), None);
    assert_eq!(lost_line("A {\n    old: 3,\n}", all), Some("    old: 3,"));
}
