//! Subjects of device certificates.

use rcgen::{DistinguishedName, DnType, DnValue};
use shipslog_domain::provisioning::CertificateInfo;

use super::Error;

/// PKCS #9 `emailAddress`.
const EMAIL_ADDRESS: [u64; 7] = [1, 2, 840, 113_549, 1, 9, 1];
/// Longest common name, in characters (X.520).
const COMMON_NAME_CHARACTERS_MAX: usize = 64;

/// The subject that `certInfo` describes. Without a common name it gets the thing's, so that certificates of one
/// batch can be told apart.
pub(super) fn of_info(info: &CertificateInfo, thing: &str) -> Result<DistinguishedName, Error> {
    let mut subject = DistinguishedName::new();
    if let Some(country) = &info.country {
        let country = country.to_string().try_into()?;
        subject.push(DnType::CountryName, DnValue::PrintableString(country));
    }
    for (kind, value) in [
        (DnType::StateOrProvinceName, &info.state_name),
        (DnType::LocalityName, &info.locality),
        (DnType::OrganizationName, &info.organization),
        (DnType::OrganizationalUnitName, &info.organizational_unit),
    ] {
        if let Some(value) = value {
            subject.push(kind, value.as_ref());
        }
    }
    let common_name = match &info.common_name {
        Some(name) => name.to_string(),
        None => common_name(thing),
    };
    subject.push(DnType::CommonName, common_name);
    if let Some(address) = &info.email_address {
        let address = address.to_string().try_into()?;
        subject.push(
            DnType::CustomDnType(EMAIL_ADDRESS.to_vec()),
            DnValue::Ia5String(address),
        );
    }
    Ok(subject)
}

/// A thing's name as a common name, which is shorter.
pub(super) fn common_name(thing: &str) -> String {
    thing.chars().take(COMMON_NAME_CHARACTERS_MAX).collect()
}
