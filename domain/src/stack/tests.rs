//! Example tests of stacks, on the harness of the whole state machine.

mod commands;
mod instances;
mod inventory;
mod versions;

use serde_json::{Value, json};

use super::{
    AppContent, Command, CommandName, CommandRequest, Content, Details, InstanceCommand,
    InstanceContent, InstanceStatus, LayerContent, NAMESPACE,
};
use crate::command::{Command as Any, ExecutionUpdate, ReportedStatus};
use crate::event::Event;
use crate::fleet::tests::Run;
use crate::ids::{AppId, InstanceId, JobName, LayerId, Namespace, StackId, ThingName};
use crate::presence::{self, Observation, Reason};
use crate::rejection::RejectionKind;
use crate::time::Span;

const STACK: StackId = StackId(0);
const LAYER: LayerId = LayerId(0);
const APP: AppId = AppId(0);

fn details(value: &Value) -> Details {
    Details::from(value.as_object().expect("an object"))
}

fn stack(name: &str) -> Content {
    Content {
        name: name.into(),
        manager_version: None,
        custom_json: Some(r#"{"a":{"x":1,"y":2},"b":[1]}"#.into()),
        details: details(&json!({"Region": "us-east-1"})),
    }
}

fn layer(shortname: &str, kind: &str) -> LayerContent {
    LayerContent {
        name: format!("Layer {shortname}").into(),
        shortname: shortname.into(),
        kind: kind.into(),
        custom_json: None,
        details: details(&json!({"CustomRecipes": {"Deploy": ["app::deploy"], "Setup": []}})),
    }
}

fn app(name: &str, shortname: &str) -> AppContent {
    AppContent {
        name: name.into(),
        shortname: shortname.into(),
        kind: "other".into(),
        environment: Vec::new(),
        details: Details::default(),
    }
}

fn thing_name(name: &str) -> ThingName {
    ThingName::parse(name).expect("a valid name")
}

/// A run with a stack, a layer and an app.
struct Stacks {
    run: Run,
    deployments: u32,
}

impl Stacks {
    fn empty() -> Self {
        Self {
            run: Run::new(),
            deployments: 0,
        }
    }

    fn new() -> Self {
        Self::with(stack("fleet"), "custom")
    }

    fn with(content: Content, kind: &str) -> Self {
        let mut stacks = Self::empty();
        stacks.ok(Command::Create(Box::new(content)));
        stacks.ok(Command::CreateLayer {
            stack: STACK,
            content: Box::new(layer("edge", kind)),
        });
        stacks.ok(Command::CreateApp {
            stack: STACK,
            content: Box::new(app("My App", "")),
        });
        stacks
    }

    fn ok(&mut self, command: Command) -> Vec<Event> {
        self.run.ok(Any::Stack(command))
    }

    fn instance(&mut self, command: InstanceCommand) -> Vec<Event> {
        self.ok(Command::Instance(command))
    }

    fn refused(&mut self, command: Command, kind: RejectionKind) -> String {
        self.run.refused(Any::Stack(command), kind)
    }

    fn refused_instance(&mut self, command: InstanceCommand) -> String {
        self.refused(Command::Instance(command), RejectionKind::WrongState)
    }

    fn create(&mut self, hostname: Option<&str>) -> Vec<Event> {
        self.instance(InstanceCommand::Create {
            stack: STACK,
            hostname: hostname.map(thing_name),
            content: Box::new(InstanceContent {
                layers: vec![LAYER],
                details: Details::default(),
            }),
        })
    }

    fn register(&mut self, hostname: &str) -> Vec<Event> {
        self.instance(InstanceCommand::Register {
            stack: STACK,
            hostname: thing_name(hostname),
            details: Details::default(),
        })
    }

    /// A registered instance in the layer, online.
    fn online(&mut self, hostname: &str) -> InstanceId {
        self.register(hostname);
        let thing = self.run.thing(hostname);
        let id = self.run.fleet.instance_of(thing).expect("an instance");
        self.instance(InstanceCommand::Assign {
            instance: id,
            layers: vec![LAYER],
        });
        self.connect(hostname, true);
        id
    }

    /// What the device edge sees of a thing, outside the window in which it would not be recorded.
    fn connect(&mut self, hostname: &str, is_connected: bool) {
        self.run.pass(Span::minutes(1));
        let at = self.run.now;
        let state = match is_connected {
            true => presence::State::Connected { since: at },
            false => presence::State::Disconnected {
                at,
                reason: Reason::ConnectionLost,
            },
        };
        let seen = vec![Observation {
            client: hostname.into(),
            state,
            unrecorded: 0,
        }];
        self.run
            .ok(Any::Presence(presence::Command::Observe { seen }));
    }

    fn status(&self, id: u32) -> InstanceStatus {
        let instance = self.run.fleet.instance(InstanceId(id));
        let instance = instance.expect("a known instance");
        self.run.fleet.instance_status(instance)
    }

    fn request(&mut self, name: CommandName) -> CommandRequest {
        let number = self.deployments;
        self.deployments += 1;
        let uuid = format!("00000000-0000-4000-8000-{number:012}");
        CommandRequest {
            id: uuid.as_str().into(),
            job: JobName::parse(&uuid).expect("a valid name"),
            stack: STACK,
            app: name.is_for_app().then_some(APP),
            instances: Vec::new(),
            layers: Vec::new(),
            name,
            args: Vec::new(),
            comment: None,
            custom_json: None,
            caller: "arn:aws:iam::000000000000:root".into(),
        }
    }

    fn run(&mut self, request: CommandRequest) -> Vec<Event> {
        self.ok(Command::Run(Box::new(request)))
    }

    /// Runs a command on all that are online; the number of its deployment.
    fn deploy(&mut self, name: CommandName) -> u32 {
        let request = self.request(name);
        self.run(request);
        self.deployments - 1
    }

    fn refused_run(&mut self, request: CommandRequest, kind: RejectionKind) -> String {
        self.refused(Command::Run(Box::new(request)), kind)
    }

    /// What a device says of the command of a deployment.
    fn answer(&mut self, deployment: u32, hostname: &str, status: ReportedStatus, exit: &str) {
        let uuid = format!("00000000-0000-4000-8000-{deployment:012}");
        let details = match exit {
            "" => Vec::new(),
            exit => vec![
                ("exitCode".into(), exit.into()),
                ("logUrl".into(), "https://logs/1".into()),
            ],
        };
        self.run.ok(Any::UpdateExecution {
            update: Box::new(ExecutionUpdate {
                thing: thing_name(hostname),
                job: JobName::parse(&uuid).expect("a valid name"),
                namespace: Some(Namespace::parse(NAMESPACE).expect("a valid name")),
                status,
                details: Some(details),
                expected_version: None,
                number: None,
                step_timer: None,
            }),
        });
    }

    /// The document that the next command of a device has.
    fn document(&self, hostname: &str) -> Value {
        let thing = self.run.thing(hostname);
        let next = self.run.fleet.next_pending(thing, Some(NAMESPACE));
        let next = next.expect("a command");
        serde_json::from_str(next.document).expect("JSON")
    }

    fn run_word(&self, deployment: u32) -> &'static str {
        let run = self.run.fleet.run(deployment);
        run.expect("a deployment of a stack").as_str()
    }

    fn command_word(&self, deployment: u32, instance: InstanceId) -> &'static str {
        let command = self.run.fleet.command(deployment, instance);
        command.expect("a command").status.as_str()
    }

    /// The state after a replay, and after it was saved and loaded, tells the same.
    fn check_replay(&self) {
        let mut saved = Vec::new();
        self.run.fleet.save(&mut saved);
        let mut replayed = crate::Fleet::new(self.run.fleet.settings().clone());
        for (at, fact) in &self.run.log {
            replayed.evolve(*at, fact);
        }
        let mut again = Vec::new();
        replayed.save(&mut again);
        assert_eq!(saved, again);
        let loaded = crate::Fleet::load(self.run.fleet.settings().clone(), &saved);
        let mut third = Vec::new();
        loaded.expect("a saved state").save(&mut third);
        assert_eq!(saved, third);
    }
}
