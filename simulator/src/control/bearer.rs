//! What requests are admitted with where the service asks for it.

use std::fmt;

/// A bearer token of an access key, which no message and no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(Box<str>);

impl Bearer {
    /// Reads a token. Space around it, such as the end of a line, is no part of it. `None`: this is no token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let token = text.trim();
        let is_graphic = token.bytes().all(|byte| byte.is_ascii_graphic());
        (!token.is_empty() && is_graphic).then(|| Self(token.into()))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer")
    }
}

#[cfg(test)]
mod tests;
