//! The one place where unguessable values come from.

use shipslog_domain::TaskKey;

/// Bytes that nobody can guess.
///
/// # Panics
/// If the operating system has no randomness to give, which it never says after it has started.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A new CDF task id.
#[must_use]
pub fn task_key() -> TaskKey {
    TaskKey::from_random(bytes())
}
