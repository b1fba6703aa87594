//! Counters of the device edge: plain atomics, rendered by the HTTP crate through [`DeviceMetrics::snapshot`].

use std::sync::atomic::{AtomicU64, Ordering};

use shipslog_domain::Position;
use shipslog_domain::access::Action;

use crate::reserved::streams::Code;

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its name; those that only grow end in `_total`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// What tells samples of the same name apart.
    pub labels: Vec<(&'static str, &'static str)>,
    /// The figure.
    pub value: u64,
}

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
        TooManyOfAddress => "too_many_from_address",
        Unfinished => "unfinished_connect",
        ConnectTimeout => "connect_timeout",
        Malformed => "malformed_connect",
        Version => "unsupported_version",
        ClientId => "client_id",
        TakeOver => "take_over_timeout",
        ShuttingDown => "shutting_down",
        Closed => "closed_before_connect",
        Handshake => "tls_handshake_failed",
        HandshakeTimeout => "tls_handshake_timeout",
        TooManyHandshakes => "too_many_tls_handshakes",
        Unknown => "certificate_unknown",
        NotActive => "certificate_not_active",
        NotAllowed => "policy",
        Busy => "busy",
        JustInTime => "registered_just_in_time",
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
        Unfinished => "unfinished_packet",
        NotAllowed => "policy",
        Withdrawn => "access_withdrawn",
        ShuttingDown => "shutting_down",
    }
    /// What a device asked for.
    Operation {
        GetPending => "get",
        StartNext => "start_next",
        Describe => "describe",
        Update => "update",
        Health => "health",
        ContainerLogs => "container_logs",
        ContainerMetrics => "container_metrics",
        ShadowGet => "shadow_get",
        ShadowUpdate => "shadow_update",
        ShadowDelete => "shadow_delete",
        CreateKeys => "create_keys",
        CreateFromCsr => "create_from_csr",
        Provision => "provision",
        StreamDescribe => "stream_describe",
        StreamGet => "stream_get",
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
        Shadow => "shadow",
    }
}

impl Refused {
    /// The word for it.
    pub(crate) fn label(self) -> &'static str {
        Self::LABELS[self as usize]
    }
}

impl Answer {
    /// How a request was answered that was carried out, or was not.
    pub(crate) const fn of(accepted: bool) -> Self {
        match accepted {
            true => Self::Accepted,
            false => Self::Rejected,
        }
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
    /// Blocks of files that were sent to clients, and the bytes of the files in them.
    pub(crate) stream_blocks: Count,
    pub(crate) stream_bytes: Count,
    stream_refusals: [Count; Code::NAMES.len()],
    /// Position up to which devices were notified.
    pub(crate) notified_position: Count,
    /// Requests that are being answered.
    pub(crate) in_hand: Count,
    /// Those of them that stand in line for a place at the writer.
    pub(crate) waiting: Count,
    /// Position up to which clients with certificates were judged again.
    pub(crate) guarded_position: Count,
    /// TLS handshakes that go on.
    pub(crate) handshakes: Count,
    pub(crate) handshakes_done: Count,
    /// Times that a connection was not read for a moment.
    pub(crate) paced: Count,
    denied: [Count; Action::ALL.len()],
    refused: [Count; Refused::LABELS.len()],
    ended: [Count; Ended::LABELS.len()],
    requests: [[Count; ANSWERS]; OPERATIONS],
    notifications: [Count; Notification::LABELS.len()],
}

impl DeviceMetrics {
    pub(crate) fn refused(&self, reason: Refused) {
        self.refused[reason as usize].one();
    }

    /// Counts what a policy did not allow.
    pub(crate) fn denied(&self, action: Action) {
        self.denied[action as usize].one();
    }

    pub(crate) fn ended(&self, how: Ended) {
        self.ended[how as usize].one();
    }

    pub(crate) fn request(&self, operation: Operation, answer: Answer) {
        self.requests[operation as usize][answer as usize].one();
    }

    /// Counts a request for a stream or its blocks that was refused.
    pub(crate) fn stream_refused(&self, code: Code) {
        self.stream_refusals[code as usize].one();
    }

    pub(crate) fn notification(&self, which: Notification) {
        self.notifications[which as usize].one();
    }

    /// Requests that are being answered at this moment.
    #[must_use]
    pub fn requests_in_hand(&self) -> u64 {
        self.in_hand.get()
    }

    /// Position of the newest event that devices were notified of.
    #[must_use]
    pub fn notified_position(&self) -> Position {
        Position(self.notified_position.get())
    }

    /// Every figure, in a fixed order.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Sample> {
        let mut samples = self.plain();
        let labeled = [
            (
                "shipslog_device_connects_refused_total",
                "Streams that were closed before or instead of a welcome, by reason",
                "reason",
                Refused::LABELS,
                &self.refused[..],
            ),
            (
                "shipslog_device_connections_ended_total",
                "Connections that ended, by reason",
                "reason",
                Ended::LABELS,
                &self.ended[..],
            ),
            (
                "shipslog_device_notifications_total",
                "Notifications of job executions, by kind",
                "kind",
                Notification::LABELS,
                &self.notifications[..],
            ),
            (
                "shipslog_device_stream_refusals_total",
                "Requests for streams and their blocks that were refused, by code",
                "code",
                &Code::NAMES,
                &self.stream_refusals[..],
            ),
        ];
        for (name, help, label, values, counts) in labeled {
            samples.extend(values.iter().zip(counts).map(|(value, count)| Sample {
                name,
                help,
                labels: vec![(label, *value)],
                value: count.get(),
            }));
        }
        samples.extend(
            Action::ALL
                .iter()
                .zip(&self.denied)
                .map(|(action, count)| Sample {
                    name: "shipslog_device_policy_refusals_total",
                    help: "What policies did not allow devices, by action",
                    labels: vec![("action", action.as_str())],
                    value: count.get(),
                }),
        );
        for (operation, answers) in Operation::LABELS.iter().zip(&self.requests) {
            for (answer, count) in Answer::LABELS.iter().zip(answers) {
                samples.push(Sample {
                    name: "shipslog_device_requests_total",
                    help: "Requests on reserved topics, by operation and how they were answered",
                    labels: vec![("operation", *operation), ("result", *answer)],
                    value: count.get(),
                });
            }
        }
        samples
    }

    fn plain(&self) -> Vec<Sample> {
        let samples = self.figures().map(|(name, help, count)| Sample {
            name,
            help,
            labels: Vec::new(),
            value: count.get(),
        });
        samples.collect()
    }

    /// Names, help texts and values of what has no labels.
    fn figures(&self) -> impl Iterator<Item = (&'static str, &'static str, &Count)> {
        self.of_clients().into_iter().chain(self.of_messages())
    }

    const fn of_clients(&self) -> [(&'static str, &'static str, &Count); 8] {
        [
            (
                "shipslog_device_paced_total",
                "Times that a client was not read for a moment because it sent more than it may",
                &self.paced,
            ),
            (
                "shipslog_device_connections",
                "Streams that are being served",
                &self.connections,
            ),
            (
                "shipslog_device_requests_in_hand",
                "Requests that are being answered",
                &self.in_hand,
            ),
            (
                "shipslog_device_requests_waiting",
                "Requests in hand that stand in line for the writer",
                &self.waiting,
            ),
            (
                "shipslog_device_tls_handshakes_going_on",
                "TLS handshakes that go on",
                &self.handshakes,
            ),
            (
                "shipslog_device_tls_handshakes_total",
                "TLS handshakes that succeeded",
                &self.handshakes_done,
            ),
            (
                "shipslog_device_connects_total",
                "Clients that were welcomed",
                &self.connects,
            ),
            (
                "shipslog_device_sessions_resumed_total",
                "Clients that found their session again",
                &self.sessions_resumed,
            ),
        ]
    }

    const fn of_messages(&self) -> [(&'static str, &'static str, &Count); 10] {
        [
            (
                "shipslog_device_publishes_in_total",
                "Publications from clients",
                &self.publishes_in,
            ),
            (
                "shipslog_device_publishes_out_total",
                "Publications to clients, replies and notifications among them",
                &self.publishes_out,
            ),
            (
                "shipslog_device_bytes_in_total",
                "Bytes from clients",
                &self.bytes_in,
            ),
            (
                "shipslog_device_bytes_out_total",
                "Bytes to clients",
                &self.bytes_out,
            ),
            (
                "shipslog_device_messages_dropped_total",
                "Messages that a subscriber did not get: it was away, or read too slowly",
                &self.messages_dropped,
            ),
            (
                "shipslog_device_stream_blocks_total",
                "Blocks of files that were sent to devices",
                &self.stream_blocks,
            ),
            (
                "shipslog_device_stream_bytes_total",
                "Bytes of files that were sent to devices",
                &self.stream_bytes,
            ),
            (
                "shipslog_device_notifier_delays_total",
                "Times that the notifier found the writer too busy to answer",
                &self.notifier_delays,
            ),
            (
                "shipslog_device_guarded_position",
                "Position up to which changes of certificates and policies have reached connections",
                &self.guarded_position,
            ),
            (
                "shipslog_device_notified_position",
                "Position up to which devices were told of new work",
                &self.notified_position,
            ),
        ]
    }

    /// One figure of the snapshot, for tests.
    #[cfg(test)]
    pub(crate) fn value(&self, name: &str, label: &str) -> u64 {
        self.snapshot()
            .into_iter()
            .filter(|sample| {
                sample.name.strip_prefix("shipslog_") == Some(name)
                    && (label.is_empty() || sample.labels.iter().any(|(_, value)| *value == label))
            })
            .map(|sample| sample.value)
            .sum()
    }
}
