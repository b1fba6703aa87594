use super::*;

fn drawn(distribution: &Distribution, count: u64) -> Vec<u64> {
    let mut all: Vec<u64> = (0..count)
        .map(|index| distribution.draw(Seeds::root(7).child("device", index), "length"))
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn draws_are_the_same_everywhere() {
    let log_normal = Distribution::log_normal(30_000, 120_000, 3_600_000).expect("0 < 30 < 120");
    assert_eq!(
        log_normal,
        Distribution::LogNormal {
            median: 30_000,
            sigma_millionths: 1_081_731,
            max: 3_600_000
        }
    );
    let exponential = Distribution::Exponential {
        mean: 60_000,
        max: 600_000,
    };
    // Committed: a change of these is a change of every recorded play.
    let digest = |all: &[u64]| {
        all.iter()
            .fold(0_u64, |sum, one| sum.wrapping_mul(31).wrapping_add(*one))
    };
    assert_eq!(
        digest(&drawn(&log_normal, 10_000)),
        9_040_306_840_584_617_336
    );
    assert_eq!(
        digest(&drawn(&exponential, 10_000)),
        5_915_032_621_383_174_610
    );
}

#[test]
fn distributions_have_their_shape() {
    let all = drawn(
        &Distribution::log_normal(30_000, 120_000, 3_600_000).expect("0 < 30 < 120"),
        20_000,
    );
    assert!((28_500..31_500).contains(&all[10_000]), "{}", all[10_000]);
    assert!((112_000..128_000).contains(&all[18_000]), "{}", all[18_000]);
    let all = drawn(
        &Distribution::Exponential {
            mean: 60_000,
            max: 100_000,
        },
        20_000,
    );
    assert!((40_000..43_000).contains(&all[10_000]), "{}", all[10_000]);
    assert_eq!(all[19_999], 100_000);
    let list = [(10, 1), (20, 3)].map(|(length, weight)| Weighted { length, weight });
    let all = drawn(&Distribution::Empirical(list.to_vec()), 20_000);
    let tens = all.iter().filter(|length| **length == 10).count();
    assert!((4_750..5_250).contains(&tens), "{tens}");
    assert!(all.iter().all(|length| [10, 20].contains(length)));
    let all = drawn(&Distribution::Uniform { low: 5, high: 7 }, 1_000);
    assert_eq!((all[0], all[999]), (5, 7));
}

#[test]
fn a_log_normal_distribution_has_two_points_in_order() {
    for (median, p90) in [(0, 5), (5, 5), (6, 5)] {
        assert_eq!(Distribution::log_normal(median, p90, 10), None);
    }
}
