use proptest::prelude::*;

use super::{Candidates, Page, select};
use crate::names::NameTable;
use crate::order::Range;

proptest! {
    #[test]
    fn pages_put_together_are_the_list(
        order in Just((0..300_u32).collect::<Vec<_>>()).prop_shuffle(),
        chosen in proptest::collection::btree_set(0..300_u32, 0..300),
        limit in 1..40_usize,
        prefix in "[0-2]?",
    ) {
        let mut names = NameTable::default();
        for (id, name) in (0..).zip(&order) {
            names.set(id, &format!("{name:03}"));
        }
        let candidates = Candidates {
            count: chosen.len() as u64,
            contains: &|id| chosen.contains(&id),
            each: &|visit| chosen.iter().copied().for_each(visit),
        };
        let mut expected: Vec<&str> = chosen
            .iter()
            .map(|&id| names.name(id).expect("named"))
            .filter(|name| name.starts_with(&prefix))
            .collect();
        expected.sort_unstable();
        let mut listed = Vec::new();
        loop {
            let range = Range { after: listed.last().copied(), prefix: &prefix };
            let page = select(&names, &candidates, range, limit);
            prop_assert!(page.items.len() <= limit);
            listed.extend(page.items.iter().map(|&id| names.name(id).expect("named")));
            if !page.has_more {
                break;
            }
            prop_assert_eq!(page.items.len(), limit);
        }
        prop_assert_eq!(listed, expected);
    }
}

#[test]
fn a_page_knows_whether_more_follow() {
    assert!(Page::of(0..3, 2).has_more);
    assert!(!Page::of(0..2, 2).has_more);
    assert_eq!(Page::of(0..3, 2).map(|n| n * 2).items, [0, 2]);
}
