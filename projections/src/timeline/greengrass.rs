//! Events of Greengrass: versions of components, and deployments.

use shipslog_domain::{component, deployment};

use super::values::pairs;
use super::{Told, Value, containers};

pub(super) fn component(event: &component::Event) -> Told {
    match event {
        component::Event::Created {
            name,
            version,
            content,
            token: _,
        } => {
            let fields = vec![
                ("name", name.as_str().into()),
                ("version", version.into()),
                ("recipe", (&content.recipe).into()),
                ("errors", pairs(&content.errors)),
                ("tags", pairs(&content.tags)),
            ];
            let summary = match content.errors.is_empty() {
                true => format!("version {version} of component {name} was created"),
                false => format!(
                    "version {version} of component {name} was created and cannot be deployed"
                ),
            };
            let named = format!("{name}:{version}");
            Told::new("ComponentVersionCreated", summary, fields).named(&named)
        }
        component::Event::Removed => {
            let summary = "the version of the component was deleted";
            Told::new("ComponentVersionRemoved", summary, vec![])
        }
    }
}

pub(super) fn deployment(event: &deployment::Event) -> Told {
    match event {
        deployment::Event::Created {
            id,
            scope: _,
            scope_name,
            revision,
            job,
            name,
            parent: _,
            content,
            tags,
            token: _,
        } => {
            let fields = vec![
                ("deploymentId", id.into()),
                ("target", scope_name.into()),
                ("revision", (*revision).into()),
                ("iotJobId", job.as_str().into()),
                ("deploymentName", name.as_ref().into()),
                ("brings", brought(content)),
                ("tags", pairs(tags)),
            ];
            let summary = format!("deployment {id} is revision {revision} of {scope_name}");
            Told::new("DeploymentCreated", summary, fields).named(&**id)
        }
        deployment::Event::Superseded => {
            let summary = "a newer deployment took the place of this one";
            Told::new("DeploymentSuperseded", summary, vec![])
        }
        deployment::Event::Canceled => {
            Told::new("DeploymentCanceled", "the deployment was canceled", vec![])
        }
        deployment::Event::Removed => {
            Told::new("DeploymentRemoved", "the deployment was deleted", vec![])
        }
    }
}

/// What a deployment brings, by names and versions.
fn brought(content: &deployment::Content) -> Value {
    match content {
        deployment::Content::Components(components) => {
            let all = components.spec.components.iter();
            let versions: Vec<_> = all
                .map(|one| (one.key.clone(), one.version.clone()))
                .collect();
            pairs(&versions)
        }
        deployment::Content::Commands(commands) => commands.name.as_str().into(),
        deployment::Content::Containers(content) => containers::containers(content),
    }
}
