//! Whatever the indexes know, the answer is that of looking at every thing.

mod random;

use shipslog_domain::query::{Index, Query};
use shipslog_domain::{Event, StreamKind, ThingId, ThingTypeId, ThingTypeName, stable_uuid, thing};

use super::{Asked, Property};
use crate::registry::Thing;
use crate::testing::Story;
use crate::views::Views;

const THINGS: u32 = 60;

fn fleet() -> Story {
    let mut story = Story::default();
    for (number, name) in ["pump", "valve"].iter().enumerate() {
        let number = u32::try_from(number).expect("small");
        let name = ThingTypeName::parse(name).expect("a valid name");
        let properties = None;
        let created = Event::ThingType(thing::TypeEvent::Created { name, properties });
        story.push(StreamKind::ThingType, number, created);
    }
    story.group(0, None);
    story.group(1, Some(0));
    for number in 0..THINGS {
        let (site, serial) = (format!("s{}", number % 4), format!("n{number}"));
        let level = number.to_string();
        story.register(
            number,
            &[("level", &level), ("serial", &serial), ("site", &site)],
        );
        if number % 3 == 0 {
            story.join(number, number % 2, false);
        }
        if number % 5 == 0 {
            let thing_type = Some(ThingTypeId(number % 2));
            let attributes = None;
            story.thing_event(
                number,
                thing::Event::TypeChanged {
                    thing_type,
                    attributes,
                },
            );
        }
    }
    for number in (0..THINGS).step_by(7) {
        story.thing_event(number, thing::Event::Removed);
    }
    for number in (1..THINGS).step_by(7) {
        let attributes = crate::testing::pairs(&[("site", "s9")]);
        story.thing_event(number, thing::Event::AttributesChanged { attributes });
    }
    for number in (2..THINGS).step_by(4) {
        let reported = format!(
            r#"{{"desired":{{"x":1}},"reported":{{"x":{}}}}}"#,
            number % 5
        );
        story.update_shadow(number, None, 1, &reported);
        if number % 3 == 0 {
            let mode = r#"{"desired":{"mode":"eco","nested":{"list":["one","two"]}}}"#;
            story.update_shadow(number, Some("config"), 1, mode);
        }
    }
    for number in (3..THINGS).step_by(2) {
        story.presence(number, true);
        if number % 3 == 0 {
            story.presence(number, false);
        }
    }
    story
}

fn query(text: &str) -> Query {
    Query::parse(Index::Things, text).unwrap_or_else(|invalid| panic!("{text}: {invalid}"))
}

/// All pages of a search.
fn search(views: &Views, query: &Query, limit: usize) -> Vec<u32> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = views.search_things(query, after, limit);
        assert!(page.items.len() <= limit);
        found.extend(page.items.iter().map(|thing| thing.id.0));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

fn queries() -> Vec<String> {
    let id = stable_uuid("thing", "t8");
    let mut queries: Vec<String> = [
        "*",
        "NOT *",
        "thingName:t8",
        "thingName:t1*",
        "thingName:t?1",
        "thingName:[t3 TO t4]",
        "thingName:none",
        "thingTypeName:pump",
        "thingTypeName:*",
        "NOT thingTypeName:*",
        "thingTypeName:p*",
        "thingGroupNames:g0",
        "thingGroupNames:g*",
        "thingGroupNames:none",
        "NOT thingGroupNames:g1",
        "attributes.site:s1",
        "attributes.site:s9",
        "attributes.serial:n17",
        "attributes.serial:n1*",
        "attributes.serial:*",
        "attributes.level>50",
        "attributes.level:[7 TO 12}",
        "attributes.none:*",
        "s1",
        "n17 OR pump OR g1",
        "shadow.reported.x:1",
        "shadow.reported.x>3",
        "shadow.desired:*",
        "shadow.hasDelta:true",
        "NOT shadow.hasDelta:false",
        "shadow.delta.x:*",
        "shadow.name.config.desired.mode:e*",
        "shadow.name.config.desired.nested.list:two",
        "connectivity.connected:true",
        "NOT connectivity.connected:true",
        "connectivity.connected:false",
        "connectivity.connected:*",
        "connectivity.connected:t*",
        "connectivity.timestamp>0",
        "connectivity.disconnectReason:CONNECTION_LOST OR thingName:t8",
        "connectivity.disconnectReason:THROTTLED",
        "attributes.site:s2 AND thingGroupNames:g0 AND NOT thingTypeName:pump",
        "thingGroupNames:g0 OR thingName:t1*",
        "(attributes.site:s2 OR attributes.site:s3) attributes.level<30",
        "NOT (thingGroupNames:g0 OR attributes.site:s1)",
    ]
    .map(str::to_owned)
    .into();
    queries.push(format!("thingId:{id}"));
    queries.push(format!("thingId:{}*", &id[..4]));
    queries.push(format!("{id} OR thingName:t9"));
    queries
}

/// What a query selects, without any index.
fn asked_one_by_one(views: &Views, query: &Query) -> Vec<u32> {
    let registry = views.registry();
    let everyone = registry.things.registered.0.iter();
    let asked = everyone.filter(|&id| query.filter().accepts(&Asked { registry, id }));
    asked.collect()
}

#[test]
fn a_search_is_what_asking_every_thing_gives() {
    let story = fleet();
    let mut empty = 0;
    for text in queries() {
        let query = query(&text);
        let expected = asked_one_by_one(&story.views, &query);
        for limit in [1, 7, 100] {
            assert_eq!(search(&story.views, &query, limit), expected, "{text}");
        }
        empty += usize::from(expected.is_empty());
    }
    assert!(empty <= 5, "most queries find something: {empty} do not");
}

#[test]
fn indexes_are_the_same_after_loading() {
    let story = fleet();
    let mut saved = Vec::new();
    story.views.save(&mut saved);
    let mut loaded = Views::load(&saved).expect("what was saved loads");
    let mut again = Vec::new();
    loaded.save(&mut again);
    assert_eq!(saved, again);
    for text in queries() {
        let query = query(&text);
        assert_eq!(
            search(&loaded, &query, 9),
            search(&story.views, &query, 9),
            "{text}"
        );
    }
    // What was loaded goes on like what was not.
    let mut events = fleet();
    events.thing_event(2, thing::Event::Removed);
    loaded.apply(events.events.last().expect("an event"));
    assert!(search(&loaded, &query("attributes.serial:n2"), 9).is_empty());
}

#[test]
fn groups_are_found_by_what_is_above_them() {
    let story = fleet();
    let found = |text: &str| -> Vec<String> {
        let query = Query::parse(Index::ThingGroups, text).expect(text);
        let page = story.views.search_groups(&query, None, 10);
        page.items
            .iter()
            .map(|group| group.name.to_owned())
            .collect()
    };
    assert_eq!(found("thingGroupName:g*"), ["g0", "g1"]);
    assert_eq!(found("parentGroupNames:g0"), ["g1"]);
    assert_eq!(found("NOT parentGroupNames:*"), ["g0"]);
    assert_eq!(found("attributes.k:*"), [""; 0]);
}

/// All values of a property of the things that a query selects.
fn values(views: &Views, text: &str, property: &str) -> Vec<Vec<String>> {
    let property = Property::parse(property).unwrap_or_else(|| panic!("{property} is one"));
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let mut take = |values: &[&str]| {
            found.push(values.iter().map(|value| (*value).to_owned()).collect());
        };
        after = views.values_of_things(&query(text), &property, after, &mut take);
        if after.is_none() {
            return found;
        }
    }
}

#[test]
fn the_values_of_things_are_those_that_the_things_show() {
    let story = fleet();
    let views = &story.views;
    for text in queries() {
        let found = search(views, &query(&text), 1_000);
        let things: Vec<_> = found
            .iter()
            .filter_map(|id| views.thing(views.thing_name(ThingId(*id))?))
            .collect();
        let of_each = |property: &str, show: &dyn Fn(&Thing<'_>) -> Vec<String>| {
            let shown: Vec<_> = things.iter().map(show).collect();
            assert_eq!(
                values(views, &text, property),
                shown,
                "{property} of {text}"
            );
        };
        let owned = |value: Option<&str>| value.map(str::to_owned).into_iter().collect();
        of_each("thingName", &|thing| vec![thing.name.to_owned()]);
        of_each("registry.thingTypeName", &|thing| owned(thing.thing_type));
        of_each("thingGroupNames", &|thing| {
            thing.groups.iter().map(|&name| name.to_owned()).collect()
        });
        of_each("registry.version", &|thing| vec![thing.version.to_string()]);
        of_each("attributes.site", &|thing| {
            let mut attributes = thing.attributes.iter();
            let site = attributes.find(|(key, _)| &**key == "site");
            owned(site.map(|(_, value)| &**value))
        });
        of_each("connectivity.connected", &|thing| {
            let state = views.presences().get(thing.id);
            state
                .map(|state| state.is_connected().to_string())
                .into_iter()
                .collect()
        });
    }
    for other in [
        "shadow.reported.x",
        "attributes.",
        "registry.",
        "deviceDefender.x",
    ] {
        assert_eq!(Property::parse(other), None, "{other}");
    }
}
