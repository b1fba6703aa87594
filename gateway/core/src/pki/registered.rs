//! CAs of the operator's own, whose keys stay with their owner: their certificates, what they signed, and the
//! registration code by which an owner proves that they hold the key.

use shipslog_domain::{Fingerprint, Timestamp};
use x509_parser::prelude::X509Certificate;

use super::{Authority, DeviceCertificate, Error, read};
use crate::files::{self, Readers};

/// The file with the registration code, beside the keys.
const CODE_FILE: &str = "registration-code";

/// When a certificate may be used, by its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From here on.
    pub not_before: Timestamp,
    /// Until here.
    pub not_after: Timestamp,
}

/// The validity of a certificate in PEM form; `None` if the text is no certificate.
#[must_use]
pub fn validity(pem: &str) -> Option<Validity> {
    let der = read::certificate_der(pem).ok()?;
    let certificate = read::parse(&der).ok()?;
    Some(Validity::of(&certificate))
}

impl Validity {
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let moment = |seconds: i64| Timestamp(u64::try_from(seconds).unwrap_or(0) * 1_000);
        Self {
            not_before: moment(certificate.validity().not_before.timestamp()),
            not_after: moment(certificate.validity().not_after.timestamp()),
        }
    }
}

/// Reads the certificate of a CA that somebody brings: exactly one, in PEM form.
pub fn read_ca(pem: &str) -> Result<DeviceCertificate, Error> {
    let certificate = read::certificate(pem, None)?;
    let wrong = |reason: &str| Error::Certificate(reason.into());
    let der = read::certificate_der(&certificate.pem).map_err(wrong)?;
    if !read::parse(&der).map_err(wrong)?.is_ca() {
        return Err(wrong(
            "is not one of a CA: its basic constraints do not say so",
        ));
    }
    Ok(certificate)
}

/// Checks the proof that comes with a CA: a certificate which the CA signed, with the registration code as its common
/// name.
pub fn check_verification(ca_pem: &str, proof_pem: &str, code: &str) -> Result<(), Error> {
    let wrong = |reason: &str| Error::Certificate(reason.into());
    let der = read::certificate_der(proof_pem).map_err(wrong)?;
    let proof = read::parse(&der).map_err(wrong)?;
    if !is_signed_by(&proof, ca_pem) {
        return Err(wrong("is not signed by the CA that is registered"));
    }
    let mut names = proof.subject().iter_common_name();
    if !names.any(|name| name.as_str() == Ok(code)) {
        return Err(wrong(
            "does not have the registration code as its common name; ask GetRegistrationCode for it",
        ));
    }
    Ok(())
}

/// Those of some CAs that signed a certificate. `cas` are fingerprints with certificates in PEM form.
pub fn signers<'a>(
    pem: &str,
    cas: impl Iterator<Item = (Fingerprint, &'a str)>,
) -> Result<Vec<Fingerprint>, Error> {
    let wrong = |reason: &str| Error::Certificate(reason.into());
    let der = read::certificate_der(pem).map_err(wrong)?;
    let certificate = read::parse(&der).map_err(wrong)?;
    let signed = cas.filter(|(_, ca_pem)| is_signed_by(&certificate, ca_pem));
    Ok(signed.map(|(fingerprint, _)| fingerprint).collect())
}

/// Whether a CA signed a certificate.
pub(super) fn is_signed_by(certificate: &X509Certificate<'_>, ca_pem: &str) -> bool {
    // The names first: they are cheap to compare, and a signature is not.
    with_ca(ca_pem, |ca| {
        certificate.issuer() == ca.subject()
            && certificate.verify_signature(Some(ca.public_key())).is_ok()
    })
}

/// Whether a certificate says that a CA signed it, and the CA may sign at `at`. Its signature is not looked at.
pub(super) fn names_issuer(certificate: &X509Certificate<'_>, ca_pem: &str, at: Timestamp) -> bool {
    with_ca(ca_pem, |ca| {
        certificate.issuer() == ca.subject() && may_sign(ca, at)
    })
}

fn with_ca(ca_pem: &str, judge: impl FnOnce(&X509Certificate<'_>) -> bool) -> bool {
    let Ok(der) = read::certificate_der(ca_pem) else {
        return false;
    };
    read::parse(&der).is_ok_and(|ca| judge(&ca))
}

/// Whether a CA has not ended, and is not kept from signing certificates by its own words.
fn may_sign(ca: &X509Certificate<'_>, at: Timestamp) -> bool {
    let usage = ca.key_usage().ok().flatten();
    ca.is_ca()
        && at <= Validity::of(ca).not_after
        && usage.is_none_or(|usage| usage.value.key_cert_sign())
}

impl Authority {
    /// The registration code: 64 hexadecimal digits, made when it is first asked for.
    pub fn registration_code(&self) -> Result<String, Error> {
        let path = self.directory.join(CODE_FILE);
        // One at a time, so that two callers are told the same code.
        let _one = self.registration.lock();
        if let Some(code) = files::read(&path)? {
            return Ok(code);
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(Error::Random)?;
        let code = Fingerprint(random).to_string();
        files::write(&path, &code, Readers::Owner)?;
        Ok(code)
    }

    /// Forgets the registration code. Returns whether there was one.
    pub fn delete_registration_code(&self) -> Result<bool, Error> {
        let path = self.directory.join(CODE_FILE);
        let _one = self.registration.lock();
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(files::failed(&path, source).into()),
        }
    }
}
