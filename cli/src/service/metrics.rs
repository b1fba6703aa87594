//! Figures of the parts of the service, for `/metrics`.

use std::sync::Arc;

use shipslog_gateway_core::container_logs::ContainerLogs;
use shipslog_gateway_core::fleet_provisioning::FleetProvisioning;
use shipslog_gateway_core::objects::Objects;
use shipslog_gateway_device::Edge;
use shipslog_gateway_http::{MetricsSource, Sample, SampleKind};

/// The figures of files that devices fetch.
pub(super) struct ObjectMetrics(pub(super) Objects);

impl MetricsSource for ObjectMetrics {
    fn samples(&self) -> Vec<Sample> {
        let figures = self.0.figures();
        let rows = [
            (
                "shipslog_object_cache_hits_total",
                "Reads of a part of a file for devices that was in memory",
                figures.hits,
            ),
            (
                "shipslog_object_cache_misses_total",
                "Reads of a part of a file for devices that came from the disk",
                figures.misses,
            ),
            (
                "shipslog_object_cache_bytes",
                "Parts of files that are in memory for devices",
                figures.held_bytes,
            ),
            (
                "shipslog_objects_fetched_total",
                "Files that were fetched from the S3 endpoint for devices",
                figures.fetched,
            ),
        ];
        rows.map(unlabeled).into()
    }
}

/// The figures of what containers write.
pub(super) struct ContainerLogMetrics(pub(super) Arc<ContainerLogs>);

impl MetricsSource for ContainerLogMetrics {
    fn samples(&self) -> Vec<Sample> {
        let figures = self.0.figures();
        let rows = [
            (
                "shipslog_container_log_lines_total",
                "Lines of containers that were taken from their nodes",
                figures.lines,
            ),
            (
                "shipslog_container_samples_total",
                "Samples of how much nodes of container services use",
                figures.samples,
            ),
            (
                "shipslog_container_log_dropped_total",
                "Lines and samples that came faster than is taken",
                figures.dropped,
            ),
            (
                "shipslog_container_log_bytes",
                "Bytes of lines of containers that are kept",
                figures.held_bytes,
            ),
        ];
        rows.map(unlabeled).into()
    }
}

/// The figures of devices that provision themselves.
pub(super) struct ProvisioningMetrics(pub(super) Arc<FleetProvisioning>);

impl MetricsSource for ProvisioningMetrics {
    fn samples(&self) -> Vec<Sample> {
        let snapshot = self.0.metrics().snapshot().into_iter();
        let samples =
            snapshot.map(|one| sample((one.name, one.help, one.value), one.label.as_slice()));
        samples.collect()
    }
}

/// The figures of the device edge.
pub(super) struct EdgeMetrics(pub(super) Edge);

impl MetricsSource for EdgeMetrics {
    fn samples(&self) -> Vec<Sample> {
        let snapshot = self.0.metrics().snapshot().into_iter();
        let samples = snapshot.map(|one| sample((one.name, one.help, one.value), &one.labels));
        let held = (
            "shipslog_device_held_bytes",
            "Bytes of messages that wait for their clients, or may have to be repeated",
            self.0.held_bytes() as u64,
        );
        let samples = samples.chain([unlabeled(held)]);
        samples.chain(self.presence()).collect()
    }
}

impl EdgeMetrics {
    /// What became of who came and went.
    fn presence(&self) -> Vec<Sample> {
        let Some(figures) = self.0.presence() else {
            return Vec::new();
        };
        let rows = [
            (
                "shipslog_presence_changes_total",
                "Connections of clients and ends of connections",
                figures.noted,
            ),
            (
                "shipslog_presence_recorded_total",
                "Events of presence in the log since the start",
                figures.recorded,
            ),
            (
                "shipslog_presence_lost_total",
                "Changes that found no room among those that wait",
                figures.lost,
            ),
            (
                "shipslog_presence_waiting",
                "Clients whose latest state waits to be recorded",
                figures.waiting,
            ),
        ];
        rows.map(unlabeled).into()
    }
}

/// A figure's name, what it says, and its value.
type Row = (&'static str, &'static str, u64);

fn unlabeled(row: Row) -> Sample {
    sample(row, &[])
}

/// Names say whether a figure only grows.
fn sample((name, help, value): Row, labels: &[(&'static str, &'static str)]) -> Sample {
    // Counts are far below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus takes floats")]
    let value = value as f64;
    let labels = labels.iter();
    Sample {
        name,
        help,
        kind: match name.ends_with("_total") {
            true => SampleKind::Counter,
            false => SampleKind::Gauge,
        },
        labels: labels
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        value,
    }
}
