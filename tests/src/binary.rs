//! The real `shipslog` binary: found, built if need be, and run to its end.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Names a binary to test instead of the one that is built here.
const GIVEN: &str = "SHIPSLOG_BIN";
/// Says which run of nextest built the binary last: there every test is a process of its own.
const BUILT: &str = "shipslog-tests.built";

/// Path of the binary. The first call brings it up to date, with the profile and the target directory of the test.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match std::env::var_os(GIVEN) {
        Some(given) => given.into(),
        None => build(),
    })
}

/// The folder of the profile that the tests were built with: this test is TARGET/PROFILE/deps/it-HASH.
fn profile_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a process knows its program");
    let profile_dir = test.ancestors().nth(2);
    profile_dir
        .expect("tests are built below a profile")
        .to_owned()
}

/// The target directory, where `tests/clients/install` puts the clients that the tests use.
pub fn target_dir() -> PathBuf {
    let profile_dir = profile_dir();
    let target = profile_dir.parent();
    target
        .expect("a profile is below a target directory")
        .to_owned()
}

fn build() -> PathBuf {
    let profile_dir = profile_dir();
    let binary = profile_dir.join("shipslog");
    let run = std::env::var_os("NEXTEST_RUN_ID");
    let stamp = profile_dir.join(BUILT);
    if run.is_some() && std::fs::read(&stamp).ok().map(into_os) == run && binary.exists() {
        return binary;
    }
    let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--package", "shipslog", "--profile", profile])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
        ])
        .arg("--target-dir")
        .arg(target_dir());
    let built = cargo.status().expect("cargo can be run");
    assert!(built.success(), "cargo build -p shipslog failed");
    if let Some(run) = run {
        // Without the stamp the next test builds again, which finds nothing to do.
        std::fs::write(stamp, run.as_encoded_bytes()).ok();
    }
    binary
}

fn into_os(bytes: Vec<u8>) -> OsString {
    String::from_utf8(bytes).unwrap_or_default().into()
}

/// A command of the binary that sees no configuration of whoever runs the tests.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(path());
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("SHIPSLOG_"))
        {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").env("RUST_BACKTRACE", "1");
    command
}

/// How a command ended and what it printed.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// The last line of standard output, which is a JSON object.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub fn json(&self) -> Value {
        let last = self.out.lines().last().unwrap_or_default();
        let value: Value = serde_json::from_str(last).unwrap_or_default();
        assert!(
            value.is_object(),
            "the last line is no JSON object: {self:?}"
        );
        value
    }

    /// The same, of a command that must have succeeded.
    ///
    /// # Panics
    ///
    /// If it has not.
    pub fn expect_json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        self.json()
    }
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Ran {
    ran(&command(arguments).output().expect("the binary can be run"))
}

/// Runs `shipslog log SUBCOMMAND --data-dir DIR …`.
pub fn log(subcommand: &str, data_dir: &Path, more: &[&str]) -> Ran {
    let data_dir = data_dir
        .to_str()
        .expect("temporary directories have plain names");
    run(&[&["log", subcommand, "--data-dir", data_dir], more].concat())
}

/// Every event of a log, as `shipslog log dump` prints it.
pub fn dump(data_dir: &Path, more: &[&str]) -> Vec<Value> {
    let ran = log("dump", data_dir, more);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines = ran.out.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("an event is a line of JSON"))
        .collect()
}

fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
