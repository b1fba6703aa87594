//! Access keys of operators: who may ask, and for how much.
//!
//! Each key is a file of its own, `DATA_DIR/keys/<id>.json`, with mode 0600: never in the log. It holds the secret that
//! SigV4 is computed with, and the hash of a bearer token, not the token. A revoked key keeps its file, without either,
//! so that its id still says whose it was. Commands and a running service meet in this directory only: [`Keys`] is
//! what the service knows of it, and [`Keys::refresh`] catches up.

mod stored;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use shipslog_domain::Timestamp;

use crate::files::{self, Readers};
use crate::limits::{ACCESS_KEY_NAME_CHARS_MAX, ACCESS_KEYS_MAX};
use crate::random;
use stored::Stamp;

/// What a key may do. Each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Writes what operating a fleet takes.
    Operator,
    /// Also policies, the clock, and what gives rights to others.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| Error::Role(text.chars().take(32).collect()))
    }
}

/// Why a key cannot be made, read or revoked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such role.
    #[error("role: must be admin, operator or viewer, not {0:?}")]
    Role(String),
    /// The name breaks a rule.
    #[error(
        "name: must have 1 to {ACCESS_KEY_NAME_CHARS_MAX} letters, digits, or any of . _ : @ -"
    )]
    Name,
    /// No key has this id.
    #[error("no access key has the id {0:?}; `shipslog keys list` shows them")]
    Unknown(String),
    /// The bound is reached.
    #[error(
        "there are {ACCESS_KEYS_MAX} access keys, which is the most; revoke one that is not used"
    )]
    TooMany,
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] files::Error),
    /// A file holds something else than it should, or others may read it.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
}

/// Text that does not appear in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Keeps a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A key that may be used.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// Its id, as in the credential of a signature.
    pub id: Box<str>,
    /// Who or what it is for.
    pub name: Box<str>,
    /// What it may do.
    pub role: Role,
    /// What signatures are computed with.
    pub secret: Secret,
    token_hash: TokenHash,
}

impl AccessKey {
    /// A key that the service keeps for itself: it is in no directory and has no bearer token.
    #[must_use]
    pub fn of_service(id: &str, role: Role, secret: Secret) -> Self {
        Self {
            id: id.into(),
            name: "the service itself".into(),
            role,
            secret,
            token_hash: random::bytes(),
        }
    }
}

/// SHA-256 of a bearer token.
type TokenHash = [u8; 32];

/// A key as it is handed to whoever asked for it: the only time that its secrets leave the directory.
#[derive(Clone, Debug)]
pub struct Created {
    /// The key.
    pub key: AccessKey,
    /// Its bearer token.
    pub token: Secret,
}

/// A key as it is shown, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: Box<str>,
    /// Who or what it is for.
    pub name: Box<str>,
    /// What it may do.
    pub role: Role,
    /// When it was made, as RFC 3339 text.
    pub created_at: Box<str>,
    /// When it was revoked, as RFC 3339 text; `None` while it may be used.
    pub revoked_at: Option<Box<str>>,
}

/// Makes a key. A service that runs on this data directory takes it within a second.
///
/// # Errors
///
/// If the name breaks a rule, there are too many keys, or the directory cannot be written.
pub fn create(data_dir: &Path, name: &str, role: Role, now: Timestamp) -> Result<Created, Error> {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "._:@-".contains(c);
    if name.is_empty() || name.len() > ACCESS_KEY_NAME_CHARS_MAX || !name.chars().all(is_known) {
        return Err(Error::Name);
    }
    let directory = directory(data_dir);
    files::create_private_directory(&directory)?;
    let listed = list(data_dir)?;
    if listed.iter().filter(|key| key.revoked_at.is_none()).count() >= ACCESS_KEYS_MAX {
        return Err(Error::TooMany);
    }
    let token = Secret(format!("slog_{}", characters::<40>(BASE64_URL)).into());
    let key = AccessKey {
        id: format!("SLOG{}", characters::<16>(BASE32)).into(),
        name: name.into(),
        role,
        secret: Secret(characters::<40>(BASE64).into()),
        token_hash: hash(token.reveal()),
    };
    stored::write(&directory, &key, now)?;
    Ok(Created { key, token })
}

/// Every key ever made, in the order of their creation.
///
/// # Errors
///
/// If the directory or a file in it cannot be read.
pub fn list(data_dir: &Path) -> Result<Vec<Listed>, Error> {
    let mut listed = Vec::new();
    for stamp in stored::stamps(&directory(data_dir))? {
        listed.push(stored::read(&stamp.path)?.listed);
    }
    listed.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
    Ok(listed)
}

/// Revokes a key: its secrets are gone when this returns. A service that runs on this data directory refuses it within
/// a second. Revoking a revoked key changes nothing.
///
/// # Errors
///
/// If there is no such key, or the directory cannot be written.
pub fn revoke(data_dir: &Path, id: &str, now: Timestamp) -> Result<Listed, Error> {
    let directory = directory(data_dir);
    let stamps = stored::stamps(&directory)?;
    let known = stamps.iter().find(|stamp| stamp.id() == Some(id));
    let known = known.ok_or_else(|| Error::Unknown(id.chars().take(64).collect()))?;
    let listed = stored::read(&known.path)?.listed;
    match listed.revoked_at {
        Some(_) => Ok(listed),
        None => stored::write_revoked(&directory, listed, now),
    }
}

fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join("keys")
}

/// A secret of the service itself, by its name: made at the first request, the same ever after.
///
/// # Errors
///
/// If its file cannot be read or written, or holds something else.
pub fn service_secret(data_dir: &Path, name: &str) -> Result<[u8; 32], Error> {
    let directory = data_dir.join("secrets");
    files::create_private_directory(&directory)?;
    let path = directory.join(name);
    let Some(text) = files::read(&path)? else {
        let secret = random::bytes();
        files::write(&path, &stored::to_hex(&secret), Readers::Owner)?;
        return Ok(secret);
    };
    stored::from_hex(text.trim()).ok_or_else(|| Error::Damaged {
        path,
        reason: "is no secret of this service; remove it, and a new one is made".to_owned(),
    })
}

/// The keys that may be used, as a service knows them.
#[derive(Debug)]
pub struct Keys {
    directory: PathBuf,
    known: RwLock<Arc<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    stamps: Vec<Stamp>,
    by_id: HashMap<Box<str>, Arc<AccessKey>>,
    by_token: HashMap<TokenHash, Arc<AccessKey>>,
}

impl Keys {
    /// Reads the keys of a data directory; none if it has none yet.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read. A file in it that cannot be read is no key, and a warning.
    pub fn open(data_dir: &Path) -> Result<Self, Error> {
        let keys = Self {
            directory: directory(data_dir),
            known: RwLock::default(),
        };
        keys.refresh()?;
        Ok(keys)
    }

    /// Takes over what changed in the directory. Returns whether anything did.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read; the keys stay as they were.
    pub fn refresh(&self) -> Result<bool, Error> {
        let stamps = stored::stamps(&self.directory)?;
        if self.known().stamps == stamps {
            return Ok(false);
        }
        let mut known = Known::default();
        for stamp in &stamps {
            let key = match stored::read(&stamp.path) {
                Ok(stored) => stored.key,
                Err(error) => {
                    let error = crate::failure::with_causes(&error);
                    tracing::warn!(%error, "an access key is ignored");
                    continue;
                }
            };
            if let Some(key) = key.map(Arc::new) {
                known.by_id.insert(key.id.clone(), Arc::clone(&key));
                known.by_token.insert(key.token_hash, key);
            }
        }
        known.stamps = stamps;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        Ok(true)
    }

    /// The key with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<Arc<AccessKey>> {
        self.known().by_id.get(id).cloned()
    }

    /// The key with this bearer token. The token is looked up by its hash, so how long it takes says nothing about
    /// how much of a guess was right.
    #[must_use]
    pub fn by_token(&self, token: &str) -> Option<Arc<AccessKey>> {
        self.known().by_token.get(&hash(token)).cloned()
    }

    /// How many keys may be used.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known().by_id.len()
    }

    fn known(&self) -> Arc<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known)
    }
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Unguessable characters of an alphabet whose size divides 256, so that each is as likely as any other.
fn characters<const N: usize>(alphabet: &[u8]) -> String {
    let bytes = random::bytes::<N>().into_iter();
    let characters = bytes.map(|byte| char::from(alphabet[usize::from(byte) % alphabet.len()]));
    characters.collect()
}

#[cfg(test)]
mod tests;
