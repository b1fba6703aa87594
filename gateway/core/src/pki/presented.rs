//! Certificates as devices present them when they connect: who they are, and what they say of themselves.

use shipslog_domain::thing::Attributes;
use shipslog_domain::{Fingerprint, Timestamp, limits};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{X509Certificate, X509Name};

use super::read;
use super::registered::{self, Validity};

/// A certificate that a device presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    fingerprint: Fingerprint,
    der: Box<[u8]>,
}

impl Presented {
    /// Reads a certificate in DER form. The error says what is wrong with it.
    pub fn read(der: &[u8]) -> Result<Self, &'static str> {
        if der.len() > limits::CERTIFICATE_PEM_BYTES_MAX {
            return Err("is too long");
        }
        read::parse(der)?;
        Ok(Self {
            fingerprint: read::fingerprint(der),
            der: der.into(),
        })
    }

    /// Reads a certificate in PEM form.
    pub fn read_pem(pem: &str) -> Result<Self, &'static str> {
        Self::read(&read::certificate_der(pem)?)
    }

    /// The certificate in PEM form.
    #[must_use]
    pub fn pem(&self) -> String {
        read::to_pem(&self.der)
    }

    /// Whether a CA, whose certificate is in PEM form, signed it.
    #[must_use]
    pub fn is_signed_by(&self, ca_pem: &str) -> bool {
        registered::is_signed_by(&self.parsed(), ca_pem)
    }

    /// Whether it says that this CA signed it, and the CA may sign certificates at `now`. Cheap: the signature is not
    /// looked at.
    #[must_use]
    pub fn names_issuer(&self, ca_pem: &str, now: Timestamp) -> bool {
        registered::names_issuer(&self.parsed(), ca_pem, now)
    }

    /// What it says of itself, as parameters of provisioning templates (AWS IoT: `AWS::IoT::Certificate::…`), sorted
    /// by name. A part that its subject does not have is none of them.
    #[must_use]
    pub fn template_parameters(&self) -> Attributes {
        let parts = PARAMETERS.iter().filter_map(|(name, field)| {
            let value = self.field(field)?;
            Some((
                format!("AWS::IoT::Certificate::{name}").into(),
                value.into(),
            ))
        });
        let id = (
            "AWS::IoT::Certificate::Id".into(),
            self.fingerprint.to_string().into(),
        );
        let mut parameters: Attributes = parts.chain([id]).collect();
        parameters.sort_unstable();
        parameters
    }

    /// SHA-256 of its DER form, by which the fleet knows it.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// When it may be used, by its own words.
    #[must_use]
    pub fn validity(&self) -> Validity {
        Validity::of(&self.parsed())
    }

    /// Its key with the kind of key: SubjectPublicKeyInfo in DER form.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.parsed().public_key().raw.to_vec()
    }

    /// What it says under a name of AWS IoT's certificate policy variables, without `iot:Certificate.`: the serial
    /// number in hexadecimal digits, a part of subject or issuer such as `Subject.CommonName` or
    /// `Issuer.Organization`, an alternative name such as `Subject.AlternativeName.DNSName`. A further value of the same
    /// name has its place behind it, from 1: `Subject.CommonName.1`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        let certificate = self.parsed();
        if name == "SerialNumber" {
            let octets = certificate.raw_serial().iter();
            let digits: String = octets.map(|octet| format!("{octet:02x}")).collect();
            return Some(digits);
        }
        let (name, place) = match name.rsplit_once('.') {
            Some((name, place)) if place.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, place.parse().ok()?)
            }
            Some(_) | None => (name, 0),
        };
        if let Some(kind) = name.strip_prefix("Subject.AlternativeName.") {
            return alternative_names(&certificate, kind).into_iter().nth(place);
        }
        match name.split_once('.')? {
            ("Subject", part) => name_part(certificate.subject(), part, place),
            ("Issuer", part) => name_part(certificate.issuer(), part, place),
            _ => None,
        }
    }

    fn parsed(&self) -> X509Certificate<'_> {
        read::parse(&self.der).expect("it was read when it was presented")
    }
}

/// Parameters of provisioning templates, and the fields that they stand for.
const PARAMETERS: [(&str, &str); 7] = [
    ("CommonName", "Subject.CommonName"),
    ("Country", "Subject.Country"),
    (
        "DistinguishedNameQualifier",
        "Subject.DistinguishedNameQualifier",
    ),
    ("Organization", "Subject.Organization"),
    ("OrganizationalUnit", "Subject.OrganizationalUnit"),
    ("SerialNumber", "Subject.SerialNumber"),
    ("StateName", "Subject.State"),
];

/// Parts of a distinguished name, by AWS IoT's words for them.
const PARTS: [(&str, &str); 13] = [
    ("CommonName", "2.5.4.3"),
    ("Surname", "2.5.4.4"),
    ("SerialNumber", "2.5.4.5"),
    ("Country", "2.5.4.6"),
    ("State", "2.5.4.8"),
    ("Organization", "2.5.4.10"),
    ("OrganizationalUnit", "2.5.4.11"),
    ("Title", "2.5.4.12"),
    ("GivenName", "2.5.4.42"),
    ("Initials", "2.5.4.43"),
    ("GenerationQualifier", "2.5.4.44"),
    ("DistinguishedNameQualifier", "2.5.4.46"),
    ("Pseudonym", "2.5.4.65"),
];

fn name_part(name: &X509Name<'_>, part: &str, place: usize) -> Option<String> {
    let (_, wanted) = PARTS.iter().find(|(word, _)| *word == part)?;
    let mut values = name
        .iter_attributes()
        .filter(|attribute| attribute.attr_type().to_id_string() == *wanted);
    Some(values.nth(place)?.as_str().ok()?.to_owned())
}

fn alternative_names(certificate: &X509Certificate<'_>, kind: &str) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    let named = names.filter_map(|name| match (kind, name) {
        ("RFC822Name", GeneralName::RFC822Name(text))
        | ("DNSName", GeneralName::DNSName(text))
        | ("UniformResourceIdentifier", GeneralName::URI(text)) => Some((*text).to_owned()),
        ("IPAddress", GeneralName::IPAddress(octets)) => match octets.len() {
            4 => Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(*octets).ok()?).to_string()),
            16 => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*octets).ok()?).to_string()),
            _ => None,
        },
        _ => None,
    });
    named.collect()
}
