//! The files that access keys lie in.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shipslog_domain::Timestamp;

use super::{AccessKey, Error, Listed, Secret, TokenHash};
use crate::files::{self, Readers};

/// A file of a key, and what tells this content of it from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    pub(super) path: PathBuf,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// The key's id.
    pub(super) fn id(&self) -> Option<&str> {
        self.path.file_stem()?.to_str()
    }
}

/// What a file says.
pub(super) struct Stored {
    pub(super) listed: Listed,
    /// `None` if it is revoked.
    pub(super) key: Option<AccessKey>,
}

/// The files of a directory, by path; none if there is no directory.
pub(super) fn stamps(directory: &Path) -> Result<Vec<Stamp>, Error> {
    let failed = |source| files::failed(directory, source);
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error).into()),
    };
    let mut stamps = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        // What is gone by now is no key.
        if let Ok(metadata) = std::fs::metadata(&path) {
            stamps.push(Stamp {
                path,
                inode: metadata.ino(),
                size: metadata.size(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
            });
        }
    }
    stamps.sort();
    Ok(stamps)
}

/// Reads a file that only its owner may read.
pub(super) fn read(path: &Path) -> Result<Stored, Error> {
    let damaged = |reason: &str| Error::Damaged {
        path: path.into(),
        reason: reason.to_owned(),
    };
    let metadata = std::fs::metadata(path).map_err(|source| files::failed(path, source))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(damaged(
            "others may read or write this key; revoke it, or set its mode to 0600 if nobody did",
        ));
    }
    let text = files::read(path)?.unwrap_or_default();
    parse(&text).ok_or_else(|| {
        damaged("holds no access key; remove it, and create a new key with `shipslog keys create`")
    })
}

fn parse(text: &str) -> Option<Stored> {
    let value: Value = serde_json::from_str(text).ok()?;
    let member = |name: &str| value.get(name).and_then(Value::as_str);
    let listed = Listed {
        id: member("id")?.into(),
        name: member("name")?.into(),
        role: member("role")?.parse().ok()?,
        created_at: member("createdAt")?.into(),
        revoked_at: member("revokedAt").map(Into::into),
    };
    let key = match listed.revoked_at {
        Some(_) => None,
        None => Some(AccessKey {
            id: listed.id.clone(),
            name: listed.name.clone(),
            role: listed.role,
            secret: Secret(member("secret")?.into()),
            token_hash: from_hex(member("tokenSha256")?)?,
        }),
    };
    Some(Stored { listed, key })
}

/// Writes a new key.
pub(super) fn write(directory: &Path, key: &AccessKey, now: Timestamp) -> Result<(), Error> {
    let content = json!({
        "id": key.id,
        "name": key.name,
        "role": key.role.as_str(),
        "createdAt": now.to_string(),
        "secret": key.secret.reveal(),
        "tokenSha256": to_hex(&key.token_hash),
    });
    put(directory, &key.id, &content)
}

/// Replaces a key by what remains of it.
pub(super) fn write_revoked(
    directory: &Path,
    mut listed: Listed,
    now: Timestamp,
) -> Result<Listed, Error> {
    let revoked_at = now.to_string();
    let content = json!({
        "id": listed.id,
        "name": listed.name,
        "role": listed.role.as_str(),
        "createdAt": listed.created_at,
        "revokedAt": revoked_at,
    });
    put(directory, &listed.id, &content)?;
    listed.revoked_at = Some(revoked_at.into());
    Ok(listed)
}

fn put(directory: &Path, id: &str, content: &Value) -> Result<(), Error> {
    let path = directory.join(format!("{id}.json"));
    Ok(files::write(
        &path,
        &format!("{content}\n"),
        Readers::Owner,
    )?)
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn from_hex(text: &str) -> Option<TokenHash> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
