//! The times of signatures: `20260131T120000Z`.

use shipslog_domain::Timestamp;

/// Reads a time; `None` if it is none.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let is_form = bytes.len() == 16 && bytes[8] == b'T' && bytes[15] == b'Z';
    let number = |range: std::ops::Range<usize>| {
        let digits = bytes.get(range)?;
        digits.iter().try_fold(0_u64, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + u64::from(digit - b'0'))
        })
    };
    if !is_form {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    let is_date = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let years = year - 1970;
    // Leap days of the years before this one, counted from year 0 and from 1970.
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let days = years * 365 + leap_days(year - 1) - leap_days(1969)
        + (1..month)
            .map(|month| days_of_month(year, month))
            .sum::<u64>()
        + (day - 1);
    Some(Timestamp(
        (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000,
    ))
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

/// Writes a time, to the second.
#[must_use]
pub fn text(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split('.').next().unwrap_or(&text);
    let digits: String = seconds.chars().filter(|c| !"-:".contains(*c)).collect();
    format!("{digits}Z")
}

#[cfg(test)]
mod tests;
