use proptest::prelude::*;

use super::{EXACT_SAMPLES_MAX, Quantiles, bucket, middle};

fn of(values: impl IntoIterator<Item = u64>) -> Quantiles {
    let mut quantiles = Quantiles::default();
    for value in values {
        quantiles.add(value);
    }
    quantiles
}

#[test]
fn few_samples_are_exact() {
    assert_eq!(of([]).summary(), None);
    let summary = of((1..=100).rev()).summary().expect("100 samples");
    assert_eq!((summary.p50, summary.p90, summary.p99), (50, 90, 99));
    assert_eq!((summary.samples, summary.max), (100, 100));
    let one = of([7]).summary().expect("one sample");
    assert_eq!((one.p50, one.p99), (7, 7));
}

#[test]
fn buckets_follow_each_other_without_gap() {
    let mut last = 0;
    for value in 0..100_000 {
        let next = bucket(value);
        assert!(next == last || next == last + 1, "{value}");
        last = next;
    }
    assert!(bucket(u64::MAX) < 7_500);
    assert!(middle(bucket(u64::MAX)) > u64::MAX / 2);
}

proptest! {
    #[test]
    fn the_middle_of_a_bucket_is_near(value in any::<u64>(), shift in 0..64_u32) {
        let value = value >> shift;
        let middle = middle(bucket(value));
        prop_assert!(middle.abs_diff(value) <= value / 200, "{value} {middle}");
    }

    #[test]
    fn many_samples_are_within_one_percent(seed in proptest::collection::vec(0..5_000_000_u64, 40..60)) {
        let values: Vec<u64> = (0..EXACT_SAMPLES_MAX * 3)
            .map(|n| seed.get(n as usize % seed.len()).expect("in range") + u64::from(n))
            .collect();
        let summary = of(values.iter().copied()).summary().expect("many samples");
        let mut sorted = values;
        sorted.sort_unstable();
        for (percent, found) in [(50, summary.p50), (90, summary.p90), (99, summary.p99)] {
            let rank = (sorted.len() * percent).div_ceil(100);
            let exact = *sorted.get(rank - 1).expect("in range");
            prop_assert!(found.abs_diff(exact) <= exact / 100 + 1, "{percent}: {found} {exact}");
        }
    }
}
