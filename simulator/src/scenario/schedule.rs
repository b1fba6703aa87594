//! When a job may be rolled out, as people of a region say it: in their own time of day.

use shipslog_domain::job::schedule::Cron;
use shipslog_domain::job::{EndBehavior, Schedule, Window};
use shipslog_domain::{Rejection, Span, Timestamp};

/// Minutes of a day.
pub const DAY_MINUTES: u32 = 24 * 60;

/// A zone whose clocks are ahead of UTC by so many minutes all year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// From 12 hours behind to 14 hours ahead.
    pub ahead_minutes: i32,
}

impl Zone {
    /// The minute of the day in the zone when it is `minute` in UTC.
    #[must_use]
    pub fn local(self, minute: u32) -> u32 {
        Self::turned(minute, self.ahead_minutes)
    }

    /// The minute of the day in UTC when it is `minute` in the zone.
    #[must_use]
    pub fn utc(self, minute: u32) -> u32 {
        Self::turned(minute, -self.ahead_minutes)
    }

    fn turned(minute: u32, by: i32) -> u32 {
        let day = i64::from(DAY_MINUTES);
        let turned = (i64::from(minute) + i64::from(by)).rem_euclid(day);
        u32::try_from(turned).unwrap_or(0)
    }
}

/// A stretch of every day, in minutes of the day; one that ends before it begins goes on over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The first minute.
    pub from: u32,
    /// The minute after the last.
    pub until: u32,
}

impl Hours {
    /// How many minutes it has.
    #[must_use]
    pub fn minutes(self) -> u32 {
        (self.until + DAY_MINUTES - self.from) % DAY_MINUTES
    }

    /// Whether a minute of the day is in it.
    #[must_use]
    pub fn hold(self, minute: u32) -> bool {
        (minute + DAY_MINUTES - self.from) % DAY_MINUTES < self.minutes()
    }
}

/// When a job may be rolled out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleRule {
    /// Its start, after the beginning of the play.
    pub start: Option<Span>,
    /// Its end, after the beginning of the play.
    pub end: Option<Span>,
    /// What happens at its end.
    pub at_end: Option<EndBehavior>,
    /// Whose time of day the windows are given in.
    pub zone: Zone,
    /// Maintenance windows of every day.
    pub windows: Vec<Hours>,
}

impl ScheduleRule {
    /// The schedule of a play that began at `begin`, as the service takes it: in UTC.
    pub fn resolve(&self, begin: Timestamp) -> Result<Schedule, Rejection> {
        let windows = self.windows.iter().map(|hours| {
            let start = self.zone.utc(hours.from);
            let text = format!("cron({} {} * * ? *)", start % 60, start / 60);
            Ok(Window {
                start: Cron::parse(&text)?,
                duration_minutes: hours.minutes(),
            })
        });
        Ok(Schedule {
            start_at: self.start.map(|after| begin.plus(after)),
            end_at: self.end.map(|after| begin.plus(after)),
            end_behavior: self.at_end,
            windows: windows.collect::<Result<_, Rejection>>()?,
        })
    }
}

#[cfg(test)]
mod tests;
