use shipslog_domain::core_task::{Event as TaskEvent, Item, Outcome, Status};
use shipslog_domain::{Event, ProvisioningTemplateName, StreamKind, ThingId};

use crate::testing::{Story, task_key};

fn items(cores: std::ops::Range<u32>) -> Vec<Item> {
    let template = ProvisioningTemplateName::parse("p").expect("a valid name");
    let item = |core| Item {
        core: ThingId(core),
        provisioning_template: template.clone(),
        parameters: vec![],
        cdf_parameters: None,
        generator: None,
    };
    cores.map(item).collect()
}

fn tell(story: &mut Story, task: u32, event: TaskEvent) {
    story.push(StreamKind::CoreTask, task, Event::CoreTask(event));
}

/// A task of 30 cores, told in two events.
fn requested() -> Story {
    let mut story = Story::default();
    (0..30).for_each(|thing| story.core(thing));
    let created = TaskEvent::CreateRequested {
        key: task_key(5),
        core_version: "2.12.0".into(),
        items: items(0..25),
    };
    tell(&mut story, 0, created);
    let items = items(25..30);
    tell(&mut story, 0, TaskEvent::CoresAdded { items });
    story
}

#[test]
fn a_task_is_what_became_of_its_items() {
    let mut story = requested();
    let task = |story: &Story| {
        let task = story.views.core_task(task_key(5)).expect("exists");
        (
            task.status,
            task.batches_total,
            task.batches_complete,
            task.failed_items,
        )
    };
    assert_eq!(task(&story), (Status::Waiting, 2, 0, 0));
    let fresh = story.views.core_task(task_key(5)).expect("exists");
    assert_eq!(
        (fresh.items, fresh.updated_at, fresh.core_version),
        (30, None, "2.12.0")
    );

    tell(
        &mut story,
        0,
        TaskEvent::BatchStarted {
            first: 0,
            count: 20,
        },
    );
    assert_eq!(task(&story), (Status::InProgress, 2, 0, 0));
    let item = |story: &Story, core: &str| {
        let item = story.views.core_task_item(task_key(5), core);
        item.map(|item| (item.status, item.message.map(str::to_owned)))
    };
    assert_eq!(item(&story, "t0"), Some((Status::InProgress, None)));
    assert_eq!(item(&story, "t20"), Some((Status::Waiting, None)));
    assert_eq!(item(&story, "other"), None);

    for item in 0..30 {
        let failed = item == 3;
        let event = TaskEvent::ItemFinished {
            item,
            outcome: if failed {
                Outcome::Failure
            } else {
                Outcome::Success
            },
            message: failed.then(|| "no template".into()),
        };
        tell(&mut story, 0, event);
    }
    // A failed item makes the task a failure for good.
    assert_eq!(task(&story), (Status::Failure, 2, 2, 1));
    let outcome = Outcome::Success;
    tell(&mut story, 0, TaskEvent::Finished { outcome });
    assert_eq!(task(&story).0, Status::Failure);
    assert_eq!(
        item(&story, "t3"),
        Some((Status::Failure, Some("no template".to_owned())))
    );
    let all = story.views.core_task_items(task_key(5)).expect("exists");
    assert_eq!(all.len(), 30);
    assert_eq!(
        all.first().map(|item| item.core),
        Some("t0"),
        "in the order of the request"
    );
}

#[test]
fn a_task_without_failure_ends_as_success() {
    let mut story = requested();
    let outcome = Outcome::Success;
    tell(
        &mut story,
        0,
        TaskEvent::ItemFinished {
            item: 0,
            outcome,
            message: None,
        },
    );
    let status = |story: &Story| story.views.core_task(task_key(5)).map(|task| task.status);
    assert_eq!(status(&story), Some(Status::InProgress));
    tell(&mut story, 0, TaskEvent::Finished { outcome });
    assert_eq!(status(&story), Some(Status::Success));
}

#[test]
fn tasks_are_listed_by_key() {
    let mut story = Story::default();
    for (task, key) in [(0, 9), (1, 2), (2, 5)] {
        let created = TaskEvent::CreateRequested {
            key: task_key(key),
            core_version: "2".into(),
            items: vec![],
        };
        tell(&mut story, task, created);
    }
    let keys = |after, limit| {
        let page = story.views.core_tasks(after, limit);
        let keys: Vec<_> = page.items.iter().map(|task| task.key).collect();
        (keys, page.has_more)
    };
    assert_eq!(keys(None, 2), (vec![task_key(2), task_key(5)], true));
    assert_eq!(
        keys(Some(task_key(3)), 2),
        (vec![task_key(5), task_key(9)], false)
    );
    assert_eq!(story.views.core_task(task_key(1)), None);
    assert_eq!(story.views.core_task_items(task_key(1)), None);
}
