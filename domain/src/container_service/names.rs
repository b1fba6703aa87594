//! Names of services, containers and images.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::rejection::Rejection;

/// Lower-case letters, digits and hyphens, the hyphens not at the ends (Lightsail).
fn check(field: &'static str, text: &str, max: usize) -> Result<(), Rejection> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let well_formed = !text.is_empty()
        && text.len() <= max
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if well_formed {
        return Ok(());
    }
    let shown: String = text.chars().take(64).collect();
    Err(Rejection::malformed(
        field,
        format!(
            "{shown:?} must be 1 to {max} lower-case letters, digits and hyphens, with no hyphen at the ends"
        ),
    ))
}

macro_rules! label {
    ($($(#[$doc:meta])* $name:ident, $field:literal, $max:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] Box<str>);

        impl $name {
            /// Accepts a name, or refuses it naming the rule.
            pub fn parse(text: &str) -> Result<Self, Rejection> {
                check($field, text, $max)?;
                Ok(Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

label! {
    /// Name of a container service (Lightsail: 1 to 63).
    ContainerServiceName, "serviceName", 63;
    /// Name of a container of a version, or label of an image (Lightsail: 1 to 53).
    ContainerName, "containerName", 53;
}

/// A reference to an image that is registered with a service: `:service.label.number` or `:service.label.latest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    /// The service.
    pub service: ContainerServiceName,
    /// The label.
    pub label: ContainerName,
    /// The number, from 1; absent: the highest one there is.
    pub number: Option<u32>,
}

impl ImageReference {
    /// Reads a reference; `None` if it is not of this form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(':')?.split('.');
        let (service, label, number) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let number = match number {
            "latest" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|number| *number > 0)?)
            }
            _ => return None,
        };
        Some(Self {
            service: ContainerServiceName::parse(service).ok()?,
            label: ContainerName::parse(label).ok()?,
            number,
        })
    }
}

/// The whole name of an image.
pub(super) fn image_name(
    service: &ContainerServiceName,
    label: &ContainerName,
    number: u32,
) -> String {
    format!(":{service}.{label}.{number}")
}
