//! Events of policies and of registered CAs.

use shipslog_domain::{CaCertificateId, PolicyId, StreamId, StreamKind};
use shipslog_domain::{ca_certificate, policy};

use super::registry::short;
use super::{Names, Told};

pub(super) fn policy(id: PolicyId, event: &policy::Event, names: Names<'_>) -> Told {
    let version_field = |version: &u32| ("version", (*version).into());
    match event {
        policy::Event::Created { name, document } => Told::new(
            "PolicyCreated",
            format!("policy {name} was created"),
            vec![
                ("name", name.as_str().into()),
                ("document", document.into()),
            ],
        )
        .named(name.as_str()),
        policy::Event::VersionAdded {
            version,
            document,
            is_default,
        } => Told::new(
            "PolicyVersionAdded",
            format!("version {version} was added"),
            vec![
                version_field(version),
                ("document", document.into()),
                ("isDefault", (*is_default).into()),
            ],
        ),
        policy::Event::DefaultVersionChanged { version } => Told::new(
            "PolicyDefaultVersionChanged",
            format!("version {version} governs"),
            vec![version_field(version)],
        ),
        policy::Event::VersionRemoved { version } => Told::new(
            "PolicyVersionRemoved",
            format!("version {version} was deleted"),
            vec![version_field(version)],
        ),
        policy::Event::Removed => {
            let name = names.stream(StreamId::new(StreamKind::Policy, id.0));
            Told::new(
                "PolicyRemoved",
                format!("policy {name} was deleted"),
                vec![],
            )
        }
        policy::Event::GroupAttached { group } => {
            let group = names.group(*group);
            let summary = format!("was attached to group {group}");
            Told::new(
                "PolicyGroupAttached",
                summary,
                vec![("group", group.into())],
            )
        }
        policy::Event::GroupDetached { group } => {
            let group = names.group(*group);
            let summary = format!("was detached from group {group}");
            Told::new(
                "PolicyGroupDetached",
                summary,
                vec![("group", group.into())],
            )
        }
    }
}

const fn status(active: bool) -> &'static str {
    if active { "ACTIVE" } else { "INACTIVE" }
}

pub(super) fn ca_certificate(
    id: CaCertificateId,
    event: &ca_certificate::Event,
    names: Names<'_>,
) -> Told {
    match event {
        ca_certificate::Event::Registered {
            fingerprint,
            pem,
            active,
            auto_registration,
            mode,
            registration: _,
        } => {
            let id = fingerprint.to_string();
            let summary = format!("CA certificate {} is {}", short(&id), status(*active));
            let fields = vec![
                ("certificateId", id.as_str().into()),
                ("pem", pem.into()),
                ("status", status(*active).into()),
                ("autoRegistration", (*auto_registration).into()),
                ("mode", mode.as_str().into()),
            ];
            Told::new("CaCertificateRegistered", summary, fields).named(id)
        }
        ca_certificate::Event::StatusChanged { active } => Told::new(
            "CaCertificateStatusChanged",
            format!("its status became {}", status(*active)),
            vec![("status", status(*active).into())],
        ),
        ca_certificate::Event::RegistrationChanged {
            auto_registration,
            registration: _,
        } => Told::new(
            "CaCertificateRegistrationChanged",
            if *auto_registration {
                "unknown devices of it are registered"
            } else {
                "unknown devices of it are not registered"
            },
            vec![("autoRegistration", (*auto_registration).into())],
        ),
        ca_certificate::Event::Removed => {
            let name = names.stream(StreamId::new(StreamKind::CaCertificate, id.0));
            let summary = format!("CA certificate {} was deleted", short(&name));
            Told::new("CaCertificateRemoved", summary, vec![])
        }
    }
}
