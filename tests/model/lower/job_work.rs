//! Jobs and what devices do with them.

use shipslog_domain::command::{ExecutionUpdate, JobRequest, ReportedStatus};
use shipslog_domain::execution::{Details, StepTimer};
use shipslog_domain::job::schedule::Cron;
use shipslog_domain::job::{
    self, AbortCriterion, Change, EndBehavior, ExponentialRate, FailureType, IncreaseAfter,
    RetryCriterion, Rollout, Schedule, Settings, TargetSelection, Window,
};
use shipslog_domain::{Command, Namespace, Span, Timestamp};
use shipslog_tests::model::Execution;
use shipslog_tests::model::deployments::NAMESPACE as DEPLOYMENTS;

use super::{Dice, JOBS, NAMESPACE, job_name, thing_name};
use crate::actions::What;
use crate::world::World;

pub(super) fn command(world: &World, what: What, dice: &mut Dice) -> Option<Command> {
    Some(match what {
        What::DeviceReports => report(world, dice)?,
        What::DeviceStarts => {
            let namespace = [None, Some(DEPLOYMENTS), Some(NAMESPACE)][dice.index(3)];
            Command::StartNextExecution {
                thing: dice.thing(),
                namespace: namespace.map(self::namespace),
                details: details(dice),
                step_timer: step_timer(dice),
            }
        }
        What::JobCreated => Command::CreateJob {
            request: Box::new(request(world, dice)),
        },
        What::JobChanged => Command::UpdateJob {
            job: dice.job(world),
            namespace: None,
            change: Box::new(change(world.model.ceiling, dice)),
        },
        What::JobExtended => Command::AssociateTargets {
            job: dice.job(world),
            namespace: None,
            targets: (0..1 + dice.below(2)).map(|_| dice.target(world)).collect(),
        },
        What::JobCanceled => Command::CancelJob {
            job: dice.job(world),
            force: dice.below(2) == 1,
            reason_code: None,
            comment: Some("enough".into()),
        },
        What::JobDeleted => Command::DeleteJob {
            namespace: None,
            job: dice.job(world),
            force: dice.below(3) != 2,
        },
        What::ExecutionCanceled => {
            let (job, thing) = run(world, 10, dice)?;
            Command::CancelExecution {
                force: dice.below(2) == 1,
                expected_version: version(world, (&job, &thing), dice),
                details: details(dice),
                job: job_name(&job),
                thing: thing_name(&thing),
            }
        }
        What::ExecutionDeleted => {
            let (job, thing) = run(world, 2, dice)?;
            let number = find(world, (&job, &thing)).map_or(1, |run| run.number);
            Command::DeleteExecution {
                namespace: None,
                number: u64::from(number) + u64::from(dice.rarely(8)),
                force: dice.below(2) == 1,
                job: job_name(&job),
                thing: thing_name(&thing),
            }
        }
        _ => return None,
    })
}

fn namespace(name: &str) -> Namespace {
    Namespace::parse(name).expect("a valid name")
}

fn find<'a>(world: &'a World, (job, thing): (&str, &str)) -> Option<&'a Execution> {
    world.model.jobs.get(job)?.executions.get(thing)
}

/// Some execution: one that is live, else one that does not exist; once in `any_in` times one that may have ended.
fn run(world: &World, any_in: u64, dice: &mut Dice) -> Option<(String, String)> {
    let jobs = world.model.jobs.iter();
    let all: Vec<(&String, &String, bool)> = jobs
        .flat_map(|(name, job)| {
            let runs = job.executions.iter();
            runs.map(move |(thing, run)| (name, thing, run.is_live()))
        })
        .collect();
    let live: Vec<(&String, &String, bool)> = all.iter().copied().filter(|one| one.2).collect();
    let chosen = if dice.rarely(any_in) {
        dice.one_of(&all)
    } else {
        dice.one_of(&live)
    };
    let strangers = || Some((format!("j{}", dice.below(JOBS)), dice.thing().to_string()));
    let known = chosen.map(|(job, thing, _)| (job.clone(), thing.clone()));
    known.or_else(strangers)
}

fn version(world: &World, run: (&str, &str), dice: &mut Dice) -> Option<u64> {
    let version = find(world, run).map_or(1, |run| u64::from(run.version));
    match dice.below(6) {
        4 => Some(version),
        5 => Some(version + 1),
        _ => None,
    }
}

fn report(world: &World, dice: &mut Dice) -> Option<Command> {
    let (job, thing) = run(world, 10, dice)?;
    let status = match dice.below(12) {
        0..=3 => ReportedStatus::Succeeded,
        4..=6 => ReportedStatus::Failed,
        7..=9 => ReportedStatus::InProgress,
        10 => ReportedStatus::Rejected,
        _ => ReportedStatus::Queued,
    };
    let own = world.model.jobs.get(&job);
    let own = own.and_then(|job| job.namespace.as_deref());
    let number = find(world, (&job, &thing)).map_or(1, |run| u64::from(run.number));
    let update = ExecutionUpdate {
        status,
        details: details(dice),
        expected_version: version(world, (&job, &thing), dice),
        number: match dice.below(8) {
            6 => Some(number),
            7 => Some(number + 1),
            _ => None,
        },
        step_timer: step_timer(dice),
        namespace: if dice.rarely(16) {
            None
        } else {
            own.map(namespace)
        },
        job: job_name(&job),
        thing: thing_name(&thing),
    };
    Some(Command::UpdateExecution {
        update: Box::new(update),
    })
}

fn details(dice: &mut Dice) -> Option<Details> {
    let pair = |key: &str, value: &str| Some(vec![(key.into(), value.into())]);
    match dice.below(14) {
        8 => pair("step", "download"),
        9 => Some(Vec::new()),
        10 => pair("detailed-deployment-status", "FAILED_ROLLBACK_COMPLETE"),
        11 => pair("detailed-deployment-status", "FAILED_NO_STATE_CHANGE"),
        12 => pair("a key", "with a space"),
        13 => {
            let many = (0..11).map(|number| (format!("k{number}").into(), "v".into()));
            Some(many.collect())
        }
        _ => None,
    }
}

fn step_timer(dice: &mut Dice) -> Option<StepTimer> {
    match dice.below(8) {
        4 | 5 => Some(StepTimer::Minutes(dice.number(1, 4))),
        6 => Some(StepTimer::Stopped),
        7 if dice.rarely(4) => Some(StepTimer::Minutes(0)),
        _ => None,
    }
}

fn request(world: &World, dice: &mut Dice) -> JobRequest {
    let name = job_name(&format!("j{}", dice.below(JOBS)));
    let schedule = dice.rarely(3).then(|| schedule(world.now, dice));
    let target_selection = if dice.below(2) == 1 {
        TargetSelection::Continuous
    } else {
        TargetSelection::Snapshot
    };
    let targets = match dice.below(10) {
        9 => 0,
        more => 1 + more % 3,
    };
    JobRequest {
        name,
        target_selection,
        targets: (0..targets).map(|_| dice.target(world)).collect(),
        namespace: dice.rarely(4).then(|| namespace(NAMESPACE)),
        settings: settings(world.model.ceiling, dice),
        document: if dice.rarely(16) { "[]" } else { "{}" }.into(),
        description: None,
        extras: job::Extras {
            schedule,
            ..job::Extras::default()
        },
    }
}

/// When a job may be rolled out: from some half hour from now on, or until then, or both; one time in a few as it must
/// not be.
fn schedule(now: Timestamp, dice: &mut Dice) -> Schedule {
    let kind = dice.below(5);
    let later = |dice: &mut Dice| {
        let minutes = if dice.rarely(12) {
            29
        } else {
            dice.number(30, 4)
        };
        // Callers give whole seconds.
        Timestamp(now.plus(Span::minutes(minutes)).0.next_multiple_of(1_000))
    };
    let start_at = matches!(kind, 1 | 2).then(|| later(dice));
    let end_at = match (kind, start_at) {
        (1, _) => None,
        (_, Some(start)) => Some(start.plus(Span::minutes(dice.number(29, 4).max(30)))),
        (_, None) => Some(later(dice)),
    };
    let behaviors = [
        EndBehavior::StopRollout,
        EndBehavior::Cancel,
        EndBehavior::ForceCancel,
    ];
    let end_behavior = (end_at.is_some() || dice.rarely(4)).then(|| behaviors[dice.index(3)]);
    let mut windows = Vec::new();
    if kind >= 3 {
        // Three minutes of each ten, or another stretch, which may come to all of them or more.
        let minutes = [3, 7, 10, 1, 11, 0][dice.index(6)];
        windows.push(window("0/10", minutes.max(u32::from(kind == 3))));
    }
    if kind == 4 {
        windows.push(window(["4/10", "15"][dice.index(2)], dice.number(1, 5)));
    }
    Schedule {
        start_at,
        end_at,
        end_behavior: end_behavior.filter(|_| !dice.rarely(6)),
        windows,
    }
}

fn window(minutes: &str, duration_minutes: u32) -> Window {
    Window {
        start: Cron::parse(&format!("cron({minutes} * * * ? *)")).expect("a valid expression"),
        duration_minutes,
    }
}

fn change(ceiling: u32, dice: &mut Dice) -> Change {
    let settings = settings(ceiling, dice);
    Change {
        description: dice.rarely(4).then(|| "another".into()),
        rollout: settings.rollout.filter(|_| dice.below(2) == 1),
        abort: Some(settings.abort).filter(|_| dice.below(2) == 1),
        timeout_minutes: settings.timeout_minutes.filter(|_| dice.below(2) == 1),
        ends_retries: dice.rarely(4),
        presigned_urls: None,
    }
}

/// How a job runs; one time in a few with something that is refused.
pub(super) fn settings(ceiling: u32, dice: &mut Dice) -> Settings {
    let mut settings = Settings {
        rollout: rollout(ceiling, dice),
        timeout_minutes: match dice.below(3) {
            0 => None,
            _ => Some(dice.number(1, 3)),
        },
        ..Settings::default()
    };
    let failures = [
        FailureType::Failed,
        FailureType::All,
        FailureType::TimedOut,
        FailureType::Rejected,
    ];
    for _ in 0..[0, 0, 1, 2][dice.index(4)] {
        settings.abort.push(AbortCriterion {
            failure: failures[dice.index(4)],
            threshold_hundredths: [1, 10_000, 5_000, 3_333, 2_550, 0][dice.index(6)].max(1),
            executed_things_min: dice.number(1, 4),
        });
    }
    for _ in 0..[0, 0, 0, 1, 1, 2][dice.index(6)] {
        settings.retries.push(RetryCriterion {
            failure: failures[dice.index(4)],
            retries: dice.number(0, 4),
        });
    }
    if settings.timeout_minutes.is_none() && !dice.rarely(8) {
        let without_timer = |one: &RetryCriterion| one.failure != FailureType::TimedOut;
        settings.retries.retain(without_timer);
    }
    if dice.rarely(24) {
        spoil(&mut settings, ceiling, dice);
    }
    settings
}

fn rollout(ceiling: u32, dice: &mut Dice) -> Option<Rollout> {
    let maximum = dice.number(1, u64::from(ceiling));
    match dice.below(5) {
        0 | 1 => None,
        2 => Some(Rollout {
            maximum_per_minute: Some(maximum),
            exponential: None,
        }),
        kind => Some(Rollout {
            maximum_per_minute: (kind == 3).then_some(maximum),
            exponential: Some(ExponentialRate {
                base_per_minute: dice.number(1, 2).min(maximum),
                increment_factor_tenths: [20, 11, 15, 25, 50][dice.index(5)],
                increase_after: match dice.below(4) {
                    0 => IncreaseAfter::Notified(1),
                    1 => IncreaseAfter::Succeeded(1),
                    2 => IncreaseAfter::Notified(3),
                    _ => IncreaseAfter::Succeeded(2),
                },
            }),
        }),
    }
}

/// Breaks one rule.
fn spoil(settings: &mut Settings, ceiling: u32, dice: &mut Dice) {
    let exponential = |base_per_minute, increment_factor_tenths, threshold| {
        Some(Rollout {
            maximum_per_minute: None,
            exponential: Some(ExponentialRate {
                base_per_minute,
                increment_factor_tenths,
                increase_after: IncreaseAfter::Notified(threshold),
            }),
        })
    };
    match dice.below(8) {
        0 => {
            settings.rollout = Some(Rollout {
                maximum_per_minute: Some([0, ceiling + 1][dice.index(2)]),
                exponential: None,
            });
        }
        1 => settings.rollout = exponential([0, ceiling + 1][dice.index(2)], 20, 1),
        2 => settings.rollout = exponential(1, [10, 51][dice.index(2)], 1),
        3 => settings.rollout = exponential(1, 20, 0),
        4 => settings.timeout_minutes = Some([0, 10_081][dice.index(2)]),
        5 => settings.abort.push(AbortCriterion {
            failure: FailureType::All,
            threshold_hundredths: [0, 10_001][dice.index(2)],
            executed_things_min: 1,
        }),
        6 => settings.abort.push(AbortCriterion {
            failure: FailureType::All,
            threshold_hundredths: 1,
            executed_things_min: 0,
        }),
        _ => settings.retries.push(RetryCriterion {
            failure: FailureType::Failed,
            retries: 11,
        }),
    }
}
