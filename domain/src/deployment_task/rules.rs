//! Which deployment tasks are accepted, and how they are worked off.
//!
//! A task goes through three steps, each at most one batch of events: its targets are resolved; the job that
//! carries the deployment is found or created; core after core gets its desired version and moves to the
//! version's group. A core is in exactly one such group.

use roaring::RoaringBitmap;

use super::{Event, Targets, Task};
use crate::Fleet;
use crate::core::{self, TemplateVersion};
use crate::core_task::Outcome;
use crate::event::{Event as Any, Fact};
use crate::group;
use crate::ids::{
    DeploymentTaskId, GroupId, GroupName, JobId, JobName, Namespace, TaskKey, TemplateName, ThingId,
};
use crate::job::{self, CanceledBy, Definition, DeploymentLink, Settings, Target, TargetSelection};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;
use crate::template::{DocumentHead, VersionDeployment, deployment_document};
use crate::time::Timestamp;

/// Greengrass' namespace of deployment jobs.
const NAMESPACE: &str = "aws-gg-deployment";
/// Cores per `TargetsResolved` event, so that none outgrows a block of the log.
pub(super) const RESOLVED_PER_EVENT: usize = 5_000;

fn fact(task: DeploymentTaskId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::DeploymentTask, task.0),
        event: Any::DeploymentTask(event),
    }
}

impl Fleet {
    pub(crate) fn decide_create_deployment_task(
        &self,
        key: TaskKey,
        name: &TemplateName,
        version: Option<u32>,
        targets: &Targets,
        job_settings: Option<&Settings>,
    ) -> Result<Vec<Fact>, Rejection> {
        self.check_targets(targets)?;
        if let Some(settings) = job_settings {
            settings.check(self.settings.rollout_ceiling_per_minute)?;
        }
        if self.deployment_tasks.by_key.contains_key(&key) {
            return Err(Rejection::already_exists("taskId", format!("task {key}")));
        }
        let template = self.find_template(name)?;
        let versions = self.templates.get(template).versions.len();
        let latest = crate::ids::dense(versions);
        let wanted = TemplateVersion {
            template,
            version: version.unwrap_or(latest),
        };
        if self.templates.version(wanted).is_none() {
            return Err(Rejection::not_found(
                "template.version",
                format!("version {} of template {name}", wanted.version),
            ));
        }
        Ok(vec![fact(
            self.deployment_tasks.next_id(),
            Event::Requested {
                key,
                template: wanted,
                targets: Box::new(targets.clone()),
                job_settings: job_settings.cloned().map(Box::new),
            },
        )])
    }

    /// The next step of a task that has not ended: at least one event.
    pub(crate) fn deployment_task_due(&self, id: DeploymentTaskId, now: Timestamp) -> Vec<Fact> {
        let Some(task) = self.deployment_tasks.get(id) else {
            return Vec::new();
        };
        if !task.resolved {
            return self.resolve_targets(id, task);
        }
        if task.next as usize >= task.cores.len() {
            let outcome = if task.failed {
                Outcome::Failure
            } else {
                Outcome::Success
            };
            let message = None;
            return vec![fact(id, Event::Finished { outcome, message })];
        }
        let batch: Vec<ThingId> = task
            .cores
            .iter()
            .skip(task.next as usize)
            .take(limits::DEPLOYMENT_BATCH as usize)
            .copied()
            .collect();
        let needs_job = batch.iter().any(|core| self.is_core_device(*core));
        if needs_job && task.job.is_none() {
            return self.assign_job(id, task, now);
        }
        let mut facts = Vec::new();
        for core in batch {
            self.deploy_on(id, task, core, &mut facts);
        }
        facts
    }

    /// A part of the names and direct group members, each once. A named thing that is no core fails as an item of its
    /// own; a group's members that are no cores are passed over. Refused names come first, in their order, then cores
    /// in theirs, so that the next part begins where this one ended.
    fn resolve_targets(&self, id: DeploymentTaskId, task: &Task) -> Vec<Fact> {
        let mut facts = self.refuse_targets(id, task);
        if facts.len() >= limits::TIMEOUT_EVENTS_MAX {
            return facts;
        }
        let mut members = self.target_members(task);
        if let Some(last) = task.cores.last() {
            members.remove_range(..=last.0);
        }
        // Only what comes after the cores that are known already counts.
        let unread = self.add_queried(task, &mut members);
        let mut cores: Vec<ThingId> = Vec::new();
        let mut passed = 0;
        for thing in members.iter().map(ThingId) {
            if cores.len() == RESOLVED_PER_EVENT {
                break;
            }
            passed += 1;
            if self.things.get(thing).core.is_some() {
                cores.push(thing);
            }
        }
        let remaining = u32::try_from(members.len() - passed).unwrap_or(u32::MAX);
        let remaining = remaining.saturating_add(unread);
        let nothing_found = cores.is_empty() && task.cores.is_empty();
        facts.push(if nothing_found {
            let refused = task.failed || !facts.is_empty();
            let outcome = Outcome::Failure;
            let message = (!refused).then(|| "the targets resolve to no core".into());
            fact(id, Event::Finished { outcome, message })
        } else {
            let remaining = (remaining > 0).then_some(remaining);
            fact(id, Event::TargetsResolved { cores, remaining })
        });
        facts
    }

    /// Named things and direct members of the groups, by name or path.
    fn target_members(&self, task: &Task) -> RoaringBitmap {
        let names = task.targets.thing_names.iter().flatten();
        let named = names.filter_map(|name| self.things.find(name));
        let mut members: RoaringBitmap = named.map(|thing| thing.0).collect();
        for name in task.targets.thing_group_names.iter().flatten() {
            if let Some(group) = self.groups.find(name).and_then(|id| self.groups.get(id)) {
                members |= &group.members;
            }
        }
        for path in task.targets.group_paths.iter().flatten() {
            if let Some(group) = self.group_at(path).and_then(|id| self.groups.get(id)) {
                members |= &group.members;
            }
        }
        members
    }

    /// The next names that are no cores, after those that were refused.
    fn refuse_targets(&self, id: DeploymentTaskId, task: &Task) -> Vec<Fact> {
        let names = task.targets.thing_names.as_deref().unwrap_or_default();
        let known = task
            .refused_to
            .as_ref()
            .map_or(0, |last| names.partition_point(|name| name <= last));
        // Once a core was found, every name was looked at.
        let names = if task.cores.is_empty() {
            names.get(known..)
        } else {
            None
        };
        let is_core = |name: &str| {
            let thing = self.things.find(name);
            thing.is_some_and(|thing| self.things.get(thing).core.is_some())
        };
        let refused = names
            .unwrap_or_default()
            .iter()
            .filter(|name| !is_core(name))
            .take(limits::TIMEOUT_EVENTS_MAX);
        let refuse = |name: &str| {
            let message =
                "not a core; create it with a core task, or let its device report its health";
            let event = Event::TargetRefused {
                name: name.into(),
                message: message.into(),
            };
            fact(id, event)
        };
        refused.map(|name| refuse(name)).collect()
    }

    /// Whether a deployment can reach a core: its device has reported, and its thing is still registered.
    pub(crate) fn is_core_device(&self, thing: ThingId) -> bool {
        let thing = self.things.get(thing);
        let core = thing.core.as_ref();
        thing.registered && core.is_some_and(|core| core.is_core_device)
    }

    /// One deployment per template version and rollout: cores join the job that already brings the version with
    /// the same settings. Other settings make a new revision of the group's deployment, which supersedes the one
    /// before it as Greengrass does.
    fn assign_job(&self, id: DeploymentTaskId, task: &Task, now: Timestamp) -> Vec<Fact> {
        let version = self
            .templates
            .version(task.template)
            .expect("a requested version exists for ever");
        let settings = task
            .job_settings
            .clone()
            .or_else(|| version.content.job_settings.clone())
            .unwrap_or_default();
        let current = version.deployment;
        if let Some(current) = current {
            let same = self.jobs.get(current.job).is_some_and(|job| {
                job.status() == job::Status::InProgress && job.definition().settings == settings
            });
            if same {
                return vec![fact(id, Event::JobAssigned { job: current.job })];
            }
        }
        let mut facts = Vec::new();
        let group_name = self.deployment_group_name(task.template);
        let group = self.groups.find(&group_name).unwrap_or_else(|| {
            let group = self.groups.next_id();
            facts.push(Fact {
                stream: StreamId::new(StreamKind::Group, group.0),
                event: Any::Group(group::Event::Created {
                    name: group_name.clone(),
                    parent: None,
                    description: None,
                    attributes: vec![(
                        "cdf-greengrass2-provisioning-deployment-task-id".into(),
                        task.key.as_str().into(),
                    )],
                }),
            });
            group
        });
        // Deployments of an earlier template of the same name may follow the group as well. Other jobs go on.
        let followers = self.groups.get(group).map(|group| &group.continuous_jobs);
        let is_deployment = |job: &&JobId| {
            let job = self.jobs.get(**job);
            job.is_some_and(|job| job.definition().deployment.is_some())
        };
        for job in followers.into_iter().flatten().filter(is_deployment) {
            facts.push(job::rules::fact(
                *job,
                job::Event::Canceled {
                    by: CanceledBy::Superseded,
                    forced: false,
                    reason_code: Some("SUPERSEDED".into()),
                    comment: None,
                },
            ));
        }
        let revision = current.map_or(1, |current| current.revision + 1);
        let job = self.jobs.next_id();
        let definition = self.deployment_job(task, (group, &group_name), revision, settings, now);
        facts.push(job::rules::fact(
            job,
            job::Event::Created {
                definition: Box::new(definition),
            },
        ));
        facts.push(fact(id, Event::JobAssigned { job }));
        facts
    }

    fn deployment_group_name(&self, wanted: TemplateVersion) -> GroupName {
        let template = self.templates.get(wanted.template);
        GroupName::parse(&format!(
            "cdf_ggv2_deploymentForTemplate_{}_{}",
            template.name, wanted.version
        ))
        .expect("a template name leaves room for the rest of the group name")
    }

    /// The namespaced continuous job of a group deployment. Ids are derived from the task's unguessable key, so
    /// that replay makes the same ones.
    fn deployment_job(
        &self,
        task: &Task,
        (group, group_name): (GroupId, &GroupName),
        revision: u32,
        settings: Settings,
        now: Timestamp,
    ) -> Definition {
        let template = self.templates.get(task.template.template);
        let version = self
            .templates
            .version(task.template)
            .expect("a requested version exists for ever");
        let deployment_id = derived_uuid(task.key, "deployment");
        let name = format!(
            "CDF GreengrassV2 Provisioning - Template: {}, Version: {}",
            template.name, task.template.version
        );
        let arn = format!(
            "arn:aws:greengrass:{}:{}:configuration:thinggroup/{group_name}:{revision}",
            self.settings.region, self.settings.account
        );
        let head = DocumentHead {
            deployment_id: &deployment_id,
            deployment_name: &name,
            configuration_arn: &arn,
            parent_target_arn: None,
            is_large: false,
            created_at: now,
        };
        Definition {
            name: JobName::parse(&derived_uuid(task.key, "job")).expect("a UUID is a job name"),
            namespace: Some(Namespace::parse(NAMESPACE).expect("the namespace is a constant")),
            document: deployment_document(head, &version.content).into(),
            description: Some(name.as_str().into()),
            targets: vec![Target::Group(group)],
            target_selection: TargetSelection::Continuous,
            settings,
            rate_ceiling_per_minute: self.settings.rollout_ceiling_per_minute,
            deployment: Some(DeploymentLink {
                deployment_id: deployment_id.into(),
                brings: task.template,
                revision,
            }),
            extras: None,
        }
    }

    /// Sets the desired version of one core and, if its device ever connected, moves it to the version's group.
    fn deploy_on(&self, id: DeploymentTaskId, task: &Task, core: ThingId, facts: &mut Vec<Fact>) {
        let request = |failure: Option<&str>| {
            core::rules::fact(
                core,
                core::Event::DeploymentRequested {
                    task: id,
                    desired: task.template,
                    failure: failure.map(Into::into),
                },
            )
        };
        if self.things.get(core).core.is_none() {
            facts.push(request(Some("the core was deleted meanwhile")));
            return;
        }
        if !self.is_core_device(core) {
            facts.push(request(Some(
                "core device not registered with Greengrass V2: it has never reported its health",
            )));
            return;
        }
        let job = task.job.and_then(|job| self.jobs.get(job));
        let Some(job) = job.filter(|job| job.status() == job::Status::InProgress) else {
            facts.push(request(Some(
                "failed to create deployment: its job was canceled; deploy again",
            )));
            return;
        };
        facts.push(request(None));
        let Some(Target::Group(group)) = job.definition().targets.first().copied() else {
            return;
        };
        let groups = &self.things.get(core).groups;
        for other in groups.iter().filter(|other| **other != group) {
            if self.templates.groups.contains_key(other) {
                self.leave(core, *other, Some(group), facts);
            }
        }
        // A member whose run is under way goes on with it. Any other joins, again if need be, and is told at the
        // pace of the rollout.
        let is_told = job.is_live(core) || job.waiting.contains(core.0);
        if !groups.contains(&group) || !is_told {
            self.join_paced(core, group, facts);
        }
    }

    /// What a new job or group of a deployment means for its template version. The revision before it has nothing to
    /// tell any more: the new one covers the whole group.
    pub(crate) fn link_deployment(&mut self, job: JobId, definition: &Definition, at: Timestamp) {
        let (Some(link), Some(Target::Group(group))) =
            (&definition.deployment, definition.targets.first())
        else {
            return;
        };
        self.templates.groups.insert(*group, link.brings);
        let Some(version) = self.templates.version_mut(link.brings) else {
            return;
        };
        let before = version.deployment.replace(VersionDeployment {
            group: *group,
            job,
            revision: link.revision,
        });
        if let Some(before) = before
            && let Some(superseded) = self.jobs.get_mut(before.job)
        {
            superseded.dropped.clear();
            self.refresh_job(before.job, at);
        }
    }
}

/// A UUID-shaped id made from a task's unguessable key: 108 bits of the key and the purpose, mixed.
fn derived_uuid(key: TaskKey, purpose: &str) -> String {
    let mut halves = [0xcbf2_9ce4_8422_2325_u64, 0x6c62_272e_07bb_0142];
    for (index, half) in (0_u8..).zip(halves.iter_mut()) {
        for byte in key.as_str().bytes().chain(purpose.bytes()).chain([index]) {
            // FNV-1a: enough to spread distinct keys; unguessable because the key is.
            *half = (*half ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    let [high, low] = halves;
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48 & 0x3fff),
        low & 0xffff_ffff_ffff
    )
}
