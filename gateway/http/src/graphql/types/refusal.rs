//! What devices wanted and were not let.

use async_graphql::{Context, Enum, SimpleObject};
use shipslog_domain::limits::CERTIFICATES_PER_THING_MAX;
use shipslog_domain::{Fingerprint, ThingId};
use shipslog_gateway_core::limits::REFUSALS_PER_CERTIFICATE_MAX;
use shipslog_gateway_core::refusals::{self, Reason};

use crate::graphql::scalars::{DateTime, Long};
use crate::graphql::source;

/// Refusals that are listed of one thing.
pub(super) const REFUSALS_MAX: usize = CERTIFICATES_PER_THING_MAX * REFUSALS_PER_CERTIFICATE_MAX;

/// Why something was refused to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum RefusalReason {
    /// No policy allows it, or one denies it.
    Policy,
    /// The certificate is not `ACTIVE`.
    CertificateNotActive,
}

/// Something that was refused to a device, once or more often.
#[derive(Clone, Debug, SimpleObject)]
pub struct Refusal {
    /// The policy action, such as `iot:Publish`.
    pub action: String,
    /// With what: a client id, a topic, a topic filter, or what else the action is done with. A long one is cut.
    pub resource: String,
    /// Why.
    pub reason: RefusalReason,
    /// The certificate that the device showed.
    pub certificate_id: String,
    /// The client id of the device that was refused last; over HTTPS the name of the thing that it said it was.
    pub client_id: String,
    /// How often.
    pub count: Long,
    /// When it was refused first, of those counted.
    pub first_at: DateTime,
    /// When it was refused last.
    pub last_at: DateTime,
}

impl Refusal {
    pub(super) fn of(refusal: refusals::Refusal, certificate: &Fingerprint) -> Self {
        Self {
            action: refusal.action.to_owned(),
            resource: refusal.resource.into(),
            reason: match refusal.reason {
                Reason::Policy => RefusalReason::Policy,
                Reason::CertificateNotActive => RefusalReason::CertificateNotActive,
            },
            certificate_id: certificate.to_string(),
            client_id: refusal.client_id.into(),
            count: Long(refusal.count),
            first_at: refusal.first_at.into(),
            last_at: refusal.last_at.into(),
        }
    }
}

/// What was refused to those who came with these certificates and acted as this thing, or as none; the latest first.
pub(super) fn of_thing(
    context: &Context<'_>,
    thing: ThingId,
    certificates: &[Fingerprint],
) -> Vec<Refusal> {
    let mut all = Vec::new();
    for certificate in certificates {
        let refused = source(context).refusals(certificate).into_iter();
        let concerning = refused.filter(|one| one.thing.is_none_or(|other| other == thing));
        all.extend(concerning.map(|one| Refusal::of(one, certificate)));
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.last_at));
    all
}
