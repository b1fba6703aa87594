//! Random fleets through random changes, asked random queries in pages of any size and cost.

use proptest::prelude::*;
use shipslog_domain::query::{Index, Query};
use shipslog_domain::{
    Event, GroupId, StreamKind, ThingId, ThingName, ThingTypeId, ThingTypeName, group, stable_uuid,
    thing,
};

use super::asked_one_by_one;
use crate::registry::{AttributeValue, ThingFilter};
use crate::testing::{Story, pairs};
use crate::views::Views;

const THINGS: u32 = 40;
const GROUPS: u32 = 3;

/// Names with letters, numbers and numbers below zero.
fn name(thing: u32) -> String {
    match thing % 4 {
        0 => format!("a{thing}"),
        1 => format!("{thing}"),
        2 => format!("-{thing}"),
        _ => format!("b-{thing:03}"),
    }
}

/// What happens to a thing.
#[derive(Clone, Debug)]
enum Change {
    Register(Vec<(&'static str, String)>, Option<u32>),
    Attributes(Vec<(&'static str, String)>),
    Type(Option<u32>),
    Join(u32),
    Leave(u32),
    Remove,
    /// Not to this thing: the group that it names ends, or begins to end.
    EndGroup {
        group: u32,
        at_once: bool,
    },
    Reload,
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab][ab1]{0,2}",
        (-20_i32..60).prop_map(|number| number.to_string()),
        "[1-3]\\.[05]",
        (0..THINGS).prop_map(name),
        Just("pump".to_owned()),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let value = || proptest::option::weighted(0.7, value());
    (value(), value(), value()).prop_map(|(first, second, third)| {
        let all = [("level", first), ("serial", second), ("site", third)];
        let given = all.into_iter();
        given
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    })
}

fn change() -> impl Strategy<Value = Change> {
    let kind = || proptest::option::of(0_u32..2);
    prop_oneof![
        8 => (attributes(), kind()).prop_map(|(pairs, kind)| Change::Register(pairs, kind)),
        4 => attributes().prop_map(Change::Attributes),
        2 => kind().prop_map(Change::Type),
        4 => (0..GROUPS).prop_map(Change::Join),
        2 => (0..GROUPS).prop_map(Change::Leave),
        2 => Just(Change::Remove),
        1 => (0..GROUPS, any::<bool>()).prop_map(|(group, at_once)| Change::EndGroup { group, at_once }),
        1 => Just(Change::Reload),
    ]
}

fn term() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        3 => Just("thingName:"),
        2 => Just("thingTypeName:"),
        2 => Just("thingGroupNames:"),
        3 => Just("attributes.level:"),
        3 => Just("attributes.serial:"),
        1 => Just("attributes.other:"),
        2 => Just(""),
    ];
    let asked = prop_oneof![
        value().prop_map(|text| format!("\"{text}\"")),
        "[ab1][ab1-]?[*?][ab0-9]?",
        "(pump|valve|g[0-2*?])",
        (value(), value()).prop_map(|(low, high)| format!("[\"{low}\" TO \"{high}\"]")),
        (-20_i32..60, 0_i32..60).prop_map(|(low, more)| format!("{{{low} TO {}]", low + more)),
        (-20_i32..60).prop_map(|low| format!("[{low} TO *]")),
        Just("*".to_owned()),
    ];
    let id = (0..THINGS, 1_usize..=36, any::<bool>()).prop_map(|(thing, length, wildcard)| {
        let id = stable_uuid("thing", &name(thing));
        let star = if wildcard { "*" } else { "" };
        format!("thingId:{}{star}", &id[..length])
    });
    prop_oneof![
        9 => (field, asked).prop_map(|(field, asked)| format!("{field}{asked}")),
        1 => id,
        1 => Just("thingId:[3 TO b]".to_owned()),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let join = prop_oneof![
        Just(" AND "),
        Just(" OR "),
        Just(" "),
        Just(" OR NOT "),
        Just(" NOT ")
    ];
    prop_oneof![
        2 => term(),
        1 => term().prop_map(|term| format!("NOT {term}")),
        2 => (term(), join.clone(), term()).prop_map(|(a, join, b)| format!("{a}{join}{b}")),
        2 => (term(), join.clone(), term(), join, term())
            .prop_map(|(a, first, b, second, c)| format!("{a}{first}({b}{second}{c})")),
    ]
}

fn begin() -> Story {
    let mut story = Story::default();
    for (number, name) in (0..).zip(["pump", "valve"]) {
        let name = ThingTypeName::parse(name).expect("a valid name");
        let properties = None;
        let created = Event::ThingType(thing::TypeEvent::Created { name, properties });
        story.push(StreamKind::ThingType, number, created);
    }
    for group in 0..GROUPS {
        story.group(group, None);
    }
    story
}

fn borrowed<'a>(attributes: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    let all = attributes.iter();
    all.map(|(key, value)| (*key, value.as_str())).collect()
}

fn apply(story: &mut Story, thing: u32, change: &Change) {
    let is_registered = story.views.thing(&name(thing)).is_some();
    let event = match change {
        Change::Register(given, kind) if !is_registered => thing::Event::Registered {
            name: Some(ThingName::parse(&name(thing)).expect("a valid name")),
            thing_type: kind.map(ThingTypeId),
            attributes: pairs(&borrowed(given)),
        },
        Change::Register(given, _) | Change::Attributes(given) => {
            let attributes = pairs(&borrowed(given));
            thing::Event::AttributesChanged { attributes }
        }
        Change::Type(kind) => thing::Event::TypeChanged {
            thing_type: kind.map(ThingTypeId),
            attributes: None,
        },
        Change::Join(group) => {
            let (group, paced) = (GroupId(*group), false);
            thing::Event::JoinedGroup { group, paced }
        }
        Change::Leave(group) => thing::Event::LeftGroup {
            group: GroupId(*group),
        },
        Change::Remove => thing::Event::Removed,
        Change::EndGroup { group, at_once } => {
            let event = match at_once {
                true => group::Event::Removed,
                false => group::Event::DeletionStarted,
            };
            return story.push(StreamKind::Group, *group, Event::Group(event));
        }
        Change::Reload => {
            let mut saved = Vec::new();
            story.views.save(&mut saved);
            story.views = Views::load(&saved).expect("what was saved loads");
            return;
        }
    };
    let is_first = matches!(change, Change::Register(..));
    let lives = |group: &u32| story.views.group(&format!("g{group}")).is_some();
    let joins_what_ended = matches!(change, Change::Join(group) if !lives(group));
    if (is_registered || is_first) && !joins_what_ended {
        story.thing_event(thing, event);
    }
}

/// All pages of a search; each goes on where the one before says.
fn pages(views: &Views, query: &Query, limit: usize, cost_max: u64) -> Vec<u32> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = views
            .registry()
            .search_within(query, after, limit, cost_max);
        assert!(page.items.len() <= limit);
        found.extend(page.items);
        assert!(
            page.next.is_none_or(|next| Some(next) > after),
            "it goes on"
        );
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

fn listed(views: &Views, filter: &ThingFilter<'_>) -> Vec<u32> {
    let page = views.things(filter, None, 100);
    assert!(!page.has_more);
    let mut ids: Vec<u32> = page.items.iter().map(|thing| thing.id.0).collect();
    ids.sort_unstable();
    ids
}

proptest! {
    #[test]
    fn every_page_is_what_asking_every_thing_gives(
        changes in proptest::collection::vec((0..THINGS, change()), 0..160),
        queries in proptest::collection::vec(query(), 1..12),
        limit in 1_usize..20,
        cost_max in prop_oneof![Just(0_u64), 1_u64..300, Just(u64::MAX)],
    ) {
        let mut story = begin();
        for (thing, change) in &changes {
            apply(&mut story, *thing, change);
        }
        for text in queries {
            // Bounds may come in the wrong order, which is refused.
            let Ok(query) = Query::parse(Index::Things, &text) else { continue };
            let expected = asked_one_by_one(&story.views, &query);
            prop_assert_eq!(pages(&story.views, &query, limit, cost_max), expected, "{}", text);
        }
    }

    #[test]
    fn a_list_is_the_search_for_the_same(
        changes in proptest::collection::vec((0..THINGS, change()), 0..160),
        value in "[ab1][ab1]?",
        key in prop_oneof![Just("level"), Just("serial"), Just("other")],
    ) {
        let mut story = begin();
        for (thing, change) in &changes {
            apply(&mut story, *thing, change);
        }
        let searched = |text: String| {
            let query = Query::parse(Index::Things, &text).expect("a valid query");
            pages(&story.views, &query, 50, u64::MAX)
        };
        let attributes = [
            (AttributeValue::Any, format!("attributes.{key}:*")),
            (AttributeValue::Is(&value), format!("attributes.{key}:{value}")),
            (AttributeValue::BeginsWith(&value), format!("attributes.{key}:{value}*")),
        ];
        for (asked, text) in attributes {
            let filter = ThingFilter { attribute: Some((key, asked)), ..ThingFilter::default() };
            prop_assert_eq!(listed(&story.views, &filter), searched(text.clone()));
            let filter = ThingFilter { thing_type: Some("pump"), ..filter };
            let of_type = searched(format!("thingTypeName:pump {text}"));
            prop_assert_eq!(listed(&story.views, &filter), of_type);
            let filter = ThingFilter { group: Some("g1"), ..filter };
            let in_group = searched(format!("thingGroupNames:g1 thingTypeName:pump {text}"));
            prop_assert_eq!(listed(&story.views, &filter), in_group);
        }
    }
}

/// A look at a time still comes to the end, and a request says where it stopped.
#[test]
fn a_request_that_finds_nothing_in_time_says_where_to_go_on() {
    let mut story = begin();
    for thing in 0..THINGS {
        let serial = if thing == 30 { "x1" } else { "x2" };
        let change = Change::Register(vec![("serial", format!("{serial}-{thing}"))], None);
        apply(&mut story, thing, &change);
    }
    let query = Query::parse(Index::Things, "attributes.serial:x?-30").expect("a valid query");
    let first = story
        .views
        .registry()
        .search_within(&query, None, 5, 12 * 10);
    assert_eq!((first.items, first.next), (vec![], Some(ThingId(9))));
    assert_eq!(pages(&story.views, &query, 5, 12 * 10), [30]);
    assert_eq!(pages(&story.views, &query, 5, 0), [30]);
}
