//! The query string, as pairs in the order they came.

use std::convert::Infallible;
use std::fmt;

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
pub(crate) use shipslog_domain::percent::{Plus, decode, encode};

use crate::error::Error;

/// Decoded pairs of the query string.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string. Never fails: what cannot be decoded is kept with replacement characters.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, Plus::Space), decode(value, Plus::Space))
        });
        Self(pairs.collect())
    }

    /// The query of an address.
    pub(crate) fn of(uri: &Uri) -> Self {
        uri.query().map(Self::parse).unwrap_or_default()
    }

    /// Names and values, in the order they came.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// The value of a parameter that may be given once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Error> {
        let same = self.0.iter().filter(|(key, _)| key == name);
        let mut values = same.map(|(_, value)| value.as_str());
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(_) => Err(Error::invalid(name, "must be given once")),
        }
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let same = self.0.iter().filter(move |(key, _)| key == name);
        same.map(|(_, value)| value.as_str())
    }

    /// `true` or `false`, nothing else: a value that looks like "no" must never mean "yes". Absent, it is false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Error> {
        self.flag_or(name, false)
    }

    /// The same for a parameter that means something else when it is absent.
    pub(crate) fn flag_or(&self, name: &str, absent: bool) -> Result<bool, Error> {
        match self.one(name)? {
            None => Ok(absent),
            Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::invalid(name, "must be true or false")),
        }
    }

    /// A parameter read by `parse`.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, shipslog_domain::Rejection>,
    ) -> Result<Option<T>, Error> {
        let value = self.one(name)?.map(parse).transpose();
        value.map_err(|rejection| Error::invalid(name, rejection.message))
    }
}

impl fmt::Display for Query {
    /// As it stands in an address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.pairs().enumerate() {
            let separator = if index == 0 { "" } else { "&" };
            write!(f, "{separator}{}={}", encode(name, ""), encode(value, ""))?;
        }
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.uri))
    }
}

/// Whether a path decodes to text.
pub(crate) fn is_text(path: &str) -> bool {
    !decode(path, Plus::Itself).contains(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests;
