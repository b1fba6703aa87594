//! The service, composed: log, writer, provisioner, HTTP edge and device edge on one data directory.

mod devices;
mod metrics;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use shipslog_domain::fleet;
use shipslog_gateway_core::access::{self, AccessKey, Keys, Role, Secret};
use shipslog_gateway_core::artifacts::Store;
use shipslog_gateway_core::container_logs::ContainerLogs;
use shipslog_gateway_core::control::Control;
use shipslog_gateway_core::log::Log;
use shipslog_gateway_core::objects::Objects;
use shipslog_gateway_core::pki::{self, Authority};
use shipslog_gateway_core::provisioner::{Provisioner, Workshop};
use shipslog_gateway_core::s3::{Credentials, Documents, Endpoint};
use shipslog_gateway_core::storage::FileStorage;
use shipslog_gateway_core::{App, Clock, Ended, Options, Service, installer, sigv4};
use shipslog_gateway_device::{Edge, Listener};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::Config;
use devices::{Devices, Listeners};
use metrics::{ContainerLogMetrics, EdgeMetrics, ObjectMetrics};

/// A running service.
pub(crate) struct Running {
    service: Service,
    provisioner: Provisioner,
    stop: watch::Sender<bool>,
    /// Ended with this.
    _control: JoinSet<()>,
    http: JoinHandle<std::io::Result<()>>,
    devices: Devices,
    pub(crate) http_address: SocketAddr,
    pub(crate) mqtt_address: Option<SocketAddr>,
    pub(crate) mqtts_address: Option<SocketAddr>,
    pub(crate) device_https_address: Option<SocketAddr>,
}

impl Running {
    /// Opens the data directory, replays the log and starts every part. Must be called on a tokio runtime.
    pub(crate) async fn start(config: &Config) -> Result<Self> {
        let data_dir = &config.data_dir;
        // Sockets first: an address in use is found before anything is replayed.
        let listener = TcpListener::bind(config.http)
            .await
            .with_context(|| format!("http: cannot listen on {}", config.http))?;
        let http_address = listener.local_addr()?;
        let mqtt = bind("mqtt", config.mqtt)?;
        let mqtts = bind("mqtts", config.mqtts)?;
        let mqtt_address = mqtt.as_ref().map(Listener::address);
        let mqtts_address = mqtts.as_ref().map(Listener::address);
        let https = bind("device-https", config.device_https)?;
        let device_https_address = https.as_ref().map(Listener::address);
        let log = Log::open(data_dir)
            .with_context(|| format!("cannot open the log in {}", data_dir.display()))?;
        let workshop = workshop(config, data_dir)?;
        let mut http_options = http_options(config, &workshop)?;
        let documents = match &config.s3_endpoint {
            Some(endpoint) if endpoint.has_credentials() => Documents::signed_for(endpoint.clone()),
            _ => stored_documents(config, http_address, &mut http_options)?,
        };
        let options = Options {
            fleet: fleet_settings(config),
            virtual_clock: config.virtual_clock,
            documents,
            container_logs: container_logs(data_dir)?,
            ..Options::default()
        };
        let metrics = ContainerLogMetrics(Arc::clone(&options.container_logs));
        http_options.metrics_sources.push(Arc::new(metrics));
        let service = tokio::task::spawn_blocking(move || Service::start(log, options))
            .await
            .context("the start was interrupted")??;
        let app = service.app().clone();
        let authority = Arc::clone(&workshop.authority);
        let control = control(data_dir, &app, &authority)?;
        let provisioner =
            Provisioner::start(&app, workshop).context("cannot start the provisioner")?;
        let devices = Devices::start(
            &app,
            authority,
            &mut http_options,
            config,
            Listeners { mqtt, mqtts, https },
        )?;
        let (stop, stopped) = watch::channel(false);
        let http = serve_http(
            listener,
            app,
            http_options,
            devices.edge().cloned(),
            stopped,
        );
        Ok(Self {
            service,
            provisioner,
            devices,
            stop,
            _control: control,
            http,
            http_address,
            mqtt_address,
            mqtts_address,
            device_https_address,
        })
    }

    pub(crate) fn app(&self) -> &App {
        self.service.app()
    }

    /// Stops accepting, finishes what is in hand, saves the states and closes the log.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        self.devices.stop().await?;
        self.http.await.context("the HTTP listener panicked")??;
        let (service, provisioner) = (self.service, self.provisioner);
        let ended = tokio::task::spawn_blocking(move || {
            provisioner.stop();
            service.stop()
        });
        match ended.await.context("the stop was interrupted")? {
            Ended::Stopped => Ok(()),
            Ended::Failed(why) => bail!("{why}"),
        }
    }
}

/// How the HTTP edge is set up, but for what leads to other edges.
fn http_options(config: &Config, workshop: &Workshop) -> Result<shipslog_gateway_http::Options> {
    let objects = objects(config, &workshop.artifacts)?;
    Ok(shipslog_gateway_http::Options {
        region: config.region.clone(),
        account: config.account.clone(),
        authority: Some(Arc::clone(&workshop.authority)),
        s3_endpoint: config.s3_endpoint.clone(),
        keys: access_keys(config)?,
        page_secret: access::service_secret(&config.data_dir, "page-tokens")
            .context("cannot open the secret of page tokens")?,
        metrics_sources: vec![Arc::new(ObjectMetrics(objects.clone()))],
        objects,
        ..shipslog_gateway_http::Options::new(Arc::clone(&workshop.artifacts))
    })
}

/// What containers wrote while an earlier process ran, and where more of it goes.
fn container_logs(data_dir: &Path) -> Result<Arc<ContainerLogs>> {
    let storage = Arc::new(FileStorage::new(data_dir));
    let logs = ContainerLogs::open(storage).context("cannot open the logs of containers")?;
    Ok(Arc::new(logs))
}

/// What decisions of the fleet depend on.
fn fleet_settings(config: &Config) -> fleet::Settings {
    fleet::Settings {
        rollout_ceiling_per_minute: config.rollout_ceiling_per_minute,
        region: config.region.as_str().into(),
        account: config.account.as_str().into(),
    }
}

/// Answers commands that ask the service on this data directory, until it is dropped.
fn control(data_dir: &Path, app: &App, authority: &Arc<Authority>) -> Result<JoinSet<()>> {
    let socket = Control::bind(data_dir).context("cannot make the control socket")?;
    let mut control = JoinSet::new();
    control.spawn(socket.run(app.clone(), Arc::clone(authority)));
    Ok(control)
}

/// Listens for devices, unless it is off.
fn bind(name: &str, address: Option<SocketAddr>) -> Result<Option<Listener>> {
    address
        .map(|address| {
            Listener::bind(address).with_context(|| format!("{name}: cannot listen on {address}"))
        })
        .transpose()
}

/// The access keys that HTTP requests are checked against, if they are.
fn access_keys(config: &Config) -> Result<Option<Arc<Keys>>> {
    if !config.auth {
        return Ok(None);
    }
    let keys = Keys::open(&config.data_dir).context("cannot read the access keys")?;
    if keys.count() == 0 {
        tracing::warn!(
            "auth is on and there is no access key yet; make one with `shipslog keys create --name NAME --role admin --data-dir {}`",
            config.data_dir.display()
        );
    }
    Ok(Some(Arc::new(keys)))
}

/// Job documents whose files are the stored artifacts of this service, and who checks the URLs in them.
fn stored_documents(
    config: &Config,
    http_address: SocketAddr,
    http_options: &mut shipslog_gateway_http::Options,
) -> Result<Documents> {
    let secret = access::service_secret(&config.data_dir, "artifact-urls")
        .context("cannot open the secret of artifact URLs")?;
    let secret = Secret::new(&sigv4::canonical::to_hex(&secret));
    let key = AccessKey::of_service("SHIPSLOGARTIFACTS", Role::Viewer, secret);
    // Devices do not reach the address that stands for all addresses.
    let host = match http_address.ip().is_unspecified() {
        false => http_address.to_string(),
        true => {
            let name = config.server_names.first();
            let name = name.map_or("localhost", String::as_str);
            format!("{name}:{}", http_address.port())
        }
    };
    let credentials = Credentials {
        key_id: key.id.clone(),
        secret: key.secret.clone(),
        session_token: None,
    };
    http_options.artifact_key = Some(Arc::new(key));
    let address = format!("http://{host}/artifacts");
    let endpoint = Endpoint::parse(&address, &config.region, Some(credentials));
    let endpoint = endpoint.with_context(|| format!("server-name: {host:?} is no host"))?;
    Ok(Documents::signed_for(endpoint))
}

/// The files that devices fetch in blocks.
fn objects(config: &Config, artifacts: &Arc<Store>) -> Result<Objects> {
    let directory = config.data_dir.join("fetched");
    let endpoint = config.s3_endpoint.clone();
    Objects::open(Arc::clone(artifacts), endpoint, &directory)
        .context("cannot open what was fetched from the S3 endpoint")
}

/// What core tasks need: keys and files.
fn workshop(config: &Config, data_dir: &Path) -> Result<Workshop> {
    let settings = pki::Settings {
        server_names: config.server_names.clone(),
        device_key: config.device_key,
    };
    let authority = Authority::open(&data_dir.join("ca"), &settings, Clock::System.now())
        .context("cannot open the device CA")?;
    let artifacts =
        Store::open(&data_dir.join("artifacts")).context("cannot open the artifacts")?;
    let endpoint = config
        .server_names
        .first()
        .map_or("localhost", String::as_str);
    Ok(Workshop {
        authority: Arc::new(authority),
        artifacts: Arc::new(artifacts),
        installer: installer::Settings {
            region: config.region.clone(),
            data_endpoint: endpoint.to_owned(),
            credentials_endpoint: endpoint.to_owned(),
            ..installer::Settings::default()
        },
    })
}

/// Serves HTTP until `stopped`, on the current tokio runtime.
pub(crate) fn serve_http(
    listener: TcpListener,
    app: App,
    mut options: shipslog_gateway_http::Options,
    edge: Option<Edge>,
    mut stopped: watch::Receiver<bool>,
) -> JoinHandle<std::io::Result<()>> {
    if let Some(edge) = edge {
        options.metrics_sources.push(Arc::new(EdgeMetrics(edge)));
    }
    tokio::spawn(async move {
        let stop = async move {
            // The sender lives as long as the service.
            drop(stopped.wait_for(|stopped| *stopped).await);
        };
        shipslog_gateway_http::serve(listener, app, options, stop).await
    })
}
