//! Deployments as one core sees them: of each target that it belongs to, the newest that reached it.

use super::{Deployment, Report, ReportedStatus, Scope};
use crate::Fleet;
use crate::deployment::components::NAMESPACE;
use crate::execution::{self, View};
use crate::ids::{GroupId, ThingId};
use crate::job::Target;
use crate::time::Timestamp;

/// How a deployment stands on one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectiveStatus {
    /// It was told, and has not begun.
    Queued,
    /// It is at it.
    InProgress,
    /// It has what its group's deployment brings.
    Succeeded,
    /// It has what its own deployment brings.
    Completed,
    /// It could not.
    Failed,
    /// It did not finish in time.
    TimedOut,
    /// It was canceled before it had begun, or is for the core no more.
    Canceled,
    /// It would not.
    Rejected,
}

impl EffectiveStatus {
    /// The wire word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::InProgress => "IN_PROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Canceled => "CANCELED",
            Self::Rejected => "REJECTED",
        }
    }

    const fn of_execution(status: execution::Status) -> Self {
        match status {
            execution::Status::Queued => Self::Queued,
            execution::Status::InProgress => Self::InProgress,
            execution::Status::Succeeded => Self::Succeeded,
            execution::Status::Failed => Self::Failed,
            execution::Status::TimedOut => Self::TimedOut,
            execution::Status::Rejected => Self::Rejected,
            execution::Status::Removed | execution::Status::Canceled => Self::Canceled,
        }
    }

    const fn of_report(status: ReportedStatus) -> Self {
        match status {
            ReportedStatus::InProgress => Self::InProgress,
            ReportedStatus::Succeeded => Self::Completed,
            ReportedStatus::Failed => Self::Failed,
            ReportedStatus::Rejected => Self::Rejected,
            ReportedStatus::Canceled => Self::Canceled,
        }
    }
}

/// A deployment as one core sees it.
#[derive(Debug)]
pub struct EffectiveDeployment<'f> {
    /// The deployment.
    pub deployment: &'f Deployment,
    /// How it stands.
    pub status: EffectiveStatus,
    /// When the core was told.
    pub told_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Why it stands so, where the device said it: `FAILED_NO_STATE_CHANGE: the cause`.
    pub reason: Option<String>,
    /// Codes of what went wrong, from the outside in.
    pub error_stack: Vec<String>,
    /// Kinds of what went wrong.
    pub error_types: Vec<String>,
}

impl<'f> EffectiveDeployment<'f> {
    fn of_execution(deployment: &'f Deployment, run: &View<'_>) -> Self {
        let detail = |key: &str| run.details.get(key);
        let texts = |key: &str| detail(key).map_or_else(Vec::new, listed);
        Self {
            deployment,
            status: EffectiveStatus::of_execution(run.status),
            told_at: run.queued_at,
            changed_at: run.last_updated_at,
            reason: reason(
                detail("detailed-deployment-status"),
                detail("deployment-failure-cause"),
            ),
            error_stack: texts("deployment-error-stack"),
            error_types: texts("deployment-error-types"),
        }
    }

    fn of_report(deployment: &'f Deployment, report: Option<&Report>) -> Self {
        let texts = |list: &[Box<str>]| list.iter().map(|one| one.to_string()).collect();
        let canceled = deployment.is_canceled.then_some(EffectiveStatus::Canceled);
        let Some(report) = report else {
            return Self {
                deployment,
                status: canceled.unwrap_or(EffectiveStatus::Queued),
                told_at: deployment.created_at,
                changed_at: deployment.created_at,
                reason: None,
                error_stack: Vec::new(),
                error_types: Vec::new(),
            };
        };
        Self {
            deployment,
            status: EffectiveStatus::of_report(report.status),
            told_at: deployment.created_at,
            changed_at: report.at,
            reason: reason(
                report.detailed_status.as_deref(),
                report.failure_cause.as_deref(),
            ),
            error_stack: texts(&report.error_stack),
            error_types: texts(&report.error_types),
        }
    }
}

fn reason(status: Option<&str>, cause: Option<&str>) -> Option<String> {
    match (status, cause) {
        (Some(status), Some(cause)) => Some(format!("{status}: {cause}")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

/// Items of a list that was made a text, such as `[A, B]`, which is how devices put lists into status details.
fn listed(text: &str) -> Vec<String> {
    let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
    let items = inner.split(',').map(|item| item.trim().trim_matches('"'));
    items
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

impl Fleet {
    /// Deployments of components as a core sees them, the one that it was told of last first.
    #[must_use]
    pub fn effective_deployments(&self, core: ThingId) -> Vec<EffectiveDeployment<'_>> {
        let mut found: Vec<_> = self
            .groups_over(core)
            .into_iter()
            .filter_map(|group| self.effective_of_group(core, group))
            .collect();
        let own = self.latest_deployment(Scope::Target(Target::Thing(core)));
        let own = own.map(|own| EffectiveDeployment::of_report(own, own.report.as_ref()));
        found.extend(own);
        found.sort_by_key(|one| std::cmp::Reverse(one.told_at));
        found
    }

    /// The groups of a thing and all above them, none twice.
    fn groups_over(&self, thing: ThingId) -> Vec<GroupId> {
        let mut all = Vec::new();
        for group in self
            .thing(thing)
            .into_iter()
            .flat_map(|thing| &thing.groups)
        {
            for (group, _) in self.groups.with_ancestors(*group) {
                if !all.contains(&group) {
                    all.push(group);
                }
            }
        }
        all
    }

    fn effective_of_group(&self, core: ThingId, group: GroupId) -> Option<EffectiveDeployment<'_>> {
        let scope = Scope::Target(Target::Group(group));
        self.deployments_of(scope, None).find_map(|(_, one)| {
            one.components()?;
            let run = self.execution(self.jobs.find(one.job.as_str())?, core)?;
            Some(EffectiveDeployment::of_execution(one, &run))
        })
    }

    /// Whether a core has what some deployment of a group brought.
    #[must_use]
    pub fn has_deployment_of(&self, core: ThingId, group: GroupId) -> bool {
        let scope = Scope::Target(Target::Group(group));
        self.deployments_of(scope, None).any(|(_, one)| {
            let job = self.jobs.find(one.job.as_str());
            let run = job.and_then(|job| self.execution(job, core));
            run.is_some_and(|run| run.status == execution::Status::Succeeded)
        })
    }

    /// The id of a deployment that a core is to carry out, or is at.
    pub(crate) fn deployment_under_way(&self, core: ThingId) -> Option<String> {
        if let Some(run) = self.next_pending(core, Some(NAMESPACE)) {
            return Some(format!("of job {}", run.job_name));
        }
        let own = self.latest_deployment(Scope::Target(Target::Thing(core)))?;
        let is_active = self.deployment_status(own) == super::Status::Active;
        is_active.then(|| own.id.to_string())
    }
}
