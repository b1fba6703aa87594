//! A stretch holds exactly what passes a test, or all that may.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shipslog_domain::query::{Filter, Index, Query, Test};

use super::{Order, Stretch, Texts};

struct Known(BTreeMap<u32, String>);

impl Texts for Known {
    fn text(&self, id: u32) -> &str {
        self.0.get(&id).map_or("", String::as_str)
    }
}

/// What a query of one term asks.
fn test(text: &str) -> Test {
    let query = Query::parse(Index::Things, text).unwrap_or_else(|invalid| panic!("{invalid}"));
    let Filter::Term(term) = query.filter() else {
        panic!("{query:?} is not one term");
    };
    term.test.clone()
}

fn in_order(known: &Known, ids: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut ids: Vec<u32> = ids.into_iter().collect();
    ids.sort_by_key(|id| (known.text(*id), *id));
    ids
}

fn tests() -> impl Strategy<Value = String> {
    let text = "[ab1-]{1,3}";
    prop_oneof![
        Just("thingName:*".to_owned()),
        "[ab1][ab1-]{0,2}".prop_map(|text| format!("thingName:{text}")),
        "[ab1][ab1-]{0,2}[*?][ab1]?".prop_map(|text| format!("thingName:{text}")),
        (text, text).prop_map(|(low, high)| format!("thingName:[\"{low}\" TO \"{high}\"]")),
        (text, text).prop_map(|(low, high)| format!("thingName:{{\"{low}\" TO \"{high}\"}}")),
        (text, "[0-9]").prop_map(|(low, high)| format!("thingName:[\"{low}\" TO {high}]")),
        "[><]=?-?[0-9]".prop_map(|bound| format!("thingName{bound}")),
    ]
}

proptest! {
    #[test]
    fn a_stretch_holds_what_passes(
        texts in proptest::collection::vec("[ab1-]{1,4}", 0..60),
        leave in proptest::collection::btree_set(0_u32..60, 0..30),
        text in tests(),
    ) {
        let known = Known((0..).zip(texts).collect());
        let mut order = Order::default();
        for id in known.0.keys() {
            order.insert(*id, &known);
        }
        for id in leave.iter().filter(|id| known.0.contains_key(id)) {
            order.remove(*id, &known);
        }
        let left = || known.0.keys().copied().filter(|id| !leave.contains(id));
        prop_assert_eq!(order.is_empty(), left().next().is_none());
        let at_once = Order::of(&left().collect::<Vec<u32>>(), &known);
        let whole = |order: &Order| order.ids(order.span(&known, &Stretch::all())).collect::<Vec<u32>>();
        prop_assert_eq!(whole(&at_once), whole(&order));
        let test = test(&text);
        let stretch = Stretch::of(&test);
        let span = order.span(&known, &stretch);
        let found: Vec<u32> = order.ids(span).collect();
        prop_assert_eq!(span.count, found.len());
        let passing = in_order(&known, left().filter(|id| test.accepts(known.text(*id))));
        let kept: Vec<u32> = found.iter().copied().filter(|id| test.accepts(known.text(*id))).collect();
        prop_assert_eq!(&kept, &passing, "{}", text);
        if stretch.is_exact {
            prop_assert_eq!(found, passing, "{}", text);
        }
    }
}

/// Several leaves, filled from the back and emptied again.
#[test]
fn a_stretch_over_many_leaves_is_counted() {
    let known = Known((0..5_000).map(|id| (id, format!("{id:05}"))).collect());
    let mut order = Order::default();
    for id in (0..5_000).rev() {
        order.insert(id, &known);
    }
    assert!(order.longest_leaf() <= 1_024);
    let test = test("thingName:{\"00999\" TO \"04000\"]");
    let span = order.span(&known, &Stretch::of(&test));
    assert_eq!(span.count, 3_001);
    assert_eq!(
        order.ids(span).collect::<Vec<_>>(),
        (1_000..=4_000).collect::<Vec<_>>()
    );
    for id in 0..5_000 {
        order.remove(id, &known);
    }
    assert!(order.is_empty());
}
