//! A runner of commands: it keeps the last versions of each app of a stack, and goes back to them.

use std::collections::BTreeMap;

use serde::Deserialize;
use shipslog_domain::execution::Status;

use super::duty::{Course, Draws, Words};
use crate::behavior::Conduct;

/// Versions of an app that are kept.
const VERSIONS_KEPT: usize = 5;

/// What a runner has on its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runner {
    /// The deployments that brought the versions of each app, the current one last.
    versions: BTreeMap<Box<str>, Vec<Box<str>>>,
    /// The command that is being run.
    run: Option<Run>,
}

/// What a command will leave.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    app: Box<str>,
    /// `None`: nothing changes.
    leaves: Option<Vec<Box<str>>>,
    words: Words,
}

/// The document of a command, as far as a runner acts on it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    deployment_id: Box<str>,
    command: Command,
    app: Option<App>,
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
    shortname: Box<str>,
}

impl Runner {
    /// The versions of an app that it has, the current one last.
    #[must_use]
    pub fn versions(&self, app: &str) -> &[Box<str>] {
        self.versions.get(app).map_or(&[], |versions| versions)
    }

    pub(super) fn abandon(&mut self) {
        self.run = None;
    }

    pub(super) fn begin(&mut self, document: &str, draws: &Draws<'_>) -> Course {
        let document: Document = match serde_json::from_str(document) {
            Ok(document) => document,
            Err(error) => {
                let reason = format!("the document cannot be read: {error}");
                return self.end_at_once(Status::Rejected, &reason);
            }
        };
        let app = document.app.as_ref().map_or("", |app| &app.shortname);
        let mut versions = self.versions(app).to_vec();
        match &*document.command.name {
            "deploy" => {
                versions.push(document.deployment_id);
                if versions.len() > VERSIONS_KEPT {
                    versions.remove(0);
                }
            }
            "rollback" => {
                if versions.len() < 2 {
                    return self.end_at_once(Status::Failed, "there is no version before this one");
                }
                versions.pop();
                let before = versions.last();
                if document.rollback_to.is_some() && document.rollback_to.as_ref() != before {
                    return self
                        .end_at_once(Status::Failed, "the version to go back to is not here");
                }
            }
            "undeploy" => versions.clear(),
            _ => (),
        }
        let (download_ms, install_ms) = draws.part(0);
        let fails = matches!(draws.plan.conduct, Conduct::Fail(_));
        self.run = Some(Run {
            app: app.into(),
            leaves: (!fails && !app.is_empty()).then_some(versions),
            words: words(if fails { 1 } else { 0 }, draws.reason()),
        });
        Course {
            length_ms: download_ms + install_ms,
            download_ms,
            end: None,
        }
    }

    fn end_at_once(&mut self, end: Status, reason: &str) -> Course {
        self.run = Some(Run {
            app: Box::default(),
            leaves: None,
            words: words(1, Some(reason)),
        });
        Course {
            length_ms: 0,
            download_ms: 0,
            end: Some(end),
        }
    }

    pub(super) fn finish(&mut self) -> Words {
        let Some(run) = self.run.take() else {
            return Words::new();
        };
        if let Some(versions) = run.leaves {
            self.versions.insert(run.app, versions);
        }
        run.words
    }
}

/// What a runner says of a command's end.
fn words(exit_code: u8, reason: Option<&str>) -> Words {
    let mut words: Words = vec![("exitCode", exit_code.to_string().into())];
    words.extend(reason.map(|reason| ("reason", reason.into())));
    words
}

#[cfg(test)]
mod tests;
