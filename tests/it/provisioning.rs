//! Devices that provision themselves, played by mosquitto's clients over mutual TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use shipslog_tests::fleet::{TestFleet, is_installed};
use shipslog_tests::wait::{BOUND, wait_for};

const CREATE: &str = "$aws/certificates/create/json";
const PROVISION: &str = "$aws/provisioning-templates/pumps/provision/json";

/// A directory with the files of devices.
struct Files(tempfile::TempDir);

impl Files {
    fn of(fleet: &TestFleet) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        fs::copy(fleet.data_dir().join("ca/ca.pem"), files.path("ca.pem")).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn store(&self, device: &str, certificate: &Value, key: &Value) {
        for (kind, text) in [("pem", certificate), ("key", key)] {
            let path = self.path(&format!("{device}.{kind}"));
            fs::write(path, text.as_str().unwrap()).unwrap();
        }
    }

    /// One of mosquitto's clients with the certificate of a device.
    fn client(&self, fleet: &TestFleet, program: &str, device: &str, words: &[&str]) -> Output {
        let address = fleet.address("mqtts");
        let (_, port) = address.rsplit_once(':').unwrap();
        let mut command = Command::new(program);
        command
            .args(["-h", "localhost", "-p", port, "-W", "20", "--cafile"])
            .arg(self.path("ca.pem"))
            .arg("--cert")
            .arg(self.path(&format!("{device}.pem")))
            .arg("--key")
            .arg(self.path(&format!("{device}.key")))
            .args(words);
        command.output().unwrap()
    }

    /// Asks as a device under a client id, and waits for the answer.
    fn ask(
        &self,
        fleet: &TestFleet,
        (device, client_id): (&str, &str),
        (topic, answer): (&str, &str),
        payload: &Value,
    ) -> Value {
        let (answer, payload) = (format!("{topic}/{answer}"), payload.to_string());
        let words = ["-i", client_id, "-q", "1", "-t", topic, "-e", &answer];
        let words = [&words[..], &["-m", &payload]].concat();
        let answered = self.client(fleet, "mosquitto_rr", device, &words);
        let said = String::from_utf8_lossy(&answered.stdout);
        serde_json::from_str(&said)
            .unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&answered.stderr)))
    }

    /// Has the device take the job that waits for it.
    fn take(&self, fleet: &TestFleet, device: &str, thing: &str, job: &str) {
        fleet
            .http()
            .create_job(job, &[thing], json!({}))
            .expect(200);
        let topic = format!("$aws/things/{thing}/jobs/start-next");
        let asked = (topic.as_str(), "accepted");
        let started = self.ask(fleet, (device, thing), asked, &json!({}));
        assert_eq!(started["execution"]["jobId"], job);
    }
}

/// A template whose things are named so.
fn template(parameters: &Value, thing_name: &Value) -> Value {
    let body = json!({"Parameters": parameters, "Resources": {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": thing_name}},
        "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {
            "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"}},
        "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "fleet"}},
    }});
    Value::String(body.to_string())
}

fn prepare(fleet: &TestFleet) {
    let document = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "iot:*", "Resource": "*"}});
    let policy = json!({"policyDocument": document.to_string()});
    let http = fleet.http();
    http.iot("POST", "/policies/fleet", &policy).expect(200);
}

fn create_template(fleet: &TestFleet, name: &str, kind: &str, body: &Value) {
    let request = json!({
        "templateName": name, "templateBody": body, "enabled": true, "type": kind,
        "provisioningRoleArn": "arn:aws:iam::000000000000:role/any",
    });
    let http = fleet.http();
    http.iot("POST", "/provisioning-templates", &request)
        .expect(200);
}

#[test]
fn a_claim_leads_to_a_job_though_the_service_is_killed_on_the_way() {
    if !is_installed("mosquitto_rr") {
        return;
    }
    let mut fleet = TestFleet::start();
    let files = Files::of(&fleet);
    prepare(&fleet);
    let serial = json!({"SerialNumber": {"Type": "String"}});
    let named = json!({"Fn::Sub": "pump-${SerialNumber}"});
    create_template(
        &fleet,
        "pumps",
        "FLEET_PROVISIONING",
        &template(&serial, &named),
    );
    let path = "/provisioning-templates/pumps/provisioning-claim";
    let claim = fleet.http().iot("POST", path, &json!({})).expect(200);
    files.store(
        "claim",
        &claim["certificatePem"],
        &claim["keyPair"]["PrivateKey"],
    );
    let claimant = ("claim", "new-1");
    let handed = files.ask(&fleet, claimant, (CREATE, "accepted"), &json!({}));
    files.store("own", &handed["certificatePem"], &handed["privateKey"]);
    fleet.kill();
    fleet.restart();
    let request = json!({
        "certificateOwnershipToken": handed["certificateOwnershipToken"],
        "parameters": {"SerialNumber": "1"},
    });
    let granted = files.ask(&fleet, claimant, (PROVISION, "accepted"), &request);
    assert_eq!(
        granted,
        json!({"deviceConfiguration": {}, "thingName": "pump-1"})
    );
    let again = files.ask(&fleet, claimant, (PROVISION, "rejected"), &request);
    assert_eq!(again["statusCode"], 400);
    assert_eq!(again["errorCode"], "InvalidCertificateOwnershipToken");
    files.take(&fleet, "own", "pump-1", "first");
}

/// A CA of the operator's own, and a device certificate that it signed, made by OpenSSL.
fn operators_ca(directory: &Path) {
    let openssl = |words: &str| {
        let mut made = Command::new("openssl");
        made.current_dir(directory).args(words.split(' '));
        let made = made.output().unwrap();
        assert!(
            made.status.success(),
            "{words}\n{}",
            String::from_utf8_lossy(&made.stderr)
        );
    };
    const KEY: &str = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
    openssl(&format!(
        "req -x509 {KEY} -days 30 -subj /CN=own-ca -keyout own-ca.key -out own-ca.pem"
    ));
    openssl(&format!(
        "req -new {KEY} -subj /CN=valve-7 -keyout device.key -out device.csr"
    ));
    openssl(
        "x509 -req -in device.csr -CA own-ca.pem -CAkey own-ca.key -CAcreateserial -days 30 -out device.pem",
    );
}

#[test]
fn a_device_of_the_operator_s_ca_is_provisioned_by_connecting_twice() {
    if !is_installed("mosquitto_rr") || !is_installed("openssl") {
        return;
    }
    let fleet = TestFleet::start();
    let files = Files::of(&fleet);
    prepare(&fleet);
    let named = json!({"Ref": "AWS::IoT::Certificate::CommonName"});
    create_template(&fleet, "jitp", "JITP", &template(&json!({}), &named));
    operators_ca(files.0.path());
    let ca = json!({
        "caCertificate": fs::read_to_string(files.path("own-ca.pem")).unwrap(),
        "certificateMode": "SNI_ONLY",
        "registrationConfig": {
            "templateName": "jitp", "roleArn": "arn:aws:iam::000000000000:role/any"},
    });
    let path = "/cacertificate?setAsActive=true&allowAutoRegistration=true";
    fleet.http().iot("POST", path, &ca).expect(200);
    let words = ["-i", "valve-7", "-t", "x", "-e", "y", "-m", "first"];
    let first = files.client(&fleet, "mosquitto_rr", "device", &words);
    assert!(!first.status.success(), "the first connection ends");
    let said = String::from_utf8_lossy(&first.stderr);
    assert!(said.contains("Not authorized"), "{said}");
    // The device knows no position that a reader could wait for.
    let found = wait_for("the thing is there", BOUND, || {
        let thing = fleet.http().iot("GET", "/things/valve-7", &json!({}));
        (thing.status == 200).then(|| thing.json())
    });
    assert_eq!(found["thingName"], "valve-7");
    files.take(&fleet, "device", "valve-7", "first");
    let metrics = fleet.http().get("/metrics").text();
    let counted = r#"shipslog_provisioning_just_in_time_total{result="provisioned"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}
