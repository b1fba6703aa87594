//! What container services do by themselves: one step after the other, until nothing is left to do.

use super::state::{ContainerService, Instruction, Node, Outcome, Phase};
use super::{Event, VersionRequest, document, group_name};
use crate::Fleet;
use crate::deployment::{self, Content, Scope};
use crate::event::{Event as Any, Fact};
use crate::execution;
use crate::fleet::Due;
use crate::group;
use crate::ids::{
    ContainerServiceId, DeploymentId, GroupId, GroupName, JobId, JobName, Namespace, ThingId,
};
use crate::job::{self, Definition, Settings, Target, TargetSelection};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::thing;
use crate::time::{Span, Timestamp};

/// What a service does next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// It gets its nodes, and its first version if it has one.
    Prepare,
    /// Its next version failed on a node.
    FailOn(ThingId),
    /// Its next version runs.
    Activate,
    /// Nodes are told something.
    Tell(Instruction, Vec<ThingId>),
    /// All nodes have followed a change.
    EndUpdate,
    /// All nodes have stopped.
    Remove,
}

pub(super) fn fact(id: ContainerServiceId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::ContainerService, id.0),
        event: Any::ContainerService(event),
    }
}

/// How long nodes have for a version or a change.
pub(super) const fn deadline(now: Timestamp) -> Timestamp {
    now.plus(Span::minutes(limits::CONTAINER_DEPLOYMENT_MINUTES))
}

impl Fleet {
    /// When a service next has something to do by itself, if `at` is now.
    pub(crate) fn container_service_due_at(
        &self,
        id: ContainerServiceId,
        at: Timestamp,
    ) -> Option<Timestamp> {
        let service = self.container_services.get(id)?;
        if self.container_step(service).is_some() {
            return Some(at);
        }
        match service.phase {
            Phase::Deploying { until, .. }
            | Phase::Updating { until }
            | Phase::Deleting { until } => Some(until),
            Phase::Pending | Phase::Idle => None,
        }
    }

    /// The next step of a service: at least one event if it is due.
    pub(crate) fn container_service_due(
        &self,
        id: ContainerServiceId,
        now: Timestamp,
    ) -> Vec<Fact> {
        let Some(service) = self.container_services.get(id) else {
            return Vec::new();
        };
        let version = service.next().unwrap_or_default();
        match self.container_step(service) {
            Some(Step::Prepare) => self.prepare_service(id, service, now),
            Some(Step::FailOn(node)) => {
                let cause = self.failure_on(service, node).into();
                vec![fact(id, Event::VersionFailed { version, cause })]
            }
            Some(Step::Activate) => vec![fact(id, Event::VersionActivated { version })],
            Some(Step::Tell(instruction, nodes)) => {
                self.tell_nodes(id, service, instruction, nodes)
            }
            Some(Step::EndUpdate) => vec![fact(id, Event::UpdateEnded)],
            Some(Step::Remove) => self.remove_service(id),
            None => self.service_out_of_time(id, service, now),
        }
    }

    fn container_step(&self, service: &ContainerService) -> Option<Step> {
        if service.phase == Phase::Pending {
            return Some(Step::Prepare);
        }
        let goal = service.goal();
        let at_goal = |outcome: Outcome| {
            let nodes = service.nodes.iter();
            nodes.filter(move |(_, node)| Some(node.instruction) == goal && node.outcome == outcome)
        };
        let scale = service.definition.scale as usize;
        let done = at_goal(Outcome::Done).count();
        if let Phase::Deploying { .. } = service.phase {
            if let Some((node, _)) = at_goal(Outcome::Failed).next() {
                return Some(Step::FailOn(*node));
            }
            if done >= scale {
                return Some(Step::Activate);
            }
        }
        let told = done + at_goal(Outcome::Pending).count();
        if let Some(goal) = goal
            && told < scale
        {
            let more = self.candidates(service, goal, scale - told);
            if !more.is_empty() {
                return Some(Step::Tell(goal, more));
            }
        }
        // Until the next version runs, the active one does.
        if !matches!(service.phase, Phase::Deploying { .. }) {
            let surplus = self.surplus(service, goal, scale);
            if !surplus.is_empty() {
                return Some(Step::Tell(Instruction::Stop, surplus));
            }
        }
        let at_rest = service
            .nodes
            .values()
            .all(|node| node.outcome != Outcome::Pending);
        match service.phase {
            Phase::Updating { .. } if at_rest => Some(Step::EndUpdate),
            Phase::Deleting { .. } if service.nodes.is_empty() => Some(Step::Remove),
            Phase::Pending
            | Phase::Idle
            | Phase::Deploying { .. }
            | Phase::Updating { .. }
            | Phase::Deleting { .. } => None,
        }
    }

    /// Up to `count` things that are to run the service: those that are connected first, those that run it already
    /// before others, and the oldest of them.
    fn candidates(
        &self,
        service: &ContainerService,
        goal: Instruction,
        count: usize,
    ) -> Vec<ThingId> {
        let Some(group) = service.group else {
            return Vec::new();
        };
        let members = self.groups.members_below(group);
        let members = members.iter().take(limits::CONTAINER_NODES_CONSIDERED);
        let connected = self.presences.connected();
        let is_free = |thing: &ThingId| {
            let node = service.nodes.get(thing);
            node.is_none_or(|node| node.instruction != goal) && self.is_registered(*thing)
        };
        let mut free: Vec<(bool, bool, ThingId)> = members
            .map(ThingId)
            .filter(is_free)
            .map(|thing| {
                let runs = service.nodes.contains_key(&thing);
                (!connected.contains(thing.0), !runs, thing)
            })
            .collect();
        free.sort_unstable();
        let mut chosen: Vec<ThingId> = free
            .into_iter()
            .take(count)
            .map(|(.., thing)| thing)
            .collect();
        chosen.sort_unstable();
        chosen
    }

    /// Nodes that have to stop: those that run something else, that left the group, or that are too many.
    fn surplus(
        &self,
        service: &ContainerService,
        goal: Option<Instruction>,
        scale: usize,
    ) -> Vec<ThingId> {
        let members = service.group.map(|group| self.groups.members_below(group));
        let is_member = |thing: ThingId| {
            let members = members.as_ref();
            members.is_some_and(|members| members.contains(thing.0))
        };
        let mut kept: Vec<(bool, ThingId)> = Vec::new();
        let mut surplus = Vec::new();
        for (thing, node) in &service.nodes {
            match node.instruction {
                Instruction::Stop => {}
                told if Some(told) == goal && is_member(*thing) => match node.outcome {
                    // It has said that it does not run, and nothing better can be asked of it.
                    Outcome::Failed => {}
                    outcome @ (Outcome::Pending | Outcome::Done) => {
                        kept.push((outcome == Outcome::Pending, *thing));
                    }
                },
                Instruction::Run { .. } => surplus.push(*thing),
            }
        }
        kept.sort_unstable();
        surplus.extend(kept.iter().skip(scale).map(|(_, thing)| *thing));
        surplus.sort_unstable();
        surplus
    }

    /// The group of nodes, which the service's owner may have made before.
    pub(super) fn group_nodes(
        &self,
        id: ContainerServiceId,
        service: &ContainerService,
    ) -> Vec<Fact> {
        let name = GroupName::parse(&group_name(&service.name))
            .expect("a service's name leaves room for the rest of the group's");
        let mut facts = Vec::new();
        let group = self.groups.find(&name).unwrap_or_else(|| {
            let group = self.groups.next_id();
            facts.push(Fact {
                stream: StreamId::new(StreamKind::Group, group.0),
                event: Any::Group(group::Event::Created {
                    name,
                    parent: None,
                    description: Some(
                        format!("Nodes of container service {}", service.name).into(),
                    ),
                    attributes: Vec::new(),
                }),
            });
            group
        });
        facts.push(fact(id, Event::Ready { group }));
        facts
    }

    fn prepare_service(
        &self,
        id: ContainerServiceId,
        service: &ContainerService,
        now: Timestamp,
    ) -> Vec<Fact> {
        let mut facts = self.group_nodes(id, service);
        if let Some(first) = &service.first {
            // It was looked at when the service was created; what has changed since is that there may be no room.
            match self.start_version(id, service, first, now) {
                Ok(started) => facts.extend(started),
                Err(no) => facts.push(fact(
                    id,
                    Event::VersionFailed {
                        version: 1,
                        cause: no.to_string().into(),
                    },
                )),
            }
        }
        facts
    }

    /// A deployment of the service's scope, whose document its nodes will get.
    pub(super) fn start_version(
        &self,
        id: ContainerServiceId,
        service: &ContainerService,
        request: &VersionRequest,
        now: Timestamp,
    ) -> Result<Vec<Fact>, crate::Rejection> {
        let content = request.content.resolved(service)?;
        document::check_length(service, &content)?;
        let scope = Scope::ContainerService(id);
        let version = self.next_revision(scope);
        let plan = deployment::Plan {
            id: request.deployment.clone(),
            scope,
            scope_name: service.name.as_str().into(),
            job: self.next_job_name(service),
            name: None,
            parent: None,
            content: Content::Containers(content),
            tags: Vec::new(),
            token: None,
            delivery: deployment::Delivery::Other,
        };
        let mut facts = self.drop_oldest_version(id, service);
        facts.extend(self.plan_deployment(plan)?);
        let until = deadline(now);
        facts.push(fact(id, Event::VersionStarted { version, until }));
        Ok(facts)
    }

    /// The service keeps its last versions, and the one that it runs.
    fn drop_oldest_version(&self, id: ContainerServiceId, service: &ContainerService) -> Vec<Fact> {
        let kept = self.deployments_of(Scope::ContainerService(id), None);
        let kept: Vec<_> = kept.collect();
        if kept.len() < limits::CONTAINER_VERSIONS_MAX {
            return Vec::new();
        }
        let mut oldest_first = kept.iter().rev();
        let oldest = oldest_first.find(|(_, one)| Some(one.revision) != service.active);
        let oldest = oldest.map(|(number, _)| deployment::removed(*number));
        oldest.into_iter().collect()
    }

    /// A name that no job has: the service's own id and a number.
    fn next_job_name(&self, service: &ContainerService) -> JobName {
        let name = |number: u32| {
            JobName::parse(&format!("{}-{number}", service.definition.uuid))
                .expect("a UUID and a number are a job's name")
        };
        let mut numbers = (service.jobs + 1)..;
        numbers
            .find_map(|number| {
                let name = name(number);
                self.jobs.find(name.as_str()).is_none().then_some(name)
            })
            .expect("there are fewer jobs than numbers")
    }

    /// The job that tells nodes something, and the end of what they were told before.
    fn tell_nodes(
        &self,
        id: ContainerServiceId,
        service: &ContainerService,
        instruction: Instruction,
        nodes: Vec<ThingId>,
    ) -> Vec<Fact> {
        let (document, minutes, what) = match instruction {
            Instruction::Run { version, .. } => (
                self.run_document(id, service, version),
                limits::CONTAINER_DEPLOYMENT_MINUTES,
                format!("Version {version} of container service {}", service.name),
            ),
            Instruction::Stop => (
                document::stop(&self.settings, service),
                limits::CONTAINER_STOP_MINUTES,
                format!("The end of container service {} here", service.name),
            ),
        };
        let definition = Definition {
            name: self.next_job_name(service),
            namespace: Some(
                Namespace::parse(document::NAMESPACE).expect("the namespace is a constant"),
            ),
            document: document.into(),
            description: Some(what.into()),
            targets: nodes.iter().copied().map(Target::Thing).collect(),
            target_selection: TargetSelection::Snapshot,
            settings: Settings {
                timeout_minutes: Some(minutes),
                ..Settings::default()
            },
            rate_ceiling_per_minute: self.settings.rollout_ceiling_per_minute,
            deployment: None,
            extras: None,
        };
        let job = self.jobs.next_id();
        let definition = Box::new(definition);
        let mut facts = vec![job::rules::fact(job, job::Event::Created { definition })];
        let overruled = nodes.clone();
        facts.push(fact(
            id,
            Event::NodesTold {
                instruction,
                job,
                nodes,
            },
        ));
        for thing in overruled {
            self.overrule(service, thing, &mut facts);
        }
        facts
    }

    /// What a node was told before and has not done is not to be done any more.
    fn overrule(&self, service: &ContainerService, thing: ThingId, facts: &mut Vec<Fact>) {
        let Some(node) = service.nodes.get(&thing) else {
            return;
        };
        let Some(run) = self.executions.find(node.job, thing) else {
            return;
        };
        if run.status.is_terminal() {
            return;
        }
        let event = execution::Event::Canceled {
            job: node.job,
            forced: run.status == execution::Status::InProgress,
            details: None,
        };
        self.end_execution(thing, event, run.details.as_details(), facts);
    }

    fn run_document(
        &self,
        id: ContainerServiceId,
        service: &ContainerService,
        version: u32,
    ) -> String {
        let found = self.container_version(id, version);
        let (deployment, content) = found.expect("a version that is to run is kept");
        document::run(&self.settings, service, (version, &deployment.id), content)
    }

    fn service_out_of_time(
        &self,
        id: ContainerServiceId,
        service: &ContainerService,
        now: Timestamp,
    ) -> Vec<Fact> {
        match service.phase {
            Phase::Deploying { version, until } if until <= now => {
                let goal = service.goal();
                let is_done =
                    |node: &&Node| Some(node.instruction) == goal && node.outcome == Outcome::Done;
                let done = service.nodes.values().filter(is_done).count();
                let cause = format!(
                    "after {} minutes it runs on {done} of {} nodes; see the nodes' executions, and whether group {} has enough things",
                    limits::CONTAINER_DEPLOYMENT_MINUTES,
                    service.definition.scale,
                    group_name(&service.name),
                );
                let cause = cause.into();
                vec![fact(id, Event::VersionFailed { version, cause })]
            }
            Phase::Updating { until } if until <= now => vec![fact(id, Event::UpdateEnded)],
            Phase::Deleting { until } if until <= now => self.remove_service(id),
            Phase::Pending
            | Phase::Idle
            | Phase::Deploying { .. }
            | Phase::Updating { .. }
            | Phase::Deleting { .. } => Vec::new(),
        }
    }

    fn remove_service(&self, id: ContainerServiceId) -> Vec<Fact> {
        let versions = self.deployments_of(Scope::ContainerService(id), None);
        let mut facts: Vec<Fact> = versions
            .map(|(number, _)| deployment::removed(number))
            .collect();
        facts.push(fact(id, Event::Removed));
        facts
    }

    /// Why the next version failed on a node, for people.
    fn failure_on(&self, service: &ContainerService, thing: ThingId) -> String {
        let name = self.thing_name(thing);
        let node = service.nodes.get(&thing);
        let Some(run) = node.and_then(|node| self.executions.find(node.job, thing)) else {
            return format!("node {name} was taken off its job");
        };
        let details = run.details.as_details();
        if run.status == execution::Status::Succeeded {
            return format!(
                "node {name} reported success, and not that the public endpoint is HEALTHY"
            );
        }
        let said = details.get("cause").map(|cause| format!(": {cause}"));
        let status = run.status.as_str();
        format!("node {name} ended as {status}{}", said.unwrap_or_default())
    }

    pub(crate) fn evolve_container_service(
        &mut self,
        id: ContainerServiceId,
        event: &Event,
        at: Timestamp,
    ) {
        self.container_services.evolve(id, event, at);
        self.refresh_container_service(id, at);
    }

    fn refresh_container_service(&mut self, id: ContainerServiceId, at: Timestamp) {
        let due = self.container_service_due_at(id, at);
        self.timers.set(Due::ContainerService(id), due);
    }

    /// Notes how an execution ended, if it tells a node something.
    pub(crate) fn note_container_execution(
        &mut self,
        thing: ThingId,
        job: JobId,
        status: Option<execution::Status>,
        at: Timestamp,
    ) {
        let Some(id) = self.container_services.of_job(job) else {
            return;
        };
        if status.is_some_and(|status| !status.is_terminal()) {
            return;
        }
        let done = status == Some(execution::Status::Succeeded) && self.is_healthy(id, job, thing);
        self.container_services.ended(id, job, thing, done);
        self.refresh_container_service(id, at);
    }

    /// Whether a node that reported success of a version with a public endpoint also said that it is healthy.
    fn is_healthy(&self, id: ContainerServiceId, job: JobId, thing: ThingId) -> bool {
        let service = self.container_services.get(id);
        let node = service.and_then(|service| service.nodes.get(&thing));
        let Some(Instruction::Run { version, .. }) = node.map(|node| node.instruction) else {
            return true;
        };
        let content = self
            .container_version(id, version)
            .map(|(_, content)| content);
        if content.is_none_or(|content| content.public_endpoint.is_none()) {
            return true;
        }
        let run = self.executions.find(job, thing);
        let health = run.and_then(|run| run.details.as_details().get("health"));
        health == Some("HEALTHY")
    }

    /// Notes that a job was stopped, if it tells nodes something.
    pub(crate) fn note_container_job(&mut self, job: JobId, event: &job::Event, at: Timestamp) {
        let stops = matches!(
            event,
            job::Event::Canceled { .. } | job::Event::DeletionStarted | job::Event::Deleted
        );
        if stops && let Some(id) = self.container_services.of_job(job) {
            self.container_services.job_stopped(id, job);
            self.refresh_container_service(id, at);
        }
    }

    /// Notes what the end of a thing, or of one of its memberships, means for services.
    pub(crate) fn note_container_membership(
        &mut self,
        thing: ThingId,
        event: &thing::Event,
        at: Timestamp,
    ) {
        match event {
            thing::Event::JoinedGroup { group, .. } | thing::Event::LeftGroup { group } => {
                self.note_container_group(*group, at);
            }
            thing::Event::Removed => {
                for id in self.container_services.forget_thing(thing) {
                    self.refresh_container_service(id, at);
                }
            }
            thing::Event::Registered { .. }
            | thing::Event::TypeChanged { .. }
            | thing::Event::AttributesChanged { .. }
            | thing::Event::CertificateAttached { .. }
            | thing::Event::CertificateDetached { .. }
            | thing::Event::BillingGroupChanged { .. } => {}
        }
    }

    /// Notes that a version is kept no more.
    pub(crate) fn note_container_version(&mut self, id: DeploymentId, event: &deployment::Event) {
        if !matches!(event, deployment::Event::Removed) {
            return;
        }
        let known = self.deployments.get(id.0);
        if let Some(Scope::ContainerService(service)) = known.map(|known| known.scope)
            && let Some(version) = known.map(|known| known.revision)
        {
            self.container_services.forget_version(service, version);
        }
    }

    /// Notes that members came to a group, or left it.
    fn note_container_group(&mut self, group: GroupId, at: Timestamp) {
        let above = self.groups.with_ancestors(group);
        let above = above.filter_map(|(group, _)| self.container_services.of_group(group));
        for id in above.collect::<Vec<_>>() {
            self.refresh_container_service(id, at);
        }
    }
}
