use shipslog_domain::core::{self, Health, HealthReport, InstalledComponent, Outcome};
use shipslog_domain::job::{self, Target, TargetSelection};
use shipslog_domain::{GroupId, ThingId, Timestamp};

use super::{CoreFilter, DeploymentStatus};
use crate::testing::{Story, definition, version_of};

#[test]
fn a_core_goes_from_none_to_what_it_reports() {
    let mut story = Story::default();
    story.template(0, "edge", 2);
    story.core(0);
    let core = story.views.core("t0").expect("exists");
    assert_eq!((core.desired.name, core.desired.version), ("None", 0));
    assert_eq!((core.reported.name, core.reported.version), ("None", 0));
    assert_eq!(core.deployment_status.as_str(), "None");
    assert_eq!(
        (core.failed, core.drift, core.updated_at),
        (false, false, None)
    );
    assert_eq!(
        story.views.thing("t0"),
        None,
        "a core need not be registered"
    );

    let request = |version, failure| Tell::Request(version, failure);
    let steps = [
        (request(1, None), ("IN_PROGRESS", 0, false, true)),
        (
            Tell::Result(1, Outcome::Successful),
            ("SUCCESSFUL", 1, false, false),
        ),
        (request(2, Some("no group")), ("Failure", 1, true, true)),
        (request(2, None), ("IN_PROGRESS", 1, false, true)),
        (
            Tell::Result(1, Outcome::Removed),
            ("IN_PROGRESS", 1, false, true),
        ),
        (
            Tell::Result(2, Outcome::TimedOut),
            ("TIMED_OUT", 1, true, true),
        ),
        (
            Tell::Result(2, Outcome::Successful),
            ("SUCCESSFUL", 2, false, false),
        ),
        (
            Tell::Result(1, Outcome::Successful),
            ("SUCCESSFUL", 1, false, true),
        ),
    ];
    for (number, (tell, expected)) in steps.into_iter().enumerate() {
        match tell {
            Tell::Request(version, failure) => story.request(0, version_of(0, version), failure),
            Tell::Result(version, outcome) => story.result(0, version_of(0, version), outcome),
        }
        let core = story.views.core("t0").expect("exists");
        let status = core.deployment_status.as_str();
        let found = (status, core.reported.version, core.failed, core.drift);
        assert_eq!(found, expected, "step {number}");
        assert_eq!(
            core.deployment_message.is_some(),
            core.failed,
            "step {number}"
        );
    }
}

/// Something that happens to version 1 or 2 on the core.
enum Tell {
    Request(u32, Option<&'static str>),
    Result(u32, Outcome),
}

#[test]
fn cores_are_listed_by_desired_template_failure_and_drift() {
    let mut story = Story::default();
    story.template(0, "edge", 2);
    story.template(1, "gate", 1);
    for thing in 0..6 {
        story.core(thing);
    }
    story.request(0, version_of(0, 1), None);
    story.request(1, version_of(0, 2), Some("no"));
    story.request(2, version_of(0, 2), None);
    story.result(2, version_of(0, 2), Outcome::Successful);
    story.request(3, version_of(1, 1), None);
    story.core_event(5, core::Event::Removed);
    let all = CoreFilter::default();
    let of = |name, version| CoreFilter {
        template_name: name,
        template_version: version,
        ..all
    };
    let failed = |filter| CoreFilter {
        failed_only: true,
        ..filter
    };
    let drifting = CoreFilter {
        drift_only: true,
        ..all
    };
    let cases = [
        (all, &["t0", "t1", "t2", "t3", "t4"][..]),
        (of(Some("edge"), None), &["t0", "t1", "t2"]),
        (of(Some("edge"), Some(2)), &["t1", "t2"]),
        (of(Some("edge"), Some(7)), &[]),
        (of(None, Some(2)), &[]),
        (failed(all), &["t1"]),
        (failed(of(Some("gate"), None)), &[]),
        (drifting, &["t0", "t1", "t3"]),
        (of(Some("None"), None), &["t4"]),
        (of(Some("None"), Some(0)), &["t4"]),
        (of(Some("other"), None), &[]),
    ];
    for (filter, expected) in cases {
        let page = story.views.cores(&filter, None, 100);
        let names: Vec<&str> = page.items.iter().map(|core| core.name).collect();
        assert_eq!(names, expected, "{filter:?}");
    }
    let page = story.views.cores(&all, Some("t1"), 2);
    assert_eq!(page.items.last().map(|core| core.name), Some("t3"));
    assert!(page.has_more);
    assert_eq!(story.views.core_count(), 5);
}

fn report(complete: bool, health: Health, components: &[(&str, &str)]) -> core::Event {
    let components = components.iter().map(|(name, state)| InstalledComponent {
        name: (*name).into(),
        version: "1.0.0".into(),
        state: (*state).into(),
        is_root: false,
    });
    core::Event::HealthReported {
        report: Box::new(HealthReport {
            nucleus_version: "2.12.0".into(),
            platform: "linux".into(),
            architecture: "arm".into(),
            health,
            sequence_number: 4,
            complete,
            components: components.collect(),
            device_time: 0,
        }),
    }
}

#[test]
fn a_device_is_unknown_until_it_reports() {
    let mut story = Story::default();
    story.core(0);
    let installed = |story: &Story| -> Vec<String> {
        let device = story.views.device(ThingId(0));
        let components = device.installed_components.iter();
        components
            .map(|one| format!("{} {}", one.name, one.state))
            .collect()
    };
    let device = story.views.device(ThingId(0));
    assert_eq!((device.status(), device.last_status_at), ("UNKNOWN", None));
    assert!(device.installed_components.is_empty());

    let steps: [(core::Event, &str, &[&str]); 5] = [
        (
            report(
                true,
                Health::Healthy,
                &[("b", "RUNNING"), ("a", "FINISHED"), ("c", "UNINSTALLED")],
            ),
            "HEALTHY",
            &["a FINISHED", "b RUNNING"],
        ),
        (
            report(false, Health::Unhealthy, &[("b", "BROKEN")]),
            "UNHEALTHY",
            &["a FINISHED", "b BROKEN"],
        ),
        (
            report(
                false,
                Health::Healthy,
                &[("a", "UNINSTALLED"), ("d", "NEW")],
            ),
            "HEALTHY",
            &["b BROKEN", "d NEW"],
        ),
        (
            report(true, Health::Healthy, &[("a", "RUNNING")]),
            "HEALTHY",
            &["a RUNNING"],
        ),
        (
            report(false, Health::Healthy, &[("a", "UNINSTALLED")]),
            "HEALTHY",
            &[],
        ),
    ];
    for (event, status, expected) in steps {
        story.now = Timestamp(story.now.0 + 100);
        let now = story.now;
        story.core_event(0, event);
        assert_eq!(installed(&story), expected);
        let device = story.views.device(ThingId(0));
        assert_eq!(
            (device.status(), device.last_status_at),
            (status, Some(now))
        );
        assert_eq!(device.nucleus_version, Some("2.12.0"));
        assert_eq!(device.sequence_number, 4);
    }
    story.core_event(0, core::Event::Removed);
    assert_eq!(story.views.device(ThingId(0)).status(), "UNKNOWN");
    assert_eq!(story.views.core("t0"), None);
}

#[test]
fn artifact_keys_come_back_as_they_were() {
    let mut story = Story::default();
    for (thing, key) in [(0, "a/t0/t0/certs.zip"), (1, "a/t1/t1/certs.zip"), (2, "x")] {
        story.core(thing);
        let stored = core::Event::ArtifactsStored {
            certs: Some(key.into()),
            config: None,
        };
        story.core_event(thing, stored);
        let core = story.views.core(&format!("t{thing}")).expect("exists");
        assert_eq!(core.config, None);
        let certs = core.certs.expect("stored");
        assert_eq!(certs.key, key);
        assert_eq!(core.updated_at, Some(certs.stored_at));
    }
}

#[test]
fn a_core_tells_the_deployments_that_reached_it() {
    let mut story = Story::default();
    story.template(0, "edge", 2);
    story.group(0, None);
    story.register(0, &[]);
    story.core(0);
    let targets = [Target::Group(GroupId(0))];
    for (id, brings) in [
        (0, Some(version_of(0, 1))),
        (1, None),
        (2, Some(version_of(0, 2))),
    ] {
        let definition = definition(id, &targets, TargetSelection::Continuous, brings);
        let definition = Box::new(definition);
        story.job_event(id, job::Event::Created { definition });
        story.queue(0, id, 1, 0);
    }
    story.succeed(0, 0, &[("detailed-deployment-status", "SUCCESSFUL")]);
    story.fail(0, 2, &[("deployment-failure-cause", "disk full")]);
    let deployments = story.views.effective_deployments(ThingId(0));
    let told: Vec<_> = deployments
        .iter()
        .map(|one| {
            (
                one.deployment_id,
                one.template.version,
                one.status.as_str(),
                one.reason.as_deref(),
            )
        })
        .collect();
    let expected = [
        ("deployment-2", 2, "FAILED", Some("disk full")),
        ("deployment-0", 1, "SUCCEEDED", None),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        deployments.first().map(|one| one.target_groups.clone()),
        Some(vec!["g0"])
    );
}

#[test]
fn every_deployment_status_is_saved_as_itself() {
    for status in DeploymentStatus::ALL {
        assert_eq!(DeploymentStatus::from_number(status.number()), status);
    }
}
