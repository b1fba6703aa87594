//! How much the nodes of a container service use, over time.

use std::collections::BTreeMap;

use axum::extract::State;
use serde_json::{Map, Value};
use shipslog_domain::Timestamp;
use shipslog_gateway_core::container_logs::Sample;

use super::{Answer, found, moment, service_name};
use crate::aws::wire::{self, AwsBody, members, time};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::limits;

/// What is measured.
#[derive(Clone, Copy, Debug)]
enum Metric {
    Cpu,
    Memory,
}

/// What is told of the samples of one period.
#[derive(Clone, Copy, Debug)]
enum Statistic {
    Minimum,
    Maximum,
    Sum,
    Average,
    SampleCount,
}

const METRICS: [(&str, Metric); 2] = [
    ("CPUUtilization", Metric::Cpu),
    ("MemoryUtilization", Metric::Memory),
];
const STATISTICS: [(&str, Statistic); 5] = [
    ("Minimum", Statistic::Minimum),
    ("Maximum", Statistic::Maximum),
    ("Sum", Statistic::Sum),
    ("Average", Statistic::Average),
    ("SampleCount", Statistic::SampleCount),
];

/// The samples of one period, in hundredths of a percent.
#[derive(Clone, Copy, Debug)]
struct Summary {
    minimum: u32,
    maximum: u32,
    sum: u64,
    count: u32,
}

impl Summary {
    const EMPTY: Self = Self {
        minimum: u32::MAX,
        maximum: 0,
        sum: 0,
        count: 0,
    };

    fn add(&mut self, value: u32) {
        self.minimum = self.minimum.min(value);
        self.maximum = self.maximum.max(value);
        self.sum += u64::from(value);
        self.count += 1;
    }

    fn tell(&self, statistic: Statistic) -> (&'static str, f64) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "exact: far fewer samples than 2^53 hundredths"
        )]
        let sum = self.sum as f64 / 100.0;
        match statistic {
            Statistic::Minimum => ("minimum", f64::from(self.minimum) / 100.0),
            Statistic::Maximum => ("maximum", f64::from(self.maximum) / 100.0),
            Statistic::Sum => ("sum", sum),
            Statistic::Average => ("average", sum / f64::from(self.count)),
            Statistic::SampleCount => ("sampleCount", f64::from(self.count)),
        }
    }
}

pub(crate) async fn get(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let name = service_name(&body)?;
    let request = Field::root(&body);
    let metric_name = request.member("metricName");
    let metric = metric_name.one_of(&METRICS)?;
    let (from, to) = (
        moment(&request.member("startTime"))?,
        moment(&request.member("endTime"))?,
    );
    let period = period(&request.member("period"), (from, to))?;
    let statistics = request.member("statistics");
    let statistics = statistics.non_empty_list(STATISTICS.len(), |one| one.one_of(&STATISTICS))?;
    let wanted = name.clone();
    let service = found(&http, &name, move |fleet| {
        let service = fleet.container_service(wanted.as_str())?;
        Some(service.definition.uuid.clone())
    });
    let samples = http
        .app()
        .container_logs()
        .samples(&service.await?, from, to);
    let data = periods(&samples, metric, from, period)
        .into_iter()
        .map(|(begins, summary)| datapoint(begins, &summary, &statistics));
    Ok(wire::ok(members([
        ("metricName", metric_name.value().cloned()),
        ("metricData", Some(data.collect::<Value>())),
    ])))
}

/// `period`, in milliseconds.
fn period(field: &Field<'_, '_>, (from, to): (Timestamp, Timestamp)) -> Result<u64, Error> {
    if from >= to {
        return Err(Error::invalid("startTime", "must be before endTime"));
    }
    let seconds = u64::from(field.number()?);
    if !(60..=86_400).contains(&seconds) || !seconds.is_multiple_of(60) {
        return Err(field.refuse("must be 60 to 86400 seconds, and a whole number of minutes"));
    }
    let milliseconds = seconds * 1_000;
    let points = to.since(from).0.div_ceil(milliseconds);
    let max = limits::CONTAINER_METRIC_POINTS_MAX;
    if points > max {
        return Err(field.refuse(format!(
            "makes {points} points of this range, and at most {max} are told; ask for a longer period or a shorter range"
        )));
    }
    Ok(milliseconds)
}

fn periods(
    samples: &[Sample],
    metric: Metric,
    from: Timestamp,
    period: u64,
) -> BTreeMap<Timestamp, Summary> {
    let mut periods = BTreeMap::new();
    for sample in samples {
        let begins = from.0 + sample.at.since(from).0 / period * period;
        let value = match metric {
            Metric::Cpu => sample.cpu_hundredths,
            Metric::Memory => sample.memory_hundredths,
        };
        let summary = periods.entry(Timestamp(begins)).or_insert(Summary::EMPTY);
        summary.add(value);
    }
    periods
}

fn datapoint(begins: Timestamp, summary: &Summary, statistics: &[Statistic]) -> Value {
    let told = statistics.iter().map(|statistic| summary.tell(*statistic));
    let told = told.map(|(name, value)| (name.to_owned(), Value::from(value)));
    let mut point: Map<String, Value> = told.collect();
    point.insert("timestamp".to_owned(), time(begins));
    point.insert("unit".to_owned(), "Percent".into());
    Value::Object(point)
}
