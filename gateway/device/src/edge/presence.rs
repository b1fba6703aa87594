//! Who comes and goes: told to those who subscribe, at once and each time, and noted for the log.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value};
use shipslog_domain::Timestamp;
use shipslog_domain::presence::{Reason, State};

use super::Inner;
use crate::app_topics::Publication;
use crate::guard::Pass;
use crate::session::Session;

/// Stands for a principal where a client has no certificate.
const NOBODY: &str = "anonymous";

/// One connection of a client, among all of its connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attendance {
    /// Grows from one connection to the next, also over restarts.
    version: u64,
}

impl Inner {
    /// A client has been let in.
    pub(crate) fn arrived(
        &self,
        session: &Session,
        pass: Option<&Pass>,
        peer: Option<IpAddr>,
    ) -> Attendance {
        let now = self.app.now();
        let attendance = Attendance {
            version: self.next_version(now),
        };
        if let Some(presence) = &self.presence {
            let state = State::Connected { since: now };
            presence.note(&session.client_id, attendance.version, state);
        }
        self.tell_presence("connected", session, pass, attendance, now, |message| {
            if let Some(peer) = peer {
                message.insert("ipAddress".into(), peer.to_string().into());
            }
        });
        attendance
    }

    /// The connection of a client has ended; its session is not let go yet.
    pub(crate) fn left(
        &self,
        session: &Arc<Session>,
        pass: Option<&Pass>,
        attendance: Attendance,
        reason: Reason,
    ) {
        let now = self.app.now();
        // What ends with the service is found out by the next one; and a client that has another connection is there.
        let is_noted = !self.is_stopping() && !self.directory.has_other(session);
        if let Some(presence) = self.presence.as_ref().filter(|_| is_noted) {
            let state = State::Disconnected { at: now, reason };
            presence.note(&session.client_id, attendance.version, state);
        }
        self.tell_presence("disconnected", session, pass, attendance, now, |message| {
            let by_client = reason == Reason::ClientInitiatedDisconnect;
            message.insert("clientInitiatedDisconnect".into(), by_client.into());
            message.insert("disconnectReason".into(), reason.as_str().into());
        });
    }

    /// A number above all that were given out before, as long as the clock goes on.
    fn next_version(&self, now: Timestamp) -> u64 {
        let next = |last: u64| Some(now.0.max(last + 1));
        let last = self
            .versions
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let last = last.expect("there is always a next one");
        now.0.max(last + 1)
    }

    /// Whoever subscribed is told without being waited for: nobody's connection depends on it.
    fn tell_presence(
        &self,
        what: &str,
        session: &Session,
        pass: Option<&Pass>,
        attendance: Attendance,
        now: Timestamp,
        more: impl FnOnce(&mut Map<String, Value>),
    ) {
        let client = &*session.client_id;
        // AWS IoT: such names would make wildcards of topics.
        if !self.topics.has_event_filters() || client.contains(['#', '+', '/']) {
            return;
        }
        let principal = pass.map(|pass| pass.certificate().to_string());
        let principal = principal.unwrap_or_else(|| NOBODY.to_owned());
        let mut message = Map::new();
        message.insert("clientId".into(), client.into());
        message.insert("timestamp".into(), now.0.into());
        message.insert("eventType".into(), what.into());
        message.insert(
            "sessionIdentifier".into(),
            self.unguessable(attendance.version).into(),
        );
        message.insert("principalIdentifier".into(), principal.into());
        more(&mut message);
        message.insert("versionNumber".into(), attendance.version.into());
        let topic = format!("$aws/events/presence/{what}/{client}");
        let payload = Value::Object(message).to_string();
        let publication = Publication::of_service(topic.into(), payload.into());
        if let Some(held) = self.topics.publish(publication, &self.metrics) {
            held.drop_or_deliver(&self.metrics);
        }
    }
}

#[cfg(test)]
mod tests;
