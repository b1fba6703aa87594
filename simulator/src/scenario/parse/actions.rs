//! `[[timeline]]`: what operators do, and when.

use std::collections::BTreeSet;

use shipslog_domain::component::Version;
use shipslog_domain::job::{FailureType, RetryCriterion, TargetSelection};
use shipslog_domain::stack::CommandName;
use shipslog_domain::template::FailureHandling;
use shipslog_domain::{ComponentName, Span, limits};

use crate::scenario::containers::ContainerVersion;
use crate::scenario::parse::fields::{Fields, Problem};
use crate::scenario::parse::names::{Names, unknown};
use crate::scenario::parse::schedule::read_schedule;
use crate::scenario::parse::values::Found;
use crate::scenario::{
    AbortRule, Action, Amount, ComponentUse, ExponentialRule, Fleet, Group, JobSettings, Line,
    RolloutRule, SHARE_WHOLE, Slice, Step, Targets, TemplateUse,
};

#[derive(Clone, Copy)]
enum Word {
    Provision,
    CreateTemplateVersion,
    Deploy,
    DeployComponents,
    CreateJob,
    RunCommand,
    DeployContainers,
    CancelJob,
    DeleteJob,
    Join,
    Leave,
}

const WORDS: [(&str, Word); 11] = [
    ("provision", Word::Provision),
    ("create-template-version", Word::CreateTemplateVersion),
    ("deploy", Word::Deploy),
    ("deploy-components", Word::DeployComponents),
    ("create-job", Word::CreateJob),
    ("run-command", Word::RunCommand),
    ("deploy-containers", Word::DeployContainers),
    ("cancel-job", Word::CancelJob),
    ("delete-job", Word::DeleteJob),
    ("join", Word::Join),
    ("leave", Word::Leave),
];

pub(super) const FAILURES: [(&str, FailureType); 4] = [
    ("FAILED", FailureType::Failed),
    ("REJECTED", FailureType::Rejected),
    ("TIMED_OUT", FailureType::TimedOut),
    ("ALL", FailureType::All),
];

/// Reads the timeline in the order of time; actions of one moment stay in the order of the file.
pub(super) fn read_timeline(
    root: &mut Fields<'_>,
    fleet: &mut Fleet,
    names: &mut Names,
) -> Result<Vec<Step>, Problem> {
    let mut tables = Vec::new();
    for mut fields in root.tables("timeline")? {
        let at = fields.required("at", Found::span)?;
        tables.push((at, fields));
    }
    tables.sort_by_key(|(at, _)| *at);
    let mut timeline = Vec::new();
    for (at, mut fields) in tables {
        let word = fields.required("do", |found| {
            let word = found.choice(&WORDS)?;
            match word {
                Word::Deploy | Word::DeployComponents => names.need_cores(found)?,
                Word::CreateJob => names.need_clients(found)?,
                Word::RunCommand => names.need_runners(found)?,
                Word::DeployContainers => names.need_nodes(found)?,
                Word::Provision
                | Word::CreateTemplateVersion
                | Word::CancelJob
                | Word::DeleteJob
                | Word::Join
                | Word::Leave => (),
            }
            Ok(word)
        })?;
        let action = read_action(word, &mut fields, fleet, names)?;
        fields.finish()?;
        timeline.push(Step { at, action });
    }
    Ok(timeline)
}

fn read_action(
    word: Word,
    fields: &mut Fields<'_>,
    fleet: &mut Fleet,
    names: &mut Names,
) -> Result<Action, Problem> {
    Ok(match word {
        Word::Provision => Action::Provision {
            group: fields.optional("group", |found| read_group(found, fleet))?,
        },
        Word::CreateTemplateVersion => {
            let template = fields.required("template", Found::name)?;
            let settings = read_settings(fields, names)?;
            names.add_version(&template);
            Action::CreateTemplateVersion { template, settings }
        }
        Word::Deploy => {
            let brings = read_template_use(fields, names)?;
            let targets = read_targets(fields, fleet)?;
            let before = SETTINGS.iter().any(|key| fields.has(key));
            let settings = read_settings(fields, names)?;
            Action::Deploy {
                job: fields.required("job", |found| names.new_job(found))?,
                brings,
                targets,
                settings: before.then_some(settings),
            }
        }
        Word::DeployComponents => read_components(fields, fleet, names)?,
        Word::CreateJob => {
            let targets = read_targets(fields, fleet)?;
            let selection = fields.optional("selection", |found| {
                found.choice(&[
                    ("SNAPSHOT", TargetSelection::Snapshot),
                    ("CONTINUOUS", TargetSelection::Continuous),
                ])
            })?;
            let settings = read_settings(fields, names)?;
            let schedule = read_schedule(fields)?;
            Action::CreateJob {
                job: fields.required("job", |found| names.new_job(found))?,
                targets,
                selection: selection.unwrap_or(TargetSelection::Snapshot),
                settings,
                schedule,
            }
        }
        Word::RunCommand => read_command(fields, fleet, names)?,
        Word::DeployContainers => read_containers(fields, fleet, names)?,
        Word::CancelJob => Action::CancelJob {
            job: fields.required("job", |found| names.job(found))?,
            force: fields.optional("force", Found::yes_or_no)?.unwrap_or(false),
        },
        Word::DeleteJob => Action::DeleteJob {
            job: fields.required("job", |found| names.job(found))?,
            force: fields.optional("force", Found::yes_or_no)?.unwrap_or(false),
        },
        Word::Join => read_join(fields, fleet)?,
        Word::Leave => read_leave(fields, fleet)?,
    })
}

fn read_components(
    fields: &mut Fields<'_>,
    fleet: &mut Fleet,
    names: &mut Names,
) -> Result<Action, Problem> {
    let components = fields.required("components", |found| {
        let list = found.list()?;
        let components: Vec<ComponentUse> =
            list.iter().map(read_component).collect::<Result<_, _>>()?;
        let mut earlier = BTreeSet::new();
        match components.iter().find(|one| !earlier.insert(&one.name)) {
            Some(twice) => Err(found.problem(format!("{} is named twice", twice.name))),
            None => Ok(components),
        }
    })?;
    let on_failure = fields.optional("on-failure", |found| {
        found.choice(&[
            ("ROLLBACK", FailureHandling::Rollback),
            ("DO_NOTHING", FailureHandling::DoNothing),
        ])
    })?;
    let targets = read_targets(fields, fleet)?;
    if targets.groups.len() > 1 {
        return Err(
            fields.problem("targets must be one group: a deployment of components has one target")
        );
    }
    let settings = read_settings(fields, names)?;
    Ok(Action::DeployComponents {
        job: fields.required("job", |found| names.new_job(found))?,
        components,
        on_failure: on_failure.unwrap_or(FailureHandling::Rollback),
        targets,
        settings,
    })
}

fn read_containers(
    fields: &mut Fields<'_>,
    fleet: &mut Fleet,
    names: &mut Names,
) -> Result<Action, Problem> {
    let containers = fields.required("containers", |found| {
        let list = found.list()?;
        let containers: Vec<Box<str>> = list.iter().map(Found::name).collect::<Result<_, _>>()?;
        let mut earlier = BTreeSet::new();
        if let Some(twice) = containers.iter().find(|one| !earlier.insert(*one)) {
            return Err(found.problem(format!("{twice} is named twice")));
        }
        if !(1..=limits::CONTAINERS_MAX).contains(&containers.len()) {
            let most = limits::CONTAINERS_MAX;
            return Err(found.problem(format!("must be 1 to {most} names of containers")));
        }
        Ok(containers)
    })?;
    let most = u64::from(limits::CONTAINER_SCALE_MAX);
    let scale = fields.optional("scale", |found| found.whole_within(1, most))?;
    names.add_container_version();
    Ok(Action::DeployContainers {
        version: ContainerVersion {
            containers,
            scale: u32::try_from(scale.unwrap_or(1)).unwrap_or(1),
        },
        targets: read_targets(fields, fleet)?,
    })
}

/// `"com.example.Agent 1.2.0"`
fn read_component(found: &Found<'_>) -> Result<ComponentUse, Problem> {
    let text = found.text()?;
    let (name, version) = text.split_once(' ').unwrap_or((&text, ""));
    let named = ComponentName::parse(name);
    let numbered = Version::parse(version);
    if let Some(refusal) = named.err().or(numbered.err()) {
        return Err(found.problem(format!(
            "must be a component and its version, such as \"com.example.Agent 1.2.0\": {refusal}"
        )));
    }
    Ok(ComponentUse {
        name: name.into(),
        version: version.into(),
    })
}

fn read_command(
    fields: &mut Fields<'_>,
    fleet: &mut Fleet,
    names: &mut Names,
) -> Result<Action, Problem> {
    let targets = read_targets(fields, fleet)?;
    let command = fields.required("command", |found| {
        // Recipes are nothing that a runner has.
        let all = CommandName::all().filter(|name| *name != CommandName::ExecuteRecipes);
        let words: Vec<(&str, CommandName)> = all.map(|name| (name.as_str(), name)).collect();
        found.choice(&words)
    })?;
    Ok(Action::RunCommand {
        job: fields.required("job", |found| names.new_job(found))?,
        command,
        targets,
    })
}

fn read_leave(fields: &mut Fields<'_>, fleet: &Fleet) -> Result<Action, Problem> {
    let group = fields.required("group", |found| {
        let group = read_group(found, fleet)?;
        if group == 0 {
            return Err(found.problem("must not be \"all\": name a group of the fleet"));
        }
        Ok(group)
    })?;
    let over = fields.optional("over", Found::span)?.unwrap_or(Span(0));
    Ok(Action::Leave { group, over })
}

fn read_join(fields: &mut Fields<'_>, fleet: &Fleet) -> Result<Action, Problem> {
    let from = fields.required("from", |found| {
        let from = read_group(found, fleet)?;
        if fleet.groups.get(from).is_none_or(|group| !group.later) {
            return Err(found.problem(
                "must be a group whose members join later; give that group later = true",
            ));
        }
        Ok(from)
    })?;
    let to = fields.optional("group", |found| {
        let to = read_group(found, fleet)?;
        if to == 0 {
            return Err(found.problem("must not be \"all\", of which everybody is a member"));
        }
        Ok(to)
    })?;
    let over = fields.optional("over", Found::span)?.unwrap_or(Span(0));
    let to = to.unwrap_or(from);
    Ok(Action::Join { from, to, over })
}

fn read_group(found: &Found<'_>, fleet: &Fleet) -> Result<usize, Problem> {
    let name = found.string()?;
    let mut groups = fleet.groups.iter();
    if let Some(index) = groups.position(|group| &*group.name == name) {
        return Ok(index);
    }
    let known: Vec<&str> = fleet.groups.iter().map(|group| &*group.name).collect();
    Err(found.problem(unknown("group", "[[fleet.group]]", name, &known)))
}

/// `targets`: a group or a list of groups. `share`: a part of the fleet. Neither: everybody.
fn read_targets(fields: &mut Fields<'_>, fleet: &mut Fleet) -> Result<Targets, Problem> {
    let named = fields.optional("targets", |found| {
        if found.string().is_ok() {
            return Ok(vec![read_group(found, fleet)?]);
        }
        let groups: Vec<usize> = found
            .list()?
            .iter()
            .map(|item| read_group(item, fleet))
            .collect::<Result<_, _>>()?;
        if groups.is_empty() || groups.len() > limits::JOB_TARGETS_MAX {
            let most = limits::JOB_TARGETS_MAX;
            return Err(found.problem(format!("must name 1 to {most} groups, or \"all\"")));
        }
        Ok(groups)
    })?;
    let share = fields.optional("share", read_part)?;
    match (named, share) {
        (Some(_), Some(_)) => {
            Err(fields.problem("must have one of targets and share, not both; remove one"))
        }
        (Some(groups), None) => Ok(Targets { groups }),
        (None, Some((0, SHARE_WHOLE)) | None) => Ok(Targets::all()),
        (None, Some((from, to))) => Ok(Targets {
            groups: vec![part(fleet, from, to)],
        }),
    }
}

/// `"5%"`, or `["5%", "20%"]` for what lies between.
fn read_part(found: &Found<'_>) -> Result<(u32, u32), Problem> {
    if found.string().is_ok() {
        return Ok((0, found.share_above_none()?));
    }
    let list = found.list()?;
    let [from, to] = list.as_slice() else {
        return Err(found.problem("must be a share, \"5%\", or two: [\"5%\", \"20%\"]"));
    };
    let (from, end) = (from.share()?, to.share()?);
    if end <= from {
        return Err(to.problem("must be above the first share"));
    }
    Ok((from, end))
}

/// The group that stands for a part of the fleet.
fn part(fleet: &mut Fleet, from: u32, to: u32) -> usize {
    let slice = Slice {
        line: Line::Parts,
        from,
        to,
    };
    let mut groups = fleet.groups.iter();
    if let Some(index) = groups.position(|group| group.slice == slice && !group.later) {
        return index;
    }
    fleet.groups.push(Group {
        name: format!("part-{from}-{to}").into(),
        slice,
        later: false,
    });
    fleet.groups.len() - 1
}

/// `template` and `version`; without a version, the latest by then.
pub(super) fn read_template_use(
    fields: &mut Fields<'_>,
    names: &Names,
) -> Result<TemplateUse, Problem> {
    let (template, versions) = fields.required("template", |found| names.template(found))?;
    let version = fields.optional("version", |found| {
        let version = found.whole()?;
        if !(1..=u64::from(versions)).contains(&version) {
            return Err(found.problem(format!(
                "must be 1 to {versions}, the versions that template {template:?} has by then"
            )));
        }
        Ok(u32::try_from(version).unwrap_or(versions))
    })?;
    Ok(TemplateUse {
        template,
        version: version.unwrap_or(versions),
    })
}

const SETTINGS: [&str; 4] = ["rollout", "abort", "timeout", "retries"];

fn read_settings(fields: &mut Fields<'_>, names: &Names) -> Result<JobSettings, Problem> {
    let rollout = match fields.table("rollout")? {
        Some(rollout) => Some(read_rollout(rollout, names)?),
        None => None,
    };
    let mut abort = Vec::new();
    for rule in fields.tables("abort")? {
        abort.push(read_abort(rule)?);
    }
    if abort.len() > limits::CRITERIA_MAX {
        let most = limits::CRITERIA_MAX;
        return Err(fields.problem(format!("abort: must have at most {most} criteria")));
    }
    let timeout = fields.optional("timeout", |found| {
        found.minutes(1, limits::TIMEOUT_MINUTES_MAX)
    })?;
    let mut retries = Vec::new();
    for mut rule in fields.tables("retries")? {
        let failure = rule.required("failure", |found| {
            let failure = found.choice(&FAILURES)?;
            match failure {
                FailureType::Rejected => Err(found.problem(
                    "a rejected execution is never tried again; use FAILED, TIMED_OUT or ALL",
                )),
                FailureType::TimedOut if timeout.is_none() => {
                    Err(found.problem("needs a timeout beside retries, such as timeout = \"30m\""))
                }
                FailureType::Failed | FailureType::TimedOut | FailureType::All => Ok(failure),
            }
        })?;
        let times = rule.required("times", |found| {
            found.whole_within(1, limits::RETRIES_MAX.into())
        })?;
        let retries_of_one = u32::try_from(times).unwrap_or(1);
        retries.push(RetryCriterion {
            failure,
            retries: retries_of_one,
        });
        let total: u32 = retries.iter().map(|one| one.retries).sum();
        let all = retries.iter().any(|one| one.failure == FailureType::All);
        if total > limits::RETRIES_MAX || (all && retries.len() > 1) {
            return Err(rule.problem(format!(
                "times must add up to at most {}, and ALL cannot be combined with others",
                limits::RETRIES_MAX
            )));
        }
        rule.finish()?;
    }
    Ok(JobSettings {
        rollout,
        abort,
        timeout_minutes: timeout,
        retries,
    })
}

fn read_rollout(mut fields: Fields<'_>, names: &Names) -> Result<RolloutRule, Problem> {
    let per_minute_max = fields.optional("per-minute", |found| names.rate(found))?;
    let base = fields.optional("base-per-minute", |found| {
        let base = names.rate(found)?;
        match (base, per_minute_max) {
            (Amount::Count(base), Some(Amount::Count(max))) if base > max => {
                Err(found.problem("must not be above per-minute"))
            }
            (Amount::Share(base), Some(Amount::Share(max))) if base > max => {
                Err(found.problem("must not be above per-minute"))
            }
            _ => Ok(base),
        }
    })?;
    let factor = fields.optional("factor", |found| found.decimal(1, 11, 50))?;
    let after = fields.optional("after", Found::amount_above_none)?;
    let counting = fields.optional("counting", |found| {
        found.choice(&[("notified", false), ("succeeded", true)])
    })?;
    let exponential = match (base, factor, after) {
        (None, None, None) if counting.is_none() => None,
        (Some(base_per_minute), Some(factor), Some(after)) => Some(ExponentialRule {
            base_per_minute,
            factor_tenths: u32::try_from(factor).unwrap_or(50),
            after,
            after_succeeded: counting.unwrap_or(false),
        }),
        _ => {
            return Err(fields.problem(
                "an exponential rate needs base-per-minute, factor and after; \
                 a constant one only per-minute",
            ));
        }
    };
    if per_minute_max.is_none() && exponential.is_none() {
        return Err(fields.problem("must say per-minute, such as per-minute = \"10%\""));
    }
    fields.finish()?;
    Ok(RolloutRule {
        per_minute_max,
        exponential,
    })
}

fn read_abort(mut fields: Fields<'_>) -> Result<AbortRule, Problem> {
    let failure = fields.required("failure", |found| found.choice(&FAILURES))?;
    let threshold = fields.required("threshold", Found::share_above_none)?;
    let executed_min = fields.required("executed-min", Found::amount_above_none)?;
    fields.finish()?;
    Ok(AbortRule {
        failure,
        threshold,
        executed_min,
    })
}
