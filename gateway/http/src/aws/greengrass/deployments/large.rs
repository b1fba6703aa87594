//! Configurations that are too long for the document of a job or a shadow: kept as files, once by what is in them, and
//! fetched by devices as whole documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shipslog_domain::deployment::components::Heading;
use shipslog_domain::deployment::{Components, Configuration};
use shipslog_domain::job::files::S3Object;
use shipslog_domain::{limits as domain, template};
use shipslog_gateway_core::artifacts::{DEFAULT_BUCKET, Name, Readers, Store};
use tokio::task::spawn_blocking;

use crate::aws::greengrass::artifacts::from_hex;
use crate::error::Error;
use crate::http::Http;
use crate::limits;

/// What is kept of one component.
#[derive(Deserialize, Serialize)]
struct Kept {
    merge: Option<Box<str>>,
    reset: Option<Vec<Box<str>>>,
}

/// Where a device gets a document.
pub(super) struct Offered {
    pub(super) url: String,
    /// SHA-256 in base64.
    pub(super) digest: String,
}

fn name(key: &str) -> Name {
    Name::parse(DEFAULT_BUCKET, key).expect("made of digits and hyphens")
}

/// The file of a configuration, by its digest: two deployments that say the same have one file.
fn configuration_name(configuration: &Configuration) -> Name {
    let digits = configuration.digest.iter();
    let digits: String = digits.map(|byte| format!("{byte:02x}")).collect();
    name(&format!("greengrass2/configurations/{digits}.json"))
}

fn document_name(id: &str) -> Option<Name> {
    Name::parse(
        DEFAULT_BUCKET,
        &format!("greengrass2/deployments/{id}.json"),
    )
    .ok()
}

/// Takes the configuration out of `spec` and keeps it.
pub(super) async fn keep(
    http: &Http,
    spec: &mut template::Content,
) -> Result<Configuration, Error> {
    let all = spec.components.iter_mut().map(|one| {
        let kept = Kept {
            merge: one.merge.take(),
            reset: one.reset.take(),
        };
        (one.key.clone(), kept)
    });
    let all: BTreeMap<Box<str>, Kept> = all.collect();
    let bytes = serde_json::to_vec(&all).expect("texts are JSON");
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if length > domain::DEPLOYMENT_CONFIGURATION_BYTES_MAX {
        let rule = format!(
            "must have at most {} MiB of configuration together",
            domain::DEPLOYMENT_CONFIGURATION_BYTES_MAX >> 20
        );
        return Err(Error::invalid("components", rule));
    }
    let configuration = Configuration {
        digest: Sha256::digest(&bytes).into(),
        bytes: length,
    };
    let file = configuration_name(&configuration);
    with_store(http, move |store| {
        if store.length(&file)?.is_none() {
            store.put(&file, &bytes, Readers::Everyone)?;
        }
        Ok(())
    })
    .await?;
    Ok(configuration)
}

/// What a deployment says, with its configuration in its place.
pub(super) async fn whole(http: &Http, components: Components) -> Result<template::Content, Error> {
    let Some(configuration) = components.configuration else {
        return Ok(components.spec);
    };
    let file = configuration_name(&configuration);
    let bytes = with_store(http, move |store| store.get(&file)).await?;
    let kept = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let mut kept: BTreeMap<Box<str>, Kept> = kept.ok_or_else(|| {
        Error::transient(
            "CONFIGURATION_LOST",
            "the file of the deployment's configuration is missing; deploy again",
        )
    })?;
    let mut spec = components.spec;
    for one in &mut spec.components {
        if let Some(kept) = kept.remove(&one.key) {
            (one.merge, one.reset) = (kept.merge, kept.reset);
        }
    }
    Ok(spec)
}

/// Makes the document of a deployment a file, unless it is one, and says where it is. However many devices fetch it,
/// it is made once and read from that file part by part.
pub(super) async fn offer(
    http: &Http,
    id: &str,
    heading: Heading,
    components: Components,
) -> Result<Offered, Error> {
    let file = document_name(id).ok_or_else(|| super::absent(id))?;
    let digest = match digest_of(http, &file).await? {
        Some(digest) => digest,
        None => {
            let spec = whole(http, components).await?;
            let (document, making) = (file.clone(), http.document_making().clone());
            let _alone = making.lock().await;
            if digest_of(http, &file).await?.is_none() {
                with_store(http, move |store| {
                    let text = heading.document(&spec);
                    store.put(&document, text.as_bytes(), Readers::Everyone)
                })
                .await?;
            }
            digest_of(http, &file).await?.unwrap_or_default()
        }
    };
    let object = S3Object {
        bucket: file.bucket().into(),
        key: file.key().into(),
        version: None,
    };
    let documents = http.app().documents();
    let url = documents.url(&object, limits::ARTIFACT_URL_SECONDS);
    let url = url.ok_or_else(|| {
        Error::transient(
            "NO_SIGNER",
            "nobody signs addresses of artifacts here; configure an S3 endpoint",
        )
    })?;
    Ok(Offered { url, digest })
}

/// The SHA-256 of a file in base64.
async fn digest_of(http: &Http, file: &Name) -> Result<Option<String>, Error> {
    let file = file.clone();
    let opened = with_store(http, move |store| store.open_artifact(&file)).await?;
    Ok(opened.map(|opened| STANDARD.encode(from_hex(&opened.etag))))
}

/// Removes the document of a deployment that is gone.
pub(super) async fn forget(http: &Http, id: String) {
    let Some(file) = document_name(&id) else {
        return;
    };
    let removed = with_store(http, move |store| store.remove(&file)).await;
    if removed.is_err() {
        tracing::warn!(
            deployment.id = id,
            "the document of a deleted deployment stays on the disk"
        );
    }
}

async fn with_store<T: Send + 'static>(
    http: &Http,
    work: impl FnOnce(&Store) -> Result<T, shipslog_gateway_core::artifacts::Error> + Send + 'static,
) -> Result<T, Error> {
    let store = Arc::clone(http.artifacts());
    let done = spawn_blocking(move || work(&store)).await;
    let done = done.map_err(|_| Error::stopping())?;
    done.map_err(|error| {
        tracing::error!(%error, "a configuration of a deployment cannot be kept or read");
        Error::transient(
            "ARTIFACTS",
            "the artifact store cannot read or write at the moment; try again",
        )
    })
}
