//! The device in virtual time, on a network that loses, repeats, delays and reorders messages and cuts connections.
//!
//! However bad the weather was, once it has cleared every run ends as the seed says, and exactly once.

use std::collections::BTreeMap;

use super::*;
use crate::behavior::device_seeds;

const JOBS: [&str; 3] = ["J1", "J2", "J3"];

/// A request on its way.
#[derive(Clone, Debug)]
enum Request {
    Subscribe,
    Health,
    Next(u32),
    Start(u32),
    Describe(u32, usize),
    Update {
        token: u32,
        job: usize,
        expected: Option<u64>,
        status: Status,
    },
}

/// What is on its way in either direction, of which connection.
#[derive(Clone, Debug)]
enum Parcel {
    Up(u32, Request),
    Down(u32, Incoming<'static>),
    Connected,
    Cut,
    Deploy(usize),
}

struct Run {
    job: usize,
    version: u64,
    status: Status,
}

/// One device, the jobs service as far as one device sees it, and what lies between.
struct World {
    now: Timestamp,
    device: Device,
    runs: Vec<Run>,
    connection: u32,
    agenda: BTreeMap<(u64, u64), Parcel>,
    posted: u64,
    sent: u64,
    seeds: Seeds,
    clear_from: u64,
    ends: Vec<(u32, End)>,
}

impl World {
    fn new(seed: u64, kind: Kind) -> Self {
        let behavior = Behavior {
            failing: 2_000,
            rejecting: 1_000,
            stalling: 500,
            repeating: 3_000,
            download: Distribution::Uniform {
                low: 0,
                high: 9_000,
            },
            ..Behavior::default()
        };
        let script = Script {
            kind,
            behaviors: vec![behavior],
            ..Script::default()
        };
        let mut world = Self {
            now: Timestamp(0),
            device: Device::new(Arc::new(script), device_seeds(seed, 0), Timestamp(0)),
            runs: Vec::new(),
            connection: 0,
            agenda: BTreeMap::new(),
            posted: 0,
            sent: 0,
            seeds: Seeds::root(seed).child("weather", 0),
            clear_from: 60_000,
            ends: Vec::new(),
        };
        for (job, at) in [(0, 2_000), (1, 9_000), (2, 30_000)] {
            world.post(at, Parcel::Deploy(job));
        }
        // The end of bad weather is a fresh connection: what was lost is found by asking.
        world.post(61_000, Parcel::Cut);
        world
    }

    fn post(&mut self, at: u64, parcel: Parcel) {
        self.posted += 1;
        self.agenda.insert((at, self.posted), parcel);
    }

    /// Sends a message through the weather: lost, twice, late, or with a cut behind it.
    fn send(&mut self, parcel: &Parcel) {
        self.sent += 1;
        let seeds = self.seeds.child("message", self.sent);
        let stormy = self.now.0 < self.clear_from;
        let copies = match seeds.below("fate", 100) {
            0..10 if stormy => 0,
            10..20 if stormy => 2,
            _ => 1,
        };
        for copy in 0..copies {
            let delay = if stormy {
                seeds.child("copy", copy).below("delay", 400)
            } else {
                1
            };
            self.post(self.now.0 + delay, parcel.clone());
        }
        if stormy && seeds.below("cut", 100) < 3 {
            self.post(self.now.0 + seeds.below("when", 300), Parcel::Cut);
        }
    }

    fn execution(&self, run: &Run) -> Execution<'static> {
        Execution {
            job: JOBS[run.job],
            number: 1,
            version: run.version,
            status: run.status,
            document: "",
        }
    }

    fn head(&self) -> Option<Execution<'static>> {
        let mut pending = self.runs.iter().filter(|run| !run.status.is_terminal());
        let begun = self
            .runs
            .iter()
            .find(|run| run.status == Status::InProgress);
        begun
            .or_else(|| pending.next())
            .map(|run| self.execution(run))
    }

    fn tell(&mut self, incoming: Incoming<'static>) {
        self.send(&Parcel::Down(self.connection, incoming));
    }

    fn notify(&mut self) {
        let head = self.head();
        self.tell(Incoming::NotifiedNext(head));
        self.tell(Incoming::Notified {
            pending: head.is_some(),
        });
    }

    /// The rules of the service for one request.
    fn serve(&mut self, request: &Request) {
        match *request {
            Request::Subscribe => self.tell(Incoming::Subscribed),
            Request::Health => self.tell(Incoming::HealthStored),
            Request::Next(token) => {
                let reply = Reply::Next(self.head());
                self.tell(Incoming::Answer { token, reply });
            }
            Request::Start(token) => {
                let head = self.head();
                if let Some(run) = self.runs.iter_mut().find(|run| {
                    Some(JOBS[run.job]) == head.map(|head| head.job) && run.status == Status::Queued
                }) {
                    run.status = Status::InProgress;
                    run.version += 1;
                }
                let reply = Reply::Next(self.head());
                self.tell(Incoming::Answer { token, reply });
            }
            Request::Describe(token, job) => {
                let found = self.runs.iter().find(|run| run.job == job);
                let reply = Reply::Described(found.map(|run| self.execution(run)));
                self.tell(Incoming::Answer { token, reply });
            }
            Request::Update {
                token,
                job,
                expected,
                status,
            } => {
                let reply = self.update(job, expected, status);
                self.tell(Incoming::Answer { token, reply });
                if status.is_terminal() && reply == Reply::Updated {
                    self.notify();
                }
            }
        }
    }

    fn update(&mut self, job: usize, expected: Option<u64>, status: Status) -> Reply<'static> {
        let refuse = |code, status| Reply::Refused { code, status };
        let Some(run) = self.runs.iter_mut().find(|run| run.job == job) else {
            return refuse(Code::NotFound, None);
        };
        if run.status.is_terminal() {
            return refuse(Code::InvalidStateTransition, Some(run.status));
        }
        if expected.is_some_and(|expected| expected != run.version) {
            return refuse(Code::VersionMismatch, Some(run.status));
        }
        run.status = status;
        run.version += 1;
        Reply::Updated
    }

    fn listen(&mut self) {
        let now = self.now;
        let job_of = |name: &str| JOBS.iter().position(|job| *job == name).expect("known");
        loop {
            let request = match self.device.poll_message(now) {
                None => return,
                Some(Outgoing::Connect) => {
                    self.post(now.0 + 20, Parcel::Connected);
                    continue;
                }
                Some(Outgoing::Disconnect) => {
                    self.connection += 1;
                    continue;
                }
                Some(Outgoing::Subscribe) => Request::Subscribe,
                Some(Outgoing::Health { .. }) => Request::Health,
                Some(Outgoing::Next { token }) => Request::Next(token),
                Some(Outgoing::StartNext { token }) => Request::Start(token),
                Some(Outgoing::Describe { token, job, .. }) => {
                    Request::Describe(token, job_of(job))
                }
                Some(Outgoing::Update(update)) => Request::Update {
                    token: update.token,
                    job: job_of(update.job),
                    expected: update.expected_version,
                    status: update.status,
                },
            };
            self.send(&Parcel::Up(self.connection, request));
        }
    }

    fn hear(&mut self, incoming: Incoming<'static>) {
        let reaction = self.device.handle_message(incoming, self.now);
        self.ends.extend(reaction.ended);
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Up(connection, request) if connection == self.connection => {
                self.serve(&request)
            }
            Parcel::Down(connection, incoming) if connection == self.connection => {
                self.hear(incoming);
            }
            Parcel::Up(..) | Parcel::Down(..) => (),
            Parcel::Connected => {
                self.connection += 1;
                self.hear(Incoming::Connected);
            }
            Parcel::Cut => {
                self.connection += 1;
                self.hear(Incoming::Disconnected);
            }
            Parcel::Deploy(job) => {
                self.runs.push(Run {
                    job,
                    version: 1,
                    status: Status::Queued,
                });
                self.notify();
            }
        }
    }

    /// Runs until nothing is left to happen, which must come to pass within a bound.
    fn settle(&mut self) {
        for _ in 0..20_000 {
            self.listen();
            let parcel = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let timer = self.device.poll_timeout().map(|at| at.0);
            let Some(next) = parcel.into_iter().chain(timer).min() else {
                return;
            };
            self.now = self.now.max(Timestamp(next));
            let reaction = self.device.handle_timeout(self.now);
            self.ends.extend(reaction.ended);
            self.listen();
            if parcel == Some(next)
                && let Some((_, parcel)) = self.agenda.pop_first()
            {
                self.deliver(parcel);
            }
        }
        panic!("it does not become quiet; at {:?}", self.now);
    }
}

fn check(seed: u64, kind: Kind) {
    let mut world = World::new(seed, kind);
    world.settle();
    let behavior = world.device.script.behaviors[0].clone();
    let mut ordinals: Vec<u32> = world.ends.iter().map(|(ordinal, _)| *ordinal).collect();
    ordinals.sort_unstable();
    ordinals.dedup();
    assert_eq!(
        ordinals.len(),
        world.ends.len(),
        "{kind:?}, seed {seed}: ended twice: {:?}",
        world.ends
    );
    for (ordinal, end) in &world.ends {
        let plan = behavior.plan(device_seeds(seed, 0), *ordinal, 1);
        let planned = match plan.conduct {
            Conduct::Succeed => End::Succeeded,
            Conduct::Fail(_) => End::Failed,
            Conduct::Reject => End::Rejected,
            Conduct::Silent => End::Silent,
            Conduct::Stall => End::Stalled,
        };
        assert_eq!(*end, planned, "{kind:?}, seed {seed}: {:?}", world.ends);
    }
    // A run that a device began and left stays the first of the list; what is behind it is not offered.
    let stalled = world.ends.iter().any(|(_, end)| *end == End::Stalled);
    if !stalled {
        assert_eq!(
            world.ends.len(),
            JOBS.len(),
            "{kind:?}, seed {seed}: {:?}",
            world.ends
        );
        let open = world
            .runs
            .iter()
            .filter(|run| !run.status.is_terminal())
            .count();
        assert_eq!(open, 0, "{kind:?}, seed {seed}: the service still waits");
    }
}

#[test]
fn every_run_ends_as_planned_in_any_weather() {
    for seed in 0..1_500 {
        for kind in [Kind::Core, Kind::CoreByList, Kind::Jobs] {
            check(seed, kind);
        }
    }
}
