//! Pages of a list that is ordered by name, without sorting the whole list for each.

use std::collections::BinaryHeap;

use crate::names::NameTable;
use crate::order::Range;

/// Some items of a list, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether more follow. Ask again with the name or key of the last item.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// The page of a list that begins where the page does.
    pub(crate) fn of(list: impl IntoIterator<Item = T>, limit: usize) -> Self {
        let mut list = list.into_iter();
        let items: Vec<T> = list.by_ref().take(limit).collect();
        let has_more = list.next().is_some();
        Self { items, has_more }
    }

    /// The same page with other items.
    pub(crate) fn map<U>(self, render: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(render).collect(),
            has_more: self.has_more,
        }
    }

    /// The same page with other items, without those that have none.
    pub(crate) fn filter_map<U>(self, render: impl FnMut(T) -> Option<U>) -> Page<U> {
        Page {
            items: self.items.into_iter().filter_map(render).collect(),
            has_more: self.has_more,
        }
    }
}

/// Shows each of some ids to a visitor.
pub(crate) type Each<'a> = dyn Fn(&mut dyn FnMut(u32)) + 'a;

/// Which ids a page may show.
pub(crate) struct Candidates<'a> {
    /// About how many there are.
    pub(crate) count: u64,
    /// Whether an id is one.
    pub(crate) contains: &'a dyn Fn(u32) -> bool,
    /// All that may be one, in any order, none twice; those that `contains` refuses are left out.
    pub(crate) each: &'a Each<'a>,
}

/// Ids of a page in the order of their names.
///
/// Where candidates are many, the names are walked in order until the page is full; where they are few, or the walk
/// meets none of them for long, the page is picked out of all candidates with a heap of its size.
pub(crate) fn select(
    names: &NameTable,
    candidates: &Candidates<'_>,
    range: Range<'_>,
    limit: usize,
) -> Page<u32> {
    let wanted = (limit as u64).saturating_add(1);
    let spread = u64::from(names.end()) / candidates.count.max(1) + 1;
    let steps = wanted.saturating_mul(spread);
    if steps <= candidates.count.saturating_mul(4)
        && let Some(page) = walk(names, candidates, range, limit, steps.saturating_mul(8))
    {
        return page;
    }
    collect(names, candidates, range, limit)
}

/// `None` where the page is not full after `steps_max` names.
fn walk(
    names: &NameTable,
    candidates: &Candidates<'_>,
    range: Range<'_>,
    limit: usize,
    steps_max: u64,
) -> Option<Page<u32>> {
    let mut items = Vec::new();
    let mut steps = 0;
    for (_, id) in names.walk(range) {
        if (candidates.contains)(id) {
            if items.len() == limit {
                let has_more = true;
                return Some(Page { items, has_more });
            }
            items.push(id);
        }
        steps += 1;
        if steps > steps_max {
            return None;
        }
    }
    let has_more = false;
    Some(Page { items, has_more })
}

fn collect(
    names: &NameTable,
    candidates: &Candidates<'_>,
    range: Range<'_>,
    limit: usize,
) -> Page<u32> {
    let mut first: BinaryHeap<(&str, u32)> = BinaryHeap::new();
    let mut has_more = false;
    (candidates.each)(&mut |id| {
        let Some(name) = names.name(id).filter(|name| range.contains(name)) else {
            return;
        };
        let full = first.len() >= limit;
        if full && first.peek().is_none_or(|last| *last < (name, id)) {
            has_more |= (candidates.contains)(id);
        } else if (candidates.contains)(id) {
            first.push((name, id));
            if full {
                first.pop();
                has_more = true;
            }
        }
    });
    Page {
        items: first
            .into_sorted_vec()
            .into_iter()
            .map(|(_, id)| id)
            .collect(),
        has_more,
    }
}

#[cfg(test)]
mod tests;
