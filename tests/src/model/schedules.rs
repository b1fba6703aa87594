//! Schedules of jobs: worked out minute by minute, from the text of each window.

use shipslog_domain::job::{EndBehavior, Schedule, TargetSelection, Window};
use shipslog_domain::{Span, Timestamp, job, limits};

use super::{Job, Model};

const MINUTE: u64 = Span::MINUTE.0;
const DAY_MINUTES: u64 = 24 * 60;

/// Whether a job may be rolled out, and when that is looked at again.
pub(super) type Turn = (job::Status, Option<Timestamp>);

/// Whether a window opens in a minute: `cron(MINUTES HOURS * * ? *)`, the only form that the model knows.
fn opens(window: &Window, minute: u64) -> bool {
    let text = window.start.as_str();
    let text = text
        .strip_prefix("cron(")
        .and_then(|text| text.strip_suffix(')'));
    let fields: Vec<&str> = text.expect("in parentheses").split(' ').collect();
    let [minutes, hours, "*", "*", "?", "*"] = fields[..] else {
        panic!("{fields:?} is not for every day");
    };
    matches(minutes, minute % 60) && matches(hours, minute / 60 % 24)
}

/// `*`, `7`, or `5/10`: from 5 on every 10.
fn matches(field: &str, value: u64) -> bool {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    match field.split_once('/') {
        None if field == "*" => true,
        None => number(field) == value,
        Some((from, every)) => {
            value >= number(from) && (value - number(from)).is_multiple_of(number(every))
        }
    }
}

/// The first minute from `from` on in which a window opens. One of every day does so within a day.
fn next_opening(window: &Window, from: Timestamp) -> Option<Timestamp> {
    let first = from.0.div_ceil(MINUTE);
    let minute = (first..first + DAY_MINUTES).find(|minute| opens(window, *minute));
    minute.map(|minute| Timestamp(minute * MINUTE))
}

/// When the window closes that is open at `at`.
fn open_until(window: &Window, at: Timestamp) -> Option<Timestamp> {
    let length = u64::from(window.duration_minutes);
    let this = at.0 / MINUTE;
    let mut since = this + 1 - length..=this;
    let opened = since.find(|minute| opens(window, *minute));
    opened.map(|minute| Timestamp((minute + length) * MINUTE))
}

/// Where a schedule stands at a moment, its end left aside.
pub(super) fn turn(schedule: &Schedule, at: Timestamp) -> Turn {
    let start = schedule.start_at.filter(|start| *start > at);
    let moment = start.unwrap_or(at);
    let windows = schedule.windows.iter();
    let until = windows
        .filter_map(|window| open_until(window, moment))
        .max();
    let next = schedule.windows.iter();
    let next = next.filter_map(|window| next_opening(window, moment)).min();
    let is_open = schedule.windows.is_empty() || until.is_some();
    match (start, is_open) {
        (Some(start), true) => (job::Status::Scheduled, Some(start)),
        (None, true) => (job::Status::InProgress, until),
        (_, false) => (job::Status::Scheduled, next),
    }
}

/// AWS IoT Jobs: start and end lie 30 minutes to one and two years ahead and 30 minutes apart; an end behavior needs an
/// end, and windows need a continuous job. Windows never overlap.
pub(super) fn is_valid(schedule: &Schedule, selection: TargetSelection, now: Timestamp) -> bool {
    let half_an_hour = Span::minutes(30);
    let least = now.plus(half_an_hour);
    let year = Span::minutes(366 * 24 * 60);
    let (start, end) = (schedule.start_at, schedule.end_at);
    let starts = start.is_none_or(|start| (least..=now.plus(year)).contains(&start));
    let ends = end.is_none_or(|end| (least..=now.plus(year).plus(year)).contains(&end));
    let apart = start
        .zip(end)
        .is_none_or(|(start, end)| end >= start.plus(half_an_hour));
    let has_end = schedule.end_behavior.is_none() || end.is_some();
    let windows = &schedule.windows;
    let is_followed = windows.is_empty() || selection == TargetSelection::Continuous;
    let lengths = 1..=limits::WINDOW_MINUTES_MAX;
    let are_short = windows
        .iter()
        .all(|window| lengths.contains(&window.duration_minutes));
    starts && ends && apart && has_end && is_followed && are_short && !overlap(windows, now)
}

/// Whether one opens while one is open, some time within two days.
fn overlap(windows: &[Window], now: Timestamp) -> bool {
    let first = now.0.div_ceil(MINUTE);
    let mut closes = 0;
    for minute in first..first + 2 * DAY_MINUTES {
        for window in windows.iter().filter(|window| opens(window, minute)) {
            if minute < closes {
                return true;
            }
            closes = minute + u64::from(window.duration_minutes);
        }
    }
    false
}

impl Job {
    /// Whether it goes on, in its schedule or between its windows.
    #[must_use]
    pub fn is_going(&self) -> bool {
        matches!(
            self.status,
            job::Status::InProgress | job::Status::Scheduled
        )
    }

    /// Whether those who join a target group are told of it.
    pub(super) fn takes_joiners(&self) -> bool {
        self.is_going() && !self.is_over && self.selection == TargetSelection::Continuous
    }

    /// When its schedule ends it.
    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        let end = self.schedule.as_ref()?.end_at?;
        (self.is_going() && !self.is_over).then_some(end)
    }
}

impl Model {
    /// Goes to where the schedule of a job stands by now, if it is time.
    pub(super) fn follow_schedule(&mut self, name: &str, now: Timestamp) -> bool {
        let job = self.jobs.get_mut(name).expect("a known job");
        let Some(schedule) = job.schedule.clone() else {
            return false;
        };
        let ends = job.ends_at().is_some_and(|end| end <= now);
        let turns = job.is_going() && job.turns_at.is_some_and(|at| at <= now);
        self.touched.insert(name.to_owned());
        match schedule.end_behavior.unwrap_or_default() {
            EndBehavior::StopRollout if ends => {
                job.status = job::Status::InProgress;
                job.turns_at = None;
                job.is_over = true;
                job.waiting.clear();
            }
            EndBehavior::Cancel if ends => self.cancel_job(name, false),
            EndBehavior::ForceCancel if ends => self.cancel_job(name, true),
            _ if turns => (job.status, job.turns_at) = turn(&schedule, now),
            _ => return false,
        }
        true
    }
}
