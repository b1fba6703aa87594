//! Pre-provisioning hooks: who is asked over HTTP before a device is provisioned. AWS IoT asks a Lambda function.
//!
//! Where to ask is for whoever starts the service to say, under a name; a template says only the name. So nobody who may
//! write templates makes the service connect to an address of their choice. Everything but a clear yes within
//! [`ANSWER_WITHIN`] is a no.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shipslog_domain::provisioning::Hook;
use shipslog_domain::thing::Attributes;
use shipslog_domain::{Fingerprint, limits};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use ureq::http::StatusCode;

use super::metrics::{Asked, Metrics};
use super::{Refused, WAIT_MAX};
use crate::access::Secret;
use crate::http_client;

/// How long a hook has to answer (AWS IoT: 5 seconds).
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Hooks that are asked at once; more requests wait.
pub const ASKED_MAX: usize = 32;
/// Longest answer of a hook, in bytes.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The form of the question where a template names none (AWS IoT: the only one).
const PAYLOAD_VERSION: &str = "2020-04-01";

/// Where a hook is asked.
#[derive(Clone, Debug)]
pub struct Endpoint {
    name: Box<str>,
    url: Box<str>,
    /// Sent as a bearer token.
    secret: Option<Secret>,
}

impl Endpoint {
    /// Reads `NAME=URL`. The URL is `https://…`, or `http://…` on this machine; the message says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, url) = text
            .split_once('=')
            .ok_or_else(|| format!("must be NAME=URL, not {text:?}"))?;
        let named = Hook {
            payload_version: None,
            target_arn: name.into(),
        };
        if named.name() != Ok(name) {
            return Err(format!(
                "{name:?} is no name of a hook; use 1 to {} characters of [a-zA-Z0-9_-]",
                limits::HOOK_NAME_BYTES_MAX
            ));
        }
        let uri: ureq::http::Uri = url
            .parse()
            .map_err(|error| format!("{url:?} is no URL: {error}"))?;
        let host = uri.host().unwrap_or_default();
        let is_here = host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        let has_user = uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'));
        match uri.scheme_str() {
            _ if host.is_empty() || has_user => Err(format!(
                "{url:?} must name a host, and no user; a secret belongs into a file"
            )),
            Some("https") => Ok(()),
            Some("http") if is_here => Ok(()),
            _ => Err(format!(
                "{url:?} must begin with https://, or with http:// on this machine"
            )),
        }?;
        Ok(Self {
            name: name.into(),
            url: url.into(),
            secret: None,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same, asked with a bearer token.
    #[must_use]
    pub fn with_secret(self, secret: Secret) -> Self {
        Self {
            secret: Some(secret),
            ..self
        }
    }
}

/// The hooks of a service.
#[derive(Debug)]
pub struct Hooks {
    by_name: BTreeMap<Box<str>, Endpoint>,
    places: Arc<Semaphore>,
    agent: ureq::Agent,
}

/// What a hook is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) claim: Option<Fingerprint>,
    pub(super) certificate: Fingerprint,
    pub(super) certificate_pem: String,
    pub(super) template_arn: String,
    pub(super) client_id: String,
    pub(super) parameters: Attributes,
}

impl Question {
    fn json(&self, payload_version: &str) -> Vec<u8> {
        let parameters = self.parameters.iter();
        let parameters: serde_json::Map<String, Value> = parameters
            .map(|(name, value)| (name.to_string(), value.as_ref().into()))
            .collect();
        let question = json!({
            "claimCertificateId": self.claim.map(|claim| claim.to_string()).unwrap_or_default(),
            "certificateId": self.certificate.to_string(),
            "certificatePem": self.certificate_pem,
            "templateArn": self.template_arn,
            "clientId": self.client_id,
            "parameters": parameters,
            "payloadVersion": payload_version,
        });
        question.to_string().into_bytes()
    }
}

impl Default for Hooks {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Hooks {
    /// Hooks by their names; of two with the same name the last one counts.
    #[must_use]
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        let is_tls = endpoints.iter().any(|one| one.url.starts_with("https:"));
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A connection that its other end has given up in the meantime must cost no device its provisioning.
            .max_idle_connections(0)
            .tls_config(http_client::tls(is_tls));
        let by_name = endpoints.into_iter();
        Self {
            by_name: by_name.map(|one| (one.name.clone(), one)).collect(),
            places: Arc::new(Semaphore::new(ASKED_MAX)),
            agent: config.build().into(),
        }
    }

    /// Whether a hook of this name is configured.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Asks a hook. What it has for the parameters is the answer to a yes.
    pub(super) async fn ask(
        &self,
        hook: &Hook,
        question: &Question,
        metrics: &Metrics,
    ) -> Result<Attributes, Refused> {
        let answer = self.answer(hook, question).await;
        let (counted, result) = match answer {
            Ok(Some(overrides)) => (Asked::Allowed, Ok(overrides)),
            Ok(None) => (Asked::Denied, Err(Refused::denied())),
            Err(Unanswered::Busy) => (Asked::Throttled, Err(Refused::throttled())),
            Err(Unanswered::Because(reason)) => {
                tracing::warn!(
                    hook = &*hook.target_arn,
                    certificate.id = %question.certificate,
                    client.id = question.client_id,
                    reason,
                    "a pre-provisioning hook gave no answer; the device is refused"
                );
                (Asked::Failed, Err(Refused::denied()))
            }
        };
        metrics.asked(counted);
        result
    }

    async fn answer(
        &self,
        hook: &Hook,
        question: &Question,
    ) -> Result<Option<Attributes>, Unanswered> {
        let name = hook.name().map_err(|rule| because(&rule))?;
        let endpoint = self.by_name.get(name).ok_or_else(|| {
            because(&format!(
                "no hook {name:?} is configured; start the service with --provisioning-hook {name}=URL"
            ))
        })?;
        let payload_version = hook.payload_version.as_deref().unwrap_or(PAYLOAD_VERSION);
        let body = question.json(payload_version);
        let place = timeout(WAIT_MAX, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.map_err(|_| Unanswered::Busy)?;
        let (agent, endpoint) = (self.agent.clone(), endpoint.clone());
        // The place is free when the call has ended, whether or not somebody still waits for its answer.
        let call = tokio::task::spawn_blocking(move || {
            let _place = place;
            call(&agent, &endpoint, &body)
        });
        let bytes = call.await.map_err(|_| because(&"the call panicked"))?;
        read(&bytes.map_err(|reason| because(&reason))?)
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Unanswered {
    Busy,
    Because(String),
}

fn because(reason: &dyn std::fmt::Display) -> Unanswered {
    Unanswered::Because(reason.to_string())
}

fn call(agent: &ureq::Agent, endpoint: &Endpoint, body: &[u8]) -> Result<Vec<u8>, String> {
    let mut request = agent
        .post(&*endpoint.url)
        .header("content-type", "application/json");
    if let Some(secret) = &endpoint.secret {
        request = request.header("authorization", format!("Bearer {}", secret.reveal()));
    }
    let mut response = request.send(body).map_err(|error| error.to_string())?;
    if response.status() != StatusCode::OK {
        return Err(format!("it answers {}", response.status()));
    }
    let answer = response
        .body_mut()
        .with_config()
        .limit(ANSWER_BYTES_MAX as u64);
    answer.read_to_vec().map_err(|error| error.to_string())
}

/// The overrides of a yes; nothing if it is a no.
fn read(bytes: &[u8]) -> Result<Option<Attributes>, Unanswered> {
    let answer: Value = serde_json::from_slice(bytes)
        .map_err(|error| because(&format!("its answer is not JSON: {error}")))?;
    match answer.get("allowProvisioning") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(None),
        _ => return Err(because(&"allowProvisioning must be true or false")),
    }
    let overrides = match answer.get("parameterOverrides") {
        None | Some(Value::Null) => return Ok(Some(Attributes::new())),
        Some(Value::Object(overrides)) => overrides,
        Some(_) => return Err(because(&"parameterOverrides must be an object")),
    };
    if overrides.len() > limits::PARAMETERS_MAX {
        return Err(because(&format!(
            "parameterOverrides must have at most {} members",
            limits::PARAMETERS_MAX
        )));
    }
    let mut parameters = Attributes::with_capacity(overrides.len());
    for (name, value) in overrides {
        let value = value
            .as_str()
            .filter(|value| {
                name.len() <= limits::DEVICE_PARAMETER_NAME_BYTES_MAX
                    && value.len() <= limits::DEVICE_PARAMETER_BYTES_MAX
            })
            .ok_or_else(|| {
                because(&format!(
                    "the members of parameterOverrides must be text of at most {} bytes",
                    limits::DEVICE_PARAMETER_BYTES_MAX
                ))
            })?;
        parameters.push((name.as_str().into(), value.into()));
    }
    Ok(Some(parameters))
}

#[cfg(test)]
mod tests;
