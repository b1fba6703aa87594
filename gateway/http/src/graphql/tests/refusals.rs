use serde_json::json;
use shipslog_domain::certificate::{self, Certificate, Signer, Status};
use shipslog_domain::{Command, Fingerprint, Span, ThingId};
use shipslog_gateway_core::refusals::{Reason, Refused};

use super::world::{World, thing};

const SHARED: Fingerprint = Fingerprint([1; 32]);
const OWN: Fingerprint = Fingerprint([2; 32]);

async fn attach(world: &World, fingerprint: Fingerprint, name: &str) {
    world
        .submit(Command::AttachCertificate {
            thing: thing(name),
            fingerprint,
        })
        .await;
}

async fn id(world: &World, name: &'static str) -> Option<ThingId> {
    let found = world.app.read(|fleet| fleet.thing_id(name));
    found.await.unwrap()
}

#[tokio::test]
async fn a_thing_lists_what_was_refused_to_it() {
    let world = World::new();
    for name in ["one", "two"] {
        world.create_thing(name, &[]).await;
    }
    for fingerprint in [SHARED, OWN] {
        let enroll = certificate::Command::Enroll {
            certificate: Certificate {
                fingerprint,
                pem: "PEM".into(),
                status: Status::Active,
            },
            signer: Signer::Service,
        };
        world.submit(Command::Certificate(enroll)).await;
    }
    attach(&world, SHARED, "one").await;
    attach(&world, SHARED, "two").await;
    attach(&world, OWN, "one").await;
    let refused = Refused {
        certificate: &SHARED,
        thing: id(&world, "two").await,
        client_id: "two",
        action: "iot:Publish",
        resource: "site/alarm",
        reason: Reason::Policy,
    };
    let refusals = world.app.refusals();
    refusals.note(&refused);
    let second = async || {
        let moved = world.app.advance_clock(Span::seconds(1)).await;
        moved.unwrap().unwrap();
    };
    second().await;
    refusals.note(&Refused {
        thing: None,
        client_id: "elsewhere",
        action: "iot:Connect",
        resource: "elsewhere",
        ..refused
    });
    second().await;
    let inactive = Refused {
        certificate: &OWN,
        thing: None,
        client_id: "one",
        action: "iot:Connect",
        resource: "one",
        reason: Reason::CertificateNotActive,
    };
    refusals.note(&inactive);
    second().await;
    refusals.note(&inactive);
    let answer = world
        .ask(
            "{ one: thing(name: \"one\") { ...refused } two: thing(name: \"two\") { ...refused } }
             fragment refused on Thing { refusals {
               action resource reason certificateId clientId count firstAt lastAt } }",
        )
        .await;
    let elsewhere = json!({
        "action": "iot:Connect", "resource": "elsewhere", "reason": "POLICY",
        "certificateId": SHARED.to_string(), "clientId": "elsewhere", "count": 1,
        "firstAt": "2024-01-01T00:00:01.000Z", "lastAt": "2024-01-01T00:00:01.000Z",
    });
    let own = json!({
        "action": "iot:Connect", "resource": "one", "reason": "CERTIFICATE_NOT_ACTIVE",
        "certificateId": OWN.to_string(), "clientId": "one", "count": 2,
        "firstAt": "2024-01-01T00:00:02.000Z", "lastAt": "2024-01-01T00:00:03.000Z",
    });
    let published = json!({
        "action": "iot:Publish", "resource": "site/alarm", "reason": "POLICY",
        "certificateId": SHARED.to_string(), "clientId": "two", "count": 1,
        "firstAt": "2024-01-01T00:00:00.000Z", "lastAt": "2024-01-01T00:00:00.000Z",
    });
    assert_eq!(
        answer,
        json!({
            "one": { "refusals": [own, elsewhere] },
            "two": { "refusals": [elsewhere, published] },
        })
    );
}
