use proptest::prelude::*;

use super::{NameTable, Range};
use crate::projection::{decode, encode};

fn table(names: &[String]) -> NameTable {
    let mut table = NameTable::default();
    for (id, name) in (0..).zip(names) {
        table.set(id, name);
    }
    table
}

fn names(table: &NameTable, range: Range<'_>) -> Vec<String> {
    table.walk(range).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn a_name_leads_to_the_last_id_that_took_it() {
    let mut table = NameTable::default();
    table.set(0, "a");
    table.set(5, "b");
    table.set(2, "a");
    assert_eq!(table.id("a"), Some(2));
    assert_eq!(table.name(0), Some("a"));
    assert_eq!(table.name(1), None);
    assert_eq!(table.name(99), None);
    assert_eq!(table.id(""), None);
    table.set(0, "ignored");
    assert_eq!(table.id("a"), Some(0));
    assert_eq!(table.name(0), Some("a"));

    let mut bytes = Vec::new();
    encode(&table, &mut bytes);
    let loaded: NameTable = decode(1, 1, &bytes).expect("what was saved");
    assert_eq!(loaded.id("a"), Some(0));
    assert_eq!(loaded.id("b"), Some(5));
    assert_eq!(loaded.end(), 6);
}

#[test]
fn many_names_in_any_order_are_walked_in_order() {
    for step in [1_u32, 7_919, 99_991] {
        let mut sorted: Vec<String> = (0..20_000_u32)
            .map(|n| format!("device-{:06}", n.wrapping_mul(step) % 100_003))
            .collect();
        let table = table(&sorted);
        // No insertion moved more than a leaf.
        assert!(table.order.longest_leaf() <= 1_024);
        sorted.sort();
        assert_eq!(names(&table, Range::default()), sorted);
        let after = sorted.get(12_345).expect("20,000 of them");
        let range = Range {
            after: Some(after),
            prefix: "device-0",
        };
        let expected: Vec<String> = sorted
            .iter()
            .filter(|name| *name > after && name.starts_with("device-0"))
            .cloned()
            .collect();
        assert_eq!(names(&table, range), expected);
    }
}

proptest! {
    #[test]
    fn a_walk_gives_exactly_the_names_of_its_range(
        all in proptest::collection::btree_set("[ab]{1,4}", 0..40),
        after in proptest::option::of("[ab]{0,4}"),
        prefix in "[ab]{0,2}",
    ) {
        let all: Vec<String> = all.into_iter().rev().collect();
        let table = table(&all);
        let range = Range { after: after.as_deref(), prefix: &prefix };
        let mut expected: Vec<String> = all
            .iter()
            .filter(|name| after.as_ref().is_none_or(|after| *name > after) && name.starts_with(&prefix))
            .cloned()
            .collect();
        expected.sort();
        prop_assert_eq!(names(&table, range), expected);
    }
}
