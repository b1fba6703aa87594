use serde_json::{Value, json};
use shipslog_domain::account::EventKind;
use shipslog_domain::{Command, JobName, Position};

use super::event_id;
use crate::testing::{Client, TestEdge};

/// An edge with things `T` and `U`, and a client that takes all messages.
async fn start(kinds: &[EventKind]) -> (TestEdge, Client) {
    let edge = TestEdge::start();
    for thing in ["T", "U"] {
        edge.thing(thing).await;
    }
    let mut watcher = edge.connect("watcher").await;
    assert_eq!(
        watcher.subscribe(&[("$aws/events/#", 1), ("#", 0)]).await,
        [1, 0]
    );
    let changes = kinds.iter().map(|kind| (*kind, true)).collect();
    edge.submit(Command::ConfigureEvents { changes }).await;
    (edge, watcher)
}

async fn update(edge: &TestEdge, thing: &str, job: &str, body: &Value) {
    let mut device = edge.connect(thing).await;
    let topic = format!("$aws/things/{thing}/jobs/{job}/update");
    let reply = device.ask(&topic, &body.to_string()).await;
    assert!(reply.topic.ends_with("/accepted"), "{}", reply.text());
}

/// The next message: its topic, and its body without the id.
async fn next(watcher: &mut Client) -> (String, Value) {
    let mut message = watcher.message().await;
    // Those are always on.
    while message.topic.starts_with("$aws/events/presence/") {
        message = watcher.message().await;
    }
    let mut body = message.json();
    let id = body.as_object_mut().and_then(|body| body.remove("eventId"));
    assert!(id.is_some_and(|id| id.as_str().is_some_and(|id| id.len() == 36)));
    (message.topic, body)
}

fn cancel(job: &str, force: bool) -> Command {
    Command::CancelJob {
        job: JobName::parse(job).unwrap(),
        force,
        reason_code: None,
        comment: Some("enough".into()),
    }
}

#[tokio::test]
async fn the_end_of_an_execution_and_of_its_job_are_told() {
    let (edge, mut watcher) = start(&[EventKind::Job, EventKind::JobExecution]).await;
    edge.job("j", "T").await;
    let working = json!({"status": "IN_PROGRESS", "statusDetails": {"downloadTime": "120"}});
    update(&edge, "T", "j", &working).await;
    update(&edge, "T", "j", &json!({"status": "SUCCEEDED"})).await;
    let (topic, body) = next(&mut watcher).await;
    assert_eq!(topic, "$aws/events/jobExecution/j/succeeded");
    assert_eq!(
        body["statusDetails"],
        json!({"downloadTime": "120"}),
        "kept from before"
    );
    assert_eq!(
        body["thingArn"],
        "arn:aws:iot:us-east-1:000000000000:thing/T"
    );
    assert_eq!(
        (&body["eventType"], &body["status"]),
        (&json!("JOB_EXECUTION"), &json!("SUCCEEDED"))
    );
    let (topic, body) = next(&mut watcher).await;
    assert_eq!(topic, "$aws/events/job/j/completed");
    assert_eq!(body["jobProcessDetails"]["numberOfSucceededThings"], 1);
    let (seconds, milliseconds) = (body["timestamp"].as_u64(), body["completedAt"].as_u64());
    assert_eq!(seconds, milliseconds.map(|at| at / 1_000));
    assert_eq!(
        body["targets"],
        json!(["arn:aws:iot:us-east-1:000000000000:thing/T"])
    );
}

#[tokio::test]
async fn a_cancellation_and_a_deletion_are_told_when_they_begin_and_end() {
    let (edge, mut watcher) = start(&[EventKind::Job]).await;
    edge.job("j", "T").await;
    edge.submit(cancel("j", false)).await;
    let mut told = Vec::new();
    for _ in 0..2 {
        let (topic, body) = next(&mut watcher).await;
        told.push((topic, body["status"].clone(), body.get("comment").cloned()));
    }
    let expected = [
        (
            "$aws/events/job/j/cancellation_in_progress".to_owned(),
            json!("CANCELLATION_IN_PROGRESS"),
            Some(json!("enough")),
        ),
        (
            "$aws/events/job/j/canceled".to_owned(),
            json!("CANCELED"),
            None,
        ),
    ];
    assert_eq!(told, expected);
    let job = JobName::parse("j").unwrap();
    edge.submit(Command::DeleteJob {
        job,
        namespace: None,
        force: false,
    })
    .await;
    assert_eq!(
        next(&mut watcher).await.0,
        "$aws/events/job/j/deletion_in_progress"
    );
    assert_eq!(next(&mut watcher).await.0, "$aws/events/job/j/deleted");
}

#[tokio::test]
async fn nothing_is_told_of_what_is_switched_off() {
    let (edge, mut watcher) = start(&[EventKind::Job]).await;
    edge.job("j", "T").await;
    // Only the job is told of, not the execution before it.
    update(&edge, "T", "j", &json!({"status": "FAILED"})).await;
    assert_eq!(next(&mut watcher).await.0, "$aws/events/job/j/completed");
    let changes = vec![(EventKind::Job, false), (EventKind::JobExecution, true)];
    edge.submit(Command::ConfigureEvents { changes }).await;
    edge.job("k", "T").await;
    edge.submit(cancel("k", true)).await;
    assert_eq!(
        next(&mut watcher).await.0,
        "$aws/events/jobExecution/k/canceled"
    );
}

#[test]
fn an_id_is_a_uuid_of_its_event() {
    let id = event_id(Position(7), "j", "succeeded");
    assert_eq!(id, event_id(Position(7), "j", "succeeded"));
    assert_ne!(id, event_id(Position(8), "j", "succeeded"));
    assert_ne!(id, event_id(Position(7), "j", "failed"));
    let groups: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12]);
}

mod registry;
