//! Client tokens: whoever repeats a request with its token gets the answer of the first one.
//!
//! AWS keeps a token for eight hours. It belongs to one operation, and to the request that it came with first.

use std::collections::{BTreeMap, VecDeque};

use minicbor::{Decode, Encode};

use crate::limits;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// A token, and a digest of the request that it came with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClientToken {
    /// `clientToken`, 1 to 64 characters.
    #[n(0)]
    pub token: Box<str>,
    /// Tells the request from another one.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub digest: [u8; 16],
}

impl ClientToken {
    /// Refuses what is no token (Greengrass: 1 to 64 of `[a-zA-Z0-9-]`).
    pub(crate) fn check(&self) -> Result<(), Rejection> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=limits::CLIENT_TOKEN_BYTES_MAX).contains(&self.token.len())
            && self.token.bytes().all(is_allowed)
        {
            return Ok(());
        }
        let max = limits::CLIENT_TOKEN_BYTES_MAX;
        let rule = format!("must be 1 to {max} letters, digits or hyphens");
        Err(Rejection::malformed("clientToken", rule))
    }
}

/// What a token led to.
#[derive(Clone, Debug, Encode, Decode)]
struct Kept {
    #[cbor(n(0), with = "minicbor::bytes")]
    digest: [u8; 16],
    /// The item that was created.
    #[n(1)]
    number: u32,
    #[n(2)]
    at: Timestamp,
}

impl Kept {
    fn is_good(&self, now: Timestamp) -> bool {
        now < self.at.plus(limits::CLIENT_TOKEN_KEPT)
    }
}

/// The tokens of one operation that are still good.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct ClientTokens {
    #[n(0)]
    known: BTreeMap<Box<str>, Kept>,
    /// In the order in which they came.
    #[n(1)]
    order: VecDeque<(Timestamp, Box<str>)>,
}

impl ClientTokens {
    /// The item that the same request created before; a refusal if the token came with another request.
    pub(crate) fn find(
        &self,
        token: &ClientToken,
        now: Timestamp,
    ) -> Result<Option<u32>, Rejection> {
        match self
            .known
            .get(&token.token)
            .filter(|kept| kept.is_good(now))
        {
            None => Ok(None),
            Some(kept) if kept.digest == token.digest => Ok(Some(kept.number)),
            Some(_) => Err(Rejection::new(
                crate::RejectionKind::Conflict,
                "clientToken",
                "was used with another request within the last 8 hours; take a new one",
            )),
        }
    }

    /// Notes what a token led to, and forgets those that are not good any more.
    pub(crate) fn note(&mut self, token: &ClientToken, number: u32, at: Timestamp) {
        let kept = Kept {
            digest: token.digest,
            number,
            at,
        };
        self.known.insert(token.token.clone(), kept);
        self.order.push_back((at, token.token.clone()));
        while let Some((noted, _)) = self.order.front() {
            if at < noted.plus(limits::CLIENT_TOKEN_KEPT)
                && self.order.len() <= limits::CLIENT_TOKENS_MAX
            {
                break;
            }
            let Some((noted, token)) = self.order.pop_front() else {
                break;
            };
            // The token may have come again since.
            if self.known.get(&token).is_some_and(|kept| kept.at == noted) {
                self.known.remove(&token);
            }
        }
    }
}

#[cfg(test)]
mod tests;
