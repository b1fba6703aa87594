//! What a play is at, in words.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use shipslog_domain::execution::Status;
use shipslog_simulator::live::Look;
use shipslog_simulator::report::units;

/// Rates are of the last so many seconds.
const WINDOW: Duration = Duration::from_secs(5);
/// Rates of less time than this would jump.
const WINDOW_MIN: Duration = Duration::from_millis(800);
/// An estimate beyond this says nothing.
const LEFT_MAX: f64 = 100.0 * 86_400.0;

/// Remembers a few looks, to know how fast things go.
#[derive(Debug)]
pub(super) struct View {
    begun: Instant,
    phase: String,
    phase_begun: Instant,
    seen: VecDeque<Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    done: u64,
    events: u64,
    messages: u64,
}

impl View {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            begun: now,
            phase: String::new(),
            phase_begun: now,
            seen: VecDeque::new(),
        }
    }

    /// Takes a look in. Where it is of another phase than the one before, says how long that took.
    pub(super) fn see(&mut self, look: &Look, now: Instant) -> Option<String> {
        let mut over = None;
        if look.phase != self.phase {
            over = self.over(now);
            self.phase.clone_from(&look.phase);
            self.phase_begun = now;
            self.seen.clear();
        }
        while self.seen.front().is_some_and(|seen| now - seen.at > WINDOW) {
            self.seen.pop_front();
        }
        let (done, events, messages) = (look.done, look.events, look.messages);
        self.seen.push_back(Seen {
            at: now,
            done,
            events,
            messages,
        });
        over
    }

    /// The play is over.
    pub(super) fn end(&mut self, last: &Look, now: Instant) -> Option<String> {
        let before = self.see(last, now);
        before.or_else(|| self.over(now))
    }

    fn over(&self, now: Instant) -> Option<String> {
        let took = units::time((now - self.phase_begun).as_secs_f64());
        (!self.phase.is_empty()).then(|| format!("{}: took {took}", self.phase))
    }

    /// How far the phase has come, how fast it goes, and when it ends if it goes on so.
    pub(super) fn pace(&self, look: &Look) -> String {
        let mut parts = Vec::new();
        if look.goal > 0 {
            parts.push(format!(
                "{} of {}",
                units::full(look.done),
                units::full(look.goal)
            ));
        } else if look.done > 0 {
            parts.push(units::full(look.done));
        }
        let rate = self.rate(|seen| seen.done);
        if let Some(rate) = rate.filter(|rate| *rate > 0.0) {
            parts.push(format!("{}/s", units::short(rate)));
            let left = float(look.goal.saturating_sub(look.done)) / rate;
            if left > 0.0 && left < LEFT_MAX {
                parts.push(format!("about {} left", units::time(left.ceil())));
            }
        }
        parts.join(", ")
    }

    /// Everything else that is known.
    pub(super) fn facts(&self, look: &Look, now: Instant) -> Vec<String> {
        let statuses = Status::ALL.into_iter().zip(look.statuses);
        let statuses = statuses.filter(|(_, count)| *count > 0);
        let statuses: Vec<String> = statuses
            .map(|(status, count)| format!("{} {}", status.as_str(), units::full(count)))
            .collect();
        let mut flow = Vec::new();
        if look.connected > 0 {
            flow.push(format!("{} connected", units::full(look.connected)));
        }
        for (name, count, rate) in [
            ("events", look.events, self.rate(|seen| seen.events)),
            ("messages", look.messages, self.rate(|seen| seen.messages)),
        ] {
            if count > 0 {
                let rate = rate.map(|rate| format!(" ({}/s)", units::short(rate)));
                let rate = rate.unwrap_or_default();
                flow.push(format!("{} {name}{rate}", units::short(float(count))));
            }
        }
        let mut time = format!(
            "{} so far",
            units::time((now - self.begun).as_secs_f64().floor())
        );
        if look.run_ms > 0 {
            let run = Duration::from_millis(look.run_ms).as_secs_f64();
            time = format!("{} of virtual time, {time}", units::time(run));
        }
        let lines = [statuses.join(", "), flow.join(", "), time];
        lines.into_iter().filter(|line| !line.is_empty()).collect()
    }

    /// How fast something grows, per second.
    fn rate(&self, pick: fn(&Seen) -> u64) -> Option<f64> {
        let (first, last) = (self.seen.front()?, self.seen.back()?);
        let time = last.at - first.at;
        let grown = float(pick(last).saturating_sub(pick(first)));
        (time >= WINDOW_MIN).then(|| grown / time.as_secs_f64())
    }
}

/// Counts are far below what a float holds exactly.
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
