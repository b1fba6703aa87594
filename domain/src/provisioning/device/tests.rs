mod just_in_time;

use serde_json::json;

use super::*;
use crate::certificate::{self, Certificate, Signer};
use crate::command::Command;
use crate::event::Event;
use crate::fleet::tests::Run;
use crate::ids::ThingName;
use crate::limits::{OWNERSHIP_MINUTES, UNPROVISIONED_PER_CLAIM_MAX};
use crate::policy;
use crate::time::Span;

const CLAIM: u8 = 100;
const OTHER_CLAIM: u8 = 101;

fn fingerprint(number: u8) -> Fingerprint {
    Fingerprint([number; 32])
}

fn name(text: &str) -> ProvisioningTemplateName {
    ProvisioningTemplateName::parse(text).expect("valid")
}

/// A template that names things after a serial number and brings a policy. `certificate` are more members of its
/// certificate.
fn body(status: &str, overrides: &serde_json::Value) -> String {
    json!({
        "Parameters": {
            "SerialNumber": {"Type": "String"},
            "Site": {"Type": "String", "Default": "north"},
            "AWS::IoT::Certificate::Id": {"Type": "String"},
        },
        "DeviceConfiguration": {
            "url": {"Fn::Sub": "https://${Site}.example"},
            "color": "red",
        },
        "Resources": {
            "t": {"Type": "AWS::IoT::Thing", "Properties": {
                "ThingName": {"Fn::Join": ["-", ["device", {"Ref": "SerialNumber"}]]},
                "AttributePayload": {"site": {"Ref": "Site"}},
            }, "OverrideSettings": overrides},
            "c": {"Type": "AWS::IoT::Certificate", "Properties": {
                "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": status,
            }},
            "p": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "fleet"}},
        },
    })
    .to_string()
}

fn create(template: &str, kind: Kind, settings: Settings, body: String) -> Command {
    Command::Provisioning(super::super::Command::Create {
        name: name(template),
        kind,
        settings,
        body: body.into(),
    })
}

fn enabled() -> Settings {
    Settings {
        enabled: true,
        ..Settings::default()
    }
}

fn enroll(run: &mut Run, number: u8) {
    run.ok(Command::Certificate(certificate::Command::Enroll {
        certificate: Certificate {
            fingerprint: fingerprint(number),
            pem: "PEM".into(),
            status: Status::Active,
        },
        signer: Signer::Service,
    }));
}

/// A fleet with the policy and the template `t`, and two claims.
fn fleet() -> Run {
    let mut run = Run::new();
    run.ok(Command::Policy(policy::Command::Create {
        name: crate::PolicyName::parse("fleet").expect("valid"),
        document:
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#
                .into(),
    }));
    let body = body("ACTIVE", &json!({}));
    run.ok(create("t", Kind::Fleet, enabled(), body));
    enroll(&mut run, CLAIM);
    enroll(&mut run, OTHER_CLAIM);
    run
}

fn ask(number: u8, claim: Option<u8>) -> Command {
    Command::Certificate(certificate::Command::Request {
        certificate: Certificate {
            fingerprint: fingerprint(number),
            pem: "PEM".into(),
            status: Status::PendingActivation,
        },
        token: token(number),
        claim: claim.map(fingerprint),
    })
}

fn token(number: u8) -> Fingerprint {
    fingerprint(number ^ 0x80)
}

fn request(number: u8, serial: &str) -> DeviceRequest {
    DeviceRequest {
        template: name("t"),
        certificate: fingerprint(number),
        token: token(number),
        claim: Some(fingerprint(CLAIM)),
        parameters: vec![
            (
                "AWS::IoT::Certificate::Id".into(),
                fingerprint(number).to_string().into(),
            ),
            ("SerialNumber".into(), serial.into()),
        ],
        agreed: None,
    }
}

fn provision(request: DeviceRequest) -> Command {
    Command::Provisioning(super::super::Command::ProvisionDevice(Box::new(request)))
}

fn status(run: &Run, number: u8) -> Option<Status> {
    let (_, known) = run.fleet.certificate(&fingerprint(number))?;
    Some(known.status)
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    let name = |event: &Event| {
        let kind = event.encode(&mut Vec::new());
        crate::codec::kind_name(kind).expect("every kind has a name")
    };
    events.iter().map(name).collect()
}

#[test]
fn a_device_is_provisioned_once_with_what_it_was_handed() {
    let mut run = fleet();
    run.ok(ask(1, Some(CLAIM)));
    assert_eq!(status(&run, 1), Some(Status::PendingActivation));
    let events = run.ok(provision(request(1, "7")));
    assert_eq!(
        kinds(&events),
        [
            "CertificateProvisioned",
            "CertificateStatusChanged",
            "ThingRegistered",
            "ThingCertificateAttached",
            "CertificatePolicyAttached"
        ]
    );
    assert_eq!(status(&run, 1), Some(Status::Active));
    let answer = run.fleet.device_answer(&request(1, "7")).expect("granted");
    assert_eq!(&*answer.thing_name, "device-7");
    let configuration: Attributes = vec![
        ("color".into(), "red".into()),
        ("url".into(), "https://north.example".into()),
    ];
    assert_eq!(answer.configuration, configuration);
    let again = run.refused(provision(request(1, "7")), RejectionKind::WrongState);
    assert!(again.contains("is not valid: it was used"), "{again}");
    // The certificate stays when the time for provisioning is over.
    assert!(run.pass(Span::minutes(OWNERSHIP_MINUTES)).is_empty());
    assert_eq!(status(&run, 1), Some(Status::Active));
}

#[test]
fn nobody_else_provisions_itself_with_a_certificate() {
    let mut run = fleet();
    run.ok(ask(1, Some(CLAIM)));
    run.ok(ask(2, Some(CLAIM)));
    let wrong = |change: &dyn Fn(&mut DeviceRequest)| {
        let mut request = request(1, "7");
        change(&mut request);
        provision(request)
    };
    let (state, malformed) = (RejectionKind::WrongState, RejectionKind::Malformed);
    let rows: [(Command, RejectionKind, &str); 9] = [
        (
            wrong(&|one| one.token = token(2)),
            state,
            "is not valid: it was used",
        ),
        (
            wrong(&|one| one.certificate = fingerprint(9)),
            state,
            "is not valid: it was used",
        ),
        (
            wrong(&|one| one.certificate = fingerprint(CLAIM)),
            state,
            "is not valid: it was used",
        ),
        (
            wrong(&|one| one.claim = None),
            state,
            "on a connection with another certificate",
        ),
        (
            wrong(&|one| one.claim = Some(fingerprint(OTHER_CLAIM))),
            state,
            "on a connection with another certificate",
        ),
        (
            wrong(&|one| one.template = name("u")),
            RejectionKind::NotFound,
            "provisioning template u does not exist",
        ),
        (
            wrong(&|one| drop(one.parameters.pop())),
            malformed,
            "Parameters: SerialNumber missing",
        ),
        (
            wrong(&|one| one.parameters[0].1 = fingerprint(2).to_string().into()),
            malformed,
            "CertificateId of the certificate must be",
        ),
        (
            wrong(&|one| {
                one.agreed = Some(Hook {
                    payload_version: None,
                    target_arn: "h".into(),
                });
            }),
            RejectionKind::Conflict,
            "got another hook",
        ),
    ];
    for (command, kind, text) in rows {
        let message = run.refused(command, kind);
        assert!(message.contains(text), "{message:?} has no {text:?}");
    }
    assert_eq!(status(&run, 1), Some(Status::PendingActivation));
    run.ok(provision(request(1, "7")));
}

#[test]
fn a_certificate_that_nobody_came_for_is_deleted() {
    let mut run = fleet();
    run.ok(ask(1, Some(CLAIM)));
    run.ok(ask(2, None));
    let almost = Span::minutes(OWNERSHIP_MINUTES - 1);
    assert!(run.pass(almost).is_empty());
    run.ok(provision(request(1, "7")));
    let events = run.pass(Span::MINUTE);
    assert_eq!(kinds(&events), ["CertificateRemoved"]);
    assert_eq!(status(&run, 2), None);
    let mut late = request(2, "8");
    late.claim = None;
    let message = run.refused(provision(late), RejectionKind::WrongState);
    assert!(message.contains("is not valid"), "{message}");
}

#[test]
fn a_certificate_that_an_operator_took_care_of_stays() {
    let mut run = fleet();
    for number in 1..=3 {
        run.ok(ask(number, Some(CLAIM)));
    }
    run.ok(Command::SetCertificateStatus {
        fingerprint: fingerprint(1),
        status: Status::Active,
    });
    let message = run.refused(provision(request(1, "7")), RejectionKind::WrongState);
    assert!(message.contains("changed the status"), "{message}");
    run.ok(Command::CreateThing {
        name: ThingName::parse("x").expect("valid"),
        thing_type: None,
        attributes: Vec::new(),
        billing_group: None,
    });
    run.ok(Command::AttachCertificate {
        thing: ThingName::parse("x").expect("valid"),
        fingerprint: fingerprint(2),
    });
    let events = run.pass(Span::minutes(OWNERSHIP_MINUTES));
    assert_eq!(
        kinds(&events),
        [
            "CertificateOwnershipEnded",
            "CertificateOwnershipEnded",
            "CertificateRemoved"
        ]
    );
    assert_eq!(status(&run, 2), Some(Status::PendingActivation));
    let message = run.refused(provision(request(2, "7")), RejectionKind::WrongState);
    assert!(message.contains("is not valid"), "{message}");
}

#[test]
fn what_is_known_of_a_token_survives_replay_and_saved_states() {
    let mut run = fleet();
    run.ok(ask(1, Some(CLAIM)));
    run.ok(ask(2, Some(CLAIM)));
    let mut bytes = Vec::new();
    run.fleet.save(&mut bytes);
    let loaded = Fleet::load(crate::fleet::Settings::default(), &bytes).expect("it was saved");
    run.fleet = loaded;
    run.ok(provision(request(1, "7")));
    let events = run.pass(Span::minutes(OWNERSHIP_MINUTES));
    assert_eq!(kinds(&events), ["CertificateRemoved"]);
    let claim = fingerprint(CLAIM);
    assert!(run.fleet.check_certificate_request(Some(&claim)).is_ok());
}

#[test]
fn a_claim_has_so_many_certificates_waiting_and_no_more() {
    let mut run = fleet();
    let numbered = |number: u32, claim| {
        let mut id = [7; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        Command::Certificate(certificate::Command::Request {
            certificate: Certificate {
                fingerprint: Fingerprint(id),
                pem: "PEM".into(),
                status: Status::PendingActivation,
            },
            token: token(1),
            claim: Some(fingerprint(claim)),
        })
    };
    for number in 0..UNPROVISIONED_PER_CLAIM_MAX {
        run.ok(numbered(number, CLAIM));
    }
    let one_more = numbered(UNPROVISIONED_PER_CLAIM_MAX, CLAIM);
    let message = run.refused(one_more.clone(), RejectionKind::TooMany);
    assert!(message.contains("the most that may"), "{message}");
    run.ok(numbered(UNPROVISIONED_PER_CLAIM_MAX + 1, OTHER_CLAIM));
    run.pass(Span::minutes(OWNERSHIP_MINUTES));
    run.ok(one_more);
}

#[test]
fn templates_say_who_may_use_them() {
    let mut run = fleet();
    let plain = body("ACTIVE", &json!({}));
    run.ok(create(
        "off",
        Kind::Fleet,
        Settings::default(),
        plain.clone(),
    ));
    run.ok(create("jitp", Kind::JustInTime, enabled(), plain));
    run.ok(ask(1, Some(CLAIM)));
    let rows = [
        ("off", RejectionKind::WrongState, "is not enabled"),
        (
            "jitp",
            RejectionKind::Malformed,
            "no template of type FLEET_PROVISIONING",
        ),
    ];
    for (template, kind, text) in rows {
        let mut request = request(1, "7");
        request.template = name(template);
        let message = run.refused(provision(request), kind);
        assert!(message.contains(text), "{message:?} has no {text:?}");
    }
    let claim = Command::Certificate(certificate::Command::IssueClaim {
        certificate: Certificate {
            fingerprint: fingerprint(3),
            pem: "PEM".into(),
            status: Status::Active,
        },
        template: name("jitp"),
    });
    run.refused(claim, RejectionKind::Malformed);
}

#[test]
fn a_claim_of_a_template_is_for_that_template() {
    let mut run = fleet();
    run.ok(create(
        "u",
        Kind::Fleet,
        enabled(),
        body("ACTIVE", &json!({})),
    ));
    run.ok(Command::Certificate(certificate::Command::IssueClaim {
        certificate: Certificate {
            fingerprint: fingerprint(50),
            pem: "PEM".into(),
            status: Status::Active,
        },
        template: name("u"),
    }));
    run.ok(ask(1, Some(50)));
    let mut wrong = request(1, "7");
    wrong.claim = Some(fingerprint(50));
    let message = run.refused(provision(wrong.clone()), RejectionKind::WrongState);
    assert!(message.contains("is for another template"), "{message}");
    run.ok(provision(DeviceRequest {
        template: name("u"),
        ..wrong
    }));
}

#[test]
fn the_template_says_which_status_the_certificate_gets() {
    for (word, wanted) in [("INACTIVE", Status::Inactive), ("Active", Status::Active)] {
        let mut run = fleet();
        run.ok(create("s", Kind::Fleet, enabled(), body(word, &json!({}))));
        run.ok(ask(1, Some(CLAIM)));
        let template = name("s");
        run.ok(provision(DeviceRequest {
            template,
            ..request(1, "7")
        }));
        assert_eq!(status(&run, 1), Some(wanted));
    }
}

#[test]
fn things_that_exist_are_overridden_as_the_template_says() {
    let rows = [
        (json!({}), Ok("south")),
        (json!({"AttributePayload": "REPLACE"}), Ok("north")),
        (
            json!({"AttributePayload": "FAIL"}),
            Err(RejectionKind::Conflict),
        ),
    ];
    for (overrides, expected) in rows {
        let mut run = fleet();
        run.ok(create(
            "o",
            Kind::Fleet,
            enabled(),
            body("ACTIVE", &overrides),
        ));
        run.ok(Command::CreateThing {
            name: ThingName::parse("device-7").expect("valid"),
            thing_type: None,
            attributes: vec![("site".into(), "south".into())],
            billing_group: None,
        });
        run.ok(ask(1, Some(CLAIM)));
        let command = provision(DeviceRequest {
            template: name("o"),
            ..request(1, "7")
        });
        match expected {
            Ok(site) => {
                run.ok(command);
                let thing = run.fleet.thing_id("device-7").expect("it exists");
                let thing = run.fleet.thing(thing).expect("it exists");
                assert_eq!(&*thing.attributes()[0].1, site);
            }
            Err(kind) => {
                run.refused(command, kind);
                assert_eq!(status(&run, 1), Some(Status::PendingActivation));
            }
        }
    }
}

#[test]
fn what_a_device_is_told_fits_into_a_small_one() {
    let template = |length: usize| {
        let long = "\n".repeat(length);
        let resources = json!({"t": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "x"}}});
        let body = json!({"DeviceConfiguration": {"k": long}, "Resources": resources});
        Template::parse(&body.to_string()).expect("valid")
    };
    // Braces, quotes, colon, comma and the name take nine bytes; a line break takes two.
    let fits = (limits::DEVICE_CONFIGURATION_BYTES_MAX - 9) / 2;
    assert!(template(fits).device_configuration(&Vec::new()).is_ok());
    let refused = template(fits + 1).device_configuration(&Vec::new());
    let message = refused.expect_err("one too many").message;
    assert!(message.contains("small devices read no more"), "{message}");
}

#[test]
fn hooks_are_named_and_not_addressed() {
    let named = |target: &str| {
        let hook = Hook {
            payload_version: None,
            target_arn: target.into(),
        };
        hook.name().map(str::to_owned).ok()
    };
    let rows = [
        ("stock", Some("stock")),
        (
            "arn:aws:lambda:us-east-1:000000000000:function:stock",
            Some("stock"),
        ),
        (
            "arn:aws-cn:lambda:cn-north-1:000000000000:function:stock:3",
            Some("stock"),
        ),
        ("https://stock.example/", None),
        ("", None),
        ("arn:aws:lambda:us-east-1:000000000000:function:", None),
        ("arn:aws:sns:us-east-1:000000000000:function:stock", None),
        ("a b", None),
    ];
    for (target, name) in rows {
        assert_eq!(named(target).as_deref(), name, "{target}");
    }
    let mut run = fleet();
    let with_hook = |target: &str| Settings {
        hook: Some(Hook {
            payload_version: None,
            target_arn: target.into(),
        }),
        ..enabled()
    };
    let plain = body("ACTIVE", &json!({}));
    let wrong = create("a", Kind::Fleet, with_hook("http://x/"), plain.clone());
    run.refused(wrong, RejectionKind::Malformed);
    let wrong = create("a", Kind::JustInTime, with_hook("x"), plain.clone());
    run.refused(wrong, RejectionKind::Malformed);
    run.ok(create("h", Kind::Fleet, with_hook("x"), plain));
    run.ok(ask(1, Some(CLAIM)));
    let mut request = request(1, "7");
    request.template = name("h");
    // Nobody was asked.
    run.refused(provision(request.clone()), RejectionKind::Conflict);
    let asked = run.fleet.check_device_request(&request, run.now);
    request.agreed = asked.expect("it could be granted").cloned();
    assert!(request.agreed.is_some());
    run.ok(provision(request));
}
