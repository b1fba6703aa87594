//! What of all that the device edge sees is recorded, and when.

use super::{Command, Event, Observation, Presences, Reason, Refusal, State};
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::ThingId;
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;
use crate::time::Timestamp;

fn fact(thing: ThingId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Thing, thing.0),
        event: Any::Presence(event),
    }
}

impl Fleet {
    /// The presence of every thing.
    #[must_use]
    pub const fn presences(&self) -> &Presences {
        &self.presences
    }

    /// From when on the state of a client may be recorded; `None` if there is nothing to record: the client is no
    /// thing, or this state, or a later one, is recorded already.
    #[must_use]
    pub fn presence_due(&self, client: &str, state: State) -> Option<Timestamp> {
        let thing = self.things.find(client)?;
        let Some(known) = self.presences.get(thing) else {
            return Some(state.at());
        };
        if known == state || state.at() < known.at() {
            return None;
        }
        let recorded = self.presences.recorded(thing)?;
        Some(recorded.plus(limits::PRESENCE_WINDOW))
    }

    pub(crate) fn decide_presence(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Observe { seen } => self.decide_observe(seen, now),
            Command::EndStale { before } => Ok(self.end_stale(*before)),
            Command::Refuse { refused } => self.decide_refuse(refused),
        }
    }

    fn decide_refuse(&self, refused: &[(ThingId, Vec<Refusal>)]) -> Result<Vec<Fact>, Rejection> {
        let are_too_many = |all: &[Refusal]| all.len() > limits::REFUSALS_PER_EVENT_MAX;
        if refused.len() > limits::REFUSED_THINGS_MAX
            || refused.iter().any(|(_, refusals)| are_too_many(refusals))
        {
            return Err(Rejection::malformed(
                "refused",
                format!(
                    "at most {} refusals of {} things are recorded at once; split them",
                    limits::REFUSALS_PER_EVENT_MAX,
                    limits::REFUSED_THINGS_MAX
                ),
            ));
        }
        let is_long = |text: &str| text.len() > limits::REFUSED_TEXT_BYTES_MAX;
        let mut all = refused.iter().flat_map(|(_, refusals)| refusals);
        if all.any(|one| is_long(&one.action) || is_long(&one.resource) || is_long(&one.client)) {
            return Err(Rejection::malformed(
                "refused",
                format!(
                    "texts have at most {} bytes; cut them",
                    limits::REFUSED_TEXT_BYTES_MAX
                ),
            ));
        }
        let known = refused.iter().filter(|(thing, refusals)| {
            self.things.all.get(thing.index()).is_some() && !refusals.is_empty()
        });
        let facts = known.map(|(thing, refusals)| {
            let refusals = refusals.clone();
            fact(*thing, Event::Refused { refusals })
        });
        Ok(facts.collect())
    }

    fn decide_observe(&self, seen: &[Observation], now: Timestamp) -> Result<Vec<Fact>, Rejection> {
        if seen.len() > limits::PRESENCE_OBSERVATIONS_MAX {
            return Err(Rejection::malformed(
                "seen",
                format!(
                    "at most {} clients are observed at once; split them",
                    limits::PRESENCE_OBSERVATIONS_MAX
                ),
            ));
        }
        let mut facts = Vec::new();
        for Observation {
            client,
            state,
            unrecorded,
        } in seen
        {
            let due = self.presence_due(client, *state);
            let Some(thing) = self.things.find(client) else {
                continue;
            };
            if due.is_none_or(|due| due > now) {
                continue;
            }
            let unrecorded = *unrecorded;
            let event = match *state {
                State::Connected { since } => Event::Connected { since, unrecorded },
                State::Disconnected { at, reason } => Event::Disconnected {
                    at,
                    reason,
                    unrecorded,
                },
            };
            facts.push(fact(thing, event));
        }
        Ok(facts)
    }

    /// No connection outlives the device edge: whoever has not come back since it began is gone.
    fn end_stale(&self, before: Timestamp) -> Vec<Fact> {
        let connected = self.presences.connected().iter().map(ThingId);
        let is_stale = |thing: &ThingId| {
            let state = self.presences.get(*thing);
            state.is_some_and(|state| state.at() < before)
        };
        let stale = connected
            .filter(is_stale)
            .take(limits::PRESENCE_OBSERVATIONS_MAX);
        let gone = Event::Disconnected {
            at: before,
            reason: Reason::ServerInitiatedDisconnect,
            unrecorded: 0,
        };
        stale.map(|thing| fact(thing, gone.clone())).collect()
    }
}
