//! Random fleets over every surface: what is said by CDF REST, by AWS' APIs or over MQTT comes to the same, and all
//! surfaces and GraphQL tell the same story of it, which is that of the reference model.
//!
//! The service is the real binary in virtual time. Each action of the generator becomes a command, and the command a
//! request on one surface that has words for it, chosen at random; what the model refuses is asked on all of them, and
//! each must refuse it with its own code for the same reason (EDGE-1). After each step every surface is asked about a
//! part of the fleet, and now and then about all of it.
//!
//! `SHIPSLOG_SURFACES_FLEETS=100` plays more fleets than the usual few, `SHIPSLOG_SURFACES_SEED=7` only that one.

mod refused;
mod saying;
mod service;
mod story;
mod told;
mod wire;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use shipslog_domain::command::{JobRequest, Provisioned, TargetName};
use shipslog_domain::job::{Extras, Settings, TargetSelection};
use shipslog_domain::{Command, GroupName, JobName, Namespace, RejectionKind, Span, TaskKey};
use shipslog_tests::model::Refusals;

use crate::actions::{Action, Scenario, What, action_but, scenarios};
use crate::lower::{NAMESPACE, beginning, command_of, passing};
use crate::world::{Step, World};
use saying::{Request, Surface, sayable, ways};
use service::{Answer, Service};
use story::{ABSENT, Scope, Story};

/// Fleets that are played, unless the environment says otherwise.
const FLEETS: u64 = 3;
/// Actions of each.
const ACTIONS: usize = 80;
/// Steps after which everything is asked for, not only a part.
const WHOLE_EVERY: usize = 15;
/// Names of the environment.
const ENV_FLEETS: &str = "SHIPSLOG_SURFACES_FLEETS";
const ENV_SEED: &str = "SHIPSLOG_SURFACES_SEED";

/// Something that is told wrongly once, to see whether it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// A request is done and the model does not hear of it.
    Untold,
    /// A refusal comes with another code.
    Code,
    /// This surface tells one fact otherwise.
    Fact(&'static str),
}

/// What the surfaces were used for.
#[derive(Debug, Default)]
struct Use {
    accepted: BTreeMap<Surface, u32>,
    refused: BTreeMap<(Surface, RejectionKind), u32>,
    /// Facts by teller, apart from what does not exist.
    facts: BTreeMap<&'static str, usize>,
}

/// One fleet on its way.
struct Play {
    world: World,
    service: Service,
    lie: Option<Lie>,
    used: Use,
    /// Requests and what they were answered, as they were sent.
    said: Vec<String>,
    steps: usize,
}

impl Play {
    fn start(scenario: &Scenario, lie: Option<Lie>) -> Self {
        let service = Service::start(scenario.ceiling);
        let mut world = World::new(scenario.ceiling, scenario.names);
        world.now = service.now();
        Self {
            world,
            service,
            lie,
            used: Use::default(),
            said: Vec::new(),
            steps: 0,
        }
    }

    /// Plays everything, and compares everything in the end.
    fn play(&mut self, scenario: &Scenario) {
        let jobs = [job("j0", None), job("j1", Some(NAMESPACE))];
        for command in beginning(scenario.things).into_iter().chain(jobs) {
            // What the provisioner does by itself need not be said.
            if !matches!(command, Command::FinishCoreTaskItem { .. }) {
                self.say(command, 0);
            }
        }
        for action in &scenario.actions {
            self.act(*action);
            self.steps += 1;
            let whole = Scope::whole(&self.world);
            if self.steps.is_multiple_of(WHOLE_EVERY) {
                self.compare(&whole);
            } else {
                self.compare(&whole.part(action.how));
            }
        }
        self.compare(&Scope::whole(&self.world));
    }

    fn act(&mut self, action: Action) {
        match action.what {
            What::TimePasses => {
                let (span, _) = passing(&self.world, action);
                self.said.push(format!("{span:?} passes"));
                self.service.pass(span);
                self.world.pass(span, true);
            }
            // The service does these by itself.
            What::DueIsDone | What::BatchStarted | What::ItemFinished => {}
            // Not drawn; their documents are compared where they are kept.
            What::ShadowUpdated | What::ShadowDeleted => {}
            _ => {
                if let Some(command) = command_of(&mut self.world, action) {
                    let command = sayable(&self.world, command);
                    self.say(command, action.how.rotate_left(23));
                }
            }
        }
    }

    /// Sends a command over one surface if it is allowed, and over all of them if it is not.
    fn say(&mut self, command: Command, choice: u64) {
        let ways = ways(&self.world, &command);
        let refusals = self.world.model.refusals(&command, self.world.now);
        if refusals.is_empty() {
            let index = usize::try_from(choice % ways.len() as u64).expect("few ways");
            self.say_allowed(command, &ways[index]);
        } else {
            self.say_forbidden(&command, &ways, &refusals);
            self.world.apply(Step::Command(Box::new(command)));
        }
    }

    fn send(&mut self, request: &Request) -> Answer {
        let answer = self.service.send(request);
        self.said.push(format!(
            "{:?} {} {} {} -> {answer:?}",
            request.surface, request.method, request.path, request.body
        ));
        answer
    }

    fn say_allowed(&mut self, mut command: Command, request: &Request) {
        let answer = self.send(request);
        *self.used.accepted.entry(request.surface).or_default() += 1;
        match answer {
            Answer::Accepted(Some(key)) => name_task(&mut command, key),
            Answer::Accepted(None) | Answer::Silent => {}
            Answer::Refused(code) => {
                panic!("{request:?} is refused ({code}), but the model allows {command:?}")
            }
        }
        // Whatever follows at once has happened when this returns.
        self.service.pass(Span(0));
        if self.lie == Some(Lie::Untold) && self.steps > 0 {
            self.lie = None;
            return;
        }
        self.world.apply(Step::Command(Box::new(command.clone())));
        self.world.settle();
        match command {
            Command::CreateCoreTask { key, .. } => self.follow_provisioner("coreTasks", key),
            Command::CreateDeviceTask { key, .. } => self.follow_provisioner("deviceTasks", key),
            _ => {}
        }
    }

    /// Waits until the service has provisioned everything, and does in the model what it did.
    fn follow_provisioner(&mut self, collection: &str, key: TaskKey) {
        let count = self.service.provisioned(&format!("/{collection}/{key}"));
        self.service.pass(Span(0));
        let count = u32::try_from(count).expect("few items");
        let mut steps = vec![Command::StartCoreTaskBatch {
            key,
            first: 0,
            count,
        }];
        steps.extend((0..count).map(|item| Command::FinishCoreTaskItem {
            key,
            item,
            result: Ok(Provisioned::default()),
        }));
        for step in steps {
            self.world.apply(Step::Command(Box::new(step)));
        }
        self.world.settle();
    }

    /// EDGE-1: one reason explains what all surfaces answer.
    fn say_forbidden(&mut self, command: &Command, ways: &[Request], refusals: &Refusals) {
        let mut answers = Vec::new();
        for request in ways {
            let mut answer = self.send(request);
            if let Answer::Refused(code) = &mut answer
                && self.lie == Some(Lie::Code)
            {
                self.lie = None;
                code.insert(0, 'X');
            }
            answers.push((request.surface, answer));
        }
        let explains = |kind: &&RejectionKind| {
            answers.iter().all(|(surface, answer)| match answer {
                Answer::Silent => true,
                Answer::Accepted(_) => refused::is_silent(command, **kind),
                Answer::Refused(code) => *code == refused::code(*surface, command, **kind),
            })
        };
        let Some(reason) = refusals.iter().find(explains) else {
            panic!(
                "EDGE-1: {command:?} is refused as {answers:?}, but the model says {refusals:?}"
            );
        };
        for (surface, _) in &answers {
            *self.used.refused.entry((*surface, *reason)).or_default() += 1;
        }
    }

    /// Asks every surface, and compares what it tells with what the model says.
    fn compare(&mut self, scope: &Scope) {
        let expected = story::of_model(&self.world);
        for (name, tell) in told::TELLERS {
            let mut told = tell(&self.world, &self.service, scope);
            if self.lie == Some(Lie::Fact(name)) && self.steps > WHOLE_EVERY {
                self.lie = None;
                twist(&mut told);
            }
            for ((what, whom), how) in &told.0 {
                let said = expected.0.get(&(*what, whom.clone()));
                assert_eq!(
                    Some(how),
                    said,
                    "{name} tells (left) another {what} of {whom:?} than the model"
                );
            }
            let present = told.0.values().filter(|how| *how != ABSENT).count();
            *self.used.facts.entry(name).or_default() += present;
        }
    }
}

/// Changes the first fact that is about something.
fn twist(story: &mut Story) {
    let mut facts = story.0.values_mut();
    let fact = facts.find(|how| !how.is_empty() && *how != ABSENT);
    fact.expect("a fact").push('?');
}

/// Tasks are named by the service.
fn name_task(command: &mut Command, id: TaskKey) {
    match command {
        Command::CreateDeploymentTask { key, .. }
        | Command::CreateCoreTask { key, .. }
        | Command::CreateDeviceTask { key, .. }
        | Command::CreateRemovalTask { key, .. } => *key = id,
        _ => panic!("{command:?} makes no task"),
    }
}

/// A job for everything in `g0`, now and later.
fn job(name: &str, namespace: Option<&str>) -> Command {
    let group = GroupName::parse("g0").expect("a valid name");
    let namespace = namespace.map(|name| Namespace::parse(name).expect("a valid name"));
    Command::CreateJob {
        request: Box::new(JobRequest {
            name: JobName::parse(name).expect("a valid name"),
            target_selection: TargetSelection::Continuous,
            targets: vec![TargetName::Group(group)],
            namespace,
            settings: Settings::default(),
            document: "{}".into(),
            description: None,
            extras: Extras::default(),
        }),
    }
}

/// What happens to a fleet: more often than elsewhere, something that several surfaces have words for.
fn happening() -> impl Strategy<Value = Action> {
    const OFTEN: [What; 8] = [
        What::DeviceReports,
        What::DeviceReports,
        What::DeviceReports,
        What::DeviceStarts,
        What::JobCreated,
        What::ExecutionCanceled,
        What::Deployed,
        What::TemplateCreated,
    ];
    let action = action_but(&[What::ShadowUpdated, What::ShadowDeleted]);
    (action, prop::option::of(prop::sample::select(&OFTEN[..]))).prop_map(|(action, often)| {
        Action {
            what: often.unwrap_or(action.what),
            ..action
        }
    })
}

/// The fleet of a seed.
fn scenario(seed: u64) -> Scenario {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let strategy = (scenarios(1), prop::collection::vec(happening(), ACTIONS));
    let tree = strategy.new_tree(&mut runner).expect("a scenario");
    let (scenario, actions) = tree.current();
    Scenario {
        things: scenario.things.max(5),
        actions,
        ..scenario
    }
}

/// Plays the fleet of a seed. What goes wrong is told with everything that was said.
fn run(seed: u64, lie: Option<Lie>) -> Result<Use, String> {
    let scenario = scenario(seed);
    let mut play = Play::start(&scenario, lie);
    let outcome = catch_unwind(AssertUnwindSafe(|| play.play(&scenario)));
    let Play {
        world,
        service,
        used,
        said,
        ..
    } = play;
    match outcome {
        Ok(()) => {
            service.stop();
            Ok(used)
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            let text = text.unwrap_or_default();
            Err(format!(
                "{text}\nat {}, after\n  {}\nplay it again with {ENV_SEED}={seed}",
                world.now,
                said.join("\n  ")
            ))
        }
    }
}

fn number_of_env(name: &str) -> Option<u64> {
    let value = std::env::var_os(name)?;
    let number = value.to_str().and_then(|value| value.parse().ok());
    Some(number.unwrap_or_else(|| panic!("{name} must be a number")))
}

#[test]
fn all_surfaces_tell_the_same_story() {
    let seeds = match number_of_env(ENV_SEED) {
        Some(seed) => seed..seed + 1,
        None => 0..number_of_env(ENV_FLEETS).unwrap_or(FLEETS),
    };
    let usual = seeds == (0..FLEETS);
    let mut all = Use::default();
    for seed in seeds {
        let used = run(seed, None).unwrap_or_else(|wrong| panic!("{wrong}"));
        for (surface, count) in used.accepted {
            *all.accepted.entry(surface).or_default() += count;
        }
        for (reason, count) in used.refused {
            *all.refused.entry(reason).or_default() += count;
        }
        for (teller, count) in used.facts {
            *all.facts.entry(teller).or_default() += count;
        }
    }
    if usual {
        is_not_vacuous(&all);
    }
}

/// A story that nobody tells, or a refusal that nobody meets, proves nothing.
fn is_not_vacuous(used: &Use) {
    use RejectionKind::{
        AlreadyExists, Finished, Malformed, NotFound, VersionMismatch, WrongState,
    };
    let devices = [Surface::JobsData, Surface::Mqtt3, Surface::Mqtt5];
    let all = [Surface::Cdf, Surface::Own, Surface::Iot]
        .into_iter()
        .chain(devices);
    for surface in all {
        assert!(
            used.accepted.contains_key(&surface),
            "{surface:?} accepts nothing: {used:?}"
        );
    }
    let of_devices = [Finished, Malformed, NotFound, VersionMismatch, WrongState];
    let refused = devices
        .into_iter()
        .flat_map(|surface| of_devices.map(|kind| (surface, kind)))
        .chain([AlreadyExists, Malformed, NotFound, WrongState].map(|kind| (Surface::Iot, kind)))
        .chain([AlreadyExists, Malformed, NotFound].map(|kind| (Surface::Cdf, kind)));
    for reason in refused {
        assert!(
            used.refused.contains_key(&reason),
            "{reason:?} is never met: {used:?}"
        );
    }
    for (name, _) in told::TELLERS {
        assert!(used.facts[name] > 500, "{name} tells little: {used:?}");
    }
}

#[test]
fn a_story_that_is_told_wrongly_is_noticed() {
    let lies = [
        (Lie::Untold, "the model"),
        (Lie::Code, "EDGE-1"),
        (Lie::Fact("AWS IoT"), "AWS IoT tells (left) another"),
        (Lie::Fact("CDF"), "CDF tells (left) another"),
        (
            Lie::Fact("AWS IoT Jobs over MQTT 5"),
            "MQTT 5 tells (left) another",
        ),
    ];
    for (lie, expected) in lies {
        let wrong = run(0, Some(lie)).expect_err("a lie passes");
        assert!(wrong.contains(expected), "{lie:?}: {wrong}");
    }
}
