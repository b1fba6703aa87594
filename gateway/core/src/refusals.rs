//! What was refused to devices lately, by the certificates that they came with.
//!
//! Kept in memory beside the log: a refusal changes nothing of the fleet, and a device that was taken over could fill
//! the log with them. The same refusal is counted and not listed again. Bounded per certificate and over all of them;
//! what was refused longest ago gives way. A restart begins anew.
//!
//! What was refused stays in the timelines of things: [`Refusals::record`] takes it there, at a bounded rate.

mod recorder;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shipslog_domain::{Fingerprint, ThingId, Timestamp};

pub use shipslog_domain::presence::RefusalReason as Reason;

use crate::clock::Clock;
use crate::limits::{
    REFUSALS_PER_CERTIFICATE_MAX, REFUSED_CERTIFICATES_MAX, REFUSED_RESOURCE_BYTES_MAX,
};
use recorder::Unrecorded;

/// What was refused, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The certificate of the device, which is registered.
    pub certificate: &'a Fingerprint,
    /// The thing that it acted as, if it acted as one.
    pub thing: Option<ThingId>,
    /// The client id that it used; over HTTPS the name of the thing that it said it was.
    pub client_id: &'a str,
    /// The policy action, such as `iot:Publish`.
    pub action: &'static str,
    /// With what: a client id, a topic, a topic filter, or what else the action is done with.
    pub resource: &'a str,
    /// Why it was refused.
    pub reason: Reason,
}

/// Something that was refused once or more often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The thing that the device acted as, if it acted as one.
    pub thing: Option<ThingId>,
    /// The client id of the device that was refused last.
    pub client_id: Box<str>,
    /// The policy action.
    pub action: &'static str,
    /// With what. A long one is cut.
    pub resource: Box<str>,
    /// Why it was refused.
    pub reason: Reason,
    /// How often.
    pub count: u64,
    /// When it was refused first, of those counted.
    pub first_at: Timestamp,
    /// When it was refused last.
    pub last_at: Timestamp,
}

/// The refusals of all certificates.
#[derive(Debug)]
pub struct Refusals {
    clock: Clock,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    next_turn: u64,
    by_certificate: BTreeMap<Fingerprint, Page>,
    /// Certificates by the turn of their latest refusal.
    by_turn: BTreeMap<u64, Fingerprint>,
    unrecorded: Unrecorded,
}

/// The refusals of one certificate.
#[derive(Debug, Default)]
struct Page {
    turn: u64,
    /// The latest one last.
    refusals: Vec<Refusal>,
}

impl Refusals {
    /// No refusals yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            book: Mutex::default(),
        }
    }

    /// Notes a refusal.
    pub fn note(&self, refused: &Refused<'_>) {
        let now = self.clock.now();
        let mut book = self.lock();
        book.turn_to(refused.certificate).note(refused, now);
        book.unrecorded.note(refused, now);
    }

    /// What was refused to the holders of a certificate, the latest first.
    #[must_use]
    pub fn of(&self, certificate: &Fingerprint) -> Vec<Refusal> {
        let book = self.lock();
        let page = book.by_certificate.get(certificate);
        page.map_or_else(Vec::new, |page| {
            page.refusals.iter().rev().cloned().collect()
        })
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// The page of a certificate, whose turn it is. The page whose turn is longest ago may have to go.
    fn turn_to(&mut self, certificate: &Fingerprint) -> &mut Page {
        let turn = self.next_turn;
        self.next_turn += 1;
        match self.by_certificate.get(certificate) {
            Some(page) => drop(self.by_turn.remove(&page.turn)),
            None if self.by_certificate.len() >= REFUSED_CERTIFICATES_MAX => {
                if let Some((_, oldest)) = self.by_turn.pop_first() {
                    self.by_certificate.remove(&oldest);
                }
            }
            None => (),
        }
        self.by_turn.insert(turn, *certificate);
        let page = self.by_certificate.entry(*certificate).or_default();
        page.turn = turn;
        page
    }
}

impl Page {
    fn note(&mut self, refused: &Refused<'_>, now: Timestamp) {
        let resource = cut(refused.resource);
        let is_same = |old: &Refusal| {
            old.action == refused.action
                && *old.resource == *resource
                && old.thing == refused.thing
                && old.reason == refused.reason
        };
        if let Some(at) = self.refusals.iter().position(is_same) {
            let mut same = self.refusals.remove(at);
            same.count += 1;
            same.last_at = now;
            if *same.client_id != *refused.client_id {
                same.client_id = refused.client_id.into();
            }
            self.refusals.push(same);
            return;
        }
        if self.refusals.len() >= REFUSALS_PER_CERTIFICATE_MAX {
            self.refusals.remove(0);
        }
        self.refusals.push(Refusal {
            thing: refused.thing,
            client_id: refused.client_id.into(),
            action: refused.action,
            resource: resource.into(),
            reason: refused.reason,
            count: 1,
            first_at: now,
            last_at: now,
        });
    }
}

/// The beginning of a text, as far as it is kept.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(REFUSED_RESOURCE_BYTES_MAX))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
