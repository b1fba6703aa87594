//! Carries messages from a session's link to its outbox, no faster than its client takes them.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Envelope, Forwards};
use crate::codec::Qos;
use crate::metrics::DeviceMetrics;
use crate::session::{Admission, Delivery, Message, Session, Subscription, Whence};
use crate::topics;

/// Runs until the link or the session ends.
pub(crate) async fn pump(
    session: Arc<Session>,
    mut forwards: Forwards,
    epoch: Instant,
    metrics: Arc<DeviceMetrics>,
) {
    while let Some(forward) = forwards.next().await {
        let subscription = session.subscriptions(|all| {
            all.iter()
                .find(|one| one.router_number == forward.number)
                .cloned()
        });
        // The filter may be gone by the time its messages arrive.
        let Some(subscription) = subscription else {
            continue;
        };
        let envelope = Envelope::decode(forward.envelope, epoch);
        let filter = &subscription.filter;
        // A number may belong to another filter by the time a message with it arrives.
        if !topics::matches(&filter.path, &envelope.topic)
            || (filter.no_local && envelope.sender == session.number)
        {
            continue;
        }
        let qos = envelope.qos.min(filter.qos);
        if session.admit(qos, Whence::OwnLink).await == Admission::Gone {
            return;
        }
        if let Some(message) = message(&envelope, &subscription, qos) {
            count(session.deliver(message), &metrics);
        }
    }
}

/// The message for one subscriber; nothing if it has expired.
pub(super) fn message(
    envelope: &Envelope,
    subscription: &Subscription,
    qos: Qos,
) -> Option<Message> {
    Some(Message {
        topic: Arc::clone(&envelope.topic),
        payload: envelope.payload.clone(),
        qos,
        retain: envelope.retain && subscription.filter.retain_as_published,
        properties: envelope.properties_at(Instant::now())?,
        subscriptions: subscription.identifier.into_iter().collect(),
    })
}

pub(super) fn count(delivery: Delivery, metrics: &DeviceMetrics) {
    match delivery {
        Delivery::Taken => metrics.publishes_out.one(),
        Delivery::Displaced => {
            metrics.publishes_out.one();
            metrics.messages_dropped.one();
        }
        Delivery::Dropped | Delivery::CutOff => metrics.messages_dropped.one(),
    }
}
