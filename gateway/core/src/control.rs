//! How a command asks the service that runs on a data directory: a socket in the directory, for its owner only.
//!
//! A request is one line of JSON, and so is its answer.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::pki::Authority;
use crate::{App, devices, files};

/// The socket's own directory in the data directory, which nobody but its owner looks into.
const DIRECTORY: &str = "control";
/// Name of the socket.
const SOCKET: &str = "socket";
/// Longest request, in bytes.
const REQUEST_BYTES_MAX: u64 = 4_096;
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;
/// From the opened connection to the answer.
const TIME_MAX: Duration = Duration::from_secs(10);

/// A device's certificate with its key, as the service made them.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    /// The id of the certificate.
    pub certificate_id: String,
    /// The certificate in PEM form.
    pub certificate: String,
    /// Its private key in PEM form.
    pub key: String,
    /// The certificate that servers are signed by.
    pub ca: String,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("certificate_id", &self.certificate_id)
            .finish_non_exhaustive()
    }
}

impl Device {
    /// Has the service make one: [`devices::issue`].
    pub async fn issue(
        app: &App,
        authority: &Authority,
        thing: &str,
    ) -> Result<Self, devices::Error> {
        let issued = devices::issue(app, authority, thing).await?;
        Ok(Self {
            certificate_id: issued.certificate.fingerprint.to_string(),
            certificate: issued.certificate.pem.to_string(),
            key: issued.key.expose_pem().to_owned(),
            ca: authority.ca_pem().to_owned(),
        })
    }
}

/// The socket's path by way of its directory's descriptor: paths of sockets are short, those of directories are not.
fn path(directory: &File) -> PathBuf {
    format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()).into()
}

/// The socket of a running service.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
}

impl Control {
    /// Listens in a data directory that is locked by this process: what an earlier one left there is replaced. Must be
    /// called on a tokio runtime.
    pub fn bind(data_dir: &Path) -> io::Result<Self> {
        let directory = data_dir.join(DIRECTORY);
        files::create_private_directory(&directory).map_err(|error| error.source)?;
        let directory = File::open(directory)?;
        let path = path(&directory);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path)?;
        Ok(Self { listener })
    }

    /// Answers requests one after the other. Never ends.
    pub async fn run(self, app: App, authority: Arc<Authority>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let answered = timeout(TIME_MAX, answer(stream, &app, &authority)).await;
                    if !matches!(answered, Ok(Ok(()))) {
                        tracing::warn!("a request on the control socket was not answered");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection on the control socket could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

async fn answer(mut stream: UnixStream, app: &App, authority: &Authority) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(reader).take(REQUEST_BYTES_MAX);
    reader.read_line(&mut line).await?;
    let request: Value = serde_json::from_str(&line).unwrap_or_default();
    let answer = match request.pointer("/issue/thing").and_then(Value::as_str) {
        None => {
            json!({"error": "the service does not know this request; use the same version of shipslog for both"})
        }
        Some(thing) => match Device::issue(app, authority, thing).await {
            Ok(device) => json!({
                "certificateId": device.certificate_id,
                "certificate": device.certificate,
                "key": device.key,
                "ca": device.ca,
            }),
            Err(error) => json!({"error": error.to_string()}),
        },
    };
    writer.write_all(format!("{answer}\n").as_bytes()).await
}

/// Asks the service that runs on a data directory for a device; `None` if none runs. The error says what the service
/// says, or that it does not answer.
pub fn issue(data_dir: &Path, thing: &str) -> Option<Result<Device, String>> {
    let directory = File::open(data_dir.join(DIRECTORY)).ok()?;
    let stream = Blocking::connect(path(&directory)).ok()?;
    let asked = ask(stream, &json!({"issue": {"thing": thing}}));
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => return Some(Err(format!("the service does not answer: {error}"))),
    };
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        return Some(Err(error.to_owned()));
    }
    let text = |name: &str| Some(answer.get(name)?.as_str()?.to_owned());
    let device = || {
        Some(Device {
            certificate_id: text("certificateId")?,
            certificate: text("certificate")?,
            key: text("key")?,
            ca: text("ca")?,
        })
    };
    Some(device().ok_or_else(|| "the service's answer is not understood".to_owned()))
}

fn ask(mut stream: Blocking, request: &Value) -> io::Result<Value> {
    stream.set_read_timeout(Some(TIME_MAX))?;
    stream.set_write_timeout(Some(TIME_MAX))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(io::Read::take(stream, ANSWER_BYTES_MAX)).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
