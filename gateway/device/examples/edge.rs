//! A device edge alone on a state machine with a log of its own, for measurements with the load generator:
//! `cargo run --release -p shipslog-gateway-device --example edge -- 127.0.0.1:1883 20000 2`
//! (address, things `dev0000000` and up to create, worker threads).

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use shipslog_domain::{Command, ThingName};
use shipslog_gateway_core::log::Log;
use shipslog_gateway_core::{Options, Service};
use shipslog_gateway_device::{Edge, Listener, Settings};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let address = words
        .first()
        .map_or("127.0.0.1:1883", String::as_str)
        .parse()?;
    let things: u32 = words.get(1).map_or(Ok(0), |text| text.parse())?;
    let workers: usize = words.get(2).map_or(Ok(2), |text| text.parse())?;
    let directory = tempfile::tempdir()?;
    let service = Service::start(Log::open(directory.path())?, Options::default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let mut creating = tokio::task::JoinSet::new();
        for number in 0..things {
            let name = ThingName::parse(&format!("dev{number:07}"))?;
            let (thing_type, attributes) = (None, Vec::new());
            let app = service.app().clone();
            let command = Command::CreateThing {
                name,
                thing_type,
                attributes,
                billing_group: None,
            };
            creating.spawn(async move { app.submit(command).await });
            if creating.len() >= 512 {
                creating.join_next().await.transpose()?;
            }
        }
        creating.join_all().await;
        let edge = Edge::start(service.app().clone(), Settings::default());
        let listener = Listener::bind(address)?;
        tracing::info!(address = %listener.address(), "listening");
        listener.run(edge).await;
        Ok(())
    })
}
