use shipslog_domain::core_task::{Outcome, Status};
use shipslog_domain::deployment_task::{Event as TaskEvent, Targets};
use shipslog_domain::{DeploymentTaskId, Event, JobId, StreamKind, ThingId, core};

use crate::testing::{Story, task_key, version_of};

fn tell(story: &mut Story, task: u32, event: TaskEvent) {
    story.push(
        StreamKind::DeploymentTask,
        task,
        Event::DeploymentTask(event),
    );
}

fn request(story: &mut Story, task: u32, cores: &[u32]) {
    let things = cores.iter().map(|core| format!("t{core}").into());
    let requested = TaskEvent::Requested {
        key: task_key(u8::try_from(task).expect("few")),
        template: version_of(0, 1),
        targets: Box::new(Targets {
            thing_names: Some(things.collect()),
            thing_group_names: None,
            ..Targets::default()
        }),
        job_settings: None,
    };
    tell(story, task, requested);
}

fn resolve(story: &mut Story, task: u32, cores: &[u32]) {
    let cores = cores.iter().copied().map(ThingId).collect();
    tell(
        story,
        task,
        TaskEvent::TargetsResolved {
            cores,
            remaining: None,
        },
    );
}

fn done(story: &mut Story, task: u32, core: u32, failure: Option<&str>) {
    let event = core::Event::DeploymentRequested {
        task: DeploymentTaskId(task),
        desired: version_of(0, 1),
        failure: failure.map(Into::into),
    };
    story.core_event(core, event);
}

fn fleet() -> Story {
    let mut story = Story::default();
    story.template(0, "edge", 1);
    (0..60).for_each(|thing| story.core(thing));
    story
}

#[test]
fn a_task_ends_when_its_cores_were_told() {
    let mut story = fleet();
    let cores: Vec<u32> = (0..55).collect();
    request(&mut story, 0, &cores);
    let task = story.views.deployment_task(task_key(0)).expect("exists");
    assert_eq!(
        (task.status, task.batches, task.updated_at),
        (Status::Waiting, None, None)
    );
    assert_eq!((task.template.name, task.template.version), ("edge", 1));
    let names = task.targets.thing_names.expect("as requested");
    assert_eq!(names.len(), 55);

    resolve(&mut story, 0, &cores[..40]);
    resolve(&mut story, 0, &cores[40..]);
    let refused = TaskEvent::TargetRefused {
        name: "t00".into(),
        message: "is no core".into(),
    };
    tell(&mut story, 0, refused);
    let job = JobId(3);
    tell(&mut story, 0, TaskEvent::JobAssigned { job });
    let task = story.views.deployment_task(task_key(0)).expect("exists");
    assert_eq!((task.status, task.batches), (Status::Failure, Some((2, 0))));
    assert_eq!(
        (task.items, task.failed_items, task.job),
        (56, 1, Some(job))
    );

    for core in 0..55 {
        done(&mut story, 0, core, (core == 7).then_some("not registered"));
    }
    let task = story.views.deployment_task(task_key(0)).expect("exists");
    assert_eq!((task.batches, task.failed_items), (Some((2, 2)), 2));
    let outcome = Outcome::Failure;
    let message = Some("not all".into());
    tell(&mut story, 0, TaskEvent::Finished { outcome, message });
    let task = story.views.deployment_task(task_key(0)).expect("exists");
    assert_eq!(
        (task.status, task.message),
        (Status::Failure, Some("not all"))
    );

    let item = |core| {
        let item = story.views.deployment_task_item(task_key(0), core)?;
        Some((item.status, item.message))
    };
    assert_eq!(item("t7"), Some((Status::Failure, Some("not registered"))));
    assert_eq!(item("t8"), Some((Status::Success, None)));
    assert_eq!(item("t00"), Some((Status::Failure, Some("is no core"))));
    assert_eq!(item("t59"), None);
}

#[test]
fn items_are_paged_by_core_name() {
    let mut story = fleet();
    request(&mut story, 0, &[]);
    resolve(&mut story, 0, &[1, 10, 2, 3]);
    for name in ["a", "t11", "z"] {
        let name = name.into();
        let message = "is no core".into();
        tell(&mut story, 0, TaskEvent::TargetRefused { name, message });
    }
    let mut listed: Vec<String> = Vec::new();
    loop {
        let after = listed.last().cloned();
        let page = story
            .views
            .deployment_task_items(task_key(0), after.as_deref(), 2);
        let page = page.expect("exists");
        assert!(page.items.len() <= 2);
        listed.extend(page.items.iter().map(|item| item.core.to_owned()));
        if !page.has_more {
            break;
        }
    }
    assert_eq!(listed, ["a", "t1", "t10", "t11", "t2", "t3", "z"]);
    assert_eq!(
        story.views.deployment_task_items(task_key(9), None, 2),
        None
    );
}

#[test]
fn a_core_tells_its_deployments_newest_first() {
    let mut story = fleet();
    for task in 0..4 {
        request(&mut story, task, &[]);
        resolve(&mut story, task, if task == 2 { &[1] } else { &[0, 1] });
    }
    done(&mut story, 3, 0, Some("no"));
    let of = |after, limit| {
        let page = story.views.core_deployments("t0", after, limit);
        let tasks: Vec<_> = page.items.iter().map(|one| one.task).collect();
        (tasks, page.has_more)
    };
    assert_eq!(of(None, 2), (vec![task_key(3), task_key(1)], true));
    assert_eq!(of(Some(task_key(1)), 2), (vec![task_key(0)], false));
    assert_eq!(of(Some(task_key(9)), 2), (vec![], false));
    assert!(
        story
            .views
            .core_deployments("other", None, 9)
            .items
            .is_empty()
    );
    let page = story.views.core_deployments("t0", None, 1);
    let newest = page.items.first().expect("four");
    assert_eq!(
        (newest.item.status, newest.item.message),
        (Status::Failure, Some("no"))
    );
}

#[test]
fn a_task_without_failure_ends_as_success() {
    let mut story = fleet();
    request(&mut story, 0, &[4]);
    resolve(&mut story, 0, &[4]);
    let status = |story: &Story| {
        story
            .views
            .deployment_task(task_key(0))
            .map(|task| task.status)
    };
    assert_eq!(status(&story), Some(Status::InProgress));
    done(&mut story, 0, 4, None);
    let outcome = Outcome::Success;
    tell(
        &mut story,
        0,
        TaskEvent::Finished {
            outcome,
            message: None,
        },
    );
    assert_eq!(status(&story), Some(Status::Success));
}
