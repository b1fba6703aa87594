//! Figures as a person reads them, and where an axis has its labels.

use std::time::Duration;

/// Lengths of time that a person counts in, in seconds.
const TIME_STEPS: [f64; 33] = [
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1_800.0,
    3_600.0,
    7_200.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    432_000.0,
    864_000.0,
    1_728_000.0,
    4_320_000.0,
    8_640_000.0,
];
/// Latencies at which a logarithmic axis may have its labels, in milliseconds. Every third is enough where there are
/// many.
const LATENCY_STEPS: [f64; 37] = [
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    50.0,
    100.0,
    200.0,
    500.0,
    1_000.0,
    2_000.0,
    5_000.0,
    10_000.0,
    20_000.0,
    30_000.0,
    60_000.0,
    120_000.0,
    300_000.0,
    600_000.0,
    1_200_000.0,
    1_800_000.0,
    3_600_000.0,
    10_800_000.0,
    21_600_000.0,
    43_200_000.0,
    86_400_000.0,
    432_000_000.0,
    4_320_000_000.0,
];
const MIB: f64 = 1_048_576.0;

/// A count in full: `1,234,567`.
#[must_use]
pub fn full(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count in short: `950`, `12.5k`, `1.2M`.
#[must_use]
pub fn short(count: f64) -> String {
    for (unit, name) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        // What would round to 1000 of the smaller unit is one of this.
        if count >= unit * 0.9995 {
            return format!("{}{name}", digits(count / unit));
        }
    }
    digits(count)
}

/// Three digits at most, and no zero behind the point.
fn digits(value: f64) -> String {
    let places = match value {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').into()
    } else {
        text
    }
}

/// A length of time: `3.2 ms`, `42 s`, `5 min 30 s`, `24 h`, `3 d 4 h`. A day is counted in hours up to its double, as
/// horizons and maintenance windows are.
#[must_use]
pub fn time(seconds: f64) -> String {
    if seconds <= 0.0 {
        return "0 s".into();
    }
    if seconds < 0.001 {
        return format!("{} µs", digits(seconds * 1e6));
    }
    if seconds < 1.0 {
        return format!("{} ms", digits(seconds * 1e3));
    }
    if seconds < 60.0 {
        return format!("{} s", digits(seconds));
    }
    let two = |large: f64, large_name: &str, small: f64, small_name: &str| {
        let whole = (seconds / small).round() * small;
        let (first, rest) = ((whole / large).floor(), whole % large);
        if rest < small {
            format!("{first} {large_name}")
        } else {
            format!(
                "{first} {large_name} {} {small_name}",
                (rest / small).round()
            )
        }
    };
    match seconds {
        seconds if seconds < 3_600.0 => two(60.0, "min", 1.0, "s"),
        seconds if seconds < 172_800.0 => two(3_600.0, "h", 60.0, "min"),
        _ => two(86_400.0, "d", 3_600.0, "h"),
    }
}

/// A length of time, measured in microseconds.
#[must_use]
pub fn time_of_micros(micros: u64) -> String {
    time(Duration::from_micros(micros).as_secs_f64())
}

/// A latency, measured in milliseconds.
#[must_use]
pub fn latency(ms: f64) -> String {
    time(ms / 1e3)
}

/// Memory: `512 MiB`, `1.5 GiB`.
#[must_use]
pub fn bytes(bytes: f64) -> String {
    for (unit, name) in [(MIB * 1024.0, "GiB"), (MIB, "MiB"), (1024.0, "KiB")] {
        if bytes >= unit {
            return format!("{} {name}", digits(bytes / unit));
        }
    }
    format!("{} B", digits(bytes))
}

/// One axis: its range, and its labels.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Where it begins.
    pub(super) low: f64,
    /// Where it ends.
    pub(super) high: f64,
    /// Where labels are.
    pub(super) ticks: Vec<f64>,
    /// What a label says.
    pub(super) label: fn(f64) -> String,
}

impl Axis {
    /// Time from the begin, in seconds; at most so many labels besides the first.
    pub(super) fn time(high: f64, labels: usize) -> Self {
        let high = high.max(0.001);
        let mut steps = TIME_STEPS.into_iter();
        let step = steps.find(|step| high / step <= to_f64(labels));
        let step = step.unwrap_or_else(|| high / to_f64(labels));
        Self {
            low: 0.0,
            high,
            ticks: ticks(high, step),
            label: tick_time(high, step),
        }
    }

    /// A count or a rate from 0 up; it ends at a label.
    pub(super) fn count(high: f64, labels: usize) -> Self {
        Self::rounded(high.max(1.0), 1.0, labels, &[1.0, 2.0, 5.0, 10.0], short)
    }

    /// Memory from 0 up; it ends at a label.
    pub(super) fn bytes(high: f64, labels: usize) -> Self {
        let high = high.max(MIB);
        let unit = 2_f64.powf(high.log2().floor() - 4.0);
        Self::rounded(high, unit, labels, &[1.0, 2.0, 4.0, 8.0, 16.0], bytes)
    }

    fn rounded(
        high: f64,
        unit: f64,
        labels: usize,
        steps: &[f64],
        label: fn(f64) -> String,
    ) -> Self {
        let rough = high / to_f64(labels);
        // Of counts, the power of ten below; memory brings its own unit.
        let unit = if unit > 1.0 {
            unit
        } else {
            10_f64.powf(rough.log10().floor())
        };
        let mut steps = steps.iter().map(|step| step * unit);
        let step = steps.find(|step| *step >= rough * 0.999).unwrap_or(rough);
        let high = (high / step).ceil() * step;
        Self {
            low: 0.0,
            high,
            ticks: ticks(high, step),
            label,
        }
    }

    /// Latencies in milliseconds, by their logarithm; at most so many labels besides the first.
    pub(super) fn latency(low: f64, high: f64, labels: usize) -> Self {
        let last = LATENCY_STEPS.len() - 1;
        let from = LATENCY_STEPS
            .iter()
            .rposition(|step| *step <= low)
            .unwrap_or(0)
            .min(last - 1);
        let to = LATENCY_STEPS
            .iter()
            .position(|step| *step >= high)
            .unwrap_or(last)
            .max(from + 1);
        let every = if to - from <= labels { 1 } else { 3 };
        let ticks: Vec<f64> = LATENCY_STEPS[from..=to]
            .iter()
            .map(|step| step.log10())
            .collect();
        Self {
            low: LATENCY_STEPS[from].log10(),
            high: LATENCY_STEPS[to].log10(),
            ticks: (from..=to)
                .zip(ticks)
                .filter(|(index, _)| index % every == 0)
                .map(|(_, tick)| tick)
                .collect(),
            label: |exponent| latency(10_f64.powf(exponent)),
        }
    }
}

fn ticks(high: f64, step: f64) -> Vec<f64> {
    let mut ticks = Vec::new();
    let mut index = 0_u32;
    while f64::from(index) * step <= high * 1.000_001 {
        ticks.push(f64::from(index) * step);
        index += 1;
    }
    ticks
}

/// One unit for all labels of an axis, in which every step is a whole number where that is possible.
fn tick_time(high: f64, step: f64) -> fn(f64) -> String {
    match (high, step) {
        (high, _) if high < 1.0 => |value| in_unit(value, 0.001, "ms"),
        (_, step) if step < 60.0 => |value| in_unit(value, 1.0, "s"),
        (_, step) if step < 3_600.0 => |value| in_unit(value, 60.0, "min"),
        (_, step) if step < 86_400.0 => |value| in_unit(value, 3_600.0, "h"),
        _ => |value| in_unit(value, 86_400.0, "d"),
    }
}

fn in_unit(value: f64, unit: f64, name: &str) -> String {
    if value <= 0.0 {
        return "0".into();
    }
    format!("{} {name}", digits(value / unit))
}

/// Small numbers: of labels and of slices.
pub(super) fn to_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
