//! Counters of the device edge: plain atomics, rendered by the HTTP crate through [`DeviceMetrics::snapshot`].

use std::sync::atomic::{AtomicU64, Ordering};

/// One figure: name, labels, value.
pub type Sample = (&'static str, Vec<(&'static str, &'static str)>, u64);

/// A counter, or a gauge that goes both ways.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn less_one(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident => $label:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($variant,)+ }

        impl $name {
            const LABELS: &'static [&'static str] = &[$($label,)+];
        }
    )+};
}

labels! {
    /// Why a connection was refused before it had a session.
    Refused {
        TooManyConnections => "too_many_connections",
        ConnectTimeout => "connect_timeout",
        Malformed => "malformed_connect",
        Version => "unsupported_version",
        ClientId => "client_id",
        TakeOver => "take_over_timeout",
        ShuttingDown => "shutting_down",
        Closed => "closed_before_connect",
    }
    /// How a connection ended.
    Ended {
        Disconnect => "disconnect",
        Closed => "closed",
        Violation => "protocol_violation",
        KeepAlive => "keep_alive_timeout",
        TakenOver => "session_taken_over",
        OutboxFull => "outbox_full",
        WriteStalled => "write_stalled",
        ShuttingDown => "shutting_down",
    }
    /// What a device asked for.
    Operation {
        GetPending => "get",
        StartNext => "start_next",
        Describe => "describe",
        Update => "update",
        Health => "health",
        InvalidTopic => "invalid_topic",
        Unknown => "unknown",
    }
    /// How it was answered.
    Answer {
        Accepted => "accepted",
        Rejected => "rejected",
        Throttled => "throttled",
        Ignored => "ignored",
    }
    /// Which notification was sent.
    Notification {
        List => "notify",
        Next => "notify_next",
    }
}

const OPERATIONS: usize = Operation::LABELS.len();
const ANSWERS: usize = Answer::LABELS.len();

/// The figures of one edge.
#[derive(Debug, Default)]
pub struct DeviceMetrics {
    pub(crate) connections: Count,
    pub(crate) connects: Count,
    pub(crate) sessions_resumed: Count,
    pub(crate) publishes_in: Count,
    pub(crate) publishes_out: Count,
    pub(crate) bytes_in: Count,
    pub(crate) bytes_out: Count,
    pub(crate) messages_dropped: Count,
    pub(crate) notifier_delays: Count,
    /// Position up to which devices were notified.
    pub(crate) notified_position: Count,
    refused: [Count; Refused::LABELS.len()],
    ended: [Count; Ended::LABELS.len()],
    requests: [[Count; ANSWERS]; OPERATIONS],
    notifications: [Count; Notification::LABELS.len()],
}

impl DeviceMetrics {
    pub(crate) fn refused(&self, reason: Refused) {
        self.refused[reason as usize].one();
    }

    pub(crate) fn ended(&self, how: Ended) {
        self.ended[how as usize].one();
    }

    pub(crate) fn request(&self, operation: Operation, answer: Answer) {
        self.requests[operation as usize][answer as usize].one();
    }

    pub(crate) fn notification(&self, which: Notification) {
        self.notifications[which as usize].one();
    }

    /// Every figure, in a fixed order.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Sample> {
        let mut samples: Vec<Sample> = [
            ("device_connections", &self.connections),
            ("device_connects_total", &self.connects),
            ("device_sessions_resumed_total", &self.sessions_resumed),
            ("device_publishes_in_total", &self.publishes_in),
            ("device_publishes_out_total", &self.publishes_out),
            ("device_bytes_in_total", &self.bytes_in),
            ("device_bytes_out_total", &self.bytes_out),
            ("device_messages_dropped_total", &self.messages_dropped),
            ("device_notifier_delays_total", &self.notifier_delays),
            ("device_notified_position", &self.notified_position),
        ]
        .into_iter()
        .map(|(name, count)| (name, Vec::new(), count.get()))
        .collect();
        let labeled = [
            (
                "device_connects_refused_total",
                "reason",
                Refused::LABELS,
                &self.refused[..],
            ),
            (
                "device_connections_ended_total",
                "reason",
                Ended::LABELS,
                &self.ended[..],
            ),
            (
                "device_notifications_total",
                "kind",
                Notification::LABELS,
                &self.notifications[..],
            ),
        ];
        for (name, label, values, counts) in labeled {
            samples.extend(
                values
                    .iter()
                    .zip(counts)
                    .map(|(value, count)| (name, vec![(label, *value)], count.get())),
            );
        }
        for (operation, answers) in Operation::LABELS.iter().zip(&self.requests) {
            for (answer, count) in Answer::LABELS.iter().zip(answers) {
                let labels = vec![("operation", *operation), ("result", *answer)];
                samples.push(("device_requests_total", labels, count.get()));
            }
        }
        samples
    }

    /// One figure of the snapshot, for tests.
    #[cfg(test)]
    pub(crate) fn value(&self, name: &str, label: &str) -> u64 {
        self.snapshot()
            .into_iter()
            .filter(|(found, labels, _)| {
                *found == name
                    && (label.is_empty() || labels.iter().any(|(_, value)| *value == label))
            })
            .map(|(_, _, value)| value)
            .sum()
    }
}
