//! A device edge alone, on an in-memory state machine, for measurements with the load generator:
//! `cargo run --release -p shipslog-gateway-device --example edge -- 127.0.0.1:1883 20000 2`
//! (address, things `dev0000000` and up to create, worker threads).

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use shipslog_domain::{Command, ThingName};
use shipslog_gateway_device::{App, Edge, Listener, Settings};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let address = words.first().expect("an address").parse().expect("an address");
    let things: u32 = words.get(1).map_or(0, |text| text.parse().expect("a number"));
    let workers: usize = words.get(2).map_or(2, |text| text.parse().expect("a number"));
    let runtime = if workers == 0 {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()
    };
    runtime.expect("a runtime").block_on(async move {
        let app = App::start();
        for number in 0..things {
            let name = ThingName::parse(&format!("dev{number:07}")).expect("a name");
            let command = Command::CreateThing { name, thing_type: None, attributes: Vec::new() };
            app.submit(command).await.expect("a running state machine").expect("a new thing");
        }
        let edge = Edge::start(app, Settings::default());
        let listener = Listener::bind(address).expect("a free address");
        eprintln!("listening on {}", listener.address());
        listener.run(edge).await;
    });
}
