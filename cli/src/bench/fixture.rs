//! A fleet that has lived: every thing registered, in a group, and through one job.

use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use shipslog_domain::command::{ExecutionUpdate, JobRequest, ReportedStatus, TargetName};
use shipslog_domain::{
    Command, Fact, Fleet, GroupName, JobName, Rejection, ThingName, Timestamp, fleet, job,
};
use shipslog_gateway_core::log::Log;
use shipslog_gateway_core::{App, Ended, Options, Service};

/// Events between two looks of [`play`]'s caller.
const STEP: usize = 4_096;
/// Things per group: a group of a million would be no fleet that people run.
const GROUP: u32 = 10_000;

/// A fleet whose rollouts are as fast as they go.
pub(crate) fn settings() -> fleet::Settings {
    fleet::Settings {
        rollout_ceiling_per_minute: u32::MAX,
        ..fleet::Settings::default()
    }
}

/// Measures a service of its own, with its log in `directory`, on as many threads as these machines have cores.
pub(crate) fn with_service<T>(
    directory: &Path,
    measure: impl AsyncFnOnce(App) -> Result<T>,
) -> Result<T> {
    let options = Options {
        fleet: settings(),
        ..Options::default()
    };
    let service = Service::start(Log::open(directory)?, options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let measured = runtime.block_on(measure(service.app().clone()));
    drop(runtime);
    let ended = service.stop();
    ensure!(ended == Ended::Stopped, "the service failed: {ended:?}");
    measured
}

pub(crate) fn thing_name(number: u32) -> Result<ThingName, Rejection> {
    ThingName::parse(&format!("device-{number:07}"))
}

fn group_name(number: u32) -> Result<GroupName, Rejection> {
    GroupName::parse(&format!("site-{number:04}"))
}

/// A job for all groups; at most a hundred fit in one.
pub(crate) fn job_for_groups(name: &str, groups: std::ops::Range<u32>) -> Result<Command> {
    let targets = groups.map(|number| group_name(number).map(TargetName::Group));
    job_for(name, targets.collect::<Result<_, _>>()?)
}

/// A job for these targets, at most a hundred.
pub(crate) fn job_for(name: &str, targets: Vec<TargetName>) -> Result<Command> {
    Ok(Command::CreateJob {
        request: Box::new(JobRequest {
            name: JobName::parse(name)?,
            namespace: None,
            document: "{\"command\":\"update\"}".into(),
            description: None,
            targets,
            target_selection: job::TargetSelection::Snapshot,
            settings: job::Settings::default(),
            extras: job::Extras::default(),
        }),
    })
}

/// A device's report.
pub(crate) fn report(
    job: &JobName,
    thing: ThingName,
    status: ReportedStatus,
    details: Option<Vec<(Box<str>, Box<str>)>>,
) -> Command {
    Command::UpdateExecution {
        update: Box::new(ExecutionUpdate {
            thing,
            job: job.clone(),
            namespace: None,
            status,
            details,
            expected_version: None,
            number: None,
            step_timer: None,
        }),
    }
}

/// Plays `things` through registration, membership and as many jobs as `events` have room for (three events per
/// thing and job), handing out the events in steps.
pub(crate) fn play(
    things: u32,
    events: u64,
    mut take: impl FnMut(Timestamp, &mut Vec<Fact>) -> Result<()>,
) -> Result<Played> {
    let mut stage = Stage {
        fleet: Fleet::new(settings()),
        now: Timestamp(1_704_067_200_000),
        facts: Vec::with_capacity(2 * STEP),
        handed: 0,
    };
    let groups = things.div_ceil(GROUP);
    for number in 0..groups {
        let name = group_name(number)?;
        let create = Command::CreateGroup {
            name,
            parent: None,
            description: None,
            attributes: Vec::new(),
        };
        stage.submit(&create, &mut take)?;
    }
    for number in 0..things {
        let create = Command::CreateThing {
            name: thing_name(number)?,
            thing_type: None,
            attributes: Vec::new(),
            billing_group: None,
        };
        stage.submit(&create, &mut take)?;
        let join = Command::AddThingToGroup {
            group: group_name(number / GROUP)?,
            thing: thing_name(number)?,
        };
        stage.submit(&join, &mut take)?;
    }
    let jobs = (events / u64::from(things))
        .saturating_sub(2)
        .div_ceil(3)
        .max(1);
    for number in 0..jobs {
        stage.job(number, groups, things, &mut take)?;
    }
    stage.hand_out(&mut take)?;
    Ok(Played {
        fleet: stage.fleet,
        events: stage.handed,
    })
}

/// What a play leaves.
pub(crate) struct Played {
    pub(crate) fleet: Fleet,
    pub(crate) events: u64,
}

struct Stage {
    fleet: Fleet,
    now: Timestamp,
    facts: Vec<Fact>,
    handed: u64,
}

impl Stage {
    fn submit(
        &mut self,
        command: &Command,
        take: &mut impl FnMut(Timestamp, &mut Vec<Fact>) -> Result<()>,
    ) -> Result<()> {
        self.fleet.submit(command, self.now, &mut self.facts)?;
        while self
            .fleet
            .poll_timeout()
            .is_some_and(|(due, _)| due <= self.now)
        {
            self.fleet.advance(self.now, &mut self.facts);
            self.hand_out_full(take)?;
        }
        self.hand_out_full(take)
    }

    fn hand_out_full(
        &mut self,
        take: &mut impl FnMut(Timestamp, &mut Vec<Fact>) -> Result<()>,
    ) -> Result<()> {
        if self.facts.len() >= STEP {
            self.hand_out(take)?;
        }
        Ok(())
    }

    fn hand_out(
        &mut self,
        take: &mut impl FnMut(Timestamp, &mut Vec<Fact>) -> Result<()>,
    ) -> Result<()> {
        self.handed += self.facts.len() as u64;
        take(self.now, &mut self.facts)?;
        self.facts.clear();
        self.now = Timestamp(self.now.0 + 5);
        Ok(())
    }

    /// One job from QUEUED over IN_PROGRESS to SUCCEEDED on every thing; each hundredth fails.
    fn job(
        &mut self,
        number: u64,
        groups: u32,
        things: u32,
        take: &mut impl FnMut(Timestamp, &mut Vec<Fact>) -> Result<()>,
    ) -> Result<()> {
        let mut names = Vec::new();
        for (part, first) in (0..groups).step_by(100).enumerate() {
            let name = format!("update-{number}-{part}");
            self.submit(
                &job_for_groups(&name, first..groups.min(first + 100))?,
                take,
            )?;
            names.push(JobName::parse(&name)?);
        }
        for status in [ReportedStatus::InProgress, ReportedStatus::Succeeded] {
            for thing in 0..things {
                let part = usize::try_from(thing / GROUP / 100)?;
                let job = names
                    .get(part)
                    .ok_or_else(|| anyhow!("every group has its job"))?;
                let ended = status == ReportedStatus::Succeeded;
                let status = if ended && thing % 100 == 99 {
                    ReportedStatus::Failed
                } else {
                    status
                };
                let details = ended.then(|| {
                    vec![(
                        "downloadTime".into(),
                        (1_000 + thing % 9_000).to_string().into(),
                    )]
                });
                self.submit(&report(job, thing_name(thing)?, status, details), take)?;
            }
        }
        Ok(())
    }
}
