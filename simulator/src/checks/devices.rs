//! Compares what devices hold to be true with what the service says of them.

use shipslog_domain::execution::Status;

use crate::checks::{DeviceEnd, Outcome};
use crate::device::{Belief, Device, End, Kind};
use crate::report::units;
use crate::scenario::{Action, Scenario, TemplateUse};

/// One device at the end of a play.
#[derive(Clone, Copy, Debug)]
pub struct Witness {
    /// What it holds to be true.
    pub belief: Belief,
    /// Whether a report of it may be on its way: then the service may know more than it, or less.
    pub is_at_work: bool,
}

impl Witness {
    /// A device with what it came to believe.
    #[must_use]
    pub fn of(device: &Device, belief: Belief) -> Self {
        Self {
            belief,
            is_at_work: device.is_at_work(),
        }
    }
}

/// Why the devices of a large fleet are not looked at.
#[must_use]
pub fn too_many(most: u32) -> String {
    format!(
        "more than {} devices are not compared one by one",
        units::full(most.into())
    )
}

/// Looks at each device in the order of their indices: the last run that it was done with stands at the service as
/// the device left it, and the version that the service believes it runs is that of its last success. An outcome
/// without a list of its devices says nothing of them, which is an error too.
pub fn agree(
    scenario: &Scenario,
    outcome: &Outcome,
    devices: impl IntoIterator<Item = Witness>,
) -> Result<(), String> {
    let ends = outcome.ends.as_ref();
    let ends = ends.ok_or("the service was not asked for its devices")?;
    let mut devices = devices.into_iter();
    for end in ends {
        let device = devices
            .next()
            .ok_or_else(|| format!("nothing is known of device {}", end.index))?;
        if let Err(problem) = Comparison::new(scenario, outcome, end, device).look() {
            return Err(format!("{}: {problem}", scenario.thing_name(end.index)));
        }
    }
    Ok(())
}

/// What service and device say of one device.
struct Comparison<'a> {
    scenario: &'a Scenario,
    outcome: &'a Outcome,
    end: &'a DeviceEnd,
    device: Witness,
}

impl<'a> Comparison<'a> {
    const fn new(
        scenario: &'a Scenario,
        outcome: &'a Outcome,
        end: &'a DeviceEnd,
        device: Witness,
    ) -> Self {
        Self {
            scenario,
            outcome,
            end,
            device,
        }
    }

    fn look(&self) -> Result<(), String> {
        // The jobs that tell nodes what to run are the service's own, not the scenario's.
        if self.scenario.kind_of(self.end.index) == Kind::Node {
            return Ok(());
        }
        match self.device.belief.end() {
            Some(end) => self.look_at_run(end)?,
            None if self.device.is_at_work => (),
            None => self.look_at_silence()?,
        }
        if self.device.is_at_work {
            return Ok(());
        }
        self.look_at_version()
    }

    /// A device that was never done with anything has reported nothing.
    fn look_at_silence(&self) -> Result<(), String> {
        let mut executions = self.end.executions.iter();
        let said = executions.find(|(_, number, status)| {
            let reported = matches!(
                status,
                Status::Succeeded | Status::Failed | Status::Rejected
            );
            *number == 1 && reported
        });
        match said {
            None => Ok(()),
            Some((job, _, status)) => Err(format!(
                "{job} is {}, and the device has reported nothing",
                status.as_str()
            )),
        }
    }

    fn look_at_run(&self, end: End) -> Result<(), String> {
        let belief = &self.device.belief;
        for (name, number, status) in &self.end.executions {
            let id = self.outcome.job(name).map_or("", |job| &job.id);
            if belief.is_of(id, *number) {
                return if is_left_as(*status, end) {
                    Ok(())
                } else {
                    Err(format!(
                        "run {number} of {name} is {}, and the device left it {end:?}",
                        status.as_str()
                    ))
                };
            }
            // Of a run that was tried again only the last is there to be compared.
            if (1..*number).any(|earlier| belief.is_of(id, earlier)) {
                return Ok(());
            }
        }
        let mut jobs = self.outcome.jobs.iter();
        if jobs.any(|job| job.status.is_none()) || end == End::Dropped {
            // The run went with its job.
            return Ok(());
        }
        Err(format!(
            "the service knows nothing of the run that the device left {end:?}"
        ))
    }

    fn look_at_version(&self) -> Result<(), String> {
        let mut expected = None;
        let mut is_known = false;
        for (name, number, _) in &self.end.executions {
            let id = self.outcome.job(name).map_or("", |job| &job.id);
            match self.device.belief.succeeded_in(id, *number) {
                None => is_known = true,
                Some(true) => {
                    expected = brought_by(self.scenario, name);
                    is_known = true;
                }
                Some(false) => (),
            }
        }
        // The job of its last success may be deleted, or the service may not say what devices report.
        if !is_known || !self.outcome.tells_versions || self.end.reported.as_ref() == expected {
            return Ok(());
        }
        let word = |version: Option<&TemplateUse>| {
            version.map_or_else(
                || "nothing".into(),
                |used| format!("{} {}", used.template, used.version),
            )
        };
        Err(format!(
            "the service believes that it runs {}, and it reported {}",
            word(self.end.reported.as_ref()),
            word(expected)
        ))
    }
}

/// Whether a run that a device was done with in this way may have this status.
const fn is_left_as(status: Status, end: End) -> bool {
    match end {
        End::Succeeded => matches!(status, Status::Succeeded),
        End::Failed => matches!(status, Status::Failed),
        End::Rejected => matches!(status, Status::Rejected),
        End::Silent => matches!(
            status,
            Status::Queued | Status::TimedOut | Status::Canceled | Status::Removed
        ),
        End::Stalled => matches!(
            status,
            Status::InProgress | Status::TimedOut | Status::Canceled | Status::Removed
        ),
        End::Dropped => status.is_terminal(),
    }
}

/// The version that a job of the timeline brings.
fn brought_by<'a>(scenario: &'a Scenario, name: &str) -> Option<&'a TemplateUse> {
    scenario
        .timeline
        .iter()
        .find_map(|step| match &step.action {
            Action::Deploy { job, brings, .. } if **job == *name => Some(brings),
            _ => None,
        })
}

#[cfg(test)]
mod tests;
