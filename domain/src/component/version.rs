//! Versions of components, and the ranges that others require of them.

use std::fmt;

use nodejs_semver::Range;

use crate::limits;
use crate::rejection::Rejection;

/// A semantic version, such as `1.2.0` or `2.0.0-rc.1`. Compared as semantic versioning says: a version before a
/// release is lower than the release, and what stands behind a plus says nothing.
#[derive(Clone, Debug)]
pub struct Version {
    text: Box<str>,
    parsed: nodejs_semver::Version,
}

impl Version {
    /// Accepts a version, or refuses it (Greengrass: at most 64 characters, numbers of at most six digits).
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let refuse = || {
            let shown: String = text.chars().take(64).collect();
            let rule = format!(
                "{shown:?} must be a semantic version such as 1.0.0, of at most {} characters and with numbers of at \
                 most {} digits",
                limits::COMPONENT_VERSION_BYTES_MAX,
                limits::COMPONENT_VERSION_DIGITS_MAX
            );
            Rejection::malformed("componentVersion", rule)
        };
        if text.is_empty() || text.len() > limits::COMPONENT_VERSION_BYTES_MAX {
            return Err(refuse());
        }
        let parsed = nodejs_semver::Version::parse(text).map_err(|_| refuse())?;
        let most = 10_u64.pow(limits::COMPONENT_VERSION_DIGITS_MAX) - 1;
        let numbers = [parsed.major(), parsed.minor(), parsed.patch()];
        // What reads back otherwise was taken for a version although it is not written as one.
        if numbers.iter().any(|number| *number > most) || parsed.to_string() != text {
            return Err(refuse());
        }
        let text = text.into();
        Ok(Self { text, parsed })
    }

    /// The version as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.parsed.cmp(&other.parsed)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A range of versions in npm's notation, such as `^1.2.0` or `>=1.0.0 <2.0.0`.
#[derive(Clone, Debug)]
pub struct Requirement {
    text: Box<str>,
    range: Range,
}

impl Requirement {
    /// Accepts a range, or refuses it.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let refuse = || {
            let shown: String = text.chars().take(64).collect();
            Rejection::malformed(
                "versionRequirement",
                format!(
                    "{shown:?} must be a range of versions such as ^1.0.0 or >=1.0.0 <2.0.0, of at most {} characters",
                    limits::VERSION_REQUIREMENT_BYTES_MAX
                ),
            )
        };
        if text.len() > limits::VERSION_REQUIREMENT_BYTES_MAX {
            return Err(refuse());
        }
        // Devices write an exact version so.
        let range = Range::parse(text.replace("==", "=")).map_err(|_| refuse())?;
        Ok(Self {
            text: text.into(),
            range,
        })
    }

    /// Every release.
    #[must_use]
    pub fn any() -> Self {
        Self {
            text: "*".into(),
            range: Range::any(),
        }
    }

    /// Whether a version is in the range. A version before a release is only where the range names one of that release.
    #[must_use]
    pub fn admits(&self, version: &Version) -> bool {
        self.range.satisfies(&version.parsed)
    }

    /// The range as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests;
