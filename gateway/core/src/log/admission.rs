//! What may be appended.

use shipslog_domain::log::Batch;
use shipslog_domain::time::Timestamp;

use super::failure::{Failure, Refused};
use super::limits::{COMMIT_PAYLOAD_BYTES_MAX, EVENT_PAYLOAD_BYTES_MAX, STREAM_NUMBER_MAX};

/// Refuses a batch that cannot be stored.
pub(crate) fn check(batch: &Batch, mut time: Timestamp) -> Result<(), Failure> {
    let refused = |number, reason| Err(Failure::Refused { number, reason });
    if batch.payload_bytes() > COMMIT_PAYLOAD_BYTES_MAX {
        let reason = Refused::CommitTooLong {
            bytes: batch.payload_bytes(),
            max: COMMIT_PAYLOAD_BYTES_MAX,
        };
        return refused(batch.len(), reason);
    }
    for (number, (entry, payload)) in batch.iter().enumerate() {
        let reason = if payload.len() > EVENT_PAYLOAD_BYTES_MAX {
            Refused::PayloadTooLong {
                bytes: payload.len(),
                max: EVENT_PAYLOAD_BYTES_MAX,
            }
        } else if entry.at < time {
            Refused::TimeWentBack {
                at: entry.at,
                before: time,
            }
        } else if entry.stream.number > STREAM_NUMBER_MAX {
            Refused::StreamNumber {
                stream: entry.stream,
                max: STREAM_NUMBER_MAX,
            }
        } else {
            time = entry.at;
            continue;
        };
        return refused(number, reason);
    }
    Ok(())
}
