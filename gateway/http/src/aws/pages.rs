//! Page tokens of lists: opaque, tamper-checked, and good for the list that they came from.
//!
//! Operations say and read where a page ended in plain words. Around every operation these are sealed: a token is the
//! cursor with a keyed hash over it, the method, the path and all that the request asks for besides pages. So a token
//! of another list, or of the same list asked for otherwise, is refused. The key outlives the process.

use std::sync::{Arc, OnceLock};

use axum::http::{Method, Uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake3::{Hash, Hasher};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::query::Query;

/// Parameters that say which page, in both spellings.
const PAGE_PARAMETERS: [&str; 5] = ["nextToken", "maxResults", "marker", "pageSize", "pageToken"];
/// Those that carry a token.
const TOKEN_PARAMETERS: [&str; 2] = ["nextToken", "marker"];
/// Members of an answer that carry one.
const TOKEN_MEMBERS: [&str; 3] = ["nextToken", "nextMarker", "nextPageToken"];
/// Members of a body that carry one.
const BODY_TOKENS: [&str; 2] = ["nextToken", "pageToken"];
/// Length of a token.
const TOKEN_CHARS_MAX: usize = 2_048;
/// Bytes of the keyed hash in front of the cursor.
const HASH_BYTES: usize = 32;

/// Seals tokens.
#[derive(Clone, Debug)]
pub(crate) struct Sealer {
    key: [u8; 32],
}

/// Seals and opens the tokens of one request.
#[derive(Clone, Debug)]
pub(crate) struct Seal {
    /// Keyed, and told what the head of the request asks for.
    head: Hasher,
    /// What its body asks for, once it is read.
    body: Arc<OnceLock<Hash>>,
}

impl Sealer {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self {
            key: blake3::derive_key("shipslog page tokens of AWS lists", secret),
        }
    }

    /// The seal of a request.
    pub(crate) fn of(&self, method: &Method, path: &str, query: &Query) -> Seal {
        let mut head = Hasher::new_keyed(&self.key);
        add(&mut head, method.as_str());
        add(&mut head, path);
        let mut asked: Vec<(&str, &str)> =
            query.pairs().filter(|(name, _)| is_bound(name)).collect();
        asked.sort_unstable();
        for (name, value) in asked {
            add(&mut head, name);
            add(&mut head, value);
        }
        Seal {
            head,
            body: Arc::default(),
        }
    }
}

/// Whether a list asked for with another value of this parameter is another list. The signature of a URL differs each
/// time.
fn is_bound(name: &str) -> bool {
    !PAGE_PARAMETERS.contains(&name) && !name.starts_with("X-Amz-")
}

/// With its length, so that no two lists of parts hash alike.
fn add(hasher: &mut Hasher, part: &str) {
    hasher.update(&(part.len() as u64).to_be_bytes());
    hasher.update(part.as_bytes());
}

impl Seal {
    fn hash(&self, cursor: &[u8]) -> Hash {
        let mut hasher = self.head.clone();
        let body = self
            .body
            .get()
            .map_or([0; HASH_BYTES], |hash| *hash.as_bytes());
        hasher.update(&body).update(cursor).finalize()
    }

    /// The token for a cursor.
    fn close(&self, cursor: &str) -> String {
        let mut bytes = self.hash(cursor.as_bytes()).as_bytes().to_vec();
        bytes.extend_from_slice(cursor.as_bytes());
        STANDARD.encode(bytes)
    }

    /// The cursor of a token. Hashes are compared in constant time.
    fn open(&self, token: &str) -> Option<String> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let bytes = STANDARD.decode(token).ok()?;
        let (hash, cursor) = bytes.split_first_chunk::<HASH_BYTES>()?;
        let is_ours = self.hash(cursor) == Hash::from_bytes(*hash);
        is_ours.then(|| String::from_utf8(cursor.to_vec()).ok())?
    }

    /// The address with its tokens opened; `None` if it has none.
    pub(crate) fn open_query(&self, uri: &Uri, query: &Query) -> Result<Option<Uri>, Error> {
        if !query
            .pairs()
            .any(|(name, _)| TOKEN_PARAMETERS.contains(&name))
        {
            return Ok(None);
        }
        let mut opened = Query::default();
        for (name, value) in query.pairs() {
            match TOKEN_PARAMETERS.iter().find(|token| **token == name) {
                Some(name) => opened.push(name, &self.open(value).ok_or_else(|| refused(name))?),
                None => opened.push(name, value),
            }
        }
        let target = format!("{}?{opened}", uri.path());
        // Encoded anew, so it is as good an address as before.
        Ok(target.parse().ok())
    }

    /// Opens the token in a body and takes note of what else it asks for.
    pub(crate) fn open_body(&self, body: &mut Value) -> Result<(), Error> {
        let Value::Object(members) = body else {
            return Ok(());
        };
        let mut asked = Hasher::new();
        for (name, value) in members.iter().filter(|(name, _)| is_bound(name)) {
            add(&mut asked, name);
            add(&mut asked, &value.to_string());
        }
        // A body is read once.
        let _first = self.body.set(asked.finalize());
        for name in BODY_TOKENS {
            if let Some(Value::String(token)) = members.get_mut(name) {
                *token = self.open(token).ok_or_else(|| refused(name))?;
            }
        }
        Ok(())
    }

    /// Seals the tokens of an answer.
    pub(crate) fn close_answer(&self, answer: &mut Map<String, Value>) {
        for name in TOKEN_MEMBERS {
            if let Some(Value::String(cursor)) = answer.get_mut(name) {
                *cursor = self.close(cursor);
            }
        }
    }
}

fn refused(name: &str) -> Error {
    Error::invalid(
        name,
        "must be a token from an answer of this operation to the same parameters; begin the list anew without it",
    )
}

#[cfg(test)]
mod tests;
