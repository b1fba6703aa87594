//! The fleet before the measurement, written straight into a log: cores in one group, and things that have nothing to
//! do with them.

use std::path::Path;

use anyhow::Result;
use shipslog_domain::command::{JobRequest, TargetName};
use shipslog_domain::core::{Health, HealthReport};
use shipslog_domain::log::{Batch, EventLog};
use shipslog_domain::template::{Component, Content};
use shipslog_domain::{
    Command, Fact, Fleet, GroupName, JobName, Rejection, TemplateName, ThingName, Timestamp, job,
};
use shipslog_gateway_core::log::Log;

use super::super::fixture;

/// The group of the whole fleet.
pub(in crate::bench) const FLEET: &str = "fleet";
/// The template that is deployed.
pub(super) const TEMPLATE: &str = "firmware";
/// The job of the bystanders.
pub(super) const OTHER_JOB: &str = "other";
/// The most callers.
pub(super) const CALLERS_MAX: u32 = 64;
/// Things outside the fleet that report through one caller while it is worked on.
pub(super) const BYSTANDERS_PER_CALLER: u32 = 16;
/// All of these.
const BYSTANDERS: u32 = CALLERS_MAX * BYSTANDERS_PER_CALLER;

const OTHERS: &str = "others";
/// Events of one append.
const STEP: usize = 4_096;
const START: Timestamp = Timestamp(1_704_067_200_000);

pub(super) fn bystander(number: u32) -> Result<ThingName, Rejection> {
    ThingName::parse(&format!("bystander-{number:04}"))
}

/// A health message; one that counts, if `sequence_number` grows.
pub(super) fn health(thing: ThingName, sequence_number: u64) -> Command {
    Command::ReportHealth {
        thing,
        report: Box::new(HealthReport {
            nucleus_version: "2.12.0".into(),
            platform: "linux".into(),
            architecture: "aarch64".into(),
            health: Health::Healthy,
            sequence_number,
            complete: true,
            components: Vec::new(),
            device_time: START.0 + sequence_number,
        }),
    }
}

struct Writing {
    fleet: Fleet,
    log: Log,
    facts: Vec<Fact>,
    batch: Batch,
}

/// Writes the log of a fleet of `things` cores.
pub(in crate::bench) fn write(directory: &Path, things: u32) -> Result<()> {
    let mut writing = Writing {
        fleet: Fleet::new(fixture::settings()),
        log: Log::open(directory)?,
        facts: Vec::with_capacity(2 * STEP),
        batch: Batch::default(),
    };
    let (fleet, others) = (GroupName::parse(FLEET)?, GroupName::parse(OTHERS)?);
    for name in [fleet.clone(), others.clone()] {
        writing.submit(&Command::CreateGroup {
            name,
            parent: None,
            description: None,
            attributes: Vec::new(),
        })?;
    }
    for number in 0..things {
        writing.core(fixture::thing_name(number)?, &fleet)?;
    }
    for number in 0..BYSTANDERS {
        writing.core(bystander(number)?, &others)?;
    }
    writing.submit(&Command::CreateTemplate {
        name: TemplateName::parse(TEMPLATE)?,
        content: Content {
            components: vec![Component {
                key: "com.example.firmware".into(),
                version: "1.0.0".into(),
                merge: None,
                reset: None,
                run_with: None,
            }],
            ..Content::default()
        },
    })?;
    writing.submit(&Command::CreateJob {
        request: Box::new(JobRequest {
            name: JobName::parse(OTHER_JOB)?,
            namespace: None,
            document: "{}".into(),
            description: None,
            targets: vec![TargetName::Group(others)],
            target_selection: job::TargetSelection::Snapshot,
            settings: job::Settings::default(),
            extras: job::Extras::default(),
        }),
    })?;
    writing.append()
}

impl Writing {
    fn submit(&mut self, command: &Command) -> Result<()> {
        self.fleet.submit(command, START, &mut self.facts)?;
        let is_due = |fleet: &Fleet| fleet.poll_timeout().is_some_and(|(due, _)| due <= START);
        while is_due(&self.fleet) {
            self.fleet.advance(START, &mut self.facts);
        }
        if self.facts.len() >= STEP {
            self.append()?;
        }
        Ok(())
    }

    fn core(&mut self, name: ThingName, group: &GroupName) -> Result<()> {
        self.submit(&Command::CreateThing {
            name: name.clone(),
            thing_type: None,
            attributes: Vec::new(),
            billing_group: None,
        })?;
        self.submit(&health(name.clone(), 1))?;
        self.submit(&Command::AddThingToGroup {
            group: group.clone(),
            thing: name,
        })
    }

    fn append(&mut self) -> Result<()> {
        self.batch.clear();
        for fact in self.facts.drain(..) {
            self.batch.push_event(fact.stream, START, &fact.event, None);
        }
        self.log.append(&self.batch)?;
        Ok(())
    }
}
