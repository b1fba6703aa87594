use super::super::InstanceChange;
use super::{
    Command, Details, InstanceCommand as I, InstanceContent, InstanceStatus as S, LAYER, STACK,
    Stacks, layer, stack, thing_name,
};
use crate::command::{Command as Any, ReportedStatus};
use crate::event::Event;
use crate::fleet::tests::create_thing;
use crate::ids::{InstanceId, LayerId, StackId};
use crate::rejection::RejectionKind;
use crate::thing;

const FIRST: InstanceId = InstanceId(0);

#[test]
fn a_created_instance_is_started_stopped_and_deleted() {
    let mut stacks = Stacks::new();
    let created = stacks.create(None);
    assert!(matches!(
        created[..],
        [
            Event::Thing(thing::Event::Registered { .. }),
            Event::Instance(_)
        ]
    ));
    assert_eq!(stacks.status(0), S::Stopped);
    assert!(stacks.run.fleet.thing_id("edge1").is_some());
    let stop = |force| I::Stop {
        instance: FIRST,
        force,
    };
    for refused in [stop(false), stop(true), I::Reboot(FIRST)] {
        stacks.refused_instance(refused);
    }
    stacks.instance(I::Start(FIRST));
    assert_eq!(stacks.status(0), S::Requested);
    for refused in [I::Start(FIRST), I::Delete(FIRST), I::Reboot(FIRST)] {
        stacks.refused_instance(refused);
    }
    stacks.connect("edge1", true);
    assert_eq!(stacks.status(0), S::Online);
    stacks.connect("edge1", false);
    assert_eq!(stacks.status(0), S::ConnectionLost);
    stacks.connect("edge1", true);
    stacks.run.pass(crate::time::Span::seconds(1));
    stacks.instance(I::Reboot(FIRST));
    assert_eq!(stacks.status(0), S::Rebooting);
    stacks.refused_instance(I::Reboot(FIRST));
    stacks.connect("edge1", false);
    assert_eq!(stacks.status(0), S::Rebooting);
    stacks.connect("edge1", true);
    assert_eq!(stacks.status(0), S::Online);
    stacks.instance(stop(false));
    assert_eq!(stacks.status(0), S::Stopping);
    for refused in [stop(false), I::Start(FIRST), I::Delete(FIRST)] {
        stacks.refused_instance(refused);
    }
    stacks.connect("edge1", false);
    assert_eq!(stacks.status(0), S::Stopped);
    stacks.instance(I::Start(FIRST));
    stacks.connect("edge1", true);
    stacks.instance(stop(true));
    assert_eq!(stacks.status(0), S::Stopped);
    stacks.instance(I::Delete(FIRST));
    assert!(stacks.run.fleet.instance(FIRST).is_none());
    assert!(
        stacks.run.fleet.thing_id("edge1").is_some(),
        "the thing stays"
    );
    stacks.refused(Command::Instance(I::Delete(FIRST)), RejectionKind::NotFound);
    stacks.check_replay();
}

#[test]
fn a_registered_instance_is_assigned_and_taken_out() {
    let mut stacks = Stacks::new();
    stacks.run.ok(create_thing("pump-1"));
    assert_eq!(
        stacks.register("pump-1").len(),
        1,
        "the thing is there already"
    );
    assert_eq!(stacks.status(0), S::Registering);
    let assign = |layers| I::Assign {
        instance: FIRST,
        layers,
    };
    for refused in [
        I::Start(FIRST),
        I::Delete(FIRST),
        I::Reboot(FIRST),
        I::Stop {
            instance: FIRST,
            force: true,
        },
        I::Unassign(FIRST),
        I::Change {
            instance: FIRST,
            change: Box::new(InstanceChange {
                layers: Some(vec![LAYER]),
                ..InstanceChange::default()
            }),
        },
    ] {
        stacks.refused_instance(refused);
    }
    let none = Command::Instance(assign(Vec::new()));
    stacks.refused(none, RejectionKind::Malformed);
    let unknown = Command::Instance(assign(vec![LayerId(9)]));
    stacks.refused(unknown, RejectionKind::NotFound);
    stacks.instance(assign(vec![LAYER, LAYER]));
    assert_eq!(stacks.status(0), S::Assigning);
    stacks.connect("pump-1", true);
    assert_eq!(stacks.status(0), S::Online);
    assert!(stacks.instance(assign(vec![LAYER])).is_empty());
    stacks.connect("pump-1", false);
    assert_eq!(stacks.status(0), S::ConnectionLost);
    stacks.instance(I::Unassign(FIRST));
    assert_eq!(stacks.status(0), S::Registered);
    let layer = stacks.run.fleet.layer(LAYER).expect("a layer");
    assert!(layer.instances.is_empty());
    stacks.instance(I::Deregister(FIRST));
    assert!(stacks.run.fleet.instance(FIRST).is_none());
    stacks.register("pump-1");
    stacks.check_replay();
}

#[test]
fn a_thing_is_one_instance_at_most() {
    let mut stacks = Stacks::new();
    stacks.register("pump-1");
    stacks.ok(Command::Create(Box::new(stack("second"))));
    let again = Command::Instance(I::Register {
        stack: StackId(1),
        hostname: thing_name("pump-1"),
        details: Details::default(),
    });
    let message = stacks.refused(again, RejectionKind::Conflict);
    assert!(message.contains("pump-1 is instance"), "{message}");
    let created = Command::Instance(I::Create {
        stack: STACK,
        hostname: Some(thing_name("pump-1")),
        content: Box::new(InstanceContent {
            layers: vec![LAYER],
            details: Details::default(),
        }),
    });
    stacks.refused(created, RejectionKind::Conflict);
}

#[test]
fn layers_are_of_the_same_stack() {
    let mut stacks = Stacks::new();
    stacks.ok(Command::Create(Box::new(stack("second"))));
    stacks.ok(Command::CreateLayer {
        stack: StackId(1),
        content: Box::new(layer("edge", "custom")),
    });
    stacks.register("pump-1");
    let foreign = Command::Instance(I::Assign {
        instance: FIRST,
        layers: vec![LayerId(1)],
    });
    let message = stacks.refused(foreign, RejectionKind::Malformed);
    assert!(message.contains("of another stack"), "{message}");
}

#[test]
fn a_hostname_stays() {
    let mut stacks = Stacks::new();
    stacks.create(Some("pump-1"));
    let rename = |hostname: &str| I::Change {
        instance: FIRST,
        change: Box::new(InstanceChange {
            hostname: Some(thing_name(hostname)),
            ..InstanceChange::default()
        }),
    };
    assert!(stacks.instance(rename("pump-1")).is_empty());
    stacks.refused_instance(rename("pump-2"));
}

#[test]
fn a_stack_starts_and_stops_what_was_created_with_it() {
    let mut stacks = Stacks::new();
    stacks.create(None);
    stacks.create(None);
    stacks.online("pump-1");
    let count = stacks.ok(Command::Start(STACK)).len();
    assert_eq!(
        (count, stacks.status(0), stacks.status(2)),
        (2, S::Requested, S::Online)
    );
    assert!(stacks.ok(Command::Start(STACK)).is_empty());
    assert_eq!(stacks.ok(Command::Stop(STACK)).len(), 2);
    assert_eq!(
        (stacks.status(1), stacks.status(2)),
        (S::Stopped, S::Online)
    );
    stacks.refused(Command::Start(StackId(5)), RejectionKind::NotFound);
}

#[test]
fn whoever_leaves_a_stack_gets_no_more_commands_of_it() {
    let mut stacks = Stacks::new();
    stacks.online("pump-1");
    let second = stacks.online("pump-2");
    let at_work = stacks.deploy(super::CommandName::Deploy);
    stacks.deploy(super::CommandName::Setup);
    stacks.answer(at_work, "pump-1", ReportedStatus::InProgress, "");
    stacks.instance(I::Deregister(FIRST));
    assert_eq!(stacks.command_word(at_work, FIRST), "failed");
    assert_eq!(stacks.run_word(at_work), "running");
    stacks.answer(at_work, "pump-2", ReportedStatus::Succeeded, "0");
    assert_eq!(stacks.run_word(at_work), "failed");
    assert_eq!(stacks.command_word(at_work, second), "successful");
    let thing = stacks.run.thing("pump-1");
    assert!(
        stacks
            .run
            .fleet
            .pending(thing, Some(super::NAMESPACE))
            .is_empty()
    );
    stacks.check_replay();
}

#[test]
fn a_removed_thing_fails_its_commands() {
    let mut stacks = Stacks::new();
    stacks.online("pump-1");
    let deployment = stacks.deploy(super::CommandName::Configure);
    stacks.run.ok(Any::DeleteThing {
        name: thing_name("pump-1"),
        expected_version: None,
        detach_certificates: true,
    });
    assert_eq!(stacks.run_word(deployment), "failed");
    stacks.check_replay();
}
