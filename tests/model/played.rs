//! The scenarios that are shipped, each with a small fleet, against the reference model and the promises.
//!
//! The model sees every command that the service of a play decides and everything that it does by itself. After each
//! commit the state machine of the play, the model, a log, the views and the account of the events are compared, as
//! they are for random fleets.

use std::cell::RefCell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use shipslog_domain::log::memory::MemoryLog;
use shipslog_domain::{Fact, Fleet, Timestamp};
use shipslog_simulator::model::{Observed, Play, play};
use shipslog_simulator::scenario::Scenario;
use shipslog_tests::promises::{invariant_log_3, invariant_view_2, saved};

use crate::world::{Step, World};

/// Devices of each fleet.
const DEVICES: u32 = 50;

/// What was decided and is not committed.
struct Decided {
    step: Step,
    accepted: bool,
    facts: Vec<Fact>,
    at: Timestamp,
}

/// Follows a play commit by commit.
struct Follower {
    world: World,
    turn: Vec<Decided>,
    commits: u32,
    /// What the follower is told wrongly, to see whether it notices.
    lie: Option<Lie>,
}

/// Something that is told wrongly once, when so many commits are through.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// A step is left out.
    Step(u32),
    /// An event is left out.
    Event(u32),
    /// What was refused is told as accepted, and the other way round.
    Verdict(u32),
    /// The state is that of before the commit.
    State(u32),
}

impl Follower {
    fn see(&mut self, observed: Observed<'_>) {
        match observed {
            Observed::Asked {
                command,
                facts,
                accepted,
                at,
            } => {
                let step = Step::Command(Box::new(command.clone()));
                self.decided(step, accepted, facts, at);
            }
            Observed::Due { facts, at } => self.decided(Step::Due, true, facts, at),
            Observed::Committed { fleet } => self.commit(fleet),
            Observed::Lost => self.turn.clear(),
        }
    }

    fn decided(&mut self, step: Step, accepted: bool, facts: &[Fact], at: Timestamp) {
        self.turn.push(Decided {
            step,
            accepted,
            facts: facts.to_vec(),
            at,
        });
    }

    fn commit(&mut self, fleet: &Fleet) {
        if self.turn.is_empty() {
            return;
        }
        self.commits += 1;
        let mut stale = None;
        match self.lie {
            Some(Lie::Step(after)) if self.commits > after => {
                self.turn.remove(0);
                self.lie = None;
            }
            Some(Lie::Event(after)) if self.commits > after && !self.turn[0].facts.is_empty() => {
                self.turn[0].facts.pop();
                self.lie = None;
            }
            Some(Lie::Verdict(after)) if self.commits > after => {
                self.turn[0].accepted = !self.turn[0].accepted;
                self.lie = None;
            }
            Some(Lie::State(after)) if self.commits > after => {
                stale = Some(saved(&self.world.fleet));
                self.lie = None;
            }
            _ => (),
        }
        for decided in mem::take(&mut self.turn) {
            self.take(decided);
        }
        self.world.check();
        let expected = stale.unwrap_or_else(|| saved(fleet));
        assert!(
            saved(&self.world.fleet) == expected,
            "the play has another state"
        );
    }

    fn take(&mut self, decided: Decided) {
        let world = &mut self.world;
        let before = world.recorded.len();
        let refused: u32 = world.refused.values().sum();
        world.now = decided.at;
        world.take(decided.step);
        let is_refused = world.refused.values().sum::<u32>() > refused;
        assert_eq!(decided.accepted, !is_refused, "the play decided otherwise");
        let recorded = world.recorded[before..].iter();
        let recorded: Vec<Fact> = recorded
            .map(|one| Fact {
                stream: one.stream,
                event: one.event.clone(),
            })
            .collect();
        assert_eq!(recorded, decided.facts, "the play decided on other events");
    }
}

/// What the model knows nothing of: stacks and container services, which have tables and properties of their own in
/// `domain`.
const OUTSIDE: [&str; 2] = ["command-runners", "container-rollback"];

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulator/scenarios");
    let entries = std::fs::read_dir(folder).expect("the folder of scenarios");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| {
            let name = path.file_stem().and_then(|name| name.to_str());
            !name.is_some_and(|name| OUTSIDE.contains(&name))
        })
        .collect();
    files.sort();
    files
}

fn scenario(file: &Path) -> Scenario {
    let scenario = Scenario::load(file).unwrap_or_else(|error| panic!("{error}"));
    scenario.with_devices(DEVICES)
}

/// Plays a scenario, followed; how many commits there were.
fn follow(scenario: Scenario, lie: Option<Lie>) -> u32 {
    let name = scenario.name.clone();
    let follower = Rc::new(RefCell::new(Follower {
        world: World::new(scenario.rollout_ceiling_per_minute(), 0),
        turn: Vec::new(),
        commits: 0,
        lie,
    }));
    let observer = Rc::clone(&follower);
    let mut play_of = Play::new(Arc::new(scenario), MemoryLog::default());
    play_of.observer = Some(Box::new(move |observed| {
        observer.borrow_mut().see(observed);
    }));
    let played = catch_unwind(AssertUnwindSafe(|| play(play_of)));
    let follower = follower.borrow();
    let world = &follower.world;
    let played = played.unwrap_or_else(|_| {
        let last = world.trace.iter().rev().take(5).rev();
        let last: Vec<String> = last.map(|step| format!("  {step:?}")).collect();
        panic!("{name} at {}, after\n{}", world.now, last.join("\n"))
    });
    let played = played.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
    assert!(played.failure.is_none(), "{name}: {:?}", played.failure);
    for (invariant, held) in &played.outcome.invariants {
        assert_eq!(held, &Ok(()), "{name}: {invariant:?}");
    }
    assert_eq!(played.events, world.recorded.len() as u64, "{name}");
    invariant_log_3(&world.fleet, world.empty_fleet(), &world.recorded);
    invariant_view_2(&world.views, &world.recorded, world.recorded.len() / 2);
    follower.commits
}

#[test]
fn every_scenario_is_what_the_model_says() {
    let files = files();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let commits = follow(scenario(&file), None);
        assert!(commits >= 5, "{}: {commits} commits", file.display());
    }
}

#[test]
fn a_play_that_is_told_wrongly_is_noticed() {
    let files = files();
    let honest = files
        .iter()
        .find(|file| file.ends_with("honest-million.toml"));
    let honest = scenario(honest.expect("the scenario"));
    let commits = follow(honest.clone(), None);
    for after in [commits / 4, commits / 2] {
        for lie in [
            Lie::Step(after),
            Lie::Event(after),
            Lie::Verdict(after),
            Lie::State(after),
        ] {
            let followed = catch_unwind(AssertUnwindSafe(|| follow(honest.clone(), Some(lie))));
            assert!(followed.is_err(), "{lie:?} passes");
        }
    }
}
