//! Who should run and who reports which template version, counted as cores change.
//!
//! The counters are kept by [`crate::cores`], which tells each change of a core as a `Transition`; so they can never
//! disagree with the core records, and reading them costs the number of versions in use.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use shipslog_domain::core::TemplateVersion;
use shipslog_domain::{Position, TemplateId};

use crate::templates::Templates;

/// Figures of one template version, or of "no template".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Counts {
    /// Cores that should run it.
    #[n(0)]
    pub desired_in_use: u32,
    /// Cores that report it.
    #[n(1)]
    pub reported_in_use: u32,
    /// Cores that should run it and whose last deployment succeeded; without a template: all that should run none.
    #[n(2)]
    pub success: u32,
    /// Cores that should run it and whose last deployment failed or could not be started.
    #[n(3)]
    pub failed: u32,
    /// Cores that should run it and whose last deployment is under way.
    #[n(4)]
    pub in_progress: u32,
}

/// How the last deployment of a core stands, as the summary counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Success,
    Failed,
    InProgress,
}

/// What the summary counts of one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CoreState {
    pub(crate) desired: Option<TemplateVersion>,
    pub(crate) reported: Option<TemplateVersion>,
    pub(crate) standing: Standing,
}

/// Change of one core; `None` where the core does not exist.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transition {
    pub(crate) before: Option<CoreState>,
    pub(crate) after: Option<CoreState>,
}

/// Counters of every template version in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Counters {
    #[n(0)]
    none: Counts,
    #[n(1)]
    versions: BTreeMap<(u32, u32), Counts>,
    /// Differs whenever a counter differs.
    #[n(2)]
    pub(crate) changes: u64,
}

impl Counters {
    /// Counts the change of one core.
    pub(crate) fn count(&mut self, transition: &Transition) {
        if transition.before == transition.after {
            return;
        }
        self.changes += 1;
        if let Some(before) = &transition.before {
            self.add(before, |count| {
                *count = count
                    .checked_sub(1)
                    .expect("a counted core was counted once");
            });
        }
        if let Some(after) = &transition.after {
            self.add(after, |count| *count += 1);
        }
    }

    fn add(&mut self, core: &CoreState, change: impl Fn(&mut u32)) {
        self.change(core.reported, |counts| change(&mut counts.reported_in_use));
        self.change(core.desired, |counts| {
            change(&mut counts.desired_in_use);
            change(match core.standing {
                Standing::Success => &mut counts.success,
                Standing::Failed => &mut counts.failed,
                Standing::InProgress => &mut counts.in_progress,
            });
        });
    }

    fn change(&mut self, version: Option<TemplateVersion>, change: impl FnOnce(&mut Counts)) {
        let Some(version) = version else {
            change(&mut self.none);
            return;
        };
        let key = (version.template.0, version.version);
        let counts = self.versions.entry(key).or_default();
        change(counts);
        if *counts == Counts::default() {
            self.versions.remove(&key);
        }
    }
}

/// The fleet summary: "None" first, then templates by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSummary<'a> {
    /// Up to where in the log it counts.
    pub position: Position,
    /// Every template that exists or is in use.
    pub templates: Vec<SummaryTemplate<'a>>,
}

/// One template in the summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryTemplate<'a> {
    /// Its name; `None` for cores without a template.
    pub name: &'a str,
    /// Its newest version; 0 for a removed template and for `None`.
    pub latest_version: u32,
    /// Every version that exists or is in use, ascending.
    pub versions: Vec<SummaryVersion>,
}

/// One version in the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummaryVersion {
    /// Its number; 0 for `None`.
    pub version: u32,
    /// Its figures.
    pub counts: Counts,
}

impl<'a> FleetSummary<'a> {
    pub(crate) fn new(position: Position, counters: &Counters, templates: &'a Templates) -> Self {
        let mut rows: BTreeMap<&str, (u32, BTreeMap<u32, Counts>)> = BTreeMap::new();
        for id in templates.by_name(None) {
            let latest = templates.latest_version(id);
            let name = templates.name(id).unwrap_or_default();
            let versions = (1..=latest).map(|version| (version, Counts::default()));
            rows.insert(name, (latest, versions.collect()));
        }
        for ((template, version), counts) in &counters.versions {
            // A removed template whose name was given to a new one shares the row of its name.
            let name = templates.name(TemplateId(*template)).unwrap_or_default();
            let row = rows.entry(name).or_default();
            row.1.entry(*version).or_default().add(counts);
        }
        let none = SummaryTemplate {
            name: NONE,
            latest_version: 0,
            versions: vec![SummaryVersion {
                version: 0,
                counts: counters.none,
            }],
        };
        let rows = rows.into_iter().map(|(name, (latest_version, versions))| {
            let versions = versions.into_iter();
            SummaryTemplate {
                name,
                latest_version,
                versions: versions
                    .map(|(version, counts)| SummaryVersion { version, counts })
                    .collect(),
            }
        });
        Self {
            position,
            templates: [none].into_iter().chain(rows).collect(),
        }
    }

    /// What is wrong with the figures of a fleet of so many cores; `None` when the invariants hold: per version
    /// desired = success + failed + in progress, and the sums of desired and of reported are the number of cores.
    #[must_use]
    pub fn violation(&self, cores: u64) -> Option<String> {
        let (mut desired, mut reported) = (0, 0);
        for template in &self.templates {
            for SummaryVersion { version, counts } in &template.versions {
                if counts.desired_in_use != counts.success + counts.failed + counts.in_progress {
                    return Some(format!("{} {version}: {counts:?}", template.name));
                }
                desired += u64::from(counts.desired_in_use);
                reported += u64::from(counts.reported_in_use);
            }
        }
        ((desired, reported) != (cores, cores))
            .then(|| format!("{cores} cores, {desired} desired, {reported} reported"))
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.desired_in_use += other.desired_in_use;
        self.reported_in_use += other.reported_in_use;
        self.success += other.success;
        self.failed += other.failed;
        self.in_progress += other.in_progress;
    }
}

/// The name that stands for "no template" (CDF: `None`, version 0).
pub const NONE: &str = "None";

#[cfg(test)]
mod tests;
