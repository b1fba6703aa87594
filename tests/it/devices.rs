//! Greengrass cores, played by hand over MQTT.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::Http;
use shipslog_tests::mqtt::{Mqtt, Version};

/// Namespace of Greengrass deployments.
pub(crate) const GREENGRASS: &str = "aws-gg-deployment";

/// A core device with a connection of its own.
pub(crate) struct Core {
    pub(crate) name: String,
    pub(crate) client: Mqtt,
}

impl Core {
    /// Connects, and reports its health, by which the core counts as connected.
    pub(crate) fn connect(fleet: &TestFleet, name: &str, version: Version) -> Self {
        let client = fleet.mqtt(name, version);
        client.report_health(name);
        let topic = format!("$aws/things/{name}/jobs/notify-next-namespace-{GREENGRASS}");
        assert_eq!(client.subscribe(&topic, 1), 1);
        Self {
            name: name.to_owned(),
            client,
        }
    }

    /// Waits for a deployment, works on it and ends it. Gives the deployment document.
    pub(crate) fn deploy(&self, outcome: Outcome) -> Value {
        let Self { name, client } = self;
        let told = loop {
            let told = client
                .take(&format!(
                    "$aws/things/{name}/jobs/notify-next-namespace-{GREENGRASS}"
                ))
                .json();
            // Nothing is pending any more when a deployment before it ended.
            if told["execution"].is_object() {
                break told;
            }
        };
        let job = told["execution"]["jobId"].as_str().unwrap();
        let topic = format!("$aws/things/{name}/jobs/{job}/namespace-{GREENGRASS}/update");
        client.accepted(&topic, &json!({ "status": "IN_PROGRESS" }));
        let (status, detail) = outcome.words();
        let details = json!({ "detailed-deployment-status": detail });
        client.accepted(
            &topic,
            &json!({ "status": status, "statusDetails": details }),
        );
        told["execution"]["jobDocument"].clone()
    }
}

/// How a deployment ends on a device.
#[derive(Clone, Copy)]
pub(crate) enum Outcome {
    Succeeds,
    Fails,
}

impl Outcome {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Succeeds => ("SUCCEEDED", "SUCCESSFUL"),
            Self::Fails => ("FAILED", "FAILED_ROLLBACK_COMPLETE"),
        }
    }
}

/// A template with one component of this version.
pub(crate) fn template(name: &str, component_version: &str) -> Value {
    json!({ "name": name, "components": [{ "key": "com.acme.Capture", "version": component_version }] })
}

/// Requests a deployment of a template version to cores and gives the path of its task.
pub(crate) fn request_deployment(
    http: &Http,
    template: &str,
    version: u32,
    cores: &[&str],
) -> String {
    let reply = http.cdf(
        "POST",
        "/deploymentTasks",
        &json!({ "template": { "name": template, "version": version }, "targets": { "thingNames": cores } }),
    );
    assert_eq!(reply.status, 202, "{}", reply.text());
    reply.header("location").unwrap().to_owned()
}
