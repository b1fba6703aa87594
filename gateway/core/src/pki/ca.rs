//! A CA with its key, and the server certificate that the device CA signs.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use shipslog_domain::{Fingerprint, Timestamp};
use x509_parser::prelude::{GeneralName, X509Certificate};

use super::{Error, read, validity};
use crate::files::{self, Readers};

/// Lifetime of the device CA, in days: longer than the devices that it vouches for.
const CA_EXPIRY_DAYS: u32 = 30 * 365;
/// Lifetime of the server certificate, in days: the longest that common TLS clients accept from a private CA.
const SERVER_EXPIRY_DAYS: u32 = 825;
/// A server certificate with less time than this is replaced at start, in seconds.
const SERVER_RENEWAL_SECONDS: u64 = 60 * 86_400;
/// Longest `caId`.
const CA_ID_BYTES_MAX: usize = 128;

/// A CA that can sign.
pub(super) struct Ca {
    pem: String,
    fingerprint: Fingerprint,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl Ca {
    /// The device CA. The key is written first: a key without a certificate is a start that was interrupted, and
    /// gets its certificate now; a certificate without its key is a loss that only the operator can judge.
    pub(super) fn load_or_create(directory: &Path, now: Timestamp) -> Result<Self, Error> {
        let (pem_path, key_path) = paths(directory, "ca");
        let pem = files::read(&pem_path)?;
        let key = match files::read(&key_path)? {
            Some(text) => parse_key(&key_path, &text)?,
            None if pem.is_some() => {
                return Err(Error::Damaged {
                    path: key_path,
                    reason: "is missing, but its certificate is there; restore it, or remove the \
                             certificate to start with a new CA that no issued certificate fits"
                        .into(),
                });
            }
            None => {
                let key = KeyPair::generate()?;
                files::write(&key_path, &key.serialize_pem(), Readers::Owner)?;
                key
            }
        };
        let pem = match pem {
            Some(pem) => pem,
            None => {
                let pem = ca_params(&key, now)?.self_signed(&key)?.pem();
                files::write(&pem_path, &pem, Readers::Everyone)?;
                pem
            }
        };
        Self::assemble(&pem_path, pem, key)
    }

    /// A further CA that an operator put into the directory.
    pub(super) fn load_other(directory: &Path, id: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownCa(id.chars().take(CA_ID_BYTES_MAX).collect());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        // The service's own files are no further CAs, and an id is no path.
        if id.is_empty()
            || id.len() > CA_ID_BYTES_MAX
            || !id.bytes().all(allowed)
            || id == "ca"
            || id == "server"
        {
            return Err(unknown());
        }
        let (pem_path, key_path) = paths(directory, id);
        let (Some(pem), Some(key)) = (files::read(&pem_path)?, files::read(&key_path)?) else {
            return Err(unknown());
        };
        let key = parse_key(&key_path, &key)?;
        Self::assemble(&pem_path, pem, key)
    }

    fn assemble(path: &Path, pem: String, key: KeyPair) -> Result<Self, Error> {
        let damaged = |reason: String| Error::Damaged {
            path: path.into(),
            reason,
        };
        let der = read::certificate_der(&pem).map_err(|reason| damaged(reason.into()))?;
        let certificate = read::parse(&der).map_err(|reason| damaged(reason.into()))?;
        if !certificate.is_ca() {
            return Err(damaged("is not the certificate of a CA".into()));
        }
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(damaged("does not fit the key beside it".into()));
        }
        Ok(Self {
            fingerprint: read::fingerprint(&der),
            issuer: Issuer::from_ca_cert_der(&der.as_slice().into(), key)?,
            pem,
        })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) const fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

fn ca_params(key: &KeyPair, now: Timestamp) -> Result<CertificateParams, Error> {
    let mut params = validity(CA_EXPIRY_DAYS, now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    // Two services have two CAs: a name of its own keeps a TLS client with both in its store from confusing them.
    let own = read::fingerprint(&key.subject_public_key_info()).to_string();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Shipslog");
    params
        .distinguished_name
        .push(DnType::CommonName, format!("Shipslog Device CA {own:.16}"));
    Ok(params)
}

/// The server certificate: loaded if it still serves, else made anew under the same key. One that goes with the key and
/// that somebody else signed is the operator's own, who looks after its names and its end.
pub(super) fn load_or_create_server(
    directory: &Path,
    ca: &Ca,
    names: &[String],
    now: Timestamp,
) -> Result<String, Error> {
    let (pem_path, key_path) = paths(directory, "server");
    let key = match files::read(&key_path)? {
        Some(text) => parse_key(&key_path, &text)?,
        None => {
            let key = KeyPair::generate()?;
            files::write(&key_path, &key.serialize_pem(), Readers::Owner)?;
            key
        }
    };
    let names = alternative_names(names)?;
    if let Some(pem) = files::read(&pem_path)?
        && (is_foreign(&pem, ca, &key) || serves(&pem, ca, &key, &names, now))
    {
        return Ok(pem);
    }
    let mut params = validity(SERVER_EXPIRY_DAYS, now)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    params.subject_alt_names = names;
    let pem = params.signed_by(&key, &ca.issuer)?.pem();
    files::write(&pem_path, &pem, Readers::Everyone)?;
    Ok(pem)
}

pub(super) fn server_key_path(directory: &Path) -> PathBuf {
    paths(directory, "server").1
}

pub(super) fn server_pem_path(directory: &Path) -> PathBuf {
    paths(directory, "server").0
}

/// Whether the first certificate of a PEM text goes with the key and is not signed by the device CA.
fn is_foreign(pem: &str, ca: &Ca, key: &KeyPair) -> bool {
    let (Some(der), Ok(ca_der)) = (read::first_der(pem), read::certificate_der(&ca.pem)) else {
        return false;
    };
    let (Ok(certificate), Ok(authority)) = (read::parse(&der), read::parse(&ca_der)) else {
        return false;
    };
    certificate.public_key().raw == key.subject_public_key_info()
        && certificate.issuer() != authority.subject()
}

/// Whether the stored server certificate fits CA, key and names, and lasts long enough.
fn serves(pem: &str, ca: &Ca, key: &KeyPair, names: &[SanType], now: Timestamp) -> bool {
    let Ok(der) = read::certificate_der(pem) else {
        return false;
    };
    let Ok(certificate) = read::parse(&der) else {
        return false;
    };
    let Ok(ca_der) = read::certificate_der(&ca.pem) else {
        return false;
    };
    let Ok(authority) = read::parse(&ca_der) else {
        return false;
    };
    let needed = i64::try_from(now.seconds().saturating_add(SERVER_RENEWAL_SECONDS));
    certificate.public_key().raw == key.subject_public_key_info()
        && certificate
            .verify_signature(Some(authority.public_key()))
            .is_ok()
        && needed.is_ok_and(|needed| certificate.validity().not_after.timestamp() >= needed)
        && names.iter().all(|name| covers(&certificate, name))
}

fn covers(certificate: &X509Certificate<'_>, name: &SanType) -> bool {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return false;
    };
    extension
        .value
        .general_names
        .iter()
        .any(|general| match (general, name) {
            (GeneralName::DNSName(present), SanType::DnsName(wanted)) => {
                *present == wanted.as_str()
            }
            (GeneralName::IPAddress(present), SanType::IpAddress(wanted)) => match wanted {
                IpAddr::V4(wanted) => *present == wanted.octets(),
                IpAddr::V6(wanted) => *present == wanted.octets(),
            },
            _ => false,
        })
}

fn alternative_names(configured: &[String]) -> Result<Vec<SanType>, Error> {
    let mut names = Vec::new();
    for name in ["localhost", "127.0.0.1", "::1"]
        .into_iter()
        .chain(configured.iter().map(String::as_str))
    {
        let name = match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.try_into()?),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn paths(directory: &Path, id: &str) -> (PathBuf, PathBuf) {
    (
        directory.join(format!("{id}.pem")),
        directory.join(format!("{id}.key")),
    )
}

fn parse_key(path: &Path, text: &str) -> Result<KeyPair, Error> {
    KeyPair::from_pem(text).map_err(|_| Error::Damaged {
        path: path.into(),
        reason: "is not a private key in PEM form; restore it".into(),
    })
}
