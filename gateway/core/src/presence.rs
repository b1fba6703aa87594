//! Presence on its way from the device edge to the log.
//!
//! The edge notes every connection and every end of one on a [`Board`]: a look-up in memory. From there states go to
//! the fleet in batches at a bounded rate, the latest of each client alone, so that a storm of reconnects becomes as
//! many events as there are things, spread over time, and never more than [`limits::PRESENCE_EVENTS_PER_SECOND`]. What
//! the fleet does not want to record yet waits until it does; what was overtaken meanwhile is only counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use shipslog_domain::presence::{Command, Observation, State};
use shipslog_domain::{Command as AnyCommand, Fleet, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

use crate::{App, Failure, limits};

/// What was seen of clients and is not recorded yet. Clones are handles to the same one.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    notes: Mutex<Notes>,
    counts: Counts,
}

/// Figures, since the start.
#[derive(Debug, Default)]
struct Counts {
    noted: AtomicU64,
    recorded: AtomicU64,
    lost: AtomicU64,
}

/// Figures of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Connections and ends of connections that the edge saw.
    pub noted: u64,
    /// Events that they became.
    pub recorded: u64,
    /// What was seen while there was no room for one more client.
    pub lost: u64,
    /// Clients whose latest state waits for its turn.
    pub waiting: u64,
}

/// The latest state of a client.
#[derive(Clone, Copy, Debug)]
struct Latest {
    state: State,
    /// Of which connection: a note about an older one is late.
    connection: u64,
    unrecorded: u32,
}

#[derive(Debug, Default)]
struct Notes {
    latest: HashMap<Arc<str>, Latest>,
    /// Clients that the fleet was not asked about, in the order of their first note; counted from the first ever.
    fresh: VecDeque<Arc<str>>,
    taken: u64,
    /// Clients by the moment from which they may be recorded.
    later: BTreeMap<(Timestamp, u64), Arc<str>>,
    tickets: u64,
}

/// A state that is on its way to the fleet.
#[derive(Clone, Debug)]
struct Sent {
    client: Arc<str>,
    latest: Latest,
}

impl Notes {
    /// `false`: there is no room.
    fn note(&mut self, client: &Arc<str>, connection: u64, state: State) -> bool {
        if let Some(latest) = self.latest.get_mut(client) {
            latest.unrecorded = latest.unrecorded.saturating_add(1);
            if connection >= latest.connection {
                latest.state = state;
                latest.connection = connection;
            }
            return true;
        }
        if self.latest.len() >= limits::PRESENCE_CLIENTS_MAX {
            return false;
        }
        let latest = Latest {
            state,
            connection,
            unrecorded: 0,
        };
        self.latest.insert(Arc::clone(client), latest);
        self.fresh.push_back(Arc::clone(client));
        true
    }

    /// Takes what may be recorded at `now`, up to so many.
    fn take(&mut self, now: Timestamp, limit: usize) -> Vec<Sent> {
        let mut clients = Vec::new();
        while clients.len() < limit
            && let Some(first) = self.later.first_entry()
            && first.key().0 <= now
        {
            clients.push(first.remove());
        }
        while clients.len() < limit
            && let Some(client) = self.fresh.pop_front()
        {
            self.taken += 1;
            clients.push(client);
        }
        let latest = &self.latest;
        let sent = clients.into_iter().filter_map(|client| {
            let latest = *latest.get(&client)?;
            Some(Sent { client, latest })
        });
        sent.collect()
    }

    /// Takes note of what came of states: from when on each may be recorded, nothing for those that are done.
    fn settle(&mut self, sent: Vec<Sent>, due: Vec<Option<Timestamp>>) {
        for (
            Sent {
                client,
                latest: old,
            },
            due,
        ) in sent.into_iter().zip(due)
        {
            if let Some(due) = due {
                self.wait(client, due);
                continue;
            }
            let Some(latest) = self.latest.get_mut(&client) else {
                continue;
            };
            if latest.state == old.state {
                self.latest.remove(&client);
            } else {
                // The last note is no unrecorded one.
                latest.unrecorded -= (old.unrecorded + 1).min(latest.unrecorded);
                self.fresh.push_back(client);
            }
        }
        if self.latest.is_empty() {
            self.latest = HashMap::new();
            self.fresh = VecDeque::new();
        }
    }

    fn wait(&mut self, client: Arc<str>, due: Timestamp) {
        self.tickets += 1;
        self.later.insert((due, self.tickets), client);
    }

    /// How many clients came first before all that are there now.
    fn mark(&self) -> u64 {
        self.taken + self.fresh.len() as u64
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0
            .notes
            .lock()
            .expect("no code panics while it holds the board")
    }

    /// Notes the state of a client. `connection` grows from one connection of a client to the next.
    pub fn note(&self, client: &Arc<str>, connection: u64, state: State) {
        let counts = &self.0.counts;
        counts.noted.fetch_add(1, Ordering::Relaxed);
        if !self.lock().note(client, connection, state) {
            counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The figures.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let counts = &self.0.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Figures {
            noted: read(&counts.noted),
            recorded: read(&counts.recorded),
            lost: read(&counts.lost),
            waiting: self.lock().latest.len() as u64,
        }
    }

    /// Takes states to the fleet until the service ends. Connections of before this call that do not come back within
    /// [`limits::PRESENCE_GRACE`] are recorded as ended.
    pub async fn run(self, app: App) {
        let began = app.now();
        let mut stale = Some(Stale::Waits {
            until: began.plus(limits::PRESENCE_GRACE),
        });
        let mut period = interval(limits::PRESENCE_PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_their_turn = false;
        loop {
            period.tick().await;
            is_their_turn = !is_their_turn;
            stale = stale.map(|stale| stale.look(&app, &self));
            let done = match &stale {
                Some(Stale::Ends) if is_their_turn => {
                    let ended = self.end_stale(&app, began).await;
                    if let Ok(0) = ended {
                        stale = None;
                    }
                    ended
                }
                _ => self.record(&app).await,
            };
            match done {
                Ok(recorded) => {
                    let counts = &self.0.counts;
                    counts.recorded.fetch_add(recorded, Ordering::Relaxed);
                }
                // There is another turn.
                Err(Failure::Busy) => {}
                Err(_) => return,
            }
        }
    }

    /// Records what may be recorded; how many events that made.
    async fn record(&self, app: &App) -> Result<u64, Failure> {
        let now = app.now();
        let sent = self.lock().take(now, limits::PRESENCE_STEP);
        if sent.is_empty() {
            return Ok(0);
        }
        let seen = sent.iter().map(|one| Observation {
            client: (&*one.client).into(),
            state: one.latest.state,
            unrecorded: one.latest.unrecorded,
        });
        let command = AnyCommand::Presence(Command::Observe {
            seen: seen.collect(),
        });
        let asked: Vec<(Arc<str>, State)> = sent
            .iter()
            .map(|one| (Arc::clone(&one.client), one.latest.state))
            .collect();
        let answer = app.submit_with(command, None, move |fleet: &Fleet, decided| {
            let asked = asked.iter();
            let due: Vec<Option<Timestamp>> = asked
                .map(|(client, state)| fleet.presence_due(client, *state))
                .collect();
            (decided.map_or(0, |receipt| receipt.events), due)
        });
        match answer.await {
            Ok((recorded, due)) => {
                self.lock().settle(sent, due);
                Ok(recorded)
            }
            Err(failure) => {
                // They keep their turn.
                let mut notes = self.lock();
                for one in sent {
                    notes.wait(one.client, now);
                }
                Err(failure)
            }
        }
    }

    async fn end_stale(&self, app: &App, before: Timestamp) -> Result<u64, Failure> {
        let command = AnyCommand::Presence(Command::EndStale { before });
        let answer = app.submit_with(command, None, |_fleet: &Fleet, decided| {
            decided.map_or(0, |receipt| receipt.events)
        });
        answer.await
    }
}

/// What becomes of connections that are older than this process.
#[derive(Clone, Copy, Debug)]
enum Stale {
    /// They may come back.
    Waits { until: Timestamp },
    /// Those that came back in time are being recorded: the first so many.
    Returned { count: u64 },
    /// They end.
    Ends,
}

impl Stale {
    fn look(self, app: &App, board: &Board) -> Self {
        match self {
            Self::Waits { until } if app.now() >= until => Self::Returned {
                count: board.lock().mark(),
            },
            Self::Returned { count } if board.lock().taken >= count => Self::Ends,
            same => same,
        }
    }
}

#[cfg(test)]
mod tests;
