//! The service within the process: durable log, writer and device edge, with pipes for sockets. It can be killed and
//! started again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use shipslog_domain::fleet;
use shipslog_gateway_core::artifacts::Store;
use shipslog_gateway_core::log::Log;
use shipslog_gateway_core::{App, Ended, Options, Service};
use shipslog_gateway_device::{Edge, Settings};
use shipslog_simulator::pipes::{self, ServiceEnd};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::service;

/// Opens the log, at each start.
type Open = dyn Fn() -> Result<Log> + Send + Sync;

/// A service that runs, or is down.
pub(super) struct Embedded {
    open: Arc<Open>,
    options: Options,
    http: Option<Http>,
    running: Mutex<Option<Running>>,
}

/// Where HTTP is served beside the pipes.
struct Http {
    /// A free port is chosen once, and is the same after a restart.
    address: Mutex<SocketAddr>,
    artifacts: Arc<Store>,
}

struct Running {
    service: Service,
    edge: Edge,
    http: Option<Serving>,
}

/// HTTP at work.
struct Serving {
    stop: watch::Sender<bool>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Embedded {
    /// A service on this data directory, which is down. Its clock is moved by whoever plays.
    pub(super) fn new(directory: &Path, ceiling_per_minute: u32) -> Self {
        let directory = directory.to_owned();
        let open = move || {
            Log::open(&directory)
                .with_context(|| format!("cannot open the log in {}", directory.display()))
        };
        Self::with_log(Arc::new(open), ceiling_per_minute)
    }

    /// The same with a log from somewhere else.
    pub(super) fn with_log(open: Arc<Open>, ceiling_per_minute: u32) -> Self {
        let options = Options {
            fleet: fleet::Settings {
                rollout_ceiling_per_minute: ceiling_per_minute,
                ..fleet::Settings::default()
            },
            virtual_clock: true,
            ..Options::default()
        };
        Self {
            open,
            options,
            http: None,
            running: Mutex::new(None),
        }
    }

    /// How its state machine is set up.
    pub(super) fn settings(&self) -> fleet::Settings {
        self.options.fleet.clone()
    }

    /// The same with HTTP on an address, and its files in a directory.
    pub(super) fn serving(mut self, address: SocketAddr, files: &Path) -> Result<Self> {
        self.http = Some(Http {
            address: Mutex::new(address),
            artifacts: Arc::new(Store::open(files).context("cannot open the artifacts")?),
        });
        Ok(self)
    }

    /// Where HTTP is served.
    pub(super) fn http_address(&self) -> Option<SocketAddr> {
        let http = self.http.as_ref()?;
        Some(*http.address.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn start_http(&self, app: &App, edge: &Edge) -> Result<Option<Serving>> {
        let (Some(http), Some(address)) = (&self.http, self.http_address()) else {
            return Ok(None);
        };
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("--http: cannot listen on {address}; name another address, or port 0")
        })?;
        *http.address.lock().unwrap_or_else(PoisonError::into_inner) = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let options = shipslog_gateway_http::Options::new(Arc::clone(&http.artifacts));
        let task = service::serve_http(listener, app.clone(), options, Some(edge.clone()), stopped);
        Ok(Some(Serving { stop, task }))
    }

    /// Opens the log and starts every part, on the current tokio runtime.
    pub(super) async fn start(&self) -> Result<App> {
        let (open, options) = (Arc::clone(&self.open), self.options.clone());
        let started =
            tokio::task::spawn_blocking(move || anyhow::Ok(Service::start(open()?, options)?));
        let service = started.await.context("the start was interrupted")??;
        let app = service.app().clone();
        let edge = Edge::start(app.clone(), Settings::default());
        let http = self.start_http(&app, &edge).await?;
        *self.running() = Some(Running {
            service,
            edge,
            http,
        });
        Ok(app)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the service has done all that it was asked for, and everybody was notified of it.
    pub(super) fn is_idle(&self) -> bool {
        let running = self.running();
        let Some(Running { service, edge, .. }) = &*running else {
            return true;
        };
        let (app, metrics) = (service.app(), edge.metrics());
        let queued = app
            .metrics()
            .queued
            .load(std::sync::atomic::Ordering::Acquire);
        queued == 0 && metrics.requests_in_hand() == 0 && metrics.notified_position() == app.head()
    }

    /// Ends it as if the process had been killed.
    pub(super) async fn kill(&self) -> Result<()> {
        let running = self.running().take();
        let running = running.ok_or_else(|| anyhow!("the service is down already"))?;
        let Running {
            service,
            edge,
            http,
        } = running;
        drop(edge);
        if let Some(Serving { task, .. }) = http {
            task.abort();
            // It was told to end, and has ended when it says so.
            task.await.ok();
        }
        let killed = tokio::task::spawn_blocking(move || service.kill());
        killed.await.context("the end was interrupted")
    }

    /// Finishes what is in hand, saves the states and closes the log.
    pub(super) async fn stop(&self) -> Result<()> {
        let Some(Running {
            service,
            edge,
            http,
        }) = self.running().take()
        else {
            return Ok(());
        };
        edge.shutdown().await;
        drop(edge);
        if let Some(Serving { stop, task }) = http {
            stop.send_replace(true);
            task.await.context("the HTTP listener panicked")??;
        }
        let ended = tokio::task::spawn_blocking(move || service.stop());
        match ended.await.context("the stop was interrupted")? {
            Ended::Stopped => Ok(()),
            Ended::Failed(why) => bail!("{why}"),
        }
    }
}

impl pipes::Service for Embedded {
    fn serve(&self, stream: ServiceEnd) {
        let edge = self.running().as_ref().map(|running| running.edge.clone());
        if let Some(edge) = edge {
            tokio::spawn(async move { edge.serve_stream(stream).await });
        }
    }
}
