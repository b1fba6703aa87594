//! The state machines of services and versions, row by row.

use super::*;

/// What happens to a run.
type Step<'a> = &'a dyn Fn(&mut Run);

#[test]
fn a_service_is_pending_until_its_group_is_there() {
    let mut run = fleet(0);
    let events = run.ok(create(definition(1)));
    // The event of the creation leaves it PENDING, and what follows makes it READY.
    assert!(matches!(
        events.as_slice(),
        [
            AnyEvent::ContainerService(Event::Created { .. }),
            AnyEvent::Group(_),
            AnyEvent::ContainerService(Event::Ready { .. }),
        ]
    ));
    assert_eq!(state(&run), "READY");
    let group = GroupName::parse("container-nodes-web").unwrap();
    assert!(run.fleet.group(&group).is_some());
    // A group that is there is used.
    run.ok(delete());
    let events = run.ok(create(Definition {
        uuid: "5d9c1d7e-0000-4000-8000-000000000002".into(),
        ..definition(1)
    }));
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, AnyEvent::Group(_)))
    );
}

#[test]
fn a_version_activates_when_every_node_runs_it() {
    let mut run = ready(2, 3);
    run.ok(deploy(1, public("nginx:1")));
    assert_eq!(state(&run), "DEPLOYING");
    assert_eq!(versions(&run), [(1, "ACTIVATING")]);
    // The oldest two of three that are all away.
    assert_eq!(told(&run, "n0"), run_of(1));
    assert_eq!(told(&run, "n1"), run_of(1));
    assert_eq!(told(&run, "n2"), None);
    succeed(&mut run, "n0");
    assert_eq!(state(&run), "DEPLOYING");
    succeed(&mut run, "n1");
    assert_eq!(state(&run), "RUNNING");
    assert_eq!(versions(&run), [(1, "ACTIVE")]);
    run.ok(deploy(2, public("nginx:2")));
    assert_eq!(versions(&run), [(2, "ACTIVATING"), (1, "ACTIVE")]);
    succeed(&mut run, "n0");
    succeed(&mut run, "n1");
    assert_eq!(versions(&run), [(2, "ACTIVE"), (1, "INACTIVE")]);
}

#[test]
fn a_failed_version_leaves_the_active_one_and_sends_its_nodes_back() {
    let mut run = ready(2, 2);
    run.ok(deploy(1, containers("nginx:1")));
    succeed(&mut run, "n0");
    succeed(&mut run, "n1");
    run.ok(deploy(2, containers("nginx:broken")));
    succeed(&mut run, "n0");
    fail(&mut run, "n1");
    assert_eq!(state(&run), "RUNNING");
    assert_eq!(versions(&run), [(2, "FAILED"), (1, "ACTIVE")]);
    let cause = &service(&run).failures[&2];
    assert_eq!(&**cause, "node n1 ended as FAILED: app exited with 1");
    // Both took the failed version, and both go back.
    assert_eq!(told(&run, "n0"), run_of(1));
    assert_eq!(told(&run, "n1"), run_of(1));
    succeed(&mut run, "n0");
    succeed(&mut run, "n1");
    assert_eq!(told(&run, "n0"), None);
    assert_eq!(state(&run), "RUNNING");
}

#[test]
fn the_first_version_may_fail_and_leaves_a_ready_service() {
    let mut run = ready(1, 1);
    run.ok(deploy(1, containers("nginx:broken")));
    fail(&mut run, "n0");
    assert_eq!(state(&run), "READY");
    assert_eq!(versions(&run), [(1, "FAILED")]);
    assert_eq!(told(&run, "n0"), stop());
}

#[test]
fn every_bad_end_of_an_execution_fails_the_version() {
    let rejected = |run: &mut Run| report(run, "n0", ReportedStatus::Rejected, &[]);
    let unhealthy = |run: &mut Run| {
        report(
            run,
            "n0",
            ReportedStatus::Succeeded,
            &[("health", "UNHEALTHY")],
        )
    };
    let silent = |run: &mut Run| report(run, "n0", ReportedStatus::Succeeded, &[]);
    let canceled = |run: &mut Run| {
        let next = run.fleet.next_pending(run.thing("n0"), Some(NAMESPACE));
        let job = next.expect("the node was told").job_name.to_owned();
        run.ok(Any::CancelJob {
            job: JobName::parse(&job).unwrap(),
            force: true,
            reason_code: None,
            comment: None,
        });
    };
    let out_of_time = |run: &mut Run| {
        run.pass(Span::minutes(limits::CONTAINER_DEPLOYMENT_MINUTES));
    };
    let rows: [(&str, Step<'_>); 5] = [
        ("REJECTED", &rejected),
        ("HEALTHY", &unhealthy),
        ("HEALTHY", &silent),
        ("CANCELED", &canceled),
        ("0 of 1 nodes", &out_of_time),
    ];
    for (part, end) in rows {
        let mut run = ready(1, 1);
        run.ok(deploy(1, public("nginx:1")));
        end(&mut run);
        assert_eq!(versions(&run), [(1, "FAILED")], "{part}");
        let cause = &service(&run).failures[&1];
        assert!(cause.contains(part), "{cause}");
    }
}

#[test]
fn a_version_waits_for_nodes() {
    let mut run = ready(2, 0);
    run.ok(create_thing("a"));
    run.ok(create_thing("b"));
    run.ok(deploy(1, containers("nginx:1")));
    let detail = run.fleet.container_state_detail(service(&run)).unwrap();
    assert_eq!(detail.stage.as_str(), "CREATING_SYSTEM_RESOURCES");
    assert!(
        detail.message.starts_with("0 of 2 nodes"),
        "{}",
        detail.message
    );
    join(&mut run, "b");
    join(&mut run, "a");
    assert_eq!(told(&run, "a"), run_of(1));
    succeed(&mut run, "a");
    succeed(&mut run, "b");
    assert_eq!(state(&run), "RUNNING");
}

#[test]
fn the_state_detail_tells_how_far_the_slowest_node_is() {
    let mut run = ready(2, 2);
    run.ok(deploy(1, public("nginx:1")));
    let stage = |run: &Run| {
        let detail = run.fleet.container_state_detail(service(run));
        detail.map(|detail| detail.stage.as_str())
    };
    assert_eq!(stage(&run), Some("PROVISIONING_SERVICE"));
    report(&mut run, "n0", ReportedStatus::InProgress, &[]);
    report(&mut run, "n1", ReportedStatus::InProgress, &[]);
    assert_eq!(stage(&run), Some("CREATING_DEPLOYMENT"));
    for node in ["n0", "n1"] {
        let details = [("stage", "EVALUATING_HEALTH_CHECK")];
        report(&mut run, node, ReportedStatus::InProgress, &details);
    }
    assert_eq!(stage(&run), Some("EVALUATING_HEALTH_CHECK"));
    let details = [("stage", "ACTIVATING_DEPLOYMENT")];
    report(&mut run, "n0", ReportedStatus::InProgress, &details);
    succeed(&mut run, "n1");
    assert_eq!(stage(&run), Some("ACTIVATING_DEPLOYMENT"));
    succeed(&mut run, "n0");
    assert_eq!(stage(&run), None);
}

#[test]
fn scale_goes_up_and_down() {
    let mut run = ready(1, 3);
    run.ok(deploy(1, containers("nginx:1")));
    succeed(&mut run, "n0");
    run.ok(update(Change {
        scale: Some(3),
        ..Change::default()
    }));
    assert_eq!(state(&run), "UPDATING");
    // The first node goes on as it is.
    assert_eq!(told(&run, "n0"), None);
    assert_eq!(told(&run, "n1"), run_of(1));
    succeed(&mut run, "n1");
    fail(&mut run, "n2");
    // A node that cannot leaves the service with one less; the version stays what it is.
    assert_eq!(state(&run), "RUNNING");
    assert_eq!(versions(&run), [(1, "ACTIVE")]);
    run.ok(update(Change {
        scale: Some(1),
        ..Change::default()
    }));
    assert_eq!(state(&run), "UPDATING");
    assert_eq!(told(&run, "n0"), None);
    assert_eq!(told(&run, "n1"), stop());
    succeed(&mut run, "n1");
    assert_eq!(state(&run), "RUNNING");
}

#[test]
fn power_and_names_are_told_to_every_node() {
    let mut run = ready(2, 2);
    run.ok(deploy(1, containers("nginx:1")));
    succeed(&mut run, "n0");
    succeed(&mut run, "n1");
    run.ok(update(Change {
        power: Some(Power::Large),
        ..Change::default()
    }));
    assert_eq!(state(&run), "UPDATING");
    assert_eq!(told(&run, "n0"), run_of(1));
    assert_eq!(told(&run, "n1"), run_of(1));
    succeed(&mut run, "n0");
    run.pass(Span::minutes(limits::CONTAINER_DEPLOYMENT_MINUTES));
    assert_eq!(state(&run), "RUNNING", "the other node had its time");
    // What changes nothing is no change.
    assert!(
        run.ok(update(Change {
            power: Some(Power::Large),
            scale: Some(2),
            is_disabled: Some(false),
            ..Change::default()
        }))
        .is_empty()
    );
}

#[test]
fn a_service_without_a_version_updates_in_a_moment() {
    let mut run = ready(1, 1);
    let events = run.ok(update(Change {
        power: Some(Power::Large),
        ..Change::default()
    }));
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(state(&run), "READY");
}

#[test]
fn a_disabled_service_stops_and_comes_back() {
    let mut run = ready(1, 1);
    let disable = |is_disabled: bool| {
        update(Change {
            is_disabled: Some(is_disabled),
            ..Change::default()
        })
    };
    run.ok(disable(true));
    assert_eq!(state(&run), "DISABLED");
    run.ok(disable(false));
    assert_eq!(state(&run), "READY");
    run.ok(deploy(1, containers("nginx:1")));
    succeed(&mut run, "n0");
    run.ok(disable(true));
    assert_eq!(state(&run), "DISABLED");
    assert_eq!(told(&run, "n0"), stop());
    // It is enabled before the node has stopped: the node is not told to stop any more.
    run.ok(disable(false));
    assert_eq!(state(&run), "UPDATING");
    assert_eq!(told(&run, "n0"), run_of(1));
    succeed(&mut run, "n0");
    assert_eq!(state(&run), "RUNNING");
    assert_eq!(versions(&run), [(1, "ACTIVE")]);
}

#[test]
fn a_deleted_service_goes_when_its_nodes_have_stopped() {
    let mut run = ready(1, 1);
    run.ok(deploy(1, containers("nginx:1")));
    succeed(&mut run, "n0");
    run.ok(delete());
    assert_eq!(state(&run), "DELETING");
    let no = run.refused(delete(), RejectionKind::NotFound);
    assert!(no.contains("web"), "{no}");
    assert_eq!(told(&run, "n0"), stop());
    succeed(&mut run, "n0");
    assert!(run.fleet.container_service("web").is_none());
    assert_eq!(run.fleet.deployments_before(None).count(), 0);
    // A node that never answers does not hold it for ever.
    let mut run = ready(1, 1);
    run.ok(deploy(1, containers("nginx:1")));
    run.ok(delete());
    run.pass(Span::minutes(limits::CONTAINER_STOP_MINUTES));
    assert!(run.fleet.container_service("web").is_none());
    run.ok(create(definition(1)));
}

#[test]
fn only_some_states_take_deployments_and_changes() {
    let deploying = |run: &mut Run| {
        run.ok(deploy(1, containers("nginx:1")));
    };
    let disabled = |run: &mut Run| {
        run.ok(update(Change {
            is_disabled: Some(true),
            ..Change::default()
        }));
    };
    let deleting = |run: &mut Run| {
        run.ok(deploy(1, containers("nginx:1")));
        run.ok(delete());
    };
    let rows: [(Step<'_>, bool, bool); 3] = [
        (&deploying, false, false),
        (&disabled, false, true),
        (&deleting, false, false),
    ];
    for (to, takes_deployments, takes_changes) in rows {
        let mut run = ready(1, 1);
        to(&mut run);
        let change = update(Change {
            power: Some(Power::Large),
            ..Change::default()
        });
        if !takes_deployments {
            run.refused(deploy(2, containers("nginx:2")), RejectionKind::WrongState);
        }
        match takes_changes {
            true => drop(run.ok(change)),
            false => drop(run.refused(change, RejectionKind::WrongState)),
        }
    }
}

#[test]
fn nodes_that_leave_stop_and_others_take_their_place() {
    let mut run = ready(1, 2);
    run.ok(deploy(1, containers("nginx:1")));
    succeed(&mut run, "n0");
    leave(&mut run, "n0");
    assert_eq!(told(&run, "n1"), run_of(1));
    assert_eq!(told(&run, "n0"), stop());
    succeed(&mut run, "n1");
    // A thing that is gone from the registry is told nothing.
    join(&mut run, "n0");
    run.ok(Any::DeleteThing {
        name: ThingName::parse("n1").unwrap(),
        expected_version: None,
        detach_certificates: true,
    });
    let job = service(&run).nodes[&run.thing("n0")];
    assert!(matches!(
        job.instruction,
        Instruction::Run { version: 1, .. }
    ));
    assert!(!service(&run).nodes.contains_key(&run.thing("n1")));
}

#[test]
fn a_newer_instruction_ends_the_one_before() {
    let mut run = ready(2, 2);
    run.ok(deploy(1, containers("nginx:1")));
    report(&mut run, "n1", ReportedStatus::InProgress, &[]);
    fail(&mut run, "n0");
    // The other node is not left with a version that failed.
    assert_eq!(told(&run, "n1"), stop());
    let pending = run.fleet.pending(run.thing("n1"), Some(NAMESPACE));
    assert_eq!(pending.len(), 1);
}

#[test]
fn the_first_version_comes_with_the_service() {
    let mut run = fleet(1);
    run.ok(command(Command::Create {
        definition: Box::new(definition(1)),
        first: Some(Box::new(VersionRequest {
            deployment: "00000000-0000-4000-8000-000000000001".into(),
            content: containers("nginx:1"),
        })),
    }));
    assert_eq!(state(&run), "DEPLOYING");
    join(&mut run, "n0");
    succeed(&mut run, "n0");
    assert_eq!(state(&run), "RUNNING");
}

#[test]
fn fifty_versions_are_kept_and_the_active_one_among_them() {
    let mut run = ready(1, 1);
    run.ok(deploy(1, containers("nginx:1")));
    succeed(&mut run, "n0");
    for number in 2..=60 {
        run.ok(deploy(number, containers("nginx:broken")));
        fail(&mut run, "n0");
        succeed(&mut run, "n0");
    }
    let kept = versions(&run);
    assert_eq!(kept.len(), limits::CONTAINER_VERSIONS_MAX);
    assert_eq!(kept.first(), Some(&(60, "FAILED")));
    assert_eq!(kept.last(), Some(&(1, "ACTIVE")));
    assert_eq!(service(&run).failures.len(), kept.len() - 1);
}

#[test]
fn a_saved_state_goes_on_where_it_was() {
    let mut run = ready(2, 2);
    run.ok(deploy(1, containers("nginx:1")));
    succeed(&mut run, "n0");
    let mut saved = Vec::new();
    run.fleet.save(&mut saved);
    let settings = run.fleet.settings().clone();
    run.fleet = crate::Fleet::load(settings, &saved).expect("what was saved is read");
    succeed(&mut run, "n1");
    assert_eq!(state(&run), "RUNNING");
    join_new(&mut run);
    assert_eq!(told(&run, "n9"), None);
    leave(&mut run, "n0");
    assert_eq!(told(&run, "n9"), run_of(1));
}

fn join_new(run: &mut Run) {
    run.ok(create_thing("n9"));
    join(run, "n9");
}

#[test]
fn jobs_have_names_of_the_service_and_a_timeout() {
    let mut run = ready(1, 1);
    let events = run.ok(deploy(1, containers("nginx:1")));
    let made = events.iter().find_map(|event| {
        let AnyEvent::Job(job::Event::Created { definition }) = event else {
            return None;
        };
        Some(definition)
    });
    let made = made.expect("a job was made");
    assert_eq!(made.name.as_str(), "5d9c1d7e-0000-4000-8000-000000000001-1");
    assert_eq!(made.namespace.as_ref().unwrap().as_str(), NAMESPACE);
    assert_eq!(
        made.settings.timeout_minutes,
        Some(limits::CONTAINER_DEPLOYMENT_MINUTES)
    );
}
