//! Cores: what each should run, what it reports, and how its last deployment stands.

mod device;
mod query;

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use shipslog_domain::core::{
    Event as CoreEvent, Health, InstalledComponent, Outcome, TemplateVersion,
};
use shipslog_domain::{
    Event, JobId, Recorded, TemplateId, ThingId, Timestamp, execution::Status as ExecutionStatus,
};

use crate::column::{Cell, Column, IdSet, Moment, record};
use crate::fleet_summary::{CoreState, Counters, NONE, Standing, Transition};
use crate::interner::Interner;
use crate::projection::{Projection, decode, encode};
use crate::registry::Registry;
use crate::templates::Templates;
use device::Devices;

/// Which cores a list shows; every given condition must hold. Conditions look at the desired template.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoreFilter<'a> {
    /// Should run a version of this template.
    pub template_name: Option<&'a str>,
    /// Should run this version; without `template_name` no core is let through (CDF).
    pub template_version: Option<u32>,
    /// The last deployment failed.
    pub failed_only: bool,
    /// Reports something else than it should run.
    pub drift_only: bool,
}

/// A template version with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionName<'a> {
    /// The template; absent where there is none.
    pub template: Option<TemplateId>,
    /// Its name, `None` where there is none.
    pub name: &'a str,
    /// The version, 0 where there is none.
    pub version: u32,
}

impl<'a> VersionName<'a> {
    pub(crate) fn new(version: Option<TemplateVersion>, templates: &'a Templates) -> Self {
        Self {
            template: version.map(|version| version.template),
            name: version.map_or(NONE, |version| {
                templates.name(version.template).unwrap_or_default()
            }),
            version: version.map_or(0, |version| version.version),
        }
    }
}

/// A core record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core<'a> {
    /// The dense id of its thing.
    pub id: ThingId,
    /// Its name.
    pub name: &'a str,
    /// Its `certs.zip`.
    pub certs: Option<Artifact>,
    /// Its `installerConfig.yml`.
    pub config: Option<Artifact>,
    /// The template version that it should run.
    pub desired: VersionName<'a>,
    /// The template version that it reported last.
    pub reported: VersionName<'a>,
    /// How the deployment of the desired version stands.
    pub deployment_status: DeploymentStatus,
    /// Why it stands so, where there is something to say.
    pub deployment_message: Option<&'a str>,
    /// Whether the deployment of the desired version failed or could not be started.
    pub failed: bool,
    /// Whether it reports something else than it should run.
    pub drift: bool,
    /// When the record was created.
    pub created_at: Timestamp,
    /// When it last changed; what the device says of its health does not count.
    pub updated_at: Option<Timestamp>,
}

/// A file that the installation of a core needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Artifact key.
    pub key: String,
    /// When it was stored.
    pub stored_at: Timestamp,
}

/// How the deployment of the desired template version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentStatus {
    /// None was requested.
    None,
    /// Requested and under way.
    InProgress,
    /// Could not be started.
    Failure,
    /// Ended on the device.
    Ended(Outcome),
}

impl DeploymentStatus {
    /// CDF's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::InProgress => "IN_PROGRESS",
            Self::Failure => "Failure",
            Self::Ended(outcome) => outcome.as_str(),
        }
    }

    const fn standing(self) -> Standing {
        match self {
            Self::None | Self::Ended(Outcome::Successful) => Standing::Success,
            Self::InProgress => Standing::InProgress,
            Self::Failure | Self::Ended(_) => Standing::Failed,
        }
    }

    const ALL: [Self; 13] = [
        Self::None,
        Self::InProgress,
        Self::Failure,
        Self::Ended(Outcome::Successful),
        Self::Ended(Outcome::FailedNoStateChange),
        Self::Ended(Outcome::FailedRollbackNotRequested),
        Self::Ended(Outcome::FailedRollbackComplete),
        Self::Ended(Outcome::FailedUnableToRollback),
        Self::Ended(Outcome::Rejected),
        Self::Ended(Outcome::TimedOut),
        Self::Ended(Outcome::Canceled),
        Self::Ended(Outcome::Removed),
        Self::Ended(Outcome::Failed),
    ];

    fn number(self) -> u8 {
        let place = Self::ALL.iter().position(|status| *status == self);
        place
            .and_then(|place| u8::try_from(place).ok())
            .unwrap_or_default()
    }

    fn from_number(number: u8) -> Self {
        let status = Self::ALL.get(usize::from(number)).copied();
        status.unwrap_or(Self::None)
    }
}

/// What a core device says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device<'a> {
    /// Its health; absent before the first report.
    pub health: Option<Health>,
    /// Nucleus version.
    pub nucleus_version: Option<&'a str>,
    /// Operating system.
    pub platform: Option<&'a str>,
    /// Processor architecture.
    pub architecture: Option<&'a str>,
    /// When it last reported.
    pub last_status_at: Option<Timestamp>,
    /// Number of its last report.
    pub sequence_number: u64,
    /// What is installed, by name.
    pub installed_components: Vec<InstalledComponent>,
}

impl Device<'_> {
    /// Greengrass' word for its health, or CDF's `UNKNOWN` before the first report.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self.health {
            None => "UNKNOWN",
            Some(Health::Healthy) => "HEALTHY",
            Some(Health::Unhealthy) => "UNHEALTHY",
        }
    }
}

/// A deployment as seen by one core device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveDeployment<'a> {
    /// Greengrass deployment id.
    pub deployment_id: &'a str,
    /// The job that carries it.
    pub job: JobId,
    /// Name of that job.
    pub job_name: &'a str,
    /// What it brings.
    pub template: VersionName<'a>,
    /// Names of the groups that it is for.
    pub target_groups: Vec<&'a str>,
    /// What the job says that it is for.
    pub description: Option<&'a str>,
    /// How it stands on this core.
    pub status: ExecutionStatus,
    /// Why it failed, where the device said so.
    pub reason: Option<String>,
    /// When the device was told.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

record! {
    /// A template version; the template's id plus one, so that zero is free for "none".
    VersionCell {
        template: u32,
        version: u32,
    }
}

impl From<TemplateVersion> for VersionCell {
    fn from(version: TemplateVersion) -> Self {
        Self {
            template: version.template.0 + 1,
            version: version.version,
        }
    }
}

impl VersionCell {
    fn get(self) -> Option<TemplateVersion> {
        Some(TemplateVersion {
            template: TemplateId(self.template.checked_sub(1)?),
            version: self.version,
        })
    }
}

record! {
    /// One core.
    Entry {
        desired: VersionCell,
        reported: VersionCell,
        message: u32,
        certs: u32,
        config: u32,
        certs_at: Moment,
        config_at: Moment,
        created_at: Moment,
        updated_at: Moment,
        status: u8,
    }
}

impl Entry {
    fn state(&self) -> CoreState {
        CoreState {
            desired: self.desired.get(),
            reported: self.reported.get(),
            standing: DeploymentStatus::from_number(self.status).standing(),
        }
    }
}

/// Fold of all cores, with the counters of the fleet summary.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Cores {
    /// Place of a thing's core record plus one.
    #[n(0)]
    places: Column<u32>,
    #[n(1)]
    entries: Column<Entry>,
    #[n(2)]
    free: Vec<u32>,
    #[n(3)]
    all: IdSet,
    #[n(4)]
    failed: IdSet,
    #[n(5)]
    drift: IdSet,
    /// Cores by desired template and version.
    #[n(6)]
    desired: BTreeMap<(u32, u32), IdSet>,
    #[n(7)]
    messages: Interner,
    /// Artifact keys, with the core's name left out.
    #[n(8)]
    keys: Interner,
    #[n(9)]
    devices: Devices,
    #[n(10)]
    pub(crate) summary: Counters,
}

impl Projection for Cores {
    type Beside = Registry;

    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded, registry: &Registry) {
        let Event::Core(event) = &recorded.event else {
            return;
        };
        let thing = recorded.stream.number;
        match event {
            CoreEvent::Created { name: _ } => {
                if !self.all.0.contains(thing) {
                    let mut entry = Entry::ZERO;
                    entry.created_at = recorded.at.into();
                    self.put(thing, Some(entry));
                }
            }
            CoreEvent::HealthReported { report } => {
                self.devices.report(thing, report, recorded.at);
            }
            CoreEvent::Removed => {
                self.devices.remove(thing);
                if let Some(entry) = self.get(thing) {
                    self.messages.release(entry.message);
                    self.keys.release(entry.certs);
                    self.keys.release(entry.config);
                    self.put(thing, None);
                }
            }
            CoreEvent::ArtifactsStored { certs, config } => {
                let name = registry.thing_name(thing);
                self.change(thing, recorded.at, |cores, entry| {
                    for (key, place, at) in [
                        (certs, &mut entry.certs, &mut entry.certs_at),
                        (config, &mut entry.config, &mut entry.config_at),
                    ] {
                        if let Some(key) = key {
                            let number = cores.keys.acquire(&leave_out(key, name));
                            cores.keys.release(std::mem::replace(place, number));
                            *at = recorded.at.into();
                        }
                    }
                });
            }
            CoreEvent::DeploymentRequested {
                task: _,
                desired,
                failure,
            } => self.change(thing, recorded.at, |cores, entry| {
                entry.desired = (*desired).into();
                let status = match failure {
                    None => DeploymentStatus::InProgress,
                    Some(_) => DeploymentStatus::Failure,
                };
                cores.set_status(entry, status, failure.as_deref());
            }),
            CoreEvent::DeploymentFinished {
                job: _,
                applied,
                outcome,
                message,
            } => self.change(thing, recorded.at, |cores, entry| {
                if *outcome == Outcome::Successful {
                    entry.reported = (*applied).into();
                }
                // A late result of another version says nothing about the current attempt.
                if entry.desired == (*applied).into() {
                    let status = DeploymentStatus::Ended(*outcome);
                    cores.set_status(entry, status, message.as_deref());
                }
            }),
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        encode(self, out);
    }

    fn load(version: u32, bytes: &[u8]) -> Option<Self> {
        decode(Self::VERSION, version, bytes)
    }
}

impl Cores {
    /// How many cores should run another template version than they report.
    pub(crate) fn drifted_count(&self) -> u64 {
        self.drift.0.len()
    }

    fn get(&self, thing: u32) -> Option<Entry> {
        let place = self.places.get(thing).checked_sub(1)?;
        Some(self.entries.get(place))
    }

    /// Changes the record of a core, if there is one.
    fn change(&mut self, thing: u32, at: Timestamp, change: impl FnOnce(&mut Self, &mut Entry)) {
        let Some(mut entry) = self.get(thing) else {
            return;
        };
        change(self, &mut entry);
        entry.updated_at = at.into();
        self.put(thing, Some(entry));
    }

    fn set_status(&mut self, entry: &mut Entry, status: DeploymentStatus, message: Option<&str>) {
        entry.status = status.number();
        let message = self
            .messages
            .acquire(message.unwrap_or_default().as_bytes());
        self.messages
            .release(std::mem::replace(&mut entry.message, message));
    }

    /// Puts the record of a core and everything that is counted or listed by it.
    fn put(&mut self, thing: u32, entry: Option<Entry>) {
        let before = self.get(thing).map(|entry| entry.state());
        let after = entry.map(|entry| entry.state());
        self.place(thing, entry);
        if before == after {
            return;
        }
        self.summary.count(&Transition { before, after });
        let listed = |state: &CoreState| {
            state
                .desired
                .map(|version| (version.template.0, version.version))
        };
        let (from, to) = (
            before.as_ref().and_then(listed),
            after.as_ref().and_then(listed),
        );
        if from != to {
            if let Some(from) = from
                && let Some(cores) = self.desired.get_mut(&from)
            {
                cores.0.remove(thing);
                if cores.0.is_empty() {
                    self.desired.remove(&from);
                }
            }
            if let Some(to) = to {
                self.desired.entry(to).or_default().0.insert(thing);
            }
        }
        let failed = after.is_some_and(|state| state.standing == Standing::Failed);
        let drift = after.is_some_and(|state| state.desired != state.reported);
        for (set, member) in [
            (&mut self.all, after.is_some()),
            (&mut self.failed, failed),
            (&mut self.drift, drift),
        ] {
            if member {
                set.0.insert(thing);
            } else {
                set.0.remove(thing);
            }
        }
    }

    fn place(&mut self, thing: u32, entry: Option<Entry>) {
        let place = self.places.get(thing).checked_sub(1);
        match (place, entry) {
            (Some(place), Some(entry)) => self.entries.set(place, entry),
            (Some(place), None) => {
                self.entries.set(place, Entry::ZERO);
                self.places.set(thing, 0);
                self.free.push(place);
            }
            (None, Some(entry)) => {
                let place = self.free.pop().unwrap_or_else(|| self.entries.len());
                self.entries.set(place, entry);
                self.places.set(thing, place + 1);
            }
            (None, None) => {}
        }
    }
}

/// What stands for the core's name in a stored artifact key. No name and no key holds it.
const NAME: char = '\0';

/// An artifact key without the core's name, which is the same for all cores of a fleet.
pub(crate) fn leave_out(key: &str, name: &str) -> Vec<u8> {
    if name.is_empty() {
        return key.as_bytes().to_vec();
    }
    key.replace(name, "\0").into_bytes()
}

pub(crate) fn put_back(key: &[u8], name: &str) -> Option<String> {
    let key = std::str::from_utf8(key).ok()?;
    (!key.is_empty()).then(|| key.replace(NAME, name))
}

#[cfg(test)]
mod tests;
