use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::*;

fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn places_are_given_in_the_order_of_arrival() {
    let line = Admission::new(1, 10, Arc::default());
    let first = line.enter().await.unwrap();
    let (mut second, mut third) = (pin!(line.enter()), pin!(line.enter()));
    assert!(poll(second.as_mut()).is_pending());
    assert!(poll(third.as_mut()).is_pending());
    assert_eq!(line.metrics.waiting.get(), 2);
    drop(first);
    // Whoever comes back does not overtake those who wait.
    let mut again = pin!(line.enter());
    assert!(poll(again.as_mut()).is_pending());
    assert!(poll(third.as_mut()).is_pending());
    let Poll::Ready(Ok(second)) = poll(second.as_mut()) else {
        panic!("the second is next")
    };
    drop(second);
    assert!(poll(again.as_mut()).is_pending());
    let Poll::Ready(Ok(third)) = poll(third.as_mut()) else {
        panic!("then the third")
    };
    drop(third);
    assert!(poll(again.as_mut()).is_ready());
    assert_eq!(line.metrics.waiting.get(), 0);
}

#[tokio::test]
async fn who_gives_up_leaves_the_line() {
    let line = Admission::new(1, 10, Arc::default());
    let first = line.enter().await.unwrap();
    {
        let mut second = pin!(line.enter());
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(line.metrics.waiting.get(), 1);
    }
    assert_eq!(line.metrics.waiting.get(), 0);
    drop(first);
    line.enter().await.map(drop).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_line_is_bounded_in_length_and_in_time() {
    let line = Admission::new(1, 1, Arc::default());
    let _first = line.enter().await.unwrap();
    let mut second = pin!(line.enter());
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!(line.enter().await.unwrap_err(), Failure::Busy);
    let began = Instant::now();
    assert_eq!(second.await.unwrap_err(), Failure::Busy);
    let waited = began.elapsed();
    assert!(
        waited >= limits::ADMISSION_TIME_MAX && waited < limits::ADMISSION_TIME_MAX * 2,
        "{waited:?}"
    );
    assert_eq!(line.metrics.waiting.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn work_is_given_out_when_nobody_is_in_line_or_in_time() {
    let line = Admission::new(1, 10, Arc::default());
    let soon = Instant::now() + std::time::Duration::from_secs(1);
    assert!(poll(pin!(line.calm(soon))).is_ready());
    let first = line.enter().await.unwrap();
    assert!(
        poll(pin!(line.calm(soon))).is_ready(),
        "who is served is not in line"
    );
    let mut second = pin!(line.enter());
    assert!(poll(second.as_mut()).is_pending());
    let mut calm = pin!(line.calm(soon));
    assert!(poll(calm.as_mut()).is_pending());
    drop(first);
    assert!(poll(calm.as_mut()).is_pending());
    let Poll::Ready(Ok(_second)) = poll(second.as_mut()) else {
        panic!("the second is next")
    };
    assert!(poll(calm.as_mut()).is_ready());
    let mut third = pin!(line.enter());
    assert!(poll(third.as_mut()).is_pending());
    line.calm(soon).await;
    assert_eq!(Instant::now(), soon, "the line did not move");
}
