mod just_in_time;

use serde_json::{Value, json};
use shipslog_domain::certificate::{self, Certificate, Status};
use shipslog_domain::provisioning::{self, CertificateInfo, Hook, Kind, Settings};
use shipslog_domain::{Command, Fingerprint, PolicyName, ProvisioningTemplateName, policy};
use shipslog_gateway_core::fleet_provisioning::hooks::Hooks;
use shipslog_gateway_core::messages::{Messages, Publication, Unpublished};
use shipslog_gateway_core::pki::Issued;

use super::message::{Member, Request, write};
use crate::testing::{ANYTHING, Client, TestEdge, connect};
use crate::topics::Format;

const CREATE: &str = "$aws/certificates/create/json";
const FROM_CSR: &str = "$aws/certificates/create-from-csr/json";
const PROVISION: &str = "$aws/provisioning-templates/t/provision/json";
const CSR: &str = "\
-----BEGIN CERTIFICATE REQUEST-----
MIIBBzCBrQIBADBLMQswCQYDVQQGEwJERTEOMAwGA1UECgwFU2hpcHMxDTALBgNV
BAsMBERlY2sxDzANBgNVBAMMBnB1bXAtNzEMMAoGA1UEBRMDU043MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEv3tW37AIDP8rfntE8otuZMdWkBrchXv1h5JaZ40C
GU/BkXm9QUUKyQ8ScJcOOjmFh62nZSh/Yz4UNrHdZPuJxKAAMAoGCCqGSM49BAMC
A0kAMEYCIQCTBS0PFP4muTulO8QwViGmSqfxbhvLlDchAkjhFjFLlwIhAL4grEx/
A7DFHj4jdoWhCQ/hB4tsWgc3oOaM4CSNnh5F
-----END CERTIFICATE REQUEST-----
";

/// A template that names things after a serial number.
fn template(name_of_thing: &Value) -> String {
    json!({
        "Parameters": {
            "SerialNumber": {"Type": "String"},
            "AWS::IoT::Certificate::Id": {"Type": "String"},
            "AWS::IoT::Certificate::CommonName": {"Type": "String", "Default": "nobody"},
        },
        "DeviceConfiguration": {"owner": {"Ref": "AWS::IoT::Certificate::CommonName"}},
        "Resources": {
            "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": name_of_thing}},
            "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {
                "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active",
            }},
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "fleet"}},
        },
    })
    .to_string()
}

async fn create_template(edge: &TestEdge, name: &str, kind: Kind, hook: Option<&str>) {
    let named = match kind {
        Kind::Fleet => json!({"Fn::Sub": "pump-${SerialNumber}"}),
        Kind::JustInTime => json!({"Fn::Sub": "jit-${AWS::IoT::Certificate::CommonName}"}),
    };
    let body = match kind {
        Kind::Fleet => template(&named),
        Kind::JustInTime => template(&named).replace(r#""SerialNumber":{"Type":"String"},"#, ""),
    };
    edge.submit(Command::Provisioning(provisioning::Command::Create {
        name: ProvisioningTemplateName::parse(name).unwrap(),
        kind,
        settings: Settings {
            enabled: true,
            hook: hook.map(|target| Hook {
                payload_version: None,
                target_arn: target.into(),
            }),
            ..Settings::default()
        },
        body: body.into(),
    }))
    .await;
}

/// An edge with a template `t`, whose devices get a policy that allows everything.
async fn ready() -> TestEdge {
    let edge = TestEdge::provisioning(Hooks::default());
    edge.submit(Command::Policy(policy::Command::Create {
        name: PolicyName::parse("fleet").unwrap(),
        document: ANYTHING.into(),
    }))
    .await;
    create_template(&edge, "t", Kind::Fleet, None).await;
    edge
}

/// A claim for the template `t`.
async fn claim(edge: &TestEdge) -> Issued {
    let info = CertificateInfo::default();
    let authority = edge.authority();
    let issued = authority.issue(None, &info, "c", edge.app.now()).unwrap();
    edge.submit(Command::Certificate(certificate::Command::IssueClaim {
        certificate: Certificate {
            fingerprint: issued.certificate.fingerprint,
            pem: issued.certificate.pem.clone(),
            status: Status::Active,
        },
        template: ProvisioningTemplateName::parse("t").unwrap(),
    }))
    .await;
    issued
}

async fn status(edge: &TestEdge, id: &str) -> Option<Status> {
    let fingerprint = Fingerprint::parse(id).unwrap();
    let known = edge.app.read(move |fleet| {
        let (_, known) = fleet.certificate(&fingerprint)?;
        Some(known.status)
    });
    known.await.unwrap()
}

/// Asks, and sees that the answer comes on the topic of the request, accepted.
async fn accepted(client: &mut Client, topic: &str, payload: &Value) -> Value {
    let received = client.ask(topic, &payload.to_string()).await;
    assert_eq!(
        received.topic,
        format!("{topic}/accepted"),
        "{}",
        received.text()
    );
    received.json()
}

/// Asks, and sees that it is refused with this status and code. Returns the message.
async fn rejected(
    client: &mut Client,
    topic: &str,
    payload: &str,
    status: u16,
    code: &str,
) -> String {
    let received = client.ask(topic, payload).await;
    assert_eq!(
        received.topic,
        format!("{topic}/rejected"),
        "{}",
        received.text()
    );
    let answer = received.json();
    assert_eq!(answer["statusCode"], status, "{answer}");
    assert_eq!(answer["errorCode"], code, "{answer}");
    answer["errorMessage"].as_str().unwrap().to_owned()
}

fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member].as_str().unwrap()
}

#[tokio::test]
async fn a_claim_leads_to_a_thing_with_keys_of_the_service() {
    let edge = ready().await;
    let claim = claim(&edge).await;
    let mut client = edge.connect_as(&claim, "anybody").await;
    let handed = accepted(&mut client, CREATE, &json!({})).await;
    let (id, pem) = (
        text(&handed, "certificateId"),
        text(&handed, "certificatePem"),
    );
    assert!(text(&handed, "privateKey").starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(status(&edge, id).await, Some(Status::PendingActivation));
    assert!(handed.to_string().len() < 4_800, "small devices read it");
    let mut early = edge.open_presenting(pem);
    early.send(&connect("pump-7")).await;
    assert_eq!(early.frame().await, (0x20, vec![0, 5]));
    let token = text(&handed, "certificateOwnershipToken");
    let request = json!({
        "certificateOwnershipToken": token,
        "parameters": {
            "SerialNumber": "7", "Unused": "x",
            // Nobody says of a certificate what it does not say of itself.
            "AWS::IoT::Certificate::CommonName": "somebody else",
        },
    });
    let provisioned = accepted(&mut client, PROVISION, &request).await;
    assert_eq!(
        provisioned,
        json!({"thingName": "pump-7", "deviceConfiguration": {"owner": "AWS IoT Certificate"}})
    );
    assert_eq!(status(&edge, id).await, Some(Status::Active));
    edge.job("j", "pump-7").await;
    let mut device = edge.open_presenting(pem);
    device.send(&connect("pump-7")).await;
    assert_eq!(device.frame().await, (0x20, vec![0, 0]));
    let jobs = device.ask("$aws/things/pump-7/jobs/get", "{}").await;
    assert_eq!(jobs.json()["queuedJobs"][0]["jobId"], "j");
    let again = request.to_string();
    let code = "InvalidCertificateOwnershipToken";
    let message = rejected(&mut client, PROVISION, &again, 400, code).await;
    assert!(message.starts_with("Certificate ownership token is not valid: it was used"));
    for (operation, answer, count) in [
        ("create_keys", "accepted", 1),
        ("provision", "accepted", 1),
        ("provision", "rejected", 1),
    ] {
        let samples = edge.edge.metrics().snapshot();
        let found = samples
            .iter()
            .find(|sample| sample.labels == [("operation", operation), ("result", answer)]);
        assert_eq!(found.map(|sample| sample.value), Some(count), "{operation}");
    }
}

#[tokio::test]
async fn a_subscriber_gets_the_answer_once_in_either_version() {
    let edge = ready().await;
    let claim = claim(&edge).await;
    for version in [4, 5] {
        let mut client = match version {
            4 => edge.connect_as(&claim, "four").await,
            _ => edge.connect_as_v5(&claim, "five").await,
        };
        let topics = ["accepted", "rejected"].map(|last| format!("{FROM_CSR}/{last}"));
        let filters: Vec<_> = topics.iter().map(|topic| (topic.as_str(), 1)).collect();
        assert_eq!(client.subscribe(&filters).await, [1, 1]);
        let request = json!({"certificateSigningRequest": CSR});
        let handed = accepted(&mut client, FROM_CSR, &request).await;
        assert!(handed.get("privateKey").is_none());
        client.expect_nothing().await;
    }
}

#[tokio::test]
async fn the_whole_way_in_cbor() {
    let edge = ready().await;
    let claim = claim(&edge).await;
    let mut client = edge.connect_as(&claim, "anybody").await;
    let request = [("certificateSigningRequest", Member::Text(CSR))];
    client
        .publish(
            "$aws/certificates/create-from-csr/cbor",
            &write(Format::Cbor, &request),
        )
        .await;
    let received = client.message().await;
    assert_eq!(
        received.topic,
        "$aws/certificates/create-from-csr/cbor/accepted"
    );
    let mut decoder = minicbor::Decoder::new(&received.payload);
    let members = decoder.map_iter::<&str, &str>().unwrap();
    let handed: Vec<(&str, &str)> = members.map(Result::unwrap).collect();
    let names: Vec<&str> = handed.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "certificateId",
            "certificatePem",
            "certificateOwnershipToken"
        ]
    );
    let parameters = vec![("SerialNumber".into(), "8".into())];
    let request = [
        ("certificateOwnershipToken", Member::Text(handed[2].1)),
        ("parameters", Member::Pairs(&parameters)),
    ];
    let topic = "$aws/provisioning-templates/t/provision/cbor";
    client.publish(topic, &write(Format::Cbor, &request)).await;
    let received = client.message().await;
    assert_eq!(received.topic, format!("{topic}/accepted"));
    let configuration = vec![("owner".into(), "pump-7".into())];
    let expected = [
        ("deviceConfiguration", Member::Pairs(&configuration)),
        ("thingName", Member::Text("pump-8")),
    ];
    assert_eq!(received.payload, write(Format::Cbor, &expected));
    // A refusal is written in the form of the request.
    client.publish(topic, &[0xFF]).await;
    let received = client.message().await;
    let mut decoder = minicbor::Decoder::new(&received.payload);
    assert_eq!(decoder.map().unwrap(), Some(3));
    assert_eq!(decoder.str().unwrap(), "statusCode");
    assert_eq!(decoder.u16().unwrap(), 400);
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused() {
    let edge = ready().await;
    create_template(&edge, "h", Kind::Fleet, Some("stock")).await;
    create_template(&edge, "jitp", Kind::JustInTime, None).await;
    // A trusted client, so that no policy is in the way.
    let mut client = edge.connect("trusted").await;
    let handed = accepted(
        &mut client,
        FROM_CSR,
        &json!({"certificateSigningRequest": CSR}),
    )
    .await;
    let token = text(&handed, "certificateOwnershipToken").to_owned();
    let with = |token: &str, parameters: Value| {
        json!({"certificateOwnershipToken": token, "parameters": parameters}).to_string()
    };
    let serial = json!({"SerialNumber": "7"});
    let other = format!("{}{}", &token[..64], "0".repeat(64));
    let many: serde_json::Map<String, Value> = (0..51)
        .map(|number| (format!("p{number}"), "".into()))
        .collect();
    let on = |template: &str| format!("$aws/provisioning-templates/{template}/provision/json");
    let invalid = "InvalidRequest";
    let wrong_token = "InvalidCertificateOwnershipToken";
    let rows: Vec<(String, String, u16, &str, &str)> = vec![
        (
            CREATE.into(),
            "[]".into(),
            400,
            invalid,
            "not the JSON that is expected",
        ),
        (
            FROM_CSR.into(),
            String::new(),
            400,
            invalid,
            "certificateSigningRequest: must be",
        ),
        (
            FROM_CSR.into(),
            "{".into(),
            400,
            invalid,
            "not the JSON that is expected",
        ),
        (
            FROM_CSR.into(),
            json!({"certificateSigningRequest": "nonsense"}).to_string(),
            400,
            invalid,
            "certificateSigningRequest: certificate signing request is not in PEM form",
        ),
        (
            FROM_CSR.into(),
            json!({"certificateSigningRequest": "x".repeat(4_097)}).to_string(),
            400,
            invalid,
            "of 1 to 4096 bytes",
        ),
        (
            on("t"),
            with("", serial.clone()),
            400,
            wrong_token,
            "Certificate ownership token cannot be empty.",
        ),
        (
            on("t"),
            with("x", serial.clone()),
            400,
            wrong_token,
            "token is not valid.",
        ),
        (
            on("t"),
            with(&other, serial.clone()),
            400,
            wrong_token,
            "it was used, it ran out",
        ),
        (
            on("t"),
            with(&token, json!({"SerialNumber": 7})),
            400,
            invalid,
            "invalid type",
        ),
        (
            on("t"),
            with(&token, json!({})),
            400,
            invalid,
            "SerialNumber missing",
        ),
        (
            on("t"),
            with(&token, json!({"SerialNumber": "a b"})),
            400,
            invalid,
            "thingName: Resources.thing.Properties.ThingName",
        ),
        (
            on("t"),
            with(&token, json!({"SerialNumber": "x".repeat(4_097)})),
            400,
            invalid,
            "values of at most 4096 bytes",
        ),
        (
            on("t"),
            with(&token, many.into()),
            400,
            invalid,
            "at most 50 members",
        ),
        (
            on("none"),
            with(&token, serial.clone()),
            404,
            "ResourceNotFound",
            "does not exist",
        ),
        (
            on("jitp"),
            with(&token, serial.clone()),
            400,
            invalid,
            "no template of type",
        ),
        // No such hook is configured: nobody says yes.
        (
            on("h"),
            with(&token, serial.clone()),
            403,
            "ACCESS_DENIED",
            "did not allow it",
        ),
    ];
    for (topic, payload, status, code, text) in rows {
        let message = rejected(&mut client, &topic, &payload, status, code).await;
        assert!(message.contains(text), "{message:?} has no {text:?}");
    }
    // What was refused has spent nothing.
    let request = json!({"certificateOwnershipToken": token, "parameters": serial});
    accepted(&mut client, PROVISION, &request).await;
}

#[tokio::test]
async fn topics_that_are_none_are_nobody_s() {
    let edge = ready().await;
    let mut client = edge.connect_v5("trusted").await;
    for topic in [
        "$aws/certificates/create/xml",
        "$aws/certificates/json",
        "$aws/provisioning-templates//provision/json",
        "$aws/provisioning-templates/a/b/provision/json",
        "$aws/provisioning-templates/t/json",
    ] {
        client.publish(topic, b"{}").await;
        client.expect_nothing().await;
    }
    // A key that nobody could take is not made.
    let published = edge.edge.publish(Publication {
        topic: CREATE.to_owned(),
        ..Publication::default()
    });
    assert_eq!(published.await, Err(Unpublished::Topic));
}

#[tokio::test]
async fn a_claim_does_what_its_policy_allows_and_no_more() {
    let edge = ready().await;
    create_template(&edge, "u", Kind::Fleet, None).await;
    let claim = claim(&edge).await;
    let mut client = edge.connect_as(&claim, "anybody").await;
    client
        .publish("$aws/provisioning-templates/u/provision/json", b"{}")
        .await;
    client.expect_end().await;
    // A token is of no use on the connection of another certificate.
    let mut client = edge.connect_as(&claim, "anybody").await;
    let handed = accepted(
        &mut client,
        FROM_CSR,
        &json!({"certificateSigningRequest": CSR}),
    )
    .await;
    let request = json!({
        "certificateOwnershipToken": handed["certificateOwnershipToken"],
        "parameters": {"SerialNumber": "7"},
    });
    let thief = edge.device("thief").await;
    let mut thief = edge.connect_as(&thief, "thief").await;
    let (request, code) = (request.to_string(), "InvalidCertificateOwnershipToken");
    let message = rejected(&mut thief, PROVISION, &request, 400, code).await;
    assert!(message.contains("with another certificate"), "{message}");
}

#[tokio::test]
async fn a_service_without_an_authority_says_so() {
    let edge = TestEdge::start();
    let mut client = edge.connect("trusted").await;
    rejected(&mut client, CREATE, "", 503, "ServiceUnavailable").await;
}

#[test]
fn requests_in_cbor_are_read_in_every_form() {
    let empty = Request::default();
    let token = Request {
        certificate_ownership_token: Some("ab".into()),
        ..Request::default()
    };
    let name = b"\x78\x19certificateOwnershipToken";
    let message = |before: &[u8], after: &[u8]| [before, name, after].concat();
    let rows: [(Vec<u8>, Option<&Request>); 10] = [
        (vec![], Some(&empty)),
        (vec![0xA0], Some(&empty)),
        (vec![0xBF, 0xFF], Some(&empty)),
        (message(&[0xA1], b"\x62ab"), Some(&token)),
        // Without its length at the beginning, and with text in pieces.
        (message(&[0xBF], b"\x7F\x61a\x61b\xFF\xFF"), Some(&token)),
        // Another member, which is a list of lists.
        (
            message(&[0xA2, 0x61, b'x', 0x81, 0x80], b"\x62ab"),
            Some(&token),
        ),
        (message(&[0xA1], b"\xF6"), Some(&empty)),
        (message(&[0xA1], b"\x01"), None),
        (message(&[0xA2], b"\x62ab"), None),
        (vec![0xA0, 0x00], None),
    ];
    for (payload, expected) in rows {
        let read = Request::read(Format::Cbor, &payload).ok();
        assert_eq!(read.as_ref(), expected, "{payload:x?}");
    }
}
