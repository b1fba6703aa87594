//! Deployments of components to groups: each is a continuous job, and the next one takes its place.

use shipslog_domain::command::TargetName;
use shipslog_domain::deployment::components::NAMESPACE;
use shipslog_domain::deployment::{Command, Request};
use shipslog_domain::job::{self, TargetSelection};

use super::Model;
use super::jobs::NewJob;

impl Model {
    pub(super) fn accept_components(&mut self, command: &Command) {
        match command {
            Command::Create(request) => self.deploy_to_group(request),
            Command::Cancel { id } => {
                if let Some(job) = self.deployed.get(&**id).cloned() {
                    self.cancel_going(&job);
                }
            }
            // The job stays.
            Command::Delete { .. } => {}
        }
    }

    fn deploy_to_group(&mut self, request: &Request) {
        let TargetName::Group(group) = &request.target else {
            unreachable!("scenarios deploy to groups");
        };
        let job = request.job.to_string();
        if let Some(before) = self.latest_of_group.insert(group.to_string(), job.clone()) {
            self.cancel_going(&before);
        }
        self.deployed.insert(request.id.to_string(), job.clone());
        let settings = request.components.spec.job_settings.clone();
        let new = NewJob {
            namespace: Some(NAMESPACE.to_owned()),
            targets: self.targets(std::slice::from_ref(&request.target)),
            selection: TargetSelection::Continuous,
            settings: settings.unwrap_or_default(),
            brings: None,
        };
        self.create_job(&job, new);
    }

    fn cancel_going(&mut self, name: &str) {
        let job = self.jobs.get(name);
        let is_going = job.is_some_and(|job| {
            matches!(job.status, job::Status::InProgress | job::Status::Scheduled)
        });
        if is_going {
            self.cancel_job(name, false);
        }
    }
}
