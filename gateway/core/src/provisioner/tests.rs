use std::io::Read;
use std::path::Path;

use shipslog_domain::command::CoreRequest;
use shipslog_domain::core_task::{self, CdfParameters, Outcome};
use shipslog_domain::thing::Attributes;
use shipslog_domain::{
    Event, Fleet, Position, ProvisioningTemplateName, ThingName, certificate, core,
};

use super::*;
use crate::app::{Options, Service};
use crate::artifacts::{DEFAULT_BUCKET, Name};
use crate::log::Log;
use crate::pki;
use crate::random;

/// How long a task may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(20);

const ISSUE: &str = r#"{
    "Parameters": {"ThingName": {"Type": "String"}, "CertificatePem": {"Type": "String"}, "CaCertificatePem": {"Type": "String"}},
    "Resources": {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "ThingName"}}},
        "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {
            "CertificatePem": {"Ref": "CertificatePem"}, "CACertificatePem": {"Ref": "CaCertificatePem"}, "Status": "ACTIVE"}},
        "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "core"}}
    },
    "CDF": {"createDeviceCertificate": true}
}"#;
const PLAIN: &str = r#"{"Parameters": {"ThingName": {"Type": "String"}},
    "Resources": {"thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "ThingName"}}}}}"#;
const CERTIFICATE: &str = r#"{"Parameters": {"ThingName": {"Type": "String"}, "Value": {"Type": "String"}},
    "Resources": {"thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "ThingName"}}},
                  "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {"PROPERTY": {"Ref": "Value"}}}}}"#;

struct House {
    service: Service,
    workshop: Workshop,
    runtime: Runtime,
}

impl House {
    fn open(directory: &Path) -> Self {
        let log = Log::open(directory).expect("the log opens");
        let service = Service::start(log, Options::default()).expect("the service starts");
        let now = service.app().now();
        let authority = Authority::open(&directory.join("ca"), &pki::Settings::default(), now);
        let artifacts = Store::open(&directory.join("artifacts"));
        Self {
            service,
            workshop: Workshop {
                authority: Arc::new(authority.expect("the CA opens")),
                artifacts: Arc::new(artifacts.expect("the store opens")),
                installer: installer::Settings::default(),
            },
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime"),
        }
    }

    fn app(&self) -> &App {
        self.service.app()
    }

    fn provision(&self) -> Provisioner {
        Provisioner::start(self.app(), self.workshop.clone()).expect("the provisioner starts")
    }

    fn submit(&self, command: Command) {
        let decided = self
            .app()
            .submit_blocking(command)
            .expect("the service runs");
        decided.expect("accepted");
    }

    fn template(&self, name: &str, body: &str) {
        self.submit(Command::PutProvisioningTemplate {
            name: ProvisioningTemplateName::parse(name).expect("a name"),
            body: body.into(),
        });
    }

    fn request(&self, cores: Vec<CoreRequest>) -> TaskKey {
        let key = random::task_key();
        self.submit(Command::CreateCoreTask {
            key,
            core_version: "2.5.0".into(),
            cores,
        });
        key
    }

    fn fleet<T: Send + 'static>(&self, read: impl FnOnce(&Fleet) -> T + Send + 'static) -> T {
        self.app().read_blocking(read).expect("the service runs")
    }

    /// Every event so far.
    fn events(&self) -> Vec<Event> {
        let mut follower = self.app().follow(Position::START);
        let mut events = Vec::new();
        while let Some(commit) = follower.try_next() {
            let commit = commit.expect("the log can be read");
            events.extend(commit.events.iter().map(|recorded| recorded.event.clone()));
        }
        events
    }

    /// Waits until the task has ended, and returns how its items ended, in their order.
    fn results(&self, key: TaskKey) -> Vec<(Outcome, Option<String>)> {
        let app = self.app().clone();
        let wait = async {
            let mut follower = app.follow(Position::START);
            let (mut task, mut results) = (None, Vec::new());
            while let Some(commit) = follower.next().await {
                for recorded in &commit.expect("the log can be read").events {
                    let Event::CoreTask(event) = &recorded.event else {
                        continue;
                    };
                    if let core_task::Event::CreateRequested { key: found, .. } = event
                        && *found == key
                    {
                        task = Some(recorded.stream);
                    }
                    if task != Some(recorded.stream) {
                        continue;
                    }
                    if let core_task::Event::ItemFinished {
                        item,
                        outcome,
                        message,
                    } = event
                    {
                        results.push((*item, *outcome, message.as_deref().map(str::to_string)));
                    }
                    if let core_task::Event::Finished { .. } = event {
                        return results;
                    }
                }
            }
            results
        };
        let mut results = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, wait).await })
            .expect("the task ends in time");
        results.sort_by_key(|(item, _, _)| *item);
        results
            .into_iter()
            .map(|(_, outcome, message)| (outcome, message))
            .collect()
    }

    fn artifact(&self, key: &str) -> Option<Vec<u8>> {
        let name = Name::parse(DEFAULT_BUCKET, key).expect("a key");
        self.workshop
            .artifacts
            .get(&name)
            .expect("the store can be read")
    }
}

fn core(name: &str, template: &str) -> CoreRequest {
    CoreRequest {
        name: ThingName::parse(name).expect("a name"),
        provisioning_template: ProvisioningTemplateName::parse(template).expect("a name"),
        parameters: attributes(&[("ThingName", name)]),
        cdf_parameters: None,
        generator: None,
    }
}

fn issued(name: &str, generator: Option<&str>) -> CoreRequest {
    CoreRequest {
        cdf_parameters: Some(CdfParameters {
            ca_id: Some("default".into()),
            cert_info: Some(attributes(&[("country", "US")])),
            ..CdfParameters::default()
        }),
        generator: generator.map(Into::into),
        ..core(name, "issue")
    }
}

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

fn unzipped(bytes: Vec<u8>) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes)).expect("a zip file");
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("an entry");
        let mut content = String::new();
        file.read_to_string(&mut content).expect("text");
        files.push((file.name().to_string(), content));
    }
    files
}

fn success() -> (Outcome, Option<String>) {
    (Outcome::Success, None)
}

#[test]
fn cores_get_certificates_and_installer_configurations() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = House::open(directory.path());
    house.template("issue", ISSUE);
    let provisioner = house.provision();
    let names: Vec<String> = (0..45).map(|number| format!("core-{number}")).collect();
    let cores = names
        .iter()
        .map(|name| issued(name, Some("MANUAL_INSTALL")))
        .collect();
    let key = house.request(cores);
    assert_eq!(house.results(key), vec![success(); 45]);
    for name in &names {
        let zip = house.artifact(&format!("greengrass2/artifacts/{name}/{name}/certs.zip"));
        let files = unzipped(zip.expect("certs.zip"));
        let [_, (cert_file, cert), (key_file, private)] = files.as_slice() else {
            panic!("a folder and two files, not {files:?}");
        };
        assert_eq!(
            (cert_file.as_str(), key_file.as_str()),
            ("certs/cert.pem", "certs/private.key")
        );
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----"));
        let ca = house.workshop.authority.ca_pem();
        let read = Authority::read(cert, Some(ca)).expect("signed by the device CA");
        let thing = name.clone();
        let (status, policies, attached) = house.fleet(move |fleet| {
            let (id, known) = fleet.certificate(&read.fingerprint).expect("registered");
            let thing = fleet
                .thing(fleet.thing_id(&thing).expect("a thing"))
                .expect("a thing");
            (
                known.status,
                known.policies.len(),
                thing.certificates.contains(&id),
            )
        });
        assert_eq!(
            (status, policies, attached),
            (certificate::Status::Active, 1, true)
        );
        let config = house.artifact(&format!(
            "greengrass2/artifacts/{name}/{name}/installerConfig.yml"
        ));
        let config = String::from_utf8(config.expect("a configuration")).expect("text");
        assert!(
            config.contains(&format!("  thingName: {name}\n")),
            "{config}"
        );
        assert!(config.contains("    version: 2.5.0\n"), "{config}");
    }
    assert!(
        !format!("{:?}", house.events()).contains("PRIVATE"),
        "a key reached the log"
    );
    provisioner.stop();
    assert_eq!(house.service.stop(), crate::app::Ended::Stopped);
}

#[test]
fn failures_are_told_per_core_and_leave_nothing_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = House::open(directory.path());
    house.template("issue", ISSUE);
    house.template("plain", PLAIN);
    house.template(
        "request",
        &CERTIFICATE.replace("PROPERTY", "CertificateSigningRequest"),
    );
    house.template("pem", &CERTIFICATE.replace("PROPERTY", "CertificatePem"));
    let _provisioner = house.provision();
    let with_value = |name: &str, template: &str| CoreRequest {
        parameters: attributes(&[("ThingName", name), ("Value", "x")]),
        ..core(name, template)
    };
    let mut unknown_ca = issued("c3", None);
    if let Some(cdf) = &mut unknown_ca.cdf_parameters {
        cdf.ca_id = Some("nobody".into());
    }
    let rows = [
        (core("c0", "absent"), "provisioning failed: "),
        (
            CoreRequest {
                parameters: Attributes::new(),
                ..core("c1", "plain")
            },
            "provisioning failed: provisioningParameters: Parameters: ThingName missing",
        ),
        (
            core("c2", "issue"),
            "provisioning failed: cdfProvisioningParameters: caId: is missing",
        ),
        (
            unknown_ca,
            "provisioning failed: CA \"nobody\" is not known",
        ),
        (
            CoreRequest {
                parameters: attributes(&[("ThingName", "other")]),
                ..issued("c4", None)
            },
            "provisioning failed: ThingName",
        ),
        (
            issued("c5", Some("MY_GENERATOR")),
            "unrecognized generator alias: MY_GENERATOR",
        ),
        (
            with_value("c6", "request"),
            "provisioning failed: certificate signing request is not in PEM form",
        ),
        (
            with_value("c7", "pem"),
            "provisioning failed: certificate is not in PEM form",
        ),
    ];
    let expected: Vec<&str> = rows.iter().map(|(_, text)| *text).collect();
    let mut cores: Vec<CoreRequest> = rows.into_iter().map(|(core, _)| core).collect();
    cores.push(core("c8", "plain"));
    let key = house.request(cores);
    let mut results = house.results(key);
    assert_eq!(results.pop(), Some(success()));
    for ((outcome, message), expected) in results.iter().zip(&expected) {
        let message = message.as_deref().unwrap_or_default();
        assert_eq!(*outcome, Outcome::Failure, "{expected}");
        assert!(
            message.starts_with(expected),
            "{message:?} does not begin with {expected:?}"
        );
    }
    for number in 0..8 {
        let name = format!("c{number}");
        assert_eq!(
            house.artifact(&crate::artifacts::core_certificates_key(&name)),
            None
        );
        let registered = house.fleet(move |fleet| {
            fleet
                .thing_id(&name)
                .is_some_and(|id| fleet.is_registered(id))
        });
        assert!(!registered, "c{number}");
    }
}

#[test]
fn certificates_that_callers_bring() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = House::open(directory.path());
    house.template(
        "request",
        &CERTIFICATE.replace("PROPERTY", "CertificateSigningRequest"),
    );
    house.template("pem", &CERTIFICATE.replace("PROPERTY", "CertificatePem"));
    let key = rcgen::KeyPair::generate().expect("a key");
    let request = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .expect("a request");
    let request = request.pem().expect("PEM");
    let own = rcgen::CertificateParams::default()
        .self_signed(&key)
        .expect("a certificate")
        .pem();
    let _provisioner = house.provision();
    let with = |name: &str, template: &str, value: &str| CoreRequest {
        parameters: attributes(&[("ThingName", name), ("Value", value)]),
        ..core(name, template)
    };
    let task = house.request(vec![with("a", "request", &request), with("b", "pem", &own)]);
    assert_eq!(house.results(task), vec![success(); 2]);
    for (name, signed) in [("a", true), ("b", false)] {
        let zip = house
            .artifact(&crate::artifacts::core_certificates_key(name))
            .expect("a file");
        let files = unzipped(zip);
        assert_eq!(files.len(), 2, "the folder and the certificate: {files:?}");
        let (_, pem) = files.last().expect("a certificate");
        let ca = house.workshop.authority.ca_pem();
        assert_eq!(Authority::read(pem, Some(ca)).is_ok(), signed);
    }
}

#[test]
fn what_was_in_hand_is_taken_up_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = House::open(directory.path());
    house.template("issue", ISSUE);
    let names: Vec<String> = (0..30).map(|number| format!("core-{number}")).collect();
    let key = house.request(names.iter().map(|name| issued(name, None)).collect());
    house.submit(Command::StartCoreTaskBatch {
        key,
        first: 0,
        count: 20,
    });
    house.submit(Command::FinishCoreTaskItem {
        key,
        item: 3,
        result: Err("lost".into()),
    });
    let House { service, .. } = house;
    service.stop();
    let house = House::open(directory.path());
    let _provisioner = house.provision();
    let results = house.results(key);
    assert_eq!(results.len(), 30, "each item ends once");
    for (index, result) in results.iter().enumerate() {
        let expected = if index == 3 {
            (Outcome::Failure, Some("lost".into()))
        } else {
            success()
        };
        assert_eq!(*result, expected, "{index}");
    }
}

#[test]
fn a_core_that_is_asked_for_again_keeps_its_certificate() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = House::open(directory.path());
    house.template("issue", ISSUE);
    let _provisioner = house.provision();
    let first = house.request(vec![issued("a", None)]);
    assert_eq!(house.results(first), [success()]);
    let certs_key = crate::artifacts::core_certificates_key("a");
    let before = house.artifact(&certs_key).expect("a file");
    let again = house.request(vec![issued("a", Some("MANUAL_INSTALL"))]);
    let [(outcome, _)] = house.results(again).try_into().expect("one item");
    assert_eq!(outcome, Outcome::Success);
    assert_eq!(house.artifact(&certs_key).as_ref(), Some(&before));
    let stored: Vec<_> = house
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Core(core::Event::ArtifactsStored { certs, config }) => {
                Some((certs, config.is_some()))
            }
            _ => None,
        })
        .collect();
    let certs_key = Some(certs_key.into_boxed_str());
    assert_eq!(stored, [(certs_key.clone(), false), (certs_key, true)]);
}

#[test]
fn a_broken_store_fails_the_core_and_ends_the_task() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = House::open(directory.path());
    house.template("issue", ISSUE);
    house.template("plain", PLAIN);
    let root = directory.path().join("artifacts");
    std::fs::remove_dir_all(&root).expect("removed");
    std::fs::write(&root, b"not a directory").expect("written");
    let _provisioner = house.provision();
    let config_only = CoreRequest {
        generator: Some("FLEET_PROVISIONING".into()),
        ..core("b", "plain")
    };
    let key = house.request(vec![issued("a", None), config_only, core("c", "plain")]);
    let results = house.results(key);
    let messages: Vec<&str> = results
        .iter()
        .map(|(_, message)| message.as_deref().unwrap_or(""))
        .collect();
    let [certs, config, plain] = messages.as_slice() else {
        panic!("three results");
    };
    assert!(certs.starts_with("uploading certs failed: "), "{certs}");
    assert!(config.starts_with("creating config failed: "), "{config}");
    assert_eq!(*plain, "");
}

#[test]
fn several_tasks_and_many_batches_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = House::open(directory.path());
    house.template("plain", PLAIN);
    let _provisioner = house.provision();
    let keys: Vec<TaskKey> = (0..3)
        .map(|task| {
            let cores = (0..205).map(|number| core(&format!("core-{task}-{number}"), "plain"));
            house.request(cores.collect())
        })
        .collect();
    for key in keys {
        assert_eq!(house.results(key), vec![success(); 205]);
    }
}
