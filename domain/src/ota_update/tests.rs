use super::*;
use crate::event::Event as Any;
use crate::fleet::tests::{Run, create_thing};
use crate::fleet::{Fleet, Settings as FleetSettings};
use crate::ids::ThingName;
use crate::rejection::RejectionKind;
use crate::time::Span;
use crate::{Command as AnyCommand, Event as AnyEvent, file_stream, job, limits};

const ROLE: &str = "arn:aws:iam::000000000000:role/reads-firmware";

fn name(name: &str) -> OtaUpdateName {
    OtaUpdateName::parse(name).expect("a valid name")
}

fn stream_name(name: &str) -> FileStreamName {
    FileStreamName::parse(name).expect("a valid name")
}

fn in_s3(key: &str) -> File {
    File {
        name: "/device/updates".into(),
        kind: None,
        version: None,
        location: Location::Object {
            bucket: "firmware".into(),
            key: key.into(),
            version: None,
        },
        signing: None,
        attributes: Vec::new(),
    }
}

fn in_stream(stream: &str, file: u8) -> File {
    File {
        location: Location::Stream {
            stream: stream_name(stream),
            file,
        },
        ..in_s3("")
    }
}

/// An update of the thing `t0` with these files, each 4 bytes long.
fn request(update: &str, files: Vec<File>) -> Request {
    let found = Found {
        size: 4,
        etag: "e".into(),
    };
    Request {
        name: name(update),
        found: Ok(vec![found; files.len()]),
        definition: Definition {
            description: None,
            targets: vec!["thing/t0".into()],
            protocols: vec![Protocol::Mqtt],
            target_selection: TargetSelection::Snapshot,
            settings: Settings::default(),
            url_seconds: None,
            files,
            role_arn: ROLE.into(),
            parameters: Vec::new(),
            tags: Vec::new(),
        },
        targets: vec![TargetName::Thing(
            ThingName::parse("t0").expect("a valid name"),
        )],
        stream: stream_name(&format!("AFR_OTA-of-{update}")),
    }
}

fn create(request: Request) -> AnyCommand {
    AnyCommand::OtaUpdate(Command::Create(Box::new(request)))
}

fn delete(update: &str, delete_stream: bool, force: bool) -> AnyCommand {
    AnyCommand::OtaUpdate(Command::Delete {
        name: name(update),
        delete_stream,
        force,
    })
}

fn run() -> Run {
    let mut run = Run::new();
    run.things(1);
    run
}

fn status(run: &Run, update: &str) -> Option<&'static str> {
    Some(run.fleet.ota_update(update)?.status().as_str())
}

fn document(run: &Run, update: &str) -> String {
    run.job(&format!("AFR_OTA-{update}"))
        .definition()
        .document
        .to_string()
}

#[test]
fn an_update_is_made_with_its_stream_and_its_job_or_not_at_all() {
    let mut run = run();
    let events = run.ok(create(request(
        "one",
        vec![in_s3("a b}.bin"), in_s3("2.bin")],
    )));
    let is_made = |event: &AnyEvent| {
        matches!(
            event,
            Any::FileStream(file_stream::Event::Created { .. })
                | Any::Job(job::Event::Created { .. })
                | Any::OtaUpdate(Event::Created { made: Some(_), .. })
        )
    };
    assert_eq!(events.iter().filter(|event| is_made(event)).count(), 3);
    assert_eq!(status(&run, "one"), Some("CREATE_COMPLETE"));
    assert_eq!(
        document(&run, "one"),
        r#"{"afr_ota":{"protocols":["MQTT"],"streamname":"AFR_OTA-of-one","files":[{"filepath":"/device/updates","filesize":4,"fileid":0},{"filepath":"/device/updates","filesize":4,"fileid":1}]}}"#
    );
    let stream = run
        .fleet
        .file_stream("AFR_OTA-of-one")
        .expect("it was made");
    let etags = stream.content.files.iter().map(|file| file.etag.as_deref());
    assert_eq!(etags.collect::<Vec<_>>(), [Some("e"), Some("e")]);
    run.refused(
        create(request("one", vec![in_s3("2.bin")])),
        RejectionKind::AlreadyExists,
    );
    // The name of the job is taken, and so nothing is made.
    run.ok(create(request("two", vec![in_s3("2.bin")])));
    run.ok(delete("two", false, true));
    run.refused(
        create(request("three-of-other", vec![in_stream("no-such", 0)])),
        RejectionKind::NotFound,
    );
    let mut elsewhere = request("four", vec![in_s3("2.bin")]);
    elsewhere.targets = vec![TargetName::Thing(
        ThingName::parse("t9").expect("a valid name"),
    )];
    run.refused(create(elsewhere), RejectionKind::NotFound);
    assert!(run.fleet.file_stream("AFR_OTA-of-four").is_none());
}

#[test]
fn a_document_over_http_has_placeholders_and_signatures_where_the_files_have_them() {
    let mut run = run();
    let signed = File {
        kind: Some(202),
        signing: Some(Signing {
            signature: "MEUCIQ==".into(),
            certificate_name: Some("/certificate.pem".into()),
            certificate_chain: Some("PEM".into()),
            hash_algorithm: "SHA256".into(),
            signature_algorithm: "ECDSA".into(),
        }),
        location: Location::Object {
            bucket: "firm.ware".into(),
            key: "a/b}\".bin".into(),
            version: Some("v 1".into()),
        },
        ..in_s3("")
    };
    let mut both = request("both", vec![signed]);
    both.definition.protocols = vec![Protocol::Mqtt, Protocol::Http];
    both.definition.url_seconds = Some(90);
    run.ok(create(both));
    assert_eq!(
        document(&run, "both"),
        r#"{"afr_ota":{"protocols":["MQTT","HTTP"],"streamname":"AFR_OTA-of-both","files":[{"filepath":"/device/updates","filesize":4,"fileid":0,"certfile":"/certificate.pem","fileType":202,"update_data_url":"${aws:iot:s3-presigned-url:https://s3.amazonaws.com/firm.ware/a/b%7D%22.bin?versionId=v%201}","auth_scheme":"aws.s3.presigned","sig-sha256-ecdsa":"MEUCIQ=="}]}}"#
    );
    let found = job::files::placeholders(&document(&run, "both"))
        .next()
        .expect("there is one")
        .expect("it names a file");
    assert_eq!(found.object.bucket.as_ref(), "firm.ware");
    assert_eq!(found.object.key.as_ref(), "a/b}\".bin");
    assert_eq!(found.object.version.as_deref(), Some("v 1"));
    let mut http = request("http", vec![in_s3("2.bin")]);
    http.definition.protocols = vec![Protocol::Http];
    run.ok(create(http));
    assert!(run.fleet.file_stream("AFR_OTA-of-http").is_none());
    assert!(!document(&run, "http").contains("streamname"));
}

#[test]
fn files_may_be_those_of_a_stream_that_exists() {
    let mut run = run();
    let file = |id| file_stream::File {
        id,
        bucket: "firmware".into(),
        key: "2.bin".into(),
        object_version: None,
        etag: None,
    };
    let content = file_stream::Content {
        description: None,
        role_arn: ROLE.into(),
        files: vec![file(7), file(35)],
        tags: Vec::new(),
    };
    let make = |name: &str| AnyCommand::CreateFileStream {
        name: stream_name(name),
        content: Box::new(content.clone()),
    };
    run.ok(make("mine"));
    run.ok(make("other"));
    run.refused(
        create(request("x", vec![in_stream("mine", 8)])),
        RejectionKind::NotFound,
    );
    for mixed in [in_stream("other", 7), in_s3("2.bin")] {
        run.refused(
            create(request("x", vec![in_stream("mine", 7), mixed])),
            RejectionKind::Malformed,
        );
    }
    run.ok(create(request("x", vec![in_stream("mine", 35)])));
    assert!(document(&run, "x").contains(r#""streamname":"mine""#));
    assert!(document(&run, "x").contains(r#""fileid":35"#));
    let remove = || AnyCommand::DeleteFileStream {
        name: stream_name("mine"),
    };
    let why = run.refused(remove(), RejectionKind::Conflict);
    assert!(why.contains("OTA update x"), "{why}");
    // The owner's stream stays, whatever is asked for.
    run.ok(delete("x", true, true));
    run.pass(Span::MINUTE);
    assert_eq!(status(&run, "x"), None);
    run.ok(remove());
}

#[test]
fn an_update_whose_files_cannot_be_had_says_why_and_has_no_job() {
    let mut run = run();
    let mut lost = request("lost", vec![in_s3("2.bin")]);
    lost.found = Err(Failure {
        code: "ResourceNotFoundException".into(),
        message: "file 2.bin in bucket firmware does not exist".into(),
    });
    let events = run.ok(create(lost.clone()));
    assert_eq!(events.len(), 1);
    assert_eq!(status(&run, "lost"), Some("CREATE_FAILED"));
    assert!(run.fleet.job_id("AFR_OTA-lost").is_none());
    // What is wrong with the rest is refused all the same.
    lost.name = name("lost-2");
    lost.targets = vec![TargetName::Thing(
        ThingName::parse("t9").expect("a valid name"),
    )];
    run.refused(create(lost), RejectionKind::NotFound);
    run.ok(delete("lost", true, false));
    assert_eq!(status(&run, "lost"), None);
}

#[test]
fn a_deletion_ends_with_that_of_the_job() {
    let mut run = run();
    run.ok(create(request("x", vec![in_s3("2.bin")])));
    let why = run.refused(delete("x", true, false), RejectionKind::WrongState);
    assert!(why.contains("forceDeleteAWSJob=true"), "{why}");
    run.refused(delete("y", true, true), RejectionKind::NotFound);
    let stream = stream_name("AFR_OTA-of-x");
    run.refused(
        AnyCommand::DeleteFileStream { name: stream },
        RejectionKind::Conflict,
    );
    run.pass(Span::MINUTE);
    let mut facts = Vec::new();
    run.fleet
        .submit(&delete("x", true, true), run.now, &mut facts)
        .expect("it is forced");
    assert_eq!(status(&run, "x"), Some("DELETE_IN_PROGRESS"));
    assert!(run.fleet.file_stream("AFR_OTA-of-x").is_none());
    assert!(
        run.ok(delete("x", true, true))
            .iter()
            .any(|event| matches!(event, Any::OtaUpdate(Event::Removed)))
    );
    assert_eq!(status(&run, "x"), None);
    assert!(run.fleet.job_id("AFR_OTA-x").is_none());
    // All names are free again.
    run.ok(create(request("x", vec![in_s3("2.bin")])));
    assert_eq!(status(&run, "x"), Some("CREATE_COMPLETE"));
}

#[test]
fn an_update_outlives_a_job_that_was_deleted_by_hand() {
    let mut run = run();
    run.ok(create(request("x", vec![in_s3("2.bin")])));
    run.ok(AnyCommand::DeleteJob {
        job: crate::ids::JobName::parse("AFR_OTA-x").expect("a valid name"),
        namespace: None,
        force: true,
    });
    run.pass(Span::MINUTE);
    assert_eq!(status(&run, "x"), Some("CREATE_COMPLETE"));
    let events = run.ok(delete("x", true, false));
    assert_eq!(events.len(), 2);
    assert_eq!(status(&run, "x"), None);
}

#[test]
fn what_devices_could_not_read_is_refused() {
    let mut run = run();
    let refuse = |run: &mut Run, change: &dyn Fn(&mut Definition)| {
        let mut request = request("x", vec![in_s3("2.bin")]);
        change(&mut request.definition);
        run.refused(create(request), RejectionKind::Malformed)
    };
    let sign = |definition: &mut Definition, change: &dyn Fn(&mut Signing)| {
        let mut signing = Signing {
            signature: "MA==".into(),
            certificate_name: None,
            certificate_chain: None,
            hash_algorithm: "SHA256".into(),
            signature_algorithm: "RSA".into(),
        };
        change(&mut signing);
        definition.files[0].signing = Some(signing);
    };
    refuse(&mut run, &|one| one.protocols.clear());
    refuse(&mut run, &|one| one.protocols.push(Protocol::Mqtt));
    refuse(&mut run, &|one| one.files.clear());
    refuse(&mut run, &|one| {
        one.files = vec![in_s3("2.bin"); limits::STREAM_FILES_MAX + 1]
    });
    refuse(&mut run, &|one| {
        one.protocols = vec![Protocol::Http];
        one.files = vec![in_s3("2.bin"); limits::PRESIGNED_URLS_MAX + 1];
    });
    refuse(&mut run, &|one| {
        one.protocols = vec![Protocol::Http];
        one.files[0].location = Location::Object {
            bucket: "a}".into(),
            key: "2.bin".into(),
            version: None,
        };
    });
    refuse(&mut run, &|one| one.files[0].name = "".into());
    refuse(&mut run, &|one| one.files[0].name = "${aws:iot:x}".into());
    refuse(&mut run, &|one| one.role_arn = "nobody".into());
    refuse(&mut run, &|one| one.url_seconds = Some(59));
    refuse(&mut run, &|one| {
        let long = "x".repeat(limits::OTA_PARAMETER_CHARACTERS_MAX + 1);
        one.parameters = vec![("a".into(), long.into())];
    });
    refuse(&mut run, &|one| {
        let long: Box<str> = "x".repeat(limits::OTA_PARAMETER_CHARACTERS_MAX).into();
        one.parameters = (0..7)
            .map(|n| (n.to_string().into(), long.clone()))
            .collect();
    });
    refuse(&mut run, &|one| {
        sign(one, &|signing| signing.signature = "-".into())
    });
    refuse(&mut run, &|one| {
        sign(one, &|signing| signing.signature = "".into())
    });
    refuse(&mut run, &|one| {
        sign(one, &|signing| signing.hash_algorithm = "SHA-256".into())
    });
    refuse(&mut run, &|one| {
        sign(one, &|signing| {
            signing.certificate_name = Some("a\n".into())
        });
    });
    let long = "x".repeat(57);
    let why = run.refused(
        create(request(&long, vec![in_s3("2.bin")])),
        RejectionKind::Malformed,
    );
    assert!(why.contains("56 characters"), "{why}");
    run.ok(create(request(&"x".repeat(56), vec![in_s3("2.bin")])));
}

#[test]
fn updates_survive_saving_and_replay() {
    let mut run = run();
    run.ok(create_thing("t1"));
    run.ok(create(request("x", vec![in_s3("2.bin")])));
    run.ok(create(request("y", vec![in_s3("2.bin")])));
    let mut facts = Vec::new();
    run.fleet
        .submit(&delete("y", true, true), run.now, &mut facts)
        .expect("it is forced");
    let mut saved = Vec::new();
    run.fleet.save(&mut saved);
    let mut loaded = Fleet::load(FleetSettings::default(), &saved).expect("just saved");
    let state = |fleet: &Fleet, update: &str| Some(fleet.ota_update(update)?.status());
    assert_eq!(state(&loaded, "x"), Some(Status::Complete));
    assert_eq!(state(&loaded, "y"), Some(Status::DeletionInProgress));
    while loaded.poll_timeout().is_some_and(|(at, _)| at <= run.now) {
        loaded.advance(run.now, &mut Vec::new());
    }
    assert_eq!(state(&loaded, "y"), None, "its deletion goes on");
    let mut replayed = Fleet::new(FleetSettings::default());
    let recorded = run.log.iter().map(|(at, fact)| (*at, fact));
    for (at, fact) in recorded.chain(facts.iter().map(|fact| (run.now, fact))) {
        replayed.evolve(at, fact);
    }
    assert_eq!(state(&replayed, "x"), Some(Status::Complete));
    assert_eq!(state(&replayed, "y"), Some(Status::DeletionInProgress));
}
