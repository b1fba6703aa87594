//! Devices that fetch an image in blocks, all at the same time, over pipes within the process.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use shipslog_domain::file_stream::{Content, File};
use shipslog_domain::{Command, FileStreamName};
use shipslog_gateway_core::App;
use shipslog_gateway_core::artifacts::{Name, Readers, Store};
use shipslog_gateway_core::objects::Objects;
use shipslog_gateway_device::{Edge, Settings};
use shipslog_simulator::mqtt::Packet;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::pipe::{CONNECTING_MAX, Client};
use super::{fixture, peak_bytes, resident_bytes};

/// What is fetched: 1 MiB of which no two blocks are alike.
const IMAGE_BYTES: u32 = 1024 * 1024;
/// What one request is answered with at most.
const REQUEST_BYTES: u32 = 128 * 1024;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) devices: u32,
    pub(crate) seconds: u64,
    pub(crate) block_bytes: u32,
}

pub(crate) fn measure(directory: &Path, plan: Plan) -> Result<Value> {
    let store = Arc::new(Store::open(&directory.join("artifacts"))?);
    let objects = Objects::open(Arc::clone(&store), None, &directory.join("fetched"))?;
    let image: Arc<[u8]> = (0..IMAGE_BYTES)
        .flat_map(|at| u8::try_from((at / 4_096 + at) % 251))
        .collect();
    let name = Name::parse("firmware", "image.bin")?;
    store.put(&name, &image, Readers::Everyone)?;
    fixture::with_service(directory, async |app| {
        fetch(app, objects, image, plan).await
    })
}

async fn fetch(app: App, objects: Objects, image: Arc<[u8]>, plan: Plan) -> Result<Value> {
    create_stream(&app).await?;
    let settings = Settings {
        objects: objects.clone(),
        ..Settings::default()
    };
    let edge = Edge::start(app, settings);
    let before = resident_bytes()?;
    let mut connecting = JoinSet::new();
    let mut pipes = Vec::new();
    for number in 0..plan.devices {
        connecting.spawn(Device::connect(edge.clone(), number));
        if connecting.len() >= CONNECTING_MAX {
            pipes.extend(connecting.join_next().await.transpose()?.transpose()?);
        }
    }
    for connected in connecting.join_all().await {
        pipes.push(connected?);
    }
    let connected = resident_bytes()?;
    let start = Arc::new(Barrier::new(pipes.len() + 1));
    let mut devices = JoinSet::new();
    for device in pipes {
        let (image, start) = (Arc::clone(&image), Arc::clone(&start));
        devices.spawn(async move {
            start.wait().await;
            let until = Instant::now() + Duration::from_secs(plan.seconds);
            device.fetch(&image, plan.block_bytes, until).await
        });
    }
    start.wait().await;
    let begun = Instant::now();
    let mut bytes = 0;
    for fetched in devices.join_all().await {
        bytes += fetched?;
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let figures = objects.figures();
    // Both are far below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "a rate that is read by people")]
    let megabytes = bytes as f64 / 1e6;
    Ok(json!({
        "bench": "streams",
        "devices": plan.devices,
        "blockBytes": plan.block_bytes,
        "imageBytes": IMAGE_BYTES,
        "payloadBytes": bytes,
        "seconds": super::thousandths(elapsed),
        "megabytesPerSecond": (megabytes / elapsed).round(),
        "connectedBytesPerDevice": connected.saturating_sub(before) / u64::from(plan.devices.max(1)),
        "peakBytesPerDevice": peak_bytes()?.saturating_sub(before) / u64::from(plan.devices.max(1)),
        "peakBytes": peak_bytes()?,
        "cacheHits": figures.hits,
        "cacheMisses": figures.misses,
    }))
}

async fn create_stream(app: &App) -> Result<()> {
    let file = File {
        id: 0,
        bucket: "firmware".into(),
        key: "image.bin".into(),
        object_version: None,
        etag: None,
    };
    let create = Command::CreateFileStream {
        name: FileStreamName::parse("image")?,
        content: Box::new(Content {
            description: None,
            role_arn: "arn:aws:iam::000000000000:role/bench".into(),
            files: vec![file],
            tags: Vec::new(),
        }),
    };
    app.submit(create).await??;
    Ok(())
}

/// A connected device.
struct Device {
    client: Client,
    topic: String,
}

impl Device {
    async fn connect(edge: Edge, number: u32) -> Result<Self> {
        let name = format!("device-{number}");
        Ok(Self {
            client: Client::connect(edge, &name, true).await?,
            topic: format!("$aws/things/{name}/streams/image/get/cbor"),
        })
    }

    /// Fetches the image from its first block to its last, again and again. Returns how many bytes came.
    async fn fetch(mut self, image: &[u8], block_bytes: u32, until: Instant) -> Result<u64> {
        let blocks: Vec<&[u8]> = image.chunks(block_bytes as usize).collect();
        let per_request = (REQUEST_BYTES / block_bytes) as usize;
        let mut bytes = 0;
        loop {
            for (turn, wanted) in blocks.chunks(per_request).enumerate() {
                if Instant::now() >= until {
                    return Ok(bytes);
                }
                let offset = u32::try_from(turn * per_request)?;
                self.ask(block_bytes, offset).await?;
                for block in wanted {
                    // The block is the last member of its message.
                    let came = self.client.next(|packet| match packet {
                        Packet::Publish { payload, .. } => Some(payload.ends_with(block)),
                        _ => None,
                    });
                    ensure!(came.await?, "a device got another block than it asked for");
                    bytes += block.len() as u64;
                }
            }
        }
    }

    async fn ask(&mut self, block_bytes: u32, offset: u32) -> Result<()> {
        // A map of f, l and o, the latter two as numbers of four bytes.
        let mut payload = vec![0xa3, 0x61, b'f', 0, 0x61, b'l', 0x1a];
        payload.extend_from_slice(&block_bytes.to_be_bytes());
        payload.extend_from_slice(&[0x61, b'o', 0x1a]);
        payload.extend_from_slice(&offset.to_be_bytes());
        let publish = Packet::Publish {
            topic: &self.topic,
            payload: &payload,
            id: None,
            dup: false,
        };
        self.client.send(&publish).await
    }
}
