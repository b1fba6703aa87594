//! After any deployments, cancellations, joins, leaves and reports, what each core is told is what a plain model says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::targets::{cancel, create, group, request};
use super::*;
use crate::deployment::components::{NAMESPACE, SHADOW};
use crate::shadow::Side;

const THINGS: [&str; 3] = ["t", "u", "v"];
/// The second stands below the first.
const GROUPS: [&str; 3] = ["top", "below", "beside"];

#[derive(Clone, Copy, Debug)]
enum Step {
    DeployToGroup(usize),
    DeployToThing(usize),
    CancelGroup(usize),
    CancelThing(usize),
    Join(usize, usize),
    Leave(usize, usize),
    Start(usize),
    Finish(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..8_usize, 0..3_usize, 0..3_usize).prop_map(|(kind, one, other)| match kind {
        0 => Step::DeployToGroup(one),
        1 => Step::DeployToThing(one),
        2 => Step::CancelGroup(one),
        3 => Step::CancelThing(one),
        4 => Step::Leave(one, other),
        5 => Step::Start(one),
        6 => Step::Finish(one),
        _ => Step::Join(one, other),
    });
    proptest::collection::vec(step, 0..60)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Queued,
    Started,
    Done,
    Gone,
}

/// What cores are told, with nothing but sets and lists.
#[derive(Default)]
struct Model {
    members: BTreeSet<(usize, usize)>,
    /// The number of the active deployment by group.
    active: BTreeMap<usize, u32>,
    /// By deployment and thing; the group that it is for.
    told: BTreeMap<(u32, usize), (usize, Told)>,
    /// Deployment and desired status of each thing's shadow.
    shadows: BTreeMap<usize, (u32, &'static str)>,
}

impl Model {
    fn reaches(&self, group: usize, thing: usize) -> bool {
        self.members.contains(&(group, thing)) || (group == 0 && self.members.contains(&(1, thing)))
    }

    fn stop(&mut self, group: usize) -> Option<u32> {
        let number = self.active.remove(&group)?;
        for ((of, _), (_, told)) in &mut self.told {
            if *of == number && *told == Told::Queued {
                *told = Told::Gone;
            }
        }
        Some(number)
    }

    fn tell(&mut self, group: usize) {
        let Some(number) = self.active.get(&group).copied() else {
            return;
        };
        for thing in 0..THINGS.len() {
            let known = self.told.get(&(number, thing));
            let is_new = known.is_none_or(|(_, told)| *told == Told::Gone);
            if self.reaches(group, thing) && is_new {
                self.told.insert((number, thing), (group, Told::Queued));
            }
        }
    }

    fn forget(&mut self) {
        let reached: Vec<bool> = self
            .told
            .iter()
            .map(|((_, thing), (group, _))| self.reaches(*group, *thing))
            .collect();
        for ((_, told), reached) in self.told.values_mut().zip(reached) {
            if !reached && *told != Told::Done {
                *told = Told::Gone;
            }
        }
    }

    /// The deployment that a core is at, or is to begin with.
    fn next(&self, thing: usize) -> Option<u32> {
        let of = |wanted: Told| {
            let mut all = self.told.iter();
            all.find(|((_, other), (_, told))| *other == thing && *told == wanted)
                .map(|((number, _), _)| *number)
        };
        of(Told::Started).or_else(|| of(Told::Queued))
    }

    fn pending(&self, thing: usize) -> BTreeSet<u32> {
        let all = self.told.iter().filter(|((_, other), (_, told))| {
            *other == thing && matches!(told, Told::Queued | Told::Started)
        });
        all.map(|((number, _), _)| *number).collect()
    }
}

fn at(list: [&'static str; 3], index: usize) -> &'static str {
    list.get(index).copied().expect("an index below three")
}

struct Both {
    run: Run,
    model: Model,
    count: u32,
}

impl Both {
    fn new() -> Self {
        let mut run = targets::run();
        for name in THINGS
            .iter()
            .filter(|name| run.fleet.thing_id(name).is_none())
            .collect::<Vec<_>>()
        {
            run.ok(create_thing(name));
        }
        run.ok(create_group("top", None));
        run.ok(create_group("below", Some("top")));
        run.ok(create_group("beside", None));
        Self {
            run,
            model: Model::default(),
            count: 0,
        }
    }

    fn deploy(&mut self, target: TargetName) -> u32 {
        self.count += 1;
        self.run
            .ok(create(request(&self.count.to_string(), target)));
        self.count
    }

    fn report(&mut self, thing: usize, status: ReportedStatus) -> Option<u32> {
        let number = self.model.next(thing)?;
        let mut report = report(&format!("job-{number}"), at(THINGS, thing), status);
        report.namespace = Some(Namespace::parse(NAMESPACE).expect("valid"));
        self.run.ok(update(report));
        Some(number)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::DeployToGroup(one) => {
                let number = self.deploy(group(at(GROUPS, one)));
                self.model.stop(one);
                self.model.active.insert(one, number);
                self.model.tell(one);
            }
            Step::DeployToThing(one) => {
                let number = self.deploy(TargetName::Thing(thing_name(at(THINGS, one))));
                self.model.shadows.insert(one, (number, "SUCCEEDED"));
            }
            Step::CancelGroup(one) => {
                if let Some(number) = self.model.stop(one) {
                    self.run.ok(cancel(&number.to_string()));
                }
            }
            Step::CancelThing(one) => {
                if let Some((number, status @ "SUCCEEDED")) = self.model.shadows.get_mut(&one) {
                    *status = "CANCELED";
                    self.run.ok(cancel(&number.to_string()));
                }
            }
            // A thing is in one group of a branch.
            Step::Join(one @ (0 | 1), thing) if self.model.members.contains(&(1 - one, thing)) => {}
            Step::Join(one, thing) => {
                self.run.ok(join(at(GROUPS, one), at(THINGS, thing)));
                if self.model.members.insert((one, thing)) {
                    self.model.tell(one);
                    if one == 1 {
                        self.model.tell(0);
                    }
                }
            }
            Step::Leave(one, thing) => {
                self.run.ok(leave(at(GROUPS, one), at(THINGS, thing)));
                self.model.members.remove(&(one, thing));
                self.model.forget();
            }
            Step::Start(thing) => {
                if let Some(number) = self.report(thing, ReportedStatus::InProgress)
                    && let Some((_, told)) = self.model.told.get_mut(&(number, thing))
                {
                    *told = Told::Started;
                }
            }
            Step::Finish(thing) => {
                if let Some(number) = self.report(thing, ReportedStatus::Succeeded)
                    && let Some((_, told)) = self.model.told.get_mut(&(number, thing))
                {
                    *told = Told::Done;
                }
            }
        }
    }

    fn check(&self) {
        for (thing, name) in THINGS.iter().enumerate() {
            let id = self.run.fleet.thing_id(name).expect("it exists");
            let pending = self.run.fleet.pending(id, Some(NAMESPACE));
            let pending: BTreeSet<u32> = pending
                .iter()
                .filter_map(|one| one.job_name.strip_prefix("job-")?.parse().ok())
                .collect();
            assert_eq!(pending, self.model.pending(thing), "executions of {name}");
            let shadow = self.run.fleet.shadows().get(id, SHADOW);
            let desired = shadow.and_then(|shadow| shadow.side(Side::Desired));
            let desired = desired.map(|text| -> serde_json::Value {
                serde_json::from_str(text).expect("shadows are JSON")
            });
            let told = desired.map(|desired| {
                let document = desired["fleetConfig"].as_str().expect("text").to_owned();
                let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
                let id = document["deploymentId"]
                    .as_str()
                    .and_then(|id| id.parse().ok());
                (
                    id.expect("a number"),
                    desired["desiredStatus"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                )
            });
            let expected = self.model.shadows.get(&thing);
            let expected = expected.map(|(number, status)| (*number, (*status).to_owned()));
            assert_eq!(told, expected, "shadow of {name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn cores_are_told_what_a_plain_model_says(steps in steps()) {
        let mut both = Both::new();
        for step in steps {
            both.step(step);
            both.check();
        }
    }
}
