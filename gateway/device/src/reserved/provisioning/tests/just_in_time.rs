//! Devices that present a certificate of a registered CA.

use shipslog_domain::ca_certificate::{self, Mode, RegistrationConfig};
use shipslog_gateway_core::pki::Authority;

use super::*;
use crate::testing::connect_with;

async fn register_ca(edge: &TestEdge, ca: &Authority, registration: Option<RegistrationConfig>) {
    edge.submit(Command::CaCertificate(ca_certificate::Command::Register {
        fingerprint: ca.ca_fingerprint(),
        pem: ca.ca_pem().into(),
        active: true,
        auto_registration: true,
        mode: Mode::SniOnly,
        registration,
    }))
    .await;
    let head = edge.app.head();
    let seen = edge.app.wait_for(head, crate::testing::PATIENCE).await;
    assert!(seen.is_ok());
}

fn signed(edge: &TestEdge, ca: &Authority, common_name: &str) -> Issued {
    let info = CertificateInfo {
        common_name: Some(common_name.into()),
        ..CertificateInfo::default()
    };
    ca.issue(None, &info, common_name, edge.app.now()).unwrap()
}

/// What CONNECT is answered.
async fn answered(edge: &TestEdge, issued: &Issued, client_id: &str) -> u8 {
    let mut client = edge.open_as(issued);
    client.send(&connect(client_id)).await;
    let (first, body) = client.frame().await;
    assert_eq!(first, 0x20);
    body[1]
}

#[tokio::test]
async fn a_device_of_a_registered_ca_is_registered_when_it_connects() {
    let edge = ready().await;
    let ca = edge.other_authority();
    register_ca(&edge, &ca, None).await;
    let mut watcher = edge.connect("watcher").await;
    watcher
        .subscribe(&[("$aws/events/certificates/registered/+", 0)])
        .await;
    let issued = signed(&edge, &ca, "one");
    let id = issued.certificate.fingerprint.to_string();
    assert_eq!(answered(&edge, &issued, "one").await, 5);
    assert_eq!(status(&edge, &id).await, Some(Status::PendingActivation));
    let told = watcher.message().await;
    let ca_id = ca.ca_fingerprint().to_string();
    assert_eq!(
        told.topic,
        format!("$aws/events/certificates/registered/{ca_id}")
    );
    let told = told.json();
    let now = edge.app.now().0;
    assert_eq!(
        told,
        json!({
            "certificateId": id,
            "caCertificateId": ca_id,
            "timestamp": now,
            "certificateStatus": "PENDING_ACTIVATION",
            "awsAccountId": "000000000000",
            "certificateRegistrationTimestamp": now.to_string(),
        })
    );
    // It waits for an operator, who is told once.
    assert_eq!(answered(&edge, &issued, "one").await, 5);
    watcher.expect_nothing().await;
    edge.submit(Command::SetCertificateStatus {
        fingerprint: issued.certificate.fingerprint,
        status: Status::Active,
    })
    .await;
    edge.submit(Command::Policy(policy::Command::Attach {
        name: PolicyName::parse("fleet").unwrap(),
        target: policy::Target::Certificate(issued.certificate.fingerprint),
    }))
    .await;
    assert_eq!(answered(&edge, &issued, "one").await, 0);
    edge.wait_for(
        "device_connects_refused_total",
        "registered_just_in_time",
        1,
    )
    .await;
    // Others are strangers, as they were.
    let stranger = signed(&edge, &edge.authority(), "stranger");
    assert_eq!(answered(&edge, &stranger, "stranger").await, 5);
    let id = stranger.certificate.fingerprint.to_string();
    assert_eq!(status(&edge, &id).await, None);
}

#[tokio::test]
async fn a_device_of_a_registered_ca_is_provisioned_and_comes_back() {
    let edge = ready().await;
    let ca = edge.other_authority();
    create_template(&edge, "jitp", Kind::JustInTime, None).await;
    let by_name = RegistrationConfig {
        template_name: Some(ProvisioningTemplateName::parse("jitp").unwrap()),
        ..RegistrationConfig::default()
    };
    register_ca(&edge, &ca, Some(by_name)).await;
    let issued = signed(&edge, &ca, "one");
    let mut client = edge.open_as(&issued);
    client.version = 5;
    client
        .send(&connect_with(5, "jit-one", 2, 60, &[], b""))
        .await;
    let (_, body) = client.frame().await;
    assert_eq!(body[1], 0x87);
    let id = issued.certificate.fingerprint.to_string();
    assert_eq!(status(&edge, &id).await, Some(Status::Active));
    let mut client = edge.connect_as(&issued, "jit-one").await;
    edge.job("j", "jit-one").await;
    let jobs = client.ask("$aws/things/jit-one/jobs/get", "{}").await;
    assert_eq!(jobs.json()["queuedJobs"][0]["jobId"], "j");
    // A name that makes no thing: registered, and provisioned when the template has been mended.
    let odd = signed(&edge, &ca, "a b");
    assert_eq!(answered(&edge, &odd, "x").await, 5);
    let id = odd.certificate.fingerprint.to_string();
    assert_eq!(status(&edge, &id).await, Some(Status::PendingActivation));
    let mended = template(&json!("mended")).replace(r#""SerialNumber":{"Type":"String"},"#, "");
    edge.submit(Command::Provisioning(provisioning::Command::AddVersion {
        name: ProvisioningTemplateName::parse("jitp").unwrap(),
        body: mended.into(),
        set_default: true,
    }))
    .await;
    assert_eq!(answered(&edge, &odd, "x").await, 5);
    assert_eq!(status(&edge, &id).await, Some(Status::Active));
    assert_eq!(answered(&edge, &odd, "mended").await, 0);
}
