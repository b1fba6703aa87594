//! Which OTA updates are accepted, and what is made and deleted with them.

use super::document::{self, Entry};
use super::state::JOB_PREFIX;
use super::{
    Command, Definition, Event, Failure, File, Found, Location, Made, Protocol, Request, Signing,
    Status, UsedStream,
};
use crate::Fleet;
use crate::command::JobRequest;
use crate::event::{Event as Any, Fact};
use crate::file_stream;
use crate::ids::{FileStreamId, FileStreamName, JobId, JobName, OtaUpdateId, OtaUpdateName};
use crate::job::extras::{check_role_arn, check_tags};
use crate::job::{self, Extras, PresignedUrls};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::{Rejection, RejectionKind};
use crate::time::Timestamp;

fn fact(id: OtaUpdateId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::OtaUpdate, id.0),
        event: Any::OtaUpdate(event),
    }
}

fn not_found(name: &OtaUpdateName) -> Rejection {
    Rejection::not_found("otaUpdateId", format!("OTA update {name}"))
}

fn job_name(name: &OtaUpdateName) -> Result<JobName, Rejection> {
    JobName::parse(&format!("{JOB_PREFIX}{name}")).map_err(|_| {
        let most = JobName::LENGTH_MAX - JOB_PREFIX.len();
        Rejection::malformed(
            "otaUpdateId",
            format!("must have at most {most} characters, for its job is named {JOB_PREFIX}<otaUpdateId>"),
        )
    })
}

/// Where the files of an OTA update are, and the stream that devices get blocks of.
struct Delivery {
    /// In the order of the definition.
    files: Vec<file_stream::File>,
    stream: DeliveryStream,
}

enum DeliveryStream {
    /// Devices need none.
    None,
    /// One is to be made.
    New,
    /// The owner named it.
    Existing(FileStreamId, FileStreamName),
}

impl Definition {
    fn check(&self) -> Result<(), Rejection> {
        check_role_arn("roleArn", &self.role_arn)?;
        check_tags(&self.tags)?;
        let is_once = |index: usize, protocol| {
            !self
                .protocols
                .iter()
                .take(index)
                .any(|other| other == protocol)
        };
        let mut protocols = self.protocols.iter().enumerate();
        if self.protocols.is_empty() || !protocols.all(|(index, one)| is_once(index, one)) {
            return Err(Rejection::malformed(
                "protocols",
                "must be MQTT, HTTP, or both, each once",
            ));
        }
        let most = if self.protocols.contains(&Protocol::Http) {
            limits::PRESIGNED_URLS_MAX
        } else {
            limits::STREAM_FILES_MAX
        };
        if !(1..=most).contains(&self.files.len()) {
            return Err(Rejection::malformed(
                "files",
                format!(
                    "must be 1 to {} files, and at most {} over HTTP",
                    limits::STREAM_FILES_MAX,
                    limits::PRESIGNED_URLS_MAX
                ),
            ));
        }
        self.files.iter().try_for_each(File::check)?;
        check_pairs("additionalParameters", &self.parameters)?;
        if self.text_bytes() > limits::OTA_UPDATE_BYTES_MAX {
            return Err(Rejection::malformed(
                "files",
                format!(
                    "all texts together must have at most {} bytes; leave out what devices do not need",
                    limits::OTA_UPDATE_BYTES_MAX
                ),
            ));
        }
        Ok(())
    }

    /// Length of all that the owner wrote.
    fn text_bytes(&self) -> usize {
        let texts = |pairs: &job::Pairs| {
            pairs
                .iter()
                .map(|(key, value)| key.len() + value.len())
                .sum::<usize>()
        };
        let files = self.files.iter().map(|file| {
            let location = match &file.location {
                Location::Stream { stream, .. } => stream.as_str().len(),
                Location::Object {
                    bucket,
                    key,
                    version,
                } => bucket.len() + key.len() + version.as_ref().map_or(0, |text| text.len()),
            };
            let signing = file.signing.as_ref().map_or(0, |signing| {
                let Signing {
                    signature,
                    certificate_name,
                    certificate_chain,
                    hash_algorithm,
                    signature_algorithm,
                } = signing;
                let optional = [certificate_name, certificate_chain].into_iter().flatten();
                let always = [signature, hash_algorithm, signature_algorithm];
                always
                    .into_iter()
                    .chain(optional)
                    .map(|text| text.len())
                    .sum()
            });
            let version = file.version.as_ref().map_or(0, |text| text.len());
            file.name.len() + version + location + signing + texts(&file.attributes)
        });
        files.sum::<usize>() + texts(&self.parameters) + texts(&self.tags)
    }
}

fn check_pairs(field: &'static str, pairs: &job::Pairs) -> Result<(), Rejection> {
    let longest = pairs.iter().map(|(_, value)| value.chars().count()).max();
    if pairs.len() > limits::OTA_PARAMETERS_MAX
        || longest.is_some_and(|characters| characters > limits::OTA_PARAMETER_CHARACTERS_MAX)
    {
        return Err(Rejection::malformed(
            field,
            format!(
                "must be at most {} pairs with values of at most {} characters",
                limits::OTA_PARAMETERS_MAX,
                limits::OTA_PARAMETER_CHARACTERS_MAX
            ),
        ));
    }
    Ok(())
}

impl File {
    fn check(&self) -> Result<(), Rejection> {
        let is_plain = |text: &str| {
            !text.is_empty() && !text.chars().any(char::is_control) && !text.contains("${")
        };
        if !is_plain(&self.name) {
            return Err(Rejection::malformed(
                "files.fileName",
                "must say what devices store the file under, without control characters and ${",
            ));
        }
        check_pairs("files.attributes", &self.attributes)?;
        let Some(signing) = &self.signing else {
            return Ok(());
        };
        let is_word = |text: &str| {
            (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !is_word(&signing.hash_algorithm) || !is_word(&signing.signature_algorithm) {
            return Err(Rejection::malformed(
                "files.codeSigning.customCodeSigning",
                "hashAlgorithm and signatureAlgorithm must be names such as SHA256 and ECDSA",
            ));
        }
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        if signing.signature.is_empty() || !signing.signature.bytes().all(is_base64) {
            return Err(Rejection::malformed(
                "files.codeSigning.customCodeSigning.signature.inlineDocument",
                "must be the signature in base64",
            ));
        }
        match signing.certificate_name.as_deref() {
            Some(name) if !is_plain(name) => Err(Rejection::malformed(
                "files.codeSigning.customCodeSigning.certificateChain.certificateName",
                "must say where devices have the certificate, without control characters and ${",
            )),
            _ => Ok(()),
        }
    }
}

impl Fleet {
    /// What a command means for OTA updates.
    pub(crate) fn decide_ota_update(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Create(request) => self.create_ota_update(request, now),
            Command::Delete {
                name,
                delete_stream,
                force,
            } => self.delete_ota_update(name, *delete_stream, *force),
        }
    }

    fn create_ota_update(&self, request: &Request, now: Timestamp) -> Result<Vec<Fact>, Rejection> {
        let Request {
            name, definition, ..
        } = request;
        if self.ota_updates.find(name.as_str()).is_some() {
            let what = format!("OTA update {name}");
            return Err(Rejection::already_exists("otaUpdateId", what));
        }
        let job = job_name(name)?;
        definition.check()?;
        if self.ota_updates.all.len() >= limits::OTA_UPDATES_MAX {
            let most = limits::OTA_UPDATES_MAX;
            let rule = format!("at most {most} OTA updates are kept; delete one first");
            return Err(Rejection::too_many("otaUpdateId", rule));
        }
        let delivery = self.delivery(definition)?;
        let created = |made, failure| {
            let id = OtaUpdateId(self.ota_updates.all.next());
            let event = Event::Created {
                name: name.clone(),
                definition: Box::new(definition.clone()),
                made,
                failure,
            };
            fact(id, event)
        };
        match &request.found {
            Ok(found) => {
                let mut facts = Vec::new();
                let made = self.make(request, job, (delivery, found), now, &mut facts)?;
                facts.push(created(Some(made), None));
                Ok(facts)
            }
            Err(failure) => {
                // What can be judged without the files is judged all the same.
                let job = job_request(request, job, "{}".into());
                self.decide_create_job(&job, now)?;
                let failure = bounded(failure);
                Ok(vec![created(None, Some(failure))])
            }
        }
    }

    /// The stream and the job of an OTA update.
    fn make(
        &self,
        request: &Request,
        job: JobName,
        (mut delivery, found): (Delivery, &[Found]),
        now: Timestamp,
        facts: &mut Vec<Fact>,
    ) -> Result<Made, Rejection> {
        let definition = &request.definition;
        for (file, found) in delivery.files.iter_mut().zip(found) {
            file.etag = Some(found.etag.clone());
        }
        let stream = match &delivery.stream {
            DeliveryStream::None => None,
            DeliveryStream::Existing(id, name) => Some(UsedStream {
                id: *id,
                name: name.clone(),
                is_own: false,
            }),
            DeliveryStream::New => {
                let content = file_stream::Content {
                    description: definition.description.clone(),
                    role_arn: definition.role_arn.clone(),
                    files: delivery.files.clone(),
                    tags: Vec::new(),
                };
                facts.extend(self.decide_create_file_stream(&request.stream, &content)?);
                facts.last().map(|fact| UsedStream {
                    id: FileStreamId(fact.stream.number),
                    name: request.stream.clone(),
                    is_own: true,
                })
            }
        };
        let files = definition.files.iter().zip(found);
        let files = files.zip(delivery.files);
        let entries: Vec<Entry<'_>> = files
            .map(|((file, found), stored)| Entry {
                file,
                found,
                stored,
            })
            .collect();
        let stream_name = stream.as_ref().map(|stream| &stream.name);
        let document = document::of(&definition.protocols, stream_name, &entries);
        if document.len() > limits::JOB_DOCUMENT_BYTES_MAX {
            let (bytes, most) = (document.len(), limits::JOB_DOCUMENT_BYTES_MAX);
            let rule =
                format!("make a job document of {bytes} bytes, and it may have {most}; name fewer");
            return Err(Rejection::malformed("files", rule));
        }
        let job_facts = self.decide_create_job(&job_request(request, job, document.into()), now)?;
        let job = job_facts.first().map(|fact| JobId(fact.stream.number));
        facts.extend(job_facts);
        Ok(Made {
            job: job.expect("a job that is created has an event"),
            stream,
        })
    }

    /// Where the files are: all in one stream that exists, or all in S3.
    fn delivery(&self, definition: &Definition) -> Result<Delivery, Rejection> {
        let mut files = Vec::new();
        let mut existing: Option<(FileStreamId, &FileStreamName)> = None;
        for (number, file) in (0..=u8::MAX).zip(&definition.files) {
            files.push(match &file.location {
                Location::Object {
                    bucket,
                    key,
                    version,
                } => file_stream::File {
                    id: number,
                    bucket: bucket.clone(),
                    key: key.clone(),
                    object_version: version.clone(),
                    etag: None,
                },
                Location::Stream { stream, file } => {
                    let found = self.file_streams.find(stream.as_str());
                    let (id, known) = found.ok_or_else(|| {
                        Rejection::not_found("streamId", format!("stream {stream}"))
                    })?;
                    existing = Some((id, stream));
                    let in_stream = known.content.files.iter().find(|one| one.id == *file);
                    let what = || format!("file {file} of stream {stream}");
                    let in_stream = in_stream.cloned();
                    in_stream.ok_or_else(|| Rejection::not_found("fileId", what()))?
                }
            });
        }
        file_stream::check_files(&files)?;
        // A bucket stands in a URL as it is.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if definition.protocols.contains(&Protocol::Http)
            && !files.iter().all(|file| file.bucket.bytes().all(is_plain))
        {
            return Err(Rejection::malformed(
                "files.fileLocation",
                "over HTTP a bucket must have a name of [a-zA-Z0-9._-]",
            ));
        }
        let wanted = existing.map(|(_, name)| name);
        let is_there = |file: &File| match &file.location {
            Location::Stream { stream, .. } => Some(stream) == wanted,
            Location::Object { .. } => wanted.is_none(),
        };
        if !definition.files.iter().all(is_there) {
            return Err(Rejection::malformed(
                "files.fileLocation",
                "must be one stream for all files, or s3Location for all",
            ));
        }
        let stream = match existing {
            Some((id, name)) => DeliveryStream::Existing(id, name.clone()),
            None if definition.protocols.contains(&Protocol::Mqtt) => DeliveryStream::New,
            None => DeliveryStream::None,
        };
        Ok(Delivery { files, stream })
    }

    fn delete_ota_update(
        &self,
        name: &OtaUpdateName,
        delete_stream: bool,
        force: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, update) = self
            .ota_updates
            .find(name.as_str())
            .ok_or_else(|| not_found(name))?;
        let Some(made) = &update.made else {
            return Ok(vec![fact(id, Event::Removed)]);
        };
        if update.status() == Status::DeletionInProgress {
            return Ok(Vec::new());
        }
        let mut facts = Vec::new();
        match self.jobs.get(made.job) {
            None => facts.push(fact(id, Event::Removed)),
            Some(job) => {
                facts.push(fact(id, Event::DeletionStarted));
                if job.status() != job::Status::DeletionInProgress {
                    let deleted = self.decide_delete_job(&job_name(name)?, None, force);
                    facts.extend(deleted.map_err(|refused| force_named(name, job, refused))?);
                }
            }
        }
        if let Some(stream) = made
            .stream
            .as_ref()
            .filter(|one| delete_stream && one.is_own)
            && self.file_streams.has(stream.id)
        {
            self.check_stream_unused(stream.id, Some(id))?;
            facts.push(file_stream::fact(stream.id.0, file_stream::Event::Removed));
        }
        Ok(facts)
    }

    /// Refuses the deletion of a stream while devices get blocks of it for an OTA update other than `besides`.
    pub(crate) fn check_stream_unused(
        &self,
        stream: FileStreamId,
        besides: Option<OtaUpdateId>,
    ) -> Result<(), Rejection> {
        let besides = besides.and_then(|id| self.ota_updates.all.get(id.0));
        let is_active = |update: &&super::OtaUpdate| {
            let job = update
                .made
                .as_ref()
                .and_then(|made| self.jobs.get(made.job));
            job.is_some_and(job::Job::is_going)
                && besides.is_none_or(|besides| besides.name != update.name)
        };
        match self.ota_updates.using(stream).find(is_active) {
            None => Ok(()),
            Some(update) => Err(Rejection::new(
                RejectionKind::Conflict,
                "streamId",
                format!(
                    "devices get blocks of the stream for OTA update {}; delete that first, or wait until its job ends",
                    update.name
                ),
            )),
        }
    }

    /// The end of an OTA update whose job was deleted with it.
    pub(crate) fn ota_update_ends(&self, job: JobId) -> Option<Fact> {
        let id = self.ota_updates.ending.get(&job)?;
        Some(fact(*id, Event::Removed))
    }
}

/// Says how to delete an OTA update whose job is at work.
fn force_named(name: &OtaUpdateName, job: &job::Job, refused: Rejection) -> Rejection {
    if refused.kind != RejectionKind::WrongState {
        return refused;
    }
    let status = job.status().as_str();
    Rejection::wrong_state(
        "forceDeleteAWSJob",
        format!(
            "job {JOB_PREFIX}{name} is {status}; cancel it first, or delete the OTA update with forceDeleteAWSJob=true"
        ),
    )
}

fn job_request(request: &Request, name: JobName, document: Box<str>) -> JobRequest {
    let definition = &request.definition;
    let is_http = definition.protocols.contains(&Protocol::Http);
    let presigned_urls = (is_http || definition.url_seconds.is_some()).then(|| PresignedUrls {
        role_arn: Some(definition.role_arn.clone()),
        expires_in_seconds: definition.url_seconds,
    });
    JobRequest {
        name,
        namespace: None,
        document,
        description: definition.description.clone(),
        targets: request.targets.clone(),
        target_selection: definition.target_selection,
        settings: definition.settings.clone(),
        extras: Extras {
            presigned_urls,
            ..Extras::default()
        },
    }
}

/// A failure with texts that fit an event.
fn bounded(failure: &Failure) -> Failure {
    let cut = |text: &str| {
        text.chars()
            .take(limits::DESCRIPTION_CHARACTERS_MAX)
            .collect::<String>()
    };
    Failure {
        code: cut(&failure.code).into(),
        message: cut(&failure.message).into(),
    }
}
