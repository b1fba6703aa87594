//! How a deployment changes what a core has: components of its target are replaced, and each is configured anew.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use shipslog_domain::component::configuration::{Known, configure};
use shipslog_domain::job::Target;

use super::{Brought, ComponentConfiguration, EffectiveConfiguration};

/// What a core has by its deployments.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(super) struct Record {
    /// What each target deployed last: components with their versions, in the order of names.
    #[n(0)]
    roots: BTreeMap<Target, Vec<Root>>,
    #[n(1)]
    components: BTreeMap<Box<str>, Configured>,
    /// Whether nobody knows what the last deployment left.
    #[n(2)]
    pub(super) is_uncertain: bool,
}

/// A component with its version.
type Root = (Box<str>, Box<str>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
struct Configured {
    #[n(0)]
    version: Box<str>,
    /// JSON text; `None` if a part of it is kept outside the log.
    #[n(1)]
    configuration: Option<Box<str>>,
}

impl Record {
    /// The targets that deployed something.
    pub(super) fn targets(&self) -> impl Iterator<Item = Target> {
        self.roots.keys().copied()
    }

    /// What a core has after a deployment; `left` are targets that the core is not in any more, `default` is the
    /// `DefaultConfiguration` of a component version.
    pub(super) fn with<'a>(
        mut self,
        brought: &Brought,
        left: &[Target],
        default: impl Fn(&str, &str) -> Option<&'a str>,
    ) -> Self {
        self.is_uncertain = false;
        for target in left {
            self.roots.remove(target);
        }
        let roots = brought.components.iter();
        let roots = roots.map(|one| (one.key.clone(), one.version.clone()));
        self.roots.insert(brought.target, roots.collect());
        let mut wanted: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, version) in self.roots.values().flatten() {
            wanted.insert(name, version);
        }
        // Where targets differ the device refuses, so that there is nothing to choose between.
        let components = wanted.into_iter().map(|(name, version)| {
            let known = self.components.get(name);
            let update = brought.components.iter().find(|one| *one.key == *name);
            let elsewhere = brought.is_elsewhere && update.is_some();
            let configured = configure(
                known.map(|known| Known {
                    version: &known.version,
                    configuration: known.configuration.as_deref(),
                }),
                version,
                update,
                default(name, version),
            );
            let configuration = configured.filter(|_| !elsewhere).map(Into::into);
            let component = Configured {
                version: version.into(),
                configuration,
            };
            (name.into(), component)
        });
        let components: BTreeMap<Box<str>, Configured> = components.collect();
        self.components = components;
        self
    }

    pub(super) fn view(&self) -> EffectiveConfiguration<'_> {
        let components = self.components.iter().map(|(name, one)| {
            let roots = self.roots.iter();
            let theirs = roots.filter(|(_, roots)| roots.iter().any(|(root, _)| root == name));
            ComponentConfiguration {
                name,
                version: &one.version,
                configuration: one.configuration.as_deref(),
                targets: theirs.map(|(target, _)| *target).collect(),
            }
        });
        EffectiveConfiguration {
            components: components.collect(),
            is_certain: !self.is_uncertain,
        }
    }
}
