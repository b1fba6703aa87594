//! What one client may do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use shipslog_domain::access::{Access, Action, Claimant, Refusal};
use shipslog_domain::policy::Verdict;
use shipslog_domain::{CertificateId, Fingerprint, Fleet, ThingId};
use shipslog_gateway_core::pki::Presented;
use shipslog_gateway_core::refusals::{Reason, Refusals, Refused};

use super::Candidate;
use crate::session::{Order, Session};

/// Who has, or wants, a pass.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    certificate: Arc<Presented>,
    client_id: Arc<str>,
}

impl Holder {
    pub(super) fn new(certificate: Arc<Presented>, client_id: &str) -> Self {
        Self {
            certificate,
            client_id: client_id.into(),
        }
    }

    pub(crate) fn certificate(&self) -> &Presented {
        &self.certificate
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What the fleet says of it.
    pub(super) fn judge(&self, fleet: &Fleet) -> Result<Access, Refusal> {
        fleet.admit(&self.claimant(&|name| self.certificate.field(name)))
    }

    /// The thing that it acts as, though it may not connect.
    pub(super) fn acts_as(&self, fleet: &Fleet) -> Option<ThingId> {
        let access = fleet.access(&self.claimant(&|name| self.certificate.field(name)));
        access.ok()?.thing()
    }

    fn claimant<'a>(
        &'a self,
        certificate_field: &'a dyn Fn(&str) -> Option<String>,
    ) -> Claimant<'a> {
        Claimant {
            fingerprint: self.certificate.fingerprint(),
            client_id: &self.client_id,
            certificate_field,
        }
    }

    /// Notes that the fleet does not let it in, unless the fleet does not know it.
    pub(super) fn note_denial(&self, refusals: &Refusals, why: &Refusal, thing: Option<ThingId>) {
        let (reason, thing) = match why {
            Refusal::Unknown => return,
            // It acts as nothing then.
            Refusal::NotActive(_) => (Reason::CertificateNotActive, None),
            Refusal::NotAllowed => (Reason::Policy, thing),
        };
        refusals.note(&Refused {
            reason,
            ..self.refused(Action::Connect, &self.client_id, thing)
        });
    }

    /// Notes that its policies do not allow something.
    pub(super) fn note_refusal(
        &self,
        refusals: &Refusals,
        access: &Access,
        action: Action,
        with: &str,
    ) {
        refusals.note(&self.refused(action, with, access.thing()));
    }

    fn refused<'a>(&'a self, action: Action, with: &'a str, thing: Option<ThingId>) -> Refused<'a> {
        Refused {
            certificate: self.certificate.fingerprint(),
            thing,
            client_id: &self.client_id,
            action: action.as_str(),
            resource: with,
            reason: Reason::Policy,
        }
    }
}

/// What a client may do for as long as it is connected.
#[derive(Debug)]
pub(crate) struct Pass {
    number: u64,
    holder: Holder,
    access: RwLock<Arc<Access>>,
    session: Weak<Session>,
    refusals: Arc<Refusals>,
    is_over: AtomicBool,
}

impl Pass {
    /// The pass of a candidate that came in.
    pub(super) fn new(candidate: Candidate, session: Weak<Session>) -> Self {
        Self {
            number: candidate.entry.number(),
            holder: candidate.holder,
            access: RwLock::new(candidate.access),
            session,
            refusals: candidate.refusals,
            is_over: AtomicBool::new(false),
        }
    }

    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The certificate of the client.
    pub(crate) fn certificate(&self) -> Fingerprint {
        *self.holder.certificate.fingerprint()
    }

    pub(super) const fn holder(&self) -> &Holder {
        &self.holder
    }

    /// What it says at this moment.
    pub(super) fn access(&self) -> Arc<Access> {
        let access = self.access.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&access)
    }

    pub(super) fn set_access(&self, access: Access) {
        let mut place = self.access.write().unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(access);
    }

    /// Notes what it does not allow, for those who look at its thing.
    pub(crate) fn note_refusal(&self, action: Action, with: &str) {
        let access = self.access();
        self.holder
            .note_refusal(&self.refusals, &access, action, with);
    }

    /// Notes that it is not given again.
    pub(super) fn note_denial(&self, why: &Refusal) {
        let thing = self.access().thing();
        self.holder.note_denial(&self.refusals, why, thing);
    }

    /// Whether an action is allowed with a topic or topic filter.
    pub(crate) fn allows(&self, action: Action, with: &str) -> bool {
        let access = self.access.read().unwrap_or_else(PoisonError::into_inner);
        access.allows(action, with)
    }

    /// Whether an action is allowed with something under at least one of its names, and denied under none.
    pub(crate) fn allows_any(&self, action: Action, names: &[Option<&str>]) -> bool {
        let access = self.access.read().unwrap_or_else(PoisonError::into_inner);
        let verdicts = names.iter().flatten();
        let verdicts = verdicts.map(|name| access.verdict(action, name));
        verdicts.max().is_some_and(Verdict::is_allowed)
    }

    /// Whether its connection has been told to end: there is nothing more to judge.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Ends its connection.
    pub(super) fn show_out(&self, order: Order) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(session) = self.session.upgrade() {
            session.order_of(self.number, order);
        }
    }
}

/// Whose a session is. Nobody else resumes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    certificate: CertificateId,
    thing: Option<ThingId>,
}

impl Owner {
    pub(super) fn of(access: &Access) -> Self {
        Self {
            certificate: access.certificate(),
            thing: access.thing(),
        }
    }

    /// The numbers of certificate and thing, as sessions are saved with them.
    pub(crate) fn numbers(self) -> (u32, Option<u32>) {
        (self.certificate.0, self.thing.map(|thing| thing.0))
    }

    /// The owner with these numbers.
    pub(crate) fn of_numbers(certificate: u32, thing: Option<u32>) -> Self {
        Self {
            certificate: CertificateId(certificate),
            thing: thing.map(ThingId),
        }
    }

    /// Whether both are the same: the certificate, or the thing, which may have got a new certificate.
    pub(crate) fn is(self, other: Self) -> bool {
        self.certificate == other.certificate || self.thing.is_some() && self.thing == other.thing
    }
}
