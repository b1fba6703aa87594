//! Targets that CDF's asset library would resolve, answered by our registry.

use roaring::RoaringBitmap;

use super::rules::RESOLVED_PER_EVENT;
use super::{Targets, Task};
use crate::Fleet;
use crate::asset_query::{Asset, Query};
use crate::ids::{GroupId, GroupName, ThingId, ThingTypeName};
use crate::limits;
use crate::rejection::Rejection;
use crate::thing::Thing;

/// Kinds of the library, besides its templates: every thing is a device.
const DEVICE: &str = "device";
/// Things that have a core record.
const CORE: &str = "core";

/// A thing as the library sees it.
struct Candidate<'a> {
    fleet: &'a Fleet,
    name: &'a str,
    thing: &'a Thing,
}

impl Asset for Candidate<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        if matches!(name, "name" | "deviceId" | "thingName") {
            return Some(self.name);
        }
        let mut attributes = self.thing.attributes().iter();
        let found = attributes.find(|(attribute, _)| &**attribute == name);
        found.map(|(_, value)| &**value)
    }

    fn is_of_type(&self, name: &str) -> bool {
        match name {
            DEVICE => true,
            CORE => self.thing.core.is_some(),
            _ => self.fleet.is_thing_type(self.thing, name),
        }
    }
}

impl Fleet {
    fn is_thing_type(&self, thing: &Thing, name: &str) -> bool {
        let name = ThingTypeName::parse(name).ok();
        let wanted = name.and_then(|name| self.find_type(Some(&name)).ok().flatten());
        wanted.is_some() && thing.thing_type == wanted
    }

    /// Refuses targets that name nothing or too much, groups and paths that do not exist, and what is no query.
    pub(super) fn check_targets(&self, targets: &Targets) -> Result<(), Rejection> {
        match targets.count() {
            0 => {
                return Err(Rejection::malformed(
                    "targets",
                    "must name at least one target, in thingNames, thingGroupNames, assetLibraryDeviceIds, assetLibraryGroupPaths or assetLibraryQuery",
                ));
            }
            1..=limits::DEPLOYMENT_TARGET_NAMES_MAX => {}
            _ => {
                return Err(Rejection::too_many(
                    "targets",
                    format!(
                        "must hold at most {} names; use a thing group",
                        limits::DEPLOYMENT_TARGET_NAMES_MAX
                    ),
                ));
            }
        }
        for (field, names) in [
            ("targets.thingNames", &targets.thing_names),
            ("targets.assetLibraryDeviceIds", &targets.device_ids),
        ] {
            let mut names = names.iter().flatten();
            if names.any(|name| name.is_empty() || name.len() > 128) {
                let rule = "a name must have 1 to 128 characters";
                return Err(Rejection::malformed(field, rule));
            }
        }
        for group in targets.thing_group_names.iter().flatten() {
            self.find_group(group)?;
        }
        let field = "targets.assetLibraryGroupPaths";
        for path in targets.group_paths.iter().flatten() {
            self.check_path(field, path)?;
        }
        if let Some(query) = &targets.query {
            let query = Query::parse(query)?;
            if let Some(path) = query.ancestor() {
                self.check_path("targets.assetLibraryQuery.ancestorPath", path)?;
            }
        }
        Ok(())
    }

    fn check_path(&self, field: &'static str, path: &str) -> Result<(), Rejection> {
        match self.group_at(path) {
            Some(_) => Ok(()),
            None => Err(Rejection::not_found(field, format!("group path {path}"))),
        }
    }

    /// The group at the end of a path from the top, such as `/factory/line4`.
    pub(super) fn group_at(&self, path: &str) -> Option<GroupId> {
        let names = path.strip_prefix('/')?;
        let mut names = names.rsplit('/');
        let name = GroupName::parse(names.clone().next()?).ok()?;
        let group = self.groups.find(&name)?;
        let mut chain = self.groups.with_ancestors(group);
        let is_chain = chain.all(|(_, group)| names.next() == Some(group.name.as_str()));
        (is_chain && names.next().is_none()).then_some(group)
    }

    /// Adds cores that the query of a task lets through, after those that are known, and no more than one step can
    /// take. Returns how many names it did not look at.
    pub(super) fn add_queried(&self, task: &Task, members: &mut RoaringBitmap) -> u32 {
        let query = task.targets.query.as_deref();
        // What was stored was accepted.
        let Some(query) = query.and_then(|text| Query::parse(text).ok()) else {
            return 0;
        };
        let below = query.ancestor().map(|path| {
            let group = self.group_at(path);
            group.map_or_else(RoaringBitmap::new, |group| self.groups.members_below(group))
        });
        let first = task.cores.last().map_or(0, |last| last.0 + 1);
        let end = self.things.names.len();
        let mut found = 0;
        for number in first..end {
            if below.as_ref().is_some_and(|below| !below.contains(number)) {
                continue;
            }
            let thing = self.things.get(ThingId(number));
            let candidate = Candidate {
                fleet: self,
                name: self.things.names.get(number),
                thing,
            };
            if thing.core.is_none() || !thing.registered || !query.matches(&candidate) {
                continue;
            }
            members.insert(number);
            found += 1;
            if found == RESOLVED_PER_EVENT {
                return end - number - 1;
            }
        }
        0
    }
}
