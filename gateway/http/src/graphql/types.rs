//! The objects of the schema. Each is a copy taken in one short look at the views; what a query asks for below it is
//! looked up when it is asked for. The comments here are the reference documentation that clients read.

pub mod container_service;
pub mod core;
pub mod deployment;
pub mod event;
pub mod execution;
pub mod fleet;
pub mod group;
pub mod job;
pub mod presence;
pub mod refusal;
pub mod settings;
pub mod shadow;
pub mod task;
pub mod template;
pub mod thing;

use async_graphql::SimpleObject;

/// A name and a value, such as an attribute or a status detail.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct Pair {
    /// The name.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Owned pairs of borrowed ones.
pub(super) fn pairs<K: AsRef<str>, V: AsRef<str>>(
    from: impl IntoIterator<Item = (K, V)>,
) -> Vec<Pair> {
    from.into_iter()
        .map(|(key, value)| Pair {
            key: key.as_ref().to_owned(),
            value: value.as_ref().to_owned(),
        })
        .collect()
}

/// Owned text of borrowed text.
pub(super) fn owned(text: Option<impl AsRef<str>>) -> Option<String> {
    text.map(|text| text.as_ref().to_owned())
}
