//! Events of OTA updates.

use shipslog_domain::ota_update::{self, Definition, File, Location};

use super::values::{self, list, map, pairs};
use super::{Told, Value};

pub(super) fn ota_update(event: &ota_update::Event) -> Told {
    match event {
        ota_update::Event::Created {
            name,
            definition,
            made,
            failure,
        } => {
            let mut fields = vec![("name", name.as_str().into())];
            fields.extend(what(definition));
            let stream = made.as_ref().and_then(|made| made.stream.as_ref());
            fields.push(("job", made.as_ref().map(|made| made.job.0).into()));
            fields.push(("stream", stream.map(|stream| stream.name.as_str()).into()));
            let error = failure.as_ref().map(|failure| {
                map([
                    ("code", (&failure.code).into()),
                    ("message", (&failure.message).into()),
                ])
            });
            fields.push(("errorInfo", error.into()));
            let summary = match failure {
                None => format!("OTA update {name} was created"),
                Some(failure) => format!("OTA update {name} failed: {}", failure.message),
            };
            Told::new("OtaUpdateCreated", summary, fields).named(name.as_str())
        }
        ota_update::Event::DeletionStarted => Told::new(
            "OtaUpdateDeletionStarted",
            "the OTA update is being deleted",
            vec![],
        ),
        ota_update::Event::Removed => {
            Told::new("OtaUpdateRemoved", "the OTA update was deleted", vec![])
        }
    }
}

fn what(definition: &Definition) -> Vec<(&'static str, Value)> {
    vec![
        ("description", definition.description.as_ref().into()),
        ("targets", list(&definition.targets, Into::into)),
        (
            "protocols",
            list(&definition.protocols, |protocol| protocol.as_str().into()),
        ),
        (
            "targetSelection",
            definition.target_selection.as_str().into(),
        ),
        ("settings", values::settings(&definition.settings)),
        ("expiresInSec", definition.url_seconds.into()),
        ("files", list(&definition.files, file)),
        ("roleArn", (&definition.role_arn).into()),
        ("additionalParameters", pairs(&definition.parameters)),
        ("tags", pairs(&definition.tags)),
    ]
}

fn file(file: &File) -> Value {
    let location = match &file.location {
        Location::Stream { stream, file } => map([
            ("streamId", stream.as_str().into()),
            ("fileId", (*file).into()),
        ]),
        Location::Object {
            bucket,
            key,
            version,
        } => map([
            ("bucket", bucket.into()),
            ("key", key.into()),
            ("version", version.as_ref().into()),
        ]),
    };
    let signing = file.signing.as_ref().map(|signing| {
        map([
            ("signature", (&signing.signature).into()),
            ("certificateName", signing.certificate_name.as_ref().into()),
            (
                "certificateChain",
                signing.certificate_chain.as_ref().into(),
            ),
            ("hashAlgorithm", (&signing.hash_algorithm).into()),
            ("signatureAlgorithm", (&signing.signature_algorithm).into()),
        ])
    });
    map([
        ("fileName", (&file.name).into()),
        ("fileType", file.kind.into()),
        ("fileVersion", file.version.as_ref().into()),
        ("fileLocation", location),
        ("codeSigning", signing.into()),
        ("attributes", pairs(&file.attributes)),
    ])
}
