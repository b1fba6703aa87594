//! Clients with certificates: what their policies let them do, and what becomes of them when something changes.

mod refusals;

use serde_json::{Value, json};
use shipslog_domain::certificate::Status;
use shipslog_domain::command::{AttributeChange, ThingUpdate};
use shipslog_domain::policy::{self, Target, device};
use shipslog_domain::{Command, GroupName, PolicyName, ThingName};
use shipslog_gateway_core::pki::Issued;

use crate::testing::{ANYTHING, PATIENCE, TestEdge, connect, connect_with, publish, text};

/// What takes a client's access away.
type Withdrawal = dyn Fn(&Issued) -> Vec<Command>;

fn policy_name(name: &str) -> PolicyName {
    PolicyName::parse(name).unwrap()
}

fn thing_name(name: &str) -> ThingName {
    ThingName::parse(name).unwrap()
}

/// A document that allows these actions with these resources, which lack the beginning of an ARN.
fn allowing(statements: &[(&str, &[&str])]) -> String {
    let statements = statements.iter().map(|(action, resources)| {
        let arn = |resource: &&str| format!("arn:aws:iot:us-east-1:000000000000:{resource}");
        let resources: Vec<String> = resources.iter().map(arn).collect();
        json!({"Effect": "Allow", "Action": action, "Resource": resources})
    });
    let statements: Vec<Value> = statements.collect();
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn detach(thing: &str, issued: &Issued) -> Command {
    Command::DetachCertificate {
        thing: thing_name(thing),
        fingerprint: issued.certificate.fingerprint,
    }
}

fn set_status(issued: &Issued, status: Status) -> Command {
    Command::SetCertificateStatus {
        fingerprint: issued.certificate.fingerprint,
        status,
    }
}

fn new_version(policy: &str, document: &str) -> Command {
    Command::Policy(policy::Command::AddVersion {
        name: policy_name(policy),
        document: document.into(),
        set_default: true,
    })
}

#[tokio::test]
async fn whoever_may_not_be_here_any_more_is_shown_out() {
    let edge = TestEdge::start();
    let rows: [(&str, &Withdrawal); 6] = [
        ("deactivated", &|issued| {
            vec![set_status(issued, Status::Inactive)]
        }),
        ("revoked", &|issued| {
            vec![set_status(issued, Status::Revoked)]
        }),
        ("detached", &|issued| vec![detach("detached", issued)]),
        ("unregistered", &|_| {
            vec![Command::DeleteThing {
                name: thing_name("unregistered"),
                expected_version: None,
                detach_certificates: true,
            }]
        }),
        ("without-policy", &|issued| {
            vec![Command::Policy(policy::Command::Detach {
                name: policy_name("of-without-policy"),
                target: Target::Certificate(issued.certificate.fingerprint),
            })]
        }),
        ("under-another-policy", &|_| {
            let document = allowing(&[("iot:Connect", &["client/somebody"])]);
            vec![new_version("of-under-another-policy", &document)]
        }),
    ];
    for (name, withdraw) in rows {
        let issued = edge.device(name).await;
        let mut client = edge.connect_as_v5(&issued, name).await;
        let other = edge.device(&format!("{name}-other")).await;
        let mut stays = edge.connect_as(&other, &format!("{name}-other")).await;
        for command in withdraw(&issued) {
            edge.submit(command).await;
        }
        let (first, body) = client.frame().await;
        assert_eq!((first, body), (0xE0, vec![0x87]), "{name}");
        client.expect_end().await;
        stays.expect_nothing().await;
    }
    edge.wait_for("device_connections_ended_total", "access_withdrawn", 6)
        .await;
}

#[tokio::test]
async fn what_a_policy_does_not_allow_is_refused_as_the_protocol_says_it() {
    let edge = TestEdge::start();
    let document = allowing(&[
        ("iot:Connect", &["client/*"]),
        ("iot:Publish", &["topic/mine/*"]),
        ("iot:Subscribe", &["topicfilter/mine/*"]),
        ("iot:Receive", &["topic/mine/*"]),
    ]);
    let issued = edge.device_with("T", &document).await;
    for qos in [0, 1] {
        let mut client = edge.connect_as(&issued, "T").await;
        client
            .send(&publish(4, 0x30 | qos << 1, "yours/1", 9, &[], b""))
            .await;
        client.expect_end().await;
    }
    let mut client = edge.connect_as_v5(&issued, "T").await;
    client.send(&publish(5, 0x32, "yours/1", 9, &[], b"")).await;
    assert_eq!(client.frame().await, (0x40, vec![0, 9, 0x87]));
    client.send(&publish(5, 0x32, "mine/1", 10, &[], b"")).await;
    assert_eq!(client.frame().await, (0x40, vec![0, 10]));
    // Retaining is allowed apart.
    client.send(&publish(5, 0x33, "mine/1", 11, &[], b"")).await;
    assert_eq!(client.frame().await, (0x40, vec![0, 11, 0x87]));
    let filters = [
        ("mine/#", 1),
        ("yours/#", 1),
        ("#", 0),
        ("$share/g/mine/#", 0),
        ("$share/g/yours/#", 0),
    ];
    assert_eq!(client.subscribe(&filters).await, [1, 0x87, 0x87, 0, 0x87]);
    client.send(&publish(5, 0x30, "yours/1", 0, &[], b"")).await;
    client.expect_disconnect(0x87).await;
    let mut client = edge.connect_as(&issued, "T").await;
    assert_eq!(
        client.subscribe(&[("yours/#", 1), ("mine/+", 1)]).await,
        [0x80, 1]
    );
    edge.wait_for("device_policy_refusals_total", "iot:Publish", 4)
        .await;
    edge.wait_for("device_policy_refusals_total", "iot:RetainPublish", 1)
        .await;
    edge.wait_for("device_policy_refusals_total", "iot:Subscribe", 4)
        .await;
}

#[tokio::test]
async fn wills_are_judged_when_a_client_connects() {
    let edge = TestEdge::start();
    let document = allowing(&[
        ("iot:Connect", &["client/*"]),
        ("iot:Publish", &["topic/mine/*"]),
    ]);
    let issued = edge.device_with("T", &document).await;
    let rows = [("mine/1", 6, 0), ("yours/1", 6, 5), ("mine/1", 0x26, 5)];
    for (topic, flags, code) in rows {
        let mut will = text(topic);
        will.extend_from_slice(&text("gone"));
        let mut client = edge.open_as(&issued);
        client
            .send(&connect_with(4, "T", flags, 60, &[], &will))
            .await;
        assert_eq!(
            client.frame().await,
            (0x20, vec![0, code]),
            "{topic} {flags:#x}"
        );
    }
}

#[tokio::test]
async fn messages_reach_only_those_who_may_have_them() {
    let edge = TestEdge::start();
    let document = allowing(&[
        ("iot:Connect", &["client/*"]),
        ("iot:Subscribe", &["topicfilter/*"]),
        ("iot:Receive", &["topic/site/a"]),
    ]);
    let issued = edge.device_with("T", &document).await;
    let mut sender = edge.connect("trusted").await;
    sender
        .send(&publish(4, 0x31, "site/b", 0, &[], b"kept"))
        .await;
    sender.expect_nothing().await;
    let mut client = edge.connect_as(&issued, "T").await;
    assert_eq!(
        client
            .subscribe(&[("site/#", 1), ("$share/g/site/+", 0)])
            .await,
        [1, 0]
    );
    let mut member = edge.connect("member").await;
    assert_eq!(member.subscribe(&[("$share/g/site/+", 0)]).await, [0]);
    for topic in ["site/b", "site/b", "site/b"] {
        sender.publish(topic, b"not for T").await;
        assert_eq!(member.message().await.topic, "site/b");
    }
    sender.expect_nothing().await;
    sender.publish("site/a", b"for T").await;
    assert_eq!(client.message().await.topic, "site/a");
}

#[tokio::test]
async fn a_change_of_what_a_policy_depends_on_counts_at_once() {
    let edge = TestEdge::start();
    let document = allowing(&[
        ("iot:Connect", &["client/*"]),
        (
            "iot:Publish",
            &["topic/${iot:Connection.Thing.Attributes[site]}/*"],
        ),
    ]);
    let issued = edge.device_with("T", &document).await;
    let mut client = edge.connect_as_v5(&issued, "T").await;
    let mut allowed = async |topic: &str| {
        client.send(&publish(5, 0x32, topic, 1, &[], b"")).await;
        client.frame().await.1.len() == 2
    };
    assert!(!allowed("north/1").await);
    let move_to = |site: &str| Command::UpdateThing {
        update: Box::new(ThingUpdate {
            name: thing_name("T"),
            thing_type: None,
            attributes: Some(AttributeChange {
                attributes: vec![("site".into(), site.into())],
                merge: false,
            }),
            expected_version: None,
        }),
    };
    edge.submit(move_to("north")).await;
    edge.reviewed().await;
    assert!(allowed("north/1").await);
    edge.submit(move_to("south")).await;
    edge.reviewed().await;
    assert!(!allowed("north/1").await);
    assert!(allowed("south/1").await);
    // A group brings a policy, and takes it away again.
    let group = GroupName::parse("west").unwrap();
    edge.submit(Command::CreateGroup {
        name: group.clone(),
        parent: None,
        description: None,
        attributes: Vec::new(),
    })
    .await;
    let name = policy_name("of-the-west");
    edge.submit(Command::Policy(policy::Command::Create {
        name: name.clone(),
        document: allowing(&[("iot:Publish", &["topic/west/*"])]).into(),
    }))
    .await;
    let attach = Command::Policy(policy::Command::Attach {
        name: name.clone(),
        target: Target::Group(group.clone()),
    });
    let join = Command::AddThingToGroup {
        group: group.clone(),
        thing: thing_name("T"),
    };
    for (step, command, expected) in [
        ("joined", join, false),
        ("attached", attach, true),
        (
            "a new version",
            new_version(
                "of-the-west",
                &allowing(&[("iot:Publish", &["topic/east/*"])]),
            ),
            false,
        ),
    ] {
        edge.submit(command).await;
        edge.reviewed().await;
        assert_eq!(allowed("west/1").await, expected, "{step}");
    }
    assert!(allowed("east/1").await);
    edge.submit(Command::RemoveThingFromGroup {
        group,
        thing: thing_name("T"),
    })
    .await;
    edge.reviewed().await;
    assert!(!allowed("east/1").await);
}

#[tokio::test]
async fn a_session_is_resumed_by_nobody_else() {
    let edge = TestEdge::start();
    let one = edge.device("one").await;
    let other = edge.device("other").await;
    let keep = connect_with(4, "shared", 0, 60, &[], b"");
    let mut client = edge.open_as(&one);
    client.send(&keep).await;
    assert_eq!(client.frame().await, (0x20, vec![0, 0]));
    assert_eq!(client.subscribe(&[("t", 1)]).await, [1]);
    drop(client);
    edge.wait_for("device_connections_ended_total", "closed", 1)
        .await;
    let rows = [
        (Some(&one), 1),
        (Some(&other), 0),
        (Some(&other), 1),
        (None, 0),
        (Some(&one), 0),
    ];
    for (count, (issued, present)) in rows.into_iter().enumerate() {
        let mut client = match issued {
            Some(issued) => edge.open_as(issued),
            None => edge.open(),
        };
        client.send(&keep).await;
        assert_eq!(client.frame().await, (0x20, vec![present, 0]), "{count}");
        drop(client);
        edge.wait_for("device_connections_ended_total", "closed", count as u64 + 2)
            .await;
    }
}

/// Everything that one device may try to learn of another, or to do to it.
#[tokio::test]
async fn a_device_under_the_default_policy_is_alone() {
    let edge = TestEdge::start();
    let document = edge
        .app
        .read(|fleet| device::document(fleet.settings()))
        .await
        .unwrap();
    let intruder = edge.device_with("dev", &document).await;
    let victim = edge.device_with("dev-2", &document).await;
    for client_id in [
        "dev-2",
        "dev-2#1",
        "dev2",
        "de",
        "*",
        "d*",
        "+",
        "",
        "${iot:ClientId}",
        "dev/../dev-2",
    ] {
        let mut client = edge.open_as(&intruder);
        client.send(&connect(client_id)).await;
        assert_eq!(client.frame().await, (0x20, vec![0, 5]), "{client_id}");
    }
    let mut own = edge.connect_as(&victim, "dev-2").await;
    assert_eq!(own.subscribe(&[("$aws/things/dev-2/jobs/#", 1)]).await, [1]);
    let mut client = edge.connect_as_v5(&intruder, "dev#2").await;
    let filters = [
        "$aws/things/dev-2/jobs/notify",
        "$aws/things/+/jobs/notify",
        "$aws/things/#",
        "$aws/#",
        "#",
        "+/things/dev-2/#",
        "$aws/events/#",
        "$share/g/#",
        "dev-2/telemetry",
    ];
    for filter in filters {
        assert_eq!(client.subscribe(&[(filter, 1)]).await, [0x87], "{filter}");
    }
    edge.job("J", "dev-2").await;
    let topics = [
        "$aws/things/dev-2/jobs/get",
        "$aws/things/dev-2/jobs/start-next",
        "$aws/things/dev-2/jobs/J/update",
        "$aws/things/dev-2/greengrassv2/health/json",
        "$aws/things/dev-2/shadow/update",
        "$aws/events/job/J/completed",
        "dev-2/telemetry",
    ];
    for topic in topics {
        client
            .send(&publish(
                5,
                0x32,
                topic,
                3,
                &[],
                br#"{"status":"SUCCEEDED"}"#,
            ))
            .await;
        assert_eq!(client.frame().await, (0x40, vec![0, 3, 0x87]), "{topic}");
    }
    // Its own things it may do, and of the other's it hears nothing.
    assert_eq!(
        client.subscribe(&[("$aws/things/dev/jobs/#", 1)]).await,
        [1]
    );
    let reply = client.ask("$aws/things/dev/jobs/get", "{}").await;
    assert_eq!(reply.topic, "$aws/things/dev/jobs/get/accepted");
    assert_eq!(own.message().await.topic, "$aws/things/dev-2/jobs/notify");
    assert_eq!(
        own.message().await.topic,
        "$aws/things/dev-2/jobs/notify-next"
    );
    client.expect_nothing().await;
}

#[tokio::test]
async fn a_pass_is_given_back() {
    let edge = TestEdge::start();
    let issued = edge.device_with("T", ANYTHING).await;
    let client = edge.connect_as(&issued, "T").await;
    assert_eq!(edge.edge.inner().guard.passes.all().len(), 1);
    drop(client);
    let passes = &edge.edge.inner().guard.passes;
    let given_back = async {
        while !passes.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, given_back).await.unwrap();
}
