//! AWS's own clients for Python and Node, where they are installed (`tests/clients/install`). What they do stands in
//! `tests/clients`; a script that ends well has found everything as it should be.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use shipslog_tests::binary;
use shipslog_tests::fleet::{TestFleet, is_installed, tell};

/// A script of Python, run by the virtual environment in the target directory.
fn python(script: &str) -> Option<Command> {
    let environment = installed("clients", "requirements.txt")?;
    let mut command = Command::new(environment.join("bin/python"));
    prepare(&mut command, script);
    Some(command)
}

/// A script of Python with the last client that knows OpsWorks.
fn opsworks(script: &str) -> Option<Command> {
    let environment = installed("clients-opsworks", "requirements.txt")?;
    let mut command = Command::new(environment.join("bin/python"));
    prepare(&mut command, script);
    Some(command)
}

/// A script of Node, with the modules in the target directory.
fn node(script: &str) -> Option<Command> {
    let modules = installed("clients-node", "installed.json")?;
    let mut command = Command::new("node");
    prepare(&mut command, &format!("node/{script}"));
    command.env("NODE_PATH", modules.join("node_modules"));
    Some(command)
}

/// The folder of some clients in the target directory, if they were installed to the end.
fn installed(clients: &str, last: &str) -> Option<PathBuf> {
    let folder = binary::target_dir().join(clients);
    if !folder.join(last).exists() {
        tell(&format!(
            "AWS's {clients} are not installed (tests/clients/install); this test was skipped"
        ));
        return None;
    }
    Some(folder)
}

fn prepare(command: &mut Command, script: &str) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    command.arg(scripts.join(script));
    // Nothing of the configuration of whoever runs the tests, and no compiled files beside the scripts.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
    }
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
}

fn run(mut command: Command) {
    let ended = command.output().unwrap();
    assert!(
        ended.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
}

/// Plays a script against an empty service.
fn play(name: &str) {
    let Some(mut command) = python(name) else {
        return;
    };
    let fleet = TestFleet::start();
    command.env("SHIPSLOG_HTTP", format!("http://{}", fleet.address("http")));
    run(command);
}

#[test]
fn the_table_of_operations_is_of_requests_that_botocore_sends() {
    let Some(mut command) = python("operations.py") else {
        return;
    };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compatibility.md");
    command.arg(page);
    run(command);
}

#[test]
fn boto3_shows_its_keys() {
    let Some(mut command) = python("credentials.py") else {
        return;
    };
    let mut fleet = TestFleet::start_with(&["--auth", "on"]);
    fleet.expect_in_log("there is no access key yet");
    let keys = ["admin", "operator", "viewer"].map(|role| (role.to_owned(), fleet.key(role)));
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("SHIPSLOG_HTTP", format!("http://{}", fleet.address("http")))
        .env(
            "SHIPSLOG_KEYS",
            Value::Object(keys.into_iter().collect()).to_string(),
        );
    run(command);
}

#[test]
fn boto3_runs_jobs_from_both_sides() {
    play("jobs.py");
}

#[test]
fn boto3_uses_shadows_and_messages() {
    play("iot_data.py");
}

#[test]
fn boto3_creates_components_and_resolves_them() {
    play("greengrass_components.py");
}

#[test]
fn boto3_runs_container_services_on_nodes_that_paho_plays() {
    let Some(mut command) = python("lightsail.py") else {
        return;
    };
    let fleet = TestFleet::start();
    let mqtt = fleet.address("mqtt");
    let port = mqtt.rsplit(':').next().unwrap_or_default();
    command
        .env("SHIPSLOG_HTTP", format!("http://{}", fleet.address("http")))
        .env("SHIPSLOG_MQTT", port);
    run(command);
}

#[test]
fn boto3_manages_who_may_do_what() {
    play("access.py");
}

#[test]
fn the_aws_cli_prints_what_scripts_cut_apart() {
    play("cli.py");
}

#[test]
fn the_device_sdk_and_paho_run_jobs_over_mutual_tls() {
    play_device(python("mutual_tls.py"));
}

#[test]
fn the_device_sdk_uses_shadows_over_mutual_tls() {
    play_device(python("shadows.py"));
}

#[test]
fn the_device_sdk_of_before_runs_jobs_and_shadows_over_mutual_tls() {
    play_device(python("older_sdk.py"));
}

#[test]
fn the_device_sdk_for_node_runs_jobs_and_shadows_over_mutual_tls() {
    play_device(node("jobs_and_shadows.cjs"));
}

#[test]
fn paho_reports_health_and_boto3_reads_core_devices() {
    play_device(python("greengrass_cores.py"));
}

#[test]
fn boto3_deploys_components_and_paho_plays_the_nucleus() {
    play_device(python("greengrass_deployments.py"));
}

#[test]
fn the_device_sdk_and_paho_fetch_an_image_block_by_block() {
    play_device(python("streams.py"));
}

#[test]
fn boto3_of_before_runs_commands_of_opsworks_on_a_device() {
    // Who is online is what commands are for.
    play_device_of(opsworks("opsworks.py"), &["--presence", "on"]);
}

#[test]
fn boto3_updates_a_device_over_the_air() {
    play_device(python("ota_updates.py"));
}

/// Plays a script that has the certificate of the thing `pump`.
fn play_device(script: Option<Command>) {
    play_device_of(script, &[]);
}

/// The same against a service with these options.
fn play_device_of(script: Option<Command>, options: &[&str]) {
    let Some(mut command) = script else { return };
    let fleet = TestFleet::start_with(options);
    let files = tempfile::tempdir().unwrap();
    let [data_dir, out] = [fleet.data_dir(), files.path()].map(|path| path.to_str().unwrap());
    let words = [
        "ca",
        "issue",
        "--thing",
        "pump",
        "--data-dir",
        data_dir,
        "--out",
        out,
    ];
    let issued = binary::run(&words);
    assert_eq!(issued.code, 0, "{}", issued.err);
    let address = fleet.address("mqtts");
    let (_, port) = address.rsplit_once(':').unwrap();
    command
        .env("SHIPSLOG_HTTP", format!("http://{}", fleet.address("http")))
        .env("SHIPSLOG_MQTTS", port)
        .env("SHIPSLOG_CERTIFICATES", out);
    run(command);
}

/// A key of a device with a signing request for it, made by OpenSSL, and the certificate of the service's CA.
fn request(fleet: &TestFleet, directory: &Path) -> bool {
    let ca = fleet.data_dir().join("ca/ca.pem");
    std::fs::copy(ca, directory.join("ca.pem")).unwrap();
    is_installed("openssl") && {
        let mut made = Command::new("openssl");
        made.current_dir(directory)
            .args(["req", "-new", "-nodes", "-subj", "/CN=device"]);
        made.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        made.args(["-keyout", "device.key", "-out", "device.csr"]);
        let made = made.output().unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        true
    }
}

/// Plays a script of devices that provision themselves.
fn provision(script: Option<Command>, hook: Option<u16>) {
    let Some(mut command) = script else { return };
    let hook = hook.map(|port| (port, format!("stock=http://127.0.0.1:{port}/")));
    let fleet = match &hook {
        Some((_, hook)) => TestFleet::start_with(&["--provisioning-hook", hook]),
        None => TestFleet::start(),
    };
    let files = tempfile::tempdir().unwrap();
    if !request(&fleet, files.path()) {
        return;
    }
    let address = fleet.address("mqtts");
    let (_, port) = address.rsplit_once(':').unwrap();
    command
        .env("SHIPSLOG_HTTP", format!("http://{}", fleet.address("http")))
        .env("SHIPSLOG_MQTTS", port)
        .env("SHIPSLOG_CERTIFICATES", files.path());
    if let Some((port, _)) = hook {
        command.env("SHIPSLOG_HOOK", port.to_string());
    }
    run(command);
}

#[test]
fn the_device_sdk_provisions_itself_with_a_claim() {
    // Free at this moment, which is as good as can be had for a port that the service must know before.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    provision(python("provisioning.py"), Some(port));
}

#[test]
fn the_device_sdk_for_node_provisions_itself_with_a_claim() {
    provision(node("provisioning.cjs"), None);
}

#[test]
fn many_devices_provision_themselves_at_once() {
    let mut script = python("bulk_provisioning.py");
    script.as_mut().map(|script| script.args(["40", "csr"]));
    provision(script, None);
}
