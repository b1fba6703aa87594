//! Artifacts of a recipe: looked up, and their digests taken, when the recipe comes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use shipslog_domain::component::Recipe;
use shipslog_domain::component::recipe::Artifact;
use shipslog_domain::job::Pairs;
use shipslog_domain::job::files::S3Object;
use shipslog_gateway_core::artifacts::{Name, Store};
use shipslog_gateway_core::objects::{Objects, Unavailable};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::http::Http;
use crate::limits;

/// Artifacts that are read at the same time for one recipe.
const READS_MAX: usize = 4;
/// How much of a file is read at once.
const PART_BYTES: u64 = 1024 * 1024;

/// Sets the digests of a recipe's artifacts, and says which could not be had and why.
pub(super) async fn note_digests(http: &Http, recipe: &mut Recipe) -> Pairs {
    let stored: Vec<Artifact> = recipe.artifacts.clone();
    let looked = stream::iter(stored).filter_map(|artifact| async move {
        let object = artifact.object.clone()?;
        Some((artifact, object))
    });
    let looked = looked.map(|(artifact, object)| async move {
        let digest = timeout(limits::ARTIFACTS_PATIENCE, digest(http, &object)).await;
        (
            artifact,
            digest.unwrap_or_else(|_| Err(too_slow(limits::ARTIFACTS_PATIENCE))),
        )
    });
    let found: Vec<_> = looked.buffered(READS_MAX).collect().await;
    let mut errors = Pairs::new();
    for (artifact, digest) in found {
        match digest {
            Ok(digest) => recipe.set_digest(&artifact, &digest),
            Err(why) => errors.push((artifact.uri.clone(), why.into())),
        }
    }
    errors
}

fn too_slow(patience: Duration) -> String {
    format!("the file was not read within {} s", patience.as_secs())
}

/// The SHA-256 of a file in base64, or why it cannot be had. Stored artifacts come before the S3 endpoint's files.
async fn digest(http: &Http, object: &S3Object) -> Result<String, String> {
    if let Ok(name) = Name::parse(&object.bucket, &object.key) {
        let store = http.artifacts().clone();
        let stored = spawn_blocking(move || digest_of_stored(&store, &name)).await;
        if let Some(digest) = stored.map_err(|_| "the service is stopping".to_owned())?? {
            return Ok(digest);
        }
    }
    let objects = http.objects();
    let unavailable = |why: Unavailable| why.to_string();
    let found = objects.find(object).await.map_err(unavailable)?;
    if found.is_too_long() {
        return Err("the file is too long to be read".into());
    }
    hash(objects, &found).await.map_err(unavailable)
}

async fn hash(
    objects: &Objects,
    object: &shipslog_gateway_core::objects::Object,
) -> Result<String, Unavailable> {
    let mut hasher = Sha256::new();
    let mut part = Vec::new();
    let mut at = 0;
    while at < object.length() {
        let end = object.length().min(at + PART_BYTES);
        part.clear();
        objects.read(object, at..end, &mut part).await?;
        hasher.update(&part);
        at = end;
    }
    Ok(STANDARD.encode(hasher.finalize()))
}

fn digest_of_stored(store: &Store, name: &Name) -> Result<Option<String>, String> {
    let opened = store.open_artifact(name).map_err(|error| {
        tracing::error!(%error, "an artifact cannot be read");
        "the artifact store cannot read the file at the moment".to_owned()
    })?;
    // The ETag of a stored artifact is its SHA-256 in hexadecimal digits.
    Ok(opened.map(|opened| STANDARD.encode(from_hex(&opened.etag))))
}

pub(super) fn from_hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    let bytes = pairs.map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(pair, 16).unwrap_or_default()
    });
    bytes.collect()
}
