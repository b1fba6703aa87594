//! Which deployments of components are accepted, and how they are carried to their devices.

use serde_json::json;

use super::{Command, Components, NAMESPACE, Request, SHADOW};
use crate::Fleet;
use crate::command::TargetName;
use crate::deployment::plan::fact;
use crate::deployment::{Content, Delivery, Deployment, Event, JobPlan, Plan, Scope, Status};
use crate::event::Fact;
use crate::group::check_text;
use crate::ids::{ComponentName, GroupId, GroupName, Namespace, ShadowName, ThingName};
use crate::job::extras::check_tags_up_to;
use crate::job::{CanceledBy, Target, TargetSelection};
use crate::limits;
use crate::rejection::{Rejection, RejectionKind};
use crate::shadow;
use crate::template::{DocumentHead, check_components, deployment_document};
use crate::time::Timestamp;

fn conflict(field: &'static str, message: impl Into<String>) -> Rejection {
    Rejection::new(RejectionKind::Conflict, field, message)
}

impl Fleet {
    pub(crate) fn decide_components_deployment(
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
        let (scope, name) = self.find_deployment_scope(&request.target)?;
        let parent = self.check_parent(scope, name, request.parent.as_ref())?;
        check_text(
            "deploymentName",
            request.name.as_deref(),
            limits::DEPLOYMENT_NAME_CHARACTERS_MAX,
        )?;
        check_tags_up_to(&request.tags, limits::GREENGRASS_TAGS_MAX)?;
        self.check_deployed_components(&request.components)?;
        let document = self.document(request, scope, name, now)?;
        let (delivery, shadow) = match (scope, &request.target) {
            (Scope::Target(target @ Target::Group(_)), _) => {
                let job = job_of(request, target, document);
                (Delivery::Job(job), Vec::new())
            }
            (Scope::Target(Target::Thing(_)), TargetName::Thing(thing)) => {
                let desired = json!({"fleetConfig": document, "desiredStatus": "SUCCEEDED"});
                (Delivery::Other, self.tell_shadow(thing, &desired, now)?)
            }
            (Scope::Target(Target::Thing(_)), TargetName::Group(_))
            | (Scope::Stack(_) | Scope::ContainerService(_), _) => {
                unreachable!("the scope was made from the target")
            }
        };
        let mut facts = self.plan_deployment(Plan {
            id: request.id.clone(),
            scope,
            scope_name: name.into(),
            job: request.job.clone(),
            name: request.name.clone(),
            parent,
            content: Content::Components(request.components.clone()),
            tags: request.tags.clone(),
            token: request.token.clone(),
            delivery,
        })?;
        facts.extend(shadow);
        Ok(facts)
    }

    fn find_deployment_scope<'r>(
        &self,
        target: &'r TargetName,
    ) -> Result<(Scope, &'r str), Rejection> {
        match target {
            TargetName::Thing(name) => {
                let thing = self.find_thing(name)?;
                Ok((Scope::Target(Target::Thing(thing)), name.as_str()))
            }
            TargetName::Group(name) => {
                let group = self.find_group(name)?;
                if name.as_str().contains(':') {
                    let rule =
                        "must not be a group whose name has a colon: devices could not read it";
                    return Err(Rejection::malformed("targetArn", rule));
                }
                if self.templates.groups.contains_key(&group) {
                    return Err(conflict(
                        "targetArn",
                        format!(
                            "group {name} belongs to a template; deploy to it with a deployment task"
                        ),
                    ));
                }
                Ok((Scope::Target(Target::Group(group)), name.as_str()))
            }
        }
    }

    /// A sub-deployment is for a group, which has one parent for ever.
    fn check_parent(
        &self,
        scope: Scope,
        name: &str,
        parent: Option<&GroupName>,
    ) -> Result<Option<GroupId>, Rejection> {
        let known = self.deployments.parent_of(scope);
        let Some(parent_name) = parent else {
            return match known {
                None => Ok(None),
                Some(_) => Err(conflict(
                    "parentTargetArn",
                    format!("group {name} has sub-deployments of another group; name that one"),
                )),
            };
        };
        let parent = self.find_group(parent_name)?;
        if !matches!(scope, Scope::Target(Target::Group(group)) if group != parent) {
            let rule = "a sub-deployment is for a thing group, and not for its parent itself";
            return Err(Rejection::malformed("parentTargetArn", rule));
        }
        let is_bound = self.deployments.last_revision(scope) > 0;
        if is_bound && known != Some(parent) {
            let rule = format!("group {name} has deployments of its own, or of another parent");
            return Err(conflict("parentTargetArn", rule));
        }
        let of_parent = self.latest_deployment(Scope::Target(Target::Group(parent)));
        let Some(of_parent) = of_parent else {
            let rule = format!("group {parent_name} has no deployment that another could replace");
            return Err(Rejection::malformed("parentTargetArn", rule));
        };
        if of_parent.parent.is_some() {
            let rule = format!("group {parent_name} has sub-deployments itself; name its parent");
            return Err(Rejection::malformed("parentTargetArn", rule));
        }
        Ok(Some(parent))
    }

    /// Refuses components that no device could get.
    fn check_deployed_components(&self, components: &Components) -> Result<(), Rejection> {
        check_components(&components.spec.components)?;
        let stored = components.configuration.as_ref();
        if stored.is_some_and(|stored| stored.bytes > limits::DEPLOYMENT_CONFIGURATION_BYTES_MAX) {
            let max = limits::DEPLOYMENT_CONFIGURATION_BYTES_MAX >> 20;
            let rule = format!("must have at most {max} MiB of configuration together");
            return Err(Rejection::malformed("components", rule));
        }
        for one in &components.spec.components {
            // Devices bring those of the vendor along, or know where to get them.
            if one.key.starts_with("aws.") {
                continue;
            }
            let name = ComponentName::parse(&one.key)?;
            let found = self.component_version(&name, &one.version);
            let found = found.ok_or_else(|| {
                let what = format!("version {} of component {name}", one.version);
                Rejection::not_found("components", what)
            })?;
            if !found.is_deployable() {
                let rule = format!(
                    "version {} of component {name} is FAILED and cannot be deployed; create it again",
                    one.version
                );
                return Err(Rejection::malformed("components", rule));
            }
        }
        Ok(())
    }

    /// What devices read. What does not fit is left for them to fetch.
    fn document(
        &self,
        request: &Request,
        scope: Scope,
        name: &str,
        now: Timestamp,
    ) -> Result<String, Rejection> {
        let parent = request.parent.as_ref();
        let parent = parent.map(|parent| self.settings.arn(&format!("thinggroup/{parent}")));
        let arn = self.configuration_arn_of(scope, name, self.next_revision(scope));
        let head = DocumentHead {
            deployment_id: &request.id,
            deployment_name: request.name.as_deref().unwrap_or_default(),
            configuration_arn: &arn,
            parent_target_arn: parent.as_deref(),
            is_large: request.components.configuration.is_some(),
            created_at: now,
        };
        let document = deployment_document(head, &request.components.spec);
        match super::fits(&document, &request.target) {
            true => Ok(document),
            false => Err(Rejection::malformed(
                "components",
                "are too many for the document of one deployment; deploy fewer, or to a thing group",
            )),
        }
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
            shadow: Some(shadow_name()),
            request: Box::new(request),
        };
        self.decide_shadow(&update, now)
    }

    fn find_components_deployment(&self, id: &str) -> Result<&Deployment, Rejection> {
        let found = self.find_deployment(id)?;
        match found.components() {
            Some(_) => Ok(found),
            None => Err(Rejection::not_found(
                "deploymentId",
                format!("deployment {id}"),
            )),
        }
    }

    fn decide_cancel_deployment(&self, id: &str, now: Timestamp) -> Result<Vec<Fact>, Rejection> {
        let deployment = self.find_components_deployment(id)?;
        let status = self.deployment_status(deployment);
        if status != Status::Active {
            return Err(Rejection::wrong_state(
                "deploymentId",
                format!("deployment {id} is {} already", status.as_str()),
            ));
        }
        let canceled = deployment.stream.map(|id| fact(id, Event::Canceled));
        let mut facts: Vec<Fact> = canceled.into_iter().collect();
        facts.extend(self.stop_job_of(deployment, CanceledBy::User));
        if let Scope::Target(Target::Thing(thing)) = deployment.scope
            && self.is_registered(thing)
        {
            let thing = ThingName::parse(&deployment.scope_name)?;
            facts.extend(self.tell_shadow(&thing, &json!({"desiredStatus": "CANCELED"}), now)?);
        }
        Ok(facts)
    }

    fn decide_delete_deployment(&self, id: &str) -> Result<Vec<Fact>, Rejection> {
        let deployment = self.find_components_deployment(id)?;
        if self.deployment_status(deployment) == Status::Active {
            return Err(Rejection::wrong_state(
                "deploymentId",
                format!("deployment {id} is ACTIVE; cancel it first"),
            ));
        }
        let stream = deployment.stream.ok_or_else(|| {
            let rule = format!("deployment {id} is of a template; it goes when its job is deleted");
            Rejection::wrong_state("deploymentId", rule)
        })?;
        Ok(vec![fact(stream, Event::Removed)])
    }
}

fn shadow_name() -> ShadowName {
    ShadowName::parse(SHADOW).expect("the name is a constant")
}

/// The continuous job by which a group gets a deployment.
fn job_of(request: &Request, target: Target, document: String) -> JobPlan {
    let settings = request.components.spec.job_settings.clone();
    JobPlan {
        namespace: Some(Namespace::parse(NAMESPACE).expect("the namespace is a constant")),
        document,
        description: request.name.clone(),
        targets: vec![target],
        target_selection: TargetSelection::Continuous,
        settings: settings.unwrap_or_default(),
        link: None,
    }
}
