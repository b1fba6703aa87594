//! What is due when. At most one timer per key; setting it again replaces it.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use crate::ids::{
    CertificateId, ContainerServiceId, CoreTaskId, DeploymentTaskId, GroupId, JobId, ThingId,
};
use crate::time::Timestamp;

/// What a timer is about. The order decides which of several due at the same moment comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(flat)]
pub enum Due {
    /// A job has a consequence to draw: abort, completion, the next wave, the cancellation of its executions.
    #[n(0)]
    Job(#[n(0)] JobId),
    /// An execution's in-progress or step timer.
    #[n(1)]
    Execution(#[n(0)] JobId, #[n(1)] ThingId),
    /// A deployment task has items to work on.
    #[n(2)]
    DeploymentTask(#[n(0)] DeploymentTaskId),
    /// A provisioning claim ends, or the time in which a device may provision itself with a certificate.
    #[n(3)]
    Certificate(#[n(0)] CertificateId),
    /// A task has things to take out of service.
    #[n(4)]
    CoreTask(#[n(0)] CoreTaskId),
    /// A dynamic group has things to ask its query of, or a deleted group members to let go.
    #[n(5)]
    Group(#[n(0)] GroupId),
    /// A container service has nodes to tell something, or they had their time.
    #[n(10)]
    ContainerService(#[n(0)] ContainerServiceId),
}

#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct Timers {
    #[n(0)]
    by_time: BTreeSet<(Timestamp, Due)>,
    /// Timers of jobs, tasks and certificates. Executions know their own deadline, of which there may be a million.
    #[n(1)]
    by_key: BTreeMap<Due, Timestamp>,
}

impl Timers {
    pub(crate) fn first(&self) -> Option<(Timestamp, Due)> {
        self.by_time.first().copied()
    }

    /// Sets the one timer of a job or task, or removes it.
    pub(crate) fn set(&mut self, due: Due, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => self.by_key.insert(due, at),
            None => self.by_key.remove(&due),
        };
        self.replace(due, before, at);
    }

    /// Replaces a timer whose time before is known to the caller.
    pub(crate) fn replace(&mut self, due: Due, before: Option<Timestamp>, at: Option<Timestamp>) {
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, due));
        }
        if let Some(at) = at {
            self.by_time.insert((at, due));
        }
    }
}
