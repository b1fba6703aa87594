//! Events of OTA updates.

use shipslog_domain::job::TargetSelection;
use shipslog_domain::ota_update::{
    Definition, Event as OtaEvent, Failure, File, Location, Made, Protocol, Signing, UsedStream,
};
use shipslog_domain::{Event, FileStreamId, FileStreamName, JobId, OtaUpdateName};

use super::jobs::settings;
use super::{Example, pairs};

pub(super) fn examples() -> Vec<Example> {
    let name = OtaUpdateName::parse("pumps-2").expect("a valid name");
    let stream = FileStreamName::parse("AFR_OTA-7").expect("a valid name");
    let in_s3 = File {
        name: "/device/updates".into(),
        kind: Some(202),
        version: Some("2.1".into()),
        location: Location::Object {
            bucket: "firmware".into(),
            key: "releases/2.bin".into(),
            version: Some("3".into()),
        },
        signing: Some(Signing {
            signature: "MEUCIQ==".into(),
            certificate_name: Some("/certificate.pem".into()),
            certificate_chain: Some("-----BEGIN CERTIFICATE-----".into()),
            hash_algorithm: "SHA256".into(),
            signature_algorithm: "ECDSA".into(),
        }),
        attributes: pairs(),
    };
    let in_stream = File {
        location: Location::Stream {
            stream: stream.clone(),
            file: 35,
        },
        ..in_s3.clone()
    };
    let definition = |file| Definition {
        description: Some("pumps, version 2".into()),
        targets: vec!["thing/pump-7".into(), "thinggroup/north".into()],
        protocols: vec![Protocol::Mqtt, Protocol::Http],
        target_selection: TargetSelection::Continuous,
        settings: settings(),
        url_seconds: Some(90),
        files: vec![file],
        role_arn: "arn:aws:iam::000000000000:role/reads-firmware".into(),
        parameters: pairs(),
        tags: pairs(),
    };
    let made = Made {
        job: JobId(5),
        stream: Some(UsedStream {
            id: FileStreamId(3),
            name: stream,
            is_own: true,
        }),
    };
    let failure = Failure {
        code: "ResourceNotFoundException".into(),
        message: "file releases/2.bin in bucket firmware does not exist".into(),
    };
    let all = vec![
        (
            "",
            OtaEvent::Created {
                name: name.clone(),
                definition: Box::new(definition(in_s3)),
                made: Some(made),
                failure: None,
            },
        ),
        (
            "failed",
            OtaEvent::Created {
                name,
                definition: Box::new(definition(in_stream)),
                made: None,
                failure: Some(failure),
            },
        ),
        ("", OtaEvent::DeletionStarted),
        ("", OtaEvent::Removed),
    ];
    let all = all.into_iter();
    all.map(|(label, event)| (label, Event::OtaUpdate(event)))
        .collect()
}
