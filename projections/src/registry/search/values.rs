//! Values of a property of the things that a query selects: what aggregations add up.

use shipslog_domain::ThingId;
use shipslog_domain::query::Query;

use super::LOOKS_COST_MAX;
use crate::pairs;
use crate::registry::Registry;

/// Things that one look gives the values of.
const THINGS_MAX: usize = 16_384;

/// A property of things whose values may be added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    /// `thingName`.
    ThingName,
    /// `registry.thingTypeName`.
    ThingTypeName,
    /// `registry.thingGroupNames`: a value for each group.
    ThingGroupNames,
    /// `registry.version`.
    Version,
    /// `attributes.` and a key.
    Attribute(Box<str>),
    /// `connectivity.connected`: `true` or `false`; nothing for a thing that never connected.
    Connected,
    /// `connectivity.disconnectReason`.
    DisconnectReason,
}

impl Property {
    /// The property with this name at AWS IoT, with or without `registry.` in front; `None` if there is none, or none
    /// that is added up.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(key) = name.strip_prefix("attributes.") {
            return (!key.is_empty()).then(|| Self::Attribute(key.into()));
        }
        Some(match name.strip_prefix("registry.").unwrap_or(name) {
            "thingName" => Self::ThingName,
            "thingTypeName" => Self::ThingTypeName,
            "thingGroupNames" => Self::ThingGroupNames,
            "version" => Self::Version,
            "connectivity.connected" => Self::Connected,
            "connectivity.disconnectReason" => Self::DisconnectReason,
            _ => return None,
        })
    }
}

impl Registry {
    /// Hands the values of a property to `take`, thing by thing in the order of their ids: nothing for a thing without
    /// one. Returns after which thing to go on, for one call never takes long.
    pub(crate) fn values_of(
        &self,
        query: &Query,
        property: &Property,
        after: Option<ThingId>,
        take: &mut dyn FnMut(&[&str]),
    ) -> Option<ThingId> {
        let page = self.search_within(query, after, THINGS_MAX, LOOKS_COST_MAX);
        for id in page.items {
            self.take_values(id, property, take);
        }
        page.next
    }

    fn take_values(&self, id: u32, property: &Property, take: &mut dyn FnMut(&[&str])) {
        let one = |value: Option<&str>, take: &mut dyn FnMut(&[&str])| {
            take(value.as_slice());
        };
        match property {
            Property::ThingName => take(&[self.thing_name(id)]),
            Property::ThingTypeName => {
                let of = self.things.type_of(id);
                one(of.and_then(|of| self.types.names.name(of)), take);
            }
            Property::ThingGroupNames => take(&self.group_names(self.things.groups_of(id))),
            Property::Version => take(&[&self.things.version_of(id).to_string()]),
            Property::Attribute(key) => {
                one(pairs::value(self.things.attributes_of(id), key), take);
            }
            Property::Connected => {
                let state = self.presences.get(ThingId(id));
                let word = |connected| if connected { "true" } else { "false" };
                one(state.map(|state| word(state.is_connected())), take);
            }
            Property::DisconnectReason => {
                let state = self.presences.get(ThingId(id));
                let reason = state.and_then(|state| state.reason());
                one(reason.map(|reason| reason.as_str()), take);
            }
        }
    }
}
