//! `documentSource`: a job document that is stored as a file.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use hyper::Request;
use hyper_util::rt::TokioIo;
use shipslog_domain::limits;
use shipslog_gateway_core::artifacts::Name;
use tokio::net::TcpStream;

use crate::error::Error;
use crate::http::Http;
use crate::query::{Plus, decode};

const FIELD: &str = "documentSource";
/// How long the S3 endpoint has to hand out a document.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bucket and key of an S3 URL: `s3://BUCKET/KEY`, `https://BUCKET.s3.amazonaws.com/KEY` and
/// `https://s3.amazonaws.com/BUCKET/KEY`, each also with a region.
pub(crate) fn parse(url: &str) -> Option<(String, String)> {
    let (bucket, key) = match url.strip_prefix("s3://") {
        Some(rest) => rest.split_once('/')?,
        None => split_https(url)?,
    };
    let key = key.split(['?', '#']).next()?;
    let key = decode(key, Plus::Itself);
    (!bucket.is_empty() && !key.is_empty()).then(|| (bucket.to_owned(), key))
}

fn split_https(url: &str) -> Option<(&str, &str)> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let (host, path) = rest.split_once('/')?;
    let host = host.strip_suffix(".amazonaws.com")?;
    // The service is the label `s3`, or `s3-REGION` in older URLs; a region may follow it.
    let labels: Vec<&str> = host.split('.').collect();
    let is_s3 = |label: &&str| *label == "s3" || label.starts_with("s3-");
    let at = labels.iter().rposition(is_s3)?;
    if labels.len() - at > 2 {
        return None;
    }
    if at == 0 {
        return path.split_once('/');
    }
    let length = labels[..at].join(".").len();
    Some((host.get(..length)?, path))
}

/// Reads a document: from the stored artifacts, else from the S3 endpoint that is configured.
pub(crate) async fn fetch(http: &Http, url: &str) -> Result<Box<str>, Error> {
    if url.len() > 1_350 {
        return Err(Error::invalid(FIELD, "must have at most 1,350 characters"));
    }
    let (bucket, key) = parse(url).ok_or_else(|| {
        Error::invalid(
            FIELD,
            "must be an S3 URL such as https://BUCKET.s3.amazonaws.com/KEY or s3://BUCKET/KEY",
        )
    })?;
    let bytes = match stored(http, &bucket, &key).await? {
        Some(bytes) => bytes,
        None => match http.s3_endpoint() {
            Some(endpoint) => from_endpoint(endpoint, &bucket, &key).await?,
            None => return Err(absent(&bucket, &key)),
        },
    };
    if bytes.len() > limits::JOB_DOCUMENT_BYTES_MAX {
        return Err(too_large());
    }
    let text = String::from_utf8(bytes);
    text.map(Into::into)
        .map_err(|_| Error::invalid(FIELD, "must be UTF-8 text"))
}

fn absent(bucket: &str, key: &str) -> Error {
    Error::Absent(format!(
        "file {key} in bucket {bucket}, which documentSource names,"
    ))
}

fn too_large() -> Error {
    let most = limits::JOB_DOCUMENT_BYTES_MAX;
    Error::invalid(FIELD, format!("must be a file of at most {most} bytes"))
}

async fn stored(http: &Http, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
    let Ok(name) = Name::parse(bucket, key) else {
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

async fn from_endpoint(endpoint: &str, bucket: &str, key: &str) -> Result<Vec<u8>, Error> {
    let failed = |what: String| {
        tracing::warn!(endpoint, %what, "the S3 endpoint does not hand out a job document");
        Error::transient(
            "S3_ENDPOINT",
            "the S3 endpoint cannot be reached; try again",
        )
    };
    let answer = tokio::time::timeout(PATIENCE, get(endpoint, bucket, key)).await;
    match answer {
        Ok(Ok((status, bytes))) if status.is_success() => bytes.ok_or_else(too_large),
        Ok(Ok((status, _))) if status.is_client_error() => Err(absent(bucket, key)),
        Ok(Ok((status, _))) => Err(failed(format!("it answers {status}"))),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("it takes too long".to_owned())),
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Status and body of a file in path style; no body if it is larger than a job document.
async fn get(
    endpoint: &str,
    bucket: &str,
    key: &str,
) -> Result<(StatusCode, Option<Vec<u8>>), AnyError> {
    let authority = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let address = if authority.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let serving = tokio::spawn(connection);
    let request = Request::get(format!("/{bucket}/{}", encode(key)))
        .header(hyper::header::HOST, authority)
        .body(Body::empty())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Body::new(response.into_body());
    let bytes = to_bytes(body, limits::JOB_DOCUMENT_BYTES_MAX).await;
    serving.abort();
    Ok((status, bytes.ok().map(Vec::from)))
}

/// A key as a path: everything but letters, digits and `/-_.~` is percent-encoded.
fn encode(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests;
