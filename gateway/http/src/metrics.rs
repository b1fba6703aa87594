//! Figures of the service for Prometheus, in the OpenMetrics text form.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use shipslog_gateway_core::App;
use shipslog_gateway_core::metrics::COMMIT_BUCKETS_MICROSECONDS;

use crate::auth::Denied;
use crate::error::{Error, Problem};
use crate::http::Http;
use crate::surface::Surface;

/// Where figures of another part of the service come from. Gateway crates do not know each other; whoever composes
/// them hands these over.
pub trait MetricsSource: Send + Sync {
    /// The figures as they are. Samples of one name stand together.
    fn samples(&self) -> Vec<Sample>;
}

impl<F: Fn() -> Vec<Sample> + Send + Sync> MetricsSource for F {
    fn samples(&self) -> Vec<Sample> {
        self()
    }
}

/// Whether a figure only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// Grows; its name is printed with `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its name, such as `shipslog_device_connections`.
    pub name: &'static str,
    /// What it says, without a full stop.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: SampleKind,
    /// What tells samples of the same name apart.
    pub labels: Vec<(&'static str, String)>,
    /// The figure.
    pub value: f64,
}

impl Sample {
    /// A figure that goes up and down.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            help,
            kind: SampleKind::Gauge,
            labels: Vec::new(),
            value,
        }
    }

    /// A figure that only grows.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            kind: SampleKind::Counter,
            ..Self::gauge(name, help, value)
        }
    }

    fn encode(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        match self.kind {
            SampleKind::Counter => {
                encoder.encode_counter::<NoLabelSet, f64, f64>(&self.value, None)
            }
            SampleKind::Gauge => encoder.encode_gauge(&self.value),
        }
    }

    /// The same figure with a label.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((label, value.into()));
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    surface: &'static str,
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SurfaceLabels {
    surface: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeniedLabels {
    reason: &'static str,
}

/// All figures.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<SurfaceLabels, Histogram>,
    denied: Family<DeniedLabels, Counter>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(crate) fn new(app: App, sources: Vec<Arc<dyn MetricsSource>>) -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        let denied = Family::default();
        let seconds = Family::new_with_constructor(new_histogram as fn() -> Histogram);
        registry.register(
            "shipslog_http_requests",
            "HTTP requests answered",
            requests.clone(),
        );
        registry.register(
            "shipslog_http_request_seconds",
            "Time from the head of a request to the head of its answer",
            seconds.clone(),
        );
        registry.register(
            "shipslog_http_denied",
            "HTTP requests refused for their credentials",
            denied.clone(),
        );
        registry.register_collector(Box::new(Commits(app.clone())));
        registry.register_collector(Box::new(Sources(vec![Arc::new(move || {
            core_samples(&app)
        })])));
        registry.register_collector(Box::new(Sources(sources)));
        Self {
            registry,
            requests,
            seconds,
            denied,
        }
    }

    pub(crate) fn record_denied(&self, denied: &Denied) {
        let reason = match denied {
            Denied::Missing => "missing",
            Denied::Incomplete(_) => "incomplete",
            Denied::Unknown => "unknown",
            Denied::Mismatch | Denied::Invalid(_) | Denied::Body => "invalid",
            Denied::Chunked => "chunked",
            Denied::Role { .. } => "role",
        };
        self.denied.get_or_create(&DeniedLabels { reason }).inc();
    }

    pub(crate) fn record_request(
        &self,
        surface: Surface,
        route: &str,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let surface = surface.as_str();
        let labels = RequestLabels {
            surface,
            method: known_method(method),
            route: route.to_owned(),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
        let seconds = self.seconds.get_or_create(&SurfaceLabels { surface });
        seconds.observe(took.as_secs_f64());
    }
}

fn new_histogram() -> Histogram {
    // 0.1 ms to 26 s.
    Histogram::new(exponential_buckets(0.000_1, 4.0, 10))
}

/// Methods are free text; an unknown one must not become a label.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

struct Sources(Vec<Arc<dyn MetricsSource>>);

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sources").field(&self.0.len()).finish()
    }
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let samples: Vec<Sample> = self.0.iter().flat_map(|source| source.samples()).collect();
        for same in samples.chunk_by(|one, next| one.name == next.name) {
            let first = &same[0];
            let kind = match first.kind {
                SampleKind::Counter => MetricType::Counter,
                SampleKind::Gauge => MetricType::Gauge,
            };
            // The encoder adds this to the name of a counter.
            let name = first.name.strip_suffix("_total").unwrap_or(first.name);
            let mut metric = encoder.encode_descriptor(name, first.help, None, kind)?;
            for sample in same {
                if sample.labels.is_empty() {
                    sample.encode(&mut metric)?;
                } else {
                    sample.encode(&mut metric.encode_family(&sample.labels)?)?;
                }
            }
        }
        Ok(())
    }
}

/// How long commits take.
#[derive(Debug)]
struct Commits(App);

impl Collector for Commits {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let read = self.0.metrics().commit_seconds.read();
        let mut below = 0;
        let bounds = COMMIT_BUCKETS_MICROSECONDS.into_iter().zip(read.cumulative);
        let mut buckets: Vec<(f64, u64)> = bounds
            .map(|(bound, cumulative)| {
                let own = cumulative - below;
                below = cumulative;
                (float(bound) / 1e6, own)
            })
            .collect();
        buckets.push((f64::INFINITY, read.count.saturating_sub(below)));
        let mut metric = encoder.encode_descriptor(
            "shipslog_commit_seconds",
            "Time from the decision on a batch to its durability",
            None,
            MetricType::Histogram,
        )?;
        let sum = float(read.sum_microseconds) / 1e6;
        metric.encode_histogram::<NoLabelSet>(sum, read.count, &buckets, None)
    }
}

/// What the writer, the log and the views say of themselves.
fn core_samples(app: &App) -> Vec<Sample> {
    let head = app.head().0;
    let applied = app.views().position().0;
    let writer = app.metrics();
    let read = |counter: &AtomicU64| float(counter.load(Ordering::Relaxed));
    let (things, connected) = app.look(|views| (views.thing_count(), views.connected_count()));
    vec![
        Sample::gauge("shipslog_things", "Registered things", float(things)),
        Sample::gauge(
            "shipslog_things_connected",
            "Registered things that are connected, as far as that is recorded",
            float(connected),
        ),
        Sample::gauge(
            "shipslog_writer_queue",
            "Requests that wait for the writer",
            read(&writer.queued),
        ),
        Sample::counter(
            "shipslog_writer_busy",
            "Requests refused because the queue was full",
            read(&writer.busy),
        ),
        Sample::counter(
            "shipslog_commands",
            "Commands accepted",
            read(&writer.commands),
        ),
        Sample::counter(
            "shipslog_rejections",
            "Commands refused by the domain",
            read(&writer.rejections),
        ),
        Sample::counter(
            "shipslog_commits",
            "Commits made durable",
            read(&writer.commits),
        ),
        Sample::counter(
            "shipslog_events",
            "Events made durable",
            read(&writer.events),
        ),
        Sample::gauge(
            "shipslog_log_position",
            "Position of the newest durable event",
            float(head),
        ),
        Sample::gauge(
            "shipslog_views_position",
            "Position that the views have applied",
            float(applied),
        ),
        Sample::gauge(
            "shipslog_views_lag",
            "Durable events that the views have not applied",
            float(head.saturating_sub(applied)),
        ),
    ]
}

/// Exact up to nine quadrillion.
#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows no other numbers"
)]
fn float(number: u64) -> f64 {
    number as f64
}

pub(crate) async fn text(State(http): State<Http>) -> Result<Response, Problem> {
    let mut text = String::new();
    encode(&mut text, &http.metrics().registry).map_err(|_| {
        Error::refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "metrics cannot be written",
        )
    })?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
