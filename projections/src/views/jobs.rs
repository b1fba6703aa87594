//! Queries of jobs and executions.

use shipslog_domain::{JobId, ThingId, execution};

use super::Views;
use crate::jobs::{Execution, Job, JobFilter, JobOrder, OtaStatistics};
use crate::page::Page;

impl Views {
    /// The id of a job that exists.
    #[must_use]
    pub fn job_id(&self, name: &str) -> Option<JobId> {
        self.jobs.id(name)
    }

    /// The name of a job, deleted or not.
    #[must_use]
    pub fn job_name(&self, id: JobId) -> Option<&str> {
        self.jobs.name(id)
    }

    /// A job by name.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<Job<'_>> {
        self.jobs.view(self.jobs.id(name)?)
    }

    /// A job by id.
    #[must_use]
    pub fn job_by_id(&self, id: JobId) -> Option<Job<'_>> {
        self.jobs.view(id)
    }

    /// Jobs that a filter lets through.
    #[must_use]
    pub fn jobs(
        &self,
        filter: &JobFilter<'_>,
        order: JobOrder,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Job<'_>> {
        self.jobs.list(filter, order, &self.registry, after, limit)
    }

    /// Number of jobs.
    #[must_use]
    pub fn job_count(&self) -> u64 {
        self.jobs.count()
    }

    /// What the devices of a job say of their updates.
    #[must_use]
    pub fn job_statistics(&self, id: JobId) -> Option<OtaStatistics<'_>> {
        self.jobs.statistics(id)
    }

    /// The execution of a job on a thing.
    #[must_use]
    pub fn execution(&self, job: JobId, thing: ThingId) -> Option<Execution<'_>> {
        self.jobs.execution(job, thing, &self.registry)
    }

    /// Executions of a job by thing name.
    #[must_use]
    pub fn job_executions(
        &self,
        job: JobId,
        status: Option<execution::Status>,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Execution<'_>> {
        self.jobs.of_job(job, status, &self.registry, after, limit)
    }

    /// Executions of a thing, newest job first.
    #[must_use]
    pub fn thing_executions(
        &self,
        thing: ThingId,
        status: Option<execution::Status>,
        after: Option<JobId>,
        limit: usize,
    ) -> Page<Execution<'_>> {
        self.jobs
            .of_thing(thing, status, &self.registry, after, limit)
    }
}
