//! Clients that come all at once, with and without a record of who comes; and persistent sessions that wait for their
//! clients over a restart.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use shipslog_domain::Command;
use shipslog_gateway_core::App;
use shipslog_gateway_device::{Edge, SavedSessions, Settings};
use shipslog_simulator::mqtt::{Packet, QoS};
use tokio::task::JoinSet;

use super::pipe::{CONNECTING_MAX, Client};
use super::{fixture, resident_bytes, thousandths};

/// Storms of each kind; the quickest counts.
const ROUNDS: usize = 3;
/// Messages that wait for each client.
const WAITING: usize = 2;
/// Messages that were published and not acknowledged.
const IN_FLIGHT: usize = 256;
/// One client in so many is asked whether it finds its session as it left it.
const SAMPLE: usize = 500;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) sessions: u32,
}

pub(crate) fn measure(directory: &Path, plan: Plan) -> Result<Value> {
    fixture::with_service(&directory.join("log"), async |app| {
        let names = create_things(&app, plan.sessions).await?;
        let mut figures = json!({ "bench": "sessions", "sessions": plan.sessions });
        let all = figures.as_object_mut().context("an object was made")?;
        // First: memory that a storm gave back would hide what the sessions take.
        all.append(&mut restart(&app, &names, &directory.join("sessions")).await?);
        all.append(&mut storms(&app, &names).await?);
        Ok(figures)
    })
}

async fn create_things(app: &App, count: u32) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut creating = JoinSet::new();
    for number in 0..count {
        let name = fixture::thing_name(number)?;
        names.push(name.to_string());
        let create = Command::CreateThing {
            name,
            thing_type: None,
            attributes: Vec::new(),
            billing_group: None,
        };
        let app = app.clone();
        creating.spawn(async move { app.submit(create).await });
        if creating.len() >= CONNECTING_MAX {
            creating.join_next().await.transpose()?.transpose()?;
        }
    }
    for created in creating.join_all().await {
        created??;
    }
    Ok(names)
}

/// Everybody connects at once, to an edge that records who comes and to one that does not, in turns.
async fn storms(app: &App, names: &[String]) -> Result<Map<String, Value>> {
    let [mut unrecorded, mut recorded] = [f64::INFINITY; 2];
    let mut events = 0;
    for _ in 0..ROUNDS {
        unrecorded = unrecorded.min(storm(app, names, false).await?.0);
        let (micros, more) = storm(app, names, true).await?;
        recorded = recorded.min(micros);
        events += more;
    }
    let figures = [
        ("microsPerConnect", json!(thousandths(unrecorded))),
        ("microsPerRecordedConnect", json!(thousandths(recorded))),
        ("presenceEventsMeanwhile", json!(events)),
    ];
    Ok(named(figures))
}

/// Microseconds per connect, and how many events were recorded until all were there.
async fn storm(app: &App, names: &[String], records_presence: bool) -> Result<(f64, u64)> {
    let settings = Settings {
        records_presence,
        ..Settings::default()
    };
    let edge = Edge::start(app.clone(), settings);
    let began = Instant::now();
    let clients = connect_all(&edge, names, true).await?;
    let elapsed = began.elapsed();
    let events = edge.presence().map_or(0, |figures| figures.recorded);
    drop(clients);
    edge.shutdown().await;
    let micros = elapsed.as_secs_f64() * 1e6 / f64::from(u32::try_from(names.len())?.max(1));
    Ok((micros, events))
}

async fn connect_all(edge: &Edge, names: &[String], clean: bool) -> Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(names.len());
    let mut connecting = JoinSet::new();
    for name in names {
        let (edge, name) = (edge.clone(), name.clone());
        connecting.spawn(async move { Client::connect(edge, &name, clean).await });
        if connecting.len() >= CONNECTING_MAX {
            clients.extend(connecting.join_next().await.transpose()?.transpose()?);
        }
    }
    for connected in connecting.join_all().await {
        clients.push(connected?);
    }
    Ok(clients)
}

/// Everybody subscribes and goes, gets messages, and the edge is started again.
async fn restart(app: &App, names: &[String], directory: &Path) -> Result<Map<String, Value>> {
    let before = resident_bytes()?;
    let edge = Edge::resume(
        app.clone(),
        Settings::default(),
        SavedSessions::open(directory)?,
    )?;
    let mut leaving = JoinSet::new();
    for name in names {
        leaving.spawn(subscribe_and_go(edge.clone(), name.clone()));
        if leaving.len() >= CONNECTING_MAX {
            leaving.join_next().await.transpose()?.transpose()?;
        }
    }
    for left in leaving.join_all().await {
        left?;
    }
    publish_to_all(&edge, names).await?;
    let held = resident_bytes()?.saturating_sub(before);
    let began = Instant::now();
    edge.shutdown().await;
    let stop_seconds = began.elapsed().as_secs_f64();
    drop(edge);
    let mut bytes = 0;
    for file in std::fs::read_dir(directory)? {
        bytes += file?.metadata()?.len();
    }
    let began = Instant::now();
    let saved = SavedSessions::open(directory)?;
    let read_seconds = began.elapsed().as_secs_f64();
    let edge = Edge::resume(app.clone(), Settings::default(), saved)?;
    let seconds = began.elapsed().as_secs_f64();
    for name in names.iter().step_by(SAMPLE) {
        come_back(edge.clone(), name).await?;
    }
    edge.shutdown().await;
    let figures = [
        ("bytesPerSession", json!(held / (names.len() as u64).max(1))),
        ("journalBytes", json!(bytes)),
        ("stopSeconds", json!(thousandths(stop_seconds))),
        ("readSeconds", json!(thousandths(read_seconds))),
        ("restartSeconds", json!(thousandths(seconds))),
    ];
    Ok(named(figures))
}

fn filters(name: &str) -> [String; 4] {
    [
        format!("$aws/things/{name}/jobs/notify-next"),
        format!("$aws/things/{name}/jobs/start-next/accepted"),
        format!("$aws/things/{name}/jobs/+/update/accepted"),
        format!("bench/{name}"),
    ]
}

async fn subscribe_and_go(edge: Edge, name: String) -> Result<()> {
    let mut client = Client::connect(edge, &name, false).await?;
    let filters = filters(&name);
    let subscribe = Packet::Subscribe {
        id: 1,
        filters: filters
            .iter()
            .map(|filter| (filter.as_str(), QoS::AtLeastOnce))
            .collect(),
    };
    client.send(&subscribe).await?;
    client
        .next(|packet| matches!(packet, Packet::Suback { id: 1, .. }).then_some(()))
        .await?;
    client.send(&Packet::Disconnect).await
}

async fn publish_to_all(edge: &Edge, names: &[String]) -> Result<()> {
    let mut publisher = Client::connect(edge.clone(), "publisher", true).await?;
    let mut acknowledged = 0;
    let messages = names
        .iter()
        .flat_map(|name| std::iter::repeat_n(name, WAITING));
    let mut sent = 0;
    for name in messages {
        let publish = Packet::Publish {
            topic: &format!("bench/{name}"),
            payload: &[b'x'; 100],
            id: Some(1 + u16::try_from(sent % 60_000)?),
            dup: false,
        };
        publisher.send(&publish).await?;
        sent += 1;
        if sent - acknowledged >= IN_FLIGHT {
            await_acknowledgment(&mut publisher).await?;
            acknowledged += 1;
        }
    }
    while acknowledged < sent {
        await_acknowledgment(&mut publisher).await?;
        acknowledged += 1;
    }
    publisher.send(&Packet::Disconnect).await
}

async fn await_acknowledgment(client: &mut Client) -> Result<()> {
    client
        .next(|packet| matches!(packet, Packet::Puback { .. }).then_some(()))
        .await
}

/// What was there before the restart must be there after it.
async fn come_back(edge: Edge, name: &str) -> Result<()> {
    let mut client = Client::connect(edge, name, false).await?;
    ensure!(client.is_resumed, "the session of {name} is lost");
    for _ in 0..WAITING {
        let came = client.next(|packet| match packet {
            Packet::Publish { topic, .. } => Some(topic.starts_with("bench/")),
            _ => None,
        });
        let is_ours = came
            .await
            .with_context(|| format!("a message of {name} is lost"))?;
        ensure!(is_ours, "{name} got a message that it did not wait for");
    }
    Ok(())
}

fn named<const N: usize>(figures: [(&str, Value); N]) -> Map<String, Value> {
    let figures = figures.into_iter();
    figures
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
