//! How long queries take while a play goes on: a thread of its own looks at the fleet summary and at the statistics
//! of the newest job again and again, as somebody at a dashboard would. It asks the views; where HTTP is served, it asks
//! GraphQL, and subscribes to the newest job besides.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use shipslog_domain::JobId;
use shipslog_gateway_core::App;
use shipslog_projections::Views;

mod onlooker;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest time that is told apart, in microseconds.
const MICROS_MAX: u64 = 60_000_000;

/// Times of queries in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) fleet_summary: Histogram<u64>,
    pub(super) job_statistics: Histogram<u64>,
    /// The first fleet summary that did not add up.
    pub(super) broken: Option<String>,
    /// From the publication of a commit to the message that tells a subscriber of the job that it changed.
    pub(super) subscription: Histogram<u64>,
}

impl Default for Asked {
    fn default() -> Self {
        let empty = || Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("valid bounds");
        Self {
            fleet_summary: empty(),
            job_statistics: empty(),
            broken: None,
            subscription: empty(),
        }
    }
}

impl Asked {
    /// Takes in what was asked of another run of the service.
    pub(super) fn add(&mut self, other: &Self) {
        let same = "histograms of the same bounds can be added";
        self.fleet_summary.add(&other.fleet_summary).expect(same);
        self.job_statistics.add(&other.job_statistics).expect(same);
        if self.broken.is_none() {
            self.broken.clone_from(&other.broken);
        }
        self.subscription.add(&other.subscription).expect(same);
    }

    /// All queries together.
    pub(super) fn all(&self) -> Histogram<u64> {
        let mut all = self.fleet_summary.clone();
        all.add(&self.job_statistics)
            .expect("histograms of the same bounds can be added");
        all
    }
}

/// Somebody who asks.
#[derive(Debug)]
pub(super) struct Asking {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<Asked>,
}

impl Asking {
    /// Begins to ask this service: over HTTP where it serves that.
    pub(super) fn start(app: App, http: Option<SocketAddr>) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            if let Some(address) = http {
                return onlooker::look(&app, address, &told);
            }
            let mut asked = Asked::default();
            while !told.load(Ordering::Acquire) {
                time(&mut asked.fleet_summary, || app.look(summary));
                asked.broken = asked.broken.or_else(|| app.look(broken_sums));
                time(&mut asked.job_statistics, || app.look(statistics));
                std::thread::park_timeout(PAUSE);
            }
            asked
        });
        Self { stopped, thread }
    }

    /// Ends, and says how long the answers took.
    pub(super) fn stop(self) -> Asked {
        self.stopped.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // Whoever panicked has asked nothing.
        self.thread.join().unwrap_or_default()
    }
}

fn time<T>(histogram: &mut Histogram<u64>, ask: impl FnOnce() -> T) {
    let begun = Instant::now();
    black_box(ask());
    histogram.saturating_record(micros(begun));
}

fn micros(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// How many templates the fleet summary has.
fn summary(views: &Views) -> usize {
    black_box(views.fleet_summary()).templates.len()
}

/// Where the counts of the fleet summary do not add up to the cores.
fn broken_sums(views: &Views) -> Option<String> {
    let summary = views.fleet_summary();
    let (mut desired, mut reported) = (0, 0);
    for template in &summary.templates {
        for version in &template.versions {
            let counts = version.counts;
            let parts = counts.success + counts.failed + counts.in_progress;
            if counts.desired_in_use != parts {
                let name = &template.name;
                return Some(format!(
                    "{name} should run on {} cores, and {parts} are counted",
                    counts.desired_in_use
                ));
            }
            desired += u64::from(counts.desired_in_use);
            reported += u64::from(counts.reported_in_use);
        }
    }
    let cores = views.core_count();
    (desired != cores || reported != cores).then(|| {
        format!(
            "{cores} cores, of which {desired} should run and {reported} report a version or none"
        )
    })
}

/// Whether there is a job; its figures were made.
fn statistics(views: &Views) -> bool {
    let newest = views.job_count().checked_sub(1);
    let job = newest
        .and_then(|newest| u32::try_from(newest).ok())
        .map(JobId);
    let statistics = job.and_then(|job| views.job_statistics(job));
    black_box(statistics).is_some()
}
