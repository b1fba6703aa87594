//! State machine, log, views, model and account of the events, side by side at one virtual time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use shipslog_domain::fleet::{Due, Settings};
use shipslog_domain::log::memory::MemoryLog;
use shipslog_domain::log::{Batch, EventLog};
use shipslog_domain::{
    Command, DeploymentTaskId, Event, Fact, Fleet, Position, Recorded, RejectionKind, Span,
    Timestamp, job,
};
use shipslog_projections::Views;
use shipslog_tests::model::{self, Model};
use shipslog_tests::promises::ledger::{Cause, Ledger};
use shipslog_tests::promises::{
    invariant_core_1, invariant_job_5_due, invariant_job_5_refused, invariant_log_1,
    invariant_view_1, saved, stored,
};

use crate::compare;

/// What an action was lowered to.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Somebody asks.
    Command(Box<Command>),
    /// The most urgent thing that is due is done.
    Due,
    /// Time passes, and nobody looks at what is due.
    Wait(Span),
    /// The service restarts from its saved state.
    Restart,
}

/// Everything at one moment.
pub(crate) struct World {
    pub(crate) fleet: Fleet,
    pub(crate) model: Model,
    pub(crate) views: Views,
    pub(crate) recorded: Vec<Recorded>,
    pub(crate) now: Timestamp,
    /// Steps so far, written before they are applied.
    pub(crate) trace: Vec<Step>,
    /// How often a command was refused, by kind.
    pub(crate) refused: BTreeMap<RejectionKind, u32>,
    /// How many names of things there are to choose from.
    pub(crate) names: u64,
    /// Numbers for task ids.
    pub(crate) tasks: u32,
    settings: Settings,
    log: MemoryLog,
    ledger: Ledger,
    /// Keys of deployment tasks by their dense ids.
    task_keys: BTreeMap<DeploymentTaskId, String>,
}

impl World {
    pub(crate) fn new(ceiling: u32, names: u64) -> Self {
        let settings = Settings {
            rollout_ceiling_per_minute: ceiling,
            ..Settings::default()
        };
        Self {
            fleet: Fleet::new(settings.clone()),
            model: Model::new(ceiling),
            views: Views::default(),
            recorded: Vec::new(),
            now: Timestamp(1_700_000_000_000),
            trace: Vec::new(),
            refused: BTreeMap::new(),
            names,
            tasks: 0,
            settings,
            log: MemoryLog::default(),
            ledger: Ledger::default(),
            task_keys: BTreeMap::new(),
        }
    }

    /// A fleet as it was before anything happened.
    pub(crate) fn empty_fleet(&self) -> Fleet {
        Fleet::new(self.settings.clone())
    }

    /// Applies a step to everything, and checks everything.
    pub(crate) fn apply(&mut self, step: Step) {
        self.take(step);
        self.check();
    }

    /// Applies a step to everything.
    pub(crate) fn take(&mut self, step: Step) {
        self.trace.push(step.clone());
        match step {
            Step::Command(command) => self.submit(&command),
            Step::Due => self.advance(),
            Step::Wait(span) => self.now = self.now.plus(span),
            Step::Restart => {
                let bytes = saved(&self.fleet);
                let loaded = Fleet::load(self.settings.clone(), &bytes);
                self.fleet = loaded.expect("what was saved can be loaded");
                assert!(saved(&self.fleet) == bytes, "a saved state loads to itself");
            }
        }
    }

    fn submit(&mut self, command: &Command) {
        let expected = self.model.refusals(command, self.now);
        let before = saved(&self.fleet);
        let mut facts = Vec::new();
        match self.fleet.submit(command, self.now, &mut facts) {
            Ok(()) => {
                assert!(
                    expected.is_empty(),
                    "accepted, but it should be {expected:?}"
                );
                self.record(facts, Cause::Command);
                self.model.accept(command, self.now);
                if let Command::CreateDeploymentTask { key, .. } = command {
                    let serial = self.model.deployment_tasks[key.as_str()].serial;
                    self.task_keys
                        .insert(DeploymentTaskId(serial), key.to_string());
                }
            }
            Err(rejection) => {
                assert!(
                    expected.contains(&rejection.kind),
                    "refused ({:?}, {rejection}), but it should be {expected:?}",
                    rejection.kind
                );
                invariant_job_5_refused(&before, &self.fleet, &facts);
                *self.refused.entry(rejection.kind).or_default() += 1;
            }
        }
    }

    /// Whether something is due by now.
    pub(crate) fn is_due(&self) -> bool {
        let next = self.fleet.poll_timeout();
        next.is_some_and(|(at, _)| at <= self.now)
    }

    fn advance(&mut self) {
        let Some((at, due)) = self.fleet.poll_timeout() else {
            return;
        };
        if at > self.now {
            assert!(
                self.fleet.handle_timeout(self.now).is_empty(),
                "nothing is due"
            );
            return;
        }
        let due = self.name(due);
        let mut facts = Vec::new();
        self.fleet.advance(self.now, &mut facts);
        invariant_job_5_due(&facts);
        let new_job = facts.iter().find_map(|fact| match &fact.event {
            Event::Job(job::Event::Created { definition }) => Some(definition.name.to_string()),
            _ => None,
        });
        let cause = match due {
            model::Due::Job(_) => Cause::Job,
            _ => Cause::Due,
        };
        self.record(facts, cause);
        self.model.step(&due, self.now, new_job.as_deref());
    }

    /// What the model calls something that is due.
    pub(crate) fn name(&self, due: Due) -> model::Due {
        let job = |id| {
            let job = self.fleet.job(id).expect("a job with a timer");
            job.definition().name.to_string()
        };
        match due {
            Due::Job(id) => model::Due::Job(job(id)),
            Due::Execution(id, thing) => {
                model::Due::Execution(job(id), self.fleet.thing_name(thing).to_owned())
            }
            Due::DeploymentTask(id) => model::Due::DeploymentTask(self.task_keys[&id].clone()),
            Due::Certificate(id) => panic!("no action leads to claim {}", id.0),
            Due::CoreTask(id) => {
                let task = self.fleet.core_task_by_id(id);
                model::Due::Removal(task.expect("a task with a timer").key.to_string())
            }
            Due::ContainerService(id) => panic!("no action leads to container service {}", id.0),
            Due::Group(id) => {
                let name = self.views.group_name(id).expect("a group with a timer");
                model::Due::Group(name.to_owned())
            }
        }
    }

    /// Does everything that is due by now.
    pub(crate) fn settle(&mut self) {
        while self.is_due() {
            self.apply(Step::Due);
        }
    }

    /// Lets time pass; `on_time`: what becomes due on the way is done at its moment.
    pub(crate) fn pass(&mut self, span: Span, on_time: bool) {
        let end = self.now.plus(span);
        while on_time
            && let Some((at, _)) = self.fleet.poll_timeout()
            && at <= end
        {
            if at > self.now {
                self.apply(Step::Wait(at.since(self.now)));
            }
            self.apply(Step::Due);
        }
        self.apply(Step::Wait(end.since(self.now)));
        self.settle();
    }

    /// Stores events as the service does, and reads them back: what followers see is what was decided.
    fn record(&mut self, facts: Vec<Fact>, cause: Cause) {
        let mut batch = Batch::default();
        for fact in &facts {
            batch.push_event(fact.stream, self.now, &fact.event, None);
        }
        let after = self.log.head();
        self.log.append(&batch).expect("memory does not fail");
        let mut read = Vec::new();
        let visited = self.log.read(after, &mut |record| {
            read.push(Recorded {
                position: record.position,
                previous: record.previous,
                at: record.at,
                stream: record.stream,
                event: Event::try_from(&record).expect("an encoded event decodes"),
            });
            ControlFlow::Continue(())
        });
        visited.expect("memory does not fail");
        assert_eq!(read.len(), facts.len(), "every event is in the log");
        for (recorded, fact) in read.into_iter().zip(facts) {
            assert_eq!(recorded.event, fact.event, "decodes to what was encoded");
            assert_eq!(recorded.stream, fact.stream);
            invariant_log_1(self.recorded.last(), &recorded);
            self.ledger.record(&recorded, cause);
            self.views.apply(&recorded);
            self.recorded.push(recorded);
        }
    }

    /// The whole log in stored form.
    pub(crate) fn stored_log(&self) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        let visited = self.log.read(Position::START, &mut |record| {
            records.push(stored(&record));
            ControlFlow::Continue(())
        });
        visited.expect("memory does not fail");
        records
    }

    /// Compares everything with the model, and looks at the promises.
    pub(crate) fn check(&self) {
        compare::fleet(self);
        compare::views(self);
        self.ledger.invariant_job_3();
        invariant_view_1(&self.views);
        let groups = self.model.groups.keys().map(String::as_str);
        let template_groups =
            groups.filter(|name| name.starts_with("cdf_ggv2_deploymentForTemplate_"));
        invariant_core_1(&self.fleet, template_groups);
    }
}
