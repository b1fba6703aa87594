use shipslog_domain::certificate::{Event as CertificateEvent, Status};
use shipslog_domain::query::{Index, Query};
use shipslog_domain::{
    CertificateId, Event, Fingerprint, GroupName, PolicyName, Position, ProvisioningTemplateName,
    StreamKind, ThingId, ThingTypeId, ThingTypeName, group, provisioning, thing,
};

use super::{AttributeValue, GroupFilter, QueryStatus, ThingFilter};
use crate::testing::{Story, pairs, thing_name};
use crate::views::Views;

fn names(views: &Views, filter: &ThingFilter<'_>) -> Vec<String> {
    let page = views.things(filter, None, 100);
    let things = page.items.iter();
    things.map(|thing| thing.name.to_owned()).collect()
}

/// `g0` above `g1`; `t0` to `t3`, of which `t1` is in `g0`, `t2` in `g1`, `t3` in both.
fn fleet() -> Story {
    let mut story = Story::default();
    story.group(0, None);
    story.group(1, Some(0));
    for (thing, site) in [(0, "north"), (1, "south"), (2, "south"), (3, "north")] {
        story.register(thing, &[("site", site)]);
    }
    for (thing, group) in [(1, 0), (2, 1), (3, 1), (3, 0)] {
        story.join(thing, group, false);
    }
    story
}

#[test]
fn things_are_found_by_name_group_and_attribute() {
    let story = fleet();
    let all = ThingFilter::default();
    let in_group = |group, descendants| ThingFilter {
        group: Some(group),
        descendants,
        ..all
    };
    let having = |name, value, filter| ThingFilter {
        attribute: Some((name, AttributeValue::Is(value))),
        ..filter
    };
    let valued = |name, value| ThingFilter {
        attribute: Some((name, value)),
        ..all
    };
    let starting = |prefix| ThingFilter {
        name_prefix: Some(prefix),
        ..all
    };
    let typed = ThingFilter {
        thing_type: Some("pump"),
        ..all
    };
    let cases = [
        (all, &["t0", "t1", "t2", "t3"][..]),
        (in_group("g0", false), &["t1", "t3"]),
        (in_group("g0", true), &["t1", "t2", "t3"]),
        (in_group("g1", true), &["t2", "t3"]),
        (in_group("g9", true), &[]),
        (having("site", "north", all), &["t0", "t3"]),
        (having("site", "east", all), &[]),
        (
            valued("site", AttributeValue::BeginsWith("so")),
            &["t1", "t2"],
        ),
        (
            valued("site", AttributeValue::Any),
            &["t0", "t1", "t2", "t3"],
        ),
        (valued("model", AttributeValue::Any), &[]),
        (having("model", "north", all), &[]),
        (having("site", "south", in_group("g1", false)), &["t2"]),
        (starting("t1"), &["t1"]),
        (starting("x"), &[]),
        (typed, &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(names(&story.views, &filter), expected, "{filter:?}");
    }
    let page = story.views.things(&all, Some("t1"), 1);
    assert_eq!(page.items.first().map(|thing| thing.name), Some("t2"));
    assert!(page.has_more);
}

#[test]
fn a_thing_tells_its_type_attributes_and_groups() {
    let mut story = fleet();
    let name = ThingTypeName::parse("pump").expect("a valid name");
    let created = Event::ThingType(thing::TypeEvent::Created {
        name,
        properties: None,
    });
    story.push(StreamKind::ThingType, 0, created);
    let thing_type = Some(ThingTypeId(0));
    story.thing_event(
        3,
        thing::Event::TypeChanged {
            thing_type,
            attributes: None,
        },
    );
    let attributes = pairs(&[("a", "1"), ("b", "")]);
    let changed = thing::Event::AttributesChanged {
        attributes: attributes.clone(),
    };
    story.thing_event(3, changed);
    let thing = story.views.thing("t3").expect("registered");
    assert_eq!(thing.thing_type, Some("pump"));
    assert_eq!(thing.attributes, attributes);
    assert_eq!(thing.groups, ["g0", "g1"]);
    assert_eq!(thing.version, 3);
    let filter = ThingFilter {
        thing_type: Some("pump"),
        ..ThingFilter::default()
    };
    assert_eq!(names(&story.views, &filter), ["t3"]);
    let types = story.views.thing_types("", None, 10);
    assert_eq!(types.items.first().map(|one| one.name), Some("pump"));
}

#[test]
fn a_removed_thing_leaves_its_name_only() {
    let mut story = fleet();
    story.thing_event(3, thing::Event::Removed);
    let views = &story.views;
    assert_eq!(views.thing("t3"), None);
    assert_eq!(views.thing_count(), 3);
    let id = views.thing_id("t3").expect("the name stays");
    assert_eq!(views.thing_name(id), Some("t3"));
    assert_eq!(views.group("g1").expect("exists").members, 1);
    let again = thing::Event::Registered {
        name: None,
        thing_type: None,
        attributes: vec![],
    };
    story.thing_event(3, again);
    let thing = story.views.thing("t3").expect("registered again");
    assert_eq!((thing.version, thing.groups.len()), (1, 0));
    assert!(thing.attributes.is_empty());
}

#[test]
fn groups_form_a_hierarchy() {
    let mut story = fleet();
    let group = story.views.group("g0").expect("exists");
    assert_eq!((group.members, group.members_below), (2, 3));
    assert_eq!(group.children, ["g1"]);
    let listed = |story: &Story, filter: GroupFilter<'_>| -> Vec<String> {
        let page = story.views.groups(&filter, None, 10);
        page.items
            .iter()
            .map(|group| group.name.to_owned())
            .collect()
    };
    let below = |parent| GroupFilter {
        parent: Some(parent),
        ..GroupFilter::default()
    };
    assert_eq!(listed(&story, GroupFilter::default()), ["g0", "g1"]);
    assert_eq!(listed(&story, below("g0")), ["g1"]);
    assert!(listed(&story, below("g1")).is_empty());
    assert!(listed(&story, below("g9")).is_empty());
    let roots = GroupFilter {
        roots_only: true,
        ..GroupFilter::default()
    };
    assert_eq!(listed(&story, roots), ["g0"]);

    story.push(StreamKind::Group, 1, Event::Group(group::Event::Removed));
    assert_eq!(story.views.group("g1"), None);
    assert!(story.views.group("g0").expect("exists").children.is_empty());
    let thing = story.views.thing("t3").expect("registered");
    assert_eq!(thing.groups, ["g0"], "the membership ended with the group");
    assert_eq!(listed(&story, GroupFilter::default()), ["g0"]);
}

#[test]
fn a_certificate_is_known_by_its_fingerprint() {
    let mut story = fleet();
    let fingerprint = Fingerprint([3; 32]);
    let mut tell = |event| story.push(StreamKind::Certificate, 0, Event::Certificate(event));
    tell(CertificateEvent::Registered {
        fingerprint,
        pem: "PEM".into(),
        status: Status::PendingActivation,
    });
    for policy in ["p1", "p2", "p1"] {
        let policy = PolicyName::parse(policy).expect("a valid name");
        let document = None;
        tell(CertificateEvent::PolicyAttached { policy, document });
    }
    let status = Status::Active;
    tell(CertificateEvent::StatusChanged { status });
    let certificate = CertificateId(0);
    for thing in [0, 2] {
        story.thing_event(thing, thing::Event::CertificateAttached { certificate });
    }
    let known = story.views.certificate(&fingerprint).expect("registered");
    assert_eq!(known.status, Status::Active);
    assert_eq!(known.policies, ["p1", "p2"]);
    assert_eq!(known.things, ["t0", "t2"]);
    assert_eq!(known.registered_position, Position(11));
    let thing = story.views.thing("t2").expect("registered");
    assert_eq!(thing.certificates, [fingerprint]);
    assert_eq!(
        story.views.certificates(None, 9).items,
        std::slice::from_ref(&known)
    );

    story.thing_event(0, thing::Event::CertificateDetached { certificate });
    story.thing_event(2, thing::Event::Removed);
    let known = story.views.certificate(&fingerprint).expect("registered");
    assert!(known.things.is_empty());
    story.thing_event(1, thing::Event::CertificateAttached { certificate });
    let removed = Event::Certificate(CertificateEvent::Removed);
    story.push(StreamKind::Certificate, 0, removed);
    assert_eq!(story.views.certificate(&fingerprint), None);
    let thing = story.views.thing("t1").expect("registered");
    assert!(thing.certificates.is_empty());
}

#[test]
fn a_provisioning_template_is_replaced_and_removed() {
    let mut story = Story::default();
    let stored = |name: Option<&str>, body: &str| {
        let name = name.map(|name| ProvisioningTemplateName::parse(name).expect("a valid name"));
        let body = body.into();
        Event::ProvisioningTemplate(provisioning::Event::Stored { name, body })
    };
    let kind = StreamKind::ProvisioningTemplate;
    story.push(kind, 0, stored(Some("tpl"), "1"));
    let first = story.views.provisioning_template("tpl").expect("stored");
    assert_eq!((first.body, first.updated_at), ("1", None));
    let created_at = first.created_at;
    story.push(kind, 0, stored(None, "2"));
    let second = story.views.provisioning_template("tpl").expect("stored");
    assert_eq!((second.body, second.created_at), ("2", created_at));
    assert!(second.updated_at.is_some());
    let removed = Event::ProvisioningTemplate(provisioning::Event::Removed);
    story.push(kind, 0, removed);
    assert_eq!(story.views.provisioning_template("tpl"), None);
    assert!(story.views.provisioning_templates(None, 9).items.is_empty());
    story.push(kind, 0, stored(None, "3"));
    let third = story.views.provisioning_template("tpl").expect("stored");
    assert_eq!((third.body, third.updated_at), ("3", None));
}

#[test]
fn many_things_with_the_same_lists_share_them() {
    let mut story = Story::default();
    for group in 0..3 {
        story.group(group, None);
    }
    for thing in 0..100 {
        story.register(thing, &[("model", "a")]);
        for group in [2, 0] {
            story.join(thing, group, false);
        }
    }
    for thing in 0..100 {
        if thing % 2 == 0 {
            story.leave(thing, 2);
        }
        let groups = story
            .views
            .thing(thing_name(thing).as_str())
            .expect("there")
            .groups;
        let expected: &[&str] = if thing % 2 == 0 {
            &["g0"]
        } else {
            &["g0", "g2"]
        };
        assert_eq!(groups, expected);
    }
    let registry = &story.views.registry();
    assert_eq!(registry.things.shared_lists(), (1, 2));
}

#[test]
fn a_list_that_went_out_of_use_is_not_mistaken_for_its_successor() {
    let mut story = Story::default();
    for group in 0..4 {
        story.group(group, None);
    }
    story.things(3);
    // [2], then [0], then [2] again have the same number; in between, group 1 was added to [0].
    story.join(1, 2, false);
    story.join(1, 3, false);
    story.join(0, 0, false);
    story.join(0, 1, false);
    story.leave(1, 3);
    story.join(1, 1, false);
    let groups = |name| story.views.thing(name).expect("registered").groups;
    assert_eq!(groups("t0"), ["g0", "g1"]);
    assert_eq!(groups("t1"), ["g1", "g2"]);
}

#[test]
fn a_dynamic_group_tells_how_far_it_is() {
    let mut story = fleet();
    let query = |text| Query::parse(Index::Things, text).expect("valid");
    let created = group::Event::DynamicCreated {
        name: GroupName::parse("d").expect("valid"),
        description: None,
        attributes: vec![],
        query: query("thingName:t*"),
    };
    let asks = |next: Option<u32>| group::Event::MembersReviewed {
        next: next.map(ThingId),
    };
    let changed = group::Event::QueryChanged {
        query: query("thingName:x"),
        description: Some("nobody".into()),
        attributes: vec![],
    };
    let steps = [
        (created, "thingName:t*", QueryStatus::Building, 1),
        (asks(Some(2)), "thingName:t*", QueryStatus::Building, 1),
        (asks(None), "thingName:t*", QueryStatus::Active, 1),
        (changed, "thingName:x", QueryStatus::Rebuilding, 2),
        (asks(None), "thingName:x", QueryStatus::Active, 2),
    ];
    for (event, text, status, version) in steps {
        story.push(StreamKind::Group, 2, Event::Group(event));
        let group = story.views.group("d").expect("exists");
        assert_eq!(group.query, Some((text, status)));
        assert_eq!(group.version, version);
    }
    story.join(0, 2, false);
    let deletion = Event::Group(group::Event::DeletionStarted);
    story.push(StreamKind::Group, 2, deletion);
    assert!(story.views.group("d").is_none());
    assert!(
        story
            .views
            .thing("t0")
            .expect("registered")
            .groups
            .is_empty()
    );
    story.leave(0, 2);
    story.push(StreamKind::Group, 2, Event::Group(group::Event::Removed));
    assert!(story.views.group("d").is_none());
}
