//! The fields of a table, each looked at once; what was not looked at is unknown.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::scenario::parse::values::Found;

/// What is wrong with a scenario, and where.
#[derive(Debug)]
pub(super) struct Problem {
    /// Byte in the file.
    pub(super) at: usize,
    field: String,
    rule: String,
}

impl Problem {
    pub(super) fn new(at: usize, field: String, rule: impl Into<String>) -> Self {
        let rule = rule.into();
        Self { at, field, rule }
    }

    pub(super) fn message(&self) -> String {
        if self.field.is_empty() {
            return self.rule.clone();
        }
        format!("{}: {}", self.field, self.rule)
    }
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    path: String,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn root(document: &'a Spanned<DeTable<'a>>) -> Self {
        Self::new(document.get_ref(), document.span(), String::new())
    }

    pub(super) fn new(table: &'a DeTable<'a>, span: Range<usize>, path: String) -> Self {
        let known = Vec::new();
        Self {
            table,
            span,
            path,
            known,
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.into()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// A problem with the table as a whole.
    pub(super) fn problem(&self, rule: impl Into<String>) -> Problem {
        Problem::new(self.span.start, self.path.clone(), rule)
    }

    fn find(&mut self, key: &'static str) -> Option<Found<'a>> {
        self.known.push(key);
        let value = self.table.get(key)?;
        Some(Found {
            value: value.get_ref(),
            span: value.span(),
            path: self.path_of(key),
        })
    }

    /// Whether there is such a field. It counts as looked at.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Found<'a>) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        self.find(key).map(|found| read(&found)).transpose()
    }

    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Found<'a>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        match self.find(key) {
            Some(found) => read(&found),
            None => Err(self.problem(format!("has no {key:?}, which it needs; add {key} = …"))),
        }
    }

    /// A table inside this one.
    pub(super) fn table(&mut self, key: &'static str) -> Result<Option<Fields<'a>>, Problem> {
        self.optional(key, Found::fields)
    }

    /// A list of tables: `[[key]]`. Absent: empty.
    pub(super) fn tables(&mut self, key: &'static str) -> Result<Vec<Fields<'a>>, Problem> {
        let Some(found) = self.find(key) else {
            return Ok(Vec::new());
        };
        let DeValue::Array(list) = found.value else {
            return Err(found.problem(format!("must be a list of tables; write [[{key}]]")));
        };
        let items = list.iter().enumerate().map(|(index, item)| {
            let item = Found {
                value: item.get_ref(),
                span: item.span(),
                path: format!("{}[{}]", found.path, index + 1),
            };
            item.fields()
        });
        items.collect()
    }

    /// Refuses fields that nobody looked at.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let mut unknown: Vec<_> = self
            .table
            .iter()
            .filter(|(key, _)| !self.known.contains(&key.get_ref().as_ref()))
            .map(|(key, _)| key)
            .collect();
        unknown.sort_by_key(|key| key.span().start);
        let Some(key) = unknown.first() else {
            return Ok(());
        };
        let name = key.get_ref().as_ref();
        let path = self.path_of(name);
        let mut known = self.known;
        known.sort_unstable();
        known.dedup();
        let advice = match nearest(name, &known) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let rule = format!("is no known key; {advice}");
        Err(Problem::new(key.span().start, path, rule))
    }
}

/// The known word that is at most a slip away from `word`.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let folded = word.to_lowercase().replace('_', "-");
    let distance = |one: &str| {
        let mut row: Vec<usize> = (0..=one.chars().count()).collect();
        for (above, letter) in folded.chars().enumerate() {
            let mut diagonal = above;
            let mut left = above + 1;
            for (index, other) in one.chars().enumerate() {
                let up = row.get(index + 1).copied().unwrap_or(left);
                let cost = usize::from(letter != other);
                let best = (diagonal + cost).min(up + 1).min(left + 1);
                if let Some(slot) = row.get_mut(index) {
                    *slot = left;
                }
                (diagonal, left) = (up, best);
            }
            if let Some(slot) = row.last_mut() {
                *slot = left;
            }
        }
        row.last().copied().unwrap_or(0)
    };
    let near = known
        .iter()
        .map(|one| {
            (
                distance(one),
                one.chars().next() != folded.chars().next(),
                *one,
            )
        })
        .min()?;
    (near.0 <= 1 + folded.chars().count() / 4).then_some(near.2)
}
