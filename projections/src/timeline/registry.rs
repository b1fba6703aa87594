//! Events of things, thing types, groups, certificates and provisioning templates.

use shipslog_domain::{
    GroupId, ProvisioningTemplateId, ProvisioningTemplateName, StreamId, StreamKind, ThingId,
    ThingTypeId,
};
use shipslog_domain::{billing_group, certificate, group, provisioning, thing};

use super::{Names, Told, Value, values};

pub(super) fn thing_type(event: &thing::TypeEvent) -> Told {
    match event {
        thing::TypeEvent::Created { name, properties } => {
            let summary = format!("thing type {name} was created");
            let mut fields = vec![("name", name.as_str().into())];
            fields.extend(properties.iter().flat_map(type_properties));
            Told::new("ThingTypeCreated", summary, fields).named(name.as_str())
        }
        thing::TypeEvent::Deprecated => Told::new("ThingTypeDeprecated", "was deprecated", vec![]),
        thing::TypeEvent::DeprecationUndone => Told::new(
            "ThingTypeDeprecationUndone",
            "may be given to things again",
            vec![],
        ),
        thing::TypeEvent::PropertiesChanged { properties } => Told::new(
            "ThingTypePropertiesChanged",
            "its properties were set",
            type_properties(properties),
        ),
        thing::TypeEvent::TagsChanged { tags: all } => Told::new(
            "ThingTypeTagsChanged",
            format!("its tags were set ({})", all.len()),
            vec![("tags", values::pairs(all))],
        ),
        thing::TypeEvent::Removed => Told::new("ThingTypeRemoved", "was deleted", vec![]),
    }
}

fn type_properties(properties: &thing::TypeProperties) -> Vec<(&'static str, Value)> {
    let searchable = properties.searchable.iter();
    vec![
        ("description", properties.description.as_ref().into()),
        (
            "searchableAttributes",
            Value::List(searchable.map(|name| name.as_ref().into()).collect()),
        ),
    ]
}

pub(super) fn billing_group(event: &billing_group::Event) -> Told {
    match event {
        billing_group::Event::Created {
            name,
            description,
            tags,
        } => {
            let fields = vec![
                ("name", name.as_str().into()),
                ("description", description.as_ref().into()),
                ("tags", values::pairs(tags)),
            ];
            let summary = format!("billing group {name} was created");
            Told::new("BillingGroupCreated", summary, fields).named(name.as_str())
        }
        billing_group::Event::DescriptionChanged { description } => Told::new(
            "BillingGroupDescriptionChanged",
            "its description was changed",
            vec![("description", description.as_ref().into())],
        ),
        billing_group::Event::Removed => Told::new("BillingGroupRemoved", "was deleted", vec![]),
    }
}

pub(super) fn thing(id: ThingId, event: &thing::Event, names: Names<'_>) -> Told {
    match event {
        thing::Event::Registered {
            name,
            thing_type,
            attributes,
        } => {
            let known = name.as_ref().map(|name| name.as_str().to_owned());
            let name = known.unwrap_or_else(|| names.thing(id));
            registered(name, *thing_type, attributes, names)
        }
        thing::Event::TypeChanged {
            thing_type,
            attributes,
        } => {
            let thing_type = thing_type.map(|id| names.thing_type(id));
            let summary = match &thing_type {
                Some(thing_type) => format!("its type became {thing_type}"),
                None => "its type was removed".to_owned(),
            };
            let mut fields = vec![("thingType", thing_type.into())];
            if let Some(attributes) = attributes {
                fields.push(("attributes", values::pairs(attributes)));
            }
            Told::new("ThingTypeChanged", summary, fields)
        }
        thing::Event::AttributesChanged { attributes } => Told::new(
            "ThingAttributesChanged",
            format!("its attributes were set ({})", attributes.len()),
            vec![("attributes", values::pairs(attributes))],
        ),
        thing::Event::JoinedGroup { group, paced } => {
            let group = names.group(*group);
            let summary = format!("joined group {group}");
            let fields = vec![("group", group.into()), ("paced", (*paced).into())];
            Told::new("ThingJoinedGroup", summary, fields)
        }
        thing::Event::LeftGroup { group } => {
            let group = names.group(*group);
            let summary = format!("left group {group}");
            Told::new("ThingLeftGroup", summary, vec![("group", group.into())])
        }
        thing::Event::CertificateAttached { certificate } => {
            let certificate = names.certificate(*certificate);
            let summary = format!("certificate {} was attached", short(&certificate));
            let fields = vec![("certificateId", certificate.into())];
            Told::new("ThingCertificateAttached", summary, fields)
        }
        thing::Event::CertificateDetached { certificate } => {
            let certificate = names.certificate(*certificate);
            let summary = format!("certificate {} was detached", short(&certificate));
            let fields = vec![("certificateId", certificate.into())];
            Told::new("ThingCertificateDetached", summary, fields)
        }
        thing::Event::Removed => Told::new("ThingRemoved", "left the registry", vec![]),
        thing::Event::BillingGroupChanged { billing_group } => {
            let group = billing_group.map(|id| names.billing_group(id));
            let summary = match &group {
                Some(group) => format!("its billing group became {group}"),
                None => "it is in no billing group".to_owned(),
            };
            let fields = vec![("billingGroup", group.into())];
            Told::new("ThingBillingGroupChanged", summary, fields)
        }
    }
}

fn registered(
    name: String,
    thing_type: Option<ThingTypeId>,
    attributes: &thing::Attributes,
    names: Names<'_>,
) -> Told {
    let fields = vec![
        ("name", name.as_str().into()),
        (
            "thingType",
            thing_type.map(|id| names.thing_type(id)).into(),
        ),
        ("attributes", values::pairs(attributes)),
    ];
    Told::new("ThingRegistered", format!("{name} was registered"), fields).named(name)
}

/// The first digits of a certificate id: enough to recognize it.
pub(super) fn short(certificate: &str) -> &str {
    certificate.get(..12).unwrap_or(certificate)
}

pub(super) fn group(id: GroupId, event: &group::Event, names: Names<'_>) -> Told {
    match event {
        group::Event::Created {
            name,
            parent,
            description,
            attributes,
        } => {
            let parent = parent.map(|id| names.group(id));
            let summary = match &parent {
                Some(parent) => format!("group {name} was created below {parent}"),
                None => format!("group {name} was created"),
            };
            let fields = vec![
                ("name", name.as_str().into()),
                ("parent", parent.into()),
                ("description", description.as_ref().into()),
                ("attributes", values::pairs(attributes)),
            ];
            Told::new("GroupCreated", summary, fields).named(name.as_str())
        }
        group::Event::Removed => {
            let summary = format!("group {} was deleted", names.group(id));
            Told::new("GroupRemoved", summary, vec![])
        }
        group::Event::DeletionStarted => {
            let summary = format!("group {} is being deleted", names.group(id));
            Told::new("GroupDeletionStarted", summary, vec![])
        }
        group::Event::PropertiesChanged {
            description,
            attributes,
        } => {
            let summary = format!("properties of group {} were set", names.group(id));
            let fields = group_properties(description.as_deref(), attributes);
            Told::new("GroupPropertiesChanged", summary, fields)
        }
        group::Event::TagsChanged { tags } => {
            let summary = format!("tags of group {} were set", names.group(id));
            let fields = vec![("tags", values::pairs(tags))];
            Told::new("GroupTagsChanged", summary, fields)
        }
        group::Event::DynamicCreated { .. }
        | group::Event::QueryChanged { .. }
        | group::Event::MembersReviewed { .. } => dynamic_group(id, event, names),
    }
}

fn group_properties(
    description: Option<&str>,
    attributes: &thing::Attributes,
) -> Vec<(&'static str, Value)> {
    vec![
        ("description", description.into()),
        ("attributes", values::pairs(attributes)),
    ]
}

fn dynamic_group(id: GroupId, event: &group::Event, names: Names<'_>) -> Told {
    match event {
        group::Event::DynamicCreated {
            name,
            description,
            attributes,
            query,
        } => {
            let summary = format!("dynamic group {name} was created for {}", query.as_str());
            let mut fields = vec![
                ("name", name.as_str().into()),
                ("query", query.as_str().into()),
            ];
            fields.extend(group_properties(description.as_deref(), attributes));
            Told::new("DynamicGroupCreated", summary, fields).named(name.as_str())
        }
        group::Event::QueryChanged {
            query,
            description,
            attributes,
        } => {
            let name = names.group(id);
            let summary = format!("the query of group {name} became {}", query.as_str());
            let mut fields = vec![("query", query.as_str().into())];
            fields.extend(group_properties(description.as_deref(), attributes));
            Told::new("DynamicGroupQueryChanged", summary, fields)
        }
        group::Event::MembersReviewed { next } => {
            let name = names.group(id);
            let (summary, next) = match next {
                Some(next) => {
                    let next = names.thing(*next);
                    (format!("group {name} asks on from {next}"), Some(next))
                }
                None => (format!("group {name} has asked all things"), None),
            };
            let fields = vec![("next", next.into())];
            Told::new("DynamicGroupMembersReviewed", summary, fields)
        }
        group::Event::Created { .. }
        | group::Event::Removed
        | group::Event::DeletionStarted
        | group::Event::PropertiesChanged { .. }
        | group::Event::TagsChanged { .. } => unreachable!("told by the caller"),
    }
}

pub(super) fn certificate(event: &certificate::Event, names: Names<'_>) -> Told {
    match event {
        certificate::Event::Registered {
            fingerprint,
            pem,
            status,
        } => {
            let id = fingerprint.to_string();
            let summary = format!("certificate {} is {}", short(&id), status.as_str());
            let fields = vec![
                ("certificateId", id.as_str().into()),
                ("pem", pem.into()),
                ("status", status.as_str().into()),
            ];
            Told::new("CertificateRegistered", summary, fields).named(id)
        }
        certificate::Event::StatusChanged { status } => Told::new(
            "CertificateStatusChanged",
            format!("its status became {}", status.as_str()),
            vec![("status", status.as_str().into())],
        ),
        certificate::Event::PolicyAttached { policy, document } => Told::new(
            "CertificatePolicyAttached",
            format!("policy {policy} was attached"),
            vec![
                ("policy", policy.as_str().into()),
                ("document", document.as_ref().into()),
            ],
        ),
        certificate::Event::Removed => Told::new("CertificateRemoved", "was deleted", vec![]),
        certificate::Event::PolicyDetached { policy } => Told::new(
            "CertificatePolicyDetached",
            format!("policy {policy} was detached"),
            vec![("policy", policy.as_str().into())],
        ),
        certificate::Event::Enrolled {
            fingerprint,
            pem,
            status,
            origin,
        } => {
            let id = fingerprint.to_string();
            let summary = format!("certificate {} is {}", short(&id), status.as_str());
            let fields = vec![
                ("certificateId", id.as_str().into()),
                ("pem", pem.into()),
                ("status", status.as_str().into()),
                ("origin", tell_origin(*origin, names).into()),
            ];
            Told::new("CertificateEnrolled", summary, fields).named(id)
        }
        certificate::Event::Reserved { thing } => {
            let thing = names.thing(*thing);
            let summary = format!("acts as {thing} and nothing else");
            Told::new(
                "CertificateReserved",
                summary,
                vec![("thing", thing.into())],
            )
        }
        certificate::Event::Provisioned { template } => provisioned(*template, names),
        certificate::Event::OwnershipEnded => Told::new(
            "CertificateOwnershipEnded",
            "its device did not provision itself in time",
            vec![],
        ),
    }
}

fn provisioned(template: Option<ProvisioningTemplateId>, names: Names<'_>) -> Told {
    let template = template
        .map(|template| names.stream(StreamId::new(StreamKind::ProvisioningTemplate, template.0)));
    let by = template.as_deref().unwrap_or("the template of its CA");
    Told::new(
        "CertificateProvisioned",
        format!("its device was provisioned by {by}"),
        vec![("template", template.into())],
    )
}

/// Who signed a certificate that was enrolled for itself.
fn tell_origin(origin: certificate::Origin, names: Names<'_>) -> String {
    match origin {
        certificate::Origin::Service => "service".to_owned(),
        certificate::Origin::RegisteredCa { ca } => {
            names.stream(StreamId::new(StreamKind::CaCertificate, ca.0))
        }
        certificate::Origin::WithoutCa => "none".to_owned(),
        certificate::Origin::Claim { template, .. } => {
            let stream = StreamId::new(StreamKind::ProvisioningTemplate, template.0);
            format!("claim of {}", names.stream(stream))
        }
        certificate::Origin::Requested { claim, .. } => match claim {
            Some(claim) => {
                let stream = StreamId::new(StreamKind::Certificate, claim.0);
                format!("service, asked for with {}", names.stream(stream))
            }
            None => "service, asked for by a device".to_owned(),
        },
        certificate::Origin::JustInTime { ca } => {
            let stream = StreamId::new(StreamKind::CaCertificate, ca.0);
            format!("{}, just in time", names.stream(stream))
        }
    }
}

/// The name that an event brings, or that its stream has.
fn provisioning_name(
    id: ProvisioningTemplateId,
    name: Option<&ProvisioningTemplateName>,
    names: Names<'_>,
) -> String {
    let stream = StreamId::new(StreamKind::ProvisioningTemplate, id.0);
    name.map_or_else(|| names.stream(stream), ToString::to_string)
}

pub(super) fn provisioning(
    id: ProvisioningTemplateId,
    event: &provisioning::Event,
    names: Names<'_>,
) -> Told {
    match event {
        provisioning::Event::Stored { name, body } => {
            let name = provisioning_name(id, name.as_ref(), names);
            let summary = format!("provisioning template {name} was stored");
            let fields = vec![("name", name.as_str().into()), ("body", body.into())];
            Told::new("ProvisioningTemplateStored", summary, fields).named(name)
        }
        provisioning::Event::Removed => {
            Told::new("ProvisioningTemplateRemoved", "was deleted", vec![])
        }
        provisioning::Event::Created {
            name,
            kind,
            settings,
            body,
        } => {
            let name = provisioning_name(id, name.as_ref(), names);
            let summary = format!("provisioning template {name} was created");
            let fields = vec![
                ("name", name.as_str().into()),
                ("kind", kind.as_str().into()),
                ("enabled", settings.enabled.into()),
                ("body", body.into()),
            ];
            Told::new("ProvisioningTemplateCreated", summary, fields).named(name)
        }
        provisioning::Event::SettingsChanged { settings } => Told::new(
            "ProvisioningTemplateSettingsChanged",
            if settings.enabled {
                "its settings changed; it is enabled"
            } else {
                "its settings changed; it is not enabled"
            },
            vec![
                ("description", settings.description.as_ref().into()),
                ("enabled", settings.enabled.into()),
            ],
        ),
        provisioning::Event::VersionAdded {
            version,
            body,
            is_default,
        } => Told::new(
            "ProvisioningTemplateVersionAdded",
            format!("version {version} was added"),
            vec![
                ("version", (*version).into()),
                ("body", body.into()),
                ("isDefault", (*is_default).into()),
            ],
        ),
        provisioning::Event::DefaultVersionChanged { version } => Told::new(
            "ProvisioningTemplateDefaultVersionChanged",
            format!("version {version} became the default"),
            vec![("version", (*version).into())],
        ),
        provisioning::Event::VersionRemoved { version } => Told::new(
            "ProvisioningTemplateVersionRemoved",
            format!("version {version} was deleted"),
            vec![("version", (*version).into())],
        ),
    }
}
