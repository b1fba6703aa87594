//! The device CA: issues device certificates, signs requests, reads certificates that callers bring.
//!
//! Everything lies under `DATA_DIR/ca`: `ca.pem` and `ca.key`, `server.pem` and `server.key`, and for each further CA
//! `<caId>.pem` and `<caId>.key`, put there by the operator. Keys have mode 0600 and never leave these files, except
//! for the key of a device, which is handed to whoever packs it for that device. Time is an argument; serial numbers
//! and keys come from the operating system's randomness.

mod ca;
mod presented;
mod read;
pub mod registered;
mod subject;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PublicKeyData, SerialNumber,
};
use shipslog_domain::provisioning::CertificateInfo;
use shipslog_domain::{Fingerprint, Timestamp};
use time::OffsetDateTime;

use crate::files;
use ca::Ca;
pub use presented::Presented;

/// Lifetime of a device certificate where nobody asks for another, in days (CDF: `DEVICE_CERTIFICATE_EXPIRY_DAYS`).
pub const DEVICE_EXPIRY_DAYS: u32 = 365;
/// The common name of a certificate that is made for nobody in particular (AWS IoT: the same).
pub const SERVICE_SUBJECT: &str = "AWS IoT Certificate";
/// Lifetime of a certificate that is made for nobody in particular, in days: less than that of the device CA.
pub const SERVICE_EXPIRY_DAYS: u32 = 25 * 365;
/// Further CAs that are kept in memory. An operator has a handful.
const CAS_MAX: usize = 64;
/// How far back a certificate's validity begins, for devices whose clock is late.
const BACKDATED_SECONDS: u64 = 300;

/// What an operator may choose.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Names and addresses in the server certificate, besides `localhost`, `127.0.0.1` and `::1`.
    pub server_names: Vec<String>,
    /// The kind of key made for devices.
    pub device_key: KeyKind,
}

/// A kind of key made for devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256: made in well under a millisecond.
    #[default]
    EcdsaP256,
    /// RSA of 2,048 bits, as CDF makes them, for devices that know nothing else: made in some 100 ms.
    Rsa2048,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The CA is not one of ours.
    #[error(
        "CA {0:?} is not known; use \"default\", or put its certificate and key into the service's ca directory"
    )]
    UnknownCa(String),
    /// The certificate signing request breaks a rule.
    #[error("certificate signing request {0}")]
    Request(String),
    /// The certificate breaks a rule.
    #[error("certificate {0}")]
    Certificate(String),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] files::Error),
    /// A file holds something else than it should.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The cryptography refused.
    #[error("making a certificate")]
    Crypto(#[from] rcgen::Error),
    /// The time of the service does not fit into a certificate.
    #[error("the service's time is outside of what a certificate can say")]
    Time(#[from] time::error::ComponentRange),
    /// The system gave no randomness.
    #[error("no randomness from the system: {0}")]
    Random(getrandom::Error),
}

/// A certificate as the log stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCertificate {
    /// SHA-256 of its DER form.
    pub fingerprint: Fingerprint,
    /// The certificate, and nothing else, in PEM form.
    pub pem: Box<str>,
}

/// A certificate together with the key that was made for it.
#[derive(Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: DeviceCertificate,
    /// Its private key.
    pub key: PrivateKey,
}

/// A certificate together with the key pair that was made for it.
#[derive(Debug)]
pub struct IssuedPair {
    /// The certificate.
    pub certificate: DeviceCertificate,
    /// The public key in PEM form.
    pub public_key_pem: String,
    /// The private key.
    pub key: PrivateKey,
}

/// A private key in PEM form. Its text is reached by name only, so that no log line shows it by accident.
pub struct PrivateKey(String);

impl PrivateKey {
    /// The key, to be packed for the device and for nobody else.
    #[must_use]
    pub fn expose_pem(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// The device CA and the further CAs of one data directory.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    device_key: KeyKind,
    own: Arc<Ca>,
    others: Mutex<BTreeMap<String, Arc<Ca>>>,
    server_names: Vec<String>,
    server_pem: String,
    /// Held while the registration code is read or written.
    registration: Mutex<()>,
}

impl Authority {
    /// Loads the CA and the server certificate, making what does not exist yet.
    pub fn open(directory: &Path, settings: &Settings, now: Timestamp) -> Result<Self, Error> {
        let mut authority = Self::open_ca(directory, settings, now)?;
        let names = &settings.server_names;
        authority.server_pem = ca::load_or_create_server(directory, &authority.own, names, now)?;
        Ok(authority)
    }

    /// Loads the CA, making it if it does not exist yet. The server certificate is for the server to make, which knows
    /// its names.
    pub fn open_ca(directory: &Path, settings: &Settings, now: Timestamp) -> Result<Self, Error> {
        files::create_directory(directory)?;
        let own = Ca::load_or_create(directory, now)?;
        Ok(Self {
            directory: directory.into(),
            device_key: settings.device_key,
            own: Arc::new(own),
            others: Mutex::new(BTreeMap::new()),
            server_names: settings.server_names.clone(),
            server_pem: String::new(),
            registration: Mutex::new(()),
        })
    }

    /// The certificate of the device CA: what a server that devices connect to must trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.own.pem()
    }

    /// The fingerprint of the device CA, one of its names in `caId`.
    #[must_use]
    pub fn ca_fingerprint(&self) -> Fingerprint {
        self.own.fingerprint()
    }

    /// The certificate of the TLS listeners, as of the start.
    #[must_use]
    pub fn server_pem(&self) -> &str {
        &self.server_pem
    }

    /// Makes the server certificate anew if it runs out soon. `true`: it did. One that somebody else signed is left
    /// alone.
    pub fn renew_server(&self, now: Timestamp) -> Result<bool, Error> {
        let path = self.server_pem_path();
        let before = files::read(&path)?;
        let after = ca::load_or_create_server(&self.directory, &self.own, &self.server_names, now)?;
        Ok(before.is_none_or(|before| before != after))
    }

    /// The file with the certificate of the TLS listeners.
    #[must_use]
    pub fn server_pem_path(&self) -> PathBuf {
        ca::server_pem_path(&self.directory)
    }

    /// The file with the key of the TLS listeners.
    #[must_use]
    pub fn server_key_path(&self) -> PathBuf {
        ca::server_key_path(&self.directory)
    }

    /// Makes a key and a certificate for a device. Without `ca_id`, the device CA signs.
    pub fn issue(
        &self,
        ca_id: Option<&str>,
        info: &CertificateInfo,
        thing: &str,
        now: Timestamp,
    ) -> Result<Issued, Error> {
        let ca = self.ca(ca_id)?;
        let key = generate(self.device_key)?;
        let mut params = device_params(info.days_expiry.unwrap_or(DEVICE_EXPIRY_DAYS), now)?;
        params.distinguished_name = subject::of_info(info, thing)?;
        let certificate = ca.sign(&params, &key)?;
        Ok(Issued {
            certificate,
            key: PrivateKey(key.serialize_pem()),
        })
    }

    /// Makes a key pair and a certificate for whoever asked for them by AWS IoT's operations, which promise RSA keys
    /// of 2,048 bits. Takes some 100 ms.
    pub fn issue_key_pair(&self, days: u32, now: Timestamp) -> Result<IssuedPair, Error> {
        let key = generate(KeyKind::Rsa2048)?;
        let mut params = device_params(days, now)?;
        let name = subject::common_name(SERVICE_SUBJECT);
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(IssuedPair {
            certificate: self.own.sign(&params, &key)?,
            public_key_pem: key.public_key_pem(),
            key: PrivateKey(key.serialize_pem()),
        })
    }

    /// Signs a device's request with the device CA. Of the request, the key and the subject are used; extensions
    /// that it asks for are not granted.
    pub fn sign_request(
        &self,
        csr_pem: &str,
        thing: &str,
        now: Timestamp,
    ) -> Result<DeviceCertificate, Error> {
        let request = read::request(csr_pem)?;
        let mut params = device_params(DEVICE_EXPIRY_DAYS, now)?;
        params.distinguished_name = request.subject;
        if params.distinguished_name.get(&DnType::CommonName).is_none() {
            let name = subject::common_name(thing);
            params.distinguished_name.push(DnType::CommonName, name);
        }
        self.own.sign(&params, &request.key)
    }

    /// Reads a certificate that a caller brings: exactly one, in PEM form. Where the certificate of its CA comes
    /// with it, the signature is checked.
    pub fn read(pem: &str, ca_pem: Option<&str>) -> Result<DeviceCertificate, Error> {
        read::certificate(pem, ca_pem)
    }

    fn ca(&self, ca_id: Option<&str>) -> Result<Arc<Ca>, Error> {
        let Some(id) = ca_id else {
            return Ok(Arc::clone(&self.own));
        };
        if id == "default" || id.eq_ignore_ascii_case(&self.own.fingerprint().to_string()) {
            return Ok(Arc::clone(&self.own));
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ca) = others.get(id) {
            return Ok(Arc::clone(ca));
        }
        let ca = Arc::new(Ca::load_other(&self.directory, id)?);
        if others.len() < CAS_MAX {
            others.insert(id.into(), Arc::clone(&ca));
        }
        Ok(ca)
    }
}

fn generate(kind: KeyKind) -> Result<KeyPair, rcgen::Error> {
    match kind {
        KeyKind::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyKind::Rsa2048 => KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256),
    }
}

/// What all device certificates have in common.
fn device_params(days: u32, now: Timestamp) -> Result<CertificateParams, Error> {
    let mut params = validity(days, now)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Serial number and validity, for any certificate.
fn validity(days: u32, now: Timestamp) -> Result<CertificateParams, Error> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(Error::Random)?;
    // A serial number is positive, and its length must not depend on chance.
    serial[0] = serial[0] & 0x7f | 0x40;
    let from = now.seconds().saturating_sub(BACKDATED_SECONDS);
    let until = now.seconds().saturating_add(u64::from(days) * 86_400);
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = moment(from)?;
    params.not_after = moment(until)?;
    Ok(params)
}

fn moment(seconds: u64) -> Result<OffsetDateTime, time::error::ComponentRange> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap_or(i64::MAX))
}

impl Ca {
    fn sign(
        &self,
        params: &CertificateParams,
        key: &impl PublicKeyData,
    ) -> Result<DeviceCertificate, Error> {
        let certificate = params.signed_by(key, self.issuer())?;
        Ok(DeviceCertificate {
            fingerprint: read::fingerprint(certificate.der()),
            pem: certificate.pem().into(),
        })
    }
}

#[cfg(test)]
mod tests;
