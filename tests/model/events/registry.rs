//! Events of thing types, things and groups.

use shipslog_domain::query::{Index, Query};
use shipslog_domain::{
    BillingGroupId, BillingGroupName, CertificateId, Event, GroupId, ThingId, ThingName,
    ThingTypeId, ThingTypeName,
};
use shipslog_domain::{billing_group, group, thing};

use super::{Example, pairs};
use crate::lower::{group_name, thing_name};

pub(super) fn types() -> Vec<Example> {
    let name = ThingTypeName::parse("camera").expect("a valid name");
    let properties = thing::TypeProperties {
        description: Some("watches".into()),
        searchable: vec!["model".into(), "site".into()],
    };
    let all = vec![
        (
            "",
            thing::TypeEvent::Created {
                name: name.clone(),
                properties: None,
            },
        ),
        (
            "properties",
            thing::TypeEvent::Created {
                name,
                properties: Some(properties.clone()),
            },
        ),
        ("", thing::TypeEvent::Deprecated),
        ("", thing::TypeEvent::DeprecationUndone),
        ("", thing::TypeEvent::PropertiesChanged { properties }),
        ("", thing::TypeEvent::TagsChanged { tags: pairs() }),
        ("", thing::TypeEvent::Removed),
    ];
    let all = all.into_iter();
    all.map(|(label, event)| (label, Event::ThingType(event)))
        .collect()
}

pub(super) fn things() -> Vec<Example> {
    let registered = |name: Option<ThingName>| {
        let attributes = pairs();
        Event::Thing(thing::Event::Registered {
            thing_type: name.is_some().then_some(ThingTypeId(3)),
            name,
            attributes,
        })
    };
    let joined = |paced| {
        let group = GroupId(7);
        Event::Thing(thing::Event::JoinedGroup { group, paced })
    };
    let certificate = CertificateId(5);
    vec![
        ("", registered(Some(thing_name("sensor:1")))),
        ("again", registered(None)),
        (
            "",
            Event::Thing(thing::Event::TypeChanged {
                thing_type: Some(ThingTypeId(3)),
                attributes: None,
            }),
        ),
        (
            "attributes",
            Event::Thing(thing::Event::TypeChanged {
                thing_type: None,
                attributes: Some(pairs()),
            }),
        ),
        (
            "",
            Event::Thing(thing::Event::AttributesChanged {
                attributes: pairs(),
            }),
        ),
        ("", joined(false)),
        ("paced", joined(true)),
        (
            "",
            Event::Thing(thing::Event::LeftGroup {
                group: GroupId(300),
            }),
        ),
        (
            "",
            Event::Thing(thing::Event::CertificateAttached { certificate }),
        ),
        (
            "",
            Event::Thing(thing::Event::CertificateDetached { certificate }),
        ),
        ("", Event::Thing(thing::Event::Removed)),
        (
            "",
            Event::Thing(thing::Event::BillingGroupChanged {
                billing_group: Some(BillingGroupId(4)),
            }),
        ),
        (
            "none",
            Event::Thing(thing::Event::BillingGroupChanged {
                billing_group: None,
            }),
        ),
    ]
}

pub(super) fn billing_groups() -> Vec<Example> {
    let description = Some("paid by the north".into());
    let all = vec![
        (
            "",
            billing_group::Event::Created {
                name: BillingGroupName::parse("north:2").expect("a valid name"),
                description: description.clone(),
                tags: pairs(),
            },
        ),
        ("", billing_group::Event::DescriptionChanged { description }),
        ("", billing_group::Event::Removed),
    ];
    let all = all.into_iter();
    all.map(|(label, event)| (label, Event::BillingGroup(event)))
        .collect()
}

pub(super) fn groups() -> Vec<Example> {
    let query = || Query::parse(Index::Things, "thingName:p* AND attributes.n>1").expect("valid");
    let description = Some("everything in the north".into());
    let all = vec![
        (
            "",
            group::Event::Created {
                name: group_name("site:north"),
                parent: Some(GroupId(2)),
                description: description.clone(),
                attributes: pairs(),
            },
        ),
        ("", group::Event::Removed),
        (
            "",
            group::Event::DynamicCreated {
                name: group_name("site:north"),
                description: description.clone(),
                attributes: pairs(),
                query: query(),
            },
        ),
        (
            "",
            group::Event::PropertiesChanged {
                description: description.clone(),
                attributes: pairs(),
            },
        ),
        (
            "",
            group::Event::QueryChanged {
                query: query(),
                description,
                attributes: pairs(),
            },
        ),
        (
            "",
            group::Event::MembersReviewed {
                next: Some(ThingId(16_384)),
            },
        ),
        ("all", group::Event::MembersReviewed { next: None }),
        ("", group::Event::DeletionStarted),
        ("", group::Event::TagsChanged { tags: pairs() }),
    ];
    let all = all.into_iter();
    all.map(|(label, event)| (label, Event::Group(event)))
        .collect()
}
