//! A running service with a small fleet, asked through the schema.

use std::sync::Arc;

use async_graphql::{Executor, Request, Variables};
use serde_json::Value;
use shipslog_domain::command::{CoreRequest, ExecutionUpdate, Provisioned, ReportedStatus};
use shipslog_domain::core::{Health, HealthReport, InstalledComponent};
use shipslog_domain::deployment_task::Targets;
use shipslog_domain::template::{Component, Content};
use shipslog_domain::{
    Command, GroupName, JobName, Namespace, Position, ProvisioningTemplateName, TaskKey,
    TemplateName, ThingName,
};
use shipslog_gateway_core::artifacts::Store;
use shipslog_gateway_core::log::Log;
use shipslog_gateway_core::{App, Options, Service};

use crate::graphql::guard::Guarded;
use crate::graphql::limits::CATCH_UP_TIME;
use crate::graphql::{FleetSchema, schema};

const PROVISIONING: &str = r#"{
  "Parameters": {"ThingName": {"Type": "String"}},
  "Resources": {"thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "ThingName"}}}}
}"#;

pub(super) struct World {
    pub(super) schema: FleetSchema,
    pub(super) app: App,
    // Stopped before the directory goes.
    service: Option<Service>,
    directory: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop();
        }
    }
}

pub(super) fn thing(name: &str) -> ThingName {
    ThingName::parse(name).unwrap()
}

pub(super) fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Vec<(Box<str>, Box<str>)> {
    pairs
        .iter()
        .map(|&(key, value)| (key.into(), value.into()))
        .collect()
}

/// The names under `path` in every node of a connection.
pub(super) fn names<'a>(connection: &'a Value, field: &str) -> Vec<&'a str> {
    let nodes = connection["nodes"].as_array().unwrap();
    nodes
        .iter()
        .map(|node| node[field].as_str().unwrap())
        .collect()
}

impl World {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path()).unwrap();
        let options = Options {
            virtual_clock: true,
            ..Options::default()
        };
        let service = Service::start(log, options).unwrap();
        let app = service.app().clone();
        Self {
            schema: schema(&app),
            app,
            service: Some(service),
            directory,
        }
    }

    /// How the whole HTTP edge is set up over this service.
    pub(super) fn http_options(&self) -> crate::Options {
        let files = self.directory.path().join("artifacts");
        crate::Options::new(Arc::new(Store::open(&files).unwrap()))
    }

    /// Submits a command that must be accepted, and waits until the views have seen it.
    pub(super) async fn submit(&self, command: Command) -> Position {
        let receipt = self.app.submit(command).await.unwrap().unwrap();
        self.app
            .wait_for(receipt.position, CATCH_UP_TIME)
            .await
            .unwrap();
        receipt.position
    }

    /// Waits until the views have seen everything.
    pub(super) async fn settle(&self) {
        self.app
            .wait_for(self.app.head(), CATCH_UP_TIME)
            .await
            .unwrap();
    }

    /// The answer to a query, errors included.
    pub(super) async fn answer(&self, query: &str, variables: Value) -> Value {
        let request = Request::new(query).variables(Variables::from_json(variables));
        let response = Guarded::new(self.schema.clone()).execute(request).await;
        serde_json::to_value(response).unwrap()
    }

    /// The data that answers a query without errors.
    pub(super) async fn ask_with(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.answer(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer}");
        answer["data"].take()
    }

    pub(super) async fn ask(&self, query: &str) -> Value {
        self.ask_with(query, Value::Null).await
    }

    /// Code and message of the only error of a query.
    pub(super) async fn refusal(&self, query: &str) -> (String, String) {
        let answer = self.answer(query, Value::Null).await;
        let errors = answer["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {answer}"));
        let [error] = errors.as_slice() else {
            panic!("{query}: {answer}");
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&error["extensions"]["code"]), text(&error["message"]))
    }

    pub(super) async fn create_thing(&self, name: &str, attributes: &[(&str, &str)]) {
        self.submit(Command::CreateThing {
            name: thing(name),
            thing_type: None,
            attributes: pairs(attributes),
            billing_group: None,
        })
        .await;
    }

    /// Things `prefix-0000` and so on, submitted together.
    pub(super) async fn create_things(&self, prefix: &str, count: usize) {
        let created = (0..count).map(|number| {
            self.app.submit(Command::CreateThing {
                name: thing(&format!("{prefix}-{number:04}")),
                thing_type: None,
                attributes: pairs(&[("even", if number % 2 == 0 { "yes" } else { "no" })]),
                billing_group: None,
            })
        });
        for answer in futures_util::future::join_all(created).await {
            answer.unwrap().unwrap();
        }
        self.settle().await;
    }

    pub(super) async fn create_group(&self, name: &str, parent: Option<&str>, members: &[&str]) {
        self.submit(Command::CreateGroup {
            name: group(name),
            parent: parent.map(group),
            description: None,
            attributes: Vec::new(),
        })
        .await;
        for member in members {
            self.submit(Command::AddThingToGroup {
                group: group(name),
                thing: thing(member),
            })
            .await;
        }
    }

    /// Provisions cores, which then report their health. Returns the task.
    pub(super) async fn create_cores(&self, names: &[&str]) -> TaskKey {
        let template = ProvisioningTemplateName::parse("plain").unwrap();
        self.submit(Command::PutProvisioningTemplate {
            name: template.clone(),
            body: PROVISIONING.into(),
        })
        .await;
        let key = TaskKey::parse("core_task").unwrap();
        let request = |name: &&str| CoreRequest {
            name: thing(name),
            provisioning_template: template.clone(),
            parameters: pairs(&[("ThingName", name)]),
            cdf_parameters: None,
            generator: None,
        };
        self.submit(Command::CreateCoreTask {
            key,
            core_version: "2.12.0".into(),
            cores: names.iter().map(request).collect(),
        })
        .await;
        let count = u32::try_from(names.len()).unwrap();
        self.submit(Command::StartCoreTaskBatch {
            key,
            first: 0,
            count,
        })
        .await;
        for item in 0..count {
            self.submit(Command::FinishCoreTaskItem {
                key,
                item,
                result: Ok(Provisioned::default()),
            })
            .await;
        }
        for name in names {
            self.report_health(name).await;
        }
        key
    }

    pub(super) async fn report_health(&self, name: &str) {
        let component = InstalledComponent {
            name: "com.example.Pump".into(),
            version: "1.0.0".into(),
            state: "RUNNING".into(),
            is_root: true,
        };
        let report = HealthReport {
            nucleus_version: "2.12.0".into(),
            platform: "linux".into(),
            architecture: "arm64".into(),
            health: Health::Healthy,
            sequence_number: 1,
            complete: true,
            components: vec![component],
            device_time: 0,
        };
        self.submit(Command::ReportHealth {
            thing: thing(name),
            report: Box::new(report),
        })
        .await;
    }

    pub(super) async fn create_template(&self, name: &str) {
        self.submit(Command::CreateTemplate {
            name: TemplateName::parse(name).unwrap(),
            content: content("1.0.0"),
        })
        .await;
    }

    pub(super) async fn update_template(&self, name: &str) {
        self.submit(Command::UpdateTemplate {
            name: TemplateName::parse(name).unwrap(),
            content: content("2.0.0"),
            expected_version: None,
        })
        .await;
    }

    /// Deploys the newest version of a template. Returns the task.
    pub(super) async fn deploy(&self, key: &str, template: &str, cores: &[&str]) -> TaskKey {
        let key = TaskKey::parse(key).unwrap();
        self.submit(Command::CreateDeploymentTask {
            key,
            template: TemplateName::parse(template).unwrap(),
            version: None,
            targets: Targets {
                thing_names: Some(cores.iter().map(|&name| name.into()).collect()),
                thing_group_names: None,
                ..Targets::default()
            },
            job_settings: None,
        })
        .await;
        self.advance(0).await;
        key
    }

    /// Lets virtual time pass, and everything due happen.
    pub(super) async fn advance(&self, minutes: u32) {
        let span = shipslog_domain::Span::minutes(minutes);
        self.app.advance_clock(span).await.unwrap().unwrap();
        self.settle().await;
    }

    /// Reports on the execution of a job on a thing.
    pub(super) async fn report(
        &self,
        name: &str,
        job: &str,
        status: ReportedStatus,
        details: &[(&str, &str)],
    ) {
        let query = "query($id: ID!) { job(id: $id) { namespace } }";
        let found = self.ask_with(query, serde_json::json!({ "id": job })).await;
        let namespace = found["job"]["namespace"].as_str();
        self.submit(Command::UpdateExecution {
            update: Box::new(ExecutionUpdate {
                thing: thing(name),
                job: JobName::parse(job).unwrap(),
                namespace: namespace.map(|name| Namespace::parse(name).unwrap()),
                status,
                details: (!details.is_empty()).then(|| pairs(details)),
                expected_version: None,
                number: None,
                step_timer: None,
            }),
        })
        .await;
    }
}

fn content(version: &str) -> Content {
    Content {
        components: vec![Component {
            key: "com.example.Pump".into(),
            version: version.into(),
            merge: Some("{\"pressure\":3}".into()),
            reset: Some(vec!["/flow".into()]),
            run_with: None,
        }],
        ..Content::default()
    }
}
