//! The device edge with its listeners.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use shipslog_gateway_core::fleet_provisioning::FleetProvisioning;
use shipslog_gateway_core::fleet_provisioning::hooks::Hooks;
use shipslog_gateway_core::pki::Authority;
use shipslog_gateway_core::{App, Clock};
use shipslog_gateway_device::{Edge, Listener, SavedSessions, ServerKey, Settings, Tls, tls};
use shipslog_gateway_http::{DevicePlane, device_plane};
use tokio::task::{JoinHandle, JoinSet};

use super::metrics::ProvisioningMetrics;
use crate::config::Config;

/// How often it is seen to that the server's certificate does not run out.
const RENEWAL_PERIOD: Duration = Duration::from_hours(6);

/// Where devices connect.
pub(super) struct Listeners {
    pub(super) mqtt: Option<Listener>,
    pub(super) mqtts: Option<Listener>,
    pub(super) https: Option<Listener>,
}

/// The running edge, if any listener is on.
pub(super) struct Devices {
    edge: Option<Edge>,
    plane: Option<DevicePlane>,
    listening: Vec<JoinHandle<()>>,
    /// What looks after the server certificate; ends with this.
    keeping: JoinSet<()>,
}

impl Devices {
    /// Adds the figures of the device plane to those of the HTTP side, whose settings it shares.
    pub(super) fn start(
        app: &App,
        authority: Arc<Authority>,
        http: &mut shipslog_gateway_http::Options,
        config: &Config,
        listeners: Listeners,
    ) -> Result<Self> {
        let mut devices = Self {
            edge: None,
            plane: None,
            listening: Vec::new(),
            keeping: JoinSet::new(),
        };
        let Listeners { mqtt, mqtts, https } = listeners;
        if mqtt.is_none() && mqtts.is_none() && https.is_none() {
            return Ok(devices);
        }
        let hooks = Hooks::new(config.provisioning_hooks.clone());
        let provisioning = FleetProvisioning::new(app.clone(), Arc::clone(&authority), hooks);
        let provisioning = Arc::new(provisioning);
        http.metrics_sources
            .push(Arc::new(ProvisioningMetrics(Arc::clone(&provisioning))));
        let settings = Settings {
            provisioning: Some(provisioning),
            objects: http.objects.clone(),
            ..config.devices.clone()
        };
        let sessions = config.data_dir.join("sessions");
        let saved = SavedSessions::open(&sessions);
        let saved = saved.with_context(|| format!("cannot read {}", sessions.display()))?;
        let edge = Edge::resume(app.clone(), settings, saved);
        let edge = edge.with_context(|| format!("cannot write to {}", sessions.display()))?;
        http.messages = Some(Arc::new(edge.clone()));
        if let Some(listener) = mqtt {
            let running = listener.run(edge.clone());
            devices.listening.push(tokio::spawn(running));
        }
        if mqtts.is_none() && https.is_none() {
            devices.edge = Some(edge);
            return Ok(devices);
        }
        let key = devices.server_key(authority)?;
        if let Some(listener) = mqtts {
            let tls = Tls::new(Arc::clone(&key), app.clone(), &tls::MQTT_PROTOCOLS);
            let running = listener.run_tls(edge.clone(), tls);
            devices.listening.push(tokio::spawn(running));
        }
        if let Some(listener) = https {
            let plane = DevicePlane::new(app.clone(), http.clone());
            http.metrics_sources.push(Arc::new(plane.clone()));
            let tls = Tls::new(key, app.clone(), &device_plane::PROTOCOLS);
            let served = plane.clone();
            let running = listener.run_with(edge.clone(), tls, move |stream, certificate| {
                let plane = served.clone();
                async move { plane.serve(stream, certificate).await }
            });
            devices.listening.push(tokio::spawn(running));
            devices.plane = Some(plane);
        }
        devices.edge = Some(edge);
        Ok(devices)
    }

    /// The server's certificate, looked after from here on.
    fn server_key(&mut self, authority: Arc<Authority>) -> Result<Arc<ServerKey>> {
        let (certificate, key) = (authority.server_pem_path(), authority.server_key_path());
        let key = ServerKey::open(certificate, key).context("cannot use the server certificate")?;
        let key = Arc::new(key);
        let watched = Arc::clone(&key);
        self.keeping.spawn(async move { watched.watch().await });
        self.keeping.spawn(renew(authority));
        Ok(key)
    }

    pub(super) const fn edge(&self) -> Option<&Edge> {
        self.edge.as_ref()
    }

    /// Tells all clients, and waits until they are gone.
    pub(super) async fn stop(self) -> Result<()> {
        if let Some(edge) = &self.edge {
            edge.shutdown().await;
        }
        if let Some(plane) = &self.plane {
            plane.stop().await;
        }
        for listening in self.listening {
            listening.await.context("a listener for devices panicked")?;
        }
        Ok(())
    }
}

/// Certificates are of the world outside of the fleet: their times are the machine's, whatever clock the service has.
async fn renew(authority: Arc<Authority>) {
    let mut period = tokio::time::interval(RENEWAL_PERIOD);
    loop {
        period.tick().await;
        let authority = Arc::clone(&authority);
        let renewed =
            tokio::task::spawn_blocking(move || authority.renew_server(Clock::System.now()));
        match renewed.await {
            Ok(Ok(true)) => tracing::info!("the server certificate was renewed"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the server certificate cannot be renewed"),
            Err(error) => tracing::error!(%error, "the renewal of the server certificate panicked"),
        }
    }
}
