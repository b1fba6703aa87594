//! Which version of a component a device gets.

use std::fmt;

use super::{ComponentVersion, Platform, Requirement, Version};
use crate::Fleet;
use crate::ids::ComponentName;

/// A component that a device looks for.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The component.
    pub name: ComponentName,
    /// The version that the device has, which it keeps if it still fits.
    pub version: Option<Version>,
    /// Who requires which versions.
    pub requirements: Vec<(Box<str>, Requirement)>,
}

/// Why there is no version for a device. The words are those that nuclei look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// No version is in all ranges.
    Requirements {
        /// The component.
        name: ComponentName,
        /// The ranges, by who requires them.
        requirements: String,
    },
    /// No version that is in all ranges is for this platform.
    Platform {
        /// The component.
        name: ComponentName,
        /// What the device says of itself.
        platform: String,
    },
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requirements { name, requirements } => write!(
                f,
                "Component {name} has no usable version satisfying requirements {requirements}"
            ),
            Self::Platform { name, platform } => write!(
                f,
                "The latest version of Component {name} doesn't claim platform {platform} compatibility"
            ),
        }
    }
}

impl Candidate {
    /// Whether all who require something are content. Who requires nothing gets no version before a release.
    fn is_met_by(&self, one: &ComponentVersion, any: &Requirement) -> bool {
        let mut requirements = self.requirements.iter();
        match self.requirements.is_empty() {
            true => any.admits(&one.version),
            false => requirements.all(|(_, range)| range.admits(&one.version)),
        }
    }

    fn describe(&self) -> String {
        let requirements = self.requirements.iter();
        let requirements = requirements.map(|(who, range)| format!("{who}: {}", range.as_str()));
        requirements.collect::<Vec<_>>().join(", ")
    }
}

impl Fleet {
    /// The version that a device gets: the one that it has, or else the highest, of those that can be deployed, are in
    /// all ranges and for its platform.
    pub fn resolve_component(
        &self,
        candidate: &Candidate,
        platform: &Platform,
    ) -> Result<&ComponentVersion, Unresolved> {
        let any = Requirement::any();
        let fits = |one: &&ComponentVersion| one.is_deployable() && candidate.is_met_by(one, &any);
        if let Some(version) = &candidate.version {
            let own = self.component_version(&candidate.name, version.as_str());
            if let Some(own) = own.filter(fits).filter(|own| own.is_for(platform)) {
                return Ok(own);
            }
        }
        let name = || candidate.name.clone();
        let mut fitting = self
            .components
            .versions(&candidate.name)
            .filter(fits)
            .peekable();
        if fitting.peek().is_none() {
            let (name, requirements) = (name(), candidate.describe());
            return Err(Unresolved::Requirements { name, requirements });
        }
        let found = fitting.find(|one| one.is_for(platform));
        found.ok_or_else(|| {
            let (name, platform) = (name(), platform.describe());
            Unresolved::Platform { name, platform }
        })
    }
}
