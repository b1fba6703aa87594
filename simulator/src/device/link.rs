//! The connection of a device: when it is wanted, what is said on it first, when it is given up.

use shipslog_domain::{Span, Timestamp};

use super::{Ask, Device, Link, Progress, Reaction, Stage, Step, TRIES_MAX};

/// Doublings of the wait between two attempts to connect, at most.
const DOUBLINGS_MAX: u8 = 10;

impl Device {
    pub(super) fn connected(&mut self, now: Timestamp) {
        self.connections = self.connections.wrapping_add(1);
        self.link = Link::Up {
            until: self.on_line_until(now),
        };
        self.joined = false;
        self.subscribed = Step::Wanted { tries: 0 };
        if self.kind().is_core() {
            self.healthy = Step::Wanted { tries: 0 };
        }
        if let Some(duty) = &mut self.duty {
            duty.connected();
        }
        // What came up in the meantime was not heard.
        self.look_again = self.work.is_some();
        match self.work.as_ref().map(|work| work.stage) {
            None => self.put(Ask::Next),
            Some(Stage::Announcing) => self.put(Ask::Announce),
            Some(Stage::Reporting) => self.put(Ask::Report),
            Some(Stage::Repeating) => self.put(Ask::Repeat),
            Some(Stage::Installing { .. }) => self.ask = None,
        }
    }

    pub(super) fn disconnected(&mut self, now: Timestamp) {
        match self.link {
            Link::Never | Link::Down { .. } => (),
            // It was about to leave anyway, and comes back when it wanted to.
            Link::HangingUp { retry_at } => self.link = Link::Down { retry_at },
            Link::Wanted | Link::Dialing | Link::Up { .. } => {
                let retry_at = self.retry_at(now);
                self.link = Link::Down { retry_at };
            }
        }
    }

    /// Waits as the script says, or twice as long after each attempt, half of it drawn: a fleet does not come back in
    /// one instant unless it is meant to.
    fn retry_at(&mut self, now: Timestamp) -> Timestamp {
        let dials = self.dials;
        self.dials = self.dials.saturating_add(1);
        if let Some(reconnect) = &self.script.reconnect {
            let lost = (u64::from(self.connections) << 8) | u64::from(dials);
            let seeds = self.seeds.child("reconnect", lost);
            return now.plus(Span(reconnect.draw(seeds, "delay")));
        }
        let patience = self.script.patience;
        let doubled = patience
            .reconnect
            .0
            .saturating_mul(1 << dials.min(DOUBLINGS_MAX));
        let wait = doubled.min(patience.reconnect_max.0);
        let seeds = self.seeds.child("dial", u64::from(dials));
        now.plus(Span(wait / 2 + seeds.below("wait", wait / 2 + 1)))
    }

    fn on_line_until(&self, now: Timestamp) -> Timestamp {
        let forever = Timestamp(u64::MAX);
        self.script.online.as_ref().map_or(forever, |online| {
            let seeds = self.seeds.child("online", self.connections.into());
            now.plus(Span(online.on.draw(seeds, "on")))
        })
    }

    /// Leaves the line for as long as its hours say.
    fn leave(&mut self, now: Timestamp) {
        let off = self.script.online.as_ref().map_or(0, |online| {
            let seeds = self.seeds.child("online", self.connections.into());
            online.off.draw(seeds, "off")
        });
        self.stay_away(now, off);
    }

    /// Is gone from `now` on and tries to come back after `length`.
    pub(super) fn stay_away(&mut self, now: Timestamp, length: u64) {
        let retry_at = now.plus(Span(length));
        self.ask = None;
        self.link = match self.link {
            Link::Never => Link::Never,
            Link::Down { .. } | Link::Wanted => Link::Down { retry_at },
            Link::Dialing | Link::Up { .. } | Link::HangingUp { .. } => {
                Link::HangingUp { retry_at }
            }
        };
    }

    /// How many milliseconds the device's clock is ahead.
    pub(super) fn clock_error(&self) -> i64 {
        let (ahead, behind) = (&self.script.clock_ahead, &self.script.clock_behind);
        let seeds = self.seeds.child("clock", 0);
        let [ahead, behind] = [(ahead, "ahead"), (behind, "behind")]
            .map(|(clock, name)| i64::try_from(clock.draw(seeds, name)).unwrap_or(i64::MAX));
        ahead.saturating_sub(behind)
    }

    /// Joined means: subscribed, known to be healthy, and nothing asked that would show pending work.
    pub(super) fn settle_joining(&mut self, reaction: &mut Reaction) {
        let asking = self
            .ask
            .is_some_and(|pending| matches!(pending.ask, Ask::Next | Ask::Start));
        let settled = self.is_connected()
            && self.subscribed == Step::Done
            && self.healthy == Step::Done
            && !asking;
        if settled && !self.joined {
            self.joined = true;
            self.settled_in = true;
            self.dials = 0;
            reaction.joined = true;
        }
    }

    /// Sends again what was not answered in time; after too many times, connects anew. Leaves when its hours say so.
    pub(super) fn chase(&mut self, now: Timestamp, reaction: &mut Reaction) {
        if let Link::Up { until } = self.link
            && until <= now
        {
            self.leave(now);
            return;
        }
        let mut exhausted = false;
        if self.deadline <= now {
            for step in [&mut self.subscribed, &mut self.healthy] {
                if let Step::Sent { tries } = *step {
                    exhausted |= tries >= TRIES_MAX;
                    *step = Step::Wanted { tries: tries + 1 };
                    reaction.resent = true;
                }
            }
        }
        if let Some(pending) = &mut self.ask {
            match pending.progress {
                Progress::Sent if pending.at <= now => {
                    exhausted |= pending.tries >= TRIES_MAX;
                    pending.tries += 1;
                    pending.progress = Progress::Wanted;
                    reaction.resent = true;
                }
                Progress::Waiting if pending.at <= now => pending.progress = Progress::Wanted,
                Progress::Wanted | Progress::Waiting | Progress::Sent => (),
            }
        }
        if exhausted {
            let retry_at = self.retry_at(now);
            self.link = Link::HangingUp { retry_at };
        }
    }
}
