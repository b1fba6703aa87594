//! One job, as its events tell of it.

use shipslog_domain::execution::{self, Status};
use shipslog_domain::job::{AbortCriterion, CanceledBy, Definition, Event, FailureType};
use shipslog_domain::{JobId, Span, ThingId, Timestamp};

use super::pace::PaceAccount;
use crate::checks::{Invariant, JobOutcome, StatusCounts};
use crate::scenario::schedule::DAY_MINUTES;

/// A promise and what broke it.
type Broken = (Invariant, String);

/// The status of an execution after an event; `None`: there is none any more.
#[must_use]
pub(crate) const fn status_after(event: &execution::Event) -> Option<Status> {
    use execution::Event as E;
    match event {
        E::Queued { .. } => Some(Status::Queued),
        E::Progressed { .. } => Some(Status::InProgress),
        E::Succeeded { .. } => Some(Status::Succeeded),
        E::Failed { .. } => Some(Status::Failed),
        E::Rejected { .. } => Some(Status::Rejected),
        E::TimedOut { .. } => Some(Status::TimedOut),
        E::Canceled { .. } => Some(Status::Canceled),
        E::Removed { .. } => Some(Status::Removed),
        E::Deleted { .. } => None,
    }
}

/// The latest run on one thing.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    number: u32,
    /// After the creation of the job.
    queued_ms: u32,
    status: Option<Status>,
    /// Whether it ever was in progress.
    began: bool,
}

impl Run {
    fn is_live(self) -> bool {
        self.status.is_some_and(|status| !status.is_terminal())
    }
}

/// A minute of a rollout.
#[derive(Clone, Copy, Debug)]
struct Wave {
    began: Timestamp,
    allowance: u32,
    queued: u32,
}

/// One job.
#[derive(Debug)]
pub struct AuditedJob {
    id: JobId,
    name: Box<str>,
    created: Timestamp,
    ended: Option<Timestamp>,
    canceled_by: Option<CanceledBy>,
    /// Its executions are deleted one by one: their counts stay as they were.
    deleting: bool,
    counts: [u32; Status::ALL.len()],
    /// By number of the thing.
    runs: Vec<Run>,
    queued_per_minute: Vec<u64>,
    queued_by_minute_of_day: Vec<u64>,
    retries: u64,
    maximum_per_minute: u32,
    ceiling: u32,
    wave: Option<Wave>,
    pace: PaceAccount,
    criteria: Vec<AbortCriterion>,
}

/// What an event of an execution meant.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// The run went from QUEUED to IN_PROGRESS once more.
    pub(super) began_again: bool,
    /// The run ended so long after it was queued.
    pub(super) ended_after: Option<Span>,
    pub(super) broken: Option<Broken>,
}

impl AuditedJob {
    pub(super) fn new(id: JobId, definition: &Definition, created: Timestamp) -> Self {
        let ceiling = definition.rate_ceiling_per_minute;
        let rollout = definition.settings.rollout.unwrap_or_default();
        Self {
            id,
            name: definition.name.as_str().into(),
            created,
            ended: None,
            canceled_by: None,
            deleting: false,
            counts: [0; Status::ALL.len()],
            runs: Vec::new(),
            queued_per_minute: Vec::new(),
            queued_by_minute_of_day: vec![0; DAY_MINUTES as usize],
            retries: 0,
            maximum_per_minute: rollout.maximum_per_minute.unwrap_or(ceiling).min(ceiling),
            ceiling,
            wave: None,
            pace: PaceAccount::new(rollout, ceiling),
            criteria: definition.settings.abort.clone(),
        }
    }

    /// Its number in the service.
    #[must_use]
    pub const fn id(&self) -> JobId {
        self.id
    }

    /// Its name in the service.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was created.
    #[must_use]
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// Executions with a status; of a job that was deleted, as they stood before.
    #[must_use]
    pub const fn count(&self, status: Status) -> u32 {
        self.counts[status as usize]
    }

    /// Whether it was deleted, or is being deleted.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleting
    }

    /// Fills in what events say of the job. `begin` is when the play began.
    pub fn fill(&self, outcome: &mut JobOutcome, begin: Timestamp) {
        let mut counts = StatusCounts::default();
        for status in Status::ALL {
            counts.set(status, self.count(status).into());
        }
        outcome.id = self.name.clone();
        outcome.canceled_by = self.canceled_by;
        outcome.counts = counts;
        outcome.created = self.created.since(begin);
        outcome.ended = self.ended.map(|ended| ended.since(begin));
        outcome.queued_per_minute = Some(self.queued_per_minute.clone());
        outcome.queued_by_minute_of_day = Some(self.queued_by_minute_of_day.clone());
        outcome.retries = Some(self.retries);
        outcome.pace = Some(self.pace.found());
    }

    /// Takes note of an event of the job after its creation.
    pub(super) fn follow(&mut self, event: &Event, at: Timestamp) -> Result<(), Broken> {
        match event {
            Event::Created { .. }
            | Event::Deleted
            | Event::TargetsAdded { .. }
            | Event::Opened { .. }
            | Event::Closed { .. }
            | Event::RolloutEnded => Ok(()),
            Event::Changed { change } => {
                if let Some(rollout) = change.rollout {
                    self.pace.change(rollout);
                    let ceiling = self.ceiling;
                    self.maximum_per_minute =
                        rollout.maximum_per_minute.unwrap_or(ceiling).min(ceiling);
                }
                if let Some(abort) = &change.abort {
                    self.criteria.clone_from(abort);
                }
                Ok(())
            }
            Event::WaveStarted { allowance } => self.begin_wave(*allowance, at),
            Event::Canceled { by, .. } => {
                let is_met = self.is_any_met();
                let first = self.end(at);
                self.canceled_by.get_or_insert(*by);
                if *by == CanceledBy::AbortCriterion && !(is_met && first) {
                    let problem = format!(
                        "job {} was aborted at {at} and no criterion is met",
                        self.name
                    );
                    return Err((Invariant::Abort, problem));
                }
                Ok(())
            }
            Event::Completed => {
                self.end(at);
                Ok(())
            }
            Event::DeletionStarted => {
                self.end(at);
                self.deleting = true;
                Ok(())
            }
        }
    }

    /// Whether it went on until here.
    fn end(&mut self, at: Timestamp) -> bool {
        let first = self.ended.is_none();
        self.ended.get_or_insert(at);
        first
    }

    fn begin_wave(&mut self, allowance: u32, at: Timestamp) -> Result<(), Broken> {
        self.pace
            .begin(allowance, self.count(Status::Succeeded), at);
        let before = self.wave.replace(Wave {
            began: at,
            allowance,
            queued: 0,
        });
        let name = &self.name;
        if let Some(before) = before
            && at.since(before.began) < Span::MINUTE
        {
            let problem = format!(
                "job {name}: a wave began at {at}, less than a minute after the one at {}",
                before.began
            );
            return Err((Invariant::Rate, problem));
        }
        if allowance > self.maximum_per_minute {
            let problem = format!(
                "job {name}: the wave at {at} allows {allowance}, more than {} per minute",
                self.maximum_per_minute
            );
            return Err((Invariant::Rate, problem));
        }
        Ok(())
    }

    /// Takes note of an event of one of its executions.
    pub(super) fn follow_run(
        &mut self,
        thing: ThingId,
        event: &execution::Event,
        at: Timestamp,
    ) -> Followed {
        let mut followed = Followed::default();
        if self.runs.len() <= thing.index() {
            self.runs.resize(thing.index() + 1, Run::default());
        }
        let before = self.runs[thing.index()];
        let status = status_after(event);
        let mut run = Run { status, ..before };
        let is_sound = match event {
            execution::Event::Queued { number, retry, .. } => {
                followed.broken = self.queued(*number, *retry, at);
                let again = *number == before.number;
                let queued_ms = u32::try_from(at.since(self.created).0).unwrap_or(u32::MAX);
                run = Run {
                    number: *number,
                    queued_ms,
                    status,
                    began: again && before.began,
                };
                !before.is_live() && (!again || before.status.is_none())
            }
            execution::Event::Progressed { .. } => {
                let begins = before.status == Some(Status::Queued);
                followed.began_again = begins && before.began;
                run.began = true;
                before.is_live() && !followed.began_again
            }
            execution::Event::Deleted { .. } => true,
            execution::Event::Succeeded { .. }
            | execution::Event::Failed { .. }
            | execution::Event::Rejected { .. }
            | execution::Event::TimedOut { .. }
            | execution::Event::Canceled { .. }
            | execution::Event::Removed { .. } => {
                let queued_at = self.created.plus(Span(before.queued_ms.into()));
                followed.ended_after = Some(at.since(queued_at));
                before.is_live()
            }
        };
        self.runs[thing.index()] = run;
        self.count_run(before.status, status);
        if !is_sound {
            let word = |status: Option<Status>| status.map_or("nothing", |status| status.as_str());
            let problem = format!(
                "run {} of job {} on {thing:?} was {} and is {} at {at}",
                before.number,
                self.name,
                word(before.status),
                word(status),
            );
            followed.broken = Some((Invariant::Outcomes, problem));
        }
        followed
    }

    fn count_run(&mut self, before: Option<Status>, after: Option<Status>) {
        if self.deleting && after.is_none() {
            return;
        }
        if let Some(before) = before {
            self.counts[before as usize] -= 1;
        }
        if let Some(after) = after {
            self.counts[after as usize] += 1;
        }
    }

    /// A run is queued: by the rollout, or to try again.
    fn queued(&mut self, number: u32, retry: u8, at: Timestamp) -> Option<Broken> {
        self.retries += u64::from(number > 1);
        if retry > 0 {
            return None;
        }
        let minute = at.since(self.created).0 / Span::MINUTE.0;
        let minute = usize::try_from(minute).unwrap_or(usize::MAX);
        if self.queued_per_minute.len() <= minute {
            self.queued_per_minute.resize(minute + 1, 0);
        }
        self.queued_per_minute[minute] += 1;
        self.pace.tell(at);
        let of_day = at.0 / Span::MINUTE.0 % u64::from(DAY_MINUTES);
        let of_day = usize::try_from(of_day).unwrap_or_default();
        self.queued_by_minute_of_day[of_day] += 1;
        let name = &self.name;
        if self.ended.is_none() && self.is_any_met() {
            let problem =
                format!("job {name} queues another execution at {at} over a criterion that is met");
            return Some((Invariant::Abort, problem));
        }
        if let Some(wave) = &mut self.wave {
            wave.queued += 1;
            if wave.queued > wave.allowance {
                let (queued, allowance) = (wave.queued, wave.allowance);
                let problem = format!(
                    "job {name}: {queued} executions queued at {at} in a wave of {allowance}"
                );
                return Some((Invariant::Rate, problem));
            }
        }
        None
    }

    /// Whether it goes on although an abort criterion is met; in words.
    pub(super) fn missed_abort(&self) -> Option<String> {
        let misses = self.ended.is_none() && self.is_any_met();
        misses.then(|| format!("job {} goes on over a criterion that is met", self.name))
    }

    fn is_any_met(&self) -> bool {
        self.criteria.iter().any(|criterion| self.is_met(criterion))
    }

    /// AWS IoT Jobs: `minNumberOfExecutedThings` have ended, and `thresholdPercentage` of them badly.
    fn is_met(&self, criterion: &AbortCriterion) -> bool {
        let count = |status: Status| u64::from(self.count(status));
        let all = Status::ALL.into_iter();
        let ended: u64 = all.filter(|status| status.is_terminal()).map(count).sum();
        let bad = match criterion.failure {
            FailureType::Failed => count(Status::Failed),
            FailureType::Rejected => count(Status::Rejected),
            FailureType::TimedOut => count(Status::TimedOut),
            FailureType::All => {
                count(Status::Failed) + count(Status::Rejected) + count(Status::TimedOut)
            }
        };
        ended > 0
            && ended >= u64::from(criterion.executed_things_min)
            && bad * 10_000 >= u64::from(criterion.threshold_hundredths) * ended
    }
}
