//! The files of an OTA update, looked up where they are stored.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use shipslog_domain::job::files::S3Object;
use shipslog_domain::ota_update::{Definition, Failure, Found, Location, Protocol};
use shipslog_gateway_core::limits::OBJECT_BYTES_MAX;
use shipslog_gateway_core::objects::{Objects, Unavailable};
use tokio::time::timeout;

use crate::error::Error;
use crate::http::Http;
use crate::position::failed;

/// Files that are looked up at the same time.
const LOOKS_MAX: usize = 4;
/// How long it may take to look up all of them; those of the S3 endpoint are fetched.
const PATIENCE: Duration = Duration::from_secs(20);

/// The files in their order, or why one of them cannot be had. Where that may be otherwise a little later, the caller is
/// asked to try again instead.
pub(super) async fn all(
    http: &Http,
    definition: &Definition,
) -> Result<Result<Vec<Found>, Failure>, Error> {
    let Some(objects) = stored(http, definition).await? else {
        // A stream or file of it that does not exist is the decision's to refuse.
        return Ok(Ok(Vec::new()));
    };
    let is_read = definition.protocols.contains(&Protocol::Mqtt);
    let looked = stream::iter(objects)
        .map(|object| look(http.objects(), object, is_read))
        .buffered(LOOKS_MAX)
        .collect::<Vec<_>>();
    let looked = timeout(PATIENCE, looked).await.map_err(|_| slow())?;
    let looked = looked.into_iter().collect::<Result<Vec<_>, Error>>()?;
    Ok(looked.into_iter().collect())
}

fn slow() -> Error {
    Error::transient(
        "S3_ENDPOINT",
        "the files cannot be read at the moment; try again",
    )
}

/// Where the files are stored; `None` if one is of a stream that does not have it.
async fn stored(http: &Http, definition: &Definition) -> Result<Option<Vec<S3Object>>, Error> {
    let locations: Vec<Location> = definition
        .files
        .iter()
        .map(|file| file.location.clone())
        .collect();
    let objects = http.app().read(move |fleet| {
        let objects = locations.into_iter().map(|location| match location {
            Location::Object {
                bucket,
                key,
                version,
            } => Some(S3Object {
                bucket,
                key,
                version,
            }),
            Location::Stream { stream, file } => {
                let files = &fleet.file_stream(stream.as_str())?.content.files;
                let file = files.iter().find(|one| one.id == file)?;
                Some(S3Object {
                    bucket: file.bucket.clone(),
                    key: file.key.clone(),
                    version: file.object_version.clone(),
                })
            }
        });
        objects.collect()
    });
    objects.await.map_err(failed)
}

async fn look(
    objects: &Objects,
    wanted: S3Object,
    is_read: bool,
) -> Result<Result<Found, Failure>, Error> {
    let S3Object { bucket, key, .. } = &wanted;
    let failure = |code: &str, message: String| {
        Ok(Err(Failure {
            code: code.into(),
            message: message.into(),
        }))
    };
    match objects.find(&wanted).await {
        Ok(object) if is_read && object.is_too_long() => failure(
            "InvalidRequestException",
            format!(
                "file {key} in bucket {bucket} has {} bytes; at most {OBJECT_BYTES_MAX} are sent over MQTT",
                object.length()
            ),
        ),
        Ok(object) => Ok(Ok(Found {
            size: object.length(),
            etag: object.etag().into(),
        })),
        Err(Unavailable::Absent) => failure(
            "ResourceNotFoundException",
            format!("file {key} in bucket {bucket} does not exist"),
        ),
        Err(Unavailable::Forbidden) => failure(
            "UnauthorizedException",
            format!("the S3 endpoint does not allow to read file {key} in bucket {bucket}"),
        ),
        Err(Unavailable::Failed) => Err(slow()),
    }
}
