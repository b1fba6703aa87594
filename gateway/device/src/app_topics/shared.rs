//! Shared subscriptions: the members of a group take turns.
//!
//! Each group has one link with the plain filter. A member that is busy is passed over while another has room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::Instant;

use super::pump::{count, message};
use super::{Envelope, Forwards, Link, RouterRefusal};
use crate::edge::Inner;
use crate::metrics::DeviceMetrics;
use crate::session::{Admission, Session, Subscription, Whence};

/// All groups, by name and filter.
#[derive(Debug, Default)]
pub(crate) struct Groups(Mutex<BTreeMap<Key, Arc<Group>>>);

type Key = (Box<str>, Box<str>);

#[derive(Debug)]
struct Group {
    members: Mutex<Members>,
}

#[derive(Debug)]
struct Members {
    all: Vec<Member>,
    turn: usize,
    /// Taken when the last member leaves, which ends the group's pump.
    link: Option<Link>,
}

#[derive(Clone, Debug)]
struct Member {
    session: Arc<Session>,
    subscription: Subscription,
}

impl Groups {
    /// Makes a session a member, or changes its subscription.
    pub(crate) async fn join(
        edge: &Inner,
        (group, filter): (&str, &str),
        session: &Arc<Session>,
        subscription: Subscription,
    ) -> Result<(), RouterRefusal> {
        let key: Key = (group.into(), filter.into());
        let member = Member {
            session: Arc::clone(session),
            subscription,
        };
        let topics = &edge.topics;
        let Err(member) = topics.shared.add(&key, member) else {
            return Ok(());
        };
        let (mut link, forwards) = topics.open().await?;
        let mut groups = topics.shared.lock();
        if let Some(found) = groups.get(&key) {
            // Another member was faster; the link that was opened in vain ends here.
            found.lock().add(member);
            return Ok(());
        }
        link.subscribe(filter)?;
        let members = Members {
            all: vec![member],
            turn: 0,
            link: Some(link),
        };
        let group = Arc::new(Group {
            members: Mutex::new(members),
        });
        groups.insert(key, Arc::clone(&group));
        tokio::spawn(group.pump(forwards, edge.epoch, Arc::clone(&edge.metrics)));
        Ok(())
    }

    fn add(&self, key: &Key, member: Member) -> Result<(), Member> {
        match self.lock().get(key) {
            Some(group) => {
                group.lock().add(member);
                Ok(())
            }
            None => Err(member),
        }
    }

    /// Ends a membership.
    pub(crate) fn leave(&self, (group, filter): (&str, &str), session: &Session) {
        let key: Key = (group.into(), filter.into());
        let mut groups = self.lock();
        let Some(found) = groups.get(&key) else {
            return;
        };
        let mut members = found.lock();
        members
            .all
            .retain(|member| member.session.number != session.number);
        let link = members
            .all
            .is_empty()
            .then(|| members.link.take())
            .flatten();
        drop(members);
        if link.is_some() {
            groups.remove(&key);
        }
        drop(groups);
        drop(link);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Group>>> {
        self.0
            .lock()
            .expect("no code panics while it holds the groups")
    }
}

impl Members {
    fn add(&mut self, member: Member) {
        match self
            .all
            .iter_mut()
            .find(|old| old.session.number == member.session.number)
        {
            Some(old) => *old = member,
            None => self.all.push(member),
        }
    }

    /// The member whose turn it is among those with the best admission.
    fn choose(&mut self, envelope: &Envelope) -> Option<(Member, Admission)> {
        let count = self.all.len();
        let rank = |admission| match admission {
            Admission::Room => 0,
            Admission::Busy => 1,
            Admission::Away => 2,
            Admission::Gone => 3,
        };
        let (_, at, admission) = (0..count)
            .filter_map(|step| {
                let at = (self.turn + step) % count;
                let member = self.all.get(at)?;
                let connected = member.session.is_connected();
                let admission = match member
                    .session
                    .admission(envelope.qos.min(member.subscription.filter.qos))
                {
                    Admission::Room if !connected => Admission::Away,
                    other => other,
                };
                Some((rank(admission) * count + step, at, admission))
            })
            .min_by_key(|(order, ..)| *order)?;
        self.turn = (at + 1) % count;
        self.all.get(at).cloned().map(|member| (member, admission))
    }
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members
            .lock()
            .expect("no code panics while it holds a group")
    }

    async fn pump(
        self: Arc<Self>,
        mut forwards: Forwards,
        epoch: Instant,
        metrics: Arc<DeviceMetrics>,
    ) {
        while let Some(forward) = forwards.next().await {
            let envelope = Envelope::decode(forward.envelope, epoch);
            self.give(&envelope, &metrics).await;
        }
    }

    async fn give(&self, envelope: &Envelope, metrics: &DeviceMetrics) {
        loop {
            let Some((member, admission)) = self.lock().choose(envelope) else {
                return;
            };
            let qos = envelope.qos.min(member.subscription.filter.qos);
            if admission == Admission::Busy
                && member.session.admit(qos, Whence::Group).await != Admission::Room
            {
                // It went away while we waited; perhaps another has room.
                continue;
            }
            if let Some(message) = message(envelope, &member.subscription, qos) {
                count(member.session.deliver(message), metrics);
            }
            return;
        }
    }
}
