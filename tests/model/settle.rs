//! After the random part: every device works off what it was given, every core task is worked off, and time passes.

use shipslog_domain::command::{ExecutionUpdate, Provisioned, ReportedStatus};
use shipslog_domain::core_task::Status as TaskStatus;
use shipslog_domain::{Command, Namespace, Span, TaskKey};

use crate::lower::{job_name, thing_name};
use crate::world::{Step, World};

/// Minutes after which a fleet must be quiet, besides those that its rollouts take: they tell at least one thing
/// each minute. Those in which nothing happens, because schedules let everything wait, are left out.
const MINUTES_MAX: usize = 40;

/// Brings the fleet to rest.
pub(crate) fn settle(world: &mut World) {
    for _ in 0..MINUTES_MAX + world.model.things.len() {
        world.settle();
        finish_core_tasks(world);
        report_everything(world);
        let Some((next, _)) = world.fleet.poll_timeout() else {
            return;
        };
        world.pass(next.since(world.now).max(Span::MINUTE), true);
    }
    panic!(
        "JOB-4: the fleet does not come to rest: {:?}",
        world.fleet.poll_timeout()
    );
}

fn report_everything(world: &mut World) {
    let jobs = world.model.jobs.iter();
    let live: Vec<(String, String, Option<String>)> = jobs
        .flat_map(|(name, job)| {
            let runs = job.executions.iter().filter(|(_, run)| run.is_live());
            runs.map(|(thing, _)| (name.clone(), thing.clone(), job.namespace.clone()))
        })
        .collect();
    for (job, thing, namespace) in live {
        let namespace = namespace.as_deref().map(Namespace::parse);
        let update = ExecutionUpdate {
            thing: thing_name(&thing),
            job: job_name(&job),
            namespace: namespace.map(|name| name.expect("a known namespace")),
            status: ReportedStatus::Succeeded,
            details: None,
            expected_version: None,
            number: None,
            step_timer: None,
        };
        // An earlier report may have ended the job, which canceled this one.
        let command = Command::UpdateExecution {
            update: Box::new(update.clone()),
        };
        let refused = world.model.refusals(&command, world.now);
        if refused.is_empty() {
            world.apply(Step::Command(Box::new(Command::UpdateExecution {
                update: Box::new(update),
            })));
        }
    }
    world.settle();
}

fn finish_core_tasks(world: &mut World) {
    let tasks = world.model.core_tasks.iter();
    let open: Vec<(String, usize)> = tasks
        .flat_map(|(key, task)| {
            let states = task.states.iter().enumerate();
            let open =
                |state: TaskStatus| matches!(state, TaskStatus::Waiting | TaskStatus::InProgress);
            states
                .filter(move |(_, state)| open(**state))
                .map(|(item, _)| (key.clone(), item))
        })
        .collect();
    for (key, item) in open {
        world.apply(Step::Command(Box::new(Command::FinishCoreTaskItem {
            key: TaskKey::parse(&key).expect("a valid key"),
            item: u32::try_from(item).expect("few items"),
            result: Ok(Provisioned::default()),
        })));
    }
    world.settle();
}
