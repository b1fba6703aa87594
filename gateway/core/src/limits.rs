//! Every bound around the writer, one named constant each.

use std::time::Duration;

/// Requests that wait for the writer; one more is refused.
pub const QUEUE_MAX: usize = 16_384;
/// Requests that share one commit.
pub const COMMIT_REQUESTS_MAX: usize = 4_096;
/// Events of one commit, give or take those of its last command.
pub const COMMIT_EVENTS_MAX: usize = 8_192;
/// Time in one commit for what is due by itself, give or take its last step: requests wait meanwhile.
pub const DUE_TIME_MAX: Duration = Duration::from_millis(4);
/// Events of commits that are kept in memory for followers; one that lags further reads the log.
pub const TAIL_EVENTS_MAX: usize = 131_072;
/// Events that a follower reads from the log at once.
pub const FOLLOW_EVENTS_MAX: usize = 4_096;
/// Events between two saved states, while the service runs.
pub const EVENTS_PER_SAVED_STATE: u64 = 2_000_000;
/// Decoded chunks that replay keeps in hand between its threads.
pub const REPLAY_CHUNKS: usize = 16;
/// Access keys that are not revoked.
pub const ACCESS_KEYS_MAX: usize = 1_000;
/// Length of an access key's name.
pub const ACCESS_KEY_NAME_CHARS_MAX: usize = 64;
