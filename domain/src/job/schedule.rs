//! When a job may be rolled out: its start, its end, and recurring maintenance windows.

mod calendar;
mod cron;

use minicbor::{Decode, Encode};

pub use calendar::parse_time;
pub use cron::Cron;

use crate::limits;
use crate::rejection::Rejection;
use crate::time::{Span, Timestamp};

/// What happens to executions at the end (`endBehavior`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum EndBehavior {
    /// Nothing more is rolled out; what was queued goes on.
    #[default]
    #[n(0)]
    StopRollout,
    /// QUEUED executions are canceled.
    #[n(1)]
    Cancel,
    /// Those at work, too.
    #[n(2)]
    ForceCancel,
}

impl EndBehavior {
    /// AWS IoT's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StopRollout => "STOP_ROLLOUT",
            Self::Cancel => "CANCEL",
            Self::ForceCancel => "FORCE_CANCEL",
        }
    }
}

/// A recurring stretch of time in which the job is rolled out.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Window {
    /// `startTime`: when it opens, as a cron expression in UTC.
    #[n(0)]
    pub start: Cron,
    /// `durationInMinutes`, 1 to 1,430.
    #[n(1)]
    pub duration_minutes: u32,
}

/// `schedulingConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Schedule {
    /// `startTime`.
    #[n(0)]
    pub start_at: Option<Timestamp>,
    /// `endTime`.
    #[n(1)]
    pub end_at: Option<Timestamp>,
    /// `endBehavior`; only with an end.
    #[n(2)]
    pub end_behavior: Option<EndBehavior>,
    /// `maintenanceWindows`.
    #[n(3)]
    pub windows: Vec<Window>,
}

/// Whether a job may be rolled out, and until when that holds; absent: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It may.
    Open(Option<Timestamp>),
    /// It waits.
    Closed(Option<Timestamp>),
}

const MINUTE: u64 = 60_000;
const YEAR: u64 = 366 * 24 * 60 * MINUTE;

impl Schedule {
    /// Where the schedule stands at a moment; its end is not looked at.
    #[must_use]
    pub fn phase(&self, at: Timestamp) -> Phase {
        match self.start_at {
            Some(start) if at < start => match self.within_windows(start) {
                Phase::Open(_) => Phase::Closed(Some(start)),
                closed @ Phase::Closed(_) => closed,
            },
            _ => self.within_windows(at),
        }
    }

    fn within_windows(&self, at: Timestamp) -> Phase {
        if self.windows.is_empty() {
            return Phase::Open(None);
        }
        let open = self
            .windows
            .iter()
            .filter_map(|window| window.open_until(at));
        match open.max() {
            Some(until) => Phase::Open(Some(until)),
            None => Phase::Closed(self.next_opening(at)),
        }
    }

    fn next_opening(&self, at: Timestamp) -> Option<Timestamp> {
        let next = self.windows.iter();
        next.filter_map(|window| window.start.at_or_after(at)).min()
    }

    /// When the job is rolled out next, from `at` on: at most `count` moments (`scheduledJobRollouts`).
    #[must_use]
    pub fn next_rollouts(&self, at: Timestamp, count: usize) -> Vec<Timestamp> {
        let mut from = self.start_at.map_or(at, |start| start.max(at));
        let mut rollouts = Vec::new();
        if self.windows.is_empty() {
            rollouts.extend(self.start_at.filter(|start| *start >= at));
            return rollouts;
        }
        while rollouts.len() < count {
            let Some(next) = self.next_opening(from) else {
                break;
            };
            if self.end_at.is_some_and(|end| next >= end) {
                break;
            }
            rollouts.push(next);
            from = next.plus(Span::MINUTE);
        }
        rollouts
    }

    /// Refuses what AWS IoT Jobs would refuse of a job that is created at `now`.
    pub fn check(&self, continuous: bool, now: Timestamp) -> Result<(), Rejection> {
        self.check_start(now)?;
        self.check_end(now)?;
        if self.windows.is_empty() {
            return Ok(());
        }
        if !continuous {
            return Err(Rejection::malformed(
                "schedulingConfig.maintenanceWindows",
                "need targetSelection CONTINUOUS",
            ));
        }
        check_windows("schedulingConfig.maintenanceWindows", &self.windows, now)
    }

    fn check_start(&self, now: Timestamp) -> Result<(), Rejection> {
        let Some(start) = self.start_at else {
            return Ok(());
        };
        let (least, most) = (now.plus(Span(30 * MINUTE)), now.plus(Span(YEAR)));
        if least <= start && start <= most {
            return Ok(());
        }
        Err(Rejection::malformed(
            "schedulingConfig.startTime",
            format!("must be 30 minutes to a year from the time of the service, which is {now}"),
        ))
    }

    fn check_end(&self, now: Timestamp) -> Result<(), Rejection> {
        let Some(end) = self.end_at else {
            return match self.end_behavior {
                None => Ok(()),
                Some(_) => Err(Rejection::malformed(
                    "schedulingConfig.endBehavior",
                    "needs an endTime",
                )),
            };
        };
        let (least, most) = (now.plus(Span(30 * MINUTE)), now.plus(Span(2 * YEAR)));
        if end < least || end > most {
            return Err(Rejection::malformed(
                "schedulingConfig.endTime",
                format!(
                    "must be 30 minutes to two years from the time of the service, which is {now}"
                ),
            ));
        }
        match self.start_at {
            Some(start) if end < start.plus(Span(30 * MINUTE)) => Err(Rejection::malformed(
                "schedulingConfig.endTime",
                "must be at least 30 minutes after startTime",
            )),
            _ => Ok(()),
        }
    }
}

impl Window {
    fn length(&self) -> Span {
        Span::minutes(self.duration_minutes)
    }

    /// When it closes, if it is open at `at`.
    fn open_until(&self, at: Timestamp) -> Option<Timestamp> {
        let length = self.length();
        let earliest = Timestamp((at.0 + 1).saturating_sub(length.0));
        let opened = self.start.at_or_after(earliest)?;
        (opened <= at).then(|| opened.plus(length))
    }
}

/// Refuses windows that are too many, too long, that never open, or that overlap.
pub(crate) fn check_windows(
    field: &'static str,
    windows: &[Window],
    now: Timestamp,
) -> Result<(), Rejection> {
    if windows.len() > limits::MAINTENANCE_WINDOWS_MAX {
        return Err(Rejection::malformed(
            field,
            format!("must be at most {}", limits::MAINTENANCE_WINDOWS_MAX),
        ));
    }
    for window in windows {
        if !(1..=limits::WINDOW_MINUTES_MAX).contains(&window.duration_minutes) {
            return Err(Rejection::malformed(
                field,
                format!(
                    "durationInMinutes must be 1 to {}, not {}",
                    limits::WINDOW_MINUTES_MAX,
                    window.duration_minutes
                ),
            ));
        }
        if window.start.at_or_after(now).is_none() {
            return Err(Rejection::malformed(
                field,
                format!("startTime {} names no time to come", window.start.as_str()),
            ));
        }
    }
    check_overlap(field, windows, now)
}

/// Looks at the next openings, a bounded number of them.
fn check_overlap(field: &'static str, windows: &[Window], now: Timestamp) -> Result<(), Rejection> {
    let mut next: Vec<(Option<Timestamp>, &Window)> = windows
        .iter()
        .map(|window| (window.start.at_or_after(now), window))
        .collect();
    let mut closes_at = Timestamp(0);
    for _ in 0..limits::WINDOW_OPENINGS_CHECKED {
        let open = next.iter_mut().filter(|(at, _)| at.is_some());
        let Some((at, window)) = open.min_by_key(|(at, _)| *at) else {
            break;
        };
        let Some(opens_at) = *at else { break };
        if opens_at < closes_at {
            return Err(Rejection::malformed(
                field,
                format!("overlap at {opens_at}; let each end before the next begins"),
            ));
        }
        closes_at = opens_at.plus(window.length());
        *at = window.start.at_or_after(opens_at.plus(Span::MINUTE));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
