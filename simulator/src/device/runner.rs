//! A runner of commands: what is deployed to an instance of a stack is kept as a version of its app, five of them, and a
//! rollback goes back by one.

use std::collections::BTreeMap;

use serde::Deserialize;
use shipslog_domain::execution::Status;

use super::duty::{Course, Draws, Words};

/// Versions of an app that are kept.
const VERSIONS_MAX: usize = 5;

/// What a runner has on its disk: versions of apps, the newest last. A version is named by the deployment that brought it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runner {
    versions: BTreeMap<Box<str>, Vec<Box<str>>>,
    run: Option<Run>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    app: Box<str>,
    /// The versions that it leaves; `None`: nothing changes.
    leaves: Option<Vec<Box<str>>>,
    /// Why it fails.
    failure: Option<Box<str>>,
}

/// The document of a command, as far as a runner acts on it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    deployment_id: Box<str>,
    command: Command,
    #[serde(default)]
    app: Option<App>,
    #[serde(default)]
    rollback_to: Option<Box<str>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Command {
    name: Box<str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct App {
    app_id: Box<str>,
}

impl Runner {
    /// The versions of an app that it has, the newest last.
    #[must_use]
    pub fn versions(&self, app: &str) -> &[Box<str>] {
        self.versions.get(app).map_or(&[], Vec::as_slice)
    }

    pub(super) fn abandon(&mut self) {
        self.run = None;
    }

    pub(super) fn begin(&mut self, document: &str, draws: &Draws<'_>) -> Course {
        let (download, install) = draws.part(0);
        let (course, run) = match serde_json::from_str::<Document>(document) {
            Err(error) => {
                let failure = format!("the document cannot be read: {error}");
                (Course::at_once(Status::Rejected), Run::fails(&failure))
            }
            Ok(document) => self.read(&document, (download, install)),
        };
        let failure = draws.reason().map(Into::into);
        self.run = Some(Run {
            failure: run.failure.or(failure),
            ..run
        });
        course
    }

    fn read(&self, document: &Document, (download, install): (u64, u64)) -> (Course, Run) {
        let app: Box<str> = match &document.app {
            Some(app) => app.app_id.clone(),
            None => Box::default(),
        };
        let mut versions = self.versions(&app).to_vec();
        let mut course = Course {
            length_ms: install,
            download_ms: 0,
            end: None,
        };
        let leaves = match &*document.command.name {
            "deploy" => {
                course.length_ms += download;
                course.download_ms = download;
                versions.push(document.deployment_id.clone());
                let surplus = versions.len().saturating_sub(VERSIONS_MAX);
                versions.drain(..surplus);
                Some(versions)
            }
            "rollback" => {
                let before = versions.len().checked_sub(2);
                let to = match &document.rollback_to {
                    Some(named) => versions.iter().rposition(|one| one == named),
                    None => before,
                };
                let Some(to) = to else {
                    let run = Run::fails("there is no version to go back to");
                    return (Course::at_once(Status::Failed), run);
                };
                versions.truncate(to + 1);
                Some(versions)
            }
            "undeploy" => Some(Vec::new()),
            _ => None,
        };
        let run = Run {
            app,
            leaves,
            failure: None,
        };
        (course, run)
    }

    pub(super) fn finish(&mut self) -> Words {
        let Some(run) = self.run.take() else {
            return Words::new();
        };
        if let Some(failure) = run.failure {
            return vec![("exitCode", "1".into()), ("reason", failure)];
        }
        if let Some(versions) = run.leaves {
            self.versions.insert(run.app, versions);
        }
        vec![("exitCode", "0".into())]
    }
}

impl Run {
    fn fails(why: &str) -> Self {
        Self {
            app: Box::default(),
            leaves: None,
            failure: Some(why.into()),
        }
    }
}

#[cfg(test)]
mod tests;
