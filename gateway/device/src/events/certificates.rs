//! Messages on `$aws/events/certificates/registered/{caCertificateId}`: a device presented a certificate of a registered
//! CA, and waits. They are sent whatever the account's event configuration says, as AWS IoT does.

use serde_json::{Map, Value, json};
use shipslog_domain::certificate::{Event as CertificateEvent, Origin, Status};
use shipslog_domain::{CaCertificateId, Event, Fingerprint, Recorded, Timestamp};
use shipslog_gateway_core::{Commit, Failure};

use super::Publisher;

/// A certificate that was registered just in time.
#[derive(Clone, Copy, Debug)]
struct Registered {
    certificate: Fingerprint,
    status: Status,
    ca: CaCertificateId,
    at: Timestamp,
}

impl Registered {
    fn by(recorded: &Recorded) -> Option<Self> {
        match &recorded.event {
            Event::Certificate(CertificateEvent::Enrolled {
                fingerprint,
                pem: _,
                status,
                origin: Origin::JustInTime { ca },
            }) => Some(Self {
                certificate: *fingerprint,
                status: *status,
                ca: *ca,
                at: recorded.at,
            }),
            _ => None,
        }
    }

    fn message(&self, ca: &str, account: &str) -> Map<String, Value> {
        let members = [
            ("certificateId", Value::from(self.certificate.to_string())),
            ("caCertificateId", ca.into()),
            ("timestamp", self.at.0.into()),
            ("certificateStatus", self.status.as_str().into()),
            ("awsAccountId", account.into()),
            (
                "certificateRegistrationTimestamp",
                json!(self.at.0.to_string()),
            ),
        ];
        let members = members.into_iter();
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

impl Publisher {
    /// Tells of the certificates that a commit registered just in time.
    pub(super) async fn tell_certificates(&self, commit: &Commit) -> Result<(), Failure> {
        let registered = commit.events.iter().filter_map(Registered::by);
        let registered: Vec<Registered> = registered.collect();
        if registered.is_empty() {
            return Ok(());
        }
        let messages = self.read(move |fleet| -> Vec<(String, Map<String, Value>)> {
            let account = &fleet.settings().account;
            let messages = registered.iter().filter_map(|one| {
                let ca = fleet.ca_certificate_by_id(one.ca)?.fingerprint.to_string();
                let topic = format!("$aws/events/certificates/registered/{ca}");
                Some((topic, one.message(&ca, account)))
            });
            messages.collect()
        });
        for (topic, message) in messages.await? {
            self.publish(topic, message).await;
        }
        Ok(())
    }
}
