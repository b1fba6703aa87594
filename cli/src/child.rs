//! A service of one's own: the same program as a process of its own, on free ports, and on a temporary directory unless
//! its log is to be kept.
//!
//! A process of its own, because device and service need a descriptor each per connection, and one process may have
//! fewer than two for each of 10,000 devices.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell reports of a command that was interrupted.
const INTERRUPTED: i32 = 130;

/// What is needed when the owner is interrupted: every service that has not been waited for, and what has to go with it.
static RUNNING: Mutex<Vec<(Pid, Option<PathBuf>)>> = Mutex::new(Vec::new());
/// Whether an interruption is how it is meant to end.
static IS_EXPECTED: AtomicBool = AtomicBool::new(false);

/// Where the data of a service is.
pub(crate) enum Data {
    /// Goes with this value.
    Temporary(tempfile::TempDir),
    /// Stays.
    Kept(PathBuf),
}

impl Data {
    fn temporary() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("shipslog-").tempdir()?;
        Ok(Self::Temporary(directory))
    }

    /// The data directory.
    pub(crate) fn directory(&self) -> PathBuf {
        match self {
            Self::Temporary(directory) => directory.path().join("data"),
            Self::Kept(directory) => directory.clone(),
        }
    }

    /// What has to be removed where no destructor runs.
    fn remains(&self) -> Option<PathBuf> {
        match self {
            Self::Temporary(directory) => Some(directory.path().to_owned()),
            Self::Kept(_) => None,
        }
    }
}

/// A service that ends with its owner, however that ends.
pub(crate) struct OwnService {
    process: Child,
    /// Open as long as the owner lives: the service stops when it closes.
    _lifeline: ChildStdin,
    data: Data,
    pub(crate) http: String,
    pub(crate) mqtt: String,
}

impl OwnService {
    /// Starts it and waits until it is ready.
    pub(crate) fn start() -> Result<Self> {
        Self::start_in(None)
    }

    /// The same with its data here, to stay.
    pub(crate) fn start_in(kept: Option<&Path>) -> Result<Self> {
        let ceiling = u32::MAX.to_string();
        Self::start_with(kept, &["--rollout-ceiling-per-minute", &ceiling])
    }

    /// The same with arguments of its own.
    pub(crate) fn start_with(kept: Option<&Path>, arguments: &[&str]) -> Result<Self> {
        let data = match kept {
            Some(directory) => Data::Kept(directory.to_owned()),
            None => Data::temporary()?,
        };
        let mut process = command(&data)?
            .args(arguments)
            .spawn()
            .context("cannot start the service")?;
        let lifeline = process.stdin.take().context("standard input is piped")?;
        let stdout = process.stdout.take().context("standard output is piped")?;
        let mut first = String::new();
        BufReader::new(stdout).read_line(&mut first)?;
        let ready: Value = serde_json::from_str(&first).unwrap_or_default();
        let address = |name: &str| ready[name].as_str().map(str::to_owned);
        let (Some(http), Some(mqtt)) = (address("http"), address("mqtt")) else {
            let status = process.wait()?;
            bail!("the service did not start ({status}); its messages are above");
        };
        let own = Self {
            process,
            _lifeline: lifeline,
            data,
            http: format!("http://{http}"),
            mqtt: format!("mqtt://{mqtt}"),
        };
        end_when_interrupted()?;
        running().push((own.pid()?, own.data.remains()));
        Ok(own)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Result<Pid> {
        let pid = i32::try_from(self.process.id()).ok();
        pid.and_then(Pid::from_raw).context("a process has an id")
    }

    /// Stops it as an operator would, and hands over its data.
    pub(crate) fn stop(self) -> Result<Data> {
        let (data, ended) = self.finish()?;
        ended.map(|()| data)
    }

    /// The same with the data of one that did not end well, or has ended already.
    pub(crate) fn finish(mut self) -> Result<(Data, Result<()>)> {
        kill_process(self.pid()?, Signal::TERM).context("cannot stop the service")?;
        let status = self.reap()?;
        let data = std::mem::replace(&mut self.data, Data::temporary()?);
        let ended = match status.success() {
            true => Ok(()),
            false => Err(anyhow!(
                "the service ended with {status}; its messages are above"
            )),
        };
        Ok((data, ended))
    }

    /// Waits until somebody ends it, or interrupts its owner.
    pub(crate) fn wait(&mut self) -> Result<()> {
        IS_EXPECTED.store(true, Ordering::Relaxed);
        self.process.wait()?;
        Ok(())
    }

    /// Waits for the end of the process, whose id means nothing from then on.
    fn reap(&mut self) -> std::io::Result<ExitStatus> {
        let pid = self.pid().ok();
        let mut running = running();
        running.retain(|(known, _)| Some(*known) != pid);
        self.process.wait()
    }
}

fn running() -> MutexGuard<'static, Vec<(Pid, Option<PathBuf>)>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An interrupted owner runs no destructors, so somebody else stops its services and removes their data.
fn end_when_interrupted() -> Result<()> {
    static WATCHES: Mutex<bool> = Mutex::new(false);
    let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
    if *watches {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _context = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        let running = running();
        for (pid, _) in running.iter() {
            // It may have ended already, by the same interruption.
            kill_process(*pid, Signal::TERM).ok();
        }
        for (pid, remains) in running.iter() {
            waitpid(Some(*pid), WaitOptions::empty()).ok();
            if let Some(remains) = remains {
                std::fs::remove_dir_all(remains).ok();
            }
        }
        let is_expected = IS_EXPECTED.load(Ordering::Relaxed);
        std::process::exit(if is_expected { 0 } else { INTERRUPTED });
    });
    *watches = true;
    Ok(())
}

/// The service on free ports, whatever the variables of its owner say.
fn command(data: &Data) -> Result<Command> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SHIPSLOG_") {
            command.env_remove(name);
        }
    }
    command
        .args([
            "serve",
            "--http",
            "127.0.0.1:0",
            "--mqtt",
            "127.0.0.1:0",
            "--mqtts",
            "off",
            "--device-https",
            "off",
            // Its log shall hold what a play says, and not how its devices came to say it.
            "--presence",
            "off",
        ])
        .arg("--stop-with-stdin")
        .arg("--data-dir")
        .arg(data.directory())
        .env("RUST_LOG", "warn")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    Ok(command)
}

impl Drop for OwnService {
    fn drop(&mut self) {
        // It has ended already unless its owner failed.
        drop(self.process.kill());
        drop(self.reap());
    }
}
