//! Events of certificates that are enrolled for themselves, of CAs, policies and versions of provisioning templates.

use shipslog_domain::ca_certificate::{self, Mode, RegistrationConfig};
use shipslog_domain::certificate::{self, Origin, Status};
use shipslog_domain::provisioning::{self, Hook, Kind, Settings};
use shipslog_domain::{
    CaCertificateId, CertificateId, Event, Fingerprint, GroupId, PolicyName,
    ProvisioningTemplateId, ThingId, Timestamp, policy,
};

use super::{Example, provisioning_name};

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
const DOCUMENT: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:*","Resource":"*"}}"#;

fn policy_name() -> PolicyName {
    PolicyName::parse("edge+core").expect("a valid name")
}

pub(super) fn certificates() -> Vec<Example> {
    let enrolled = |origin| {
        Event::Certificate(certificate::Event::Enrolled {
            fingerprint: Fingerprint([0xab; 32]),
            pem: PEM.into(),
            status: Status::Active,
            origin,
        })
    };
    let ca = CaCertificateId(3);
    let claim = Origin::Claim {
        template: ProvisioningTemplateId(2),
        expires_at: Timestamp(1_700_000_300_000),
    };
    let requested = |claim| Origin::Requested {
        token: Fingerprint([0x5a; 32]),
        expires_at: Timestamp(1_700_003_600_000),
        claim,
    };
    let provisioned = |template| Event::Certificate(certificate::Event::Provisioned { template });
    let detached = certificate::Event::PolicyDetached {
        policy: policy_name(),
    };
    let reserved = certificate::Event::Reserved { thing: ThingId(9) };
    vec![
        ("", enrolled(Origin::Service)),
        ("registered-ca", enrolled(Origin::RegisteredCa { ca })),
        ("without-ca", enrolled(Origin::WithoutCa)),
        ("claim", enrolled(claim)),
        ("requested", enrolled(requested(Some(CertificateId(5))))),
        ("requested-trusted", enrolled(requested(None))),
        ("just-in-time", enrolled(Origin::JustInTime { ca })),
        ("", Event::Certificate(detached)),
        ("", Event::Certificate(reserved)),
        ("", provisioned(Some(ProvisioningTemplateId(2)))),
        ("by-ca", provisioned(None)),
        ("", Event::Certificate(certificate::Event::OwnershipEnded)),
    ]
}

pub(super) fn cas() -> Vec<Example> {
    let registered = |mode, registration| ca_certificate::Event::Registered {
        fingerprint: Fingerprint([0xcd; 32]),
        pem: PEM.into(),
        active: true,
        auto_registration: true,
        mode,
        registration,
    };
    let by_body = RegistrationConfig {
        template_body: Some("{\"Resources\":{}}".into()),
        role_arn: Some("arn:aws:iam::000000000000:role/provisioning".into()),
        template_name: None,
    };
    let by_name = RegistrationConfig {
        template_name: Some(provisioning_name()),
        ..RegistrationConfig::default()
    };
    let changed = ca_certificate::Event::RegistrationChanged {
        auto_registration: false,
        registration: Some(by_name),
    };
    let status = ca_certificate::Event::StatusChanged { active: false };
    let events = [
        ("", registered(Mode::Default, Some(by_body))),
        ("sni-only", registered(Mode::SniOnly, None)),
        ("", status),
        ("", changed),
        ("", ca_certificate::Event::Removed),
    ];
    let wrap = |(label, event)| (label, Event::CaCertificate(event));
    events.into_iter().map(wrap).collect()
}

pub(super) fn policies() -> Vec<Example> {
    let created = policy::Event::Created {
        name: policy_name(),
        document: DOCUMENT.into(),
    };
    let added = policy::Event::VersionAdded {
        version: 2,
        document: DOCUMENT.into(),
        is_default: true,
    };
    let group = GroupId(4);
    let events = [
        created,
        added,
        policy::Event::DefaultVersionChanged { version: 1 },
        policy::Event::VersionRemoved { version: 2 },
        policy::Event::Removed,
        policy::Event::GroupAttached { group },
        policy::Event::GroupDetached { group },
    ];
    events.map(|event| ("", Event::Policy(event))).into()
}

pub(super) fn provisioning_templates() -> Vec<Example> {
    let settings = Settings {
        description: Some("cameras".into()),
        enabled: true,
        role_arn: Some("arn:aws:iam::000000000000:role/provisioning".into()),
        hook: Some(Hook {
            payload_version: Some("2020-04-01".into()),
            target_arn: "arn:aws:lambda:us-east-1:000000000000:function:hook".into(),
        }),
    };
    let body = || "{\"Resources\":{}}".into();
    let created = |kind, settings| provisioning::Event::Created {
        name: Some(provisioning_name()),
        kind,
        settings,
        body: body(),
    };
    let added = provisioning::Event::VersionAdded {
        version: 2,
        body: body(),
        is_default: false,
    };
    let events = [
        ("", created(Kind::Fleet, settings.clone())),
        ("plain", created(Kind::JustInTime, Settings::default())),
        ("", provisioning::Event::SettingsChanged { settings }),
        ("", added),
        (
            "",
            provisioning::Event::DefaultVersionChanged { version: 2 },
        ),
        ("", provisioning::Event::VersionRemoved { version: 1 }),
    ];
    let wrap = |(label, event)| (label, Event::ProvisioningTemplate(event));
    events.into_iter().map(wrap).collect()
}
