//! The service within the process: durable log, writer and device edge, with pipes for sockets.

use std::path::Path;

use anyhow::{Context, Result, bail};
use shipslog_domain::fleet;
use shipslog_gateway_core::log::Log;
use shipslog_gateway_core::{App, Ended, Options, Service};
use shipslog_gateway_device::{Edge, Settings};
use shipslog_simulator::pipes::{self, ServiceEnd};

/// A running service.
pub(super) struct Embedded {
    service: Service,
    edge: Edge,
}

impl Embedded {
    /// Opens the log and starts every part, on the current tokio runtime.
    pub(super) async fn start(directory: &Path) -> Result<Self> {
        let log = Log::open(directory)
            .with_context(|| format!("cannot open the log in {}", directory.display()))?;
        let options = Options {
            fleet: fleet::Settings {
                rollout_ceiling_per_minute: u32::MAX,
                ..fleet::Settings::default()
            },
            ..Options::default()
        };
        let service = tokio::task::spawn_blocking(move || Service::start(log, options))
            .await
            .context("the start was interrupted")??;
        let edge = Edge::start(service.app().clone(), Settings::default());
        Ok(Self { service, edge })
    }

    pub(super) fn app(&self) -> &App {
        self.service.app()
    }

    /// Finishes what is in hand, saves the states and closes the log.
    pub(super) async fn stop(self) -> Result<()> {
        self.edge.shutdown().await;
        let service = self.service;
        let ended = tokio::task::spawn_blocking(move || service.stop());
        match ended.await.context("the stop was interrupted")? {
            Ended::Stopped => Ok(()),
            Ended::Failed(why) => bail!("{why}"),
        }
    }
}

impl pipes::Service for Embedded {
    fn serve(&self, stream: ServiceEnd) {
        let edge = self.edge.clone();
        tokio::spawn(async move { edge.serve_stream(stream).await });
    }
}
