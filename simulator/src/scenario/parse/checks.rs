//! `[[check]]`: what must hold at the end.

use shipslog_domain::container_service::VersionState;
use shipslog_domain::{Span, execution, job};

use crate::checks::{Check, Counter, Invariant, Measure, SummaryField};
use crate::scenario::parse::HORIZON_MAX;
use crate::scenario::parse::actions::read_template_use;
use crate::scenario::parse::fields::{Fields, Problem};
use crate::scenario::parse::names::Names;
use crate::scenario::parse::schedule::{read_hours, read_zone};
use crate::scenario::parse::values::{Found, bounds};

#[derive(Clone, Copy)]
enum Word {
    Executions,
    AllTerminal,
    Reached,
    JobStatus,
    CanceledBy,
    RatePerMinute,
    RateGrows,
    RateExact,
    QueuedWithin,
    Reasons,
    Retries,
    Summary,
    Counted,
    Percentile,
    EndsBefore,
    Holds,
    ContainerVersion,
}

const WORDS: [(&str, Word); 17] = [
    ("executions", Word::Executions),
    ("all-terminal", Word::AllTerminal),
    ("reached", Word::Reached),
    ("job-status", Word::JobStatus),
    ("canceled-by", Word::CanceledBy),
    ("rate-per-minute", Word::RatePerMinute),
    ("rate-grows", Word::RateGrows),
    ("rate-exact", Word::RateExact),
    ("queued-within", Word::QueuedWithin),
    ("reasons", Word::Reasons),
    ("retries", Word::Retries),
    ("summary", Word::Summary),
    ("counted", Word::Counted),
    ("percentile", Word::Percentile),
    ("ends-before", Word::EndsBefore),
    ("holds", Word::Holds),
    ("container-version", Word::ContainerVersion),
];

const JOB_STATUSES: [job::Status; 5] = [
    job::Status::InProgress,
    job::Status::Scheduled,
    job::Status::Completed,
    job::Status::Canceled,
    job::Status::DeletionInProgress,
];

const VERSION_STATES: [VersionState; 4] = [
    VersionState::Activating,
    VersionState::Active,
    VersionState::Inactive,
    VersionState::Failed,
];

const CANCELERS: [(&str, job::CanceledBy); 4] = [
    ("user", job::CanceledBy::User),
    ("abort-criterion", job::CanceledBy::AbortCriterion),
    ("newer-deployment", job::CanceledBy::Superseded),
    ("end-time", job::CanceledBy::EndTime),
];

const SUMMARY_FIELDS: [SummaryField; 5] = [
    SummaryField::Desired,
    SummaryField::Reported,
    SummaryField::Success,
    SummaryField::Failed,
    SummaryField::InProgress,
];

pub(super) fn read_checks(root: &mut Fields<'_>, names: &Names) -> Result<Vec<Check>, Problem> {
    let mut checks = Vec::new();
    for mut fields in root.tables("check")? {
        let word = fields.required("that", |found| found.choice(&WORDS))?;
        checks.push(read_check(word, &mut fields, names)?);
        fields.finish()?;
    }
    Ok(checks)
}

fn read_container_version(fields: &mut Fields<'_>, names: &Names) -> Result<Check, Problem> {
    Ok(Check::ContainerVersion {
        version: fields.required("version", |found| names.container_version(found))?,
        state: fields.required("status", |found| {
            found.choice(&VERSION_STATES.map(|state| (state.as_str(), state)))
        })?,
    })
}

fn read_check(word: Word, fields: &mut Fields<'_>, names: &Names) -> Result<Check, Problem> {
    let job = |fields: &mut Fields<'_>| fields.required("job", |found| names.job(found));
    Ok(match word {
        Word::Executions => Check::Executions {
            job: job(fields)?,
            status: fields.required("status", |found| {
                found.choice(&execution::Status::ALL.map(|status| (status.as_str(), status)))
            })?,
            count: bounds(fields)?,
        },
        Word::ContainerVersion => read_container_version(fields, names)?,
        Word::AllTerminal => Check::AllTerminal { job: job(fields)? },
        Word::Reached => Check::Reached {
            job: job(fields)?,
            count: bounds(fields)?,
        },
        Word::JobStatus => Check::JobStatus {
            job: job(fields)?,
            status: fields.required("status", |found| {
                found.choice(&JOB_STATUSES.map(|status| (status.as_str(), status)))
            })?,
        },
        Word::CanceledBy => Check::CanceledBy {
            job: job(fields)?,
            by: fields.required("by", |found| found.choice(&CANCELERS))?,
        },
        Word::RatePerMinute => Check::RatePerMinute {
            job: job(fields)?,
            rate: bounds(fields)?,
        },
        Word::RateGrows => Check::RateGrows {
            job: job(fields)?,
            factor_tenths_min: fields.required("times", |found| {
                let times = found.decimal(1, 10, 10_000_000)?;
                Ok(u32::try_from(times).unwrap_or(u32::MAX))
            })?,
        },
        Word::RateExact => Check::RateExact { job: job(fields)? },
        Word::QueuedWithin => read_queued_within(job(fields)?, fields)?,
        Word::Reasons => Check::Reasons {
            job: job(fields)?,
            prefix: fields.required("begins", Found::text)?,
            count: bounds(fields)?,
        },
        Word::Retries => Check::Retries {
            job: job(fields)?,
            count: bounds(fields)?,
        },
        Word::Summary => read_summary(fields, names)?,
        Word::Counted => Check::Counted {
            counter: fields.required("count", |found| {
                found.choice(&Counter::ALL.map(|counter| (counter.as_str(), counter)))
            })?,
            count: bounds(fields)?,
        },
        Word::Percentile => read_percentile(fields)?,
        Word::EndsBefore => Check::EndsBefore {
            elapsed: fields.required("elapsed", |found| found.span_within(Span(1), HORIZON_MAX))?,
        },
        Word::Holds => Check::Holds {
            invariant: fields.required("promise", |found| {
                found.choice(&Invariant::ALL.map(|promise| (promise.as_str(), promise)))
            })?,
        },
    })
}

fn read_queued_within(job: Box<str>, fields: &mut Fields<'_>) -> Result<Check, Problem> {
    Ok(Check::QueuedWithin {
        job,
        hours: read_hours(fields)?,
        zone: read_zone(fields)?,
    })
}

fn read_summary(fields: &mut Fields<'_>, names: &Names) -> Result<Check, Problem> {
    Ok(Check::Summary {
        version: read_template_use(fields, names)?,
        field: fields.required("count", |found| {
            found.choice(&SUMMARY_FIELDS.map(|field| (field.as_str(), field)))
        })?,
        count: bounds(fields)?,
    })
}

fn read_percentile(fields: &mut Fields<'_>) -> Result<Check, Problem> {
    Ok(Check::Percentile {
        measure: fields.required("of", |found| {
            found.choice(&Measure::ALL.map(|measure| (measure.as_str(), measure)))
        })?,
        percent: fields.required("percent", |found| {
            let percent = found.decimal(2, 1, 10_000)?;
            Ok(u32::try_from(percent).unwrap_or(10_000))
        })?,
        max: fields.required("max", Found::span)?,
    })
}
