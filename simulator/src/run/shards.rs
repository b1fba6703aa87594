//! A fleet over several services: each has its part, and all parts take each step together.
//!
//! One process may have fewer descriptors than a large fleet has connections, and that holds for a service too.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use crate::net;
use crate::net::progress::{Phase, Progress, Snapshot, Told};
use crate::run::{Failure, Options, Play, Report};

/// Between two looks at the counters of all parts.
const LOOK: Duration = Duration::from_millis(100);

/// A part of the fleet, with counters of its own.
struct Shard {
    play: Play,
    progress: Arc<Progress>,
    counted: Snapshot,
    told: Told,
}

/// Plays all parts side by side, and sums up. Each of `parts` has a service of its own.
pub fn simulate_shards(parts: Vec<Options>, progress: &Arc<Progress>) -> Result<Report, Failure> {
    let rollouts = parts.iter().map(|part| part.rollouts).max().unwrap_or(0);
    let mut shards = Vec::with_capacity(parts.len());
    for part in parts {
        let counters = Arc::new(Progress::default());
        shards.push(Shard {
            play: Play::new(part, Arc::clone(&counters))?,
            progress: counters,
            counted: Snapshot::default(),
            told: Told::default(),
        });
    }
    step(&mut shards, progress, Phase::Provisioning, Play::provision)?;
    step(&mut shards, progress, Phase::Connecting, |play| {
        play.connect().map(drop)
    })?;
    for _ in 0..rollouts {
        step(&mut shards, progress, Phase::Deploying, |play| {
            play.deploy().map(drop)
        })?;
    }
    let mut whole: Option<Report> = None;
    for shard in shards {
        let report = shard.play.finish()?;
        whole = Some(match whole {
            None => report,
            Some(whole) => whole.plus(report),
        });
    }
    progress.enter(Phase::Over);
    whole.ok_or_else(|| Failure::Service("a play needs a service".into()))
}

/// Lets every part take a step, and counts for all of them meanwhile. The first failure stops the others.
fn step(
    shards: &mut [Shard],
    progress: &Progress,
    phase: Phase,
    act: impl Fn(&mut Play) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    progress.enter(phase);
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut taken = Vec::new();
        let mut counters = Vec::new();
        for shard in shards {
            counters.push((
                Arc::clone(&shard.progress),
                &mut shard.counted,
                &mut shard.told,
            ));
            let play = &mut shard.play;
            taken.push(scope.spawn(|| {
                let done = act(play);
                failed.fetch_or(done.is_err(), Relaxed);
                done
            }));
        }
        loop {
            let over = taken.iter().all(thread::ScopedJoinHandle::is_finished);
            for (shard, counted, told) in &mut counters {
                let now = shard.snapshot();
                progress.advance(counted, &now);
                **counted = now;
                progress.add_times(&shard.times_since(told));
                if let Some(trouble) = shard.last_trouble() {
                    progress.note_trouble(trouble);
                }
                if progress.is_stopped() || failed.load(Relaxed) {
                    shard.request_stop();
                }
            }
            if over {
                break;
            }
            thread::park_timeout(LOOK);
        }
        let ended = taken.into_iter().map(|one| {
            one.join()
                .map_err(|_| Failure::Service("a part of the play panicked".into()))?
        });
        let mut failures: Vec<Failure> = ended.filter_map(Result::err).collect();
        // Parts that were stopped because another one failed do not say why.
        let cause = failures
            .iter()
            .position(|one| !matches!(one, Failure::Devices(net::Failure::Stopped)));
        match failures.is_empty() {
            true => Ok(()),
            false => Err(failures.swap_remove(cause.unwrap_or(0))),
        }
    })
}
