//! A service of one's own: the same program as a process of its own, on free ports and a temporary directory.
//!
//! A process of its own, because device and service need a descriptor each per connection, and one process may have
//! fewer than two for each of 10,000 devices.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A service that ends with its owner.
pub(crate) struct OwnService {
    process: Child,
    directory: tempfile::TempDir,
    pub(crate) http: String,
    pub(crate) mqtt: String,
}

impl OwnService {
    /// Starts it and waits until it is ready.
    pub(crate) fn start() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("shipslog-").tempdir()?;
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut process = Command::new(program)
            .args(["serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
            .args(["--rollout-ceiling-per-minute", &u32::MAX.to_string()])
            .arg("--data-dir")
            .arg(data_dir(&directory))
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the service")?;
        let stdout = process.stdout.take().context("standard output is piped")?;
        let mut first = String::new();
        BufReader::new(stdout).read_line(&mut first)?;
        let ready: Value = serde_json::from_str(&first).unwrap_or_default();
        let address = |name: &str| ready[name].as_str().map(str::to_owned);
        let (Some(http), Some(mqtt)) = (address("http"), address("mqtt")) else {
            let status = process.wait()?;
            bail!("the service did not start ({status}); its messages are above");
        };
        Ok(Self {
            process,
            directory,
            http: format!("http://{http}"),
            mqtt: format!("mqtt://{mqtt}"),
        })
    }

    /// Stops it as an operator would, and hands over its data, which goes with the directory.
    pub(crate) fn stop(mut self) -> Result<tempfile::TempDir> {
        let pid = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        let pid = pid.context("a process has an id")?;
        kill_process(pid, Signal::TERM).context("cannot stop the service")?;
        let status = self.process.wait()?;
        if !status.success() {
            bail!("the service ended with {status}");
        }
        let empty = tempfile::Builder::new().prefix("shipslog-").tempdir()?;
        Ok(std::mem::replace(&mut self.directory, empty))
    }

    /// Waits until somebody ends it.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.process.wait()?;
        Ok(())
    }
}

/// The data directory below the temporary one.
pub(crate) fn data_dir(directory: &tempfile::TempDir) -> PathBuf {
    Path::join(directory.path(), "data")
}

impl Drop for OwnService {
    fn drop(&mut self) {
        // It has ended already unless its owner failed.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
