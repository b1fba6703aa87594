use shipslog_domain::core_task::{Event as TaskEvent, Item, Outcome, RemovalOptions, Subject};
use shipslog_domain::{
    CoreTaskId, Event, ProvisioningTemplateName, StreamKind, ThingId, ThingName, client_device,
};

use super::{CdfEvent, cdf_events};
use crate::testing::{Story, task_key};
use crate::timeline::Value;

fn tell(story: &mut Story, task: u32, event: TaskEvent) -> Vec<String> {
    story.push(StreamKind::CoreTask, task, Event::CoreTask(event));
    last(story)
}

/// What CDF says of the last event.
fn last(story: &Story) -> Vec<String> {
    let recorded = story.events.last().expect("something was told");
    let events = cdf_events(recorded, &story.views);
    events.iter().map(line).collect()
}

fn line(event: &CdfEvent) -> String {
    let fields = event.detail.iter().map(|(name, value)| {
        if let Value::Text(text) = value {
            format!("{name}={text}")
        } else {
            format!("{name}={value:?}")
        }
    });
    format!("{}: {}", event.name, fields.collect::<Vec<_>>().join(" "))
}

fn item(thing: u32) -> Item {
    Item {
        core: ThingId(thing),
        provisioning_template: ProvisioningTemplateName::parse("p").expect("a valid name"),
        parameters: vec![],
        cdf_parameters: None,
        generator: None,
    }
}

fn finished(outcome: Outcome, message: Option<&str>) -> TaskEvent {
    TaskEvent::ItemFinished {
        item: 0,
        outcome,
        message: message.map(Into::into),
    }
}

fn removal(subject: Subject, things: &[u32], unknown: &[&str]) -> TaskEvent {
    TaskEvent::RemovalRequested {
        key: task_key(7),
        subject,
        core_version: None,
        options: RemovalOptions::default(),
        things: things.iter().map(|thing| ThingId(*thing)).collect(),
        unknown: unknown.iter().map(|name| (*name).into()).collect(),
    }
}

#[test]
fn the_end_of_an_item_is_an_event_of_its_kind() {
    let mut story = Story::default();
    story.core(0);
    let key = task_key(7);
    let created = TaskEvent::CreateRequested {
        key,
        core_version: "2.12.0".into(),
        items: vec![item(0)],
    };
    assert!(tell(&mut story, 0, created).is_empty());
    let remark = finished(Outcome::Success, Some("adopted"));
    let expected = format!("Core Created Event: coreName=t0 taskId={key} status=success");
    assert_eq!(tell(&mut story, 0, remark), [expected]);

    let refused = tell(&mut story, 1, removal(Subject::Cores, &[0], &["ghost"]));
    let expected = format!(
        "Core Deleted Event: coreName=ghost taskId={key} status=failed message=CORE_NOT_FOUND"
    );
    assert_eq!(refused, [expected]);
    let failed = finished(Outcome::Failure, Some("why"));
    let expected =
        format!("Core Deleted Event: coreName=t0 taskId={key} status=failed message=why");
    assert_eq!(tell(&mut story, 1, failed), [expected]);
}

#[test]
fn a_device_is_told_of_once_however_it_goes() {
    let mut story = Story::default();
    story.core(0);
    let core = ThingId(0);
    let device = |story: &mut Story, event| {
        story.push(StreamKind::Thing, 1, Event::ClientDevice(event));
        last(story)
    };
    let name = ThingName::parse("dev").ok();
    assert!(device(&mut story, client_device::Event::Created { name, core }).is_empty());
    let key = task_key(7);
    let created = TaskEvent::DevicesRequested {
        key,
        core,
        items: vec![item(1)],
    };
    tell(&mut story, 0, created);
    let failed = finished(Outcome::Failure, Some("why"));
    let expected =
        format!("Device Created Event: taskId={key} deviceName=dev status=failed message=why");
    assert_eq!(tell(&mut story, 0, failed), [expected]);

    tell(&mut story, 1, removal(Subject::Devices { core }, &[1], &[]));
    let task = Some(CoreTaskId(1));
    let expected = format!("Device Deleted Event: taskId={key} deviceName=dev status=success");
    let removed = client_device::Event::Removed { task };
    assert_eq!(device(&mut story, removed), [expected]);
    let ended = finished(Outcome::Success, None);
    assert!(tell(&mut story, 1, ended).is_empty(), "it was told already");
    let alone = device(&mut story, client_device::Event::Removed { task: None });
    assert_eq!(
        alone,
        ["Device Deleted Event: deviceName=dev status=success"]
    );
}
