//! Refusals on their way to the timelines of things, at a rate that no device can turn into a flood.

use std::collections::BTreeMap;
use std::sync::Arc;

use shipslog_domain::presence::{Command, Refusal};
use shipslog_domain::{Command as AnyCommand, Fingerprint, ThingId, Timestamp};
use shipslog_projections::Views;
use tokio::time::{MissedTickBehavior, interval};

use super::{Refusals, Refused, cut};
use crate::{App, Failure, limits};

/// A certificate, and the thing that whoever holds it acted as.
type Holder = (Fingerprint, Option<ThingId>);

/// What is not recorded yet.
#[derive(Debug, Default)]
pub(super) struct Unrecorded {
    by_holder: BTreeMap<Holder, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// From when on it may be recorded.
    due: Timestamp,
    /// The latest last; none, where everything is recorded and the window is not over.
    refusals: Vec<Refusal>,
}

impl Unrecorded {
    pub(super) fn note(&mut self, refused: &Refused<'_>, now: Timestamp) {
        let holder = (*refused.certificate, refused.thing);
        let is_new = !self.by_holder.contains_key(&holder);
        if is_new && self.by_holder.len() >= limits::REFUSED_CERTIFICATES_MAX {
            return;
        }
        let waiting = self.by_holder.entry(holder).or_insert(Waiting {
            due: now,
            refusals: Vec::new(),
        });
        if waiting.refusals.is_empty() {
            // What follows at once belongs to the same event.
            waiting.due = waiting.due.max(now.plus(limits::REFUSALS_SETTLE));
        }
        waiting.add(Refusal {
            action: refused.action.into(),
            resource: cut(refused.resource).into(),
            client: cut(refused.client_id).into(),
            reason: refused.reason,
            count: 1,
            last_at: now,
        });
    }

    /// Takes what may be recorded at `now`, of at most so many holders.
    fn take(&mut self, now: Timestamp, limit: usize) -> Vec<(Holder, Vec<Refusal>)> {
        self.by_holder
            .retain(|_, waiting| !waiting.refusals.is_empty() || waiting.due > now);
        let due = self
            .by_holder
            .iter_mut()
            .filter(|(_, waiting)| !waiting.refusals.is_empty() && waiting.due <= now);
        let taken = due.take(limit).map(|(holder, waiting)| {
            waiting.due = now.plus(limits::REFUSALS_WINDOW);
            (*holder, std::mem::take(&mut waiting.refusals))
        });
        taken.collect()
    }

    /// What could not be recorded waits again, with what came meanwhile.
    fn put_back(&mut self, taken: Vec<(Holder, Vec<Refusal>)>, now: Timestamp) {
        for (holder, refusals) in taken {
            let Some(waiting) = self.by_holder.get_mut(&holder) else {
                continue;
            };
            waiting.due = now;
            let newer = std::mem::replace(&mut waiting.refusals, refusals);
            newer.into_iter().for_each(|refusal| waiting.add(refusal));
        }
    }
}

impl Waiting {
    fn add(&mut self, mut refusal: Refusal) {
        let is_same = |old: &Refusal| {
            old.action == refusal.action
                && old.resource == refusal.resource
                && old.reason == refusal.reason
        };
        if let Some(at) = self.refusals.iter().position(is_same) {
            refusal.count += self.refusals.remove(at).count;
        } else if self.refusals.len() >= limits::REFUSALS_PER_CERTIFICATE_MAX {
            self.refusals.remove(0);
        }
        self.refusals.push(refusal);
    }
}

impl Refusals {
    /// Takes refusals to the timelines of things until the service ends. A holder of a certificate costs at most one
    /// event in [`limits::REFUSALS_WINDOW`] for each thing that it concerns.
    pub async fn record(self: Arc<Self>, app: App) {
        let mut period = interval(limits::REFUSALS_PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            period.tick().await;
            let now = app.now();
            let taken = self.lock().unrecorded.take(now, limits::REFUSALS_STEP);
            let refused = app.look(|views| {
                let concerning = taken.iter().flat_map(|(holder, refusals)| {
                    let things = things_of(views, *holder).into_iter();
                    things.map(|thing| (thing, refusals.clone()))
                });
                concerning.collect::<Vec<_>>()
            });
            if refused.is_empty() {
                continue;
            }
            let command = AnyCommand::Presence(Command::Refuse { refused });
            match app.submit(command).await {
                Ok(Ok(_)) => {}
                Ok(Err(rejection)) => {
                    tracing::error!(%rejection, "refusals are not recorded");
                }
                Err(Failure::Busy) => self.lock().unrecorded.put_back(taken, now),
                Err(_) => return,
            }
        }
    }
}

/// Whom it concerns: the thing that the holder acted as; those of the certificate, where it acted as none.
fn things_of(views: &Views, (certificate, thing): Holder) -> Vec<ThingId> {
    if let Some(thing) = thing {
        return vec![thing];
    }
    let certificate = views.certificate(&certificate);
    let things = certificate.map_or_else(Vec::new, |certificate| certificate.things);
    let found = things.into_iter().filter_map(|name| views.thing(name));
    let found = found.map(|thing| thing.id);
    found.take(limits::REFUSED_THINGS_PER_CERTIFICATE).collect()
}

#[cfg(test)]
mod tests;
