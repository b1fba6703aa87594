//! The Connected Device Framework: provisioning, templates, deployments, fleet summary.

use std::io::{Cursor, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use shipslog_tests::binary;
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::{Http, core_task, provisioning_template};
use shipslog_tests::mqtt::Version;
use zip::ZipArchive;

use crate::devices::{Core, Outcome, request_deployment, template};

/// Files of an archive by name.
fn unzip(archive: Vec<u8>) -> Vec<(String, String)> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut content = String::new();
        file.read_to_string(&mut content).unwrap();
        files.push((file.name().to_owned(), content));
    }
    files
}

/// Reads the part of YAML that the installer configuration uses: nested maps of plain values, two spaces a level.
fn yaml(text: &str) -> Value {
    let mut root = json!({});
    let mut path: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| *line != "---") {
        let rest = line.trim_start();
        path.truncate((line.len() - rest.len()) / 2);
        let (key, value) = rest.split_once(':').unwrap();
        let parent = path
            .iter()
            .fold(&mut root, |map, key| &mut map[key.as_str()]);
        let value = value.trim();
        parent[key] = if value.is_empty() {
            json!({})
        } else {
            value.trim_matches('"').into()
        };
        path.push(key.to_owned());
    }
    root
}

/// An artifact of a core.
fn artifact(http: &Http, core: &str, which: &str) -> Vec<u8> {
    let place = &http.cdf_get(&format!("/cores/{core}"))["artifacts"][which];
    let (bucket, key) = (
        place["bucket"].as_str().unwrap(),
        place["key"].as_str().unwrap(),
    );
    let reply = http.get(&format!("/artifacts/{bucket}/{key}"));
    assert_eq!(reply.status, 200);
    reply.body
}

/// Every file below a directory. The socket for local commands is none: it keeps nothing, and cannot be read.
fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path))
        } else if path.is_file() {
            files.push(path)
        }
    }
    files
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[test]
fn a_core_task_makes_certificates_and_configurations_and_keeps_keys_out_of_the_log() {
    let mut fleet = TestFleet::start();
    let http = fleet.http();
    let task = http.create_cores("gateways", &["core-a", "core-b"]);
    assert_eq!(task["taskStatus"], "Success", "{task}");
    assert_eq!(task["coreVersion"], "2.12.0");
    assert_eq!(task["cores"].as_array().unwrap().len(), 2);
    for item in task["cores"].as_array().unwrap() {
        assert_eq!(item["taskStatus"], "Success", "{item}");
    }
    let core = http.cdf_get("/cores/core-a");
    assert_eq!(
        core["artifacts"]["certs"]["key"],
        "greengrass2/artifacts/core-a/core-a/certs.zip"
    );
    assert_eq!(
        core["artifacts"]["config"]["key"],
        "greengrass2/artifacts/core-a/core-a/installerConfig.yml"
    );
    assert_eq!(
        core["device"],
        json!({ "installedComponents": [], "effectiveDeployments": [], "status": "UNKNOWN" })
    );
    assert_eq!(
        core["template"]["desired"],
        json!({ "name": "None", "version": 0 })
    );

    let mut keys = Vec::new();
    for name in ["core-a", "core-b"] {
        let files = unzip(artifact(&http, name, "certs"));
        let content = |wanted: &str| {
            files
                .iter()
                .find(|(name, _)| name == wanted)
                .unwrap()
                .1
                .clone()
        };
        assert!(content("certs/cert.pem").starts_with("-----BEGIN CERTIFICATE-----"));
        let key = content("certs/private.key");
        assert!(
            key.starts_with("-----BEGIN ") && key.contains("PRIVATE KEY-----"),
            "a private key"
        );
        keys.push(key);
        let config = yaml(&String::from_utf8(artifact(&http, name, "config")).unwrap());
        assert_eq!(config["system"]["thingName"], name);
        let nucleus = &config["services"]["aws.greengrass.Nucleus"];
        assert_eq!(nucleus["componentType"], "NUCLEUS");
        assert_eq!(nucleus["version"], "2.12.0");
        assert_eq!(nucleus["configuration"]["awsRegion"], "us-east-1");
    }
    assert_ne!(keys[0], keys[1], "each core has a key of its own");

    assert!(fleet.stop().success());
    let secrets: Vec<&str> = keys.iter().map(|key| key.lines().nth(1).unwrap()).collect();
    expect_kept(fleet.data_dir(), &secrets);
}

/// Private keys are nowhere in the data directory but among the artifacts, and in the CA's own files.
fn expect_kept(data_dir: &Path, secrets: &[&str]) {
    for file in files_below(data_dir) {
        let below = file.strip_prefix(data_dir).unwrap();
        if below.starts_with("artifacts") {
            continue;
        }
        let content = std::fs::read(&file).unwrap();
        for secret in secrets {
            assert!(
                !contains(&content, secret.as_bytes()),
                "a private key is in {}",
                below.display()
            );
        }
        if file.extension().is_some_and(|extension| extension == "key") {
            let mode = file.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", below.display());
        } else {
            assert!(!contains(&content, b"PRIVATE KEY"), "{}", below.display());
        }
    }
    // Blocks are compressed, so the events are read as well.
    let dumped = binary::log("dump", data_dir, &[]).out;
    assert!(dumped.contains("CertificateRegistered"));
    assert!(!dumped.contains("PRIVATE KEY"));
    assert!(!secrets.iter().any(|secret| dumped.contains(secret)));
}

#[test]
fn a_failed_core_says_why_and_spares_the_others() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.own(
        "PUT",
        "/provisioningTemplates/gateways",
        &provisioning_template(),
    )
    .expect(204);
    let mut request = core_task("gateways", &["good", "bad", "odd", "bare"]);
    request["cores"][1]["provisioningTemplate"] = "missing".into();
    request["cores"][2]["configFileGenerator"] = "UNHEARD_OF".into();
    request["cores"][3]["provisioningParameters"] = json!({});
    let reply = http.cdf("POST", "/coreTasks", &request);
    let (status, id) = (reply.status, reply.header("x-taskid").unwrap().to_owned());
    assert_eq!(status, 202);
    assert!(
        id.len() == 9
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
        "{id}"
    );
    let task = http.task_ended(&format!("/coreTasks/{id}"));
    assert_eq!(task["taskStatus"], "Failure");
    let item = |name: &str| {
        let mut items = task["cores"].as_array().unwrap().iter();
        items.find(|item| item["name"] == name).unwrap().clone()
    };
    assert_eq!(item("good")["taskStatus"], "Success");
    for (name, word) in [
        ("bad", "missing"),
        ("odd", "UNHEARD_OF"),
        ("bare", "ThingName"),
    ] {
        assert_eq!(item(name)["taskStatus"], "Failure", "{name}");
        let message = item(name)["statusMessage"].to_string();
        assert!(message.contains(word), "{name}: {message}");
    }
    // Asking again for what is there succeeds and changes nothing.
    let again = http.create_cores("gateways", &["good"]);
    assert_eq!(again["taskStatus"], "Success", "{again}");
    assert_eq!(again["cores"][0]["taskStatus"], "Success");
}

#[test]
fn a_template_has_numbered_versions_that_never_change() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    let created = http.cdf("POST", "/templates", &template("edge", "1.0.0"));
    assert_eq!((created.status, created.body.len()), (201, 0));
    assert_eq!(created.header("location"), Some("/templates/edge"));
    assert_eq!(
        (created.header("x-name"), created.header("x-version")),
        (Some("edge"), Some("1"))
    );
    for version in 2..=12 {
        let updated = http.cdf(
            "PUT",
            "/templates/edge",
            &template("ignored", &format!("{version}.0.0")),
        );
        assert_eq!(updated.status, 204);
        assert_eq!(
            updated.header("x-version"),
            Some(version.to_string().as_str())
        );
    }
    let latest = http.cdf_get("/templates/edge");
    assert_eq!(
        (&latest["version"], &latest["components"][0]["version"]),
        (&json!(12), &json!("12.0.0"))
    );
    assert_eq!(
        http.cdf_get("/templates/edge/versions/2")["components"][0]["version"],
        "2.0.0"
    );
    assert_eq!(
        http.cdf_get("/templates/edge/versions/1")["updatedAt"],
        Value::Null
    );
    assert_eq!(
        http.cdf("GET", "/templates/edge/versions/13", &Value::Null)
            .status,
        404
    );
    let versions = http.cdf_get("/templates/edge/versions");
    let numbers: Vec<u64> = versions["templates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["version"].as_u64().unwrap())
        .collect();
    assert_eq!(
        numbers,
        (1..=12).collect::<Vec<_>>(),
        "versions are numbers and sort as such"
    );
    let page = http.cdf_get("/templates/edge/versions?count=5&exclusiveStartVersion=9");
    assert_eq!(page["templates"].as_array().unwrap().len(), 3);
    let listed = http.cdf_get("/templates");
    assert_eq!(
        listed["templates"][0].get("components"),
        None,
        "a list has no components"
    );
    assert_eq!(
        http.cdf("DELETE", "/templates/edge", &Value::Null).status,
        204
    );
    assert_eq!(http.cdf("GET", "/templates/edge", &Value::Null).status, 404);
}

#[test]
fn concurrent_updates_of_a_template_get_versions_of_their_own() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.cdf("POST", "/templates", &template("edge", "0"))
        .expect(201);
    let update = |worker: u32| {
        let http = fleet.http();
        let versions = (0..25).map(move |turn| {
            let reply = http.cdf(
                "PUT",
                "/templates/edge",
                &template("edge", &format!("{worker}.{turn}")),
            );
            reply.header("x-version").unwrap().parse::<u32>().unwrap()
        });
        versions.collect::<Vec<u32>>()
    };
    let mut all: Vec<u32> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| scope.spawn(move || update(worker)))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    all.sort_unstable();
    assert_eq!(all, (2..=101).collect::<Vec<_>>());
    assert_eq!(http.cdf_get("/templates/edge")["version"], 101);
}

/// The figures of one version in the fleet summary.
fn in_use(http: &Http, template: &str, version: u32) -> Value {
    let summary = http.cdf_get("/fleet/summary");
    summary["templates"][template]["versions"][version.to_string()].clone()
}

fn figures(desired: u32, reported: u32, success: u32, failed: u32, in_progress: u32) -> Value {
    json!({
        "desiredInUse": desired, "reportedInUse": reported, "lastDeploymentSuccess": success,
        "lastDeploymentFailed": failed, "lastDeploymentInProgress": in_progress,
    })
}

#[test]
fn a_deployment_reaches_the_connected_core_and_fails_for_the_one_that_never_came() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_cores("gateways", &["core-1", "core-2"]);
    assert_eq!(in_use(&http, "None", 0), figures(2, 2, 2, 0, 0));
    let core = Core::connect(&fleet, "core-1", Version::V4);
    http.cdf("POST", "/templates", &template("edge", "1.0.0"))
        .expect(201);
    assert_eq!(
        in_use(&http, "edge", 1),
        figures(0, 0, 0, 0, 0),
        "a new template is listed with zeros"
    );

    let task = http.task_ended(&request_deployment(&http, "edge", 1, &["core-1", "core-2"]));
    assert_eq!(task["taskStatus"], "Failure", "one of two failed");
    assert_eq!(
        (&task["batchesTotal"], &task["batchesComplete"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(task["deployments"][0]["taskStatus"], "Success");
    assert_eq!(task["deployments"][1]["taskStatus"], "Failure");
    let message = task["deployments"][1]["statusMessage"].as_str().unwrap();
    assert!(
        message.contains("not registered with Greengrass V2"),
        "{message}"
    );
    assert_eq!(in_use(&http, "edge", 1), figures(2, 0, 0, 1, 1));

    let document = core.deploy(Outcome::Succeeds);
    assert_eq!(
        document["components"]["com.acme.Capture"]["version"],
        "1.0.0"
    );
    assert_eq!(in_use(&http, "edge", 1), figures(2, 1, 1, 1, 0));
    assert_eq!(in_use(&http, "None", 0), figures(0, 1, 0, 0, 0));

    move_to_second_version(&http, &core);
    fail_third_version(&http, &core);
}

/// Deploys version 2, named by a text as CDF's own clients do.
fn move_to_second_version(http: &Http, core: &Core) {
    let second = http.cdf("PUT", "/templates/edge", &template("edge", "2.0.0"));
    assert_eq!(second.header("x-version"), Some("2"));
    let request = json!({ "template": { "name": "edge", "version": "2" }, "targets": { "thingNames": ["core-1"] } });
    let task = http.cdf("POST", "/deploymentTasks", &request);
    let task = http.task_ended(task.header("location").unwrap());
    assert_eq!(
        (&task["taskStatus"], &task["template"]["version"]),
        (&json!("Success"), &json!(2))
    );
    core.deploy(Outcome::Succeeds);
    assert_eq!(in_use(http, "edge", 2), figures(1, 1, 1, 0, 0));
    assert_eq!(in_use(http, "edge", 1), figures(1, 0, 0, 1, 0));
    let summary = http.cdf_get("/fleet/summary");
    assert_eq!(summary["templates"]["edge"]["latestVersion"], 2);
}

/// Deploys the latest version, which fails on the device.
fn fail_third_version(http: &Http, core: &Core) {
    // Without a version the latest one is meant. The device fails and stays where it is.
    http.cdf("PUT", "/templates/edge", &template("edge", "3.0.0"))
        .expect(204);
    let request =
        json!({ "template": { "name": "edge" }, "targets": { "thingNames": ["core-1"] } });
    let task = http.cdf("POST", "/deploymentTasks", &request);
    assert_eq!(
        http.task_ended(task.header("location").unwrap())["template"]["version"],
        3
    );
    core.deploy(Outcome::Fails);
    let seen = http.cdf_get("/cores/core-1");
    assert_eq!(
        seen["template"]["desired"],
        json!({ "name": "edge", "version": 3 })
    );
    assert_eq!(
        (
            &seen["template"]["reported"]["name"],
            &seen["template"]["reported"]["version"]
        ),
        (&json!("edge"), &json!(2))
    );
    assert_eq!(
        seen["template"]["reported"]["deploymentStatus"],
        "FAILED_ROLLBACK_COMPLETE"
    );
    assert_eq!(seen["device"]["status"], "HEALTHY");
    assert_eq!(in_use(http, "edge", 3), figures(1, 0, 0, 1, 0));
    assert_eq!(in_use(http, "edge", 2), figures(0, 1, 0, 0, 0));
    let failed = http.cdf_get("/cores?failedOnly=true");
    let failed: Vec<&Value> = failed["cores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|core| &core["name"])
        .collect();
    assert_eq!(failed, ["core-1", "core-2"]);
    assert_eq!(
        http.cdf_get("/cores/core-1/deployments")["deployments"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn a_deployment_to_a_group_reaches_its_members() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_cores("gateways", &["core-1", "core-2", "core-3"]);
    let cores: Vec<Core> = ["core-1", "core-2"]
        .map(|name| Core::connect(&fleet, name, Version::V5))
        .into();
    http.iot("POST", "/thing-groups/line-4", &json!({}))
        .expect(200);
    for core in ["core-1", "core-2"] {
        let member = json!({ "thingGroupName": "line-4", "thingName": core });
        http.iot("PUT", "/thing-groups/addThingToThingGroup", &member)
            .expect(200);
    }
    http.cdf("POST", "/templates", &template("edge", "1.0.0"))
        .expect(201);
    let request =
        json!({ "template": { "name": "edge" }, "targets": { "thingGroupNames": ["line-4"] } });
    let task = http.cdf("POST", "/deploymentTasks", &request);
    let path = task.header("location").unwrap().to_owned();
    let task = http.task_ended(&path);
    assert_eq!(task["taskStatus"], "Success", "{task}");
    for core in &cores {
        core.deploy(Outcome::Succeeds);
    }
    assert_eq!(in_use(&http, "edge", 1), figures(2, 2, 2, 0, 0));
    assert_eq!(in_use(&http, "None", 0), figures(1, 1, 1, 0, 0));
    let listed = http.cdf_get(&format!("{path}/cores?count=1"));
    assert_eq!(listed["cores"][0]["coreName"], "core-1");
    assert_eq!(listed["pagination"]["lastEvaluated"]["thingName"], "core-1");
    assert_eq!(
        http.cdf_get(&format!("{path}/cores/core-2"))["taskStatus"],
        "Success"
    );
    assert_eq!(
        http.cdf("GET", &format!("{path}/cores/core-3"), &Value::Null)
            .status,
        404
    );
}
