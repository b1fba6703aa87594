//! What a play is at, on standard error: a few live lines on a terminal, a plain line now and then otherwise.
//!
//! All modes are shown alike, from a [`Look`] that whoever plays can be asked for at any time.

mod view;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use shipslog_domain::execution::Status;
use shipslog_simulator::live::Look;
use shipslog_simulator::net::progress::{Phase, Progress};

use self::view::View;
use crate::output;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Between two plain lines: at first, and after a while.
const LINE_FIRST: Duration = Duration::from_secs(2);
const LINE_LATER: Duration = Duration::from_secs(15);

/// A thread that shows what a play is at until it is stopped.
pub(crate) struct Display {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Display {
    /// Shows a fleet over the network.
    pub(crate) fn start(progress: &Arc<Progress>, devices: u32) -> Self {
        let progress = Arc::clone(progress);
        Self::show(move || look_at_fleet(&progress, devices.into()))
    }

    /// Shows a play of any mode, such as by `move || live.look()`.
    pub(crate) fn show(look: impl Fn() -> Look + Send + 'static) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            if std::io::stderr().is_terminal() {
                live_lines(&look, &told);
            } else {
                plain_lines(&look, &told);
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

/// What devices on the network are at.
fn look_at_fleet(progress: &Progress, devices: u64) -> Look {
    let now = progress.snapshot();
    let rollout = current_rollout(progress, devices);
    let (phase, done) = match progress.phase() {
        Phase::Beginning | Phase::Over => return Look::default(),
        Phase::Provisioning => ("provisioning".into(), now.provisioned),
        Phase::Connecting => ("connecting".into(), now.joined),
        Phase::Deploying | Phase::Checking => {
            (format!("rollout {rollout}"), now.job(rollout).settled())
        }
    };
    let mut statuses = [0; Status::ALL.len()];
    for job in &now.jobs {
        statuses[Status::Succeeded as usize] += job.succeeded;
        statuses[Status::Failed as usize] += job.failed;
        statuses[Status::Rejected as usize] += job.rejected;
    }
    Look {
        phase,
        done: done.min(devices),
        goal: devices,
        devices,
        connected: now.connected,
        messages: now.messages_in + now.messages_out,
        statuses,
        ..Look::default()
    }
}

/// The rollout that is under way: the first whose devices are not all done.
fn current_rollout(progress: &Progress, devices: u64) -> u32 {
    let now = progress.snapshot();
    let jobs = now.jobs.iter();
    let done = jobs.take_while(|job| job.settled() >= devices).count();
    let next = u32::try_from(done).unwrap_or(0) + 1;
    if progress.phase() == Phase::Checking {
        next.saturating_sub(1).max(1)
    } else {
        next
    }
}

/// Lines that are drawn over and over; what is over stays above them.
fn live_lines(look: &impl Fn() -> Look, stopped: &AtomicBool) {
    let style = |template: &str| {
        let style = ProgressStyle::with_template(template);
        style.map_or_else(
            |_| ProgressStyle::default_bar(),
            |style| style.progress_chars("━╸─"),
        )
    };
    let measured = style("{spinner} {prefix} {bar:30} {percent:>3} %  {msg}");
    let unmeasured = style("{spinner} {prefix}  {msg}");
    let bar = ProgressBar::new(0);
    let mut view = View::new(Instant::now());
    while !stopped.load(Ordering::Acquire) {
        let (now, look) = (Instant::now(), look());
        if let Some(over) = view.see(&look, now) {
            bar.suspend(|| output::note(&over));
        }
        if !look.phase.is_empty() {
            let is_measured = look.goal > 0;
            bar.set_style(if is_measured {
                measured.clone()
            } else {
                unmeasured.clone()
            });
            bar.set_prefix(look.phase.clone());
            bar.set_length(look.goal);
            bar.set_position(look.done.min(look.goal));
            let lines = [vec![view.pace(&look)], view.facts(&look, now)].concat();
            bar.set_message(lines.join("\n    "));
            bar.tick();
        }
        std::thread::park_timeout(LOOK);
    }
    bar.finish_and_clear();
    if let Some(over) = view.end(&look(), Instant::now()) {
        output::note(&over);
    }
}

/// A line now and then, each with everything in it.
fn plain_lines(look: &impl Fn() -> Look, stopped: &AtomicBool) {
    let begun = Instant::now();
    let mut view = View::new(begun);
    let (mut told, mut next) = (String::new(), begun + LINE_FIRST);
    while !stopped.load(Ordering::Acquire) {
        let (now, look) = (Instant::now(), look());
        if let Some(over) = view.see(&look, now) {
            output::note(&over);
        }
        if now >= next && !look.phase.is_empty() {
            let wait = if now - begun < LINE_LATER * 2 {
                LINE_FIRST
            } else {
                LINE_LATER
            };
            next = now + wait;
            let facts = [vec![view.pace(&look)], view.facts(&look, now)].concat();
            let facts: Vec<String> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
            let line = format!("{}: {}", look.phase, facts.join("; "));
            if line != told {
                output::note(&line);
                told = line;
            }
        }
        std::thread::park_timeout(LOOK);
    }
    if let Some(over) = view.end(&look(), Instant::now()) {
        output::note(&over);
    }
}
