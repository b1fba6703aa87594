//! The filters that anybody has subscribed to, as a tree of levels: which of them a topic matches costs as much as
//! the topic has levels, however many filters there are.

use std::collections::HashMap;

/// A value for each filter.
#[derive(Debug)]
pub(super) struct Filters<T> {
    root: Node<T>,
    count: usize,
}

#[derive(Debug)]
struct Node<T> {
    children: HashMap<Box<str>, Self>,
    /// `+`.
    any: Option<Box<Self>>,
    /// The filter that ends here.
    here: Option<Box<T>>,
    /// The filter that ends here with `#`.
    below: Option<Box<T>>,
}

impl<T> Default for Filters<T> {
    fn default() -> Self {
        Self {
            root: Node::default(),
            count: 0,
        }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            children: HashMap::new(),
            any: None,
            here: None,
            below: None,
        }
    }
}

impl<T> Filters<T> {
    /// Number of different filters.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get_mut(&mut self, filter: &str) -> Option<&mut T> {
        let mut node = &mut self.root;
        let mut levels = filter.split('/');
        loop {
            node = match levels.next() {
                Some("#") => return node.below.as_deref_mut(),
                Some("+") => node.any.as_deref_mut()?,
                Some(level) => node.children.get_mut(level)?,
                None => return node.here.as_deref_mut(),
            };
        }
    }

    /// The value of a filter, which becomes known with a default one if it is not.
    pub(super) fn get_or_default(&mut self, filter: &str) -> &mut T
    where
        T: Default,
    {
        let mut node = &mut self.root;
        let mut levels = filter.split('/');
        let place = loop {
            node = match levels.next() {
                Some("#") => break &mut node.below,
                Some("+") => node.any.get_or_insert_default(),
                Some(level) => node.children.entry(level.into()).or_default(),
                None => break &mut node.here,
            };
        };
        self.count += usize::from(place.is_none());
        place.get_or_insert_default()
    }

    /// Forgets a filter.
    pub(super) fn remove(&mut self, filter: &str) {
        let levels: Vec<&str> = filter.split('/').collect();
        self.count -= usize::from(self.root.remove(&levels));
    }

    /// Calls `visit` with the value of each filter that matches a topic.
    pub(super) fn matching(&self, topic: &str, visit: &mut impl FnMut(&T)) {
        if !topic.starts_with('$') {
            return self.root.matching(Some(topic), visit);
        }
        // A wildcard at the first level does not match these.
        let (level, rest) = topic
            .split_once('/')
            .map_or((topic, None), |(level, rest)| (level, Some(rest)));
        if let Some(child) = self.root.children.get(level) {
            child.matching(rest, visit);
        }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

impl<T> Node<T> {
    fn is_empty(&self) -> bool {
        self.children.is_empty()
            && self.any.is_none()
            && self.here.is_none()
            && self.below.is_none()
    }

    /// Removes what is at the end of `levels`, and nodes on the way to it that nothing else ends at. Whether there
    /// was something.
    fn remove(&mut self, levels: &[&str]) -> bool {
        let Some((level, rest)) = levels.split_first() else {
            return self.here.take().is_some();
        };
        let removed;
        match *level {
            "#" => removed = self.below.take().is_some(),
            "+" => {
                removed = self.any.as_mut().is_some_and(|any| any.remove(rest));
                self.any.take_if(|any| any.is_empty());
            }
            level => {
                let Some(child) = self.children.get_mut(level) else {
                    return false;
                };
                removed = child.remove(rest);
                if child.is_empty() {
                    self.children.remove(level);
                }
                // A level that once had many children would hold on to their room.
                if self.children.len() < self.children.capacity() / 4 {
                    self.children.shrink_to_fit();
                }
            }
        }
        removed
    }

    /// `rest` is what is left of the topic; nothing after its last level. The depth is bounded by that of filters.
    fn matching(&self, rest: Option<&str>, visit: &mut impl FnMut(&T)) {
        if let Some(value) = &self.below {
            visit(value);
        }
        let Some(rest) = rest else {
            if let Some(value) = &self.here {
                visit(value);
            }
            return;
        };
        let (level, rest) = rest
            .split_once('/')
            .map_or((rest, None), |(level, rest)| (level, Some(rest)));
        if let Some(child) = self.children.get(level) {
            child.matching(rest, visit);
        }
        if let Some(any) = &self.any {
            any.matching(rest, visit);
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
        let mut tree = Filters::<&str>::default();
        for filter in filters {
            *tree.get_or_default(filter) = filter;
        }
        for topic in topics {
            let mut found = Vec::new();
            tree.matching(topic, &mut |filter| found.push(*filter));
            found.sort_unstable();
            let mut expected: Vec<&str> = filters
                .into_iter()
                .filter(|filter| topics::matches(filter, topic))
                .collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{topic}");
        }
        assert_eq!(tree.len(), filters.len());
        for filter in filters {
            assert_eq!(tree.get_mut(filter).copied(), Some(filter));
            tree.remove(filter);
            assert_eq!(tree.get_mut(filter), None);
        }
        assert_eq!(tree.len(), 0);
        assert!(tree.is_empty());
    }

    #[test]
    fn what_is_not_there_is_neither_found_nor_removed() {
        let mut tree = Filters::<u8>::default();
        *tree.get_or_default("a/b") = 1;
        *tree.get_or_default("a/b") += 1;
        for other in ["a", "a/b/c", "a/#", "a/+", "+/b", "#", ""] {
            assert_eq!(tree.get_mut(other), None, "{other}");
            tree.remove(other);
        }
        assert_eq!((tree.len(), tree.get_mut("a/b").copied()), (1, Some(2)));
    }
}
