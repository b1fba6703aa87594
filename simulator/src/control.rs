//! The operator: provisions, deploys and asks for figures over public HTTP, as any client of the service would.
//!
//! Calls block. They belong on a thread of their own, as in [`crate::run`], never inside an async task.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use ureq::http::{HeaderMap, Method, Request};

mod bearer;
mod greengrass;
mod iot;
mod summary;

pub use bearer::Bearer;
pub use greengrass::ComponentsOrder;
pub(crate) use iot::settings;
pub use iot::{ExecutionSummary, JobOrder};
pub use summary::{FleetSummary, TemplateUse, VersionUse};

/// The one version of the CDF API.
pub const CDF_MEDIA_TYPE: &str = "application/vnd.aws-cdf-v1.0+json";
/// Says that a request is for AWS IoT. The service reads the scope; it does not check the signature of a request on
/// loopback.
const IOT_SCOPE: &str = "AWS4-HMAC-SHA256 Credential=SIMULATOR/20260101/us-east-1/iot/aws4_request, \
    SignedHeaders=host, Signature=0000000000000000000000000000000000000000000000000000000000000000";
/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long each step of a request may take.
const ANSWER_TIME_MAX: Option<Duration> = Some(Duration::from_secs(60));
/// How often a request is sent to a service that says it is busy.
const TRIES_MAX: u32 = 20;
/// How long to wait before asking a busy service, or for the state of a task, again.
const PAUSE: Duration = Duration::from_millis(50);
/// What an error message shows of an answer's body.
const BODY_SHOWN_CHARACTERS: usize = 500;

/// Why the operator did not get what it asked for.
#[derive(Debug, Error)]
pub enum Failure {
    /// No answer came.
    #[error("{method} {path} got no answer")]
    Transport {
        /// Of the request.
        method: Method,
        /// Of the request.
        path: String,
        /// What went wrong.
        #[source]
        source: Box<ureq::Error>,
    },
    /// An answer with a status that means failure.
    #[error("{method} {path} was answered {status}: {}", shortened(.body))]
    Status {
        /// Of the request.
        method: Method,
        /// Of the request.
        path: String,
        /// Of the answer.
        status: u16,
        /// Of the answer, whole.
        body: String,
    },
    /// An answer that does not have the documented form.
    #[error("the answer to {method} {path} has {what}")]
    Form {
        /// Of the request.
        method: Method,
        /// Of the request.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// A task ended in failure.
    #[error("task {id} failed: {why}")]
    Task {
        /// Its id.
        id: String,
        /// The first message that says why.
        why: String,
    },
    /// A task did not end in time.
    #[error("task {id} is still {status} after {waited:?}")]
    Deadline {
        /// Its id.
        id: String,
        /// How it stands.
        status: String,
        /// How long was waited.
        waited: Duration,
    },
}

fn shortened(body: &str) -> String {
    if body.is_empty() {
        return "(empty body)".into();
    }
    body.chars().take(BODY_SHOWN_CHARACTERS).collect()
}

/// Which of the service's APIs a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    Own,
    Cdf,
    Iot,
    /// Its paths say what they are for.
    Greengrass,
}

impl Api {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Cdf => CDF_MEDIA_TYPE,
            Self::Own | Self::Iot | Self::Greengrass => "application/json",
        }
    }
}

/// A client of the service's HTTP API.
#[derive(Clone, Debug)]
pub struct Operator {
    agent: ureq::Agent,
    base: String,
    bearer: Option<Bearer>,
}

/// One core of a core task.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CoreRequest {
    /// Core and thing name.
    pub name: String,
    /// How it is provisioned.
    pub provisioning_template: String,
    /// Parameters of the provisioning template.
    pub provisioning_parameters: BTreeMap<String, String>,
    /// What the CDF section of the provisioning template needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdf_provisioning_parameters: Option<Value>,
    /// Which installer configuration to make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_file_generator: Option<String>,
}

/// A core task, or a deployment task, as CDF shows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its id.
    pub id: String,
    /// `Waiting`, `InProgress`, `Success` or `Failure`.
    pub task_status: String,
    /// Why, where the task as a whole failed.
    #[serde(default)]
    pub status_message: Option<String>,
    /// Items of a core task.
    #[serde(default)]
    pub cores: Vec<TaskItem>,
    /// Items of a deployment task.
    #[serde(default)]
    pub deployments: Vec<TaskItem>,
}

/// One core of a task.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskItem {
    /// Name of the core.
    #[serde(alias = "coreName")]
    pub name: String,
    /// `Waiting`, `InProgress`, `Success` or `Failure`.
    pub task_status: String,
    /// Why it failed.
    #[serde(default)]
    pub status_message: Option<String>,
}

impl Task {
    /// Whether every item has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        ["Success", "Failure"].contains(&self.task_status.as_str())
    }

    fn why(&self) -> String {
        let mut items = self.cores.iter().chain(&self.deployments);
        let failed = items.find(|item| item.task_status == "Failure");
        let item = failed.map(|item| {
            let message = item.status_message.as_deref().unwrap_or("no message");
            format!("{}: {message}", item.name)
        });
        item.or_else(|| self.status_message.clone())
            .unwrap_or_else(|| "no message".into())
    }
}

/// What a deployment is for.
#[derive(Clone, Debug)]
pub enum Targets<'a> {
    /// These cores.
    Things(&'a [String]),
    /// The members of this thing group.
    Group(&'a str),
}

impl Operator {
    /// A client of the service at `http://HOST:PORT`, or `HOST:PORT`.
    #[must_use]
    pub fn new(address: &str) -> Self {
        let address = address.trim_end_matches('/');
        let base = if address.contains("://") {
            address.to_owned()
        } else {
            format!("http://{address}")
        };
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // One for a whole request would bound the look-up of its host too, which takes a thread for each.
            .timeout_connect(ANSWER_TIME_MAX)
            .timeout_send_request(ANSWER_TIME_MAX)
            .timeout_send_body(ANSWER_TIME_MAX)
            .timeout_recv_response(ANSWER_TIME_MAX)
            .timeout_recv_body(ANSWER_TIME_MAX)
            .build()
            .new_agent();
        Self {
            agent,
            base,
            bearer: None,
        }
    }

    /// The same client with a bearer token, if there is one.
    #[must_use]
    pub fn with_bearer(self, bearer: Option<Bearer>) -> Self {
        Self { bearer, ..self }
    }

    /// Stores a provisioning template.
    pub fn put_provisioning_template(&self, id: &str, document: &Value) -> Result<(), Failure> {
        let path = format!("/provisioningTemplates/{id}");
        self.send(Method::PUT, &path, Api::Own, Some(document))?;
        Ok(())
    }

    /// Asks for cores to be provisioned; gives the task's id.
    pub fn create_core_task(
        &self,
        version: &str,
        cores: &[CoreRequest],
    ) -> Result<String, Failure> {
        let body = json!({"type": "Create", "coreVersion": version, "cores": cores});
        let (headers, _) = self.cdf(Method::POST, "/coreTasks", Some(&body))?;
        task_id(&headers, "/coreTasks")
    }

    /// A core task.
    pub fn core_task(&self, id: &str) -> Result<Task, Failure> {
        self.cdf_get(&format!("/coreTasks/{id}"))
    }

    /// Waits until a core task has ended well.
    pub fn wait_for_core_task(&self, id: &str, deadline: Instant) -> Result<Task, Failure> {
        self.wait(id, deadline, || self.core_task(id))
    }

    /// Creates version 1 of a template; gives the version.
    pub fn create_template(&self, body: &Value) -> Result<u32, Failure> {
        let path = "/templates";
        let (headers, _) = self.cdf(Method::POST, path, Some(body))?;
        version(&headers, Method::POST, path)
    }

    /// Creates the next version of a template; gives the version.
    pub fn update_template(&self, name: &str, body: &Value) -> Result<u32, Failure> {
        let path = format!("/templates/{name}");
        let (headers, _) = self.cdf(Method::PUT, &path, Some(body))?;
        version(&headers, Method::PUT, &path)
    }

    /// Creates the template, or its next version if there is one already.
    pub fn store_template(&self, name: &str, body: &Value) -> Result<u32, Failure> {
        match self.create_template(body) {
            Err(Failure::Status { status: 409, .. }) => self.update_template(name, body),
            created => created,
        }
    }

    /// Asks for a template version to be deployed; gives the task's id.
    pub fn create_deployment_task(
        &self,
        template: &str,
        version: u32,
        targets: &Targets<'_>,
    ) -> Result<String, Failure> {
        let targets = match targets {
            Targets::Things(names) => json!({"thingNames": names}),
            Targets::Group(name) => json!({"thingGroupNames": [name]}),
        };
        let body = json!({"template": {"name": template, "version": version}, "targets": targets});
        let (headers, _) = self.cdf(Method::POST, "/deploymentTasks", Some(&body))?;
        task_id(&headers, "/deploymentTasks")
    }

    /// Asks for a template version to be deployed to the members of groups, with job settings of its own; gives the
    /// task's id.
    pub fn deploy_to_groups(
        &self,
        template: &str,
        version: u32,
        groups: &[String],
        job_config: Option<&Value>,
    ) -> Result<String, Failure> {
        let targets = json!({"thingGroupNames": groups});
        let mut body =
            json!({"template": {"name": template, "version": version}, "targets": targets});
        if let Some(config) = job_config {
            body["iotJobConfig"] = config.clone();
        }
        let (headers, _) = self.cdf(Method::POST, "/deploymentTasks", Some(&body))?;
        task_id(&headers, "/deploymentTasks")
    }

    /// A deployment task with all its cores.
    pub fn deployment_task(&self, id: &str) -> Result<Task, Failure> {
        self.cdf_get(&format!("/deploymentTasks/{id}"))
    }

    /// Waits until a deployment task has ended well: every core was told what to run, not that it runs it.
    pub fn wait_for_deployment_task(&self, id: &str, deadline: Instant) -> Result<Task, Failure> {
        self.wait(id, deadline, || self.deployment_task(id))
    }

    /// How the fleet stands.
    pub fn fleet_summary(&self) -> Result<FleetSummary, Failure> {
        self.cdf_get("/fleet/summary")
    }

    /// Asks the GraphQL endpoint; gives `data`.
    pub fn graphql(&self, query: &str, variables: &Value) -> Result<Value, Failure> {
        let body = json!({"query": query, "variables": variables});
        let (method, path) = (Method::POST, "/graphql");
        let (_, text) = self.send(method.clone(), path, Api::Own, Some(&body))?;
        let mut answer: Value = parse(&method, path, &text)?;
        match answer.get("errors") {
            None | Some(Value::Null) => Ok(answer["data"].take()),
            Some(errors) => Err(Failure::Form {
                method,
                path: path.into(),
                what: format!("errors: {errors}"),
            }),
        }
    }

    /// The position in the log that answers reflect: the number of events so far.
    pub fn position(&self) -> Result<u64, Failure> {
        let data = self.graphql("{ position }", &Value::Null)?;
        data["position"].as_u64().ok_or_else(|| Failure::Form {
            method: Method::POST,
            path: "/graphql".into(),
            what: format!("no position: {data}"),
        })
    }

    fn wait(
        &self,
        id: &str,
        deadline: Instant,
        look: impl Fn() -> Result<Task, Failure>,
    ) -> Result<Task, Failure> {
        let begun = Instant::now();
        loop {
            let task = look()?;
            if task.task_status == "Failure" {
                return Err(Failure::Task {
                    id: id.into(),
                    why: task.why(),
                });
            }
            if task.is_over() {
                return Ok(task);
            }
            if Instant::now() >= deadline {
                return Err(Failure::Deadline {
                    id: id.into(),
                    status: task.task_status,
                    waited: begun.elapsed(),
                });
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn cdf_get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let (_, text) = self.cdf(Method::GET, path, None)?;
        parse(&Method::GET, path, &text)
    }

    fn cdf(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(HeaderMap, String), Failure> {
        self.send(method, path, Api::Cdf, body)
    }

    /// Sends a request, again if the service is busy: writes carry a key, so that one that was done and not answered
    /// is not done twice.
    fn send(
        &self,
        method: Method,
        path: &str,
        api: Api,
        body: Option<&Value>,
    ) -> Result<(HeaderMap, String), Failure> {
        let key = idempotency_key();
        let mut tries = 0;
        loop {
            tries += 1;
            let sent = self.send_once(&method, path, api, body, &key);
            match sent {
                Err(Failure::Status { status: 503, .. }) if tries < TRIES_MAX => {
                    std::thread::sleep(PAUSE * tries);
                }
                other => return other,
            }
        }
    }

    fn send_once(
        &self,
        method: &Method,
        path: &str,
        api: Api,
        body: Option<&Value>,
        key: &str,
    ) -> Result<(HeaderMap, String), Failure> {
        let transport = |source: ureq::Error| Failure::Transport {
            method: method.clone(),
            path: path.into(),
            source: Box::new(source),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("accept", api.media_type());
        if let Some(token) = self.bearer.as_ref().map(Bearer::reveal) {
            request = request.header("authorization", format!("Bearer {token}"));
        } else if api == Api::Iot {
            request = request.header("authorization", IOT_SCOPE);
        }
        let answer = match body {
            None => request
                .body(())
                .map_err(|error| transport(error.into()))
                .and_then(|request| self.agent.run(request).map_err(transport)),
            Some(body) => request
                .header("content-type", api.media_type())
                .header("idempotency-key", key)
                .body(body.to_string())
                .map_err(|error| transport(error.into()))
                .and_then(|request| self.agent.run(request).map_err(transport)),
        };
        let (parts, mut body) = answer?.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES_MAX);
        let body = body.read_to_string().map_err(transport)?;
        if parts.status.is_success() {
            return Ok((parts.headers, body));
        }
        Err(Failure::Status {
            method: method.clone(),
            path: path.into(),
            status: parts.status.as_u16(),
            body,
        })
    }
}

/// Different for each request of all clients, as far as clocks can tell them apart.
fn idempotency_key() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    format!(
        "simulator-{}-{}-{}",
        std::process::id(),
        since_epoch.unwrap_or_default().as_nanos(),
        REQUESTS.fetch_add(1, Ordering::Relaxed)
    )
}

fn parse<T: DeserializeOwned>(method: &Method, path: &str, text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Form {
        method: method.clone(),
        path: path.into(),
        what: format!("another form: {error}"),
    })
}

fn header<'a>(
    headers: &'a HeaderMap,
    name: &str,
    method: Method,
    path: &str,
) -> Result<&'a str, Failure> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or_else(|| Failure::Form {
        method,
        path: path.into(),
        what: format!("no header {name}"),
    })
}

fn task_id(headers: &HeaderMap, path: &str) -> Result<String, Failure> {
    header(headers, "x-taskid", Method::POST, path).map(Into::into)
}

fn version(headers: &HeaderMap, method: Method, path: &str) -> Result<u32, Failure> {
    let text = header(headers, "x-version", method.clone(), path)?;
    text.parse().map_err(|_| Failure::Form {
        method,
        path: path.into(),
        what: format!("x-version {text:?}, which is no number"),
    })
}

#[cfg(test)]
mod tests;
