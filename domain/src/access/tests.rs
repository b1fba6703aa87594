use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::certificate::{self, Certificate, Signer};
use crate::command::Command;
use crate::fleet::tests::Run;
use crate::ids::{PolicyName, ThingName};
use crate::policy::{self, Target, device};

const ARN: &str = "arn:aws:iot:us-east-1:000000000000:";

fn fingerprint(number: u8) -> Fingerprint {
    Fingerprint([number; 32])
}

/// A fleet of things with a certificate each, numbered from 1, all under one policy.
fn fleet(things: &[&str], document: &str) -> Run {
    let mut run = Run::new();
    let policy = PolicyName::parse("p").expect("valid");
    run.ok(Command::Policy(policy::Command::Create {
        name: policy.clone(),
        document: document.into(),
    }));
    for (number, thing) in (1..).zip(things) {
        let thing = ThingName::parse(thing).expect("valid");
        run.ok(Command::CreateThing {
            name: thing.clone(),
            thing_type: None,
            attributes: vec![("site".into(), format!("s{number}").into())],
            billing_group: None,
        });
        enroll(&mut run, number, Status::Active);
        attach(&mut run, &thing, number, false);
        run.ok(Command::Policy(policy::Command::Attach {
            name: policy.clone(),
            target: Target::Certificate(fingerprint(number)),
        }));
    }
    run
}

fn enroll(run: &mut Run, number: u8, status: Status) {
    let certificate = Certificate {
        fingerprint: fingerprint(number),
        pem: "PEM".into(),
        status,
    };
    let signer = Signer::Service;
    run.ok(Command::Certificate(certificate::Command::Enroll {
        certificate,
        signer,
    }));
}

fn attach(run: &mut Run, thing: &ThingName, number: u8, exclusive: bool) {
    run.ok(Command::Certificate(certificate::Command::Attach {
        thing: thing.clone(),
        fingerprint: fingerprint(number),
        exclusive,
    }));
}

fn access(run: &Run, number: u8, client_id: &str) -> Result<Access, Refusal> {
    run.fleet.access(&Claimant {
        fingerprint: &fingerprint(number),
        client_id,
        certificate_field: &|name| (name == "Subject.CommonName").then(|| "cn".into()),
    })
}

fn document(effect: &str, action: &str, resources: &[&str]) -> String {
    let resources = resources.iter().map(|resource| format!("{ARN}{resource}"));
    let resources: Vec<String> = resources.collect();
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": effect, "Action": action, "Resource": resources},
    ]})
    .to_string()
}

#[test]
fn variables_have_the_values_of_the_connection() {
    let rows = [
        ("${iot:ClientId}", "a", Some("a")),
        ("${iot:ClientId}", "a#2", Some("a#2")),
        ("${iot:Connection.Thing.ThingName}", "a", Some("a")),
        ("${iot:Connection.Thing.ThingName}", "a#2", Some("a")),
        ("${iot:Connection.Thing.ThingName}", "a-2", None),
        // Another's name, and nobody's.
        ("${iot:Connection.Thing.ThingName}", "b", None),
        ("${iot:Connection.Thing.ThingName}", "c", None),
        ("${iot:Connection.Thing.ThingName}", "", None),
        ("${iot:Connection.Thing.Attributes[site]}", "a", Some("s1")),
        ("${iot:Connection.Thing.Attributes[other]}", "a", None),
        ("${iot:Connection.Thing.ThingTypeName}", "a", None),
        ("${iot:Connection.Thing.IsAttached}", "a", Some("true")),
        ("${iot:Connection.Thing.IsAttached}", "b", Some("false")),
        ("${iot:Certificate.Subject.CommonName}", "a", Some("cn")),
        ("${iot:Certificate.Subject.Country}", "a", None),
        ("${iot:Nothing}", "a", None),
    ];
    for (variable, client_id, value) in rows {
        let pattern = format!("topic/x/{variable}");
        let run = fleet(&["a", "b"], &document("Allow", "iot:Publish", &[&pattern]));
        let access = access(&run, 1, client_id).expect("active");
        let tried = value.unwrap_or("a");
        assert_eq!(
            access.allows(Action::Publish, &format!("x/{tried}")),
            value.is_some(),
            "{variable} {client_id}"
        );
        assert!(
            !access.allows(Action::Publish, &format!("x/{variable}")),
            "{variable}"
        );
    }
}

#[test]
fn a_certificate_of_one_thing_only_acts_as_it_under_any_name() {
    let pattern = "topic/${iot:Connection.Thing.ThingName}";
    let mut run = fleet(&["a"], &document("Allow", "*", &[pattern]));
    enroll(&mut run, 9, Status::Active);
    attach(&mut run, &ThingName::parse("a").expect("valid"), 9, true);
    run.ok(Command::Policy(policy::Command::Attach {
        name: PolicyName::parse("p").expect("valid"),
        target: Target::Certificate(fingerprint(9)),
    }));
    let exclusive = access(&run, 9, "anything").expect("active");
    assert!(exclusive.allows(Action::Publish, "a"));
    let shared = access(&run, 1, "anything").expect("active");
    assert!(!shared.allows(Action::Publish, "a"));
}

#[test]
fn only_active_certificates_come_in() {
    let mut run = fleet(&["a"], &document("Allow", "iot:Connect", &["client/a"]));
    enroll(&mut run, 7, Status::Inactive);
    enroll(&mut run, 8, Status::Active);
    let admit = |number, client_id| {
        run.fleet.admit(&Claimant {
            fingerprint: &fingerprint(number),
            client_id,
            certificate_field: &|_| None,
        })
    };
    assert!(admit(1, "a").is_ok());
    assert_eq!(admit(1, "b"), Err(Refusal::NotAllowed));
    assert_eq!(admit(6, "a"), Err(Refusal::Unknown));
    assert_eq!(admit(7, "a"), Err(Refusal::NotActive(Status::Inactive)));
    assert_eq!(admit(8, "a"), Err(Refusal::NotAllowed));
}

#[test]
fn actions_are_judged_by_their_own_kind_of_resource() {
    let rows = [
        (Action::Connect, "client/x", true),
        (Action::Publish, "topic/x", true),
        (Action::RetainPublish, "topic/x", true),
        (Action::Receive, "topic/x", true),
        (Action::Subscribe, "topicfilter/x", true),
        (Action::Subscribe, "topic/x", false),
        (Action::Publish, "topicfilter/x", false),
        (Action::Connect, "topic/x", false),
        (Action::Publish, "topic/X", false),
        (Action::Publish, "topic/?", true),
        (Action::Publish, "topic/", false),
    ];
    for (action, resource, allowed) in rows {
        let run = fleet(&["a"], &document("Allow", action.as_str(), &[resource]));
        let access = access(&run, 1, "a").expect("active");
        assert_eq!(access.allows(action, "x"), allowed, "{action:?} {resource}");
        for other in Action::ALL.into_iter().filter(|other| *other != action) {
            assert!(!access.allows(other, "x"), "{action:?} {other:?}");
        }
    }
}

#[test]
fn services_are_asked_by_the_whole_arn() {
    let run = fleet(&["a", "b"], &device::document(Run::new().fleet.settings()));
    let access = access(&run, 1, "a").expect("active");
    let core = "arn:aws:greengrass:us-east-1:000000000000:coreDevices:";
    let rows = [
        (
            "iotjobsdata:DescribeJobExecution",
            format!("{ARN}thing/a"),
            true,
        ),
        (
            "iotjobsdata:DescribeJobExecution",
            format!("{ARN}thing/b"),
            false,
        ),
        ("iotjobsdata:DescribeJobExecution", "thing/a".into(), false),
        (
            "greengrass:ListThingGroupsForCoreDevice",
            format!("{core}a"),
            true,
        ),
        (
            "greengrass:ListThingGroupsForCoreDevice",
            format!("{core}b"),
            false,
        ),
        (
            "iot:AssumeRoleWithCertificate",
            format!("{ARN}rolealias/a"),
            false,
        ),
    ];
    for (action, arn, allowed) in rows {
        assert_eq!(
            access.allows_service(action, &arn),
            allowed,
            "{action} {arn}"
        );
    }
}

/// A client id that looks like a filter does not become one.
#[test]
fn values_with_wildcards_of_mqtt_are_of_no_use_in_filters() {
    let resources = ["topicfilter/${iot:ClientId}/x", "topic/${iot:ClientId}/x"];
    let run = fleet(&["a"], &document("Allow", "*", &resources));
    for (client_id, subscribes) in [("a", true), ("+", false), ("a#2", false), ("#", false)] {
        let access = access(&run, 1, client_id).expect("active");
        let filter = format!("{client_id}/x");
        assert_eq!(
            access.allows(Action::Subscribe, &filter),
            subscribes,
            "{client_id}"
        );
        assert!(access.allows(Action::Publish, &filter), "{client_id}");
    }
}

#[test]
fn claims_may_be_used_to_be_provisioned_and_for_nothing_else() {
    let mut run = Run::new();
    let template = json!({"Parameters": {}, "Resources": {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "a"}},
    }});
    let name = crate::ids::ProvisioningTemplateName::parse("t").expect("valid");
    run.ok(Command::PutProvisioningTemplate {
        name: name.clone(),
        body: template.to_string().into(),
    });
    run.ok(Command::Certificate(certificate::Command::IssueClaim {
        certificate: Certificate {
            fingerprint: fingerprint(1),
            pem: "PEM".into(),
            status: Status::Active,
        },
        template: name,
    }));
    let access = access(&run, 1, "any").expect("active");
    let rows = [
        (Action::Connect, "anything", true),
        (Action::Publish, "$aws/certificates/create/json", true),
        (
            Action::Publish,
            "$aws/certificates/create-from-csr/cbor",
            true,
        ),
        (
            Action::Publish,
            "$aws/provisioning-templates/t/provision/json",
            true,
        ),
        (
            Action::Subscribe,
            "$aws/certificates/create/json/accepted",
            true,
        ),
        (
            Action::Receive,
            "$aws/provisioning-templates/t/provision/json/rejected",
            true,
        ),
        (
            Action::Publish,
            "$aws/provisioning-templates/u/provision/json",
            false,
        ),
        (Action::Publish, "$aws/things/a/jobs/get", false),
        (Action::Subscribe, "#", false),
        (Action::Publish, "t", false),
    ];
    for (action, with, allowed) in rows {
        assert_eq!(access.allows(action, with), allowed, "{action:?} {with}");
    }
}

fn words() -> impl Strategy<Value = String> {
    "[ab*?/#-]{0,5}"
}

fn names() -> impl Strategy<Value = String> {
    "[ab:_-]{1,4}"
}

fn resources() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec!["topic", "topicfilter", "client", "*"]);
    let variable = prop::sample::select(vec![
        "",
        "${iot:ClientId}",
        "${iot:Connection.Thing.ThingName}",
        "${iot:Connection.Thing.Attributes[site]}",
    ]);
    (kind, words(), variable, words()).prop_map(|(kind, before, variable, after)| {
        format!("{ARN}{kind}/{before}{variable}{after}")
    })
}

fn statements() -> impl Strategy<Value = serde_json::Value> {
    let actions = Action::ALL
        .map(Action::as_str)
        .into_iter()
        .chain(["iot:*", "*", "iot:Pub*"]);
    let actions = prop::sample::select(actions.collect::<Vec<_>>());
    (
        actions,
        prop::collection::vec(resources(), 1..3),
        any::<bool>(),
    )
        .prop_map(|(action, resources, plain)| {
            let key = if plain { "Resource" } else { "NotResource" };
            json!({"Action": action, key: resources})
        })
}

fn with_effect(statements: &[(bool, serde_json::Value)]) -> String {
    let statements = statements.iter().map(|(allow, statement)| {
        let mut statement = statement.clone();
        let effect = if *allow { "Allow" } else { "Deny" };
        statement["Effect"] = effect.into();
        statement
    });
    let statements: Vec<_> = statements.collect();
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn verdict(
    statements: &[(bool, serde_json::Value)],
    client_id: &str,
    asked: (Action, &str),
) -> Verdict {
    let run = fleet(&["a", "b"], &with_effect(statements));
    access(&run, 1, client_id)
        .expect("active")
        .verdict(asked.0, asked.1)
}

proptest! {
    #[test]
    fn a_denial_wins_and_an_allowance_takes_nothing_away(
        some in prop::collection::vec((any::<bool>(), statements()), 1..4),
        more in statements(),
        action in prop::sample::select(Action::ALL.to_vec()),
        client_id in prop::sample::select(vec!["a", "a#1", "b", "*", "c"]),
        with in words(),
    ) {
        let asked = (action, with.as_str());
        let before = verdict(&some, client_id, asked);
        let and = |allow| {
            let mut all = some.clone();
            all.push((allow, more.clone()));
            verdict(&all, client_id, asked)
        };
        prop_assert!(and(true) >= before, "an allowance took something away");
        if and(false) == Verdict::Allowed {
            prop_assert_eq!(before, Verdict::Allowed, "a denial gave something");
        }
        let only_denials: Vec<_> = some.iter().map(|(_, one)| (false, one.clone())).collect();
        if verdict(&only_denials, client_id, asked) == Verdict::Denied {
            let mut all = only_denials;
            all.push((true, json!({"Action": "*", "Resource": "*"})));
            prop_assert_eq!(verdict(&all, client_id, asked), Verdict::Denied);
        }
    }

    /// Whatever things are called, and whatever a device calls itself: under the default policy it reaches what is its
    /// thing's, and nothing of another.
    #[test]
    fn a_wildcard_never_crosses_things_through_a_variable(
        names in prop::collection::btree_set(names(), 2..4),
        suffix in "(#[ab#+*]{0,2})?",
        client_id in "[ab:_#+*?-]{0,5}",
        rest in "[ab/]{1,4}",
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let run = fleet(&names, &device::document(Run::new().fleet.settings()));
        let own = names[0];
        let topic = |thing: &str| format!("$aws/things/{thing}/{rest}");
        let named = access(&run, 1, &format!("{own}{suffix}")).expect("active");
        for action in [Action::Publish, Action::Subscribe, Action::Receive] {
            prop_assert!(named.allows(action, &topic(own)));
        }
        let guessed = access(&run, 1, &client_id).expect("active");
        let is_own = client_id == own || client_id.starts_with(&format!("{own}#"));
        prop_assert_eq!(guessed.allows(Action::Connect, &client_id), is_own);
        for access in [&named, &guessed] {
            for other in names.iter().skip(1).copied().chain(["+", "#", "*"]) {
                for action in [Action::Publish, Action::Subscribe, Action::Receive] {
                    prop_assert!(!access.allows(action, &topic(other)), "{} {}", own, other);
                }
                prop_assert!(!access.allows(Action::Connect, other));
                let numbered = [other, "#1"].concat();
                prop_assert!(!access.allows(Action::Connect, &numbered));
            }
        }
    }
}
