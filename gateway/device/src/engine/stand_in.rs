use std::sync::Arc;
use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

use shipslog_domain::{Command, Fleet, Position, Recorded, Rejection, Timestamp, fleet};
use tokio::sync::{broadcast, oneshot};

type Job = Box<dyn FnOnce(&mut Fleet, &mut Vec<shipslog_domain::Fact>) -> Box<dyn FnOnce() + Send> + Send>;

#[derive(Clone)]
pub struct App {
    jobs: mpsc::SyncSender<Job>,
    commits: broadcast::Sender<Arc<Commit>>,
}

#[derive(Debug)]
pub enum Failure {
    Busy,
    Stopped,
}

#[derive(Debug)]
pub struct Receipt {
    pub at: Timestamp,
}

#[derive(Debug)]
pub struct Commit {
    pub first: Position,
    pub at: Timestamp,
    pub events: Vec<Recorded>,
}

pub struct Follower(broadcast::Receiver<Arc<Commit>>);

impl Follower {
    pub async fn next(&mut self) -> Option<Arc<Commit>> {
        self.0.recv().await.ok()
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp(u64::try_from(since.as_millis()).expect("fits"))
}

impl App {
    pub fn start() -> Self {
        let (jobs, inbox) = mpsc::sync_channel::<Job>(100_000);
        let commits = broadcast::channel(100_000).0;
        let publish = commits.clone();
        std::thread::spawn(move || {
            let mut fleet = Fleet::new(fleet::Settings { rollout_ceiling_per_minute: 1_000_000, ..Default::default() });
            let mut next = Position::START.next();
            loop {
                let wait = fleet.poll_timeout().map_or(1_000, |(at, _)| at.since(now()).0.min(1_000));
                let first = match inbox.recv_timeout(std::time::Duration::from_millis(wait)) {
                    Ok(job) => Some(job),
                    Err(mpsc::RecvTimeoutError::Timeout) => None,
                    Err(_) => return,
                };
                let mut facts = Vec::new();
                let mut answers = Vec::new();
                for job in first.into_iter().chain(inbox.try_iter().take(1_000)) {
                    answers.push(job(&mut fleet, &mut facts));
                }
                while fleet.poll_timeout().is_some_and(|(at, _)| at <= now()) {
                    fleet.advance(now(), &mut facts);
                }
                let (at, first) = (now(), next);
                let events: Vec<Recorded> = facts
                    .into_iter()
                    .map(|fact| {
                        let position = next;
                        next = next.next();
                        Recorded { position, previous: Position::START, at, stream: fact.stream, event: fact.event }
                    })
                    .collect();
                answers.into_iter().for_each(|answer| answer());
                if !events.is_empty() {
                    publish.send(Arc::new(Commit { first, at, events })).ok();
                }
            }
        });
        Self { jobs, commits }
    }

    pub async fn submit_with<T: Send + 'static>(
        &self,
        command: Command,
        answer: impl FnOnce(&Fleet, &Result<Receipt, Rejection>) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, answered) = oneshot::channel();
        let job: Job = Box::new(move |fleet, facts| {
            let at = now();
            let result = fleet.submit(&command, at, facts).map(|()| Receipt { at });
            let value = answer(fleet, &result);
            Box::new(move || drop(reply.send(value)))
        });
        self.jobs.try_send(job).map_err(|_| Failure::Busy)?;
        answered.await.map_err(|_| Failure::Stopped)
    }

    pub async fn submit(&self, command: Command) -> Result<Result<Receipt, Rejection>, Failure> {
        self.submit_with(command, |_, result| match result {
            Ok(receipt) => Ok(Receipt { at: receipt.at }),
            Err(rejection) => Err(rejection.clone()),
        })
        .await
    }

    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Fleet) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, answered) = oneshot::channel();
        let job: Job = Box::new(move |fleet, _| {
            let value = read(fleet);
            Box::new(move || drop(reply.send(value)))
        });
        self.jobs.try_send(job).map_err(|_| Failure::Busy)?;
        answered.await.map_err(|_| Failure::Stopped)
    }

    pub fn follow(&self) -> Follower {
        Follower(self.commits.subscribe())
    }

    pub fn now(&self) -> Timestamp {
        now()
    }
}
