//! MQTT streams: devices describe the files of a stream, and fetch them block by block (AWS IoT: MQTT-based file
//! delivery).
//!
//! A request is read in [`fields`], from JSON or CBOR, and judged in [`blocks`]; [`messages`] writes the answers in the
//! format of the request. The blocks of an answer are made one after the other, as their device takes them.

mod blocks;
mod fields;
mod messages;

use shipslog_domain::file_stream::File;
use shipslog_domain::job::files::S3Object;
use shipslog_gateway_core::objects::{Object, Objects, Unavailable};
use shipslog_gateway_core::{App, Failure};

use super::Stopped;
use crate::admission::Admission;
use crate::metrics::Operation;
use crate::topics::{Format, StreamOperation, THINGS};
use blocks::{Get, check_version};
use fields::Fields;

/// A token of the client's choice, returned in each answer.
type Token = Option<Box<str>>;

/// Why a request is refused: `o` of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidTopic,
    InvalidJson,
    InvalidCbor,
    InvalidRequest,
    Unauthorized,
    BlockSizeOutOfBounds,
    OffsetOutOfBounds,
    BlockCountLimitExceeded,
    BlockBitmapLimitExceeded,
    ResourceNotFound,
    VersionMismatch,
    ETagMismatch,
    InternalError,
}

impl Code {
    /// Their names, in their order.
    pub(crate) const NAMES: [&'static str; 13] = [
        "InvalidTopic",
        "InvalidJson",
        "InvalidCbor",
        "InvalidRequest",
        "Unauthorized",
        "BlockSizeOutOfBounds",
        "OffsetOutOfBounds",
        "BlockCountLimitExceeded",
        "BlockBitmapLimitExceeded",
        "ResourceNotFound",
        "VersionMismatch",
        "ETagMismatch",
        "InternalError",
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// A refusal, before it is written in a format.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refused {
    code: Code,
    message: String,
}

impl Refused {
    fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    fn of_file(id: u8, problem: Unavailable) -> Self {
        let code = match problem {
            Unavailable::Absent => Code::ResourceNotFound,
            Unavailable::Forbidden => Code::Unauthorized,
            Unavailable::Failed => Code::InternalError,
        };
        Self::new(code, format!("file {id} of the stream: {problem}"))
    }
}

/// A request that was read.
#[derive(Debug)]
pub(crate) struct Request {
    to: ReplyTo,
    stream: Box<str>,
    asked: Result<Asked, Refused>,
}

#[derive(Debug)]
enum Asked {
    Describe,
    Get(Get),
}

/// Where answers go, and in which form.
#[derive(Clone, Debug)]
struct ReplyTo {
    /// `$aws/things/{thing}/streams/{stream}/`.
    prefix: Box<str>,
    format: Format,
    token: Token,
}

/// A message for the requester.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// Why the request is refused, if it is.
    pub(crate) refused: Option<Code>,
}

/// What a request is answered with.
#[derive(Debug)]
pub(crate) enum Answer {
    Message(Message),
    Blocks(Blocks),
}

impl ReplyTo {
    fn topic(&self, kind: &str) -> String {
        format!("{}{kind}/{}", self.prefix, self.format.as_str())
    }

    fn refused(&self, refused: &Refused) -> Message {
        Message {
            topic: self.topic("rejected"),
            payload: messages::rejected(self.format, refused, self.token.as_deref()),
            refused: Some(refused.code),
        }
    }
}

impl Request {
    /// Reads a request.
    pub(super) fn read(
        thing: &str,
        stream: &str,
        (operation, format): (StreamOperation, Format),
        payload: &[u8],
    ) -> Self {
        let fields = Fields::read(format, payload);
        let token = fields.token();
        let asked = match operation {
            StreamOperation::Invalid => Err(Refused::new(
                Code::InvalidTopic,
                "the topic must end with describe/json, describe/cbor, get/json or get/cbor",
            )),
            StreamOperation::Describe => fields.check().map(|_| Asked::Describe),
            StreamOperation::Get => fields.check().and_then(Get::of).map(Asked::Get),
        };
        Self {
            to: ReplyTo {
                prefix: format!("{THINGS}{thing}/streams/{stream}/").into(),
                format,
                token,
            },
            stream: stream.into(),
            asked,
        }
    }

    /// Looks up what is asked for. Nothing is sent yet.
    pub(crate) async fn answer(
        self,
        app: &App,
        admission: &Admission,
        objects: &Objects,
    ) -> Result<Answer, Stopped> {
        let Self { to, stream, asked } = self;
        let answered = match asked {
            Err(refused) => Err(refused),
            Ok(Asked::Describe) => describe(app, admission, objects, (&to, stream)).await?,
            Ok(Asked::Get(get)) => open(app, admission, objects, (&to, stream), get).await?,
        };
        Ok(answered.unwrap_or_else(|refused| Answer::Message(to.refused(&refused))))
    }
}

/// What of a stream a request needs.
#[derive(Debug)]
struct Found {
    version: u16,
    description: Option<Box<str>>,
    files: Vec<File>,
}

/// Looks a stream up, with those of its files that are wanted.
async fn find(
    app: &App,
    admission: &Admission,
    name: Box<str>,
    wanted: impl Fn(&File) -> bool + Send + 'static,
) -> Result<Result<Found, Refused>, Stopped> {
    let asked = async {
        let _place = admission.enter().await?;
        app.read(move |fleet| {
            let stream = fleet.file_stream(&name)?;
            let files = stream.content.files.iter();
            Some(Found {
                version: stream.version,
                description: stream.content.description.clone(),
                files: files.filter(|file| wanted(file)).cloned().collect(),
            })
        })
        .await
    };
    match asked.await {
        Ok(Some(found)) => Ok(Ok(found)),
        Ok(None) => Ok(Err(Refused::new(
            Code::ResourceNotFound,
            "the stream does not exist",
        ))),
        Err(Failure::Busy) => Ok(Err(Refused::new(
            Code::InternalError,
            "the service is busy; try again",
        ))),
        Err(Failure::Stopped) => Err(Stopped),
    }
}

/// A file of a stream, if it is still the one that the stream got.
async fn object(objects: &Objects, file: &File) -> Result<Object, Refused> {
    let wanted = S3Object {
        bucket: file.bucket.clone(),
        key: file.key.clone(),
        version: file.object_version.clone(),
    };
    let found = objects.find(&wanted).await;
    let found = found.map_err(|problem| Refused::of_file(file.id, problem))?;
    if file
        .etag
        .as_deref()
        .is_some_and(|etag| etag != found.etag())
    {
        return Err(Refused::new(
            Code::ETagMismatch,
            format!(
                "file {} of the stream was replaced by another; update the stream",
                file.id
            ),
        ));
    }
    Ok(found)
}

async fn describe(
    app: &App,
    admission: &Admission,
    objects: &Objects,
    (to, stream): (&ReplyTo, Box<str>),
) -> Result<Result<Answer, Refused>, Stopped> {
    let found = match find(app, admission, stream, |_| true).await? {
        Ok(found) => found,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut sizes = Vec::with_capacity(found.files.len());
    for file in &found.files {
        match object(objects, file).await {
            Ok(object) => sizes.push((file.id, object.length())),
            Err(refused) => return Ok(Err(refused)),
        }
    }
    let description = messages::Description {
        version: found.version,
        text: found.description.as_deref(),
        files: &sizes,
    };
    Ok(Ok(Answer::Message(Message {
        topic: to.topic("description"),
        payload: messages::description(to.format, &description, to.token.as_deref()),
        refused: None,
    })))
}

async fn open(
    app: &App,
    admission: &Admission,
    objects: &Objects,
    (to, stream): (&ReplyTo, Box<str>),
    get: Get,
) -> Result<Result<Answer, Refused>, Stopped> {
    let id = get.file;
    let found = match find(app, admission, stream, move |file| file.id == id).await? {
        Ok(found) => found,
        Err(refused) => return Ok(Err(refused)),
    };
    let opened = async {
        check_version(get.version, found.version)?;
        let file = found.files.first().ok_or_else(|| {
            Refused::new(
                Code::ResourceNotFound,
                format!("f: the stream has no file {id}"),
            )
        })?;
        let object = object(objects, file).await?;
        let wanted = get.wanted(&object)?;
        Ok(Answer::Blocks(Blocks {
            topic: to.topic("data"),
            to: to.clone(),
            file: id,
            block_length: get.block_length,
            object,
            wanted: wanted.into_iter(),
            bytes: Vec::new(),
        }))
    };
    Ok(opened.await)
}

/// The blocks of a file that a device gets.
#[derive(Debug)]
pub(crate) struct Blocks {
    topic: String,
    to: ReplyTo,
    file: u8,
    block_length: u32,
    object: Object,
    wanted: std::vec::IntoIter<u32>,
    /// Content of the block in hand.
    bytes: Vec<u8>,
}

impl Blocks {
    /// Where they go.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Writes the next one into `payload`, which is empty, and says how many bytes of the file it has. A file that
    /// cannot be read is told in a message instead, which is the last one.
    pub(crate) async fn next(
        &mut self,
        objects: &Objects,
        payload: &mut Vec<u8>,
    ) -> Option<Result<usize, Message>> {
        let block = self.wanted.next()?;
        let begin = u64::from(block) * u64::from(self.block_length);
        let end = self
            .object
            .length()
            .min(begin + u64::from(self.block_length));
        self.bytes.clear();
        if let Err(problem) = objects
            .read(&self.object, begin..end, &mut self.bytes)
            .await
        {
            self.wanted = Vec::new().into_iter();
            return Some(Err(self.to.refused(&Refused::of_file(self.file, problem))));
        }
        let data = messages::Data {
            file: self.file,
            block,
            bytes: &self.bytes,
        };
        messages::data(self.to.format, &data, self.to.token.as_deref(), payload);
        Some(Ok(self.bytes.len()))
    }

    /// What a client is told whose Maximum Packet Size has no room for a block.
    pub(crate) fn too_long(&self) -> Message {
        let rule = "l: a block of this size does not fit the client's Maximum Packet Size; ask for smaller blocks";
        self.to.refused(&Refused::new(Code::InvalidRequest, rule))
    }
}

impl StreamOperation {
    /// What it is counted as.
    pub(super) const fn counted(self) -> Operation {
        match self {
            Self::Describe => Operation::StreamDescribe,
            Self::Get => Operation::StreamGet,
            Self::Invalid => Operation::InvalidTopic,
        }
    }
}

#[cfg(test)]
mod tests;
