//! From a plan to facts: the one way in which a deployment comes to be, whoever asks for it.

use super::{Content, Deployment, Event, Scope, Status};
use crate::Fleet;
use crate::client_token::ClientToken;
use crate::event::{Event as Any, Fact};
use crate::ids::{DeploymentId, GroupId, JobName, Namespace};
use crate::job::{self, CanceledBy, Definition, DeploymentLink, Pairs, Target, TargetSelection};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;

/// A deployment that an adapter has checked and wants to come true.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Its id, which nobody can guess: a UUID as text.
    pub(crate) id: Box<str>,
    /// What its revision is counted in.
    pub(crate) scope: Scope,
    /// The name of the scope.
    pub(crate) scope_name: Box<str>,
    /// The name of its job, likewise a UUID.
    pub(crate) job: JobName,
    /// What its owner calls it.
    pub(crate) name: Option<Box<str>>,
    /// The group whose deployment it replaces for its target.
    pub(crate) parent: Option<GroupId>,
    /// What it brings.
    pub(crate) content: Content,
    /// `tags` given at creation.
    pub(crate) tags: Pairs,
    /// By which a repeated request is known; looked up by the adapter with `Deployments::repeated`.
    pub(crate) token: Option<ClientToken>,
    /// How it gets to its things.
    pub(crate) delivery: Delivery,
}

/// How a deployment gets to its things.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// As a job.
    Job(JobPlan),
    /// By facts that the adapter adds, such as a change of a shadow.
    Other,
}

/// The job that carries a deployment.
#[derive(Debug)]
pub(crate) struct JobPlan {
    /// Jobs of a namespace are invisible on the plain topics; `None` for one that every device sees.
    pub(crate) namespace: Option<Namespace>,
    /// What devices read: JSON text, whose length the adapter has checked.
    pub(crate) document: String,
    /// What the job is for.
    pub(crate) description: Option<Box<str>>,
    /// Who gets it.
    pub(crate) targets: Vec<Target>,
    /// Whether those who join later get it, too.
    pub(crate) target_selection: TargetSelection,
    /// How it is rolled out.
    pub(crate) settings: job::Settings,
    /// The template version that it brings, of a template's deployment.
    pub(crate) link: Option<DeploymentLink>,
}

pub(super) fn fact(id: DeploymentId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Deployment, id.0),
        event: Any::Deployment(event),
    }
}

/// The end of a deployment that is kept no more.
pub(crate) fn removed(number: u32) -> Fact {
    fact(DeploymentId(number), Event::Removed)
}

impl Fleet {
    /// The revision that the next deployment of a scope gets, for documents that say it.
    pub(crate) fn next_revision(&self, scope: Scope) -> u32 {
        self.deployments.last_revision(scope) + 1
    }

    /// What makes a deployment: the end of those that it supersedes, the deployment, and its job.
    ///
    /// # Errors
    /// Refuses ids that are taken, settings that no job may have, and more deployments than are kept.
    pub(crate) fn plan_deployment(&self, plan: Plan) -> Result<Vec<Fact>, Rejection> {
        if self.deployments.find(&plan.id).is_some() || self.jobs.find(plan.job.as_str()).is_some()
        {
            return Err(Rejection::already_exists(
                "deploymentId",
                format!("deployment {}", plan.id),
            ));
        }
        self.check_deployment_room(&plan.content)?;
        let mut facts = match plan.scope.supersedes() {
            true => self.supersede(plan.scope),
            false => Vec::new(),
        };
        facts.extend(self.oldest_beyond_bound(plan.scope));
        facts.push(fact(
            self.deployments.next_stream(),
            Event::Created {
                id: plan.id,
                scope: plan.scope,
                scope_name: plan.scope_name,
                revision: self.next_revision(plan.scope),
                job: plan.job.clone(),
                name: plan.name,
                parent: plan.parent,
                content: Box::new(plan.content),
                tags: plan.tags,
                token: plan.token,
            },
        ));
        if let Delivery::Job(job) = plan.delivery {
            facts.push(self.plan_job(plan.job, job)?);
        }
        Ok(facts)
    }

    fn plan_job(&self, name: JobName, plan: JobPlan) -> Result<Fact, Rejection> {
        let ceiling = self.settings.rollout_ceiling_per_minute;
        plan.settings.check(ceiling)?;
        let definition = Definition {
            name,
            namespace: plan.namespace,
            document: plan.document.into(),
            description: plan.description,
            targets: plan.targets,
            target_selection: plan.target_selection,
            settings: plan.settings,
            rate_ceiling_per_minute: ceiling,
            deployment: plan.link,
            extras: None,
        };
        let definition = Box::new(definition);
        let id = self.jobs.next_id();
        Ok(job::rules::fact(id, job::Event::Created { definition }))
    }

    fn check_deployment_room(&self, content: &Content) -> Result<(), Rejection> {
        let (count, bytes) = self.deployments.size();
        if count < limits::DEPLOYMENTS_MAX
            && bytes + super::state::content_bytes(content) <= limits::DEPLOYMENTS_BYTES_MAX
        {
            return Ok(());
        }
        Err(Rejection::too_many(
            "deployment",
            format!(
                "at most {} deployments are kept, with {} MiB of content together; delete old ones first",
                limits::DEPLOYMENTS_MAX,
                limits::DEPLOYMENTS_BYTES_MAX >> 20
            ),
        ))
    }

    /// A scope keeps a bounded history: the oldest deployment that has ended makes room for the next one.
    fn oldest_beyond_bound(&self, scope: Scope) -> Option<Fact> {
        let numbers = self.deployments.of_scope(scope);
        if numbers.len() < limits::DEPLOYMENTS_PER_SCOPE_MAX {
            return None;
        }
        let ended = numbers.iter().find_map(|number| {
            let one = self.deployments.get(*number)?;
            let has_ended = self.deployment_status(one) != Status::Active;
            one.stream.filter(|_| has_ended)
        });
        ended.map(|oldest| fact(oldest, Event::Removed))
    }

    /// The end of a scope and of all its deployments.
    pub(crate) fn forget_deployments(&self, scope: Scope) -> Vec<Fact> {
        let mut facts = Vec::new();
        for number in self.deployments.of_scope(scope) {
            let deployment = self.deployments.get(*number);
            facts.extend(deployment.and_then(|one| self.stop_job_of(one, CanceledBy::User)));
            let stream = deployment.and_then(|one| one.stream);
            facts.extend(stream.map(|stream| fact(stream, Event::Removed)));
        }
        facts
    }

    /// Ends the deployment of a scope, and those that replace it for other groups.
    fn supersede(&self, scope: Scope) -> Vec<Fact> {
        let below = match scope {
            Scope::Target(Target::Group(group)) => self.deployments.below(group),
            Scope::Target(Target::Thing(_)) | Scope::Stack(_) | Scope::ContainerService(_) => {
                Vec::new()
            }
        };
        let mut facts = Vec::new();
        for scope in [scope].into_iter().chain(below) {
            let Some((_, one)) = self.deployments.latest(scope) else {
                continue;
            };
            if one.is_superseded || one.is_canceled {
                continue;
            }
            facts.extend(one.stream.map(|id| fact(id, Event::Superseded)));
            facts.extend(self.stop_job_of(one, CanceledBy::Superseded));
        }
        facts
    }

    /// The end of a deployment's job, if it is going: who has begun goes on, who has not does not begin.
    pub(crate) fn stop_job_of(&self, deployment: &Deployment, by: CanceledBy) -> Option<Fact> {
        let id = self.jobs.find(deployment.job.as_str())?;
        let job = self.jobs.get(id)?;
        let reason = match by {
            CanceledBy::Superseded => Some("SUPERSEDED".into()),
            CanceledBy::User | CanceledBy::AbortCriterion | CanceledBy::EndTime => None,
        };
        let canceled = job::Event::Canceled {
            by,
            forced: false,
            reason_code: reason,
            comment: None,
        };
        job.is_going().then(|| job::rules::fact(id, canceled))
    }

    pub(crate) fn find_deployment(&self, id: &str) -> Result<&Deployment, Rejection> {
        let found = self.deployments.find(id);
        found.ok_or_else(|| Rejection::not_found("deploymentId", format!("deployment {id}")))
    }
}
