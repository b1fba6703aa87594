//! Who watches which thing, and what they know of it. From a thing to its watchers is one look into an array.

use std::collections::HashMap;
use std::sync::Arc;

use shipslog_domain::{JobId, ThingId};

use super::shadows::KnownShadows;
use super::survey::{Known, Probe, Which};
use crate::codec::Qos;
use crate::session::Session;
use crate::{limits, topics};

/// A filter that notifications may match.
#[derive(Clone, Debug)]
pub(crate) struct WatchFilter {
    path: Box<str>,
    pub(super) qos: Qos,
    pub(super) identifier: Option<u32>,
}

impl WatchFilter {
    pub(crate) fn new(path: &str, qos: Qos, identifier: Option<u32>) -> Self {
        Self {
            path: path.into(),
            qos,
            identifier,
        }
    }

    pub(super) fn matches(&self, topic: &str) -> bool {
        topics::matches(&self.path, topic)
    }

    /// Whether documents of shadows are needed for what it can match.
    pub(super) fn wants_documents(&self) -> bool {
        topics::wants_documents(&self.path)
    }

    /// Which notifications it can match.
    fn which(&self) -> Which {
        if topics::watches_only_shadows(&self.path) {
            return Which::default();
        }
        let last = self.path.rsplit('/').next().unwrap_or_default();
        let wild = matches!(last, "+" | "#");
        let head = last.starts_with("notify-next");
        Which {
            list: wild || !head,
            head: wild || head,
        }
    }

    /// The namespaces that it can match: all, or one, or that of plain jobs.
    pub(super) fn namespace(&self) -> Namespaces<'_> {
        let last = self.path.rsplit('/').next().unwrap_or_default();
        match (last, topics::notified_namespace(&self.path)) {
            ("+" | "#", _) => Namespaces::All,
            (_, None) => Namespaces::Plain,
            (_, Some(namespace)) => Namespaces::Named(namespace),
        }
    }
}

/// The namespaces that a filter can match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Namespaces<'a> {
    Plain,
    Named(&'a str),
    All,
}

type Filters = Box<[WatchFilter]>;

/// All watches.
#[derive(Debug, Default)]
pub(super) struct Registry {
    /// One more than the slot of a thing's watch; zero: nobody watches it.
    by_thing: Vec<u32>,
    /// Watches of names that no thing has yet.
    unresolved: HashMap<Box<str>, u32>,
    by_session: HashMap<u64, Vec<u32>>,
    slots: Vec<Option<ThingWatch>>,
    free: Vec<u32>,
    wildcards: Vec<(Arc<Session>, Filters)>,
}

/// The watchers of one thing.
#[derive(Debug)]
struct ThingWatch {
    of: Watched,
    sessions: Vec<(Arc<Session>, Filters)>,
    known: Vec<Known>,
    /// Documents of its shadows, where somebody wants them.
    documents: Option<KnownShadows>,
}

#[derive(Debug)]
enum Watched {
    Thing(ThingId),
    Name(Box<str>),
}

impl Registry {
    /// Sets the filters with which a session watches a thing.
    pub(super) fn watch(
        &mut self,
        session: &Arc<Session>,
        name: &str,
        thing: Option<ThingId>,
        filters: Vec<WatchFilter>,
        (baseline, documents): (Vec<Known>, Option<KnownShadows>),
    ) {
        let found = match thing {
            // A name that waited for this very moment is resolved here, before its event has come.
            Some(thing) => self.slot(thing).or_else(|| {
                let slot = self
                    .unresolved
                    .contains_key(name)
                    .then(|| self.resolve(name, thing));
                slot.and_then(|()| self.slot(thing))
            }),
            None => self.unresolved.get(name).copied(),
        };
        if filters.is_empty() {
            if let Some(slot) = found {
                self.leave(slot, session.number);
                if let Some(slots) = self.by_session.get_mut(&session.number) {
                    slots.retain(|one| *one != slot);
                }
            }
            return;
        }
        let slot = found.unwrap_or_else(|| self.add(name, thing));
        let Some(Some(watch)) = self.slots.get_mut(slot as usize) else {
            return;
        };
        for known in baseline {
            // What earlier watchers know stays: they are owed the changes since.
            if !watch
                .known
                .iter()
                .any(|old| old.namespace == known.namespace)
            {
                watch.known.push(known);
            }
        }
        // The same holds for documents.
        if watch.documents.is_none() {
            watch.documents = documents;
        }
        let filters = filters.into_boxed_slice();
        match watch
            .sessions
            .iter_mut()
            .find(|(old, _)| old.number == session.number)
        {
            Some((_, old)) => *old = filters,
            None => {
                watch.sessions.reserve_exact(1);
                watch.sessions.push((Arc::clone(session), filters));
                let slots = self.by_session.entry(session.number).or_default();
                slots.reserve_exact(1);
                slots.push(slot);
            }
        }
    }

    fn add(&mut self, name: &str, thing: Option<ThingId>) -> u32 {
        let of = match thing {
            Some(thing) => Watched::Thing(thing),
            None => Watched::Name(name.into()),
        };
        let watch = Some(ThingWatch {
            of,
            sessions: Vec::new(),
            known: Vec::new(),
            documents: None,
        });
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.slots.get_mut(slot as usize) {
                    *place = watch;
                }
                slot
            }
            None => {
                self.slots.push(watch);
                u32::try_from(self.slots.len() - 1).expect("there are fewer sessions than that")
            }
        };
        match thing {
            Some(thing) => self.point(thing, slot + 1),
            None => drop(self.unresolved.insert(name.into(), slot)),
        }
        slot
    }

    fn point(&mut self, thing: ThingId, slot_and_one: u32) {
        if self.by_thing.len() <= thing.index() {
            self.by_thing.resize(thing.index() + 1, 0);
        }
        if let Some(place) = self.by_thing.get_mut(thing.index()) {
            *place = slot_and_one;
        }
    }

    fn slot(&self, thing: ThingId) -> Option<u32> {
        self.by_thing
            .get(thing.index())
            .and_then(|slot| slot.checked_sub(1))
    }

    fn at(&self, thing: ThingId) -> Option<&ThingWatch> {
        self.slots.get(self.slot(thing)? as usize)?.as_ref()
    }

    /// Sets the filters with which a session watches every thing. `false`: there are too many that do.
    pub(super) fn watch_all(&mut self, session: &Arc<Session>, filters: Vec<WatchFilter>) -> bool {
        self.wildcards
            .retain(|(old, _)| old.number != session.number);
        if filters.is_empty() {
            return true;
        }
        let count: usize = self
            .wildcards
            .iter()
            .map(|(_, filters)| filters.len())
            .sum();
        if count + filters.len() > limits::WILDCARD_WATCHERS_MAX {
            return false;
        }
        self.wildcards.push((Arc::clone(session), filters.into()));
        true
    }

    /// Forgets a session.
    pub(super) fn forget(&mut self, session: u64) {
        for slot in self.by_session.remove(&session).unwrap_or_default() {
            self.leave(slot, session);
        }
        self.wildcards.retain(|(old, _)| old.number != session);
    }

    fn leave(&mut self, slot: u32, session: u64) {
        let Some(place) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let Some(watch) = place else { return };
        watch.sessions.retain(|(old, _)| old.number != session);
        if !watch.sessions.is_empty() {
            return;
        }
        let watch = place.take();
        self.free.push(slot);
        match watch.map(|watch| watch.of) {
            Some(Watched::Thing(thing)) => self.point(thing, 0),
            Some(Watched::Name(name)) => drop(self.unresolved.remove(&name)),
            None => (),
        }
    }

    /// A name got its thing. Nothing was pending for it before.
    pub(super) fn resolve(&mut self, name: &str, thing: ThingId) {
        let Some(slot) = self.unresolved.remove(name) else {
            return;
        };
        self.point(thing, slot + 1);
        let Some(Some(watch)) = self.slots.get_mut(slot as usize) else {
            return;
        };
        watch.of = Watched::Thing(thing);
        let wanted = watch
            .sessions
            .iter()
            .flat_map(|(_, filters)| filters.iter());
        watch.known = Known::nothing(wanted);
    }

    /// Whether somebody watches every thing.
    pub(super) fn has_wildcards(&self) -> bool {
        !self.wildcards.is_empty()
    }

    /// Whether somebody watches this thing by its name.
    pub(super) fn is_watched(&self, thing: ThingId) -> bool {
        self.slot(thing).is_some()
    }

    /// Whether somebody who watches this thing by its name may see another first execution, if that of a job makes
    /// progress. One that is the first stays the first: those in progress are before those that are queued.
    pub(super) fn is_head_at_stake(&self, thing: ThingId, job: JobId) -> bool {
        self.at(thing)
            .is_some_and(|watch| !watch.known.iter().any(|known| known.is_led_by(job)))
    }

    /// What to look at for a thing whose executions changed. What is known of it is lent to the probe.
    pub(super) fn probe(&mut self, thing: ThingId, jobs: Vec<(JobId, bool)>) -> Probe {
        let mut probe = Probe {
            thing,
            jobs,
            known: Vec::new(),
            discovers: false,
            wanted: Which::default(),
        };
        for filter in self
            .wildcards
            .iter()
            .flat_map(|(_, filters)| filters.iter())
        {
            probe.discovers = true;
            probe.wanted = probe.wanted.or(filter.which());
        }
        let slot = self.slot(thing);
        let Some(Some(watch)) = slot.and_then(|slot| self.slots.get_mut(slot as usize)) else {
            return probe;
        };
        probe.known = std::mem::take(&mut watch.known);
        for filter in watch
            .sessions
            .iter()
            .flat_map(|(_, filters)| filters.iter())
        {
            probe.discovers |= filter.namespace() == Namespaces::All;
            probe.wanted = probe.wanted.or(filter.which());
        }
        probe
    }

    /// What the watchers of a thing know from here on.
    pub(super) fn set_known(&mut self, thing: ThingId, known: Vec<Known>) {
        let slot = self.slot(thing);
        if let Some(Some(watch)) = slot.and_then(|slot| self.slots.get_mut(slot as usize)) {
            watch.known = known;
        }
    }

    /// Documents of a thing's shadows, where somebody who watches the thing by its name wants them.
    pub(super) fn documents(&mut self, thing: ThingId) -> Option<&mut KnownShadows> {
        let slot = self.slot(thing)?;
        self.slots
            .get_mut(slot as usize)?
            .as_mut()?
            .documents
            .as_mut()
    }

    /// Whether somebody who watches every thing wants documents of shadows.
    pub(super) fn wants_all_documents(&self) -> bool {
        let mut filters = self
            .wildcards
            .iter()
            .flat_map(|(_, filters)| filters.iter());
        filters.any(WatchFilter::wants_documents)
    }

    /// Sessions that watch this thing by its name.
    pub(super) fn sessions(
        &self,
        thing: ThingId,
    ) -> impl Iterator<Item = (&Session, &[WatchFilter])> {
        let sessions = self.at(thing).map(|watch| watch.sessions.iter());
        sessions
            .into_iter()
            .flatten()
            .map(|(session, filters)| (&**session, &**filters))
    }

    /// Sessions that watch every thing.
    pub(super) fn wildcards(&self) -> impl Iterator<Item = (&Session, &[WatchFilter])> {
        self.wildcards
            .iter()
            .map(|(session, filters)| (&**session, &**filters))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
            && self.unresolved.is_empty()
            && self.by_session.is_empty()
            && self.wildcards.is_empty()
            && self.by_thing.iter().all(|slot| *slot == 0)
    }
}

#[cfg(test)]
mod tests;
