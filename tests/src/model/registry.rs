//! Things, groups, memberships.

use std::collections::BTreeSet;

use shipslog_domain::core::Outcome;
use shipslog_domain::execution::Status;
use shipslog_domain::job::TargetSelection;
use shipslog_domain::{Command, GroupName, Timestamp, job};

use super::{Execution, Group, Job, Model, Target};

impl Model {
    pub(super) fn accept_registry(&mut self, command: &Command, now: Timestamp) {
        match command {
            Command::CreateThing {
                name, attributes, ..
            } => {
                if !self.is_registered(name.as_str()) {
                    self.register(name.as_str());
                    self.set_attributes(name.as_str(), attributes, false);
                }
            }
            Command::UpdateThing { update } => {
                if let Some(change) = &update.attributes {
                    let name = update.name.as_str();
                    self.set_attributes(name, &change.attributes, change.merge);
                }
            }
            Command::DeleteThing { name, .. } => self.delete_thing(name.as_str(), now),
            Command::CreateGroup { name, parent, .. } => {
                let parent = parent.as_ref().map(|parent| parent.as_str());
                if !self.groups.contains_key(name.as_str()) {
                    self.create_group(name.as_str(), parent);
                }
            }
            Command::CreateDynamicGroup { name, query, .. } => {
                self.create_dynamic_group(name.as_str(), query.as_str());
            }
            Command::UpdateGroup { update } => {
                if let Some(query) = &update.query {
                    self.change_query(update.name.as_str(), query.as_str());
                }
            }
            Command::DeleteGroup { name, .. } => self.delete_group(name.as_str(), now),
            Command::AddThingToGroup { group, thing } => {
                self.join(thing.as_str(), group.as_str(), now);
            }
            Command::RemoveThingFromGroup { group, thing } => {
                if self.thing(thing.as_str()).groups.contains(group.as_str()) {
                    self.leave(thing.as_str(), group.as_str(), None, now);
                }
            }
            Command::UpdateThingGroups { update } => {
                let names = |names: &[GroupName]| -> BTreeSet<String> {
                    names.iter().map(GroupName::to_string).collect()
                };
                let thing = update.thing.as_str();
                self.change_groups(thing, &names(&update.remove), &names(&update.add), now);
            }
            _ => unreachable!("not a command of the registry"),
        }
    }

    pub(super) fn thing(&self, name: &str) -> &super::Thing {
        self.things.get(name).expect("a known name")
    }

    pub(super) fn thing_mut(&mut self, name: &str) -> &mut super::Thing {
        self.things.get_mut(name).expect("a known name")
    }

    /// Whether a thing is in the registry.
    #[must_use]
    pub fn is_registered(&self, name: &str) -> bool {
        self.things.get(name).is_some_and(|thing| thing.registered)
    }

    /// Makes a name known; it stays known for ever.
    pub(super) fn know(&mut self, name: &str) {
        let ordinal = u32::try_from(self.things.len()).expect("few things");
        let thing = self.things.entry(name.to_owned());
        thing.or_insert_with(|| super::Thing {
            ordinal,
            ..super::Thing::default()
        });
    }

    pub(super) fn register(&mut self, name: &str) {
        self.know(name);
        self.thing_mut(name).registered = true;
        self.changed.insert(name.to_owned());
    }

    pub(super) fn set_attributes(
        &mut self,
        name: &str,
        change: &[(Box<str>, Box<str>)],
        merge: bool,
    ) {
        let before = self.thing(name).attributes.clone();
        let attributes = &mut self.thing_mut(name).attributes;
        if !merge {
            attributes.clear();
        }
        for (key, value) in change {
            if value.is_empty() {
                attributes.remove(&**key);
            } else {
                attributes.insert(key.to_string(), value.to_string());
            }
        }
        if self.thing(name).attributes != before {
            self.changed.insert(name.to_owned());
        }
    }

    pub(super) fn create_group(&mut self, name: &str, parent: Option<&str>) {
        let group = Group {
            serial: self.groups_ever,
            parent: parent.map(str::to_owned),
            selects: None,
            asks: false,
        };
        self.groups_ever += 1;
        self.groups.insert(name.to_owned(), group);
    }

    fn delete_group(&mut self, name: &str, now: Timestamp) {
        for thing in self.members(name) {
            self.leave(&thing, name, None, now);
        }
        let group = self.groups.remove(name).expect("a known group");
        self.template_groups.remove(&group.serial);
    }

    /// Direct members, those that were known first first.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<String> {
        self.in_order(|thing| thing.groups.contains(group))
    }

    /// Names of things, those that were known first first.
    pub(super) fn in_order(&self, chosen: impl Fn(&super::Thing) -> bool) -> Vec<String> {
        let mut names: Vec<(u32, &String)> = self
            .things
            .iter()
            .filter(|(_, thing)| chosen(thing))
            .map(|(name, thing)| (thing.ordinal, name))
            .collect();
        names.sort();
        names.into_iter().map(|(_, name)| name.clone()).collect()
    }

    /// Members of a group and of everything below it.
    #[must_use]
    pub fn members_below(&self, group: &str) -> Vec<String> {
        let serial = self.groups.get(group).expect("a known group").serial;
        self.in_order(|thing| {
            let mut groups = thing.groups.iter();
            groups.any(|one| self.chain(one).contains(&serial))
        })
    }

    /// Serial numbers of a group and of every group above it.
    pub(super) fn chain(&self, group: &str) -> Vec<u32> {
        let mut serials = Vec::new();
        let mut next = Some(group.to_owned());
        while let Some(group) = next.and_then(|name| self.groups.get(&name)) {
            serials.push(group.serial);
            next = group.parent.clone();
        }
        serials
    }

    /// Whether a continuous job reaches members of a group.
    fn follows(&self, job: &Job, group: &str) -> bool {
        let mut chain = self.chain(group).into_iter();
        job.selection == TargetSelection::Continuous
            && chain.any(|serial| job.targets.contains(&Target::Group(serial)))
    }

    /// A membership begins, and with it the executions of the continuous jobs that follow the group: at once, outside
    /// the rollout's pace. Who belonged to such a job before goes on waiting or working for it.
    pub(super) fn join(&mut self, thing: &str, group: &str, now: Timestamp) {
        self.change_groups(
            thing,
            &BTreeSet::new(),
            &BTreeSet::from([group.to_owned()]),
            now,
        );
    }

    /// Memberships end and begin together.
    pub(super) fn change_groups(
        &mut self,
        thing: &str,
        left: &BTreeSet<String>,
        joined: &BTreeSet<String>,
        now: Timestamp,
    ) {
        let before = self.thing(thing).groups.clone();
        let joined = joined - &before;
        let left = left & &before;
        if left.is_empty() && joined.is_empty() {
            return;
        }
        let after = &(&before - &left) | &joined;
        for name in self.jobs_in_order() {
            let mut groups = left.iter();
            if groups.any(|group| self.leaves_job(&name, thing, group, &after)) {
                self.drop_from_job(&name, thing, now);
            }
        }
        self.thing_mut(thing).groups = after;
        self.changed.insert(thing.to_owned());
        for name in self.jobs_in_order() {
            let job = self.jobs.get(&name).expect("a listed job");
            let returned = job
                .executions
                .get(thing)
                .is_none_or(|before| before.status == Status::Removed);
            if job.takes_joiners()
                && joined.iter().any(|group| self.follows(job, group))
                && returned
                && !job.waiting.contains(thing)
            {
                // Between its windows a job tells nobody: who joins waits for the next.
                if job.status == job::Status::InProgress {
                    self.queue(&name, thing, 0, now);
                } else {
                    let job = self.jobs.get_mut(&name).expect("a listed job");
                    job.waiting.insert(thing.to_owned());
                }
            }
        }
    }

    /// A membership begins, or begins again, that waits for the rollout of the jobs that follow the group. Deployments
    /// are told again; other jobs only to who is new to them, or had left.
    pub(super) fn join_paced(&mut self, thing: &str, group: &str) {
        let is_new = self.thing_mut(thing).groups.insert(group.to_owned());
        self.changed.insert(thing.to_owned());
        for name in self.jobs_in_order() {
            let job = self.jobs.get(&name).expect("a listed job");
            let run = job.executions.get(thing);
            let waits = if job.brings.is_some() {
                run.is_none_or(|run| !run.is_live())
            } else {
                is_new && run.is_none_or(|run| run.status == Status::Removed)
            };
            if job.takes_joiners() && self.follows(job, group) && waits {
                let job = self.jobs.get_mut(&name).expect("a listed job");
                job.waiting.insert(thing.to_owned());
            }
        }
    }

    /// A membership ends, and with it what continuous jobs want of the thing that reach it through no other target.
    /// `joining` is a group that it joins in the same breath.
    pub(super) fn leave(
        &mut self,
        thing: &str,
        group: &str,
        joining: Option<&str>,
        now: Timestamp,
    ) {
        let mut remaining = self.thing(thing).groups.clone();
        remaining.remove(group);
        remaining.extend(joining.map(str::to_owned));
        for name in self.jobs_in_order() {
            if self.leaves_job(&name, thing, group, &remaining) {
                self.drop_from_job(&name, thing, now);
            }
        }
        self.thing_mut(thing).groups.remove(group);
        self.changed.insert(thing.to_owned());
    }

    /// Whether a continuous job reaches a thing through a group, and through nothing that remains.
    fn leaves_job(
        &self,
        name: &str,
        thing: &str,
        group: &str,
        remaining: &BTreeSet<String>,
    ) -> bool {
        let job = self.jobs.get(name).expect("a listed job");
        self.follows(job, group)
            && !job.targets.contains(&Target::Thing(thing.to_owned()))
            && !remaining.iter().any(|other| self.follows(job, other))
    }

    /// A thing that a job wanted something of is out of its reach.
    fn drop_from_job(&mut self, name: &str, thing: &str, now: Timestamp) {
        let job = self.jobs.get(name).expect("a listed job");
        if job.executions.get(thing).is_some_and(Execution::is_live) {
            self.end(name, thing, Status::Removed, None, now);
        } else if job.is_going() && job.waiting.contains(thing) {
            if self.awaits(name, thing) {
                self.conclude(name, thing, Outcome::Removed);
            }
            let job = self.jobs.get_mut(name).expect("a listed job");
            job.waiting.remove(thing);
        }
    }

    /// The thing leaves the registry, and no run of it goes on. Its shadows are deleted. It is no member of continuous jobs any more; a job
    /// that counts on it for another reason removes it when its turn comes. Its name and core record stay.
    pub(super) fn delete_thing(&mut self, name: &str, now: Timestamp) {
        let groups = std::mem::take(&mut self.thing_mut(name).groups);
        for job in self.jobs_in_order() {
            let known = self.jobs.get(&job).expect("a listed job");
            let live = known.executions.get(name).is_some_and(Execution::is_live);
            let none = BTreeSet::new();
            let mut left = groups.iter();
            if live || left.any(|group| self.leaves_job(&job, name, group, &none)) {
                self.drop_from_job(&job, name, now);
            }
        }
        self.delete_shadows(name);
        let thing = self.thing_mut(name);
        thing.registered = false;
        thing.attributes.clear();
    }

    pub(super) fn jobs_in_order(&self) -> Vec<String> {
        let mut names: Vec<(u32, &String)> = self
            .jobs
            .iter()
            .map(|(name, job)| (job.serial, name))
            .collect();
        names.sort();
        names.into_iter().map(|(_, name)| name.clone()).collect()
    }
}
