//! Every bound of the device edge, one named constant each. Refusal at the bound is tested.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// Payload of one publication, in bytes (AWS IoT: 128 KB). A longer one is refused when its header is read.
pub const PAYLOAD_BYTES_MAX: usize = 128 * 1024;
/// Topic, properties and packet id of one publication, and any other packet without its fixed header, in bytes.
pub const PACKET_OVERHEAD_BYTES_MAX: usize = 32 * 1024;
/// One packet without its fixed header, in bytes.
pub const PACKET_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + PACKET_OVERHEAD_BYTES_MAX;
/// Client id, in bytes (AWS IoT: 128).
pub const CLIENT_ID_BYTES_MAX: usize = 128;
/// Topic or topic filter, in bytes. AWS IoT allows 256 after the first three levels of a reserved topic.
pub const TOPIC_BYTES_MAX: usize = 512;
/// Levels of a topic or topic filter.
pub const TOPIC_LEVELS_MAX: usize = 16;
/// Topic filters of one session (AWS IoT: 50).
pub const FILTERS_PER_SESSION_MAX: usize = 50;
/// Client token of a request, in bytes (AWS IoT: 64).
pub const CLIENT_TOKEN_BYTES_MAX: usize = 64;
/// Publications that a client may have without acknowledgment (Receive Maximum of CONNACK; AWS IoT: 100).
pub const RECEIVE_MAXIMUM: u16 = 100;
/// Publications that we send a client without its acknowledgment, where it does not ask for fewer.
pub const UNACKNOWLEDGED_MAX: u16 = 100;
/// Bytes that wait for one client. A connected client that leaves more unread is cut off.
pub const OUTBOX_BYTES_MAX: usize = 256 * 1024;
/// Messages that wait for one client that is away; the oldest gives way.
pub const OFFLINE_MESSAGES_MAX: usize = 1_000;
/// Unwritten bytes at which a connection stops reading further packets of its client.
pub const UNWRITTEN_BYTES_PAUSE: usize = 64 * 1024;
/// Bytes asked of a socket at once, into a buffer that all connections of a thread share.
pub const READ_BYTES: usize = 16 * 1024;
/// Connections of one edge, where it is not configured otherwise.
pub const CONNECTIONS_MAX: usize = 1_100_000;
/// Sockets of one address at the same time, where it is not configured otherwise. Whole sites, and customers of one
/// mobile network, share an address.
pub const CONNECTIONS_PER_ADDRESS: NonZeroUsize = NonZeroUsize::new(5_000).expect("not zero");
/// Publications per second of one client with a certificate, where it is not configured otherwise (AWS IoT: 100).
pub const PUBLISH_RATE: NonZeroU32 = NonZeroU32::new(100).expect("not zero");
/// A publication counts as one more for each so many bytes (AWS IoT: 512 KB per second).
pub const PUBLISH_UNIT_BYTES: usize = 512 * 1024 / 100;
/// Filters of one SUBSCRIBE or UNSUBSCRIBE. More than a session may have, so that a client is told which are too many.
pub const FILTERS_PER_PACKET_MAX: usize = 2 * FILTERS_PER_SESSION_MAX;
/// Bytes of packets of which only a part has come, over all connections of an edge, where it is not configured
/// otherwise. The oldest of them gives way to further ones.
pub const UNFINISHED_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes of an unfinished packet that are not counted.
pub const UNFINISHED_BYTES_FREE: usize = 4 * 1024;
/// Sessions that are kept for clients that are away.
pub const OFFLINE_SESSIONS_MAX: usize = 100_000;
/// Bytes of messages that wait for their clients, or that were sent and may have to be repeated, over all sessions. Beyond
/// them a session makes room for one more message among its own, and application messages of QoS 1 are lost.
pub const HELD_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Longest time that a session is kept for a client that is away (AWS IoT: 7 days).
pub const SESSION_EXPIRY_MAX: Duration = Duration::from_hours(7 * 24);
/// How long the session of a 3.1.1 client without clean session is kept (AWS IoT: one hour).
pub const SESSION_EXPIRY_V4: Duration = Duration::from_hours(1);
/// Bytes of the journal of sessions that wait to be written; beyond them it is begun anew later.
pub const JOURNAL_PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a journal that is begun anew when it has grown to four times what is alive, at the least.
pub const JOURNAL_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Positions of the log that the journal may be behind the notifier.
pub const TOLD_POSITIONS_MAX: u64 = 10_000;
/// TLS handshakes that go on at the same time at one listener; the oldest gives way to one more.
pub const HANDSHAKES_MAX: usize = 2_000;
/// From the accepted connection to the end of its TLS handshake.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// How often the files of the server's certificate are looked at.
pub const SERVER_KEY_PERIOD: Duration = Duration::from_secs(2);
/// From the opened stream to a complete CONNECT.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a client may leave its stream unread while bytes wait for it.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// How long a new connection waits for the one whose session it takes over to let go.
pub const TAKE_OVER_TIME_MAX: Duration = Duration::from_secs(5);
/// From the order to stop until connections are dropped as they are.
pub const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(5);
/// Pause after a failed accept, when descriptors have run out.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// Requests of one edge that are in the writer's queue or in its hands, where it is not configured otherwise; more wait
/// in line. They fill two commits: one is made durable while the next is gathered. The rest of the queue is for others.
pub const REQUESTS_AT_WRITER_MAX: usize = 2 * shipslog_gateway_core::limits::COMMIT_REQUESTS_MAX;
/// How long a request waits for its turn at the writer before its device is told to try again.
pub const ADMISSION_TIME_MAX: Duration = Duration::from_secs(5);
/// How long the notifications of one commit wait, all together, for the line in front of the writer to be empty.
pub const NOTIFIER_PAUSE_MAX: Duration = Duration::from_millis(250);
/// Smallest block of a file, in bytes (AWS IoT: 256).
pub const BLOCK_BYTES_MIN: u32 = 256;
/// Largest block of a file, and the most of a file that one request is answered with, in bytes (AWS IoT: 128 KB).
pub const BLOCK_BYTES_MAX: u32 = 128 * 1024;
/// Block offset and number of blocks that a request may name (AWS IoT: 98,304).
pub const BLOCKS_MAX: u32 = 98_304;
/// A bitmap of blocks has fewer bytes than this (AWS IoT: 12,288).
pub const BITMAP_BYTES_LIMIT: usize = 12_288;
/// Unwritten bytes at which no more blocks of a file are read for a client, until it has taken all of them.
pub const UNWRITTEN_BLOCKS_MAX: usize = 16 * 1024;
/// Jobs in a `notify` or `get` list (AWS IoT: 10).
pub const PENDING_LISTED_MAX: usize = shipslog_domain::limits::PENDING_LISTED_MAX;
/// Filters with a wildcard for the thing, over all sessions: each costs a look at every change of a job execution.
pub const WILDCARD_WATCHERS_MAX: usize = 64;
/// Installed components that one health message may name.
pub const COMPONENTS_MAX: usize = shipslog_domain::limits::INSTALLED_COMPONENTS_MAX;
/// Different filters of application topics, over all sessions.
pub const APPLICATION_FILTERS_MAX: usize = 2_000_000;
/// Messages that wait for the acknowledgments of one client. Publishers to application topics are held back at half.
pub const WAITING_MESSAGES_MAX: usize = 1_000;
/// How long publishers to application topics wait for a subscriber that leaves its outbox unread.
pub const SLOW_READER_WAIT: Duration = Duration::from_secs(1);
/// How long a subscriber is not waited for again after it kept publishers waiting in vain.
pub const SLOW_READER_PENALTY: Duration = Duration::from_secs(60);
/// Retained messages.
pub const RETAINED_MESSAGES_MAX: usize = 10_000;
/// Retained messages, in bytes of topic and payload.
pub const RETAINED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Lines of a container in one message of its node.
pub const CONTAINER_LINES_PER_MESSAGE: usize = 1_000;
/// Length of one line of a container, in bytes.
pub const CONTAINER_LINE_BYTES_MAX: usize = 16 * 1_024;
/// Samples of how much a node uses in one message.
pub const CONTAINER_SAMPLES_PER_MESSAGE: usize = 100;
