//! Events of templates, deployment tasks and cores.

use shipslog_domain::core::{Health, HealthReport, InstalledComponent};
use shipslog_domain::deployment_task::Targets;
use shipslog_domain::{TemplateId, ThingId, core, deployment_task, template};

use super::values::{list, map};
use super::{Names, Told, Value, values};

pub(super) fn template(id: TemplateId, event: &template::Event, names: Names<'_>) -> Told {
    match event {
        template::Event::Created { name } => {
            let summary = format!("template {name} was created");
            let fields = vec![("name", name.as_str().into())];
            Told::new("TemplateCreated", summary, fields).named(name.as_str())
        }
        template::Event::VersionAdded { version, content } => Told::new(
            "TemplateVersionAdded",
            format!(
                "version {version} of {} has {} components",
                names.template(id),
                content.components.len()
            ),
            vec![
                ("version", (*version).into()),
                ("content", values::content(content)),
            ],
        ),
        template::Event::Removed => Told::new(
            "TemplateRemoved",
            format!("template {} was deleted", names.template(id)),
            vec![],
        ),
    }
}

/// `: message`, where there is one.
pub(super) fn because(message: Option<&str>) -> String {
    message.map_or_else(String::new, |message| format!(": {message}"))
}

pub(super) fn deployment_task(event: &deployment_task::Event, names: Names<'_>) -> Told {
    match event {
        deployment_task::Event::Requested {
            key,
            template,
            targets,
            job_settings,
        } => {
            let summary = format!("{} is to be deployed", names.version(*template));
            let fields = vec![
                ("taskId", key.as_str().into()),
                ("template", names.version_value(*template)),
                ("targets", self::targets(targets)),
                (
                    "jobConfig",
                    job_settings.as_deref().map(values::settings).into(),
                ),
            ];
            Told::new("DeploymentTaskRequested", summary, fields).named(key.as_str())
        }
        deployment_task::Event::TargetsResolved { cores, remaining } => {
            let mut summary = format!("{} cores are its targets", cores.len());
            let mut fields = vec![("cores", list(cores, |core| names.thing(*core).into()))];
            if let Some(remaining) = remaining {
                summary += &format!("; {remaining} things are still to be looked at");
                fields.push(("remaining", (*remaining).into()));
            }
            Told::new("DeploymentTaskTargetsResolved", summary, fields)
        }
        deployment_task::Event::TargetRefused { name, message } => Told::new(
            "DeploymentTaskTargetRefused",
            format!("{name} was refused: {message}"),
            vec![("name", name.into()), ("message", message.into())],
        ),
        deployment_task::Event::JobAssigned { job } => {
            let job = names.job(*job);
            let summary = format!("job {job} carries the deployment");
            Told::new(
                "DeploymentTaskJobAssigned",
                summary,
                vec![("job", job.into())],
            )
        }
        deployment_task::Event::Finished { outcome, message } => {
            let outcome = values::outcome(*outcome);
            let message = message.as_deref();
            let summary = format!("the task ended: {outcome}{}", because(message));
            let fields = vec![("outcome", outcome.into()), ("message", message.into())];
            Told::new("DeploymentTaskFinished", summary, fields)
        }
    }
}

fn targets(targets: &Targets) -> Value {
    let texts = |names: &Option<Vec<Box<str>>>| {
        let names = names.as_ref().map(|names| list(names, Into::into));
        Value::from(names)
    };
    let groups = targets.thing_group_names.as_ref();
    map([
        ("thingNames", texts(&targets.thing_names)),
        (
            "thingGroupNames",
            groups
                .map(|names| list(names, |name| name.as_str().into()))
                .into(),
        ),
        ("assetLibraryDeviceIds", texts(&targets.device_ids)),
        ("assetLibraryGroupPaths", texts(&targets.group_paths)),
        ("assetLibraryQuery", targets.query.as_ref().into()),
    ])
}

pub(super) fn core(id: ThingId, event: &core::Event, names: Names<'_>) -> Told {
    match event {
        core::Event::Created { name } => {
            let known = name.as_ref().map(|name| name.as_str().to_owned());
            let name = known.unwrap_or_else(|| names.thing(id));
            let summary = format!("core {name} was created");
            Told::new("CoreCreated", summary, vec![("name", name.as_str().into())]).named(name)
        }
        core::Event::ArtifactsStored { certs, config } => Told::new(
            "CoreArtifactsStored",
            "files for its installation were stored",
            vec![
                ("certs", certs.as_ref().into()),
                ("config", config.as_ref().into()),
            ],
        ),
        core::Event::HealthReported { report } => health(report),
        core::Event::DeploymentRequested {
            task,
            desired,
            failure,
        } => {
            let failure = failure.as_ref();
            let version = names.version(*desired);
            let summary = match failure {
                None => format!("should run {version}"),
                Some(failure) => format!("should run {version}, not started: {failure}"),
            };
            let fields = vec![
                ("task", names.deployment_task(*task).into()),
                ("desired", names.version_value(*desired)),
                ("failure", failure.into()),
            ];
            Told::new("CoreDeploymentRequested", summary, fields)
        }
        core::Event::DeploymentFinished {
            job,
            applied,
            outcome,
            message,
        } => {
            let message = message.as_deref();
            let version = names.version(*applied);
            let (outcome, reason) = (outcome.as_str(), because(message));
            let summary = format!("deployment of {version} ended: {outcome}{reason}");
            let fields = vec![
                ("job", names.job(*job).into()),
                ("applied", names.version_value(*applied)),
                ("outcome", outcome.into()),
                ("message", message.into()),
            ];
            Told::new("CoreDeploymentFinished", summary, fields)
        }
        core::Event::Removed => Told::new("CoreRemoved", "its core record was deleted", vec![]),
    }
}

fn health(report: &HealthReport) -> Told {
    let health = match report.health {
        Health::Healthy => "HEALTHY",
        Health::Unhealthy => "UNHEALTHY",
    };
    let component = |component: &InstalledComponent| {
        map([
            ("name", (&component.name).into()),
            ("version", (&component.version).into()),
            ("state", (&component.state).into()),
            ("isRoot", component.is_root.into()),
        ])
    };
    Told::new(
        "CoreHealthReported",
        format!("is {health} with nucleus {}", report.nucleus_version),
        vec![
            ("health", health.into()),
            ("nucleusVersion", (&report.nucleus_version).into()),
            ("platform", (&report.platform).into()),
            ("architecture", (&report.architecture).into()),
            ("sequenceNumber", report.sequence_number.into()),
            ("complete", report.complete.into()),
            ("components", list(&report.components, component)),
            ("deviceTime", report.device_time.into()),
        ],
    )
}
