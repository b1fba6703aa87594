//! However large the fleet, one step stays small: what it writes and what it looks at are counted here.

use super::*;
use crate::deployment_task::Event as TaskEvent;
use crate::limits::TIMEOUT_EVENTS_MAX;

/// Lets everything happen that is due, step by step, and gives the events of each step.
fn steps(run: &mut Run) -> Vec<Vec<Event>> {
    let mut steps = Vec::new();
    while run
        .fleet
        .poll_timeout()
        .is_some_and(|(due, _)| due <= run.now)
    {
        let mut facts = Vec::new();
        run.fleet.advance(run.now, &mut facts);
        assert!(!facts.is_empty(), "a due timer causes an event");
        steps.push(facts.into_iter().map(|fact| fact.event).collect());
    }
    steps
}

/// Submits a command without what is due after it.
fn submit(run: &mut Run, command: &Command) -> usize {
    let mut facts = Vec::new();
    run.fleet
        .submit(command, run.now, &mut facts)
        .unwrap_or_else(|refused| panic!("{command:?} was refused: {refused}"));
    facts.len()
}

fn cancel_job(job: &str, force: bool) -> Command {
    Command::CancelJob {
        job: job_name(job),
        force,
        reason_code: None,
        comment: None,
    }
}

fn largest(steps: &[Vec<Event>]) -> usize {
    steps.iter().map(Vec::len).max().unwrap_or(0)
}

/// A job for `count` things, all told of it.
fn job_for(count: usize) -> Run {
    let mut run = Run::with_ceiling(u32::MAX);
    run.group_of("g", count);
    run.ok(create_job(request("j", &["group/g"])));
    assert_eq!(run.job("j").count(Status::Queued) as usize, count);
    run
}

#[test]
fn a_large_job_is_canceled_in_parts() {
    let mut run = job_for(5_000);
    assert_eq!(submit(&mut run, &cancel_job("j", false)), 1);
    let steps = steps(&mut run);
    assert_eq!(steps.len(), 3);
    assert!(largest(&steps) <= TIMEOUT_EVENTS_MAX + 1);
    assert_eq!(run.job("j").count(Status::Canceled), 5_000);
}

#[test]
fn a_cancellation_does_not_look_at_devices_at_work() {
    let mut run = job_for(1_000);
    for number in 0..900 {
        run.ok(update(report(
            "j",
            &format!("t{number}"),
            ReportedStatus::InProgress,
        )));
    }
    submit(&mut run, &cancel_job("j", false));
    assert_eq!(run.job("j").to_sweep().len(), 100);
    assert_eq!(steps(&mut run).concat().len(), 100);
    assert_eq!(run.job("j").count(Status::InProgress), 900);
}

#[test]
fn a_large_job_is_deleted_in_parts() {
    let mut run = job_for(5_000);
    for number in 0..2_500 {
        run.ok(update(report(
            "j",
            &format!("t{number}"),
            ReportedStatus::Succeeded,
        )));
    }
    let job = run.fleet.job_id("j").expect("a known job");
    let delete = Command::DeleteJob {
        namespace: None,
        job: job_name("j"),
        force: true,
    };
    assert_eq!(submit(&mut run, &delete), 1);
    let steps = steps(&mut run);
    assert!(largest(&steps) <= TIMEOUT_EVENTS_MAX);
    assert!(run.fleet.job(job).is_none());
    // The executions that had ended go little by little, and nobody sees them any more.
    let left = run.fleet.executions.count();
    assert!(left > 2_000, "{left} executions are left");
    assert_eq!(run.execution("j", "t0"), None);
    let thing = run.thing("t0");
    assert!(run.fleet.execution(job, thing).is_none());
    for number in 0..left.div_ceil(32) {
        let before = run.fleet.executions.count();
        run.ok(create_thing(&format!("new{number}")));
        assert!(before - run.fleet.executions.count() <= 32);
    }
    assert_eq!(run.fleet.executions.count(), 0);
    // A job of the same name begins anew.
    run.ok(create_job(request("j", &["group/g"])));
    assert_eq!(run.execution("j", "t0"), Some((Status::Queued, 1, 1)));
}

#[test]
fn what_a_deleted_job_left_behind_is_part_of_a_saved_state() {
    let mut run = job_for(200);
    for number in 0..200 {
        let thing = format!("t{number}");
        run.ok(update(report("j", &thing, ReportedStatus::Succeeded)));
    }
    run.ok(Command::DeleteJob {
        namespace: None,
        job: job_name("j"),
        force: false,
    });
    let mut saved = Vec::new();
    run.fleet.save(&mut saved);
    let mut loaded = Fleet::load(Settings::default(), &saved).expect("what was saved");
    assert_eq!(loaded.executions.count(), run.fleet.executions.count());
    assert!(loaded.executions.count() > 0, "nothing is left");
    for number in 0..10 {
        for fleet in [&mut run.fleet, &mut loaded] {
            let command = create_thing(&format!("new{number}"));
            fleet
                .submit(&command, run.now, &mut Vec::new())
                .expect("accepted");
        }
    }
    assert_eq!(loaded.executions.count(), 0);
    let bytes = |fleet: &Fleet| {
        let mut bytes = Vec::new();
        fleet.save(&mut bytes);
        bytes
    };
    assert_eq!(bytes(&loaded), bytes(&run.fleet));
}

#[test]
fn executions_that_time_out_together_do_so_one_by_one() {
    let mut run = Run::with_ceiling(u32::MAX);
    run.group_of("g", 3_000);
    let mut wanted = request("j", &["group/g"]);
    wanted.settings.timeout_minutes = Some(5);
    run.ok(create_job(wanted));
    for number in 0..3_000 {
        run.ok(start_next(&format!("t{number}")));
    }
    run.now = run.now.plus(Span::minutes(5));
    let steps = steps(&mut run);
    // The last one completes the job.
    assert_eq!(steps.len(), 3_000);
    assert_eq!(largest(&steps), 2);
    assert_eq!(run.job("j").count(Status::TimedOut), 3_000);
}

fn deployment(thing_names: Option<Vec<Box<str>>>, groups: Option<&str>) -> Command {
    Command::CreateDeploymentTask {
        key: key("task00001"),
        template: TemplateName::parse("edge").expect("valid"),
        version: None,
        targets: Targets {
            thing_names,
            thing_group_names: groups.map(|name| vec![group_name(name)]),
            ..Targets::default()
        },
        job_settings: None,
    }
}

#[test]
fn the_targets_of_a_large_deployment_are_resolved_in_parts() {
    let mut run = Run::with_ceiling(u32::MAX);
    run.group_of("g", 12_000);
    for number in 0..12_000 {
        run.ok(health(&format!("t{number}"), 1));
    }
    run.ok(Command::CreateTemplate {
        name: TemplateName::parse("edge").expect("valid"),
        content: content("1.0.0"),
    });
    submit(&mut run, &deployment(None, Some("g")));
    let steps = steps(&mut run);
    let weights = steps
        .iter()
        .map(|step| step.iter().map(Event::weight).sum::<usize>());
    assert!(weights.max().unwrap_or(0) <= 5_001);
    let resolved: Vec<(Vec<ThingId>, Option<u32>)> = steps
        .concat()
        .into_iter()
        .filter_map(|event| {
            if let Event::DeploymentTask(TaskEvent::TargetsResolved { cores, remaining }) = event {
                Some((cores, remaining))
            } else {
                None
            }
        })
        .collect();
    let remaining: Vec<Option<u32>> = resolved.iter().map(|part| part.1).collect();
    assert_eq!(remaining, [Some(7_000), Some(2_000), None]);
    let cores: Vec<ThingId> = resolved.into_iter().flat_map(|part| part.0).collect();
    assert!(cores.is_sorted_by(|one, next| one < next));
    assert_eq!(cores.len(), 12_000);
    let task = run.fleet.deployment_task(key("task00001")).expect("exists");
    assert_eq!(task.status, crate::core_task::Status::Success);
}

#[test]
fn refused_targets_of_a_large_deployment_come_in_parts() {
    let mut run = Run::new();
    run.things(1);
    run.ok(health("t0", 1));
    run.ok(Command::CreateTemplate {
        name: TemplateName::parse("edge").expect("valid"),
        content: content("1.0.0"),
    });
    let mut names: Vec<Box<str>> = (0..5_000)
        .map(|number| format!("x{number}").into())
        .collect();
    names.push("t0".into());
    names.push("x7".into());
    submit(&mut run, &deployment(Some(names.clone()), None));
    let steps = steps(&mut run);
    assert!(largest(&steps) <= TIMEOUT_EVENTS_MAX + 1);
    let events = steps.concat();
    let refused: Vec<Box<str>> = events
        .iter()
        .filter_map(|event| {
            if let Event::DeploymentTask(TaskEvent::TargetRefused { name, .. }) = event {
                Some(name.clone())
            } else {
                None
            }
        })
        .collect();
    names.retain(|name| name.starts_with('x'));
    names.sort();
    names.dedup();
    assert_eq!(refused, names);
    let task = run.fleet.deployment_task(key("task00001")).expect("exists");
    assert_eq!(task.status, crate::core_task::Status::Failure);
    assert_eq!(task.next, 1);
    // One core was worked on, after every refusal.
    let worked_on = |event: &Event| matches!(event, Event::Core(_));
    assert_eq!(events.iter().filter(|event| worked_on(event)).count(), 1);
}
