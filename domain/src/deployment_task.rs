//! Deployment tasks: a template version for a set of cores.

use minicbor::{Decode, Encode};

use crate::core::TemplateVersion;
use crate::core_task::Outcome;
use crate::ids::{GroupName, JobId, TaskKey, ThingId};
use crate::job;

/// `targets` of a request. Our registry stands in for CDF's asset library ([`crate::asset_query`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Targets {
    /// `thingNames`; they need not exist. `None` where the request had no such list.
    #[n(0)]
    pub thing_names: Option<Vec<Box<str>>>,
    /// `thingGroupNames`: direct members.
    #[n(1)]
    pub thing_group_names: Option<Vec<GroupName>>,
    /// `assetLibraryDeviceIds`: names of things; they need not exist.
    #[n(2)]
    pub device_ids: Option<Vec<Box<str>>>,
    /// `assetLibraryGroupPaths`: direct members of the group at the end of each path.
    #[n(3)]
    pub group_paths: Option<Vec<Box<str>>>,
    /// `assetLibraryQuery`: JSON text that [`crate::asset_query::Query::parse`] accepts.
    #[n(4)]
    pub query: Option<Box<str>>,
}

impl Targets {
    /// How many names, paths and queries there are.
    #[must_use]
    pub fn count(&self) -> usize {
        let names = [&self.thing_names, &self.device_ids, &self.group_paths];
        let names = names.into_iter().flatten().map(Vec::len).sum::<usize>();
        let groups = self.thing_group_names.as_ref().map_or(0, Vec::len);
        names + groups + usize::from(self.query.is_some())
    }
}

/// What happened to a deployment task. What it did to a core is told on the thing's stream
/// ([`crate::core::Event::DeploymentRequested`]), one event per resolved core, in the order of resolution.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// A template version is to be deployed.
    #[n(0)]
    Requested {
        /// The task id that clients see.
        #[n(0)]
        key: TaskKey,
        /// What to deploy, frozen at the request.
        #[n(1)]
        template: TemplateVersion,
        /// On which cores.
        #[n(2)]
        targets: Box<Targets>,
        /// `iotJobConfig`: wins over the template's.
        #[n(3)]
        job_settings: Option<Box<job::Settings>>,
    },
    /// Targets were resolved to things; may come in several events.
    #[n(1)]
    TargetsResolved {
        /// Known cores, ascending, none twice; all above those of earlier events.
        #[n(0)]
        cores: Vec<ThingId>,
        /// How many members of the targets are still to be looked at; absent after the last event.
        #[n(1)]
        remaining: Option<u32>,
    },
    /// A named target is no core: the item fails and leaves no trace elsewhere.
    #[n(2)]
    TargetRefused {
        /// The name as requested.
        #[n(0)]
        name: Box<str>,
        /// Why.
        #[n(1)]
        message: Box<str>,
    },
    /// The job that carries the deployment is known: created for this task, or one that already brings the same
    /// version with the same settings.
    #[n(3)]
    JobAssigned {
        /// The job.
        #[n(0)]
        job: JobId,
    },
    /// Every item has ended.
    #[n(4)]
    Finished {
        /// `Failure` if any item failed.
        #[n(0)]
        outcome: Outcome,
        /// Why, where the task as a whole failed.
        #[n(1)]
        message: Option<Box<str>>,
    },
}

mod library;
mod rules;
mod state;

pub(crate) use state::DeploymentTasks;
pub use state::Task;
