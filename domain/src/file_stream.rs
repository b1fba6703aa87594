//! File streams: files that devices may fetch over MQTT, which AWS IoT calls streams.

use minicbor::{Decode, Encode};

use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::fleet::named::Named;
use crate::group::check_text;
use crate::ids::{FileStreamId, FileStreamName};
use crate::job::Pairs;
use crate::job::extras::{check_role_arn, check_tags};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// A file of a stream, by where it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct File {
    /// `fileId`, 0 to 255; unique in its stream.
    #[n(0)]
    pub id: u8,
    /// `s3Location.bucket`.
    #[n(1)]
    pub bucket: Box<str>,
    /// `s3Location.key`.
    #[n(2)]
    pub key: Box<str>,
    /// `s3Location.version`.
    #[n(3)]
    pub object_version: Option<Box<str>>,
    /// ETag of its content when the stream got it, where that was known: devices are refused another content.
    #[n(4)]
    pub etag: Option<Box<str>>,
}

/// What a file stream holds at its creation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Content {
    /// What it is for.
    #[n(0)]
    pub description: Option<Box<str>>,
    /// `roleArn`: on whose behalf the files are read.
    #[n(1)]
    pub role_arn: Box<str>,
    /// 1 to 50 files.
    #[n(2)]
    pub files: Vec<File>,
    /// `tags` given at creation.
    #[n(3)]
    pub tags: Pairs,
}

/// A change of a file stream; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    /// The new description.
    #[n(0)]
    pub description: Option<Box<str>>,
    /// The new role.
    #[n(1)]
    pub role_arn: Option<Box<str>>,
    /// The new files, all of them.
    #[n(2)]
    pub files: Option<Vec<File>>,
}

/// What happened to a file stream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// It exists, with version 1.
    #[n(0)]
    Created {
        /// Its name.
        #[n(0)]
        name: FileStreamName,
        /// What it holds.
        #[n(1)]
        content: Box<Content>,
    },
    /// It holds something else; its version is one higher.
    #[n(1)]
    Changed {
        /// What is different.
        #[n(0)]
        change: Box<Change>,
    },
    /// It is gone; its name is free.
    #[n(2)]
    Removed,
}

/// A file stream that exists.
#[derive(Clone, Debug, Encode, Decode)]
pub struct FileStream {
    /// Its name.
    #[n(0)]
    pub name: FileStreamName,
    /// What it holds.
    #[n(1)]
    pub content: Box<Content>,
    /// `streamVersion`, 1 to 65,535.
    #[n(2)]
    pub version: u16,
    /// When it was created.
    #[n(3)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[n(4)]
    pub changed_at: Timestamp,
}

/// All file streams.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct FileStreams(#[n(0)] Named<FileStream>);

impl FileStreams {
    pub(crate) fn find(&self, name: &str) -> Option<(FileStreamId, &FileStream)> {
        let (number, stream) = self.0.find(name)?;
        Some((FileStreamId(number), stream))
    }

    /// Whether the stream with this number exists.
    pub(crate) fn has(&self, id: FileStreamId) -> bool {
        self.0.get(id.0).is_some()
    }

    pub(crate) fn evolve(&mut self, id: FileStreamId, event: &Event, at: Timestamp) {
        match event {
            Event::Created { name, content } => {
                let stream = FileStream {
                    name: name.clone(),
                    content: content.clone(),
                    version: 1,
                    created_at: at,
                    changed_at: at,
                };
                self.0.insert(id.0, name.as_str(), stream);
            }
            Event::Changed { change } => {
                if let Some(stream) = self.0.get_mut(id.0) {
                    stream.change(change, at);
                }
            }
            Event::Removed => self.0.remove(id.0),
        }
    }
}

impl FileStream {
    fn change(&mut self, change: &Change, at: Timestamp) {
        if let Some(description) = &change.description {
            self.content.description = Some(description.clone());
        }
        if let Some(role_arn) = &change.role_arn {
            self.content.role_arn = role_arn.clone();
        }
        if let Some(files) = &change.files {
            self.content.files.clone_from(files);
        }
        self.version = self.version.saturating_add(1);
        self.changed_at = at;
    }
}

pub(crate) fn fact(id: u32, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::FileStream, id),
        event: Any::FileStream(event),
    }
}

/// Refuses files that no stream may have.
pub(crate) fn check_files(files: &[File]) -> Result<(), Rejection> {
    if !(1..=limits::STREAM_FILES_MAX).contains(&files.len()) {
        return Err(Rejection::malformed(
            "files",
            format!("must be 1 to {} files", limits::STREAM_FILES_MAX),
        ));
    }
    for (index, file) in files.iter().enumerate() {
        if files.iter().take(index).any(|other| other.id == file.id) {
            return Err(Rejection::malformed(
                "files",
                format!("fileId {} is given twice", file.id),
            ));
        }
        let (bucket, key) = (file.bucket.len(), file.key.len());
        if !(1..=255).contains(&bucket) || !(1..=limits::OBJECT_KEY_BYTES_MAX).contains(&key) {
            return Err(Rejection::malformed(
                "files",
                format!(
                    "s3Location of fileId {} must have a bucket of 1 to 255 and a key of 1 to {} bytes",
                    file.id,
                    limits::OBJECT_KEY_BYTES_MAX
                ),
            ));
        }
    }
    Ok(())
}

impl Fleet {
    /// The file stream with this name.
    #[must_use]
    pub fn file_stream(&self, name: &str) -> Option<&FileStream> {
        self.file_streams.0.find(name).map(|(_, stream)| stream)
    }

    /// File streams by name, from the one after `after`.
    pub fn file_streams_after(&self, after: Option<&str>) -> impl Iterator<Item = &FileStream> {
        self.file_streams.0.after(after).map(|(_, stream)| stream)
    }

    /// File streams by name, the last first, from the one before `before`.
    pub fn file_streams_before(&self, before: Option<&str>) -> impl Iterator<Item = &FileStream> {
        self.file_streams.0.before(before).map(|(_, stream)| stream)
    }

    fn find_file_stream(&self, name: &FileStreamName) -> Result<(u32, &FileStream), Rejection> {
        let found = self.file_streams.0.find(name.as_str());
        found.ok_or_else(|| Rejection::not_found("streamId", format!("stream {name}")))
    }

    pub(crate) fn decide_create_file_stream(
        &self,
        name: &FileStreamName,
        content: &Content,
    ) -> Result<Vec<Fact>, Rejection> {
        if self.file_stream(name.as_str()).is_some() {
            return Err(Rejection::already_exists(
                "streamId",
                format!("stream {name}"),
            ));
        }
        let description = content.description.as_deref();
        check_text(
            "description",
            description,
            limits::DESCRIPTION_CHARACTERS_MAX,
        )?;
        check_role_arn("roleArn", &content.role_arn)?;
        check_files(&content.files)?;
        check_tags(&content.tags)?;
        if self.file_streams.0.len() >= limits::FILE_STREAMS_MAX {
            return Err(Rejection::too_many(
                "streamId",
                format!(
                    "at most {} streams are kept; delete one first",
                    limits::FILE_STREAMS_MAX
                ),
            ));
        }
        Ok(vec![fact(
            self.file_streams.0.next(),
            Event::Created {
                name: name.clone(),
                content: Box::new(content.clone()),
            },
        )])
    }

    pub(crate) fn decide_update_file_stream(
        &self,
        name: &FileStreamName,
        change: &Change,
    ) -> Result<Vec<Fact>, Rejection> {
        let description = change.description.as_deref();
        check_text(
            "description",
            description,
            limits::DESCRIPTION_CHARACTERS_MAX,
        )?;
        if let Some(role_arn) = &change.role_arn {
            check_role_arn("roleArn", role_arn)?;
        }
        if let Some(files) = &change.files {
            check_files(files)?;
        }
        let (id, stream) = self.find_file_stream(name)?;
        if stream.version == u16::MAX {
            return Err(Rejection::too_many(
                "streamId",
                "a stream has at most 65,535 versions; create another",
            ));
        }
        let change = Box::new(change.clone());
        Ok(vec![fact(id, Event::Changed { change })])
    }

    pub(crate) fn decide_delete_file_stream(
        &self,
        name: &FileStreamName,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, _) = self.find_file_stream(name)?;
        self.check_stream_unused(FileStreamId(id), None)?;
        Ok(vec![fact(id, Event::Removed)])
    }
}
