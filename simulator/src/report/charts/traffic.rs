//! Connections, messages, memory and events.

use super::{Drawn, Entry, Figure, RunTime, float, seconds};
use crate::recording::{Recording, Sample};
use crate::report::plot::{Ink, Layer, Room};
use crate::report::table::{Table, rows_of};
use crate::report::units::{self, Axis, to_f64};

pub(super) fn connected(recording: &Recording, time: &RunTime) -> Option<Figure> {
    let traffic = &recording.traffic;
    let most = *traffic.connected.iter().max().filter(|most| **most > 0)?;
    let ends = time.ends(traffic.slice_ms, traffic.connected.len());
    let points = |values: &[u64]| -> Vec<(f64, f64)> {
        let known = ends.iter().zip(values);
        std::iter::once((0.0, 0.0))
            .chain(known.map(|(end, value)| (*end, float(*value))))
            .collect()
    };
    let line = points(&traffic.connected);
    let band = line.iter().map(|(x, y)| (*x, 0.0, *y)).collect();
    let mut table = Table {
        head: vec![time.name.into()],
        rows: rows_of(&ends),
    };
    table.add("connected", &traffic.connected, |count| units::full(*count));
    let legend = vec![Entry {
        ink: Ink::Series(0),
        name: "connected at most".into(),
        value: units::short(float(most)),
    }];
    let layers = vec![
        Layer::Band(Ink::Pale(0), band),
        Layer::Line(Ink::Series(0), line),
    ];
    let drawn = Drawn {
        layers,
        legend,
        beside: Axis::count,
        high: float(most),
        table,
    };
    let note = format!("Devices connected over {}.", time.name);
    Some(time.figure("Devices connected".into(), note, drawn))
}

pub(super) fn connects(recording: &Recording, time: &RunTime) -> Option<Figure> {
    let traffic = &recording.traffic;
    let series = [
        ("connects", &traffic.connects),
        ("disconnects", &traffic.disconnects),
    ];
    rates(
        "Connects per second",
        "Connections made and ended per second",
        traffic.slice_ms,
        &series,
        time,
    )
}

pub(super) fn messages(recording: &Recording, time: &RunTime) -> Option<Figure> {
    let traffic = &recording.traffic;
    let series = [
        ("from devices", &traffic.messages_in),
        ("to devices", &traffic.messages_out),
    ];
    rates(
        "Messages per second",
        "Messages from and to devices per second",
        traffic.slice_ms,
        &series,
        time,
    )
}

/// Counts per slice as rates per second.
fn rates(
    title: &str,
    what: &str,
    slice_ms: u64,
    series: &[(&str, &Vec<u64>)],
    time: &RunTime,
) -> Option<Figure> {
    let length = series.iter().map(|(_, counts)| counts.len()).max()?;
    if series
        .iter()
        .all(|(_, counts)| counts.iter().all(|count| *count == 0))
    {
        return None;
    }
    // A plot has room for so many slices; peaks of joined slices are averaged, as a rate is.
    let group = length.div_ceil(Room::Narrow.points());
    let slice_seconds = seconds(slice_ms) * to_f64(group);
    let (mut layers, mut legend, mut high) = (Vec::new(), Vec::new(), 0.0_f64);
    let begins: Vec<f64> = (0..length.div_ceil(group))
        .map(|slice| to_f64(slice) * slice_seconds)
        .collect();
    let ends: Vec<f64> = begins
        .iter()
        .map(|begin| (begin + slice_seconds).min(time.end))
        .collect();
    let mut table = Table {
        head: vec![time.name.into()],
        rows: rows_of(&ends),
    };
    for (index, (name, counts)) in series.iter().enumerate() {
        let joined = counts
            .chunks(group)
            .map(|slices| float(slices.iter().sum()) / slice_seconds);
        let joined: Vec<f64> = joined.collect();
        let peak = joined.iter().copied().fold(0.0, f64::max);
        high = high.max(peak);
        // A rate holds for a whole slice: steps.
        let steps = begins.iter().zip(&ends).zip(&joined);
        let steps = steps.flat_map(|((begin, end), rate)| [(*begin, *rate), (*end, *rate)]);
        layers.push(Layer::Line(Ink::Series(index), steps.collect()));
        legend.push(Entry {
            ink: Ink::Series(index),
            name: format!("{name}, peak"),
            value: format!("{}/s", units::short(peak)),
        });
        table.add(name, &joined, |rate| format!("{}/s", units::short(*rate)));
    }
    let drawn = Drawn {
        layers,
        legend,
        beside: Axis::count,
        high,
        table,
    };
    Some(time.figure(title.into(), format!("{what} over {}.", time.name), drawn))
}

pub(super) fn memory(recording: &Recording) -> Option<Figure> {
    let samples = &recording.samples;
    let most = samples
        .iter()
        .map(|sample| sample.rss_bytes)
        .max()
        .filter(|most| *most > 0)?;
    let line: Vec<(f64, f64)> = samples
        .iter()
        .map(|sample| (sample.wall_seconds, float(sample.rss_bytes)))
        .collect();
    let band = line.iter().map(|(x, y)| (*x, 0.0, *y)).collect();
    let mut table = wall_table(samples);
    table.add("memory", samples, |sample| {
        units::bytes(float(sample.rss_bytes))
    });
    let layers = vec![
        Layer::Band(Ink::Pale(4), band),
        Layer::Line(Ink::Series(4), line),
    ];
    let legend = vec![Entry {
        ink: Ink::Series(4),
        name: "resident, peak".into(),
        value: units::bytes(float(most)),
    }];
    let drawn = Drawn {
        layers,
        legend,
        beside: Axis::bytes,
        high: float(most),
        table,
    };
    let note = "Memory in use by everything that takes part, over wall time.";
    Some(wall_figure("Memory", note, samples, drawn))
}

pub(super) fn events(recording: &Recording, time: &RunTime) -> Option<Figure> {
    let samples = &recording.samples;
    if samples.iter().all(|sample| sample.events == 0) {
        // Real time: the log says when its events were.
        let traffic = &recording.traffic;
        let series = [("events", &traffic.events)];
        let (title, what) = ("Events per second", "Events logged per second");
        return rates(title, what, traffic.slice_ms, &series, time);
    }
    // A few samples are joined, so that the plot shows the run and not the clock.
    let stride = (samples.len() / Room::Narrow.points()).max(1);
    let coarse: Vec<&Sample> = samples
        .iter()
        .step_by(stride)
        .chain(samples.last())
        .collect();
    let pairs = coarse
        .windows(2)
        .filter(|two| two[1].wall_seconds > two[0].wall_seconds);
    let (mut line, mut rates, mut peak) = (Vec::new(), Vec::new(), 0.0_f64);
    for two in pairs {
        let events = two[1].events.saturating_sub(two[0].events);
        let rate = float(events) / (two[1].wall_seconds - two[0].wall_seconds);
        peak = peak.max(rate);
        line.extend([(two[0].wall_seconds, rate), (two[1].wall_seconds, rate)]);
        rates.push((*two[1], rate));
    }
    if peak <= 0.0 {
        return None;
    }
    let ends: Vec<f64> = rates
        .iter()
        .map(|(sample, _)| sample.wall_seconds)
        .collect();
    let mut table = Table {
        head: vec!["wall time".into()],
        rows: rows_of(&ends),
    };
    table.add("events", &rates, |(_, rate)| {
        format!("{}/s", units::short(*rate))
    });
    table.add("run has come to", &rates, |(sample, _)| {
        units::time(sample.run_seconds)
    });
    let layers = vec![Layer::Line(Ink::Series(3), line)];
    let legend = vec![Entry {
        ink: Ink::Series(3),
        name: "events, peak".into(),
        value: format!("{}/s", units::short(peak)),
    }];
    let drawn = Drawn {
        layers,
        legend,
        beside: Axis::count,
        high: peak,
        table,
    };
    Some(wall_figure(
        "Events per second",
        "Events logged per second of wall time.",
        samples,
        drawn,
    ))
}

fn wall_figure(title: &str, note: &str, samples: &[Sample], drawn: Drawn) -> Figure {
    let end = samples.last().map_or(1.0, |sample| sample.wall_seconds);
    let below = |room: Room| Axis::time(end, room.labels_below());
    drawn.figure(title.into(), note.into(), Vec::new(), below)
}

fn wall_table(samples: &[Sample]) -> Table {
    let ends: Vec<f64> = samples.iter().map(|sample| sample.wall_seconds).collect();
    Table {
        head: vec!["wall time".into()],
        rows: rows_of(&ends),
    }
}
