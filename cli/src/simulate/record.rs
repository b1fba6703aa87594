//! What is recorded of a play in real time, and the report of a play.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use shipslog_domain::log::Position;
use shipslog_domain::time::Timestamp;
use shipslog_gateway_core::log::tools;
use shipslog_simulator::net::progress::Progress;
use shipslog_simulator::net::spread::Spread;
use shipslog_simulator::recording::{
    At, Check, Ending, Facts, Follower, Measure, Recorder, Recording, Verdict,
};
use shipslog_simulator::report;
use shipslog_simulator::run::processes;

use crate::args::Simulate;
use crate::output;

/// How often the counters are read.
const LOOK: Duration = Duration::from_millis(20);
/// Every so many looks memory is, too: reading it costs more.
const MEMORY_EVERY: u32 = 5;

/// Reads the counters of devices on the network while they play, without their noticing.
struct Watch {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<Recorder>,
}

impl Watch {
    fn start(progress: &Arc<Progress>, time: Option<Arc<AtomicU64>>) -> Self {
        let (progress, stopped) = (Arc::clone(progress), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || watch(&progress, time.as_deref(), &told));
        Self { stopped, thread }
    }

    /// What there was to see.
    fn stop(self) -> Recorder {
        self.stopped.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // A watcher that panicked has seen nothing: that is no reason to lose the result.
        self.thread.join().unwrap_or_else(|_| Recorder::new(now()))
    }
}

fn watch(progress: &Progress, time: Option<&AtomicU64>, stopped: &AtomicBool) -> Recorder {
    let set = |time: &AtomicU64| Timestamp(time.load(Ordering::Acquire));
    let (begin, begun) = (time.map_or_else(now, set), Instant::now());
    let mut recorder = Recorder::new(begin);
    let mut before = Counters::default();
    let (mut connects, mut updates) = (Vec::new(), Vec::new());
    for look in 0_u32.. {
        let is_last = stopped.load(Ordering::Acquire);
        let wall = begun.elapsed();
        let real = Timestamp(begin.0 + u64::try_from(wall.as_millis()).unwrap_or(u64::MAX / 2));
        let moment = time.map_or(real, set);
        before = Counters::of(progress).tell(&before, &mut recorder, moment);
        let mut at = recorder.at(moment);
        tell_times(&mut at, Measure::Connect, &progress.welcomes, &mut connects);
        tell_times(&mut at, Measure::Update, &progress.updates, &mut updates);
        if is_last || look.is_multiple_of(MEMORY_EVERY) {
            recorder.sample(wall, moment, 0, processes::resident_bytes());
        }
        if is_last {
            break;
        }
        std::thread::park_timeout(LOOK);
    }
    recorder
}

/// Tells of the times that are counted since the last look.
fn tell_times(at: &mut At<'_>, measure: Measure, spread: &Spread, before: &mut Vec<u64>) {
    for (index, (micros, count)) in spread.counts().enumerate() {
        if index == before.len() {
            before.push(0);
        }
        let new = count - std::mem::replace(&mut before[index], count);
        if new > 0 {
            at.took_often(measure, micros, new);
        }
    }
}

/// Counters that only grow.
#[derive(Clone, Copy, Default)]
struct Counters {
    connects: u64,
    disconnects: u64,
    from_devices: u64,
    to_devices: u64,
}

impl Counters {
    fn of(progress: &Progress) -> Self {
        let now = progress.snapshot();
        let connects = now.welcomed + now.reconnects;
        Self {
            connects,
            disconnects: connects.saturating_sub(now.connected),
            from_devices: now.messages_out,
            to_devices: now.messages_in,
        }
    }

    /// Tells what is new. Counters of one moment are not read at one moment, so that one may seem to go back.
    fn tell(self, before: &Self, recorder: &mut Recorder, moment: Timestamp) -> Self {
        let now = Self {
            connects: self.connects.max(before.connects),
            disconnects: self.disconnects.max(before.disconnects),
            from_devices: self.from_devices.max(before.from_devices),
            to_devices: self.to_devices.max(before.to_devices),
        };
        let mut at = recorder.at(moment);
        at.connections(
            now.connects - before.connects,
            now.disconnects - before.disconnects,
        );
        at.messages(
            now.from_devices - before.from_devices,
            now.to_devices - before.to_devices,
        );
        now
    }
}

/// Tells a recorder what a log says of jobs and executions.
pub(crate) fn follow_log(recorder: &mut Recorder, directory: &Path) -> Result<()> {
    let mut follower = Follower::default();
    let reader = tools::open_reader(directory)?;
    reader.read(Position::START, &mut |record| {
        follower.follow_record(recorder, &record);
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(())
}

/// Tells a recorder of times in microseconds, of which the moments are not known.
pub(crate) fn measured(recorder: &mut Recorder, measure: Measure, micros: &Histogram<u64>) {
    let steps = micros.iter_recorded();
    let counts = steps.map(|step| (step.value_iterated_to(), step.count_at_value()));
    recorder.measured(measure, counts);
}

/// What is played, for the head of a report.
pub(crate) fn facts(mode: &str, devices: u32, seed: u64) -> Facts {
    Facts {
        scenario: "A fleet by options".into(),
        shows: String::new(),
        mode: mode.into(),
        seed,
        devices: devices.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        command: command(std::env::args().skip(1)),
    }
}

/// The command line that was given, fit for a shell.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    let quoted = arguments.map(|argument| {
        if !argument.is_empty() && argument.chars().all(is_plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    });
    std::iter::once("shipslog".to_owned())
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A play in real time, on its way to a report. Without `--report` it costs nothing.
pub(crate) struct Play<'a> {
    options: &'a Simulate,
    facts: Facts,
    begun: Instant,
    watch: Option<Watch>,
    seen: Option<(Recorder, f64)>,
}

impl<'a> Play<'a> {
    /// Begins to watch a play, whose time is the machine's unless it has one of its own, in milliseconds since 1970.
    /// Refuses before the play begins what could not be written after it.
    pub(crate) fn begin(
        options: &'a Simulate,
        facts: Facts,
        progress: &Arc<Progress>,
        time: Option<Arc<AtomicU64>>,
    ) -> Result<Self> {
        prepare(options)?;
        let watch = options
            .report
            .is_some()
            .then(|| Watch::start(progress, time));
        let begun = Instant::now();
        Ok(Self {
            options,
            facts,
            begun,
            watch,
            seen: None,
        })
    }

    /// The devices are done: what follows is not of the play any more.
    pub(crate) fn rest(&mut self) {
        if let Some(watch) = self.watch.take() {
            let seconds = self.begun.elapsed().as_secs_f64();
            self.seen = Some((watch.stop(), seconds));
        }
    }

    /// Sums up and writes the report. `fill` adds what is known at the end only. A play that `stopped` early has a
    /// report of what was reached.
    pub(crate) fn end(
        mut self,
        stopped: Option<&anyhow::Error>,
        fill: impl FnOnce(&mut Recorder, &mut Ending) -> Result<()>,
    ) -> Result<()> {
        self.rest();
        let Some((mut recorder, seconds)) = self.seen else {
            return Ok(());
        };
        let mut ending = Ending {
            wall_seconds: seconds,
            run_seconds: seconds,
            peak_rss_bytes: recorder.peak_rss_bytes(),
            stopped: stopped.map(|error| format!("{error:#}")),
            ..Ending::default()
        };
        match fill(&mut recorder, &mut ending) {
            // After a failure, what can be read of the log may end anywhere.
            Err(error) if stopped.is_some() => output::complain(&error),
            filled => filled?,
        }
        write(self.options, &recorder.finish(self.facts, ending))
    }
}

/// Tries whether a report can be written, before a play begins.
pub(crate) fn prepare(options: &Simulate) -> Result<()> {
    match &options.report {
        Some(directory) => report::prepare(directory).context("--report"),
        None => Ok(()),
    }
}

/// Writes the report that the options ask for, and says where it is.
pub(crate) fn write(options: &Simulate, recording: &Recording) -> Result<()> {
    if let Some(directory) = &options.report {
        let page = report::write(directory, recording).context("--report")?;
        output::note(&format!("report: {}", page.display()));
    }
    Ok(())
}

/// What a comparison at the end came to.
pub(crate) fn check(text: &str, problems: &[String]) -> Check {
    let (verdict, found) = match problems {
        [] => (Verdict::Passed, "all agree".into()),
        problems => (Verdict::Failed, problems.join("; ")),
    };
    Check {
        text: text.into(),
        verdict,
        found,
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests;
