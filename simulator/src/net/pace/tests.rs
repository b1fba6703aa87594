use super::*;

const FAR: Duration = Duration::from_secs(3_600);

#[test]
fn hurried_time_runs_faster_and_comes_to_the_same_moments() {
    let pace = Pace::hurried(Timestamp(1_000_000), 60);
    let clock = pace.clock();
    assert!(clock.now() >= Timestamp(1_000_000));
    let minute = clock.instant(Timestamp(1_060_000), FAR);
    let real = minute.duration_since(clock.begun);
    assert_eq!(real, Duration::from_secs(1));
    let elapsed = clock.elapsed();
    let later = clock.real();
    assert!(u128::from(elapsed.0) <= later.as_millis() * 60 + 60);
    let far = clock.instant(Timestamp(u64::MAX), FAR);
    assert!(
        far <= Instant::now() + FAR,
        "no timer is set for the end of time"
    );
}

#[test]
fn all_processes_of_a_play_tell_the_same_time() {
    let pace = Pace::hurried(Timestamp(0), 1);
    let text = serde_json::to_string(&pace).expect("JSON");
    let other: Pace = serde_json::from_str(&text).expect("the same form");
    let (one, two) = (pace.clock().now(), other.clock().now());
    assert!(two.since(one) < Span(1_000) && one.since(two) < Span(1_000));
    assert_eq!(Pace::hurried(Timestamp(0), 0).hurry(), 1);
}
