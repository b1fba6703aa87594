use super::*;

fn mixed() -> Behavior {
    Behavior {
        failing: 1_000,
        rejecting: 200,
        silent: 100,
        stalling: 50,
        repeating: 500,
        slow: 300,
        ..Behavior::default()
    }
}

#[test]
fn shares_are_met() {
    let expected = Expectation::of(&mixed(), 7, 0, 20_000, 2);
    assert!((1_900..2_100).contains(&expected.failed), "{expected:?}");
    assert!((340..460).contains(&expected.rejected));
    assert!((150..250).contains(&expected.silent));
    assert!((60..140).contains(&expected.stalled));
    assert_eq!(
        expected.ended() + expected.silent + expected.stalled,
        20_000
    );
    assert_eq!(
        expected.reasons.values().sum::<u64>(),
        expected.failed + expected.rejected
    );
    assert_eq!(expected.reasons.len(), mixed().reasons.len() + 1);
}

#[test]
fn one_more_misbehavior_leaves_times_and_other_jobs_alone() {
    let device = device_seeds(7, 12);
    let honest = Behavior::default().plan(device, 1, 1);
    let other = Behavior {
        failing: SHARE_WHOLE,
        ..Behavior::default()
    }
    .plan(device, 1, 1);
    assert_eq!(honest.conduct, Conduct::Succeed);
    assert!(matches!(other.conduct, Conduct::Fail(_)));
    assert_eq!(honest.download_ms, other.download_ms);
    assert_ne!(
        honest.download_ms,
        Behavior::default().plan(device, 2, 1).download_ms
    );
    assert_ne!(
        honest.download_ms,
        Behavior::default().plan(device, 1, 2).download_ms
    );
}

#[test]
fn whole_and_empty_shares_are_exact() {
    let all = |behavior: Behavior| Expectation::of(&behavior, 1, 0, 500, 1);
    assert_eq!(all(Behavior::default()).succeeded, 500);
    assert_eq!(
        all(Behavior {
            rejecting: SHARE_WHOLE,
            ..Behavior::default()
        })
        .rejected,
        500
    );
    assert_eq!(
        all(Behavior {
            silent: SHARE_WHOLE,
            ..Behavior::default()
        })
        .silent,
        500
    );
    assert_eq!(
        all(Behavior {
            stalling: SHARE_WHOLE,
            ..Behavior::default()
        })
        .stalled,
        500
    );
}

#[test]
fn percentiles_are_nearest_ranks() {
    let expected = Expectation {
        download_ms: (1..=10).collect(),
        ..Expectation::default()
    };
    assert_eq!(expected.download_percentile(50), Some(5));
    assert_eq!(expected.download_percentile(90), Some(9));
    assert_eq!(expected.download_percentile(99), Some(10));
    assert_eq!(expected.download_percentile(0), Some(1));
    assert_eq!(Expectation::default().download_percentile(50), None);
}
