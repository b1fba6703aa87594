//! Progress of a play: bars on a terminal, plain lines otherwise.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use shipslog_simulator::net::progress::{Phase, Progress, Snapshot};

use crate::output;

/// Between two looks at the counters on a terminal.
const LOOK: Duration = Duration::from_millis(100);
/// Between two plain lines.
const LINE: Duration = Duration::from_secs(2);

/// A thread that shows the counters until it is stopped.
pub(crate) struct Display {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Display {
    pub(crate) fn start(progress: &Arc<Progress>, devices: u32) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (progress, told) = (Arc::clone(progress), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            if std::io::stderr().is_terminal() {
                bars(&progress, &told, u64::from(devices));
            } else {
                lines(&progress, &told, u64::from(devices));
            }
        });
        Self { stopped, thread }
    }

    pub(crate) fn stop(self) {
        self.stopped.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // A display that panicked is no reason to lose the result.
        drop(self.thread.join());
    }
}

/// What a phase counts, and how far it has come.
fn state(progress: &Progress, rollout: u32) -> Option<(String, u64, String)> {
    let now: Snapshot = progress.snapshot();
    Some(match progress.phase() {
        Phase::Beginning | Phase::Over => return None,
        Phase::Provisioning => ("provisioning".into(), now.provisioned, String::new()),
        Phase::Connecting => (
            "connecting".into(),
            now.joined,
            format!("{} connected", now.connected),
        ),
        Phase::Deploying | Phase::Checking => {
            let job = now.job(rollout);
            let detail = format!("{} succeeded, {} failed", job.succeeded, job.failed);
            (format!("rollout {rollout}"), job.settled(), detail)
        }
    })
}

/// The rollout that is under way: the first whose devices are not all done.
fn current_rollout(progress: &Progress, devices: u64) -> u32 {
    let now = progress.snapshot();
    let done = now
        .jobs
        .iter()
        .take_while(|job| job.settled() >= devices)
        .count();
    let next = u32::try_from(done).unwrap_or(0) + 1;
    if progress.phase() == Phase::Checking {
        next.saturating_sub(1).max(1)
    } else {
        next
    }
}

fn bars(progress: &Progress, stopped: &AtomicBool, devices: u64) {
    let style = ProgressStyle::with_template(
        "{prefix:>13} {bar:32} {pos:>6}/{len} {per_sec:>10} {eta:>4} {msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    let mut shown: Option<(String, ProgressBar)> = None;
    while !stopped.load(Ordering::Acquire) {
        if let Some((name, count, detail)) = state(progress, current_rollout(progress, devices)) {
            if shown.as_ref().is_none_or(|(known, _)| *known != name) {
                if let Some((_, bar)) = shown.take() {
                    bar.set_position(devices);
                    bar.abandon();
                }
                let bar = ProgressBar::new(devices).with_style(style.clone());
                bar.set_prefix(name.clone());
                shown = Some((name, bar));
            }
            if let Some((_, bar)) = &shown {
                bar.set_position(count.min(devices));
                bar.set_message(detail);
            }
        }
        std::thread::park_timeout(LOOK);
    }
    if let Some((_, bar)) = shown {
        bar.set_position(devices);
        bar.abandon();
    }
}

fn lines(progress: &Progress, stopped: &AtomicBool, devices: u64) {
    let mut told = String::new();
    let mut next = Instant::now();
    while !stopped.load(Ordering::Acquire) {
        if Instant::now() >= next {
            next += LINE;
            if let Some((name, count, detail)) = state(progress, current_rollout(progress, devices))
            {
                let line = format!("{name}: {count}/{devices} {detail}");
                if line != told {
                    output::note(line.trim_end());
                    told = line;
                }
            }
        }
        std::thread::park_timeout(LOOK);
    }
}
