use super::*;

/// A rollout of a million, of which a tenth is done each second.
fn looks() -> impl Iterator<Item = (Duration, Look)> {
    (0..=30_u64).map(|tenth| {
        let look = Look {
            phase: "rollout 1".into(),
            done: tenth * 10_000,
            goal: 1_000_000,
            run_ms: tenth * 6_000,
            devices: 1_000_000,
            connected: 1_000_000,
            events: tenth * 30_000,
            messages: 0,
            statuses: [5, 0, tenth * 10_000, 0, 0, 0, 0, 0],
        };
        (Duration::from_millis(tenth * 100), look)
    })
}

#[test]
fn a_view_says_how_fast_it_goes_and_when_it_ends() {
    let begun = Instant::now();
    let mut view = View::new(begun);
    let mut last = Look::default();
    for (after, look) in looks() {
        assert_eq!(view.see(&look, begun + after), None);
        last = look;
    }
    assert_eq!(
        view.pace(&last),
        "300,000 of 1,000,000, 100k/s, about 7 s left"
    );
    let now = begun + Duration::from_secs(3);
    assert_eq!(
        view.facts(&last, now),
        [
            "QUEUED 5, SUCCEEDED 300,000",
            "1,000,000 connected, 900k events (300k/s)",
            "3 min of virtual time, 3 s so far",
        ]
    );
}

#[test]
fn a_phase_that_is_over_is_told_once() {
    let begun = Instant::now();
    let after = |seconds| begun + Duration::from_secs(seconds);
    let look = |phase: &str| Look {
        phase: phase.into(),
        ..Look::default()
    };
    let mut view = View::new(begun);
    assert_eq!(view.see(&look(""), begun), None);
    assert_eq!(view.see(&look("provisioning"), after(1)), None);
    assert_eq!(view.see(&look("provisioning"), after(3)), None);
    let over = view.see(&look("connecting"), after(5));
    assert_eq!(over.as_deref(), Some("provisioning: took 4 s"));
    assert_eq!(view.see(&look("connecting"), after(6)), None);
    assert_eq!(
        view.end(&look("connecting"), after(7)).as_deref(),
        Some("connecting: took 2 s")
    );
    let mut view = View::new(begun);
    view.see(&look("checks"), begun);
    assert_eq!(
        view.end(&look(""), after(2)).as_deref(),
        Some("checks: took 2 s")
    );
}

#[test]
fn nothing_is_estimated_from_nothing() {
    let begun = Instant::now();
    let mut view = View::new(begun);
    let look = Look {
        phase: "rollout 1".into(),
        goal: 10,
        ..Look::default()
    };
    view.see(&look, begun);
    assert_eq!(view.pace(&look), "0 of 10");
    view.see(&look, begun + Duration::from_secs(2));
    assert_eq!(view.pace(&look), "0 of 10");
    assert_eq!(view.facts(&look, begun), ["0 s so far"]);
}
