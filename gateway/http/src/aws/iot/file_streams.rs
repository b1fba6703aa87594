//! AWS IoT: streams, which are files that devices may fetch.

use std::time::Duration;

use axum::extract::{Path, State};
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value};
use shipslog_domain::file_stream::{Change, Content, File, FileStream};
use shipslog_domain::job::files::S3Object;
use shipslog_domain::{Command, FileStreamName, RejectionKind, limits};
use shipslog_gateway_core::objects::Objects;
use tokio::time::timeout;

use super::jobs::shapes;
use crate::arn::Arns;
use crate::aws::wire::codes::{self, recode};
use crate::aws::wire::{self, AwsBody, Paging, members, time, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};
use crate::query::Query;

use super::Answer;

/// Files of a stream that are looked at at the same time.
const LOOKS_MAX: usize = 4;
/// How long the looks at all files of a stream may take.
const ETAG_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn create(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let name = FileStreamName::parse(&name)?;
    let mut content = Content {
        description: body
            .member("description")
            .optional_string()?
            .map(Into::into),
        role_arn: body.member("roleArn").text()?.into(),
        files: files(&body.member("files"))?,
        tags: shapes::tags(&body)?,
    };
    note_etags(caller.http().objects(), &mut content.files).await;
    let command = Command::CreateFileStream {
        name: name.clone(),
        content: Box::new(content),
    };
    submit(caller, name, command).await
}

fn files(field: &Field<'_, '_>) -> Result<Vec<File>, Error> {
    field.non_empty_list(limits::STREAM_FILES_MAX, |file| {
        file.object()?;
        let (id, location) = (file.member("fileId"), file.member("s3Location"));
        location.object()?;
        let number = id.present().map_or(Ok(0), Field::number)?;
        let version = location.member("version").optional_string()?;
        Ok(File {
            id: u8::try_from(number).map_err(|_| id.refuse("must be 0 to 255"))?,
            bucket: location.member("bucket").text()?.into(),
            key: location.member("key").text()?.into(),
            object_version: version.map(Into::into),
            etag: None,
        })
    })
}

/// Notes which contents are meant, of the files that are there already: devices do not get others in their place.
async fn note_etags(objects: &Objects, files: &mut [File]) {
    let looking = stream::iter(files).for_each_concurrent(LOOKS_MAX, |file| async move {
        let object = S3Object {
            bucket: file.bucket.clone(),
            key: file.key.clone(),
            version: file.object_version.clone(),
        };
        file.etag = objects.etag(&object).await.ok();
    });
    if timeout(ETAG_PATIENCE, looking).await.is_err() {
        tracing::warn!(
            "the S3 endpoint is too slow; the contents of a stream's files are not noted"
        );
    }
}

/// Submits a change and answers with what the stream is then.
async fn submit(caller: Caller, name: FileStreamName, command: Command) -> Answer {
    let arns = caller.http().arns().clone();
    let body = caller.submit_with(command, move |fleet, _| {
        let stream = fleet.file_stream(name.as_str());
        stream.map(|stream| head(&arns, stream))
    });
    let body = body.await.map_err(wire::state_as_invalid)?;
    Ok(wire::ok(body.unwrap_or_default()))
}

fn head(arns: &Arns, stream: &FileStream) -> Map<String, Value> {
    let description = stream.content.description.as_deref();
    members([
        ("streamId", Some(stream.name.as_str().into())),
        (
            "streamArn",
            Some(arns.file_stream(stream.name.as_str()).into()),
        ),
        ("description", description.map(Value::from)),
        ("streamVersion", Some(stream.version.into())),
    ])
}

pub(crate) async fn describe(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    let (wanted, arns) = (name.clone(), http.arns().clone());
    let found = http
        .app()
        .read(move |fleet| fleet.file_stream(&wanted).map(|one| render(&arns, one)));
    let body = found.await.map_err(failed)?;
    let body = body.ok_or_else(|| Error::Absent(format!("stream {name}")))?;
    Ok(wire::ok(members([(
        "streamInfo",
        Some(Value::Object(body)),
    )])))
}

fn render(arns: &Arns, stream: &FileStream) -> Map<String, Value> {
    let files = stream.content.files.iter().map(|file| {
        let version = file.object_version.as_deref();
        let location = members([
            ("bucket", Some(file.bucket.as_ref().into())),
            ("key", Some(file.key.as_ref().into())),
            ("version", version.map(Value::from)),
        ]);
        Value::Object(members([
            ("fileId", Some(file.id.into())),
            ("s3Location", Some(Value::Object(location))),
        ]))
    });
    let mut body = head(arns, stream);
    body.append(&mut members([
        ("files", Some(files.collect())),
        ("createdAt", Some(time(stream.created_at))),
        ("lastUpdatedAt", Some(time(stream.changed_at))),
        ("roleArn", Some(stream.content.role_arn.as_ref().into())),
    ]));
    body
}

pub(crate) async fn update(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let name = FileStreamName::parse(&name)?;
    let list = body.member("files");
    let mut change = Change {
        description: body
            .member("description")
            .optional_string()?
            .map(Into::into),
        role_arn: body.member("roleArn").optional_string()?.map(Into::into),
        files: list.present().map(files).transpose()?,
    };
    if let Some(files) = &mut change.files {
        note_etags(caller.http().objects(), files).await;
    }
    let command = Command::UpdateFileStream {
        name: name.clone(),
        change: Box::new(change),
    };
    submit(caller, name, command).await
}

pub(crate) async fn delete(caller: Caller, Path(name): Path<String>) -> Answer {
    let name = FileStreamName::parse(&name)?;
    let deleted = caller.submit(Command::DeleteFileStream { name }).await;
    deleted.map_err(|error| recode(error, &[(RejectionKind::Conflict, codes::DELETE_CONFLICT)]))?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let ascending = query.one("isAscendingOrder")?.is_none() || query.flag("isAscendingOrder")?;
    let arns = http.arns().clone();
    let page = http.app().read(move |fleet| {
        let cursor = paging.after.as_deref();
        let mut found: Vec<&FileStream> = if ascending {
            let after = fleet.file_streams_after(cursor);
            after.take(paging.limit + 1).collect()
        } else {
            let before = fleet.file_streams_before(cursor);
            before.take(paging.limit + 1).collect()
        };
        let has_more = found.len() > paging.limit;
        found.truncate(paging.limit);
        let last = found.last().filter(|_| has_more);
        let token = last.map(|last| to_token(last.name.as_str()));
        let items = found.iter().map(|one| Value::Object(head(&arns, one)));
        (items.collect::<Value>(), token)
    });
    let (items, token) = page.await.map_err(failed)?;
    Ok(wire::ok(members([
        ("streams", Some(items)),
        ("nextToken", token),
    ])))
}
