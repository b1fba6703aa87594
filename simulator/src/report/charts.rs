//! What is plotted, and the table behind each plot.

use super::plot::{Ink, Layer, Plot, Room, SERIES};
use super::table::{Table, rows_of};
use super::units::{self, Axis, to_f64};
use crate::recording::{
    Job, Latency, Marker, MarkerKind, Measure, Percentiles, Recording, StatusSeries,
};

mod traffic;

/// Jobs with a plot of their own.
const JOBS_PLOTTED: usize = 6;

/// A plot with everything around it.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// Heading.
    pub(super) title: String,
    /// What is to be seen, in a sentence: also for those who do not see it.
    pub(super) note: String,
    /// Whether it is one of those that tell the run in one look.
    pub(super) large: bool,
    /// Series by name, with their last or overall figure.
    pub(super) legend: Vec<Entry>,
    /// Once for each kind of room.
    pub(super) pictures: Vec<(Room, String, String)>,
    /// The same in figures.
    pub(super) table: Table,
}

/// One series in a legend.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) ink: Ink,
    pub(super) name: String,
    pub(super) value: String,
}

/// Everything that is plotted of a run, in the order of the page.
pub(super) fn figures(recording: &Recording) -> Vec<Figure> {
    let time = RunTime::of(recording);
    let mut figures = Vec::new();
    figures.extend(rollout(recording, &time));
    let plotted = recording.jobs.iter().take(JOBS_PLOTTED);
    figures.extend(plotted.map(|job| statuses(job, recording.jobs.len() > 1, &time)));
    // Some are known for the whole run only: these stand in a table.
    let over_time = recording
        .latencies
        .iter()
        .filter(|one| !one.over_time.is_empty());
    figures.extend(over_time.map(|one| latency(one, &time)));
    figures.extend(traffic::connected(recording, &time));
    figures.extend(traffic::connects(recording, &time));
    figures.extend(traffic::messages(recording, &time));
    figures.extend(traffic::memory(recording));
    figures.extend(traffic::events(recording, &time));
    figures
}

/// The run's own time, which most plots share.
struct RunTime {
    end: f64,
    marks: Vec<(f64, usize, bool)>,
    name: &'static str,
}

impl RunTime {
    fn of(recording: &Recording) -> Self {
        let slices = |ms: u64, count: usize| seconds(ms) * to_f64(count);
        let traffic = &recording.traffic;
        let recorded = slices(traffic.slice_ms, traffic.events.len());
        // The last slice reaches beyond the end of the run.
        let end = match recording.ending.run_seconds {
            none if none <= 0.0 => recorded,
            end => end,
        };
        let markers = (1..).zip(&recording.markers);
        let marks = markers
            .filter(|(_, marker)| seconds(marker.at_ms) <= end)
            .map(|(number, marker)| (seconds(marker.at_ms), number, is_fault(marker)))
            .collect();
        let name = if recording.is_virtual() {
            "virtual time"
        } else {
            "time"
        };
        Self { end, marks, name }
    }

    fn figure(&self, title: String, note: String, drawn: Drawn) -> Figure {
        let marks = self.marks.clone();
        drawn.figure(title, note, marks, |room| {
            Axis::time(self.end, room.labels_below())
        })
    }

    /// When each slice ends: not after the run.
    fn ends(&self, slice_ms: u64, count: usize) -> Vec<f64> {
        let length = seconds(slice_ms);
        (1..=count)
            .map(|slice| (to_f64(slice) * length).min(self.end))
            .collect()
    }
}

fn is_fault(marker: &Marker) -> bool {
    marker.kind == MarkerKind::Fault
}

/// A plot on its way to a figure.
struct Drawn {
    layers: Vec<Layer>,
    legend: Vec<Entry>,
    beside: fn(f64, usize) -> Axis,
    high: f64,
    table: Table,
}

impl Drawn {
    fn figure(
        self,
        title: String,
        note: String,
        marks: Vec<(f64, usize, bool)>,
        below: impl Fn(Room) -> Axis,
    ) -> Figure {
        let picture = |room: Room| {
            let layers = self
                .layers
                .iter()
                .map(|layer| thin(layer, room.points()))
                .collect();
            let plot = Plot {
                layers,
                marks: marks.clone(),
            };
            let beside = (self.beside)(self.high, room.labels_beside());
            let (inside, view) = plot.draw(&below(room), &beside, room);
            (room, inside, view)
        };
        Figure {
            title,
            note,
            large: false,
            pictures: Room::ALL.map(picture).into(),
            legend: self.legend,
            table: self.table,
        }
    }
}

fn rollout(recording: &Recording, time: &RunTime) -> Option<Figure> {
    let jobs: Vec<&Job> = recording.jobs.iter().take(SERIES).collect();
    let high = jobs
        .iter()
        .filter_map(|job| job.queued.last())
        .max()
        .copied()?;
    let (mut layers, mut legend) = (Vec::new(), Vec::new());
    let first = jobs.first()?;
    let ends = time.ends(first.slice_ms, first.queued.len());
    let mut table = Table {
        head: vec![time.name.into()],
        rows: rows_of(&ends),
    };
    for (index, job) in jobs.iter().enumerate() {
        let told = job.queued.last().copied().unwrap_or(0);
        // More than there is to tell is allowed in the end, and says nothing.
        let allowed: Vec<u64> = job
            .allowed
            .iter()
            .map(|allowed| *allowed.min(&told))
            .collect();
        layers.push(Layer::Line(Ink::Dashed(index), curve(job, &ends, &allowed)));
        layers.push(Layer::Line(
            Ink::Series(index),
            curve(job, &ends, &job.queued),
        ));
        let name = if jobs.len() > 1 {
            format!("{}: told", job.name)
        } else {
            "Told".into()
        };
        legend.push(Entry {
            ink: Ink::Series(index),
            name: name.clone(),
            value: units::short(float(told)),
        });
        let rate = format!("configured: {}", job.rate);
        legend.push(Entry {
            ink: Ink::Dashed(index),
            name: rate,
            value: String::new(),
        });
        table.add(&name, &job.queued, |count| units::full(*count));
        table.add("allowed", &allowed, |count| units::full(*count));
    }
    if jobs.len() == 1 {
        let told: Vec<(f64, f64, f64)> = curve(first, &ends, &first.queued)
            .into_iter()
            .map(|(x, y)| (x, 0.0, y))
            .collect();
        layers.insert(0, Layer::Band(Ink::Pale(0), told));
    }
    let note = format!(
        "Executions queued so far over {}, beside the most that the configured rate allows (dashed).",
        time.name
    );
    let drawn = Drawn {
        layers,
        legend,
        beside: Axis::count,
        high: float(high),
        table,
    };
    let mut figure = time.figure("Rollout".into(), note, drawn);
    figure.large = true;
    Some(figure)
}

/// A curve of a job: nothing before it is made.
fn curve(job: &Job, ends: &[f64], values: &[u64]) -> Vec<(f64, f64)> {
    let begun = seconds(job.begun_ms);
    let mut points = vec![(begun, 0.0)];
    let known = ends.iter().zip(values).filter(|(end, _)| **end > begun);
    points.extend(known.map(|(end, value)| (*end, float(*value))));
    points
}

fn statuses(job: &Job, named: bool, time: &RunTime) -> Figure {
    let ends = time.ends(job.slice_ms, job.queued.len());
    let mut below = vec![0.0; ends.len()];
    let (mut layers, mut legend) = (Vec::new(), Vec::new());
    let mut table = Table {
        head: vec![time.name.into()],
        rows: rows_of(&ends),
    };
    // What succeeded carries the rest; what waits lies on top.
    for (index, series) in stacking(job) {
        let mut points = Vec::with_capacity(ends.len());
        for ((end, base), count) in ends.iter().zip(&mut below).zip(&series.counts) {
            let upper = *base + float(*count);
            points.push((*end, *base, upper));
            *base = upper;
        }
        if let Some((_, low, high)) = points.first().copied() {
            points.insert(
                0,
                (
                    0.0,
                    low.min(high),
                    if job.begun_ms == 0 { high } else { low },
                ),
            );
        }
        layers.push(Layer::Band(Ink::Status(index), points));
        let last = series.counts.last().copied().unwrap_or(0);
        legend.push(Entry {
            ink: Ink::Status(index),
            name: series.status.clone(),
            value: units::short(float(last)),
        });
        table.add(&series.status, &series.counts, |count| units::full(*count));
    }
    let title = if named {
        format!("Executions: {}", job.name)
    } else {
        "Executions per status".into()
    };
    let note = format!(
        "Executions in each status over {}, on top of each other.",
        time.name
    );
    let high = below.iter().copied().fold(0.0, f64::max);
    let drawn = Drawn {
        layers,
        legend,
        beside: Axis::count,
        high,
        table,
    };
    let mut figure = time.figure(title, note, drawn);
    figure.large = !named;
    figure
}

/// Statuses that ever occur, from the bottom to the top.
fn stacking(job: &Job) -> Vec<(usize, &StatusSeries)> {
    let order = [2, 3, 4, 5, 7, 6, 1, 0];
    let all = order
        .into_iter()
        .filter_map(|index| Some((index, job.statuses.get(index)?)));
    all.filter(|(_, series)| series.counts.iter().any(|count| *count > 0))
        .collect()
}

fn latency(latency: &Latency, time: &RunTime) -> Figure {
    type Pick = fn(&Percentiles) -> f64;
    let percentiles: [(&str, Pick); 3] = [
        ("p99", |one| one.p99_ms),
        ("p90", |one| one.p90_ms),
        ("p50", |one| one.p50_ms),
    ];
    let ends = time.ends(latency.slice_ms, latency.over_time.len());
    let half = seconds(latency.slice_ms) / 2.0;
    let (mut layers, mut legend) = (Vec::new(), Vec::new());
    let (mut low, mut high) = (f64::MAX, 0.0_f64);
    let mut table = Table {
        head: vec![time.name.into()],
        rows: rows_of(&ends),
    };
    for (index, (name, pick)) in percentiles.into_iter().enumerate() {
        // Where nothing was measured there is no line.
        let mut segment: Vec<(f64, f64)> = Vec::new();
        for (end, one) in ends.iter().zip(&latency.over_time) {
            if one.count == 0 {
                layers.extend(line(index, std::mem::take(&mut segment), half));
                continue;
            }
            let ms = pick(one).max(0.001);
            (low, high) = (low.min(ms), high.max(ms));
            segment.push(((end - half).max(0.0), ms.log10()));
        }
        layers.extend(line(index, segment, half));
        legend.push(Entry {
            ink: Ink::Series(index),
            name: name.into(),
            value: units::latency(pick(&latency.whole)),
        });
        table.add(name, &latency.over_time, |one| match one.count {
            0 => "–".into(),
            _ => units::latency(pick(one)),
        });
    }
    let (title, what) = measure_in_words(latency.measure);
    let note = format!(
        "{what} Percentiles over {}, on a logarithmic axis.",
        time.name
    );
    let marks = time.marks.clone();
    let picture = |room: Room| {
        let layers = layers
            .iter()
            .map(|layer| thin(layer, room.points()))
            .collect();
        let plot = Plot {
            layers,
            marks: marks.clone(),
        };
        let (inside, view) = plot.draw(
            &Axis::time(time.end, room.labels_below()),
            &Axis::latency(low, high, room.labels_beside() + 1),
            room,
        );
        (room, inside, view)
    };
    let pictures = Room::ALL.map(picture).into();
    Figure {
        title: title.into(),
        note,
        large: false,
        legend,
        pictures,
        table,
    }
}

fn line(index: usize, points: Vec<(f64, f64)>, half: f64) -> Option<Layer> {
    let points = match points[..] {
        [] => return None,
        // A single point is no line.
        [(at, value)] => vec![(at - half, value), (at + half, value)],
        _ => points,
    };
    Some(Layer::Line(Ink::Series(index), points))
}

/// A heading for a kind of latency, and what it is.
pub(super) const fn measure_in_words(measure: Measure) -> (&'static str, &'static str) {
    match measure {
        Measure::Connect => ("Connecting", "From CONNECT to its answer."),
        Measure::Update => (
            "Status updates",
            "From a device's update to the durable answer.",
        ),
        Measure::Notification => (
            "Notifications",
            "From the commit to the message that tells the device.",
        ),
        Measure::Command => (
            "Unrelated commands",
            "From a command beside the rollout to its answer.",
        ),
        Measure::FleetSummary => ("Fleet summary", "Queries for the fleet summary."),
        Measure::JobStatistics => ("Job statistics", "Queries for the statistics of a job."),
        Measure::Subscription => (
            "Subscriptions",
            "From a commit until a GraphQL subscriber sees it.",
        ),
        Measure::Execution => (
            "Executions",
            "From being told of a job to its accepted end.",
        ),
    }
}

/// Leaves out points that nobody could see.
fn thin(layer: &Layer, points: usize) -> Layer {
    match layer {
        Layer::Line(ink, all) => Layer::Line(*ink, thinned(all, points, |a, b| a.1 == b.1)),
        Layer::Band(ink, all) => {
            Layer::Band(*ink, thinned(all, points, |a, b| a.1 == b.1 && a.2 == b.2))
        }
    }
}

fn thinned<T: Copy>(all: &[T], points: usize, level: fn(&T, &T) -> bool) -> Vec<T> {
    let group = all.len().div_ceil(points * 2).max(1);
    let last = all.len().saturating_sub(1);
    let mut kept: Vec<T> = Vec::new();
    for (index, point) in all.iter().enumerate() {
        if !index.is_multiple_of(group) && index != last {
            continue;
        }
        // On the level, the ends of a line are enough.
        if let [.., before, between] = &kept[..]
            && level(before, between)
            && level(between, point)
        {
            kept.pop();
        }
        kept.push(*point);
    }
    kept
}

pub(super) fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

/// Counts are far below what a float holds exactly.
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
