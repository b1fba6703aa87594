//! Cron expressions of AWS: `minutes hours day-of-month month day-of-week year`, in UTC.

use minicbor::{Decode, Encode};

use crate::limits;
use crate::rejection::Rejection;
use crate::time::{Timestamp, Weekday};

/// A valid cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: Box<str>,
    minutes: u64,
    hours: u64,
    months: u64,
    days: Days,
    years: Vec<(u64, u64, u64)>,
}

/// Which days of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    /// Bits 1 to 31; whether the last day is meant; days whose nearest weekday is meant.
    OfMonth {
        days: u64,
        last: bool,
        nearest: Vec<u64>,
    },
    /// Bits 1 (Sunday) to 7; the n-th such day of the month; the last such day.
    OfWeek {
        days: u64,
        nth: Vec<(u64, u64)>,
        last: u64,
    },
}

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const DAY: u64 = 24 * 60 * 60_000;

/// A field of an expression: its name, its least and greatest number, and words for numbers from the least on.
#[derive(Clone, Copy)]
struct Range {
    name: &'static str,
    least: u64,
    most: u64,
    words: &'static [&'static str],
}

const fn range(name: &'static str, least: u64, most: u64) -> Range {
    Range {
        name,
        least,
        most,
        words: &[],
    }
}

const MINUTES: Range = range("minutes", 0, 59);
const HOURS: Range = range("hours", 0, 23);
const DAYS_OF_MONTH: Range = range("day-of-month", 1, 31);
const MONTHS_RANGE: Range = Range {
    words: &MONTHS,
    ..range("month", 1, 12)
};
const DAYS_OF_WEEK: Range = Range {
    words: &WEEKDAYS,
    ..range("day-of-week", 1, 7)
};
const YEARS: Range = range("year", 1970, 2199);

fn refuse(message: impl Into<String>) -> Rejection {
    Rejection::malformed("startTime", message)
}

impl Cron {
    /// Accepts an expression of six fields, with or without `cron(…)` around it.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        if text.is_empty() || text.len() > limits::CRON_BYTES_MAX {
            return Err(refuse(format!(
                "must have 1 to {} characters",
                limits::CRON_BYTES_MAX
            )));
        }
        let inner = text
            .strip_prefix("cron(")
            .and_then(|rest| rest.strip_suffix(')'));
        let fields: Vec<&str> = inner.unwrap_or(text).split_whitespace().collect();
        let &[minutes, hours, day, month, weekday, year] = fields.as_slice() else {
            return Err(refuse(format!(
                "{text:.64} must have six fields: minutes hours day-of-month month day-of-week year"
            )));
        };
        Ok(Self {
            text: text.into(),
            minutes: bits(minutes, MINUTES)?,
            hours: bits(hours, HOURS)?,
            months: bits(month, MONTHS_RANGE)?,
            days: Days::parse(day, weekday)?,
            years: parts(year, YEARS)?,
        })
    }

    /// The expression as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first moment from `at` on; `None` if there is none within the years that are looked at.
    #[must_use]
    pub fn at_or_after(&self, at: Timestamp) -> Option<Timestamp> {
        let minute = at.0.div_ceil(60_000);
        let (mut day, mut from) = (minute / (24 * 60), minute % (24 * 60));
        for _ in 0..limits::CRON_DAYS_SEARCHED {
            if self.is_on(Timestamp(day * DAY))
                && let Some(found) = self.minute_of_day(from)
            {
                return Some(Timestamp(day * DAY + found * 60_000));
            }
            (day, from) = (day + 1, 0);
        }
        None
    }

    fn is_on(&self, midnight: Timestamp) -> bool {
        let (year, month, day) = midnight.date();
        let in_year = self
            .years
            .iter()
            .any(|(from, to, step)| (*from..=*to).contains(&year) && (year - from) % step == 0);
        in_year && has(self.months, month) && self.days.hold(midnight, year, month, day)
    }

    /// The first minute of the day from `from` on.
    fn minute_of_day(&self, from: u64) -> Option<u64> {
        (from / 60..24)
            .filter(|hour| has(self.hours, *hour))
            .find_map(|hour| {
                let first = from.saturating_sub(hour * 60);
                let minute = (first..60).find(|minute| has(self.minutes, *minute))?;
                Some(hour * 60 + minute)
            })
    }
}

impl Days {
    fn parse(day: &str, weekday: &str) -> Result<Self, Rejection> {
        match (day, weekday) {
            ("?", "?") => Err(refuse("day-of-month and day-of-week cannot both be ?")),
            (day, "?") => Self::of_month(day),
            ("?" | "*", weekday) => Self::of_week(weekday),
            (day, "*") => Self::of_month(day),
            _ => Err(refuse(
                "must have ? for day-of-month or for day-of-week: only one of them chooses days",
            )),
        }
    }

    fn of_month(text: &str) -> Result<Self, Rejection> {
        let (mut days, mut last, mut nearest) = (0, false, Vec::new());
        for part in text.split(',') {
            if part == "L" {
                last = true;
            } else if let Some(day) = part.strip_suffix('W') {
                nearest.push(number(day, DAYS_OF_MONTH)?);
            } else {
                days |= bits(part, DAYS_OF_MONTH)?;
            }
        }
        Ok(Self::OfMonth {
            days,
            last,
            nearest,
        })
    }

    fn of_week(text: &str) -> Result<Self, Rejection> {
        let (mut days, mut nth, mut last) = (0, Vec::new(), 0);
        for part in text.split(',') {
            if let Some((day, which)) = part.split_once('#') {
                nth.push((
                    number(day, DAYS_OF_WEEK)?,
                    number(which, range("day-of-week after #", 1, 5))?,
                ));
            } else if part == "L" {
                days |= 1 << 7;
            } else if let Some(day) = part.strip_suffix('L') {
                last |= 1 << number(day, DAYS_OF_WEEK)?;
            } else {
                days |= bits(part, DAYS_OF_WEEK)?;
            }
        }
        Ok(Self::OfWeek { days, nth, last })
    }

    fn hold(&self, midnight: Timestamp, year: u64, month: u64, day: u64) -> bool {
        let length = days_in_month(year, month);
        let weekday = midnight.weekday().number();
        match self {
            Self::OfMonth {
                days,
                last,
                nearest,
            } => {
                let near = |wanted: &u64| {
                    *wanted <= length && nearest_weekday(midnight, day, *wanted, length) == day
                };
                has(*days, day) || (*last && day == length) || nearest.iter().any(near)
            }
            Self::OfWeek { days, nth, last } => {
                has(*days, weekday)
                    || nth.contains(&(weekday, day.div_ceil(7)))
                    || (has(*last, weekday) && day + 7 > length)
            }
        }
    }
}

/// The working day nearest to a day of the month, within the month; `midnight` is that of `day`.
fn nearest_weekday(midnight: Timestamp, day: u64, wanted: u64, length: u64) -> u64 {
    let first = Timestamp(midnight.0 - (day - 1) * DAY);
    match Timestamp(first.0 + (wanted - 1) * DAY).weekday() {
        Weekday::Saturday if wanted == 1 => 3,
        Weekday::Saturday => wanted - 1,
        Weekday::Sunday if wanted == length => wanted - 2,
        Weekday::Sunday => wanted + 1,
        Weekday::Monday
        | Weekday::Tuesday
        | Weekday::Wednesday
        | Weekday::Thursday
        | Weekday::Friday => wanted,
    }
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

const fn has(bits: u64, number: u64) -> bool {
    bits >> number & 1 == 1
}

fn bits(text: &str, range: Range) -> Result<u64, Rejection> {
    let mut bits = 0;
    for (from, to, step) in parts(text, range)? {
        let mut number = from;
        while number <= to {
            bits |= 1 << number;
            number += step;
        }
    }
    Ok(bits)
}

/// From, to and step of each part of a list.
fn parts(text: &str, range: Range) -> Result<Vec<(u64, u64, u64)>, Rejection> {
    text.split(',')
        .map(|part| parse_part(part, range))
        .collect()
}

fn parse_part(text: &str, range: Range) -> Result<(u64, u64, u64), Rejection> {
    let (span, step) = match text.split_once('/') {
        None => (text, None),
        Some((span, step)) => {
            let step = step
                .parse()
                .ok()
                .filter(|step| (1..=range.most).contains(step));
            let refused = || refuse(format!("{text:.64} has no valid step for {}", range.name));
            (span, Some(step.ok_or_else(refused)?))
        }
    };
    let (from, to) = match span.split_once('-') {
        _ if span == "*" => (range.least, range.most),
        Some((from, to)) => (number(from, range)?, number(to, range)?),
        None => {
            let from = number(span, range)?;
            (from, if step.is_some() { range.most } else { from })
        }
    };
    if from > to {
        return Err(refuse(format!(
            "{text:.64} must not run backwards in {}",
            range.name
        )));
    }
    Ok((from, to, step.unwrap_or(1)))
}

fn number(text: &str, range: Range) -> Result<u64, Rejection> {
    let word = range
        .words
        .iter()
        .position(|word| word.eq_ignore_ascii_case(text));
    let number = match word {
        Some(index) => u64::try_from(index).ok().map(|index| index + range.least),
        None => text.parse().ok(),
    };
    number
        .filter(|number| (range.least..=range.most).contains(number))
        .ok_or_else(|| {
            refuse(format!(
                "{text:.64} must be {} to {} for {}",
                range.least, range.most, range.name
            ))
        })
}

impl<C> Encode<C> for Cron {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.text.encode(encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for Cron {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        _: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        Self::parse(decoder.str()?)
            .map_err(|_| minicbor::decode::Error::message("not a cron expression"))
    }
}

#[cfg(test)]
mod tests;
