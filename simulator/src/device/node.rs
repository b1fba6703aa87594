//! A node of container services: it starts the containers of a version one after the other, waits until the public one
//! is healthy, and keeps what runs when the next version does not.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use shipslog_domain::execution::Status;

use super::duty::{Course, Draws, Words};

/// What a node runs: the version of each service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    services: BTreeMap<Box<str>, u32>,
    run: Option<Run>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    service: Box<str>,
    /// What runs of the service from here on; `None`: nothing.
    version: Option<u32>,
    is_checked: bool,
    /// Why it fails.
    failure: Option<Box<str>>,
}

/// What a node is told, as far as it acts on it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    operation: Operation,
    container_service_name: Box<str>,
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    containers: BTreeMap<Box<str>, IgnoredAny>,
    #[serde(default)]
    public_endpoint: Option<Endpoint>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Operation {
    Run,
    Stop,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    health_check: HealthCheck,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HealthCheck {
    healthy_threshold: u64,
    unhealthy_threshold: u64,
    interval_seconds: u64,
}

impl Node {
    /// The version of a service that runs here.
    #[must_use]
    pub fn version(&self, service: &str) -> Option<u32> {
        self.services.get(service).copied()
    }

    pub(super) fn abandon(&mut self) {
        self.run = None;
    }

    pub(super) fn begin(&mut self, document: &str, draws: &Draws<'_>) -> Course {
        let document = match serde_json::from_str::<Document>(document) {
            Ok(document) => document,
            Err(error) => {
                let failure = format!("the document cannot be read: {error}");
                self.run = Some(Run {
                    service: Box::default(),
                    version: None,
                    is_checked: false,
                    failure: Some(failure.into()),
                });
                return Course::at_once(Status::Rejected);
            }
        };
        let is_run = document.operation == Operation::Run;
        let mut course = Course {
            length_ms: 0,
            download_ms: 0,
            end: None,
        };
        let containers = if is_run { document.containers.len() } else { 0 };
        for index in 0..u64::try_from(containers).unwrap_or(u64::MAX) {
            let (download, start) = draws.part(index);
            course.download_ms += download;
            course.length_ms += download + start;
        }
        let failure = draws.reason().filter(|_| is_run);
        let endpoint = document.public_endpoint.filter(|_| is_run);
        if let Some(endpoint) = &endpoint {
            let check = &endpoint.health_check;
            let checks = match failure {
                Some(_) => check.unhealthy_threshold,
                None => check.healthy_threshold,
            };
            course.length_ms += checks * check.interval_seconds * 1_000;
        }
        // Containers always stop.
        course.end = (!is_run).then_some(Status::Succeeded);
        self.run = Some(Run {
            service: document.container_service_name,
            version: document.version.filter(|_| is_run),
            is_checked: endpoint.is_some(),
            failure: failure.map(Into::into),
        });
        course
    }

    pub(super) fn finish(&mut self) -> Words {
        let Some(run) = self.run.take() else {
            return Words::new();
        };
        if let Some(failure) = run.failure {
            return vec![("cause", failure.clone()), ("reason", failure)];
        }
        match run.version {
            Some(version) => drop(self.services.insert(run.service, version)),
            None => drop(self.services.remove(&run.service)),
        }
        if run.is_checked {
            return vec![("health", "HEALTHY".into())];
        }
        Words::new()
    }
}

#[cfg(test)]
mod tests;
