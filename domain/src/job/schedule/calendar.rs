//! Dates and times of day as text.

use crate::time::Timestamp;

/// Reads `2026-01-31 04:30` (UTC) or ISO 8601: `2026-01-31T04:30`, with seconds, with `Z` or an offset such as
/// `+09:00`. `None` if it is none of these.
#[must_use]
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let (time, offset_minutes) = split_offset(time)?;
    let mut date = date.split('-').map(|part| number(part, 2..=4));
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    if date.next().is_some() {
        return None;
    }
    let mut time = time.split(':').map(|part| number(part, 2..=2));
    let (hour, minute) = (time.next()??, time.next()??);
    let second = match time.next() {
        Some(second) => second?,
        None => 0,
    };
    if time.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let midnight = Timestamp::from_date(year, month, day)?;
    let of_day = ((hour * 60 + minute) * 60 + second) * 1_000;
    let at = i64::try_from(midnight.0 + of_day).ok()? - offset_minutes * 60_000;
    u64::try_from(at).ok().map(Timestamp)
}

/// The time of day, and how many minutes it is ahead of UTC.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix('Z') {
        return Some((time, 0));
    }
    let Some(at) = time.find(['+', '-']) else {
        return Some((time, 0));
    };
    let (time, offset) = time.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes) = (number(hours, 2..=2)?, number(minutes, 2..=2)?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    let minutes = i64::try_from(hours * 60 + minutes).ok()?;
    Some((time, sign * minutes))
}

fn number(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (length.contains(&text.len()) && digits).then(|| text.parse().ok())?
}
