//! Who may be here: what the fleet says of a client's certificate when it connects, and for as long as it stays.
//!
//! A client that has proved to hold the key of a certificate gets a [`Pass`]: what its policies let it do as of that
//! moment. One task follows the log and has the fleet judge again those passes that a commit concerns: a certificate
//! whose status, policies or things changed, a thing whose type, attributes or groups changed, a policy that says
//! something else. Whoever may not be here any more is shown out; the others go on with what they may do from then on.

mod pass;
mod passes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use shipslog_domain::access::{Access, Action, Refusal};
use shipslog_domain::{
    CertificateId, Event, Fleet, PolicyId, ThingId, certificate, group, policy, thing,
};
use shipslog_gateway_core::pki::Presented;
use shipslog_gateway_core::refusals::Refusals;
use shipslog_gateway_core::{App, Commit, Failure, Follower};
use tokio::sync::mpsc;

use crate::metrics::DeviceMetrics;
use crate::session::{Order, Session};
pub(crate) use pass::{Holder, Owner, Pass};
use passes::{Entry, Passes};

/// Passes that are judged with one look at the fleet, so that the writer gets to its commands in between.
const REVIEWS_MAX: usize = 256;
/// How long the guard waits when the writer has more to do than it may queue.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Gives passes, and takes them back.
#[derive(Debug)]
pub(crate) struct Guard {
    passes: Arc<Passes>,
    /// Passes to be judged again because something changed while they were given.
    again: mpsc::UnboundedSender<u64>,
    refusals: Arc<Refusals>,
}

/// A client that may come in.
#[derive(Debug)]
pub(crate) struct Candidate {
    holder: Holder,
    access: Arc<Access>,
    entry: Entry,
    refusals: Arc<Refusals>,
}

/// Why a client does not come in.
#[derive(Debug)]
pub(crate) enum Denied {
    /// The fleet says no.
    ByFleet(Refusal),
    /// The fleet cannot be asked.
    Unasked,
}

impl Guard {
    /// A guard that notes what it refuses, and what its task is told.
    pub(crate) fn new(refusals: Arc<Refusals>) -> (Self, mpsc::UnboundedReceiver<u64>) {
        let (again, reviews) = mpsc::unbounded_channel();
        let guard = Self {
            passes: Arc::default(),
            again,
            refusals,
        };
        (guard, reviews)
    }

    /// Asks the fleet whether the holder of a certificate may connect under a client id.
    pub(crate) async fn ask(
        &self,
        app: &App,
        certificate: Arc<Presented>,
        client_id: &str,
    ) -> Result<Candidate, Denied> {
        let entry = self.passes.enter();
        let holder = Holder::new(certificate, client_id);
        let asked = holder.clone();
        let judged = app.read(move |fleet| {
            let judged = asked.judge(fleet);
            judged.map_err(|refusal| (refusal, asked.acts_as(fleet)))
        });
        match judged.await {
            Ok(Ok(access)) => Ok(Candidate {
                holder,
                access: Arc::new(access),
                entry,
                refusals: Arc::clone(&self.refusals),
            }),
            Ok(Err((refusal, thing))) => {
                holder.note_denial(&self.refusals, &refusal, thing);
                Err(Denied::ByFleet(refusal))
            }
            Err(_) => Err(Denied::Unasked),
        }
    }

    /// Gives a candidate its pass, for the session that it connects to.
    pub(crate) fn let_in(&self, candidate: Candidate, session: &Arc<Session>) -> Arc<Pass> {
        let number = candidate.entry.number();
        let pass = Arc::new(Pass::new(candidate, Arc::downgrade(session)));
        if self.passes.add(&pass) {
            // The task may have ended before its last client came.
            self.again.send(number).ok();
        }
        pass
    }

    /// A connection gives its pass back.
    pub(crate) fn give_back(&self, pass: &Pass) {
        self.passes.remove(pass);
    }
}

impl Candidate {
    /// Whether an action is allowed with a topic.
    pub(crate) fn allows(&self, action: Action, with: &str) -> bool {
        self.access.allows(action, with)
    }

    /// Notes what it is not allowed, for those who look at its thing.
    pub(crate) fn note_refusal(&self, action: Action, with: &str) {
        let access = &self.access;
        self.holder
            .note_refusal(&self.refusals, access, action, with);
    }

    /// Whose session it may resume.
    pub(crate) fn owner(&self) -> Owner {
        Owner::of(&self.access)
    }
}

/// What a commit concerns.
#[derive(Debug, Default, PartialEq, Eq)]
struct Concerned {
    certificates: BTreeSet<CertificateId>,
    things: BTreeSet<ThingId>,
    policies: BTreeSet<PolicyId>,
    /// Groups have other policies, or are gone: everybody who acts as a thing.
    groups: bool,
}

impl Concerned {
    fn by(commit: &Commit) -> Self {
        let mut concerned = Self::default();
        for recorded in &commit.events {
            concerned.add(&recorded.event, recorded.stream.number);
        }
        concerned
    }

    fn add(&mut self, event: &Event, stream: u32) {
        match event {
            Event::Certificate(
                certificate::Event::Registered { .. }
                | certificate::Event::Enrolled { .. }
                | certificate::Event::Provisioned { .. }
                | certificate::Event::OwnershipEnded,
            )
            | Event::Thing(thing::Event::Registered { .. }) => {}
            Event::Certificate(
                certificate::Event::StatusChanged { .. }
                | certificate::Event::PolicyAttached { .. }
                | certificate::Event::PolicyDetached { .. }
                | certificate::Event::Removed
                | certificate::Event::Reserved { .. },
            ) => drop(self.certificates.insert(CertificateId(stream))),
            Event::Thing(
                thing::Event::CertificateAttached { certificate }
                | thing::Event::CertificateDetached { certificate },
            ) => {
                self.certificates.insert(*certificate);
                self.things.insert(ThingId(stream));
            }
            Event::Thing(
                thing::Event::TypeChanged { .. }
                | thing::Event::AttributesChanged { .. }
                | thing::Event::JoinedGroup { .. }
                | thing::Event::LeftGroup { .. }
                | thing::Event::Removed,
            ) => drop(self.things.insert(ThingId(stream))),
            Event::Policy(
                policy::Event::GroupAttached { .. } | policy::Event::GroupDetached { .. },
            )
            | Event::Group(group::Event::Removed) => self.groups = true,
            Event::Policy(
                policy::Event::Created { .. }
                | policy::Event::VersionAdded { .. }
                | policy::Event::DefaultVersionChanged { .. }
                | policy::Event::VersionRemoved { .. }
                | policy::Event::Removed,
            ) => drop(self.policies.insert(PolicyId(stream))),
            _ => {}
        }
    }

    fn is_nobody(&self) -> bool {
        *self == Self::default()
    }
}

/// The guard's task.
pub(crate) struct Rounds {
    app: App,
    passes: Arc<Passes>,
    metrics: Arc<DeviceMetrics>,
}

impl Rounds {
    pub(crate) fn new(app: App, guard: &Guard, metrics: Arc<DeviceMetrics>) -> Self {
        Self {
            app,
            passes: Arc::clone(&guard.passes),
            metrics,
        }
    }

    /// Runs until the log ends or the guard is gone.
    pub(crate) async fn run(self, mut follower: Follower, mut again: mpsc::UnboundedReceiver<u64>) {
        loop {
            let (concerned, followed) = tokio::select! {
                commit = follower.next() => match commit {
                    Some(Ok(commit)) => {
                        let concerned = Concerned::by(&commit);
                        let passes = match concerned.is_nobody() {
                            true => Vec::new(),
                            false => self.passes.concerned(&concerned),
                        };
                        (passes, Some(commit.last()))
                    }
                    Some(Err(error)) => return self.give_up(&error),
                    None => return,
                },
                number = again.recv() => match number {
                    Some(number) => (self.passes.get(number).into_iter().collect(), None),
                    None => return,
                },
            };
            for some in concerned.chunks(REVIEWS_MAX) {
                if self.review(some).await.is_err() {
                    return;
                }
            }
            if let Some(position) = followed {
                self.metrics.guarded_position.set(position.0);
            }
        }
    }

    /// Nobody can tell any more who may stay, so nobody stays.
    fn give_up(&self, error: &impl std::fmt::Display) {
        tracing::error!(%error, "the log cannot be followed; clients with certificates are disconnected");
        for pass in self.passes.all() {
            pass.show_out(Order::Withdrawn);
        }
    }

    /// Has the fleet judge some passes again.
    async fn review(&self, passes: &[Arc<Pass>]) -> Result<(), Failure> {
        let shared: Arc<[Arc<Pass>]> = passes.into();
        let judged = loop {
            let asked = Arc::clone(&shared);
            let judge = move |fleet: &Fleet| -> Vec<Result<Access, Refusal>> {
                asked
                    .iter()
                    .map(|pass| pass.holder().judge(fleet))
                    .collect()
            };
            match self.app.read(judge).await {
                Err(Failure::Busy) => tokio::time::sleep(BUSY_PAUSE).await,
                other => break other?,
            }
        };
        for (pass, judged) in passes.iter().zip(judged) {
            self.follow(pass, judged);
        }
        Ok(())
    }

    fn follow(&self, pass: &Arc<Pass>, judged: Result<Access, Refusal>) {
        if pass.is_over() {
            return;
        }
        let before = pass.access();
        let reason = match judged {
            Ok(access) if access == *before => return,
            Ok(access) if before.thing().is_none() || access.thing() == before.thing() => {
                return self.passes.renew(pass, access);
            }
            Ok(_) => "the certificate does not act as the thing any more".to_owned(),
            Err(refusal) => {
                pass.note_denial(&refusal);
                refusal.to_string()
            }
        };
        tracing::info!(
            client.id = pass.holder().client_id(),
            certificate.id = %pass.holder().certificate().fingerprint(),
            reason,
            "a client is disconnected"
        );
        pass.show_out(Order::Withdrawn);
    }
}

#[cfg(test)]
mod tests;
