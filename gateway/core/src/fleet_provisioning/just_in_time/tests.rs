use std::time::Duration;

use super::*;

#[test]
fn devices_come_at_a_pace_and_no_faster() {
    let pace = Pace::default();
    let start = Instant::now();
    let admitted = |at: Duration, asked: u32| {
        let admitted = (0..asked).filter(|_| pace.admits(start + at));
        u32::try_from(admitted.count()).expect("few")
    };
    assert_eq!(admitted(Duration::ZERO, 2 * PER_SECOND_MAX), PER_SECOND_MAX);
    assert_eq!(
        admitted(Duration::from_millis(1), 10),
        PER_SECOND_MAX / 1_000
    );
    assert_eq!(
        admitted(Duration::from_millis(501), PER_SECOND_MAX),
        PER_SECOND_MAX / 2
    );
    // A pause fills the bucket, and no more than that.
    let later = Duration::from_secs(100);
    assert_eq!(admitted(later, 2 * PER_SECOND_MAX), PER_SECOND_MAX);
    assert_eq!(admitted(later, 1), 0);
}
