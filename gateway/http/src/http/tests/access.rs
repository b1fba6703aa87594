//! Operations that make keys and certificates, whose answers no file can hold.

use serde_json::{Value, json};
use shipslog_domain::policy::{PolicyDocument, Request, Verdict};
use shipslog_domain::{CertificateId, Event, Fingerprint, Position};
use shipslog_gateway_core::pki::Authority;

use super::bench::{Answer, Bench};

pub(super) async fn ok(bench: &Bench, line: &str, body: Value) -> Value {
    let answer = bench.ask("iot", line, body.to_string()).await;
    assert_eq!(answer.status.as_u16(), 200, "{line}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

pub(super) async fn refused(bench: &Bench, line: &str, body: Value, code: &str) {
    let answer: Answer = bench.ask("iot", line, body.to_string()).await;
    assert_eq!(
        answer.header("x-amzn-errortype"),
        code,
        "{line}: {}",
        answer.text()
    );
}

pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{pointer} is missing in {value}"))
}

/// Everything that the log holds, as text.
fn logged(bench: &Bench) -> String {
    let (log, head) = (bench.app().log(), bench.app().head());
    let positions = (1..=head.0).map(Position);
    let events = positions.map(|position| {
        let stored = log.read_one(position).unwrap().unwrap();
        Event::try_from(&stored.record()).unwrap()
    });
    events.map(|event| format!("{event:?}\n")).collect()
}

#[tokio::test]
async fn a_private_key_is_answered_once_and_kept_nowhere() {
    let bench = Bench::new();
    let made = ok(
        &bench,
        "POST /keys-and-certificate?setAsActive=true",
        json!({}),
    )
    .await;
    let id = text(&made, "/certificateId");
    assert_eq!(
        text(&made, "/certificateArn"),
        format!("arn:aws:iot:us-east-1:000000000000:cert/{id}")
    );
    let pem = text(&made, "/certificatePem");
    let read = Authority::read(pem, None).unwrap();
    assert_eq!(read.fingerprint.to_string(), id);
    assert!(text(&made, "/keyPair/PublicKey").starts_with("-----BEGIN PUBLIC KEY-----"));
    let key = text(&made, "/keyPair/PrivateKey");
    // A key of RSA with 2,048 bits has some 1,700 characters; one of P-256 has 240.
    assert!((1_600..1_800).contains(&key.len()), "{}", key.len());
    let log = logged(&bench);
    assert!(log.contains(&read.fingerprint.to_string()), "{log}");
    assert!(!log.contains("PRIVATE"));
    let described = ok(&bench, &format!("GET /certificates/{id}"), json!({})).await;
    assert_eq!(text(&described, "/certificateDescription/status"), "ACTIVE");
    assert_eq!(
        text(&described, "/certificateDescription/certificatePem"),
        pem
    );
    assert!(described["certificateDescription"]["validity"]["notAfter"].is_number());
    let inactive = ok(&bench, "POST /keys-and-certificate", json!({})).await;
    let line = format!("GET /certificates/{}", text(&inactive, "/certificateId"));
    let described = ok(&bench, &line, json!({})).await;
    assert_eq!(
        text(&described, "/certificateDescription/status"),
        "INACTIVE"
    );
}

/// A request that the key of a device signed: `/CN=pump-1`, P-256.
const CSR: &str = include_str!("pump-1.csr");

#[tokio::test]
async fn requests_are_signed() {
    let bench = Bench::new();
    let body = json!({"certificateSigningRequest": CSR});
    let made = ok(&bench, "POST /certificates?setAsActive=true", body.clone()).await;
    let read = Authority::read(text(&made, "/certificatePem"), None).unwrap();
    assert_eq!(read.fingerprint.to_string(), text(&made, "/certificateId"));
    // Each signature makes another certificate.
    let again = ok(&bench, "POST /certificates", body).await;
    assert_ne!(again["certificateId"], made["certificateId"]);
    for wrong in [
        json!({}),
        json!({"certificateSigningRequest": ""}),
        json!({"certificateSigningRequest": "x"}),
        json!({"certificateSigningRequest": "x".repeat(4_097)}),
        json!({"certificateSigningRequest": 1}),
    ] {
        refused(
            &bench,
            "POST /certificates",
            wrong,
            "InvalidRequestException",
        )
        .await;
    }
    let line = "POST /certificates?setAsActive=yes";
    refused(
        &bench,
        line,
        json!({"certificateSigningRequest": CSR}),
        "InvalidRequestException",
    )
    .await;
}

#[tokio::test]
async fn a_thing_is_registered_with_a_signed_request() {
    let bench = Bench::new();
    let allow = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:*:*:client/${iot:ClientId}"}}"#;
    let template = json!({
        "Parameters": {"Csr": {"Type": "String"}},
        "Resources": {
            "pump": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "pump-1"}},
            "identity": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateSigningRequest": {"Ref": "Csr"}}},
            "rights": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": allow}},
        },
    });
    let body = json!({"templateBody": template.to_string(), "parameters": {"Csr": CSR}});
    let made = ok(&bench, "POST /things", body).await;
    let read = Authority::read(text(&made, "/certificatePem"), None).unwrap();
    let arn = text(&made, "/resourceArns/identity");
    assert!(
        arn.ends_with(&format!(":cert/{}", read.fingerprint)),
        "{made}"
    );
    assert!(text(&made, "/resourceArns/pump").ends_with(":thing/pump-1"));
    let policy = text(&made, "/resourceArns/rights")
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let stored = ok(&bench, &format!("GET /policies/{policy}"), json!({})).await;
    assert_eq!(text(&stored, "/policyDocument"), allow);
    // What governs the device is what the template said.
    let fingerprint: Fingerprint = read.fingerprint;
    let verdicts = bench.app().read(move |fleet| {
        let (id, known): (CertificateId, _) = fleet.certificate(&fingerprint).unwrap();
        assert_eq!(known.attachments, 1);
        let documents = fleet.governing_documents(id, fleet.thing_id("pump-1"));
        ["pump-1", "pump-2"].map(|client| {
            let resource = format!("arn:aws:iot:us-east-1:000000000000:client/{client}");
            let context = |key: &str| (key == "iot:ClientId").then_some("pump-1");
            let request = Request {
                action: "iot:Connect",
                resource: resource.as_str().into(),
                context: &context,
            };
            PolicyDocument::evaluate_all(documents.iter().map(AsRef::as_ref), &request)
        })
    });
    assert_eq!(
        verdicts.await.unwrap(),
        [Verdict::Allowed, Verdict::NotAllowed]
    );
}

#[tokio::test]
async fn a_claim_ends_by_itself() {
    let bench = Bench::new();
    let template =
        json!({"Resources": {"t": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "x"}}}});
    let body = json!({
        "templateName": "pumps",
        "templateBody": template.to_string(),
        "provisioningRoleArn": "arn:aws:iam::000000000000:role/provisioning",
    });
    ok(&bench, "POST /provisioning-templates", body).await;
    let line = "POST /provisioning-templates/pumps/provisioning-claim";
    refused(&bench, line, json!({}), "InvalidRequestException").await;
    let update = "PATCH /provisioning-templates/pumps";
    ok(&bench, update, json!({"enabled": true})).await;
    let claim = ok(&bench, line, json!({})).await;
    let now = bench.app().now().0 / 1_000;
    let expiration = claim["expiration"].as_f64().unwrap();
    assert!((expiration - now as f64 - 300.0).abs() < 2.0, "{claim}");
    assert!(text(&claim, "/keyPair/PrivateKey").starts_with("-----BEGIN PRIVATE KEY-----"));
    let id = text(&claim, "/certificateId").to_owned();
    let listed = ok(&bench, "GET /certificates", json!({})).await;
    assert_eq!(listed["certificates"], json!([]));
    let fingerprint = Fingerprint::parse(&id).unwrap();
    let is_there = || async {
        let look = bench
            .app()
            .read(move |fleet| fleet.certificate(&fingerprint).is_some());
        look.await.unwrap()
    };
    bench.advance(299_000).await;
    assert!(is_there().await);
    bench.advance(2_000).await;
    assert!(!is_there().await);
    refused(
        &bench,
        &format!("GET /certificates/{id}"),
        json!({}),
        "ResourceNotFoundException",
    )
    .await;
}

#[tokio::test]
async fn the_registration_code_stays_until_it_is_deleted() {
    let bench = Bench::new();
    let first = ok(&bench, "GET /registrationcode", json!({})).await;
    assert_eq!(text(&first, "/registrationCode").len(), 64);
    assert_eq!(ok(&bench, "GET /registrationcode", json!({})).await, first);
    ok(&bench, "DELETE /registrationcode", json!({})).await;
    refused(
        &bench,
        "DELETE /registrationcode",
        json!({}),
        "ResourceNotFoundException",
    )
    .await;
    assert_ne!(ok(&bench, "GET /registrationcode", json!({})).await, first);
}
