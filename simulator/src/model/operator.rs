//! What operators do, and when.

use shipslog_domain::template::{Component, Content};
use shipslog_domain::{
    Command, GroupName, Span, TaskKey, TemplateName, Timestamp, deployment_task,
};

use crate::model::Setup;
use crate::seeds::Seeds;

/// One command at its time.
#[derive(Debug)]
pub(super) struct Step {
    at: Timestamp,
    pub(super) command: Command,
    /// For the message, if it is refused.
    pub(super) doing: String,
}

/// What is left to do, the last first.
#[derive(Debug)]
pub(super) struct Operator {
    steps: Vec<Step>,
}

/// The group of all devices.
pub(super) fn everyone(setup: &Setup) -> GroupName {
    GroupName::parse(&format!("{}-all", setup.prefix)).expect("a prefix is a word")
}

/// Ids that a gateway would draw at random.
pub(super) fn task_key(seed: u64, number: u64) -> TaskKey {
    let seeds = Seeds::root(seed).child("task", number);
    let bytes = seeds.draw("key").to_le_bytes();
    let more = seeds.draw("more").to_le_bytes();
    let [a, b, c, d, e, f, g, h] = bytes;
    TaskKey::from_random([a, b, c, d, e, f, g, h, more[0]])
}

impl Operator {
    pub(super) fn new(setup: &Setup, begin: Timestamp) -> Self {
        let template =
            TemplateName::parse(&format!("{}-fleet", setup.prefix)).expect("a prefix is a word");
        let create = Step {
            at: begin,
            doing: "creating the template".into(),
            command: Command::CreateTemplate {
                name: template.clone(),
                content: Content {
                    components: vec![Component {
                        key: "com.example.Agent".into(),
                        version: "1.1.0".into(),
                        merge: Some(r#"{"intervalSeconds":10}"#.into()),
                        reset: None,
                        run_with: None,
                    }],
                    job_settings: None,
                    policies: None,
                },
            },
        };
        let deploy = Step {
            at: begin.plus(Span::MINUTE),
            doing: "requesting the deployment".into(),
            command: Command::CreateDeploymentTask {
                key: task_key(setup.seed, u64::MAX),
                template,
                version: None,
                targets: deployment_task::Targets {
                    thing_names: None,
                    thing_group_names: Some(vec![everyone(setup)]),
                },
                job_settings: None,
            },
        };
        Self {
            steps: vec![deploy, create],
        }
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.steps.last().map(|step| step.at)
    }

    /// The next step, if it is due.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<Step> {
        self.steps.pop_if(|step| step.at <= now)
    }
}
