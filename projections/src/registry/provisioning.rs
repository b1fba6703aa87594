//! Provisioning templates: few, with their text.

use minicbor::{Decode, Encode};
use shipslog_domain::provisioning::{Kind, Settings};
use shipslog_domain::{Timestamp, limits, provisioning};

use super::{ProvisioningTemplate, ProvisioningVersion};
use crate::names::NameTable;
use crate::order::Range;
use crate::page::Page;

/// One provisioning template that exists.
#[derive(Clone, Debug, Default, Encode, Decode)]
struct Entry {
    #[n(0)]
    versions: Vec<Version>,
    #[n(1)]
    created_at: Timestamp,
    #[n(2)]
    updated_at: Option<Timestamp>,
    #[n(3)]
    settings: Settings,
    #[n(4)]
    kind: Kind,
    #[n(5)]
    default_version: u32,
    #[n(6)]
    latest_version: u32,
}

#[derive(Clone, Debug, Encode, Decode)]
struct Version {
    #[n(0)]
    number: u32,
    #[n(1)]
    body: Box<str>,
    #[n(2)]
    created_at: Timestamp,
}

impl Entry {
    /// A template with version 1.
    fn new(kind: Kind, settings: Settings, body: &str, at: Timestamp) -> Self {
        let mut entry = Self {
            created_at: at,
            settings,
            kind,
            ..Self::default()
        };
        entry.push(1, body, true, at);
        entry
    }

    fn push(&mut self, number: u32, body: &str, is_default: bool, at: Timestamp) {
        self.versions.push(Version {
            number,
            body: body.into(),
            created_at: at,
        });
        self.latest_version = number;
        if is_default {
            self.default_version = number;
        }
    }

    /// Follows an event of a template that exists.
    fn apply(&mut self, event: &provisioning::Event, at: Timestamp) {
        match event {
            provisioning::Event::Stored { name: _, body } => {
                self.push(self.latest_version + 1, body, true, at);
                if self.versions.len() > limits::PROVISIONING_TEMPLATE_VERSIONS_MAX {
                    self.versions.remove(0);
                }
            }
            provisioning::Event::SettingsChanged { settings } => {
                self.settings.clone_from(settings);
            }
            provisioning::Event::VersionAdded {
                version,
                body,
                is_default,
            } => self.push(*version, body, *is_default, at),
            provisioning::Event::DefaultVersionChanged { version } => {
                self.default_version = *version;
            }
            provisioning::Event::VersionRemoved { version } => {
                self.versions.retain(|one| one.number != *version);
            }
            provisioning::Event::Created { .. } | provisioning::Event::Removed => {}
        }
        self.updated_at = Some(at);
    }
}

/// All provisioning templates by dense id.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Provisioning {
    #[n(0)]
    pub(crate) names: NameTable,
    #[n(1)]
    entries: Vec<Option<Entry>>,
}

impl Provisioning {
    pub(super) fn apply(&mut self, id: u32, event: &provisioning::Event, at: Timestamp) {
        let index = id as usize;
        if index >= self.entries.len() {
            self.entries.resize(index + 1, None);
        }
        let place = self.entries.get_mut(index).expect("the list was grown");
        if let provisioning::Event::Stored {
            name: Some(name), ..
        }
        | provisioning::Event::Created {
            name: Some(name), ..
        } = event
        {
            self.names.set(id, name.as_str());
        }
        match (event, place.as_mut()) {
            (provisioning::Event::Stored { name: _, body }, None) => {
                let settings = Settings {
                    enabled: true,
                    ..Settings::default()
                };
                *place = Some(Entry::new(Kind::default(), settings, body, at));
            }
            (
                provisioning::Event::Created {
                    name: _,
                    kind,
                    settings,
                    body,
                },
                _,
            ) => *place = Some(Entry::new(*kind, settings.clone(), body, at)),
            (provisioning::Event::Removed, _) => *place = None,
            (event, Some(entry)) => entry.apply(event, at),
            (_, None) => {}
        }
    }

    /// A template that exists.
    pub(crate) fn get(&self, id: u32) -> Option<ProvisioningTemplate<'_>> {
        let entry = self.entries.get(id as usize)?.as_ref()?;
        let versions = entry.versions.iter();
        let versions: Vec<ProvisioningVersion<'_>> = versions
            .map(|version| ProvisioningVersion {
                number: version.number,
                body: &version.body,
                is_default: version.number == entry.default_version,
                created_at: version.created_at,
            })
            .collect();
        let governs = versions.iter().find(|version| version.is_default);
        Some(ProvisioningTemplate {
            name: self.names.name(id)?,
            body: governs.map_or("", |version| version.body),
            created_at: entry.created_at,
            updated_at: entry.updated_at,
            settings: &entry.settings,
            kind: entry.kind,
            default_version: entry.default_version,
            versions,
        })
    }

    /// Templates by name.
    pub(crate) fn list(&self, after: Option<&str>, limit: usize) -> Page<ProvisioningTemplate<'_>> {
        let prefix = "";
        let walk = self.names.walk(Range { after, prefix });
        Page::of(walk.filter_map(|(_, id)| self.get(id)), limit)
    }
}
