//! Which deployments are accepted, and how they are carried to their devices.

use serde_json::json;

use super::{Command, Content, Deployment, Event, NAMESPACE, Request, SHADOW, Status};
use crate::Fleet;
use crate::command::TargetName;
use crate::event::{Event as Any, Fact};
use crate::group::check_text;
use crate::ids::{ComponentName, GroupId, GroupName, Namespace, ShadowName, ThingName};
use crate::job::extras::check_tags_up_to;
use crate::job::{self, CanceledBy, Definition, Target, TargetSelection};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::{Rejection, RejectionKind};
use crate::shadow;
use crate::template::{DocumentHead, check_components, deployment_document};
use crate::time::Timestamp;

fn fact(number: u32, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Deployment, number),
        event: Any::Deployment(event),
    }
}

fn conflict(field: &'static str, message: impl Into<String>) -> Rejection {
    Rejection::new(RejectionKind::Conflict, field, message)
}

/// A target that exists, and its name.
struct Found {
    target: Target,
    name: Box<str>,
}

impl Fleet {
    pub(crate) fn decide_deployment(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Create(request) => self.decide_create_deployment(request, now),
            Command::Cancel { id } => self.decide_cancel_deployment(id, now),
            Command::Delete { id } => self.decide_delete_deployment(id),
        }
    }

    fn decide_create_deployment(
        &self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        if let Some(token) = &request.token {
            token.check()?;
            if self.deployments.repeated(token, now)?.is_some() {
                return Ok(Vec::new());
            }
        }
        let found = self.find_deployment_target(&request.target)?;
        let parent = self.check_parent(&found, request.parent.as_ref())?;
        self.check_deployment(request)?;
        let latest = self.deployments.latest(found.target);
        let revision = latest.map_or(1, |latest| latest.revision + 1);
        let mut facts = self.supersede(found.target);
        facts.push(fact(
            self.deployments.next(),
            Event::Created {
                id: request.id.clone(),
                target: found.target,
                target_name: found.name.clone(),
                revision,
                job: request.job.clone(),
                parent,
                content: Box::new(request.content.clone()),
                token: request.token.clone(),
            },
        ));
        self.carry(request, &found, revision, now, &mut facts)?;
        Ok(facts)
    }

    fn find_deployment_target(&self, target: &TargetName) -> Result<Found, Rejection> {
        match target {
            TargetName::Thing(name) => Ok(Found {
                target: Target::Thing(self.find_thing(name)?),
                name: name.as_str().into(),
            }),
            TargetName::Group(name) => {
                let group = self.find_group(name)?;
                if name.as_str().contains(':') {
                    let rule = "Greengrass deploys to no group whose name has a colon";
                    return Err(Rejection::malformed("targetArn", rule));
                }
                if self.templates.groups.contains_key(&group) {
                    return Err(conflict(
                        "targetArn",
                        format!("group {name} belongs to a template of CDF; deploy to it with a deployment task"),
                    ));
                }
                Ok(Found {
                    target: Target::Group(group),
                    name: name.as_str().into(),
                })
            }
        }
    }

    /// A sub-deployment is for a group, which has one parent for ever.
    fn check_parent(
        &self,
        found: &Found,
        parent: Option<&GroupName>,
    ) -> Result<Option<GroupId>, Rejection> {
        let known = self.latest_deployment(found.target);
        let known = known.and_then(|known| known.parent);
        let Some(name) = parent else {
            return match known {
                None => Ok(None),
                Some(_) => Err(conflict(
                    "parentTargetArn",
                    format!("group {} has sub-deployments of another group; name that one", found.name),
                )),
            };
        };
        let parent = self.find_group(name)?;
        if !matches!(found.target, Target::Group(group) if group != parent) {
            let rule = "a sub-deployment is for a thing group, and not for its parent itself";
            return Err(Rejection::malformed("parentTargetArn", rule));
        }
        if self.latest_deployment(Target::Group(parent)).is_none() {
            let rule = format!("group {name} has no deployment that another could replace");
            return Err(Rejection::malformed("parentTargetArn", rule));
        }
        let is_bound = self.latest_deployment(found.target).is_some();
        if is_bound && known != Some(parent) {
            let rule = format!("group {} has deployments of its own, or of another parent", found.name);
            return Err(conflict("parentTargetArn", rule));
        }
        Ok(Some(parent))
    }

    fn check_deployment(&self, request: &Request) -> Result<(), Rejection> {
        let Content { name, spec, tags } = &request.content;
        check_text("deploymentName", name.as_deref(), limits::DEPLOYMENT_NAME_CHARACTERS_MAX)?;
        check_tags_up_to(tags, limits::GREENGRASS_TAGS_MAX)?;
        check_components(&spec.components)?;
        let settings = super::settings(&request.content);
        settings.check(self.settings.rollout_ceiling_per_minute)?;
        for one in &spec.components {
            // Those of AWS are known to AWS.
            if one.key.starts_with("aws.") {
                continue;
            }
            let name = ComponentName::parse(&one.key)?;
            let found = self.component_version(&name, &one.version);
            let found = found.ok_or_else(|| {
                Rejection::not_found("components", format!("version {} of component {name}", one.version))
            })?;
            if !found.is_deployable() {
                let rule = format!("version {} of component {name} is FAILED and cannot be deployed", one.version);
                return Err(Rejection::malformed("components", rule));
            }
        }
        if self.deployment(&request.id).is_some() || self.jobs.find(request.job.as_str()).is_some() {
            return Err(Rejection::already_exists("deployment", format!("deployment {}", request.id)));
        }
        if self.deployments.len() >= limits::DEPLOYMENTS_MAX {
            let rule = format!("at most {} deployments are kept; delete old ones first", limits::DEPLOYMENTS_MAX);
            return Err(Rejection::too_many("deployment", rule));
        }
        Ok(())
    }

    /// Ends the deployment of a target, and those that replace it for other groups.
    fn supersede(&self, target: Target) -> Vec<Fact> {
        let mut facts = Vec::new();
        let replaces = |one: &Deployment| match (target, one.parent) {
            (Target::Group(group), Some(parent)) => group == parent,
            _ => false,
        };
        for (number, one) in self.deployments.all_latest() {
            if (one.target != target && !replaces(one)) || one.superseded || one.canceled {
                continue;
            }
            facts.push(fact(number, Event::Superseded));
            facts.extend(self.stop_job_of(one, CanceledBy::Superseded));
        }
        facts
    }

    /// The end of a deployment's job, if it is going.
    fn stop_job_of(&self, deployment: &Deployment, by: CanceledBy) -> Option<Fact> {
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

    /// A group gets a job, a thing gets a document in its named shadow.
    fn carry(
        &self,
        request: &Request,
        found: &Found,
        revision: u32,
        now: Timestamp,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Rejection> {
        let kind = match found.target {
            Target::Thing(_) => "thing",
            Target::Group(_) => "thinggroup",
        };
        let arn = format!("configuration:{kind}/{}:{revision}", found.name);
        let parent = request.parent.as_ref();
        let parent = parent.map(|parent| self.settings.arn(&format!("thinggroup/{parent}")));
        let head = DocumentHead {
            deployment_id: &request.id,
            deployment_name: request.content.name.as_deref().unwrap_or_default(),
            configuration_arn: &self.settings.greengrass_arn(&arn),
            parent_target_arn: parent.as_deref(),
            created_at: now,
        };
        let document = deployment_document(head, &request.content.spec);
        match &request.target {
            TargetName::Group(_) => {
                let definition = Definition {
                    name: request.job.clone(),
                    namespace: Some(Namespace::parse(NAMESPACE).expect("the namespace is a constant")),
                    document: document.into(),
                    description: request.content.name.clone(),
                    targets: vec![found.target],
                    target_selection: TargetSelection::Continuous,
                    settings: super::settings(&request.content),
                    rate_ceiling_per_minute: self.settings.rollout_ceiling_per_minute,
                    deployment: None,
                    extras: None,
                };
                let definition = Box::new(definition);
                facts.push(job::rules::fact(
                    self.jobs.next_id(),
                    job::Event::Created { definition },
                ));
            }
            TargetName::Thing(thing) => {
                let desired = json!({"fleetConfig": document, "desiredStatus": "SUCCEEDED"});
                facts.extend(self.tell_shadow(thing, &desired, now)?);
            }
        }
        Ok(())
    }

    /// A change of what a thing's deployment shadow desires.
    fn tell_shadow(
        &self,
        thing: &ThingName,
        desired: &serde_json::Value,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let text = json!({"state": {"desired": desired}}).to_string();
        let request = shadow::Request::parse(&text)?;
        let update = shadow::Command::Update {
            thing: thing.clone(),
            shadow: Some(ShadowName::parse(SHADOW).expect("the name is a constant")),
            request: Box::new(request),
        };
        self.decide_shadow(&update, now).map_err(|no| match no.field {
            "payload" => Rejection::malformed(
                "components",
                format!(
                    "the document does not fit into the thing's shadow of {} bytes; deploy to a thing group",
                    limits::SHADOW_DOCUMENT_BYTES_MAX
                ),
            ),
            _ => no,
        })
    }

    fn find_deployment(&self, id: &str) -> Result<(u32, &Deployment), Rejection> {
        let found = self.deployments.find(id).map(|(id, found)| (id.0, found));
        found.ok_or_else(|| Rejection::not_found("deploymentId", format!("deployment {id}")))
    }

    fn decide_cancel_deployment(&self, id: &str, now: Timestamp) -> Result<Vec<Fact>, Rejection> {
        let (number, deployment) = self.find_deployment(id)?;
        let status = self.deployment_status(deployment);
        if status != Status::Active {
            return Err(Rejection::wrong_state(
                "deploymentId",
                format!("deployment {id} is {} already", status.as_str()),
            ));
        }
        let mut facts = vec![fact(number, Event::Canceled)];
        facts.extend(self.stop_job_of(deployment, CanceledBy::User));
        if let Target::Thing(_) = deployment.target {
            let thing = ThingName::parse(&deployment.target_name)?;
            let desired = json!({"desiredStatus": "CANCELED"});
            facts.extend(self.tell_shadow(&thing, &desired, now)?);
        }
        Ok(facts)
    }

    fn decide_delete_deployment(&self, id: &str) -> Result<Vec<Fact>, Rejection> {
        let (number, deployment) = self.find_deployment(id)?;
        if self.deployment_status(deployment) == Status::Active {
            return Err(Rejection::wrong_state(
                "deploymentId",
                format!("deployment {id} is ACTIVE; cancel it first"),
            ));
        }
        Ok(vec![fact(number, Event::Removed)])
    }
}
