//! What is counted of devices that provision themselves.

use std::sync::atomic::{AtomicU64, Ordering};

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its name; those that only grow end in `_total`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// What tells samples of the same name apart.
    pub label: Option<(&'static str, &'static str)>,
    /// The figure.
    pub value: u64,
}

/// How a hook was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Allowed,
    Denied,
    /// It did not answer in time, or not as it should.
    Failed,
    /// Too many others were being asked.
    Throttled,
}

const ASKED: [&str; 4] = ["allowed", "denied", "failed", "throttled"];

/// What became of a device that presented a certificate of a registered CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presented {
    Registered,
    Provisioned,
    Refused,
    Throttled,
}

const PRESENTED: [&str; 4] = ["registered", "provisioned", "refused", "throttled"];

/// The figures.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests that wait for a key or a signature.
    pub(super) waiting: AtomicU64,
    asked: [AtomicU64; ASKED.len()],
    presented: [AtomicU64; PRESENTED.len()],
}

impl Metrics {
    pub(super) fn asked(&self, how: Asked) {
        self.asked[how as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn presented(&self, how: Presented) {
        self.presented[how as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Every figure, in a fixed order.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Sample> {
        let mut samples = vec![Sample {
            name: "shipslog_provisioning_requests_waiting",
            help: "Requests of devices that wait for a key or a signature",
            label: None,
            value: self.waiting.load(Ordering::Relaxed),
        }];
        let labeled = [
            (
                "shipslog_provisioning_hook_calls_total",
                "Pre-provisioning hooks that were asked, by what they answered",
                &ASKED,
                &self.asked,
            ),
            (
                "shipslog_provisioning_just_in_time_total",
                "Devices that presented an unknown certificate of a registered CA, by what became of it",
                &PRESENTED,
                &self.presented,
            ),
        ];
        for (name, help, labels, counts) in labeled {
            samples.extend(labels.iter().zip(counts).map(|(label, count)| Sample {
                name,
                help,
                label: Some(("result", *label)),
                value: count.load(Ordering::Relaxed),
            }));
        }
        samples
    }
}

/// Counts a request while it waits: it may be given up with its connection.
pub(super) struct Waiting<'a>(&'a Metrics);

impl<'a> Waiting<'a> {
    pub(super) fn count(metrics: &'a Metrics) -> Self {
        metrics.waiting.fetch_add(1, Ordering::Relaxed);
        Self(metrics)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
