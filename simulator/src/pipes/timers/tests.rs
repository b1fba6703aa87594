use super::*;

fn fire(timers: &mut Timers, now: u64) -> Vec<u32> {
    let mut fired = Vec::new();
    while let Some((_, devices)) = timers.next_due(now) {
        fired.extend(devices);
    }
    fired
}

#[test]
fn nobody_is_woken_early_and_nobody_much_too_late() {
    for at in 1_000..1_020 {
        let mut timers = Timers::default();
        timers.arm(7, at, &mut NEVER.clone());
        assert!(fire(&mut timers, at - 1).is_empty(), "before {at}");
        assert_eq!(fire(&mut timers, at + TICK), [7], "after {at}");
        assert_eq!(timers.next(), None);
    }
}

#[test]
fn a_timer_moves_forward_and_never_back() {
    let mut timers = Timers::default();
    let mut armed = NEVER;
    timers.arm(1, 8_000, &mut armed);
    timers.arm(1, 16_000, &mut armed);
    assert_eq!(timers.next(), Some(8_000), "later costs nothing");
    timers.arm(1, 4_000, &mut armed);
    assert_eq!(timers.next(), Some(4_000));
    assert_eq!(armed, 4_000 / TICK);
    assert_eq!(
        timers.next_due(20_000),
        Some((1_000, vec![1])),
        "the earliest tick first"
    );
    assert_eq!(
        timers.next_due(20_000),
        Some((2_000, vec![1])),
        "which its device knows to be stale"
    );
}
