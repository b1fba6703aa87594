//! Worker processes: each plays its part of a fleet, none outlives the play.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::net::measured::Measured;
use crate::net::messages::{Order, Part, Word};
use crate::net::progress::{Progress, Snapshot};
use crate::net::{Failure, GOODBYE, Options};

/// How long workers may take to say what they measured, after their devices have said goodbye.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How workers are started.
#[derive(Clone, Debug)]
pub struct Workers {
    /// How many; each plays as many devices as the others, give or take one.
    pub count: u32,
    /// A program that calls [`crate::net::worker::serve`].
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// What a worker's reader has heard.
enum Heard {
    /// The last word.
    Measured(Box<Measured>),
    /// Why it cannot go on.
    Failed(String),
    /// Nothing any more.
    Silence,
}

struct Worker {
    process: Child,
    orders: Option<ChildStdin>,
    first: u32,
    last: u32,
    measured: Option<Box<Measured>>,
}

/// The workers of one play.
pub(super) struct Crew {
    workers: Vec<Worker>,
    heard: mpsc::Receiver<(usize, Heard)>,
}

/// Parts of `first..first + devices`, as even as can be; none is empty.
pub(super) fn parts(first: u32, devices: u32, count: u32) -> Vec<(u32, u32)> {
    let count = count.clamp(1, devices.max(1));
    let (share, left) = (devices / count, devices % count);
    let mut next = first;
    (0..count)
        .map(|number| {
            let devices = share + u32::from(number < left);
            let part = (next, devices);
            next = next.saturating_add(devices);
            part
        })
        .collect()
}

impl Crew {
    /// Starts a process for each part.
    pub(super) fn start(
        options: &Options,
        workers: &Workers,
        progress: &Arc<Progress>,
    ) -> Result<Self, Failure> {
        let parts = parts(options.first, options.devices, workers.count);
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let (sender, heard) = mpsc::channel();
        let mut crew = Self {
            workers: Vec::new(),
            heard,
        };
        for (number, (first, devices)) in parts.into_iter().enumerate() {
            let part = Part {
                recipe: options.recipe.clone(),
                target: options.target.clone(),
                first,
                devices,
                window: options.window,
                dials_per_second: options.dials_per_second.div_ceil(count),
                dial_timeout: options.dial_timeout,
                expects_leftovers: options.script.expects_leftovers,
                pace: options.pace,
            };
            let (worker, words) = Worker::start(workers, part).map_err(Failure::Start)?;
            crew.workers.push(worker);
            let (sender, progress) = (sender.clone(), Arc::clone(progress));
            std::thread::spawn(move || hear(number, words, &progress, &sender));
        }
        Ok(crew)
    }

    /// Waits for so long; an error if a worker ended in the meantime.
    pub(super) fn wait(&mut self, length: Duration) -> Result<(), Failure> {
        match self.heard.recv_timeout(length) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Failure::Gone),
            Ok((number, heard)) => Err(self.failure(number, &heard)),
        }
    }

    /// Lets every device say goodbye, and gives what all workers measured.
    pub(super) fn stop(mut self) -> Result<Measured, Failure> {
        for worker in &mut self.workers {
            worker.order(&Order::Stop);
        }
        let deadline = Instant::now() + GOODBYE + LAST_WORDS;
        while self.workers.iter().any(|worker| worker.measured.is_none()) {
            let left = deadline.saturating_duration_since(Instant::now());
            let (number, heard) = self.heard.recv_timeout(left).map_err(|_| Failure::Gone)?;
            match (heard, self.workers.get_mut(number)) {
                (Heard::Measured(measured), Some(worker)) => worker.measured = Some(measured),
                // What comes after the last word is silence.
                (Heard::Silence, Some(worker)) if worker.measured.is_some() => (),
                (heard, _) => return Err(self.failure(number, &heard)),
            }
        }
        let mut all = self
            .workers
            .iter_mut()
            .filter_map(|one| one.measured.take());
        let mut whole = all.next().ok_or(Failure::Gone)?;
        for measured in all {
            whole.merge(&measured);
        }
        for worker in &mut self.workers {
            worker.orders = None;
            worker.process.wait().map_err(Failure::Start)?;
        }
        Ok(*whole)
    }

    fn failure(&mut self, number: usize, heard: &Heard) -> Failure {
        let Some(worker) = self.workers.get_mut(number) else {
            return Failure::Gone;
        };
        let why = match heard {
            Heard::Failed(why) => why.clone(),
            Heard::Measured(_) => "it ended before it was asked to".into(),
            Heard::Silence => {
                // Its output is closed, so that it has ended or is about to.
                worker.orders = None;
                match worker.process.wait() {
                    Ok(status) => format!("it ended with {status}"),
                    Err(error) => error.to_string(),
                }
            }
        };
        Failure::Worker {
            number: number + 1,
            first: worker.first,
            last: worker.last,
            why,
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.orders = None;
            // It has ended already unless something failed.
            drop(worker.process.kill());
            drop(worker.process.wait());
        }
    }
}

impl Worker {
    fn start(workers: &Workers, part: Part) -> std::io::Result<(Self, ChildStdout)> {
        let mut process = Command::new(&workers.program)
            .args(&workers.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let words = process.stdout.take().expect("standard output is piped");
        let mut worker = Self {
            orders: process.stdin.take(),
            process,
            first: part.first,
            last: part.first + part.devices.saturating_sub(1),
            measured: None,
        };
        worker.order(&Order::Play(Box::new(part)));
        Ok((worker, words))
    }

    /// A worker that does not take an order has ended, which its reader notices.
    fn order(&mut self, order: &Order) {
        let mut line = serde_json::to_vec(order).expect("orders have a JSON form");
        line.push(b'\n');
        if let Some(orders) = &mut self.orders {
            drop(orders.write_all(&line).and_then(|()| orders.flush()));
        }
    }
}

/// Reads what a worker says until it says nothing more.
fn hear(
    number: usize,
    words: ChildStdout,
    progress: &Progress,
    sender: &mpsc::Sender<(usize, Heard)>,
) {
    let mut before = Snapshot::default();
    for line in BufReader::new(words).lines() {
        let Ok(line) = line else { break };
        let heard = match serde_json::from_str(&line) {
            Ok(Word::Progress {
                snapshot,
                trouble,
                times,
            }) => {
                progress.advance(&before, &snapshot);
                progress.add_times(&times);
                before = *snapshot;
                if let Some(trouble) = trouble {
                    progress.note_trouble(trouble);
                }
                continue;
            }
            Ok(Word::Measured(form)) => Heard::Measured(Box::new(Measured::of_form(&form))),
            Ok(Word::Failed(why)) => Heard::Failed(why),
            Err(error) => Heard::Failed(format!("it said what nobody understands: {error}")),
        };
        // Whoever waited may have given up.
        drop(sender.send((number, heard)));
    }
    drop(sender.send((number, Heard::Silence)));
}

#[cfg(test)]
mod tests;
