//! Devices that present a certificate of a registered CA.

use serde_json::json;

use super::*;
use crate::ca_certificate::{self, Mode, RegistrationConfig};
use crate::certificate::Event as CertificateEvent;

const CA: u8 = 200;

fn register_ca(run: &mut Run, auto_registration: bool, registration: Option<RegistrationConfig>) {
    run.ok(Command::CaCertificate(ca_certificate::Command::Register {
        fingerprint: fingerprint(CA),
        pem: "PEM".into(),
        active: true,
        auto_registration,
        mode: Mode::SniOnly,
        registration,
    }));
}

fn present(number: u8) -> Command {
    Command::Certificate(certificate::Command::RegisterJustInTime {
        certificate: Certificate {
            fingerprint: fingerprint(number),
            pem: "PEM".into(),
            status: Status::PendingActivation,
        },
        ca: fingerprint(CA),
    })
}

fn provision_presented(number: u8, serial: &str) -> Command {
    Command::Provisioning(super::super::super::Command::ProvisionJustInTime {
        ca: fingerprint(CA),
        certificate: fingerprint(number),
        parameters: request(number, serial).parameters,
    })
}

#[test]
fn a_ca_has_its_devices_registered_or_provisioned() {
    let by_body = RegistrationConfig {
        template_body: Some(body("ACTIVE", &json!({})).into()),
        ..RegistrationConfig::default()
    };
    let by_name = RegistrationConfig {
        template_name: Some(name("jitp")),
        ..RegistrationConfig::default()
    };
    for (config, provisions) in [(None, false), (Some(by_body), true), (Some(by_name), true)] {
        let mut run = fleet();
        run.ok(create(
            "jitp",
            Kind::JustInTime,
            enabled(),
            body("ACTIVE", &json!({})),
        ));
        register_ca(&mut run, true, config);
        let events = run.ok(present(1));
        assert_eq!(kinds(&events), ["CertificateEnrolled"]);
        assert!(run.ok(present(1)).is_empty(), "once is enough");
        let events = run.ok(provision_presented(1, "7"));
        assert_eq!(!events.is_empty(), provisions);
        let wanted = if provisions {
            Status::Active
        } else {
            Status::PendingActivation
        };
        assert_eq!(status(&run, 1), Some(wanted));
        // Nobody deletes it: an operator, or the device, will see to it.
        assert!(run.pass(Span::minutes(10 * OWNERSHIP_MINUTES)).is_empty());
        if provisions {
            run.refused(provision_presented(1, "7"), RejectionKind::WrongState);
        }
    }
}

#[test]
fn a_ca_that_does_not_want_its_devices_gets_none() {
    let mut run = fleet();
    register_ca(&mut run, false, None);
    let message = run.refused(present(1), RejectionKind::WrongState);
    assert!(
        message.contains("autoRegistrationStatus: is DISABLE"),
        "{message}"
    );
    let update = |active, auto| {
        Command::CaCertificate(ca_certificate::Command::Update {
            fingerprint: fingerprint(CA),
            active,
            auto_registration: auto,
            registration: None,
        })
    };
    run.ok(update(Some(false), Some(true)));
    run.refused(present(1), RejectionKind::WrongState);
    run.ok(update(Some(true), None));
    run.ok(present(1));
    // A certificate that waits for another device is none of the CA's.
    run.ok(ask(2, Some(CLAIM)));
    let wrong = RegistrationConfig {
        template_name: Some(name("t")),
        ..RegistrationConfig::default()
    };
    let refused = Command::CaCertificate(ca_certificate::Command::Update {
        fingerprint: fingerprint(CA),
        active: None,
        auto_registration: None,
        registration: Some(Some(wrong)),
    });
    let message = run.refused(refused, RejectionKind::Malformed);
    assert!(message.contains("no template of type JITP"), "{message}");
    let config = RegistrationConfig {
        template_body: Some(body("ACTIVE", &json!({})).into()),
        ..RegistrationConfig::default()
    };
    run.ok(Command::CaCertificate(ca_certificate::Command::Update {
        fingerprint: fingerprint(CA),
        active: None,
        auto_registration: None,
        registration: Some(Some(config)),
    }));
    run.refused(provision_presented(2, "8"), RejectionKind::WrongState);
    let (_, known) = run.fleet.certificate(&fingerprint(2)).expect("it waits");
    assert!(known.ownership.is_some());
    let requested = CertificateEvent::Provisioned { template: None };
    let events = run.ok(provision_presented(1, "7"));
    assert_eq!(events.first(), Some(&Event::Certificate(requested)));
}
