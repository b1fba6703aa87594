//! State of presence: eight bytes per thing, for the state machine and for views alike.

use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;

use super::{Event, Reason, State};
use crate::ids::ThingId;
use crate::time::{Span, Timestamp};

/// Of every thing by dense id: from the top, 48 bits when the state began, 8 bits how many seconds later it was
/// recorded, 8 bits the state: 0 if the thing never connected, 1 if it is connected, 2 and more for the reason of its
/// end.
#[derive(Clone, Debug, Default)]
pub struct Presences {
    slots: Vec<u64>,
    connected: RoaringBitmap,
}

const NEVER: u64 = 0;
const CONNECTED: u64 = 1;
const FIRST_REASON: u64 = 2;
/// The last millisecond that a slot has room for, in the year 10889.
const LAST_MILLISECOND: u64 = (1 << 48) - 1;

fn packed(state: State, recorded: Timestamp) -> u64 {
    let tag = match state {
        State::Connected { .. } => CONNECTED,
        State::Disconnected { reason, .. } => FIRST_REASON + reason as u64,
    };
    // Whoever was recorded later than this has waited longer than any window.
    let late = (recorded.since(state.at()).0 / 1_000).min(0xff);
    state.at().0.min(LAST_MILLISECOND) << 16 | late << 8 | tag
}

fn unpacked(slot: u64) -> Option<(State, Timestamp)> {
    let at = Timestamp(slot >> 16);
    let recorded = at.plus(Span((slot >> 8 & 0xff) * 1_000));
    let state = match slot & 0xff {
        NEVER => return None,
        CONNECTED => State::Connected { since: at },
        tag => {
            let number = usize::try_from(tag - FIRST_REASON).expect("a byte");
            let reason = *Reason::ALL.get(number)?;
            State::Disconnected { at, reason }
        }
    };
    Some((state, recorded))
}

impl Presences {
    fn slot(&self, thing: ThingId) -> Option<(State, Timestamp)> {
        unpacked(*self.slots.get(thing.index())?)
    }

    /// The state of a thing, if it ever connected.
    #[must_use]
    pub fn get(&self, thing: ThingId) -> Option<State> {
        self.slot(thing).map(|(state, _)| state)
    }

    /// When its state was recorded, to the second.
    pub(super) fn recorded(&self, thing: ThingId) -> Option<Timestamp> {
        self.slot(thing).map(|(_, recorded)| recorded)
    }

    /// Things that are connected.
    #[must_use]
    pub const fn connected(&self) -> &RoaringBitmap {
        &self.connected
    }

    /// Applies an event of a thing's stream, recorded at `at`.
    pub fn evolve(&mut self, thing: ThingId, event: &Event, at: Timestamp) {
        let Some(state) = event.state() else { return };
        if self.slots.len() <= thing.index() {
            self.slots.resize(thing.index() + 1, NEVER);
        }
        if let Some(slot) = self.slots.get_mut(thing.index()) {
            *slot = packed(state, at);
        }
        if state.is_connected() {
            self.connected.insert(thing.0);
        } else {
            self.connected.remove(thing.0);
        }
    }
}

impl<C> Encode<C> for Presences {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.slots.encode(encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for Presences {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let slots = Vec::<u64>::decode(decoder, context)?;
        let things = (0_u32..).zip(&slots);
        let connected = things.filter(|(_, slot)| *slot & 0xff == CONNECTED);
        let connected = connected.map(|(thing, _)| thing).collect();
        Ok(Self { slots, connected })
    }
}
