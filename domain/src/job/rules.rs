//! Which changes of jobs are accepted, and what jobs do by themselves. AWS IoT Jobs' rules, unless said otherwise.

use roaring::RoaringBitmap;

use super::files::check_placeholders;
use super::schedule::Phase;
use super::{
    CanceledBy, Change, Consequence, Definition, EndBehavior, Event, Job, Status, Sweep, Target,
    TargetSelection,
};
use crate::Fleet;
use crate::command::{JobRequest, TargetName};
use crate::core;
use crate::event::{Event as Any, Fact};
use crate::execution::{self, StatusDetails};
use crate::group::check_text;
use crate::ids::{GroupId, JobId, JobName, Namespace, ThingId};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;
use crate::time::{Span, Timestamp};

/// An event of a job's stream.
pub(crate) fn fact(job: JobId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Job, job.0),
        event: Any::Job(event),
    }
}

pub(crate) fn check_document(document: &str) -> Result<(), Rejection> {
    if document.len() > limits::JOB_DOCUMENT_BYTES_MAX {
        return Err(Rejection::malformed(
            "document",
            format!("must have at most {} bytes", limits::JOB_DOCUMENT_BYTES_MAX),
        ));
    }
    match serde_json::from_str::<serde_json::Value>(document) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(Rejection::malformed("document", "must be a JSON object")),
        Err(error) => Err(Rejection::malformed(
            "document",
            format!("must be a JSON object: {error}"),
        )),
    }
}

/// Refuses text that AWS IoT Jobs would refuse: too long, or with control characters.
fn check_plain(field: &'static str, text: Option<&str>) -> Result<(), Rejection> {
    check_text(field, text, limits::DESCRIPTION_CHARACTERS_MAX)?;
    match text {
        Some(text) if text.chars().any(char::is_control) => Err(Rejection::malformed(
            field,
            "must have no control characters",
        )),
        _ => Ok(()),
    }
}

fn check_reason_code(code: Option<&str>) -> Result<(), Rejection> {
    check_text("reasonCode", code, limits::REASON_CODE_CHARACTERS_MAX)?;
    let word = |c: char| c.is_uppercase() || c.is_numeric() || c == '_';
    match code {
        Some(code) if code.is_empty() || !code.chars().all(word) => Err(Rejection::malformed(
            "reasonCode",
            "must be upper-case letters, digits and underscores, such as NO_LONGER_NEEDED",
        )),
        _ => Ok(()),
    }
}

impl Fleet {
    pub(crate) fn find_job(&self, name: &JobName) -> Result<(JobId, &Job), Rejection> {
        let id = self.jobs.find(name.as_str());
        id.and_then(|id| Some((id, self.jobs.get(id)?)))
            .ok_or_else(|| Rejection::not_found("jobId", format!("job {name}")))
    }

    fn find_targets(&self, names: &[TargetName]) -> Result<Vec<Target>, Rejection> {
        let mut targets = Vec::new();
        for name in names {
            let target = match name {
                TargetName::Thing(name) => Target::Thing(self.find_thing(name)?),
                TargetName::Group(name) => Target::Group(self.find_group(name)?),
            };
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Ok(targets)
    }

    /// The job with this name. Who names a namespace finds only jobs of it.
    fn find_job_within(
        &self,
        name: &JobName,
        namespace: Option<&Namespace>,
    ) -> Result<(JobId, &Job), Rejection> {
        let found = self.find_job(name)?;
        match namespace {
            Some(_) if found.1.definition().namespace.as_ref() != namespace => {
                Err(Rejection::not_found("jobId", format!("job {name}")))
            }
            _ => Ok(found),
        }
    }

    pub(crate) fn decide_create_job(
        &self,
        request: &JobRequest,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        if self.jobs.find(request.name.as_str()).is_some() {
            return Err(Rejection::already_exists(
                "jobId",
                format!("job {}", request.name),
            ));
        }
        check_document(&request.document)?;
        check_plain("description", request.description.as_deref())?;
        let ceiling = self.settings.rollout_ceiling_per_minute;
        request.settings.check(ceiling)?;
        let continuous = request.target_selection == TargetSelection::Continuous;
        request.extras.check(continuous, now)?;
        check_placeholders(&request.document, request.extras.has_role())?;
        if !(1..=limits::JOB_TARGETS_MAX).contains(&request.targets.len()) {
            return Err(Rejection::malformed(
                "targets",
                format!(
                    "must name 1 to {} things or groups",
                    limits::JOB_TARGETS_MAX
                ),
            ));
        }
        let definition = Definition {
            name: request.name.clone(),
            namespace: request.namespace.clone(),
            document: request.document.clone(),
            description: request.description.clone(),
            targets: self.find_targets(&request.targets)?,
            target_selection: request.target_selection,
            settings: request.settings.clone(),
            rate_ceiling_per_minute: ceiling,
            deployment: None,
            extras: request.extras.boxed(),
        };
        let id = self.jobs.next_id();
        let turn = definition.schedule().map(|schedule| schedule.phase(now));
        let definition = Box::new(definition);
        let mut facts = vec![fact(id, Event::Created { definition })];
        match turn {
            // Nothing to come but, maybe, an end.
            None | Some(Phase::Open(None)) => {}
            Some(phase) => facts.push(fact(id, turned(phase))),
        }
        Ok(facts)
    }

    pub(crate) fn decide_update_job(
        &self,
        name: &JobName,
        namespace: Option<&Namespace>,
        change: &Change,
    ) -> Result<Vec<Fact>, Rejection> {
        check_plain("description", change.description.as_deref())?;
        if let Some(presigned) = &change.presigned_urls {
            presigned.check()?;
        }
        let (id, job) = self.find_job_within(name, namespace)?;
        if !job.is_going() {
            return Err(Rejection::wrong_state(
                "jobId",
                format!(
                    "job {name} is {} and does not change any more",
                    job.status().as_str()
                ),
            ));
        }
        let settings = change.applied_to(&job.definition().settings);
        settings.check(self.settings.rollout_ceiling_per_minute)?;
        let mut changed = job.definition().clone();
        changed.change(change);
        if changed == *job.definition() {
            return Ok(Vec::new());
        }
        let change = Box::new(change.clone());
        Ok(vec![fact(id, Event::Changed { change })])
    }

    pub(crate) fn decide_associate(
        &self,
        name: &JobName,
        namespace: Option<&Namespace>,
        targets: &[TargetName],
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, job) = self.find_job_within(name, namespace)?;
        if job.definition().target_selection != TargetSelection::Continuous
            || job.status() != Status::InProgress
            || job.ended
        {
            return Err(Rejection::wrong_state(
                "jobId",
                "targets can be added to a CONTINUOUS job that is IN_PROGRESS only",
            ));
        }
        if targets.is_empty()
            || targets
                .iter()
                .any(|one| matches!(one, TargetName::Thing(_)))
        {
            return Err(Rejection::malformed(
                "targets",
                "must name at least one thing group, and groups only",
            ));
        }
        let mut targets = self.find_targets(targets)?;
        targets.retain(|target| !job.definition().targets.contains(target));
        if job.definition().targets.len() + targets.len() > limits::JOB_TARGETS_MAX {
            return Err(Rejection::too_many(
                "targets",
                format!("a job has at most {} targets", limits::JOB_TARGETS_MAX),
            ));
        }
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![fact(id, Event::TargetsAdded { targets })])
    }

    pub(crate) fn decide_cancel_job(
        &self,
        name: &JobName,
        force: bool,
        reason_code: Option<&str>,
        comment: Option<&str>,
    ) -> Result<Vec<Fact>, Rejection> {
        check_reason_code(reason_code)?;
        check_plain("comment", comment)?;
        let (id, job) = self.find_job(name)?;
        match job.status() {
            Status::InProgress | Status::Scheduled => {}
            Status::Completed | Status::Canceled | Status::DeletionInProgress => {
                return Err(Rejection::wrong_state(
                    "jobId",
                    format!("job {name} is {} already", job.status().as_str()),
                ));
            }
        }
        Ok(vec![fact(
            id,
            Event::Canceled {
                by: CanceledBy::User,
                forced: force,
                reason_code: reason_code.map(Into::into),
                comment: comment.map(Into::into),
            },
        )])
    }

    pub(crate) fn decide_delete_job(
        &self,
        name: &JobName,
        namespace: Option<&Namespace>,
        force: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, job) = self.find_job_within(name, namespace)?;
        match job.status() {
            Status::Completed | Status::Canceled => {}
            Status::InProgress | Status::Scheduled if force => {}
            Status::InProgress | Status::Scheduled => {
                return Err(Rejection::wrong_state(
                    "force",
                    format!(
                        "job {name} is {}; cancel it first, or delete it with force=true",
                        job.status().as_str()
                    ),
                ));
            }
            Status::DeletionInProgress => {
                return Err(Rejection::wrong_state(
                    "jobId",
                    format!("job {name} is being deleted already"),
                ));
            }
        }
        if self.jobs.count(Status::DeletionInProgress) >= limits::JOBS_IN_DELETION_MAX {
            return Err(Rejection::too_many(
                "jobId",
                format!(
                    "at most {} jobs are deleted at the same time; try again when one is gone",
                    limits::JOBS_IN_DELETION_MAX
                ),
            ));
        }
        Ok(vec![fact(id, Event::DeletionStarted)])
    }

    /// Members of the targets as they are now.
    pub(crate) fn members(&self, targets: &[Target]) -> RoaringBitmap {
        let mut members = RoaringBitmap::new();
        for target in targets {
            match target {
                Target::Thing(thing) => {
                    members.insert(thing.0);
                }
                Target::Group(group) => members |= self.groups.members_below(*group),
            }
        }
        members
    }

    /// Whether a thing that leaves `left` is reached by a continuous job through no other target.
    pub(crate) fn leaves_job(
        &self,
        thing: ThingId,
        job: JobId,
        left: GroupId,
        remaining: &[GroupId],
    ) -> bool {
        let Some(job) = self.jobs.get(job) else {
            return false;
        };
        let definition = job.definition();
        let targets = |group: GroupId| {
            self.groups
                .with_ancestors(group)
                .any(|(id, _)| definition.targets.contains(&Target::Group(id)))
        };
        definition.target_selection == TargetSelection::Continuous
            && targets(left)
            && !definition.targets.contains(&Target::Thing(thing))
            && !remaining.iter().copied().any(targets)
    }

    /// What a job does by itself at `now`: at least one event if its timer is due.
    pub(crate) fn job_due(&self, id: JobId, now: Timestamp) -> Vec<Fact> {
        let Some(job) = self.jobs.get(id) else {
            return Vec::new();
        };
        if let Some(consequence) = job.consequence() {
            return vec![fact(id, consequence_event(job, consequence))];
        }
        if job.sweep_left() {
            return self.sweep(id, job);
        }
        if let Some(event) = scheduled_event(job, now) {
            return vec![fact(id, event)];
        }
        self.next_wave(id, job, now)
    }

    /// A part of the cancellation or deletion of live executions, bounded so that commands get their turn.
    fn sweep(&self, id: JobId, job: &Job) -> Vec<Fact> {
        let mut facts = Vec::new();
        let delete = job.sweep == Some(Sweep::Delete);
        if !job.dropped.is_empty() {
            let dropped = job.dropped.iter().take(limits::TIMEOUT_EVENTS_MAX);
            let outcome = if delete {
                core::Outcome::Removed
            } else {
                core::Outcome::Canceled
            };
            for thing in dropped.map(ThingId) {
                self.finish_deployment(thing, id, (outcome, None), &mut facts);
            }
            return facts;
        }
        for thing in job.to_sweep().iter().map(ThingId) {
            if facts.len() >= limits::TIMEOUT_EVENTS_MAX {
                return facts;
            }
            let Some(found) = self.executions.find(id, thing) else {
                continue;
            };
            let at_work = found.status == execution::Status::InProgress;
            let event = if delete {
                execution::Event::Deleted { job: id }
            } else {
                execution::Event::Canceled {
                    job: id,
                    forced: at_work,
                    details: None,
                }
            };
            self.end_execution(thing, event, found.details.as_details(), &mut facts);
        }
        if delete && facts.is_empty() {
            facts.push(fact(id, Event::Deleted));
            facts.extend(self.ota_update_ends(id));
        }
        facts
    }

    /// Queues what is left of the current wave, or opens the next one.
    fn next_wave(&self, id: JobId, job: &Job, now: Timestamp) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut left = job.pace.left;
        if left == 0 {
            let may_start = job
                .pace
                .last_used_at
                .is_none_or(|last| last.plus(Span::MINUTE) <= now);
            if !may_start {
                return facts;
            }
            left = job.allowance();
            facts.push(fact(id, Event::WaveStarted { allowance: left }));
        }
        let count = (left as usize).min(limits::TIMEOUT_EVENTS_MAX);
        for thing in job.waiting.iter().take(count).map(ThingId) {
            facts.push(self.queue(thing, id));
            // A member that was deleted while it waited.
            if !self.things.get(thing).registered {
                let event = execution::Event::Removed { job: id };
                let details = StatusDetails::default();
                self.end_execution(thing, event, details, &mut facts);
            }
        }
        facts
    }

    pub(crate) fn evolve_job(&mut self, id: JobId, event: &Event, at: Timestamp) {
        match event {
            Event::Created { definition } => {
                let members = self.members(&definition.targets);
                self.follow_groups(id, &definition.targets, definition.target_selection);
                self.jobs
                    .insert(id, Job::new(definition.clone(), members, at));
            }
            Event::WaveStarted { allowance } => {
                if let Some(job) = self.jobs.get_mut(id) {
                    job.wave_started(*allowance, at);
                }
            }
            Event::Canceled { forced, .. } => {
                self.stop_job(id, Status::Canceled, Sweep::Cancel(*forced));
            }
            Event::Completed => {
                if let Some(job) = self.jobs.get_mut(id) {
                    job.status = Status::Completed;
                }
            }
            Event::DeletionStarted => {
                self.stop_job(id, Status::DeletionInProgress, Sweep::Delete);
            }
            Event::Deleted => {
                if let Some(job) = self.jobs.remove(id) {
                    self.executions.forget(id, job.all);
                }
            }
            Event::Changed { change } => {
                if let Some(job) = self.jobs.get_mut(id) {
                    job.change(change);
                }
            }
            Event::Opened { until } => self.turn_job(id, Status::InProgress, *until),
            Event::Closed { until } => self.turn_job(id, Status::Scheduled, *until),
            Event::RolloutEnded => {
                self.unfollow_groups(id);
                if let Some(job) = self.jobs.get_mut(id) {
                    job.end_rollout();
                }
            }
            Event::TargetsAdded { targets } => {
                let new = self.new_members(id, targets);
                self.follow_groups(id, targets, TargetSelection::Continuous);
                if let Some(job) = self.jobs.get_mut(id) {
                    job.waiting |= new;
                    job.definition_mut().targets.extend_from_slice(targets);
                }
            }
        }
        self.note_container_job(id, event, at);
    }

    fn turn_job(&mut self, id: JobId, status: Status, until: Option<Timestamp>) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.status = status;
            job.turns_at = until;
        }
    }

    fn stop_job(&mut self, id: JobId, status: Status, sweep: Sweep) {
        self.unfollow_groups(id);
        let carries = |job: &&Job| job.definition().deployment.is_some();
        let dropped = self.jobs.get(id).filter(carries).map(|job| {
            let waiting = job.waiting.iter();
            let dropped = waiting.filter(|thing| self.awaits(ThingId(*thing), job));
            dropped.collect()
        });
        if let Some(job) = self.jobs.get_mut(id) {
            job.stop(status, sweep, dropped.unwrap_or_default());
        }
    }

    /// Members of targets that a job has to tell: those it never told, and those that had left it.
    fn new_members(&self, id: JobId, targets: &[Target]) -> RoaringBitmap {
        let mut members = self.members(targets);
        if let Some(job) = self.jobs.get(id) {
            members -= &job.all - &job.removed;
        }
        members
    }

    fn follow_groups(&mut self, id: JobId, targets: &[Target], selection: TargetSelection) {
        if selection == TargetSelection::Snapshot {
            return;
        }
        for target in targets {
            if let Target::Group(group) = target
                && let Some(group) = self.groups.get_mut(*group)
            {
                group.continuous_jobs.push(id);
            }
        }
    }

    fn unfollow_groups(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(id) else {
            return;
        };
        for target in &job.definition().targets {
            if let Target::Group(group) = target
                && let Some(group) = self.groups.get_mut(*group)
            {
                group.continuous_jobs.retain(|other| *other != id);
            }
        }
    }
}

/// What the schedule of a job makes of it at `now`, if anything is due: its end, or the next turn. A service that
/// slept through a window goes to where the schedule stands by then.
fn scheduled_event(job: &Job, now: Timestamp) -> Option<Event> {
    let schedule = job.definition().schedule()?;
    if job.ends_at().is_some_and(|end| end <= now) {
        let canceled = |forced| Event::Canceled {
            by: CanceledBy::EndTime,
            forced,
            reason_code: Some("SCHEDULED_END".into()),
            comment: Some("the end of the schedule was reached".into()),
        };
        return Some(match schedule.end_behavior.unwrap_or_default() {
            EndBehavior::StopRollout => Event::RolloutEnded,
            EndBehavior::Cancel => canceled(false),
            EndBehavior::ForceCancel => canceled(true),
        });
    }
    let is_due = job.is_going() && job.turns_at.is_some_and(|at| at <= now);
    is_due.then(|| turned(schedule.phase(now)))
}

fn turned(phase: Phase) -> Event {
    match phase {
        Phase::Open(until) => Event::Opened { until },
        Phase::Closed(until) => Event::Closed { until },
    }
}

fn consequence_event(job: &Job, consequence: Consequence) -> Event {
    let Consequence::Abort(index) = consequence else {
        return Event::Completed;
    };
    let comment = job.definition().settings.abort.get(index).map(|criterion| {
        format!(
            "abort criterion {} met: at least {}.{:02} % of at least {} executions ended as {}",
            index + 1,
            criterion.threshold_hundredths / 100,
            criterion.threshold_hundredths % 100,
            criterion.executed_things_min,
            criterion.failure.as_str(),
        )
        .into()
    });
    Event::Canceled {
        by: CanceledBy::AbortCriterion,
        forced: false,
        reason_code: Some("ABORT_CRITERIA_MET".into()),
        comment,
    }
}
