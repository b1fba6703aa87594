//! The job document of an OTA update, as FreeRTOS' OTA agent reads it.

use serde_json::{Map, Value};

use super::{File, Found, Protocol, Signing};
use crate::file_stream;
use crate::ids::FileStreamName;
use crate::percent::encode;

/// A file with all that a document says of it.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) file: &'a File,
    pub(super) found: &'a Found,
    /// Where it is stored, and its number in the stream, if there is one.
    pub(super) stored: file_stream::File,
}

/// The document for devices that use one of these protocols.
pub(super) fn of(
    protocols: &[Protocol],
    stream: Option<&FileStreamName>,
    entries: &[Entry<'_>],
) -> String {
    let words = protocols.iter().map(|protocol| protocol.as_str());
    let mut update = Map::new();
    update.insert("protocols".into(), words.collect());
    if let Some(stream) = stream {
        update.insert("streamname".into(), stream.as_str().into());
    }
    let is_http = protocols.contains(&Protocol::Http);
    let files = entries.iter().map(|entry| file(entry, is_http));
    update.insert("files".into(), files.collect());
    let mut document = Map::new();
    document.insert("afr_ota".into(), update.into());
    Value::Object(document).to_string()
}

fn file(entry: &Entry<'_>, is_http: bool) -> Value {
    let Entry {
        file,
        found,
        stored,
    } = entry;
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| {
        members.insert(name.to_owned(), value);
    };
    put("filepath", file.name.as_ref().into());
    put("filesize", found.size.into());
    put("fileid", stored.id.into());
    let certificate = file.signing.as_ref();
    if let Some(name) = certificate.and_then(|one| one.certificate_name.as_deref()) {
        put("certfile", name.into());
    }
    if let Some(kind) = file.kind {
        put("fileType", kind.into());
    }
    if is_http {
        put("update_data_url", placeholder(stored).into());
        put("auth_scheme", "aws.s3.presigned".into());
    }
    if let Some(signing) = &file.signing {
        put(&key(signing), signing.signature.as_ref().into());
    }
    Value::Object(members)
}

/// What a presigned URL takes the place of when a device asks for the document.
fn placeholder(stored: &file_stream::File) -> String {
    let (bucket, key) = (&stored.bucket, encode(&stored.key, "/"));
    let version = stored.object_version.as_deref();
    let version = version.map(|version| format!("?versionId={}", encode(version, "")));
    let version = version.unwrap_or_default();
    format!("${{aws:iot:s3-presigned-url:https://s3.amazonaws.com/{bucket}/{key}{version}}}")
}

/// The name of the member that holds a signature, such as `sig-sha256-ecdsa`.
fn key(signing: &Signing) -> String {
    let hash = signing.hash_algorithm.to_ascii_lowercase();
    let algorithm = signing.signature_algorithm.to_ascii_lowercase();
    format!("sig-{hash}-{algorithm}")
}
