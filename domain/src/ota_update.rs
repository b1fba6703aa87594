//! OTA updates (FreeRTOS): a stream of files and the job that tells devices of it, made and deleted as one.
//!
//! All that AWS IoT does one after the other is one decision here, so that there is no OTA update with a stream and
//! without a job. Only a deletion takes its time: it ends with the deletion of the job.

mod document;
mod rules;
mod state;

use minicbor::{Decode, Encode};

use crate::command::TargetName;
use crate::ids::{FileStreamId, FileStreamName, JobId, OtaUpdateName};
use crate::job::{Pairs, Settings, TargetSelection};

pub(crate) use state::OtaUpdates;
pub use state::{OtaUpdate, Status};

/// How devices get the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Protocol {
    /// `MQTT`: in blocks of a stream.
    #[n(0)]
    Mqtt,
    /// `HTTP`: from a presigned URL.
    #[n(1)]
    Http,
}

impl Protocol {
    /// AWS IoT's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "MQTT",
            Self::Http => "HTTP",
        }
    }
}

/// `fileLocation`: where a file is stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Location {
    /// A file of a stream that exists.
    #[n(0)]
    Stream {
        /// `stream.streamId`.
        #[n(0)]
        stream: FileStreamName,
        /// `stream.fileId`.
        #[n(1)]
        file: u8,
    },
    /// `s3Location`.
    #[n(1)]
    Object {
        /// Its bucket.
        #[n(0)]
        bucket: Box<str>,
        /// Its key.
        #[n(1)]
        key: Box<str>,
        /// `version`, if one version of it is meant.
        #[n(2)]
        version: Option<Box<str>>,
    },
}

/// `codeSigning.customCodeSigning`: a signature that the owner made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Signing {
    /// `signature.inlineDocument`, in base64.
    #[n(0)]
    pub signature: Box<str>,
    /// `certificateChain.certificateName`: where devices have the certificate.
    #[n(1)]
    pub certificate_name: Option<Box<str>>,
    /// `certificateChain.inlineDocument`.
    #[n(2)]
    pub certificate_chain: Option<Box<str>>,
    /// `hashAlgorithm`, such as `SHA256`.
    #[n(3)]
    pub hash_algorithm: Box<str>,
    /// `signatureAlgorithm`, such as `ECDSA`.
    #[n(4)]
    pub signature_algorithm: Box<str>,
}

/// A file of an OTA update.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct File {
    /// `fileName`: what devices store it under.
    #[n(0)]
    pub name: Box<str>,
    /// `fileType`, 0 to 255: devices know what it means.
    #[n(1)]
    pub kind: Option<u8>,
    /// `fileVersion`.
    #[n(2)]
    pub version: Option<Box<str>>,
    /// Where it is stored.
    #[n(3)]
    pub location: Location,
    /// Who vouches for it.
    #[n(4)]
    pub signing: Option<Signing>,
    /// `attributes`, which devices do not get to see.
    #[n(5)]
    pub attributes: Pairs,
}

/// What an OTA update is at its creation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Definition {
    /// What it is for.
    #[n(0)]
    pub description: Option<Box<str>>,
    /// Things and groups as in their ARNs, such as `thing/pump-7`.
    #[n(1)]
    pub targets: Vec<Box<str>>,
    /// How devices get the files: each protocol once, one at least.
    #[n(2)]
    pub protocols: Vec<Protocol>,
    /// Whether those who join later belong to it.
    #[n(3)]
    pub target_selection: TargetSelection,
    /// How its job runs.
    #[n(4)]
    pub settings: Settings,
    /// `awsJobPresignedUrlConfig.expiresInSec`.
    #[n(5)]
    pub url_seconds: Option<u32>,
    /// 1 to 50 files.
    #[n(6)]
    pub files: Vec<File>,
    /// `roleArn`: on whose behalf the files are read.
    #[n(7)]
    pub role_arn: Box<str>,
    /// `additionalParameters`, which devices do not get to see.
    #[n(8)]
    pub parameters: Pairs,
    /// `tags` given at creation.
    #[n(9)]
    pub tags: Pairs,
}

/// What was made for an OTA update.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Made {
    /// The job that tells devices of it.
    #[n(0)]
    pub job: JobId,
    /// The stream that they get blocks of.
    #[n(1)]
    pub stream: Option<UsedStream>,
}

/// A stream that devices get blocks of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UsedStream {
    /// The stream.
    #[n(0)]
    pub id: FileStreamId,
    /// Its name.
    #[n(1)]
    pub name: FileStreamName,
    /// Whether it was made for this OTA update.
    #[n(2)]
    pub is_own: bool,
}

/// `errorInfo`: why nothing was made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Failure {
    /// `code`.
    #[n(0)]
    pub code: Box<str>,
    /// `message`.
    #[n(1)]
    pub message: Box<str>,
}

/// What happened to an OTA update.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// It exists, with its job and its stream, or with the reason why it has none.
    #[n(0)]
    Created {
        /// Its name.
        #[n(0)]
        name: OtaUpdateName,
        /// What it is.
        #[n(1)]
        definition: Box<Definition>,
        /// What was made for it.
        #[n(2)]
        made: Option<Made>,
        /// Why nothing was.
        #[n(3)]
        failure: Option<Failure>,
    },
    /// Its job is being deleted, and it goes with that.
    #[n(1)]
    DeletionStarted,
    /// It is gone; its name is free.
    #[n(2)]
    Removed,
}

/// A file as it was found where it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its length, in bytes.
    pub size: u64,
    /// ETag of its content.
    pub etag: Box<str>,
}

/// What [`Command::Create`] asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub name: OtaUpdateName,
    /// What it is. Its targets are those of this request and need not be given twice.
    pub definition: Definition,
    /// 1 to 100 targets, all of which exist.
    pub targets: Vec<TargetName>,
    /// The name of the stream that may be made: one that nobody has.
    pub stream: FileStreamName,
    /// The files in their order, or why one of them cannot be had.
    pub found: Result<Vec<Found>, Failure>,
}

/// A request to change OTA updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates one; its name must be free.
    Create(Box<Request>),
    /// Deletes one with its job.
    Delete {
        /// Its name.
        name: OtaUpdateName,
        /// `deleteStream`: whether the stream that was made for it goes, too.
        delete_stream: bool,
        /// `forceDeleteAWSJob`: whether its job may be at work.
        force: bool,
    },
}

#[cfg(test)]
mod tests;
