//! Waiting for a level, with a bound. Nothing in the tests sleeps and hopes.

use std::time::{Duration, Instant};

/// The longest that a test waits for what should come within moments.
pub const BOUND: Duration = Duration::from_secs(30);

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `level` gives a value, and panics with `what` when that takes longer than `bound`.
pub fn wait_for<T>(what: &str, bound: Duration, level: impl FnMut() -> Option<T>) -> T {
    wait_or(bound, || what.to_owned(), level)
}

/// The same with words that are only found when it took too long.
pub fn wait_or<T>(
    bound: Duration,
    what: impl FnOnce() -> String,
    mut level: impl FnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = level() {
            return value;
        }
        if begun.elapsed() > bound {
            panic!("not within {bound:?}: {}", what());
        }
        std::thread::sleep(PAUSE);
    }
}
