//! Client devices, and taking cores and client devices out of service.

use super::deployments::{core, fleet, next_job, task_status};
use super::*;
use crate::certificate::{self, Certificate};
use crate::client_device;
use crate::command::RemovalSubject;
use crate::core_task::{self, Outcome, RemovalOptions};
use crate::{core as core_record, thing};

fn create_devices(task: &str, core: &str, devices: &[&str]) -> Command {
    Command::CreateDeviceTask {
        key: key(task),
        core: thing_name(core),
        devices: devices.iter().map(|name| core_request(name)).collect(),
    }
}

/// Creates client devices of a core and provisions them.
fn devices(run: &mut Run, task: &str, core: &str, devices: &[&str]) {
    run.ok(create_devices(task, core, devices));
    for number in 0..devices.len() {
        run.ok(provisioned(task, u32::try_from(number).expect("small")));
    }
}

fn options(cores: bool, devices: bool) -> RemovalOptions {
    RemovalOptions {
        deprovision_cores: Some(cores),
        deprovision_client_devices: Some(devices),
    }
}

fn remove(task: &str, subject: RemovalSubject, options: RemovalOptions, names: &[&str]) -> Command {
    Command::CreateRemovalTask {
        key: key(task),
        subject,
        core_version: None,
        options,
        names: names.iter().map(|name| (*name).into()).collect(),
    }
}

fn certificate_of(run: &mut Run, things: &[&str], number: u8) -> Fingerprint {
    let fingerprint = Fingerprint([number; 32]);
    run.ok(Command::RegisterCertificate {
        certificate: Certificate {
            fingerprint,
            pem: "pem".into(),
            status: certificate::Status::Active,
        },
    });
    for thing in things {
        run.ok(Command::AttachCertificate {
            thing: thing_name(thing),
            fingerprint,
        });
    }
    fingerprint
}

fn certificate_status(run: &Run, fingerprint: &Fingerprint) -> certificate::Status {
    run.fleet.certificate(fingerprint).expect("known").1.status
}

/// How the items of a task ended, in their order.
fn ends(events: &[Event]) -> Vec<(Outcome, String)> {
    let ends = events.iter().filter_map(|event| {
        let Event::CoreTask(core_task::Event::ItemFinished {
            outcome, message, ..
        }) = event
        else {
            return None;
        };
        Some((*outcome, message.as_deref().unwrap_or_default().to_owned()))
    });
    ends.collect()
}

fn task_end(events: &[Event]) -> Option<Outcome> {
    events.iter().find_map(|event| {
        let Event::CoreTask(core_task::Event::Finished { outcome }) = event else {
            return None;
        };
        Some(*outcome)
    })
}

fn is_core(run: &Run, name: &str) -> bool {
    let thing = run.fleet.thing(run.thing(name)).expect("a known name");
    thing.core.is_some()
}

fn is_device(run: &Run, name: &str) -> bool {
    let device = run.fleet.client_device(run.thing(name));
    device.is_some_and(|device| device.has_record)
}

/// CDF mixes the two options up; here each is what it says, with and without client devices (C-10).
#[test]
fn every_mix_of_options_keeps_and_deletes_what_it_says() {
    for (cores, client_devices, with_devices) in [
        (true, true, true),
        (true, false, true),
        (false, true, true),
        (false, false, true),
        (true, true, false),
        (true, false, false),
        (false, true, false),
        (false, false, false),
    ] {
        let mut run = fleet(1, 1);
        if with_devices {
            devices(&mut run, "devicetsk", "c0", &["d0", "d1"]);
        }
        let wanted = options(cores, client_devices);
        let events = run.ok(remove("removalxx", RemovalSubject::Cores, wanted, &["c0"]));
        let case = format!("{wanted:?}, devices: {with_devices}");
        assert_eq!(task_end(&events), Some(Outcome::Success), "{case}");
        assert!(!is_core(&run, "c0"), "{case}");
        assert_eq!(run.fleet.is_registered(run.thing("c0")), !cores, "{case}");
        for device in ["d0", "d1"].iter().filter(|_| with_devices) {
            assert!(!is_device(&run, device), "{case}");
            let kept = run.fleet.is_registered(run.thing(device));
            assert_eq!(kept, !client_devices, "{case}");
        }
        assert_eq!(run.fleet.client_devices_of(run.thing("c0")).count(), 0);
        let message = &ends(&events)[0].1;
        assert_eq!(message.contains("thing deleted"), cores, "{message}");
        assert_eq!(
            message.contains("2 client devices"),
            with_devices,
            "{message}"
        );
        assert!(message.contains("core deleted"), "{message}");
    }
}

#[test]
fn a_certificate_that_nothing_else_uses_is_revoked_with_its_thing() {
    let mut run = fleet(2, 2);
    let own = certificate_of(&mut run, &["c0"], 1);
    let shared = certificate_of(&mut run, &["c0", "c1"], 2);
    let both = options(true, true);
    run.ok(remove("removal01", RemovalSubject::Cores, both, &["c0"]));
    assert_eq!(certificate_status(&run, &own), certificate::Status::Revoked);
    assert_eq!(
        certificate_status(&run, &shared),
        certificate::Status::Active
    );
    run.ok(remove("removal02", RemovalSubject::Cores, both, &["c1"]));
    assert_eq!(
        certificate_status(&run, &shared),
        certificate::Status::Revoked,
        "its last thing is gone"
    );
}

#[test]
fn a_name_that_is_no_core_fails_alone() {
    let mut run = fleet(2, 0);
    let names = ["c0", "nobody", "c1"];
    let events = run.ok(remove(
        "removal01",
        RemovalSubject::Cores,
        options(true, true),
        &names,
    ));
    assert_eq!(
        ends(&events).len(),
        2,
        "the unknown name ended at the request"
    );
    assert!(
        ends(&events)
            .iter()
            .all(|(end, _)| *end == Outcome::Success)
    );
    assert_eq!(task_end(&events), Some(Outcome::Failure));
    assert!(!is_core(&run, "c0") && !is_core(&run, "c1"));
    assert_eq!(run.fleet.thing_id("nobody"), None, "no ghost is left");
    let events = run.ok(remove(
        "removal02",
        RemovalSubject::Cores,
        options(true, true),
        &["nobody", "c0"],
    ));
    assert_eq!(task_end(&events), Some(Outcome::Failure));
    assert!(ends(&events).is_empty());
}

#[test]
fn a_task_with_many_devices_goes_on_until_it_ends() {
    let mut run = fleet(1, 1);
    let names: Vec<String> = (0..250).map(|number| format!("d{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    devices(&mut run, "devicetsk", "c0", &names);
    let events = run.ok(remove(
        "removal01",
        RemovalSubject::Cores,
        options(false, true),
        &["c0"],
    ));
    assert_eq!(task_end(&events), Some(Outcome::Success));
    assert!(ends(&events)[0].1.contains("250 client devices"));
    let started = events.iter().filter(|event| {
        matches!(
            event,
            Event::CoreTask(core_task::Event::BatchStarted { .. })
        )
    });
    assert_eq!(started.count(), 1);
    assert!(names.iter().all(|name| !is_device(&run, name)));
}

#[test]
fn a_deployment_under_way_ends_with_its_core() {
    let mut run = fleet(2, 2);
    run.ok(deploy("deploytsk", "edge", None, &["c0", "c1"]));
    assert!(next_job(&run, "c0").is_some());
    let events = run.ok(remove(
        "removal01",
        RemovalSubject::Cores,
        options(false, false),
        &["c0"],
    ));
    assert_eq!(next_job(&run, "c0"), None);
    assert!(events.contains(&Event::Core(core_record::Event::Removed)));
    let groups = &run.fleet.thing(run.thing("c0")).expect("kept").groups;
    assert!(groups.is_empty(), "no template reaches it any more");
    assert!(next_job(&run, "c1").is_some());
    run.ok(deploy("deploytwo", "edge", None, &["c0", "c1"]));
    assert_eq!(
        task_status(&run, "deploytwo"),
        core_task::Status::Failure,
        "c0 is no core"
    );
}

#[test]
fn a_core_that_is_deleted_while_it_is_made_stays_deleted() {
    let mut run = fleet(1, 0);
    run.ok(Command::CreateCoreTask {
        key: key("coretask2"),
        core_version: "2.12.0".into(),
        cores: vec![core_request("late")],
    });
    let all = options(true, true);
    run.ok(remove("removal01", RemovalSubject::Cores, all, &["late"]));
    let events = run.ok(provisioned("coretask2", 0));
    let (end, message) = ends(&events).remove(0);
    assert_eq!(end, Outcome::Failure);
    assert!(message.contains("deleted meanwhile"), "{message}");
    assert!(!run.fleet.is_registered(run.thing("late")));
}

#[test]
fn a_device_task_needs_a_core_that_has_reported() {
    let mut run = fleet(2, 1);
    for core in ["c1", "nobody"] {
        let kind = RejectionKind::Malformed;
        let refused = run.refused(create_devices("devicetsk", core, &["d0"]), kind);
        assert!(refused.contains("not registered") || refused.contains("no core device"));
        let subject = RemovalSubject::DevicesOf(thing_name(core));
        run.refused(
            remove("devicetsk", subject, options(false, true), &["d0"]),
            kind,
        );
    }
    let kind = RejectionKind::Malformed;
    run.refused(create_devices("devicetsk", "c0", &[]), kind);
    run.refused(create_devices("devicetsk", "c0", &["c0"]), kind);
    run.refused(create_devices("devicetsk", "c0", &["d0", "d0"]), kind);
    run.refused(
        create_devices("coretask1", "c0", &["d0"]),
        RejectionKind::AlreadyExists,
    );
}

#[test]
fn a_device_is_associated_once_it_is_provisioned() {
    let mut run = fleet(2, 2);
    let events = run.ok(create_devices("devicetsk", "c0", &["d0"]));
    assert!(is_device(&run, "d0"));
    assert!(
        !run.fleet
            .client_device(run.thing("d0"))
            .expect("known")
            .is_associated
    );
    assert_eq!(events.len(), 2, "{events:?}");
    let result = Ok(Provisioned {
        certs: Some("d0/certs.zip".into()),
        ..Provisioned::default()
    });
    let finish = |result| Command::FinishCoreTaskItem {
        key: key("devicetsk"),
        item: 0,
        result,
    };
    let events = run.ok(finish(result));
    assert!(
        events.contains(&Event::ClientDevice(client_device::Event::Associated {
            core: run.thing("c0")
        }))
    );
    assert_eq!(task_end(&events), Some(Outcome::Success));
    // Asking again, for another core, moves it there.
    devices(&mut run, "devicetwo", "c1", &["d0"]);
    let device = run.fleet.client_device(run.thing("d0")).expect("known");
    assert_eq!(device.core, run.thing("c1"));
    assert_eq!(run.fleet.client_devices_of(run.thing("c0")).count(), 0);
    assert_eq!(core(&run, "c1").desired, None);
}

#[test]
fn a_device_task_deletes_only_devices_of_its_core() {
    let mut run = fleet(2, 2);
    devices(&mut run, "devicets0", "c0", &["d0"]);
    devices(&mut run, "devicets1", "c1", &["d1"]);
    let subject = || RemovalSubject::DevicesOf(thing_name("c0"));
    let names = ["d0", "d1", "nobody"];
    let events = run.ok(remove("removal01", subject(), options(false, true), &names));
    let ends = ends(&events);
    assert_eq!(ends[0].0, Outcome::Success);
    assert_eq!(ends[1].0, Outcome::Failure);
    assert!(ends[1].1.contains("cannot be disassociated"), "{ends:?}");
    assert_eq!(task_end(&events), Some(Outcome::Failure));
    assert!(!is_device(&run, "d0") && is_device(&run, "d1"));
    assert!(!run.fleet.is_registered(run.thing("d0")));
    assert!(run.fleet.is_registered(run.thing("d1")));
}

#[test]
fn one_device_is_deleted_with_what_the_caller_wants() {
    for (deprovision, disassociate) in [(true, true), (true, false), (false, true), (false, false)]
    {
        let mut run = fleet(1, 1);
        devices(&mut run, "devicetsk", "c0", &["d0"]);
        let own = certificate_of(&mut run, &["d0"], 1);
        let delete = Command::DeleteDevice {
            device: thing_name("d0"),
            deprovision,
            disassociate,
        };
        let events = run.ok(delete.clone());
        assert!(!is_device(&run, "d0"));
        assert_eq!(run.fleet.is_registered(run.thing("d0")), !deprovision);
        let revoked = certificate_status(&run, &own) == certificate::Status::Revoked;
        assert_eq!(revoked, deprovision);
        let associated = run.fleet.client_device(run.thing("d0")).is_some();
        assert_eq!(associated, !deprovision && !disassociate);
        assert_eq!(
            events.contains(&Event::Thing(thing::Event::Removed)),
            deprovision
        );
        run.refused(delete, RejectionKind::NotFound);
    }
}

#[test]
fn what_a_removal_may_not_ask_for_is_refused() {
    let mut run = fleet(1, 1);
    let ask = |names: &[&str]| {
        remove(
            "removal01",
            RemovalSubject::Cores,
            RemovalOptions::default(),
            names,
        )
    };
    run.refused(ask(&[]), RejectionKind::Malformed);
    run.refused(ask(&[""]), RejectionKind::Malformed);
    run.refused(ask(&["c0", "c0"]), RejectionKind::Malformed);
    let long = "c".repeat(129);
    run.refused(ask(&[&long]), RejectionKind::Malformed);
    let many: Vec<String> = (0..10_001).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    run.refused(ask(&many), RejectionKind::Malformed);
    let events = run.ok(ask(&many[..10_000]));
    assert_eq!(task_end(&events), Some(Outcome::Failure));
    run.refused(ask(&["c0"]), RejectionKind::AlreadyExists);
}
