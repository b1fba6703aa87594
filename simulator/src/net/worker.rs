//! A worker process: plays a part of a fleet for the process that started it, and ends with it.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use crate::net::messages::{Order, Part, Word};
use crate::net::progress::{Progress, Told};
use crate::net::{Failure, Options, Target, start};
use crate::run::peak_rss_bytes;

/// Between two reports of the counters.
const REPORT: Duration = Duration::from_millis(50);

/// Why a worker did not come to its end.
#[derive(Debug, Error)]
pub enum Ended {
    /// Its input closed: whoever started it is gone.
    #[error("whoever started this worker is gone")]
    Orphaned,
    /// Its input is none: workers are started by `shipslog simulate`.
    #[error("a worker reads its orders from standard input, and this is none: {0}")]
    Order(String),
    /// It could not play, and has said why.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Plays what the orders on `input` say, and reports on `output`. `cast` makes the fleet of a recipe: what devices
/// are called, are and do.
pub fn serve(
    input: impl BufRead + Send + 'static,
    mut output: impl Write,
    cast: impl FnOnce(&Value, Target, u32) -> Result<Options, String>,
) -> Result<(), Ended> {
    let orders = listen(input);
    let part = match orders.recv() {
        Ok(Ok(Order::Play(part))) => *part,
        Ok(Ok(Order::Stop)) => return Ok(()),
        Ok(Err(why)) => return Err(Ended::Order(why)),
        Err(_) => return Err(Ended::Orphaned),
    };
    match play(part, &orders, &mut output, cast) {
        Err(Ended::Failed(failure)) => {
            say(&mut output, &Word::Failed(failure.to_string()))?;
            Err(Ended::Failed(failure))
        }
        ended => ended,
    }
}

fn play(
    part: Part,
    orders: &mpsc::Receiver<Result<Order, String>>,
    output: &mut impl Write,
    cast: impl FnOnce(&Value, Target, u32) -> Result<Options, String>,
) -> Result<(), Ended> {
    let mut options = cast(&part.recipe, part.target, part.devices).map_err(Failure::Recipe)?;
    options.first = part.first;
    options.window = part.window;
    options.dials_per_second = part.dials_per_second;
    options.dial_timeout = part.dial_timeout;
    options.pace = part.pace;
    Arc::make_mut(&mut options.script).expects_leftovers = part.expects_leftovers;
    let progress = Arc::new(Progress::default());
    let mut swarm = start(options, Arc::clone(&progress))?;
    let (mut said, mut told) = (None, Told::default());
    loop {
        match orders.recv_timeout(REPORT) {
            Ok(Ok(Order::Stop)) => break,
            Ok(Ok(Order::Play(_))) => return Err(Ended::Order("a second part".into())),
            Ok(Err(why)) => return Err(Ended::Order(why)),
            Err(RecvTimeoutError::Disconnected) => return Err(Ended::Orphaned),
            Err(RecvTimeoutError::Timeout) => (),
        }
        swarm.wait(Duration::ZERO)?;
        let snapshot = progress.snapshot();
        if said != Some(snapshot) {
            said = Some(snapshot);
            say(output, &tell(&progress, &mut told))?;
        }
    }
    let mut measured = swarm.stop()?;
    measured.peak_rss_bytes = peak_rss_bytes();
    say(output, &tell(&progress, &mut told))?;
    say(output, &Word::Measured(measured.to_form()))
}

fn tell(progress: &Progress, told: &mut Told) -> Word {
    Word::Progress {
        times: progress.times_since(told),
        snapshot: Box::new(progress.snapshot()),
        trouble: progress.last_trouble(),
    }
}

/// Nobody reads any more: the same as nobody giving orders any more.
fn say(output: &mut impl Write, word: &Word) -> Result<(), Ended> {
    let mut line = serde_json::to_vec(word).map_err(|error| Ended::Order(error.to_string()))?;
    line.push(b'\n');
    output
        .write_all(&line)
        .and_then(|()| output.flush())
        .map_err(|_| Ended::Orphaned)
}

/// Reads orders on a thread of its own, so that the end of the input is noticed at once.
fn listen(input: impl BufRead + Send + 'static) -> mpsc::Receiver<Result<Order, String>> {
    let (sender, orders) = mpsc::channel();
    std::thread::spawn(move || {
        for line in input.lines() {
            let order = line
                .map_err(|error| error.to_string())
                .and_then(|line| serde_json::from_str(&line).map_err(|error| error.to_string()));
            if sender.send(order).is_err() {
                return;
            }
        }
    });
    orders
}

#[cfg(test)]
mod tests;
