//! All passes, and which of them a change concerns.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shipslog_domain::access::Access;
use shipslog_domain::{CertificateId, ThingId};

use super::{Concerned, Pass};

/// The passes of all clients that are here with a certificate.
#[derive(Debug, Default)]
pub(super) struct Passes {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    next: u64,
    all: HashMap<u64, Arc<Pass>>,
    of_certificate: BTreeSet<(CertificateId, u64)>,
    of_thing: BTreeSet<(ThingId, u64)>,
    /// Clients that are on their way in, and whether something changed meanwhile.
    entering: HashMap<u64, bool>,
}

/// A client on its way in: from before the fleet is asked, so that no change is missed.
#[derive(Debug)]
pub(super) struct Entry {
    passes: Arc<Passes>,
    number: u64,
}

impl Entry {
    pub(super) const fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.passes.lock().entering.remove(&self.number);
    }
}

impl Book {
    fn index(&mut self, pass: &Pass, access: &Access) {
        self.of_certificate
            .insert((access.certificate(), pass.number()));
        if let Some(thing) = access.thing() {
            self.of_thing.insert((thing, pass.number()));
        }
    }

    fn unindex(&mut self, pass: &Pass, access: &Access) {
        self.of_certificate
            .remove(&(access.certificate(), pass.number()));
        if let Some(thing) = access.thing() {
            self.of_thing.remove(&(thing, pass.number()));
        }
    }
}

impl Passes {
    pub(super) fn enter(self: &Arc<Self>) -> Entry {
        let mut book = self.lock();
        let number = book.next;
        book.next += 1;
        book.entering.insert(number, false);
        drop(book);
        Entry {
            passes: Arc::clone(self),
            number,
        }
    }

    /// Adds the pass of a client that came in. `true`: something changed on its way.
    pub(super) fn add(&self, pass: &Arc<Pass>) -> bool {
        let mut book = self.lock();
        book.index(pass, &pass.access());
        book.all.insert(pass.number(), Arc::clone(pass));
        book.entering.remove(&pass.number()).unwrap_or(true)
    }

    pub(super) fn remove(&self, pass: &Pass) {
        let mut book = self.lock();
        book.unindex(pass, &pass.access());
        book.all.remove(&pass.number());
    }

    /// Changes what a pass says. One that was given back meanwhile stays as it was.
    pub(super) fn renew(&self, pass: &Pass, access: Access) {
        let mut book = self.lock();
        if book.all.contains_key(&pass.number()) {
            book.unindex(pass, &pass.access());
            book.index(pass, &access);
            pass.set_access(access);
        }
    }

    pub(super) fn get(&self, number: u64) -> Option<Arc<Pass>> {
        self.lock().all.get(&number).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Pass>> {
        self.lock().all.values().cloned().collect()
    }

    /// The passes that a change concerns. Those of clients on their way in are judged again when they are given.
    pub(super) fn concerned(&self, by: &Concerned) -> Vec<Arc<Pass>> {
        let mut book = self.lock();
        book.entering
            .values_mut()
            .for_each(|changed| *changed = true);
        let mut numbers = BTreeSet::new();
        for certificate in &by.certificates {
            let all = (*certificate, 0)..=(*certificate, u64::MAX);
            numbers.extend(book.of_certificate.range(all).map(|(_, number)| *number));
        }
        for thing in &by.things {
            let all = (*thing, 0)..=(*thing, u64::MAX);
            numbers.extend(book.of_thing.range(all).map(|(_, number)| *number));
        }
        if by.groups {
            numbers.extend(book.of_thing.iter().map(|(_, number)| *number));
        }
        if !by.policies.is_empty() {
            let governed = book.all.values().filter(|pass| {
                let access = pass.access();
                let mut policies = access.policies().iter();
                policies.any(|policy| by.policies.contains(policy))
            });
            numbers.extend(governed.map(|pass| pass.number()));
        }
        numbers
            .iter()
            .filter_map(|number| book.all.get(number).cloned())
            .collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let book = self.lock();
        book.all.is_empty()
            && book.of_certificate.is_empty()
            && book.of_thing.is_empty()
            && book.entering.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
