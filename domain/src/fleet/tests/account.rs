//! Job templates, file streams, and which messages are sent.

use std::ops::Bound;

use super::types::tag;
use super::*;
use crate::account::{EventKind, RoleAliasCommand};
use crate::file_stream::{Change, Content as Files, File};
use crate::job::schedule::Cron;
use crate::job::{PresignedUrls, Window};
use crate::job_template::Definition;
use crate::limits;

const ROLE: &str = "arn:aws:iam::000000000000:role/r";

fn template(name: &str) -> Definition {
    Definition {
        name: job_name(name),
        description: "starts a device again".into(),
        document: "{}".into(),
        document_source: None,
        settings: job::Settings::default(),
        presigned_urls: None,
        windows: Vec::new(),
        package_versions: Vec::new(),
        tags: Vec::new(),
    }
}

fn create_template(definition: Definition) -> Command {
    Command::CreateJobTemplate {
        definition: Box::new(definition),
    }
}

#[test]
fn a_job_template_is_there_until_it_is_deleted() {
    let mut run = Run::new();
    run.ok(create_template(template("a")));
    run.ok(create_template(template("b")));
    let message = run.refused(create_template(template("a")), RejectionKind::Conflict);
    assert!(message.contains("already exists"), "{message}");
    let names = |run: &Run, after| -> Vec<String> {
        let after = run.fleet.job_templates_after(after);
        after.map(|one| one.definition.name.to_string()).collect()
    };
    assert_eq!(names(&run, None), ["a", "b"]);
    assert_eq!(names(&run, Some("a")), ["b"]);
    let delete = || Command::DeleteJobTemplate {
        name: job_name("a"),
    };
    run.ok(delete());
    run.refused(delete(), RejectionKind::NotFound);
    run.ok(create_template(template("a")));
    assert!(
        run.fleet
            .job_template("a")
            .is_some_and(|one| one.created_at == run.now)
    );
}

#[test]
fn job_templates_that_aws_refuses_are_refused() {
    let mut run = Run::new();
    run.now = Timestamp(1_800_000_000_000);
    let with = |change: fn(&mut Definition)| {
        let mut definition = template("a");
        change(&mut definition);
        create_template(definition)
    };
    let rows = [
        with(|one| one.document = "[]".into()),
        with(|one| one.document = "{".into()),
        with(|one| one.document = format!("{{\"a\":\"{}\"}}", "x".repeat(32 * 1024)).into()),
        with(|one| one.description = "x".repeat(2_029).into()),
        with(|one| one.settings.timeout_minutes = Some(10_081)),
        with(|one| {
            one.presigned_urls = Some(PresignedUrls {
                role_arn: Some(ROLE.into()),
                expires_in_seconds: Some(3_601),
            })
        }),
        with(|one| {
            one.presigned_urls = Some(PresignedUrls {
                role_arn: Some("arn:short".into()),
                expires_in_seconds: None,
            })
        }),
        with(|one| {
            one.windows = vec![Window {
                start: Cron::parse("0 2 * * ? *").expect("an expression"),
                duration_minutes: 1_431,
            }]
        }),
        with(|one| one.package_versions = vec!["arn:p".into(); limits::PACKAGE_VERSIONS_MAX + 1]),
        with(|one| one.package_versions = vec!["package".into()]),
        with(|one| one.tags = vec![("".into(), "v".into())]),
        with(|one| one.tags = vec![("k".into(), "x".repeat(257).into())]),
        with(|one| one.tags = vec![("k".into(), "1".into()), ("k".into(), "2".into())]),
        with(|one| one.tags = vec![("k!".into(), "v".into())]),
        with(|one| {
            one.tags = (0..=limits::TAGS_MAX)
                .map(|n| (n.to_string().into(), "v".into()))
                .collect();
        }),
    ];
    for command in rows {
        run.refused(command, RejectionKind::Malformed);
    }
    for number in 0..limits::JOB_TEMPLATES_MAX {
        run.ok(create_template(template(&format!("t{number}"))));
    }
    run.refused(
        create_template(template("one-more")),
        RejectionKind::TooMany,
    );
}

fn file(id: u8) -> File {
    File {
        id,
        bucket: "firmware".into(),
        key: "2.bin".into(),
        object_version: None,
        etag: None,
    }
}

fn stream_name(name: &str) -> FileStreamName {
    FileStreamName::parse(name).expect("a valid name")
}

fn create_stream(name: &str, files: Vec<File>) -> Command {
    Command::CreateFileStream {
        name: stream_name(name),
        content: Box::new(Files {
            description: None,
            role_arn: ROLE.into(),
            files,
            tags: Vec::new(),
        }),
    }
}

fn update_stream(change: Change) -> Command {
    Command::UpdateFileStream {
        name: stream_name("s"),
        change: Box::new(change),
    }
}

#[test]
fn a_file_stream_counts_its_versions_and_begins_anew_after_a_deletion() {
    let mut run = Run::new();
    run.refused(update_stream(Change::default()), RejectionKind::NotFound);
    run.ok(create_stream("s", vec![file(0)]));
    run.refused(
        create_stream("s", vec![file(0)]),
        RejectionKind::AlreadyExists,
    );
    run.pass(Span::MINUTE);
    run.ok(update_stream(Change {
        files: Some(vec![file(1), file(255)]),
        ..Change::default()
    }));
    let stream = run.fleet.file_stream("s").expect("it exists");
    assert_eq!((stream.version, stream.content.files.len()), (2, 2));
    assert_eq!(stream.changed_at.since(stream.created_at), Span::MINUTE);
    let delete = || Command::DeleteFileStream {
        name: stream_name("s"),
    };
    run.ok(delete());
    run.refused(delete(), RejectionKind::NotFound);
    run.ok(create_stream("s", vec![file(0)]));
    assert_eq!(run.fleet.file_stream("s").map(|one| one.version), Some(1));
}

#[test]
fn file_streams_that_aws_refuses_are_refused() {
    let mut run = Run::new();
    run.ok(create_stream("s", vec![file(0)]));
    let many: Vec<File> = (0..=50).map(file).collect();
    let long = |bucket: usize, key: usize| File {
        bucket: "b".repeat(bucket).into(),
        key: "k".repeat(key).into(),
        ..file(0)
    };
    let lists = [
        Vec::new(),
        many,
        vec![file(3), file(3)],
        vec![long(0, 1)],
        vec![long(1, 0)],
        vec![long(256, 1)],
        vec![long(1, 1_025)],
    ];
    for files in lists {
        run.refused(
            create_stream("new", files.clone()),
            RejectionKind::Malformed,
        );
        let change = Change {
            files: Some(files),
            ..Change::default()
        };
        run.refused(update_stream(change), RejectionKind::Malformed);
    }
    let role = Change {
        role_arn: Some("arn:short".into()),
        ..Change::default()
    };
    run.refused(update_stream(role), RejectionKind::Malformed);
}

#[test]
fn only_what_differs_is_configured() {
    let mut run = Run::new();
    let configure = |changes: &[(EventKind, bool)]| Command::ConfigureEvents {
        changes: changes.to_vec(),
    };
    assert!(run.ok(configure(&[(EventKind::Job, false)])).is_empty());
    assert_eq!(run.fleet.account().configured(), None);
    run.ok(configure(&[
        (EventKind::Job, true),
        (EventKind::JobExecution, true),
    ]));
    let events = run.ok(configure(&[
        (EventKind::Job, false),
        (EventKind::JobExecution, true),
    ]));
    assert_eq!(events.len(), 1);
    let sends = |kind| run.fleet.account().sends(kind);
    assert!(!sends(EventKind::Job) && sends(EventKind::JobExecution) && !sends(EventKind::Thing));
}

#[test]
fn everything_survives_a_saved_state() {
    let mut run = Run::new();
    run.ok(create_template(template("a")));
    run.ok(create_stream("s", vec![file(0)]));
    run.ok(Command::ConfigureEvents {
        changes: vec![(EventKind::Job, true)],
    });
    let mut bytes = Vec::new();
    run.fleet.save(&mut bytes);
    let loaded = Fleet::load(Settings::default(), &bytes).expect("what was saved");
    assert!(loaded.job_template("a").is_some());
    assert!(loaded.file_stream("s").is_some());
    assert!(loaded.account().sends(EventKind::Job));
}

#[test]
fn no_more_than_ten_jobs_are_deleted_at_once() {
    let mut run = Run::new();
    run.things(1);
    for number in 0..=limits::JOBS_IN_DELETION_MAX {
        run.ok(create_job(request(&format!("j{number}"), &["t0"])));
    }
    let delete = |number: usize| Command::DeleteJob {
        job: job_name(&format!("j{number}")),
        namespace: None,
        force: true,
    };
    // Without a pause in which the deletions go on.
    for number in 0..limits::JOBS_IN_DELETION_MAX {
        run.fleet
            .submit(&delete(number), run.now, &mut Vec::new())
            .expect("it may be deleted");
    }
    run.refused(delete(limits::JOBS_IN_DELETION_MAX), RejectionKind::TooMany);
    run.pass(Span(0));
    run.ok(delete(limits::JOBS_IN_DELETION_MAX));
}

/// One item of each kind that keeps its tags with the account, and the command that ends it.
fn tagged_items(run: &mut Run) -> Vec<(TaggedItem, Command)> {
    let given = vec![("b".into(), "2".into()), ("a".into(), "1".into())];
    let mut definition = template("reboot");
    definition.tags.clone_from(&given);
    run.ok(create_template(definition));
    let stream = stream_name("firmware");
    let mut create = create_stream("firmware", vec![file(0)]);
    if let Command::CreateFileStream { content, .. } = &mut create {
        content.tags = given;
    }
    run.ok(create);
    let policy = PolicyName::parse("rights").expect("valid");
    run.ok(Command::Policy(crate::policy::Command::Create {
        name: policy.clone(),
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}"#
            .into(),
    }));
    let alias = RoleAliasName::parse("downloads").expect("valid");
    run.ok(Command::RoleAlias(RoleAliasCommand::Create {
        name: alias.clone(),
        role_arn: ROLE.into(),
        credential_seconds: None,
    }));
    vec![
        (
            TaggedItem::JobTemplate(job_name("reboot")),
            Command::DeleteJobTemplate {
                name: job_name("reboot"),
            },
        ),
        (
            TaggedItem::FileStream(stream.clone()),
            Command::DeleteFileStream { name: stream },
        ),
        (
            TaggedItem::Policy(policy.clone()),
            Command::Policy(crate::policy::Command::Delete { name: policy }),
        ),
        (
            TaggedItem::RoleAlias(alias.clone()),
            Command::RoleAlias(RoleAliasCommand::Delete { name: alias }),
        ),
    ]
}

#[test]
fn tags_go_with_what_they_belong_to() {
    let mut run = Run::new();
    let items = tagged_items(&mut run);
    for (item, _) in &items {
        let before = run.fleet.tags(item).expect("exists");
        assert!(before.is_sorted(), "{item}");
        assert_eq!(run.ok(tag(item, &[("c", "3")], &["a"])).len(), 1, "{item}");
        let after = run.fleet.tags(item).expect("exists");
        let keys: Vec<&str> = after.iter().map(|(key, _)| &**key).collect();
        let given = !before.is_empty();
        assert_eq!(
            keys,
            if given { vec!["b", "c"] } else { vec!["c"] },
            "{item}"
        );
        assert!(
            run.ok(tag(item, &[("c", "3")], &["a"])).is_empty(),
            "{item}"
        );
        run.refused(tag(item, &[("", "v")], &[]), RejectionKind::Malformed);
    }
    let mut saved = Vec::new();
    run.fleet.save(&mut saved);
    let loaded = Fleet::load(run.fleet.settings().clone(), &saved).expect("loads");
    for (item, end) in items {
        assert_eq!(loaded.tags(&item), run.fleet.tags(&item), "{item}");
        run.ok(end);
        assert_eq!(run.fleet.tags(&item), None, "{item}");
        let message = run.refused(tag(&item, &[("c", "3")], &[]), RejectionKind::NotFound);
        assert!(message.contains(&item.to_string()), "{message}");
    }
    // What has the same name later begins without them, or with its own.
    for (item, _) in tagged_items(&mut run) {
        let tags = run.fleet.tags(&item).expect("exists");
        assert!(tags.iter().all(|(key, _)| &**key != "c"), "{item}");
    }
}

#[test]
fn a_role_alias_stands_for_a_role_until_it_is_deleted() {
    let mut run = Run::new();
    let name = |text: &str| RoleAliasName::parse(text).expect("valid");
    let create = |alias: &str, role_arn: &str, credential_seconds| {
        Command::RoleAlias(RoleAliasCommand::Create {
            name: name(alias),
            role_arn: role_arn.into(),
            credential_seconds,
        })
    };
    let update = |role_arn: Option<&str>, credential_seconds| {
        Command::RoleAlias(RoleAliasCommand::Update {
            name: name("a"),
            role_arn: role_arn.map(Into::into),
            credential_seconds,
        })
    };
    run.refused(update(None, None), RejectionKind::NotFound);
    for (role, seconds) in [("arn:short", 900), (ROLE, 899), (ROLE, 43_201)] {
        run.refused(create("a", role, Some(seconds)), RejectionKind::Malformed);
    }
    run.ok(create("a", ROLE, None));
    let created_at = run.now;
    run.refused(create("a", ROLE, None), RejectionKind::AlreadyExists);
    let seconds = |run: &Run| {
        run.fleet
            .role_alias(&name("a"))
            .expect("exists")
            .credential_seconds
    };
    assert_eq!(seconds(&run), limits::CREDENTIAL_SECONDS_DEFAULT);
    assert!(run.ok(update(Some(ROLE), None)).is_empty());
    run.now = Timestamp(run.now.0 + 1_000);
    run.ok(update(None, Some(900)));
    let alias = run.fleet.role_alias(&name("a")).expect("exists");
    assert_eq!(alias.credential_seconds, 900);
    assert_eq!((alias.created_at, alias.changed_at), (created_at, run.now));
    run.refused(update(None, Some(899)), RejectionKind::Malformed);
    for number in 1..limits::ROLE_ALIASES_MAX {
        run.ok(create(&format!("b{number}"), ROLE, None));
    }
    run.refused(create("c", ROLE, None), RejectionKind::TooMany);
    let names = |from, reverse| -> Vec<String> {
        let page = run.fleet.role_aliases(from, reverse).take(2);
        page.map(|(name, _)| name.to_string()).collect()
    };
    assert_eq!(names(Bound::Unbounded, false), ["a", "b1"]);
    assert_eq!(names(Bound::Excluded(name("b10")), true), ["b1", "a"]);
}
