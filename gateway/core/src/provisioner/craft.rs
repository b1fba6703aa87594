//! What one item needs: its certificate, `certs.zip` and installer configuration.

use shipslog_domain::Timestamp;
use shipslog_domain::certificate::Certificate;
use shipslog_domain::command::Provisioned;
use shipslog_domain::provisioning::{CertificateInfo, CertificateSource, Plan};
use tracing::warn;

use super::Workshop;
use super::claims::Prepared;
use crate::artifacts::{self, DEFAULT_BUCKET, Name, Readers, Store};
use crate::failure::with_causes;
use crate::installer::{self, Generator};
use crate::pki::{self, Authority, DeviceCertificate, PrivateKey};

/// Makes what the item needs. Files are stored, and become durable with [`Store::sync`].
pub(super) fn craft(
    workshop: &Workshop,
    core_version: &str,
    item: &Prepared,
    now: Timestamp,
) -> Result<Provisioned, Box<str>> {
    let plan = item.plan.as_ref().map_err(Clone::clone)?;
    let generator = match &item.generator {
        None => None,
        Some(alias) => Some(
            Generator::by_alias(alias)
                .ok_or_else(|| format!("unrecognized generator alias: {alias}"))?,
        ),
    };
    let made = certificate(&workshop.authority, plan, item, now)
        .map_err(|error| format!("provisioning failed: {}", with_causes(&error)))?;
    let certs = match &made {
        Some((certificate, key)) => Some(
            store_certificate(workshop, &item.core, certificate, key.as_ref())
                .map_err(|cause| format!("uploading certs failed: {cause}"))?,
        ),
        // A core that keeps its certificate keeps its file.
        None if item.has_certificate => stored_certificate(workshop, &item.core),
        None => None,
    };
    let config = match generator {
        None => None,
        Some(generator) => Some(
            store_config(workshop, core_version, item, generator)
                .map_err(|cause| format!("creating config failed: {cause}"))?,
        ),
    };
    Ok(Provisioned {
        certificate: made.map(|(certificate, _)| Certificate {
            fingerprint: certificate.fingerprint,
            pem: certificate.pem,
            status: plan.certificate_status,
        }),
        certs,
        config,
    })
}

/// Removes the key that was made for an item which the domain refused in the end.
pub(super) fn discard(store: &Store, provisioned: &Provisioned) {
    let (Some(_), Some(key)) = (&provisioned.certificate, &provisioned.certs) else {
        return;
    };
    let removed = Name::parse(DEFAULT_BUCKET, key)
        .map_err(|error| error.to_string())
        .and_then(|name| store.remove(&name).map_err(|error| with_causes(&error)));
    if let Err(error) = removed {
        warn!(artifact = %key, %error, "the certificates of a core that was refused stay");
    }
}

type Made = (DeviceCertificate, Option<PrivateKey>);

/// The certificate that the plan asks for; `None` if it needs none from here.
fn certificate(
    authority: &Authority,
    plan: &Plan,
    item: &Prepared,
    now: Timestamp,
) -> Result<Option<Made>, pki::Error> {
    let issue = |ca_id, info| {
        // A core that is adopted or asked for again keeps its certificate: a new key would never reach it.
        if item.has_certificate {
            return Ok(None);
        }
        let issued = authority.issue(ca_id, info, &item.core, now)?;
        Ok(Some((issued.certificate, Some(issued.key))))
    };
    match &plan.certificate {
        CertificateSource::IssueWithCa { ca_id, info } => issue(Some(ca_id), info),
        CertificateSource::IssueByService => issue(None, &CertificateInfo::default()),
        CertificateSource::SignRequest { csr_pem } => {
            let certificate = authority.sign_request(csr_pem, &item.core, now)?;
            Ok(Some((certificate, None)))
        }
        CertificateSource::RegisterPem { pem, ca_pem } => {
            let certificate = Authority::read(pem, ca_pem.as_deref())?;
            Ok(Some((certificate, None)))
        }
        CertificateSource::Existing(_) | CertificateSource::NoCertificate => Ok(None),
    }
}

fn store_certificate(
    workshop: &Workshop,
    core: &str,
    certificate: &DeviceCertificate,
    key: Option<&PrivateKey>,
) -> Result<Box<str>, String> {
    let bytes = installer::certificates_zip(&certificate.pem, key.map(PrivateKey::expose_pem))
        .map_err(|error| with_causes(&error))?;
    let readers = match key {
        Some(_) => Readers::Service,
        None => Readers::Everyone,
    };
    store(
        workshop,
        artifacts::core_certificates_key(core),
        &bytes,
        readers,
    )
}

fn store_config(
    workshop: &Workshop,
    core_version: &str,
    item: &Prepared,
    generator: Generator,
) -> Result<Box<str>, String> {
    let core = installer::Core {
        name: &item.core,
        version: core_version,
        provisioning_template: &item.provisioning_template,
        parameters: &item.parameters,
    };
    let config = generator.config(core, &workshop.installer);
    let key = artifacts::core_config_key(&item.core);
    store(workshop, key, config.as_bytes(), Readers::Everyone)
}

fn store(
    workshop: &Workshop,
    key: String,
    bytes: &[u8],
    readers: Readers,
) -> Result<Box<str>, String> {
    let name = Name::parse(DEFAULT_BUCKET, &key).map_err(|error| error.to_string())?;
    workshop
        .artifacts
        .put_deferred(&name, bytes, readers)
        .map_err(|error| with_causes(&error))?;
    Ok(key.into())
}

/// The key of the certificates that an earlier task stored for the core.
fn stored_certificate(workshop: &Workshop, core: &str) -> Option<Box<str>> {
    let key = artifacts::core_certificates_key(core);
    let name = Name::parse(DEFAULT_BUCKET, &key).ok()?;
    let length = workshop.artifacts.length(&name).ok()?;
    length.map(|_| key.into())
}
