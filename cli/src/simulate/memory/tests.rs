use std::sync::atomic::AtomicU64;

use super::*;

#[test]
fn the_machine_says_what_it_has() {
    assert!(resident_bytes() > 100_000);
    assert!(available_bytes() > Some(1_000_000));
}

#[test]
fn a_play_is_stopped_while_there_is_some_memory_left() {
    let (progress, left) = (Arc::new(Progress::default()), Arc::new(AtomicU64::new(0)));
    left.store(LEFT_MIN, Ordering::Release);
    let seen = Arc::clone(&left);
    let guard = Guard::start_with(&progress, Vec::new(), move || {
        Some(seen.load(Ordering::Acquire))
    });
    assert!(!progress.is_stopped());
    left.store(LEFT_MIN - 1, Ordering::Release);
    while !progress.is_stopped() {
        std::thread::yield_now();
    }
    let ended: Result<()> = guard.explain(Err(anyhow!("stopped on request")));
    let why = ended.expect_err("it ended early").to_string();
    assert!(why.starts_with("memory runs out: the play takes "), "{why}");
    assert!(why.ends_with("with --devices"), "{why}");
}

#[test]
fn another_reason_stays_as_it_is() {
    let progress = Arc::new(Progress::default());
    let guard = Guard::start_with(&progress, Vec::new(), || None);
    let ended: Result<()> = guard.explain(Err(anyhow!("the disk is full")));
    assert_eq!(ended.expect_err("an error").to_string(), "the disk is full");
    assert!(!progress.is_stopped());
}
