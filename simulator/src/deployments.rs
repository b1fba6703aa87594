//! What an operator of Greengrass asks for, as commands of the service.

use shipslog_domain::command::TargetName;
use shipslog_domain::deployment::{self, Components};
use shipslog_domain::template::{Component, Content, DeploymentPolicies};
use shipslog_domain::{
    Command, ComponentName, Fleet, GroupName, JobName, Rejection, component, job, stable_uuid,
};

use crate::scenario::{Action, ComponentUse, Scenario};

/// The commands of [`Action::DeployComponents`], in their order; none for another action. Versions of components that
/// are there are not created.
pub fn commands(
    scenario: &Scenario,
    action: &Action,
    is_there: impl Fn(&ComponentUse) -> bool,
) -> Result<Vec<Command>, Rejection> {
    let Action::DeployComponents {
        job,
        components,
        on_failure,
        targets,
        settings,
    } = action
    else {
        return Ok(Vec::new());
    };
    let missing = components.iter().filter(|one| !is_there(one));
    let mut commands: Vec<Command> = missing.map(create).collect();
    let target = targets.groups.first().copied();
    let target = target.and_then(|group| scenario.group_name(group));
    let settings = scenario.job_settings(settings);
    let name = format!("{}-{job}", scenario.fleet.prefix);
    let request = deployment::Request {
        id: stable_uuid("deployment", &name).into(),
        job: JobName::parse(&name)?,
        target: TargetName::Group(GroupName::parse(&target.unwrap_or_default())?),
        parent: None,
        name: Some((**job).into()),
        components: Components {
            spec: Content {
                components: components.iter().map(wanted).collect(),
                job_settings: Some(settings).filter(|one| *one != job::Settings::default()),
                policies: Some(DeploymentPolicies {
                    failure_handling: Some(*on_failure),
                    ..DeploymentPolicies::default()
                }),
            },
            configuration: None,
        },
        tags: Vec::new(),
        token: None,
    };
    let create = deployment::Command::Create(Box::new(request));
    commands.push(Command::Deployment(create));
    Ok(commands)
}

/// Whether a fleet has a version of a component.
#[must_use]
pub fn is_there(fleet: &Fleet, component: &ComponentUse) -> bool {
    let name = ComponentName::parse(&component.name).ok();
    let found = name.and_then(|name| fleet.component_version(&name, &component.version));
    found.is_some()
}

fn create(component: &ComponentUse) -> Command {
    let content = component::Content {
        recipe: component.recipe().into(),
        format: component::Format::Json,
        errors: Vec::new(),
        tags: Vec::new(),
    };
    Command::Component(component::Command::Create {
        content: Box::new(content),
        token: None,
    })
}

fn wanted(component: &ComponentUse) -> Component {
    Component {
        key: component.name.clone(),
        version: component.version.clone(),
        merge: None,
        reset: None,
        run_with: None,
    }
}
