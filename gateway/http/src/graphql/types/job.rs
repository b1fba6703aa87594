//! Jobs: what they are, how far they are, how well they go.
#![expect(
    clippy::unused_async,
    reason = "the macros of async-graphql take async resolvers only"
)]

use async_graphql::{ComplexObject, Context, Enum, Error, ID, InputObject, SimpleObject};
use shipslog_domain::{JobId, Span, execution, job};
use shipslog_projections::{Views, jobs};

use super::core::TemplateVersion;
use super::execution::{self as executions, ExecutionStatus, JobExecution};
use super::owned;
use super::settings::JobSettings;
use crate::graphql::limits::FAILURE_REASONS_MAX;
use crate::graphql::paging::{self, Bounds, Cursor, List, Page, page_points, points};
use crate::graphql::scalars::{DateTime, Long, hundredths, int};
use crate::graphql::source;

/// Status of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "job::Status")]
pub enum JobStatus {
    /// Executions are queued and run.
    InProgress,
    /// It waits for its start.
    Scheduled,
    /// Every execution has ended.
    Completed,
    /// A user or an abort criterion canceled it.
    Canceled,
    /// Its executions are being deleted.
    DeletionInProgress,
}

/// Who belongs to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "job::TargetSelection")]
pub enum TargetSelection {
    /// The members of its targets at its creation.
    Snapshot,
    /// Those who join a target group later, too.
    Continuous,
}

/// Who canceled a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "job::CanceledBy")]
pub enum CanceledBy {
    /// A caller.
    User,
    /// An abort criterion.
    AbortCriterion,
    /// A newer deployment for the same group.
    Superseded,
    /// The end of its schedule.
    EndTime,
}

/// What a job target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum JobTargetKind {
    /// One thing.
    Thing,
    /// A static group with everything below it.
    ThingGroup,
}

/// What a job is for.
#[derive(Clone, Debug, SimpleObject)]
pub struct JobTarget {
    /// What it is.
    pub kind: JobTargetKind,
    /// Its name.
    pub name: String,
}

/// The Greengrass deployment that a job carries.
#[derive(Clone, Debug, SimpleObject)]
pub struct JobDeployment {
    /// Greengrass deployment id.
    pub deployment_id: String,
    /// The template version that it brings.
    pub template: TemplateVersion,
    /// Revision of the deployment for its group, from 1.
    pub revision: i32,
}

/// How a job was canceled.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct Cancellation {
    /// By whom.
    pub by: CanceledBy,
    /// Whether devices at work were overruled.
    pub forced: bool,
    /// The reason given.
    pub reason_code: Option<String>,
    /// The comment given.
    pub comment: Option<String>,
    /// When.
    pub at: DateTime,
}

/// A job: a document for a set of things.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Job {
    #[graphql(skip)]
    number: JobId,
    /// Position of the last event of the job or of one of its executions.
    pub changed_at_position: Long,
    /// Its id, which is its name.
    pub id: ID,
    /// Its namespace. Namespaced jobs are invisible on the plain device topics.
    pub namespace: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether things that join a target later belong to it.
    pub target_selection: TargetSelection,
    /// How it runs.
    pub settings: JobSettings,
    /// The most things per minute that the service allowed when it was created.
    pub rate_ceiling_per_minute: i32,
    /// The Greengrass deployment that it carries.
    pub deployment: Option<JobDeployment>,
    /// How it stands.
    pub status: JobStatus,
    /// How many executions stand how.
    pub progress: JobProgress,
    /// How it was canceled.
    pub cancellation: Option<Cancellation>,
    /// When it was created.
    pub created_at: DateTime,
    /// When it, or one of its executions, last changed.
    pub last_updated_at: DateTime,
    /// When it was completed or canceled.
    pub completed_at: Option<DateTime>,
    /// Position in the log that this reflects.
    pub position: Long,
}

/// How many executions of a job stand how.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct JobProgress {
    /// Things that belong to the job.
    pub targets: i32,
    /// Things that the rollout has not reached.
    pub not_queued: i32,
    /// Executions that wait for their device.
    pub queued: i32,
    /// Executions that a device works on.
    pub in_progress: i32,
    /// Executions that succeeded.
    pub succeeded: i32,
    /// Executions that failed.
    pub failed: i32,
    /// Executions that did not finish in time.
    pub timed_out: i32,
    /// Executions that the device refused.
    pub rejected: i32,
    /// Executions whose thing left the targets.
    pub removed: i32,
    /// Executions that were canceled.
    pub canceled: i32,
}

/// How well a job goes.
#[derive(Clone, Debug, SimpleObject)]
pub struct JobStatistics {
    /// Share of the executions that succeeded among those that succeeded, failed, timed out or were rejected, in
    /// percent; null before the first of them.
    pub success_rate_percent: Option<f64>,
    /// Why executions failed or were rejected, most frequent reason first; at most 100.
    pub failure_reasons: Vec<FailureReason>,
    /// Failed and rejected executions whose reason is not among `failureReasons`.
    pub other_failures: i32,
    /// How long devices took to download, as they reported it.
    pub download_time: Option<DownloadTime>,
    /// Number of retries.
    pub retries: i32,
    /// Executions queued and finished over time.
    pub series: JobSeries,
    /// Position in the log that these figures reflect.
    pub position: Long,
}

/// Why executions failed.
#[derive(Clone, Debug, SimpleObject)]
pub struct FailureReason {
    /// The reason as devices gave it.
    pub reason: String,
    /// How many executions gave it.
    pub count: i32,
}

/// Download times in milliseconds.
#[derive(Clone, Debug, SimpleObject)]
pub struct DownloadTime {
    /// How many devices reported theirs.
    pub samples: i32,
    /// Half of them took at most this long.
    pub p50_ms: Long,
    /// Nine of ten took at most this long.
    pub p90_ms: Long,
    /// All but one in a hundred took at most this long.
    pub p99_ms: Long,
    /// The longest.
    pub max_ms: Long,
}

/// Executions queued and finished over time, from the creation of the job.
#[derive(Clone, Debug, SimpleObject)]
pub struct JobSeries {
    /// Minutes between two points: 1, and more for a job that runs very long.
    pub minutes_per_point: i32,
    /// The points, oldest first.
    pub points: Vec<JobSeriesPoint>,
}

/// Executions queued and finished in one span of time.
#[derive(Clone, Debug, SimpleObject)]
pub struct JobSeriesPoint {
    /// Beginning of the span.
    pub at: DateTime,
    /// Executions queued in it.
    pub queued: i32,
    /// Executions ended in it.
    pub finished: i32,
}

impl Job {
    pub(in crate::graphql) fn of(views: &Views, job: &jobs::Job<'_>) -> Self {
        let definition = job.definition;
        let deployment = definition.deployment.as_ref().map(|link| JobDeployment {
            deployment_id: link.deployment_id.to_string(),
            template: TemplateVersion {
                name: owned(views.template_name(link.brings.template)).unwrap_or_default(),
                version: int(link.brings.version),
            },
            revision: int(link.revision),
        });
        Self {
            number: job.id,
            changed_at_position: job.changed.into(),
            id: definition.name.as_str().into(),
            namespace: owned(definition.namespace.as_ref().map(|name| name.as_str())),
            description: owned(definition.description.as_deref()),
            target_selection: definition.target_selection.into(),
            settings: (&definition.settings).into(),
            rate_ceiling_per_minute: int(definition.rate_ceiling_per_minute),
            deployment,
            status: job.status.into(),
            progress: (&job.progress).into(),
            cancellation: job.canceled.map(cancellation),
            created_at: job.created_at.into(),
            last_updated_at: job.updated_at.into(),
            completed_at: job.completed_at.map(DateTime::from),
            position: views.position().into(),
        }
    }

    pub(in crate::graphql) fn find(views: &Views, name: &str) -> Option<Self> {
        views.job(name).map(|job| Self::of(views, &job))
    }

    pub(in crate::graphql) fn read(context: &Context<'_>, name: &str) -> Option<Self> {
        source(context).views(|views| Self::find(views, name))
    }
}

#[ComplexObject]
impl Job {
    /// The job document: JSON text. Up to 512 KiB for a deployment, so it costs 500 points.
    #[graphql(complexity = 500)]
    async fn document(&self, context: &Context<'_>) -> Option<String> {
        source(context).views(|views| {
            let job = views.job_by_id(self.number)?;
            Some(job.definition.document.to_string())
        })
    }

    /// What it is for, in the order given.
    #[graphql(complexity = "points(5, child_complexity)")]
    async fn targets(&self, context: &Context<'_>) -> Vec<JobTarget> {
        source(context).views(|views| {
            let job = views.job_by_id(self.number);
            let targets = job.into_iter().flat_map(|job| &job.definition.targets);
            targets
                .filter_map(|target| target_name(views, target))
                .collect()
        })
    }

    /// How well it goes.
    #[graphql(complexity = "points(1, child_complexity + 20)")]
    async fn statistics(&self, context: &Context<'_>) -> Option<JobStatistics> {
        source(context).views(|views| statistics(views, self.number))
    }

    /// Its executions, by thing name.
    #[graphql(complexity = "page_points(first, child_complexity)")]
    async fn executions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only executions with this status.")] status: Option<ExecutionStatus>,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<JobExecution>, Error> {
        executions::of_job(context, self.number, status, first, after.as_deref())
    }
}

impl From<&jobs::Progress> for JobProgress {
    fn from(progress: &jobs::Progress) -> Self {
        let count = |status| int(progress.count(status));
        Self {
            targets: int(progress.targets),
            not_queued: int(progress.not_queued),
            queued: count(execution::Status::Queued),
            in_progress: count(execution::Status::InProgress),
            succeeded: count(execution::Status::Succeeded),
            failed: count(execution::Status::Failed),
            timed_out: count(execution::Status::TimedOut),
            rejected: count(execution::Status::Rejected),
            removed: count(execution::Status::Removed),
            canceled: count(execution::Status::Canceled),
        }
    }
}

fn cancellation(canceled: &jobs::Cancellation) -> Cancellation {
    Cancellation {
        by: canceled.by.into(),
        forced: canceled.forced,
        reason_code: owned(canceled.reason_code.as_deref()),
        comment: owned(canceled.comment.as_deref()),
        at: canceled.at.into(),
    }
}

/// A target with its name. One that was deleted since has a name as well.
pub(super) fn target_name(views: &Views, target: &job::Target) -> Option<JobTarget> {
    let (kind, name) = match target {
        job::Target::Thing(id) => (JobTargetKind::Thing, views.thing_name(*id)?),
        job::Target::Group(id) => (JobTargetKind::ThingGroup, views.group_name(*id)?),
    };
    Some(JobTarget {
        kind,
        name: name.to_owned(),
    })
}

fn statistics(views: &Views, job: JobId) -> Option<JobStatistics> {
    let statistics = views.job_statistics(job)?;
    let (listed, others) = statistics
        .failure_reasons
        .split_at(statistics.failure_reasons.len().min(FAILURE_REASONS_MAX));
    let reason = |(reason, count): &(&str, u64)| FailureReason {
        reason: (*reason).to_owned(),
        count: int(*count),
    };
    let others: u64 = others.iter().map(|(_, count)| count).sum();
    let download_time = statistics.download_ms.map(|times| DownloadTime {
        samples: int(times.samples),
        p50_ms: Long(times.p50),
        p90_ms: Long(times.p90),
        p99_ms: Long(times.p99),
        max_ms: Long(times.max),
    });
    let series = &statistics.rate;
    let step = Span::minutes(series.minutes_per_point);
    let mut at = series.from;
    let points = series.points.iter().map(|point| {
        let begins = at;
        at = at.plus(step);
        JobSeriesPoint {
            at: begins.into(),
            queued: int(point.queued),
            finished: int(point.finished),
        }
    });
    Some(JobStatistics {
        success_rate_percent: statistics.success_rate_hundredths.map(hundredths),
        failure_reasons: listed.iter().map(reason).collect(),
        other_failures: int(others),
        download_time,
        retries: int(statistics.retries),
        series: JobSeries {
            minutes_per_point: int(series.minutes_per_point),
            points: points.collect(),
        },
        position: views.position().into(),
    })
}

/// Which jobs a list holds. Every given member must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct JobFilter {
    /// How it stands.
    pub status: Option<JobStatus>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// A thing group that is one of its targets.
    pub target_group: Option<String>,
    /// Whether things that join later belong to it.
    pub target_selection: Option<TargetSelection>,
}

/// Order of a list of jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum JobOrder {
    /// The newest first.
    #[default]
    Newest,
    /// By id.
    Name,
}

/// A page of jobs.
pub(in crate::graphql) fn list(
    context: &Context<'_>,
    filter: Option<&JobFilter>,
    order: JobOrder,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<Page<Job>, Error> {
    let size = paging::page_size(first)?;
    let after = paging::text(List::Jobs, "after", after)?;
    let filter = jobs::JobFilter {
        status: filter
            .and_then(|filter| filter.status)
            .map(job::Status::from),
        namespace: filter.and_then(|filter| filter.namespace.as_deref()),
        group: filter.and_then(|filter| filter.target_group.as_deref()),
        target_selection: filter
            .and_then(|filter| filter.target_selection)
            .map(job::TargetSelection::from),
        ..jobs::JobFilter::default()
    };
    let all = filter.status.is_none()
        && filter.namespace.is_none()
        && filter.group.is_none()
        && filter.target_selection.is_none();
    let order = match order {
        JobOrder::Newest => jobs::JobOrder::Newest,
        JobOrder::Name => jobs::JobOrder::Name,
    };
    Ok(source(context).views(|views| {
        let page = views.jobs(&filter, order, after.as_deref(), size);
        let bounds = Bounds {
            has_previous: after.is_some(),
            has_next: page.has_more,
            total: all.then(|| views.job_count()),
            position: views.position(),
        };
        let items = page.items.iter().map(|job| {
            let cursor = Cursor::text(List::Jobs, job.definition.name.as_str());
            (cursor, Job::of(views, job))
        });
        paging::page(bounds, items)
    }))
}
