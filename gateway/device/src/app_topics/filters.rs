//! The filters that anybody has subscribed to, as a tree of levels: which of them a topic matches costs as much as
//! the topic has levels, however many filters there are.

use std::collections::HashMap;

use crate::limits;

/// All filters with a number each, counted.
#[derive(Debug, Default)]
pub(super) struct Filters {
    root: Node,
    /// Numbers that can be given again. The router remembers each for ever, so they are.
    free: Vec<u32>,
    next: u32,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, Self>,
    /// `+`.
    any: Option<Box<Self>>,
    /// The filter that ends here.
    here: Option<Entry>,
    /// The filter that ends here with `#`.
    below: Option<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u32,
    subscribers: u32,
}

/// There are as many different filters as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Filters {
    /// Counts a subscriber of a filter. Returns the filter's number, which is not zero.
    pub(super) fn add(&mut self, filter: &str) -> Result<u32, Full> {
        let number = match self.free.last() {
            Some(number) => *number,
            None if self.next as usize >= limits::APPLICATION_FILTERS_MAX => 0,
            None => self.next + 1,
        };
        let mut node = &mut self.root;
        let mut levels = filter.split('/').peekable();
        let place = loop {
            match levels.next() {
                Some("#") => break &mut node.below,
                Some("+") => node = node.any.get_or_insert_default(),
                Some(level) => node = node.children.entry(level.into()).or_default(),
                None => break &mut node.here,
            }
        };
        if let Some(entry) = place {
            entry.subscribers += 1;
            return Ok(entry.number);
        }
        if number == 0 {
            self.prune(filter);
            return Err(Full);
        }
        *place = Some(Entry {
            number,
            subscribers: 1,
        });
        if self.free.pop().is_none() {
            self.next = number;
        }
        Ok(number)
    }

    /// Ends what `add` began.
    pub(super) fn remove(&mut self, filter: &str) {
        let mut node = &mut self.root;
        let mut levels = filter.split('/');
        let place = loop {
            let child = match levels.next() {
                Some("#") => break &mut node.below,
                Some("+") => node.any.as_deref_mut(),
                Some(level) => node.children.get_mut(level),
                None => break &mut node.here,
            };
            match child {
                Some(child) => node = child,
                None => return,
            }
        };
        let Some(entry) = place else { return };
        entry.subscribers -= 1;
        if entry.subscribers == 0 {
            self.free.push(entry.number);
            *place = None;
            self.prune(filter);
        }
    }

    fn prune(&mut self, filter: &str) {
        let levels: Vec<&str> = filter.split('/').collect();
        self.root.prune(&levels);
    }

    /// Adds the numbers of the filters that match a topic.
    pub(super) fn matching(&self, topic: &str, numbers: &mut Vec<u32>) {
        self.root.matching(Some(topic), numbers);
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty()
            && self.any.is_none()
            && self.here.is_none()
            && self.below.is_none()
    }

    /// Removes nodes that nothing ends at, along the way of a filter.
    fn prune(&mut self, levels: &[&str]) {
        let Some((level, rest)) = levels.split_first() else {
            return;
        };
        match *level {
            "#" => (),
            "+" => {
                if let Some(any) = &mut self.any {
                    any.prune(rest);
                    if any.is_empty() {
                        self.any = None;
                    }
                }
            }
            level => {
                if let Some(child) = self.children.get_mut(level) {
                    child.prune(rest);
                    if child.is_empty() {
                        self.children.remove(level);
                    }
                }
            }
        }
    }

    /// `rest` is what is left of the topic; nothing after its last level. The depth is bounded by that of filters.
    fn matching(&self, rest: Option<&str>, numbers: &mut Vec<u32>) {
        numbers.extend(self.below.map(|entry| entry.number));
        let Some(rest) = rest else {
            numbers.extend(self.here.map(|entry| entry.number));
            return;
        };
        let (level, rest) = rest
            .split_once('/')
            .map_or((rest, None), |(level, rest)| (level, Some(rest)));
        if let Some(child) = self.children.get(level) {
            child.matching(rest, numbers);
        }
        if let Some(any) = &self.any {
            any.matching(rest, numbers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics;

    #[test]
    fn the_tree_agrees_with_matching_one_by_one() {
        let filters = [
            "a", "a/b", "a/+", "+/b", "+", "#", "a/#", "a/b/#", "+/+", "+/+/#", "/", "/+", "a//b",
            "b/+/c",
        ];
        let topics = [
            "a", "a/b", "a/b/c", "b", "/", "/a", "a/", "a//b", "b/x/c", "b/x/d", "c/b",
        ];
        let mut tree = Filters::default();
        let numbers: Vec<u32> = filters
            .iter()
            .map(|filter| tree.add(filter).unwrap())
            .collect();
        for topic in topics {
            let mut found = Vec::new();
            tree.matching(topic, &mut found);
            found.sort_unstable();
            let all = filters.iter().zip(&numbers);
            let mut expected: Vec<u32> = all
                .filter(|(filter, _)| topics::matches(filter, topic))
                .map(|(_, number)| *number)
                .collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{topic}");
        }
        filters.iter().for_each(|filter| tree.remove(filter));
        assert!(tree.is_empty());
    }

    #[test]
    fn filters_are_counted_and_their_numbers_used_again() {
        let mut tree = Filters::default();
        assert_eq!(
            (tree.add("a"), tree.add("b"), tree.add("a")),
            (Ok(1), Ok(2), Ok(1))
        );
        tree.remove("a");
        let mut found = Vec::new();
        tree.matching("a", &mut found);
        assert_eq!(found, [1]);
        tree.remove("a");
        tree.remove("a");
        tree.remove("never/there");
        assert_eq!(
            (tree.add("b"), tree.add("c/#"), tree.add("d")),
            (Ok(2), Ok(1), Ok(3))
        );
    }

    #[test]
    fn the_number_of_filters_is_bounded() {
        let mut tree = Filters::default();
        for number in 0..limits::APPLICATION_FILTERS_MAX {
            tree.add(&format!("t/{number}")).unwrap();
        }
        assert_eq!(tree.add("one/more"), Err(Full));
        assert!(tree.add("t/0").is_ok());
        tree.remove("t/1");
        assert!(tree.add("one/more").is_ok());
    }
}
