//! Measures durable appends on this machine, beside a bare loop of `write` and `fdatasync` over the same bytes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::fdatasync;
use shipslog_domain::log::{Batch, EventLog, StreamId, StreamKind};
use shipslog_domain::time::Timestamp;

use super::{Failure, Log};

/// Payloads are this long at least,
const PAYLOAD_BYTES_MIN: u64 = 112;
/// and at most this much longer, so that an event with its header takes 120 to 160 bytes.
const PAYLOAD_BYTES_SPREAD: u64 = 36;
/// Things whose streams the events belong to.
const THINGS: u64 = 100_000;
/// Both loops take turns, so that a busy moment of the machine hits both.
const ROUNDS: u64 = 10;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BenchResult {
    /// Events appended durably in a second.
    pub events_per_second: f64,
    /// Median time of a commit, in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of the time of a commit, in milliseconds.
    pub p99_ms: f64,
    /// Bytes on the disk per event, everything included.
    pub bytes_per_event: f64,
    /// Events that the bare loop would have written in a second.
    pub raw_events_per_second: f64,
}

/// Appends about `events` incompressible events in commits of `batch` to a new log below `directory`, and writes
/// the same bytes to a plain file; removes both.
pub fn bench_log(directory: &Path, events: u64, batch: u64) -> Result<BenchResult, Failure> {
    let directory = directory.join(format!("bench-{}", std::process::id()));
    let measured = measure(&directory, events.max(1), batch.max(1));
    // What is left of a failed run is small and says so by its name.
    drop(fs::remove_dir_all(&directory));
    measured
}

fn measure(directory: &Path, events: u64, batch: u64) -> Result<BenchResult, Failure> {
    let failure = |action| {
        move |source| Failure::Io {
            action,
            path: directory.display().to_string(),
            source,
        }
    };
    let mut log = Log::open(directory)?;
    let raw = File::create(directory.join("raw"));
    let mut raw = raw.map_err(failure("create a file in"))?;
    let mut workload = Workload::new(batch);
    let commits_per_round = events.div_ceil(batch).div_ceil(ROUNDS);
    let mut latencies = Vec::new();
    let mut raw_time = Duration::ZERO;
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let mut written: Vec<Vec<u8>> = Vec::new();
        for _ in 0..commits_per_round {
            let batch = workload.next_batch();
            let start = Instant::now();
            log.append(batch)?;
            latencies.push(start.elapsed());
            bytes += log.last_commit().len();
            written.push(log.last_commit().to_vec());
        }
        let start = Instant::now();
        for commit in &written {
            raw.write_all(commit).map_err(failure("write a file in"))?;
            let synced = fdatasync(&raw).map_err(std::io::Error::from);
            synced.map_err(failure("sync a file in"))?;
        }
        raw_time += start.elapsed();
    }
    let count = to_f64(commits_per_round * ROUNDS * batch);
    let time: Duration = latencies.iter().sum();
    latencies.sort_unstable();
    let percentile = |hundredths: usize| {
        let latency = latencies.get(latencies.len() * hundredths / 100);
        latency.map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    Ok(BenchResult {
        events_per_second: count / time.as_secs_f64(),
        p50_ms: percentile(50),
        p99_ms: percentile(99),
        bytes_per_event: to_f64(bytes as u64) / count,
        raw_events_per_second: count / raw_time.as_secs_f64(),
    })
}

/// Makes batches of incompressible events.
struct Workload {
    batch: Batch,
    size: u64,
    now: u64,
    random: u64,
}

impl Workload {
    fn new(size: u64) -> Self {
        Self {
            batch: Batch::default(),
            size,
            now: 1_700_000_000_000,
            random: 1,
        }
    }

    fn next_batch(&mut self) -> &Batch {
        self.batch.clear();
        self.now += 1;
        for _ in 0..self.size {
            let mut random = self.random;
            let number = u32::try_from(next(&mut random) % THINGS).unwrap_or(0);
            let bytes = PAYLOAD_BYTES_MIN + next(&mut random) % PAYLOAD_BYTES_SPREAD;
            let stream = StreamId::new(StreamKind::Thing, number);
            self.batch
                .push(stream, Timestamp(self.now), 1, None, |payload| {
                    for _ in 0..bytes.div_ceil(8) {
                        payload.extend_from_slice(&next(&mut random).to_le_bytes());
                    }
                });
            self.random = random;
        }
        &self.batch
    }
}

/// splitmix64: fast, and incompressible enough.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure for people, who read four digits of it"
)]
fn to_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
