//! `shipslog ca`: certificates of devices, made by hand.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use shipslog_domain::{ThingName, fleet};
use shipslog_gateway_core::control::{self, Device};
use shipslog_gateway_core::log::Log;
use shipslog_gateway_core::pki::{self, Authority};
use shipslog_gateway_core::{Clock, Ended, Options, Service};

use crate::args::{Ca, IssueDevice};
use crate::output;

pub(crate) fn run(command: &Ca) -> Result<ExitCode> {
    let Ca::Issue(options) = command;
    if let Err(rejection) = ThingName::parse(&options.thing) {
        output::complain(&anyhow::anyhow!("--thing: {}", rejection.message));
        return Ok(ExitCode::from(2));
    }
    let files = Files::new(&options.out, &options.thing)?;
    let data_dir = &options.log.data_dir;
    let device = match control::issue(data_dir, &options.thing) {
        Some(Ok(device)) => device,
        Some(Err(reason)) => bail!(reason),
        None => issue_alone(options)?,
    };
    files.write(&device)?;
    output::line(
        &json!({
            "thing": options.thing,
            "certificateId": device.certificate_id,
            "certificate": files.certificate,
            "key": files.key,
            "ca": files.ca,
        })
        .to_string(),
    );
    Ok(ExitCode::SUCCESS)
}

/// Where a device's files go.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    ca: PathBuf,
}

impl Files {
    /// Refuses names that are taken, before anything is made.
    fn new(out: &Path, thing: &str) -> Result<Self> {
        std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
        let files = Self {
            certificate: out.join(format!("{thing}.pem")),
            key: out.join(format!("{thing}.key")),
            ca: out.join("ca.pem"),
        };
        for path in [&files.certificate, &files.key] {
            ensure!(
                !path.exists(),
                "{} exists; remove it, or choose another directory with --out",
                path.display()
            );
        }
        ensure!(
            thing != "ca",
            "the file of a thing of this name would be that of the CA; issue its certificate with the AWS API"
        );
        Ok(files)
    }

    fn write(&self, device: &Device) -> Result<()> {
        write(&self.key, &device.key, 0o600, true)?;
        write(&self.certificate, &device.certificate, 0o644, true)?;
        write(&self.ca, &device.ca, 0o644, false)
    }
}

fn write(path: &Path, text: &str, mode: u32, new: bool) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(mode);
    if new {
        options.create_new(true);
    } else {
        options.create(true).truncate(true);
    }
    let write = || -> std::io::Result<()> {
        let mut file = options.open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Without a service, this process is the one for as long as it takes.
fn issue_alone(options: &IssueDevice) -> Result<Device> {
    let data_dir = &options.log.data_dir;
    let log = Log::open(data_dir)
        .with_context(|| format!("cannot open the log in {}", data_dir.display()))?;
    let settings = pki::Settings::default();
    let authority = Authority::open_ca(&data_dir.join("ca"), &settings, Clock::System.now())
        .context("cannot open the device CA")?;
    let service = Service::start(
        log,
        Options {
            fleet: fleet::Settings {
                region: options.region.as_str().into(),
                account: options.account.as_str().into(),
                ..fleet::Settings::default()
            },
            ..Options::default()
        },
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let app = service.app().clone();
    let issued = runtime.block_on(Device::issue(&app, &authority, &options.thing));
    match service.stop() {
        Ended::Stopped => Ok(issued?),
        Ended::Failed(why) => bail!("{why}"),
    }
}
