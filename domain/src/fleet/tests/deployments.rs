//! Core tasks and deployment tasks: from provisioning to what the device reports.

use super::*;
use crate::core::{Attempt, Core, Outcome};
use crate::core_task;

const TEMPLATE: &str = r#"{
    "Parameters": { "ThingName": { "Type": "String" } },
    "Resources": { "thing": { "Type": "AWS::IoT::Thing", "Properties": {
        "ThingName": { "Ref": "ThingName" }, "AttributePayload": { "made": "here" } } } }
}"#;

/// A fleet with a template and some cores, of which the first `connected` have reported their health.
pub(super) fn fleet(cores: usize, connected: usize) -> Run {
    let mut run = Run::new();
    run.ok(Command::PutProvisioningTemplate {
        name: ProvisioningTemplateName::parse("core").expect("valid"),
        body: TEMPLATE.into(),
    });
    let names: Vec<String> = (0..cores).map(|number| format!("c{number}")).collect();
    run.ok(Command::CreateCoreTask {
        key: key("coretask1"),
        core_version: "2.12.0".into(),
        cores: names.iter().map(|name| core_request(name)).collect(),
    });
    for number in 0..cores {
        run.ok(provisioned(
            "coretask1",
            u32::try_from(number).expect("small"),
        ));
    }
    run.ok(Command::CreateTemplate {
        name: TemplateName::parse("edge").expect("valid"),
        content: content("1.0.0"),
    });
    for name in names.iter().take(connected) {
        run.ok(health(name, 1));
    }
    run
}

pub(super) fn core(run: &Run, name: &str) -> Core {
    let thing = run.fleet.thing(run.thing(name)).expect("exists");
    *thing.core.clone().expect("is a core")
}

/// The deployment's job as the device sees it.
pub(super) fn next_job(run: &Run, core: &str) -> Option<String> {
    let next = run
        .fleet
        .next_pending(run.thing(core), Some("aws-gg-deployment"));
    next.map(|one| one.job_name.to_owned())
}

fn finish(run: &mut Run, core: &str, status: ReportedStatus, detail: &str) -> Vec<Event> {
    let job = next_job(run, core).expect("a deployment waits");
    run.ok(update(ExecutionUpdate {
        namespace: Namespace::parse("aws-gg-deployment").ok(),
        details: Some(vec![("detailed-deployment-status".into(), detail.into())]),
        ..report(&job, core, status)
    }))
}

pub(super) fn task_status(run: &Run, task: &str) -> core_task::Status {
    run.fleet.deployment_task(key(task)).expect("exists").status
}

#[test]
fn a_core_task_provisions_its_cores_and_ends() {
    let run = fleet(2, 0);
    let task = run.fleet.core_task(key("coretask1")).expect("exists");
    assert!(task.items.is_empty(), "an ended task keeps no requests");
    assert_eq!(task.states, [core_task::Status::Success; 2]);
    assert!(run.fleet.open_core_tasks().next().is_none());
    let thing = run.fleet.thing(run.thing("c0")).expect("exists");
    assert!(thing.registered);
    assert_eq!(thing.attributes(), [("made".into(), "here".into())]);
}

#[test]
fn a_failed_item_fails_the_task_and_leaves_the_core_record() {
    let mut run = fleet(1, 0);
    run.ok(Command::CreateCoreTask {
        key: key("coretask2"),
        core_version: "2.12.0".into(),
        cores: vec![
            core_request("d0"),
            CoreRequest {
                parameters: Vec::new(),
                ..core_request("d1")
            },
            CoreRequest {
                parameters: vec![("ThingName".into(), "elsewhere".into())],
                ..core_request("d2")
            },
        ],
    });
    for item in 0..3 {
        run.ok(provisioned("coretask2", item));
        assert!(
            run.ok(provisioned("coretask2", item)).is_empty(),
            "repeated"
        );
    }
    let task = run.fleet.core_task(key("coretask2")).expect("exists");
    use core_task::Status::{Failure, Success};
    assert_eq!(task.states, [Success, Failure, Failure]);
    assert!(run.fleet.is_registered(run.thing("d0")));
    assert!(!run.fleet.is_registered(run.thing("d1")));
    assert_eq!(core(&run, "d1").attempt, Attempt::None);
}

#[test]
fn what_a_core_task_may_not_ask_for_is_refused() {
    let mut run = fleet(1, 0);
    let ask = |task: &str, version: &str, cores: Vec<CoreRequest>| Command::CreateCoreTask {
        key: key(task),
        core_version: version.into(),
        cores,
    };
    let one = || vec![core_request("e0")];
    run.refused(ask("coretask2", "", one()), RejectionKind::Malformed);
    run.refused(
        ask("coretask2", "2.0", Vec::new()),
        RejectionKind::Malformed,
    );
    run.refused(ask("coretask1", "2.0", one()), RejectionKind::AlreadyExists);
    let twice = vec![core_request("e0"), core_request("e0")];
    run.refused(ask("coretask2", "2.0", twice), RejectionKind::Malformed);
    let many = (0..=crate::limits::CORE_TASK_CORES_MAX).map(|n| core_request(&format!("m{n}")));
    run.refused(
        ask("coretask2", "2.0", many.collect()),
        RejectionKind::Malformed,
    );
    assert!(run.fleet.thing_id("e0").is_none(), "nothing half done");
}

#[test]
fn a_connected_core_gets_the_deployment_and_a_silent_one_fails() {
    let mut run = fleet(2, 1);
    run.ok(deploy("deploy--1", "edge", None, &["c0", "c1", "stranger"]));
    assert_eq!(task_status(&run, "deploy--1"), core_task::Status::Failure);
    // The desired version is set even where no deployment could be started.
    for name in ["c0", "c1"] {
        assert_eq!(
            core(&run, name).desired.map(|desired| desired.version),
            Some(1)
        );
    }
    assert_eq!(core(&run, "c0").attempt, Attempt::InProgress);
    assert_eq!(core(&run, "c1").attempt, Attempt::NotStarted);
    assert!(run.fleet.thing_id("stranger").is_none(), "no stub record");
    finish(&mut run, "c0", ReportedStatus::Succeeded, "SUCCESSFUL");
    let core = core(&run, "c0");
    assert_eq!(core.attempt, Attempt::Ended(Outcome::Successful));
    assert_eq!(core.reported, core.desired);
}

#[test]
fn the_deployment_document_is_what_the_nucleus_reads() {
    let mut run = fleet(1, 1);
    run.ok(deploy("deploy--1", "edge", Some(1), &["c0"]));
    let next = run
        .fleet
        .next_pending(run.thing("c0"), Some("aws-gg-deployment"))
        .expect("waits");
    let document: serde_json::Value = serde_json::from_str(next.document).expect("JSON");
    assert_eq!(
        document["configurationArn"],
        "arn:aws:greengrass:us-east-1:000000000000:configuration:thinggroup/cdf_ggv2_deploymentForTemplate_edge_1:1"
    );
    assert_eq!(
        document["components"]["com.example.App"],
        serde_json::json!({
            "version": "1.0.0",
            "configurationUpdate": { "merge": { "rate": 1 }, "reset": ["/old"] },
        })
    );
    assert_eq!(document["failureHandlingPolicy"], "ROLLBACK");
    assert_eq!(document["componentUpdatePolicy"]["timeout"], 60);
    assert_eq!(document["creationTimestamp"], run.now.0);
}

#[test]
fn a_core_is_in_exactly_one_template_group() {
    let mut run = fleet(1, 1);
    run.ok(deploy("deploy--1", "edge", None, &["c0"]));
    let first = next_job(&run, "c0").expect("waits");
    run.ok(Command::UpdateTemplate {
        name: TemplateName::parse("edge").expect("valid"),
        content: content("2.0.0"),
        expected_version: None,
    });
    run.ok(deploy("deploy--2", "edge", None, &["c0"]));
    assert_eq!(
        run.execution(&first, "c0").map(|one| one.0),
        Some(Status::Removed)
    );
    let thing = run.fleet.thing(run.thing("c0")).expect("exists");
    assert_eq!(thing.groups.len(), 1);
    // The removal of the older deployment says nothing about the newer one.
    assert_eq!(core(&run, "c0").attempt, Attempt::InProgress);
    finish(
        &mut run,
        "c0",
        ReportedStatus::Failed,
        "FAILED_ROLLBACK_COMPLETE",
    );
    let core = core(&run, "c0");
    assert_eq!(
        core.attempt,
        Attempt::Ended(Outcome::FailedRollbackComplete)
    );
    assert_eq!(core.reported, None);
}

#[test]
fn cores_share_one_deployment_per_version_and_settings() {
    let mut run = fleet(4, 4);
    run.ok(deploy("deploy--1", "edge", None, &["c0", "c1"]));
    run.ok(deploy("deploy--2", "edge", None, &["c2"]));
    let first = next_job(&run, "c0");
    assert_eq!(next_job(&run, "c2"), first);
    let mut other = deploy("deploy--3", "edge", None, &["c3"]);
    if let Command::CreateDeploymentTask { job_settings, .. } = &mut other {
        *job_settings = Some(job::Settings {
            timeout_minutes: Some(5),
            ..job::Settings::default()
        });
    }
    run.ok(other);
    // Other settings are a new revision, which supersedes the one before for the whole group.
    let second = next_job(&run, "c3");
    assert_ne!(second, first);
    assert_eq!(next_job(&run, "c0"), second);
    let superseded = run.job(first.as_deref().expect("exists"));
    assert_eq!(superseded.status(), job::Status::Canceled);
}

#[test]
fn a_deployment_is_rolled_out_at_the_pace_of_its_template() {
    let mut run = fleet(130, 130);
    let mut paced = content("2.0.0");
    paced.job_settings = Some(job::Settings {
        rollout: Some(job::Rollout {
            maximum_per_minute: Some(60),
            exponential: None,
        }),
        ..job::Settings::default()
    });
    run.ok(Command::UpdateTemplate {
        name: TemplateName::parse("edge").expect("valid"),
        content: paced,
        expected_version: None,
    });
    let names: Vec<String> = (0..130).map(|number| format!("c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(
        queued(&run.ok(deploy("deploy--1", "edge", Some(2), &names))),
        60
    );
    assert_eq!(queued(&run.pass(Span::MINUTE)), 60);
    assert_eq!(queued(&run.pass(Span::MINUTE)), 10);
}

#[test]
fn deploying_the_same_version_again_runs_it_again() {
    let mut run = fleet(1, 1);
    run.ok(deploy("deploy--1", "edge", None, &["c0"]));
    finish(
        &mut run,
        "c0",
        ReportedStatus::Failed,
        "FAILED_NO_STATE_CHANGE",
    );
    assert_eq!(next_job(&run, "c0"), None);
    run.ok(deploy("deploy--2", "edge", None, &["c0"]));
    assert_eq!(core(&run, "c0").attempt, Attempt::InProgress);
    finish(&mut run, "c0", ReportedStatus::Succeeded, "SUCCESSFUL");
    assert_eq!(
        core(&run, "c0").attempt,
        Attempt::Ended(Outcome::Successful)
    );
}

#[test]
fn deployment_requests_that_cannot_work_are_refused() {
    let mut run = fleet(1, 1);
    run.refused(
        deploy("deploy--1", "none", None, &["c0"]),
        RejectionKind::NotFound,
    );
    run.refused(
        deploy("deploy--1", "edge", Some(2), &["c0"]),
        RejectionKind::NotFound,
    );
    run.refused(
        deploy("deploy--1", "edge", Some(0), &["c0"]),
        RejectionKind::NotFound,
    );
    run.refused(
        deploy("deploy--1", "edge", None, &[]),
        RejectionKind::Malformed,
    );
    run.ok(deploy("deploy--1", "edge", None, &["c0"]));
    run.refused(
        deploy("deploy--1", "edge", None, &["c0"]),
        RejectionKind::AlreadyExists,
    );
    run.ok(deploy("deploy--2", "edge", None, &["nobody"]));
    assert_eq!(task_status(&run, "deploy--2"), core_task::Status::Failure);
}

#[test]
fn older_health_messages_are_dropped_until_the_nucleus_restarts() {
    let mut run = fleet(1, 0);
    assert_eq!(run.ok(health("c0", 5)).len(), 1);
    assert!(run.ok(health("c0", 5)).is_empty());
    assert!(run.ok(health("c0", 4)).is_empty());
    let mut restarted = health("c0", 1);
    if let Command::ReportHealth { report, .. } = &mut restarted {
        report.device_time = 99_999;
    }
    assert_eq!(run.ok(restarted).len(), 1);
    run.refused(health("nobody", 1), RejectionKind::NotFound);
    // A thing that reports its health is a core from then on.
    run.ok(create_thing("plain"));
    assert_eq!(run.ok(health("plain", 1)).len(), 2);
}

#[test]
fn a_canceled_deployment_ends_also_for_cores_that_it_never_reached() {
    let mut run = fleet(3, 3);
    let mut slow = content("2.0.0");
    slow.job_settings = Some(job::Settings {
        rollout: Some(job::Rollout {
            maximum_per_minute: Some(1),
            exponential: None,
        }),
        ..job::Settings::default()
    });
    run.ok(Command::UpdateTemplate {
        name: TemplateName::parse("edge").expect("valid"),
        content: slow,
        expected_version: None,
    });
    run.ok(deploy("deploy--1", "edge", Some(2), &["c0", "c1", "c2"]));
    // c2 leaves while it waits, then the job is canceled.
    run.ok(leave("cdf_ggv2_deploymentForTemplate_edge_2", "c2"));
    assert_eq!(core(&run, "c2").attempt, Attempt::Ended(Outcome::Removed));
    let job = next_job(&run, "c0").expect("the first is told");
    assert_eq!(core(&run, "c1").attempt, Attempt::InProgress);
    run.ok(Command::CancelJob {
        job: job_name(&job),
        force: false,
        reason_code: None,
        comment: None,
    });
    for name in ["c0", "c1"] {
        assert_eq!(
            core(&run, name).attempt,
            Attempt::Ended(Outcome::Canceled),
            "{name}"
        );
    }
    assert!(run.fleet.poll_timeout().is_none());
}

#[test]
fn a_superseded_deployment_leaves_its_cores_to_the_next() {
    let mut run = fleet(2, 2);
    run.ok(deploy("deploy--1", "edge", None, &["c0", "c1"]));
    let mut other = deploy("deploy--2", "edge", None, &["c0"]);
    if let Command::CreateDeploymentTask { job_settings, .. } = &mut other {
        *job_settings = Some(job::Settings {
            timeout_minutes: Some(5),
            ..job::Settings::default()
        });
    }
    run.ok(other);
    for name in ["c0", "c1"] {
        assert_eq!(core(&run, name).attempt, Attempt::InProgress, "{name}");
        finish(&mut run, name, ReportedStatus::Succeeded, "SUCCESSFUL");
        assert_eq!(
            core(&run, name).attempt,
            Attempt::Ended(Outcome::Successful)
        );
    }
}

#[test]
fn a_core_whose_thing_is_gone_cannot_be_deployed_to() {
    let mut run = fleet(1, 1);
    run.ok(delete_thing(thing_name("c0")));
    run.ok(deploy("deploy--1", "edge", None, &["c0"]));
    assert_eq!(core(&run, "c0").attempt, Attempt::NotStarted);
    assert_eq!(task_status(&run, "deploy--1"), core_task::Status::Failure);
}

#[test]
fn deploying_again_keeps_to_the_pace() {
    let mut run = fleet(3, 3);
    let mut slow = deploy("deploy--1", "edge", None, &["c0", "c1", "c2"]);
    let paced = job::Settings {
        rollout: Some(job::Rollout {
            maximum_per_minute: Some(1),
            exponential: None,
        }),
        ..job::Settings::default()
    };
    if let Command::CreateDeploymentTask { job_settings, .. } = &mut slow {
        *job_settings = Some(paced);
    }
    run.ok(slow.clone());
    run.pass(Span::minutes(3));
    for name in ["c0", "c1", "c2"] {
        finish(&mut run, name, ReportedStatus::Succeeded, "SUCCESSFUL");
    }
    if let Command::CreateDeploymentTask { key: task, .. } = &mut slow {
        *task = key("deploy--2");
    }
    assert_eq!(queued(&run.ok(slow)), 1);
    assert_eq!(queued(&run.pass(Span::MINUTE)), 1);
}

#[test]
fn a_deployment_that_was_deleted_on_a_core_is_told_again() {
    let mut run = fleet(1, 1);
    run.ok(deploy("deploy--1", "edge", None, &["c0"]));
    run.ok(Command::DeleteExecution {
        namespace: None,
        job: job_name(&next_job(&run, "c0").expect("waits")),
        thing: thing_name("c0"),
        number: 1,
        force: false,
    });
    assert_eq!(core(&run, "c0").attempt, Attempt::Ended(Outcome::Removed));
    run.ok(deploy("deploy--2", "edge", None, &["c0"]));
    finish(&mut run, "c0", ReportedStatus::Succeeded, "SUCCESSFUL");
    assert_eq!(core(&run, "c0").reported, core(&run, "c0").desired);
}

#[test]
fn a_late_failure_of_a_superseded_deployment_says_nothing() {
    let mut run = fleet(1, 1);
    run.ok(deploy("deploy--1", "edge", None, &["c0"]));
    let first = next_job(&run, "c0").expect("waits");
    let of_first = |status| {
        update(ExecutionUpdate {
            namespace: Namespace::parse("aws-gg-deployment").ok(),
            ..report(&first, "c0", status)
        })
    };
    run.ok(of_first(ReportedStatus::InProgress));
    let mut other = deploy("deploy--2", "edge", None, &["c0"]);
    if let Command::CreateDeploymentTask { job_settings, .. } = &mut other {
        *job_settings = Some(job::Settings {
            timeout_minutes: Some(5),
            ..job::Settings::default()
        });
    }
    run.ok(other);
    run.ok(of_first(ReportedStatus::Failed));
    assert_eq!(core(&run, "c0").attempt, Attempt::InProgress);
}

#[test]
fn a_deployment_supersedes_deployments_only() {
    let mut run = fleet(1, 1);
    run.ok(deploy("deploy--1", "edge", None, &["c0"]));
    run.ok(create_job(JobRequest {
        target_selection: TargetSelection::Continuous,
        ..request("mine", &["group/cdf_ggv2_deploymentForTemplate_edge_1"])
    }));
    // A new template of the same name takes over the group; the cores of the old one will not get it.
    run.ok(Command::DeleteTemplate {
        name: TemplateName::parse("edge").expect("valid"),
    });
    run.ok(Command::CreateTemplate {
        name: TemplateName::parse("edge").expect("valid"),
        content: content("3.0.0"),
    });
    run.ok(health("c0", 2));
    run.ok(create_thing("d0"));
    run.ok(health("d0", 1));
    run.ok(deploy("deploy--2", "edge", None, &["d0"]));
    assert_eq!(run.job("mine").status(), job::Status::InProgress);
    assert_eq!(core(&run, "c0").attempt, Attempt::Ended(Outcome::Canceled));
}

#[test]
fn deploying_again_does_not_run_other_jobs_of_the_group_again() {
    let mut run = fleet(1, 1);
    run.ok(deploy("deploy--1", "edge", None, &["c0"]));
    finish(&mut run, "c0", ReportedStatus::Succeeded, "SUCCESSFUL");
    run.ok(create_job(JobRequest {
        target_selection: TargetSelection::Continuous,
        ..request("mine", &["group/cdf_ggv2_deploymentForTemplate_edge_1"])
    }));
    run.ok(update(report("mine", "c0", ReportedStatus::Failed)));
    assert_eq!(
        queued(&run.ok(deploy("deploy--2", "edge", None, &["c0"]))),
        1
    );
    assert_eq!(
        run.execution("mine", "c0"),
        Some((Status::Failed, 2, 1)),
        "nobody asked for it again"
    );
}
