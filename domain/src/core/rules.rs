//! Which reports of core devices are accepted.

use super::{Attempt, Event, HealthReport, Outcome};
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::{JobId, ThingId, ThingName};
use crate::job::Job;
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;

/// An event of a core record, on its thing's stream.
pub(crate) fn fact(thing: ThingId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Thing, thing.0),
        event: Any::Core(event),
    }
}

fn check_report(report: &HealthReport) -> Result<(), Rejection> {
    if report.components.len() > limits::INSTALLED_COMPONENTS_MAX {
        return Err(Rejection::too_many(
            "components",
            format!(
                "must have at most {} entries",
                limits::INSTALLED_COMPONENTS_MAX
            ),
        ));
    }
    let short = |field, text: &str| {
        if text.len() > limits::COMPONENT_NAME_BYTES_MAX {
            return Err(Rejection::malformed(
                field,
                format!(
                    "must have at most {} bytes",
                    limits::COMPONENT_NAME_BYTES_MAX
                ),
            ));
        }
        Ok(())
    };
    short("ggcVersion", &report.nucleus_version)?;
    short("platform", &report.platform)?;
    short("architecture", &report.architecture)?;
    for component in &report.components {
        short("componentName", &component.name)?;
        short("version", &component.version)?;
        short("status", &component.state)?;
    }
    Ok(())
}

impl Fleet {
    /// A health message. A thing that was no core becomes one: fleets that ran before this service are adopted
    /// as their devices report.
    pub(crate) fn decide_report_health(
        &self,
        name: &ThingName,
        report: &HealthReport,
    ) -> Result<Vec<Fact>, Rejection> {
        check_report(report)?;
        let id = self.find_thing(name)?;
        let mut facts = Vec::new();
        match &self.things.get(id).core {
            // Greengrass: an older message is dropped; the number starts again when the nucleus does, which its
            // clock tells.
            Some(core)
                if core.is_core_device
                    && report.sequence_number <= core.sequence_number
                    && report.device_time <= core.device_time =>
            {
                return Ok(facts);
            }
            Some(_) => {}
            None => facts.push(fact(id, Event::Created { name: None })),
        }
        facts.push(fact(
            id,
            Event::HealthReported {
                report: Box::new(report.clone()),
            },
        ));
        Ok(facts)
    }

    /// The end of a deployment on a core, where the job carries one. The next revision of a deployment covers all
    /// its cores, so that of an earlier one only a success says something.
    pub(crate) fn finish_deployment(
        &self,
        thing: ThingId,
        job: JobId,
        (outcome, message): (Outcome, Option<Box<str>>),
        facts: &mut Vec<Fact>,
    ) {
        let definition = self.jobs.get(job).map(Job::definition);
        let link = definition.and_then(|definition| definition.deployment.as_ref());
        let (Some(link), Some(_)) = (link, &self.things.get(thing).core) else {
            return;
        };
        let version = self.templates.version(link.brings);
        let newest = version.and_then(|version| version.deployment);
        let superseded = newest.is_some_and(|newest| newest.job != job);
        if superseded && outcome != Outcome::Successful {
            return;
        }
        facts.push(fact(
            thing,
            Event::DeploymentFinished {
                job,
                applied: link.brings,
                outcome,
                message,
            },
        ));
    }

    /// Whether a core waits to be told of the very deployment that a job carries.
    pub(crate) fn awaits(&self, thing: ThingId, job: &Job) -> bool {
        let link = job.definition().deployment.as_ref();
        let (Some(link), Some(core)) = (link, &self.things.get(thing).core) else {
            return false;
        };
        job.waiting.contains(thing.0)
            && core.desired == Some(link.brings)
            && core.attempt == Attempt::InProgress
    }
}
