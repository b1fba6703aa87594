use shipslog_domain::{Span, Timestamp};

use super::{RATE_POINTS_MAX, Rate};

#[test]
fn a_long_job_has_coarser_points_and_the_same_sums() {
    let from = Timestamp(1_000_000);
    let mut rate = Rate::default();
    for minute in 0..5_000 {
        let at = from.plus(Span::minutes(minute));
        rate.at(from, at).queued += 1;
        if minute % 2 == 0 {
            rate.at(from, at).finished += 2;
        }
        assert!(rate.points.len() <= RATE_POINTS_MAX);
    }
    assert_eq!(rate.minutes_per_point, 4);
    assert_eq!(rate.points.len(), 1_250);
    assert!(
        rate.points
            .iter()
            .all(|point| point.queued == 4 && point.finished == 4)
    );
    rate.at(from, from.plus(Span::minutes(u32::MAX))).queued += 1;
    assert!(rate.points.len() <= RATE_POINTS_MAX);
    assert_eq!(
        rate.points.iter().map(|point| point.queued).sum::<u32>(),
        5_001
    );
    assert_eq!(
        rate.at(from, Timestamp(0)).finished,
        5_000,
        "the first point holds them all"
    );
}
