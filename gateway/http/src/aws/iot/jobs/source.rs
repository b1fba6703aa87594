//! `documentSource`: a job document that is stored as a file.

use std::time::Duration;

use axum::http::StatusCode;
use shipslog_domain::job::files::S3Object;
use shipslog_domain::limits;
use shipslog_gateway_core::artifacts::Name;
use shipslog_gateway_core::s3::Endpoint;
use shipslog_gateway_core::s3::client::{Client, Get};

use crate::error::Error;
use crate::http::Http;

const FIELD: &str = "documentSource";
/// How long the S3 endpoint has to hand out a document.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads a document: from the stored artifacts, else from the S3 endpoint that is configured.
pub(crate) async fn fetch(http: &Http, url: &str) -> Result<Box<str>, Error> {
    if url.len() > 1_350 {
        return Err(Error::invalid(FIELD, "must have at most 1,350 characters"));
    }
    let object = S3Object::parse(url).ok_or_else(|| {
        Error::invalid(
            FIELD,
            "must be an S3 URL such as https://BUCKET.s3.amazonaws.com/KEY or s3://BUCKET/KEY",
        )
    })?;
    let bytes = match stored(http, &object).await? {
        Some(bytes) => bytes,
        None => match http.s3_endpoint() {
            Some(endpoint) => from_endpoint(endpoint, &object).await?,
            None => return Err(absent(&object)),
        },
    };
    if bytes.len() > limits::JOB_DOCUMENT_BYTES_MAX {
        return Err(too_large());
    }
    let text = String::from_utf8(bytes);
    text.map(Into::into)
        .map_err(|_| Error::invalid(FIELD, "must be UTF-8 text"))
}

fn absent(object: &S3Object) -> Error {
    let S3Object { bucket, key, .. } = object;
    Error::Absent(format!(
        "file {key} in bucket {bucket}, which documentSource names,"
    ))
}

fn too_large() -> Error {
    let most = limits::JOB_DOCUMENT_BYTES_MAX;
    Error::invalid(FIELD, format!("must be a file of at most {most} bytes"))
}

/// Stored files have one version, so one that is asked for by its version is not among them.
async fn stored(http: &Http, object: &S3Object) -> Result<Option<Vec<u8>>, Error> {
    if object.version.is_some() {
        return Ok(None);
    }
    let Ok(name) = Name::parse(&object.bucket, &object.key) else {
        return Ok(None);
    };
    let store = http.artifacts().clone();
    let read = tokio::task::spawn_blocking(move || match store.length(&name)? {
        // One byte more than is allowed is enough to refuse it.
        Some(length) if length > limits::JOB_DOCUMENT_BYTES_MAX as u64 => {
            Ok(Some(vec![0; limits::JOB_DOCUMENT_BYTES_MAX + 1]))
        }
        Some(_) => store.get(&name),
        None => Ok(None),
    });
    match read.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => {
            tracing::error!(%error, "a stored file cannot be read");
            Err(unreadable())
        }
        Err(_) => Err(unreadable()),
    }
}

fn unreadable() -> Error {
    Error::refused(
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL",
        "the stored file cannot be read; the log says more",
    )
}

async fn from_endpoint(endpoint: &Endpoint, object: &S3Object) -> Result<Vec<u8>, Error> {
    let address = endpoint.address();
    let failed = |what: String| {
        tracing::warn!(endpoint = %address, %what, "the S3 endpoint does not hand out a job document");
        Error::transient(
            "S3_ENDPOINT",
            "the S3 endpoint cannot be reached; try again",
        )
    };
    let (endpoint, wanted) = (endpoint.clone(), object.clone());
    let answer = tokio::task::spawn_blocking(move || {
        let get = Get {
            bytes_max: limits::JOB_DOCUMENT_BYTES_MAX as u64,
            ..Get::default()
        };
        Client::new(endpoint, PATIENCE).get(&wanted, &get)
    });
    match answer.await.map_err(|_| unreadable())? {
        Ok(answer) => match answer.status {
            200..300 => answer.body.ok_or_else(too_large),
            400..500 => Err(absent(object)),
            status => Err(failed(format!("it answers {status}"))),
        },
        Err(error) => Err(failed(error.to_string())),
    }
}
