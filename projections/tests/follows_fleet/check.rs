//! What views and state machine must agree on.

use super::*;

impl Run {
    pub(crate) fn check(&self) {
        self.check_things();
        self.check_cores();
        self.check_jobs();
        for (key, deployment) in &self.tasks {
            if *deployment {
                let ours = self.views.deployment_task(*key).map(|task| task.status);
                let task = self.fleet.deployment_task(*key);
                // The state machine learns of a failure at the end, the view at once.
                let ended = task.filter(|task| task.status >= TaskStatus::Success);
                assert!(
                    ended.is_none_or(|task| Some(task.status) == ours),
                    "{key:?}"
                );
                assert_eq!(task.is_some(), ours.is_some());
            } else {
                let ours = self.views.core_task_items(*key).unwrap_or_default();
                let task = self.fleet.core_task(*key);
                let states = task.map(|task| task.states.as_slice()).unwrap_or_default();
                let ours: Vec<_> = ours.iter().map(|item| item.status).collect();
                assert!(states.is_empty() || ours == states, "{key:?}");
            }
        }
    }

    fn check_things(&self) {
        let count = self.fleet.thing_count();
        for id in (0..count).map(ThingId) {
            let theirs = self.fleet.thing(id).expect("below the count");
            let name = self.fleet.thing_name(id);
            assert_eq!(self.views.thing_name(id), Some(name));
            let ours = self.views.thing(name);
            assert_eq!(ours.is_some(), theirs.registered);
            let Some(ours) = ours else { continue };
            assert_eq!(ours.attributes, theirs.attributes());
            let groups = theirs.groups.iter().map(|id| self.views.group_name(*id));
            let groups: Vec<_> = groups.collect();
            let stated: Vec<_> = ours.groups.iter().copied().map(Some).collect();
            assert_eq!(stated, groups, "{name}");
        }
        for n in 0..3 {
            let name = group(n);
            let theirs = self.fleet.group(&name);
            assert_eq!(self.views.group(name.as_str()).is_some(), theirs.is_some());
            let filter = ThingFilter {
                group: Some(name.as_str()),
                ..ThingFilter::default()
            };
            let members = self.views.things(&filter, None, 100).items.len();
            let stated = self
                .views
                .group(name.as_str())
                .map_or(0, |group| group.members);
            assert_eq!(members as u64, stated);
        }
    }

    fn check_cores(&self) {
        let mut cores = 0;
        for id in (0..self.fleet.thing_count()).map(ThingId) {
            let theirs = self.fleet.thing(id).and_then(|thing| thing.core.as_deref());
            let ours = self.views.core(self.fleet.thing_name(id));
            assert_eq!(ours.is_some(), theirs.is_some());
            let Some((ours, theirs)) = ours.zip(theirs) else {
                continue;
            };
            cores += 1;
            for (ours, theirs) in [
                (ours.desired, theirs.desired),
                (ours.reported, theirs.reported),
            ] {
                assert_eq!(ours.template, theirs.map(|version| version.template));
                assert_eq!(ours.version, theirs.map_or(0, |version| version.version));
            }
            let attempt = match theirs.attempt {
                Attempt::None => DeploymentStatus::None,
                Attempt::InProgress => DeploymentStatus::InProgress,
                Attempt::NotStarted => DeploymentStatus::Failure,
                Attempt::Ended(outcome) => DeploymentStatus::Ended(outcome),
            };
            assert_eq!(ours.deployment_status, attempt);
        }
        assert_eq!(self.views.core_count(), cores);
        assert_eq!(self.views.fleet_summary().violation(cores), None);
        let all = self.views.cores(&CoreFilter::default(), None, 100);
        assert_eq!(all.items.len() as u64, cores);
    }

    fn check_jobs(&self) {
        let filter = shipslog_projections::jobs::JobFilter::default();
        let order = shipslog_projections::jobs::JobOrder::Newest;
        let jobs = self.views.jobs(&filter, order, None, 1_000).items;
        for ours in jobs {
            let id = ours.id;
            let theirs = self.fleet.job(id).expect("both know it");
            assert_eq!(ours.definition, theirs.definition());
            assert_eq!(ours.status, theirs.status());
            for status in Status::ALL {
                let count = u64::from(theirs.count(status));
                assert_eq!(ours.progress.count(status), count, "{id:?} {status:?}");
            }
            if ours.status == job::Status::InProgress {
                assert_eq!(ours.progress.not_queued, theirs.waiting_count(), "{id:?}");
            }
            for run in self.views.job_executions(id, None, None, 100).items {
                let view = self.fleet.execution(id, run.thing).expect("both know it");
                let details = view.details.iter();
                assert!(details.eq(run.details.iter().copied()));
                assert_eq!(
                    (run.status, run.number, run.version, run.retry, run.forced),
                    (
                        view.status,
                        view.number,
                        view.version,
                        view.retry,
                        view.forced
                    )
                );
                assert_eq!(
                    (run.queued_at, run.started_at, run.updated_at),
                    (view.queued_at, view.started_at, view.last_updated_at)
                );
            }
        }
        for n in 0..JOBS {
            let name = job_name(n);
            let id = self.fleet.job_id(name.as_str());
            assert_eq!(self.views.job_id(name.as_str()), id);
        }
    }
}
