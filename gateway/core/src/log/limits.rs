//! Every bound of the log, one named constant each.

/// Events of a block before compression, in bytes. Two less than 64 KiB, so that the compressor gets by with its
/// table of 16-bit entries.
pub const BLOCK_RAW_BYTES_MAX: usize = 65_534;
/// Payload of one event, in bytes. An event that does not fit a block has a block of its own.
pub const EVENT_PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// What an event takes besides its payload, at most.
pub const EVENT_OVERHEAD_BYTES_MAX: usize = 64;
/// Payloads of one commit together, in bytes.
pub const COMMIT_PAYLOAD_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Stream numbers are dense; one this high is a mistake, and would cost a gigabyte of stream heads.
pub const STREAM_NUMBER_MAX: u32 = (1 << 27) - 1;
/// Length of a segment file.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// The shortest segment that may be configured: room for a block with a small event.
pub const SEGMENT_BYTES_MIN: u64 = 512;
/// Length of the first segment: a small log should not cost 64 MiB. Later ones are prepared ahead of need.
pub const FIRST_SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// The next segment is prepared when the current one is filled to this part of its length.
pub const PREPARE_AFTER_DIVISOR: u64 = 16;
/// Bytes of events, before or after compression, between two entries of the block index.
pub const INDEX_STRIDE_BYTES: u64 = 64 * 1024;
/// Remembered command ids.
pub const COMMAND_WINDOW: usize = 100_000;
/// Command ids that are written to the index together.
pub const COMMAND_CHUNK: usize = 1_024;
/// Decoded pages that readers share.
pub const CACHED_PAGES: usize = 64;
/// Events that a reader hands out together when blocks are small.
pub const CHUNK_EVENTS: usize = 2_048;
/// Bytes that a reader asks the disk for at once.
pub const READ_BYTES: usize = 1024 * 1024;
/// Kept generations of a saved state.
pub const STATE_GENERATIONS: usize = 2;
/// Length of the name of a saved state or a checkpoint.
pub const NAME_BYTES_MAX: usize = 64;
/// Tasks that wait for the housekeeper.
pub const HOUSEKEEPER_QUEUE: usize = 1_024;
