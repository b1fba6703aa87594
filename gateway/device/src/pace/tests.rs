use super::*;

const RATE: NonZeroU32 = NonZeroU32::new(100).expect("not zero");

#[tokio::test(start_paused = true)]
async fn a_second_s_worth_may_come_at_once_and_then_as_much_as_the_rate() {
    let mut pace = Pace::new(RATE, Instant::now());
    for number in 1..=100 {
        assert!(!pace.count(1, Instant::now()), "{number}");
    }
    assert!(pace.count(1, Instant::now()));
    let begun = Instant::now();
    for _ in 0..500 {
        std::future::poll_fn(|cx| pace.poll_pause(cx)).await;
        pace.count(1, Instant::now());
    }
    let took = begun.elapsed();
    // Timers have a resolution of a millisecond.
    let asked = Duration::from_secs(5);
    assert!(took > asked - Duration::from_millis(20) && took < asked + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn who_was_silent_has_no_more_than_a_second_s_worth() {
    let mut pace = Pace::new(RATE, Instant::now());
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let free = (0..200).take_while(|_| !pace.count(1, Instant::now()));
    assert_eq!(free.count(), 100);
}

#[test]
fn long_publications_count_more() {
    assert_eq!(units(0), 1);
    assert_eq!(units(limits::PUBLISH_UNIT_BYTES - 1), 1);
    assert_eq!(units(limits::PUBLISH_UNIT_BYTES), 2);
    // At the default rate a connection sends 512 KB a second, as in AWS IoT.
    let second = limits::PUBLISH_UNIT_BYTES * limits::PUBLISH_RATE.get() as usize;
    assert_eq!(second, 512 * 1024 - 88);
}
