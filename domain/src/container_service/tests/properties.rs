//! Random lives of a service: whatever happens, it comes to rest with what it should run on as many nodes as there are.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::Fleet;
use crate::ids::ThingId;

const THINGS: u32 = 5;

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Action {
    Deploy { is_public: bool },
    Scale(u32),
    Strengthen(usize),
    Disable(bool),
    Join(u32),
    Leave(u32),
    Report { thing: u32, succeeds: bool },
    Wait { minutes: u32 },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => any::<bool>().prop_map(|is_public| Action::Deploy { is_public }),
        1 => (1..5_u32).prop_map(Action::Scale),
        1 => (0..6_usize).prop_map(Action::Strengthen),
        1 => any::<bool>().prop_map(Action::Disable),
        2 => (0..THINGS).prop_map(Action::Join),
        1 => (0..THINGS).prop_map(Action::Leave),
        8 => (0..THINGS, prop::bool::weighted(0.85))
            .prop_map(|(thing, succeeds)| Action::Report { thing, succeeds }),
        1 => (1..40_u32).prop_map(|minutes| Action::Wait { minutes }),
    ]
}

/// Submits a command that may be refused, and what follows from it.
fn attempt(run: &mut Run, command: Any) {
    if run.fleet.decide(&command, run.now).is_ok() {
        run.ok(command);
    }
}

fn is_told(run: &Run, thing: &str) -> bool {
    told(run, thing).is_some()
}

fn act(run: &mut Run, action: Action, deployments: &mut u32) {
    let name = |number: u32| format!("n{number}");
    match action {
        Action::Deploy { is_public } => {
            *deployments += 1;
            let content = match is_public {
                true => public("nginx"),
                false => containers("nginx"),
            };
            attempt(run, deploy(*deployments, content));
        }
        Action::Scale(scale) => attempt(
            run,
            update(Change {
                scale: Some(scale),
                ..Change::default()
            }),
        ),
        Action::Strengthen(power) => attempt(
            run,
            update(Change {
                power: Power::ALL.get(power).copied(),
                ..Change::default()
            }),
        ),
        Action::Disable(is_disabled) => attempt(
            run,
            update(Change {
                is_disabled: Some(is_disabled),
                ..Change::default()
            }),
        ),
        Action::Join(thing) => join(run, &name(thing)),
        Action::Leave(thing) => leave(run, &name(thing)),
        Action::Report { thing, succeeds } => {
            if is_told(run, &name(thing)) {
                match succeeds {
                    true => succeed(run, &name(thing)),
                    false => fail(run, &name(thing)),
                }
            }
        }
        Action::Wait { minutes } => drop(run.pass(Span::minutes(minutes))),
    }
}

/// At most one version is active, and one on its way.
fn check_versions(run: &Run) {
    let states: Vec<&str> = versions(run).into_iter().map(|(_, state)| state).collect();
    for once in ["ACTIVE", "ACTIVATING"] {
        let count = states.iter().filter(|state| **state == once).count();
        assert!(count <= 1, "{states:?}");
    }
}

/// Everybody does what they are told, until nobody is told anything.
fn settle(run: &mut Run) {
    for _ in 0..20 {
        for number in 0..THINGS {
            let thing = format!("n{number}");
            while is_told(run, &thing) {
                succeed(run, &thing);
            }
        }
    }
    run.pass(Span::minutes(limits::CONTAINER_DEPLOYMENT_MINUTES));
    for number in 0..THINGS {
        let thing = format!("n{number}");
        while is_told(run, &thing) {
            succeed(run, &thing);
        }
    }
}

fn check_at_rest(run: &Run) {
    let service = service(run);
    assert!(matches!(service.phase, Phase::Idle), "{:?}", service.phase);
    let group = service.group.and_then(|group| run.fleet.group_by_id(group));
    let members: BTreeSet<ThingId> = group
        .into_iter()
        .flat_map(|group| group.members.iter().map(ThingId))
        .collect();
    let (mut running, mut unfit) = (0, 0);
    for (thing, node) in &service.nodes {
        match (node.instruction, node.outcome) {
            (Instruction::Run { version, .. }, Outcome::Done) => {
                assert_eq!(Some(version), service.active);
                assert!(members.contains(thing), "{thing:?} left and runs on");
                running += 1;
            }
            (Instruction::Run { .. }, Outcome::Failed) => unfit += 1,
            (instruction, outcome) => panic!("{instruction:?} is {outcome:?}"),
        }
    }
    let wanted = match service.active {
        Some(_) if !service.is_disabled => {
            (service.definition.scale as usize).min(members.len() - unfit)
        }
        _ => 0,
    };
    assert_eq!(running, wanted, "{service:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_service_comes_to_rest(scale in 1..4_u32, actions in prop::collection::vec(action(), 1..60)) {
        let mut run = fleet(THINGS);
        run.ok(create(definition(scale)));
        let mut deployments = 0;
        for action in actions {
            act(&mut run, action, &mut deployments);
            check_versions(&run);
        }
        settle(&mut run);
        check_at_rest(&run);
        // And the log tells the same once more.
        let mut again = Fleet::new(run.fleet.settings().clone());
        for (at, fact) in &run.log {
            again.evolve(*at, fact);
        }
        let (mut first, mut second) = (Vec::new(), Vec::new());
        run.fleet.save(&mut first);
        again.save(&mut second);
        prop_assert!(first == second, "a replay makes another state");
    }
}
