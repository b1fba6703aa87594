//! `schedule`: when a job may be rolled out. Times of day and offsets from UTC.

use shipslog_domain::Span;
use shipslog_domain::job::EndBehavior;
use shipslog_domain::limits;

use crate::scenario::parse::fields::{Fields, Problem};
use crate::scenario::parse::values::Found;
use crate::scenario::schedule::DAY_MINUTES;
use crate::scenario::{Hours, ScheduleRule, Zone};

const ENDS: [(&str, EndBehavior); 3] = [
    ("STOP_ROLLOUT", EndBehavior::StopRollout),
    ("CANCEL", EndBehavior::Cancel),
    ("FORCE_CANCEL", EndBehavior::ForceCancel),
];

pub(super) fn read_schedule(fields: &mut Fields<'_>) -> Result<Option<ScheduleRule>, Problem> {
    let Some(mut fields) = fields.table("schedule")? else {
        return Ok(None);
    };
    let start = fields.optional("start", Found::span)?;
    let end = fields.optional("end", Found::span)?;
    let at_end = fields.optional("at-end", |found| {
        if end.is_none() {
            return Err(found.problem("needs an end beside it, such as end = \"2d\""));
        }
        found.choice(&ENDS)
    })?;
    let zone = read_zone(&mut fields)?;
    let mut windows = Vec::new();
    for mut window in fields.tables("windows")? {
        windows.push(read_hours(&mut window)?);
        window.finish()?;
    }
    if windows.len() > limits::MAINTENANCE_WINDOWS_MAX {
        let most = limits::MAINTENANCE_WINDOWS_MAX;
        return Err(fields.problem(format!("windows: must be at most {most}")));
    }
    if start.is_none() && end.is_none() && windows.is_empty() {
        return Err(fields.problem("must have a start, an end or windows"));
    }
    fields.finish()?;
    Ok(Some(ScheduleRule {
        start,
        end,
        at_end,
        zone,
        windows,
    }))
}

/// `offset`: how far the clocks of a zone are ahead of UTC.
pub(super) fn read_zone(fields: &mut Fields<'_>) -> Result<Zone, Problem> {
    let zone = fields.optional("offset", |found| {
        let text = found.string()?;
        let (sign, time) = match text.split_at_checked(1) {
            Some(("+", time)) => (1, time),
            Some(("-", time)) => (-1, time),
            _ => (0, ""),
        };
        let minutes = time_of_day(time).and_then(|minutes| i32::try_from(minutes).ok());
        let ahead = minutes.map(|minutes| sign * minutes);
        let ahead = ahead.filter(|ahead| sign != 0 && (-720..=840).contains(ahead));
        let ahead_minutes = ahead.ok_or_else(|| {
            found.problem(format!(
                "must be an offset from UTC, -12:00 to +14:00, such as \"+09:00\", not {text:?}"
            ))
        })?;
        Ok(Zone { ahead_minutes })
    })?;
    Ok(zone.unwrap_or_default())
}

/// `from` and `until`, in the time of a zone.
pub(super) fn read_hours(fields: &mut Fields<'_>) -> Result<Hours, Problem> {
    let read = |found: &Found<'_>| {
        let text = found.string()?;
        time_of_day(text).ok_or_else(|| {
            found.problem(format!(
                "must be a time of day, 00:00 to 23:59, such as \"02:30\", not {text:?}"
            ))
        })
    };
    let hours = Hours {
        from: fields.required("from", read)?,
        until: fields.required("until", read)?,
    };
    if !(1..=limits::WINDOW_MINUTES_MAX).contains(&hours.minutes()) {
        let most = length(limits::WINDOW_MINUTES_MAX);
        return Err(fields.problem(format!("until: must be 1 minute to {most} after from")));
    }
    Ok(hours)
}

fn length(minutes: u32) -> String {
    let length = std::time::Duration::from_millis(Span::minutes(minutes).0);
    humantime::format_duration(length).to_string()
}

/// Minutes of the day of `HH:MM`.
fn time_of_day(text: &str) -> Option<u32> {
    let number = |text: &str| match text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u32>().ok(),
        false => None,
    };
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let of_day = hours * 60 + minutes;
    (minutes < 60 && of_day < DAY_MINUTES).then_some(of_day)
}
