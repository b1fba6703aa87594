//! Deployments of components: revisions of a target, carried by a job or a shadow, canceled and deleted.

use serde_json::{Value, json};

use super::*;
use crate::client_device;
use crate::client_token::ClientToken;
use crate::component::{self, Format};
use crate::deployment::components::{NAMESPACE, SHADOW};
use crate::deployment::{Command as Deploy, Components, Request, Status as Standing};
use crate::limits;
use crate::shadow;

/// A fleet with a component, two groups and a thing in the first.
pub(super) fn run() -> Run {
    let mut run = Run::new();
    let recipe = json!({
        "RecipeFormatVersion": "2020-01-25", "ComponentName": "a", "ComponentVersion": "1.0.0"
    });
    run.ok(Command::Component(component::Command::Create {
        content: Box::new(component::Content {
            recipe: recipe.to_string().into(),
            format: Format::Json,
            errors: Vec::new(),
            tags: Vec::new(),
        }),
        token: None,
    }));
    for group in ["g", "h"] {
        run.ok(Command::CreateGroup {
            name: group_name(group),
            parent: None,
            description: None,
            attributes: Vec::new(),
        });
    }
    run.ok(Command::CreateThing {
        name: thing_name("t"),
        thing_type: None,
        billing_group: None,
        attributes: Vec::new(),
    });
    run.ok(Command::AddThingToGroup {
        group: group_name("g"),
        thing: thing_name("t"),
    });
    run
}

pub(super) fn request(id: &str, target: TargetName) -> Request {
    let component = Component {
        key: "a".into(),
        version: "1.0.0".into(),
        merge: Some("{\"k\":1}".into()),
        reset: Some(vec!["/old".into()]),
        run_with: Some("{\"systemResourceLimits\":{\"memory\":1}}".into()),
    };
    Request {
        id: id.into(),
        job: job_name(&format!("job-{id}")),
        target,
        parent: None,
        name: Some("first".into()),
        components: Components {
            spec: Content {
                components: vec![component],
                job_settings: None,
                policies: None,
            },
            configuration: None,
        },
        tags: vec![("team".into(), "edge".into())],
        token: None,
    }
}

pub(super) fn group(name: &str) -> TargetName {
    TargetName::Group(group_name(name))
}

pub(super) fn create(request: Request) -> Command {
    Command::Deployment(Deploy::Create(Box::new(request)))
}

pub(super) fn cancel(id: &str) -> Command {
    Command::Deployment(Deploy::Cancel { id: id.into() })
}

fn standing(run: &Run, id: &str) -> Option<Standing> {
    let found = run.fleet.deployment(id)?;
    Some(run.fleet.deployment_status(found))
}

#[test]
fn a_group_gets_a_job_that_newer_revisions_supersede() {
    let mut run = run();
    run.ok(create(request("1", group("g"))));
    let thing = run.fleet.thing_id("t").expect("it exists");
    let next = run
        .fleet
        .next_pending(thing, Some(NAMESPACE))
        .expect("it was told");
    assert_eq!(next.job_name, "job-1");
    let document: Value = serde_json::from_str(next.document).expect("JSON");
    assert_eq!(document["deploymentId"], "1");
    assert_eq!(
        document["configurationArn"],
        "arn:aws:greengrass:us-east-1:000000000000:configuration:thinggroup/g:1"
    );
    assert_eq!(
        document["components"]["a"]["configurationUpdate"],
        json!({"merge": {"k": 1}, "reset": ["/old"]})
    );
    assert_eq!(
        document["requiredCapabilities"],
        json!(["LINUX_RESOURCE_LIMITS"])
    );
    assert_eq!(document["parentTargetArn"], Value::Null);
    assert_eq!(standing(&run, "1"), Some(Standing::Active));
    run.ok(create(request("2", group("g"))));
    let next = run
        .fleet
        .next_pending(thing, Some(NAMESPACE))
        .expect("it was told");
    assert_eq!(next.job_name, "job-2");
    assert_eq!(standing(&run, "1"), Some(Standing::Inactive));
    assert_eq!(standing(&run, "2"), Some(Standing::Active));
    let second = run.fleet.deployment("2").expect("it exists");
    assert_eq!(second.revision, 2);
    assert!(run.fleet.is_latest_deployment(second));
    assert!(
        run.fleet
            .deployment("1")
            .is_some_and(|one| !run.fleet.is_latest_deployment(one))
    );
    let ids: Vec<_> = run
        .fleet
        .deployments_before(None)
        .map(|(_, one)| one.id.to_string())
        .collect();
    assert_eq!(ids, ["2", "1"]);
}

/// What happens to deployments in the table below.
#[derive(Clone, Copy, Debug)]
enum Step {
    ToGroup(&'static str),
    ToThing(&'static str),
    Cancel(&'static str),
    Delete(&'static str),
    /// The thing reports on its first deployment.
    Report(&'static str),
    CancelJob(&'static str),
    DeleteJob(&'static str),
    RemoveThing,
}

fn command(step: Step) -> Command {
    match step {
        Step::ToGroup(id) => create(request(id, group("g"))),
        Step::ToThing(id) => create(request(id, TargetName::Thing(thing_name("t")))),
        Step::Cancel(id) => cancel(id),
        Step::Delete(id) => Command::Deployment(Deploy::Delete { id: id.into() }),
        Step::Report(status) => report_of(&arn("thing/t:1"), status),
        Step::CancelJob(id) => Command::CancelJob {
            job: job_name(&format!("job-{id}")),
            force: false,
            reason_code: None,
            comment: None,
        },
        Step::DeleteJob(id) => Command::DeleteJob {
            job: job_name(&format!("job-{id}")),
            namespace: None,
            force: true,
        },
        Step::RemoveThing => delete_thing(thing_name("t")),
    }
}

fn arn(target: &str) -> String {
    format!("arn:aws:greengrass:us-east-1:000000000000:configuration:{target}")
}

fn report_of(arn: &str, status: &str) -> Command {
    let reported = json!({"fleetConfigurationArnForStatus": arn, "status": status});
    let text = json!({"state": {"reported": reported}}).to_string();
    Command::Shadow(shadow::Command::Update {
        thing: thing_name("t"),
        shadow: Some(ShadowName::parse(SHADOW).expect("a valid name")),
        request: Box::new(shadow::Request::parse(&text).expect("a request")),
    })
}

/// A row: what happened before, what is asked, and how deployment 1 stands then, or why that is refused.
type Row = (
    &'static [Step],
    Step,
    Result<Option<Standing>, RejectionKind>,
);

#[test]
fn every_transition_and_refusal_of_a_deployment() {
    use RejectionKind::{NotFound, WrongState};
    use Standing::{Active, Canceled, Completed, Failed, Inactive};
    use Step::*;
    let rows: &[Row] = &[
        // A group's.
        (&[], ToGroup("1"), Ok(Some(Active))),
        (&[ToGroup("1")], ToGroup("2"), Ok(Some(Inactive))),
        (&[ToGroup("1")], Cancel("1"), Ok(Some(Canceled))),
        (&[ToGroup("1")], Delete("1"), Err(WrongState)),
        (&[ToGroup("1")], CancelJob("1"), Ok(Some(Canceled))),
        (&[ToGroup("1")], DeleteJob("1"), Ok(Some(Canceled))),
        (&[ToGroup("1"), ToGroup("2")], Cancel("1"), Err(WrongState)),
        (&[ToGroup("1"), ToGroup("2")], Delete("1"), Ok(None)),
        (&[ToGroup("1"), Cancel("1")], Cancel("1"), Err(WrongState)),
        (&[ToGroup("1"), Cancel("1")], Delete("1"), Ok(None)),
        (
            &[ToGroup("1"), Cancel("1")],
            ToGroup("2"),
            Ok(Some(Canceled)),
        ),
        (
            &[ToGroup("1"), CancelJob("1")],
            Cancel("1"),
            Err(WrongState),
        ),
        (
            &[ToGroup("1"), CancelJob("1")],
            ToGroup("2"),
            Ok(Some(Inactive)),
        ),
        (&[ToGroup("1"), DeleteJob("1")], Delete("1"), Ok(None)),
        (
            &[ToGroup("1"), Cancel("1"), Delete("1")],
            Delete("1"),
            Err(NotFound),
        ),
        // A thing's.
        (&[], ToThing("1"), Ok(Some(Active))),
        (&[ToThing("1")], ToThing("2"), Ok(Some(Inactive))),
        (&[ToThing("1")], Cancel("1"), Ok(Some(Canceled))),
        (&[ToThing("1")], Delete("1"), Err(WrongState)),
        (&[ToThing("1")], Report("IN_PROGRESS"), Ok(Some(Active))),
        (&[ToThing("1")], Report("SUCCEEDED"), Ok(Some(Completed))),
        (&[ToThing("1")], Report("FAILED"), Ok(Some(Failed))),
        (&[ToThing("1")], Report("REJECTED"), Ok(Some(Failed))),
        (&[ToThing("1")], Report("CANCELED"), Ok(Some(Canceled))),
        (&[ToThing("1")], Report("DONE"), Ok(Some(Active))),
        (&[ToThing("1")], RemoveThing, Ok(Some(Active))),
        (
            &[ToThing("1"), RemoveThing],
            Cancel("1"),
            Ok(Some(Canceled)),
        ),
        (
            &[ToThing("1"), Report("SUCCEEDED")],
            Cancel("1"),
            Err(WrongState),
        ),
        (&[ToThing("1"), Report("SUCCEEDED")], Delete("1"), Ok(None)),
        (
            &[ToThing("1"), Report("SUCCEEDED")],
            RemoveThing,
            Ok(Some(Completed)),
        ),
        (
            &[ToThing("1"), Report("SUCCEEDED")],
            ToThing("2"),
            Ok(Some(Inactive)),
        ),
        (
            &[ToThing("1"), Cancel("1")],
            Report("SUCCEEDED"),
            Ok(Some(Canceled)),
        ),
        (
            &[ToThing("1"), ToThing("2")],
            Report("SUCCEEDED"),
            Ok(Some(Inactive)),
        ),
        // Of nobody.
        (&[], Cancel("1"), Err(NotFound)),
        (&[], Delete("1"), Err(NotFound)),
    ];
    for (given, when, then) in rows {
        let mut run = run();
        for step in *given {
            run.ok(command(*step));
        }
        match then {
            Ok(expected) => {
                run.ok(command(*when));
                assert_eq!(standing(&run, "1"), *expected, "{given:?} {when:?}");
            }
            Err(kind) => {
                run.refused(command(*when), *kind);
            }
        }
    }
}

#[test]
fn revisions_go_on_counting_when_deployments_are_deleted() {
    let mut run = run();
    run.ok(create(request("1", group("g"))));
    run.ok(cancel("1"));
    let thing = run.fleet.thing_id("t").expect("it exists");
    assert!(run.fleet.next_pending(thing, Some(NAMESPACE)).is_none());
    run.ok(command(Step::Delete("1")));
    run.ok(create(request("2", group("g"))));
    assert_eq!(run.fleet.deployment("2").map(|one| one.revision), Some(2));
}

#[test]
fn a_scope_keeps_a_bounded_history() {
    let mut run = run();
    let kept = limits::DEPLOYMENTS_PER_SCOPE_MAX;
    for id in 0..=kept {
        run.ok(create(request(&id.to_string(), group("g"))));
    }
    assert!(run.fleet.deployment("0").is_none());
    assert_eq!(standing(&run, "1"), Some(Standing::Inactive));
    assert_eq!(run.fleet.deployments_before(None).count(), kept);
}

#[test]
fn the_deployment_of_a_template_is_one_of_all() {
    let mut run = deployments::fleet(1, 1);
    run.ok(deploy("deploy001", "edge", None, &["c0"]));
    let (_, one) = run
        .fleet
        .deployments_before(None)
        .next()
        .expect("a deployment");
    let (id, job) = (one.id.clone(), one.job.clone());
    assert_eq!(
        (one.revision, one.scope_name.as_ref()),
        (1, "cdf_ggv2_deploymentForTemplate_edge_1")
    );
    assert_eq!(run.fleet.deployment_status(one), Standing::Active);
    let components = &one.components().expect("components").spec.components;
    assert_eq!(components.len(), 1);
    let core = run.fleet.thing_id("c0").expect("it exists");
    let effective = run.fleet.effective_deployments(core);
    let effective: Vec<_> = effective.iter().map(|one| one.status.as_str()).collect();
    assert_eq!(effective, ["QUEUED"]);
    run.refused(command_delete(&id), RejectionKind::WrongState);
    let mut saved = Vec::new();
    run.fleet.save(&mut saved);
    run.fleet = Fleet::load(Settings::default(), &saved).expect("a saved state");
    run.ok(cancel(&id));
    assert_eq!(standing(&run, &id), Some(Standing::Canceled));
    run.ok(Command::DeleteJob {
        job,
        namespace: None,
        force: true,
    });
    assert!(run.fleet.deployment(&id).is_none());
}

fn command_delete(id: &str) -> Command {
    Command::Deployment(Deploy::Delete { id: id.into() })
}

#[test]
fn a_core_device_is_deleted_when_nothing_is_under_way() {
    let mut run = run();
    let delete = || Command::DeleteCoreDevice {
        core: thing_name("t"),
    };
    run.refused(delete(), RejectionKind::NotFound);
    run.ok(health("t", 1));
    run.ok(create_thing("sensor"));
    let devices = vec![
        thing_name("sensor"),
        thing_name("nobody"),
        thing_name("sensor"),
    ];
    let associate = Command::ClientDevices(client_device::Command::Associate {
        core: thing_name("t"),
        devices: devices.clone(),
    });
    assert_eq!(run.ok(associate.clone()).len(), 1);
    assert!(run.ok(associate).is_empty());
    run.ok(create(request("1", group("g"))));
    run.refused(delete(), RejectionKind::Conflict);
    run.ok(cancel("1"));
    run.ok(create(request("2", TargetName::Thing(thing_name("t")))));
    run.refused(delete(), RejectionKind::Conflict);
    run.ok(cancel("2"));
    run.ok(delete());
    let core = run.fleet.thing_id("t").expect("it exists");
    assert!(run.fleet.is_registered(core));
    assert_eq!(run.fleet.client_devices_of(core).count(), 0);
    run.refused(delete(), RejectionKind::NotFound);
    let disassociate = Command::ClientDevices(client_device::Command::Disassociate {
        core: thing_name("t"),
        devices,
    });
    run.refused(disassociate, RejectionKind::NotFound);
}

fn shadow_of(run: &Run) -> Value {
    let name = ShadowName::parse(SHADOW).expect("a valid name");
    let document = run
        .fleet
        .shadow(&thing_name("t"), Some(&name))
        .expect("a shadow");
    document.whole().state
}

#[test]
fn a_thing_gets_its_deployment_in_its_shadow() {
    let mut run = run();
    run.ok(create(request("1", TargetName::Thing(thing_name("t")))));
    let desired = shadow_of(&run)["desired"].clone();
    assert_eq!(desired["desiredStatus"], "SUCCEEDED");
    let text = desired["fleetConfig"].as_str().expect("text");
    let document: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(document["configurationArn"], arn("thing/t:1"));
    run.ok(create(request("2", TargetName::Thing(thing_name("t")))));
    assert_eq!(standing(&run, "1"), Some(Standing::Inactive));
    assert_eq!(standing(&run, "2"), Some(Standing::Active));
    run.ok(cancel("2"));
    assert_eq!(shadow_of(&run)["desired"]["desiredStatus"], "CANCELED");
    let mut large = request("3", TargetName::Thing(thing_name("t")));
    if let Some(one) = large.components.spec.components.first_mut() {
        one.merge = Some(
            json!({"k": "x".repeat(limits::DEPLOYMENT_IN_SHADOW_BYTES_MAX)})
                .to_string()
                .into(),
        );
    }
    let message = run.refused(create(large), RejectionKind::Malformed);
    assert!(message.contains("to a thing group"), "{message}");
}

#[test]
fn a_sub_deployment_has_one_parent_and_goes_with_it() {
    let mut run = run();
    let mut below = request("2", group("h"));
    below.parent = Some(group_name("g"));
    let message = run.refused(create(below.clone()), RejectionKind::Malformed);
    assert!(message.contains("has no deployment"), "{message}");
    run.ok(create(request("1", group("g"))));
    run.ok(create(below.clone()));
    let job = run
        .fleet
        .job(run.fleet.job_id("job-2").expect("it exists"))
        .expect("it exists");
    let document: Value = serde_json::from_str(&job.definition().document).expect("JSON");
    assert_eq!(
        document["parentTargetArn"],
        "arn:aws:iot:us-east-1:000000000000:thinggroup/g"
    );
    assert_eq!(
        document["requiredCapabilities"],
        json!(["LINUX_RESOURCE_LIMITS", "SUB_DEPLOYMENTS"])
    );
    run.refused(create(request("3", group("h"))), RejectionKind::Conflict);
    let mut of_itself = request("3", group("g"));
    of_itself.parent = Some(group_name("g"));
    run.refused(create(of_itself), RejectionKind::Malformed);
    let mut of_a_thing = request("3", TargetName::Thing(thing_name("t")));
    of_a_thing.parent = Some(group_name("g"));
    run.refused(create(of_a_thing), RejectionKind::Malformed);
    let mut bound = request("3", group("g"));
    bound.parent = Some(group_name("h"));
    run.refused(create(bound), RejectionKind::Conflict);
    run.ok(create(request("4", group("g"))));
    assert_eq!(standing(&run, "2"), Some(Standing::Inactive));
}

#[test]
fn what_cannot_be_deployed_is_refused() {
    let mut run = run();
    run.refused(
        create(request("1", group("nobody"))),
        RejectionKind::NotFound,
    );
    run.refused(
        create(request("1", TargetName::Thing(thing_name("nobody")))),
        RejectionKind::NotFound,
    );
    let with = |change: &dyn Fn(&mut Component)| {
        let mut request = request("1", group("g"));
        request
            .components
            .spec
            .components
            .iter_mut()
            .for_each(change);
        create(request)
    };
    run.refused(
        with(&|one| one.version = "2.0.0".into()),
        RejectionKind::NotFound,
    );
    run.refused(with(&|one| one.key = "b".into()), RejectionKind::NotFound);
    run.refused(
        with(&|one| one.merge = Some("[]".into())),
        RejectionKind::Malformed,
    );
    run.refused(
        with(&|one| one.reset = Some(vec!["old".into()])),
        RejectionKind::Malformed,
    );
    run.ok(with(&|one| one.key = "aws.greengrass.Cli".into()));
    run.refused(
        create(request("1", group("h"))),
        RejectionKind::AlreadyExists,
    );
}

#[test]
fn a_repeated_deployment_is_known_by_its_token() {
    let mut run = run();
    let with = |id: &str, digest: u8| {
        let mut request = request(id, group("g"));
        request.token = Some(ClientToken {
            token: "t".into(),
            digest: [digest; 16],
        });
        create(request)
    };
    run.ok(with("1", 1));
    assert!(run.ok(with("2", 1)).is_empty());
    run.refused(with("2", 2), RejectionKind::Conflict);
    let mut saved = Vec::new();
    run.fleet.save(&mut saved);
    run.fleet = Fleet::load(Settings::default(), &saved).expect("a saved state");
    assert!(run.ok(with("2", 1)).is_empty());
    assert_eq!(standing(&run, "1"), Some(Standing::Active));
    let item = TaggedItem::Deployment("1".into());
    assert_eq!(run.fleet.tags(&item).map(|tags| tags.len()), Some(1));
}
