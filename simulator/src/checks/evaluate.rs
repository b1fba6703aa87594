//! Compares what came of a play with what must hold.

use std::fmt;

use shipslog_domain::Span;
use shipslog_domain::container_service::VersionState;

use crate::checks::{Check, Counter, Invariant, JobOutcome, Measure, Outcome, SummaryField};
use crate::report::units;
use crate::scenario::{Bounds, Hours, Mode, Scenario, TemplateUse, Zone};

/// A check with what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What must hold, in words.
    pub text: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds; what was found.
    Passed(String),
    /// It does not; what was found instead.
    Failed(String),
    /// The mode does not know; why.
    Skipped(String),
}

impl Checked {
    /// Whether it does not hold.
    #[must_use]
    pub const fn is_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed(_))
    }
}

impl fmt::Display for Checked {
    /// One line: `passed: … (found …)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, found) = match &self.verdict {
            Verdict::Passed(found) => ("passed", found),
            Verdict::Failed(found) => ("failed", found),
            Verdict::Skipped(why) => ("skipped", why),
        };
        write!(f, "{word}: {} ({found})", self.text)
    }
}

/// Looks at every check of a scenario, in their order. A play that did not come to its end before the horizon fails a
/// check of its own, which is the first.
#[must_use]
pub fn evaluate(scenario: &Scenario, outcome: &Outcome) -> Vec<Checked> {
    let horizon = Checked {
        text: format!("the play ends within {}", length(scenario.horizon)),
        verdict: verdict(
            outcome.finished,
            format!("{} after {}", ended(outcome), length(outcome.elapsed)),
        ),
    };
    let checks = scenario.checks.iter().map(|check| Checked {
        text: check.text(),
        verdict: match check.verdict(outcome) {
            Verdict::Skipped(why) => Verdict::Skipped(check.why_unknown(outcome).unwrap_or(why)),
            verdict => verdict,
        },
    });
    std::iter::once(horizon).chain(checks).collect()
}

const fn ended(outcome: &Outcome) -> &'static str {
    if outcome.finished {
        "ended"
    } else {
        "still busy"
    }
}

fn verdict(holds: bool, found: String) -> Verdict {
    if holds {
        Verdict::Passed(found)
    } else {
        Verdict::Failed(found)
    }
}

fn within(bounds: &Bounds, count: u64, whole: u64) -> Verdict {
    let (low, high) = bounds.range(whole);
    let allowed = match (low, high) {
        (low, high) if low == high => units::full(low),
        (low, u64::MAX) => format!("{} or more", units::full(low)),
        (low, high) => format!("{} to {}", units::full(low), units::full(high)),
    };
    verdict(
        (low..=high).contains(&count),
        format!(
            "{} of {}, allowed {allowed}",
            units::full(count),
            units::full(whole)
        ),
    )
}

fn length(span: Span) -> String {
    units::time_of_micros(span.0.saturating_mul(1_000))
}

/// How long something took of which `max` is the longest allowed, in microseconds: never the same words for a length
/// that is allowed and one that is not.
fn found_length(found: u64, max: u64) -> String {
    let text = units::time_of_micros(found);
    if found > max && text == units::time_of_micros(max) {
        format!("just over {text}")
    } else {
        text
    }
}

impl Check {
    /// What must hold, in words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Executions { job, status, count } => {
                format!("executions of {job} that are {}: {count}", status.as_str())
            }
            Self::AllTerminal { job } => format!("every execution of {job} has ended"),
            Self::Reached { job, count } => format!("devices that {job} reached: {count}"),
            Self::ContainerVersion { version, state } => {
                format!("version {version} of the containers is {}", state.as_str())
            }
            Self::JobStatus { job, status } => format!("job {job} is {}", status.as_str()),
            Self::CanceledBy { job, by } => format!("job {job} was canceled by {}", by_whom(*by)),
            Self::RatePerMinute { job, rate } => {
                format!("executions of {job} queued per minute: {rate}")
            }
            Self::RateGrows {
                job,
                factor_tenths_min: tenths,
            } => format!(
                "the rate of {job} grows at least {}.{} times",
                tenths / 10,
                tenths % 10
            ),
            Self::RateExact { job } => {
                format!("every minute of {job} queues exactly what is due")
            }
            Self::QueuedWithin { job, hours, zone } => format!(
                "executions of {job} are queued from {} to {} at UTC{} only",
                clock(hours.from),
                clock(hours.until),
                offset(*zone)
            ),
            Self::Reasons { job, prefix, count } => {
                format!("executions of {job} that ended for the reason {prefix:?}: {count}")
            }
            Self::Retries { job, count } => format!("runs of {job} that were tried again: {count}"),
            Self::Summary {
                version,
                field,
                count,
            } => format!(
                "cores of {} {}, {}: {count}",
                version.template,
                version.version,
                field.as_str()
            ),
            Self::Counted { counter, count } => format!("{}: {count}", counter.as_str()),
            Self::Percentile {
                measure,
                percent,
                max,
            } => format!(
                "p{} of {} is at most {}",
                decimal(*percent),
                measure.as_str(),
                length(*max)
            ),
            Self::EndsBefore { elapsed } => format!("all is over within {}", length(*elapsed)),
            Self::Holds { invariant } => format!("promise: {}", invariant.text()),
        }
    }

    /// Why the mode could not look at it, where that is known.
    fn why_unknown(&self, outcome: &Outcome) -> Option<String> {
        match self {
            Self::RatePerMinute { .. }
            | Self::RateGrows { .. }
            | Self::RateExact { .. }
            | Self::QueuedWithin { .. }
            | Self::Retries { .. }
            | Self::Counted {
                counter: Counter::DoubleStarts,
                ..
            }
            | Self::Percentile {
                measure: Measure::Rollout | Measure::Execution,
                ..
            }
            | Self::Holds {
                invariant: Invariant::Outcomes | Invariant::Rate | Invariant::Abort,
            } => outcome.events_unread.clone(),
            Self::Holds {
                invariant: Invariant::Log | Invariant::Replay,
            } => Some("only the service's own log shows it".into()),
            Self::Holds {
                invariant: Invariant::Devices,
            } => outcome.devices_unasked.clone(),
            _ => None,
        }
    }

    fn verdict(&self, outcome: &Outcome) -> Verdict {
        match self {
            Self::Executions { job, status, count } => of_job(outcome, job, |job| {
                within(count, job.counts.get(*status), job.targets)
            }),
            Self::AllTerminal { job } => of_job(outcome, job, |job| {
                let (ended, total) = (job.counts.terminal(), job.counts.total());
                let found = format!("{} of {}", units::full(ended), units::full(total));
                verdict(ended == total, found)
            }),
            Self::Reached { job, count } => of_job(outcome, job, |job| {
                within(count, job.counts.total(), outcome.devices.into())
            }),
            Self::ContainerVersion { version, state } => containers(outcome, *version, *state),
            Self::JobStatus { job, status } => of_job(outcome, job, |job| {
                let found = job.status.map_or("gone", |status| status.as_str());
                verdict(job.status == Some(*status), found.into())
            }),
            Self::CanceledBy { job, by } => of_job(outcome, job, |job| {
                let found = job.canceled_by.map_or("nobody", by_whom);
                verdict(job.canceled_by == Some(*by), found.into())
            }),
            Self::RatePerMinute { job, rate } => of_job(outcome, job, |job| rates(rate, job)),
            Self::RateGrows {
                job,
                factor_tenths_min,
            } => of_job(outcome, job, |job| grows(*factor_tenths_min, job)),
            Self::RateExact { job } => {
                let is_virtual = outcome.mode == Mode::Model;
                of_job(outcome, job, |job| exact(is_virtual, job))
            }
            Self::QueuedWithin { job, hours, zone } => {
                of_job(outcome, job, |job| queued_within(*hours, *zone, job))
            }
            Self::Reasons { job, prefix, count } => of_job(outcome, job, |job| {
                job.reasons.as_ref().map_or_else(skipped, |reasons| {
                    let hits = reasons
                        .iter()
                        .filter(|(reason, _)| reason.starts_with(&**prefix));
                    within(count, hits.map(|(_, count)| count).sum(), job.targets)
                })
            }),
            Self::Retries { job, count } => of_job(outcome, job, |job| {
                job.retries
                    .map_or_else(skipped, |retries| within(count, retries, job.targets))
            }),
            Self::Summary {
                version,
                field,
                count,
            } => of_summary(outcome, version, *field, count),
            Self::Counted { counter, count } => {
                let found = outcome.counter(*counter);
                found.map_or_else(skipped, |found| {
                    within(count, found, outcome.devices.into())
                })
            }
            Self::Percentile {
                measure,
                percent,
                max,
            } => of_percentile(outcome, *measure, *percent, *max),
            Self::EndsBefore { elapsed } => ends_before(outcome, *elapsed),
            Self::Holds { invariant } => match outcome.invariants.get(invariant) {
                None => skipped(),
                Some(Ok(())) => Verdict::Passed("held".into()),
                Some(Err(broken)) => Verdict::Failed(broken.clone()),
            },
        }
    }
}

fn of_percentile(outcome: &Outcome, measure: Measure, percent: u32, max: Span) -> Verdict {
    let Some(found) = outcome.latency(measure).and_then(|all| all.at(percent)) else {
        return skipped();
    };
    let max = micros(max);
    verdict(found <= max, found_length(found, max))
}

fn ends_before(outcome: &Outcome, elapsed: Span) -> Verdict {
    let after = found_length(micros(outcome.elapsed), micros(elapsed));
    verdict(
        outcome.finished && outcome.elapsed <= elapsed,
        format!("{} after {after}", ended(outcome)),
    )
}

const fn micros(span: Span) -> u64 {
    span.0.saturating_mul(1_000)
}

fn containers(outcome: &Outcome, version: u32, state: VersionState) -> Verdict {
    let Some(versions) = &outcome.container_versions else {
        return skipped();
    };
    let found = versions.iter().find(|(number, _)| *number == version);
    let found = found.map(|(_, state)| *state);
    let word = found.map_or("not there", VersionState::as_str);
    verdict(found == Some(state), word.into())
}

fn skipped() -> Verdict {
    Verdict::Skipped("not known in this mode".into())
}

fn of_job(outcome: &Outcome, name: &str, look: impl FnOnce(&JobOutcome) -> Verdict) -> Verdict {
    outcome
        .job(name)
        .map_or_else(|| Verdict::Failed("the job was never created".into()), look)
}

fn of_summary(
    outcome: &Outcome,
    version: &TemplateUse,
    field: SummaryField,
    count: &Bounds,
) -> Verdict {
    outcome.summary.as_ref().map_or_else(skipped, |summary| {
        let mut versions = summary.iter();
        let found = versions.find(|one| one.version == *version);
        let found = found.map_or(0, |found| found.field(field));
        within(count, found, outcome.devices.into())
    })
}

fn rates(bounds: &Bounds, job: &JobOutcome) -> Verdict {
    let Some(minutes) = &job.queued_per_minute else {
        return skipped();
    };
    // A rate is a setting and no matter of dice: there is no slack.
    let low = bounds.min.map_or(0, |min| min.count(job.targets));
    let high = bounds.max.map_or(u64::MAX, |max| max.count(job.targets));
    let most = minutes.iter().copied().max().unwrap_or(0);
    let first = minutes.iter().position(|count| *count > 0).unwrap_or(0);
    let last = minutes.iter().rposition(|count| *count > 0).unwrap_or(0);
    let between = minutes.get(first + 1..last).unwrap_or_default();
    let least = between.iter().copied().min();
    let found = match least {
        Some(least) => format!("{} to {}", units::full(least), units::full(most)),
        None => format!("at most {}", units::full(most)),
    };
    verdict(
        most <= high && least.is_none_or(|least| least >= low),
        found,
    )
}

fn grows(factor_tenths: u32, job: &JobOutcome) -> Verdict {
    let Some(minutes) = &job.queued_per_minute else {
        return skipped();
    };
    let first = minutes
        .iter()
        .copied()
        .find(|count| *count > 0)
        .unwrap_or(0);
    let most = minutes.iter().copied().max().unwrap_or(0);
    verdict(
        first > 0 && most * 10 >= first * u64::from(factor_tenths),
        format!("from {} to {}", units::full(first), units::full(most)),
    )
}

/// Only virtual time is exact: elsewhere a minute begins when the service gets to it.
fn exact(is_virtual: bool, job: &JobOutcome) -> Verdict {
    let Some(pace) = &job.pace else {
        return skipped();
    };
    let mistimed = pace.mistimed.as_ref().filter(|_| is_virtual);
    if let Some(wrong) = pace.miscounted.as_ref().or(mistimed) {
        return Verdict::Failed(wrong.clone());
    }
    let (first, highest) = (pace.first.unwrap_or(0), pace.highest);
    verdict(
        pace.minutes > 0,
        format!(
            "{} minutes, {} per minute at first and {} at most",
            units::full(pace.minutes),
            units::full(first.into()),
            units::full(highest.into())
        ),
    )
}

fn queued_within(hours: Hours, zone: Zone, job: &JobOutcome) -> Verdict {
    let Some(minutes) = &job.queued_by_minute_of_day else {
        return skipped();
    };
    let total: u64 = minutes.iter().sum();
    let queued = (0..).zip(minutes).filter(|(_, count)| **count > 0);
    let outside: Vec<(u32, u64)> = queued
        .map(|(minute, count)| (zone.local(minute), *count))
        .filter(|(minute, _)| !hours.hold(*minute))
        .collect();
    let found = match outside.first() {
        None => format!("all {}", units::full(total)),
        Some((minute, _)) => format!(
            "{} of {} at other times, some at {}",
            units::full(outside.iter().map(|(_, count)| count).sum()),
            units::full(total),
            clock(*minute)
        ),
    };
    verdict(total > 0 && outside.is_empty(), found)
}

/// A minute of the day as people write it.
fn clock(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn offset(zone: Zone) -> String {
    let sign = if zone.ahead_minutes < 0 { '-' } else { '+' };
    format!("{sign}{}", clock(zone.ahead_minutes.unsigned_abs()))
}

fn decimal(hundredths: u32) -> String {
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole}"),
        (whole, rest) => format!("{whole}.{rest:02}").trim_end_matches('0').into(),
    }
}

const fn by_whom(by: shipslog_domain::job::CanceledBy) -> &'static str {
    use shipslog_domain::job::CanceledBy;
    match by {
        CanceledBy::User => "a caller",
        CanceledBy::AbortCriterion => "an abort criterion",
        CanceledBy::Superseded => "a newer deployment",
        CanceledBy::EndTime => "the end of its schedule",
    }
}

impl SummaryField {
    /// Its name in scenario files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desired => "desired",
            Self::Reported => "reported",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::InProgress => "in-progress",
        }
    }
}

impl Counter {
    /// Every counter.
    pub const ALL: [Self; 9] = [
        Self::ConnectedDevices,
        Self::Connects,
        Self::ConnectsPerSecond,
        Self::Restarts,
        Self::DoubleStarts,
        Self::RefusedUpdates,
        Self::LostMessages,
        Self::ResentRequests,
        Self::Liars,
    ];

    /// Its name in scenario files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectedDevices => "connected-devices",
            Self::Connects => "connects",
            Self::ConnectsPerSecond => "connects-per-second",
            Self::Restarts => "restarts",
            Self::DoubleStarts => "double-starts",
            Self::RefusedUpdates => "refused-updates",
            Self::LostMessages => "lost-messages",
            Self::ResentRequests => "resent-requests",
            Self::Liars => "liars",
        }
    }
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 5] = [
        Self::Rollout,
        Self::Execution,
        Self::Update,
        Self::Welcome,
        Self::Query,
    ];

    /// Its name in scenario files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rollout => "rollout",
            Self::Execution => "execution",
            Self::Update => "update",
            Self::Welcome => "welcome",
            Self::Query => "query",
        }
    }
}

impl Invariant {
    /// Every promise.
    pub const ALL: [Self; 7] = [
        Self::Log,
        Self::Replay,
        Self::Outcomes,
        Self::Rate,
        Self::Abort,
        Self::Summary,
        Self::Devices,
    ];

    /// Its name in scenario files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Replay => "replay",
            Self::Outcomes => "outcomes",
            Self::Rate => "rate",
            Self::Abort => "abort",
            Self::Summary => "summary",
            Self::Devices => "devices",
        }
    }

    /// What is promised.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Log => "the log is gapless, its time never goes back, and it verifies",
            Self::Replay => "replay of the log gives the state before",
            Self::Outcomes => "a finished execution never changes its outcome",
            Self::Rate => "executions queued in a minute stay within the rollout rate",
            Self::Abort => "a job aborts when, and only when, a criterion is met",
            Self::Summary => "the sums of the fleet summary are the number of cores",
            Self::Devices => "the service says of every device what the device did",
        }
    }
}
