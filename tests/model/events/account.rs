//! Events of job templates, file streams and the account.

use shipslog_domain::account::{self, EventKind, Tagged};
use shipslog_domain::file_stream::{self, Change, Content, File};
use shipslog_domain::job_template::{self, Definition};
use shipslog_domain::{Event, FileStreamName, PolicyId, RoleAliasName};

use super::Example;
use super::jobs::{presigned_urls, settings, window};
use crate::lower::job_name;

fn file(id: u8) -> File {
    File {
        id,
        bucket: "firmware".into(),
        key: "releases/2.bin".into(),
        object_version: Some("3".into()),
        etag: None,
    }
}

pub(super) fn examples() -> Vec<Example> {
    let definition = Definition {
        name: job_name("reboot"),
        description: "starts a device again".into(),
        document: "{\"operation\":\"reboot\"}".into(),
        document_source: Some("https://s3.amazonaws.com/firmware/job.json".into()),
        settings: settings(),
        presigned_urls: Some(presigned_urls()),
        windows: vec![window()],
        package_versions: vec!["arn:aws:iot:us-east-1:000000000000:package/p/version/1".into()],
        tags: vec![("team".into(), "edge".into())],
    };
    let content = Content {
        description: Some("one file".into()),
        role_arn: "arn:aws:iam::000000000000:role/reads-firmware".into(),
        files: vec![file(0), file(255)],
        tags: vec![("team".into(), "edge".into())],
    };
    let noted = Content {
        files: vec![File {
            etag: Some("9bb58f26192e4ba00f01e2e7b136bbd8".into()),
            ..file(0)
        }],
        ..content.clone()
    };
    let change = Change {
        description: Some("another file".into()),
        role_arn: Some("arn:aws:iam::000000000000:role/reads-all".into()),
        files: Some(vec![file(7)]),
    };
    let role_alias = RoleAliasName::parse("downloads").expect("a valid name");
    let template = Event::JobTemplate;
    let stream = Event::FileStream;
    vec![
        (
            "",
            template(job_template::Event::Created {
                definition: Box::new(definition),
            }),
        ),
        ("", template(job_template::Event::Removed)),
        (
            "",
            stream(file_stream::Event::Created {
                name: FileStreamName::parse("firmware_2").expect("a valid name"),
                content: Box::new(content),
            }),
        ),
        (
            "etag",
            stream(file_stream::Event::Created {
                name: FileStreamName::parse("firmware_3").expect("a valid name"),
                content: Box::new(noted),
            }),
        ),
        (
            "",
            stream(file_stream::Event::Changed {
                change: Box::new(change),
            }),
        ),
        ("", stream(file_stream::Event::Removed)),
        (
            "",
            Event::Account(account::Event::EventsConfigured {
                changes: EventKind::ALL.map(|kind| (kind, true)).to_vec(),
            }),
        ),
        (
            "",
            Event::Account(account::Event::TagsChanged {
                item: Tagged::Policy(PolicyId(3)),
                tags: vec![("team".into(), "edge".into())],
            }),
        ),
        (
            "",
            Event::Account(account::Event::RoleAliasSet {
                name: role_alias.clone(),
                role_arn: "arn:aws:iam::000000000000:role/reads-firmware".into(),
                credential_seconds: 3_600,
            }),
        ),
        (
            "",
            Event::Account(account::Event::RoleAliasRemoved { name: role_alias }),
        ),
    ]
}
