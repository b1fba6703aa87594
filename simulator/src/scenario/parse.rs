//! From a TOML file to a valid [`Scenario`], or to the one line that says where it is wrong, which rule it breaks and
//! what to write instead.

use std::path::Path;
use std::sync::Arc;

use shipslog_domain::Span;
use thiserror::Error;
use toml::Spanned;
use toml::de::DeTable;

use crate::device::Kind;
use crate::distribution::Distribution;
use crate::network::{Network, Partition};
use crate::scenario::{
    Action, Amount, Class, Fault, FaultAt, Fleet, Group, Line, Mode, Provisioning, SHARE_WHOLE,
    Scenario, Service, Slice, Step,
};
use classes::read_classes;
use fields::{Fields, Problem};
use names::Names;
use values::Found;

mod actions;
mod checks;
mod classes;
mod fields;
mod names;
mod schedule;
mod values;

/// Largest scenario file that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most devices of a fleet.
const DEVICES_MAX: u64 = 20_000_000;
/// Longest virtual time that is played: a year.
const HORIZON_MAX: Span = Span(366 * 24 * 3_600_000);
/// Longest prefix of thing names, so that things, groups and jobs have room for theirs.
const PREFIX_CHARACTERS_MAX: usize = 48;

/// Why a scenario cannot be played.
#[derive(Debug, Error)]
pub enum Invalid {
    /// The file cannot be read.
    #[error("cannot read scenario {path}")]
    Unreadable {
        /// As given.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no scenario.
    #[error("{path}:{line}:{column}: {message}")]
    Wrong {
        /// As given.
        path: String,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// The field, the rule that it breaks, and what to write instead.
        message: String,
    },
    /// The scenario cannot be played like this.
    #[error("{0}")]
    Unplayable(String),
}

impl Scenario {
    /// Reads a scenario file.
    pub fn load(path: &Path) -> Result<Self, Invalid> {
        let shown = path.display().to_string();
        let unreadable = |source| Invalid::Unreadable {
            path: shown.clone(),
            source,
        };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > FILE_BYTES_MAX {
            let message = format!("has {size} bytes, and a scenario has at most {FILE_BYTES_MAX}");
            return Err(unreadable(std::io::Error::other(message)));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, &shown)
    }

    /// Reads a scenario from text; `path` is for messages.
    pub fn parse(text: &str, path: &str) -> Result<Self, Invalid> {
        let document = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            wrong(text, path, at, format!("no TOML: {}", error.message()))
        });
        read(&document?).map_err(|problem| wrong(text, path, problem.at, problem.message()))
    }

    /// Refuses what cannot be played in a mode.
    pub fn check_mode(&self, mode: Mode) -> Result<(), Invalid> {
        if mode == Mode::Net && !self.faults.is_empty() {
            return Err(Invalid::Unplayable(format!(
                "scenario {}: fault: a service behind a network cannot be killed from here; \
                 play it in model or wire mode, or remove [[fault]]",
                self.name
            )));
        }
        let mut steps = self.timeline.iter();
        let is_scheduled = |step: &Step| match &step.action {
            Action::CreateJob { schedule, .. } => schedule.is_some(),
            _ => false,
        };
        if mode != Mode::Model && steps.any(is_scheduled) {
            return Err(Invalid::Unplayable(format!(
                "scenario {}: schedule: the hours of a schedule take hours in {} mode; \
                 play it in model mode, or remove schedule",
                self.name,
                mode.as_str()
            )));
        }
        let mut steps = self.timeline.iter();
        if mode != Mode::Model && steps.any(|step| matches!(step.action, Action::RunCommand { .. }))
        {
            return Err(Invalid::Unplayable(format!(
                "scenario {}: run-command: who is online is seen in model mode only; \
                 play it there, or use create-job",
                self.name
            )));
        }
        let mut steps = self.timeline.iter();
        let is_containers = |step: &Step| matches!(step.action, Action::DeployContainers { .. });
        if mode == Mode::Net && steps.any(is_containers) {
            return Err(Invalid::Unplayable(format!(
                "scenario {}: deploy-containers: versions are asked for in model or wire mode; play it there",
                self.name
            )));
        }
        let network = &self.network;
        if mode != Mode::Model && (network.duplicated > 0 || network.reorders) {
            return Err(Invalid::Unplayable(format!(
                "scenario {}: network: a connection over TCP never duplicates or reorders messages; \
                 play it in model mode, or remove duplicated and reorders from [network]",
                self.name
            )));
        }
        if mode == Mode::Net && network.delayed > 0 {
            return Err(Invalid::Unplayable(format!(
                "scenario {}: network: over sockets messages are as late as the network makes them; \
                 play it in model or wire mode, or remove delayed from [network]",
                self.name
            )));
        }
        Ok(())
    }
}

fn wrong(text: &str, path: &str, at: usize, message: String) -> Invalid {
    let before = text.get(..at).unwrap_or(text);
    let begin = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(begin..).unwrap_or_default().chars().count() + 1;
    Invalid::Wrong {
        path: path.into(),
        line: before.matches('\n').count() + 1,
        column,
        message,
    }
}

fn read(document: &Spanned<DeTable<'_>>) -> Result<Scenario, Problem> {
    let mut root = Fields::root(document);
    let name = root.required("name", Found::name)?;
    let shows = root.required("shows", Found::text)?;
    let mode = root.optional("mode", |found| {
        found.choice(&[
            ("model", Mode::Model),
            ("wire", Mode::Wire),
            ("net", Mode::Net),
        ])
    })?;
    let seed = root.optional("seed", Found::whole)?.unwrap_or(1);
    let horizon = root.optional("horizon", |found| found.span_within(Span(1), HORIZON_MAX))?;
    let (mut fleet, kind) = read_fleet(root.table("fleet")?)?;
    let classes = read_classes(&mut root, kind)?;
    let network = read_network(root.table("network")?)?;
    let service = read_service(root.table("service")?)?;
    let ceiling = service.rollout_ceiling_per_minute;
    let mut names = Names::of(&classes, fleet.devices, ceiling);
    let timeline = actions::read_timeline(&mut root, &mut fleet, &mut names)?;
    let faults = read_faults(&mut root)?;
    let checks = checks::read_checks(&mut root, &names)?;
    root.finish()?;
    Ok(Scenario {
        name,
        shows,
        mode,
        seed,
        horizon: horizon.unwrap_or(Span::minutes(7 * 24 * 60)),
        fleet,
        classes,
        network,
        service,
        timeline,
        faults,
        checks,
    })
}

const KINDS: [(&str, Kind); 6] = [
    ("core", Kind::Core),
    ("core-by-list", Kind::CoreByList),
    ("nucleus", Kind::Nucleus),
    ("node", Kind::Node),
    ("jobs", Kind::Jobs),
    ("runner", Kind::Runner),
];

fn read_fleet(fields: Option<Fields<'_>>) -> Result<(Fleet, Kind), Problem> {
    let mut fleet = Fleet {
        devices: 1_000,
        prefix: "sim".into(),
        provisioning: Provisioning::Things,
        first_connect: Distribution::Constant(0),
        groups: vec![Group {
            name: "all".into(),
            slice: Slice::WHOLE,
            later: false,
        }],
    };
    let Some(mut fields) = fields else {
        return Ok((fleet, Kind::Core));
    };
    if let Some(devices) = fields.optional("devices", |found| found.whole_within(1, DEVICES_MAX))? {
        fleet.devices = u32::try_from(devices).unwrap_or(u32::MAX);
    }
    if let Some(prefix) = fields.optional("prefix", |found| {
        let prefix = found.name()?;
        if prefix.len() > PREFIX_CHARACTERS_MAX {
            return Err(found.problem(format!(
                "must have at most {PREFIX_CHARACTERS_MAX} characters"
            )));
        }
        Ok(prefix)
    })? {
        fleet.prefix = prefix;
    }
    let kind = fields.optional("software", |found| found.choice(&KINDS))?;
    let provisioning = fields.optional("provisioning", |found| {
        found.choice(&[
            ("none", Provisioning::None),
            ("things", Provisioning::Things),
            ("certificates", Provisioning::Certificates),
        ])
    })?;
    fleet.provisioning = provisioning.unwrap_or(Provisioning::Things);
    let first = fields.optional("first-connect", Found::distribution)?;
    fleet.first_connect = first.unwrap_or(Distribution::Constant(0));
    let mut from = 0;
    for mut group in fields.tables("group")? {
        let name = group.required("name", |found| {
            let name = found.name()?;
            if fleet.groups.iter().any(|one| one.name == name) {
                return Err(found.problem(format!(
                    "{name:?} is taken ({:?} is the whole fleet); choose another name",
                    "all"
                )));
            }
            Ok(name)
        })?;
        let share = group.required("share", |found| found.share_of_rest(SHARE_WHOLE - from))?;
        let later = group.optional("later", Found::yes_or_no)?.unwrap_or(false);
        group.finish()?;
        fleet.groups.push(Group {
            name,
            slice: Slice {
                line: Line::Groups,
                from,
                to: from + share,
            },
            later,
        });
        from += share;
    }
    fields.finish()?;
    Ok((fleet, kind.unwrap_or(Kind::Core)))
}

fn read_network(fields: Option<Fields<'_>>) -> Result<Network, Problem> {
    let mut network = Network::default();
    let Some(mut fields) = fields else {
        return Ok(network);
    };
    let none = Distribution::Constant(0);
    let latency = fields.optional("latency", Found::distribution)?;
    network.latency = latency.unwrap_or_else(|| none.clone());
    network.loss = fields.optional("loss", Found::share)?.unwrap_or(0);
    network.duplicated = fields.optional("duplicated", Found::share)?.unwrap_or(0);
    network.delayed = fields.optional("delayed", Found::share)?.unwrap_or(0);
    let delay = fields.optional("delay", Found::distribution)?;
    if network.delayed > 0 && delay.is_none() {
        return Err(fields.problem("delayed needs a delay: how much longer those messages take"));
    }
    network.delay = delay.unwrap_or(none);
    let reorders = fields.optional("reorders", Found::yes_or_no)?;
    network.reorders = reorders.unwrap_or(false);
    for mut partition in fields.tables("partition")? {
        let from = partition.required("from", Found::span)?;
        let until = partition.required("until", |found| {
            let until = found.span()?;
            if until <= from {
                return Err(found.problem("must be later than from"));
            }
            Ok(until)
        })?;
        let share = partition.optional("share", Found::share_above_none)?;
        partition.finish()?;
        network.partitions.push(Partition {
            from,
            until,
            slice: Slice {
                line: Line::Partitions,
                from: 0,
                to: share.unwrap_or(SHARE_WHOLE),
            },
        });
    }
    fields.finish()?;
    Ok(network)
}

fn read_service(fields: Option<Fields<'_>>) -> Result<Service, Problem> {
    let mut service = Service::default();
    if let Some(mut fields) = fields {
        let ceiling = fields.optional("rollout-ceiling-per-minute", Found::amount_above_none)?;
        service.rollout_ceiling_per_minute = ceiling.unwrap_or(Amount::Share(SHARE_WHOLE));
        fields.finish()?;
    }
    Ok(service)
}

fn read_faults(root: &mut Fields<'_>) -> Result<Vec<Fault>, Problem> {
    let mut faults = Vec::new();
    for mut fault in root.tables("fault")? {
        let time = fault.optional("at", Found::span)?;
        let events = fault.optional("after-events", Found::amount_above_none)?;
        let at = match (time, events) {
            (Some(time), None) => FaultAt::Time(time),
            (None, Some(events)) => FaultAt::Events(events),
            (None, None) | (Some(_), Some(_)) => {
                return Err(fault.problem(
                    "must have exactly one of at (a time, such as \"10m\") and after-events \
                     (a count, or a share of an event per device, such as \"250%\")",
                ));
            }
        };
        let down = fault.optional("down", Found::span)?;
        fault.finish()?;
        faults.push(Fault {
            at,
            down: down.unwrap_or(Span(0)),
        });
    }
    Ok(faults)
}

fn class(name: Box<str>, slice: (u32, u32), script: crate::device::Script) -> Class {
    Class {
        name,
        slice: Slice {
            line: Line::Classes,
            from: slice.0,
            to: slice.1,
        },
        script: Arc::new(script),
    }
}

#[cfg(test)]
mod tests;
