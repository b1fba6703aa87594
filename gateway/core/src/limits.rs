//! Every bound around the writer, one named constant each.

use std::time::Duration;

use shipslog_domain::Span;

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
/// Events of presence in one second.
pub const PRESENCE_EVENTS_PER_SECOND: usize = 2_000;
/// Time between two commands that record presence.
pub const PRESENCE_PERIOD: Duration = Duration::from_millis(250);
/// Events of presence in one command.
pub const PRESENCE_STEP: usize = PRESENCE_EVENTS_PER_SECOND / 4;
/// Clients whose latest state may wait to be recorded.
pub const PRESENCE_CLIENTS_MAX: usize = 2_000_000;
/// How long connections of before a restart are given to come back.
pub const PRESENCE_GRACE: Span = Span::seconds(60);
/// Different refusals that are listed of one certificate, and that share an event.
pub const REFUSALS_PER_CERTIFICATE_MAX: usize = shipslog_domain::limits::REFUSALS_PER_EVENT_MAX;
/// The time from one record of what is refused to the holder of a certificate to the next, at least.
pub const REFUSALS_WINDOW: Span = Span::minutes(10);
/// How long the first refusal waits for others, to share an event with them.
pub const REFUSALS_SETTLE: Span = Span::seconds(2);
/// Time between two commands that record refusals.
pub const REFUSALS_PERIOD: Duration = Duration::from_secs(1);
/// Holders of certificates whose refusals are recorded by one command.
pub const REFUSALS_STEP: usize = 4;
/// Things in whose timelines refusals are recorded that concern no single one of the certificate's things.
pub const REFUSED_THINGS_PER_CERTIFICATE: usize =
    shipslog_domain::limits::REFUSED_THINGS_MAX / REFUSALS_STEP;
/// Certificates whose refusals are listed. With all bounds reached, the list takes about 30 MB.
pub const REFUSED_CERTIFICATES_MAX: usize = 4_096;
/// What is kept of that with which something was refused, in bytes.
pub const REFUSED_RESOURCE_BYTES_MAX: usize = shipslog_domain::limits::REFUSED_TEXT_BYTES_MAX;
/// Access keys that are not revoked.
pub const ACCESS_KEYS_MAX: usize = 1_000;
/// Length of an access key's name.
pub const ACCESS_KEY_NAME_CHARS_MAX: usize = 64;
/// Longest file that devices fetch in blocks (AWS IoT: 98,304 blocks of 256 bytes).
pub const OBJECT_BYTES_MAX: u64 = 98_304 * 256;
/// Files that are kept open for those who fetch them.
pub const OBJECTS_OPEN_MAX: usize = 1_024;
/// What is read of a file at once, and kept in memory.
pub const CACHED_PART_BYTES: u64 = 128 * 1_024;
/// Parts of files in memory, in bytes, for all who fetch them together.
pub const CACHED_BYTES_MAX: u64 = 64 * 1_024 * 1_024;
/// Files of the S3 endpoint on the disk, in bytes; the one that was fetched first goes.
pub const FETCHED_BYTES_MAX: u64 = 1_024 * 1_024 * 1_024;
/// What is asked of the S3 endpoint at once, in bytes.
pub const FETCH_PART_BYTES: u64 = 8 * 1_024 * 1_024;
/// Conversations with the S3 endpoint at the same time; more wait.
pub const FETCHES_MAX: usize = 4;
/// How long the S3 endpoint has for each answer.
pub const FETCH_PATIENCE: Duration = Duration::from_secs(20);
/// How long what the S3 endpoint said of a file is good for.
pub const ENDPOINT_RECHECK: Duration = Duration::from_secs(2);
/// Lines of one container that are kept.
pub const CONTAINER_LINES_MAX: usize = 10_000;
/// Lines of one container that are kept, in bytes.
pub const CONTAINER_LINE_BYTES_HELD_MAX: u64 = 4 * 1_024 * 1_024;
/// Lines of all containers that are kept, in bytes.
pub const CONTAINER_LOG_BYTES_MAX: u64 = 48 * 1_024 * 1_024;
/// Lines of one container that are taken in a second.
pub const CONTAINER_LINES_PER_SECOND: usize = 1_000;
/// Samples of one container service that are kept: six hours of twenty nodes that say one each minute, and more.
pub const CONTAINER_SAMPLES_MAX: usize = 20_000;
/// Samples of one container service that are taken in a second.
pub const CONTAINER_SAMPLES_PER_SECOND: usize = 200;
/// Length of a file of lines and samples from which on the next one is begun, in bytes.
pub const CONTAINER_LOG_FILE_BYTES: u64 = 4 * 1_024 * 1_024;
/// Files of lines and samples.
pub const CONTAINER_LOG_FILES_MAX: usize = 16;
/// What is read of one such file, in bytes: more than one ever holds.
pub const CONTAINER_LOG_FILE_READ_MAX: usize = 16 * 1_024 * 1_024;
