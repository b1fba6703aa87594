//! State of OTA updates.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Definition, Event, Failure, Made};
use crate::Fleet;
use crate::fleet::named::Named;
use crate::ids::{FileStreamId, JobId, OtaUpdateId, OtaUpdateName};
use crate::time::Timestamp;

/// What the names of the jobs of OTA updates begin with.
pub(super) const JOB_PREFIX: &str = "AFR_OTA-";

/// `otaUpdateStatus`. Of AWS IoT's other words, those of creations that are under way never hold here, and no deletion
/// fails once it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `CREATE_COMPLETE`.
    Complete,
    /// `CREATE_FAILED`.
    Failed,
    /// `DELETE_IN_PROGRESS`.
    DeletionInProgress,
}

impl Status {
    /// AWS IoT's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "CREATE_COMPLETE",
            Self::Failed => "CREATE_FAILED",
            Self::DeletionInProgress => "DELETE_IN_PROGRESS",
        }
    }
}

/// An OTA update that exists.
#[derive(Clone, Debug, Encode, Decode)]
pub struct OtaUpdate {
    /// Its name.
    #[n(0)]
    pub name: OtaUpdateName,
    /// What it is.
    #[n(1)]
    pub definition: Box<Definition>,
    /// What was made for it.
    #[n(2)]
    pub made: Option<Made>,
    /// Why nothing was.
    #[n(3)]
    pub failure: Option<Failure>,
    /// When it was created.
    #[n(4)]
    pub created_at: Timestamp,
    /// When it was created, or its deletion began.
    #[n(5)]
    pub changed_at: Timestamp,
    #[n(6)]
    is_ending: bool,
}

impl OtaUpdate {
    /// The name of its job.
    #[must_use]
    pub fn job_name(&self) -> String {
        format!("{JOB_PREFIX}{}", self.name)
    }

    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        match (self.is_ending, &self.made) {
            (true, _) => Status::DeletionInProgress,
            (false, Some(_)) => Status::Complete,
            (false, None) => Status::Failed,
        }
    }
}

/// All OTA updates.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct OtaUpdates {
    #[n(0)]
    pub(super) all: Named<OtaUpdate>,
    /// Those that go with their job, which is being deleted.
    #[n(1)]
    pub(super) ending: BTreeMap<JobId, OtaUpdateId>,
}

impl OtaUpdates {
    pub(crate) fn find(&self, name: &str) -> Option<(OtaUpdateId, &OtaUpdate)> {
        let (number, update) = self.all.find(name)?;
        Some((OtaUpdateId(number), update))
    }

    /// Those that devices get blocks of this stream for.
    pub(super) fn using(&self, stream: FileStreamId) -> impl Iterator<Item = &OtaUpdate> {
        let all = self.all.after(None).map(|(_, update)| update);
        all.filter(move |update| {
            let used = update.made.as_ref().and_then(|made| made.stream.as_ref());
            used.is_some_and(|used| used.id == stream)
        })
    }

    pub(crate) fn evolve(&mut self, id: OtaUpdateId, event: &Event, at: Timestamp) {
        match event {
            Event::Created {
                name,
                definition,
                made,
                failure,
            } => {
                let update = OtaUpdate {
                    name: name.clone(),
                    definition: definition.clone(),
                    made: made.clone(),
                    failure: failure.clone(),
                    created_at: at,
                    changed_at: at,
                    is_ending: false,
                };
                self.all.insert(id.0, name.as_str(), update);
            }
            Event::DeletionStarted => {
                if let Some(update) = self.all.get_mut(id.0) {
                    update.is_ending = true;
                    update.changed_at = at;
                    if let Some(made) = &update.made {
                        self.ending.insert(made.job, id);
                    }
                }
            }
            Event::Removed => {
                let made = self.all.get(id.0).and_then(|update| update.made.as_ref());
                if let Some(job) = made.map(|made| made.job) {
                    self.ending.remove(&job);
                }
                self.all.remove(id.0);
            }
        }
    }
}

impl Fleet {
    /// The OTA update with this name.
    #[must_use]
    pub fn ota_update(&self, name: &str) -> Option<&OtaUpdate> {
        self.ota_updates.find(name).map(|(_, update)| update)
    }

    /// OTA updates by name, from the one after `after`.
    pub fn ota_updates_after(&self, after: Option<&str>) -> impl Iterator<Item = &OtaUpdate> {
        self.ota_updates.all.after(after).map(|(_, update)| update)
    }
}
