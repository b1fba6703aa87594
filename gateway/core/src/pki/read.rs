//! Reading what others wrote: certificates and signing requests in PEM form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{DistinguishedName, DnType, SubjectPublicKeyInfo};
use sha2::{Digest, Sha256};
use shipslog_domain::{Fingerprint, limits};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::error::X509Error;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

use super::{DeviceCertificate, Error};

/// Shortest accepted RSA key, in bits (AWS IoT: 2,048).
const RSA_BITS_MIN: usize = 2_048;
const UNSUPPORTED: &str =
    "has a kind of key or signature that is not supported; use ECDSA P-256 or RSA with SHA-256";
/// Parts of a subject that are copied from a request.
const SUBJECT_PARTS_MAX: usize = 32;

/// What a signing request says, its signature checked.
pub(super) struct Request {
    pub subject: DistinguishedName,
    pub key: SubjectPublicKeyInfo,
}

pub(super) fn fingerprint(der: &[u8]) -> Fingerprint {
    Fingerprint(Sha256::digest(der).into())
}

/// The one certificate in a PEM text.
pub(super) fn certificate_der(pem: &str) -> Result<Vec<u8>, &'static str> {
    one_block(pem, &["CERTIFICATE"])
}

/// The first certificate of a PEM text that may go on with those of its issuers.
pub(super) fn first_der(pem: &str) -> Option<Vec<u8>> {
    let block = Pem::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
    (block.label == "CERTIFICATE").then_some(block.contents)
}

/// The certificate in DER form, with nothing after it.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, &'static str> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) | Err(_) => Err("is not an X.509 certificate"),
    }
}

pub(super) fn certificate(pem: &str, ca_pem: Option<&str>) -> Result<DeviceCertificate, Error> {
    let wrong = |reason: &str| Error::Certificate(reason.into());
    if pem.len() > limits::CERTIFICATE_PEM_BYTES_MAX {
        return Err(Error::Certificate(format!(
            "has more than {} bytes",
            limits::CERTIFICATE_PEM_BYTES_MAX
        )));
    }
    let der = certificate_der(pem).map_err(wrong)?;
    let certificate = parse(&der).map_err(wrong)?;
    if let Some(ca_pem) = ca_pem {
        let ca_wrong = |reason: &str| Error::Certificate(format!("of the CA {reason}"));
        let ca_der = certificate_der(ca_pem).map_err(ca_wrong)?;
        let ca = parse(&ca_der).map_err(ca_wrong)?;
        certificate
            .verify_signature(Some(ca.public_key()))
            .map_err(|_| wrong("is not signed by the CA that came with it"))?;
    }
    Ok(DeviceCertificate {
        fingerprint: fingerprint(&der),
        pem: armor(pem),
    })
}

pub(super) fn request(pem: &str) -> Result<Request, Error> {
    let wrong = |reason: &str| Error::Request(reason.into());
    if pem.len() > limits::CSR_BYTES_MAX {
        return Err(Error::Request(format!(
            "has more than {} bytes",
            limits::CSR_BYTES_MAX
        )));
    }
    let der = one_block(pem, &["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"]).map_err(wrong)?;
    let Ok(([], request)) = X509CertificationRequest::from_der(&der) else {
        return Err(wrong("is not a PKCS #10 request"));
    };
    let info = &request.certification_request_info;
    if let Ok(PublicKey::RSA(key)) = info.subject_pki.parsed()
        && key.key_size() < RSA_BITS_MIN
    {
        return Err(Error::Request(format!(
            "has an RSA key of fewer than {RSA_BITS_MIN} bits"
        )));
    }
    request.verify_signature().map_err(|error| match error {
        X509Error::SignatureUnsupportedAlgorithm => wrong(UNSUPPORTED),
        _ => wrong("is not signed by the key that it brings"),
    })?;
    let key =
        SubjectPublicKeyInfo::from_der(info.subject_pki.raw).map_err(|_| wrong(UNSUPPORTED))?;
    Ok(Request {
        subject: subject(&info.subject).map_err(wrong)?,
        key,
    })
}

fn subject(name: &X509Name<'_>) -> Result<DistinguishedName, &'static str> {
    let mut subject = DistinguishedName::new();
    for (index, attribute) in name.iter_attributes().enumerate() {
        if index >= SUBJECT_PARTS_MAX {
            return Err("has too long a subject");
        }
        let oid: Vec<u64> = attribute
            .attr_type()
            .iter()
            .ok_or("has a subject that cannot be read")?
            .collect();
        let value = attribute
            .as_str()
            .map_err(|_| "has a subject that is not text")?;
        subject.push(DnType::from_oid(&oid), value);
    }
    Ok(subject)
}

/// The content of the one block in a PEM text, which must have one of these labels.
fn one_block(pem: &str, labels: &[&str]) -> Result<Vec<u8>, &'static str> {
    let mut blocks = Pem::iter_from_buffer(pem.as_bytes());
    let Some(Ok(block)) = blocks.next() else {
        return Err("is not in PEM form");
    };
    if blocks.next().is_some() {
        return Err("is not alone: send one, without its chain");
    }
    if !labels.contains(&block.label.as_str()) {
        return Err("is another kind of PEM block");
    }
    Ok(block.contents)
}

/// A certificate in DER form as PEM text.
pub(super) fn to_pem(der: &[u8]) -> String {
    const LINE_CHARACTERS: usize = 64;
    let text = BASE64.encode(der);
    let mut pem = String::with_capacity(text.len() + text.len() / LINE_CHARACTERS + 64);
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE_CHARACTERS));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// The block of a PEM text that is known to have one, in its plain form: no text around it, no carriage returns.
fn armor(pem: &str) -> Box<str> {
    let mut armored = String::with_capacity(pem.len());
    for line in pem
        .lines()
        .map(str::trim)
        .skip_while(|line| !line.starts_with("-----BEGIN"))
    {
        armored.push_str(line);
        armored.push('\n');
        if line.starts_with("-----END") {
            break;
        }
    }
    armored.into()
}
