//! Recipes: what a component is, what it needs, and how it runs on which devices.
//!
//! Keys are matched without regard to case, as nuclei read them. Levels whose keys are known refuse others: a mistyped
//! key would otherwise be found on a device. Inside of lifecycles and configurations authors are free.

mod reader;

use std::fmt;

use serde_json::{Map, Value};

use super::platform::Selector;
use super::version::{Requirement, Version};
use crate::ids::ComponentName;
use crate::job::files::S3Object;
use crate::limits;
use reader::Place;

/// What is wrong with a recipe, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Such as `Manifests[0].Artifacts[1].Uri`; empty for the whole recipe.
    pub path: String,
    /// The rule and the way out.
    pub rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.rule),
            false => write!(f, "{}: {}", self.path, self.rule),
        }
    }
}

/// A component that another needs.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// Its name.
    pub name: ComponentName,
    /// Which of its versions.
    pub requirement: Requirement,
    /// Whether the component restarts when this one does.
    pub is_hard: bool,
}

/// A part of a recipe that is for some devices.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// `Name`.
    pub name: Option<Box<str>>,
    /// `Platform` as it is written.
    pub attributes: Vec<(Box<str>, Box<str>)>,
    /// Which devices it is for.
    pub selector: Selector,
}

/// A file that a component needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// `Uri`.
    pub uri: Box<str>,
    /// Where it is stored, if this service has to do with it.
    pub object: Option<S3Object>,
    manifest: usize,
    index: usize,
}

/// A recipe that passed every rule.
#[derive(Clone, Debug)]
pub struct Recipe {
    document: Map<String, Value>,
    /// `ComponentName`.
    pub name: ComponentName,
    /// `ComponentVersion`.
    pub version: Version,
    /// `ComponentPublisher`.
    pub publisher: Option<Box<str>>,
    /// `ComponentDescription`.
    pub description: Option<Box<str>>,
    /// `ComponentDependencies`.
    pub dependencies: Vec<Dependency>,
    /// `Manifests`.
    pub manifests: Vec<Manifest>,
    /// `Artifacts` of all manifests.
    pub artifacts: Vec<Artifact>,
}

/// The only format there is.
const FORMAT_VERSION: &str = "2020-01-25";
const KEYS: [&str; 11] = [
    "RecipeFormatVersion",
    "ComponentName",
    "ComponentVersion",
    "ComponentType",
    "ComponentDescription",
    "ComponentPublisher",
    "ComponentSource",
    "ComponentConfiguration",
    "ComponentDependencies",
    "Manifests",
    "Lifecycle",
];
const TYPES: [&str; 4] = [
    "aws.greengrass.generic",
    "aws.greengrass.lambda",
    "aws.greengrass.plugin",
    "aws.greengrass.nucleus",
];

impl Recipe {
    /// Reads the JSON text of a recipe.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let value = serde_json::from_str(text);
        let value = value.map_err(|why| Fault {
            path: String::new(),
            rule: format!("is not valid JSON: {why}"),
        })?;
        Self::read(value)
    }

    /// Reads a recipe.
    pub fn read(value: Value) -> Result<Self, Fault> {
        let root = Place::root(&value)?;
        root.known_keys(&KEYS)?;
        let format = root.member("RecipeFormatVersion").text()?;
        if format != FORMAT_VERSION {
            return Err(root.member("RecipeFormatVersion").fault(format!(
                "must be {FORMAT_VERSION}, the only format there is"
            )));
        }
        let name = root.member("ComponentName");
        let name = name.parsed(ComponentName::parse)?;
        let version = root.member("ComponentVersion").parsed(Version::parse)?;
        if let Some(kind) = root.member("ComponentType").present() {
            kind.one_of(&TYPES)?;
        }
        let text_of = |key| root.member(key).optional_text();
        let (publisher, description) = (
            text_of("ComponentPublisher")?,
            text_of("ComponentDescription")?,
        );
        text_of("ComponentSource")?;
        if let Some(configuration) = root.member("ComponentConfiguration").present() {
            configuration.known_keys(&["DefaultConfiguration"])?;
            if let Some(default) = configuration.member("DefaultConfiguration").present() {
                default.object()?;
            }
        }
        if let Some(lifecycle) = root.member("Lifecycle").present() {
            lifecycle.object()?;
        }
        let dependencies = dependencies(&root, &name)?;
        let (manifests, artifacts) = manifests(&root)?;
        let (publisher, description) = (publisher.map(Into::into), description.map(Into::into));
        let Value::Object(document) = value else {
            unreachable!("the root was read as an object");
        };
        Ok(Self {
            document,
            name,
            version,
            publisher,
            description,
            dependencies,
            manifests,
            artifacts,
        })
    }

    /// The recipe as JSON text.
    #[must_use]
    pub fn text(&self) -> String {
        // Encoding a map of JSON values does not fail.
        serde_json::to_string(&self.document).unwrap_or_default()
    }

    /// The recipe as a JSON value.
    #[must_use]
    pub fn value(&self) -> Value {
        Value::Object(self.document.clone())
    }

    /// `ComponentConfiguration.DefaultConfiguration`, if there is one.
    #[must_use]
    pub fn default_configuration(&self) -> Option<&Value> {
        let member = |members: &'_ Map<String, Value>, name: &str| {
            let mut keys = members.keys();
            keys.find(|key| key.eq_ignore_ascii_case(name)).cloned()
        };
        let key = member(&self.document, "ComponentConfiguration")?;
        let configuration = self.document.get(&key)?.as_object()?;
        let key = member(configuration, "DefaultConfiguration")?;
        configuration.get(&key)
    }

    /// Notes the SHA-256 of a file, in base64.
    pub fn set_digest(&mut self, artifact: &Artifact, digest: &str) {
        if let Some(members) = self.artifact_mut(artifact) {
            replace(members, "Digest", digest);
            replace(members, "Algorithm", "SHA-256");
        }
    }

    /// Puts another address in the place of a file's.
    pub fn set_uri(&mut self, artifact: &Artifact, uri: &str) {
        if let Some(members) = self.artifact_mut(artifact) {
            replace(members, "Uri", uri);
        }
    }

    fn artifact_mut(&mut self, artifact: &Artifact) -> Option<&mut Map<String, Value>> {
        let manifests = find_mut(&mut self.document, "Manifests")?.as_array_mut()?;
        let manifest = manifests.get_mut(artifact.manifest)?.as_object_mut()?;
        let artifacts = find_mut(manifest, "Artifacts")?.as_array_mut()?;
        artifacts.get_mut(artifact.index)?.as_object_mut()
    }
}

fn find_mut<'v>(members: &'v mut Map<String, Value>, key: &str) -> Option<&'v mut Value> {
    let mut members = members.iter_mut();
    let found = members.find(|(name, _)| name.eq_ignore_ascii_case(key));
    found.map(|(_, value)| value)
}

/// Sets a member under the spelling that it has already.
fn replace(members: &mut Map<String, Value>, key: &str, text: &str) {
    match find_mut(members, key) {
        Some(value) => *value = text.into(),
        None => {
            members.insert(key.to_owned(), text.into());
        }
    }
}

fn dependencies(root: &Place<'_>, own: &ComponentName) -> Result<Vec<Dependency>, Fault> {
    let Some(place) = root.member("ComponentDependencies").present() else {
        return Ok(Vec::new());
    };
    let mut dependencies = Vec::new();
    for (name, dependency) in place.members()? {
        let name = ComponentName::parse(name).map_err(|no| dependency.fault(no.message))?;
        if name == *own {
            return Err(dependency.fault("a component cannot depend on itself"));
        }
        dependency.known_keys(&["VersionRequirement", "DependencyType"])?;
        let requirement = dependency.member("VersionRequirement");
        let requirement = match requirement.present() {
            Some(requirement) => requirement.parsed(Requirement::parse)?,
            None => Requirement::any(),
        };
        let kind = dependency.member("DependencyType");
        let kind = kind.present().map(|kind| kind.one_of(&["HARD", "SOFT"]));
        dependencies.push(Dependency {
            name,
            requirement,
            is_hard: kind.transpose()? != Some("SOFT"),
        });
    }
    Ok(dependencies)
}

fn manifests(root: &Place<'_>) -> Result<(Vec<Manifest>, Vec<Artifact>), Fault> {
    let (mut manifests, mut artifacts) = (Vec::new(), Vec::new());
    let Some(place) = root.member("Manifests").present() else {
        return Ok((manifests, artifacts));
    };
    for (number, manifest) in place.items()?.into_iter().enumerate() {
        manifest.known_keys(&["Name", "Platform", "Lifecycle", "Artifacts", "Selections"])?;
        let (attributes, selector) = platform(&manifest)?;
        check_lifecycle(&manifest)?;
        if let Some(selections) = manifest.member("Selections").present() {
            for selection in selections.items()? {
                selection.text()?;
            }
        }
        if let Some(list) = manifest.member("Artifacts").present() {
            for (index, artifact) in list.items()?.into_iter().enumerate() {
                let (uri, object) = read_artifact(&artifact)?;
                artifacts.push(Artifact {
                    uri: uri.into(),
                    object,
                    manifest: number,
                    index,
                });
            }
            if artifacts.len() > limits::COMPONENT_ARTIFACTS_MAX {
                let max = limits::COMPONENT_ARTIFACTS_MAX;
                return Err(list.fault(format!("a recipe has at most {max} artifacts")));
            }
        }
        manifests.push(Manifest {
            name: manifest.member("Name").optional_text()?.map(Into::into),
            attributes,
            selector,
        });
    }
    Ok((manifests, artifacts))
}

type Attributes = Vec<(Box<str>, Box<str>)>;

fn platform(manifest: &Place<'_>) -> Result<(Attributes, Selector), Fault> {
    let (mut attributes, mut selector) = (Vec::new(), Selector::default());
    if let Some(platform) = manifest.member("Platform").present() {
        for (key, value) in platform.members()? {
            let text = value.text()?;
            selector.add(key, text).map_err(|why| value.fault(why))?;
            attributes.push((key.into(), text.into()));
        }
    }
    Ok((attributes, selector))
}

/// A step is a script, or an object with one.
fn check_lifecycle(manifest: &Place<'_>) -> Result<(), Fault> {
    let Some(lifecycle) = manifest.member("Lifecycle").present() else {
        return Ok(());
    };
    for (key, step) in lifecycle.members()? {
        if step.is_text() {
            continue;
        }
        step.object()?;
        if key.eq_ignore_ascii_case("setenv") {
            continue;
        }
        if let Some(script) = step.member("Script").present() {
            script.text()?;
        }
        if let Some(timeout) = step.member("Timeout").present() {
            timeout.whole()?;
        }
        if let Some(privilege) = step.member("RequiresPrivilege").present() {
            privilege.flag()?;
        }
        if let Some(setenv) = step.member("Setenv").present() {
            setenv.object()?;
        }
    }
    let has = |key| lifecycle.member(key).present().is_some();
    if has("Startup") && has("Run") {
        return Err(lifecycle.fault("must have Startup or Run, not both"));
    }
    Ok(())
}

fn read_artifact<'v>(artifact: &Place<'v>) -> Result<(&'v str, Option<S3Object>), Fault> {
    artifact.known_keys(&["Uri", "Unarchive", "Permission", "Digest", "Algorithm"])?;
    if let Some(unarchive) = artifact.member("Unarchive").present() {
        unarchive.one_of(&["NONE", "ZIP"])?;
    }
    if let Some(permission) = artifact.member("Permission").present() {
        permission.known_keys(&["Read", "Execute"])?;
        for (_, who) in permission.members()? {
            who.one_of(&["NONE", "OWNER", "ALL"])?;
        }
    }
    artifact.member("Digest").optional_text()?;
    artifact.member("Algorithm").optional_text()?;
    let uri = artifact.member("Uri");
    let text = uri.text()?;
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(uri.fault("must be a URI such as s3://bucket/key"));
    };
    let place = match scheme {
        "s3" => rest.strip_prefix("//"),
        "greengrass" => Some(rest.trim_start_matches('/')),
        "docker" if !rest.is_empty() => return Ok((text, None)),
        _ => None,
    };
    match place.and_then(|place| place.split_once('/')) {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok((
            text,
            Some(S3Object {
                bucket: bucket.into(),
                key: key.into(),
                version: None,
            }),
        )),
        _ => Err(uri.fault(
            "must be s3://BUCKET/KEY, greengrass:BUCKET/KEY (a file of this service's artifact store) or docker:IMAGE",
        )),
    }
}

#[cfg(test)]
mod tests;
