//! Messages that come from elsewhere in the service, and what is retained of all.

use shipslog_gateway_core::messages::{
    Messages, Publication as Message, Publishing, Retained, Unpublished,
};
use tokio::time::Instant;

use super::Edge;
use crate::app_topics::Publication;
use crate::app_topics::retained::Kept;
use crate::codec::{Properties, Publish, Qos, encode_properties};
use crate::{limits, reserved, topics};

impl Messages for Edge {
    fn publish(&self, publication: Message) -> Publishing<'_> {
        Box::pin(self.publish_foreign(publication))
    }

    fn retained(&self, topic: &str) -> Option<Retained> {
        let store = &self.inner.topics.retained;
        store.get(topic, Instant::now()).map(shown)
    }

    fn retained_after(&self, after: Option<&str>, limit: usize) -> Vec<Retained> {
        let store = &self.inner.topics.retained;
        let all = store.after(after, limit, Instant::now());
        all.into_iter().map(shown).collect()
    }
}

fn shown(kept: Kept) -> Retained {
    let Kept { publication, at } = kept;
    Retained {
        topic: publication.topic.to_string(),
        user_properties: Properties::of_checked(&publication.properties).user_properties(),
        payload: publication.payload,
        at_least_once: publication.qos == Qos::AtLeastOnce,
        at,
    }
}

impl Edge {
    async fn publish_foreign(&self, message: Message) -> Result<(), Unpublished> {
        let topic = message.topic.as_str();
        if !topics::topic_is_valid(topic) {
            return Err(Unpublished::Topic);
        }
        if message.payload.len() > limits::PAYLOAD_BYTES_MAX {
            return Err(Unpublished::Payload);
        }
        let response_topic = message.properties.response_topic.as_deref();
        if response_topic.is_some_and(|topic| !topics::topic_is_valid(topic)) {
            return Err(Unpublished::Properties);
        }
        let properties = encode_properties(&message.properties).ok_or(Unpublished::Properties)?;
        let inner = &self.inner;
        if let Some(request) = reserved::prepare(topic, &message.payload) {
            if request.is_unknown() || request.needs_asker() {
                return Err(Unpublished::Topic);
            }
            inner.metrics.publishes_in.one();
            let answered = request.answer(&inner.app, &inner.admission, None).await;
            let answered = answered.map_err(|_| Unpublished::Busy)?;
            inner.metrics.request(answered.operation, answered.answer);
            return Ok(());
        }
        inner.metrics.publishes_in.one();
        let publish = Publish {
            topic,
            payload: &message.payload,
            qos: if message.at_least_once {
                Qos::AtLeastOnce
            } else {
                Qos::AtMostOnce
            },
            retain: message.retain,
            id: 0,
            properties: Properties::of_checked(&properties),
        };
        let publication = Publication::new(&publish, u64::MAX, Instant::now());
        if message.retain && inner.retain(&publication).is_err() {
            inner.metrics.messages_dropped.one();
            return Err(Unpublished::Busy);
        }
        if let Some(held) = inner.topics.publish(publication, &inner.metrics) {
            held.deliver(&inner.metrics).await;
        }
        Ok(())
    }
}
