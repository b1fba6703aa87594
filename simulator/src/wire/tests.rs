use super::*;
use crate::device::message::Update;

const CORE: Identity<'_> = Identity {
    thing: "core-1",
    kind: Kind::Core,
};
const PLAIN: Identity<'_> = Identity {
    thing: "t",
    kind: Kind::Jobs,
};

fn published(identity: Identity<'_>, message: &Outgoing<'_>) -> (String, String, Option<u16>) {
    let mut bytes = Vec::new();
    identity.encode(message, 9, Timestamp(1_700_000_000_123), &mut bytes);
    match mqtt::decode(&bytes) {
        Ok(Some((
            Packet::Publish {
                topic, payload, id, ..
            },
            used,
        ))) => {
            assert_eq!(used, bytes.len());
            let text = String::from_utf8(payload.to_vec()).expect("payloads are text");
            let _valid: serde_json::Value = serde_json::from_str(&text).expect("payloads are JSON");
            (topic.into(), text, id)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_have_the_documented_form() {
    let update = Update {
        token: 4,
        job: "J",
        number: 1,
        expected_version: Some(2),
        status: Status::Failed,
        reason: Some("no \"space\""),
        download_ms: Some(1_234),
        kind: Kind::Core,
        words: &[],
    };
    let (topic, body, id) = published(CORE, &Outgoing::Update(update));
    assert_eq!(
        topic,
        "$aws/things/core-1/jobs/J/namespace-aws-gg-deployment/update"
    );
    assert_eq!(
        body,
        concat!(
            r#"{"status":"FAILED","statusDetails":{"detailed-deployment-status":"FAILED_ROLLBACK_COMPLETE","#,
            r#""deployment-failure-cause":"no \"space\"","downloadTime":"1234"},"#,
            r#""expectedVersion":2,"executionNumber":1,"clientToken":"4"}"#
        )
    );
    assert_eq!(id, Some(9));
    let plain = Update {
        status: Status::InProgress,
        reason: None,
        download_ms: None,
        expected_version: None,
        kind: Kind::Jobs,
        words: &[],
        ..update
    };
    let (topic, body, _) = published(PLAIN, &Outgoing::Update(plain));
    assert_eq!(topic, "$aws/things/t/jobs/J/update");
    assert_eq!(
        body,
        r#"{"status":"IN_PROGRESS","executionNumber":1,"clientToken":"4"}"#
    );

    let (topic, body, id) = published(CORE, &Outgoing::Next { token: 1 });
    assert_eq!(
        topic,
        "$aws/things/core-1/jobs/$next/namespace-aws-gg-deployment/get"
    );
    assert_eq!((body.as_str(), id), (r#"{"clientToken":"1"}"#, None));
    let (topic, _, _) = published(PLAIN, &Outgoing::StartNext { token: 1 });
    assert_eq!(topic, "$aws/things/t/jobs/start-next");
    let (topic, body, id) = published(
        CORE,
        &Outgoing::Health {
            sequence: 3,
            clock_error: -123,
            installed: 2,
            nucleus: None,
        },
    );
    assert_eq!(topic, "$aws/things/core-1/greengrassv2/health/json");
    assert!(
        body.contains(r#""sequenceNumber":3,"timestamp":1700000000000,"messageType":"COMPLETE""#)
    );
    assert!(
        body.ends_with(
            r#""components":[{"componentName":"com.example.Agent","version":"1.2.0","status":"RUNNING","isRoot":true}]}"#
        ),
        "{body}"
    );
    assert_eq!(id, Some(9));
    let describe = Outgoing::Describe {
        token: 1,
        job: "J",
        number: 2,
    };
    let (topic, body, _) = published(PLAIN, &describe);
    assert_eq!(topic, "$aws/things/t/jobs/J/get");
    assert!(body.contains(r#""executionNumber":2"#));
}

#[test]
fn filters_fit_the_kind() {
    assert_eq!(
        CORE.filters(),
        [
            "$aws/things/core-1/jobs/notify-namespace-aws-gg-deployment",
            "$aws/things/core-1/jobs/notify-next-namespace-aws-gg-deployment",
        ]
    );
    assert_eq!(PLAIN.filters(), ["$aws/things/t/jobs/notify-next"]);
}

fn read(identity: Identity<'_>, topic: &str, payload: &str) -> Option<String> {
    with_incoming(identity, topic, payload.as_bytes(), |incoming| {
        format!("{incoming:?}")
    })
}

#[test]
fn answers_and_notifications_are_understood() {
    let execution = r#"{"jobId":"J","thingName":"t","status":"QUEUED","queuedAt":1,"lastUpdatedAt":1,
        "versionNumber":1,"executionNumber":2,"jobDocument":{"deep":[{"er":{}}]}}"#;
    let core = "$aws/things/core-1/jobs/";
    let ns = "namespace-aws-gg-deployment";
    let found = r#"Some(Execution { job: "J", number: 2, version: 1, status: Queued, document: "{\"deep\":[{\"er\":{}}]}" })"#;
    let rows = [
        (CORE, format!("{core}notify-{ns}"), r#"{"timestamp":1,"jobs":{"QUEUED":[{"jobId":"J"}]}}"#.into(),
            "Notified { pending: true }".into()),
        (CORE, format!("{core}notify-{ns}"), r#"{"timestamp":1,"jobs":{}}"#.into(),
            "Notified { pending: false }".into()),
        (CORE, format!("{core}notify-next-{ns}"), format!(r#"{{"timestamp":1,"execution":{execution}}}"#),
            format!("NotifiedNext({found})")),
        (CORE, format!("{core}notify-next-{ns}"), r#"{"timestamp":1}"#.into(), "NotifiedNext(None)".into()),
        (CORE, format!("{core}$next/{ns}/get/accepted"), format!(r#"{{"clientToken":"7","execution":{execution}}}"#),
            format!("Answer {{ token: 7, reply: Next({found}) }}")),
        (CORE, format!("{core}J/{ns}/get/accepted"), format!(r#"{{"clientToken":"7","execution":{execution}}}"#),
            format!("Answer {{ token: 7, reply: Described({found}) }}")),
        (CORE, format!("{core}J/{ns}/update/accepted"), r#"{"clientToken":"8","timestamp":1}"#.into(),
            "Answer { token: 8, reply: Updated }".into()),
        (CORE, format!("{core}J/{ns}/update/rejected"),
            r#"{"clientToken":"8","code":"VersionMismatch","executionState":{"status":"FAILED","versionNumber":3}}"#.into(),
            "Answer { token: 8, reply: Refused { code: VersionMismatch, status: Some(Failed) } }".into()),
        (PLAIN, "$aws/things/t/jobs/start-next/accepted".into(), r#"{"clientToken":"1"}"#.into(),
            "Answer { token: 1, reply: Next(None) }".into()),
        (PLAIN, "$aws/things/t/jobs/start-next/rejected".into(), r#"{"clientToken":"1","code":"RequestThrottled"}"#.into(),
            "Answer { token: 1, reply: Refused { code: Busy, status: None } }".into()),
    ];
    for (identity, topic, payload, understood) in rows {
        assert_eq!(
            read(identity, &topic, &payload),
            Some(understood),
            "{topic} {payload}"
        );
    }
}

#[test]
fn what_is_not_for_the_device_says_nothing() {
    let topic = "$aws/things/core-1/jobs/J/namespace-aws-gg-deployment/update/accepted";
    for (topic, payload) in [
        (topic, "{}"),
        (topic, r#"{"clientToken":"x"}"#),
        (topic, "nonsense"),
        (topic, r#"{"clientToken":8}"#),
        (
            "$aws/things/core-2/jobs/notify-namespace-aws-gg-deployment",
            "{}",
        ),
        ("$aws/things/core-1/jobs/notify", "{}"),
        (
            "$aws/things/core-1/jobs/notify-namespace-aws-gg-deployments",
            "{}",
        ),
        ("$aws/things/core-1/shadow/update", "{}"),
        ("other", "{}"),
    ] {
        assert_eq!(read(CORE, topic, payload), None, "{topic} {payload}");
    }
}
