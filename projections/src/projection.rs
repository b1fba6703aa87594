//! What a projection is: a pure fold over the log with a checkpoint, which can be saved and thrown away.

use minicbor::{Decode, Encode};
use shipslog_domain::{Position, Recorded, Timestamp};

/// A fold of the log.
pub trait Projection: Sized + Default {
    /// What the fold reads besides the event: another projection that has applied everything before this event and
    /// not yet this one, or nothing.
    type Beside;

    /// Version of the saved form. A saved state of another version is thrown away and rebuilt from the log.
    const VERSION: u32;

    /// Applies one event. Total: the decision was made when the event was written.
    fn apply(&mut self, recorded: &Recorded, beside: &Self::Beside);

    /// Appends the saved form of the view.
    fn save(&self, out: &mut Vec<u8>);

    /// The view that `save` wrote, if it is of this version and whole.
    fn load(version: u32, bytes: &[u8]) -> Option<Self>;
}

/// Up to where a view has applied the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Checkpoint {
    /// Position of the last applied event.
    #[n(0)]
    pub position: Position,
    /// Time of the last applied event.
    #[n(1)]
    pub at: Timestamp,
}

impl Checkpoint {
    /// Whether the event is the next one, and moves on if it is. An event that was already applied is skipped, so
    /// that a follower may read again from an earlier position.
    ///
    /// # Panics
    ///
    /// On a gap: a view that misses an event is wrong for ever, so the process ends and rebuilds it.
    #[must_use]
    pub fn accepts(&mut self, recorded: &Recorded) -> bool {
        if recorded.position <= self.position {
            return false;
        }
        assert_eq!(
            recorded.position,
            self.position.next(),
            "a follower delivers events without gaps"
        );
        self.position = recorded.position;
        self.at = recorded.at;
        true
    }
}

/// Appends the saved form of a value.
pub(crate) fn encode<T: Encode<()>>(value: &T, out: &mut Vec<u8>) {
    minicbor::encode(value, out).expect("encoding into memory does not fail");
}

/// Reads what [`encode`] wrote; `None` if it is damaged, of another version, or followed by something else.
pub(crate) fn decode<T: for<'b> Decode<'b, ()>>(
    expected: u32,
    version: u32,
    bytes: &[u8],
) -> Option<T> {
    if version != expected {
        return None;
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().ok()?;
    (decoder.position() == bytes.len()).then_some(value)
}

#[cfg(test)]
mod tests;
