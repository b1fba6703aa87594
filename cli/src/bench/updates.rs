//! Devices that report the progress of their job at a steady pace over sockets, until each report is durable and
//! accepted.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use shipslog_domain::JobName;
use shipslog_gateway_core::App;
use shipslog_gateway_device::{Edge, Listener, Settings};
use shipslog_simulator::mqtt::{Packet, QoS};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::latencies::Latencies;
use super::pipe::Client;
use super::{commands, fixture, thousandths};
use crate::args::Updates;

/// What goes on before anything is counted.
const WARM_UP: Duration = Duration::from_secs(2);
/// Devices that connect at the same time.
const CONNECTING_MAX: usize = 256;

pub(crate) fn measure(directory: &Path, plan: &Updates) -> Result<Value> {
    fixture::with_service(directory, async |app| report(app, plan).await)
}

async fn report(app: App, plan: &Updates) -> Result<Value> {
    let job = commands::prepare(&app, plan.devices).await?;
    let edge = Edge::start(app.clone(), Settings::default());
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.address();
    let serving = tokio::spawn(listener.run(edge.clone()));
    let devices = connect_all(address, &job, plan.devices).await?;
    let begun = Instant::now();
    let counted_from = begun + WARM_UP;
    // From one update of a device to its next.
    let pace = Duration::from_secs(1) * plan.devices / plan.updates_per_second;
    let schedule = Schedule {
        begun,
        counted_from,
        until: counted_from + Duration::from_secs(plan.seconds),
        pace,
    };
    let mut reporting = JoinSet::new();
    for (number, device) in (0..).zip(devices) {
        // Not all at once.
        let first = schedule.begun + pace * number / plan.devices;
        reporting.spawn(device.report(first, schedule));
    }
    tokio::time::sleep_until(counted_from.into()).await;
    let before = Written::of(&app);
    let mut latencies = Latencies::new();
    for reported in reporting.join_all().await {
        latencies.add(&reported?)?;
    }
    let elapsed = counted_from.elapsed().as_secs_f64();
    let written = Written::of(&app).since(&before);
    edge.shutdown().await;
    serving.await?;
    let count = f64::from(u32::try_from(latencies.count())?);
    Ok(json!({
        "bench": "updates",
        "devices": plan.devices,
        "askedPerSecond": plan.updates_per_second,
        "updates": latencies.count(),
        "updatesPerSecond": (count / elapsed).round(),
        "p50Ms": latencies.milliseconds(0.5),
        "p90Ms": latencies.milliseconds(0.9),
        "p99Ms": latencies.milliseconds(0.99),
        "maxMs": latencies.milliseconds(1.0),
        "commits": written.commits,
        "eventsPerCommit": written.events_per_commit(),
        "commitMeanMs": written.commit_mean_ms(),
    }))
}

/// What the writer has written.
struct Written {
    commits: u64,
    events: u64,
    commit_microseconds: u64,
}

impl Written {
    fn of(app: &App) -> Self {
        let metrics = app.metrics();
        Self {
            commits: metrics.commits.load(Ordering::Relaxed),
            events: metrics.events.load(Ordering::Relaxed),
            commit_microseconds: metrics.commit_seconds.read().sum_microseconds,
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            commits: self.commits - before.commits,
            events: self.events - before.events,
            commit_microseconds: self.commit_microseconds - before.commit_microseconds,
        }
    }

    // All counts are far below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "a mean that is read by people")]
    fn events_per_commit(&self) -> f64 {
        thousandths(self.events as f64 / self.commits.max(1) as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean that is read by people")]
    fn commit_mean_ms(&self) -> f64 {
        thousandths(self.commit_microseconds as f64 / self.commits.max(1) as f64 / 1_000.0)
    }
}

/// When devices report.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    begun: Instant,
    counted_from: Instant,
    until: Instant,
    pace: Duration,
}

async fn connect_all(address: SocketAddr, job: &JobName, devices: u32) -> Result<Vec<Device>> {
    let mut connecting = JoinSet::new();
    let mut connected = Vec::new();
    for number in 0..devices {
        let thing = fixture::thing_name(number)?;
        let base = format!("$aws/things/{}/jobs/{}", thing.as_str(), job.as_str());
        connecting.spawn(Device::connect(address, thing.as_str().to_owned(), base));
        if connecting.len() >= CONNECTING_MAX {
            connected.extend(connecting.join_next().await.transpose()?.transpose()?);
        }
    }
    for device in connecting.join_all().await {
        connected.push(device?);
    }
    Ok(connected)
}

/// A connected device.
struct Device {
    client: Client<TcpStream>,
    /// What its topics begin with.
    base: String,
}

/// What a device gets for an update.
enum Answer {
    /// Its publication was acknowledged.
    Acknowledged,
    /// The update was accepted; to be acknowledged with this packet id.
    Accepted(u16),
}

impl Device {
    /// Connects, and subscribes to the answers as devices' SDKs do.
    async fn connect(address: SocketAddr, name: String, base: String) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut client = Client::over(stream, &name, true).await?;
        let filters = ["accepted", "rejected"].map(|end| format!("{base}/update/{end}"));
        let filters = filters.iter().map(String::as_str);
        let subscribe = Packet::Subscribe {
            id: 1,
            filters: filters.map(|filter| (filter, QoS::AtLeastOnce)).collect(),
        };
        client.send(&subscribe).await?;
        client
            .next(|packet| {
                let is_granted = matches!(packet, Packet::Suback { codes: [1, 1], .. });
                is_granted.then_some(())
            })
            .await?;
        Ok(Self { client, base })
    }

    /// Reports at its pace. A latency counts from the moment at which the update was due, so that a stall shows in all
    /// updates that it delayed, to the arrival of the accepted answer.
    async fn report(mut self, first: Instant, schedule: Schedule) -> Result<Latencies> {
        let mut latencies = Latencies::new();
        for turn in 0.. {
            let due = first + schedule.pace * turn;
            if due >= schedule.until {
                break;
            }
            tokio::time::sleep_until(due.into()).await;
            self.update(turn).await?;
            if due >= schedule.counted_from {
                latencies.record(due.elapsed());
            }
        }
        Ok(latencies)
    }

    async fn update(&mut self, turn: u32) -> Result<()> {
        let topic = format!("{}/update", self.base);
        let payload = format!(
            r#"{{"status":"IN_PROGRESS","statusDetails":{{"step":"{turn}"}},"clientToken":"{turn}"}}"#
        );
        let id = u16::try_from(turn % u32::from(u16::MAX))? + 1;
        let publish = Packet::Publish {
            topic: &topic,
            payload: payload.as_bytes(),
            id: Some(id),
            dup: false,
        };
        self.client.send(&publish).await?;
        let token = format!(r#""clientToken":"{turn}""#);
        let (mut acknowledged, mut accepted) = (false, None);
        while !acknowledged || accepted.is_none() {
            let answer = self.client.next(|packet| match packet {
                Packet::Puback { id: known } => (*known == id).then_some(Answer::Acknowledged),
                Packet::Publish {
                    topic, payload, id, ..
                } if topic.ends_with("/update/accepted") => {
                    let text = std::str::from_utf8(payload).ok()?;
                    text.contains(&token).then_some(Answer::Accepted((*id)?))
                }
                _ => None,
            });
            match answer.await? {
                Answer::Acknowledged => acknowledged = true,
                Answer::Accepted(id) => accepted = Some(id),
            }
        }
        if let Some(id) = accepted {
            self.client.send(&Packet::Puback { id }).await?;
        }
        Ok(())
    }
}
