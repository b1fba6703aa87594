use std::path::Path;
use std::time::Duration;

use shipslog_domain::command::{JobRequest, TargetName};
use shipslog_domain::limits::TIMEOUT_EVENTS_MAX;
use shipslog_domain::log::CommandKey;
use shipslog_domain::{
    Command, CommandId, GroupName, JobName, Position, RejectionKind, Span, ThingName, execution,
    fleet, job,
};
use tokio::task::JoinSet;

use super::{App, Ended, Options, Service};
use crate::limits;
use crate::log::{Log, tools};

fn start(directory: &Path, virtual_clock: bool) -> Service {
    let log = Log::open(directory).expect("the log opens");
    let options = Options {
        virtual_clock,
        ..Options::default()
    };
    Service::start(log, options).expect("the service starts")
}

fn thing(number: usize) -> Command {
    Command::CreateThing {
        name: ThingName::parse(&format!("t{number}")).expect("valid"),
        thing_type: None,
        attributes: Vec::new(),
        billing_group: None,
    }
}

fn in_group(number: usize) -> Command {
    Command::AddThingToGroup {
        group: GroupName::parse("g").expect("valid"),
        thing: ThingName::parse(&format!("t{number}")).expect("valid"),
    }
}

fn job_for_group() -> Command {
    Command::CreateJob {
        request: Box::new(JobRequest {
            name: JobName::parse("j").expect("valid"),
            namespace: None,
            document: "{}".into(),
            description: None,
            targets: vec![TargetName::Group(GroupName::parse("g").expect("valid"))],
            target_selection: job::TargetSelection::Snapshot,
            settings: job::Settings {
                rollout: Some(job::Rollout {
                    maximum_per_minute: Some(4),
                    exponential: None,
                }),
                ..job::Settings::default()
            },
            extras: job::Extras::default(),
        }),
    }
}

#[tokio::test]
async fn what_is_answered_is_durable_visible_and_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = start(directory.path(), false);
    let app = service.app().clone();
    let mut follower = app.follow(Position::START);
    let receipt = app.submit(thing(0)).await.expect("runs").expect("accepted");
    assert_eq!((receipt.position, receipt.events), (Position(1), 1));
    assert_eq!(app.head(), Position(1));
    let commit = follower.next().await.expect("a commit").expect("readable");
    assert_eq!(commit.last(), Position(1));
    app.wait_for(Position(1), Duration::from_secs(5))
        .await
        .expect("the views follow");
    assert!(app.look(|views| views.thing("t0").is_some()));
    assert_eq!(service.stop(), Ended::Stopped);
    assert!(
        app.submit(thing(1)).await.is_err(),
        "a stopped service takes nothing"
    );

    let service = start(directory.path(), false);
    let app = service.app();
    assert_eq!(app.head(), Position(1));
    let known = app.read(|fleet| fleet.thing_id("t0").is_some()).await;
    assert_eq!(known, Ok(true));
    assert!(app.look(|views| views.thing("t0").is_some()));
}

#[tokio::test]
async fn a_follower_sees_every_event_once_also_from_the_middle() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = start(directory.path(), false);
    let app = service.app().clone();
    let writers = (0..50).map(|number| {
        let app = app.clone();
        tokio::spawn(async move { app.submit(thing(number)).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer
            .await
            .expect("ends")
            .expect("runs")
            .expect("accepted");
    }
    for after in [0, 1, 17, 49] {
        let mut follower = app.follow(Position(after));
        let mut seen = Vec::new();
        while seen.last() != Some(&50) {
            let commit = follower.next().await.expect("a commit").expect("readable");
            seen.extend(commit.events.iter().map(|event| event.position.0));
        }
        assert_eq!(seen, (after + 1..=50).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_repeated_command_gets_its_first_answer_also_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = |id: u8, body| {
        Some(CommandKey {
            id: CommandId([id; 16]),
            body,
        })
    };
    let service = start(directory.path(), false);
    let app = service.app();
    let submit = |app: &App, number, key| {
        let app = app.clone();
        async move {
            let decided = app.submit_with(thing(number), key, |_, decided| decided);
            decided.await.expect("runs")
        }
    };
    let first = submit(app, 0, key(1, 7)).await.expect("accepted");
    let again = submit(app, 0, key(1, 7)).await.expect("accepted");
    assert_eq!((again.position, again.repeated), (first.position, true));
    let conflict = submit(app, 1, key(1, 8)).await.expect_err("another body");
    assert_eq!(conflict.kind, RejectionKind::Conflict);
    assert_eq!(service.stop(), Ended::Stopped);

    let service = start(directory.path(), false);
    let again = submit(service.app(), 0, key(1, 7)).await.expect("accepted");
    assert_eq!((again.position, again.repeated), (first.position, true));
    assert_eq!(service.app().head(), Position(1));
}

#[tokio::test]
async fn virtual_time_moves_only_when_told_and_brings_what_is_due() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = start(directory.path(), true);
    let app = service.app();
    let group = Command::CreateGroup {
        name: GroupName::parse("g").expect("valid"),
        parent: None,
        description: None,
        attributes: Vec::new(),
    };
    app.submit(group).await.expect("runs").expect("accepted");
    for number in 0..10 {
        app.submit(thing(number))
            .await
            .expect("runs")
            .expect("accepted");
        app.submit(in_group(number))
            .await
            .expect("runs")
            .expect("accepted");
    }
    app.submit(job_for_group())
        .await
        .expect("runs")
        .expect("accepted");
    for expected in [4, 8, 10] {
        let queued = app
            .read(|fleet| {
                let job = fleet.job_id("j").and_then(|job| fleet.job(job));
                job.map(|job| job.count(execution::Status::Queued))
            })
            .await;
        assert_eq!(queued, Ok(Some(expected)));
        app.advance_clock(Span::MINUTE)
            .await
            .expect("runs")
            .expect("virtual");
    }
}

#[tokio::test]
async fn a_jump_over_many_waves_is_the_same_as_many_steps() {
    let mut digests = Vec::new();
    for steps in [1, 60] {
        let directory = tempfile::tempdir().expect("a directory");
        let service = start(directory.path(), true);
        let app = service.app();
        let group = Command::CreateGroup {
            name: GroupName::parse("g").expect("valid"),
            parent: None,
            description: None,
            attributes: Vec::new(),
        };
        app.submit(group).await.expect("runs").expect("accepted");
        for number in 0..21 {
            for command in [thing(number), in_group(number)] {
                app.submit(command).await.expect("runs").expect("accepted");
            }
        }
        let job = job_for_group();
        app.submit(job).await.expect("runs").expect("accepted");
        for _ in 0..steps {
            let span = Span(Span::minutes(60).0 / steps);
            app.advance_clock(span)
                .await
                .expect("runs")
                .expect("virtual");
        }
        let queued = app
            .read(|fleet| {
                let job = fleet.job_id("j").and_then(|job| fleet.job(job));
                job.map(|job| job.count(execution::Status::Queued))
            })
            .await;
        assert_eq!(queued, Ok(Some(21)));
        assert_eq!(service.stop(), Ended::Stopped);
        let digest = tools::digest_directory(directory.path()).expect("readable");
        digests.push(digest.hash);
    }
    assert_eq!(digests[0], digests[1]);
}

/// A job for a large group as fast as it goes, and commands in between. How much may come between a command
/// and its answer is counted in events.
#[tokio::test]
async fn commands_get_their_turn_while_a_large_job_is_expanded() {
    const THINGS: usize = 30_000;
    let directory = tempfile::tempdir().expect("a directory");
    let log = Log::open(directory.path()).expect("the log opens");
    let options = Options {
        fleet: fleet::Settings {
            rollout_ceiling_per_minute: u32::MAX,
            ..fleet::Settings::default()
        },
        ..Options::default()
    };
    let service = Service::start(log, options).expect("the service starts");
    let app = service.app().clone();
    let accept = async |command| app.submit(command).await.expect("runs").expect("accepted");
    accept(Command::CreateGroup {
        name: GroupName::parse("g").expect("valid"),
        parent: None,
        description: None,
        attributes: Vec::new(),
    })
    .await;
    for first in (0..THINGS).step_by(1_000) {
        let mut making = JoinSet::new();
        for number in first..first + 1_000 {
            let app = app.clone();
            making.spawn(async move {
                for command in [thing(number), in_group(number)] {
                    app.submit(command).await.expect("runs").expect("accepted");
                }
            });
        }
        making.join_all().await;
    }
    let mut follower = app.follow(app.head());
    let mut create = job_for_group();
    if let Command::CreateJob { request } = &mut create {
        request.settings.rollout = None;
    }
    accept(create).await;
    // What the writer may finish before it looks at its queue again: the commit in hand, and its own turn.
    let turn = (limits::COMMIT_EVENTS_MAX + TIMEOUT_EVENTS_MAX) as u64;
    let mut number = THINGS;
    let left = |app: &App| app.look(|views| views.job("j").map(|job| job.progress.not_queued));
    loop {
        let asked_at = app.head();
        let receipt = accept(thing(number)).await;
        let between = receipt.position.0 - asked_at.0;
        assert!(between <= 2 * turn, "{between} events came between");
        number += 1;
        if left(&app) == Some(0) {
            break;
        }
    }
    let mut commits = 0;
    while follower.position() < app.head() {
        let commit = follower.next().await.expect("a commit").expect("readable");
        assert!(commit.events.len() as u64 <= turn);
        commits += 1;
    }
    assert!(commits > THINGS as u64 / turn, "{commits} commits");
    assert_eq!(service.stop(), Ended::Stopped);
}

#[tokio::test]
async fn the_machines_clock_cannot_be_moved() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = start(directory.path(), false);
    let moved = service
        .app()
        .advance_clock(Span::MINUTE)
        .await
        .expect("runs");
    assert!(moved.is_err());
}
