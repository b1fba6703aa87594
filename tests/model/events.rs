//! One or more events of every kind, with every field filled: what the golden files must decode to.

mod access;
mod account;
mod containers;
mod greengrass;
mod jobs;
mod ota_updates;
mod presence;
mod registry;
mod shadows;
mod stacks;

use shipslog_domain::certificate::{self, Status as CertificateStatus};
use shipslog_domain::core::{
    self, Health, HealthReport, InstalledComponent, Outcome, TemplateVersion,
};
use shipslog_domain::core_task::{self, CdfParameters, Item, RemovalOptions, Subject};
use shipslog_domain::deployment_task::{self, Targets};
use shipslog_domain::template::{
    self, Component, ComponentUpdate, ComponentUpdateAction, ConfigurationValidation, Content,
    DeploymentPolicies, FailureHandling,
};
use shipslog_domain::{
    CoreTaskId, DeploymentTaskId, Event, Fingerprint, JobId, PolicyName, ProvisioningTemplateName,
    TaskKey, TemplateId, TemplateName, ThingId, client_device, provisioning,
};

use crate::lower::{group_name, thing_name};

/// Label of an example, and the event. The label of the plainest example of a kind is empty.
pub(crate) type Example = (&'static str, Event);

/// All examples.
pub(crate) fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    examples.extend(registry::types());
    examples.extend(registry::things());
    examples.extend(registry::groups());
    examples.extend(registry::billing_groups());
    examples.extend(certificates());
    examples.extend(access::certificates());
    examples.extend(access::cas());
    examples.extend(access::policies());
    examples.extend(access::provisioning_templates());
    examples.extend(templates());
    examples.extend(core_tasks());
    examples.extend(deployment_tasks());
    examples.extend(cores());
    examples.extend(removals());
    examples.extend(client_devices());
    examples.extend(shadows::examples());
    examples.extend(presence::examples());
    examples.extend(jobs::jobs());
    examples.extend(jobs::executions());
    examples.extend(account::examples());
    examples.extend(ota_updates::examples());
    examples.extend(greengrass::components());
    examples.extend(greengrass::deployments());
    examples.extend(stacks::commands());
    examples.extend(stacks::stacks());
    examples.extend(stacks::instances());
    examples.extend(containers::services());
    examples
}

fn pairs() -> Vec<(Box<str>, Box<str>)> {
    vec![
        ("color".into(), "blue".into()),
        ("site".into(), "north".into()),
    ]
}

fn task_key() -> TaskKey {
    TaskKey::parse("aB3_-xyZ9").expect("nine characters")
}

fn provisioning_name() -> ProvisioningTemplateName {
    ProvisioningTemplateName::parse("edge.v1").expect("a valid name")
}

fn certificates() -> Vec<Example> {
    let changed = |status| Event::Certificate(certificate::Event::StatusChanged { status });
    let registered = certificate::Event::Registered {
        fingerprint: Fingerprint([0xab; 32]),
        pem: "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n".into(),
        status: CertificateStatus::PendingActivation,
    };
    let attached = certificate::Event::PolicyAttached {
        policy: PolicyName::parse("edge+core").expect("a valid name"),
        document: Some("{\"Version\":\"2012-10-17\",\"Statement\":[]}".into()),
    };
    let stored = provisioning::Event::Stored {
        name: Some(provisioning_name()),
        body: "{\"Resources\":{}}".into(),
    };
    vec![
        ("", Event::Certificate(registered)),
        ("", changed(CertificateStatus::Active)),
        ("inactive", changed(CertificateStatus::Inactive)),
        ("revoked", changed(CertificateStatus::Revoked)),
        ("", Event::Certificate(attached)),
        ("", Event::Certificate(certificate::Event::Removed)),
        ("", Event::ProvisioningTemplate(stored)),
        (
            "",
            Event::ProvisioningTemplate(provisioning::Event::Removed),
        ),
    ]
}

fn templates() -> Vec<Example> {
    let name = TemplateName::parse("edge-cameras").expect("a valid name");
    let component = Component {
        key: "com.acme.Capture".into(),
        version: "1.4.0".into(),
        merge: Some("{\"fps\":10}".into()),
        reset: Some(vec!["/network/useHttps".into(), "".into()]),
        run_with: Some("{\"posixUser\":\"svc:svcgroup\"}".into()),
    };
    let content = |action, handling| Content {
        components: vec![component.clone()],
        job_settings: Some(jobs::settings()),
        policies: Some(DeploymentPolicies {
            failure_handling: Some(handling),
            component_update: Some(ComponentUpdate {
                timeout_seconds: Some(60),
                action: Some(action),
            }),
            configuration_validation: Some(ConfigurationValidation {
                timeout_seconds: Some(30),
            }),
        }),
    };
    let added = |content| {
        Event::Template(template::Event::VersionAdded {
            version: 2,
            content: Box::new(content),
        })
    };
    let notify = content(
        ComponentUpdateAction::NotifyComponents,
        FailureHandling::Rollback,
    );
    let skip = content(
        ComponentUpdateAction::SkipNotifyComponents,
        FailureHandling::DoNothing,
    );
    let plain = Content {
        components: vec![component.clone()],
        job_settings: None,
        policies: None,
    };
    vec![
        ("", Event::Template(template::Event::Created { name })),
        ("", added(notify)),
        ("skip", added(skip)),
        ("plain", added(plain)),
        ("", Event::Template(template::Event::Removed)),
    ]
}

fn core_tasks() -> Vec<Example> {
    let item = |core: u32| Item {
        core: ThingId(core),
        provisioning_template: provisioning_name(),
        parameters: pairs(),
        cdf_parameters: Some(CdfParameters {
            ca_id: Some("ca1".into()),
            cert_info: Some(pairs()),
            certificate_pem: Some("pem".into()),
            certificate_status: Some("ACTIVE".into()),
        }),
        generator: Some("MANUAL_INSTALL".into()),
    };
    let requested = core_task::Event::CreateRequested {
        key: task_key(),
        core_version: "2.12.0".into(),
        items: vec![item(0), item(70_000)],
    };
    let finished = core_task::Event::ItemFinished {
        item: 1,
        outcome: core_task::Outcome::Failure,
        message: Some("provisioning failed: no such group".into()),
    };
    let ended = |outcome| Event::CoreTask(core_task::Event::Finished { outcome });
    let started = core_task::Event::BatchStarted {
        first: 20,
        count: 2,
    };
    let more = vec![item(1)];
    vec![
        ("", Event::CoreTask(requested)),
        (
            "",
            Event::CoreTask(core_task::Event::CoresAdded { items: more }),
        ),
        ("", Event::CoreTask(started)),
        ("", Event::CoreTask(finished)),
        ("", ended(core_task::Outcome::Success)),
        ("failure", ended(core_task::Outcome::Failure)),
    ]
}

fn removals() -> Vec<Example> {
    let core = ThingId(300);
    let removal = |subject, core_version: Option<&str>| {
        Event::CoreTask(core_task::Event::RemovalRequested {
            key: task_key(),
            subject,
            core_version: core_version.map(Into::into),
            options: RemovalOptions {
                deprovision_cores: Some(true),
                deprovision_client_devices: Some(false),
            },
            things: vec![ThingId(0), ThingId(70_000)],
            unknown: vec!["ghost".into()],
        })
    };
    let devices = core_task::Event::DevicesRequested {
        key: task_key(),
        core,
        items: vec![Item {
            core: ThingId(7),
            provisioning_template: provisioning_name(),
            parameters: pairs(),
            cdf_parameters: None,
            generator: None,
        }],
    };
    let more = core_task::Event::RemovalsAdded {
        things: vec![ThingId(3)],
        unknown: vec!["phantom".into()],
    };
    vec![
        ("", Event::CoreTask(devices)),
        ("", removal(Subject::Cores, Some("2.12.0"))),
        ("devices", removal(Subject::Devices { core }, None)),
        ("", Event::CoreTask(more)),
    ]
}

fn client_devices() -> Vec<Example> {
    let core = ThingId(300);
    let created = |name| Event::ClientDevice(client_device::Event::Created { name, core });
    let stored = client_device::Event::CertificatesStored {
        certs: "dev-1/certs.zip".into(),
    };
    let removed = |task| Event::ClientDevice(client_device::Event::Removed { task });
    vec![
        ("", created(Some(thing_name("dev-1")))),
        ("again", created(None)),
        ("", Event::ClientDevice(stored)),
        (
            "",
            Event::ClientDevice(client_device::Event::Associated { core }),
        ),
        ("", Event::ClientDevice(client_device::Event::Disassociated)),
        ("", removed(Some(CoreTaskId(9)))),
        ("alone", removed(None)),
    ]
}

fn deployment_tasks() -> Vec<Example> {
    let event = Event::DeploymentTask;
    let requested = deployment_task::Event::Requested {
        key: task_key(),
        template: version(),
        targets: Box::new(Targets {
            thing_names: Some(vec!["core-1".into(), "nobody".into()]),
            thing_group_names: Some(vec![group_name("site:north")]),
            ..Targets::default()
        }),
        job_settings: Some(Box::new(jobs::settings())),
    };
    let library = deployment_task::Event::Requested {
        key: task_key(),
        template: version(),
        targets: Box::new(Targets {
            device_ids: Some(vec!["core-1".into()]),
            group_paths: Some(vec!["/factory/line4".into()]),
            query: Some("{\"types\":[\"camera\"]}".into()),
            ..Targets::default()
        }),
        job_settings: None,
    };
    let refused = deployment_task::Event::TargetRefused {
        name: "nobody".into(),
        message: "not a core".into(),
    };
    let finished = deployment_task::Event::Finished {
        outcome: core_task::Outcome::Failure,
        message: Some("the targets resolve to no core".into()),
    };
    let resolved = |remaining| deployment_task::Event::TargetsResolved {
        cores: vec![ThingId(0), ThingId(23), ThingId(70_000)],
        remaining,
    };
    vec![
        ("", event(requested)),
        ("library", event(library)),
        ("", event(resolved(None))),
        ("part", event(resolved(Some(930_000)))),
        (
            "",
            event(deployment_task::Event::JobAssigned { job: JobId(4) }),
        ),
        ("", event(refused)),
        ("", event(finished)),
    ]
}

fn version() -> TemplateVersion {
    TemplateVersion {
        template: TemplateId(1),
        version: 12,
    }
}

fn cores() -> Vec<Example> {
    let report = |health, complete| {
        let report = HealthReport {
            nucleus_version: "2.12.0".into(),
            platform: "linux".into(),
            architecture: "aarch64".into(),
            health,
            sequence_number: 4_294_967_296,
            complete,
            components: vec![InstalledComponent {
                name: "com.acme.Capture".into(),
                version: "1.4.0".into(),
                state: "RUNNING".into(),
                is_root: true,
            }],
            device_time: 1_700_000_000_123,
        };
        Event::Core(core::Event::HealthReported {
            report: Box::new(report),
        })
    };
    let stored = core::Event::ArtifactsStored {
        certs: Some("core-1/certs.zip".into()),
        config: Some("core-1/installerConfig.yml".into()),
    };
    let requested = |failure: Option<&str>| {
        Event::Core(core::Event::DeploymentRequested {
            task: DeploymentTaskId(2),
            desired: version(),
            failure: failure.map(Into::into),
        })
    };
    let mut examples = vec![
        (
            "",
            Event::Core(core::Event::Created {
                name: Some(thing_name("core-1")),
            }),
        ),
        ("", Event::Core(stored)),
        ("", report(Health::Healthy, true)),
        ("unhealthy", report(Health::Unhealthy, false)),
        ("", requested(None)),
        ("failure", requested(Some("core device not registered"))),
        ("", Event::Core(core::Event::Removed)),
    ];
    examples.extend(OUTCOMES.map(|(label, outcome)| {
        let finished = core::Event::DeploymentFinished {
            job: JobId(4),
            applied: version(),
            outcome,
            message: Some("why".into()),
        };
        (label, Event::Core(finished))
    }));
    examples
}

const OUTCOMES: [(&str, Outcome); 10] = [
    ("", Outcome::Successful),
    ("no-state-change", Outcome::FailedNoStateChange),
    (
        "rollback-not-requested",
        Outcome::FailedRollbackNotRequested,
    ),
    ("rollback-complete", Outcome::FailedRollbackComplete),
    ("unable-to-rollback", Outcome::FailedUnableToRollback),
    ("rejected", Outcome::Rejected),
    ("timed-out", Outcome::TimedOut),
    ("canceled", Outcome::Canceled),
    ("removed", Outcome::Removed),
    ("failed", Outcome::Failed),
];
