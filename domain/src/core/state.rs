//! State of a core record.

use minicbor::{Decode, Encode};

use super::{Event, Outcome, TemplateVersion};

/// How the latest request to deploy on a core stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Attempt {
    /// Nothing was ever requested.
    #[default]
    #[n(0)]
    None,
    /// Requested, not ended.
    #[n(1)]
    InProgress,
    /// No deployment was started.
    #[n(2)]
    NotStarted,
    /// The device's result, or what came instead of it.
    #[n(3)]
    Ended(#[n(0)] Outcome),
}

/// What the state machine knows of a core.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Core {
    /// Whether the device is registered with Greengrass: it has reported its health once.
    #[n(0)]
    pub is_core_device: bool,
    /// Sequence number of the newest health message.
    #[n(1)]
    pub(crate) sequence_number: u64,
    /// The device's own time of the newest health message.
    #[n(2)]
    pub(crate) device_time: u64,
    /// The template version that it should run.
    #[n(3)]
    pub desired: Option<TemplateVersion>,
    /// The template version that it reports.
    #[n(4)]
    pub reported: Option<TemplateVersion>,
    /// How the latest request stands.
    #[n(5)]
    pub attempt: Attempt,
}

impl Core {
    pub(crate) fn evolve(&mut self, event: &Event) {
        match event {
            Event::Created { .. } | Event::ArtifactsStored { .. } | Event::Removed => {}
            Event::HealthReported { report } => {
                self.is_core_device = true;
                self.sequence_number = report.sequence_number;
                self.device_time = report.device_time;
            }
            Event::DeploymentRequested {
                task: _,
                desired,
                failure,
            } => {
                self.desired = Some(*desired);
                self.attempt = match failure {
                    Some(_) => Attempt::NotStarted,
                    None => Attempt::InProgress,
                };
            }
            Event::DeploymentFinished {
                job: _,
                applied,
                outcome,
                message: _,
            } => {
                if *outcome == Outcome::Successful {
                    self.reported = Some(*applied);
                }
                // A late result of an older deployment says nothing about the newer request.
                if self.desired == Some(*applied) {
                    self.attempt = Attempt::Ended(*outcome);
                }
            }
        }
    }
}
