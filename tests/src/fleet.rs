//! A service under test: the real binary as a process, on free ports and a temporary directory.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::binary;
use crate::http::Http;
use crate::mqtt::{Connect, Mqtt, Version};
use crate::wait::wait_for;

/// An order to stop is obeyed within this time (interface.md).
pub const STOP_BOUND: Duration = Duration::from_secs(10);

/// The service. When it goes out of scope it is stopped as an operator would stop it, and the test fails if it does
/// not end in time, does not end well, wrote something about a panic, wrote a warning or an error that the test did
/// not expect, or leaves a log behind that is not clean.
#[derive(Debug)]
pub struct TestFleet {
    arguments: Vec<String>,
    data_dir: PathBuf,
    _directory: Option<TempDir>,
    process: Option<Process>,
    ready: Value,
    /// Everything that any of its processes wrote to standard error.
    log: Arc<Mutex<String>>,
    expected: Vec<String>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    reader: JoinHandle<()>,
}

/// A service that did not start.
#[derive(Debug)]
pub struct Refused {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it wrote to standard error.
    pub err: String,
}

impl TestFleet {
    /// An empty service.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// An empty service whose time stands still.
    pub fn start_virtual() -> Self {
        Self::start_with(&["--clock", "virtual"])
    }

    /// An empty service with more arguments.
    pub fn start_with(arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("shipslog-it-").tempdir();
        let directory = directory.expect("a temporary directory can be made");
        let data_dir = directory.path().join("data");
        let mut fleet = Self::prepare(&data_dir, arguments);
        fleet._directory = Some(directory);
        fleet.restart();
        fleet
    }

    /// A service on a directory of the test's own, or why there is none.
    pub fn try_start_on(data_dir: &Path, arguments: &[&str]) -> Result<Self, Refused> {
        let mut fleet = Self::prepare(data_dir, arguments);
        fleet.try_restart().map(|()| fleet)
    }

    fn prepare(data_dir: &Path, arguments: &[&str]) -> Self {
        Self {
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            data_dir: data_dir.to_owned(),
            _directory: None,
            process: None,
            ready: Value::Null,
            log: Arc::default(),
            expected: Vec::new(),
        }
    }

    /// Starts it again on the same directory, after [`Self::kill`] or [`Self::stop`].
    pub fn restart(&mut self) {
        if let Err(refused) = self.try_restart() {
            panic!("the service did not start: {refused:?}");
        }
    }

    /// The same, for a start that may be refused.
    pub fn try_restart(&mut self) -> Result<(), Refused> {
        assert!(self.process.is_none(), "the service runs");
        let begun = self.log().len();
        let first = self.spawn();
        if let Ok(ready) = serde_json::from_str(&first) {
            self.ready = ready;
            assert_eq!(self.ready["ready"], true, "{first}");
            return Ok(());
        }
        let code = self.reap().code();
        let err = self.log().split_off(begun);
        Err(Refused { code, err })
    }

    /// Starts the process and gives the first line of its standard output.
    fn spawn(&mut self) -> String {
        let mut command = binary::command(&["serve", "--data-dir"]);
        command.arg(&self.data_dir).args(&self.arguments);
        // Where a test does not say otherwise.
        for listener in ["--http", "--mqtt", "--mqtts", "--device-https"] {
            if !self.arguments.iter().any(|argument| argument == listener) {
                command.args([listener, "127.0.0.1:0"]);
            }
        }
        // Most tests count events, and who connects is their own business.
        if !self
            .arguments
            .iter()
            .any(|argument| argument == "--presence")
        {
            command.args(["--presence", "off"]);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be run");
        let stderr = child.stderr.take().expect("standard error is piped");
        let log = Arc::clone(&self.log);
        let reader = std::thread::spawn(move || collect(stderr, &log));
        let stdout = child.stdout.take().expect("standard output is piped");
        let mut first = String::new();
        let read = BufReader::new(stdout).read_line(&mut first);
        read.expect("standard output is text");
        self.process = Some(Process { child, reader });
        first
    }

    /// The line that said that it is ready.
    pub const fn ready(&self) -> &Value {
        &self.ready
    }

    /// Where its data is.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// A new access key of a role, as the command prints it. The service takes it within a second.
    pub fn key(&self, role: &str) -> Value {
        let data_dir = self
            .data_dir
            .to_str()
            .expect("a directory with a plain name");
        let words = [
            "keys",
            "create",
            "--name",
            role,
            "--role",
            role,
            "--data-dir",
            data_dir,
        ];
        let made = binary::run(&words);
        assert_eq!(made.code, 0, "{}", made.err);
        serde_json::from_str(&made.out).expect("the command prints JSON")
    }

    /// A client of its HTTP side.
    pub fn http(&self) -> Http {
        Http::new(&self.address("http"))
    }

    /// `HOST:PORT` of a listener.
    pub fn address(&self, listener: &str) -> String {
        self.ready[listener]
            .as_str()
            .expect("the listener is on")
            .to_owned()
    }

    /// A connected MQTT client with a clean session.
    pub fn mqtt(&self, client_id: &str, version: Version) -> Mqtt {
        self.connect(Connect::new(client_id, version))
    }

    /// A connected MQTT client as described.
    pub fn connect(&self, connect: Connect) -> Mqtt {
        Mqtt::connect(&self.address("mqtt"), connect)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the service runs").child.id()
    }

    /// Whether its process still runs.
    pub fn is_running(&mut self) -> bool {
        let process = self.process.as_mut().expect("the service runs");
        process
            .child
            .try_wait()
            .expect("a child can be asked")
            .is_none()
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Lines of the log with this text may be warnings or errors.
    pub fn expect_in_log(&mut self, text: &str) {
        self.expected.push(text.to_owned());
    }

    /// SIGKILL: as if the machine took it away.
    pub fn kill(&mut self) {
        let process = self.process.as_mut().expect("the service runs");
        process.child.kill().expect("a child can be killed");
        self.reap();
    }

    /// SIGTERM, and how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        let pid = i32::try_from(self.pid())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process has an id");
        kill_process(pid, Signal::TERM).expect("a child can be told to stop");
        self.wait(STOP_BOUND)
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, bound: Duration) -> ExitStatus {
        let process = self.process.as_mut().expect("the service runs");
        wait_for("the service ends", bound, || {
            process.child.try_wait().expect("a child can be asked")
        });
        self.reap()
    }

    fn reap(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the service runs");
        let status = process.child.wait().expect("a child can be waited for");
        process
            .reader
            .join()
            .expect("the reader of the log does not panic");
        status
    }

    /// Checks the log of the service and, offline, the log of events.
    fn check(&mut self) {
        if self.process.is_some() {
            let status = self.stop();
            assert!(
                status.success(),
                "the service ended with {status}: {}",
                self.log()
            );
        }
        let log = self.log();
        assert!(!log.contains("panicked"), "{log}");
        let unexpected = log.lines().find(|line| {
            let bad = line.contains("ERROR") || line.contains("WARN");
            bad && !self.expected.iter().any(|expected| line.contains(expected))
        });
        assert_eq!(unexpected, None, "in the log of the service");
        if self.data_dir.exists() {
            let verified = binary::log("verify", &self.data_dir, &[]).expect_json();
            assert_eq!(verified["ok"], true, "{verified}");
        }
    }
}

fn collect(stderr: impl Read, log: &Mutex<String>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while stderr
        .read_until(b'\n', &mut line)
        .is_ok_and(|count| count > 0)
    {
        log.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
}

impl Drop for TestFleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(process) = &mut self.process {
                process.child.kill().ok();
                self.reap();
            }
            tell(&format!("log of the service:\n{}", self.log()));
        } else {
            self.check();
        }
    }
}

/// Says something to whoever reads the output of the tests.
#[expect(clippy::print_stderr, reason = "the test runner shows it")]
pub fn tell(text: &str) {
    eprintln!("{text}");
}

/// Whether a program that a test needs is installed. The reader of the output is told if it is not.
pub fn is_installed(program: &str) -> bool {
    let mut help = Command::new(program);
    help.arg("--help")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let found = help.status().is_ok();
    if !found {
        tell(&format!(
            "{program} is not installed; this test was skipped"
        ));
    }
    found
}
