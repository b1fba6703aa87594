//! The views against the state machine: random commands, and after each the two must agree on what both know.

mod check;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use shipslog_domain::command::{
    AttributeChange, CoreRequest, ExecutionUpdate, JobRequest, Provisioned, ReportedStatus,
    TargetName, ThingUpdate,
};
use shipslog_domain::core::{Attempt, Health, HealthReport};
use shipslog_domain::core_task::Status as TaskStatus;
use shipslog_domain::deployment_task::Targets;
use shipslog_domain::execution::Status;
use shipslog_domain::job::{FailureType, RetryCriterion, Rollout, Settings, TargetSelection};
use shipslog_domain::query::{Index, Query};
use shipslog_domain::template::{Component, Content};
use shipslog_domain::{
    Command, Fleet, GroupName, JobName, Position, ProvisioningTemplateName, Recorded, Span,
    TaskKey, TemplateName, ThingId, ThingName, Timestamp, job,
};
use shipslog_projections::cores::{CoreFilter, DeploymentStatus};
use shipslog_projections::registry::ThingFilter;
use shipslog_projections::{Views, describe};

/// What to do, and two numbers that say to whom and how.
type Step = (u8, u8, u8);

const THINGS: u8 = 8;
const JOBS: u8 = 5;

#[derive(Default)]
struct Run {
    fleet: Fleet,
    views: Views,
    now: Timestamp,
    tasks: Vec<(TaskKey, bool)>,
    kinds: BTreeSet<&'static str>,
}

fn thing(n: u8) -> ThingName {
    ThingName::parse(&format!("t{}", n % THINGS)).expect("a valid name")
}

fn group(n: u8) -> GroupName {
    GroupName::parse(&format!("g{}", n % 3)).expect("a valid name")
}

fn template(n: u8) -> TemplateName {
    TemplateName::parse(&format!("tpl{}", n % 2)).expect("a valid name")
}

fn job_name(n: u8) -> JobName {
    JobName::parse(&format!("job-{}", n % JOBS)).expect("a valid name")
}

fn content(n: u8) -> Content {
    Content {
        components: vec![Component {
            key: "com.acme.App".into(),
            version: format!("1.0.{n}").into(),
            merge: None,
            reset: None,
            run_with: None,
        }],
        ..Content::default()
    }
}

fn settings(how: u8) -> Settings {
    let retry = RetryCriterion {
        failure: FailureType::All,
        retries: 2,
    };
    Settings {
        rollout: Some(Rollout {
            maximum_per_minute: Some(u32::from(how % 3) + 1),
            exponential: None,
        }),
        timeout_minutes: Some(3),
        retries: if how.is_multiple_of(2) {
            vec![retry]
        } else {
            vec![]
        },
        abort: vec![],
    }
}

const PROVISIONING: &str = r#"{
    "Parameters": {"ThingName": {"Type": "String"}},
    "Resources": {"thing": {
        "Type": "AWS::IoT::Thing",
        "Properties": {"ThingName": {"Ref": "ThingName"}}
    }}
}"#;

impl Run {
    fn step(&mut self, (what, whom, how): Step) {
        match what % 14 {
            0 => self.registry(whom, how),
            1 => self.membership(whom, how),
            2 => self.templates(whom, how),
            3 => self.cores(whom, how),
            4 => self.deployment(whom, how),
            5 => self.job(whom, how),
            6 => self.change_job(whom, how),
            7 => self.advance(u32::from(how % 5)),
            8 => self.delete(whom, how),
            _ => self.execution(whom, how),
        }
    }

    /// Submits a command; a refusal is fine, too.
    fn submit(&mut self, command: &Command) {
        let mut facts = Vec::new();
        if self.fleet.submit(command, self.now, &mut facts).is_err() {
            assert!(facts.is_empty());
        }
        self.follow(facts);
        self.now.0 += 7;
    }

    fn follow(&mut self, facts: Vec<shipslog_domain::Fact>) {
        for fact in facts {
            let recorded = Recorded {
                position: self.views.position().next(),
                previous: Position::START,
                at: self.now,
                stream: fact.stream,
                event: fact.event,
            };
            self.views.apply(&recorded);
            self.kinds.insert(describe(&recorded, &self.views).kind);
        }
    }

    /// Lets time pass, doing what falls due.
    fn advance(&mut self, minutes: u32) {
        let end = self.now.plus(Span::minutes(minutes));
        for _ in 0..2_000 {
            let Some((due, _)) = self.fleet.poll_timeout() else {
                break;
            };
            if due > end {
                break;
            }
            self.now = self.now.max(due);
            let mut facts = Vec::new();
            self.fleet.advance(self.now, &mut facts);
            self.follow(facts);
        }
        self.now = end;
    }

    fn registry(&mut self, whom: u8, how: u8) {
        let site = (how % 3).to_string();
        let attributes = vec![("site".into(), site.into())];
        let command = if how.is_multiple_of(3) {
            Command::UpdateThing {
                update: Box::new(ThingUpdate {
                    name: thing(whom),
                    thing_type: None,
                    attributes: Some(AttributeChange {
                        attributes,
                        merge: true,
                    }),
                    expected_version: None,
                }),
            }
        } else {
            Command::CreateThing {
                name: thing(whom),
                thing_type: None,
                attributes,
                billing_group: None,
            }
        };
        self.submit(&command);
        let parent = (!how.is_multiple_of(3)).then(|| group(0));
        self.submit(&Command::CreateGroup {
            name: group(how),
            parent,
            description: None,
            attributes: vec![],
        });
        if how.is_multiple_of(11) {
            let query = format!("attributes.site:{}", whom % 3);
            self.submit(&Command::CreateDynamicGroup {
                name: GroupName::parse(&format!("d{}", whom % 4)).expect("valid"),
                description: None,
                attributes: vec![],
                query: Query::parse(Index::Things, &query).expect("valid"),
            });
        }
    }

    fn membership(&mut self, whom: u8, how: u8) {
        let (group, thing) = (group(how), thing(whom));
        self.submit(&if how.is_multiple_of(4) {
            Command::RemoveThingFromGroup { group, thing }
        } else {
            Command::AddThingToGroup { group, thing }
        });
    }

    fn templates(&mut self, whom: u8, how: u8) {
        let name = template(whom);
        let content = content(how);
        self.submit(&Command::CreateTemplate {
            name: name.clone(),
            content: content.clone(),
        });
        self.submit(&if how.is_multiple_of(9) {
            Command::DeleteTemplate { name }
        } else {
            Command::UpdateTemplate {
                name,
                content,
                expected_version: None,
            }
        });
    }

    fn key(&mut self, deployment: bool) -> TaskKey {
        let number = u8::try_from(self.tasks.len() % 4_096 / 64).expect("below 64");
        let rest = u8::try_from(self.tasks.len() % 64).expect("below 64");
        let key = TaskKey::from_random([0, 0, 0, 0, 0, 0, 0, number, rest]);
        self.tasks.push((key, deployment));
        key
    }

    fn cores(&mut self, whom: u8, how: u8) {
        let name = ProvisioningTemplateName::parse("p").expect("a valid name");
        self.submit(&Command::PutProvisioningTemplate {
            name: name.clone(),
            body: PROVISIONING.into(),
        });
        let key = self.key(false);
        let core = |n| CoreRequest {
            name: thing(n),
            provisioning_template: name.clone(),
            parameters: vec![("ThingName".into(), thing(n).as_str().into())],
            cdf_parameters: None,
            generator: None,
        };
        let core_version = "2.12.0".into();
        let cores = vec![core(whom), core(whom.wrapping_add(1))];
        self.submit(&Command::CreateCoreTask {
            key,
            core_version,
            cores,
        });
        let (first, count) = (0, 2);
        self.submit(&Command::StartCoreTaskBatch { key, first, count });
        for item in 0..2 {
            let provisioned = Provisioned {
                certs: Some("certs.zip".into()),
                ..Provisioned::default()
            };
            let result = if how.is_multiple_of(4) {
                Err("no".into())
            } else {
                Ok(provisioned)
            };
            self.submit(&Command::FinishCoreTaskItem { key, item, result });
        }
        if !how.is_multiple_of(3) {
            self.submit(&Command::ReportHealth {
                thing: thing(whom),
                report: Box::new(HealthReport {
                    nucleus_version: "2.12.0".into(),
                    platform: "linux".into(),
                    architecture: "amd64".into(),
                    health: Health::Healthy,
                    sequence_number: 1,
                    complete: true,
                    components: vec![],
                    device_time: self.now.0,
                }),
            });
        }
    }

    fn deployment(&mut self, whom: u8, how: u8) {
        let key = self.key(true);
        let names = (0..=how % 4).map(|n| thing(whom.wrapping_add(n)).as_str().into());
        let targets = Targets {
            thing_names: Some(
                names
                    .chain(["nobody".into()].into_iter().filter(|_| how > 200))
                    .collect(),
            ),
            thing_group_names: None,
            ..Targets::default()
        };
        self.submit(&Command::CreateDeploymentTask {
            key,
            template: template(whom),
            version: None,
            targets,
            job_settings: how.is_multiple_of(2).then(|| settings(how)),
        });
        self.advance(u32::from(how % 2));
    }

    fn job(&mut self, whom: u8, how: u8) {
        let targets = vec![
            TargetName::Group(group(whom)),
            TargetName::Thing(thing(how)),
        ];
        let target_selection = if how.is_multiple_of(2) {
            TargetSelection::Continuous
        } else {
            TargetSelection::Snapshot
        };
        let kept = if how.is_multiple_of(2) { 1 } else { 2 };
        self.submit(&Command::CreateJob {
            request: Box::new(JobRequest {
                name: job_name(whom.wrapping_add(how)),
                namespace: None,
                document: "{}".into(),
                description: None,
                targets: targets.into_iter().take(kept).collect(),
                target_selection,
                settings: settings(how),
                extras: job::Extras::default(),
            }),
        });
    }

    fn change_job(&mut self, whom: u8, how: u8) {
        let job = job_name(whom);
        let force = how.is_multiple_of(2);
        self.submit(&match how % 4 {
            0 => Command::CancelJob {
                job,
                force: how > 128,
                reason_code: None,
                comment: None,
            },
            1 => Command::DeleteJob {
                namespace: None,
                job,
                force,
            },
            _ => Command::AssociateTargets {
                namespace: None,
                job,
                targets: vec![TargetName::Group(group(how))],
            },
        });
    }

    fn delete(&mut self, whom: u8, how: u8) {
        if how.is_multiple_of(3) {
            let name = thing(whom);
            self.submit(&Command::DeleteThing {
                name,
                expected_version: None,
                detach_certificates: true,
            });
        } else if how.is_multiple_of(7) {
            self.submit(&Command::DeleteGroup {
                name: group(whom),
                dynamic: false,
                expected_version: None,
            });
        } else {
            let execution = self.pending(whom);
            if let Some((job, number)) = execution {
                self.submit(&Command::DeleteExecution {
                    namespace: None,
                    job,
                    thing: thing(whom),
                    number,
                    force: how.is_multiple_of(2),
                });
            }
        }
    }

    /// A job, in any namespace, that a thing waits with.
    fn pending(&self, whom: u8) -> Option<(JobName, u64)> {
        let id = self.fleet.thing_id(thing(whom).as_str())?;
        let page = self.views.thing_executions(id, None, None, 20);
        let live = page
            .items
            .into_iter()
            .find(|run| !run.status.is_terminal())?;
        let name = JobName::parse(live.job_name).expect("a job has a valid name");
        Some((name, u64::from(live.number)))
    }

    fn execution(&mut self, whom: u8, how: u8) {
        let Some((job, _)) = self.pending(whom) else {
            return;
        };
        let id = self.fleet.job_id(job.as_str()).expect("it exists");
        let found = self.fleet.job(id).expect("it exists");
        let namespace = found.definition().namespace.clone();
        let details = Some(vec![("downloadTime".into(), how.to_string().into())]);
        let details = details.filter(|_| !how.is_multiple_of(3));
        if how > 245 {
            self.submit(&Command::CancelExecution {
                job,
                thing: thing(whom),
                force: true,
                expected_version: None,
                details,
            });
            return;
        }
        let status = match how % 6 {
            0 | 1 => ReportedStatus::InProgress,
            2 => ReportedStatus::Failed,
            3 => ReportedStatus::Rejected,
            _ => ReportedStatus::Succeeded,
        };
        self.submit(&Command::UpdateExecution {
            update: Box::new(ExecutionUpdate {
                thing: thing(whom),
                job,
                namespace,
                status,
                details,
                expected_version: None,
                number: None,
                step_timer: None,
            }),
        });
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(any::<Step>(), 0..200)
}

/// Random commands that never get anywhere would prove nothing.
#[test]
fn random_commands_cause_most_kinds_of_events() {
    let mut runner = TestRunner::deterministic();
    let mut kinds = BTreeSet::new();
    for _ in 0..100 {
        let mut run = Run::default();
        let tree = steps().new_tree(&mut runner).expect("steps");
        tree.current().into_iter().for_each(|step| run.step(step));
        kinds.append(&mut run.kinds);
    }
    assert!(kinds.len() >= 40, "{kinds:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        max_shrink_iters: 5_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn views_agree_with_the_state_machine(
        steps in steps(),
    ) {
        let mut run = Run::default();
        for step in steps {
            run.step(step);
            run.check();
        }
        let mut bytes = Vec::new();
        run.views.save(&mut bytes);
        let mut again = Vec::new();
        Views::load(&bytes).expect("what was saved").save(&mut again);
        prop_assert_eq!(bytes, again);
    }
}
