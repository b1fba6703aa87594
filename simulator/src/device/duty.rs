//! What a device does whose software acts on the document of a job, and what that leaves on its disk.
//!
//! How a run ends is drawn like that of any other device ([`Plan`]); the document says what there is to do, how long
//! it takes, and what a failure leaves behind.

use shipslog_domain::execution::Status;

use crate::behavior::{Behavior, Conduct, Plan};
use crate::device::Kind;
use crate::device::node::Node;
use crate::device::nucleus::Nucleus;
use crate::device::runner::Runner;
use crate::seeds::Seeds;

/// The disk of such a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// Greengrass' nucleus: components of the groups that it is in.
    Nucleus(Nucleus),
    /// A node of container services: what runs of each.
    Node(Node),
    /// A runner of commands: versions of the apps of its stack.
    Runner(Runner),
}

/// What the final report says beside the status: `statusDetails`.
pub(super) type Words = Vec<(&'static str, Box<str>)>;

/// How a run goes, as far as its document says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Course {
    /// How long all of it takes, in milliseconds.
    pub(super) length_ms: u64,
    /// How much of that is downloads.
    pub(super) download_ms: u64,
    /// How it ends whatever was drawn: what a document asks may be impossible.
    pub(super) end: Option<Status>,
}

impl Course {
    /// It ends like this, and takes no time.
    pub(super) const fn at_once(end: Status) -> Self {
        Self {
            length_ms: 0,
            download_ms: 0,
            end: Some(end),
        }
    }
}

/// What was drawn for a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws<'a> {
    /// Of the run.
    pub(super) seeds: Seeds,
    /// `None`: everything at once.
    pub(super) behavior: Option<&'a Behavior>,
    pub(super) plan: Plan,
}

impl Draws<'_> {
    /// How long the download and the installation of the n-th part of the run take, in milliseconds.
    pub(super) fn part(&self, index: u64) -> (u64, u64) {
        let Some(behavior) = self.behavior else {
            return (0, 0);
        };
        let seeds = self.seeds.child("part", index);
        let factor = self.plan.factor;
        (
            behavior.download.draw(seeds, "download") * factor,
            behavior.install.draw(seeds, "install") * factor,
        )
    }

    /// Why the run fails, where it was drawn to.
    pub(super) fn reason(&self) -> Option<&str> {
        match (self.plan.conduct, self.behavior) {
            (Conduct::Fail(index), Some(behavior)) => Some(behavior.reason(index)),
            _ => None,
        }
    }
}

impl Duty {
    /// An empty disk, where the software of this kind has one.
    pub(super) fn of(kind: Kind) -> Option<Box<Self>> {
        match kind {
            Kind::Nucleus => Some(Box::new(Self::Nucleus(Nucleus::default()))),
            Kind::Node => Some(Box::new(Self::Node(Node::default()))),
            Kind::Runner => Some(Box::new(Self::Runner(Runner::default()))),
            Kind::Core | Kind::CoreByList | Kind::Jobs => None,
        }
    }

    /// Reads the document of a run that begins.
    pub(super) fn begin(&mut self, document: &str, draws: &Draws<'_>) -> Course {
        match self {
            Self::Nucleus(nucleus) => nucleus.begin(document, draws),
            Self::Node(node) => node.begin(document, draws),
            Self::Runner(runner) => runner.begin(document, draws),
        }
    }

    /// The run is over: what it leaves is on the disk from here on.
    pub(super) fn finish(&mut self) -> Words {
        match self {
            Self::Nucleus(nucleus) => nucleus.finish(),
            Self::Node(node) => node.finish(),
            Self::Runner(runner) => runner.finish(),
        }
    }

    /// Power was lost, or the run was given up: it leaves nothing.
    pub(super) fn abandon(&mut self) {
        match self {
            Self::Nucleus(nucleus) => nucleus.abandon(),
            Self::Node(node) => node.abandon(),
            Self::Runner(runner) => runner.abandon(),
        }
    }

    /// A connection stands.
    pub(super) fn connected(&mut self) {
        match self {
            Self::Nucleus(nucleus) => nucleus.connected(),
            // They have nothing to tell.
            Self::Node(_) | Self::Runner(_) => {}
        }
    }
}
