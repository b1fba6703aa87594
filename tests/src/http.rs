//! A client of the HTTP side, over real sockets.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

use crate::wait::{BOUND, wait_for};

/// The media type of CDF.
pub const CDF: &str = "application/vnd.aws-cdf-v1.0+json";

/// The longest answer that a test reads.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A client of one service.
#[derive(Clone, Debug)]
pub struct Http {
    base: String,
    agent: Agent,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The body of a request that must have succeeded; null if it is empty.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// `x-shipslog-position`.
    pub fn position(&self) -> u64 {
        let position = self
            .header("x-shipslog-position")
            .and_then(|value| value.parse().ok());
        position.unwrap_or_else(|| panic!("no position: {self:?}"))
    }
}

impl Http {
    /// A client of the service at `HOST:PORT`.
    pub fn new(address: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self {
            base: format!("http://{address}"),
            agent: config.into(),
        }
    }

    /// Sends one request. `None`: the connection broke, as it does when the service is killed.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Reply> {
        self.attempt(method, path, headers, body).ok()
    }

    fn attempt(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply, ureq::Error> {
        let mut request = Request::builder().method(method);
        request = request.uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // Without a body a client must not announce one either.
        let bare = body.is_empty() && matches!(method, "GET" | "HEAD" | "DELETE" | "OPTIONS");
        let mut answer = if bare {
            self.agent.run(request.body(())?)?
        } else {
            self.agent.run(request.body(body)?)?
        };
        let headers = answer.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        Ok(Reply {
            status: answer.status().as_u16(),
            headers: headers.collect(),
            body: answer
                .body_mut()
                .with_config()
                .limit(ANSWER_BYTES_MAX)
                .read_to_vec()?,
        })
    }

    /// Sends one request that must be answered, and not with a defect of the service.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let reply = self.attempt(method, path, headers, body);
        let reply = reply.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!(
            reply.status < 500,
            "{method} {path}: {} {}",
            reply.status,
            reply.text()
        );
        reply
    }

    /// A request without anything special.
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], &[])
    }

    /// A request of the Connected Device Framework.
    pub fn cdf(&self, method: &str, path: &str, body: &Value) -> Reply {
        let (headers, body) = cdf(body);
        self.send(method, path, &headers, &body)
    }

    /// The same while the service may be killed.
    pub fn try_cdf(&self, method: &str, path: &str, body: &Value) -> Option<Reply> {
        let (headers, body) = cdf(body);
        self.try_send(method, path, &headers, &body)
    }

    /// A read of the Connected Device Framework that must succeed.
    pub fn cdf_get(&self, path: &str) -> Value {
        self.cdf("GET", path, &Value::Null).expect(200)
    }

    /// A request of our own endpoints with a JSON body.
    pub fn own(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.send(
            method,
            path,
            &[("content-type", "application/json")],
            &bytes(body),
        )
    }

    /// A request of AWS IoT's control plane.
    pub fn iot(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.aws("iot", method, path, body)
    }

    /// A request that is signed for an AWS service; the signature itself is made up.
    pub fn aws(&self, service: &str, method: &str, path: &str, body: &Value) -> Reply {
        let signature = signature(service);
        let headers = [
            ("authorization", signature.as_str()),
            ("content-type", "application/json"),
        ];
        self.send(method, path, &headers, &bytes(body))
    }

    /// A request for an operation of a service that speaks JSON 1.1, whose targets begin with `prefix`.
    pub fn aws_target(&self, service: &str, prefix: &str, operation: &str, body: &Value) -> Reply {
        let signature = signature(service);
        let target = format!("{prefix}.{operation}");
        let headers = [
            ("authorization", signature.as_str()),
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target.as_str()),
        ];
        self.send("POST", "/", &headers, &bytes(body))
    }

    /// Moves the virtual clock.
    pub fn advance(&self, by: Duration) -> Value {
        let milliseconds = u64::try_from(by.as_millis()).expect("tests last less than an age");
        self.own(
            "POST",
            "/admin/clock",
            &json!({ "advanceMs": milliseconds }),
        )
        .expect(200)
    }

    /// Registers things.
    pub fn create_things<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            self.iot("POST", &format!("/things/{name}"), &json!({}))
                .expect(200);
        }
    }

    /// Creates a plain job for things, with more members than the usual ones.
    pub fn create_job(&self, name: &str, things: &[&str], more: Value) -> Reply {
        let arn = |thing: &&str| format!("arn:aws:iot:us-east-1:000000000000:thing/{thing}");
        let targets: Vec<String> = things.iter().map(arn).collect();
        let mut body =
            json!({ "targets": targets, "document": json!({ "job": name }).to_string() });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        self.iot("PUT", &format!("/jobs/{name}"), &body)
    }

    /// What the control plane says about a thing's run of a job.
    pub fn execution(&self, job: &str, thing: &str) -> Value {
        let mut body = self
            .iot("GET", &format!("/things/{thing}/jobs/{job}"), &Value::Null)
            .expect(200);
        body["execution"].take()
    }

    /// Waits until a task of CDF has ended, and gives it.
    pub fn task_ended(&self, path: &str) -> Value {
        wait_for(&format!("{path} ends"), BOUND, || {
            let task = self.cdf_get(path);
            matches!(task["taskStatus"].as_str(), Some("Success" | "Failure")).then_some(task)
        })
    }

    /// Provisions cores by a template of this name that makes certificates, and waits until that is done.
    pub fn create_cores(&self, template: &str, names: &[&str]) -> Value {
        self.own(
            "PUT",
            &format!("/provisioningTemplates/{template}"),
            &provisioning_template(),
        )
        .expect(204);
        let task = self.cdf("POST", "/coreTasks", &core_task(template, names));
        assert_eq!(task.status, 202, "{}", task.text());
        self.task_ended(task.header("location").expect("a task has a location"))
    }
}

fn cdf(body: &Value) -> (Vec<(&'static str, &'static str)>, Vec<u8>) {
    let mut headers = vec![("accept", CDF)];
    if !body.is_null() {
        headers.push(("content-type", CDF));
    }
    (headers, bytes(body))
}

fn signature(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

fn bytes(body: &Value) -> Vec<u8> {
    if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    }
}

/// A page token as it stands in a query: it is Base64, whose plus sign would mean a space.
pub fn in_query(token: &str) -> String {
    let token = token.replace('+', "%2B");
    token.replace('/', "%2F").replace('=', "%3D")
}

/// A provisioning template that makes a key and a certificate for each core.
pub fn provisioning_template() -> Value {
    json!({
        "Parameters": {
            "ThingName": { "Type": "String" },
            "CertificatePem": { "Type": "String" },
            "CaCertificatePem": { "Type": "String" },
        },
        "Resources": {
            "thing": { "Type": "AWS::IoT::Thing", "Properties": { "ThingName": { "Ref": "ThingName" } } },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {
                    "CertificatePem": { "Ref": "CertificatePem" },
                    "CACertificatePem": { "Ref": "CaCertificatePem" },
                    "Status": "ACTIVE",
                },
            },
            "policy": { "Type": "AWS::IoT::Policy", "Properties": { "PolicyName": "core-policy" } },
        },
        "CDF": { "createDeviceCertificate": true },
    })
}

/// A request for cores by that template, with certificates and installer configurations.
pub fn core_task(template: &str, names: &[&str]) -> Value {
    let core = |name: &&str| {
        json!({
            "name": name,
            "provisioningTemplate": template,
            "provisioningParameters": { "ThingName": name },
            "cdfProvisioningParameters": { "caId": "default", "certInfo": { "country": "US" } },
            "configFileGenerator": "MANUAL_INSTALL",
        })
    };
    let cores: Vec<Value> = names.iter().map(core).collect();
    json!({ "type": "Create", "coreVersion": "2.12.0", "cores": cores })
}
