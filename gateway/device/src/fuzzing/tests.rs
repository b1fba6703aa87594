//! The committed corpus and seeded mutations of it, on every target.
//!
//! `SHIPSLOG_FUZZ_SEED` plays a seed again, which a failing run prints; without it every run plays others.
//! `SHIPSLOG_FUZZ_RUNS` says how many mutations each target gets.

mod mutation;
mod sessions;

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use mutation::{Dice, mutate};

/// Mutations per target, where it is not said otherwise.
const RUNS: u64 = 20_000;

/// A number of the environment.
fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let parsed = value.parse();
    Some(parsed.unwrap_or_else(|_| panic!("{name} must be a number, not {value:?}")))
}

fn seed() -> u64 {
    number("SHIPSLOG_FUZZ_SEED").unwrap_or_else(|| RandomState::new().hash_one(0))
}

fn runs() -> u64 {
    number("SHIPSLOG_FUZZ_RUNS").unwrap_or(RUNS)
}

/// The inputs of a target, by name.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let entries = std::fs::read_dir(folder.join(target)).expect("the target has a corpus");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// Gives a target its corpus, most of which is good input, and mutations of it.
fn play(name: &str, target: fn(&[u8]), is_good: fn(&[u8]) -> bool) {
    let corpus = corpus(name);
    assert!(corpus.len() >= 5, "{name} has a corpus");
    for (path, input) in &corpus {
        let played = catch_unwind(|| target(input));
        assert!(played.is_ok(), "{}", path.display());
    }
    let good = corpus.iter().filter(|(_, input)| is_good(input)).count();
    assert!(
        good * 2 > corpus.len(),
        "most of the corpus of {name} is read"
    );
    let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let seed = seed();
    let mut dice = Dice::new(seed, name);
    for run in 0..runs() {
        let input = mutate(&mut dice, &inputs);
        let played = catch_unwind(AssertUnwindSafe(|| target(&input)));
        if played.is_err() {
            let path = std::env::temp_dir().join(format!("shipslog-fuzz-{name}-{seed}-{run}"));
            std::fs::write(&path, &input).unwrap();
            panic!(
                "{name}: SHIPSLOG_FUZZ_SEED={seed} fails in run {run}; its input is in {}",
                path.display()
            );
        }
    }
}

#[test]
fn packets_are_read_or_refused() {
    use crate::codec::{self, Version};
    play("packets", super::packets, |data| {
        let (first, stream) = data.split_first().unwrap();
        let version = if first & 1 == 0 {
            Version::V4
        } else {
            Version::V5
        };
        codec::frame(stream, version).is_ok_and(|frame| frame.is_some())
    });
}

#[test]
fn topics_are_told_apart() {
    play("topics", super::topics, |data| {
        let text = std::str::from_utf8(data).unwrap_or_default();
        let (filter, _) = text.split_once('\n').unwrap_or_default();
        crate::topics::filter_is_valid(filter)
    });
}

#[test]
fn policies_are_read_or_refused() {
    use shipslog_domain::policy::PolicyDocument;
    play("policies", super::policies, |data| {
        let text = std::str::from_utf8(data).unwrap_or_default();
        let document = text.splitn(3, '\n').nth(2).unwrap_or_default();
        PolicyDocument::parse(document).is_ok()
    });
}

#[test]
fn requests_are_read_or_refused() {
    play("requests", super::requests, |data| {
        let text = String::from_utf8_lossy(data);
        let (topic, _) = text.split_once('\n').unwrap_or_default();
        crate::reserved::prepare(topic, b"").is_some_and(|request| !request.is_unknown())
    });
}
