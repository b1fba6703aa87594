//! What can be asked of jobs and executions.

use roaring::RoaringBitmap;
use shipslog_domain::core::TemplateVersion;
use shipslog_domain::execution::Status as ExecutionStatus;
use shipslog_domain::job::DeploymentLink;
use shipslog_domain::{JobId, ThingId};

use super::{
    Entry, Execution, Job, JobFilter, JobOrder, Jobs, OtaStatistics, Progress, RateSeries,
};
use crate::cores::{EffectiveDeployment, VersionName};
use crate::order::Range;
use crate::page::{Candidates, Page, select};
use crate::pairs;
use crate::registry::Registry;
use crate::templates::Templates;

impl Entry {
    fn progress(&self) -> Progress {
        let mut per_status = [0; 8];
        for (count, set) in per_status.iter_mut().zip(&self.sets) {
            *count = set.0.len();
        }
        let moved: u64 = per_status.iter().sum();
        if let Some(queued) = per_status.get_mut(ExecutionStatus::Queued as usize) {
            *queued = self.members.0.len() - moved;
        }
        Progress {
            targets: self.waiting.0.union_len(&self.members.0),
            not_queued: self.waiting.0.len(),
            per_status,
        }
    }

    /// Things by the status of their execution.
    fn things(&self, status: Option<ExecutionStatus>) -> RoaringBitmap {
        match status {
            None => self.members.0.clone(),
            Some(ExecutionStatus::Queued) => {
                let mut things = self.members.0.clone();
                for set in &self.sets {
                    things -= &set.0;
                }
                things
            }
            Some(status) => self
                .sets
                .get(status as usize)
                .map(|set| set.0.clone())
                .unwrap_or_default(),
        }
    }
}

impl Jobs {
    /// A job that exists, by name.
    pub(crate) fn id(&self, name: &str) -> Option<JobId> {
        let id = self.names.id(name)?;
        self.entry(id).map(|_| JobId(id))
    }

    /// The name of a job, deleted or not.
    pub(crate) fn name(&self, id: JobId) -> Option<&str> {
        self.names.name(id.0)
    }

    /// Number of jobs.
    pub(crate) fn count(&self) -> u64 {
        self.entries.iter().flatten().map(|_| 1).sum()
    }

    /// A job that exists.
    pub(crate) fn view(&self, id: JobId) -> Option<Job<'_>> {
        let entry = self.entry(id.0)?;
        Some(Job {
            id,
            definition: &entry.definition,
            status: entry.status,
            progress: entry.progress(),
            canceled: entry.canceled.as_ref(),
            created_at: entry.created_at,
            updated_at: entry.updated_at,
            completed_at: entry.completed_at,
            changed: entry.changed,
        })
    }

    /// Statistics of a job that exists.
    pub(crate) fn statistics(&self, id: JobId) -> Option<OtaStatistics<'_>> {
        let entry = self.entry(id.0)?;
        let progress = entry.progress();
        let succeeded = progress.count(ExecutionStatus::Succeeded);
        let ended = [
            ExecutionStatus::Succeeded,
            ExecutionStatus::Failed,
            ExecutionStatus::TimedOut,
            ExecutionStatus::Rejected,
        ]
        .map(|status| progress.count(status))
        .iter()
        .sum();
        let rate = (succeeded * 10_000).checked_div(ended);
        Some(OtaStatistics {
            progress,
            success_rate_hundredths: rate.and_then(|rate| u32::try_from(rate).ok()),
            failure_reasons: entry.statistics.reasons(),
            download_ms: entry.statistics.downloads.summary(),
            retries: entry.statistics.retries,
            rate: RateSeries {
                from: entry.created_at,
                minutes_per_point: entry.statistics.rate.minutes_per_point,
                points: &entry.statistics.rate.points,
            },
        })
    }

    /// Jobs that a filter lets through.
    pub(crate) fn list(
        &self,
        filter: &JobFilter<'_>,
        order: JobOrder,
        registry: &Registry,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Job<'_>> {
        let group = filter.group.map(|name| registry.groups.live(name));
        let chosen = |id: &u32| {
            self.entry(*id).is_some_and(|entry| {
                let definition = &entry.definition;
                let namespace = definition.namespace.as_ref().map(|name| name.as_str());
                filter.status.is_none_or(|status| status == entry.status)
                    && filter.namespace.is_none_or(|name| namespace == Some(name))
                    && !(filter.plain_only && namespace.is_some())
                    && filter
                        .target_selection
                        .is_none_or(|selection| selection == definition.target_selection)
                    && group.is_none_or(|group| entry.target_groups().any(|id| Some(id) == group))
            })
        };
        let page = match order {
            JobOrder::Name => {
                let prefix = "";
                let walk = self.names.walk(Range { after, prefix });
                Page::of(walk.map(|(_, id)| id).filter(chosen), limit)
            }
            JobOrder::Newest => {
                let end = after.map_or(self.names.end(), |name| self.names.id(name).unwrap_or(0));
                Page::of((0..end).rev().filter(chosen), limit)
            }
        };
        page.filter_map(|id| self.view(JobId(id)))
    }

    /// The execution of a job on a thing.
    pub(crate) fn execution<'a>(
        &'a self,
        job: JobId,
        thing: ThingId,
        registry: &'a Registry,
    ) -> Option<Execution<'a>> {
        if !self.entry(job.0)?.members.0.contains(thing.0) {
            return None;
        }
        let place = self.executions.find(thing.0, job.0)?;
        Some(self.execution_at(place, thing, registry))
    }

    fn execution_at<'a>(
        &'a self,
        place: u32,
        thing: ThingId,
        registry: &'a Registry,
    ) -> Execution<'a> {
        let entry = self.executions.get(place);
        let job = JobId(entry.job);
        Execution {
            job,
            job_name: self.name(job).unwrap_or_default(),
            thing,
            thing_name: registry.thing_name(thing.0),
            status: entry.status(),
            number: entry.number,
            version: entry.version,
            retry: entry.retry,
            queued_at: entry.queued_at.or_start(),
            started_at: entry.started_at.get(),
            updated_at: entry.updated_at.or_start(),
            details: pairs::unpack(self.executions.details(place)).collect(),
            forced: entry.forced(),
        }
    }

    /// Executions of a job by thing name.
    pub(crate) fn of_job<'a>(
        &'a self,
        job: JobId,
        status: Option<ExecutionStatus>,
        registry: &'a Registry,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Execution<'a>> {
        let Some(entry) = self.entry(job.0) else {
            return Page::of([], 0);
        };
        let things = entry.things(status);
        let candidates = Candidates {
            count: things.len(),
            contains: &|id| things.contains(id),
            each: &|visit| things.iter().for_each(visit),
        };
        let range = Range { after, prefix: "" };
        select(&registry.things.names, &candidates, range, limit)
            .filter_map(|thing| self.execution(job, ThingId(thing), registry))
    }

    /// Executions of a thing, newest job first.
    pub(crate) fn of_thing<'a>(
        &'a self,
        thing: ThingId,
        status: Option<ExecutionStatus>,
        registry: &'a Registry,
        after: Option<JobId>,
        limit: usize,
    ) -> Page<Execution<'a>> {
        let places = self.executions.of_thing(thing.0);
        let mut chosen: Vec<(u32, u32)> = places
            .map(|place| (self.executions.get(place), place))
            .filter(|(entry, _)| {
                self.entry(entry.job).is_some()
                    && status.is_none_or(|status| status == entry.status())
                    && after.is_none_or(|after| entry.job < after.0)
            })
            .map(|(entry, place)| (entry.job, place))
            .collect();
        chosen.sort_unstable_by_key(|&(job, _)| std::cmp::Reverse(job));
        let places = chosen.into_iter().map(|(_, place)| place);
        Page::of(places, limit).map(|place| self.execution_at(place, thing, registry))
    }

    /// Deployments that reached a core, newest first.
    pub(crate) fn deployments_of<'a>(
        &'a self,
        thing: ThingId,
        registry: &'a Registry,
        templates: &'a Templates,
    ) -> Vec<EffectiveDeployment<'a>> {
        let page = self.of_thing(thing, None, registry, None, usize::MAX);
        let deployments = page.items.into_iter().filter_map(|execution| {
            let entry = self.entry(execution.job.0)?;
            let link = entry.definition.deployment.as_ref()?;
            Some(effective(execution, entry, link, registry, templates))
        });
        deployments.collect()
    }
}

fn effective<'a>(
    execution: Execution<'a>,
    entry: &'a Entry,
    link: &'a DeploymentLink,
    registry: &'a Registry,
    templates: &'a Templates,
) -> EffectiveDeployment<'a> {
    let brings: TemplateVersion = link.brings;
    let failed = execution.status.is_terminal() && execution.status != ExecutionStatus::Succeeded;
    let reason = ["deployment-failure-cause", "detailed-deployment-status"]
        .iter()
        .filter(|_| failed)
        .find_map(|key| execution.details.iter().find(|(name, _)| name == key));
    EffectiveDeployment {
        deployment_id: &link.deployment_id,
        job: execution.job,
        job_name: execution.job_name,
        template: VersionName::new(Some(brings), templates),
        target_groups: registry.group_names(entry.target_groups()),
        description: entry.definition.description.as_deref(),
        status: execution.status,
        reason: reason.map(|(_, value)| (*value).to_owned()),
        created_at: execution.queued_at,
        updated_at: execution.updated_at,
    }
}
