//! Events of jobs and executions.

use shipslog_domain::execution::{Details, StepTimer};
use shipslog_domain::job::{CanceledBy, Definition, DeploymentLink, Target};
use shipslog_domain::{JobId, ThingId, Timestamp, execution, job};

use super::values::{list, map};
use super::{Fields, Names, Told, Value, values};

pub(super) fn job(id: JobId, event: &job::Event, names: Names<'_>) -> Told {
    match event {
        job::Event::Created { definition } => {
            let targets = definition.targets.len();
            let summary = format!("job {} was created for {targets} targets", definition.name);
            Told::new("JobCreated", summary, self::definition(definition, names))
                .named(definition.name.as_str())
        }
        job::Event::WaveStarted { allowance } => Told::new(
            "JobWaveStarted",
            format!("up to {allowance} things are told in this minute"),
            vec![("allowance", (*allowance).into())],
        ),
        job::Event::Canceled {
            by,
            forced,
            reason_code,
            comment,
        } => {
            let (word, by) = match by {
                CanceledBy::User => ("USER", "a user"),
                CanceledBy::AbortCriterion => ("ABORT_CRITERION", "an abort criterion"),
                CanceledBy::Superseded => ("SUPERSEDED", "a newer deployment"),
                CanceledBy::EndTime => ("END_TIME", "the end of its schedule"),
            };
            let reason = comment.as_ref().or(reason_code.as_ref());
            let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            let fields = vec![
                ("by", word.into()),
                ("forced", (*forced).into()),
                ("reasonCode", reason_code.as_ref().into()),
                ("comment", comment.as_ref().into()),
            ];
            Told::new(
                "JobCanceled",
                format!("was canceled by {by}{reason}"),
                fields,
            )
        }
        job::Event::Completed => Told::new("JobCompleted", "every execution has ended", vec![]),
        job::Event::DeletionStarted => Told::new("JobDeletionStarted", "is being deleted", vec![]),
        job::Event::Deleted => {
            let summary = format!("job {} was deleted", names.job(id));
            Told::new("JobDeleted", summary, vec![])
        }
        job::Event::TargetsAdded { targets } => Told::new(
            "JobTargetsAdded",
            format!("{} targets were added", targets.len()),
            vec![("targets", list(targets, |one| target(*one, names)))],
        ),
        job::Event::Changed { change } => {
            Told::new("JobChanged", "was changed", values::change(change))
        }
        job::Event::Opened { until } => scheduled("JobOpened", "may be rolled out", *until),
        job::Event::Closed { until } => scheduled("JobClosed", "waits for its schedule", *until),
        job::Event::RolloutEnded => Told::new(
            "JobRolloutEnded",
            "is not rolled out any more: its schedule has ended",
            vec![],
        ),
    }
}

fn scheduled(kind: &'static str, what: &str, until: Option<Timestamp>) -> Told {
    let until = until.map(|until| until.to_string());
    let summary = match &until {
        Some(until) => format!("{what} until {until}"),
        None => what.to_owned(),
    };
    Told::new(kind, summary, vec![("until", until.into())])
}

fn definition(definition: &Definition, names: Names<'_>) -> Fields {
    let namespace = definition.namespace.as_ref();
    let deployment = |link: &DeploymentLink| {
        map([
            ("deploymentId", (&link.deployment_id).into()),
            ("brings", names.version_value(link.brings)),
            ("revision", link.revision.into()),
        ])
    };
    let targets = |one: &Target| target(*one, names);
    vec![
        ("name", definition.name.as_str().into()),
        ("namespace", namespace.map(|name| name.as_str()).into()),
        ("document", (&definition.document).into()),
        ("description", definition.description.as_ref().into()),
        ("targets", list(&definition.targets, targets)),
        (
            "targetSelection",
            definition.target_selection.as_str().into(),
        ),
        ("settings", values::settings(&definition.settings)),
        (
            "rateCeilingPerMinute",
            definition.rate_ceiling_per_minute.into(),
        ),
        (
            "deployment",
            definition.deployment.as_ref().map(deployment).into(),
        ),
        (
            "extras",
            definition.extras.as_deref().map(values::extras).into(),
        ),
    ]
}

fn target(target: Target, names: Names<'_>) -> Value {
    match target {
        Target::Thing(thing) => map([("thing", names.thing(thing).into())]),
        Target::Group(group) => map([("group", names.group(group).into())]),
    }
}

pub(super) fn execution(thing: ThingId, event: &execution::Event, names: Names<'_>) -> Told {
    let job = names.job(event.job());
    let mut fields = vec![
        ("job", job.as_str().into()),
        ("thing", names.thing(thing).into()),
    ];
    fields.extend(own_fields(event));
    let (kind, summary) = in_words(event, &job);
    Told::new(kind, summary, fields)
}

/// The kind of an event, and what happened.
fn in_words(event: &execution::Event, job: &str) -> (&'static str, String) {
    match event {
        execution::Event::Queued { retry: 0, .. } => {
            ("ExecutionQueued", format!("was told of job {job}"))
        }
        execution::Event::Queued { retry, .. } => (
            "ExecutionQueued",
            format!("was told of job {job} again, retry {retry}"),
        ),
        execution::Event::Progressed { details, .. } => {
            let step = detail(details.as_ref(), "step");
            let step = step.map_or_else(String::new, |step| format!(": {step}"));
            ("ExecutionProgressed", format!("works on job {job}{step}"))
        }
        execution::Event::Succeeded { .. } => {
            ("ExecutionSucceeded", format!("succeeded with job {job}"))
        }
        execution::Event::Failed { details, .. } => {
            let reason = reason(details.as_ref());
            ("ExecutionFailed", format!("failed with job {job}{reason}"))
        }
        execution::Event::Rejected { details, .. } => {
            let reason = reason(details.as_ref());
            ("ExecutionRejected", format!("rejected job {job}{reason}"))
        }
        execution::Event::TimedOut { .. } => (
            "ExecutionTimedOut",
            format!("did not finish job {job} in time"),
        ),
        execution::Event::Canceled { .. } => (
            "ExecutionCanceled",
            format!("its run of job {job} was canceled"),
        ),
        execution::Event::Removed { .. } => (
            "ExecutionRemoved",
            format!("does not belong to job {job} any more"),
        ),
        execution::Event::Deleted { .. } => (
            "ExecutionDeleted",
            format!("its run of job {job} was deleted"),
        ),
    }
}

/// What an event says besides job and thing.
fn own_fields(event: &execution::Event) -> Fields {
    match event {
        execution::Event::Queued { number, retry, .. } => {
            vec![("number", (*number).into()), ("retry", (*retry).into())]
        }
        execution::Event::Progressed {
            job: _,
            details,
            step_timer,
        } => vec![
            details_field(details.as_ref()),
            ("stepTimeoutMinutes", step_timer.map(timer).into()),
        ],
        execution::Event::Succeeded { details, .. }
        | execution::Event::Rejected { details, .. } => vec![details_field(details.as_ref())],
        execution::Event::Failed {
            job: _,
            details,
            retried,
        } => vec![
            details_field(details.as_ref()),
            ("retried", (*retried).into()),
        ],
        execution::Event::TimedOut { retried, .. } => vec![("retried", (*retried).into())],
        execution::Event::Canceled {
            job: _,
            forced,
            details,
        } => vec![
            details_field(details.as_ref()),
            ("forced", (*forced).into()),
        ],
        execution::Event::Removed { .. } | execution::Event::Deleted { .. } => vec![],
    }
}

fn details_field(details: Option<&Details>) -> (&'static str, Value) {
    (
        "details",
        details.map(|details| values::pairs(details)).into(),
    )
}

/// -1 stops the timer in AWS IoT's words; here that is told as text.
fn timer(timer: StepTimer) -> Value {
    match timer {
        StepTimer::Minutes(minutes) => minutes.into(),
        StepTimer::Stopped => "stopped".into(),
    }
}

fn detail<'a>(details: Option<&'a Details>, wanted: &str) -> Option<&'a str> {
    let mut details = details?.iter();
    details
        .find(|(key, _)| &**key == wanted)
        .map(|(_, value)| &**value)
}

/// `: reason`, where the device gave one.
fn reason(details: Option<&Details>) -> String {
    [
        "reason",
        "deployment-failure-cause",
        "detailed-deployment-status",
    ]
    .iter()
    .find_map(|key| detail(details, key))
    .map_or_else(String::new, |reason| format!(": {reason}"))
}
