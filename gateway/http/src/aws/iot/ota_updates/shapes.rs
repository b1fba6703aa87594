//! OTA updates on the wire.

use serde_json::{Map, Value, json};
use shipslog_domain::command::TargetName;
use shipslog_domain::job::{Settings, TargetSelection};
use shipslog_domain::ota_update::{
    Definition, File, Location, OtaUpdate, Protocol, Signing, UsedStream,
};
use shipslog_domain::{FileStreamName, limits};

use crate::arn::Arns;
use crate::aws::iot::jobs::{SELECTIONS, parse_targets, shapes};
use crate::aws::wire::{members, time};
use crate::error::Error;
use crate::json::Field;
use crate::settings;

const PROTOCOLS: [(&str, Protocol); 2] = [("MQTT", Protocol::Mqtt), ("HTTP", Protocol::Http)];

/// What a request asks for.
pub(super) fn read(
    arns: &Arns,
    body: &Field<'_, '_>,
) -> Result<(Definition, Vec<TargetName>), Error> {
    let targets = parse_targets(arns, body)?;
    let (protocols, selection) = (body.member("protocols"), body.member("targetSelection"));
    let urls = body.member("awsJobPresignedUrlConfig");
    let parameters = body.member("additionalParameters");
    let definition = Definition {
        description: optional_text(body, "description")?,
        targets: targets.iter().map(resource).collect(),
        protocols: match protocols.present() {
            Some(protocols) => {
                protocols.non_empty_list(PROTOCOLS.len(), |word| word.one_of(&PROTOCOLS))?
            }
            None => vec![Protocol::Mqtt],
        },
        target_selection: match selection.present() {
            Some(selection) => selection.one_of(&SELECTIONS)?,
            None => TargetSelection::Snapshot,
        },
        settings: settings::parse(body, &settings::OTA)?,
        url_seconds: match urls.present() {
            Some(urls) => urls.member("expiresInSec").optional_number()?,
            None => None,
        },
        files: body
            .member("files")
            .non_empty_list(limits::STREAM_FILES_MAX, |file| read_file(&file))?,
        role_arn: body.member("roleArn").text()?.into(),
        parameters: match parameters.present() {
            Some(parameters) => parameters.string_pairs(limits::OTA_PARAMETERS_MAX)?,
            None => Vec::new(),
        },
        tags: shapes::tags(body)?,
    };
    Ok((definition, targets))
}

fn optional_text(parent: &Field<'_, '_>, name: &str) -> Result<Option<Box<str>>, Error> {
    Ok(parent.member(name).optional_string()?.map(Into::into))
}

/// A target as it stands in its ARN.
fn resource(target: &TargetName) -> Box<str> {
    match target {
        TargetName::Thing(name) => format!("thing/{name}").into(),
        TargetName::Group(name) => format!("thinggroup/{name}").into(),
    }
}

fn read_file(file: &Field<'_, '_>) -> Result<File, Error> {
    file.object()?;
    let (kind, attributes) = (file.member("fileType"), file.member("attributes"));
    let signing = file.member("codeSigning");
    Ok(File {
        name: file.member("fileName").text()?.into(),
        kind: match kind.present() {
            Some(kind) => Some(byte(kind)?),
            None => None,
        },
        version: optional_text(file, "fileVersion")?,
        location: read_location(&file.member("fileLocation"))?,
        signing: match signing.present() {
            Some(signing) => read_signing(signing)?,
            None => None,
        },
        attributes: match attributes.present() {
            Some(attributes) => attributes.string_pairs(limits::OTA_PARAMETERS_MAX)?,
            None => Vec::new(),
        },
    })
}

fn byte(field: &Field<'_, '_>) -> Result<u8, Error> {
    u8::try_from(field.number()?).map_err(|_| field.refuse("must be 0 to 255"))
}

fn read_location(location: &Field<'_, '_>) -> Result<Location, Error> {
    location.object()?;
    let (stream, object) = (location.member("stream"), location.member("s3Location"));
    match (stream.present(), object.present()) {
        (Some(stream), None) => {
            let file = stream.member("fileId");
            Ok(Location::Stream {
                stream: stream.member("streamId").parsed(FileStreamName::parse)?,
                file: file.present().map_or(Ok(0), byte)?,
            })
        }
        (None, Some(object)) => Ok(Location::Object {
            bucket: object.member("bucket").text()?.into(),
            key: object.member("key").text()?.into(),
            version: optional_text(object, "version")?,
        }),
        (Some(_), Some(_)) | (None, None) => {
            Err(location.refuse("must have exactly one of stream and s3Location"))
        }
    }
}

/// `codeSigning`; `None` where it says nothing.
fn read_signing(signing: &Field<'_, '_>) -> Result<Option<Signing>, Error> {
    signing.object()?;
    for name in ["awsSignerJobId", "startSigningJobParameter"] {
        if signing.member(name).is_present() {
            let rule = "is for AWS Signer, and nobody signs here: sign the file and send customCodeSigning";
            return Err(signing.member(name).refuse(rule));
        }
    }
    let custom = signing.member("customCodeSigning");
    if !custom.is_present() {
        return Ok(None);
    }
    let signature = custom.member("signature");
    let chain = custom.member("certificateChain");
    let (certificate_name, certificate_chain) = match chain.present() {
        Some(chain) => (
            optional_text(chain, "certificateName")?,
            optional_text(chain, "inlineDocument")?,
        ),
        None => (None, None),
    };
    Ok(Some(Signing {
        signature: signature.member("inlineDocument").text()?.into(),
        certificate_name,
        certificate_chain,
        hash_algorithm: custom.member("hashAlgorithm").text()?.into(),
        signature_algorithm: custom.member("signatureAlgorithm").text()?.into(),
    }))
}

/// What only the description of one OTA update says.
pub(super) fn render(arns: &Arns, update: &OtaUpdate) -> Map<String, Value> {
    let definition = &update.definition;
    let rollout = Settings {
        rollout: definition.settings.rollout,
        ..Settings::default()
    };
    let mut body = settings::render(&rollout, &settings::OTA);
    let urls = definition.url_seconds;
    let targets = definition.targets.iter();
    let words = definition.protocols.iter();
    let stream = update.made.as_ref().and_then(|made| made.stream.as_ref());
    let files = (0..=u8::MAX).zip(&definition.files);
    let failure = update.failure.as_ref();
    body.append(&mut members([
        ("creationDate", Some(time(update.created_at))),
        ("lastModifiedDate", Some(time(update.changed_at))),
        (
            "description",
            definition.description.as_deref().map(Value::from),
        ),
        (
            "targets",
            Some(targets.map(|target| arns.of(target)).collect()),
        ),
        ("protocols", Some(words.map(|word| word.as_str()).collect())),
        (
            "awsJobPresignedUrlConfig",
            urls.map(|seconds| json!({"expiresInSec": seconds})),
        ),
        (
            "targetSelection",
            Some(definition.target_selection.as_str().into()),
        ),
        (
            "otaUpdateFiles",
            Some(
                files
                    .map(|(number, file)| render_file(number, file, stream))
                    .collect(),
            ),
        ),
        (
            "errorInfo",
            failure.map(|failure| json!({"code": failure.code, "message": failure.message})),
        ),
        (
            "additionalParameters",
            shapes::render_pairs(&definition.parameters),
        ),
    ]));
    body
}

/// A file; one in S3 that devices get in blocks says of which stream.
fn render_file(number: u8, file: &File, stream: Option<&UsedStream>) -> Value {
    let of_stream =
        |stream: &FileStreamName, file: u8| json!({"streamId": stream.as_str(), "fileId": file});
    let location = match &file.location {
        Location::Stream { stream, file } => members([("stream", Some(of_stream(stream, *file)))]),
        Location::Object {
            bucket,
            key,
            version,
        } => {
            let object = members([
                ("bucket", Some(bucket.as_ref().into())),
                ("key", Some(key.as_ref().into())),
                ("version", version.as_deref().map(Value::from)),
            ]);
            members([
                (
                    "stream",
                    stream.map(|stream| of_stream(&stream.name, number)),
                ),
                ("s3Location", Some(Value::Object(object))),
            ])
        }
    };
    let signing = file.signing.as_ref().map(render_signing);
    Value::Object(members([
        ("fileName", Some(file.name.as_ref().into())),
        ("fileType", file.kind.map(Value::from)),
        ("fileVersion", file.version.as_deref().map(Value::from)),
        ("fileLocation", Some(Value::Object(location))),
        ("codeSigning", signing),
        ("attributes", shapes::render_pairs(&file.attributes)),
    ]))
}

fn render_signing(signing: &Signing) -> Value {
    let chain = members([
        (
            "certificateName",
            signing.certificate_name.as_deref().map(Value::from),
        ),
        (
            "inlineDocument",
            signing.certificate_chain.as_deref().map(Value::from),
        ),
    ]);
    let chain = (!chain.is_empty()).then_some(Value::Object(chain));
    let custom = members([
        (
            "signature",
            Some(json!({"inlineDocument": signing.signature})),
        ),
        ("certificateChain", chain),
        (
            "hashAlgorithm",
            Some(signing.hash_algorithm.as_ref().into()),
        ),
        (
            "signatureAlgorithm",
            Some(signing.signature_algorithm.as_ref().into()),
        ),
    ]);
    json!({"customCodeSigning": custom})
}
