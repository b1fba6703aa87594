//! `shipslog serve`.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::json;
use shipslog_gateway_core::Ended;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::args::Serve;
use crate::config::Config;
use crate::output;
use crate::service::Running;

/// Exit code of bad arguments.
const BAD_ARGUMENTS: u8 = 2;

pub(crate) fn run(options: &Serve) -> Result<ExitCode> {
    let config = match Config::resolve(options) {
        Ok(config) => config,
        Err(error) => {
            output::complain(&error);
            return Ok(ExitCode::from(BAD_ARGUMENTS));
        }
    };
    log_to_stderr(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(serve(&config, options.stop_with_stdin));
    // Whatever still runs has had its time.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    served.map(|()| ExitCode::SUCCESS)
}

/// Logs go to standard error; `RUST_LOG` says which.
fn log_to_stderr(config: &Config) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second subscriber in one process would be a bug; the first one stays.
    let _installed = if config.json_log {
        subscriber.json().try_init()
    } else {
        subscriber.try_init()
    };
}

/// Done when standard input closes; never, if nobody asked.
async fn stdin_closed(asked: bool) {
    if !asked {
        return std::future::pending().await;
    }
    let (closed, is_closed) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        // What is written there does not matter.
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        drop(closed);
    });
    drop(is_closed.await);
}

async fn serve(config: &Config, stop_with_stdin: bool) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let running = tokio::select! {
        started = Running::start(config) => started?,
        // Nothing has been acknowledged yet, so nothing has to be finished.
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let app = running.app().clone();
    output::line(
        &json!({
            "ready": true,
            "http": running.http_address.to_string(),
            "mqtt": running.mqtt_address.map(|address| address.to_string()),
            "mqtts": running.mqtts_address.map(|address| address.to_string()),
            "deviceHttps": running.device_https_address.map(|address| address.to_string()),
            "position": app.head().0,
        })
        .to_string(),
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stdin_closed(stop_with_stdin) => {}
        ended = app.ended() => match ended {
            Ended::Stopped => {}
            Ended::Failed(why) => bail!("{why}"),
        },
    }
    tracing::info!("stopping");
    running.stop().await
}
