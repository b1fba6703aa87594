//! Deployments: what a scope of things is to have, as one revision after the other.
//!
//! This is the one module behind every deployment API. An adapter reads its own words into a [`Content`], says in a
//! `Plan` which job carries it, and `Fleet::plan_deployment` makes events of that. Who gets it and how it goes
//! there is the business of the job's executions; the status of a deployment is a fold over them.

pub mod components;
mod effective;
mod plan;
mod state;

use minicbor::{Decode, Encode};

use crate::client_token::ClientToken;
use crate::container_service::Containers;
use crate::ids::{ContainerServiceId, GroupId, JobName, StackId};
use crate::job::{Pairs, Target};
use crate::stack::Commands;

pub use components::{Command, Components, Configuration, Request};
pub use effective::{EffectiveDeployment, EffectiveStatus};
pub(crate) use plan::{Delivery, JobPlan, Plan, removed};
pub(crate) use state::Deployments;
pub use state::{Deployment, Report, ReportedStatus, Status};

/// What revisions are counted in, and what a list of deployments is a list of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(flat)]
pub enum Scope {
    /// A thing, or a thing group: the next revision supersedes the one before.
    #[n(0)]
    Target(#[n(0)] Target),
    /// A stack: its deployments stand beside one another.
    #[n(1)]
    Stack(#[n(0)] StackId),
    /// A container service: one revision runs, and one may be on its way.
    #[n(2)]
    ContainerService(#[n(0)] ContainerServiceId),
}

impl Scope {
    /// The stack, if it is one.
    #[must_use]
    pub const fn stack(self) -> Option<StackId> {
        match self {
            Self::Stack(id) => Some(id),
            Self::Target(_) | Self::ContainerService(_) => None,
        }
    }

    /// Whether a new revision ends the one before it, as opposed to standing beside it.
    #[must_use]
    pub const fn supersedes(self) -> bool {
        match self {
            Self::Target(_) => true,
            Self::Stack(_) => false,
            Self::ContainerService(_) => false,
        }
    }
}

/// What a deployment brings, one kind per adapter.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Content {
    /// A set of components with their configuration.
    #[n(0)]
    Components(#[n(0)] Components),
    /// A command for instances of a stack.
    #[n(1)]
    Commands(#[n(0)] Commands),
    /// What a container service runs.
    #[n(2)]
    Containers(#[n(0)] Containers),
}

/// What happened to a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// It exists and is the latest of its scope.
    #[n(0)]
    Created {
        /// `deploymentId`: a UUID as text.
        #[n(0)]
        id: Box<str>,
        /// What its revision is counted in.
        #[n(1)]
        scope: Scope,
        /// The name of the scope, which outlives it.
        #[n(2)]
        scope_name: Box<str>,
        /// Which deployment of its scope it is, from 1.
        #[n(3)]
        revision: u32,
        /// The name of the job that carries it. Not every deployment has the job: a thing's has a shadow instead.
        #[n(4)]
        job: JobName,
        /// What its owner calls it.
        #[n(5)]
        name: Option<Box<str>>,
        /// The group whose deployment it replaces for its target (a sub-deployment).
        #[n(6)]
        parent: Option<GroupId>,
        /// What it brings.
        #[n(7)]
        content: Box<Content>,
        /// `tags` given at creation.
        #[n(8)]
        tags: Pairs,
        /// By which a repeated request is known.
        #[n(9)]
        token: Option<ClientToken>,
    },
    /// A newer deployment took its place.
    #[n(1)]
    Superseded,
    /// It was canceled.
    #[n(2)]
    Canceled,
    /// It is gone; the revisions of its scope go on counting.
    #[n(3)]
    Removed,
}
