//! Deployments of components: revisions of a target, carried by a job or a shadow, canceled and deleted.

use serde_json::{Value, json};

use super::*;
use crate::client_token::ClientToken;
use crate::component::{self, Format};
use crate::deployment::components::{NAMESPACE, SHADOW};
use crate::deployment::{Command as Deploy, Components, Request, Status as Standing};
use crate::limits;
use crate::shadow;

/// A fleet with a component, two groups and a thing in the first.
fn run() -> Run {
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

fn request(id: &str, target: TargetName) -> Request {
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

fn group(name: &str) -> TargetName {
    TargetName::Group(group_name(name))
}

fn create(request: Request) -> Command {
    Command::Deployment(Deploy::Create(Box::new(request)))
}

fn cancel(id: &str) -> Command {
    Command::Deployment(Deploy::Cancel { id: id.into() })
}

fn delete(id: &str) -> Command {
    Command::Deployment(Deploy::Delete { id: id.into() })
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

#[test]
fn a_deployment_is_canceled_before_it_is_deleted() {
    let mut run = run();
    run.ok(create(request("1", group("g"))));
    run.refused(delete("1"), RejectionKind::WrongState);
    run.ok(cancel("1"));
    assert_eq!(standing(&run, "1"), Some(Standing::Canceled));
    let thing = run.fleet.thing_id("t").expect("it exists");
    assert!(run.fleet.next_pending(thing, Some(NAMESPACE)).is_none());
    let message = run.refused(cancel("1"), RejectionKind::WrongState);
    assert!(message.contains("is CANCELED already"), "{message}");
    run.ok(delete("1"));
    run.refused(delete("1"), RejectionKind::NotFound);
    // Revisions go on counting.
    run.ok(create(request("2", group("g"))));
    assert_eq!(run.fleet.deployment("2").map(|one| one.revision), Some(2));
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
    let arn = "arn:aws:greengrass:us-east-1:000000000000:configuration:thing/t:1";
    assert_eq!(document["configurationArn"], arn);
    let report = |status: &str| {
        let text = json!({"state": {"reported": {"fleetConfigurationArnForStatus": arn, "status": status}}});
        Command::Shadow(shadow::Command::Update {
            thing: thing_name("t"),
            shadow: Some(ShadowName::parse(SHADOW).expect("a valid name")),
            request: Box::new(shadow::Request::parse(&text.to_string()).expect("a request")),
        })
    };
    for (status, expected) in [
        ("IN_PROGRESS", Standing::Active),
        ("FAILED", Standing::Failed),
        ("REJECTED", Standing::Failed),
        ("SUCCEEDED", Standing::Completed),
    ] {
        run.ok(report(status));
        assert_eq!(standing(&run, "1"), Some(expected), "{status}");
    }
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
