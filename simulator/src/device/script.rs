//! What devices have in common: their software, how they behave, how long they wait.

use shipslog_domain::Span;

use crate::behavior::{Behavior, Distribution};

/// Which software the device runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Greengrass core device that acts on `notify-next`, which carries the deployment.
    Core,
    /// A Greengrass core device that acts on `notify` and then asks for the deployment, as the classic nucleus does.
    CoreByList,
    /// A Greengrass core device that reads its deployments: it installs their components one after the other, handles
    /// failures as they say, and reports what it runs. It learns of them as [`Kind::Core`] does.
    Nucleus,
    /// A device that runs containers of container services.
    Node,
    /// A jobs client without Greengrass: `start-next`, plain topics, no health. As AWS' clients for updates over the
    /// air do, it reports IN_PROGRESS before it reports the end, though `start-next` has made the run so; the samples
    /// of AWS' SDKs report the end alone.
    Jobs,
    /// A device that runs commands for the instances of a stack, one after the other, and keeps versions of its apps. It
    /// reads their documents, and learns of them as [`Kind::Core`] does.
    Runner,
}

impl Kind {
    /// Whether it runs Greengrass.
    #[must_use]
    pub const fn is_core(self) -> bool {
        match self {
            Self::Core | Self::CoreByList | Self::Nucleus => true,
            Self::Node | Self::Jobs | Self::Runner => false,
        }
    }

    /// The namespace in which it finds its jobs; `None`: among those without one.
    #[must_use]
    pub const fn namespace(self) -> Option<&'static str> {
        match self {
            Self::Core | Self::CoreByList | Self::Nucleus => Some("aws-gg-deployment"),
            Self::Node => Some("container-service"),
            Self::Runner => Some(shipslog_domain::stack::NAMESPACE),
            Self::Jobs => None,
        }
    }
}

/// How long a device waits for things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the answer to a request, before it is sent again.
    pub answer: Span,
    /// Before the first new attempt to connect; each further attempt waits twice as long.
    pub reconnect: Span,
    /// The longest wait before an attempt to connect.
    pub reconnect_max: Span,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Span::seconds(10),
            reconnect: Span(500),
            reconnect_max: Span::seconds(30),
        }
    }
}

/// Devices that are on line now and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineHours {
    /// How long a connection is kept.
    pub on: Distribution,
    /// How long until the next one.
    pub off: Distribution,
}

/// What all devices of a fleet have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Their software.
    pub kind: Kind,
    /// How they take their first job, their second, and so on; the last one holds for all further jobs.
    pub behaviors: Vec<Behavior>,
    /// How long they wait.
    pub patience: Patience,
    /// Time from losing a connection to the next attempt, instead of the growing one of `patience`.
    pub reconnect: Option<Distribution>,
    /// When they are on line; absent: always.
    pub online: Option<OnlineHours>,
    /// Whether they never connect.
    pub never_connects: bool,
    /// How much their clocks are ahead of the time, in milliseconds.
    pub clock_ahead: Distribution,
    /// How much their clocks are behind the time.
    pub clock_behind: Distribution,
    /// Downloads and installations take this many times less than drawn; reports give the time as drawn.
    pub hurry: u32,
    /// Whether work that is pending when a device first connects is left from an earlier play. Such work is done
    /// honestly, at once, and is none of the jobs that are counted: its ordinal is 0.
    pub expects_leftovers: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            kind: Kind::Core,
            behaviors: vec![Behavior::default()],
            patience: Patience::default(),
            reconnect: None,
            online: None,
            never_connects: false,
            clock_ahead: Distribution::Constant(0),
            clock_behind: Distribution::Constant(0),
            hurry: 1,
            expects_leftovers: false,
        }
    }
}

impl Script {
    /// The behavior for the `ordinal`-th job, from 1.
    #[must_use]
    pub fn behavior(&self, ordinal: u32) -> Option<&Behavior> {
        let index = usize::try_from(ordinal.saturating_sub(1)).unwrap_or(usize::MAX);
        self.behaviors.get(index).or_else(|| self.behaviors.last())
    }
}
